import pytest

from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import GATE, Machine
from vlab.machine.memory import RAM_BASE
from vlab.riscv import Mode, assemble

PROGRAM = """
    li sp, 0x80000100
    li t0, 3
    sd t0, 8(sp)
    csrwi mscratch, 5
    lui t1, 1
    jr t1
"""


@pytest.fixture
def machine():
    return Machine(assemble(PROGRAM), memory="64K")


def test_a_look_is_the_state_and_changes_nothing(machine):
    machine.run(6)
    before = machine.snapshot()
    look = machine.look()
    assert machine.snapshot() == before
    assert (look.pc, look.mode, look.step, look.level) == (machine.hart.pc, Mode.M, 6, 0)
    assert look.x == tuple(machine.hart.x[:32])
    assert look.word == machine.memory.load(machine.hart.pc, 4)
    assert [look[name] for name in ("t0", "x5", "mscratch", "pc")] == [3, 3, 5, machine.hart.pc]
    assert repr(look) == f"the machine before its step 6: M mode, pc {machine.hart.pc:#x}"


def test_views_of_registers_are_read_as_software_would():
    machine = Machine(guests.load("kernel"), memory="1M")
    machine.run(2000)
    look = machine.look()
    for name in ("sstatus", "sie", "sip", "satp", "misa", "mhartid"):
        assert look[name] == machine.hart.csr[name]
    with pytest.raises(VlabError, match="no register 'bogus'"):
        look["bogus"]


def test_the_memory_window_stands_around_sp_or_where_it_is_wanted(machine):
    machine.run(6)
    around = {at: value for window in machine.look().memory for at, _physical, value in window.words(8)}
    assert around[0x80000108] == 3
    assert 0x800000F0 in around
    wanted = machine.look(0x8000_0FE1).memory
    assert [(window.address, len(window.data)) for window in wanted] == [(0x80000FE0, 32), (0x80001000, 32)]


@pytest.mark.parametrize("address", [0, (1 << 64) - 8, 0x8000_FFF8, -8])
def test_where_no_memory_is_there_are_no_bytes(machine, address):
    windows = machine.look(address).memory
    assert windows[-1].physical is None
    assert list(windows[-1].words(8)) == []


def test_a_pc_that_leads_nowhere_is_looked_at_too(machine):
    machine.run(8)
    look = machine.look()
    assert look.pc == 0x1000
    assert (look.word, look.code.physical) == (None, None)


def test_user_memory_is_seen_through_its_page_table():
    machine = Machine(guests.load("kernel"), memory="1M")
    machine.run(3000)
    look = machine.look()
    assert (look.mode, look.code.address >> 12) == (Mode.U, 0x40000)
    assert look.code.physical is not None
    assert look.code.physical >> 28 == 8
    assert look.code.data == machine.memory.peek(look.code.physical, len(look.code.data))


def test_a_vm_is_looked_at_as_itself():
    machine = Machine(memory="4M")
    vm = Hypervisor(machine).create_vm(guests.load("tiny"), memory="1M")
    assert machine.look().pc == GATE
    machine.run(30)
    look = vm.look()
    assert (look.who, look.level, look.program) == ("vm1", 1, vm.program)
    assert look.pc == vm.hart.pc
    assert look.machine_step == machine.steps > look.step


def test_what_differs_is_told_by_name(machine):
    first = machine.look()
    machine.run(6)
    found = {name: (now, then) for name, now, then in machine.look().differences(first)}
    assert found["t0"] == (3, 0)
    assert found["mscratch"] == (5, 0)
    assert {"pc", "time", "sp"} <= set(found)
    assert machine.look().differences(machine.look()) == []


def test_the_instructions_around_pc_have_two_sizes_where_some_are_compressed():
    built = Machine(
        assemble("addi a0, a0, 1\n c.nop\n c.nop\n addi a1, a1, 2\n c.j ."), memory="1M", extensions="C"
    )
    for _step in range(3):
        built.step()
    found = [(address - RAM_BASE, word & 3 == 3) for address, _physical, word in built.look().instructions()]
    assert found[:5] == [(0, True), (4, False), (6, False), (8, True), (12, False)]
    assert built.look().word == 0x00258593
