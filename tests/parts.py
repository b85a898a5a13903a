"""The parts of computers, each as what a test knows it to be."""

from typing import Any

from vlab.hypervisor import Hypervisor
from vlab.machine import Computer, Machine, Resident
from vlab.paging import Mapping, PageTable
from vlab.riscv import Mode


def hypervisor_in(computer: Computer) -> Hypervisor:
    """The hypervisor on a computer."""
    found = computer.residents[Mode.S]
    assert isinstance(found, Hypervisor)
    return found


def machine_under(resident: Resident) -> Machine:
    """The machine under all levels, which is the one that runs."""
    return resident.computer.history.machine


def device_in(computer: Computer, name: str) -> Any:
    """The device of this name, with whatever members its kind has."""
    return computer.bus.devices[name][1]


def symbols_of(computer: Computer) -> dict[str, int]:
    """Where what has a name is, in the program that a computer was given last."""
    assert computer.program is not None
    return computer.program.symbols


def page_in(table: PageTable, address: int) -> Mapping:
    """The page that holds an address, which is mapped."""
    found = table.find(address)
    assert found is not None
    return found
