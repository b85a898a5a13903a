"""What binary translation makes of one word of a guest's kernel code: itself, a number, or a call-out."""

from ast import Call, Name, walk
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

from vlab.machine.csrfile import QUIET
from vlab.riscv import Access, Mode, decode
from vlab.riscv.csrs import BY_NUMBER
from vlab.riscv.instructions import ROWS, Row, encode
from vlab.riscv.meaning import MEMORY, PURE, meaning

# An illegal instruction in every mode, and for ever: the specification keeps it free for that.
NOT_REACHED = 0
CALL_OUT, SHORT_CALL_OUT = ROWS["ebreak"].match, ROWS["c.ebreak"].match  # others that trap in every mode
_HARMLESS = {*PURE, *MEMORY, "fence", "fence_i"}  # what does the same in every mode

# The CSRs that change by exits alone, and that its mode may always read.
_S = ("sscratch", "scause", "stval", "sepc", "sstatus", "sie", "stvec", "scounteren")
_M = "mscratch mcause mtval mepc mstatus misa medeleg mideleg mie mtvec mcounteren menvcfg".split()
_FIXED = "mvendorid marchid mimpid mhartid".split()
IN_LINE = {Mode.S: _S, Mode.M: (*_S, *_M, *_FIXED)}
_READS = ("csrrs", "csrrc", "csrrsi", "csrrci")  # with nothing to set or clear
_SYSTEM = ROWS["csrrs"].match & 0x7F  # the opcode of all that concerns CSRs
SMALL = 1 << 11  # below that, a number has room in a word


def translated(word: int, mode: Mode, values: Mapping[str, int], parcel: int = 4) -> int:
    """What a word of code for this mode becomes: itself, the number that it would read, a call-out.

    `values` holds CSRs by name: a read of one of these is in-lined, as long as its value is a small number; where
    an instruction may begin at each `parcel` of two bytes, one that can't be taken for an instruction either.
    """
    if harmless(word):
        return word
    name = csr_read(word, mode)
    value = values.get(name or "", SMALL)
    if value < SMALL:
        number = encode(ROWS["addi"], {"rd": word >> 7 & 31, "rs1": 0, "imm": value})
        if parcel == 4 or decode(number >> 16) is None:
            return number
    return CALL_OUT if parcel == 4 else SHORT_CALL_OUT


def csr_read(word: int, mode: Mode) -> str | None:
    """The CSR that a word of code for this mode does no more than read, if reads of it can be in-lined."""
    return _csr_read(word, mode) if word & 0x7F == _SYSTEM else None


@lru_cache(maxsize=1 << 10)
def _csr_read(word: int, mode: Mode) -> str | None:
    instruction = decode(word)
    if instruction is None or instruction.name not in _READS:
        return None
    csr = BY_NUMBER.get(instruction["csr"])
    source = instruction["zimm"] if instruction.name.endswith("i") else instruction["source"]
    return csr.name if csr is not None and csr.name in IN_LINE[mode] and source == 0 else None


@lru_cache(maxsize=1 << 10)
def changes_little(word: int) -> bool:
    """Whether it only reads a CSR, or changes one that keeps what is written, or that which enables interrupts."""
    instruction = decode(word)
    csr = BY_NUMBER.get(instruction.values.get("csr", -1)) if instruction is not None else None
    if instruction is None or csr is None:
        return False
    source = instruction["zimm"] if instruction.name.endswith("i") else instruction["source"]
    only_reads = not instruction.name.startswith("csrrw") and not source
    return only_reads or csr.name in QUIET or "mstatus" in (csr.name, csr.view_of)


@lru_cache(maxsize=1 << 16)
def harmless(word: int) -> bool:
    """Whether a word is an instruction that does the same in every mode: its meaning is no hart's affair."""
    instruction = decode(word)
    return instruction is not None and _called(instruction.row) <= _HARMLESS


def reached(word: int, x: Sequence[int]) -> tuple[Access, int] | None:
    """How a word reaches memory, and where, with the registers `x`; None if it doesn't. An AMO stores, too."""
    instruction = decode(word)
    called = _called(instruction.row) if instruction is not None else set[str]()
    if instruction is None or not called & MEMORY.keys():
        return None
    access = Access.STORE if called & {"store", "store_conditional"} else Access.LOAD
    return access, x[instruction["rs1"]] + instruction.values.get("imm", 0) & (1 << 64) - 1


def sensitive(word: int) -> bool:
    """Whether a word is an instruction, and not a harmless one: these have one opcode, but for a short `ebreak`."""
    if word & 0x7F != _SYSTEM:
        return word == SHORT_CALL_OUT
    return decode(word) is not None and not harmless(word)


@cache
def _called(row: Row) -> set[str]:
    nodes = (node for statement in meaning(row) for node in walk(statement))
    return {node.func.id for node in nodes if isinstance(node, Call) and isinstance(node.func, Name)}
