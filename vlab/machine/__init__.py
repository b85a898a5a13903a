"""The computer: hart, memory, MMU and TLB, bus, devices, clock; snapshots and rewinding.

Its chapters, in an order in which they can be read:

- `computer` is what a machine and a virtual machine have in common, and says what a *resident* is. `machine` is the
  real one, with the one loop that drives everything; `stop` says why a run ended, `choices` what the specification
  leaves open.
- `hart`: modes, traps, loads and stores. Around it `csrfile`, `interrupts`, `mmu`, `pmp`; `h_extension` is what H
  changes of all that, and `quirks` what can be broken on purpose.
- `memory`, with its `pages`. `bus`, `board` and `devices`; `disks` and `network`, which devices lead to; `dma`, by
  which they reach memory; `devicetree`, which tells software of them; `htif`, which test programs use.
- `execute` has the engines that run instructions, and `sequence` what a resident issues at once.
- `loading` puts an image into memory, and `sbi` is firmware in Python.
- `history` rewinds, `snapshot` and `restoring` keep a computer and bring it back, `writes` finds who wrote a word.
- `look`, `tlb` and `structure` are a computer as values, for pictures and debuggers.
- `expecting` complains about what can't be meant, and `interruptible` lets Ctrl-C do no harm.
"""

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
