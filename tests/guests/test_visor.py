"""The hypervisor in assembly: bare, in a VM, and in itself; what it and the Python one exit for."""

from typing import NamedTuple

import pytest

from vlab import guests
from vlab.guests.inside import exits, inside
from vlab.hypervisor import Hypervisor, VirtualMachine
from vlab.language import VlabError
from vlab.machine import Machine, Stop
from vlab.riscv import Program, assemble

MEMORY = "4M"
OFF = "li t0, 0x100000\nli t1, 0x5555\nsw t1, 0(t0)\nj .\n"


def run(program: Program, limit: int = 3_000_000, memory: str = MEMORY) -> tuple[Machine, Stop]:
    machine = Machine(program, memory=memory)
    return machine, machine.run(limit)


def virtual(program: Program, memory: str = MEMORY, limit: int = 5_000_000) -> VirtualMachine:
    """The program in a VM of the hypervisor in Python, run to its end."""
    machine = Machine(memory="16M")
    vm = Hypervisor(machine).create_vm(program, memory=memory)
    machine.run(limit)
    return vm


def guests_time(machine: Machine, program: Program) -> int:
    place = program.symbols["vm"] + program.symbols["V_TIME"]
    return int.from_bytes(machine.memory.peek(place, 8), "little")


class Compared(NamedTuple):
    """One guest: the exits of the two hypervisors, and what the assembly one's own work took, in steps."""

    visor: dict[str, int]
    python: dict[str, int]
    overhead: int

    @property
    def cost(self) -> float:
        """Steps of the visor for each exit."""
        return self.overhead / sum(self.visor.values())


def compare(name: str) -> Compared:
    guest = guests.load(name)
    bare, _off = run(guest)
    machine, _off = run(inside(guest))
    return Compared(
        exits(inside(guest), machine.memory), dict(virtual(guest).exits), machine.steps - bare.steps
    )


@pytest.mark.parametrize("name", ["hello", "tiny", "kernel"])
def test_a_guest_says_the_same_at_every_depth_and_its_time_is_the_same(name: str) -> None:
    guest = guests.load(name)
    program = inside(guest)
    bare, _off = run(guest)
    deep, stop = run(program)
    assert (stop, deep.status, deep.console) == (Stop.OFF, 0, bare.console)
    assert guests_time(deep, program) == bare.time
    vm = virtual(program)
    assert (vm.status, vm.console) == (0, bare.console)
    assert exits(program, vm.memory) == exits(program, deep.memory)


def test_it_is_its_own_guest() -> None:
    program = inside(inside(guests.load("tiny")))
    alone, _off = run(inside(guests.load("tiny")), memory="3M")  # as much as is left for the inner one
    machine, stop = run(program)
    assert (stop, machine.status, machine.console) == (Stop.OFF, 0, "?!\n")
    inner, outer = exits(program, machine.memory, depth=1), exits(program, machine.memory)
    assert inner == exits(inside(guests.load("tiny")), alone.memory)
    assert guests_time(machine, program) == alone.steps  # the inner one doesn't know that it is a guest
    assert sum(outer.values()) > 10 * sum(inner.values())


@pytest.mark.parametrize("name", ["tiny", "kernel"])
def test_both_hypervisors_exit_for_the_same_reasons(name: str) -> None:
    compared = compare(name)
    ours = {reason: times for reason, times in compared.visor.items() if times}
    theirs = dict(compared.python)
    # A virtual PMP costs the Python one its shadows at each of the two writes to it.
    assert theirs.pop("shadow fill") == ours.pop("shadow fill") + 2
    assert theirs == ours
    assert 100 < compared.cost < 800


def test_storms_of_traps_end_at_the_limit() -> None:
    for name in ("jump_nowhere", "trap_forever"):
        program = inside(guests.load(name))
        machine, stop = run(program, 60_000)
        assert stop is Stop.LIMIT
        assert machine.console == ""
        reason = {"jump_nowhere": "guest fault", "trap_forever": "illegal instruction"}[name]
        assert exits(program, machine.memory)[reason] > 50


@pytest.mark.parametrize("seed", [1, 2])
def test_noise_on_devices_harms_nobody(seed: int) -> None:
    program = inside(guests.load("device_noise", SEED=seed * 0x9E3779B9, ROUNDS=200))
    _machine, stop = run(program)
    assert stop is Stop.OFF


