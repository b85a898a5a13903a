"""A computer's state, drawn: code, registers, CSRs with their fields, memory and console, in one view.

What changed since the look before it is lit: on yellow ground, in bold, and with a dot. The current
instruction stands in a frame with an arrow head, in the colour of whoever runs it.
"""

import re
from collections.abc import Iterator

from vlab.language import _
from vlab.machine import GATE
from vlab.machine.look import Look
from vlab.paging import parse_satp
from vlab.riscv import Mode, disassemble
from vlab.riscv.csrs import ALL_CSRS
from vlab.riscv.instructions import length
from vlab.riscv.privilege import cause_title
from vlab.riscv.registers import ABI_NAMES
from vlab.views.drawing.metrics import text_width
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, el, group, number, path, rect, text

MARGIN, GAP, LINE = 14, 16, 17
LEFT, RIGHT = 530, 530  # the widths of the two columns
HEAD = 22  # a panel's name
CODE_ROWS = 11  # instructions and labels
REGISTER_COLUMNS = 3
MEMORY_ROWS = 8
SIZE = 11  # of the figures
_DIGITS = 20  # the room, in digits, of the widest value
_TARGET = re.compile(r"0x[0-9a-f]+ <(.*)>")  # a place that has a name needs no number
SHOWN = (
    *("mstatus", "mtvec", "mepc", "mcause", "mtval", "mscratch", "mie", "mip", "mideleg"),
    *("satp", "stvec", "sepc", "scause", "stval", "sscratch", "stimecmp", "medeleg", "mcounteren"),
)
SHOWN_WITH_H = (
    *SHOWN[:9],
    *("hstatus", "hedeleg", "hideleg", "hgatp", "htval", "htinst", "vstimecmp"),
    *SHOWN[9:],
    *("vsstatus", "vstvec", "vsepc", "vscause", "vstval", "vsatp", "vsscratch"),
)


def state_picture(look: Look, before: Look | None = None) -> Picture:
    """The state that a look saw; with the look `before` it, what changed since then is lit."""
    lit = changed_names(look, before)
    csrs = shown_csrs(look)
    right, rows = MARGIN + LEFT + GAP, len(csrs) // 2
    width, first = right + RIGHT + MARGIN, 44.0
    second = first + HEAD + CODE_ROWS * LINE + 12
    third = second + HEAD + rows * LINE + 12
    end = third + HEAD + MEMORY_ROWS * LINE + 8
    sides = [
        (first, code_panel(look, MARGIN, first, LEFT), register_panel(look, lit, right, first, RIGHT)),
        (
            second,
            csr_panel(look, lit, csrs[:rows], MARGIN, second, LEFT),
            csr_panel(look, lit, csrs[rows:], right, second, RIGHT, name=""),
        ),
        (
            third,
            memory_panel(look, lit, MARGIN, third, LEFT),
            console_panel(look, right, third, RIGHT, MEMORY_ROWS),
        ),
    ]
    # Where a stepper shows it narrow, each row's right half goes under its left one, and the next rows further down.
    head = [*heading(look, MARGIN, width - 2 * MARGIN)]
    shapes = [*head[:-1], group(head[-1:], data_move=f"{number(-GAP - RIGHT)} 0")]
    for n, (top, left_half, right_half) in enumerate(sides):
        height = (*(side[0] for side in sides), end)[n + 1] - top
        shapes.append(group(left_half, data_move=f"0 {number(top - first)}"))
        shapes.append(group(right_half, data_move=f"{number(MARGIN - right)} {number(top - first + height)}"))
    shapes = [group(shapes, data_narrow=f"{number(2 * MARGIN + LEFT)} {number(2 * end - first)}")]
    return Picture(tuple(shapes), width, end, state_sentence(look, before))


def shown_csrs(look: Look) -> tuple[str, ...]:
    """The registers in the picture, the left column's first; a hart with the H extension has more."""
    return SHOWN_WITH_H if "hgatp" in look.csrs else SHOWN


# In words


def state_sentence(look: Look, before: Look | None = None) -> str:
    """What was done, what changed by it, and what stands next, in one sentence."""
    facts = {"who": look.name, "step": look.step, "mode": look.mode_name, "next": next_text(look)}
    if before is None:
        return _("Before step {step} of {who}, in {mode} mode; next: {next}.").format(**facts)
    facts |= {"done": done_text(look, before), "changes": _changes(look, before)}
    said = _("Before step {step} of {who}, in {mode} mode. Done: {done}; {changes}; next: {next}.")
    return said.format(**facts)


