"""Hardware-assisted: the guest's kernel and its users run in real VS and VU mode, under two-stage translation.

Its own traps and interrupts go to its own handlers, and its page tables are its own: the hardware walks them, and
then the hypervisor's table from guest-physical to host-physical addresses. What exits is what only the hypervisor
can do. The H extension has no virtual M mode: the guest's firmware runs in U mode, by trap and emulate; so does a
guest's guest, if the guest is itself a hypervisor that uses H.
"""

from collections.abc import Iterable
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar

from vlab.hypervisor.policies import Lazy
from vlab.hypervisor.shadow import G_STAGE, ShadowTables
from vlab.hypervisor.techniques.htinst import told_of
from vlab.hypervisor.techniques.trap_and_emulate import AT_ENTRIES, TrapAndEmulate
from vlab.language import VlabError, _
from vlab.machine import GATE
from vlab.machine.choices import SINK
from vlab.machine.csrfile import STCE
from vlab.machine.hart import MASK
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Found
from vlab.machine.pmp import W
from vlab.machine.sequence import Sequence
from vlab.machine.snapshot import WORD, Checker
from vlab.paging import Flags
from vlab.riscv import Access, Cause, Interrupt, Mode, Trap
from vlab.riscv.csrs import H_REGISTERS
from vlab.riscv.instructions import ROWS
from vlab.riscv.privilege import GUEST_PAGE_FAULT, INTERRUPT_BIT

if TYPE_CHECKING:
    from vlab.hypervisor.virtualmachine import VirtualMachine

_HSTATUS, _MSTATUS = (
    {part.name: part.mask for part in H_REGISTERS.by_name[csr].fields} for csr in ("hstatus", "mstatus")
)
_SPP, _CAUGHT = _MSTATUS["SPP"], _MSTATUS["TVM"] | _MSTATUS["TSR"]
_ENTERED, _TOLD = _HSTATUS["SPV"] | _HSTATUS["VTW"], _HSTATUS["SPV"] | _HSTATUS["GVA"]
_SSI, _STI = 1 << Interrupt.SSI, 1 << Interrupt.STI
_M = Mode.M
_ECALL = ROWS["ecall"].match
_WANTED = {int(cause): access for access, cause in GUEST_PAGE_FAULT.items()}
_ENTRY_WRITE = 0x3020  # the pseudoinstruction: the walker wants to set A or D in the guest's own table
_TM = H_REGISTERS.by_name["hcounteren"]["TM"].mask
_DEVICE = "device access"
_FILLS = ("G-stage fill", "first write", "copy on write")
# By the virtual computer's name for it, the real register that holds it while the guest runs directly.
_HELD = {
    **{name: f"v{name}" for name in ("stvec", "sscratch", "sepc", "scause", "stval", "satp", "stimecmp")},
    **{name: name for name in ("scounteren", "senvcfg")},
}
_SILENT = tuple(name for name in _HELD if name != "stimecmp")  # what is there without an alarm
_guests = itemgetter(*_HELD)
_SUPERVISORS = sum(1 << code for code in (Interrupt.SSI, Interrupt.STI, Interrupt.SEI))
_SSTATUS = H_REGISTERS.by_name["vsstatus"].writable
_OTHERS = ("vsstatus", "vsie", "hvip")
_ALARM_AT = list(_HELD).index("stimecmp")
# What is loaded at each entry, in this order, and then what is held; `_CONTROL` is the hypervisor's own.
_CONTROL = ("hstatus", "hedeleg", "hideleg", "hcounteren", "henvcfg", "hvip", "vsstatus", "vsie")
_TABLE, _FENCES = Sequence("csrw hgatp, a0"), Sequence("hfence.gvma", "hfence.vvma")
_DELTA = Sequence("csrw htimedelta, a0")
# What a hypervisor reads back at each exit. SPV and SPP are cleared, as others' guests go to U mode; and `hie`, or the
# guest's interrupts would end the host's own `wfi`.
_CLEARED = ("csrw hstatus, a0", "csrc sstatus, a0", "csrw scounteren, a0", "csrw hie, a0")


