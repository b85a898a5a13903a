"""The guests on the model's bare machine."""

import re

import pytest

from tests.guests.processes import SAYS_OK, TRIES_WHAT_IS_REFUSED, checks_registers, user_chapter
from vlab import guests
from vlab.machine import Machine, Stop
from vlab.riscv import Program, assemble_files

KERNEL_SAYS = """\
kernel: two processes, a page table each
[1] a
[1] b
[1] c
[2]  25 primes below 100
[2]  46 primes below 200
[1] d
[2]  62 primes below 300
[2]  78 primes below 400
[2]  95 primes below 500
[2] 109 primes below 600
[1] e
[1] f
kernel: both have exited after 21 ticks, 32 switches, 28 system calls
"""


def run(program: Program) -> tuple[Stop, int | None, str]:
    machine = Machine(program, memory="1M")
    return machine.run(500_000), machine.status, machine.console


@pytest.mark.parametrize(
    ("name", "says"), [("hello", "Hello from a computer.\n"), ("tiny", "?!\n"), ("kernel", KERNEL_SAYS)]
)
def test_guests_say_what_they_should_and_power_off(name: str, says: str) -> None:
    assert run(guests.load(name)) == (Stop.OFF, 0, says)


@pytest.mark.parametrize("name", ["jump_nowhere", "trap_forever"])
def test_storms_of_traps_end_at_the_limit(name: str) -> None:
    machine = Machine(guests.load(name), memory="1M")
    assert (machine.run(10_000), machine.steps) == (Stop.LIMIT, 10_000)


@pytest.mark.parametrize("seed", range(1, 6))
def test_noise_on_devices_harms_nobody(seed: int) -> None:
    stop, _status, _console = run(guests.load("device_noise", SEED=seed * 0x9E3779B9))
    assert stop is Stop.OFF


def test_kernel_keeps_every_register_of_every_process() -> None:
    stop, status, console = run(_with_processes(checks_registers(11), checks_registers(13)))
    ticks = re.search(r"after (\d+) ticks", console)
    assert (stop, status, console.count("ok\n")) == (Stop.OFF, 0, 2)
    assert ticks
    assert int(ticks[1]) > 100


def test_kernel_believes_no_process() -> None:
    stop, status, console = run(_with_processes(TRIES_WHAT_IS_REFUSED, SAYS_OK))
    assert (stop, status, console.count("ok\n")) == (Stop.OFF, 0, 2)


def test_a_tick_waits_while_interrupts_are_off_and_comes_when_they_are_on() -> None:
    program = guests.load("kernel")
    machine = Machine(program, memory="1M")
    seen = set()

    def at_trap() -> bool:
        if machine.hart.pc == program.symbols["trap_entry"]:
            seen.add(machine.hart.csr["sepc"])
        return False

    machine.run(100_000, until=at_trap)
    assert program.symbols["interrupts_on"] + 4 in seen
    assert program.symbols["interrupts_off"] in seen  # a system call that a tick stopped


def _with_processes(a: str, b: str) -> Program:
    chapters = list(guests.files("kernel").items())[:-1]
    return assemble_files([*chapters, ("user.s", user_chapter(a, b))], symbols={"TICK": 500})
