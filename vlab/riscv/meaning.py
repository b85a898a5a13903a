"""Meanings: the last column of the instruction table, parsed once and checked.

Every engine visits the same tree. The language is a small part of Python: assignments to `rd`, `pc` and the
local names `old` and `there`; integer operators, comparisons and `a if c else b`; and calls of the functions
below.
"""

import ast
from functools import cache

from vlab.riscv.instructions import Row

PURE = {
    "signed": "the 64-bit value as a two's complement number",
    "unsigned": "the low 64 bits as an unsigned number",
    "word": "the low 32 bits, sign-extended",
    "half": "the low 16 bits, sign-extended",
    "byte": "the low 8 bits, sign-extended",
    "low": "the low 32 bits, unsigned",
    "quotient": "division towards zero; -1 where the divisor is 0",
    "remainder": "what that division leaves; the dividend where the divisor is 0",
    "min": "the smaller",
    "max": "the larger",
}
MEMORY = {
    "load": "the unsigned value of `size` bytes at a virtual address",
    "store": "write the low `size` bytes of a value at a virtual address",
    "amo_load": "load for an atomic: naturally aligned, and allowed to store there too",
    "load_reserved": "aligned load that sets the reservation",
    "store_conditional": "aligned store if the reservation holds: 0 if it did, 1 if not",
}
CONTROL = {
    "csr_write": "write a CSR; its old value",
    "csr_set": "set bits of a CSR if the third argument says so; its old value",
    "csr_clear": "clear bits of a CSR if the third argument says so; its old value",
    "ecall": "trap: environment call",
    "ebreak": "trap: breakpoint",
    "sret": "return from a trap taken into S; the new pc",
    "mret": "return from a trap taken into M; the new pc",
    "wfi": "wait for an interrupt",
    "sfence_vma": "order page-table writes before later walks",
    "hlv": "`load` as the guest's modes do it (see `hstatus.SPVP`)",
    "hlvx": "the same of what a guest may execute",
    "hsv": "`store` as the guest's modes do it",
    "hfence_vvma": "order writes of a guest's tables before later walks",
    "hfence_gvma": "order writes of guest-physical tables before later walks",
    "fence": "order memory accesses",
    "fence_i": "order stores before later fetches",
}
OPERANDS = {"rd", "rs1", "rs2", "imm", "shamt", "zimm", "csr", "source", "pc", "next", "old", "there"}
TARGETS = {"rd", "pc", "old", "there"}

_OPERATORS = (
    *(
        ast.Add,
        ast.Sub,
        ast.Mult,
        ast.BitAnd,
        ast.BitOr,
        ast.BitXor,
        ast.LShift,
        ast.RShift,
        ast.Invert,
        ast.USub,
    ),
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE),
)
_NODES = (ast.BinOp, ast.UnaryOp, ast.IfExp, ast.expr_context, *_OPERATORS)


@cache
def meaning(row: Row) -> tuple[ast.stmt, ...]:
    """The statements of a row's meaning.

    Raises:
        ValueError: where the row steps outside the language; the table is wrong, not the reader.
    """
    statements = tuple(ast.parse(row.meaning).body)
    for node in (n for statement in statements for n in ast.walk(statement)):
        if not _allowed(node):
            raise ValueError(
                f"{row.name}: {ast.unparse(node) or type(node).__name__} is not in the language of meanings"
            )
    return statements


def _allowed(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in TARGETS
        case ast.Expr(value=ast.Call()):
            return True
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            return name in PURE or name in MEMORY or name in CONTROL
        case ast.Name(id=name):
            return name in OPERANDS or name in PURE or name in MEMORY or name in CONTROL
        case ast.Constant(value=value):
            return type(value) is int
        case ast.Compare(ops=[_one]):
            return True
    return isinstance(node, _NODES)
