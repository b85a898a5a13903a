"""A computer's board: its bus, the devices that every computer has, and those that were attached to it."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from vlab.language import VlabError, _
from vlab.machine.bus import Bus, BusMaster, Device, Interrupting
from vlab.machine.devices import KINDS, Clint, Finisher, Plic, Uart
from vlab.machine.memory import RAM_BASE
from vlab.machine.snapshot import Checker

CLINT_BASE, PLIC_BASE, UART_BASE, FINISHER_BASE = 0x0200_0000, 0x0C00_0000, 0x1000_0000, 0x0010_0000
UART_SOURCE = 10
SLOT_BASE, SLOT_SIZE, SLOTS = 0x1000_1000, 0x1000, 8
SLOT_SOURCE = 1  # of the first slot; the next one's is the next
_ALIGNED = 8  # bytes: the widest access, which must be aligned, to a register that is
_MEMBERS = ("name", "size", "load", "store", "state", "restore")  # what each device must have


class Attached(NamedTuple):
    """A device that was attached: what a saved state says of it, so that it can be made anew."""

    device: Device
    base: int
    irq: int  # its source at the PLIC; 0 if it has no pin
    new: dict[str, Any]  # its state at first


class Board:
    """Bus and devices of one computer. `clock` tells the computer's time; `memory` is what devices see of it."""

    def __init__(self, clock: Callable[[], int], memory: BusMaster):
        self._memory = memory
        self.clint = Clint(clock)
        self.plic = Plic()
        self.uart = Uart()
        self.finisher = Finisher()
        self.bus = Bus()
        for base, device in (
            (CLINT_BASE, self.clint),
            (PLIC_BASE, self.plic),
            (UART_BASE, self.uart),
            (FINISHER_BASE, self.finisher),
        ):
            self.bus.attach(base, device)
        self.plic.wire(UART_SOURCE, self.uart)
        self._new = self.bus.state()
        self.attached: dict[str, Attached] = {}  # by name, in the order in which they came

    def __repr__(self) -> str:
        return _("Board: {bus}").format(bus=self.bus)

    @property
    def sources(self) -> dict[str, int]:
        """The devices with a wired pin, by name, and where at the PLIC it goes."""
        return {device.name: source for source, device in self.plic.pins.items()}

    def attach(self, device: Device, base: int | None = None, irq: int | None = None) -> None:
        """See `Computer.attach`."""
        _expect_device(device)
        if base is None:
            base = self._free_slot(device)
        self._expect_base(device, base)
        source = 0
        if isinstance(device, Interrupting):
            source = self._source(base) if irq is None else irq
            self.plic.check(source, device)
        elif irq is not None:
            raise VlabError(_("It has no interrupt pin to wire."), where=device.name)
        new = device.state()  # of the reader's own device it may raise anything: before it is there
        self.bus.attach(base, device)
        if isinstance(device, Interrupting):
            self.plic.wire(source, device)
        if hasattr(device, "connect"):
            device.connect(self._memory)
        self.attached[device.name] = Attached(device, base, source, new)

    def _expect_base(self, device: Device, base: object) -> None:
        """VlabError for a base in memory, or at which registers would lie across what can be accessed."""
        if not isinstance(base, int):
            return  # the bus will say so
        if base % _ALIGNED:
            raise VlabError(
                _("{base:#x} can't be a device's base: it is no multiple of {bytes}.").format(
                    base=base, bytes=_ALIGNED
                ),
                where=device.name,
            )
        last = base + device.size - 1
        if base < RAM_BASE <= last or self._memory.holds(base):
            raise VlabError(
                _("It would lie in the computer's memory, which begins at {start:#x}.").format(
                    start=RAM_BASE
                ),
                where=device.name,
                mend=_("Attach it at another base."),
            )

    def _free_slot(self, device: Device) -> int:
        """The base of the first slot in which, and at whose source, there is nothing."""
        for number in range(SLOTS):
            base = SLOT_BASE + number * SLOT_SIZE
            taken = any(
                start < base + SLOT_SIZE and base < start + other.size
                for start, other in self.bus.devices.values()
            )
            if not taken and SLOT_SOURCE + number not in self.plic.pins and device.size <= SLOT_SIZE:
                return base
        raise VlabError(
            _("There is no free slot for it: there are {count}, of {size} bytes each.").format(
                count=SLOTS, size=SLOT_SIZE
            ),
            where=device.name,
            mend=_("Attach it at a base of its own."),
        )

    def _source(self, base: Any) -> int:
        """The source that a device at this base gets: its slot's, or the first free one after the UART's."""
        slot, rest = divmod(base - SLOT_BASE, SLOT_SIZE) if isinstance(base, int) else (-1, 0)
        if 0 <= slot < SLOTS and not rest and SLOT_SOURCE + slot not in self.plic.pins:
            return SLOT_SOURCE + slot
        return next(source for source in range(UART_SOURCE, 1 << 10) if source not in self.plic.pins)

    def power_off(self) -> None:
        """Every device forgets what went on; a disk keeps what is on it."""
        for name, state in self._new.items():
            self.bus.devices[name][1].restore(state)
        for one in self.attached.values():
            if hasattr(one.device, "reset"):
                one.device.reset()
            else:
                one.device.restore(one.new)

    def state(self) -> list[dict[str, Any]]:
        """What was attached, in order: each one's kind (None: nobody can make another), name, base and source."""
        return [
            {"kind": getattr(one.device, "kind", None), "name": name, "base": one.base, "irq": one.irq}
            for name, one in self.attached.items()
        ]

    def check(self, state: Checker) -> None:
        """VlabError unless these are the devices that a saved state names."""
        if state.state != self.state():
            raise VlabError(
                _("The saved state has other devices attached: {names}.").format(names=_names(state)),
                where=state.where,
                mend=_("Restore it into a computer with the devices that it was saved from."),
            )

    def attach_saved(self, state: Checker) -> None:
        """Attach the devices that a saved state names: new ones, which are still to be restored."""
        for row in state.rows():
            kind, name = row.part("kind").state, row.part("name").state
            if not isinstance(kind, str) or kind not in KINDS or not isinstance(name, str):
                raise row.bad(
                    _("A device {name} of the kind {kind} can't be made anew.").format(
                        name=repr(name)[:40], kind=repr(kind)[:40]
                    ),
                    mend=_("Give its class a `kind`, and enter the class: `vlab.machine.devices.KINDS[…]`."),
                )
            base, irq = row.number("base"), row.number("irq")
            device: Any = KINDS[kind]()
            if device.name != name:
                device.name = name
            self.attach(device, base, irq or None)


