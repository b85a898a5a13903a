"""An instruction that only a kernel may execute, tried by a process: traps go up, signals come down."""

from collections.abc import Iterator

from vlab.language import _
from vlab.silicon import Attempt, Attempts
from vlab.views.drawing.grammar import LOOKS
from vlab.views.drawing.metrics import text_width, wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, arrow, hatch, path, rect, text
from vlab.views.silicon.lines import MARGIN, under

_WIDTH = 760
_TOP, _HIGH = 44, 62  # the kernel's box
_BORDER = 146  # between system mode and user mode
_LOW, _DEEP = 186, 92  # the boxes of the processes
_LEFT, _RIGHT = 380, 268  # the widths of the two processes
_ROW = 22
_INKS = {"trapped": "kernel", "ignored": "fault", "read": "process", "done": "fault"}


def attempt_picture(attempt: Attempt, *, details: bool = False) -> Picture:
    """The way of one instruction: process, trap, the host's kernel, a signal, and the parent that hears of it.

    Without details it is what every host shows; with them, the bytes, the signal, and the host they come from.
    """
    sentences = [repr(attempt)] + [attempt.particulars, attempt.source] * details
    sentence = " ".join(sentences)
    shapes = [
        text(MARGIN, 28, attempt.what, size=13, bold=True, room=_WIDTH - 2 * MARGIN),
        *_kernel(attempt),
        *_process(attempt, details),
        path("l-rule dashed", (MARGIN, _BORDER), (_WIDTH - MARGIN, _BORDER)),
        text(_WIDTH - MARGIN, _BORDER - 6, _("system mode"), size=11, ink="muted", anchor="end"),
        text(_WIDTH - MARGIN, _BORDER + 15, _("user mode"), size=11, ink="muted", anchor="end"),
    ]
    if attempt.outcome == "trapped":
        shapes += _trap(attempt, details)
    else:
        shapes += _no_trap()
    words, height = under(_LOW + _DEEP + 6, _WIDTH, sentences)
    return Picture((*shapes, *words), _WIDTH, height, sentence)


def _box(x: float, y: float, width: float, height: float, who: str) -> Iterator[Element]:
    dashes = f" d-{who}"
    yield rect(x, y, width, height, f"f-{who}", radius=4)
    slope = LOOKS[who].slope
    if slope is not None:
        yield hatch(x, y, width, 6, f"l-{who} thin", slope)
    yield rect(x, y, width, height, f"l-{who} thick{dashes}", radius=4)


def _kernel(attempt: Attempt) -> Iterator[Element]:
    width = _WIDTH - 2 * MARGIN
    yield from _box(MARGIN, _TOP, width, _HIGH, "kernel")
    words = {
        "trapped": _("It catches the trap: the process may not do this."),
        "ignored": _("It hears nothing: the CPU let the instruction pass."),
        "read": _("It let a value come out: the CPU's, or one that it made up in the CPU's place."),
        "done": _("It hears nothing."),
    }[attempt.outcome]
    yield text(MARGIN + 14, _TOP + 27, _("the host's kernel"), ink="kernel", size=13, bold=True)
    yield text(MARGIN + 14, _TOP + 47, words, ink="kernel", room=width - 28)


def _process(attempt: Attempt, details: bool) -> Iterator[Element]:
    """The process that tries, and its parent."""
    yield from _box(MARGIN, _LOW, _LEFT, _DEEP, "process")
    yield text(MARGIN + 14, _LOW + 24, _("a process"), ink="process", size=13, bold=True)
    code = f"{attempt.instruction.text}   ({attempt.instruction.code.hex(' ')})"
    named = attempt.asked != attempt.instruction.act
    shown = code if details else attempt.instruction.text if named else attempt.instruction.title
    yield text(
        MARGIN + 14, _LOW + 48, shown, ink="process", mono=details or named, bold=True, room=_LEFT - 28
    )
    ended = {
        "trapped": _("✗ not executed"),
        "ignored": _("✗ executed, and without its effect"),
        "read": _("✓ executed, or so it seems"),
        "done": _("✓ executed"),
    }[attempt.outcome]
    if details and attempt.result is not None:
        ended += f": {attempt.result:#x}"
    ink = "fault" if attempt.outcome in ("trapped", "ignored", "done") else "process"
    yield text(MARGIN + 14, _LOW + 74, ended, ink=ink, bold=True, room=_LEFT - 28)
    x = _WIDTH - MARGIN - _RIGHT
    yield from _box(x, _LOW, _RIGHT, _DEEP, "process")
    yield text(x + 14, _LOW + 24, _("its parent"), ink="process", size=13, bold=True, room=_RIGHT - 28)
    heard = _("hears that a signal stopped it") if attempt.signal else _("hears nothing of it")
    for number, line in enumerate(wrap(heard, _RIGHT - 28)[:3]):
        yield text(x + 14, _LOW + 48 + 17 * number, line, ink="process")


