"""A computer's run as states: exact at each step, the same bare and in a VM, and gone when it has been recorded."""

from itertools import pairwise

import pytest

from tests.hypervisor.towers import tower
from vlab import guests
from vlab.events import Entry
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import GATE, Machine
from vlab.riscv import assemble
from vlab.views.computers.states import MOST, States, written_before

WRITES = """
    auipc s0, 1         # 0x80001000
    li t0, 3
    sd t0, 0(s0)        # position 3
    sd t0, 0(s0)        # 4: the same value
    li t0, 3            # 5: the same value
    csrw mscratch, t0
    csrr t1, mscratch
    csrw mscratch, t0   # 8: the same value
    csrs mscratch, x0   # reads only
    add x0, t0, t0
    lr.d t2, (s0)
    sc.d t3, t0, (s0)   # 12: succeeds
    sc.d t3, t1, (s0)   # 13: fails
    la t4, handler
    csrw mtvec, t4
    ld s5, 0(x0)        # 17: traps, and writes no s5
handler:
    li t5, 1
1:  j 1b
"""


def running(name, depth):
    built = tower(guests.load(name), depth)
    return built.guest


@pytest.fixture
def writes():
    return States(Machine(assemble(WRITES), memory="64K"), 20)


@pytest.mark.parametrize("depth", [1, 2])
def test_each_state_of_a_vm_is_the_bare_machines(depth):
    steps = 2400 if depth == 1 else 900
    bare, vm = States(running("kernel", 0), steps), States(running("kernel", depth), steps)
    assert len(bare) == len(vm) == steps + 1
    for one, other, changed, also in zip(bare.looks, vm.looks, bare.changed, vm.changed, strict=True):
        assert one.differences(other) == []
        assert changed == also
    assert {bare.stops["trap"] == vm.stops["trap"], bare.stops["switch"] == vm.stops["switch"]} == {True}
    assert bare.written == vm.written


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_one_instruction_a_step_and_then_all_is_as_it_was(depth):
    guest = running("tiny", depth)
    machine = guest.history.machine
    machine.run(40)
    before, exits = machine.snapshot(), [vm.exits.copy() for vm in tower_of(guest)]
    states = States(guest, 300)
    assert all(after.step == look.step + 1 for look, after in pairwise(states.looks))
    assert machine.snapshot() == before
    assert [vm.exits for vm in tower_of(guest)] == exits
    assert States(guest, 300).looks == states.looks


def tower_of(computer):
    found = []
    while computer.level:
        found.append(computer)
        computer = computer.host
    return found


def test_the_states_are_those_that_running_gives():
    machine = Machine(guests.load("tiny"), memory="64K")
    states = States(machine, 60)
    for look in states.looks:
        machine.goto(look.machine_step)
        machine.catch_up()
        assert machine.look().differences(look) == []


def test_a_residents_work_is_one_step():
    machine = Machine(memory="4M")
    Hypervisor(machine).create_vm(guests.load("hello"), memory="64K")
    looks = States(machine, 30).looks
    assert looks[0].pc == GATE
    assert any(after.step > look.step + 1 for look, after in pairwise(looks) if look.pc == GATE)
    assert all(after.step == look.step + 1 for look, after in pairwise(looks) if look.pc != GATE)


def test_it_ends_with_the_computer():
    machine = Machine(guests.load("hello"), memory="64K")
    states = States(machine, 5000)
    assert states.looks[-1].status == 0
    assert len(states) < 5000
    assert machine.steps == 0
    machine.run()
    assert len(States(machine, 10)) == 1


def test_a_guest_that_sleeps_for_good_or_is_never_run_ends_too():
    machine = Machine(assemble("wfi\n1: j 1b"), memory="64K")
    assert len(States(machine, 10)) == 2
    computer = Machine(memory="4M")
    hypervisor = Hypervisor(computer)
    hypervisor.create_vm(assemble("1: j 1b"), memory="64K")
    other = hypervisor.create_vm(assemble("1: j 1b"), memory="64K")
    other.pause()
    assert len(States(other, 10)) == 1


@pytest.mark.parametrize(
    ("what", "at", "found"),
    [
        ("t0", 20, 5),
        ("t0", 4, 2),
        ("x5", 4, 2),
        ("t0", 1, None),
        ("zero", 20, None),
        ("mscratch", 20, 8),
        ("mscratch", 7, 6),
        (0x80001000, 20, 12),
        (0x80001004, 11, 4),
        (0x80001000, 3, 3),
        (0x80001008, 20, None),
        ("t3", 20, 13),
        ("mepc", 20, 17),
        ("mcause", 20, 17),
        ("mtval", 20, 17),
        ("mstatus", 20, 17),
        ("sstatus", 20, 17),
        ("satp", 20, None),
        ("s5", 20, None),
    ],
)
def test_who_wrote_what(writes, what, at, found):
    assert writes.who_wrote(what, at) == found


def test_every_change_has_its_writer():
    for depth in (0, 1):
        states = States(running("kernel", depth), 2000)
        for at, (before, look) in enumerate(pairwise(states.looks), 1):
            for name, _now, _then in look.differences(before):
                if name in ("pc", "mode", "time", "console", "status"):
                    continue
                assert states.who_wrote(name, at) == at
            assert all(at in states.written[address] for address in states.changed[at])


def test_stops_are_where_they_belong():
    bare, vm = States(running("kernel", 0), 2400), States(running("kernel", 1), 2400)
    assert bare.stops["exit"] == []
    assert len(vm.stops["exit"]) > 100
    for at in bare.stops["trap"]:
        assert bare.looks[at].mode > bare.looks[at - 1].mode or bare.looks[at - 1].mode == 1
    assert bare.stops["switch"]
    for at in bare.stops["switch"]:
        assert bare.looks[at].csrs["satp"] != bare.looks[at - 1].csrs["satp"]


def test_the_machine_under_vms_switches_when_another_vm_goes_on():
    machine = Machine(memory="8M")
    hypervisor = Hypervisor(machine)
    for _vm in range(2):
        hypervisor.create_vm(guests.load("hello"), memory="64K")
    states = States(machine, 1000)
    assert len(states.stops["switch"]) == 1
    entered = [event.vm for event in states.events[states.stops["switch"][0]] if isinstance(event, Entry)]
    assert entered == ["vm2"]
    assert states.stops["exit"]


@pytest.mark.parametrize("steps", [-1, MOST + 1])
def test_a_run_that_is_too_long_is_not_kept(steps):
    with pytest.raises(VlabError, match="Ask for at most"):
        States(Machine(guests.load("hello"), memory="64K"), steps)


@pytest.mark.parametrize("depth", [0, 1])
def test_what_was_written_before_the_run_is_found_in_history(depth):
    guest = running("kernel", depth)
    machine, all_states = guest.history.machine, States(guest, 900)
    machine.history.spacing = 200
    while guest.look().step < 850:
        machine.run(1)
    here = guest.look()
    states = States(guest, 5)
    for what in ("stvec", "mtvec", "satp", "t3", 0x8000F3F0):
        place = all_states.who_wrote(what, here.step)
        assert states.who_wrote(what, 5) is None
        step = written_before(guest, what)
        assert place is not None and step is not None
        assert f"It was last written at step {step} of the machine" in str(states.not_written(what, 5))
        machine_steps = [look.machine_step for look in all_states.looks]
        assert machine_steps[place - 1] <= step < machine_steps[place], what
    assert "when the machine's history began" in str(states.not_written("mtval", 5))
