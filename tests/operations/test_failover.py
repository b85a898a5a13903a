"""Failover: a guest that fails is restored; and a host that dies takes nothing with it that anybody saw."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlab import Hypervisor, Machine, VlabError, assemble, guests
from vlab.hypervisor.architectures.vm370 import minidisk
from vlab.machine.board import FINISHER_BASE
from vlab.machine.devices import printed
from vlab.machine.devices.cards import Cards
from vlab.machine.devices.virtio.block import VirtioBlock
from vlab.machine.disks import Disk
from vlab.operations import failover
from vlab.operations.failover import Protected, Watchdog

TOTAL = 100
BANK = guests.load("bank")
KERNEL = guests.load("kernel", TICK=500, WORK=400, LETTERS=3, PRIMES=100)


def accounts(first=TOTAL, second=0):
    """A disk with both accounts."""
    disk = Disk(4096)
    disk.write(1, first.to_bytes(8, "little") + bytes(504))
    disk.write(2, second.to_bytes(8, "little") + bytes(504))
    return disk


def read(disk):
    return tuple(int.from_bytes(disk.read(sector, 1)[:8], "little") for sector in (1, 2))


def bank(disk=None):
    """The bank in a virtual machine."""
    vm = Hypervisor(Machine(memory="3M")).create_vm(memory="256K", name="bank")
    vm.attach(VirtioBlock(disk or accounts()))
    vm.load(BANK)
    return vm


def disk_of(vm):
    return vm.bus.devices["disk"][1].disk


def console(vm):
    vm.history.machine.run()
    return vm.console


WHOLE = console(bank())


def test_a_guest_that_fails_goes_back_and_finishes_its_work():
    vm = bank()
    dog = Watchdog(vm, every=3000)
    dog.run(18_500)
    vm.type("x")
    dog.run(1_000_000)
    assert vm.status == 0
    assert vm.console == WHOLE
    assert read(disk_of(vm)) == (60, 40)
    (failure,) = dog.failures
    assert failure.reason == "it powered off with status 1"
    assert 0 < failure.lost < 7000
    assert dog.lost == failure.lost
    assert 0 < failure.down <= 3000
    assert 0.9 < dog.availability < 1


def test_without_failures_it_is_always_available():
    dog = Watchdog(bank(), every=5000).run(10_000_000)
    assert (dog.failures, dog.lost, dog.availability) == ([], 0, 1.0)
    assert len(dog.snapshots) > 5


def test_a_failure_before_the_first_snapshot_cannot_be_mended():
    vm = bank(accounts(1, 1))
    dog = Watchdog(vm, every=100_000).run(1_000_000)
    assert dog.failures[-1].restored is None
    assert "nothing to go back to" in repr(dog.failures[-1])
    assert "do not balance" in vm.console


def test_what_makes_it_fail_may_be_in_the_snapshot_so_an_older_one_is_tried():
    vm = bank()
    dog = Watchdog(vm, every=2000)
    dog.run(6000)
    vm.type("x")
    vm.history.machine.run(1)
    dog.snapshots.take("infected")
    dog.run(1_000_000)
    assert [failure.restored for failure in dog.failures[:2]] == ["infected"] * 2
    assert dog.failures[2].restored != "infected"
    assert all(0 <= failure.down <= 2000 for failure in dog.failures)
    assert vm.console == WHOLE


def test_one_that_gives_no_sign_of_life_has_failed_too():
    vm = Hypervisor(Machine(memory="2M")).create_vm(assemble("1: j 1b"), memory="64K")
    seen = []

    def alive(vm):
        seen.append(vm.time)
        return len(seen) < 4

    dog = Watchdog(vm, every=1000, alive=alive).run(8000)
    assert dog.failures[0].reason == "it gave no sign of life"
    assert dog.failures[0].down == 1000


def test_a_disk_alone_is_consistent_at_some_instants_only():
    """The slide's "known to be consistent": of a disk taken while the guest runs, nobody knows."""
    balanced, torn = 0, 0
    for steps in range(4000, 12_000, 400):
        vm = bank()
        vm.history.machine.run(steps)
        again = bank(disk_of(vm).overlay())
        again.history.machine.run()
        if sum(read(disk_of(vm))) == TOTAL:
            balanced += again.status == 0
        else:
            torn += again.status == 1 and "do not balance" in again.console
    assert balanced + torn == 20
    assert torn
    assert balanced


