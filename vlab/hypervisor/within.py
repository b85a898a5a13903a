"""What a resident inside a guest issues, done at once where one by one leads to the same.

Two deep, each instruction of the inner hypervisor traps to the outer one: its guest has left, the instruction is
emulated, the guest is entered again. Where it only reads a register of the guest's, changes one that keeps what is
written, or sets its alarm, all that follows from such an exit is known before. So a series of them is emulated, and
accounted for as so many exits: the hart, the time and the guest are then as if each had been made.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from vlab.hypervisor.schedule import NEVER
from vlab.hypervisor.techniques.translated_words import changes_little
from vlab.hypervisor.techniques.trap_and_emulate import PRIVILEGED
from vlab.machine import GATE, Machine
from vlab.machine.computer import word_of
from vlab.machine.sequence import A0, RETURN, Sequence
from vlab.machine.snapshot import WORD
from vlab.riscv import Cause, Mode, Trap
from vlab.riscv.csrs import CSRS

if TYPE_CHECKING:
    from vlab.hypervisor.virtualmachine import VirtualMachine

# What is attempted for each: itself, and what the outer hypervisor issues from its arrival to its `sret`.
_ATTEMPTS = 1 + 4 + 2 + 2
_ALARM = word_of("csrw stimecmp, a0")
_ILLEGAL = int(Cause.ILLEGAL_INSTRUCTION)
_SPIE, _SPP, _MPRV = (CSRS["mstatus"][name].mask for name in ("SPIE", "SPP", "MPRV"))


def issue_within(vm: "VirtualMachine", sequence: Sequence, values: tuple[int, ...]) -> list[int] | None:
    """See `Computer.issue_all`, for a guest of the outermost hypervisor; None where it has to be done one by one."""
    words = _words(sequence)
    if not words or not _simply_emulated(vm):
        return None
    machine, hypervisor = vm.host, vm.hypervisor
    assert isinstance(machine, Machine)
    start, offset = machine.time, machine.mtime - machine.time
    ran = (start + offset + 1 - vm.entered) % WORD
    end = vm.clock + ran + len(words)
    before = hypervisor.deadline
    if before is not None and end > before:
        return None
    results = _emulate(vm, sequence, values, ran)
    if results is None:
        return None
    hypervisor.schedule.left(vm, start + offset + 1)
    hypervisor.schedule.left_again(vm, len(words) - 1, _ATTEMPTS)
    vm.exits[PRIVILEGED] += len(words)
    vm.issued = words[-1]
    machine.set_clock(start + len(words) * _ATTEMPTS)
    vm.entered = start + offset + len(words) * _ATTEMPTS
    deadline = hypervisor.went_on(vm, alarmed=_ALARM in words)
    _leave_traces(machine, words, NEVER if deadline is None else min(NEVER, vm.entered + deadline - vm.clock))
    if sequence.returns:
        machine.issue(RETURN)
    return results


def _emulate(vm: "VirtualMachine", sequence: Sequence, values: tuple[int, ...], ran: int) -> list[int] | None:
    """Emulate these instructions; None, and nothing has happened, where one traps, or an interrupt would come."""
    inner, hypervisor, clock = vm.virtual_hart, vm.hypervisor, vm.clock
    words, given, results, x = _words(sequence), iter(values), list[int](), inner.x
    kept = dict(inner.csr.values) if values else {}  # without one, all of it only reads
    x[:], hypervisor.inside = vm.host.registers, None
    vm.clock += ran - 1
    try:
        for word, (_text, takes, gives) in zip(words, sequence.parts, strict=False):
            vm.clock += 1
            if takes:
                x[A0] = next(given) % WORD
            inner.perform(inner.interpreter.operation(word, GATE))
            if gives:
                results.append(x[A0])
        inner.pc = GATE
        if _ALARM not in words or not inner.csr.pending() & inner.csr.values["mie"]:
            return results
    except Trap:
        pass
    inner.csr.values.update(kept)
    vm.clock, hypervisor.inside = clock, vm
    return None


@lru_cache(maxsize=64)
def _words(sequence: Sequence) -> tuple[int, ...]:
    """The words of a sequence, without a `sret` at its end, if all are of this kind; else none."""
    words = tuple(instruction.word for instruction in sequence.decoded)[
        : len(sequence.parts) - sequence.returns
    ]
    return words if all(word == _ALARM or changes_little(word, enabling=False) for word in words) else ()


def _simply_emulated(vm: "VirtualMachine") -> bool:
    """Whether what a resident of the guest issues now, traps, is emulated, and nothing else happens."""
    machine, hypervisor, inner = vm.host, vm.hypervisor, vm.virtual_hart
    if not isinstance(machine, Machine) or machine.lent or vm.events.on or "H" in machine.extensions:
        return False
    if hypervisor.inside is not vm or not hypervisor.undisturbed:
        return False
    if not vm.technique.plain or not vm.technique.calm:
        return False
    if inner.mode != Mode.S or inner.virtual or Mode.S not in vm.residents:
        return False
    hart = machine.hart
    trapped = hart.csr.values["medeleg"] >> _ILLEGAL & 1 and hart.csr.values["stvec"] == GATE
    return (
        bool(hart.pc == GATE and hart.mode == Mode.U and not hart.virtual and trapped)
        and machine.issuing.free
    )


def _leave_traces(machine: Machine, words: tuple[int, ...], alarm: int) -> None:
    """What the last of these traps, and what was issued for it, leave in the real hart."""
    hart, values = machine.hart, machine.hart.csr.values
    hart.unretired += len(words)
    values["sepc"], values["scause"], values["stval"], values["stimecmp"] = GATE, _ILLEGAL, words[-1], alarm
    values["mstatus"] = values["mstatus"] & ~(_SPP | _MPRV) | _SPIE