def _held(alarm: bool) -> tuple[str, ...]:
    """The real registers that hold the guest's; its alarm is there if it has one."""
    return tuple(real for name, real in _HELD.items() if name != "stimecmp" or alarm)


@cache
def _loading(alarm: bool, mode: Mode) -> Sequence:
    """To write the guest's registers, and to return to this mode."""
    written = (f"csrw {csr}, a0" for csr in _CONTROL + _held(alarm))
    return Sequence(*written, f"{'csrs' if mode == Mode.S else 'csrc'} sstatus, a0")


@cache
def _saving(alarm: bool) -> Sequence:
    """To read why the guest exited, and its registers."""
    read = ("htval", "htinst", *_held(alarm), *_OTHERS)
    return Sequence(*(f"csrr a0, {csr}" for csr in read), *_CLEARED)


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
        issuer = vm.host.issuer
        self._issue_saving = {alarm: issuer(_saving(alarm)) for alarm in (False, True)}
        self._issue_loading = {
            (alarm, mode): issuer(_loading(alarm, mode))
            for alarm in (False, True)
            for mode in (Mode.U, Mode.S)
        }
        self._issue_delta = issuer(_DELTA)
        self._traps = 0  # of the host's hart, all told, when the guest's own were last counted
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
        self._load(self.vm.virtual_hart.csr.pending())
        self._load_table()
        self._traps = self.vm.host.unretired

    def load_again(self) -> None:
        """See `TrapAndEmulate.load_again`. Fences of shadows are of use only to who runs under one."""
        if not self.direct:
            self.vm.hypervisor.load_fence()
            return
        self._load(self._pending)
        if self._stale:
            self._load_table()
        self._traps = self.vm.host.unretired

    def _load(self, pending: int) -> None:
        """The registers, of which `hvip` tells of what is pending."""
        hart = self.vm.virtual_hart
        values = hart.csr.values
        status, delegated = values["mstatus"], values["mideleg"]
        hstatus = _ENTERED
        if status & _CAUGHT:
            hstatus |= _HSTATUS["VTVM"] if status & _MSTATUS["TVM"] else 0
            hstatus |= _HSTATUS["VTSR"] if status & _MSTATUS["TSR"] else 0
        held, alarm = list(_guests(values)), bool(values["menvcfg"] & STCE)
        pending &= delegated
        if alarm:
            pending &= ~_STI  # that is `vstimecmp`'s
        else:
            del held[_ALARM_AT]
        control = (
            *(hstatus, values["medeleg"], delegated << 1),
            values["mcounteren"] & _TM,  # the other counters are the host's own
            *(values["menvcfg"], pending << 1, status & _SSTATUS, values["mie"] & delegated),
        )
        self._issue_loading[alarm, hart.mode](*control, *held, _SPP)

    def _load_table(self) -> None:
        host, root = self.vm.host, self.shadow.satp(G_STAGE)
        if host.peek("hgatp") != root:
            host.issue_all(_TABLE, root)
            self._stale = True
        if self._stale:
            host.issue_all(_FENCES)
        self._stale = False

    late_steps: ClassVar[int] = 1

    def start(self, now: int) -> None:
        """See `TrapAndEmulate.start`: the guest's time goes on where it stood."""
        delta = (self.vm.mtime - now) % WORD if self.direct else 0
        self._issue_delta(delta)

    def deadline(self) -> int | None:
        """See `TrapAndEmulate.deadline`. An alarm of its kernel's own rings in VS mode, and nobody need look."""
        values = self.vm.virtual_hart.csr.values
        own = self.direct and values["menvcfg"] & STCE and values["mideleg"] & _STI
        self._due = self.vm.bus.deadline(self.vm.time) if own else super().deadline()
        return self._due

    # Exits

    def save(self) -> None:
        """See `TrapAndEmulate.save`: what a hypervisor reads back at each exit, and the mode of its own guests."""
        if not self.direct:
            return
        mode, alarm = self._left_mode(), bool(self.vm.virtual_hart.csr.values["menvcfg"] & STCE)
        htval, htinst, *found = self._issue_saving[alarm](0, _SPP, 0, 0)
        self._fault = htval, htinst
        self._settle(found, mode, self._exited_open())

    def settle(self) -> None:
        """See `TrapAndEmulate.settle`."""
        if self.vm.running and self.direct:
            alarm = bool(self.vm.virtual_hart.csr.values["menvcfg"] & STCE)
            found = [self.vm.host.hart.csr[name] for name in (*_held(alarm), *_OTHERS)]
            self._settle(found, self._real_mode(), self.vm.hypervisor.in_control and self._exited_open())

    def _settle(self, found: list[int], mode: Mode, exited: bool) -> None:
        """The virtual hart as the real one has left it: what is held there, and `_OTHERS`."""
        hart = self.vm.virtual_hart
        values = hart.csr.values
        before = hart.mode, values["mstatus"], values["satp"]
        delegated, (*held, vsstatus, vsie, hvip) = values["mideleg"], found
        values.update(zip(_HELD if values["menvcfg"] & STCE else _SILENT, held, strict=True))
        values["mstatus"] = values["mstatus"] & ~_SSTATUS | vsstatus & _SSTATUS
        values["mie"] = values["mie"] & ~(delegated & _SUPERVISORS) | vsie
        raised = _SSI & delegated
        values["mip"] = values["mip"] & ~raised | hvip >> 1 & raised
        # Its own traps were none of the hypervisor's; but the exit itself, if an exception, is counted elsewhere.
        traps = self.vm.host.unretired - exited
        hart.unretired += traps - self._traps
        self._traps = traps
        hart.mode = mode
        if before != (mode, values["mstatus"], values["satp"]):
            hart.mmu.select()

    def exit(self, cause: int, value: int) -> str:
        """See `TrapAndEmulate.exit`; most are for what the second stage has no entry for."""
        if cause not in _WANTED or not self.direct:
            return super().exit(cause, value)
        reason = self._unmapped(self._wanted(cause), self._gpa(value))
        if reason == _DEVICE:
            self._access_device(value)
        elif reason in _FILLS:
            self._fill(self._wanted(cause), self._gpa(value))
        else:
            self._interpret()
        return reason

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
            return _DEVICE if answers else "guest fault"
        store = access is Access.STORE
        if (store and memory.is_watched(gpa)) or not self._found(gpa).whole:
            return "interpreted"
        if store and memory.is_shared(gpa):
            return "copy on write"
        return "first write" if store and memory.is_unlogged(gpa) else "G-stage fill"

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
        if not found.rights or (access is Access.STORE and not found.rights & W):
            self._interpret()  # the guest's own PMP forbids it
            return
        if access is Access.STORE:
            self.vm.memory.open(gpa)
        self.shadow.fill(G_STAGE, gpa & -PAGE, self._granted(found), str(access))
        self.vm.hidden_attempt()
        self.unmoved = self.stays = self._rests()

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
        values["hstatus"] &= ~_HSTATUS["SPV"]
        values["mstatus"] &= ~_MSTATUS["SPP"]
        values["scounteren"] = 0
        values["mie"] &= ~(_SUPERVISORS << 1)

    def translations_changed(self, reason: str, address: int | None) -> None:
        """See `TrapAndEmulate.translations_changed`: a fence that was emulated is still to be made."""
        self._stale = True
        super().translations_changed(reason, address)

    # Saving

    def state(self) -> dict[str, Any]:
        """See `TrapAndEmulate.state`."""
        more = {"traps": self._traps, "fault": list(self._fault), "stale": self._stale}
        return super().state() | more

    def restore(self, state: Checker) -> None:
        """See `TrapAndEmulate.restore`."""
        super().restore(state)
        self._traps, self._stale = state.number("traps"), state.flag("stale")
        htval, htinst = state.numbers("fault", 2)
        self._fault = htval, htinst
