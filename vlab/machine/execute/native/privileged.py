"""Traps, returns and fences as native code does them: the meanings' functions of these names.

In the restricted Python of `functions`, never run as Python. Each is given the state, the pc, and what the meaning
gives it. It answers YES, with the result in `s.value` and the place to go on at in `s.pc`; TRAPPED, where the
instruction has led to a handler instead; or 0, before anything has changed, where Python must do it: because an
event has to be told, or an interrupt waits to be enabled, or the trap is not one of these.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vlab.machine.execute.native.layout import (
    ALL_CONTEXTS,
    CONTEXTS,
    GUEST,
    GUEST_MXR_SHIFT,
    GUEST_PAGED_SHIFT,
    GUEST_SUM_SHIFT,
    HOST_MXR_SHIFT,
    MXR_SHIFT,
    NESTED_SHIFT,
    PAGED_SHIFT,
    RETURN,
    SUM_SHIFT,
    TLB_FLUSH,
    TRAP,
)
from vlab.machine.execute.native.routines import TRAPPED, YES, empty
from vlab.machine.execute.native.walks import VIRTUAL
from vlab.machine.hart import STACKS
from vlab.riscv import Cause, Mode
from vlab.riscv.csrs import H_REGISTERS
from vlab.riscv.privilege import GUEST_PAGE_FAULT

if TYPE_CHECKING:
    from vlab.machine.execute.native.routines import State, count_trap, note, peek, unheard
    from vlab.machine.execute.native.words import transformed, word_at

_S, _M = STACKS[Mode.S], STACKS[Mode.M]
_MODE_U, _MODE_S, _MODE_M = int(Mode.U), int(Mode.S), int(Mode.M)
_STATUS, _HSTATUS = (
    {part.name: part.mask for part in H_REGISTERS.by_name[f"{x}status"].fields} for x in "mh"
)
_SUM, _MXR, _MPRV, _TVM, _TW, _TSR = (_STATUS[name] for name in ("SUM", "MXR", "MPRV", "TVM", "TW", "TSR"))
_MPV, _M_GVA = _STATUS["MPV"], _STATUS["GVA"]
_SPV, _SPVP, _H_GVA = (_HSTATUS[name] for name in ("SPV", "SPVP", "GVA"))
_VTVM, _VTW, _VTSR = (_HSTATUS[name] for name in ("VTVM", "VTW", "VTSR"))
_M_ENABLED, _M_BEFORE, _M_ORIGIN = _M.enabled, _M.before, _M.origin
_S_ENABLED, _S_BEFORE, _S_ORIGIN = _S.enabled, _S.before, _S.origin
_M_SHIFT, _S_SHIFT = _M.shift, _S.shift
_ECALL, _ECALL_FROM_VS, _BREAKPOINT = (
    int(cause) for cause in (Cause.ECALL_FROM_U, Cause.ECALL_FROM_VS, Cause.BREAKPOINT)
)
ILLEGAL, VIRTUAL_INSTRUCTION = int(Cause.ILLEGAL_INSTRUCTION), int(Cause.VIRTUAL_INSTRUCTION)
# Bits by cause: of which `xtval` is the address of a load or store, or of an instruction.
_OF_DATA = sum(1 << cause for cause in Cause if cause.name.startswith(("LOAD", "STORE")))
_GUEST_FAULTS = sum(1 << cause for cause in GUEST_PAGE_FAULT.values())
_OF_CODE = sum(1 << cause for cause in Cause if cause.name.startswith(("INSTRUCTION", "BREAKPOINT")))
_SATP_MODE = H_REGISTERS.by_name["satp"]["MODE"].low
RETURNS, FENCES = ("sret", "mret"), ("sfence.vma", "hfence.vvma", "hfence.gvma")  # as notes have them
_SRET, _MRET = range(2)
_SFENCE_VMA, _HFENCE_VVMA, _HFENCE_GVMA = range(3)


# Modes and contexts


def context_of(s: "State", mode: int, virtual: int, status: int, satp: int) -> int:
    """The context of a mode under these settings; 0 if there is none yet."""
    number = mode
    if virtual:
        if s.vsatp >> _SATP_MODE:
            number |= 1 << GUEST_PAGED_SHIFT
            if mode == _MODE_S and s.vsstatus & _SUM:
                number |= 1 << GUEST_SUM_SHIFT
            if (s.vsstatus | status) & _MXR:
                number |= 1 << GUEST_MXR_SHIFT
        if s.hgatp >> _SATP_MODE:
            number |= 1 << NESTED_SHIFT
            if status & _MXR:
                number |= 1 << HOST_MXR_SHIFT
        number += GUEST
    elif mode != _MODE_M and satp >> _SATP_MODE:
        number |= 1 << PAGED_SHIFT
        if mode == _MODE_S and status & _SUM:
            number |= 1 << SUM_SHIFT
        if status & _MXR:
            number |= 1 << MXR_SHIFT
    return peek(s + CONTEXTS + 8 * number, 8)


def switch(s: "State", mode: int, virtual: int, status: int, satp: int) -> int:
    """Be in a mode, with this V, mstatus and satp; the contexts follow. 0 if one is missing."""
    fetch = context_of(s, mode, virtual, status, satp)
    data = fetch
    if status & _MPRV:
        of_data = mode
        if mode == _MODE_M:
            of_data = (status & _M_ORIGIN) >> _M_SHIFT
        guest = 0
        if s.extended and status & _MPV and of_data != _MODE_M:
            guest = 1
        data = context_of(s, of_data, guest, status, satp)
    if not fetch or not data:
        return 0
    s.fetch = fetch
    s.data = data
    s.mode = mode
    s.virtual = virtual
    s.mstatus = status
    s.satp = satp
    s.changed = 1
    s.look = s.asked
    return YES


def let_in(s: "State", mode: int, virtual: int, status: int, vsstatus: int) -> int:
    """The interrupts that would be taken in a mode under these settings (3.1.6.1, 3.1.9)."""
    waking = s.waking
    if not waking:
        return 0
    ready = 0
    lent = 0
    if s.extended:
        lent = s.hideleg
    if mode != _MODE_M or status & _M_ENABLED:
        ready = waking & ~s.mideleg
    if virtual or mode < _MODE_S or (mode == _MODE_S and status & _S_ENABLED):
        ready |= waking & s.mideleg & ~lent
    if virtual and (mode == _MODE_U or vsstatus & _S_ENABLED):
        ready |= waking & s.mideleg & lent
    return ready


# Traps (Privileged ISA, 3.1.6; chapter "H", "Trap Entry")


def trap(s: "State", pc: int, cause: int, value: int) -> int:
    """Enter the handler of an exception."""
    if unheard(s):
        return 0
    of_guest = 0
    if not _GUEST_FAULTS >> cause & 1:
        s.second = 0
        s.instruction = 0
    if s.extended:
        if s.virtual and (s.medeleg & s.hedeleg) >> cause & 1:
            return trap_in_guest(s, pc, cause, value)
        if _OF_DATA >> cause & 1 and peek(s.data + VIRTUAL, 8):
            if not s.virtual:
                return 0
            of_guest = 1
            if not s.instruction:
                s.instruction = transformed(word_at(s, pc))
            if not s.instruction:
                return 0
        if s.virtual and _OF_CODE >> cause & 1:
            of_guest = 1
    if s.mode != _MODE_M and s.medeleg >> cause & 1:
        return trap_to_s(s, pc, cause, value, of_guest)
    return trap_to_m(s, pc, cause, value, of_guest)


def trap_to_s(s: "State", pc: int, cause: int, value: int, of_guest: int) -> int:
    """The same in S mode; with H, in HS mode."""
    virtual = s.virtual
    mode = s.mode
    status = s.mstatus
    before = 0
    if status & _S_ENABLED:
        before = _S_BEFORE
    status = status & ~(_S_ENABLED | _S_BEFORE | _S_ORIGIN) | before | mode << _S_SHIFT
    if not switch(s, _MODE_S, 0, status, s.satp):
        return 0
    note(s, TRAP, cause, value, pc, mode | virtual << 2, _MODE_S)
    s.sepc = pc
    s.scause = cause
    s.stval = value
    s.pc = s.stvec & ~3
    count_trap(s, cause)
    if s.extended:
        told = s.hstatus & ~(_SPV | _H_GVA)
        if virtual:
            told = told & ~_SPVP | _SPV
            if mode == _MODE_S:
                told |= _SPVP
        if of_guest:
            told |= _H_GVA
        s.hstatus = told
        s.htval = s.second
        s.htinst = s.instruction
    return YES


def trap_to_m(s: "State", pc: int, cause: int, value: int, of_guest: int) -> int:
    """The same in M mode."""
    virtual = s.virtual
    mode = s.mode
    status = s.mstatus
    before = 0
    if status & _M_ENABLED:
        before = _M_BEFORE
    status = status & ~(_M_ENABLED | _M_BEFORE | _M_ORIGIN) | before | mode << _M_SHIFT
    if s.extended:
        status = status & ~(_MPV | _M_GVA)
        if virtual:
            status |= _MPV
        if of_guest:
            status |= _M_GVA
    if not switch(s, _MODE_M, 0, status, s.satp):
        return 0
    note(s, TRAP, cause, value, pc, mode | virtual << 2, _MODE_M)
    s.mepc = pc
    s.mcause = cause
    s.mtval = value
    s.pc = s.mtvec & ~3
    count_trap(s, cause)
    if s.extended:
        s.mtval2 = s.second
        s.mtinst = s.instruction
    return YES


def trap_in_guest(s: "State", pc: int, cause: int, value: int) -> int:
    """The same in VS mode."""
    mode = s.mode
    if not switch(s, _MODE_S, 1, s.mstatus, s.satp):
        return 0
    note(s, TRAP, cause, value, pc, mode | 1 << 2, _MODE_S | 1 << 2)
    status = s.vsstatus
    before = 0
    if status & _S_ENABLED:
        before = _S_BEFORE
    s.vsstatus = status & ~(_S_ENABLED | _S_BEFORE | _S_ORIGIN) | before | mode << _S_SHIFT
    s.vsepc = pc
    s.vscause = cause
    s.vstval = value
    s.pc = s.vstvec & ~3
    count_trap(s, cause)
    return YES


def refuse(s: "State", pc: int, cause: int) -> int:
    """The instruction at pc is an illegal one here, or a virtual one."""
    word = word_at(s, pc)
    if word and trap(s, pc, cause, word):
        return TRAPPED
    return 0


def ecall(s: "State", pc: int) -> int:
    """Environment call."""
    if s.virtual and s.mode == _MODE_S:
        return trap(s, pc, _ECALL_FROM_VS, 0)
    return trap(s, pc, _ECALL + s.mode, 0)


def ebreak(s: "State", pc: int) -> int:
    """Breakpoint."""
    return trap(s, pc, _BREAKPOINT, pc)


# Returns (3.1.6; chapter "H", "Trap Return")


def needs_s(s: "State", trapped_by: int, caught: int) -> int:
    """What an instruction for S mode raises here, if anything, that bits of mstatus and hstatus may catch."""
    if s.virtual:
        if s.mode < _MODE_S or s.hstatus & caught:
            return VIRTUAL_INSTRUCTION
    elif s.mode < _MODE_S or (s.mode == _MODE_S and s.mstatus & trapped_by):
        return ILLEGAL
    return 0


def sret(s: "State", pc: int) -> int:
    """Leave a handler of S mode, or of VS mode."""
    refused = needs_s(s, _TSR, _VTSR)
    if refused:
        return refuse(s, pc, refused)
    if unheard(s):
        return 0
    status = s.mstatus
    virtual = s.virtual
    origin = s.mode | virtual << 2
    if virtual:
        status = s.vsstatus
    mode = (status & _S_ORIGIN) >> _S_SHIFT
    enabled = 0
    if status & _S_BEFORE:
        enabled = _S_ENABLED
    status = status & ~(_S_ENABLED | _S_ORIGIN | _MPRV) | _S_BEFORE | enabled
    if virtual:
        if let_in(s, mode, 1, s.mstatus, status) or not switch(s, mode, 1, s.mstatus & ~_MPRV, s.satp):
            return 0
        s.vsstatus = status
        s.pc = s.vsepc
        note(s, RETURN, _SRET, s.pc, origin, mode | 1 << 2, 0)
        return YES
    if s.extended and s.hstatus & _SPV:
        virtual = 1
    if let_in(s, mode, virtual, status, s.vsstatus) or not switch(s, mode, virtual, status, s.satp):
        return 0
    if virtual:
        s.hstatus = s.hstatus & ~_SPV
    s.pc = s.sepc
    note(s, RETURN, _SRET, s.pc, origin, mode | virtual << 2, 0)
    return YES


def mret(s: "State", pc: int) -> int:
    """Leave a handler of M mode."""
    if s.mode != _MODE_M:
        return refuse(s, pc, ILLEGAL)
    if unheard(s):
        return 0
    status = s.mstatus
    mode = (status & _M_ORIGIN) >> _M_SHIFT
    virtual = 0
    if s.extended:
        if status & _MPV and mode != _MODE_M:
            virtual = 1
        status = status & ~_MPV
    enabled = 0
    if status & _M_BEFORE:
        enabled = _M_ENABLED
    status = status & ~(_M_ENABLED | _M_ORIGIN) | _M_BEFORE | enabled
    if mode != _MODE_M:
        status = status & ~_MPRV
    if let_in(s, mode, virtual, status, s.vsstatus) or not switch(s, mode, virtual, status, s.satp):
        return 0
    s.pc = s.mepc
    note(s, RETURN, _MRET, s.pc, _MODE_M, mode | virtual << 2, 0)
    return YES


# Waiting, fences


def wfi(s: "State", pc: int) -> int:
    """Wait for an interrupt: that is Python's, where it is allowed."""
    refused = needs_s(s, _TW, _VTW)
    if s.virtual and s.mstatus & _TW:
        refused = ILLEGAL
    if refused:
        return refuse(s, pc, refused)
    return 0


