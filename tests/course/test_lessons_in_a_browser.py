"""Each lesson in a real browser: opened by `vlab lab`, run from top to end, its stepper moved both ways."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

import vlab
from vlab.course.notebooks import lessons
from vlab.language import _

pytestmark = [pytest.mark.requires("chromium"), pytest.mark.timeout(300)]

PLACES = [f"JUPYTER_{name}_DIR" for name in ("CONFIG", "DATA", "RUNTIME")]
PLACES += ["JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"]
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # else cells out of sight are not on the page
}
IDLE = ".jp-Notebook-ExecutionIndicator[data-status=idle]"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a JupyterLab on copies of the lessons, apart from the reader's own settings."""
    here = tmp_path_factory.mktemp("lab")
    for name, values in SETTINGS.items():
        file = here / "JUPYTERLAB_SETTINGS_DIR" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {place: str(here / place) for place in PLACES} | {"JUPYTER_TOKEN": "lessons"}
    command = [
        sys.executable,
        "-m",
        "vlab",
        "lab",
        "--no-browser",
        f"--port={port}",
        f"--dir={here / 'copies'}",
    ]
    with (here / "log").open("wb") as log:
        lab = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield answering(f"http://127.0.0.1:{port}", lab)
        finally:
            lab.terminate()
            lab.wait(20)


def answering(address, lab):
    """The address, once the server behind it answers."""
    for _attempt in range(240):
        assert lab.poll() is None, "the server has ended"
        try:
            urllib.request.urlopen(f"{address}/api?token=lessons", timeout=5).close()
            return address
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise AssertionError("the server does not answer")


@pytest.fixture(params=lessons(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def page(request, browser, server):
    """A lesson, run from its first cell to its last. The messages of this process are in its language."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(120_000)
    lesson = request.param
    vlab.set_language(lesson.parent.name)
    # A workspace of its own, else the lesson opened before is on the page too.
    language = lesson.parent.name
    workspace = f"{language}-{lesson.stem}"
    page.goto(f"{server}/lab/workspaces/{workspace}/tree/{language}/{lesson.name}?token=lessons")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_selector("text=| Idle")  # there is a kernel
    page.click("text=Run >> nth=0")
    page.click("text=Run All Cells")
    # All cells wait at once, and each has its number when it has run.
    waiting = ".jp-InputPrompt:text('[*]')"
    page.wait_for_selector(waiting, state="attached")
    page.wait_for_selector(waiting, state="detached")
    page.wait_for_selector(IDLE)
    yield page
    vlab.set_language("en")
    page.close()


def test_a_lesson_runs_and_its_stepper_moves(page):
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    steppers = page.locator(".jp-OutputArea .vlab-stepper:not(.vlab-explorer) input[type=range]")
    for number in range(steppers.count()):
        by_keyboard_and_mouse(page, steppers.nth(number))


def by_keyboard_and_mouse(page, slider):
    """Move a stepper forwards and back, by keys, by the slider and by its buttons."""
    slider.scroll_into_view_if_needed()
    last = int(slider.get_attribute("max"))
    slider.focus()
    output = slider.locator("xpath=ancestor::*[contains(@class, 'jp-OutputArea-output')][1]")
    exits = output.get_by_role("button", name=_("Next exit"), exact=True).count()
    moves = []
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowLeft", "e" if exits else "ArrowRight", "End"):
        page.keyboard.press(key)
        moves.append(int(slider.input_value()))
    assert moves[:4] == [0, 1, 2, 1]
    assert moves[3] < moves[4] < moves[5] == last
    output.get_by_role("button", name=_("Back"), exact=True).click()
    assert int(slider.input_value()) == last - 1
    output.get_by_role("button", name=_("Next"), exact=True).click()
    assert int(slider.input_value()) == last
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert 0.3 * last < int(slider.input_value()) < 0.7 * last
    assert output.locator("svg").count() >= 1
