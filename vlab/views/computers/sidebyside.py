"""The picture of two runs side by side, and the frames that a stepper shows of them.

The two halves stand level: the same step left and right. What differs is lit on both sides, in bold, with a
dot; and "≠" stands between them.
"""

from collections.abc import Iterator
from dataclasses import replace

from vlab.events import Event
from vlab.language import _
from vlab.machine.look import Look, Window
from vlab.riscv.csrs import CSRS
from vlab.riscv.registers import ABI_NAMES
from vlab.views.computers.comparison import Comparison, Pair, shown
from vlab.views.computers.state import (
    HEAD,
    LINE,
    MARGIN,
    code_panel,
    console_panel,
    csr_panel,
    heading,
    memory_panel,
    register_panel,
)
from vlab.views.drawing.metrics import fit, wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, escape, group, rect, text
from vlab.views.live.frames import Frame
from vlab.views.words import event_sentence

HALF, GUTTER = 510, 40
WIDTH = 2 * (MARGIN + HALF) + GUTTER
SAID = 46  # the height of the sentence above
_CODE, _CONSOLE, _REGISTERS, _CSR_ROWS, _MEMORY = 9, 3, 11, 9, 3
_CSRS = ("mstatus", "mepc", "mcause", "mie", "mip", "satp", "sepc", "scause", "stval")  # unless others differ
_AROUND = 12  # events shown before the chosen pair, and after it
_ROW = 20


def compare_picture(comparison: Comparison, number: int | None = None) -> Picture:
    """One pair of a comparison; by default the first difference."""
    number = comparison.place if number is None else number
    pair = comparison.pairs[number] if comparison.pairs else None
    if pair is None:
        return Picture(
            (text(MARGIN, 26, repr(comparison), room=WIDTH - 2 * MARGIN),), WIDTH, 44, repr(comparison)
        )
    of_events = isinstance(pair.left, Event) or isinstance(pair.right, Event)
    draw = _events if of_events else _states
    shapes, height = draw(comparison, number)
    return Picture(tuple(shapes), WIDTH, height, comparison.sentence(number))


def _said(comparison: Comparison, number: int) -> Iterator[Element]:
    """What differs, in a line or two; there is always room for two, so that all pictures are of one height."""
    different = bool(comparison.pairs[number].differences)
    room = WIDTH - 2 * MARGIN - 16.0
    lines = wrap(comparison.sentence(number), room, 13, bold=different)
    if len(lines) > 2:
        lines = [lines[0], fit(" ".join(lines[1:]), room, 13, bold=different)]
    if different:
        yield rect(MARGIN, 6, WIDTH - 2 * MARGIN, SAID - 4, "f-lit", radius=3)
    first = 25 if len(lines) == 2 else 34
    for row, line in enumerate(lines):
        yield text(MARGIN + 8, first + 18 * row, line, room=room, size=13, bold=different)


# Two computers


def _states(comparison: Comparison, number: int) -> tuple[list[Element], float]:
    pair = comparison.pairs[number]
    lit = _lit(pair)
    shapes, height = list(_said(comparison, number)), 0.0
    tops = _tops()
    halves = zip((pair.left, pair.right), comparison.names, (MARGIN, _right()), strict=True)
    for side, (look, name, x) in enumerate(halves, 1):
        if look is None:
            words = _("{name} has ended").format(name=name)
            shapes.append(text(x + 20, SAID + 41, words, room=HALF - 20, size=15, bold=True, ink="muted"))
        else:
            held = tuple(Window(word[0], word[0], word[side].to_bytes(8, "little")) for word in pair.memory)
            shapes += _half(replace(look, memory=held or look.memory), name, lit, x, tops)
    for top, name in zip(tops, ("code", "registers", "csrs", "memory", "console"), strict=True):
        if _differs_in(name, lit):
            shapes.append(text(WIDTH / 2, top + 40, "≠", size=26, bold=True, anchor="middle", ink="fault"))
    height = tops[4] + HEAD + _CONSOLE * LINE + 10
    return shapes, height


def _right() -> float:
    return MARGIN + HALF + GUTTER


def _tops() -> tuple[float, float, float, float, float]:
    """Where the panels begin: code, registers, CSRs, memory, console."""
    code = SAID + 52.0
    registers = code + HEAD + _CODE * LINE + 8
    csrs = registers + HEAD + _REGISTERS * LINE + 8
    memory = csrs + HEAD + _CSR_ROWS * LINE + 8
    return code, registers, csrs, memory, memory + HEAD + _MEMORY * LINE + 8


