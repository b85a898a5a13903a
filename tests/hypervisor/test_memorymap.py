import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.towers import tower
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.memorymap import Region, memory_map
from vlab.machine import Machine
from vlab.machine.memory import PAGE

KERNEL = guests.load("kernel", TICK=300, LETTERS=2, PRIMES=100)


@pytest.fixture
def two():
    """A hypervisor with two VMs, the first of which has run."""
    machine = Machine(memory="16M")
    hypervisor = Hypervisor(machine)
    vms = [hypervisor.create_vm(KERNEL, memory="1M"), hypervisor.create_vm(memory="2M")]
    machine.run(3000)
    return hypervisor, vms


def owner(space, address):
    return next(
        region for region in space.regions if region.address <= address < region.address + region.size
    )


def test_every_frame_of_the_machine_has_its_use(two):
    hypervisor, vms = two
    machine = hypervisor.memory_map().spaces[-1]
    assert [region.address for region in machine.regions] == [
        machine.base,
        *(region.address + region.size for region in machine.regions[:-1]),
    ]
    assert sum(region.size for region in machine.regions) == machine.size == 16 << 20
    assert machine.regions[0] == Region(0x8000_0000, 1 << 20, (), "own")
    assert machine.regions[-1].use == "free"
    for vm in vms:
        for frame in vm.memory.frames:
            assert owner(machine, frame * PAGE)[2:] == ((vm.name,), "memory", "private")
    shadow = vms[0].technique.shadow
    standing = {frame for frame in vms[0].technique.frames if owner(machine, frame * PAGE).use == "tables"}
    assert standing == set(shadow.frames()) != set()
    assert {one.table.root // PAGE for one in shadow.shadows.values()} <= standing


def test_a_link_says_where_memory_lies(two):
    hypervisor, vms = two
    mapped = hypervisor.memory_map()
    assert [(space.name, space.level) for space in mapped.spaces] == [("vm1", 1), ("vm2", 1), ("machine", 0)]
    for number, vm in enumerate(vms):
        for gpa in (vm.memory.base, vm.memory.base + vm.memory.size - 1):
            assert mapped.host_address(number, gpa) == vm.memory.host_address(gpa)
        assert mapped.host_address(number, vm.memory.base - 1) is None
    assert mapped.host_address(2, 0x8000_0000) == 0x8000_0000
    assert mapped.host_address(2, 0) is None
    assert repr(mapped) == "Memory map of 16 MiB at 0x80000000: vm1 1 MiB (level 1), vm2 2 MiB (level 1)"


def test_a_vm_shows_itself_and_what_it_lies_in(two):
    _hypervisor, vms = two
    mapped = vms[1].memory_map()
    assert [space.name for space in mapped.spaces] == ["vm2", "machine"]
    assert owner(mapped.spaces[1], vms[0].memory.frames[0] * PAGE).owners == ("vm1",)


def test_vms_in_vms():
    built = tower(KERNEL, 3)
    built.machine.run(20_000)
    outer, middle, inner = built.vms
    wholes = [
        outer.memory_map(),
        inner.memory_map(),
        middle.hypervisor.memory_map(),
        inner.hypervisor.memory_map(),
    ]
    for mapped in wholes:
        assert [space.level for space in mapped.spaces] == [3, 2, 1, 0]
        for gpa in (0x8000_0000, 0x8000_5678):
            there = outer.memory.host_address(middle.memory.host_address(inner.memory.host_address(gpa)))
            assert mapped.host_address(0, gpa) == there
    assert {region.use for region in wholes[0].spaces[1].regions} == {"own", "memory", "tables", "pool"}
    assert {region.use for region in wholes[0].spaces[0].regions} == {"program"}


def test_frames_in_two_maps_are_shared(two):
    hypervisor, vms = two
    vms[1].memory.frames[3:5] = vms[0].memory.frames[16:18]
    mapped = hypervisor.memory_map()
    assert mapped.shared() == 2 * PAGE
    assert repr(mapped).endswith("; 8 KiB shared")
    for space, gpa in ((0, 0x8001_0000), (1, 0x8000_3000)):
        region = owner(mapped.spaces[space], gpa)
        assert (region.state, region.owners, region.size) == ("shared", ("vm1", "vm2"), 2 * PAGE)
        assert region.address == gpa
    assert owner(mapped.spaces[0], 0x8001_2000).state == "private"


def test_a_machine_without_vms():
    assert repr(memory_map(Machine(memory="1M"), [])) == (
        "Memory map of 1 MiB at 0x80000000: no virtual machines"
    )
    assert Hypervisor(Machine(memory="4M")).memory_map().spaces[0].regions[1].use == "free"


@given(st.permutations(range(12)), st.integers(0, 11))
@settings(max_examples=40, deadline=None)
def test_scattered_frames_keep_their_addresses(order, shared):
    hypervisor = Hypervisor(Machine(memory="4M"))
    vms = [hypervisor.create_vm(memory=12 * PAGE), hypervisor.create_vm(memory=12 * PAGE)]
    vms[0].memory.frames[:] = [vms[0].memory.frames[n] for n in order]
    vms[1].memory.frames[0] = vms[0].memory.frames[shared]
    mapped = hypervisor.memory_map()
    assert mapped.shared() == PAGE
    for number, vm in enumerate(vms):
        space = mapped.spaces[number]
        assert sum(region.size for region in space.regions) == space.size
        for page in range(12):
            gpa = vm.memory.base + page * PAGE
            assert mapped.host_address(number, gpa) == vm.memory.host_address(gpa)
            lies = owner(mapped.spaces[-1], vm.memory.host_address(gpa))
            assert lies.state == owner(space, gpa).state
