"""What a resident issues at once is what it would issue one by one, however deep it is, on every engine."""

from importlib.util import find_spec

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.programs import MEMORY
from tests.hypervisor.programs import guests as random_guests
from tests.hypervisor.towers import difference, tower
from vlab import guests
from vlab.hypervisor import Hypervisor, TrapAndEmulate
from vlab.machine import Machine, Stop
from vlab.machine.sequence import Sequence

T, B, H = "trap-and-emulate", "binary-translation", "hardware-assisted"
NATIVE = pytest.mark.skipif(find_spec("llvmlite") is None, reason="the native engine needs llvmlite")


def test_a_sequence_knows_what_takes_a_value_and_what_gives_one():
    sequence = Sequence("csrw sepc, a0", "csrr a0, time", "sret")
    assert [(takes, gives) for _text, takes, gives in sequence.parts] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    assert sequence.returns
    assert not Sequence("csrr a0, time").returns
    assert repr(sequence) == "csrw sepc, a0; csrr a0, time; sret"


class Singly:
    """Who issues nothing at once, and knows it."""

    ready = False

    def __call__(self, sequence):
        return None


def one_by_one(machine):
    """Let everything be issued singly, by the hart."""
    if machine._native is not None:
        machine._native.issuing = lambda sequence, each: None
    machine.issuing = Singly()
    return machine


def built(image, depth, engine, **how):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLAB_ENGINE", engine)
        return tower(image, depth, **how)


def alike(image, stops, depth=1, **how):
    """Native code, the same without anything issued at once, and the interpreter: the same at each stop."""
    fast, slow, reference = (
        built(image, depth, engine, **how) for engine in ("native", "native", "interpreter")
    )
    for each in (slow, reference):
        one_by_one(each.machine)
    for stop in stops:
        ends = [each.machine.run(stop) for each in (fast, slow, reference)]
        states = [each.machine.snapshot().state for each in (fast, slow, reference)]
        assert ends[0] is ends[1] is ends[2]
        assert states[0] == states[2]
        assert states[1] == states[2]
        exits = [[dict(vm.exits) for vm in each.vms] for each in (fast, slow, reference)]
        assert exits[0] == exits[1] == exits[2]
    return fast


@NATIVE
@settings(max_examples=15)
@given(random_guests(), st.lists(st.integers(1, 3_000), min_size=1, max_size=5))
def test_a_guest_is_at_each_stop_where_it_is_without(guest, stops):
    alike(guest.program, stops, memory=MEMORY)


@NATIVE
@pytest.mark.parametrize("extensions", ["", "H"])
def test_a_kernel_with_processes_too(extensions):
    image = guests.load("kernel", TICK=200, LETTERS=1, PRIMES=10, WORK=20)
    fast = alike(image, [1, 10, 1_000, 12_345, 3_000_000], extensions=extensions)
    assert fast.machine.run(1) is not Stop.LIMIT


@NATIVE
@pytest.mark.parametrize("technique", ["hardware-assisted", "binary-translation"])
def test_other_techniques_too(technique):
    image = guests.load("kernel", TICK=200, LETTERS=1, PRIMES=10, WORK=20)
    alike(image, [1, 10, 1_000, 2_345, 3_000_000], technique=technique, extensions="H")


@NATIVE
@settings(max_examples=15)
@given(random_guests(), st.lists(st.integers(1, 3_000), min_size=1, max_size=5))
def test_a_guest_with_assistance_is_at_each_stop_where_it_is_without(guest, stops):
    alike(guest.program, stops, memory=MEMORY, technique="hardware-assisted", extensions="H")


@NATIVE
def test_a_guest_two_deep_too():
    alike(guests.load("tiny"), [7, 500, 3_333, 100_000], 2)


@NATIVE
@pytest.mark.parametrize("techniques", [(T, T), (T, B), (B, T), (T, H), (T, T, T)])
@pytest.mark.parametrize("ticks", [37, 200])
def test_a_kernel_with_processes_and_alarms_deeper_too(ticks, techniques):
    """Its alarms ring among what the inner hypervisor issues."""
    image = guests.load("kernel", TICK=ticks, LETTERS=1, PRIMES=5, WORK=5)
    stops = [3_000, 1, 7, 8, 9, 10, 11, 30_001, 60_000]
    extensions = "H" if H in techniques else ""
    alike(image, stops, len(techniques), technique=techniques, extensions=extensions)


@NATIVE
@settings(max_examples=10)
@given(random_guests(), st.lists(st.integers(1, 9_000), min_size=1, max_size=5))
def test_a_random_guest_two_deep_is_at_each_stop_where_it_is_without(guest, stops):
    alike(guest.program, stops, 2, memory=MEMORY)


@NATIVE
@pytest.mark.parametrize("beside", [False, True])
def test_what_a_guest_of_some_weight_pays_too(beside):
    """It is rounded at each exit. Beside another guest, its turns end among what it issues."""
    machines = [Machine(memory="8M") for _each in range(2)]
    for machine in machines:
        below = Hypervisor(machine, time_slice=50)
        outer = below.create_vm(memory="4M", weight=7)
        if beside:
            below.create_vm(guests.load("kernel"), memory="1M")
        Hypervisor(outer).create_vm(guests.load("tiny"), memory="1M")
    one_by_one(machines[1])
    for _look in range(60):
        for machine in machines:
            machine.run(331)
        assert machines[0].snapshot().state == machines[1].snapshot().state


class Thorough(TrapAndEmulate):
    """It does nothing else; but as it says what is done at an entry itself, all of it is done at each."""

    name = "thorough"

    def prepare(self):
        return super().prepare()


@settings(max_examples=15)
@given(random_guests())
def test_what_is_done_in_brief_changes_no_exit_and_no_time(guest):
    brief, thorough = (
        tower(guest.program, 1, memory=MEMORY, technique=how) for how in (TrapAndEmulate, Thorough)
    )
    for each in (brief, thorough):
        each.machine.run(20_000)
    assert dict(brief.vms[0].exits) == dict(thorough.vms[0].exits)
    assert difference(brief.guest.snapshot().state, thorough.guest.snapshot().state) == []
    assert brief.machine.time == thorough.machine.time


@NATIVE
def test_going_back_leads_where_it_led():
    image = guests.load("kernel", TICK=200, LETTERS=1, PRIMES=30, WORK=50)
    machine = built(image, 1, "native").machine
    machine.run(5_000)
    there = machine.snapshot().state
    machine.run(20_000)
    machine.goto(5_000)
    assert machine.snapshot().state == there
