"""The operands of one instruction: which form they choose, and what each of them says."""

from collections.abc import Sequence
from typing import NamedTuple

from vlab.language import _
from vlab.riscv.assembler.expressions import Cursor, Expression, Scope, parse
from vlab.riscv.assembler.lines import Token
from vlab.riscv.assembler.problems import Mistake, suggestion
from vlab.riscv.csrs import ALL_CSRS
from vlab.riscv.pseudo import FORMS, Form, fence_set
from vlab.riscv.registers import NUMBERS

REGISTER_SLOTS = frozenset({"rd", "rs1", "rs2", "rt"})
FUNCTIONS = ("hi", "lo", "pcrel_hi", "pcrel_lo")


class Immediate(NamedTuple):
    """A value as written: an expression, perhaps under a relocation function such as `%hi`."""

    function: str
    value: Expression
    column: int


Operand = int | Immediate


class Given(NamedTuple):
    """One operand as it stands in the text: its tokens, the column after it, and its shape.

    The shape is "R" for a register, "M" for a place in memory such as `8(sp)`, "E" for any other expression.
    """

    tokens: Sequence[Token]
    end: int
    shape: str


def split(tokens: Sequence[Token], end: int) -> list[Given]:
    """The operands between the commas."""
    if not tokens:
        return []
    parts: list[Given] = []
    start = depth = 0
    for at, token in enumerate(tokens):
        if token.text == "," and depth == 0 and token.kind == "mark":
            parts.append(_given(tokens[start:at], token.column))
            start = at + 1
        elif token.kind == "mark":
            depth += (token.text == "(") - (token.text == ")")
    parts.append(_given(tokens[start:], end))
    return parts


def _given(tokens: Sequence[Token], end: int) -> Given:
    if not tokens:
        raise Mistake(_("An operand is missing here."), end)
    if len(tokens) == 1:
        return Given(tokens, end, "R" if tokens[0].text in NUMBERS else "E")
    return Given(tokens, end, "M" if _in_memory(tokens) else "E")


def _in_memory(tokens: Sequence[Token]) -> bool:
    """Whether this ends with a register in parentheses, or with what is meant as one, after an offset."""
    if len(tokens) < 3 or tokens[-1].text != ")" or tokens[-3].text != "(" or tokens[-2].kind != "name":
        return False
    if len(tokens) == 5 and tokens[0].text == "%":
        return False  # `%lo(symbol)`
    after_offset = len(tokens) > 3 and (tokens[-4].kind != "mark" or tokens[-4].text == ")")
    return after_offset or tokens[-2].text in NUMBERS


def _shape(slot: str) -> str:
    if slot in REGISTER_SLOTS:
        return "R"
    return "M" if slot.endswith(")") else "E"


_SHAPES = {form.slots: "".join(map(_shape, form.slots)) for forms in FORMS.values() for form in forms}
_REGISTERS = "zero ra sp gp tp t0-t6 s0-s11 a0-a7 fp, x0-x31"


def choose(mnemonic: Token, given: Sequence[Given]) -> Form:
    """The form of an instruction that fits the operands; the nearest one where none does."""
    forms = FORMS[mnemonic.text]
    shapes = "".join(operand.shape for operand in given)
    for form in forms:
        if _SHAPES[form.slots] == shapes:
            return form
    for form in forms:
        if len(form.slots) == len(given):
            return form
    raise _wrong_number(mnemonic, given, forms)


def _wrong_number(mnemonic: Token, given: Sequence[Given], forms: Sequence[Form]) -> Mistake:
    ways = dict.fromkeys(f"`{form.name} {', '.join(form.slots)}".rstrip() + "`" for form in forms)
    either = _(" or ")
    expected = either.join(dict.fromkeys(str(len(form.slots)) for form in forms))
    what = _("Operands of `{name}`: {expected} expected, {count} given.")
    return Mistake(
        what.format(name=mnemonic.text, expected=expected, count=len(given)),
        mnemonic.column,
        _("It is written {ways}.").format(ways=either.join(ways)),
    )


