"""What a row is to native code: whether it has a handler, of which kinds, and their names."""

import ast
from functools import cache

from vlab.riscv.instructions import Row
from vlab.riscv.meaning import CONTROL, meaning

_NOTHING = {"fence", "fence_i"}  # as in `lowering`
# Which functions of meanings are routines of `privileged`: each may also change what comes next.
ROUTINES = {
    *("ecall", "ebreak", "sret", "mret", "wfi", "sfence_vma", "hfence_vvma", "hfence_gvma"),
    *("csr_write", "csr_set", "csr_clear"),
}
_PYTHON = CONTROL.keys() - _NOTHING - ROUTINES
NEAR, QUIET = ("near", "back"), ("quiet", "quiet.back")  # kinds of near jumps: on, and back


def called(row: Row) -> set[str]:
    """The names of the functions that a meaning calls."""
    calls = (n for statement in meaning(row) for n in ast.walk(statement) if isinstance(n, ast.Call))
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}


@cache
def native(row: Row) -> bool:
    """Whether an instruction has a handler; another one is Python's."""
    return not called(row) & _PYTHON


@cache
def jumps(row: Row) -> bool:
    """Whether another instruction than the next may follow, or one in another context."""
    return bool(called(row) & ROUTINES) or any(
        isinstance(node, ast.Name) and node.id == "pc" and isinstance(node.ctx, ast.Store)
        for statement in meaning(row)
        for node in ast.walk(statement)
    )


@cache
def jumps_near(row: Row) -> bool:
    """Whether it jumps so far from its pc as its immediate says."""
    return (
        jumps(row) and "imm" in row.operands and bool(_target_names(row)) and "rs1" not in _target_names(row)
    )


def links(row: Row) -> bool:
    """Whether it jumps near, and writes where it came from: to nowhere, mostly, and then nobody needs to know."""
    return jumps_near(row) and any(map(assigns_rd, meaning(row)))


def _target_names(row: Row) -> set[str]:
    """The operands that the target depends on, conditions left out."""
    names: set[str] = set()
    for statement in meaning(row):
        match statement:
            case ast.Assign(targets=[ast.Name(id="pc" | "there")], value=ast.IfExp(body=value) | value):
                names |= {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
    return names


def handler_name(base: str, size: int) -> str:
    """The name of the handler of instructions of so many bytes that do what the row `base` says."""
    return base if size == 4 else f"{base}.{size}"


def assigns_rd(statement: ast.stmt) -> bool:
    """Whether a statement of a meaning writes the register rd."""
    return isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "rd"
