"""What is particular about the exercises of lesson 03: their rules are those of the package's own parts."""

from random import Random

import pytest

from vlab import Hypervisor, Machine
from vlab.course.checking import key
from vlab.course.exercises import find
from vlab.hypervisor.host import VM_OFFSET, Host
from vlab.language import VlabError
from vlab.operations import Farm


def test_the_rights_are_those_of_a_host():
    host = Host(Machine(memory="8M"))
    host.add_user("ana", groups=["vm"])
    host.add_user("eva")
    deeds = {
        "install": host.install_hypervisor,
        "create": lambda user: host.create_vm(memory="64K", user=user),
    }
    for installed in (False, True):
        for user, groups in (("eva", []), ("ana", ["vm"])):
            for deed, do in deeds.items():
                allowed = key("03-1").answer((user, groups, deed, "", installed))
                assert allowed is _done(do, user)
        if not installed:
            assert key("03-1").answer(("root", [], "install", "", False))
            host.install_hypervisor()
    assert key("03-1").answer(("root", [], "install", "", True)) is _done(host.install_hypervisor, "root")


def _done(do, user):
    try:
        do(user=user)
    except VlabError:
        return False
    return True


def test_an_address_is_followed_as_a_host_follows_it():
    host = Host(Machine(memory="8M"))
    host.install_hypervisor()
    vm = host.create_vm(memory="64K")
    space = host.process_of(vm).space
    assert space is not None
    table = {
        page: (leaf.physical // 4096, "RWUAD")
        for page in range(0x1080000, 0x1080020)
        if (leaf := space.table.find(page * 4096))
    }
    for gpa in range(vm.memory.base - 4096, vm.memory.base + vm.memory.size + 4096, 1000):
        right = vm.memory.host_address(gpa) if vm.memory.holds(gpa) else None
        assert key("03-4").answer((gpa, vm.memory.size, VM_OFFSET, table)) == right


@pytest.mark.parametrize("seed", range(5))
def test_a_plan_is_that_of_a_farm(seed):
    random = Random(seed)
    farm = Farm(
        **{
            name: Hypervisor(Machine(memory=f"{random.randint(3, 6)}M"))
            for name in ("north", "south", "west")
        }
    )
    for number in range(7):
        try:
            farm.start(
                f"s{number}",
                None,
                memory=f"{random.randint(1, 8) * 128}K",
                on=random.choice(list(farm.hosts)),
            )
        except VlabError:
            continue
    inventory = farm.inventory()
    servers = {one.name: (one.host, Hypervisor.room_for(one.memory)) for one in inventory}
    right = [(move.name, move.target) for move in farm.plan(empty="north")]
    assert key("03-5").answer((dict(inventory.free), servers, "north")) == right


def test_every_rule_of_the_turns_is_asked_for():
    cases = find("03-3").cases(0)
    assert any(None in key("03-3").answer(case) for case in cases)
    assert any(any(first for _name, _weight, first in case[0]) for case in cases)
