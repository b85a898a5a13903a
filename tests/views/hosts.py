"""Recorded runs of several VMs on one computer, bare or on a host, and who really had the hart meanwhile."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from vlab import Hypervisor, Machine, guests
from vlab.events import Event, Recording
from vlab.hypervisor.host import Host

KERNEL = guests.load("kernel", TICK=300, LETTERS=2, PRIMES=100)


class Busy(NamedTuple):
    """A run, the host or hypervisor that ran it, and by the number of events so far who then had the hart."""

    run: Recording
    host: Any
    truth: dict[int, str]


@cache
def hosted() -> Busy:
    """A host with two programs and two VMs of weights 1 and 2, from power-on."""
    host = Host(Machine(memory="8M"))
    host.add_user("ana", groups=["vm"])
    host.install_hypervisor()
    host.start("count", user="ana")
    host.start("nap", user="ana")
    for weight in (1, 2):
        host.create_vm(KERNEL, user="ana", memory="1M", weight=weight)

    def runs() -> str:
        process = host.inside
        if process is None:
            return ""
        return process.name if process.vm is None else f"{process.name} {process.vm.mode}"

    return _recorded(host, runs, 14_000)


@cache
def bare() -> Busy:
    """Two VMs of weights 1 and 2 on a bare-metal hypervisor, in short turns."""
    hypervisor = Hypervisor(Machine(memory="4M"))
    hypervisor.schedule.time_slice = 1000
    for weight in (1, 2):
        hypervisor.create_vm(KERNEL, memory="1M", weight=weight)

    def runs() -> str:
        vm = hypervisor.inside
        return "" if vm is None else f"{vm.name} {vm.mode}"

    return _recorded(hypervisor, runs, 12_000)


def _recorded(resident: Any, runs: Callable[[], str], steps: int) -> Busy:
    """Step by step, so that it is known after each one who has the hart."""
    machine: Machine = resident.computer
    events: list[Event] = []
    truth: dict[int, str] = {}
    machine.events.listen(events.append)
    for _step in range(steps):
        machine.run(1)
        truth[len(events)] = "" if resident.in_control else runs()
    machine.events.unlisten(events.append)
    return Busy(Recording(events), resident, truth)
