"""Signals that wait and are delivered, a lane for each, in the grammar in which virtual interrupts are drawn."""

from collections.abc import Iterator

from vlab.events import Recording
from vlab.language import _
from vlab.silicon import SignalRun
from vlab.silicon.signals import SignalJourney
from vlab.views.drawing.metrics import text_width, wrap
from vlab.views.drawing.picture import Picture, stack
from vlab.views.drawing.svg import Element, path, rect, text
from vlab.views.runs.interrupts import Interrupts, delivery, held, legend
from vlab.views.runs.timeline import HEAD, LEFT, MARGIN, PLOT
from vlab.views.silicon.lines import under

_TOP, _LANE, _BAR = 96, 62, 22
_LEAST = 86.0  # the width of a step
_BEFORE, _AFTER = 30, 60  # instructions shown around the interrupt that stands beside the signals
_ROW = 34


def signals_picture(run: SignalRun, *, details: bool = False) -> Picture:
    """A lane for each signal, a column for each step; what the process holds back is hatched."""
    column = max(_LEAST, PLOT / len(run)) if run.moments else PLOT
    width = LEFT + column * max(1, len(run)) + MARGIN
    sentences = [repr(run)] + [run.source] * details
    shapes = [text(MARGIN, 26, _("Signals"), size=13, bold=True), *legend(width, "process")]
    bottom = _TOP + _LANE * len(run.signals)
    for step, moment in enumerate(run):
        x = LEFT + column * step
        shapes.append(path("l-rule thin", (x, 44), (x, bottom)))
        names = [name.removeprefix("SIG") for name in moment.signals]
        shapes.append(text(x + 5, 56, moment.verb, size=11, bold=True, room=column - 8))
        lines = wrap(" ".join(names), column - 8, 10)[:2]
        shapes += [text(x + 5, 70 + 13 * number, line, size=10) for number, line in enumerate(lines)]
    for lane, name in enumerate(run.signals):
        top = _TOP + _LANE * lane
        shapes += _head(name, top, column * len(run))
        for journey in (one for one in run.journeys if one.signal == name):
            shapes += _way(journey, run, top, column)
    words, height = under(bottom, width, sentences)
    return Picture((*shapes, *words), width, height, " ".join(sentences))


def _head(name: str, top: float, plot: float) -> Iterator[Element]:
    """A lane's name, and who sends it."""
    yield rect(MARGIN, top, HEAD - 10, _LANE - 8, "f-process", radius=4)
    yield rect(MARGIN, top, 8, _LANE - 8, "l-process thin d-process")
    yield text(MARGIN + 16, top + 22, name, ink="process", bold=True, mono=True, room=HEAD - 34)
    whose = _("from the system's timer") if name == "SIGALRM" else _("from the process itself")
    yield text(MARGIN + 16, top + 41, whose, size=11, ink="process", room=HEAD - 34)
    yield path("l-rule", (LEFT, top + 14 + _BAR), (LEFT + plot, top + 14 + _BAR))


def _way(journey: SignalJourney, run: SignalRun, top: float, column: float) -> Iterator[Element]:
    """One signal: the time it is pending, all of it held back; where it merges; and where it ends."""
    last = len(run) if journey.end is None else journey.end
    left = LEFT + column * (journey.pending + 0.3)
    right = LEFT + column * (last + (0.6 if journey.end is not None else 0))
    entered = _entered(journey, run)
    if entered:  # of those in one step, the later one stands further right
        right += entered[0] * min(14, 0.22 * column / max(1, len(run[last].delivered) - 1))
    if journey.waited == 0:
        left = right - 6
        yield rect(left, top + 14, 6, _BAR, "o-process")
    else:
        yield rect(left, top + 14, right - left, _BAR, "o-process")
        yield from held(left, top + 14, right - left, _BAR)
        words = _("the mask")
        if text_width(words, 10) + 4 < right - left:
            yield text(left + 2, top + 9, words, size=10, ink="fault")
    for step in dict.fromkeys(journey.merged):
        x = LEFT + column * (step + 0.3)
        yield rect(x, top + 10, 4, _BAR + 8, "b-process")
        if step > journey.pending:
            yield text(x, top + 51, _("merged"), size=10, ink="process", room=column - 8)
    if entered:
        yield from delivery(right, top + 12, "process")
        yield text(right + 7, top + 51, str(entered[1]), size=10, ink="process")
    if journey.taken is not None:
        yield rect(right - 5, top + 40, 10, 10, "o-process")
        yield text(right - 9, top + 49, _("taken by the wait"), size=10, ink="process", anchor="end")