@pytest.mark.parametrize(
    ("does", "cause", "value"),
    [
        (".word 0", 2, 0),
        ("csrr t0, mcycle", 2, None),  # a CSR that it doesn't know
        ("csrw time, t0", 2, None),
        ("li t1, 0x7fffffff\nld t0, 0(t1)", 5, 0x7FFFFFFF),
        ("li t1, 0x80300000\nsd t0, 0(t1)", 7, 0x80300000),  # behind its memory: 3 MiB of the 4
        ("li t1, 0x10000000\nlw t0, 0(t1)", 5, 0x10000000),
        ("li t1, 0x10000000\namoadd.w t0, t0, (t1)", 7, 0x10000000),
        ("li t1, 0x10000008\nlbu t0, 0(t1)", 5, 0x10000008),
        ("li t1, 0x100000\nsb t0, 0(t1)", 7, 0x100000),
        ("li t1, 1<<62\nlbu t0, 0(t1)", 5, 1 << 62),
        ("ecall", 11, 0),
    ],
)
def test_what_it_does_not_have_is_the_guests_own_trap(does: str, cause: int, value: int | None) -> None:
    text = f"la t0, h\ncsrw mtvec, t0\n{does}\nj .\n.balign 4\nh: csrr a0, mcause\ncsrr a1, mtval\n{OFF}"
    program = inside(assemble(text))
    machine, stop = run(program, 200_000)
    assert stop is Stop.OFF
    record = machine.memory.peek(program.symbols["vm"], 256)
    registers = [int.from_bytes(record[8 * n : 8 * n + 8], "little") for n in range(32)]
    assert registers[10] == cause
    assert value is None or registers[11] == value
    if value is None:
        assert registers[11] & 0x7F == 0x73


def test_a_trap_from_s_mode_leaves_the_registers_as_on_the_bare_machine() -> None:
    text = f"""li t0, -1
    csrw pmpaddr0, t0
    csrwi pmpcfg0, 0x1f
    csrwi medeleg, 4
    csrsi mstatus, 2            # SIE
    li   t0, 1<<11
    csrs mstatus, t0
    la   t0, s
    csrw mepc, t0
    la   t0, h
    csrw stvec, t0
    mret
s:  .word 0
    csrr s4, sstatus
    {OFF}
    .balign 4
h:  csrr s0, sstatus
    csrr s1, scause
    csrr s2, sepc
    csrr s3, stval
    addi s2, s2, 4
    csrw sepc, s2
    sret"""
    guest = assemble(text)
    bare, _off = run(guest)
    program = inside(guest)
    machine, stop = run(program)
    record = machine.memory.peek(program.symbols["vm"], 256)
    seen = [int.from_bytes(record[8 * n : 8 * n + 8], "little") for n in (8, 9, 18, 19, 20)]
    assert stop is Stop.OFF
    assert seen == [bare.registers[n] for n in (8, 9, 18, 19, 20)]


def test_a_fetch_outside_its_memory_is_an_access_fault() -> None:
    text = f"la t0, h\ncsrw mtvec, t0\nli t0, 0x80300000\njr t0\n.balign 4\nh: csrr a0, mcause\n{OFF}"
    program = inside(assemble(text))
    machine, _off = run(program, 200_000)
    assert int.from_bytes(machine.memory.peek(program.symbols["vm"] + 80, 8), "little") == 1


def test_no_store_of_the_guest_leaves_its_memory() -> None:
    text = f"""la t0, h
    csrw mtvec, t0
    li t1, 0x7ff00000
    li t2, 0x80400000
1:  sd t1, 0(t1)
    li t3, 0x8000
    add t1, t1, t3
    li t4, 0x80000000
    bne t1, t4, 2f
    li t1, 0x80008000
2:  bltu t1, t2, 1b
    {OFF}
    .balign 4
h:  csrr t5, mepc
    addi t5, t5, 4
    csrw mepc, t5
    mret"""
    program = inside(assemble(text))
    before = Machine(program, memory=MEMORY)
    machine, stop = run(program)
    assert stop is Stop.OFF
    end = program.symbols["vm"]  # the code, and what is read only
    assert machine.memory.peek(0x8000_0000, end - 0x8000_0000) == before.memory.peek(
        0x8000_0000, end - 0x8000_0000
    )


def test_a_guest_that_sleeps_for_ever_leaves_the_machine_asleep() -> None:
    _machine, stop = run(inside(assemble("wfi\n")), 100_000)
    assert stop is Stop.ASLEEP


def test_a_program_elsewhere_is_refused() -> None:
    with pytest.raises(VlabError):
        inside(Program(((0x1000, b"1234"),), 0x1000))


def test_the_symbols_of_the_guest_are_where_it_lies() -> None:
    guest = guests.load("tiny")
    program = inside(guest)
    assert program.symbols["guest.trap"] == guest.symbols["trap"] + 0x10_0000
    assert program.symbols["guest.UART"] == guest.symbols["UART"]
    assert program.symbol_at(program.symbols["guest.trap"]) == ("guest.trap", 0)
