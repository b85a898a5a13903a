"""Live migration: the guest can't tell, and a cut at any message leaves it where it was."""

import json
from functools import cache
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.parts import device_in
from vlab import Hypervisor, Machine, VlabError, assemble, guests
from vlab.machine.devices.cards import Cards
from vlab.machine.devices.virtio.block import VirtioBlock
from vlab.machine.disks import Disk
from vlab.operations.migration import Cable, Migration, migrate
from vlab.operations.protocol import _FRAME, NUMBER, Kind, Receiver, framed

KERNEL = guests.load("kernel", TICK=500, WORK=400, LETTERS=3, PRIMES=100)


def pair(image=KERNEL, memory="1M", **how):
    """A virtual machine on one computer, and the hypervisor of another with other memory."""
    source = Hypervisor(Machine(memory="4M"))
    Hypervisor.create_vm(source, guests.load("hello"), memory="64K")  # so that frames are others here
    target = Hypervisor(Machine(memory="6M"))
    return source.create_vm(image, memory=memory, name="guest", **how), target


def run(vm, steps=10_000_000):
    vm.history.machine.run(steps)
    return vm


def arrived(migration):
    assert migration.moved is not None
    return migration.moved


def alone(image=KERNEL, memory="1M"):
    machine = Machine(image, memory=memory)
    machine.run(10_000_000)
    return machine


def final(computer):
    """Console, clock and memory at the end."""
    return computer.console, computer.time, computer.status, dict(computer.memory.pages())


@given(before=st.integers(0, 14_000), ticks=st.integers(0, 120), good_enough=st.integers(0, 40))
@settings(max_examples=25, deadline=None)
def test_a_migration_at_any_moment_is_invisible_to_the_guest(before, ticks, good_enough):
    vm, target = pair()
    run(vm, before)
    moved = migrate(vm, target, cable=Cable(ticks), good_enough=good_enough).moved
    assert vm not in vm.hypervisor.vms
    run(moved)
    assert final(moved) == final(alone())


@pytest.mark.parametrize("shadow", ["lazy", "eager", "traced"])
def test_under_every_policy_of_shadows(shadow):
    vm, target = pair(shadow=shadow)
    run(vm, 4000)
    moved = arrived(migrate(vm, target))
    assert moved.technique.kind == ("trap-and-emulate", shadow)
    assert final(run(moved)) == final(alone())


def test_what_arrives_is_what_left():
    vm, target = pair()
    run(vm, 6000)
    migration = Migration(vm, target, cable=Cable(0))
    while migration.last != "state":
        migration.step()
    before = vm.snapshot()
    migration.run()
    assert arrived(migration).snapshot() == before
    assert not arrived(migration).paused


def test_from_and_to_a_virtual_machine():
    machine = Machine(memory="8M")
    inner = Hypervisor(Hypervisor(machine).create_vm(memory="4M"))
    vm = inner.create_vm(KERNEL, memory="1M", name="guest")
    machine.run(5000)
    outer = Hypervisor(Machine(memory="6M"))
    moved = arrived(migrate(vm, outer))
    moved.history.machine.run(3000)
    machine.run(100)
    back = arrived(migrate(moved, inner))
    assert final(run(back)) == final(alone())


def test_rounds_shrink_and_the_last_is_the_downtime():
    vm, target = pair()
    run(vm, 3000)
    migration = migrate(vm, target, cable=Cable(100))
    assert [each.paused for each in migration.rounds] == [False] * (len(migration.rounds) - 1) + [True]
    assert migration.rounds[0].pages == len(vm.memory.frames) or migration.rounds[0].pages > 8
    assert migration.rounds[-1].pages < migration.rounds[0].pages
    assert migration.downtime == migration.rounds[-1].ticks > 0
    assert sum(each.bytes for each in migration.rounds) < migration.cable.bytes
    assert "was carried over" in repr(migration)


