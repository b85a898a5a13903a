from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.towers import finished, tower
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.riscv import Access, Mode, assemble

USER_CODE = 0x4000_0000
KERNEL = guests.load("kernel", TICK=300, LETTERS=2, PRIMES=100)


@pytest.fixture(scope="module")
def running():
    """The kernel, stopped while one of its processes runs."""
    built = tower(KERNEL, 1)
    built.machine.run(until=lambda: built.guest.mode == Mode.U and built.vms[0].exits["timer"] > 2)
    built.machine.run(100)
    return built


def test_a_process_address_has_three_names(running):
    vm = running.vms[0]
    chain = vm.chain(USER_CODE + 4, "fetch")
    assert (chain.gva, chain.access, chain.mode, chain.place) == (USER_CODE + 4, Access.FETCH, "U", "memory")
    assert chain.gpa == KERNEL.symbols["process_a"] + 4 or chain.gpa == KERNEL.symbols["process_b"] + 4
    assert chain.hpa == vm.memory.host_address(chain.gpa)
    assert running.machine.memory.load(chain.hpa, 4) == vm.memory.load(chain.gpa, 4)
    assert chain.guest.physical == chain.gpa


def test_the_shadow_leads_to_the_same_place_at_once(running):
    found = 0
    for page in range(USER_CODE, USER_CODE + 0x3000, 0x1000):
        for access in Access:
            chain = running.vms[0].chain(page, access)
            if chain.shadow is not None and chain.shadow.fault is None:
                assert chain.shadow.physical == chain.hpa
                assert repr(chain).endswith(f"→ GPA {chain.gpa:#x} → HPA {chain.hpa:#x}; the shadow has it")
                found += 1
    assert found


def test_looking_fills_nothing_and_sets_no_bits(running):
    before = running.machine.snapshot()
    for page in range(0x4000_0000, 0x4000_4000, 0x1000):
        for access in Access:
            running.vms[0].chain(page, access)
    assert running.machine.snapshot() == before


def test_where_the_guests_table_faults_there_is_no_more(running):
    chain = running.vms[0].chain(0x5000_0000, "store")
    assert (chain.gpa, chain.hpa, chain.place) == (None, None, "nothing")
    assert "store of GVA 0x50000000 in U → the guest's own table faults" in repr(chain)


def test_devices_and_holes():
    built = tower(guests.load("hello"), 1)
    chains = {address: built.vms[0].chain(address) for address in (0x1000_0000, 0x3000_0000, 0x8000_0000)}
    assert [chain.place for chain in chains.values()] == ["uart", "nothing", "memory"]
    assert [chain.hpa is None for chain in chains.values()] == [True, True, False]
    assert chains[0x1000_0000].guest is None
    assert chains[0x8000_0000].shadow is None
    assert repr(chains[0x1000_0000]) == ("load of GVA 0x10000000 in M unpaged → GPA 0x10000000 (uart)")


@pytest.mark.parametrize("address", [-1, 1 << 64])
def test_what_is_no_address_is_refused(running, address):
    with pytest.raises(VlabError, match="not an address of 64 bits"):
        running.vms[0].chain(address)


def test_what_is_no_access_is_refused(running):
    with pytest.raises(VlabError, match="There is no access 'look'"):
        running.vms[0].chain(0, "look")


@given(st.integers(0, (1 << 64) - 1), st.sampled_from(Access), st.integers(0, 30_000))
@settings(max_examples=40)
def test_it_can_be_asked_at_any_moment_of_any_vm(address, access, steps):
    built = tower(KERNEL, 2)
    built.machine.run(steps)
    for vm in built.vms:
        for place in (address, USER_CODE, 0x8000_0000, 0x1000_0000):
            chain = vm.chain(place, access)
            assert repr(chain)
            if chain.shadow is not None and chain.shadow.fault is None and chain.gpa is not None:
                assert chain.shadow.physical == chain.hpa


def test_with_the_eyes_of_another_mode():
    body = "li t0, 3<<11\ncsrc mstatus, t0\nli t0, 1<<17\ncsrs mstatus, t0\n1: j 1b"
    vm = tower(assemble(body), 1)
    vm.machine.run(200)
    assert vm.vms[0].chain(0x8000_0000, "load").mode == "U unpaged"
    assert vm.vms[0].chain(0x8000_0000, "fetch").mode == "M unpaged"


def test_a_vm_that_is_off():
    assert finished(guests.load("tiny"), 1).vms[0].chain(0x8000_0000).place == "memory"


def test_the_guests_table_loaded_raw_names_other_memory():
    machine = Machine(memory="4M")
    vm: Any = Hypervisor(machine).create_vm(guests.load("kernel"), memory="1M")
    machine.run(until=lambda: vm.mode == Mode.U and vm.running)
    chain = vm.chain(0x4000_1000)
    raw = vm.raw_walk(0x4000_1000)
    assert [step.address for step in raw.steps] == [chain.guest.steps[0].address]
    assert raw.fault  # the hypervisor's own page there holds no table
    first = chain.guest.root
    for step in chain.guest.steps:  # even with a copy of its tables there, the page is the hypervisor's
        place = step.address & -4096
        machine.memory.poke(place, vm.memory.peek(place, 4096))
    raw = vm.raw_walk(0x4000_1000)
    assert (raw.root, raw.physical) == (first, chain.gpa)
    assert raw.physical != chain.hpa
    with pytest.raises(VlabError):
        vm.raw_walk(-1)


def test_an_unpaged_guest_has_no_table_to_load_raw():
    assert Hypervisor(Machine(memory="4M")).create_vm(guests.load("tiny"), memory="1M").raw_walk(0) is None
