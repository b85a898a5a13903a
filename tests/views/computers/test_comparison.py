"""Two runs side by side: the first difference is found, exact, and named; both computers stay as they were."""

import pytest

from tests.hypervisor.towers import tower
from tests.views.recordings import Script
from vlab import guests
from vlab.events import Recording
from vlab.hypervisor import Hypervisor, TrapAndEmulate
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.riscv import assemble
from vlab.riscv.instructions import ROWS
from vlab.views import compare
from vlab.views.computers.comparison import AFTER, BEFORE, MOST


class Careless(TrapAndEmulate):
    """Emulates `sret`, and spoils t0 on the way."""

    name = "careless"

    def _emulate(self, word):
        super()._emulate(word)
        if word == ROWS["sret"].match:
            self.vm.hart.x[5] ^= 4


def computer(source, depth=0):
    return tower(assemble(source) if "\n" in source else guests.load(source), depth).guest


@pytest.mark.parametrize("depth", [1, 2])
def test_bare_and_virtual_do_not_differ(depth):
    found = compare(computer("tiny"), computer("tiny", depth))
    assert found.first is None
    assert repr(found) == f"No difference between the machine and vm1 in {found.total} steps."
    assert found.pairs[-1].left.status == found.pairs[-1].right.status == 0


def test_a_careless_technique_is_caught_at_its_first_sret():
    vm = tower(guests.load("kernel"), 1, technique=Careless).guest
    bare = computer("kernel")
    before = [one.history.machine.snapshot() for one in (bare, vm)]
    found = compare(bare, vm, steps=2000)
    assert found.first == 796
    assert repr(found) == "At step 796 the machine has t0 = 0x0, vm1 has t0 = 0x4: the first difference."
    assert found.differences == (("t0", 0, 4),)
    assert [pair.at for pair in found.pairs] == list(range(796 - BEFORE, 796 + AFTER))
    assert [pair.differences for pair in found.pairs[:BEFORE]] == [()] * BEFORE
    assert [one.history.machine.snapshot() for one in (bare, vm)] == before


@pytest.mark.parametrize(
    ("left", "right", "address"),
    [
        ("li t0, 3\n1: j 1b", "li t0, 7\n1: j 1b", 0x80000000),
        ("nop\nnop\nsd sp, 0(t0)\n1: j 1b", "nop\nnop\nsd sp, 8(t0)\n1: j 1b", 0x80000008),
    ],
)
def test_memory_that_differs_from_the_beginning_is_the_first_difference(left, right, address):
    found = compare(computer(left), computer(right), steps=5)
    assert found.first == 0
    assert found.differences[0][0] == f"memory at {address:#x}"
    assert repr(found).startswith(f"At step 0 the machine (first) has memory at {address:#x}")


def loads(value):
    """A program that does what its memory at 0x80001000 says; that differs, but not when it is loaded."""
    machine = Machine(assemble("auipc t0, 1\nnop\nld t1, 0(t0)\nsd t1, 8(t0)\n1: j 1b"), memory="64K")
    machine.run(2)
    machine.memory.poke(0x80001000, bytes([value]))
    return machine


def test_a_store_that_differs_is_told_once():
    found = compare(loads(3), loads(7), steps=20, names=("right", "wrong"))
    assert found.differences == (("memory at 0x80001000", 3, 7),)
    assert found.pairs[1].differences == (("t1", 3, 7),)
    assert found.pairs[2].differences == (("t1", 3, 7), ("memory at 0x80001008", 3, 7))
    assert found.sentence(2) == "At step 2 right has t1 = 0x3, wrong has t1 = 0x7 and 1 more"
    assert [len(pair.differences) for pair in found.pairs[3:6]] == [1, 1, 1]


def test_a_store_into_one_of_them_alone_differs_from_what_the_other_holds():
    one, other = (computer(f"nop\nsd sp, 0({base})\n1: j 1b") for base in ("t1", "t2"))
    for each in (one, other):
        each.hart.x[6], each.hart.x[7] = 0x80000100, 0x80000200
        each.hart.x[2] = 9
    found = compare(one, other, steps=9)
    differing = next(pair for pair in found.pairs if pair.at == 2)
    assert differing.memory == ((0x80000100, 9, 0), (0x80000200, 0, 9))
    assert ("memory at 0x80000200", 0, 9) in differing.differences