def test_a_guest_that_writes_faster_than_the_cable_is_paused_all_the_same():
    busy = assemble("""
        li   s0, 0x80010000
        li   s2, 0x80030000
    1:  mv   t0, s0
    2:  sd   t0, 0(t0)
        li   t1, 4096
        add  t0, t0, t1
        bltu t0, s2, 2b
        j    1b
    """)
    vm, target = pair(busy, "256K")
    run(vm, 2000)
    migration = migrate(vm, target, cable=Cable(5000))
    assert len(migration.rounds) <= 4
    assert migration.rounds[-1].pages >= 30
    assert migration.moved is not None


def test_its_guest_time_stands_still_in_the_downtime():
    vm, target = pair()
    run(vm, 3000)
    migration = Migration(vm, target)
    while not vm.paused:
        migration.step()
    time = vm.time
    migration.run()
    assert arrived(migration).time == time


def messages_of_a_whole_one():
    vm, target = pair()
    run(vm, 3000)
    return migrate(vm, target).cable.messages


@pytest.mark.parametrize("cut", [0, 1, 2, 9, -4, -3, -2, -1])
def test_a_cut_at_each_step_leaves_the_source_running(cut):
    after = cut if cut >= 0 else messages_of_a_whole_one() + cut
    vm, target = pair()
    run(vm, 3000)
    free = target.free
    migration = migrate(vm, target, cable=Cable(cut_after=after))
    assert migration.moved is None
    assert f"message {after + 1}" in repr(migration)
    assert not target.vms
    assert target.free == free
    assert not vm.paused
    assert final(run(vm)) == final(alone())


def test_after_a_cut_it_can_be_tried_again():
    vm, target = pair()
    run(vm, 3000)
    migrate(vm, target, cable=Cable(cut_after=20))
    moved = migrate(vm, target).moved
    assert final(run(moved)) == final(alone())


def test_one_that_was_paused_stays_paused_wherever_it_is():
    vm, target = pair()
    run(vm, 3000)
    vm.pause()
    migrate(vm, target, cable=Cable(cut_after=5))
    assert vm.paused
    assert arrived(migrate(vm, target)).paused


def test_a_target_without_room_says_so_and_the_source_goes_on():
    vm, _target = pair()
    small = Hypervisor(Machine(memory="2M"))
    with pytest.raises(VlabError, match="KiB are needed"):
        migrate(vm, small)
    assert not small.vms
    assert final(run(vm)) == final(alone())


def test_it_cannot_go_where_it_is():
    vm, _target = pair()
    with pytest.raises(VlabError, match="on this computer already"):
        migrate(vm, vm.hypervisor)


def test_it_is_of_a_virtual_machine_and_goes_to_a_hypervisor():
    vm, target = pair()
    wrong: list[Any] = [(target, target), (vm, target.computer), (vm, None), (vm.history.machine, target)]
    for what, where in wrong:
        with pytest.raises(VlabError, match="of a virtual machine, to a hypervisor"):
            migrate(what, where)
    assert not target.vms


@pytest.mark.parametrize("wrong", [{"ticks": -1}, {"cut_after": -1}])
def test_a_cable_that_cannot_be(wrong):
    with pytest.raises(VlabError, match="can't be so"):
        Cable(**wrong)


def test_a_disk_goes_with_it():
    disk = Disk(bytes(range(256)) * 256)
    source, target = Hypervisor(Machine(memory="4M")), Hypervisor(Machine(memory="4M"))
    vm = source.create_vm(memory="256K", name="guest")
    vm.attach(VirtioBlock(disk))
    vm.attach(Cards())
    vm.load(guests.load("cms"))
    run(vm, 100_000)
    migration = migrate(vm, target)
    there = device_in(arrived(migration), "disk").disk
    assert there is not disk
    assert there.read(0, disk.sectors) == disk.read(0, disk.sectors)
    # The blocks went ahead, while it ran; the state only names them.
    assert migration.rounds[-1].bytes < 64 * 1024


