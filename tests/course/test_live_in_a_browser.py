"""The lecturer's notebook in a real browser: a cell comes when it is run, and runs when it is run again."""

import pytest

from tests.course import test_lessons_in_a_browser as lab
from vlab.course import live, sections

pytestmark = [pytest.mark.requires("chromium"), pytest.mark.timeout(300)]
server = lab.server


def test_a_cell_comes_and_runs(browser, server, tmp_path_factory):
    lesson = sections.lesson("07")
    name = live.live_name(lesson)
    (copies,) = {found.resolve() for found in tmp_path_factory.getbasetemp().glob("lab*/copies")}
    (copies / name).parent.mkdir(parents=True)
    (copies / name).write_bytes(live.live_notebook(lesson))
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(60_000)
    page.goto(f"{server}/lab/workspaces/live/tree/{name}?token=lessons")
    page.wait_for_selector("text=| Idle")
    page.locator(".jp-MarkdownCell summary", has_text="For the lecturer").wait_for()
    run = ["vlab.set_language", "import reveal", "from vlab import guests", 'checkpoint("07-emulate")']
    for text in run:
        cell = page.locator(".jp-CodeCell", has_text=text).first
        cell.locator(".cm-content").click()
        page.keyboard.press("ControlOrMeta+Enter")
    page.get_by_text("Made for this section").wait_for()
    blank = page.locator(".jp-CodeCell", has_text="07-emulate-skip").first
    blank.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+Enter")
    shown = page.locator(".jp-CodeCell", has_text="class Skip(TrapAndEmulate)").first
    shown.wait_for()
    assert page.locator(".jp-CodeCell", has_text="07-emulate-skip").count() == 0
    page.keyboard.press("ControlOrMeta+Enter")
    then = page.locator(".jp-CodeCell", has_text="vm_skip, run_skip = run_tiny(Skip)").first
    then.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+Enter")
    then.get_by_text("30 exits").wait_for()
    page.close()
