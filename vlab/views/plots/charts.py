"""Charts by matplotlib, which is imported when one is asked for, and the chart as a value."""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from vlab.display import Bundle
from vlab.events import Exit, Recording
from vlab.language import _
from vlab.views.drawing.grammar import LOOKS, colour
from vlab.views.drawing.metrics import fit
from vlab.views.terms import term

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLE = Path(__file__).parent / "vlab.mplstyle"
_CSS_INCH = 96  # pixels of a page
_NAME = 250  # the longest name beside a bar, in pixels


@dataclass(frozen=True)
class Plot:
    """A chart or a drawn graph: matplotlib's `figure` and `axes` to work on, and its one sentence.

    It shows itself as PNG, which nbval doesn't compare (matplotlib's differ between versions): the sentence
    is what is compared. A plot on the reader's own axes shows its sentence only, because the reader's figure
    shows itself.
    """

    figure: "Figure"
    axes: "Axes"
    sentence: str
    owned: bool = field(default=True, repr=False)

    def __repr__(self) -> str:
        return self.sentence

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        if not self.owned:
            return {"text/plain": self.sentence}, {}
        file = BytesIO()
        with vlab_style():
            self.figure.savefig(file, format="png", metadata={"Software": None})
        png = b64encode(file.getvalue()).decode()
        width, height = (round(inches * _CSS_INCH) for inches in self.figure.get_size_inches())
        size = {"width": width, "height": height, "alt": self.sentence}
        return {"text/plain": self.sentence, "image/png": png}, {"image/png": size}


def style() -> None:
    """Give all charts from here on vlab's style, the reader's own ones included."""
    import matplotlib.style

    matplotlib.style.use(_STYLE)


@contextmanager
def vlab_style() -> Iterator[None]:
    """vlab's style for the length of a `with` block."""
    import matplotlib.style

    with matplotlib.style.context(_STYLE):
        yield


def new_plot(sentence: str, width: float, height: float, axes: "Axes | None" = None) -> Plot:
    """An empty plot of so many inches, or one on the reader's axes. Not being pyplot's, it shows once."""
    if axes is not None:
        return Plot(axes.get_figure(root=True), axes, sentence, owned=False)  # type: ignore[arg-type]
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return Plot(figure, figure.add_subplot(), sentence)


def chart_exits(counts: Mapping[str, int] | Recording, ax: "Axes | None" = None) -> Plot:
    """Exits by their cause, the most frequent at the top, as a bar chart.

    `counts` maps a cause to how many there were; of a recording, the exits of all its VMs are counted by
    reason.
    """
    if isinstance(counts, Recording):
        counts = Counter(event.reason for event in counts if isinstance(event, Exit))
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    listed = ", ".join(f"{term(cause)} {count}" for cause, count in rows) or _("none")
    sentence = _("Exits by cause, {total} in all: {listed}.").format(
        total=sum(counts.values()), listed=listed
    )
    with vlab_style():
        plot = new_plot(sentence, 9, 1.1 + 0.36 * max(1, len(rows)), ax)
        bars = plot.axes.barh(
            range(len(rows)),
            [count for _cause, count in rows],
            hatch=LOOKS["hypervisor"].hatch,
            height=0.7,
            color=colour("hypervisor-fill"),
            edgecolor=colour("hypervisor-strong"),
            linewidth=1.5,
        )
        plot.axes.bar_label(bars, padding=4)
        names = [fit(term(cause), _NAME) for cause, _count in rows]
        plot.axes.set_yticks(range(len(rows)), names, parse_math=False)
        plot.axes.invert_yaxis()
        plot.axes.set_xlabel(_("exits"))
        plot.axes.locator_params(axis="x", integer=True)
        plot.axes.tick_params(axis="y", length=0)
    return plot
