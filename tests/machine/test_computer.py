"""What machines and virtual machines have in common: loading, the gate, residents, sizes."""

import pytest

from tests.machine.programs import OFF, machine
from vlab.language import VlabError
from vlab.machine import GATE, Machine, Stop, gate, parse_size, standing
from vlab.machine.computer import word_of
from vlab.machine.devices import Uart
from vlab.machine.memory import RAM_BASE
from vlab.riscv import Mode, Program, assemble


class Firmware:
    """A resident that counts its calls and returns to the program after each."""

    kind = "firmware"

    def __init__(self, computer):
        self.computer, self.calls = computer, 0
        self.running = None

    def handle(self):
        self.calls += 1
        epc = self.computer.issue("csrr a0, mepc")
        self.computer.issue("csrw mepc, a0", epc + 4)
        self.computer.issue("mret")

    def state(self):
        return {"calls": self.calls}

    def restore(self, state):
        self.calls = state["calls"]


def test_power_on():
    m = machine("nop")
    assert (m.hart.mode, m.hart.pc, m.hart.x[10]) == (Mode.M, RAM_BASE, 0)
    tree = m.memory.peek(m.hart.x[11], 4)
    assert tree == b"\xd0\x0d\xfe\xed"
    assert (m.time, m.steps, m.status, m.console) == (0, 0, None, "")


def test_loading_again_is_a_new_computer():
    first, second = assemble("li s0, 5\n wfi\n j ."), assemble("sd s0, 0(sp)\n csrr a0, mscratch\n" + OFF)
    used = Machine(first, memory="1M")
    used.hart.csr.values["mscratch"] = 7
    used.uart.printed.add(b"before")
    used.clint.store(0x4000, 8, 300)
    used.hart.csr.values["mie"] = 1 << 7
    used.run(50)
    used.memory.store(RAM_BASE + 0x9000, 8, 1)
    used.reservation = (RAM_BASE, 8)
    used.type("typed")
    used.load(second)
    fresh = Machine(second, memory="1M")
    assert used.snapshot() == fresh.snapshot()
    assert (used.run(100), used.snapshot()) == (fresh.run(100), fresh.snapshot())


def test_an_image_and_a_tree_that_do_not_fit_together():
    m = Machine(memory="8K")
    before = m.snapshot()
    with pytest.raises(VlabError, match="do not fit into memory together"):
        m.load(assemble(".zero 8000"))
    assert m.snapshot() == before


@pytest.mark.parametrize("entry", [RAM_BASE + 2, 1 << 64, -4])
def test_a_program_that_starts_where_no_instruction_can_be(entry):
    with pytest.raises(VlabError, match="where no instruction can be"):
        Machine(Program(((RAM_BASE, b"\x6f\0\0\0"),), entry), memory="1M")


def test_a_computer_takes_more_devices():
    m = machine(f"li a0, 0x10001000\n lbu s0, 5(a0)\n{OFF}")
    second = Uart()
    second.name = "uart2"
    m.bus.attach(0x1000_1000, second)
    assert m.run(100) is Stop.OFF
    assert m.hart.x[8] == 0x60
    assert "uart2" in m.snapshot().state["devices"]


def test_typed_text_waits_until_it_is_read():
    m = machine("li a0, 0x10000000\n nop\n lbu s0, 0(a0)\n lbu s1, 0(a0)\n lbu s2, 0(a0)\n" + OFF)
    m.type("hi")
    m.run(100)
    assert bytes(m.hart.x[i] for i in (8, 9, 18)) == b"hi\0"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (4096, 4096),
        ("4096", 4096),
        ("64M", 64 << 20),
        ("1g", 1 << 30),
        ("512 K", 512 << 10),
        (" 2MiB ", 2 << 20),
        ("2MB", 2 << 20),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "1.5M", "-1", "1T", "x", "²", "9" * 30, "0x10"])
def test_what_is_no_size(text):
    with pytest.raises(VlabError, match="not a size"):
        parse_size(text)


# Residents


def test_a_resident_works_behind_its_vector_with_real_instructions():
    m = machine(f"li t0, {GATE}\n csrw mtvec, t0\n ecall\n li s0, 1\n ecall\n li s1, 1\n{OFF}")
    m.residents = {Mode.M: Firmware(m)}
    assert m.run(1000) is Stop.OFF
    assert (m.residents[Mode.M].calls, m.hart.x[8], m.hart.x[9]) == (2, 1, 1)
    alone = machine(f"nop\n ecall\n li s0, 1\n ecall\n li s1, 1\n{OFF}")
    assert m.steps == m.hart.retired + 2
    assert alone.steps == 0


def test_nobody_stands_at_the_gate_of_a_computer_without_residents():
    """A guest may jump there, or point its vector there: it is a place without memory like any other."""
    m = machine(f"li t0, {GATE}\n csrw mtvec, t0\n jr t0")
    assert m.run(1000) is Stop.LIMIT
    assert m.hart.pc == GATE
    assert standing(m) is None
    assert gate(m) is None
    assert m.hart.csr["mcause"] == 1


@pytest.mark.parametrize("lower", [Mode.S, Mode.U])
def test_only_the_mode_of_a_resident_stands_at_its_gate(lower):
    m = machine()
    m.residents = {Mode.M: Firmware(m)}
    m.hart.pc, m.hart.mode = GATE, lower
    m.hart.mmu.select()
    assert standing(m) is None
    m.hart.mode = Mode.M
    assert standing(m) is m.residents[Mode.M]


def test_only_a_resident_in_control_issues():
    m = machine()
    with pytest.raises(VlabError, match="No resident"):
        m.issue("nop")


def test_an_instruction_issued_takes_one_attempt_and_its_value_is_cut_to_a_register():
    m = machine()
    m.settle(Firmware(m), Mode.M)
    assert m.issue("csrw mscratch, a0", (1 << 70) + 5) == 5
    assert (m.hart.csr["mscratch"], m.steps, m.hart.pc) == (5, 1, GATE)
    assert m.issue("csrr a0, mscratch") == 5


def test_an_issued_instruction_that_traps_enters_the_handler_with_its_word():
    m = machine()
    m.settle(Firmware(m), Mode.M)
    m.issue("csrw cycle, a0", 1)
    assert m.hart.csr["mcause"] == 2
    assert m.hart.csr["mtval"] == word_of("csrw cycle, a0")
