"""Trap and emulate: the whole guest, its kernel too, runs in real U mode under shadow page tables.

Every sensitive instruction of RISC-V traps there. So the guest runs by itself until it does something that
only its own computer may decide; then the hypervisor does, on the virtual hart, what that computer would do.
"""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from vlab.events import Emulation, Injection, ShadowFill, ShadowFlush
from vlab.hypervisor.frames import FramePool
from vlab.hypervisor.policies import Lazy
from vlab.hypervisor.shadow import ShadowTables, View
from vlab.hypervisor.techniques.brief import Briefs, Lean
from vlab.hypervisor.techniques.htinst import plain
from vlab.language import _
from vlab.machine import GATE, Resident, gate
from vlab.machine.hart import MASK
from vlab.machine.interrupts import tell_interrupts
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Found, Key
from vlab.machine.pmp import W
from vlab.machine.snapshot import Checker
from vlab.paging import Flags
from vlab.riscv import Access, Cause, Interrupt, Mode, Trap, disassemble
from vlab.riscv.instructions import ROWS
from vlab.riscv.privilege import INTERRUPT_BIT, PAGE_FAULT, cause_key
from vlab.riscv.registers import ABI_NAMES

if TYPE_CHECKING:
    from vlab.hypervisor.virtualmachine import VirtualMachine

_ECALL, _SRET, _MRET = (ROWS[name].match for name in ("ecall", "sret", "mret"))
_WANTED = {int(cause): access for access, cause in PAGE_FAULT.items()}
PRIVILEGED = "privileged instruction"  # an exit for what only the guest's own computer may do
DEVICE = "device access"
_FILLS = ("shadow fill", "first write", "copy on write")  # exits that the guest knows nothing of
AT_ENTRIES = ("prepare", "awake", "load", "satp", "deadline", "start", "save", "late_steps")
AT_EXITS = ("exit", "reason", "_deal_with", "_emulate", "mode")
AT_DEVICES = ("_missing", "_interpret", "inject", "resolve", "view")
_MOST_PAGES = 64
_NOWHERE = View(Key(Mode.M, paged=True), 0)  # a table that stays empty: every instruction is interpreted


