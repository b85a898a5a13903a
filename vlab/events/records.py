"""The event records: each kind is a small frozen class, told apart by what happened."""

from dataclasses import dataclass
from typing import ClassVar

from vlab.display import Drawn, sentence
from vlab.language import _

EventId = tuple[int, int]


@dataclass(frozen=True, slots=True, repr=False)
class Event(Drawn):
    """What every event says: its id, the level it belongs to, and the id of the event it follows from."""

    opens: ClassVar[bool] = False
    closes: ClassVar[bool] = False

    id: EventId
    level: int
    parent: EventId | None

    def __repr__(self) -> str:
        return sentence(self)

    @property
    def time(self) -> int:
        """The machine's time, in attempted instructions plus what `wfi` skipped."""
        return self.id[0]

    @property
    def kind(self) -> str:
        """The record's name: "Trap", "Exit", "Emulation", …"""
        return type(self).__name__


@dataclass(frozen=True, slots=True, repr=False)
class Trap(Event):
    """The real hart left `origin` for a trap handler in `target` (both names of modes)."""

    opens: ClassVar[bool] = True

    cause: int
    value: int
    pc: int
    origin: str
    target: str

    @property
    def interrupt(self) -> bool:
        """Whether it is an interrupt, not an exception."""
        return bool(self.cause >> 63)


@dataclass(frozen=True, slots=True, repr=False)
class Injection(Trap):
    """A hypervisor delivered a trap or interrupt to its guest's virtual hart."""


@dataclass(frozen=True, slots=True, repr=False)
class Return(Event):
    """A handler ended: `sret` or `mret`, on the real hart (level 0) or emulated on a virtual one."""

    closes: ClassVar[bool] = True

    instruction: str
    pc: int
    origin: str
    target: str


@dataclass(frozen=True, slots=True, repr=False)
class Exit(Event):
    """The guest `vm` stopped running directly, and its hypervisor took over. `reason` is a few stable words."""

    reason: str
    cause: int
    value: int
    pc: int
    mode: str
    vm: str = ""

    @property
    def interrupt(self) -> bool:
        """Whether an interrupt ended the guest's run, and not an instruction of its own."""
        return bool(self.cause >> 63)


@dataclass(frozen=True, slots=True, repr=False)
class Entry(Event):
    """A hypervisor let its guest `vm` run on directly, from `pc` in the virtual mode `mode`."""

    pc: int
    mode: str
    vm: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Emulation(Event):
    """A hypervisor executed one row of the instruction table on the virtual hart.

    `changes` holds (name, before, after) of every register and CSR that changed.
    """

    pc: int
    word: int
    text: str
    mode: str
    changes: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True, repr=False)
class CsrWrite(Event):
    """An instruction wrote a CSR (level 0: the real one)."""

    name: str
    before: int
    after: int
    pc: int


@dataclass(frozen=True, slots=True, repr=False)
class TlbFill(Event):
    """The MMU walked and remembered a translation; `access` is what was wanted."""

    address: int
    physical: int
    access: str
    context: str


@dataclass(frozen=True, slots=True, repr=False)
class TlbFlush(Event):
    """All remembered translations were dropped."""

    reason: str


@dataclass(frozen=True, slots=True, repr=False)
class ShadowFill(Event):
    """A hypervisor wrote one entry of a shadow page table: guest-virtual, guest-physical, host-physical."""

    gva: int
    gpa: int
    hpa: int
    flags: str
    access: str


@dataclass(frozen=True, slots=True, repr=False)
class ShadowFlush(Event):
    """A hypervisor dropped shadow entries, and why."""

    reason: str
    entries: int


@dataclass(frozen=True, slots=True, repr=False)
class Translation(Event):
    """A hypervisor translated `words` of its guest's code from `pc` on; of these so many were in-lined, called out."""

    pc: int
    words: int
    in_lined: int
    called_out: int


@dataclass(frozen=True, slots=True, repr=False)
class DeviceAccess(Event):
    """A load or store reached a device's register."""

    device: str
    offset: int
    size: int
    value: int
    store: bool


@dataclass(frozen=True, slots=True, repr=False)
class InterruptChange(Event):
    """An interrupt of a hart became pending, or is held back by something else now, or is pending no more.

    `cause` is as in `xcause`. `held_by` says what keeps it from being delivered: its own enable bit ("mie",
    "sie"), that of its mode ("mstatus.MIE", "sstatus.SIE"), or the "mode" of the hart; nothing: "".
    """

    cause: int
    pending: bool
    held_by: str
    vm: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Routing(Event):
    """A host said whose affair an interrupt or a trap is.

    `source` is "timer", a device's name ("uart"), or the name of the process or VM that trapped; `to` is "host"
    or "hypervisor", in the latter case on behalf of the guest `vm`.
    """

    cause: int
    source: str
    to: str
    vm: str = ""

    @property
    def interrupt(self) -> bool:
        """Whether it is an interrupt, not an exception."""
        return bool(self.cause >> 63)


def kind_title(kind: str) -> str:
    """A kind of event in the reader's language: in English, its name."""
    return {
        "Trap": _("Trap"),
        "Injection": _("Injection"),
        "Return": _("Return"),
        "Exit": _("Exit"),
        "Entry": _("Entry"),
        "Emulation": _("Emulation"),
        "CsrWrite": _("CsrWrite"),
        "TlbFill": _("TlbFill"),
        "TlbFlush": _("TlbFlush"),
        "ShadowFill": _("ShadowFill"),
        "ShadowFlush": _("ShadowFlush"),
        "Translation": _("Translation"),
        "DeviceAccess": _("DeviceAccess"),
        "InterruptChange": _("InterruptChange"),
        "Routing": _("Routing"),
    }.get(kind, kind)
