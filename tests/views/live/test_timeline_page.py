"""The page's side of the timeline, in a real browser, with a model in place of the notebook's."""

from base64 import b64encode

import pytest

from tests.views.recordings import Script
from vlab.views import Timeline

pytestmark = pytest.mark.requires("chromium")

NAMES = ("plan", "words", "window", "at", "root", "cause", "vm", "size")

# Enough of anywidget's model: it holds state, tells of changes, and passes messages on.
MODEL = """
([state, data, source]) => {
  const listeners = {};
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  state.data = new DataView(bytes.buffer);
  window.model = {
    get: (name) => state[name],
    set(name, value) {
      if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
      state[name] = value;
      window.model.tell("change:" + name);
    },
    save_changes() {},
    on: (event, listener) => (listeners[event] ??= []).push(listener),
    off: (event, listener) => (listeners[event] = listeners[event].filter((one) => one !== listener)),
    tell: (event, content) => (listeners[event] ?? []).forEach((listener) => listener(content)),
    send: (message) => window.kernel(message.event).then((answer) => window.model.tell("msg:custom", answer)),
    listening: () => Object.values(listeners).flat().length,
  };
  return import("data:text/javascript;base64," + source).then((module) => {
    window.leave = module.default.render({ model: window.model, el: document.body });
  });
}
"""


def put(page, timeline):
    """Put a timeline's widget into a page, and wait until it is drawn."""
    widget = timeline.widget
    page.set_content(f"<html><style>{widget._css}</style><body></body></html>")
    state = {name: getattr(widget, name) for name in NAMES}
    data, source = b64encode(widget.data).decode(), b64encode(widget._esm.encode()).decode()
    page.evaluate(MODEL, [state, data, source])
    page.locator("[data-drawn]").wait_for()


@pytest.fixture
def timeline():
    return Timeline(Script(1).record(60))


@pytest.fixture
def page(browser, timeline):
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    faults = []
    page.on("pageerror", lambda fault: faults.append(fault))
    page.expose_function("kernel", timeline.widget.details)
    put(page, timeline)
    yield page
    assert faults == []
    page.close()


def state(page, name):
    return page.evaluate(f"model.get('{name}')")


def press(page, *keys):
    page.locator(".vlab-timeline").focus()
    for key in keys:
        page.keyboard.press(key)


def shown(page, window):
    """Wait until the page has drawn this window and said so."""
    page.wait_for_function(
        "([a, b]) => model.get('window')[0] === a && model.get('window')[1] === b", arg=window
    )
    return tuple(window)


def status(page, timeline, number):
    sentence = timeline.widget.details(number)["sentence"]
    page.wait_for_function(
        "says => document.querySelector('[role=status]').textContent === says", arg=sentence
    )


def says(page, timeline):
    """The page's own sentence is the one that the code says."""
    said = timeline.sentence.split(" Only:")[0].split(" Chosen")[0]
    page.wait_for_function("says => document.querySelector('canvas').ariaLabel === says", arg=said)


def test_it_opens_with_every_lane_and_the_sentence_that_the_code_says(page, timeline):
    says(page, timeline)
    painted = """() => {
      const canvas = document.querySelector('canvas'), pen = canvas.getContext('2d');
      const lanes = model.get('plan').rows.length, scale = devicePixelRatio;
      return [...Array(lanes).keys()].map((lane) => {
        const data = pen.getImageData(190 * scale, (18 + 46 * lane) * scale, 780 * scale, 36 * scale).data;
        return data.some((value, n) => n % 4 === 3 && value > 0);
      });
    }"""
    assert page.evaluate(painted) == [True] * len(timeline.columns.rows)


def test_keys_zoom_and_move(page, timeline):
    first, last = timeline.columns.span
    middle, quarter = (first + last) / 2, (last - first) / 4
    press(page, "+")
    assert shown(page, [middle - quarter, middle + quarter])
    press(page, "Shift+ArrowRight")
    assert shown(page, [middle, middle + 2 * quarter])
    timeline.zoom(middle, middle + 2 * quarter)
    says(page, timeline)
    press(page, "0")
    assert shown(page, [first, last])


def test_keys_choose_events_and_stay_at_the_ends(page, timeline):
    press(page, "Home")
    status(page, timeline, 0)
    press(page, "ArrowRight", "ArrowRight", "ArrowLeft")
    status(page, timeline, 1)
    press(page, "End", "ArrowRight")
    status(page, timeline, len(timeline) - 1)
    assert "sret" in page.locator(".vlab-detail table").inner_text()


def test_an_event_that_is_out_of_view_is_brought_into_it(page, timeline):
    press(page, "+", "+", "+", "Home")
    page.wait_for_function("model.get('at') === 0 && model.get('window')[0] < 200")


