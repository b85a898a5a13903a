"""From an operand as written to the value that goes into the instruction."""

from collections.abc import Callable

from vlab.language import _
from vlab.riscv.assembler.expressions import signed
from vlab.riscv.assembler.operands import Immediate
from vlab.riscv.assembler.problems import Mistake
from vlab.riscv.instructions import Row, decode, encode


def needs_address(row: Row, immediate: Immediate) -> bool:
    """Whether the value depends on where the instruction lies."""
    return immediate.function.startswith("pcrel") or row.syntax.endswith("target")


def absolute(row: Row, operand: str, immediate: Immediate, value: int) -> int:
    """The operand's value where the address does not matter."""
    if immediate.function == "hi":
        if not isinstance(immediate.value, int) and not -(1 << 31) <= value + 0x800 < 1 << 31:
            what = _("{address} is out of reach of `%hi` and `%lo`: they make signed 32-bit addresses.")
            raise Mistake(what.format(address=hex(value)), immediate.column, _("Use `la`, or `%pcrel_hi`."))
        return high_part(value)
    if immediate.function == "lo":
        return low_part(value)
    if row.step(operand) == 1 << 12:  # `lui` and `auipc` are written with the upper 20 bits alone
        _in_range(operand, value, 0, (1 << 20) - 1, immediate.column)
        upper = value << 12
        return (upper ^ 1 << 31) - (1 << 31) if row.size == 2 else upper
    width = row.width(operand)
    if operand == "imm" and row.signed:
        _in_range(operand, value, -1 << width - 1, (1 << width - 1) - 1, immediate.column, _out_of_reach(row))
    else:
        _in_range(operand, value, 0, (1 << width) - 1, immediate.column)
    return value


def relative(
    row: Row, immediate: Immediate, value: int, pc: int, high: Callable[[int], int | None], parcel: int
) -> int:
    """The operand's value where it is a distance. `high` gives that of the `auipc` at an address."""
    if immediate.function == "pcrel_lo":
        distance = high(value)
        if distance is None:
            what = _("There is no instruction with `%pcrel_hi` at {address}.").format(address=hex(value))
            mend = _("`%pcrel_lo` names the label of the `auipc`, not the symbol.")
            raise Mistake(what, immediate.column, mend)
        return low_part(distance)
    distance = signed(value - pc)
    if immediate.function == "pcrel_hi":
        if not -(1 << 31) - 2048 <= distance < (1 << 31) - 2048:
            what = _("The distance to {address} is {distance} bytes; ±2 GiB is possible.")
            shown = what.format(address=hex(value), distance=distance)
            raise Mistake(shown, immediate.column, _("Use `li` for it."))
        return high_part(distance)
    return branch_distance(row, immediate, distance, parcel)


def branch_distance(row: Row, immediate: Immediate, distance: int, parcel: int) -> int:
    """A jump's distance, refused where the jump does not reach it or must not go there.

    Instructions begin at multiples of `parcel` bytes.
    """
    reach = 1 << row.width("imm") - 1
    if not -reach <= distance < reach:
        what = _("The target is {distance} bytes away; `{name}` reaches from {low} to {high}.")
        mend = _("`call` and `tail` reach further.") if row.name == "jal" else ""
        shown = what.format(distance=distance, name=row.name, low=-reach, high=reach - 2)
        raise Mistake(shown, immediate.column, mend)
    if distance % parcel:
        what = _("The target is {distance} bytes away, no multiple of {step}: no instruction begins there.")
        raise Mistake(what.format(distance=distance, step=parcel), immediate.column)
    return distance


def written(row: Row, values: dict[str, int], column: int) -> bytes:
    """The bytes of an instruction; refused where a compressed one has no room for an operand."""
    word = encode(row, values)
    made = decode(word)
    kept = made is not None and made.row is row and all(made[name] == value for name, value in values.items())
    if row.size == 2 and not kept:
        what = _("`{name}` has no room for these operands.").format(name=row.name)
        raise Mistake(what, column, _("Write the instruction without `c.`."))
    return word.to_bytes(row.size, "little")


def high_part(value: int) -> int:
    """What `lui` or `auipc` must add so that the low part reaches the value."""
    return value + 0x800 & 0xFFFF_F000


def low_part(value: int) -> int:
    """The low 12 bits, as the signed number that `addi` and loads take."""
    return (value & 0xFFF ^ 0x800) - 0x800


def _out_of_reach(row: Row) -> str:
    return _("Put the value into a register with `li` first.") if row.name == "addi" else ""


def _in_range(operand: str, value: int, low: int, high: int, column: int, mend: str = "") -> None:
    if not low <= value <= high:
        what = _("{value} does not fit: `{operand}` goes from {low} to {high}.")
        raise Mistake(what.format(value=value, operand=operand, low=low, high=high), column, mend)
