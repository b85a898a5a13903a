"""The emulator `arm`: its own program, what it refuses, and random programs against another emulator."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlab import guests
from vlab.guests.emulated import emulated
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import Machine, Stop
from vlab.riscv import Program, assemble

EXIT = 0xEF000000
PRINT = 0xEF000001


ROOM = 40
ROOMY = emulated([EXIT] * ROOM)


def machine_with(words: list[int]) -> Machine:
    """A computer whose emulator will run these words: quicker than to assemble it anew."""
    machine = Machine(ROOMY, memory="1M")
    machine.memory.poke(ROOMY.symbols["arm_program"], b"".join(word.to_bytes(4, "little") for word in words))
    return machine


def run(program: Program) -> Machine:
    machine = Machine(program, memory="1M")
    assert machine.run(4_000_000) is Stop.OFF
    return machine


def executed(machine: Machine, program: Program) -> int:
    return int.from_bytes(machine.memory.peek(program.symbols["arm_executed"], 8), "little")


def outcome(machine: Machine, program: Program) -> tuple[list[int], list[int]]:
    """The ARM registers r0 to r14, and the flags N, Z, C, V, which s3 to s6 hold."""
    raw = machine.memory.peek(program.symbols["arm_registers"], 60)
    values = [int.from_bytes(raw[at : at + 4], "little") for at in range(0, 60, 4)]
    return values, list(machine.registers[19:23])


def test_it_runs_an_arm_program_at_many_instructions_for_one() -> None:
    program = guests.load("arm")
    machine = run(program)
    assert machine.console == "primes below 200: 46\n"
    assert machine.status == 0
    assert executed(machine, program) == 45_485
    assert 40 < machine.hart.retired / executed(machine, program) < 70


def test_a_virtual_machine_needs_about_one() -> None:
    loop = "li t0, 20000\n1: addi t0, t0, -1\nbnez t0, 1b\nli t0, 0x100000\nli t1, 0x5555\nsw t1, 0(t0)\n"
    machine = Machine(memory="16M")
    vm = Hypervisor(machine).create_vm(assemble(loop), memory="1M")
    machine.run(200_000)
    assert vm.status == 0
    assert 1 <= machine.steps / vm.time < 1.01


def test_it_runs_in_a_virtual_machine() -> None:
    machine = Machine(memory="16M")
    vm = Hypervisor(machine).create_vm(guests.load("arm"), memory="1M")
    machine.run(4_000_000)
    assert (vm.console, vm.status) == ("primes below 200: 46\n", 0)


def test_the_status_of_the_arm_program_is_the_computers() -> None:
    assert run(emulated([0xE3A00007, EXIT])).status == 7


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([0xFFFFFFFF], "00000000, word ffffffff: not among the instructions emulated here"),
        ([0xE3A00001, 0xE92D4000], "00000004, word e92d4000: not among the instructions emulated here"),
        ([0xEF000002], "00000000, word ef000002: not among the instructions emulated here"),
        ([0xE0010392 | 1 << 21], "00000000, word e0210392: not among the instructions emulated here"),
        ([0xE12FFF10 | 3, EXIT], None),  # BX r3: to address 0 again, for ever
        ([0xE3A03001, 0xE12FFF13], "00000004, word e12fff13: not among the instructions emulated here"),
        ([0xE3A0F002], "00000002, word 00000000: no instruction can be there"),
        ([0xE3A0F901], "00004000, word 00000000: no instruction can be there"),
        ([0xE3E0F003], "fffffffc, word 00000000: no instruction can be there"),
        ([0xE5910001], "00000000, word e5910001: it asks for data where it has none"),
        ([0xE3E01000, 0xE5D10000], "00000004, word e5d10000: it asks for data where it has none"),
        ([0xE3A01901, 0xE5810000], "00000004, word e5810000: it asks for data where it has none"),
        ([0xE3A01901, 0xE5C10000], "00000004, word e5c10000: it asks for data where it has none"),
    ],
)
def test_what_it_does_not_know_stops_it_with_a_message(words: list[int], says: str | None) -> None:
    machine = Machine(emulated(words), memory="1M")
    stop = machine.run(1_000_000)
    if says is None:
        assert (stop, machine.console) == (Stop.LIMIT, "")
    else:
        assert (stop, machine.status, machine.console) == (Stop.OFF, 1, f"arm: stopped at {says}\n")


def test_the_last_bytes_of_its_memory_are_memory() -> None:
    program = emulated([0xE3A01901, 0xE3A02055, 0xE5412001, 0xE5510001, EXIT])
    machine = run(program)
    assert machine.status == 0x55


@given(st.lists(st.integers(0, (1 << 32) - 1), max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_word_makes_it_crash(words: list[int]) -> None:
    machine = machine_with(words)
    assert machine.run(3_000) in (Stop.OFF, Stop.LIMIT)
    assert machine.hart.csr["mcause"] == 0


@pytest.mark.parametrize("words", [[-1], [1 << 32], [0] * 5000])
def test_words_that_cannot_be(words: list[int]) -> None:
    with pytest.raises(VlabError):
        emulated(words)


# Random programs: r10 stays the base of the data. Branches go forwards only.

LENGTH = 24


@st.composite
def instructions(draw: st.DrawFn, left: int) -> int:
    """One instruction with at least `left` others behind it."""
    word = draw(st.integers(0, 14)) << 28
    rd, rn, rm, rs = (draw(st.integers(0, 9)) for _register in range(4))
    match draw(st.sampled_from("iiirrrmlsb")):
        case "b":
            return word | 0x0A000000 | draw(st.integers(0, 1)) << 24 | draw(st.integers(0, max(left - 2, 0)))
        case "m":
            return word | 0x90 | draw(st.integers(0, 1)) << 20 | rd << 16 | rs << 8 | rm
        case "l" | "s" as kind:
            byte, up = draw(st.integers(0, 1)), draw(st.integers(0, 1))
            offset = draw(st.integers(0, 15)) << (0 if byte else 2)
            load = int(kind == "l")
            return word | 0x05000000 | up << 23 | byte << 22 | load << 20 | 10 << 16 | rd << 12 | offset
        case kind:
            code = draw(st.integers(0, 15))
            status = 1 if 8 <= code < 12 else draw(st.integers(0, 1))
            rn = 0 if code in (13, 15) else draw(st.sampled_from((rn, rn, rn, 15)))  # MOV and MVN have none
            word |= code << 21 | status << 20 | rn << 16 | (0 if 8 <= code < 12 else rd << 12)
            if kind == "i":
                return word | 1 << 25 | draw(st.integers(0, 0xFFF))
            amount = draw(st.sampled_from((0, 1, 4, 8, 31)))
            rm = draw(st.sampled_from((rm, rm, rm, 15)))
            return word | amount << 7 | draw(st.integers(0, 3)) << 5 | rm


@st.composite
def programs(draw: st.DrawFn) -> list[int]:
    values = [0xE3A00000 | register << 12 | draw(st.integers(0, 0xFFF)) for register in range(10)]
    base = 0xE3A0AA01  # mov r10, #0x1000
    return [base, *values, *(draw(instructions(LENGTH - i)) for i in range(LENGTH)), EXIT, EXIT]


@given(programs())
@settings(max_examples=100, deadline=None)
def test_random_programs_end_as_in_another_emulator(words: list[int]) -> None:
    machine = machine_with(words)
    assert machine.run(20_000) is Stop.OFF
    assert outcome(machine, ROOMY) == _unicorn(words)


def _unicorn(words: list[int]) -> tuple[list[int], list[int]]:
    unicorn = pytest.importorskip("unicorn", reason="unicorn, another emulator, isn't installed")
    arm = pytest.importorskip("unicorn.arm_const")
    other = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_ARM)
    other.mem_map(0, 0x4000)
    other.mem_write(0, b"".join(word.to_bytes(4, "little") for word in words))
    other.reg_write(arm.UC_ARM_REG_CPSR, 0x10)
    other.hook_add(unicorn.UC_HOOK_INTR, lambda emulator, _number, _data: emulator.emu_stop())
    other.emu_start(0, 0x4000)
    status = other.reg_read(arm.UC_ARM_REG_CPSR)
    registers = [other.reg_read(getattr(arm, f"UC_ARM_REG_R{n}")) for n in range(15)]
    return registers, [status >> bit & 1 for bit in (31, 30, 29, 28)]
