"""What is particular about the exercises of lesson 11: their keys say what the package's towers do."""

from collections import Counter
from typing import Any

import networkx
import pytest

from tests.hypervisor.towers import Tower, tower
from vlab import guests
from vlab.course.checking import key
from vlab.events import Emulation, Exit
from vlab.riscv import Mode, assemble

MEMORY = 64 << 10
ACTS = 8  # privileged instructions of a hypervisor for an exit, if it hands nothing on
LOOP = """
        li   s0, 3
again:  csrw sscratch, t0
        addi s0, s0, -1
        bnez s0, again
        li   t0, 0x100000
        li   t1, 0x5555
        sw   t1, (t0)
"""


def built(depth: int, **how: Any) -> Tower:
    return tower(assemble(LOOP), depth, memory=MEMORY, **how)


def recorded(depth: int) -> Any:
    """What the last of the guest's privileged instructions caused."""
    one = built(depth)
    with one.machine.events.record() as run:
        one.run()
    ours = [event for event in run.only(Emulation, level=depth) if event.text == "csrw sscratch, t0"]
    graph = run.graph()
    return run.caused_by(graph.nodes[min(networkx.ancestors(graph, ours[-1].id))]["event"])


@pytest.mark.parametrize("depth", [1, 2])
def test_a_tower_exits_as_often_as_the_key_says(depth):
    counted = Counter(event.level for event in recorded(depth).only(Exit))
    assert [counted[level] for level in range(1, depth + 1)] == key("11-1").answer((depth, ACTS))


def test_three_deep_the_other_tables_come_on_top():
    counted = Counter(event.level for event in recorded(3).only(Exit))
    assert [counted[level] - extra for level, extra in ((1, 4), (2, 0), (3, 0))] == key("11-1").answer(
        (3, ACTS)
    )


def test_the_acts_of_a_hypervisor_multiply_as_the_key_says():
    acts = [event.text for event in recorded(2).only(Emulation, level=1)]
    assert len(acts) == ACTS
    assert key("11-4").answer((acts, [set()])) == key("11-1").answer((2, ACTS))[0]
    assert key("11-4").answer((acts, [set(acts)])) == 1


@pytest.mark.parametrize("number", [0, 5, 15, 16])
def test_a_page_is_where_the_package_says(number):
    one = built(2)
    first = 0x80000
    maps = [
        {first + at: (frame, "RWX") for at, frame in enumerate(vm.memory.frames)} for vm in reversed(one.vms)
    ]
    found = one.vms[-1].memory_map().host_address(0, first + number << 12)
    right = ("fault", 0) if found is None else ("memory", found >> 12)
    assert key("11-2").answer((first + number, "R", maps)) == right


def test_the_hypervisor_outside_sets_its_alarm_to_what_comes_first():
    one = tower(guests.load("tiny"), 2, memory=1 << 17)
    inner = one.vms[-1]
    one.machine.run(until=lambda: inner.on_hart and inner.mode is Mode.U)
    computers = [one.machine, *one.vms]
    clocks = [computer.time for computer in computers]
    alarms = [None, *(computer.hart.csr.deadline() for computer in one.vms)]
    wait, level = key("11-3").answer((clocks, alarms))
    assert level > 0
    assert one.machine.hart.csr.deadline() == one.machine.time + wait


def test_a_clock_shows_what_a_machine_would_have_shown():
    towers = [built(depth).run() for depth in range(3)]
    steps = [one.machine.steps for one in towers]  # of the guest; with one hypervisor; with two
    story = [(2, steps[0]), (1, steps[1] - steps[0]), (0, steps[2] - steps[1])]
    inside = towers[2]
    assert key("11-5").answer((story, 2)) == [computer.time for computer in (inside.machine, *inside.vms)]


def test_the_lessons_tower_fits_a_budget():
    totals = [built(depth).run().vms[0].exits.total() for depth in (1, 2, 3)]
    for depth, exits in enumerate(totals, 1):
        assert key("11-6").answer((totals[0], 9, 13, exits)) == depth