def test_beyond_memory_the_first_difference_is_found_however_far_off():
    def late(value):
        return computer(f"li t0, 3000\n1: addi t0, t0, -1\nbnez t0, 1b\nli t1, {value}\n2: j 2b")

    found = compare(late(3), late(7), names=("a", "b"))
    assert found.first == 0
    later = found.later
    assert later is not None and later.differences == (("t1", 3, 7),)
    assert later.at > 2000
    assert repr(found).endswith(
        f"At step {later.at} a has t1 = 0x3, b has t1 = 0x7: the first beyond memory."
    )
    ats = [pair.at for pair in found.pairs]
    assert ats == [*range(AFTER), *range(later.at - BEFORE, later.at + AFTER)]
    short = compare(late(3), late(7), steps=500)
    assert short.later is None
    assert [pair.at for pair in short.pairs] == list(range(AFTER))
    soon = compare(loads(3), loads(7), steps=20)
    assert soon.later is soon.pairs[1]


def test_the_one_that_ends_first_differs():
    one = computer("hello")
    other = computer("hello")
    with one.history.ahead():
        one.history.machine.run()
        length = one.look().step
    other.history.machine.run(10)
    found = compare(one, other, steps=length, names=("a", "b"))
    assert found.first == 0  # ten steps apart, everything differs
    slow = compare(computer("wfi\n1: j 1b"), computer("wfi\n1: j 1b"), steps=50)
    assert slow.first is None and slow.total == 1


def test_two_in_one_machine_cannot_be_compared():
    machine = Machine(memory="8M")
    hypervisor = Hypervisor(machine)
    vms = [hypervisor.create_vm(guests.load("hello"), memory="64K") for _vm in range(2)]
    with pytest.raises(VlabError, match="Give each a machine of its own"):
        compare(*vms)
    with pytest.raises(VlabError, match="Give each a machine of its own"):
        compare(machine, vms[0])


@pytest.mark.parametrize(("left", "right"), [(Recording(), 3), ("x", "y")])
def test_other_things_cannot_be_compared(left, right):
    with pytest.raises(VlabError, match="Only two computers, or two recordings"):
        compare(left, right)


@pytest.mark.parametrize("steps", [-1, MOST + 1])
def test_so_many_steps_cannot_be_compared(steps):
    with pytest.raises(VlabError, match="Ask for 0 to"):
        compare(computer("hello"), computer("hello"), steps=steps)


def test_recordings_are_alike_whenever_they_happened():
    script = Script(1)
    script.time = 5000
    found = compare(Script(1).record(2), script.record(2))
    assert repr(found) == f"No difference between the first run and the second run in {found.total} events."


def test_recordings_are_aligned_again_after_a_difference():
    one = Script(1).record(2)
    other = Recording([*one.events[:7], *one.events[9:]])
    found = compare(one, other, names=("lazy", "eager"))
    assert found.first == 7
    assert [(pair.left, pair.right) for pair in found.pairs[7:10]] == [
        (one[7], None),
        (one[8], None),
        (one[9], one[9]),
    ]
    assert sum(bool(pair.differences) for pair in found.pairs) == 2
    assert repr(found).startswith("At event 7 lazy: ")


def test_of_an_emulation_the_registers_that_differ_are_named():
    def run(value):
        script = Script(1)
        with script.source.record() as recording:
            script.emulated("csrw satp, t0", 1, (("satp", 0, value),))
        return recording

    found = compare(run(1), run(2))
    assert found.differences == (("satp", 1, 2),)
    assert "the first run has satp = 0x1, the second run has satp = 0x2" in repr(found)


def test_a_run_of_nothing():
    assert compare(Recording(), Recording()).first is None
    assert len(compare(Recording(), Script(1).record(1)).pairs) == len(Script(1).record(1))