def test_a_snapshot_of_all_is_consistent_at_every_instant():
    for steps in range(4000, 12_000, 400):
        vm = bank()
        vm.history.machine.run(steps)
        saved = vm.snapshot()
        vm.type("x")
        vm.history.machine.run()
        assert vm.status == 1
        vm.restore(saved)
        assert console(vm) == WHOLE


def test_snapshots_are_taken_only_when_it_says_that_it_is_consistent():
    vm = bank()
    dog = Watchdog(vm, every=500, consistent=lambda vm: sum(read(disk_of(vm))) == TOTAL).run(20_000)
    assert len(dog.snapshots) > 5
    for saved in dog.snapshots:
        vm.restore(saved.snapshot)
        assert sum(read(disk_of(vm))) == TOTAL


ALL_PAGES = """
        la t0, 0x80001000
        la t1, 0x80010000
1:      mv t2, t0
2:      sd t3, (t2)
        addi t3, t3, 1
        add t2, t2, a2
        blt t2, t1, 2b
        j 1b
"""


@pytest.mark.parametrize(("most", "pages"), [(4, 1 << 20), (256, 40)])
def test_snapshots_do_not_pile_up_without_end(monkeypatch, most, pages):
    monkeypatch.setattr(failover, "MOST", most)
    monkeypatch.setattr(failover, "MOST_PAGES", pages)
    guest = assemble("li a2, 4096\n" + ALL_PAGES)
    vm = Hypervisor(Machine(memory="2M")).create_vm(guest, memory="64K")
    dog = Watchdog(vm, every=1000, alive=lambda vm: vm.time < 28_000).run(20_000)
    kept = list(dog.snapshots)
    assert len(kept) == (4 if most == 4 else 2)
    assert [saved.parent for saved in kept] == [None, *(saved.name for saved in kept[:-1])]
    assert kept[0].changed == len(kept[0].snapshot.pages)
    dog.run(9000)
    assert dog.failures[0].restored == list(dog.snapshots)[-1].name


@pytest.mark.parametrize("every", [0, -5])
def test_it_must_look_now_and_then(every):
    with pytest.raises(VlabError, match="can't look every"):
        Watchdog(bank(), every=every)


# A host that dies


def protected(image=KERNEL, every=1000):
    vm = Hypervisor(Machine(memory="3M")).create_vm(image, memory="1M", name="guest")
    return Protected(vm, Hypervisor(Machine(memory="4M")), every=every)


@given(lived=st.integers(0, 14_000), after=st.integers(0, 3000), every=st.integers(100, 6000))
@settings(max_examples=25, deadline=None)
def test_nobody_outside_sees_that_a_host_died(lived, after, every):
    pair = protected(every=every)
    pair.run(lived)
    seen = pair.seen
    copy = pair.kill(after=after)
    pair.run(10_000_000)
    alone = Machine(KERNEL, memory="1M")
    alone.run()
    assert pair.seen == alone.console
    assert pair.seen.startswith(seen)
    assert copy.time == alone.time


def test_output_waits_for_its_epoch():
    pair = protected(every=3000)
    pair.run(2000)
    pair.vm.history.machine.run(900)
    assert len(pair.seen) <= len(pair.vm.console)
    assert "".join(epoch.released for epoch in pair.epochs) == pair.seen
    pair.run(6000)
    assert max(epoch.pages for epoch in pair.epochs[2:]) < len(pair.vm.memory.pages())


