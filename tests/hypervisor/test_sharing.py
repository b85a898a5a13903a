"""Clones: pages that two VMs share until one of them writes; neither can tell, and nothing leaks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.inspector import leaves, own_frames, running
from tests.hypervisor.policies.setting import paged
from tests.hypervisor.programs import MEMORY
from tests.hypervisor.programs import guests as random_guests
from tests.hypervisor.test_saving import RESERVING
from tests.hypervisor.towers import POLICIES, difference, end, finished, tower
from tests.parts import hypervisor_in
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.host import Host
from vlab.hypervisor.inventory import SHADOW_FRAMES
from vlab.hypervisor.sharing import SPARE
from vlab.language import VlabError
from vlab.machine import Machine, Stop
from vlab.machine.memory import PAGE
from vlab.riscv import assemble

KERNEL = guests.load("kernel", TICK=200, LETTERS=1, PRIMES=100, WORK=50)
ROOM = 1 << 18  # for the kernel: an eager shadow has an entry for each page of it
WRITER = assemble(
    "la t0, x\nli t2, 4096\n1: sd t2, (t0)\nadd t0, t0, t2\nld t1, (t0)\nadd t0, t0, t2\nj 1b\n"
    ".data\n.balign 4096\nx: .zero 819200"
)
ECHO = assemble(
    "li t0, 0x10000000\nla s1, x\n1: lbu t1, 5(t0)\nandi t1, t1, 1\nbeqz t1, 1b\nlbu a0, (t0)\nsb a0, (t0)\n"
    "sb a0, (s1)\naddi s1, s1, 1\nj 1b\n.data\n.balign 4096\nx: .zero 4096"
)


def cloned(image, depth=1, steps=1000, *, memory=1 << 20, shadow="lazy", spare=2 << 20):
    """A guest that has run for so long, and its clone, some hypervisors deep: machine, parent, clone."""
    inside = Hypervisor.memory_for(memory) + Hypervisor.room_for(0) + spare
    machine = Machine(memory=inside if depth == 1 else Hypervisor.memory_for(inside))
    computer = machine if depth == 1 else Hypervisor(machine).create_vm(memory=inside, shadow=shadow)
    parent = Hypervisor(computer, time_slice=97).create_vm(image, memory=memory, shadow=shadow)
    machine.run(steps)
    return machine, parent, parent.clone()


def memory_of(vm):
    return vm.memory.peek(vm.memory.base, vm.memory.size)


def sharers(machine, vms):
    """No two of these VMs can write to one frame, and none reaches what is not its own: an inspector's look."""
    for vm in vms:
        for shadow in vm.technique.shadow.shadows.values():
            for parts in shadow.filled.values():
                for part in parts:
                    entry = shadow.table.find(part)
                    holders = [other for other in vms if entry.physical // PAGE in other.memory.frames]
                    assert vm in holders
                    assert "W" not in str(entry.flags) or holders == [vm]
    one = running(machine, vms[:1]) or running(machine, vms[1:2])
    if one is not None:
        assert set(leaves(machine, machine.hart.csr.values["satp"]).values()) <= own_frames(one)


@given(
    random_guests(),
    st.integers(0, 600),
    st.lists(st.integers(1, 700), min_size=1, max_size=4),
    st.sampled_from((1, 1, 2)),
    st.sampled_from(POLICIES),
    st.binary(max_size=8),
)
@settings(max_examples=40)
def test_parent_and_clone_each_end_as_a_bare_machine(guest, steps, pieces, depth, shadow, typed):
    bare = tower(guest.program, 0, memory=MEMORY)
    if bare.machine.run(10_000) is Stop.LIMIT:
        return
    machine, parent, clone = cloned(guest.program, depth, steps * depth, memory=MEMORY, shadow=shadow)
    saved = parent.snapshot()
    assert difference(clone.snapshot().state, saved.state) == []
    texts = {parent: typed[:4].hex(), clone: typed[4:].hex()}
    for vm, text in texts.items():
        vm.type(text)
    for piece in pieces:
        machine.run(piece * depth)
        if depth == 1:
            sharers(machine, [parent, clone])
    assert machine.run(3_000_000) is not Stop.LIMIT
    for vm, text in texts.items():
        alone = Machine(memory=MEMORY)
        alone.restore(saved)
        alone.type(text)
        alone.run(3_000_000)
        assert difference(end(vm), end(alone)) == []


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("shadow", POLICIES)
def test_a_kernel_and_its_clones(depth, shadow):
    machine, parent, clone = cloned(KERNEL, depth, 3000 * depth, memory=ROOM, shadow=shadow)
    third = clone.clone("third")
    assert (clone.name, third.name) == ("vm2", "third")
    assert machine.run(3_000_000) is Stop.ASLEEP
    for vm in (parent, clone, third):
        assert difference(end(vm), end(finished(KERNEL, 0, memory=ROOM).guest)) == []
    assert sum(vm.exits["copy on write"] for vm in (parent, clone, third)) > 2
    assert len({frozenset(vm.memory.frames) for vm in (parent, clone, third)}) == 3


@pytest.mark.parametrize("shadow", POLICIES)
def test_free_memory_shrinks_by_what_is_written(shadow):
    machine, parent, clone = cloned(None, 1, 0, shadow=shadow)
    hypervisor = parent.hypervisor
    hypervisor.remove(clone)
    parent.load(WRITER)
    machine.run(100)
    before = hypervisor.free
    clone = parent.clone()
    assert (before - hypervisor.free) // PAGE == SHADOW_FRAMES
    assert not clone.paused and memory_of(clone) == memory_of(parent)
    before = hypervisor.free
    machine.run(3000)
    copies = parent.exits["copy on write"] + clone.exits["copy on write"]
    assert copies > 20
    assert before - hypervisor.free == copies * PAGE
    private = parent.memory.frames, clone.memory.frames
    assert sum(one != other for one, other in zip(*private, strict=True)) >= copies // 2
    whole = hypervisor.memory_map()
    states = {region.state for region in whole.spaces[-1].regions}
    assert states == {"private", "copy-on-write"}
    assert whole.shared() == sum(one == other for one, other in zip(*private, strict=True)) * PAGE


@pytest.mark.parametrize("who", [0, 1])
def test_who_is_removed_gives_back_just_what_was_its_own(who):
    machine, *vms = cloned(KERNEL, 1, 3000)
    machine.run(2000)
    gone, left = vms[who], vms[1 - who]
    hypervisor, before = left.hypervisor, left.snapshot()
    own = set(gone.memory.frames) - set(left.memory.frames)
    free = hypervisor.free
    hypervisor.remove(gone)
    assert (hypervisor.free - free) // PAGE == len(own) + SHADOW_FRAMES
    assert all(machine.memory.peek(frame * PAGE, PAGE) == bytes(PAGE) for frame in own)
    assert difference(left.snapshot().state, before.state) == []
    assert left.memory.shared == set()
    machine.run()
    assert difference(end(left), end(finished(KERNEL, 0).guest)) == []
    hypervisor.remove(left)
    assert hypervisor.free == machine.memory.size - (1 << 20)


def test_a_poke_reaches_one_alone_even_while_it_runs():
    reader = assemble("la t0, x\n1: ld s0, (t0)\nj 1b\n.data\n.balign 4096\nx: .dword 1")
    machine, parent, clone = cloned(reader, 1, 300)
    machine.run(300)
    for number, vm in enumerate((parent, clone), 2):
        machine.run(until=lambda vm=vm: vm.running)
        vm.memory.poke(reader.symbols["x"], bytes([number]))
        machine.run(40)  # less than its turn, at the end of which all would be fenced
        assert vm.hart.x[8] == number
    machine.run(1000)
    assert (parent.hart.x[8], clone.hart.x[8]) == (2, 3)


@pytest.mark.parametrize("shadow", POLICIES)
def test_a_store_of_one_that_sees_the_page_twice_is_seen_at_both_places(shadow):
    """A read-only entry for the same page elsewhere must go when the page moves."""
    # other[1] leads to `page` too, so it is at t0 and, to be read only, at t0 + 4096.
    twice = paged(
        "li t4, 0xc3\nla t5, page\nsrli t5, t5, 2\nor t5, t5, t4\nsd t5, 8(t3)\nli t4, 4096\nadd t4, t4, t0\n"
        "sfence.vma\n1: ld s5, (t4)\nwfi\nld s5, (t4)\nsd t4, (t0)\nld s6, (t4)\n2: j 2b"
    )
    machine, parent, clone = cloned(twice, 1, 3000, shadow=shadow)
    alone = Machine(memory=parent.memory.size)
    alone.restore(parent.snapshot())
    for vm in (parent, clone, alone):
        vm.hart.waiting = False
    for computer in (machine, alone):
        computer.run(3000)
    assert alone.hart.x[22] == alone.hart.x[29] != 0
    assert (parent.hart.x[22], clone.hart.x[22]) == (alone.hart.x[22],) * 2
    assert memory_of(parent) == memory_of(clone) == memory_of(alone)


def test_a_reservation_outlives_the_copy():
    machine, parent, _clone = cloned(RESERVING, 1, 0)
    alone = end(finished(RESERVING, 0).guest)
    while machine.run(1) is Stop.LIMIT and parent.status != 0:
        if machine.steps % 3 == 0 and len(parent.hypervisor.vms) < 8 and not parent.running:
            parent.clone()
    machine.run()
    for vm in parent.hypervisor.vms:
        assert difference(end(vm), alone) == []


def test_the_log_and_pokes_of_one_are_not_the_others():
    machine, parent, clone = cloned(WRITER, 1, 100)
    parent.log_writes()
    before = memory_of(parent), memory_of(clone)
    clone.memory.poke(clone.memory.base + 5 * PAGE, b"poked")
    clone.memory.store(clone.memory.base + 6 * PAGE, 8, 7)
    assert (parent.take_written(), memory_of(parent)) == (frozenset(), before[0])
    machine.run(400)
    after, written = memory_of(parent), parent.take_written()
    pages = {
        at // PAGE for at in range(0, len(after), PAGE) if after[at : at + PAGE] != before[0][at : at + PAGE]
    }
    assert pages and pages <= written


def test_a_clone_of_a_vm_with_a_hypervisor_in_it():
    built = tower(KERNEL, 2)
    outer = built.vms[0]
    machine = Machine(memory=2 * built.machine.memory.size)
    parent = Hypervisor(machine, time_slice=97).create_vm(memory=outer.memory.size)
    inner = Hypervisor(parent).create_vm(KERNEL, memory="1M")
    machine.run(20_000)
    free = parent.hypervisor.free
    clone = parent.clone()
    assert (free - parent.hypervisor.free) // PAGE == SHADOW_FRAMES
    twin = hypervisor_in(clone).vms[0]
    machine.run()
    for vm in (inner, twin):
        assert difference(end(vm), end(finished(KERNEL, 0).guest)) == []


@pytest.mark.parametrize("shadow", POLICIES)
def test_sharing_is_saved_and_rewound_and_the_reader_keeps_the_objects(shadow):
    machine, parent, clone = cloned(KERNEL, 1, 2000, memory=ROOM, shadow=shadow)
    seen = []
    while machine.run(701) is Stop.LIMIT:
        seen.append((machine.snapshot(), set(parent.memory.shared)))
    last = machine.snapshot()
    assert len({len(shared) for _saved, shared in seen}) > 1
    for saved, shared in reversed(seen[::4]):
        machine.goto(saved.time - saved.state["skipped"])
        assert (machine.snapshot(), parent.memory.shared, parent.hypervisor.vms) == (
            saved,
            shared,
            [parent, clone],
        )
        other = Machine(memory=machine.memory.size)
        other.restore(saved)
        assert hypervisor_in(other).vms[0].memory.shared == shared
        other.run()
        assert difference(other.snapshot().state, last.state) == []


def test_who_finds_no_frame_waits_for_one():
    machine, parent, clone = cloned(WRITER, 1, 100, spare=SPARE * PAGE)
    assert machine.run(100_000) is Stop.ASLEEP
    assert parent.starved and clone.starved and not parent.paused
    with pytest.raises(VlabError, match="KiB are needed"):
        parent.clone()
    before = parent.time
    parent.hypervisor.remove(clone)
    machine.run(5000)
    assert (parent.starved, parent.time > before) == (False, True)


def test_a_poke_without_a_frame_is_refused_and_nothing_is_written():
    _machine, parent, clone = cloned(WRITER, 1, 100, spare=SPARE * PAGE)
    parent.hypervisor._frames.take(parent.hypervisor.free // PAGE, "other")
    before = memory_of(parent)
    with pytest.raises(VlabError, match="KiB are needed"):
        parent.memory.poke(parent.memory.base, b"x")
    assert memory_of(parent) == memory_of(clone) == before


def test_two_that_share_and_what_each_types():
    machine, parent, clone = cloned(ECHO, 1, 500)
    parent.type("parent")
    clone.type("clone")
    machine.run(20_000)
    place = ECHO.symbols["x"]
    assert (parent.console, clone.console) == ("parent", "clone")
    assert (parent.memory.peek(place, 6), clone.memory.peek(place, 6)) == (b"parent", b"clone\0")


def test_what_cannot_be_cloned():
    built = tower(KERNEL, 1)
    with pytest.raises(VlabError, match="KiB are needed"):
        built.vms[0].clone()
    assert len(built.vms[0].hypervisor.vms) == 1
    Machine.load(built.machine, KERNEL)
    with pytest.raises(VlabError, match="no more"):
        built.vms[0].clone()


def test_clones_on_a_host_are_processes_whose_tables_follow():
    machine = Machine(memory="16M")
    host = Host(machine)
    host.add_user("ana", ["vm"])
    host.install_hypervisor()
    parent = host.create_vm(KERNEL, memory="1M", user="ana")
    machine.run(8000)
    clone = parent.clone("twin")
    assert (host.process_of(clone).user, host.process_of(clone).name) == ("ana", "twin")
    machine.run()
    for vm in (parent, clone):
        assert difference(end(vm), end(finished(KERNEL, 0).guest)) == []
        for page in range(256):
            gpa = vm.memory.base + page * PAGE
            process = host.process_of(vm)
            hva = process.address_of(gpa)
            assert vm.hypervisor.process_address(vm, gpa) == hva
            assert process.walk(hva).physical == vm.memory.host_address(gpa)
    assert parent.exits["copy on write"] + clone.exits["copy on write"] > 0
    free = host.frames.free
    host.stop(clone)
    assert host.frames.free > free + SHADOW_FRAMES
    machine.run(100)
    assert machine.snapshot().time > 0
