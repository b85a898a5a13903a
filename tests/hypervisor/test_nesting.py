"""Virtual machines one in the other, and how large each is."""

from functools import partial

import pytest

from vlab import guests
from vlab.hypervisor import Hypervisor, nested
from vlab.language import VlabError
from vlab.machine import Machine

SIZE = 1 << 20


@pytest.mark.parametrize("depth", range(4))
def test_the_guest_has_the_memory_asked_for_and_each_hypervisor_just_what_it_needs(depth):
    machine, vms = nested(["trap-and-emulate"] * depth, SIZE)
    computers = [machine, *vms]
    assert computers[-1].memory.size == SIZE
    assert [vm.level for vm in vms] == list(range(1, depth + 1))
    for outer, inner in zip(computers, vms, strict=False):
        assert outer.memory.size == Hypervisor.memory_for(inner.memory.size)
        assert inner.hypervisor.computer is outer
        assert inner.hypervisor.free == 0


def test_techniques_and_policies_are_those_of_the_levels_from_outside():
    techniques = "binary-translation", "paravirtual"
    assert [vm.technique.kind for vm in nested(techniques, SIZE)[1]] == [
        ("binary-translation", "lazy"),
        ("paravirtual", "traced"),  # as suits it
    ]
    chosen = nested(techniques, SIZE, ("eager", "lazy"))[1]
    assert [vm.technique.kind[1] for vm in chosen] == ["eager", "lazy"]
    with pytest.raises(ValueError, match="zip"):
        nested(techniques, SIZE, ("eager",))


def test_the_machine_is_built_as_the_caller_builds_it():
    machine, (vm,) = nested(["hardware-assisted"], SIZE, build=partial(Machine, extensions="H"))
    assert machine.extensions == vm.extensions == "H"
    vm.load(guests.load("tiny"))
    machine.run()
    assert vm.status == 0


def test_what_can_not_be_in_another_is_refused():
    with pytest.raises(VlabError, match="no H extension"):
        nested(["trap-and-emulate", "hardware-assisted"], SIZE)
    with pytest.raises(VlabError, match="instructions that a paravirtual computer does not have"):
        nested(["paravirtual", "trap-and-emulate"], SIZE)
