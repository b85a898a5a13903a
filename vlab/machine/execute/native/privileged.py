"""Traps, returns, CSRs and fences as native code does them: the meanings' functions of these names.

In the restricted Python of `functions`, never run as Python. Each is given the state, the pc, and what the meaning
gives it. It answers YES, with the result in `s.value` and the place to go on at in `s.pc`; or 0, before anything
has changed, where Python must do it: because an event has to be told, or the hart is not a plain one, or an
interrupt waits to be enabled, or the trap is not one of these.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from vlab.machine.csrfile import COUNTERS
from vlab.machine.execute.native.layout import (
    CONTEXTS,
    CSR_FIELDS,
    CSR_ROW,
    MXR_SHIFT,
    OFFSETS,
    PAGED_SHIFT,
    SUM_SHIFT,
)
from vlab.machine.execute.native.routines import YES, empty
from vlab.machine.hart import STACKS
from vlab.paging import SV39
from vlab.riscv import CSRS, Cause, Mode
from vlab.riscv.csrs import Csr, Registers

if TYPE_CHECKING:
    from vlab.machine.execute.native.routines import State, peek, poke

_S, _M = STACKS[Mode.S], STACKS[Mode.M]
_MODE_S, _MODE_M = int(Mode.S), int(Mode.M)
_STATUS = {part.name: part.mask for part in CSRS["mstatus"].fields}
_SUM, _MXR, _MPRV, _TVM, _TSR = (_STATUS[name] for name in ("SUM", "MXR", "MPRV", "TVM", "TSR"))
_MPP_SHIFT = CSRS["mstatus"]["MPP"].low
_M_ENABLED, _M_BEFORE, _M_ORIGIN = _M.enabled, _M.before, _M.origin
_S_ENABLED, _S_BEFORE, _S_ORIGIN = _S.enabled, _S.before, _S.origin
_M_SHIFT, _S_SHIFT = _M.shift, _S.shift
_ECALL, _BREAKPOINT = int(Cause.ECALL_FROM_U), int(Cause.BREAKPOINT)
_SV39 = SV39.mode
_SATP_MODE = CSRS["satp"]["MODE"].low

# What a row of the table of CSRs says; `csr_rows` fills it.
_FIELD, _LOWEST, _VISIBLE, _WRITABLE, _FIXED, _KIND = (8 * number for number in range(6))
_PLAIN, _VECTOR, _STATUS_KIND, _SATP, _TIME, _CYCLE, _INSTRET = range(7)
_COUNTER_BIT = 48
_KINDS = {
    "mtvec": _VECTOR, "stvec": _VECTOR, "mstatus": _STATUS_KIND, "sstatus": _STATUS_KIND, "satp": _SATP,
    "time": _TIME, "cycle": _CYCLE, "mcycle": _CYCLE, "instret": _INSTRET, "minstret": _INSTRET,
}  # fmt: skip


@cache
def csr_rows(registers: Registers) -> tuple[dict[int, int], bytes]:
    """The table of those CSRs that are native code's too; of each, by number, where it stands there."""
    places: dict[int, int] = {}
    table = b""
    for csr in registers:
        kind = _KINDS.get(csr.name, _PLAIN)
        if kind < _TIME and (csr.view_of or csr.name) not in CSR_FIELDS:
            continue
        if csr.name in ("medeleg", "mcounteren", "scounteren", "mcycle", "minstret"):
            continue  # read by native code, and left to Python when software asks
        places[csr.number] = len(table)
        row = [*_row(csr, kind), 0]
        table += b"".join(number.to_bytes(8, "little") for number in row)
    assert all(place % CSR_ROW == 0 for place in places.values())
    return places, table


def _row(csr: Csr, kind: int) -> list[int]:
    if kind >= _TIME:
        return [0, 0, 0, 0, 0, kind, COUNTERS[csr.number]]
    field = OFFSETS[csr.view_of or csr.name]
    return [field, int(csr.privilege), csr.visible, csr.writable, csr.fixed, kind, 0]


# Modes and contexts


def context_of(s: "State", mode: int, status: int, satp: int) -> int:
    """The context of a mode under these settings; 0 if there is none yet."""
    number = mode
    if mode != _MODE_M and satp >> _SATP_MODE:
        number |= 1 << PAGED_SHIFT
        if mode == _MODE_S and status & _SUM:
            number |= 1 << SUM_SHIFT
        if status & _MXR:
            number |= 1 << MXR_SHIFT
    return peek(s + CONTEXTS + 8 * number, 8)


def switch(s: "State", mode: int, status: int, satp: int) -> int:
    """Be in a mode, with this mstatus and satp; the contexts follow. 0 if one is missing."""
    fetch = context_of(s, mode, status, satp)
    data = fetch
    if status & _MPRV and mode == _MODE_M:
        data = context_of(s, status >> _MPP_SHIFT & 3, status, satp)
    if not fetch or not data:
        return 0
    s.fetch = fetch
    s.data = data
    s.mode = mode
    s.mstatus = status
    s.satp = satp
    s.changed = 1
    return YES


# Traps and returns (Privileged ISA, 3.1.6)


