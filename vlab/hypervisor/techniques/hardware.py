"""Hardware-assisted: the guest's kernel and its users run in real VS and VU mode, under two-stage translation.

Its own traps and interrupts go to its own handlers, and its page tables are its own: the hardware walks them, and
then the hypervisor's table from guest-physical to host-physical addresses. What exits is what only the hypervisor
can do. The H extension has no virtual M mode: the guest's firmware runs in U mode, by trap and emulate; so does a
guest's guest, if the guest is itself a hypervisor that uses H.
"""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from vlab.hypervisor.policies import Lazy
from vlab.hypervisor.shadow import G_STAGE, ShadowTables
from vlab.hypervisor.techniques.brief import Lean
from vlab.hypervisor.techniques.guest_registers import (
    DELTA,
    FENCES,
    HSTATUS,
    MSTATUS,
    SUPERVISORS,
    TABLE,
    GuestRegisters,
)
from vlab.hypervisor.techniques.htinst import told_of
from vlab.hypervisor.techniques.trap_and_emulate import (
    AT_DEVICES,
    AT_ENTRIES,
    AT_EXITS,
    DEVICE,
    TrapAndEmulate,
)
from vlab.language import VlabError, _
from vlab.machine import GATE
from vlab.machine.choices import SINK
from vlab.machine.hart import MASK
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Found
from vlab.machine.pmp import NEEDED
from vlab.machine.snapshot import WORD, Checker
from vlab.paging import Flags
from vlab.riscv import Access, Cause, Mode, Trap
from vlab.riscv.instructions import ROWS
from vlab.riscv.privilege import GUEST_PAGE_FAULT, INTERRUPT_BIT

if TYPE_CHECKING:
    from vlab.hypervisor.virtualmachine import VirtualMachine

_SPP = MSTATUS["SPP"]
_TOLD = HSTATUS["SPV"] | HSTATUS["GVA"]
_M = Mode.M
_ECALL = ROWS["ecall"].match
_WANTED = {int(cause): access for access, cause in GUEST_PAGE_FAULT.items()}
_ENTRY_WRITE = 0x3020  # the pseudoinstruction: the walker wants to set A or D in the guest's own table
_FILL = "G-stage fill"
_FILLS = (_FILL, "first write", "copy on write")