# Hostile messages


@cache
def recorded():
    """All messages of a migration."""
    sent = []

    class Tap(Cable):
        def carry(self, message):
            sent.append(message)
            return super().carry(message)

    vm, target = pair(guests.load("hello"), "64K")
    run(vm, 100)
    migrate(vm, target, cable=Tap())
    return tuple(sent)


def take(messages):
    """A target takes these messages; its state afterwards, or None if it refused one."""
    target = Hypervisor(Machine(memory="2M"))
    receiver = Receiver(target)
    try:
        for message in messages:
            receiver.take(message)
    except VlabError:
        receiver.give_up()
        assert not target.vms
        return None
    return receiver


def test_recorded_messages_are_of_every_kind():
    assert {message[0] for message in recorded()} >= {0, 1, 3, 4}
    assert take(recorded()).vm is not None
    assert len(Kind) == 5


@given(data=st.data())
@settings(deadline=None)
def test_a_flipped_bit_is_refused(data):
    number = data.draw(st.integers(0, len(recorded()) - 1))
    at = data.draw(st.integers(0, len(recorded()[number]) - 1))
    wrong = bytearray(recorded()[number])
    wrong[at] ^= 1 << data.draw(st.integers(0, 7))
    assert take([*recorded()[:number], bytes(wrong), *recorded()[number + 1 :]]) is None


@given(
    data=st.data(),
    kind=st.integers(0, 6),
    payload=st.binary(max_size=64) | st.sampled_from([b"{}", b"[", b"null", b"1" * 5000]),
)
@settings(deadline=None)
def test_a_forged_message_is_refused_or_harmless(data, kind, payload):
    number = data.draw(st.integers(0, len(recorded()) - 1))
    forged = _FRAME.pack(kind, crc32(payload)) + payload
    take([*recorded()[:number], forged, *recorded()[number:]])


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_messages_in_another_order_are_refused_or_right(data):
    order = data.draw(st.permutations(range(len(recorded()))))
    taken = take([recorded()[number] for number in order])
    if taken is not None and taken.vm is not None:
        assert final(run(taken.vm)) == final(alone(guests.load("hello"), "64K"))


# Other hands, meanwhile


def restored(migration, _other):
    migration.vm.restore(OLD[0])


def rewound(migration, _other):
    migration.vm.history.machine.restore(OLD[1])


def read_by_another(migration, _other):
    migration.vm.take_written()


def logged_anew(migration, _other):
    migration.vm.log_writes()


def unlogged(migration, _other):
    migration.vm.stop_logging()


def carried_elsewhere_too(migration, other):
    other.step()
    other.step()


def gone_on(migration, _other):
    migration.vm.resume()
    run(migration.vm, 300)


def gone_on_and_stopped(migration, other):
    paused = migration.vm.paused
    gone_on(migration, other)
    if paused:
        migration.vm.pause()


def typed(migration, _other):
    migration.vm.type("x")


OLD = [None, None]


@pytest.mark.parametrize(
    "hand",
    [
        restored,
        rewound,
        read_by_another,
        logged_anew,
        unlogged,
        carried_elsewhere_too,
        gone_on,
        gone_on_and_stopped,
        typed,
    ],
)
@pytest.mark.parametrize("when", ["page", "paused", "state"])
def test_what_other_hands_do_meanwhile_is_carried_or_ends_it(hand, when):
    vm, target = pair()
    run(vm, 2000)
    OLD[:] = vm.snapshot(), vm.history.machine.snapshot()
    run(vm, 6000)
    migration = Migration(vm, target, cable=Cable(300))
    other = Migration(vm, Hypervisor(Machine(memory="6M")))
    while not (migration.rounds if when == "page" else vm.paused):
        migration.step()
    while when == "state" and migration.last != "state":
        migration.step()
    hand(migration, other)
    migration.run()
    other.cancel()
    assert (migration.moved is None) == ("somebody else" in repr(migration))
    assert (migration.moved is None) == (vm in vm.hypervisor.vms)
    there = migration.moved or vm
    assert not there.paused
    if migration.moved is None:
        assert not target.vms
        assert vm.memory.log is None or hand in (read_by_another, logged_anew)  # it is theirs
    assert final(run(there)) == final(alone())


