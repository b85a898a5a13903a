"""The computer: hart, memory, MMU and TLB, bus, devices, clock; snapshots and rewinding."""

from vlab.machine.choices import CHOICES, GATE, Choice
from vlab.machine.computer import RESIDENTS, Computer, Resident, gate, parse_size, standing
from vlab.machine.machine import Machine, Stop
from vlab.machine.sbi import Sbi
from vlab.machine.snapshot import Snapshot

__all__ = [
    "CHOICES",
    "GATE",
    "RESIDENTS",
    "Choice",
    "Computer",
    "Machine",
    "Resident",
    "Sbi",
    "Snapshot",
    "Stop",
    "gate",
    "parse_size",
    "standing",
]
