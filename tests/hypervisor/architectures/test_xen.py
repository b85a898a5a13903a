"""Xen: paravirtual guests on a bare computer, and a driver domain that serves its disk to them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.techniques.hypercalls import program
from tests.hypervisor.test_saving import stops
from tests.hypervisor.towers import difference, end
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.architectures import Xen
from vlab.hypervisor.techniques.hypercalls import BAD_ADDRESS, INVALID, NOT_CONNECTED
from vlab.language import VlabError
from vlab.machine import Computer, Machine, Snapshot, Stop
from vlab.machine.disks import Disk
from vlab.riscv import Mode
from vlab.views import picture_of

STEPS = 3_000_000
SHARE = 16  # sectors of each guest
KERNEL = guests.load("kernel", PARAVIRTUAL=1, LETTERS=2, PRIMES=100)
CONNECT = """
    li   a0, 0
    hypercall HYPER_FIND
    mv   s0, a0
    li   a0, 0
    mv   a1, s0
    hypercall HYPER_BIND
    la   a0, page
    mv   a1, s0
    hypercall HYPER_GRANT
"""


def front(**symbols):
    return guests.load("frontend", **symbols)


def built(depth=0, memory="2M", disk=None):
    """Xen with two guests that count on its disk, and the machine under it."""
    machine: Computer = Machine(memory="5M" if depth else memory)
    computer = machine
    for _level in range(depth):
        computer = Hypervisor(computer).create_vm(memory=memory)
    xen = Xen(computer, Disk(64 * 512) if disk is None else disk)
    xen.create_vm(front(ROUNDS=3), memory="64K", name="ana")
    xen.create_vm(front(ROUNDS=2), memory="64K", name="bob")
    return machine, xen


@pytest.mark.parametrize("depth", [0, 1])
def test_each_guest_has_its_own_piece_of_the_driver_domains_disk(depth):
    disk = Disk(64 * 512)
    machine, xen = built(depth, disk=disk)
    assert machine.run(STEPS) is Stop.ASLEEP
    assert [vm.console for vm in xen.vms[1:]] == ["boot 1\nboot 2\nboot 3\n", "boot 1\nboot 2\n"]
    assert [vm.status for vm in xen.vms] == [None, 0, 0]
    assert [disk.read(at * SHARE, 1)[0] for at in range(3)] == [3, 2, 0]


def test_only_the_driver_domain_touches_a_device():
    machine, xen = built()
    machine.run(STEPS)
    assert xen.dom0.exits["device access"] > 20
    for vm in xen.vms[1:]:
        assert all(reason.startswith("hypercall: ") for reason in vm.exits)
    asked = sum(vm.exits["hypercall: send"] for vm in xen.vms[1:])
    assert xen.dom0.exits["hypercall: send"] == asked == 10
    assert xen.dom0.exits["hypercall: copy"] == 3 * asked


def test_the_kernel_beside_them_prints_what_it_prints_bare():
    machine, xen = built(memory="4M")
    vm = xen.create_vm(KERNEL, memory="1M")
    assert vm.technique.name == "paravirtual"
    machine.run(STEPS)
    bare = Machine(guests.load("kernel", LETTERS=2, PRIMES=100), memory="1M")
    bare.run(STEPS)
    said = [line for line in vm.console.splitlines() if not line.startswith("kernel: both")]
    assert sorted(said) == sorted(
        line for line in bare.console.splitlines() if not line.startswith("kernel: both")
    )
    assert not {"device access", "privileged instruction"} & set(vm.exits)


def test_a_guest_that_does_not_know_is_stopped_and_others_go_on():
    machine, xen = built(memory="4M")
    vm = xen.create_vm(guests.load("kernel"), memory="1M")
    machine.run(STEPS)
    assert (vm.status, [one.status for one in xen.vms[1:3]]) == (1, [0, 0])
    assert "does not have" in vm.technique.stopped


def test_without_a_disk_all_are_refused():
    machine = Machine(memory="2M")
    vm = Xen(machine).create_vm(front(), memory="64K")
    assert machine.run(STEPS) is Stop.ASLEEP
    assert (vm.status, vm.console) == (1, "")


@pytest.mark.parametrize("sector", [SHARE, SHARE + 5, 1 << 40, (1 << 64) - 1, (1 << 59) + 1])
def test_what_is_not_its_own_is_refused(sector):
    disk = Disk(64 * 512)
    disk.write(SHARE, b"x" * 512 * 8)
    before = disk.read(0, 64)
    machine = Machine(memory="2M")
    vm = Xen(machine, disk).create_vm(front(SECTOR=sector), memory="64K")
    machine.run(STEPS)
    assert (vm.status, vm.console) == (1, "")
    assert disk.read(0, 64) == before


def test_the_last_sector_of_its_own_is_not_refused():
    disk = Disk(64 * 512)
    machine = Machine(memory="2M")
    vm = Xen(machine, disk).create_vm(front(SECTOR=SHARE - 1), memory="64K")
    machine.run(STEPS)
    assert (vm.status, disk.read(SHARE - 1, 1)[0]) == (0, 1)


@pytest.mark.parametrize(("depth", "every"), [(0, 3), (1, 83)])
def test_a_snapshot_anywhere_is_invisible(depth, every):
    machine, _xen = built(depth)
    machine.run(STEPS)
    last = machine.snapshot()
    machine, _xen = built(depth)
    for stop in stops(machine):
        if stop % every == 0:
            saved = machine.snapshot()
            fresh = Machine(memory=machine.memory.size)
            fresh.restore(saved)
            assert difference(fresh.snapshot().state, saved.state) == []
            fresh.run(STEPS)
            assert difference(fresh.snapshot().state, last.state) == []
    assert stop > 200


def test_how_deep_it_is_makes_no_difference_to_guests():
    ends = []
    for depth in (0, 1):
        machine, xen = built(depth)
        machine.run(STEPS)
        ends.append([(end(vm), vm.exits) for vm in xen.vms])
    assert difference(dict(enumerate(ends[0])), dict(enumerate(ends[1]))) == []


def test_a_guest_that_comes_in_a_removed_ones_place_has_one_channel():
    machine, xen = built()
    machine.run(STEPS)
    xen.remove(xen.vms[1])
    new = xen.create_vm(front(), memory="64K")
    machine.run(STEPS)
    assert new.console == "boot 4\n"  # the same share: the first free channel
    assert sorted(xen.dom0.technique._channels) == [1, 2]


def test_a_clone_asks_anew():
    machine, xen = built(memory="3M")
    machine.run(20)
    twin = xen.clone(xen.vms[1])
    assert len(xen.dom0.technique._channels) == 3
    machine.run(STEPS)
    assert (twin.status is not None, xen.vms[2].status) == (True, 0)


def test_domain_0_stays():
    _machine, xen = built()
    with pytest.raises(VlabError, match="has the devices"):
        xen.remove(xen.dom0)
    assert len(xen.vms) == 3
    free = xen.free
    for how in ({"image": "no file"}, {"technique": "magic"}, {"memory": 5}):
        with pytest.raises(VlabError):
            xen.create_vm(**how)
    assert (xen.free, len(xen.dom0.technique._channels)) == (free, 2)
    wrong: Any = "no computer"
    with pytest.raises(VlabError):
        Xen(wrong)


@pytest.mark.parametrize("body", ["li a0, 99\nhypercall HYPER_FIND", "li a0, -1\nhypercall HYPER_FIND"])
def test_nobody_is_found_who_is_not_there(body):
    machine = Machine(memory="2M")
    vm = Xen(machine).create_vm(program(body + "\nmv s1, a0"), memory="64K")
    machine.run(STEPS)
    assert vm.hart.x[9] == INVALID % (1 << 64)


@pytest.mark.parametrize(
    ("grant", "wish", "error"),
    [
        ("page+8", "0, 0, 8, 0", NOT_CONNECTED),  # no page: nothing was granted
        ("-1", "0, 0, 8, 0", NOT_CONNECTED),
        ("page", "page, 4096, 1, 0", BAD_ADDRESS),
        ("page", "page, 4089, 8, 1", BAD_ADDRESS),
        ("page", "page, -8, 16, 1", BAD_ADDRESS),
        ("page", "page, 0, -1, 1", BAD_ADDRESS),
        ("page", "page, 0, 4097, 0", BAD_ADDRESS),
        ("page", "0, 0, 8, 0", BAD_ADDRESS),
        ("page", "-8, 0, 16, 0", BAD_ADDRESS),
        ("page", "0x8000fff9, 0, 8, 0", BAD_ADDRESS),
        ("page", "page, 4088, 8, 0", 0),
    ],
)
def test_copies_stay_in_both_guests_memory(grant, wish, error):
    """Two guests name each other on channel 1; the second copies from what the first has granted."""
    hypervisor = Hypervisor(Machine(memory="4M"))
    giver = (
        f"li a0, 1\nli a1, 1\nhypercall HYPER_BIND\nla a0, {grant}\nli a1, 1\nhypercall HYPER_GRANT\n1: j 1b"
    )
    if grant == "-1":
        giver = giver.replace("la a0", "li a0")
    taker = (
        "li a0, 0\nli a1, 1\nhypercall HYPER_BIND\nli t0, 3000\n2: addi t0, t0, -1\nbnez t0, 2b\n"
        "la a0, wish\nli a1, 1\nhypercall HYPER_COPY\nmv s1, a0"
    )
    hypervisor.create_vm(program(giver), memory="64K", technique="paravirtual")
    vm = hypervisor.create_vm(
        program(taker, data=f".data\nwish: .dword {wish}"), memory="64K", technique="paravirtual"
    )
    before = [one.memory.pages() for one in hypervisor.vms]
    hypervisor.computer.history.machine.run(40_000)
    assert vm.hart.x[9] == error % (1 << 64)
    assert before[0].keys() >= hypervisor.vms[0].memory.pages().keys()


NUMBERS = st.sampled_from([0, 1, 2, 8, 4095, 4096, 1 << 31, 0x8000_0000, 0x8000_1000, 1 << 63, (1 << 64) - 1])


@given(st.lists(st.tuples(st.integers(9, 14), NUMBERS, NUMBERS), max_size=8), st.tuples(*[NUMBERS] * 4))
@settings(max_examples=60)
def test_no_guest_harms_the_driver_domain(calls, wish):
    body = CONNECT + "".join(f"li a0, {a}\nli a1, {b}\nhypercall {number}\n" for number, a, b in calls)
    body += "".join(f"la t0, page\nli t1, {value}\nsd t1, {8 * n}(t0)\n" for n, value in enumerate(wish))
    body += "mv a0, s0\nhypercall HYPER_SEND\nwait_for_event"
    machine = Machine(memory="2M")
    disk = Disk(64 * 512)
    xen = Xen(machine, disk)
    xen.create_vm(program(body), memory="64K")
    good = xen.create_vm(front(), memory="64K")
    machine.run(60_000)
    assert (xen.dom0.status, good.status, good.console) == (None, 0, "boot 1\n")


@pytest.mark.parametrize(
    "grants", [[[1]], [[3, 0x8000_0000]], [[1, -1]], 7, None, [[0, 0]], [[1, 0x8000_0000, 2]], [[64, 0]]]
)
def test_a_damaged_state_is_refused(grants):
    machine, _xen = built()
    machine.run(300)
    saved = machine.snapshot()
    residents = saved.state["residents"]
    state = residents["S"]["state"]
    row = state["vms"][1]
    row = row | {"technique": row["technique"] | {"grants": grants}}
    state = state | {"vms": [state["vms"][0], row, *state["vms"][2:]]}
    damaged = {mode: part | {"state": state} for mode, part in residents.items()}
    with pytest.raises(VlabError):
        machine.restore(Snapshot(dict(saved.state) | {"residents": damaged}))
    assert machine.snapshot() == saved


@pytest.mark.parametrize("page", [0, 1, 0x8000_0000 - 4096, 0x8001_0000, (1 << 64) - 1])
def test_a_page_from_a_damaged_state_that_is_nobodys_is_not_copied(page):
    machine, xen = built()
    machine.run(300)
    for vm in xen.vms[1:]:
        vm.stop()
        vm.technique._grants = dict.fromkeys(vm.technique._channels, page)
    machine.restore(machine.snapshot())
    assert machine.run(100_000) in Stop
    assert xen.dom0.status is None


def test_a_state_without_a_domain_0_is_refused():
    machine = Xen(Machine(memory="4M")).computer
    state: Any = machine.snapshot().state
    state["residents"]["S"]["state"] |= {"vms": [], "current": None, "inside": False}
    with pytest.raises(VlabError, match="domain 0"):
        Machine(memory="4M").restore(Snapshot(state))


def test_it_says_and_shows_what_it_is():
    machine, xen = built()
    assert repr(xen) == "Xen at level 0: domain 0 has the devices; guests: ana, bob"
    assert "Xen" in picture_of(xen).svg
    saved = machine.snapshot()
    Hypervisor(machine)
    assert repr(xen).startswith("A hypervisor that no longer has its computer")
    machine.restore(saved)
    assert isinstance(machine.residents[Mode.S], Xen)