def test_who_is_paused_on_the_way_stays_paused():
    vm, target = pair()
    run(vm, 3000)
    migration = Migration(vm, target)
    for _message in range(5):
        migration.step()
    vm.pause()
    assert arrived(migration.run()).paused


def test_a_target_that_loses_it_leaves_the_source_running():
    vm, target = pair()
    empty = target.computer.snapshot()
    run(vm, 3000)
    migration = Migration(vm, target)
    for _message in range(5):
        migration.step()
    target.computer.restore(empty)
    with pytest.raises(VlabError, match="is no more"):
        migration.run()
    assert "is no more" in repr(migration)
    assert not vm.paused
    assert final(run(vm)) == final(alone())


def test_a_source_that_is_gone_leaves_nothing_at_the_target():
    vm, target = pair()
    run(vm, 3000)
    migration = Migration(vm, target)
    for _message in range(5):
        migration.step()
    vm.hypervisor.remove(vm)
    assert "somebody else" in repr(migration.run())
    assert repr(migration).endswith("It is no more where it was either.")
    assert not target.vms


def test_an_interruption_is_no_refusal(monkeypatch):
    vm, target = pair()
    migration = Migration(vm, target)
    migration.step()
    monkeypatch.setattr(Machine, "run", lambda *_args, **_how: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        migration.run()
    assert "was interrupted" in repr(migration)
    assert not target.vms


@pytest.mark.parametrize("memory", [[], 5, None, "x", {}, {"base": 1}])
def test_a_state_without_a_memory_is_refused(memory):
    (payload,) = (message[_FRAME.size :] for message in recorded() if message[0] == Kind.STATE)
    (length,) = NUMBER.unpack_from(payload)
    header = json.loads(payload[NUMBER.size : NUMBER.size + length])
    memory = {"d": [*memory.items()]} if isinstance(memory, dict) else memory
    text = json.dumps({"d": [*(dict(header["d"]) | {"memory": memory}).items()]}).encode()
    forged = NUMBER.pack(len(text)) + text + payload[NUMBER.size + length :]
    assert take([recorded()[0], framed(Kind.STATE, forged)]) is None


@pytest.mark.parametrize("number", [0, 1, -2, -1])
def test_after_the_commit_nothing_is_taken(number):
    receiver = take(recorded())
    with pytest.raises(VlabError, match="at the wrong moment"):
        receiver.take(recorded()[number])


def test_a_name_that_is_no_text_is_carried():
    hypervisor = Hypervisor(Machine(memory="4M"))
    vm = hypervisor.create_vm(guests.load("hello"), memory="64K", name="a")
    vm.name = "\ud800"
    moved = migrate(vm, Hypervisor(Machine(memory="4M"))).moved
    assert moved is not None
    assert moved.name == "\ud800"
    assert final(run(moved)) == final(alone(guests.load("hello"), "64K"))


def test_numbers_and_cables_that_cannot_be() -> None:
    vm, target = pair()
    wrong: list[dict[str, Any]] = [
        {"good_enough": "8"},
        {"good_enough": -1},
        {"most_rounds": None},
        {"cable": 5},
    ]
    for options in wrong:
        with pytest.raises(VlabError, match="A migration can't be so"):
            migrate(vm, target, **options)
    assert target.vms == []


def test_who_is_no_more_cannot_go() -> None:
    vm, target = pair()
    vm.hypervisor.remove(vm)
    with pytest.raises(VlabError, match="is no more"):
        migrate(vm, target)