def _entered(journey: SignalJourney, run: SignalRun) -> tuple[int, int] | None:
    """Which handler of its step, counted from 0, and of the whole run, counted from 1, was this signal's."""
    if journey.delivered is None:
        return None
    before = sum(len(moment.delivered) for moment in run.moments[: journey.delivered])
    place = run[journey.delivered].delivered.index(journey.signal)
    return place, before + place + 1


# --- Beside virtual interrupts


def signals_beside_interrupts(run: SignalRun, interrupts: Recording | Interrupts) -> Picture:
    """Signals, what corresponds to what, and virtual interrupts under them, all in one grammar.

    Of a recording, its first virtual interrupt that was held back is shown, or else its first virtual one.
    """
    below = _chosen(interrupts) if isinstance(interrupts, Recording) else interrupts
    above = signals_picture(run)
    pictures = [above, _correspondence(max(above.width, LEFT + PLOT + MARGIN)), below.picture]
    captions = [
        _("A process and its signals: the host's kernel holds them back and delivers them."),
        "",
        _("A guest and its virtual interrupts: the hypervisor holds them back and delivers them."),
    ]
    sentence = _(
        "Signals beside virtual interrupts: both wait while they are held back. {signals} {interrupts}"
    )
    return stack(pictures, captions, sentence.format(signals=repr(run), interrupts=repr(below)))


def _chosen(recording: Recording) -> Interrupts:
    whole = Interrupts(recording)
    virtual = [one for one in whole if one.level and one.pending is not None]
    if not virtual:
        return whole
    one = next((one for one in virtual if one.waited), virtual[0])
    start, end = one.pending or 0, max(one.delivered, default=one.pending or 0)
    return whole.between(max(whole.start, start - _BEFORE), min(whole.end, end + _AFTER)).only(
        vm=one.vm, level=one.level
    )


def _pairs() -> list[tuple[str, str, str]]:
    return [
        ("", _("signal, by the host's kernel"), _("virtual interrupt, by the hypervisor")),
        (_("it is about"), _("anything: an abstract event"), _("a device")),
        (_("it comes by"), "kill(), setitimer()", _("a virtual device: a bit of the virtual sip")),
        (_("it waits in"), "sigpending()", "sip"),
        (_("held back by"), _("the mask: sigprocmask()"), "sie, sstatus.SIE"),
        (_("a second one, meanwhile"), _("merges with the first"), _("merges with the first")),
        (_("delivered by"), _("entering its handler: sigaction()"), _("entering the handler: stvec")),
        (_("in its handler"), _("others held back: sa_mask"), _("others held back: SIE is off")),
        (_("to sleep until one"), "sigwait()", "wfi"),
    ]


def _correspondence(width: float) -> Picture:
    """A table of what corresponds to what."""
    left, right = LEFT, LEFT + (width - LEFT) / 2
    shapes: list[Element] = []
    top = 10.0
    for number, (what, signal, interrupt) in enumerate(_pairs()):
        lines = wrap(what, left - 2 * MARGIN, 11)[:2]
        first = top + 20 - 6 * (len(lines) - 1)
        shapes += [
            text(MARGIN, first + 13 * line, words, size=11, ink="muted") for line, words in enumerate(lines)
        ]
        head = number == 0
        shapes.append(text(left, top + 20, signal, ink="process", bold=head, room=right - left - 16))
        shapes.append(text(right, top + 20, interrupt, ink="kernel", bold=head, room=width - right - MARGIN))
        top += _ROW if len(lines) > 1 else 26
        shapes.append(path("l-rule thin", (MARGIN, top + 2), (width - MARGIN, top + 2)))
    return Picture(tuple(shapes), width, top + 16, _("What corresponds to what."))
