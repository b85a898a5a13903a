"""The page's side of the stepper, in a real browser, with a model in place of the notebook's."""

from base64 import b64encode

import pytest

from tests.views.recordings import Script
from vlab import guests
from vlab.machine import Machine
from vlab.views import Stepper
from vlab.views.computers.states import States
from vlab.views.live.frames import STRIDE

pytestmark = pytest.mark.requires("chromium")

# Enough of anywidget's model: it holds state, tells of changes, and passes messages on.
_MODEL = """
([state, source]) => {
  const listeners = {};
  window.model = {
    get: (name) => state[name],
    set(name, value) { state[name] = value; window.model.tell("change:" + name); },
    save_changes() {},
    on: (event, listener) => (listeners[event] ??= []).push(listener),
    off: (event, listener) => (listeners[event] = listeners[event].filter((one) => one !== listener)),
    tell: (event, content) => (listeners[event] ?? []).forEach((listener) => listener(content)),
    send: (message) => window.kernel(message.chunk).then((chunk) => window.model.tell("msg:custom", chunk)),
    listening: () => Object.values(listeners).flat().length,
  };
  return import("data:text/javascript;base64," + source).then((module) => {
    window.leave = module.default.render({ model: window.model, el: document.body });
  });
}
"""


@pytest.fixture
def stepper():
    return Stepper(Script(1).record(12), at=6)


@pytest.fixture
def page(browser, stepper):
    yield from opened(browser, stepper)


@pytest.fixture(scope="module")
def states():
    return States(Machine(guests.load("kernel"), memory="1M"), 800)


@pytest.fixture
def state_page(browser, states):
    yield from opened(browser, Stepper(states, at=674))


def opened(browser, stepper):
    """A page with this stepper in it."""
    widget = stepper.widget
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    asked = []

    def answer(number):
        asked.append(number)
        return widget.chunk(number)

    page.expose_function("kernel", answer)
    page.asked = asked
    page.set_content(f"<html><style>{widget._css}</style><body></body></html>")
    names = ("at", "count", "stride", "stops", "words", "ahead", "size")
    source = b64encode(widget._esm.encode()).decode()
    page.evaluate(_MODEL, [{name: getattr(widget, name) for name in names}, source])
    yield page
    page.close()


def place(page):
    return int(page.locator("output").inner_text().split(" / ")[0])


def press(page, *keys):
    page.locator(".vlab-stepper").focus()
    for key in keys:
        page.keyboard.press(key)
    return place(page)


def test_keys_go_both_ways(page, stepper):
    exits = stepper._frames.stops["exit"]
    assert press(page, "ArrowRight", "ArrowRight", "ArrowLeft") == 7
    assert press(page, "e") == next(at for at in exits if at > 7)
    assert press(page, "End") == len(stepper) - 1
    assert press(page, "ArrowRight") == len(stepper) - 1
    assert press(page, "e") == len(stepper) - 1
    assert press(page, "Home", "ArrowLeft") == 0
    assert press(page, "t") == 5


def test_buttons_go_both_ways(page, stepper):
    def click(name):
        page.get_by_role("button", name=name, exact=True).first.click()
        return place(page)

    assert [click(name) for name in ("Next", "Next", "Back", "First", "Next trap")] == [7, 8, 7, 0, 5]
    assert click("Last") == len(stepper) - 1
    assert page.get_by_role("button", name="Next", exact=True).get_attribute("aria-disabled") == "true"