def _trap(attempt: Attempt, details: bool) -> Iterator[Element]:
    """Up: the trap. Down: the signal, and the news of it."""
    top, bottom = _TOP + _HIGH, _LOW
    signal = attempt.signal if details else _("signal")
    for x, up, words in (
        (MARGIN + 60, True, _("trap")),
        (MARGIN + 230, False, signal),
        (_WIDTH - MARGIN - _RIGHT + 40, False, _("told of it")),
    ):
        who = "machine" if up else "kernel"
        ends = ((x, bottom), (x, top)) if up else ((x, top), (x, bottom))
        yield arrow(f"l-{who} thick", f"b-{who}", *ends)
        yield text(x + 10, _BORDER - 8, words, ink=who, bold=True)


def _no_trap() -> Iterator[Element]:
    """Where the trap would have been."""
    x, top, bottom = MARGIN + 60, _TOP + _HIGH, _LOW
    yield path("l-rule dashed", (x, bottom), (x, top))
    yield text(x + 10, _BORDER - 8, _("no trap"), ink="muted")


# --- All of them


def attempts_picture(attempts: Attempts, *, details: bool = False) -> Picture:
    """A table. Without details: what every machine has an instruction for, and how each ended; with them, all rows."""
    sentences = [repr(attempts)] + [attempts.particulars, attempts.source] * details
    rows = list(attempts) if details else attempts.shared()
    heads = [_("instruction"), _("bytes")] * details + [_("what it asks for"), _("in user mode")]
    heads += [_("what came of it")] * details
    columns = _columns(rows, heads)
    width = max(_WIDTH, columns[-1] + 190)
    shapes = [text(x, 28, head, ink="muted", size=11) for x, head in zip(columns, heads, strict=True)]
    top = 38.0
    for row in rows:
        shapes.append(path("l-rule thin", (MARGIN, top), (width - MARGIN, top)))
        shapes += _row(row, columns, top + 16, details)
        top += _ROW
    words, height = under(top + 6, width, sentences)
    return Picture((*shapes, *words), width, height, " ".join(sentences))


def _columns(rows: list[Attempt], heads: list[str]) -> list[float]:
    """Where the columns begin: each as wide as the widest of what stands in it, and as its head."""
    titles = max((text_width(row.instruction.title) for row in rows), default=0)
    widths = [titles, max(text_width(words, 12, bold=True) for words in _marks().values()) + 20]
    if len(heads) > len(widths):  # with the particulars
        names = max((text_width(row.instruction.text, mono=True) for row in rows), default=0)
        widths = [names, text_width("00 " * 4, mono=True), *widths, 0]
    places = [float(MARGIN)]
    for width, head in zip(widths[:-1], heads, strict=False):
        places.append(places[-1] + max(width, text_width(head, 11)) + 24)
    return places


def _marks() -> dict[str, str]:
    return {
        "trapped": _("trapped"),
        "ignored": _("passed over in silence"),
        "read": _("gave a value"),
        "done": _("done"),
    }


def _row(row: Attempt, columns: list[float], y: float, details: bool) -> Iterator[Element]:
    mark_at = columns[3] if details else columns[1]
    if details:
        yield text(columns[0], y, row.instruction.text, mono=True, bold=True)
        yield text(columns[1], y, row.instruction.code.hex(" "), mono=True)
        came = f"{row.result:#x}" if row.result is not None else row.signal
        came += f" ({row.code_name})" if row.code_name else ""
        yield text(columns[4], y, came, mono=True, room=190 - MARGIN)
    yield text(columns[2] if details else columns[0], y, row.instruction.title)
    yield from _mark(row.outcome, mark_at, y)
    yield text(mark_at + 20, y, _marks()[row.outcome], ink=_INKS[row.outcome], bold=True)


def _mark(outcome: str, x: float, y: float) -> Iterator[Element]:
    """A shape for how it ended: up, nothing, a value."""
    if outcome == "trapped":
        yield path("b-kernel", (x, y + 1), (x + 6, y - 10), (x + 12, y + 1), closed=True)
    elif outcome == "read":
        yield rect(x + 1, y - 9, 10, 10, "o-process")
    else:
        yield rect(x + 1, y - 9, 10, 10, "o-fault", radius=5)
