"""Trap and emulate: the whole guest, its kernel too, runs in real U mode under shadow page tables.

Every sensitive instruction of RISC-V traps there. So the guest runs by itself until it does something that only its own
computer may decide; then the hypervisor does, on the virtual hart, what that computer would have done.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from vlab.events import Emulation, Injection, ShadowFill, ShadowFlush
from vlab.hypervisor.frames import FramePool
from vlab.hypervisor.shadow import ShadowTables, View
from vlab.machine import GATE
from vlab.machine.mmu import Found, Key
from vlab.machine.pmp import W
from vlab.machine.snapshot import Checker
from vlab.riscv import Access, Cause, Interrupt, Mode, Trap, disassemble
from vlab.riscv.instructions import ROWS
from vlab.riscv.privilege import INTERRUPT_BIT, cause_title
from vlab.riscv.registers import ABI_NAMES

if TYPE_CHECKING:
    from vlab.hypervisor.virtualmachine import VirtualMachine

_ECALL, _SRET, _MRET = (ROWS[name].match for name in ("ecall", "sret", "mret"))
_NOWHERE = View(Key(Mode.M, paged=True), 0)  # a table that stays empty: every instruction exits, and is interpreted


class TrapAndEmulate:
    """How one guest is run: what its exits mean, and the shadow tables it runs under."""

    name: ClassVar[str] = "trap-and-emulate"

    def __init__(self, vm: "VirtualMachine", frames: Iterable[int]):
        self.vm = vm
        self._frames = list(frames)
        pool = FramePool(vm.host.memory, self._frames)
        self.shadow = ShadowTables(vm.host.memory, vm.memory, pool, self._dropped)

    # Exits

    def exit(self, cause: int, value: int) -> str:
        """Deal with one exit: the real `scause` and `stval`. Returns what it was, in a few words."""
        mode = self.vm.mode
        match cause:
            case Cause.ILLEGAL_INSTRUCTION:
                self._emulate(value)
            case Cause.ECALL_FROM_U:
                self._emulate(_ECALL)
            case Cause.INSTRUCTION_PAGE_FAULT:
                return self._page_fault(Access.FETCH, value)
            case Cause.LOAD_PAGE_FAULT:
                return self._page_fault(Access.LOAD, value)
            case Cause.STORE_PAGE_FAULT:
                return self._page_fault(Access.STORE, value)
            case _ if not cause & INTERRUPT_BIT:
                # A breakpoint, or an address that is misaligned for an atomic: the guest's own affair.
                self.vm.hart.trap(cause, value, Injection)
        return exit_reason(cause, mode)

    def _emulate(self, word: int) -> None:
        """Execute this row of the table on the virtual hart; if it traps there, the guest's handler gets the trap."""
        vm, hart = self.vm, self.vm.hart
        pc, mode = hart.pc, hart.mode
        before = self._registers() if vm.events.on else {}
        try:
            hart.execute(word)
            if pc == GATE and word not in (_SRET, _MRET):
                hart.pc = GATE  # issued by a resident: it stays behind its vector until it returns
        except Trap as trap:
            hart.trap(trap.cause, trap.value, Injection)
            return
        if vm.events.on:
            after = self._registers()
            changes = tuple((name, before[name], after[name]) for name in after if before[name] != after[name])
            vm.events.emit(Emulation, vm.level, pc, word, disassemble(word, pc), str(mode), changes)

    def _registers(self) -> dict[str, int]:
        hart = self.vm.hart
        return {"pc": hart.pc, **dict(zip(ABI_NAMES, hart.x, strict=False)), **hart.csr.values}

    def _page_fault(self, access: Access, gva: int) -> str:
        """The shadow has no entry: is it the guest's fault, a device, or only that the shadow was not filled yet?"""
        vm, hart = self.vm, self.vm.hart
        if self.view() is _NOWHERE:
            return self._interpret("interpreted")
        try:
            found = hart.mmu.resolve(gva, access)
        except Trap as trap:
            hart.trap(trap.cause, trap.value, Injection)
            return "guest fault"
        if not vm.memory.holds(found.physical):
            return self._interpret("device access")
        if not found.whole or (access is Access.STORE and vm.memory.is_watched(found.physical)):
            return self._interpret("interpreted")
        self.fill(gva, access, found)
        return "shadow fill"

    def fill(self, gva: int, access: Access, found: Found) -> None:
        """Enter a guest page into the shadow; the access that exited will be tried again, and this time not exit."""
        vm = self.vm
        watched = vm.memory.is_watched(found.physical)
        flags = self.shadow.fill(self.view(), gva, found.physical, found.rights & ~W if watched else found.rights)
        vm.hypervisor.fence(gva)
        vm.hidden_attempt()
        if vm.events.on:
            hpa = vm.memory.host_address(found.physical)
            vm.events.emit(ShadowFill, vm.level, gva, found.physical, hpa, str(flags), str(access))

    def _interpret(self, reason: str) -> str:
        """Execute the guest's next instruction on the virtual hart, fetched through the guest's own tables."""
        hart = self.vm.hart
        try:
            word = hart.fetch(hart.pc)
        except Trap as trap:
            hart.trap(trap.cause, trap.value, Injection)
            return "guest fault"
        self._emulate(word)
        return reason

    # Entries

    def prepare(self) -> bool:
        """Deliver a virtual interrupt if the guest has it enabled; say whether the guest can run at all."""
        vm, hart = self.vm, self.vm.hart
        if hart.waiting:
            if not hart.csr.pending() & hart.csr.values["mie"]:
                deadline = hart.csr.deadline()
                vm.asleep = deadline is None
                if deadline is None:
                    return False
                vm.sleep_until(deadline)
            hart.waiting = False
        cause = hart.interrupt()
        if cause is not None:
            hart.trap(cause, 0, Injection)
        return True

    def view(self) -> View:
        """Which shadow table fits the guest's state now."""
        hart = self.vm._hart
        if hart.mmu.fetches is not hart.mmu.data:
            return _NOWHERE  # MPRV: fetches and data see one address differently; no single table can
        key = hart.mmu.fetches.key
        return View(key, hart.csr.values["satp"] if key.paged else 0)

    def satp(self) -> int:
        """The real `satp` under which the guest runs on."""
        return self.shadow.satp(self.view())

    def translations_changed(self, reason: str, address: int | None) -> None:
        """The guest fenced one address, or (None) all."""
        if address is None:
            self.shadow.drop_all(reason)
        else:
            self.shadow.drop_page(reason, address)

    def _dropped(self, reason: str, entries: int) -> None:
        self.vm.hypervisor.fence()
        if self.vm.events.on:
            self.vm.events.emit(ShadowFlush, self.vm.level, reason, entries)

    # Saving

    def state(self) -> dict[str, Any]:
        """The shadows' state, as plain data."""
        return {"name": self.name, "frames": list(self._frames), "shadow": self.shadow.state()}

    def restore(self, state: Checker) -> None:
        """Be as `state` says."""
        if state.part("frames").state != self._frames:
            raise state.bad("The frames of the shadow tables are not where they were.")
        self.shadow.restore(state.part("shadow"), set(self._frames))


def exit_reason(cause: int, mode: Mode) -> str:
    """What an exit is, as far as its cause and the virtual mode tell."""
    match cause:
        case Cause.ILLEGAL_INSTRUCTION:
            return "illegal instruction" if mode == Mode.U else "privileged instruction"
        case Cause.ECALL_FROM_U:
            return "system call" if mode == Mode.U else "ecall"
        case _ if cause == INTERRUPT_BIT | Interrupt.STI:
            return "timer"
    return cause_title(cause)