def several(devices: Iterable[Device]) -> tuple[Device, ...]:
    """All of them; VlabError for what is no list of devices, such as one alone."""
    try:
        return tuple(devices)
    except TypeError:
        raise VlabError(
            _("`devices` must be a list of devices, not {kind}.").format(kind=type(devices).__name__),
            mend=_("Write devices=[…], for a single one too."),
        ) from None


def _expect_device(device: Any) -> None:
    """VlabError for what is none."""
    mend = _("`vlab.machine.bus` says what a device has, and shows a whole one.")
    if isinstance(device, type):
        name = device.__name__
        raise VlabError(
            _("{name} is a class, not a device.").format(name=name),
            mend=_("Attach one of that class: {name}().").format(name=name),
        )
    kind = type(device).__name__
    missing = [member for member in _MEMBERS if not hasattr(device, member)]
    if missing:
        what = _("{device} is no device: it has no {members}.")
        raise VlabError(what.format(device=kind, members=", ".join(missing)), mend=mend)
    if not isinstance(device.name, str) or not isinstance(device.size, int):
        what = _(
            "{device} is no device: it must have a name, which is a text, and a size, which is a number."
        )
        raise VlabError(what.format(device=kind), mend=mend)


def _names(state: Checker) -> str:
    rows = state.state if isinstance(state.state, list | tuple) else []
    names = [repr(row.get("name"))[:40] for row in rows[:8] if isinstance(row, dict)]
    return ", ".join(names) or "–"