def _half(look: Look, name: str, lit: set[str], x: float, tops: tuple[float, ...]) -> Iterator[Element]:
    yield group(heading(look, x, HALF, name), transform=f"translate(0 {SAID + 14})")
    yield from code_panel(look, x, tops[0], HALF, _CODE)
    yield from register_panel(look, lit, x, tops[1], HALF)
    different = [csr for csr in look.csrs if csr in lit]
    csrs = (*different, *(csr for csr in _CSRS if csr not in lit))[:_CSR_ROWS]
    yield from csr_panel(look, lit, csrs, x, tops[2], HALF)
    yield from memory_panel(look, lit, x, tops[3], HALF, _MEMORY)
    yield from console_panel(look, x, tops[4], HALF, _CONSOLE)


def _lit(pair: Pair) -> set[str]:
    """What differs, by name; of memory, by its address, as the panels have it."""
    return {name for name, _one, _other in pair.differences} | {f"{at:#x}" for at, *_words in pair.memory}


def _differs_in(panel: str, lit: set[str]) -> bool:
    match panel:
        case "code":
            return bool(lit & {"pc", "mode", "time", "end"})
        case "console":
            return bool(lit & {"console", "status"})
        case "csrs":
            return bool(lit & set(CSRS))
        case "memory":
            return any(name.startswith("0x") for name in lit)
    return bool(lit & {*ABI_NAMES, "pc"})


# Two recordings


def _events(comparison: Comparison, number: int) -> tuple[list[Element], float]:
    first = max(0, min(number - _AROUND, len(comparison.pairs) - 2 * _AROUND - 1))
    shown_pairs = comparison.pairs[first : first + 2 * _AROUND + 1]
    shapes = list(_said(comparison, number))
    for name, x in zip(comparison.names, (MARGIN, _right()), strict=True):
        shapes.append(text(x + 2, SAID + 24, name, room=HALF - 4, size=13, bold=True))
    for row, pair in enumerate(shown_pairs):
        shapes += _event_row(pair, SAID + 34 + row * _ROW, chosen=pair.at == comparison.pairs[number].at)
    return shapes, SAID + 34 + len(shown_pairs) * _ROW + 10


def _event_row(pair: Pair, y: float, *, chosen: bool) -> Iterator[Element]:
    different = bool(pair.differences)
    shapes: list[Element] = []
    if chosen:
        shapes.append(rect(MARGIN, y, WIDTH - 2 * MARGIN, _ROW - 1, "l-ink", radius=3))
    for side, (event, x) in enumerate(((pair.left, MARGIN), (pair.right, _right()))):
        if different:
            shapes.append(rect(x + 2, y + 2, HALF - 4, _ROW - 5, "f-lit", radius=2))
        words = "–" if event is None else f"{event.time}  {event_sentence(event)}"
        if different and pair.differences[0][0] != "event":  # alike in words
            name, *values = pair.differences[0]
            words = f"{event.time}  {name} = {shown(values[side])}: {event_sentence(event)}"
        words = fit(words, HALF - 20, 11, bold=different)
        shapes.append(text(x + 10, y + 14, words, size=11, bold=different, ink="ink" if event else "muted"))
    if different:
        shapes.append(text(WIDTH / 2, y + 15, "≠", size=14, bold=True, anchor="middle", ink="fault"))
    yield group(shapes, data_event=pair.at)


# Steppers


class CompareFrames:
    """A comparison, pair by pair; each `subject` is a Pair."""

    def __init__(self, comparison: Comparison):
        self.comparison = comparison
        differing = [n for n, pair in enumerate(comparison.pairs) if pair.differences]
        starts = [n for n in differing if n == 0 or not comparison.pairs[n - 1].differences]
        self.stops: dict[str, list[int]] = {"difference": starts}

    def __len__(self) -> int:
        return len(self.comparison.pairs)

    def frame(self, at: int) -> Frame:
        """One pair, and everything that differs in it."""
        pair = self.comparison.pairs[at]
        return Frame(pair, at, {}, self.comparison.sentence(at), self._table(pair))

    def _table(self, pair: Pair) -> str:
        if not pair.differences or pair.differences[0][0] in ("event", "end"):
            return ""
        heads = "".join(f"<th scope=col>{escape(name)}</th>" for name in ("", *self.comparison.names))
        rows = "".join(
            f"<tr><th scope=row>{escape(name)}</th><td>{escape(shown(one))}</td><td>{escape(shown(other))}</td></tr>"
            for name, one, other in pair.differences
        )
        return f"<table><tr>{heads}</tr>{rows}</table>"

    def sheet(self, number: int) -> Picture:
        """The picture of one pair."""
        return compare_picture(self.comparison, number)

    picture = sheet

    def strip(self, at: int) -> list[tuple[Picture, str]]:
        """The pair itself."""
        return [(self.picture(at), "")]
