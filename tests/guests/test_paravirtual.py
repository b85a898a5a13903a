"""The guest that rings another's bell, and the library of hypercalls that it and the switched kernel share."""

import pytest

from vlab import guests
from vlab.hypervisor import Hypervisor, Paravirtual
from vlab.hypervisor.techniques import hypercalls
from vlab.machine import Machine


@pytest.mark.parametrize("constants", [{}, {"ROUNDS": 7}, {"CHANNEL": 3}, {"ROUNDS": 1, "CHANNEL": 10}])
def test_the_bell_rings_in_turns(constants) -> None:
    heard: list[bytes] = []
    machine = Machine(memory="4M")
    hypervisor = Hypervisor(machine)
    for first in (0, 1):
        image = guests.load("paravirtual", FIRST=first, OTHER=1 - first, **constants)
        vm = hypervisor.create_vm(image, memory="128K", technique=Paravirtual)
        vm.uart.listener = heard.append
    machine.run()
    rounds = constants.get("ROUNDS", guests.constants("paravirtual")["ROUNDS"])
    assert b"".join(heard) == b"dong\nding\n" * rounds
    assert [vm.status for vm in hypervisor.vms] == [0, 0]


def test_alone_it_goes_on_hoping_or_waits() -> None:
    for first, said in ((0, "wait"), (1, "alarm")):
        machine = Machine(memory="4M")
        hypervisor = Hypervisor(machine)
        vm = hypervisor.create_vm(
            guests.load("paravirtual", FIRST=first, OTHER=1), memory="128K", technique=Paravirtual
        )
        other = hypervisor.create_vm(memory="128K", technique=Paravirtual)
        machine.run(5000)
        assert (vm.status, vm.console, other.exits.total()) == (None, "", 0)
        assert vm.exits[f"hypercall: {said}"] >= 1


def test_guest_and_hypervisor_mean_the_same_numbers() -> None:
    symbols = guests.load("paravirtual").symbols
    calls = {name: number for name, number in symbols.items() if name.startswith("HYPER_")}
    assert calls == {f"HYPER_{call.name}": call for call in hypercalls.Call}
    places = {name.removeprefix("INFO_"): at for name, at in symbols.items() if name.startswith("INFO_")}
    assert places == {name: getattr(hypercalls, name) for name in places}
    assert len(places) == 8
    kernel = guests.load("kernel").symbols
    assert (kernel["F_SEPC"], kernel["F_SP"]) == (hypercalls.FRAME_PC, hypercalls.FRAME_SP)
    assert kernel["F_SSTATUS"] == hypercalls.FRAME_STATUS
