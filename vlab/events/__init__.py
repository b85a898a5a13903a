"""Event records: what happened, when, at which level, and because of what.

An event is a small frozen record. Its `id` is (time, sequence): the machine's time in attempted instructions,
and a count within that instant, so that a replay from the same point gives the same ids. `level` says whose
event it is: 0 is the machine, 1 a VM on it, 2 a VM inside that VM. `parent` is the id of the event that it
follows from: the enclosing one that is still open. A trap opens, a VM's exit opens inside the trap by which its
hypervisor heard of it, and the return that ends the handler closes both. An interrupt does not follow from what
it interrupts.
"""

from vlab.events.counts import CAUSES as CAUSES
from vlab.events.counts import TrapCounts as TrapCounts
from vlab.events.recording import Recording as Recording
from vlab.events.records import CsrWrite as CsrWrite
from vlab.events.records import DeviceAccess as DeviceAccess
from vlab.events.records import Emulation as Emulation
from vlab.events.records import Entry as Entry
from vlab.events.records import Event as Event
from vlab.events.records import EventId as EventId
from vlab.events.records import Exit as Exit
from vlab.events.records import Injection as Injection
from vlab.events.records import InterruptChange as InterruptChange
from vlab.events.records import Return as Return
from vlab.events.records import Routing as Routing
from vlab.events.records import ShadowFill as ShadowFill
from vlab.events.records import ShadowFlush as ShadowFlush
from vlab.events.records import TlbFill as TlbFill
from vlab.events.records import TlbFlush as TlbFlush
from vlab.events.records import Translation as Translation
from vlab.events.records import Trap as Trap
from vlab.events.records import kind_title as kind_title
from vlab.events.source import EventSource as EventSource
