"""CSRs as native code does them: the meanings' functions of these names, and the table that they go by.

The functions are in the restricted Python of `functions`; see `privileged` for what they are given and answer.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from vlab.machine.csrfile import COUNTERS, QUIET, STCE
from vlab.machine.execute.native.layout import CSR_FIELDS, CSR_WRITE, H_FIELDS, OFFSETS
from vlab.machine.execute.native.privileged import ILLEGAL, VIRTUAL_INSTRUCTION
from vlab.machine.execute.native.routines import YES
from vlab.machine.h_extension.csrfile import SUBSTITUTES
from vlab.machine.hart import STACKS
from vlab.paging import SV39
from vlab.riscv import Mode
from vlab.riscv.csrs import H_REGISTERS, Csr, Registers

if TYPE_CHECKING:
    from vlab.machine.execute.native.privileged import let_in, refuse, switch
    from vlab.machine.execute.native.routines import State, note, peek, poke, unheard, unsigned

_MODE_U, _MODE_S, _MODE_M = int(Mode.U), int(Mode.S), int(Mode.M)
_M_ORIGIN, _M_SHIFT = STACKS[Mode.M].origin, STACKS[Mode.M].shift
_TVM, _VTVM = H_REGISTERS.by_name["mstatus"]["TVM"].mask, H_REGISTERS.by_name["hstatus"]["VTVM"].mask
_STCE, _TM = STCE, H_REGISTERS.by_name["mcounteren"]["TM"].mask
_SV39 = SV39.mode
_SATP_MODE = H_REGISTERS.by_name["satp"]["MODE"].low

# What a row of the table of CSRs says; `csr_rows` fills it.
_ROW = (
    *("field", "lowest", "visible", "writable", "fixed", "kind", "counter"),
    *("rule", "read_only", "hypervisor", "substitute", "lent", "shift", "silent", "quiet"),
)
CSR_ROW = 8 * len(_ROW)
_FIELD, _LOWEST, _VISIBLE, _WRITABLE, _FIXED, _KIND, _COUNTER = range(0, 56, 8)
_RULE, _READ_ONLY, _HYPERVISOR, _SUBSTITUTE, _LENT, _SHIFT, _SILENT, _QUIET = range(56, CSR_ROW, 8)
# Kinds: who reads and writes it, and how. _READING is native code's to read, and Python's to write. Contexts go by
# _STATUS and _TABLE.
_PYTHON, _CONSTANT, _READING, _PLAIN, _VECTOR, _ENABLES, _STATUS, _TABLE, _TIME, _CYCLE, _INSTRET = range(11)
_KINDS = {
    **dict.fromkeys(("mtvec", "stvec", "vstvec"), _VECTOR),
    **dict.fromkeys(("mstatus", "sstatus", "vsstatus"), _STATUS),
    **dict.fromkeys(("satp", "vsatp", "hgatp"), _TABLE),
    **dict.fromkeys(("mie", "sie", "hie", "vsie"), _ENABLES),
    **dict.fromkeys(("mideleg", "hideleg", "menvcfg", "htimedelta"), _READING),
    "time": _TIME, "cycle": _CYCLE, "mcycle": _CYCLE, "instret": _INSTRET, "minstret": _INSTRET,
}  # fmt: skip
# Rules: what else may forbid it.
_NO_RULE, _ROOT, _ALARM = range(3)
_RULES = {"satp": _ROOT, "hgatp": _ROOT, "stimecmp": _ALARM, "vstimecmp": _ALARM}
_LENT_BY = {"sie": "mideleg", "vsie": "hideleg"}  # which bits of `mie` they show


@cache
def csr_rows(registers: Registers, silent: frozenset[int]) -> tuple[dict[int, int], bytes]:
    """The table of the CSRs of a kind of hart; of each, by number, where it stands there.

    `silent` are the numbers of those that a quirk makes silent.
    """
    known = {*CSR_FIELDS, *(H_FIELDS if "hstatus" in registers.by_name else ())}
    places = {csr.name: number * CSR_ROW for number, csr in enumerate(registers)}
    rows = [_row(csr, known, places, csr.number in silent) for csr in registers]
    table = b"".join(row[name].to_bytes(8, "little") for row in rows for name in _ROW)
    return {csr.number: places[csr.name] for csr in registers}, table


def _row(csr: Csr, known: set[str], places: dict[str, int], silent: bool) -> dict[str, int]:
    stored = csr.view_of or csr.name
    kind = _KINDS.get(csr.name, _PLAIN)
    if kind < _TIME and not csr.writable and not csr.view_of:
        kind = _CONSTANT
    elif kind < _TIME and stored not in known:
        kind = _PYTHON
    field = OFFSETS[stored] if stored in known else 0
    return {
        "field": field, "lowest": int(csr.privilege), "visible": csr.visible, "writable": csr.writable,
        "fixed": csr.fixed, "kind": kind, "counter": COUNTERS.get(csr.number, 0),
        "rule": _RULES.get(csr.name, _NO_RULE), "read_only": csr.read_only, "hypervisor": csr.hypervisor,
        "substitute": places.get(SUBSTITUTES.get(csr.name, ""), places[csr.name]),
        "lent": OFFSETS[_LENT_BY[csr.name]] if csr.name in _LENT_BY else 0,
        "shift": int(csr.name == "vsie"), "silent": silent, "quiet": stored in QUIET,
    }  # fmt: skip


def csr_write(s: "State", pc: int, csr: int, value: int) -> int:
    """Write, and give the old value."""
    return access(s, pc, s.csrs + csr, ~0, value, 1)


def csr_set(s: "State", pc: int, csr: int, bits: int, writes: int) -> int:
    """Set bits, and give the old value."""
    return access(s, pc, s.csrs + csr, bits, bits, writes)


def csr_clear(s: "State", pc: int, csr: int, bits: int, writes: int) -> int:
    """Clear bits, and give the old value."""
    return access(s, pc, s.csrs + csr, bits, 0, writes)


# Who may


def forbidden(s: "State", row: int, writes: int) -> int:
    """The cause that an access raises; 0 if it may be (Privileged ISA, 2.1; chapter "H", "Trap Cause Codes")."""
    lowest = peek(row + _LOWEST, 8)
    counter_bit = peek(row + _COUNTER, 8)
    if writes and peek(row + _READ_ONLY, 8):
        return ILLEGAL
    if s.virtual:
        if lowest > _MODE_S or not opened(s, row):
            return ILLEGAL
        if peek(row + _HYPERVISOR, 8) or lowest > s.mode or not lent(s, row):
            return VIRTUAL_INSTRUCTION
        return 0
    if s.mode < lowest:
        return ILLEGAL
    if s.mode == _MODE_M:
        return 0
    if not opened(s, row) or (peek(row + _RULE, 8) == _ROOT and s.mstatus & _TVM):
        return ILLEGAL
    if counter_bit and s.mode == _MODE_U and not s.scounteren & counter_bit:
        return ILLEGAL
    return 0


def opened(s: "State", row: int) -> int:
    """Whether M mode lets the modes below it touch a counter or an alarm."""
    counter_bit = peek(row + _COUNTER, 8)
    if peek(row + _RULE, 8) == _ALARM and not (s.menvcfg & _STCE and s.mcounteren & _TM):
        return 0
    if counter_bit and not s.mcounteren & counter_bit:
        return 0
    return 1


def lent(s: "State", row: int) -> int:
    """Whether a hypervisor lets its guest touch it, and VS mode (if it is a counter) VU mode.

    Of alarms Python asks `henvcfg` too.
    """
    counter_bit = peek(row + _COUNTER, 8)
    rule = peek(row + _RULE, 8)
    if rule == _ROOT and s.hstatus & _VTVM:
        return 0
    if counter_bit and not s.hcounteren & counter_bit:
        return 0
    if counter_bit and s.mode == _MODE_U and not s.scounteren & counter_bit:
        return 0
    return 1


# What a read gives, what a write changes


def access(s: "State", pc: int, named: int, bits: int, value: int, writes: int) -> int:
    """Read a CSR, and if `writes` change these of its bits to those of `value`."""
    if writes and unheard(s):
        return 0
    refused = forbidden(s, named, writes)
    if peek(named + _SILENT, 8) and (refused or s.virtual):
        return 0
    if refused:
        return refuse(s, pc, refused)
    row = named
    if s.virtual:
        row = s.csrs + peek(named + _SUBSTITUTE, 8)
    kind = peek(row + _KIND, 8)
    if kind == _PYTHON:
        return 0
    if kind == _CONSTANT:
        s.value = peek(row + _FIXED, 8)
        if writes:
            note(s, CSR_WRITE, row - s.csrs, s.value, s.value, pc, 0)
        return YES
    if kind >= _TIME:
        return counter(s, kind, writes)
    if kind == _ENABLES:
        return enables(s, pc, row, bits, value, writes)
    place = s + peek(row + _FIELD, 8)
    stored = peek(place, 8)
    old = stored & peek(row + _VISIBLE, 8)
    if writes:
        if kind == _READING:
            return 0
        new = old & ~bits | value & bits
        writable = peek(row + _WRITABLE, 8)
        if kind == _VECTOR and new & 3 > 1:
            writable = writable & ~3
        if kind == _STATUS and (new & _M_ORIGIN) >> _M_SHIFT == 2:
            writable = writable & ~_M_ORIGIN
        if kind == _TABLE and new >> _SATP_MODE & ~_SV39:
            return 0
        poke(place, 8, stored & ~writable | new & writable | peek(row + _FIXED, 8))
        if kind >= _STATUS:
            waked = let_in(s, s.mode, s.virtual, s.mstatus, s.vsstatus)
            if waked or not switch(s, s.mode, s.virtual, s.mstatus, s.satp):
                poke(place, 8, stored)
                return 0
        if not peek(row + _QUIET, 8):
            s.look = s.asked
        s.changed = 1
        note(s, CSR_WRITE, row - s.csrs, old, peek(place, 8) & peek(row + _VISIBLE, 8), pc, 0)
    s.value = old
    return YES


def enables(s: "State", pc: int, row: int, bits: int, value: int, writes: int) -> int:
    """The same of `mie` and its views; 0 where an interrupt that is pending, or may be, would be let in."""
    stored = s.mie
    shift = peek(row + _SHIFT, 8)
    shown = ~0
    if peek(row + _LENT, 8):
        shown = peek(s + peek(row + _LENT, 8), 8)
    visible = shown & unsigned(peek(row + _VISIBLE, 8) << shift)
    old = (stored & visible) >> shift
    if writes:
        new = old & ~bits | value & bits
        writable = shown & unsigned(peek(row + _WRITABLE, 8) << shift)
        legal = stored & ~writable | unsigned(new << shift) & writable
        if legal & ~stored & s.rising:
            return 0
        s.mie = legal
        s.waking = s.waking & legal
        s.look = s.asked
        s.changed = 1
        note(s, CSR_WRITE, row - s.csrs, old, (legal & visible) >> shift, pc, 0)
    s.value = old
    return YES


def counter(s: "State", kind: int, writes: int) -> int:
    """Read a counter; to write one is Python's."""
    if writes:
        return 0
    now = s.end - s.count
    if kind == _TIME:
        s.value = now + s.timer
        if s.virtual:
            s.value = now + s.timer + s.htimedelta
    elif kind == _CYCLE:
        s.value = now + s.mcycle
    else:
        s.value = now - s.slept - s.unretired + s.minstret - 1
    return YES


ACCESSES: tuple[Callable[..., int], ...] = (
    *(csr_write, csr_set, csr_clear, forbidden, opened, lent, access, enables, counter),
)