def test_epochs_and_what_was_let_out_do_not_pile_up_without_end(monkeypatch):
    monkeypatch.setattr(failover, "MOST_EPOCHS", 5)
    monkeypatch.setattr(printed, "MOST", 100)
    pair = protected(assemble("li t0, 0x10000000\nli t1, 'x'\n1: sb t1, (t0)\n j 1b"), every=200)
    pair.run(4000)
    assert [epoch.number for epoch in pair.epochs] == [16, 17, 18, 19, 20]
    assert repr(pair).startswith("guest is protected: 21 epochs, ")
    count = pair.vm.uart.printed.count
    assert count > 200
    assert pair.seen == pair.vm.console
    assert max(len(epoch.released) for epoch in pair.epochs) <= 100
    pair.kill()
    pair.run(1000)
    assert pair.seen.startswith(f"[{pair.copy.uart.printed.dropped} bytes that were printed before")
    assert pair.copy.uart.printed.count > count


def test_what_was_typed_and_not_copied_yet_is_typed_again():
    vm = Hypervisor(Machine(memory="3M")).create_vm(memory="128K", name="ana")
    vm.attach(VirtioBlock(minidisk("ana", {"memo": "milk\n"})))
    vm.attach(Cards())
    vm.load(guests.load("cms"))
    pair = Protected(vm, Hypervisor(Machine(memory="3M")), every=20_000)
    pair.run(100_000)
    pair.type("type memo\n")
    pair.kill(after=100)
    pair.run(100_000)
    assert pair.seen.endswith("type memo\nmilk\nReady;\n")
    pair.type("list\n")
    pair.run(100_000)
    assert pair.seen.endswith("list\nmemo 5\nReady;\n")


def test_a_host_dies_once_and_a_copy_is_elsewhere():
    pair = protected()
    pair.kill()
    with pytest.raises(VlabError, match="dead already"):
        pair.kill()
    vm = bank()
    with pytest.raises(VlabError, match="would die with it"):
        Protected(vm, vm.hypervisor)
    with pytest.raises(VlabError, match="can't have 0 ticks"):
        Protected(vm, Hypervisor(Machine(memory="4M")), every=0)
    assert "its copy went on" in repr(pair)


def test_a_machine_that_is_off_is_not_waited_for():
    vm = bank()
    dog = Watchdog(vm, every=3000).run(7000)
    machine = vm.history.machine
    machine.bus.store(FINISHER_BASE, 4, 0x5555)
    assert machine.status == 0
    dog.run(1_000_000)
    assert not dog.failures


def test_a_letter_of_two_bytes_may_be_cut_by_an_epoch():
    image = assemble("""
            li   s0, 0x10000000
            li   s1, 12
        1:  li   t0, 0xc3
            sb   t0, 0(s0)
            li   t1, 50
        2:  addi t1, t1, -1
            bnez t1, 2b
            li   t0, 0xb1
            sb   t0, 0(s0)
            addi s1, s1, -1
            bnez s1, 1b
            li   s0, 0x100000
            li   t0, 0x5555
            sw   t0, 0(s0)
    """)
    vm = Hypervisor(Machine(memory="3M")).create_vm(image, memory="64K")
    guarded = Protected(vm, Hypervisor(Machine(memory="3M")), every=137)
    guarded.run(200)
    assert "\N{REPLACEMENT CHARACTER}" in guarded.seen
    guarded.run(20_000)
    assert guarded.seen == vm.console == "ñ" * 12


def test_who_is_watched_or_protected_is_a_virtual_machine() -> None:
    vm, backup = bank(), Hypervisor(Machine(memory="4M"))
    machine = vm.history.machine
    wrong: list[Any] = [machine, None, "bank"]
    for what in wrong:
        with pytest.raises(VlabError, match="is no virtual machine"):
            Watchdog(what)
        with pytest.raises(VlabError, match="is no virtual machine"):
            Protected(what, backup)
        with pytest.raises(VlabError, match="is no hypervisor"):
            Protected(vm, what)
    vm.hypervisor.remove(vm)
    with pytest.raises(VlabError, match="is no more"):
        Protected(vm, backup)
    assert backup.vms == []


def test_ticks_are_whole_numbers() -> None:
    vm = bank()
    pair = Protected(vm, Hypervisor(Machine(memory="4M")))
    wrong: list[Any] = ["100", None, 1.5, -1]
    for ticks in wrong:
        for act in (Watchdog(vm).run, pair.run, pair.kill):
            with pytest.raises(VlabError, match="ticks"):
                act(ticks)
    assert pair.alive
