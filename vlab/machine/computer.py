"""The contract that a machine and a virtual machine both keep, and what the two have in common.

System software written in Python is a *resident*: it sits behind a trap vector that points at GATE. Its
`handle` runs to completion and goes back to the hart with a real `sret`. So there is one loop, the root
machine's, and no Python call is left waiting for a guest: a run can be stopped and saved anywhere, however
many hypervisors deep.
"""

import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from vlab.display import Drawn
from vlab.events import EventSource
from vlab.language import VlabError, _
from vlab.machine.board import Board
from vlab.machine.bus import Device, Receiving
from vlab.machine.choices import GATE, SINK
from vlab.machine.devicetree import device_tree, with_bootargs
from vlab.machine.dma import Dma
from vlab.machine.hart import Hart
from vlab.machine.htif import Htif
from vlab.machine.loading import joined, load_image
from vlab.machine.memory import PAGE
from vlab.machine.sequence import Issue, Sequence
from vlab.machine.snapshot import Snapshot
from vlab.riscv import Mode, Program

if TYPE_CHECKING:
    import networkx

    from vlab.machine.history import History
    from vlab.machine.look import Look
    from vlab.machine.writes import Write

NEXT_STAGE = 0x8020_0000  # where what firmware starts begins, if it is a raw image
_FW_DYNAMIC = (0x4942_534F, 2)  # magic ("OSBI") and version of what OpenSBI's fw_dynamic asks of its loader
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE = re.compile(r"([0-9]{1,18}) ?([KMG]?)(?:i?B)?", re.IGNORECASE)


class Resident(Protocol):
    """System software in Python, behind a trap vector of its computer."""

    kind: ClassVar[str]
    computer: "Computer"

    @property
    def running(self) -> "Computer | None":
        """The virtual machine that it let run last."""

    def handle(self) -> None:
        """Deal with what made the hart come here; the last act is `issue("sret")`, or a `wfi` for ever."""

    def state(self) -> dict[str, Any]:
        """All that it remembers, as plain data."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be again as `state` says. VlabError for a state that can't be its own."""


AnyDevice = TypeVar("AnyDevice", bound=Device)

# By kind, so that a snapshot can name its residents.
RESIDENTS: dict[str, Callable[["Computer"], Resident]] = {}


class PhysicalMemory(Protocol):
    """Guest RAM or real RAM: what a hart, a resident and a debugger may ask of it."""

    base: int
    size: int
    views: Mapping[int, Any]

    def holds(self, address: int, size: int = 1) -> bool:
        """Whether all these bytes are memory."""

    def load(self, address: int, size: int) -> int:
        """An unsigned number; Trap where this is no memory."""

    def store(self, address: int, size: int, value: int) -> None:
        """Write its low bytes; Trap where this is no memory."""

    def peek(self, address: int, size: int) -> bytes:
        """A debugger's look; VlabError where this is no memory."""

    def poke(self, address: int, data: bytes) -> None:
        """A debugger's write; VlabError where this is no memory."""

    def watch(self, address: int, callback: Callable[[int, int], None]) -> None:
        """Call `callback(address, value)` after each store to this double word."""

    def unwatch(self, address: int) -> None:
        """Call it no more."""

    def is_watched(self, address: int) -> bool:
        """Whether a double word in this page is watched."""

    def open_to_loads(self, address: int) -> bool:
        """Whether nobody wants to hear of loads from this page."""

    def loaded(self, address: int, size: int) -> None:
        """An instruction loads these bytes."""

    def fast(self, address: int) -> bool:
        """Whether stores to this page may bypass `store`."""

    def hold_code(self, address: int) -> None:
        """Stores to this page must be seen: it holds decoded instructions."""

    def touched(self) -> set[int]:
        """The pages that may not be all zeros: their addresses by PAGE."""

    def pages(self) -> Mapping[int, bytes]:
        """The pages that are not all zeros, by number."""

    def set_pages(self, pages: Mapping[int, bytes]) -> None:
        """Make the memory be so."""