def test_filters_choose_by_cause_and_by_vm(page, timeline):
    page.get_by_role("combobox", name="Events").select_option("Exit")
    timeline.only(cause="Exit")
    says(page, timeline)
    press(page, "Home", "ArrowRight")
    exits = [number for number, event in enumerate(timeline.columns.events) if event.kind == "Exit"]
    status(page, timeline, exits[1])
    page.get_by_role("combobox", name="Events").select_option("all events")
    timeline.only()
    says(page, timeline)


def test_what_an_event_caused_is_shown_alone(page, timeline):
    page.evaluate("model.set('at', 0)")
    button = page.get_by_role("button", name="Only what it caused")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    timeline.only(cause=timeline.columns.events[0])
    assert 0 < len(timeline.events) < len(timeline) / 10
    says(page, timeline)
    button.click()
    timeline.only()
    says(page, timeline)


def test_buttons_say_and_do_the_same_as_keys(page, timeline):
    for name in ("Next event", "Next event", "Previous event"):
        page.get_by_role("button", name=name).click()
    status(page, timeline, 0)
    first, last = timeline.columns.span
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_function("model.get('window')[1] < " + str(last))
    page.get_by_role("button", name="Whole run").click()
    assert shown(page, [first, last])


def test_a_click_chooses_and_dragging_moves(page, timeline):
    press(page, "+", "+", "+", "+", "+")
    page.wait_for_timeout(250)
    box = page.locator("canvas").bounding_box()
    start, end = state(page, "window")
    places = timeline.columns.between(start, end)
    number = next(n for n in places if timeline.columns.lanes[n] == 1)
    x = 178 + (timeline.columns.times[number] - start) / (end - start) * (box["width"] - 178 - 12)
    page.mouse.click(box["x"] + x + 0.5, box["y"] + 18 + 46 + 19)
    page.wait_for_function("model.get('at') >= 0")
    assert abs(timeline.columns.times[state(page, "at")] - timeline.columns.times[number]) < 3
    page.mouse.move(box["x"] + 600, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_function("before => model.get('window')[0] > before", arg=start)


def test_lecture_size_is_half_as_large_again_and_clicks_still_choose(page, timeline):
    size = """() => [document.querySelector('canvas').clientHeight,
        parseFloat(getComputedStyle(document.querySelector('[role=status]')).fontSize),
        document.querySelector('canvas').height]"""
    before = page.evaluate(size)
    page.get_by_role("button", name="Lecture size").click()
    page.wait_for_function(f"height => ({size})()[2] > height", arg=before[2])  # it was drawn anew
    assert page.evaluate(size) == [pytest.approx(1.5 * one, abs=1) for one in before]
    assert page.get_by_role("button", name="Lecture size").get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    press(page, "+", "+", "+", "+", "+")
    page.wait_for_timeout(250)
    box = page.locator("canvas").bounding_box()
    start, end = state(page, "window")
    number = next(n for n in timeline.columns.between(start, end) if timeline.columns.lanes[n] == 1)
    plot = box["width"] / 1.5 - 178 - 12
    x = 178 + (timeline.columns.times[number] - start) / (end - start) * plot
    page.mouse.click(box["x"] + 1.5 * (x + 0.5), box["y"] + 1.5 * (18 + 46 + 19))
    page.wait_for_function("model.get('at') >= 0")
    assert abs(timeline.columns.times[state(page, "at")] - timeline.columns.times[number]) < 3
    page.get_by_role("button", name="Lecture size").click()
    page.wait_for_function(f"height => ({size})()[2] === height", arg=before[2])


def test_it_can_begin_in_lecture_size(browser):
    heights = []
    for size in ("normal", "lecture"):
        timeline = Script(1).record(60).timeline(size=size)
        page = browser.new_page(viewport={"width": 1000, "height": 900})
        page.expose_function("kernel", timeline.widget.details)
        put(page, timeline)
        heights.append(page.evaluate("document.querySelector('canvas').clientHeight"))
        page.close()
    assert heights[1] == pytest.approx(1.5 * heights[0])


def test_a_move_from_code_shows(page, timeline):
    timeline.zoom(150, 400)
    page.evaluate("model.set('window', [150, 400])")
    says(page, timeline)


def test_colours_follow_the_page(page):
    def paper():
        return page.evaluate(
            "[...document.querySelector('canvas').getContext('2d').getImageData(60, 22, 1, 1).data].slice(0, 3)"
        )

    light = paper()
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.wait_for_timeout(150)
    assert sum(paper()) < sum(light) - 200


def test_it_leaves_nothing_behind(page):
    assert page.evaluate("(window.leave(), window.model.listening())") == 0
