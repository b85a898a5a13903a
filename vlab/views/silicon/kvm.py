"""The exits of a guest, row by row: from the guest through the host's kernel to its program, and back."""

from collections.abc import Iterator
from typing import NamedTuple

from vlab import events as ev
from vlab.display import one_line
from vlab.events import Event, Recording
from vlab.language import _
from vlab.silicon import KvmRun
from vlab.views.drawing.grammar import LOOKS
from vlab.views.drawing.picture import Picture, stack
from vlab.views.drawing.svg import Element, arrow, hatch, path, rect, text
from vlab.views.silicon.lines import MARGIN, under
from vlab.views.terms import term
from vlab.views.words import event_label

_TOP, _HEAD = 42, 58  # the lanes, and their names with the first entry
_LANES = (236.0, 176.0, 240.0)
_COLUMN = 74  # a register
_ROW = 34
_MOST = 24  # rows
_PAIR = 26


class Row(NamedTuple):
    """One exit: where the guest was, its instruction, the reason, what was done about it, and registers."""

    place: str
    instruction: str
    reason: str
    did: str
    registers: tuple[str, ...] = ()


class Heads(NamedTuple):
    """A picture's title; who acts in its three lanes, and how they look; how the guest is entered."""

    title: str
    names: tuple[str, str, str]
    looks: tuple[str, str, str]
    entry: str
    registers: tuple[str, ...] = ()


def kvm_picture(run: KvmRun, *, details: bool = False) -> Picture:
    """The exits of a guest under KVM. With details, also the module that ran it, and the host that it comes from."""
    heads = Heads(
        _("A guest under Linux's KVM, through /dev/kvm"),
        (_("the guest"), _("the host's kernel: KVM"), _("its program, a process")),
        ("kernel", "host", "hypervisor"),
        "KVM_RUN",
        ("rax", "rbx", "rcx", "rdx"),
    )
    rows = []
    for one in run:
        line = run.line(one)
        place = f"{line.address:#x}" if line else ""
        registers = tuple(f"{value:#x}" for value in one.registers[1:])
        rows.append(Row(place, line.text if line else one.what, one.reason, one.did, registers))
    sentences = [repr(run)] + [run.particulars, run.source] * details
    return _lanes(heads, rows, sentences)


def _lanes(heads: Heads, rows: list[Row], sentences: list[str]) -> Picture:
    """Three lanes with a row for each exit, and the words under them."""
    shown = rows[:_MOST]
    more = len(rows) - len(shown)
    width = 2 * MARGIN + sum(_LANES) + (14 + _COLUMN * len(heads.registers) if heads.registers else 0)
    bottom = _TOP + _HEAD + _ROW * len(shown) + (22 if more else 8)
    shapes = [
        text(MARGIN, 26, heads.title, size=13, bold=True, room=width - 2 * MARGIN),
        *_boxes(heads, bottom),
        *_entry(heads),
    ]
    for number, row in enumerate(shown):
        shapes += _row(row, heads, _TOP + _HEAD + _ROW * number, last=number == len(rows) - 1)
    if more:
        words = _("and {count} more").format(count=more)
        shapes.append(text(MARGIN + 12, bottom - 7, words, ink=heads.looks[0], size=11, room=_LANES[0] - 24))
    words_under, height = under(bottom + 4, width, sentences)
    return Picture((*shapes, *words_under), width, height, " ".join(sentences))


def _edges() -> tuple[float, float, float, float]:
    """Where the lanes begin, and where the last one ends."""
    guest, way, program = _LANES
    return MARGIN, MARGIN + guest, MARGIN + guest + way, MARGIN + guest + way + program


def _boxes(heads: Heads, bottom: float) -> Iterator[Element]:
    edges = _edges()
    for x, end, name, who in zip(edges, edges[1:], heads.names, heads.looks, strict=False):
        yield rect(x, _TOP, end - x, bottom - _TOP, f"f-{who}", radius=4)
        slope = LOOKS[who].slope
        if slope is not None:
            yield hatch(x, _TOP, end - x, 6, f"l-{who} thin", slope)
        yield rect(x, _TOP, end - x, bottom - _TOP, f"l-{who} d-{who}", radius=4)
        yield text(x + 10, _TOP + 24, name, ink=who, size=12, bold=True, room=end - x - 20)
    if heads.registers:
        room = _COLUMN * len(heads.registers) - 6
        words = _("the guest's registers, afterwards")
        yield text(edges[3] + 14, _TOP + 24, words, ink="muted", size=11, room=room)
    for number, name in enumerate(heads.registers):
        x = edges[3] + 14 + _COLUMN * number
        yield text(x, _TOP + 44, name, ink="muted", size=11, mono=True, room=_COLUMN - 6)


def _entry(heads: Heads) -> Iterator[Element]:
    """How it begins: the program has the guest entered."""
    _guest, left, right, _end = _edges()
    y = _TOP + _HEAD - 8
    yield text(
        (left + right) / 2, y - 6, heads.entry, ink=heads.looks[1], size=10, mono=True, anchor="middle"
    )
    yield from _back(heads, y)


