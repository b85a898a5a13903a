"""A timeline of a million events in a real browser, beside the same events as points of a matplotlib chart."""

import shutil
from base64 import b64encode
from dataclasses import dataclass, field
from io import BytesIO
from time import perf_counter
from typing import Any

from tests.benchmarks.measuring import Spread, spread, table, this_python
from tests.views.live.test_timeline_page import MODEL, NAMES
from tests.views.pages import chromium
from tests.views.recordings import Script
from vlab.events import Recording
from vlab.views import Timeline

_ROUND = 36  # events of one round of the script
_FRAMES = 60

# Opens the timeline and waits for the frame that shows it; the clock runs in the page.
_OPEN = f"""
async ([state, data, source]) => {{
  const start = performance.now();
  await ({MODEL.strip()})([state, data, source]);
  while (!document.querySelector("[data-drawn]")) await new Promise((next) => setTimeout(next, 1));
  await new Promise(requestAnimationFrame);
  await new Promise((next) => setTimeout(next));
  return performance.now() - start;
}}
"""
_OPEN_IMAGE = """
async (data) => {
  const start = performance.now(), image = new Image();
  image.src = "data:image/png;base64," + data;
  await image.decode();
  document.body.append(image);
  await new Promise(requestAnimationFrame);
  await new Promise((next) => setTimeout(next));
  return performance.now() - start;
}
"""
# Zooms in and out and moves by the keyboard, and times what each frame costs the page.
_MOVE = """
async (frames) => {
  const root = document.querySelector(".vlab-timeline"), costs = [];
  const keys = ["+", "ArrowRight", "ArrowRight", "+", "ArrowLeft", "-", "ArrowLeft", "-"];
  const plain = window.requestAnimationFrame;
  window.requestAnimationFrame = (draw) => plain((now) => {
    const start = performance.now();
    draw(now);
    document.querySelector("canvas").getContext("2d").getImageData(0, 0, 1, 1); // until it is painted
    costs.push(performance.now() - start);
  });
  for (let n = 0; n < frames; n++) {
    const key = keys[n % keys.length], shiftKey = key.startsWith("Arrow");
    root.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey, bubbles: true }));
    await new Promise((next) => plain(() => setTimeout(next)));
  }
  window.requestAnimationFrame = plain;
  return costs;
}
"""


@dataclass
class Measured:
    """Seconds in all, from the recording to the picture on the page, and milliseconds of the frames after it."""

    events: int
    timeline: list[float] = field(default_factory=list)
    page: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> Spread:
        """The peer's time over the timeline's."""
        return spread(peer / own for own, peer in zip(self.timeline, self.peer, strict=True))


def recording(events: int) -> Recording:
    """A guest's run of about so many events."""
    return Script(1).record(max(1, events // _ROUND))


def measure(events: int, *, repetitions: int = 3) -> Measured:
    """The timeline and its peer in turns, in one browser."""
    run = recording(events)
    measured = Measured(len(run))
    with chromium() as browser:
        for turn in range(repetitions + 1):
            own, page, frames = _timeline(browser, run)
            peer = _peer(browser, run)
            if turn:  # in the first, memory and caches are filled
                measured.timeline.append(own)
                measured.page.append(page)
                measured.peer.append(peer)
                measured.frames += frames
    return measured


def _timeline(browser: Any, run: Recording) -> tuple[float, float, list[float]]:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.expose_function("kernel", lambda number: None)
    start = perf_counter()
    widget = Timeline(run).widget
    prepared = perf_counter() - start
    page.set_content(f"<html><style>{widget._css}</style><body></body></html>")
    state = {name: getattr(widget, name) for name in NAMES}
    arguments = [state, b64encode(widget.data).decode(), b64encode(widget._esm.encode()).decode()]
    opened = page.evaluate(_OPEN, arguments) / 1000
    frames = page.evaluate(_MOVE, _FRAMES)
    page.close()
    return prepared + opened, opened, frames


def _peer(browser: Any, run: Recording) -> float:
    """matplotlib: a point an event, time across and level up, as a PNG. It cannot be zoomed then."""
    from matplotlib.figure import Figure

    page = browser.new_page(viewport={"width": 1280, "height": 720})
    start = perf_counter()
    figure = Figure(figsize=(11, 4))
    axes = figure.add_subplot()
    kinds = {kind: number for number, kind in enumerate(sorted({type(one).__name__ for one in run}))}
    colours = [kinds[type(one).__name__] for one in run]
    axes.scatter([one.time for one in run], [one.level for one in run], c=colours, s=2)
    file = BytesIO()
    figure.savefig(file, format="png")
    drawn = perf_counter() - start
    opened: float = page.evaluate(_OPEN_IMAGE, b64encode(file.getvalue()).decode()) / 1000
    page.close()
    return drawn + opened


def report(*, quick: bool = False) -> str:
    """How long the picture takes to appear, beside its peer, and what a frame costs then."""
    if not any(map(shutil.which, ("chromium", "google-chrome"))):
        return "A timeline in a browser: this host has no chromium."
    runs = [
        measure(events, repetitions=1 if quick else 3)
        for events in ([10_000] if quick else [10_000, 1_000_000])
    ]
    rows = [
        [
            f"{one.events:,}",
            spread(one.timeline),
            spread(one.page),
            spread(one.peer),
            one.ratio,
            spread(one.frames),
        ]
        for one in runs
    ]
    return table(
        f"A timeline in a browser, from the recording to the page: seconds, and milliseconds a frame ({this_python()})",
        ["events", "timeline", "of it the page", "matplotlib", "ratio", "a frame"],
        rows,
        ["The aim: a million events in two seconds, and a frame in 33 milliseconds."],
    )
