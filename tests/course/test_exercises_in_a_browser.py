"""An exercise notebook in a real browser, as the reader gets it: it runs to its end, and its quizzes answer."""

import pytest

from tests.course import test_lessons_in_a_browser as lab

pytestmark = [pytest.mark.requires("chromium"), pytest.mark.timeout(300), pytest.mark.slow]
server = lab.server
PATH = "en/exercises/07_trap_and_emulate.ipynb"
WRONG = "def exits_per_call(run):\n    return [0]"


@pytest.fixture(scope="module")
def page(browser, server):
    """The notebook, run from its first cell to its last."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(60_000)
    page.goto(f"{server}/lab/workspaces/exercises/tree/{PATH}?token=lessons")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_selector("text=| Idle")
    page.click("text=Run >> nth=0")
    page.click("text=Run All Cells")
    page.locator(".jp-CodeCell").last.get_by_text("07-7 is not written yet.").wait_for()
    yield page
    page.close()


def test_untouched_it_runs_to_its_end(page):
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert page.get_by_text("is not written yet.").count() == 7


def test_a_quiz_answers_to_the_keyboard(page):
    quiz = page.locator(".jp-CodeCell").nth(2)
    quiz.scroll_into_view_if_needed()
    radio = quiz.locator("input[type=radio]")
    radio.nth(1).focus()
    page.keyboard.press("Space")
    quiz.locator("button:enabled", has_text="This is my answer").wait_for()
    for _control in ("third answer", "button"):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    quiz.get_by_text("Only the virtual CPU has changed.").wait_for()


def test_a_long_answer_takes_the_lines_that_it_needs(page):
    page.set_viewport_size({"width": 800, "height": 1000})
    answers = page.locator(".jp-CodeCell input[type=radio]").locator("xpath=..")
    page.wait_for_function(
        "labels => labels.some(label => label.clientHeight > 30)", arg=answers.element_handles()
    )
    for needed, given in answers.evaluate_all("all => all.map(one => [one.scrollHeight, one.clientHeight])"):
        assert needed <= given
    page.set_viewport_size({"width": 1400, "height": 1000})


def test_a_counter_example_is_drawn(page):
    """A wrong answer is written into its cell, and checked."""
    cells = page.locator(".jp-CodeCell")
    blank, check = cells.nth(14), cells.nth(15)
    blank.scroll_into_view_if_needed()
    blank.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(WRONG)
    for _cell in ("blank", "hints", "check"):
        page.keyboard.press("Shift+Enter")
    check.get_by_text("07-5 wrong in").wait_for()
    assert "ladder" in check.locator("img").first.get_attribute("alt").lower()
