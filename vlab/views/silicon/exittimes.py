"""How long an exit and the way back take: two distributions on one axis."""

from collections.abc import Iterator
from math import log10

from vlab.language import _
from vlab.silicon import ExitTimes, time_exits
from vlab.silicon.kvm import micro
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, path, rect, text
from vlab.views.silicon.lines import MARGIN, under

_TOP = 42
_WIDTH, _LEFT, _PLOT = 760, 190, 520
_LANE, _BAR = 64, 40  # a distribution
_FROM, _TO, _PARTS = 2, 6, 100  # from 100 ns to 1 ms, and as many bars


def exit_times_picture(times: ExitTimes, *, details: bool = False) -> Picture:
    """Two distributions on a logarithmic axis: of an exit and the way back, and of a system call alone.

    Times differ from host to host and from run to run. So without details, it is those that were recorded.
    """
    shown = times if details else time_exits(live=False)
    sentences = [repr(shown), shown.particulars, shown.source]
    shapes = [
        text(
            MARGIN,
            26,
            _("An exit to the program and back: measured"),
            size=13,
            bold=True,
            room=_WIDTH - 2 * MARGIN,
        )
    ]
    bottom = _TOP + 2 * _LANE
    for power in range(_FROM, _TO + 1):
        x = _place(10**power)
        shapes.append(path("l-rule thin", (x, _TOP), (x, bottom)))
        tick = f"{10 ** (power - 3):g} µs"
        shapes.append(text(x, bottom + 15, tick, size=10, ink="muted", anchor="middle"))
    for number, (name, values, look) in enumerate(
        (
            (_("exit and back"), shown.exit, "hypervisor"),
            (_("a system call alone"), shown.call, "process"),
        )
    ):
        shapes += _distribution(name, values, look, _TOP + _LANE * number)
    words, height = under(bottom + 22, _WIDTH, sentences)
    return Picture((*shapes, *words), _WIDTH, height, " ".join(sentences))


def _place(nanoseconds: float) -> float:
    """Where a time stands on the axis; what lies beyond it stands at its end."""
    part = (log10(max(nanoseconds, 1)) - _FROM) / (_TO - _FROM)
    return _LEFT + _PLOT * min(max(part, 0.0), 1.0)


def _distribution(name: str, values: tuple[int, ...], look: str, top: float) -> Iterator[Element]:
    """Bars: how many in a hundred took about so long. Half of them lie before the mark above."""
    ground = top + _BAR + 14
    yield text(MARGIN, top + 30, name, ink=look, bold=True, room=_LEFT - MARGIN - 12)
    half = micro(values[len(values) // 2])
    yield text(
        MARGIN, top + 46, _("half within {half} µs").format(half=half), size=11, room=_LEFT - MARGIN - 12
    )
    counts: dict[int, int] = {}
    for value in values:
        part = min(int((_place(value) - _LEFT) / _PLOT * _PARTS), _PARTS - 1)
        counts[part] = counts.get(part, 0) + 1
    most = max(counts.values())
    wide = _PLOT / _PARTS
    for part, count in sorted(counts.items()):
        high = max(2.0, _BAR * count / most)
        yield rect(_LEFT + wide * part, ground - high, wide, high, f"b-{look}")
    yield path("l-rule", (_LEFT, ground), (_LEFT + _PLOT, ground))
    x = _place(values[len(values) // 2])
    yield path(f"b-{look}", (x, top + 12), (x - 4, top + 5), (x + 4, top + 5), closed=True)
