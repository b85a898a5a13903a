"""Computers on networks: who pings, who answers, on machines or in virtual machines."""

import re

from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.machine import Computer, Machine
from vlab.machine.devices import VirtioNet
from vlab.machine.network import Switch
from vlab.operations.together import Together

MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
PINGS = guests.load("ping")
ANSWERS = guests.load("ping", IP=0x0A00_0002, PEER=0x0A00_0001, COUNT=0)

PING_SAYS = """\
ping: reply 1 from 10.0.0.2 after # ticks
ping: reply 2 from 10.0.0.2 after # ticks
ping: reply 3 from 10.0.0.2 after # ticks
ping: 3 sent, 3 came back
"""
ANSWER_SAYS = "echo: for 10.0.0.1\n" * 3 + "10.0.0.1 says: thank you\n"
WORDS = [
    "ARP: who has 10.0.0.2? tell 10.0.0.1",
    "ARP: 10.0.0.2 is at 02:00:00:00:00:02",
    *(
        f"10.0.0.{2 - turn} → 10.0.0.{1 + turn}: ICMP echo {('reply', 'request')[turn]} {number}"
        for number in (1, 2, 3)
        for turn in (1, 0)
    ),
    "10.0.0.1:9100 → 10.0.0.2:9100: UDP, 9 bytes: thank you",
]


def without_times(console: str) -> str:
    """A console's text with # for each number of ticks."""
    return re.sub(r"\d+ ticks", "# ticks", console)


def machines(pings=PINGS, slice_=10_000) -> tuple[Switch, Together, list[Machine]]:
    """Two machines on a switch."""
    switch = Switch()
    both = [
        Machine(image, memory="256K", devices=[VirtioNet(mac)])
        for image, mac in zip((pings, ANSWERS), MACS, strict=True)
    ]
    for name, machine in zip("ab", both, strict=True):
        switch.plug(machine, name=name)
    return switch, Together(both, slice_), both


def guest(computer: Computer, number: int, name: str) -> Computer:
    """One of the two as a virtual machine."""
    image = (PINGS, ANSWERS)[number]
    return Hypervisor.create_vm(
        hypervisor(computer), image, memory="256K", devices=[VirtioNet(MACS[number])], name=name
    )


def hypervisor(computer: Computer) -> Hypervisor:
    """The hypervisor on a computer; a new one if it has none."""
    there = next(iter(computer.residents.values()), None)
    return there if isinstance(there, Hypervisor) else Hypervisor(computer)