def next_text(look: Look) -> str:
    """The instruction that stands at pc, or what is there instead."""
    if look.status is not None:
        return _("none, it is off (status {status})").format(status=look.status)
    if look.pc == GATE:
        return _("the hypervisor's own code")
    if look.word is None:
        return _("no memory at {pc:#x}").format(pc=look.pc)
    return _("{text} at {pc:#x}").format(text=disassemble(look.word, look.pc), pc=look.pc)


def done_text(look: Look, before: Look) -> str:
    """What the instruction between the two looks was, and whether it trapped."""
    done = next_text(before)
    if look.retired == before.retired and before.pc != GATE and look.mode != Mode.U:
        return _("{done}, which traps ({cause})").format(
            done=done, cause=cause_title(look[f"{look.mode_name.lower()}cause"])
        )
    return done


def _changes(look: Look, before: Look) -> str:
    names = [
        _("{name} = {value:#x}").format(name=name, value=now)
        for name, now, _then in look.differences(before)
        if isinstance(now, int) and name not in ("pc", "mode", "time", "status")
    ]
    if not names:
        return _("no register changed")
    more = len(names) - 3
    return ", ".join(names[:3]) + (_(" and {more} more").format(more=more) if more > 0 else "")


def changed_names(look: Look, before: Look | None) -> set[str]:
    """Registers, CSRs, "mode", and physical addresses of double words (as hex) that changed."""
    if before is None:
        return set()
    held = {physical: value for window in before.memory for _at, physical, value in window.words(8)}
    memory = (
        f"{physical:#x}"
        for window in look.memory
        for _at, physical, value in window.words(8)
        if physical is not None and held.get(physical, value) != value
    )
    # That pc moves, the arrow head says.
    return {name for name, _now, _then in look.differences(before)} - {"pc"} | set(memory)


# The panels


def heading(look: Look, x: float, width: float, name: str = "") -> Iterator[Element]:
    """Whose state it is (or the `name` it is given), its step, its mode."""
    actor = actor_of(look)
    yield rect(x, 10, 10, 22, f"b-{actor}", radius=2)
    words = _("{who}, before step {step}, time {time}")
    mode = _("{mode} mode").format(mode=look.mode_name) + (_(", waiting") if look.waiting else "")
    room = width - 36 - text_width(mode, 15, bold=True)
    words = words.format(who=name or look.name, step=look.step, time=look.time)
    size = 15 if text_width(words, 15, bold=True) <= room else 12
    yield text(x + 20, 27, words, room=room, size=size, bold=True)
    yield text(x + width, 27, mode, size=15, bold=True, anchor="end", ink=actor)


def actor_of(look: Look) -> str:
    """Who of the grammar's actors runs."""
    if look.pc == GATE:
        return "hypervisor"
    return "process" if look.mode == Mode.U else "kernel"


def _panel(name: str, x: float, y: float, width: float, rows: int) -> Iterator[Element]:
    if name:
        yield text(x, y + 13, name, room=width, size=12, bold=True, ink="muted")
    yield rect(x, y + HEAD - 4, width, rows * LINE + 4, "l-rule thin", radius=3)