def sfence_vma(s: "State", pc: int, address: int, asid: int, every: int) -> int:
    """Forget all translations."""
    refused = needs_s(s, _TVM, _VTVM)
    if refused:
        return refuse(s, pc, refused)
    return forget(s, _SFENCE_VMA)


def hfence_vvma(s: "State", pc: int, address: int, asid: int, every: int) -> int:
    """The same, as a hypervisor."""
    if s.virtual:
        return refuse(s, pc, VIRTUAL_INSTRUCTION)
    if s.mode < _MODE_S:
        return refuse(s, pc, ILLEGAL)
    return forget(s, _HFENCE_VVMA)


def hfence_gvma(s: "State", pc: int, address: int, vmid: int, every: int) -> int:
    """The same, which TVM catches."""
    if s.virtual:
        return refuse(s, pc, VIRTUAL_INSTRUCTION)
    if s.mode < _MODE_S or (s.mode == _MODE_S and s.mstatus & _TVM):
        return refuse(s, pc, ILLEGAL)
    return forget(s, _HFENCE_GVMA)


def forget(s: "State", fence: int) -> int:
    """The TLB is empty."""
    if unheard(s):
        return 0
    note(s, TLB_FLUSH, fence, 0, 0, 0, 0)
    number = 0
    while number < ALL_CONTEXTS:
        context = peek(s + CONTEXTS + 8 * number, 8)
        if context:
            empty(context)
        number += 1
    return YES


PRIVILEGED: tuple[Callable[..., int], ...] = (
    *(context_of, switch, let_in, trap, trap_to_s, trap_to_m, trap_in_guest, refuse),
    *(ecall, ebreak, needs_s, sret, mret, wfi, sfence_vma, hfence_vvma, hfence_gvma, forget),
)
