"""The disassembler: the table's syntax filled in, and the table of aliases read backwards."""

from collections.abc import Mapping

from vlab.riscv.csrs import BY_NUMBER
from vlab.riscv.instructions import Instruction, Row, decode, encode
from vlab.riscv.privilege import Cause
from vlab.riscv.pseudo import ALIASES, Form, named_operands, slots
from vlab.riscv.registers import ABI_NAMES

_FENCE_BITS = "iorw"
_TSO = 8


def disassemble(
    word: int, pc: int | None = None, symbols: Mapping[str, int] | None = None, *, aliases: bool = True
) -> str:
    """A 32-bit word as assembly text.

    With `pc`, targets are addresses, and with `symbols` (name to address) also `<name+offset>`; else they
    are distances from `.`. With `aliases` off, pseudo-instructions are written as what they stand for. A word
    that isn't an instruction, or has bits set that no operand names, becomes a `.word`.
    """
    instruction = decode(word & 0xFFFF_FFFF)
    if instruction is None:
        return f".word {word & 0xFFFF_FFFF:#010x}"
    row = instruction.row
    if (
        row.name == "fence"
        and instruction["fm"] == _TSO
        and encode(row, _named(instruction)) == word ^ _TSO << 28
    ):
        return "fence.tso" if instruction["pred"] == instruction["succ"] == 3 else f".word {word:#010x}"
    if encode(row, _named(instruction)) != word:
        return f".word {word:#010x}"
    if aliases:
        for form in _ALIASES_OF.get(row.name, ()):
            found = _captured(form, instruction)
            if found is not None:
                return _text(form.name, form.slots, row, found, pc, symbols)
    ordering = ".aq" * instruction["aq"] + ".rl" * instruction["rl"]
    return _text(
        row.name + ordering.replace(".aq.rl", ".aqrl"),
        slots(row.syntax),
        row,
        _shown(instruction),
        pc,
        symbols,
    )


_ALIASES_OF: dict[str, list[Form]] = {}
for _form in ALIASES:
    _ALIASES_OF.setdefault(_form.steps[0].row.name, []).append(_form)


def _named(instruction: Instruction) -> dict[str, int]:
    """The operands that the text shows; orderings are part of the name."""
    shown = {*named_operands(instruction.row.syntax), "aq", "rl"}
    shown |= {"imm"} if "target" in shown else set()
    return {name: value for name, value in instruction.values.items() if name in shown}


def _shown(instruction: Instruction) -> dict[str, int]:
    """The operands by the names that the syntax gives them."""
    return instruction.values | (
        {"target": instruction["imm"]} if instruction.row.syntax.endswith("target") else {}
    )


def _captured(form: Form, instruction: Instruction) -> dict[str, int] | None:
    """What an alias's own operands would be, or None where its fixed ones do not fit."""
    shown, found = _shown(instruction), {}
    for operand, source in form.steps[0].operands.items():
        value = shown.get(operand, 0)
        if isinstance(source, str):
            found[source] = value
        elif source != value:
            return None
    return found


def _text(
    name: str,
    written: tuple[str, ...],
    row: Row,
    values: dict[str, int],
    pc: int | None,
    symbols: Mapping[str, int] | None,
) -> str:
    operands = [_operand(slot, row, values, pc, symbols) for slot in written]
    return f"{name} {', '.join(operands)}".rstrip()


def _operand(
    slot: str, row: Row, values: dict[str, int], pc: int | None, symbols: Mapping[str, int] | None
) -> str:
    if slot.endswith(")"):
        offset = str(values["imm"]) if slot.startswith("imm") else ""
        return f"{offset}({ABI_NAMES[values['rs1']]})"
    value = values[slot]
    if slot in ("rd", "rs1", "rs2"):
        return ABI_NAMES[value]
    if slot == "csr":
        return BY_NUMBER[value].name if value in BY_NUMBER else hex(value)
    if slot in ("pred", "succ"):
        return "".join(letter for place, letter in enumerate(_FENCE_BITS) if value & 8 >> place) or "0"
    if slot == "target":
        return _target(value, pc, symbols)
    if slot == "imm" and row.step("imm") == 1 << 12:
        return hex(value >> 12 & 0xFFFFF)
    return hex(value) if slot == "shamt" else str(value)


def _target(distance: int, pc: int | None, symbols: Mapping[str, int] | None) -> str:
    if pc is None:
        return f".{distance:+d}"
    address = pc + distance & (1 << 64) - 1
    below = [(value, name) for name, value in (symbols or {}).items() if value <= address]
    if not below:
        return hex(address)
    value = max(below)[0]
    name = next(name for found, name in below if found == value)
    offset = f"+{address - value:#x}" if address > value else ""
    return f"{address:#x} <{name}{offset}>"


def trap_value(cause: int, value: int) -> str:
    """What `stval` says of an exception, in words that stay the same: an address, or the word that is illegal."""
    if cause == Cause.ILLEGAL_INSTRUCTION:
        return f"instruction {value:#x} ({disassemble(value)})"
    return f"address {value:#x}"