def read(form: Form, given: Sequence[Given], scope: Scope) -> dict[str, Operand]:
    """What the operands say, by the names that the form gives them."""
    values: dict[str, Operand] = {}
    for slot, operand in zip(form.slots, given, strict=True):
        if slot in REGISTER_SLOTS:
            values[slot] = _register(operand)
        elif slot.endswith(")"):
            values |= _memory(slot, operand, scope)
        elif slot == "csr":
            values[slot] = _csr(operand, scope)
        elif slot in ("pred", "succ"):
            values[slot] = _fence_set(operand)
        else:
            values[slot] = _immediate(operand.tokens, operand.end, scope)
        if slot == "place":
            _refuse_number(values[slot])
    return values


def _register(operand: Given) -> int:
    first = operand.tokens[0]
    if operand.shape == "R":
        return NUMBERS[first.text]
    raise _not_a_register("".join(token.text for token in operand.tokens)[:40], first.column)


def _not_a_register(text: str, column: int) -> Mistake:
    mend = suggestion(text, NUMBERS) or _("The registers are {names}.").format(names=_REGISTERS)
    return Mistake(_("`{text}` is not a register.").format(text=text), column, mend)


def _memory(slot: str, operand: Given, scope: Scope) -> dict[str, Operand]:
    """The operand of a load, a store or an AMO: an offset and a register in parentheses."""
    if operand.shape != "M":
        example = "8(sp)" if slot.startswith("imm") else "(a0)"
        what = _("A place in memory is needed here, such as `{example}`.").format(example=example)
        raise Mistake(what, operand.tokens[0].column)
    register = operand.tokens[-2]
    if register.text not in NUMBERS:
        raise _not_a_register(register.text[:40], register.column)
    values: dict[str, Operand] = {"rs1": NUMBERS[register.text]}
    offset = operand.tokens[:-3]
    immediate = Immediate("", 0, operand.tokens[0].column)
    if offset:
        immediate = _immediate(offset, operand.tokens[-3].column, scope)
    if slot.startswith("imm"):
        values["imm"] = immediate
    elif immediate.value != 0 or immediate.function:
        raise Mistake(_("There is no room for an offset here: `(register)` alone."), immediate.column)
    return values


def _refuse_number(place: Operand) -> None:
    """A load or store names its place; an address as a number needs a register."""
    if isinstance(place, Immediate) and isinstance(place.value, int):
        what = _("{value} is a number, not a symbol.").format(value=place.value)
        mend = _("Put the address into a register with `li`, then write `offset(register)`.")
        raise Mistake(what, place.column, mend)


def _csr(operand: Given, scope: Scope) -> Operand:
    first = operand.tokens[0]
    if len(operand.tokens) == 1 and first.text in ALL_CSRS:
        return ALL_CSRS[first.text].number
    immediate = _immediate(operand.tokens, operand.end, scope)
    if not isinstance(immediate.value, int):
        near = suggestion(first.text, ALL_CSRS)
        raise Mistake(_("There is no CSR `{name}`.").format(name=first.text[:40]), first.column, near)
    return immediate


def _fence_set(operand: Given) -> int:
    first = operand.tokens[0]
    bits = fence_set(first.text) if len(operand.tokens) == 1 else None
    if bits is None:
        mend = _("Write some of the letters `i`, `o`, `r`, `w`, in this order.")
        what = _("`{text}` is not a set of accesses.").format(text=first.text[:40])
        raise Mistake(what, first.column, mend)
    return bits


def _immediate(tokens: Sequence[Token], end: int, scope: Scope) -> Immediate:
    cursor = Cursor(tokens, end)
    column = cursor.column
    if len(tokens) >= 3 and tokens[0].text == "%":
        cursor.take()
        function = cursor.take()
        if function.text not in FUNCTIONS:
            what = _("There is no relocation function `%{name}`.").format(name=function.text[:40])
            raise Mistake(what, column, suggestion(function.text, FUNCTIONS))
        if cursor.text != "(":
            raise Mistake(_("`{text}` is missing here.").format(text="("), cursor.column)
        value = parse(cursor, scope)
        cursor.finish()
        return Immediate(function.text, value, column)
    if len(tokens) == 1 and tokens[0].text in NUMBERS:
        what = _("`{name}` is a register; a value is needed here.").format(name=tokens[0].text)
        raise Mistake(what, column)
    value = parse(cursor, scope)
    cursor.finish()
    return Immediate("", value, column)