def code_panel(look: Look, x: float, y: float, width: float, rows: int = CODE_ROWS) -> Iterator[Element]:
    """Disassembly around pc, with labels and source lines."""
    yield from _panel(_("code"), x, y, width, rows)
    top = y + HEAD
    lines = list(_code_lines(look))
    here = next((n for n, line in enumerate(lines) if line[0] == look.pc), 0)
    first = max(0, min(here - rows // 2, len(lines) - rows))
    for n, (address, label, words, source) in enumerate(lines[first : first + rows]):
        base = top + n * LINE + 12
        if address is None:
            yield text(x + 18, base, label, room=width - 24, size=SIZE, mono=True, ink="muted", bold=True)
            continue
        current = address == look.pc
        if current:
            yield from _current(look, x + 2, top + n * LINE - 1, width - 4)
        yield text(x + 18, base, f"{address:x}", room=130, size=SIZE, mono=True, ink="muted")
        after = x + 26 + max(74.0, text_width(f"{address:x}", SIZE, mono=True))
        room = (x + width - after - 8) * (0.5 if source else 1)
        yield text(after, base, words, room=room - 8, size=SIZE, mono=True, bold=current)
        if source:
            yield text(after + room, base, source, room=room, size=SIZE - 1, mono=True, ink="muted")
    if not lines:
        yield text(x + 18, top + 12, next_text(look), room=width - 24, size=SIZE, ink="muted")


def _current(look: Look, x: float, y: float, width: float) -> Iterator[Element]:
    actor = actor_of(look)
    yield rect(x, y, width, LINE - 1, f"f-{actor}", radius=2)
    yield rect(x, y, width, LINE - 1, f"l-{actor}", radius=2)
    yield path(f"b-{actor}", (x + 3, y + 3), (x + 11, y + 8), (x + 3, y + 13), closed=True)


def _code_lines(look: Look) -> Iterator[tuple[int | None, str, str, str]]:
    """Address, label, instruction and source of each line; a label has a line without an address."""
    program = look.program
    for address, physical, word in look.instructions():
        source = ""
        if program is not None:
            label = program.symbol_at(physical)
            if label is not None and label[1] == 0:
                yield None, label[0] + ":", "", ""
            source = _source(look, physical, length(word) if look.parcel == 2 else 4)
        symbols = program.symbols if program is not None and address == physical else None
        yield address, "", _TARGET.sub(r"\1", disassemble(word, address, symbols)), source


def _source(look: Look, physical: int, size: int) -> str:
    """The line that an instruction was assembled from, if its bytes still stand there."""
    program = look.program
    assert program is not None
    where = program.lines.get(physical)
    if where is None:
        return ""
    at, data = next((s for s in program.segments if s[0] <= physical < s[0] + len(s[1])), (0, b""))
    offset = physical - (look.code.physical or 0)
    if data[physical - at : physical - at + size] != look.code.data[offset : offset + size]:
        return ""
    lines = program.sources.get(where[0], "").split("\n")
    return " ".join(lines[where[1] - 1].split()) if 0 < where[1] <= len(lines) else ""


def _dot(x: float, y: float) -> Element:
    return el("circle", class_="b-machine", cx=x, cy=y, r=2.5)


def _ground(x: float, y: float, width: float) -> Iterator[Element]:
    """What is lit stands on it."""
    yield rect(x, y, width, LINE - 1, "f-lit", radius=2)
    yield _dot(x + 5, y + 8)


def register_panel(
    look: Look, lit: set[str], x: float, y: float, width: float, columns: int = REGISTER_COLUMNS
) -> Iterator[Element]:
    """pc and the 31 registers."""
    cells = [("pc", look.pc), *((ABI_NAMES[n], look.x[n]) for n in range(1, 32))]
    rows = -(-len(cells) // columns)
    yield from _panel(_("registers"), x, y, width, rows)
    room = width / columns
    for n, (name, value) in enumerate(cells):
        column, row = divmod(n, rows)
        yield _cell(name, f"{value:#x}", name in lit, x + column * room, y + HEAD + row * LINE, room)


def _cell(name: str, value: str, changed: bool, x: float, y: float, room: float) -> Element:
    ground = _ground(x + 2, y - 1, room - 4) if changed else ()
    figures = text(x + room - 8, y + 12, value, size=SIZE, mono=True, bold=changed, anchor="end")
    words = text(x + 14, y + 12, name, size=SIZE, mono=True, ink="ink" if changed else "muted", bold=changed)
    return group([*ground, words, figures], class_="who", data_who=name)


def csr_panel(
    look: Look,
    lit: set[str],
    names: tuple[str, ...],
    x: float,
    y: float,
    width: float,
    name: str | None = None,
) -> Iterator[Element]:
    """CSRs, each with its value and its fields."""
    yield from _panel(_("control and status registers") if name is None else name, x, y, width, len(names))
    start, end = x + 14 + 84, x + 14 + 84 + _DIGITS * SIZE * 0.603
    for n, csr in enumerate(names):
        top, changed = y + HEAD + n * LINE, csr in lit
        shapes = list(_ground(x + 2, top - 1, width - 4)) if changed else []
        ink = "ink" if changed else "muted"
        shapes.append(text(x + 14, top + 12, csr, room=80, size=SIZE, mono=True, ink=ink, bold=changed))
        value = f"{look[csr]:#x}"
        shapes.append(text(start, top + 12, value, room=end - start, size=SIZE, mono=True, bold=changed))
        fields = csr_fields(csr, look[csr], look)
        if fields:
            shapes.append(text(end, top + 12, fields, room=x + width - end - 6, size=SIZE))
        yield group(shapes, class_="who", data_who=csr)


def csr_fields(name: str, value: int, look: Look) -> str:
    """The fields of a CSR that are not zero, decoded."""
    row = ALL_CSRS[name]
    match name:
        case "mcause" | "scause" | "vscause":
            return cause_title(value) if value else ""
        case "medeleg" | "hedeleg":
            return _("exceptions {numbers}").format(numbers=_numbers(value)) if value else ""
        case "satp" | "vsatp" | "hgatp":
            satp = parse_satp(value)
            if satp.scheme is None:
                return _("Bare, no translation")
            scheme = satp.scheme.name + ("x4" if name == "hgatp" else "")
            return _("{scheme}, root table at {root:#x}").format(scheme=scheme, root=satp.root)
        case "mtvec" | "stvec" | "vstvec":
            return _label(look, value & ~3)
        case "mepc" | "sepc" | "vsepc":
            return _label(look, value)
        case "stimecmp" | "vstimecmp":
            return _("never") if value == (1 << 64) - 1 else ""
    if len(row.fields) < 2:
        return ""
    fields = [part for part in row.fields if part.get(value) and part.fixed is None]
    return " ".join(f"{part.name}={_field(part.name, part.get(value))}" for part in fields)


def _numbers(bits: int) -> str:
    """The numbers of the bits that are set, runs of them written short: "0–8, 12"."""
    found: list[list[int]] = []
    for bit in range(bits.bit_length()):
        if bits >> bit & 1:
            if found and found[-1][1] == bit - 1:
                found[-1][1] = bit
            else:
                found.append([bit, bit])
    return ", ".join(f"{first}–{last}" if last > first else str(first) for first, last in found)


def _field(name: str, value: int) -> str:
    if name in ("MPP", "SPP") and value in list(Mode):
        return Mode(value).name
    return str(value) if value < 10 else f"{value:#x}"


def _label(look: Look, address: int) -> str:
    if address == GATE:
        return _("the hypervisor")
    found = look.program.symbol_at(address) if look.program is not None else None
    if found is None:
        return ""
    return found[0] + (f"+{found[1]:#x}" if found[1] else "")


def memory_panel(
    look: Look, lit: set[str], x: float, y: float, width: float, count: int = MEMORY_ROWS
) -> Iterator[Element]:
    """A window of memory, a double word a line; where sp points is said."""
    yield from _panel(_("memory"), x, y, width, count)
    rows = [
        (window, *row) for window in look.memory for row in (list(window.words(8)) or [(window.address,) * 3])
    ]
    for n, (window, address, physical, value) in enumerate(rows[:count]):
        top = y + HEAD + n * LINE
        if window.physical is None or physical is None or value is None:
            yield text(x + 14, top + 12, f"{address:x}", room=130, size=SIZE, mono=True, ink="muted")
            yield text(x + 154, top + 12, _("no memory"), room=width - 160, size=SIZE, ink="muted")
            continue
        yield _memory_row(look, f"{physical:#x}" in lit, address or 0, physical, value, x, top, width)


def _memory_row(
    look: Look, changed: bool, address: int, physical: int, value: int, x: float, top: float, width: float
) -> Element:
    shapes = list(_ground(x + 2, top - 1, width - 4)) if changed else []
    ink = "ink" if changed else "muted"  # which is too pale on the ground of what is lit
    shapes.append(text(x + 14, top + 12, f"{address:x}", room=130, size=SIZE, mono=True, ink=ink))
    figures = f"{value:016x}"
    shapes.append(text(x + 154, top + 12, figures, room=120, size=SIZE, mono=True, bold=changed))
    signs = "".join(chr(b) if 32 <= b < 127 else "·" for b in value.to_bytes(8, "little"))
    shapes.append(text(x + 290, top + 12, signs, room=60, size=SIZE, mono=True, ink=ink))
    points = [ABI_NAMES[n] for n in (2, 8, 3, 4) if address <= look.x[n] < address + 8]
    words = "← " + ", ".join(points) if points else _label(look, physical)
    if words:
        shapes.append(text(x + 366, top + 12, words, room=width - 372, size=SIZE, mono=True))
    return group(shapes, class_="who", data_who=f"{physical:#x}")


def console_panel(look: Look, x: float, y: float, width: float, rows: int) -> Iterator[Element]:
    """The last lines that were printed."""
    yield from _panel(_("console"), x, y, width, rows)
    lines = look.console.split("\n")[-rows:]
    for n, line in enumerate(lines):
        shown = "".join(sign if sign.isprintable() else " " for sign in line)
        if shown.strip():
            yield text(x + 10, y + HEAD + n * LINE + 12, shown, room=width - 16, size=SIZE, mono=True)
