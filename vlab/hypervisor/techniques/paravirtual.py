"""Paravirtualization: the guest knows, and asks its hypervisor by hypercalls for what it may not do itself.

The guest's kernel and its programs both run in real U mode, under two views of one page table: the kernel's, and
the programs', in which the kernel is out of reach. There is no M mode, and no sensitive instruction is emulated. What
remains is a contract (`guests/paravirtual/1_hypercalls.s` is the guest's side of it):

- `ecall` of the kernel is a hypercall: its number in a7, arguments in a0 and a1, the result in a0, 0 or an error.
- One page of the guest's memory is shared. There the kernel masks events by a plain store, and sees those that are
  pending; there it reads why it was entered, and says on which stack it wants to be when a program is interrupted.
- The guest's page tables are in its own addresses. What they say is entered into the shadow at once, when a table
  is loaded for the first time: its pages count as accessed, and as dirty if they can be written. A table in use is
  changed by a list of updates, all of them or none, in one hypercall that is the fence too. A plain store to it
  exits each time.
- Events are bits: 0 is the alarm. The others are channels to guests beside this one: they carry what both ends want.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from vlab.hypervisor.policies import Traced
from vlab.hypervisor.policies.eager import mapped_pages
from vlab.hypervisor.shadow import ShadowTables, View
from vlab.hypervisor.techniques.hypercalls import (
    CAUSE,
    MASK,
    PC,
    SP,
    STACK,
    STATUS,
    VALUE,
    Hypercalls,
    call_key,
)
from vlab.language import VlabError, _
from vlab.machine import GATE, Resident
from vlab.machine.board import FINISHER_BASE
from vlab.machine.memory import PAGE
from vlab.machine.snapshot import Checker
from vlab.riscv import Access, Cause, Interrupt, Mode, Trap, decode, disassemble
from vlab.riscv.csrs import CSRS
from vlab.riscv.privilege import cause_title

if TYPE_CHECKING:
    from vlab.hypervisor.virtualmachine import VirtualMachine

_FAILED = 0x13333  # what the finisher is told for a guest that was stopped: status 1
_AHEAD = 1 << 10  # pages that are entered when a table is loaded; the rest comes at its first touch
_SPARE = 8  # frames that are left to that
_STATUS = {name: CSRS["mstatus"][name].mask for name in ("SPIE", "SPP", "SUM")}
_EVENTS = 1 << Interrupt.SSI | 1 << Interrupt.STI
_TRAPS = 0xB3FF  # all that a guest can raise
# The virtual hart of a guest: every trap goes to its kernel, which may touch its programs' pages; all memory is open.
_DOMAIN = {
    "medeleg": _TRAPS,
    "mideleg": _EVENTS,
    "mie": _EVENTS,
    "menvcfg": CSRS["menvcfg"]["STCE"].mask,
    "pmpaddr0": CSRS["pmpaddr0"].writable,
    "pmpcfg0": 0x1F,
    "mstatus": _STATUS["SUM"],
}


class Paravirtual(Hypercalls):
    """Runs a guest that was built for it. Without a trap handler a guest is stopped at its first trap."""

    name: ClassVar[str] = "paravirtual"
    policy: ClassVar[type[ShadowTables]] = Traced

    def __init__(self, vm: "VirtualMachine", frames: Iterable[int], policy: type[ShadowTables] = Traced):
        super().__init__(vm, frames, policy)
        self._forget()

    def _forget(self) -> None:
        super()._forget()
        self._stopped: tuple[int, int, int] | None = None  # pc, cause and value of the trap that ended it

    def __repr__(self) -> str:
        return super().__repr__() if self._stopped is None else f"{super().__repr__()}: {self.stopped}"

    @property
    def stopped(self) -> str:
        """See `TrapAndEmulate.stopped`."""
        if self._stopped is None:
            return ""
        pc, cause, value = self._stopped
        if pc == GATE:
            return _(
                "stopped: software in Python needs instructions that a paravirtual computer does not have"
            )
        if cause == Cause.ILLEGAL_INSTRUCTION and decode(value) is not None:
            text = _("stopped at {pc:#x}: a paravirtual computer does not have `{instruction}`")
            return text.format(pc=pc, instruction=disassemble(value, pc))
        text = _("stopped at {pc:#x}: {cause} (value {value:#x}), and no handler for it")
        return text.format(pc=pc, cause=cause_title(cause), value=value)

    # Exits

    def reason(self, cause: int, value: int) -> str:
        """See `TrapAndEmulate.reason`."""
        kernel = self.vm.mode != Mode.U
        if cause == Cause.ECALL_FROM_U and kernel:
            return call_key(self.vm.hart.x[17])
        if cause == Cause.ILLEGAL_INSTRUCTION and kernel and decode(value) is not None:
            return "missing instruction"
        return super().reason(cause, value)

    def _deal_with(self, reason: str, cause: int, value: int) -> None:
        kernel = self.vm.mode != Mode.U
        match cause:
            case Cause.ECALL_FROM_U if kernel:
                self._answer(reason)
            case Cause.ECALL_FROM_U | Cause.ILLEGAL_INSTRUCTION:
                self.inject(cause, value)
            case _:
                super()._deal_with(reason, cause, value)

    def inject(self, cause: int, value: int = 0, raised: Trap | None = None) -> None:
        """The kernel's handler has a trap: the shared page says which, and where it came from."""
        hart, memory, page = self.vm.hart, self.vm.memory, self._shared_page()
        if page is None or not hart.csr.values["stvec"]:
            self._stop(cause, value)
            return
        origin, sp = hart.mode, hart.x[2]
        self._follow_mask(page)
        super().inject(cause, value, raised)
        values = hart.csr.values
        status = values["mstatus"] & (_STATUS["SPP"] | _STATUS["SPIE"])
        told = {MASK: 1, PC: values["sepc"], SP: sp, STATUS: status, CAUSE: int(cause), VALUE: value}
        for place, content in told.items():
            memory.store(page + place, 8, content)
        if origin == Mode.U:
            hart.x[2] = memory.load(page + STACK, 8)

    def _stop(self, cause: int, value: int) -> None:
        """The end of a guest that can't go on."""
        self._stopped = self.vm.hart.pc, int(cause), value
        self.vm.bus.store(FINISHER_BASE, 4, _FAILED)

    # Entries

    def admit(self, resident: Resident) -> None:
        """See `TrapAndEmulate.admit`."""
        raise VlabError(
            _("A hypervisor as it is needs instructions that a paravirtual computer does not have."),
            where=self.vm.name,
            mend=_("Put it into a virtual machine of another technique."),
        )

    def prepare(self) -> bool:
        """See `TrapAndEmulate.prepare`. A guest that was just switched on begins as a kernel, with no M mode."""
        vm, hart = self.vm, self.vm.hart
        if hart.mode == Mode.M or _TRAPS & ~hart.csr.values["medeleg"]:
            for name, value in _DOMAIN.items():
                hart.csr.write(CSRS[name], value)
            hart.mode = Mode.S
            hart.mmu.select()
        if vm.residents:
            self._stop(Cause.ILLEGAL_INSTRUCTION, 0)
            return False
        if not self.awake():
            return False
        self._show_events()
        return super().prepare() and vm.status is None

    # Page tables

    def satp(self) -> int:
        """See `TrapAndEmulate.satp`. What a table says is entered when it is used for the first time."""
        view = self.view()
        if view not in self.shadow.shadows and not self.vm.memory.shared:
            for page in self._pages(view):
                self._enter_ahead(view, page)
        return self.shadow.satp(view)

    def _pages(self, view: View) -> Iterator[int]:
        memory = self.vm.memory
        every = range(memory.base, memory.base + memory.size, PAGE)
        pages = mapped_pages(memory, view, used=False) if view.key.paged else every
        for _number, page in zip(range(_AHEAD), pages, strict=False):
            if len(self._pool.free) <= _SPARE:
                return
            yield page

    def _enter_ahead(self, view: View, page: int) -> None:
        for access in (Access.STORE, Access.LOAD, Access.FETCH):
            try:
                found = self.resolve(page, access)
            except Trap:
                continue
            if self.vm.memory.holds(found.physical) and found.whole:
                self.shadow.fill(view, page, self._granted(found), "translation")
            return

    # Saving

    def translations_changed(self, reason: str, address: int | None) -> None:
        """See `TrapAndEmulate.translations_changed`. Who is switched on, or comes from elsewhere, has no channels."""
        if reason in ("power", "restore"):
            self._forget()
        super().translations_changed(reason, address)

    def state(self) -> dict[str, Any]:
        """See `TrapAndEmulate.state`."""
        return super().state() | {"stopped": None if self._stopped is None else list(self._stopped)}

    def restore(self, state: Checker) -> None:
        """See `TrapAndEmulate.restore`."""
        if self.vm.residents:
            raise state.bad(_("This is no state of a paravirtual guest."))
        nothing = state.part("stopped").state is None
        stopped = None if nothing else state.numbers("stopped", 3)
        super().restore(state)
        self._stopped = None if stopped is None else (stopped[0], stopped[1], stopped[2])
