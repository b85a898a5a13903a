"""The bug is there to be seen: a guest reads a page of another's; and where the address is looked at, it does not."""

import pytest

from tests.hypervisor.inspector import inspect
from tests.hypervisor.techniques.hypercalls import TRAPS, program
from vlab import guests
from vlab.hypervisor import Hypervisor, Trusting
from vlab.hypervisor.inventory import SHADOW_FRAMES
from vlab.machine import Machine, Stop
from vlab.machine.memory import PAGE

SECRET = b"the other guest's password\n"
MEMORY = 256 << 10
# Behind the last page of a guest's memory are the frames of its shadow tables, and then the next guest's memory.
BEHIND = 0x8000_0000 + MEMORY + SHADOW_FRAMES * PAGE
SPY = TRAPS + f"li a0, {BEHIND}\nli a1, {len(SECRET)}\nwrite_console\nmv s1, a0\n"


def spied(technique, body=SPY, data=""):
    """A spy and its neighbour; what the spy's console says in the end."""
    machine = Machine(memory="4M")
    hypervisor = Hypervisor(machine)
    spy = hypervisor.create_vm(program(body, data), memory=MEMORY, technique=technique)
    victim = hypervisor.create_vm(memory=MEMORY)
    victim.memory.poke(0x8000_0000, SECRET)
    while machine.run(20) is Stop.LIMIT:
        inspect(machine, [spy])  # what the real MMU lets it reach is its own, with the bug too
    return spy


def test_the_guest_reads_what_is_anothers():
    assert spied("trusting").console == SECRET.decode()


def test_who_looks_refuses():
    spy = spied("paravirtual")
    assert (spy.console, spy.status) == ("", 0)
    assert spy.hart.x[9] >> 63 == 1


THROUGH_A_TABLE = (
    TRAPS
    + f"""
    la   s1, root
    li   t1, (0x80000000>>2)|0xcf
    sd   t1, 16(s1)
    la   t2, middle
    srli t1, t2, 2
    ori  t1, t1, 1
    sd   t1, 8(s1)
    la   t3, leaf
    srli t1, t3, 2
    ori  t1, t1, 1
    sd   t1, (t2)
    li   t1, ({BEHIND}>>2)|0xd7
    sd   t1, (t3)
    srli s4, s1, 12
    li   t1, 8<<60
    or   s4, s4, t1
    switch_table s4
    li   a0, 0x40000000
    ld   s3, (a0)               # the guest itself can't go there: a trap
    li   a1, {len(SECRET)}
    write_console
"""
)
DATA = "root: .zero 4096\nmiddle: .zero 4096\nleaf: .zero 4096\n"


@pytest.mark.parametrize(("technique", "console"), [("trusting", SECRET.decode()), ("paravirtual", "")])
def test_through_its_own_table_it_is_the_same(technique, console):
    spy = spied(technique, THROUGH_A_TABLE, DATA)
    assert spy.console == console
    assert (spy.hart.x[26], spy.hart.x[27]) == (1, 5)  # load access fault


def test_a_guest_that_means_no_harm_does_not_notice():
    image = guests.load("kernel", PARAVIRTUAL=1, TICK=300, LETTERS=1, PRIMES=100, WORK=50)
    consoles = []
    for technique in (Trusting, "paravirtual"):
        machine = Machine(memory="4M")
        vm = Hypervisor(machine).create_vm(image, memory="1M", technique=technique)
        machine.run()
        consoles.append((vm.console, vm.exits))
    assert consoles[0] == consoles[1]
