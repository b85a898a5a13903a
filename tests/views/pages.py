"""A widget on a page of its own in a real browser: the page's side is the real one, and so is the kernel's.

Between the two stands a model that passes on what JupyterLab's would: state, changes of it, and messages. And where
that isn't enough: cells in a JupyterLab of their own, run from the first to the last.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.course.test_lessons_in_a_browser import PLACES, SETTINGS, answering

MODEL = """
([state, source]) => {
  const listeners = {}, changed = {};
  for (const [name, value] of Object.entries(state))
    if (value && value.bytes !== undefined)
      state[name] = new DataView(Uint8Array.from(atob(value.bytes), (sign) => sign.charCodeAt(0)).buffer);
  const told = (news) => {
    for (const [name, value] of news.state) {
      state[name] = value;
      model.tell("change:" + name);
    }
    for (const message of news.messages) model.tell("msg:custom", message);
  };
  const model = (window.model = {
    get: (name) => state[name],
    set(name, value) {
      if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
      changed[name] = state[name] = value;
      model.tell("change:" + name);
    },
    save_changes() {
      const news = { ...changed };
      for (const name of Object.keys(changed)) delete changed[name];
      window.kernel({ state: news }).then(told);
    },
    on: (event, listener) => (listeners[event] ??= []).push(listener),
    off: (event, listener) => (listeners[event] = listeners[event].filter((one) => one !== listener)),
    tell: (event, content) => (listeners[event] ?? []).forEach((listener) => listener(content)),
    send: (message) => window.kernel({ message }).then(told),
    listening: () => Object.values(listeners).flat().length,
  });
  return import("data:text/javascript;base64," + source).then((module) => {
    window.leave = module.default.render({ model, el: document.querySelector("main") });
  });
}
"""
PAGE = """<!doctype html><html lang=en><head><title>A widget</title><style>{style}
body {{ margin: 8px; background: {paper}; color: {ink} }}</style></head>
<body data-jp-theme-light={light}><main></main></body></html>"""


FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
FLAGS += ["--disable-sync", "--no-first-run"]


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser of this host."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Any, widget: Any, *, dark: bool = False, wide: int = 1280, high: int = 900, motion: bool = True
) -> Iterator[Any]:
    """A page with this widget in it. At its end there must have been no error in the page."""
    faults: list[Any] = []
    page = browser.new_page(
        viewport={"width": wide, "height": high},
        color_scheme="dark" if dark else "light",
        reduced_motion="no-preference" if motion else "reduce",
    )
    page.set_default_timeout(10_000)
    page.on("pageerror", lambda fault: faults.append(fault))
    kernel = _Kernel(widget)
    page.expose_function("kernel", lambda question: kernel.asked(question))
    paper, ink = ("#111111", "#ededed") if dark else ("#ffffff", "#1a1a1a")
    light = "false" if dark else "true"
    page.set_content(PAGE.format(style=widget._css, paper=paper, ink=ink, light=light))
    page.evaluate(MODEL, [_state(widget), b64encode(widget._esm.encode()).decode()])
    yield page
    assert faults == []
    page.close()


def _state(widget: Any) -> dict[str, Any]:
    state = {name: getattr(widget, name) for name in widget.keys if not name.startswith("_")}
    return {
        name: {"bytes": b64encode(value).decode()} if isinstance(value, bytes) else value
        for name, value in state.items()
        if name not in ("layout", "tabbable", "tooltip", "comm")
    }


class _Kernel:
    """The kernel's side: it takes what the page sends, and tells what followed."""

    def __init__(self, widget: Any):
        self._widget = widget
        self._news: list[tuple[str, Any]] = []
        self._messages: list[Any] = []
        widget.send = lambda content, buffers=None: self._messages.append(content)
        names = list(_state(widget))
        widget.observe(lambda change: self._news.append((change.name, change.new)), names)

    def asked(self, question: dict[str, Any]) -> dict[str, Any]:
        """Answer one thing that the page sent."""
        self._news, self._messages = [], []
        for name, value in question.get("state", {}).items():
            setattr(self._widget, name, value)
        if "message" in question:
            self._widget._handle_custom_msg(question["message"], [])
        return {"state": self._news, "messages": self._messages}


@contextmanager
def jupyterlab(folder: Path, cells: list[str], *, dark: bool = False) -> Iterator[str]:
    """The address of a notebook with these cells, in a JupyterLab that lives in this folder alone."""
    from nbformat import v4, write

    theme = {"apputils-extension/themes": {"theme": "JupyterLab Dark" if dark else "JupyterLab Light"}}
    for name, values in (SETTINGS | theme).items():
        file = folder / "JUPYTERLAB_SETTINGS_DIR" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    book = v4.new_notebook(cells=[v4.new_code_cell(source) for source in cells], metadata=kernel)
    write(book, notebooks / "cells.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", f"--port={port}", f"--ServerApp.root_dir={notebooks}", "--allow-root"]
    environment = os.environ | {place: str(folder / place) for place in PLACES} | {"JUPYTER_TOKEN": "lessons"}
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        lab = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield f"{answering(f'http://127.0.0.1:{port}', lab)}/lab/tree/cells.ipynb?token=lessons"
        finally:
            lab.terminate()
            lab.wait(20)


def run_all(page: Any, address: str) -> None:
    """Open a notebook, and run it to its end."""
    page.set_default_timeout(60_000)
    page.goto(address)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_selector("text=| Idle")  # there is a kernel
    page.click("text=Run >> nth=0")
    page.click("text=Run All Cells")
    count = page.locator(".jp-Notebook .jp-CodeCell").count()
    page.locator(".jp-InputPrompt", has_text=f"[{count}]:").wait_for(state="attached")
