"""From the reader's hand to the new picture, in JupyterLab in a real browser: through the kernel, and without it.

Through the kernel: the explorer's slider, beside a slider that redraws the same three things (the walk, the table,
the TLB) with matplotlib in an `Output` widget. Without it: a stepper within the frames that its page has.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.benchmarks.measuring import Spread, spread, table, this_python
from tests.views.pages import chromium, jupyterlab, run_all

_CELLS = [
    """
from vlab import guests
from vlab.machine import Machine
from vlab.views import Explorer
machine = Machine(guests.load("kernel", TICK=300, LETTERS=2, PRIMES=100), memory="1M")
machine.run(3000)
explorer = Explorer(machine)
explorer""",
    """
import ipywidgets
import matplotlib.pyplot as plt
from IPython.display import clear_output
from vlab.paging import PageTable, parse_satp
from vlab.views import draw
peer = Explorer(machine)
slider = ipywidgets.IntSlider(0, 0, len(peer.stops) - 1)
output = ipywidgets.Output()
def redraw(change):
    peer.goto(peer.stops[change.new])
    with output:
        clear_output(wait=True)
        figure, (walk, table, tlb) = plt.subplots(3, figsize=(8, 12))
        draw(peer.walk.graph(), ax=walk)
        walk.set_title(hex(peer.address))
        runs = list(PageTable(machine.memory, root=parse_satp(machine.hart.csr.values["satp"]).root).runs())
        table.barh([hex(run.address) for run in runs], [run.pages for run in runs])
        for row, run in enumerate(runs):
            table.text(0, row, f"{run.physical:#x} {run.flags}")
        sets = [entry.index for context in machine.tlb().contexts for entry in context.entries]
        tlb.scatter([index % 64 for index in sets], [index // 64 for index in sets])
        plt.show()
slider.observe(redraw, "value")
redraw(type("Change", (), {"new": 0}))
ipywidgets.VBox([slider, output])""",
    """
from vlab import Stepper
with machine.events.record() as run:
    machine.run(2000)
Stepper(run[:400])""",
]
# One move of a slider, until the frame that shows the new picture; the clock runs in the page.
_THROUGH = """
async ([root, moves, value, target]) => {
  const cell = document.querySelectorAll(".jp-CodeCell")[root], costs = [];
  const drawn = (change) => new Promise((done) => {
    const seen = new MutationObserver(() => {
      if (change()) { seen.disconnect(); requestAnimationFrame(() => setTimeout(done)); }
    });
    seen.observe(cell, { subtree: true, childList: true, attributes: true, characterData: true });
  });
  for (let n = 0; n < moves; n++) {
    const picture = () => cell.querySelector(target)?.[value], before = picture();
    const shown = drawn(() => picture() && picture() !== before);
    const start = performance.now();
    const range = cell.querySelector("input[type=range]"), handle = cell.querySelector(".noUi-handle");
    if (range) {
      range.value = (Number(range.value) + 1) % (Number(range.max) + 1);
      range.dispatchEvent(new Event("input", { bubbles: true }));
    } else {
      const end = handle.getAttribute("aria-valuenow") === handle.getAttribute("aria-valuemax");
      handle.dispatchEvent(new KeyboardEvent("keydown", { key: end ? "Home" : "ArrowRight", bubbles: true }));
    }
    await shown;
    costs.push(performance.now() - start);
    await new Promise((next) => setTimeout(next, 100));
  }
  return costs;
}
"""
# Moves of a stepper until its page is laid out anew.
_WITHIN = """
async (moves) => {
  const root = document.querySelector(".vlab-stepper:not(.vlab-explorer)"), costs = [];
  const place = () => Number(root.querySelector("input[type=range]").value);
  for (let n = 0; n < moves; n++) {
    const before = place(), start = performance.now();
    root.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    root.querySelector(".vlab-picture").getBoundingClientRect();
    costs.push(performance.now() - start);
    if (place() !== before + 1) throw new Error("it has not moved");
    await new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
  }
  return costs;
}
"""


@dataclass
class Measured:
    """Milliseconds of each move."""

    explorer: list[float]
    matplotlib: list[float]
    within: list[float]

    @property
    def ratio(self) -> float:
        """The explorer's time over matplotlib's."""
        return median(self.explorer) / median(self.matplotlib)


def measure(*, moves: int = 20) -> Measured:
    """All three in one browser, on one kernel; the two that share it take turns."""
    explorer: list[float] = []
    peer: list[float] = []
    with TemporaryDirectory() as folder, jupyterlab(Path(folder), _CELLS) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        run_all(page, address)
        page.locator(".jp-CodeCell").nth(1).locator("img").wait_for()
        page.locator(".vlab-stepper:not(.vlab-explorer) svg").wait_for()
        for turn in range(3):
            own = page.evaluate(_THROUGH, [0, moves, "textContent", "[role=status]"])
            other = page.evaluate(_THROUGH, [1, moves, "src", "img"])
            if turn:  # in the first, memory and caches are filled
                explorer += own
                peer += other
        within = page.evaluate(_WITHIN, 3 * moves)
    return Measured(explorer, peer, within[moves:])


def report(*, quick: bool = False) -> str:
    """Milliseconds from a move to its picture."""
    if not any(map(shutil.which, ("chromium", "google-chrome"))):
        return "Moves in a browser: this host has no chromium."
    measured = measure(moves=4 if quick else 20)
    rows: list[list[object]] = [
        ["explorer, through the kernel", _in_ms(measured.explorer)],
        ["matplotlib in an Output widget", _in_ms(measured.matplotlib)],
        ["stepper, within its frames", _in_ms(measured.within)],
    ]
    return table(
        f"From a move to its picture in JupyterLab, milliseconds ({this_python()})",
        ["what moves", "a move"],
        rows,
        [
            f"The explorer takes {measured.ratio:.2f} of matplotlib's time; the aim: a third at most.",
            f"Within the frames it is {median(measured.within):.1f} ms; the aim: 10 ms.",
        ],
    )


def _in_ms(costs: list[float]) -> Spread:
    return spread(costs)
