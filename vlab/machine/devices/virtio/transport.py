"""The virtio-mmio transport (Virtio 1.2, 4.2): the registers by which a driver finds, sets up and kicks a device.

offset   register            |   offset        register
0x000    magic "virt"        |   0x044         the queue is ready
0x004    version: 2          |   0x050    w    notify: there is something in queue n
0x008    device id           |   0x060    r    interrupt status: 1 used buffers, 2 configuration changed
0x00c    vendor              |   0x064    w    interrupt acknowledge
0x010    device features     |   0x070         status; writing 0 resets
0x014  w which half of them  |   0x080,84 w    address of the descriptors
0x020  w driver features     |   0x090,94 w    address of the available ring
0x024  w which half of them  |   0x0a0,a4 w    address of the used ring
0x030  w select a queue      |   0x0fc    r    generation of the configuration
0x034  r its largest size    |   0x100…        the device's own configuration
0x038  w its size            |
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from vlab.language import VlabError, _
from vlab.machine.bus import BusError, BusMaster, checked
from vlab.machine.devices.virtio.queue import LARGEST, Queue, QueueError

VERSION_1 = 1 << 32  # feature: it follows the standard, not its drafts
ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, NEEDS_RESET, FAILED = 1, 2, 4, 8, 64, 128  # status
_KNOWN_STATUS = ACKNOWLEDGE | DRIVER | DRIVER_OK | FEATURES_OK | FAILED
USED_BUFFER, CONFIG_CHANGED = 1, 2  # interrupt status

_MAGIC, _VERSION = 0x7472_6976, 2
_VENDOR = 0x554D_4551  # QEMU's: teaching kernels want no other board's
_CONFIG = 0x100
_WORD = 0xFFFF_FFFF
_PLACES = {0x80: "descriptors", 0x90: "available", 0xA0: "used"}  # low word there, high word 4 further
_FIELDS = {
    "status": 0x100,
    "interrupt": 4,
    "generation": 1 << 32,
    "accepted": 1 << 64,
    "device_half": 1 << 32,
    "driver_half": 1 << 32,
    "selected": 1 << 32,
}


class VirtioDevice:
    """A virtio device without its purpose. A subclass says what it is and does:

    `kind` (in `vlab.machine.devices.KINDS`), `device_id`, `queues` (how many), `features` (bits beside
    VERSION_1), whether a driver without that one is refused (`must_know_version`), `config()`, and `notified(n)`: the
    driver has put something into queue n. It takes requests by `self.queue[n].pop()` and gives them back by `push`;
    outside of `notified` only within `serve`. What it remembers itself goes into `own_state`, `restore_own` and
    `forget`.
    """

    kind: ClassVar[str]
    device_id: ClassVar[int]
    queues: ClassVar[int] = 1
    features: ClassVar[int] = 0
    must_know_version: ClassVar[bool] = False
    size = 0x1000
    node: ClassVar[str] = "virtio"  # in a device tree
    properties: ClassVar[Mapping[str, Any]] = {"compatible": "virtio,mmio", "dma-coherent": None}

    status: int
    interrupt: int
    generation: int
    accepted: int  # features
    device_half: int
    driver_half: int
    selected: int  # queue

    def __init__(self, name: str):
        self.name = name
        self._memory: BusMaster | None = None
        self.queue = [Queue(self._used_something) for _number in range(self.queues)]
        self._clear()

    def __repr__(self) -> str:
        return _("{name}: virtio device {id}, {state}").format(
            name=self.name, id=self.device_id, state=self.status_words()
        )

    def status_words(self) -> str:
        """What its driver has made of it, in a few words."""
        if self.status & NEEDS_RESET:
            return _("needs a reset: its driver broke the rules")
        return _("its driver is at work") if self.running else _("no driver yet")

    def connect(self, memory: BusMaster) -> None:
        """The memory of its computer, which its queues lie in."""
        self._memory = memory
        for queue in self.queue:
            queue.memory = memory

    @property
    def offered(self) -> int:
        """All features that it offers."""
        return self.features | VERSION_1

    @property
    def running(self) -> bool:
        """Whether its driver has set it up, and both keep the rules."""
        return bool(self.status & DRIVER_OK) and not self.status & NEEDS_RESET

    @property
    def interrupting(self) -> bool:
        """Its interrupt pin."""
        return bool(self.interrupt)

    # What a subclass is asked

    def config(self) -> bytes:
        """Its configuration, as the driver reads it."""
        return b""

    def notified(self, number: int) -> None:
        """The driver has put something into this queue."""

    def forget(self) -> None:
        """The driver has reset it: forget what was going on. What lasts longer, only `reset` forgets."""

    def own_state(self) -> dict[str, Any]:
        """What it remembers beside its registers and queues, as plain data."""
        return {}

    def restore_own(self, state: Mapping[str, Any]) -> None:
        """Be as `own_state` was; VlabError, and no change, if that can't be."""
        checked(self.name, state)

    # What a subclass calls

    def serve(self, work: Callable[[], None]) -> None:
        """Do work on the queues, if the driver is ready for it; a lie found there ends in NEEDS_RESET."""
        if not self.running:
            return
        for queue in self.queue:
            queue.allowance = queue.size
        try:
            work()
        except QueueError:
            self._break()

    def config_changed(self) -> None:
        """Tell the driver that `config()` has changed."""
        self.generation = self.generation + 1 & _WORD
        if self.running:
            self._interrupt(CONFIG_CHANGED)

    def reset(self) -> None:
        """The computer is switched on. What outlives that, such as what is on a disk, stays."""
        self._clear()
        self.forget()

    def _clear(self) -> None:
        self.status = self.interrupt = self.generation = 0
        self.accepted = self.device_half = self.driver_half = self.selected = 0
        for queue in self.queue:
            queue.reset()

    def _used_something(self) -> None:
        self._interrupt(USED_BUFFER)

    def _interrupt(self, reason: int) -> None:
        self.interrupt |= reason
        if self._memory is not None:
            self._memory.attend()

    def _break(self) -> None:
        """The driver broke the rules: it must reset the device, and hears so if it is there (2.1.2)."""
        self.status |= NEEDS_RESET
        if self.status & DRIVER_OK:
            self._interrupt(CONFIG_CHANGED)

    # What the driver sees

    def load(self, offset: int, size: int) -> int:
        """Read a register: 4 bytes. Of the configuration, 1, 2, 4 or 8. BusError for any other width."""
        if offset >= _CONFIG:
            start = offset - _CONFIG
            return int.from_bytes(self.config()[start : start + size], "little")
        if size != 4:
            raise BusError
        return self._register(offset)

    def _register(self, offset: int) -> int:
        queue = self._selected()
        match offset:
            case 0x000:
                return _MAGIC
            case 0x004:
                return _VERSION
            case 0x008:
                return self.device_id
            case 0x00C:
                return _VENDOR
            case 0x010:
                return self.offered >> 32 * self.device_half & _WORD if self.device_half < 2 else 0
            case 0x034:
                return 0 if queue is None else LARGEST
            case 0x044:
                return 0 if queue is None else queue.ready
            case 0x060:
                return self.interrupt
            case 0x070:
                return self.status
            case 0x0FC:
                return self.generation
            case 0x0B0 | 0x0B4 | 0x0B8 | 0x0BC:
                return _WORD  # no shared memory: its length is -1 (4.2.2.1)
        return 0

    def store(self, offset: int, size: int, value: int) -> None:
        """Write a register: 4 bytes, else BusError. The configuration is for reading."""
        if offset >= _CONFIG:
            return
        if size != 4:
            raise BusError
        match offset:
            case 0x014:
                self.device_half = value
            case 0x020:
                self._accept(value)
            case 0x024:
                self.driver_half = value
            case 0x030:
                self.selected = value
            case 0x050:
                if value < self.queues:
                    self.serve(lambda: self.notified(value))
            case 0x064:
                self.interrupt &= ~value
            case 0x070:
                self._set_status(value)
            case _:
                self._set_up_queue(offset, value)

    def _selected(self) -> Queue | None:
        return self.queue[self.selected] if self.selected < self.queues else None

    def _accept(self, value: int) -> None:
        """Half of the features that the driver accepts; it may choose until FEATURES_OK."""
        if self.driver_half < 2 and not self.status & FEATURES_OK:
            shift = 32 * self.driver_half
            self.accepted = self.accepted & ~(_WORD << shift) | value << shift

    def _set_status(self, value: int) -> None:
        """The driver goes a step on (3.1.1): features must be ones that were offered before it may begin.

        One that doesn't accept VERSION_1 may be refused (6.2). Where it makes no difference to what both do, it isn't:
        teaching kernels look at the first half of the features alone.
        """
        if value == 0:
            self._clear()
            self.forget()
            return
        status = self.status | value & _KNOWN_STATUS
        needed = VERSION_1 if self.must_know_version else 0
        if not self.status & FEATURES_OK and (
            self.accepted & ~self.offered or needed & ~self.accepted or not status & DRIVER
        ):
            status &= ~FEATURES_OK
        if not status & FEATURES_OK:
            status &= ~DRIVER_OK
        self.status = status

    def _set_up_queue(self, offset: int, value: int) -> None:
        """The registers of the queue that is selected. While it is in use, only `ready` may change."""
        queue = self._selected()
        if queue is None:
            return
        if offset == 0x044:
            if not value & 1:
                queue.stop()
            elif not queue.ready:
                self._start(queue)
        elif queue.ready:
            return
        elif offset == 0x038:
            queue.size = value if value <= LARGEST else 0
        elif (place := _PLACES.get(offset & ~4)) is not None:
            shift = 8 * (offset & 4)
            old = getattr(queue, place)
            setattr(queue, place, old & ~(_WORD << shift) | value << shift)

    def _start(self, queue: Queue) -> None:
        try:
            queue.start()
        except QueueError:
            self._break()

    # What a snapshot keeps

    def state(self) -> dict[str, Any]:
        """Registers, queues, and what the device itself remembers."""
        registers = {name: getattr(self, name) for name in _FIELDS}
        return registers | {"queues": [queue.state() for queue in self.queue], "own": self.own_state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as `state` says; VlabError if it can't be."""
        values = checked(self.name, state, **_FIELDS, queues=list, own=dict)
        agreed = values["accepted"] if values["status"] & FEATURES_OK else 0
        if len(values["queues"]) != self.queues or agreed & ~self.offered:
            raise VlabError(_("The saved state isn't that of this kind of device."), where=self.name)
        queues = [Queue.checked_state(self.name, row) for row in values["queues"]]
        self.restore_own(values["own"])
        for name in _FIELDS:
            setattr(self, name, values[name])
        for queue, row in zip(self.queue, queues, strict=True):
            queue.restore(row)