class Computer(Drawn, ABC):
    """What system software sees of a computer. `Machine` and `VirtualMachine` both are one.

    `level` is 0 for the machine, 1 for a VM on it, and so on. Looking at `hart` and `memory` is free.
    """

    level: int
    name = ""  # a VM has one
    events: EventSource
    history: "History"  # the past of the machine under all levels
    memory: PhysicalMemory
    skipped: int  # time that wfi jumped over
    reservation: tuple[int, int] | None  # what lr reserved: physical address and size
    program: Program | None = None  # what was loaded last
    quirks: tuple[str, ...] = ()  # what its hart gets wrong on purpose: see `vlab.machine.quirks`
    extensions = ""  # what its hart has beyond RV64IMA, such as "CH"
    issued = 0  # the word that its resident issued last: it stands in no memory
    unfinished = False  # whether that is to be attempted again: who is below has only made it possible

    def _build(self, *, cached: bool) -> None:
        """Put the hart and the standard devices in; `memory`, `level` and `events` stand already."""
        self.skipped = 0
        self.reservation = None
        self.residents: dict[Mode, Resident] = {}
        self.board = Board(lambda: self.time, Dma(self))
        self.bus = self.board.bus
        self.clint, self.uart, self.finisher = self.board.clint, self.board.uart, self.board.finisher
        self.htif = Htif(self)
        self._hart = self._hart_class()(self, cached=cached)
        self._hart.reset(GATE)

    def _hart_class(self) -> type[Hart]:
        if "H" not in self.extensions:
            return Hart
        from vlab.machine.h_extension.hart import HypervisorHart

        return HypervisorHart

    @property
    def hart(self) -> Hart:
        """The hart, as a debugger sees it: of what engines write to x0, nothing is there."""
        self._hart.x[SINK] = 0
        return self._hart

    @property
    @abstractmethod
    def time(self) -> int:
        """Instructions attempted, plus what `wfi` skipped."""

    @abstractmethod
    def issue(self, instruction: str, value: int | None = None) -> int:
        """Execute one instruction of the resident, on the one real hart in whatever mode it is.

        a0 holds `value` before, if given; what it holds after is returned. If the mode is less than the
        resident believes, the instruction traps, and the software below emulates it first.
        """

    @abstractmethod
    def issue_all(self, sequence: Sequence, *values: int) -> list[int]:
        """Issue one after the other; what those that give something gave. Registers are as before, a0 too.

        `values` are for those that take one, in order. It is to `issue` what a block of code is to its
        instructions: it takes as many attempts, and where the mode is less than the resident believes, each traps.
        """

    @abstractmethod
    def issuer(self, sequence: Sequence) -> Issue:
        """How this sequence is issued, for whoever does so often: a function of its values, good for ever."""

    @property
    @abstractmethod
    def unseen(self) -> bool:
        """Whether what its resident issues is done at once, and by nobody seen: see `pass_over`."""

    @abstractmethod
    def pass_over(self, count: int) -> None:
        """So many instructions count as issued that would leave all as it is: registers read, and written back.

        Only while it is `unseen` that they are not there.
        """

    @property
    @abstractmethod
    def mode(self) -> Mode:
        """The hart's mode."""

    @property
    def virtual(self) -> bool:
        """The hart's virtualization mode V: whether it is in VS or VU mode."""
        return self._hart.virtual

    @property
    @abstractmethod
    def registers(self) -> list[int]:
        """The one real hart's registers: whoever runs now uses them; a resident saves its guest's from there."""

    @abstractmethod
    def peek(self, csr: str) -> int:
        """What the storage of a CSR of its hart holds: a debugger's look, the cheapest one."""

    @property
    @abstractmethod
    def unretired(self) -> int:
        """How many attempts of its hart were no instructions retired."""

    @abstractmethod
    def live_registers(self) -> "list[int] | memoryview[int]":
        """The same to read or write one by one, and at once: they can be kept no longer than the resident works."""

    @abstractmethod
    def load_registers(self, x: list[int]) -> None:
        """Let the one real hart's registers be so: whoever runs next uses them."""

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """The computer's whole state, as a value."""

    @abstractmethod
    def restore(self, snapshot: Snapshot) -> None:
        """Be again as the snapshot says; VlabError, and no change, if that can't be."""

    @abstractmethod
    def set_clock(self, time: int) -> None:
        """Set `time` (restoring does)."""

    def settle(self, resident: Resident, *modes: Mode) -> None:
        """Power on with a resident behind the vectors of these modes, standing at GATE."""
        self._power_off()
        self.residents = dict.fromkeys(modes, resident)
        self._hart.reset(GATE)

    def translations_changed(self, reason: str, address: int | None) -> None:
        """The hart fenced `address` (None: all), or changed its PMP. Who keeps shadows acts on it."""

    def expect_there(self) -> None:
        """VlabError if it is no more; a machine always is there."""

    def woken(self) -> None:
        """By hand, something was given to a resident of this computer to do. Who runs the computer acts on it."""

    def attend(self) -> None:
        """A pin of one of its devices went up. Who runs the computer wakes it, if it sleeps."""

    def machine_address(self, address: int) -> int:
        """The machine's physical address behind one of this computer's; VlabError where it has no memory."""
        self.memory.peek(address, 1)
        return address

    def who_wrote(self, address: int) -> "Write | None":
        """Who last wrote the double word at a physical address of this computer's; None: nobody since the beginning.

        CPU, page walks that set A and D, devices, and residents all count, and the same value too. The past is
        replayed; the machine is then as it was. VlabError where there is no memory.
        """
        from vlab.machine.expecting import expect_address
        from vlab.machine.writes import who_wrote

        expect_address(address)
        return who_wrote(self, address)

    @property
    def mtime(self) -> int:
        """The timer that software reads."""
        return self.clint.mtime

    def look(self, memory: int | None = None, *, program: Program | None = None) -> "Look":
        """Its state as a value that draws itself: registers, CSRs, code, memory, console. Changes nothing.

        `memory` is the virtual address where the memory window begins (None: around sp); `program` is where
        labels and source lines come from (None: what was loaded).
        """
        from vlab.machine.look import look

        return look(self, memory, program)

    def graph(self) -> "networkx.DiGraph[Any]":
        """What is inside it, as a networkx DiGraph: see `vlab.machine.structure.structure_graph`."""
        from vlab.machine.structure import structure_graph

        return structure_graph(self)

    @property
    def console(self) -> str:
        """What the guest has printed. Of more than 1 MiB, the end: the first line then says how much is missing."""
        return self.uart.printed.text

    def type(self, text: str) -> None:
        """Type text at the console. It waits until the guest reads it, and is typed again in a replay.

        VlabError for what is no text.
        """
        if not isinstance(text, str):
            raise VlabError(
                _("What is typed is text, not {kind}.").format(kind=type(text).__name__), where=self.name
            )
        self.give(self.uart.name, text.encode("utf-8", "replace"))

    def give(self, device: str, data: bytes) -> None:
        """Let bytes come from outside to the device of this name; in a replay they come again.

        VlabError if there is no such device, if nothing can come to it, or `data` is not bytes.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise VlabError(
                _("What comes to a device is bytes, not {kind}.").format(kind=type(data).__name__),
                where=self.name,
                mend=_('Write b"…", or encode a text: text.encode().'),
            )
        self.expect_there()
        self.history.arrived(self, device, data)

    def deliver(self, device: str, data: bytes) -> None:
        """Hand a device what has come to it. `give` does so, and a replay."""
        self.receiver(device).receive(data)
        self.attend()

    def receiver(self, device: str) -> Receiving:
        """The device of this name, to which something can come; VlabError if there is none."""
        found: object = self.bus.devices.get(device, (0, None))[1]
        if not isinstance(found, Receiving):
            raise VlabError(
                _("Nothing can come to {device!r} from outside.").format(device=device), where=self.name
            )
        return found

    def attach(self, device: AnyDevice, base: int | None = None, irq: int | None = None) -> AnyDevice:
        """Put a device on the bus, and be that device; its pin, if it has one, goes to source `irq` of the PLIC.

        If not given, `base` is that of the next of eight slots, and `irq` the slot's, or the next free one.
        A program that was loaded before finds nothing of it in its device tree. The history begins anew.

        Raises:
            VlabError: if the place, the name or the source is another device's; then nothing has changed.
        """
        self.board.attach(device, base, irq)
        self.history.begin()
        return device

    @property
    def status(self) -> int | None:
        """The exit status with which the guest powered off; None while it is on."""
        return self.finisher.status if self.htif.status is None else self.htif.status

    def load(
        self, image: Any, *, next_stage: Any = None, dtb: bytes | None = None, bootargs: str = ""
    ) -> Program:
        """Switch off, put an image into empty memory and power on at its entry: M mode, a0 = 0, a1 = device tree.

        `image` is a Program, the path of an ELF file or of a raw one (which begins at 0x80000000), or such
        bytes. With a `next_stage` (a raw one begins at 0x80200000) the image is firmware that will start it
        in S mode: a2 is then the address of the six double words that tell OpenSBI's `fw_dynamic` where to
        go. Returns what was loaded; of two stages, both as one.

        Raises:
            VlabError: if an image is broken or doesn't fit, or if the device tree doesn't.
        """
        ram = (self.memory.base, self.memory.size)
        program = load_image(image, memory=ram)
        end, info, info_place = sum(ram), b"", 0
        if next_stage is not None:
            following = load_image(next_stage, base=NEXT_STAGE, memory=ram)
            program = joined(program, following)
            info = struct.pack("<6Q", *_FW_DYNAMIC, following.entry, Mode.S, 0, 0)
            info_place = end - len(info)
            end -= PAGE  # so there is room behind the tree: firmware makes it longer where it stands
        self._expect_extensions(program)
        if program.entry % self._hart.parcel or not 0 <= program.entry < 1 << 64:
            raise VlabError(
                _("The program starts at {entry:#x}, where no instruction can be.").format(
                    entry=program.entry
                )
            )
        tree = self._device_tree(dtb, bootargs)
        place = (end - len(tree)) & -PAGE
        used = max(address + len(content) for address, content in program.segments)
        if place < used:
            raise VlabError(
                _("The image and the device tree ({size} bytes) do not fit into memory together.").format(
                    size=len(tree)
                ),
                mend=_("Give the computer more memory."),
            )
        self._power_off()
        for address, content in program.segments:
            self.memory.poke(address, content)
        self.memory.poke(place, tree)
        if info:
            self.memory.poke(info_place, info)
        self.htif.connect(program)
        self._hart.reset(program.entry, a1=place, a2=info_place)
        self.program = program
        return program

    def _expect_extensions(self, program: Program) -> None:
        """VlabError if it says that it needs what this computer's hart hasn't got."""
        if "C" in program.extensions and "C" not in self.extensions:
            raise VlabError(
                _("The program uses compressed instructions, which this computer doesn't have."),
                mend=_('Build the machine with `Machine(extensions="C")`, or the program without them.'),
            )

    def _power_off(self) -> None:
        """Forget whatever ran here before: an image starts on a new computer."""
        self.htif.connect(None)
        self.memory.set_pages({})
        self.board.power_off()
        self.residents = {}
        self.reservation = None
        self.skipped = 0
        self.set_clock(0)
        self.translations_changed("power", None)
        self.events.forget(self.level)

    def _device_tree(self, dtb: bytes | None, bootargs: str) -> bytes:
        if dtb is None:
            board = self.board
            memory = self.memory.base, self.memory.size
            return device_tree(*memory, bootargs, board.bus.devices, board.sources, self.extensions)
        return with_bootargs(dtb, bootargs)


def gate(computer: Computer) -> Resident | None:
    """Whose Python the hart stands in, if it stands at GATE: follow the chain of virtual modes.

    A resident sits behind the vector of a mode. If the computer is in a mode that has one, it's that. If it
    is in U (or with V = 1) and a resident runs a VM there, look at the VM's own, virtual, mode; and so on.
    """
    inner: Computer | None = computer
    while inner is not None:
        mode, virtual = inner.mode, inner.virtual
        if mode in inner.residents and not virtual:
            return inner.residents[mode]
        supervisor = inner.residents.get(Mode.S)
        inner = supervisor.running if supervisor is not None and (mode == Mode.U or virtual) else None
    return None


def standing(root: Computer) -> Resident | None:
    """The resident in whose Python the root machine's hart stands now; None if it stands in a program."""
    return gate(root) if root.hart.pc == GATE else None


@lru_cache(maxsize=256)
def word_of(instruction: str) -> int:
    """The word of one instruction in assembler syntax."""
    from vlab.riscv import assemble

    return int.from_bytes(assemble(instruction).segments[0][1][:4], "little")


def parse_size(text: object) -> int:
    """Bytes, from a number or a text such as "64M"; VlabError if it is neither."""
    if isinstance(text, int):
        return text
    found = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise VlabError(
            _("{text!r} is not a size of memory.").format(text=text),
            mend=_("Write a number of bytes, or one with a unit: 64M, 512K, 1G."),
        )
    return int(found[1]) * _UNITS[found[2].upper()]
