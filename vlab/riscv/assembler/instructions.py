"""One instruction statement: its form is chosen, its operands are read, its words are written."""

from collections.abc import Sequence

from vlab.language import _
from vlab.riscv.assembler.assembly import Assembly
from vlab.riscv.assembler.expressions import Point
from vlab.riscv.assembler.layout import Branch
from vlab.riscv.assembler.lines import Token
from vlab.riscv.assembler.operands import Immediate, Operand, choose, read, split
from vlab.riscv.assembler.problems import Mistake
from vlab.riscv.assembler.values import absolute, branch_distance, needs_address, relative, written
from vlab.riscv.instructions import Row
from vlab.riscv.pseudo import Form, Step, constant_steps

_BY_SIZE = {"li": "imm", "la": "symbol", "lla": "symbol"}


def instruction(assembly: Assembly, mnemonic: Token, rest: Sequence[Token], end: int) -> None:
    """Assemble an instruction or a pseudo-instruction; `end` is the column after it."""
    given = split(rest, end)
    form = choose(mnemonic, given)
    operands = read(form, given, assembly)
    for step in _steps(form, operands):
        _write(assembly, step, operands)


def _steps(form: Form, operands: dict[str, Operand]) -> Sequence[Step]:
    """The expansion: that of the table, except where it depends on how large a constant is."""
    given = operands.get(_BY_SIZE.get(form.name, ""))
    if not isinstance(given, Immediate) or given.function:
        return form.steps
    if isinstance(given.value, int):
        register = operands["rd"]
        assert isinstance(register, int)
        return constant_steps(register, given.value)
    if form.name == "li":
        mend = _("Use `la` for an address; define a constant above its use.")
        raise Mistake(_("`li` needs a number that is known here."), given.column, mend)
    return form.steps


def _write(assembly: Assembly, step: Step, operands: dict[str, Operand]) -> None:
    """One instruction: at once where all its operands are known, else later."""
    values: dict[str, int] = {}
    open_operand: tuple[str, Immediate] | None = None
    for operand, source in step.operands.items():
        given = _given(assembly, source, operands)
        if isinstance(given, int):
            values[operand] = given
        elif isinstance(given.value, int) and not needs_address(step.row, given):
            values[operand] = absolute(step.row, operand, given, given.value)
        else:
            open_operand = operand, given
    if step.row.size == 2:
        assembly.parcel = 2
    assembly.record(is_code=True)
    if open_operand is None:
        assembly.write(written(step.row, values, assembly.statement.column))
    elif open_operand[0] == "target":
        _jump(assembly, step.row, values, open_operand[1])
    else:
        _later(assembly, step.row, values, *open_operand)


def _given(assembly: Assembly, source: int | str, operands: dict[str, Operand]) -> Operand:
    """What goes into an operand: a fixed number, an operand as given, or a function of one."""
    if isinstance(source, int):
        return source
    if not source.startswith("%"):
        return operands[source]
    function, _parenthesis, name = source[1:-1].partition("(")
    if name == ".-4":
        chunk, offset = assembly.here()
        return Immediate(function, Point(chunk, offset - 4), assembly.statement.column)
    given = operands[name]
    assert isinstance(given, Immediate)
    if given.function:
        raise Mistake(_("A plain symbol is needed here."), given.column)
    return given._replace(function=function)


def _jump(assembly: Assembly, row: Row, values: dict[str, int], target: Immediate) -> None:
    """A branch or `jal`: at once where the target is near and above."""
    if target.function:
        raise Mistake(_("A jump takes a plain target."), target.column)
    here = assembly.here()
    if isinstance(target.value, Point) and target.value.chunk is here.chunk:
        distance = target.value.offset - here.offset
        if -4096 <= distance < 4096:
            values["imm"] = branch_distance(row, target, distance, assembly.parcel)
            assembly.write(written(row, values, target.column))
            return
    if row.width("imm") == 13:
        assembly.branch(Branch(assembly.statement, assembly.section, row, values, target))
    else:
        _later(assembly, row, values, "imm", target)


def _later(assembly: Assembly, row: Row, values: dict[str, int], operand: str, given: Immediate) -> None:
    """An instruction with an operand that waits for addresses."""
    if given.function == "pcrel_hi":
        assembly.high_parts.append((assembly.here(), given))

    def make(pc: int) -> bytes:
        value = assembly.value(given.value)
        if needs_address(row, given):
            found = relative(row, given, value, pc, assembly.distance, assembly.parcel)
        else:
            found = absolute(row, operand, given, value)
        return written(row, values | {operand: found}, given.column)

    assembly.write_later(row.size, make)