def test_the_slider_moves_by_mouse_and_by_key(page, stepper):
    slider = page.get_by_role("slider", name="Position")
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    middle = place(page)
    assert abs(middle - len(stepper) // 2) <= 2
    page.keyboard.press("ArrowRight")
    assert place(page) == middle + 1


def test_a_click_on_an_event_chooses_it_and_keeps_the_keyboard(page):
    page.locator("svg [data-event='9']").first.click(position={"x": 9, "y": 9})
    assert place(page) == 9
    page.keyboard.press("ArrowLeft")
    assert place(page) == 8


def test_an_events_cause_is_one_click_away(page):
    page.locator(".vlab-detail button").first.click()
    assert place(page) == 5
    page.keyboard.press("ArrowRight")
    assert place(page) == 6


def test_what_stands_there_is_lit_said_and_told(page, stepper):
    press(page, "End")
    stepper.last()
    page.wait_for_function(
        "says => document.querySelector('[role=status]').textContent === says", arg=stepper.sentence
    )
    assert page.get_by_role("img").get_attribute("aria-label") == stepper.sentence
    lit = page.locator("svg .lit").evaluate_all("marks => marks.map(mark => mark.dataset.event)")
    assert set(lit) == {str(stepper.at)}
    assert "instruction" in page.locator(".vlab-detail table").inner_text()


def test_on_a_small_screen_the_picture_scrolls_to_what_is_lit(page):
    page.set_viewport_size({"width": 500, "height": 800})
    for key in ("Home", "End"):
        press(page, key)
        page.wait_for_timeout(100)
        inner, outer = (page.locator(part).first.bounding_box() for part in ("svg .lit", ".vlab-picture"))
        assert outer["x"] <= inner["x"]
        assert inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_frames_are_asked_for_ahead_and_once(page, stepper):
    wanted = list(range(2, -(-len(stepper) // STRIDE)))
    for _wait in range(200):  # on a busy host the answers take their time
        if len(page.asked) >= len(wanted):
            break
        page.wait_for_timeout(50)
    press(page, "End", "Home")
    page.wait_for_timeout(100)
    assert sorted(page.asked) == wanted


def test_a_move_from_code_shows(page):
    page.evaluate("model.set('at', 20)")
    assert place(page) == 20


def test_the_stepper_leaves_nothing_behind(page):
    assert page.evaluate("(window.leave(), window.model.listening())") == 0


def test_no_text_is_cut_with_this_browsers_fonts(page):
    cut = """() => [...document.querySelectorAll('svg text')].filter((text) => {
        const [inner, outer] = [text, text.ownerSVGElement].map((part) => part.getBoundingClientRect());
        return inner.left < outer.left || inner.right > outer.right || inner.bottom > outer.bottom;
    }).map((text) => text.textContent)"""
    assert page.evaluate(cut) == []
    assert page.locator("svg text").count() > 20


def test_play_goes_on_by_itself_and_stops_at_the_end(page, stepper):
    page.get_by_label("Speed").select_option("8")
    press(page, "End", "ArrowLeft", "ArrowLeft")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"model.get('at') === {len(stepper) - 1}")
    page.get_by_role("button", name="Play", pressed=False).wait_for()
    press(page, "Home", "p")
    page.wait_for_function("model.get('at') > 1")
    press(page, "p")
    at = place(page)
    page.wait_for_timeout(400)
    assert place(page) == at


def test_whoever_wants_little_motion_gets_no_more_than_one_a_second(page):
    page.emulate_media(reduced_motion="reduce")
    speeds = "select => [...select.options].filter(option => !option.disabled).map(option => option.value)"
    assert page.get_by_label("Speed").evaluate(speeds) == ["0.5", "1"]


def test_next_context_switch_by_key_and_button(page, stepper):
    switches = stepper._frames.stops["switch"]
    press(page, "Home")
    assert press(page, "s") == switches[0]
    page.get_by_role("button", name="Next context switch").click()
    assert place(page) == switches[1]


def test_who_wrote_it_by_list_and_by_click(state_page, states):
    page = state_page
    press(page, "ArrowRight", "w")
    assert page.evaluate("document.activeElement.tagName") == "SELECT"
    page.get_by_label("Who wrote").select_option("mtvec")
    page.get_by_role("button", name="Go to the write").click()
    assert place(page) == states.who_wrote("mtvec", 675) == 3
    assert page.get_by_label("Who wrote").input_value() == "mtvec"
    press(page, "End")
    page.locator(".lit, [data-who=scause] text").first.wait_for()
    page.wait_for_function(
        "document.querySelector('.vlab-who select option[value=scause]').text.includes('799')"
    )
    page.locator("[data-who=scause] text").first.click()
    assert place(page) == states.who_wrote("scause", 800) == 799
    assert page.locator(".vlab-who option[value=mtval]").inner_text() == "mtval: not before this"


def test_only_states_ask_who_wrote(page):
    assert not page.locator(".vlab-who").is_visible()


def test_a_state_says_what_the_code_says(state_page, states):
    page = state_page
    press(page, "ArrowRight")
    said = Stepper(states, at=675).sentence
    page.wait_for_function("says => document.querySelector('[role=status]').textContent === says", arg=said)
    assert "SPIE 0 → 1" in page.locator(".vlab-detail").inner_text()


def test_lecture_size_is_larger_and_nothing_is_cut(state_page):
    page, size = state_page, "() => document.querySelector('svg text').getBoundingClientRect().height"
    small = page.evaluate(size)
    press(page, "l")
    assert page.evaluate(size) > 1.4 * small
    assert page.get_by_role("button", name="Lecture size").get_attribute("aria-pressed") == "true"
    cut = """() => [...document.querySelectorAll('svg text')].filter((text) => {
        const [inner, outer] = [text, text.ownerSVGElement].map((part) => part.getBoundingClientRect());
        return inner.left < outer.left || inner.right > outer.right + 1 || inner.bottom > outer.bottom;
    }).map((text) => text.textContent)"""
    assert page.evaluate(cut) == []
    assert page.locator("svg text").count() > 100
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_every_control_is_reached_by_tab_in_order(state_page):
    page = state_page
    page.locator(".vlab-stepper").focus()
    reached = []
    for _tab in range(20):
        page.keyboard.press("Tab")
        name = "document.activeElement.textContent.slice(0, 12) || document.activeElement.getAttribute('aria-label')"
        reached.append(page.evaluate(name))
    wanted = ["First", "Back", "Next", "Last", "Next trap", "Next context", "Position", "Play"]
    assert reached[: len(wanted)] == wanted
    assert "Lecture size" in reached and "Keys" in reached
    described = page.evaluate(
        "document.getElementById(document.querySelector('.vlab-stepper').getAttribute("
        "'aria-describedby')).textContent"
    )
    assert "s: next context switch" in described