def trap(s: "State", pc: int, cause: int, value: int) -> int:
    """Enter the handler of an exception."""
    status = s.mstatus
    if s.withheld:
        return 0
    if s.mode != _MODE_M and s.medeleg >> cause & 1:
        before = 0
        if status & _S_ENABLED:
            before = _S_BEFORE
        status = status & ~(_S_ENABLED | _S_BEFORE | _S_ORIGIN) | before | s.mode << _S_SHIFT
        if not switch(s, _MODE_S, status, s.satp):
            return 0
        s.sepc = pc
        s.scause = cause
        s.stval = value
        s.pc = s.stvec & ~3
    else:
        before = 0
        if status & _M_ENABLED:
            before = _M_BEFORE
        status = status & ~(_M_ENABLED | _M_BEFORE | _M_ORIGIN) | before | s.mode << _M_SHIFT
        if not switch(s, _MODE_M, status, s.satp):
            return 0
        s.mepc = pc
        s.mcause = cause
        s.mtval = value
        s.pc = s.mtvec & ~3
    s.unretired += 1
    return YES


def ecall(s: "State", pc: int) -> int:
    """Environment call."""
    return trap(s, pc, _ECALL + s.mode, 0)


def ebreak(s: "State", pc: int) -> int:
    """Breakpoint."""
    return trap(s, pc, _BREAKPOINT, pc)


def sret(s: "State", pc: int) -> int:
    """Leave a handler of S mode."""
    status = s.mstatus
    if s.withheld or s.waking or s.mode < _MODE_S or (s.mode == _MODE_S and status & _TSR):
        return 0
    mode = (status & _S_ORIGIN) >> _S_SHIFT
    enabled = 0
    if status & _S_BEFORE:
        enabled = _S_ENABLED
    status = status & ~(_S_ENABLED | _S_ORIGIN | _MPRV) | _S_BEFORE | enabled
    s.pc = s.sepc
    return switch(s, mode, status, s.satp)


def mret(s: "State", pc: int) -> int:
    """Leave a handler of M mode."""
    status = s.mstatus
    if s.withheld or s.waking or s.mode != _MODE_M:
        return 0
    mode = (status & _M_ORIGIN) >> _M_SHIFT
    enabled = 0
    if status & _M_BEFORE:
        enabled = _M_ENABLED
    status = status & ~(_M_ENABLED | _M_ORIGIN) | _M_BEFORE | enabled
    if mode != _MODE_M:
        status = status & ~_MPRV
    s.pc = s.mepc
    return switch(s, mode, status, s.satp)


def sfence_vma(s: "State", pc: int, address: int, asid: int, every: int) -> int:
    """Forget all translations."""
    if s.withheld or s.mode < _MODE_S or (s.mode == _MODE_S and s.mstatus & _TVM):
        return 0
    number = 0
    while number < 32:
        context = peek(s + CONTEXTS + 8 * number, 8)
        if context:
            empty(context)
        number += 1
    return YES


# CSRs


def csr_write(s: "State", pc: int, csr: int, value: int) -> int:
    """Write, and give the old value."""
    return access(s, s.csrs + csr, ~0, value, 1)


def csr_set(s: "State", pc: int, csr: int, bits: int, writes: int) -> int:
    """Set bits, and give the old value."""
    return access(s, s.csrs + csr, bits, bits, writes)


def csr_clear(s: "State", pc: int, csr: int, bits: int, writes: int) -> int:
    """Clear bits, and give the old value."""
    return access(s, s.csrs + csr, bits, 0, writes)


def access(s: "State", row: int, bits: int, value: int, writes: int) -> int:
    """Read a CSR, and if `writes` change these of its bits to those of `value`."""
    kind = peek(row + _KIND, 8)
    if s.withheld:
        return 0
    if kind >= _TIME:
        return counter(s, kind, peek(row + _COUNTER_BIT, 8), writes)
    if s.mode < peek(row + _LOWEST, 8):
        return 0
    if kind == _SATP and s.mode == _MODE_S and s.mstatus & _TVM:
        return 0
    place = s + peek(row + _FIELD, 8)
    stored = peek(place, 8)
    old = stored & peek(row + _VISIBLE, 8)
    if writes:
        new = old & ~bits | value & bits
        writable = peek(row + _WRITABLE, 8)
        if kind == _VECTOR and new & 3 > 1:
            writable = writable & ~3
        if kind == _STATUS_KIND and (new & _M_ORIGIN) >> _M_SHIFT == 2:
            writable = writable & ~_M_ORIGIN
        legal = stored & ~writable | new & writable | peek(row + _FIXED, 8)
        if kind == _STATUS_KIND:
            if s.waking or not switch(s, s.mode, legal, s.satp):
                return 0
        elif kind == _SATP:
            if new >> _SATP_MODE & ~_SV39 or not switch(s, s.mode, s.mstatus, legal):
                return 0
        else:
            poke(place, 8, legal)
            s.changed = 1
    s.value = old
    return YES


def counter(s: "State", kind: int, bit: int, writes: int) -> int:
    """Read a counter, if the mode may."""
    enabled = ~0
    if s.mode != _MODE_M:
        enabled = s.mcounteren
        if s.mode != _MODE_S:
            enabled = enabled & s.scounteren
    if writes or not enabled & bit:
        return 0
    now = s.end - s.count
    if kind == _TIME:
        s.value = now + s.timer
    elif kind == _CYCLE:
        s.value = now + s.mcycle
    else:
        s.value = now - s.slept - s.unretired + s.minstret - 1
    return YES


PRIVILEGED: tuple[Callable[..., int], ...] = (
    *(context_of, switch, trap, ecall, ebreak, sret, mret, sfence_vma),
    *(csr_write, csr_set, csr_clear, access, counter),
)
