"""axe-core on what a reader's browser shows: it must find nothing serious, light or dark, near or far.

What axe can't see, because it stands in SVG, is in `test_everyone.py`: contrast, colours, sentences.
"""

from contextlib import contextmanager
from typing import Any

import pytest

from tests.views.everything import KERNEL, kinds
from tests.views.pages import jupyterlab, opened, run_all
from vlab.course.notebooks import lessons
from vlab.events import Recording
from vlab.hypervisor import Hypervisor
from vlab.machine import Machine
from vlab.views import Explorer, Stepper, Timeline
from vlab.views.computers.comparison import Comparison

pytestmark = [pytest.mark.requires("chromium"), pytest.mark.timeout(300)]

SIZES = {"laptop": (1280, 720), "projector": (1024, 768)}
SERIOUS = ("serious", "critical")


def things(name: str) -> Any:
    """What stands on a page of its own."""
    run = kinds()[Recording]
    return {
        "run": lambda: Stepper(run, at=5),
        "state": lambda: Stepper(Machine(KERNEL, memory="1M"), at=30, steps=60),
        "comparison": lambda: Stepper(kinds()[Comparison]),
        "walk": lambda: Explorer(Machine(KERNEL, memory="1M"), "sp"),
        "vm": lambda: Explorer(kinds()[Hypervisor].vms[0]),
        "timeline": lambda: Timeline(run).at(7),
    }[name]()


LAB = [
    'from vlab.course import quiz\nquiz("07-q1")',
    "from vlab.paging import PageTable\nfrom vlab.views import Explorer\nExplorer(PageTable())",
    "PageTable().walk(0x1000)",
]
WRONG = """() => document.querySelectorAll('.jp-OutputArea-output').forEach((output) => {
    const wrong = document.createElement('input');
    wrong.className = 'jp-Cell';  // whatever it is called, it stands in an output
    output.firstElementChild.append(wrong);
})"""
PAGES = ("run", "state", "comparison", "walk", "vm", "timeline")


def complaints(page: Any, within: str = "body", without: tuple[str, ...] = ()) -> list[str]:
    """What axe finds serious or critical: its rule, and the first places."""
    from axe_playwright_python.sync_playwright import Axe

    context = {"include": [[within]], "exclude": [[part] for part in without]}
    found = Axe().run(page, context=context).response["violations"]
    return [
        f"{one['id']}: {one['help']}: " + "; ".join(str(node["html"])[:150] for node in one["nodes"][:3])
        for one in found
        if one["impact"] in SERIOUS
    ]


@contextmanager
def shown(browser, name, dark, size):
    wide, high = SIZES[size]
    with opened(browser, things(name).widget, dark=dark, wide=wide, high=high) as page:
        if size == "projector" and (bigger := page.get_by_role("button", name="Lecture size")).count():
            bigger.click()
        if name == "timeline":
            page.locator("[data-drawn]").wait_for()
        yield page


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious_on_a_widget(browser, name, dark, size):
    with shown(browser, name, dark, size) as page:
        assert complaints(page) == []


def test_axe_does_find_what_is_wrong(browser):
    page = browser.new_page()
    page.set_content("<html lang=en><title>x</title><main><input type=text><p style='color:#aaa'>pale</main>")
    assert [one.split(":")[0] for one in complaints(page)] == ["color-contrast", "label"]
    page.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious_on_a_lesson_without_a_kernel(browser, dark):
    """As nbconvert writes it. Its own frame around a cell (prompts, coloured code) is not ours."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(theme="dark" if dark else "light", mathjax_url="", require_js_url="")
    lesson = next(path for path in lessons(["07"]) if path.parent.name == "en")
    html, _resources = exporter.from_filename(str(lesson))
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.route("**/*", lambda route: route.abort())  # what it would fetch from elsewhere
    page.set_content(html, wait_until="domcontentloaded")
    assert page.locator("img[alt]").count() > 3
    assert complaints(page, without=(".jp-InputArea", ".jp-OutputPrompt")) == []
    page.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious_on_outputs_in_jupyterlab(browser, tmp_path, dark):
    """What JupyterLab draws around them is not ours."""
    with jupyterlab(tmp_path, LAB, dark=dark) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        run_all(page, address)
        page.locator(".vlab-explorer svg").first.wait_for()
        page.locator(".jp-OutputArea input[type=radio]").first.wait_for()
        assert page.locator("body").get_attribute("data-jp-theme-light") == ("false" if dark else "true")
        assert page.locator(".jp-OutputArea-output").count() >= len(LAB)
        assert complaints(page, ".jp-OutputArea-output > *") == []
        page.evaluate(WRONG)
        assert "label" in [one.split(":")[0] for one in complaints(page, ".jp-OutputArea-output > *")]
        page.close()


@pytest.mark.parametrize("name", PAGES)
def test_every_control_has_a_name_and_is_reached_by_tab_in_the_order_of_the_page(browser, name):
    with shown(browser, name, False, "laptop") as page:
        seen = """() => [...document.querySelectorAll('main :is(button, input, select, summary, [tabindex="0"])')]
            .filter((one) => !one.disabled && one.checkVisibility())"""
        page.evaluate(f"window.wanted = ({seen})()")
        wanted = page.evaluate("wanted.length")
        assert wanted > 6
        reached = []
        for _tab in range(wanted):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("wanted.indexOf(document.activeElement)"))
        assert reached == list(range(wanted))
        nameless = """wanted.filter((one) => !(one.ariaLabel || one.labels?.[0]?.textContent || one.textContent).trim())
            .map((one) => one.outerHTML)"""
        assert page.evaluate(nameless) == []


@pytest.mark.parametrize("name", [name for name in PAGES if name != "timeline"])
def test_lecture_size_is_larger_and_fits_the_projector(browser, name):
    with opened(browser, things(name).widget, wide=1024, high=768) as page:
        height = "document.querySelector('svg text').getBoundingClientRect().height"
        letters = "parseFloat(getComputedStyle(document.querySelector('[role=status]')).fontSize)"
        before = page.evaluate(height), page.evaluate(letters)
        page.get_by_role("button", name="Lecture size").click()
        assert page.evaluate(height) > 1.3 * before[0]
        assert page.evaluate(letters) == pytest.approx(1.5 * before[1])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("name", PAGES)
def test_nothing_moves_by_itself_for_those_who_want_little_motion(browser, name):
    with opened(browser, things(name).widget, motion=False) as page:
        assert page.evaluate("document.getAnimations().length") == 0
        assert (
            page.evaluate("[...document.querySelectorAll('svg animate, svg animateTransform')].length") == 0
        )
        if (play := page.get_by_role("button", name="Play")).count():
            faster = page.locator("option[value='2'], option[value='4'], option[value='8']")
            assert faster.count() == 3
            assert all(option.is_disabled() for option in faster.all())
            play.click()
            page.keyboard.press("p")  # stopped again before a second has gone by
            status = page.locator("[role=status]").inner_text()
            page.wait_for_timeout(1200)
            assert page.locator("[role=status]").inner_text() == status
