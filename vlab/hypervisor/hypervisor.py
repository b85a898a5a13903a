"""The hypervisor: system software in Python that gives its guests virtual computers.

It needs a computer and does not know which kind: `Hypervisor(machine)` and `Hypervisor(vm)` are the same
program. All it does to the hart it does by `issue`, one real instruction at a time; in a VM each of those traps
to the hypervisor below.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from vlab.events import Entry, Exit
from vlab.hypervisor.firmware import install
from vlab.hypervisor.frames import Frames
from vlab.hypervisor.inventory import OWN_FRAMES as OWN_FRAMES
from vlab.hypervisor.inventory import Inventory, Parts
from vlab.hypervisor.saving import restore_vm, vm_state
from vlab.hypervisor.schedule import NEVER, SLICE, Schedule
from vlab.hypervisor.sharing import find_shared
from vlab.hypervisor.techniques.trap_and_emulate import PRIVILEGED
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.language import _
from vlab.machine import GATE, RESIDENTS, Computer
from vlab.machine.bus import BusError
from vlab.machine.expecting import expect_computer, in_charge
from vlab.machine.history import AHEAD_WORK
from vlab.machine.mmu import Context
from vlab.machine.sequence import RETURN, Sequence
from vlab.machine.snapshot import WORD, Checker
from vlab.riscv import Cause, Interrupt, Mode, Trap
from vlab.riscv.privilege import ACCESS_FAULT, INTERRUPT_BIT

_LEFT = Sequence("csrr a0, time", "csrr a0, scause", "csrr a0, stval", "csrr a0, sepc")
_ENTERING = Sequence("csrw sepc, a0", "csrr a0, time")
_TABLE = Sequence("csrw satp, a0", "sfence.vma")
_FENCE, _FENCE_ONE = Sequence("sfence.vma"), Sequence("sfence.vma a0")
_ALARM = Sequence("csrw stimecmp, a0")
_ENTER = Sequence("csrw stimecmp, a0", RETURN)
TURN_OVER = "time slice"  # why a guest exited that did nothing: others are waiting
ALL = -1  # in place of an address: every one
_ENTRY_STEPS = 2  # instructions issued between reading the time and the guest's first instruction
_ILLEGAL = int(Cause.ILLEGAL_INSTRUCTION)
_MASK = WORD - 1
_TIMER = INTERRUPT_BIT | Interrupt.STI


class Hypervisor(Inventory):
    """A hypervisor on a computer, real or virtual. It powers the computer on and takes it over.

    Guests that can run share the hart by their weights, in turns of `time_slice` instructions.
    """

    kind: ClassVar[str] = "hypervisor"

    def __init__(self, computer: Computer, *, power_on: bool = True, time_slice: int = SLICE):
        """`power_on` is false for one that will be restored."""
        expect_computer(computer)
        self.computer = computer
        self.vms: list[VirtualMachine] = []
        self.schedule = Schedule(time_slice)
        issuer = computer.issuer  # of the most frequent sequences
        self._issue_left, self._issue_entering, self._issue_enter = map(issuer, (_LEFT, _ENTERING, _ENTER))
        self._reset()
        if power_on:
            computer.settle(self, Mode.M, Mode.S)

    def _reset(self) -> None:
        self.inside: VirtualMachine | None = None  # the guest that runs directly now
        self._alarmed = False  # whether the one that left last did so at an alarm of its own
        self._current: VirtualMachine | None = None
        self._installed = False
        self._loaded_satp: int | None = None
        self._fence: int | None = None  # an address, or ALL
        # How the guest inside was entered: when, by its time, it must be looked after; its contexts, and its tables.
        self._deadline: int | None = 0
        self._signals: tuple[int, int | None] | None = None
        self._entry: tuple[tuple[Context, Context] | None, tuple[int, ...]] = None, ()
        self._frames = Frames(self.computer.memory, OWN_FRAMES)

    def __repr__(self) -> str:
        names = ", ".join(vm.name for vm in self.vms)
        words = (
            _("Hypervisor at level {level}: {vms}")
            if self.present
            else _("A hypervisor that no longer has its computer, at level {level}; it had: {vms}")
        )
        return words.format(level=self.computer.level, vms=names or _("no virtual machines"))

    @property
    def running(self) -> VirtualMachine | None:
        """The guest that runs directly, or did last."""
        return self._current

    @property
    def in_control(self) -> bool:
        """Whether the computer's hart stands in this hypervisor; if a guest ran, it has exited."""
        hart = self.computer.hart
        return hart.pc == GATE and not hart.virtual and self.computer.residents.get(hart.mode) is self

    @property
    def present(self) -> bool:
        """Whether its computer is still its own."""
        return in_charge(self)

    def process_address(self, vm: VirtualMachine, gpa: int) -> int | None:
        """GPA → HVA, where a VM is a process of a host; there is none here."""
        return None

    def build_vm(self, name: str, frames: list[int], pool: list[int], parts: Parts) -> VirtualMachine:
        """See `Inventory.build_vm`."""
        vm = VirtualMachine(self, name, frames)
        technique, policy = parts
        vm.technique = technique(vm, pool, policy)
        self.vms.append(vm)
        return vm

    def _release(self, vm: VirtualMachine) -> None:
        super()._release(vm)
        if self._current is vm:
            self._current = None
        self._loaded_satp = None  # its root may soon be another's: whatever comes next is loaded, and fenced

    # Behind the trap vector

    def handle(self) -> None:
        """Whatever brought the hart here, deal with it; then let a guest run."""
        if (vm := self.inside) is not None:
            now, cause, value, pc = self._issue_left()
            if not vm.events.on:
                briefly = self._briefly if cause == _ILLEGAL else self._leanly
                if briefly(vm, now - 1, cause, value, pc):
                    return
            self.exited(vm, *self._left(vm, now, cause, value, pc))
            if self._unmoved(vm) and self._goes_on(vm, now - 1, vm.virtual_hart.x):
                return
        elif not self._installed:
            install(self.computer)
            self._installed = True
        self._enter_next()

    def _briefly(self, vm: VirtualMachine, now: int, _cause: int, word: int, pc: int) -> bool:
        """Emulate an instruction that concerns nobody but a register or two, and go on; False if it is no such one.

        The rest of the guest's registers stay in the hart.
        """
        technique, hart, clock = vm.technique, vm.virtual_hart, vm.clock
        emulate = technique.briefs[word]
        if emulate is None or pc == GATE or not hart.mode:
            return False
        registers = self.computer.live_registers()
        vm.clock, self.inside = clock + (now - vm.entered) % WORD, None
        try:
            emulate(registers)
        except Trap:
            vm.clock, self.inside = clock, vm
            return False  # and nothing has happened yet
        vm.exits[PRIVILEGED] += 1
        hart.pc, stays = pc + 4 & _MASK, True
        if hart.changed:  # if only whether interrupts are enabled, nobody cares while none is pending
            hart.changed = False
            stays = technique.calm and (hart.mmu.fetches, hart.mmu.data) == self._entry[0]
        if not stays or not self._goes_on(vm, now):
            hart.x[:] = registers
            self.schedule.left(vm, now)
            self._enter_next()
        return True

    def _leanly(self, vm: VirtualMachine, now: int, cause: int, value: int, pc: int) -> bool:
        """Deal with an exit that takes one act, and go on; False if it is no such one.

        The guest's registers stay in the hart, unless that act gives somebody something to do.
        """
        technique, clock = vm.technique, vm.clock
        vm.clock, self.inside = clock + (now - vm.entered) % WORD, None
        if len(self.vms) > 1 or (lean := technique.lean(cause, value, pc)) is None:
            vm.clock, self.inside = clock, vm
            return False
        vm.virtual_hart.pc = pc + lean.length & _MASK
        goes_on = False
        try:
            lean.act()
        except BaseException as error:  # the device refuses; or it is a reader's own, and breaks
            vm.clock, self.inside = clock, vm
            self._left(vm, now + 1, cause, value, pc)
            if not isinstance(error, BusError):
                raise
            refused = Trap(ACCESS_FAULT[lean.access], value)
            technique.inject(refused.cause, value, refused)
        else:
            quiet = not vm.events.on and vm.able and vm.bus.signals(vm.clock) == self._signals
            if not (goes_on := quiet and self._goes_on(vm, now)):
                technique.save()
                vm.virtual_hart.x[:] = self.computer.live_registers()
                self.schedule.left(vm, now)
        vm.exits[lean.reason] += 1
        if not goes_on:
            self._enter_next()
        return True

    def left(self, vm: VirtualMachine) -> tuple[int, int]:
        """A guest stopped running directly: save it, and see why: the real `scause` and `stval`."""
        return self._left(vm, *self._issue_left())

    def _left(self, vm: VirtualMachine, now: int, cause: int, value: int, pc: int) -> tuple[int, int]:
        registers = list(self.computer.live_registers())
        vm.technique.save()
        self.inside = None
        stopped = now - 1  # reading the time took one instruction of ours
        self._alarmed = cause == _TIMER and vm.alarmed(stopped)
        vm.leave(stopped, pc, registers)
        return cause, value

    def exited(self, vm: VirtualMachine, cause: int, value: int) -> str:
        """Do what the guest's own computer would have done. Returns the reason, by which it is counted."""
        turn = cause == _TIMER and not self._alarmed  # its turn is over: no affair of the guest's
        if vm.events.on:
            reason = TURN_OVER if turn else vm.technique.reason(cause, value)
            vm.events.emit(Exit, vm.level, reason, cause, value, vm.hart.pc, str(vm.mode), vm.name)
        vm.technique.unmoved = False
        reason = TURN_OVER if turn else vm.technique.exit(cause, value)
        vm.exits[reason] += 1
        return reason

    def _enter_next(self) -> None:
        """Choose a guest that can run, and go on with it; with none, wait for an interrupt."""
        vm = next(filter(self.ready, self.schedule.order(self.vms, self._current)), None)
        if vm is None:
            self.schedule.idle()
            self.computer.issue("csrw stimecmp, a0", NEVER)
            self.computer.issue("wfi")
            return
        self.enter(vm)

    def ready(self, vm: VirtualMachine) -> bool:
        """Whether a guest can run; if it has a virtual interrupt enabled, it is delivered."""
        before, clock = vm.skipped, vm.clock
        can = vm.able and vm.technique.prepare()
        slept = max(0, vm.skipped - before)
        vm.account.charge(slept)  # while it slept, it was the others' turn
        if (ahead := vm.clock - clock - slept) > 0:
            self.computer.history.machine.toil += AHEAD_WORK * ahead
        return can

    def enter(self, vm: VirtualMachine, until: int | None = None) -> None:
        """Let a guest run directly: its tables, the alarm, its registers, and `sret`.

        It stops at its own alarm, and at the end of its turn: at the host's time `until`, if given.
        """
        if vm is not self._current:
            self.set_aside()
            self._current = vm
            vm.reservation = vm.take_reservation()
        computer, hart = self.computer, vm.virtual_hart
        vm.technique.load()
        self._deadline = deadline = vm.technique.deadline()
        self._entry = (hart.mmu.fetches, hart.mmu.data), vm.technique.roots()
        self._signals = vm.bus.signals(vm.clock)
        now = self._issue_entering(hart.pc)[0] + _ENTRY_STEPS + vm.technique.late_steps
        vm.technique.start(now)
        end = self.schedule.entered(now, until)
        alarm = end if deadline is None else min(end, now + deadline - vm.time)
        vm.entered = now
        computer.load_registers(hart.x)
        if not vm.events.on:
            self.inside = vm
            self._issue_enter(alarm)
            return
        computer.issue_all(_ALARM, alarm)
        self.inside = vm
        vm.events.emit(Entry, vm.level, hart.pc, str(vm.mode), vm.name)
        computer.issue(RETURN)

    def _goes_on(self, vm: VirtualMachine, left: int, registers: list[int] | None = None) -> bool:
        """Let a guest run directly as it did before its exit, by which nothing changed that its entry goes by.

        It `left` at that time. Only the place is another one, and the alarm; and its registers, if given. False if
        its turn is over, or its alarm rings: then somebody has to be chosen anew.
        """
        deadline, clock = self._deadline, vm.clock
        if deadline is not None and clock >= deadline:
            return False
        alarm = self.schedule.goes_on(vm, left)
        if alarm is None:
            return False
        if registers is not None:
            self._signals = vm.bus.signals(clock)
        technique, late = vm.technique, vm.technique.late_steps
        if late:
            technique.load_again()
        elif self._fence is not None:
            self.load_fence()
        now = self._issue_entering(vm.virtual_hart.pc)[0] + _ENTRY_STEPS + late
        if late:
            technique.start(now)
        if deadline is not None and (own := now + deadline - clock) < alarm:
            alarm = own
        vm.entered, self.inside = now, vm
        if registers is not None:
            self.computer.load_registers(registers)
        self._issue_enter(alarm)
        return True

    def _unmoved(self, vm: VirtualMachine) -> bool:
        """Whether all is as it was when a guest was entered, but perhaps the time at which to look after it."""
        technique, hart = vm.technique, vm.virtual_hart
        if vm.events.on or not technique.unmoved or technique.stays:
            return technique.unmoved and not vm.events.on
        # Its last access was a device's, or to a register that decides much: others may have something to do now.
        entry = (hart.mmu.fetches, hart.mmu.data), technique.roots()
        if len(self.vms) > 1 or hart.waiting or not vm.able or entry != self._entry:
            return False
        self._deadline = technique.deadline()
        return technique.is_calm()

    def set_aside(self) -> None:
        """A world switch: another has the hart. What the guest before has reserved waits for its next turn."""
        vm = self._current
        if vm is not None:
            held, self._current = vm.reservation, None
            vm.reservation = held

    def load_table(self, satp: int) -> None:
        """Put the guest's shadow into `satp`, and fence what has changed."""
        if satp != self._loaded_satp:
            self.computer.issue_all(_TABLE, satp)
            self._loaded_satp, self._fence = satp, None
        self.load_fence()

    def load_fence(self) -> None:
        """Fence what has changed in the guest's shadow."""
        if self._fence == ALL:
            self.computer.issue_all(_FENCE)
        elif self._fence is not None:
            self.computer.issue_all(_FENCE_ONE, self._fence)
        self._fence = None

    def fence(self, address: int | None = None) -> None:
        """Shadow entries have changed, for one address or for more: fence before a guest runs again."""
        wanted = ALL if address is None else address
        self._fence = wanted if self._fence in (None, wanted) else ALL

    def wake(self) -> None:
        """By hand, a guest was given something to do, or kept from it: choose anew, here and in the levels outside."""
        self.rouse()
        self.computer.hart.waiting = False
        self.computer.woken()

    def rouse(self) -> None:
        """There may be another guest to run: take the hart from the one inside, or end the wait for an interrupt."""
        runs, computer = self.inside, self.computer
        # In the middle of a resident's work nothing is stopped: its `sret` will bring the hart back here.
        if runs is not None and not (computer.history.machine.at_work and runs.on_hart):
            runs.stop()
        if computer.hart.waiting:
            computer.hart.waiting = False
            if isinstance(computer, VirtualMachine):
                computer.hypervisor.rouse()

    # Saving

    def state(self) -> dict[str, Any]:
        """All that it remembers, as plain data."""
        return {
            "installed": self._installed,
            "current": None if self._current is None else self.vms.index(self._current),
            "inside": self.inside is not None,
            "satp": self._loaded_satp,
            "fence": self._fence,
            "schedule": self.schedule.state(),
            "vms": [vm_state(vm) for vm in self.vms],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as `state` says. Virtual machines that are there already stay the same objects.

        Raises:
            VlabError: if it is damaged, or doesn't fit; all is then as it was.
        """
        before, vms = self.state(), self.vms
        try:
            self._restore(Checker(state, "hypervisor"))
        except BaseException:  # Ctrl-C too
            self.vms = vms
            self._restore(Checker(before, "hypervisor"))
            raise

    def _restore(self, state: Checker) -> None:
        rows = state.part("vms").rows()
        old, self.vms = self.vms, []
        self._reset()
        for row in rows:
            restore_vm(self, row, old)
        find_shared(self.vms)
        self._installed, inside = state.flag("installed"), state.flag("inside")
        self._loaded_satp = state.optional("satp")
        self.schedule.restore(state.part("schedule"))
        self._fence = ALL if state.part("fence").state == ALL else state.optional("fence")
        current = state.optional("current", len(self.vms))
        self._current = None if current is None else self.vms[current]
        self.inside = self._current if inside else None


RESIDENTS[Hypervisor.kind] = partial(Hypervisor, power_on=False)