def _back(heads: Heads, y: float) -> Iterator[Element]:
    _guest, left, right, _end = _edges()
    who = heads.looks[2]
    yield arrow(f"l-{who} dashed", f"b-{who}", (right + 4, y), (left - 4, y))


def _row(row: Row, heads: Heads, top: float, *, last: bool) -> Iterator[Element]:
    guest, left, right, end = _edges()
    look, way, program = heads.looks
    yield path("l-rule thin", (guest, top), (end, top))
    yield text(guest + 10, top + 21, row.place, ink=look, size=10, mono=True, room=66)
    yield text(
        guest + 80, top + 21, row.instruction, ink=look, size=11, mono=True, bold=True, room=left - guest - 90
    )
    yield text(
        (left + right) / 2,
        top + 12,
        row.reason,
        ink=way,
        size=10,
        mono=True,
        anchor="middle",
        room=right - left - 12,
    )
    yield arrow("l-machine thick", "b-machine", (left - 4, top + 18), (right + 4, top + 18))
    if not last:
        yield from _back(heads, top + 27)
    yield text(right + 12, top + 21, row.did, ink=program, size=11, room=end - right - 20)
    for number, value in enumerate(row.registers):
        x = end + 14 + _COLUMN * number
        yield text(x, top + 21, value, size=11, mono=True, room=_COLUMN - 6)


# --- Beside the model's exits


def kvm_beside_model(run: KvmRun, recording: Recording) -> Picture:
    """A real guest's exits, what corresponds to what, and under them the exits in a recording, in one grammar."""
    above, below = kvm_picture(run), exits_picture(recording)
    captions = [
        _("On a real computer: the module takes what it can; devices are left to a process."),
        "",
        _("In the model: one hypervisor takes all of them."),
    ]
    sentence = _("A real guest's exits beside the model's. {real} {model}").format(
        real=above.sentence, model=below.sentence
    )
    return stack([above, _correspondence(above.width), below], captions, sentence)


def exits_picture(recording: Recording) -> Picture:
    """The exits of a recording's guests, each with what its hypervisor did about it."""
    rows = list(_exits(recording.events))
    heads = Heads(
        _("A guest in the model"),
        (_("the guest"), _("the hart"), _("the hypervisor")),
        ("kernel", "machine", "hypervisor"),
        "sret",
    )
    counted: dict[str, int] = {}
    for row in rows:
        counted[row.reason] = counted.get(row.reason, 0) + 1
    words = ", ".join(f"{count} × {reason}" for reason, count in counted.items()) or _("none")
    sentence = _("Exits of the model's guest: {total} ({counted}).").format(total=len(rows), counted=words)
    return _lanes(heads, rows, [sentence])


def _exits(events: tuple[Event, ...] | list[Event]) -> Iterator[Row]:
    """Each exit with what followed it, until the guest was entered again."""
    exit_: ev.Exit | None = None
    instruction, did = "", ""
    for event in events:
        if isinstance(event, ev.Exit | ev.Entry):
            if exit_ is not None:
                yield Row(f"{exit_.pc:#x}", instruction, term(exit_.reason), did)
            exit_ = event if isinstance(event, ev.Exit) else None
            instruction = did = ""
        elif isinstance(event, ev.Emulation):
            instruction = event.text
            did = did or _("emulates it")
        elif isinstance(event, ev.DeviceAccess):
            words = _("{device}: takes {value}") if event.store else _("{device}: gives {value}")
            did = words.format(device=one_line(event.device), value=f"{event.value:#x}")
        elif isinstance(event, ev.ShadowFill):
            did = event_label(event)
    if exit_ is not None:
        yield Row(f"{exit_.pc:#x}", instruction, term(exit_.reason), did)


def _pairs() -> list[tuple[str, str, str]]:
    return [
        ("", _("KVM on a real computer"), _("our hypervisor on our machine")),
        (_("let the guest run"), "ioctl(KVM_RUN)", "sret"),
        (_("why it came back"), "kvm_run.exit_reason", "scause, stval"),
        (_("a device"), "KVM_EXIT_IO, KVM_EXIT_MMIO", term("device access")),
        (_("the guest waits"), "KVM_EXIT_HLT", f"{term('privileged instruction')}: wfi"),
        (_("a page not yet mapped"), _("the module maps it: no exit to the program"), term("shadow fill")),
        (_("the guest's registers"), "KVM_GET_REGS", "vm.hart"),
        (_("the guest's memory"), _("memory of the process"), _("frames of the machine")),
    ]


def _correspondence(width: float) -> Picture:
    """A table of what corresponds to what."""
    edges = _edges()
    columns = (MARGIN + 10, edges[1], edges[2] + 130)
    shapes: list[Element] = []
    top = 6.0
    for number, words in enumerate(_pairs()):
        for x, end, line, ink in zip(
            columns, (*columns[1:], width - 16.0), words, ("muted", "host", "hypervisor"), strict=True
        ):
            shapes.append(text(x, top + 17, line, size=11, ink=ink, bold=number == 0, room=end - x - 10))
        top += _PAIR
        shapes.append(path("l-rule thin", (MARGIN, top), (width - MARGIN, top)))
    return Picture(tuple(shapes), width, top + 12, _("What corresponds to what."))