class HardwareAssisted(TrapAndEmulate):
    """How a guest is run on a computer with the H extension."""

    name: ClassVar[str] = "hardware-assisted"

    def __init__(self, vm: "VirtualMachine", frames: Iterable[int], policy: type[ShadowTables] = Lazy):
        super().__init__(vm, frames, policy)
        if "H" not in vm.host.extensions:
            raise VlabError(
                _("This computer has no H extension, so it can't assist."),
                where=vm.name,
                mend=_('Build the machine with `Machine(extensions="H")`.'),
            )
        self._plain = self._as_said_by(HardwareAssisted, AT_ENTRIES)
        self._real, self._issue_delta = GuestRegisters(vm), vm.host.issuer(DELTA)
        self._leans = self._as_said_by(HardwareAssisted, AT_ENTRIES + AT_EXITS + AT_DEVICES)
        self._pending = 0  # of its interrupts, when it was last found at rest
        self._due: int | None = None  # when its hypervisor must look after it, as it was last asked
        self._fault = 0, 0  # what htval and htinst said of the last exit
        self._stale = True  # the guest fenced, or its table was edited, where no hardware has seen it

    @property
    def direct(self) -> bool:
        """Whether hardware can be what the guest's hart is now: not in M mode, nor in a guest of the guest's own.

        Nor may traps and returns have to do more than in a plain S mode: what `hstatus` holds for `sret`, and what
        the last trap told, would be neither used nor cleared.
        """
        hart = self.vm.virtual_hart
        if hart.mode == _M or hart.virtual:
            return False
        values = hart.csr.values
        return not (values["hstatus"] & _TOLD or values["htval"] or values["htinst"])

    @property
    def mode(self) -> Mode:
        """See `TrapAndEmulate.mode`: the real hart knows, while the guest runs directly."""
        return self._real_mode() if self.vm.running and self.direct else self.vm.virtual_hart.mode

    def _real_mode(self) -> Mode:
        return self._left_mode() if self.vm.hypervisor.in_control else self.vm.host.hart.mode

    def _left_mode(self) -> Mode:
        """The mode that an exit has left."""
        return Mode.S if self.vm.host.peek("mstatus") & _SPP else Mode.U

    def _exited_open(self) -> bool:
        """Whether the exit was an exception: the attempt will be made again."""
        return not self.vm.host.peek("scause") & INTERRUPT_BIT

    # Entries

    def load(self) -> None:
        """See `TrapAndEmulate.load`: the guest's registers into the real ones, and where its traps go."""
        if not self.direct:
            super().load()
            return
        self._real.load(self.vm.virtual_hart.csr.pending())
        self._load_table()

    def load_again(self) -> None:
        """See `TrapAndEmulate.load_again`. Fences of shadows are of use only to who runs under one.

        What was not read back is still there: it counts as read, and written.
        """
        if not self.direct:
            self.vm.hypervisor.load_fence()
            return
        if self._real.kept:
            self._real.load_kept()
        else:
            self._real.load(self._pending)
        if self._stale:
            self._load_table()

    def _load_table(self) -> None:
        host, root = self.vm.host, self.shadow.satp(G_STAGE)
        if host.peek("hgatp") != root:
            host.issue_all(TABLE, root)
            self._stale = True
        if self._stale:
            host.issue_all(FENCES)
        self._stale = False

    late_steps: ClassVar[int] = 1

    def start(self, now: int) -> None:
        """See `TrapAndEmulate.start`: the guest's time goes on where it stood."""
        delta = (self.vm.clint.mtime_at(self.vm.clock) - now) % WORD if self.direct else 0
        self._issue_delta(delta)

    def deadline(self) -> int | None:
        """See `TrapAndEmulate.deadline`. An alarm of its kernel's own rings in VS mode, and nobody need look."""
        own = self.direct and self._real.alarm
        self._due = self.vm.bus.deadline(self.vm.time) if own else super().deadline()
        return self._due

    def heeds(self, pending: int) -> bool:
        """See `TrapAndEmulate.heeds`: what is pending, the guest may enable unseen."""
        return bool(pending) if self.direct else super().heeds(pending)

    # Exits

    def save(self) -> None:
        """See `TrapAndEmulate.save`: what a hypervisor reads back at each exit, and the mode of its own guests."""
        if not self.direct:
            return
        htval, htinst, *_others = self._real.ask()
        self._fault = htval, htinst
        self._real.save(self._left_mode(), self._exited_open())

    def settle(self) -> None:
        """See `TrapAndEmulate.settle`."""
        if self.vm.running and self.direct:
            exited = self.vm.hypervisor.in_control and self._exited_open()
            self._real.settle(self._real_mode(), exited)

    def exit(self, cause: int, value: int) -> str:
        """See `TrapAndEmulate.exit`; most are for what the second stage has no entry for."""
        if cause not in _WANTED or not self.direct:
            return super().exit(cause, value)
        reason = self._unmapped(self._wanted(cause), self._gpa(value))
        if reason == DEVICE:
            self._access_device(value)
        elif reason in _FILLS:
            self._fill(self._wanted(cause), self._gpa(value))
        else:
            self._interpret()
        return reason

    def lean(self, cause: int, value: int, pc: int) -> Lean | None:
        """See `TrapAndEmulate.lean`: what `htinst` tells is not fetched; and an entry of the second stage is made."""
        if not self.direct:
            return super().lean(cause, value, pc)
        vm = self.vm
        if cause not in _WANTED or not self._leans or pc == GATE or not vm.host.unseen:
            return None
        htval, htinst, vsstatus, _vsie, _hvip, vsatp, *_alarm = self._real.ask()
        self._fault = htval, htinst
        access, gpa = self._wanted(cause), self._gpa(value)
        if vm.memory.holds(gpa):
            found = self._lean_fill(access, gpa)
        else:
            found = self._lean_access((self._left_mode(), vsstatus, vsatp), access, value, gpa | value & 3)
        self._real.kept = found is not None
        return found

    def _lean_access(self, seen: tuple[Mode, int, int], access: Access, value: int, gpa: int) -> Lean | None:
        """An access to a device, by an instruction that `htinst` tells all of; A and D must be set on the way."""
        told, bus = told_of(self._fault[1]), self.vm.bus
        if told is None or bus.find(gpa) is None:
            return None
        if self.vm.virtual_hart.mmu.recall(seen, value, access, told.size) != gpa:
            return None
        return Lean(DEVICE, access, partial(told.access, bus, gpa, self.vm.host), told.length)

    def _lean_fill(self, access: Access, gpa: int) -> Lean | None:
        """An entry that nobody but the guest's own PMP has a say in."""
        reason, found = self._unmapped(access, gpa), self._found(gpa)
        if reason != _FILL or not found.rights & NEEDED[access]:
            return None
        return Lean(reason, access, partial(self._enter_page, access, gpa, found), 0)

    def reason(self, cause: int, value: int) -> str:
        """See `TrapAndEmulate.reason`."""
        if not self.direct:
            return super().reason(cause, value)
        match cause:
            case Cause.VIRTUAL_INSTRUCTION:
                return "privileged instruction"
            case Cause.ECALL_FROM_VS:
                return "ecall"
            case Cause.ECALL_FROM_U:
                return "system call"
            case _ if cause in _WANTED:
                return self._unmapped(self._wanted(cause), self._gpa(value))
        return super().reason(cause, value)

    def _gpa(self, value: int) -> int:
        """The guest-physical address that the second stage refused."""
        return self._fault[0] << 2 | (0 if self._fault[1] else value & 3)

    def _wanted(self, cause: int) -> Access:
        return Access.STORE if self._fault[1] == _ENTRY_WRITE else _WANTED[cause]

    def _unmapped(self, access: Access, gpa: int) -> str:
        """Why the second stage has no entry: see `TrapAndEmulate.reason`."""
        memory = self.vm.memory
        if not memory.holds(gpa):
            answers = access is not Access.FETCH and self.vm.bus.find(gpa) is not None
            return DEVICE if answers else "guest fault"
        store = access is Access.STORE
        if (store and memory.is_watched(gpa)) or not self._found(gpa).whole:
            return "interpreted"
        if store and memory.is_shared(gpa):
            return "copy on write"
        return "first write" if store and memory.is_unlogged(gpa) else _FILL

    def _found(self, gpa: int) -> Found:
        """What the guest's own PMP, if nothing else, lets its S and U modes do there."""
        pmp, page = self.vm.virtual_hart.csr.pmp, gpa & -PAGE
        return Found(page, pmp.allowed(page, PAGE, Mode.S), pmp.uniform(page, PAGE))

    def _deal_with(self, reason: str, cause: int, value: int) -> None:
        if not self.direct:
            super()._deal_with(reason, cause, value)
            return
        match cause:
            case Cause.VIRTUAL_INSTRUCTION:
                self._emulate(value)
            case Cause.ECALL_FROM_VS:
                self._emulate(_ECALL)
            case _ if not cause & INTERRUPT_BIT:
                self.inject(cause, value)

    def _emulate(self, word: int) -> None:
        """See `TrapAndEmulate`: as there, where the guest runs as there before and after."""
        direct = self.direct
        super()._emulate(word)
        if direct or self.direct:
            self.unmoved = False

    def _access_device(self, address: int) -> None:
        """Do the access to a device of which `htinst` tells, on the virtual hart; where it tells none, interpret."""
        vm, hart, told = self.vm, self.vm.virtual_hart, self._fault[1]
        access = told_of(told)
        if access is None or hart.pc == GATE:
            self._interpret()
            return
        before = self._registers() if vm.events.on else {}
        pc, x = hart.pc, hart.x
        try:
            if access.store:
                hart.store(address, access.size, x[access.register])
            else:
                value = hart.load(address, access.size)
                x[access.register or SINK] = value | access.sign if value & access.sign else value
        except Trap as trap:
            self.inject(trap.cause, trap.value, trap)
            return
        hart.pc, hart.changed = pc + access.length & MASK, False
        self.unmoved = self.stays = self._rests()
        if vm.events.on:
            found = hart.instruction_at(pc)
            self._tell(told if found is None else found.word, pc, hart.mode, before)

    def _rests(self) -> bool:
        """Whether this guest can go on as it was entered last, and nobody else may want to."""
        vm, csr, due = self.vm, self.vm.virtual_hart.csr, self._due
        if not self._plain or len(vm.hypervisor.vms) > 1 or not vm.able or vm.virtual_hart.waiting:
            return False
        self._pending = csr.pending()
        return self.direct and not self._pending & csr.values["mie"] and self.deadline() == due

    def _fill(self, access: Access, gpa: int) -> None:
        found = self._found(gpa)
        if not found.rights & NEEDED[access]:
            self._interpret()  # the guest's own PMP forbids it
            return
        self._enter_page(access, gpa, found)
        self.unmoved = self.stays = self._rests()

    def _enter_page(self, access: Access, gpa: int, found: Found) -> None:
        if access is Access.STORE:
            self.vm.memory.open(gpa)
        self.shadow.fill(G_STAGE, gpa & -PAGE, self._granted(found), str(access))
        self.vm.hidden_attempt()

    def entered(self, gva: int, found: Found, flags: Flags, access: str, *, before: bool) -> None:
        """See `vlab.hypervisor.shadow.Guest`."""
        self._stale |= before
        super().entered(gva, found, flags, access, before=before)

    def dropped(self, reason: str, entries: int, address: int | None) -> None:
        """See `vlab.hypervisor.shadow.Guest`."""
        self._stale = True
        super().dropped(reason, entries, address)

    def set_aside(self) -> None:
        """See `TrapAndEmulate.set_aside`."""
        values = self.vm.host.hart.csr.values
        values["hstatus"] &= ~HSTATUS["SPV"]
        values["mstatus"] &= ~MSTATUS["SPP"]
        values["scounteren"] = 0
        values["mie"] &= ~(SUPERVISORS << 1)

    def translations_changed(self, reason: str, address: int | None) -> None:
        """See `TrapAndEmulate.translations_changed`: a fence that was emulated is still to be made."""
        self._stale = True
        super().translations_changed(reason, address)

    # Saving

    def state(self) -> dict[str, Any]:
        """See `TrapAndEmulate.state`."""
        more = {"traps": self._real.traps, "fault": list(self._fault), "stale": self._stale}
        return super().state() | more

    def restore(self, state: Checker) -> None:
        """See `TrapAndEmulate.restore`."""
        super().restore(state)
        self._real.traps, self._stale = state.number("traps"), state.flag("stale")
        htval, htinst = state.numbers("fault", 2)
        self._fault = htval, htinst