class TrapAndEmulate:
    """How one guest is run: what its exits mean, and the shadow tables it runs under, of some policy.

    A reader's own technique is a subclass with a `name` of its own.
    """

    name: ClassVar[str] = "trap-and-emulate"
    policy: ClassVar[type[ShadowTables]] = Lazy  # of its shadows, where the reader names none

    def __init__(self, vm: "VirtualMachine", frames: Iterable[int], policy: type[ShadowTables] = Lazy):
        self.vm = vm
        self._frames = list(frames)
        self._pool = FramePool(vm.host.memory, self._table_frames)
        self.shadow = policy(vm.host.memory, vm.memory, self._pool, self)
        # Whether the guest has neither trapped by its last exit nor lost a shadow entry; and whether besides nothing
        # has changed by which it was entered, or somebody has to look. Who does more at an entry than what is said
        # here, does it at each.
        self.unmoved = self.stays = False
        self.calm = False  # whether, when the guest was last entered, no interrupt waited to be enabled
        self._plain = self._as_said_by(TrapAndEmulate, AT_ENTRIES)
        plain = self._as_said_by(TrapAndEmulate, AT_ENTRIES + AT_EXITS) and not vm.quirks
        self.briefs = Briefs(vm.virtual_hart if plain else None)
        self._leans = plain and self._as_said_by(TrapAndEmulate, AT_DEVICES)
        self._devices: set[int] = (
            set()
        )  # guest-virtual pages at which devices were met: nothing hangs on it but speed

    def _as_said_by(self, technique: type["TrapAndEmulate"], names: Iterable[str]) -> bool:
        """Whether these members are the technique's own."""
        return all(getattr(type(self), name) is getattr(technique, name) for name in names)

    @property
    def hidden_frames(self) -> int:
        """How many of its frames, the last ones, are not for shadow tables."""
        return 0

    @property
    def _table_frames(self) -> list[int]:
        return self._frames[: len(self._frames) - self.hidden_frames]

    def __repr__(self) -> str:
        return _("Technique {name} for {vm}").format(name=self.name, vm=self.vm.name)

    @property
    def stopped(self) -> str:
        """Why the hypervisor has stopped the guest for good, in a sentence; nothing if it has not."""
        return ""

    @property
    def kind(self) -> tuple[str, str]:
        """The names of the technique and of its shadows' policy."""
        return self.name, self.shadow.name

    @property
    def frames(self) -> tuple[int, ...]:
        """The host's frames that are there for its shadow tables."""
        return tuple(self._frames)

    # Exits

    def reason(self, cause: int, value: int) -> str:
        """What an exit is, in a few words that stay the same. It looks, and changes nothing."""
        mode = self.mode
        match cause:
            case Cause.ILLEGAL_INSTRUCTION:
                known = mode != Mode.U and self.vm.virtual_hart.decode(value) is not None
                return PRIVILEGED if known else "illegal instruction"
            case Cause.ECALL_FROM_U:
                return "system call" if mode == Mode.U else "ecall"
            case Cause.INSTRUCTION_PAGE_FAULT | Cause.LOAD_PAGE_FAULT | Cause.STORE_PAGE_FAULT:
                return self._missing(_WANTED[cause], value)
            case _ if cause == INTERRUPT_BIT | Interrupt.STI:
                return "timer"
        return cause_key(cause)

    def _missing(self, access: Access, gva: int) -> str:
        """Why has the shadow no entry: the guest's own fault, a device, or only that it is not filled yet?"""
        vm = self.vm
        if self.view() is _NOWHERE:
            return "interpreted"
        try:
            found = self.resolve(gva, access, touch=False)
        except Trap:
            return "guest fault"
        if not vm.memory.holds(found.physical):
            answers = access is not Access.FETCH and vm.bus.find(found.physical) is not None
            if answers:
                self._met(gva)
            return DEVICE if answers else "guest fault"
        if access is Access.STORE and self.shadow.emulates(found.physical):
            return "page-table write"
        watched = access is Access.STORE and vm.memory.is_watched(found.physical)
        if watched or not found.whole:
            return "interpreted"
        if access is Access.STORE and vm.memory.is_shared(found.physical):
            return "copy on write"
        first = access is Access.STORE and vm.memory.is_unlogged(found.physical)
        return "first write" if first else "shadow fill"

    def _met(self, gva: int) -> None:
        if len(self._devices) >= _MOST_PAGES:
            self._devices.clear()
        self._devices.add(gva // PAGE)

    def lean(self, cause: int, value: int, pc: int) -> Lean | None:
        """What there is to an exit at `pc` that concerns nobody else: a plain access to a device.

        None for all others, and where there is more to it, such as an A to be set on the way: then `exit` deals with
        it. It looks, and changes nothing.
        """
        access, hart, vm = _WANTED.get(cause), self.vm.virtual_hart, self.vm
        if not self._leans or access is None or value // PAGE not in self._devices or pc % PAGE > PAGE - 4:
            return None
        values, mmu = hart.csr.values, hart.mmu
        if pc == GATE or hart.virtual or mmu.fetches is not mmu.data:
            return None
        seen = hart.mode, values["mstatus"], values["satp"]
        code = mmu.recall(seen, pc, Access.FETCH, hart.parcel)
        if code is None or not vm.memory.holds(code, 4):
            return None
        known = plain(hart.whole(pc, code))
        if known is None or known[0].length < hart.parcel:
            return None
        told, base, distance = known
        if vm.host.live_registers()[base] + distance & MASK != value:
            return None
        place = mmu.recall(seen, value, access, told.size)
        if place is None or vm.memory.holds(place) or vm.bus.find(place) is None:
            return None
        return Lean(DEVICE, access, partial(told.access, vm.bus, place, vm.host), told.length)

    def exit(self, cause: int, value: int) -> str:
        """Deal with one exit: the real `scause` and `stval`. Returns the reason, by which it is counted."""
        reason = self.reason(cause, value)
        self._deal_with(reason, cause, value)
        return reason

    def _deal_with(self, reason: str, cause: int, value: int) -> None:
        match cause:
            case Cause.ILLEGAL_INSTRUCTION:
                self._emulate(value)
            case Cause.ECALL_FROM_U:
                self._emulate(_ECALL)
            case Cause.INSTRUCTION_PAGE_FAULT | Cause.LOAD_PAGE_FAULT | Cause.STORE_PAGE_FAULT:
                if reason in _FILLS:
                    self.fill(value, _WANTED[cause], self.resolve(value, _WANTED[cause]))
                else:
                    self._interpret()
            case _ if not cause & INTERRUPT_BIT:
                # A breakpoint, or an address that is misaligned for an atomic: the guest's own affair.
                self.inject(cause, value)

    def inject(self, cause: int, value: int = 0, raised: Trap | None = None) -> None:
        """Let the guest's own handler have a trap; see `Hart.trap`."""
        self.vm.hart.trap(cause, value, Injection, raised)

    def _emulate(self, word: int) -> None:
        """Execute this row of the table on the virtual hart; if it traps, the guest's handler gets that."""
        vm, hart = self.vm, self.vm.virtual_hart
        pc, mode = hart.pc, hart.mode
        table = self.table()
        before = self._registers() if vm.events.on else {}
        self.unmoved = self._plain
        try:
            self.stays = hart.execute(word)
            if pc == GATE and word not in (_SRET, _MRET):
                hart.pc = GATE  # issued by a resident: it stays behind its vector until it returns
        except Trap as trap:
            self.unmoved = False
            self.inject(trap.cause, trap.value, trap)
            return
        if not self.stays and self.table() != table:
            self.shadow.switched()
        if vm.events.on:
            self._tell(word, pc, mode, before)

    def _tell(self, word: int, pc: int, mode: Mode, before: dict[str, int]) -> None:
        """Tell listeners of an instruction that was emulated, and what it changed."""
        after = self._registers()
        changes = tuple((name, before[name], now) for name, now in after.items() if before[name] != now)
        self.vm.events.emit(Emulation, self.vm.level, pc, word, disassemble(word, pc), str(mode), changes)

    def _registers(self) -> dict[str, int]:
        hart = self.vm.hart
        return {"pc": hart.pc, **dict(zip(ABI_NAMES, hart.x, strict=False)), **hart.csr.values}

    def _interpret(self) -> None:
        """Execute the guest's next instruction on the virtual hart, fetched through the guest's tables.

        What a resident of the guest issued, a store to a device's register, is not in its memory.
        """
        hart = self.vm.hart
        issuer = gate(self.vm) if hart.pc == GATE else None
        try:
            word = hart.fetch(hart.pc) if issuer is None else issuer.computer.issued
        except Trap as trap:
            self.inject(trap.cause, trap.value, trap)
            return
        self._emulate(word)

    def fill(self, gva: int, access: Access, found: Found) -> None:
        """Enter a guest page into the shadow; the access that exited is tried again, and then does not exit."""
        if access is Access.STORE:
            self.vm.memory.open(found.physical)
        self.unmoved, self.stays = self._plain and not self.vm.memory.shared, True
        self.shadow.fill(self.view(), gva, self._granted(found), str(access))
        self.vm.hidden_attempt()

    def _granted(self, found: Found) -> Found:
        """What a shadow entry may grant: no store that somebody must see first, or that others would see."""
        memory, at = self.vm.memory, found.physical
        kept = memory.is_watched(at) or memory.is_unlogged(at) or memory.is_shared(at)
        return found._replace(rights=found.rights & ~W) if kept else found

    # What the shadows ask and tell

    def table(self) -> int:
        """The guest's table that its accesses go by now: its `satp`."""
        return self.vm.hart.csr.values["satp"]

    def roots(self) -> tuple[int, ...]:
        """The tables that its accesses go by, now that it stands still: its own; or with V = 1, of both stages."""
        hart = self.vm.virtual_hart
        if not hart.virtual:
            return (self.table(),)
        return hart.csr.values["vsatp"], hart.csr.values["hgatp"]

    def resolve(self, gva: int, access: Access, *, touch: bool = True) -> Found:
        """The guest's own translation of an address; see `Mmu.resolve`."""
        return self.vm.hart.mmu.resolve(gva, access, touch=touch)

    def look(self, gva: int, access: Access) -> Found:
        """See `vlab.hypervisor.shadow.Guest`."""
        return self._granted(self.resolve(gva, access, touch=False))

    def entered(self, gva: int, found: Found, flags: Flags, access: str, *, before: bool) -> None:
        """See `vlab.hypervisor.shadow.Guest`."""
        vm = self.vm
        if before:
            vm.hypervisor.fence(gva)  # a new entry needs none: faults are not remembered
        if vm.events.on:
            hpa = vm.memory.host_address(found.physical)
            vm.events.emit(ShadowFill, vm.level, gva, found.physical, hpa, str(flags), access)

    def dropped(self, reason: str, entries: int, address: int | None) -> None:
        """See `vlab.hypervisor.shadow.Guest`."""
        self.unmoved = False
        self.vm.hypervisor.fence(address)
        if entries and self.vm.events.on:
            self.vm.events.emit(ShadowFlush, self.vm.level, reason, entries)

    # Entries

    def admit(self, resident: Resident) -> None:
        """Software in Python is about to be put into the guest's computer; VlabError where it can't run there."""

    def prepare(self) -> bool:
        """Deliver a virtual interrupt if the guest has it enabled; say whether the guest can run at all."""
        hart = self.vm.virtual_hart
        if not self.awake():
            return False
        if self.vm.events.on:
            tell_interrupts(hart)
        cause = None if self.is_calm() else hart.interrupt()
        if cause is not None:
            self.inject(cause)
        return True

    def heeds(self, pending: int) -> bool:
        """Whether the guest, as it runs now, may have to do with one of these interrupts before it exits again."""
        return bool(pending & self.vm.virtual_hart.csr.values["mie"])

    def is_calm(self) -> bool:
        """Whether no interrupt waits to be enabled, as things are now."""
        csr = self.vm.virtual_hart.csr
        enabled = csr.values["mie"]
        self.calm = not enabled or not csr.pending() & enabled
        return self.calm

    def awake(self) -> bool:
        """Let the time of a guest in a `wfi` pass; False if that will not end by itself."""
        vm, hart = self.vm, self.vm.virtual_hart
        while hart.waiting:
            if hart.csr.pending() & hart.csr.values["mie"]:
                hart.waiting = False
            elif (deadline := hart.csr.deadline()) is not None:
                vm.sleep_until(deadline)
            else:
                return False
        return True

    def settle(self) -> None:
        """The guest stops running directly, or somebody looks at it: nothing of its hart's state is elsewhere now."""

    def view(self) -> View:
        """Which shadow fits the guest's state now."""
        hart = self.vm.hart
        if hart.mmu.fetches is not hart.mmu.data:
            return _NOWHERE  # MPRV: fetches and data see one address differently; no single table can
        key = hart.mmu.fetches.key
        if key.virtual:
            root, host = self.roots()
            return View(key, root if key.paged else 0, host if key.nested else 0)
        return View(key, self.table() if key.paged else 0)

    @property
    def mode(self) -> Mode:
        """The guest's mode now: here it changes only by traps and returns, which the hypervisor sees all."""
        return self.vm.virtual_hart.mode

    late_steps: ClassVar[int] = 0  # instructions that `start` issues

    def deadline(self) -> int | None:
        """The guest's time at which its hypervisor must look after it; None if never."""
        return self.vm.virtual_hart.csr.deadline()

    def load(self) -> None:
        """Put into the real registers what the guest is to find there when it runs directly."""
        self.vm.hypervisor.load_table(self.satp())

    def load_again(self) -> None:
        """The same after an exit that was `unmoved`; called where there is something to `start`."""
        self.load()

    def start(self, now: int) -> None:
        """The same, of what depends on the time: `now` is the host's when the guest begins to run."""

    def save(self) -> None:
        """The guest stopped running directly: read back what it left in the real registers."""

    def set_aside(self) -> None:
        """The hart was taken from the guest by hand: nothing of it may be left there for others."""

    def satp(self) -> int:
        """The real `satp` under which the guest runs on."""
        return self.shadow.satp(self.view())

    def translations_changed(self, reason: str, address: int | None) -> None:
        """The guest fenced one address, or (None) all; or something else changed what all its shadows say."""
        if reason == "sfence.vma" and not self.vm.virtual:
            self.shadow.fenced(address)
        else:
            self.shadow.drop_all(reason)

    # Saving

    def state(self) -> dict[str, Any]:
        """The shadows' state, as plain data."""
        return {"name": self.name, "frames": list(self._frames), "shadow": self.shadow.state()}

    def restore(self, state: Checker) -> None:
        """Be as `state` says."""
        if state.part("frames").state != self._frames:
            raise state.bad(_("The frames of the shadow tables are not where they were."))
        self.shadow.restore(state.part("shadow"), self._table_frames)
