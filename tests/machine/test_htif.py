"""HTIF: how a test program ends, and what it prints."""

import pytest

from tests.machine.programs import machine
from vlab.language import VlabError
from vlab.machine import Machine, Snapshot, Stop
from vlab.machine.memory import RAM_BASE
from vlab.riscv import Program

SAYS_AND_ENDS = """
        la a0, tohost
        li a1, 0x0101 << 48 | 'h'
        sd a1, 0(a0)
1:      ld a2, 0(a0)            # as software waits for the host
        bnez a2, 1b
        addi a1, a1, 1
        sd a1, 0(a0)
        li a1, 2                # even: nothing
2:      {store}
        addi s0, s0, 1          # done once
        li a1, 3 << 1 | 1
        j 2b
        .balign 64
tohost: .dword 0
fromhost: .dword 0
"""


@pytest.mark.parametrize("store", ["sd a1, 0(a0)", "sw a1, 0(a0)", "amoswap.d a2, a1, (a0)", "sb a1, 0(a0)"])
def test_a_program_prints_and_ends_at_the_very_store(store):
    m = machine(SAYS_AND_ENDS.format(store=store))
    assert (m.run(1000), m.status, m.console) == (Stop.OFF, 3, "hi")
    assert m.hart.x[8] == 1
    if store.startswith("amo"):
        assert m.hart.x[12] == 2
    steps = m.steps
    again = machine(SAYS_AND_ENDS.format(store=store))
    again.step(1000)
    assert again.steps == steps


def test_an_even_value_and_a_command_of_another_device_do_nothing():
    m = machine(
        """
        la a0, tohost
        li a1, 2
        sd a1, 0(a0)
        li a1, 2 << 56 | 1
        sd a1, 0(a0)
        j .
        .balign 8
tohost: .dword 0
        """
    )
    assert (m.run(100), m.status, m.console) == (Stop.LIMIT, None, "")


@pytest.mark.parametrize(
    "tohost", [0, 8, RAM_BASE - 8, RAM_BASE + (1 << 20), RAM_BASE + (1 << 20) - 4, RAM_BASE + 4095, 1 << 63]
)
def test_a_place_that_is_no_double_word_of_memory_is_not_listened_to(tohost):
    m = Machine(Program(((RAM_BASE, b"\x6f\0\0\0"),), RAM_BASE, {"tohost": tohost}), memory="1M")
    assert m.htif.tohost is None
    assert m.run(10) is Stop.LIMIT


def test_a_restored_machine_listens_too():
    source = SAYS_AND_ENDS.format(store="sd a1, 0(a0)")
    m = machine(source)
    for _step in range(30):
        other = Machine(memory="1M")
        other.restore(m.snapshot())
        assert (other.run(1000), other.status, other.console) == (Stop.OFF, 3, "hi")
        m.step()
    assert m.status == 3


def test_what_is_restored_into_its_place_is_no_store():
    deaf = machine("j .")
    for value in (0x0101 << 48 | ord("x"), 7):
        m = machine(SAYS_AND_ENDS.format(store="sd a1, 0(a0)"))
        deaf.memory.store(m.htif.tohost, 8, value)
        m.restore(deaf.snapshot())
        assert m.snapshot() == deaf.snapshot()


def test_another_program_is_another_place():
    m = machine(SAYS_AND_ENDS.format(store="sd a1, 0(a0)"))
    before = m.htif.tohost
    m.run(1000)
    m.load(Program(((RAM_BASE, b"\x6f\0\0\0"),), RAM_BASE))
    assert (m.status, m.htif.tohost) == (None, None)
    m.memory.store(before, 8, 1)
    assert m.status is None


@pytest.mark.parametrize(
    "wrong", [{"tohost": 1}, {"tohost": RAM_BASE - 8}, {"tohost": "x"}, {"status": -1}, {"status": 1 << 32}]
)
def test_a_state_that_cannot_be(wrong):
    m = machine(SAYS_AND_ENDS.format(store="sd a1, 0(a0)"))
    state = m.snapshot().state
    damaged = {**state, "htif": {**state["htif"], **wrong}}
    with pytest.raises(VlabError, match="snapshot"):
        m.restore(Snapshot(damaged))
    assert m.snapshot().state == state
