"""The hypervisor: system software in Python that gives its guests virtual computers.

It needs a computer and does not know which kind: `Hypervisor(machine)` and `Hypervisor(vm)` are the same
program. All it does to the hart it does by `issue`, one real instruction at a time; in a VM each of those traps
to the hypervisor below.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import count
from typing import Any, ClassVar, TypeVar

from vlab.display import Drawn
from vlab.events import Entry, Exit
from vlab.hypervisor.frames import Frames
from vlab.hypervisor.memorymap import MemoryMap, Use, memory_map
from vlab.hypervisor.policies import POLICIES, Lazy
from vlab.hypervisor.schedule import NEVER, SLICE, Schedule, checked_weight
from vlab.hypervisor.shadow import ShadowTables
from vlab.hypervisor.techniques import BROKEN, TECHNIQUES, TrapAndEmulate
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import GATE, RESIDENTS, Computer, parse_size
from vlab.machine.bus import Device
from vlab.machine.memory import PAGE
from vlab.machine.snapshot import Checker
from vlab.riscv import Interrupt, Mode
from vlab.riscv.csrs import CSRS
from vlab.riscv.privilege import INTERRUPT_BIT

TURN_OVER = "time slice"  # why a guest exited that did nothing: others are waiting
ALL = -1  # in place of an address: every one
OWN_FRAMES = 256  # at the start of RAM: where a hypervisor that isn't Python would have its code and data
SHADOW_FRAMES = 64  # a guest: enough for a small kernel's tables; when they are used up, all are dropped
_ENTRY_STEPS = 2  # instructions issued between reading the time and the guest's first instruction
_STI = CSRS["sie"]["STIE"].mask
_TIMER = INTERRUPT_BIT | Interrupt.STI
FIRMWARE = {  # what a computer needs before S mode can be of use; the hypervisor is its own firmware
    "medeleg": CSRS["medeleg"].writable,  # every exception goes to S mode
    "mideleg": CSRS["mideleg"].writable,  # so does every interrupt that may
    "mcounteren": CSRS["mcounteren"]["TM"].mask,  # S mode reads the time
    "menvcfg": CSRS["menvcfg"]["STCE"].mask,  # and has an alarm of its own
    "pmpaddr0": CSRS["pmpaddr0"].writable,  # all of memory is open
    "pmpcfg0": 0x1F,
    "mstatus": Mode.S << CSRS["mstatus"]["MPP"].low,
    "mepc": GATE,
}


class Hypervisor(Drawn):
    """A hypervisor on a computer, real or virtual. It powers the computer on and takes it over.

    Guests that can run share the hart by their weights, in turns of `time_slice` instructions.
    """

    kind: ClassVar[str] = "hypervisor"

    def __init__(self, computer: Computer, *, power_on: bool = True, time_slice: int = SLICE):
        """`power_on` is false for one that will be restored."""
        self.computer = computer
        self.vms: list[VirtualMachine] = []
        self.schedule = Schedule(time_slice)
        self._reset()
        if power_on:
            computer.settle(self, Mode.M, Mode.S)

    def _reset(self) -> None:
        self.inside: VirtualMachine | None = None  # the guest that runs directly at this moment
        self._alarmed = False  # whether the one that left last did so at an alarm of its own
        self._current: VirtualMachine | None = None
        self._installed = False
        self._loaded_satp: int | None = None
        self._fence: int | None = None  # an address, or ALL
        self._frames = Frames(self.computer.memory, OWN_FRAMES)

    def __repr__(self) -> str:
        names = ", ".join(vm.name for vm in self.vms)
        return _("Hypervisor at level {level}: {vms}").format(
            level=self.computer.level, vms=names or _("no virtual machines")
        )

    @property
    def running(self) -> VirtualMachine | None:
        """The guest that runs directly, or did last."""
        return self._current

    @property
    def in_control(self) -> bool:
        """Whether the computer's hart stands in this hypervisor; if a guest ran, it has exited."""
        hart = self.computer.hart
        return hart.pc == GATE and self.computer.residents.get(hart.mode) is self

    @property
    def present(self) -> bool:
        """Whether its computer is still its own."""
        return self in self.computer.residents.values()

    # Virtual machines

    def create_vm(
        self,
        image: Any = None,
        *,
        memory: str | int = "8M",
        devices: Iterable[Device] = (),
        technique: str | type[TrapAndEmulate] = TrapAndEmulate,
        shadow: str | type[ShadowTables] = Lazy,
        name: str = "",
        weight: int = 1,
    ) -> VirtualMachine:
        """A new virtual machine, switched on at its image's entry if one is given.

        `devices` are attached to it first, each to the next slot.
        `technique` and `shadow`, the policy of its shadow page tables, are names ("lazy", "eager", "traced"),
        or classes of the reader's own. Of two guests that are busy, one of twice the `weight` (1 to 10,000) has
        the hart for twice the time.

        Raises:
            VlabError: if the computer has too little memory, the technique or the policy isn't there, a device
                can't be attached, or the image doesn't fit; then there is no new virtual machine.
        """
        chosen, policy, weight = _technique(technique), _policy(shadow), checked_weight(weight)
        size = parse_size(memory)
        if size <= 0 or size % PAGE:
            raise VlabError(
                _("A memory of {size} bytes cannot be built.").format(size=size),
                mend=_("Give a multiple of 4096 bytes."),
            )
        taken = {vm.name for vm in self.vms}
        name = name or next(new for n in count(len(self.vms) + 1) if (new := f"vm{n}") not in taken)
        frames = self._take(size // PAGE + SHADOW_FRAMES, name)
        vm = self._build_vm(name, frames, chosen, policy)
        vm.weight = weight
        try:
            for device in devices:
                vm.attach(device)
            if image is not None:
                vm.load(image)
        except VlabError:
            self._release(vm)
            raise
        return vm

    def remove(self, vm: VirtualMachine) -> None:
        """End a virtual machine for good: its frames are zeroed, and free for others.

        Raises:
            VlabError: if it is none of these, or no more.
        """
        vm.stop_by_hand(self)
        self._release(vm)
        self.wake()

    def _release(self, vm: VirtualMachine) -> None:
        self.vms.remove(vm)
        if self._current is vm:
            self._current = None
        self._give([*vm.memory.frames, *vm.technique.frames])
        vm.memory.detach()
        self._loaded_satp = None  # its root may soon be another's: whatever comes next is loaded, and fenced

    @property
    def free(self) -> int:
        """Bytes of its computer's memory that are nobody's yet."""
        return self._frames.free * PAGE

    @staticmethod
    def room_for(guest: int) -> int:
        """How many bytes of its computer's memory a guest of so many bytes takes."""
        return guest + SHADOW_FRAMES * PAGE

    @staticmethod
    def memory_for(guest: int) -> int:
        """How many bytes of memory a computer must have for a hypervisor with one guest of so many bytes."""
        return guest + (OWN_FRAMES + SHADOW_FRAMES) * PAGE

    def _build_vm(
        self, name: str, frames: list[int], technique: type[TrapAndEmulate], policy: type[ShadowTables]
    ) -> VirtualMachine:
        """A guest in these frames: its memory, and behind it the frames of its shadow tables."""
        vm = VirtualMachine(self, name, frames[:-SHADOW_FRAMES])
        vm.technique = technique(vm, frames[-SHADOW_FRAMES:], policy)
        self.vms.append(vm)
        return vm

    def _take(self, count: int, who: str) -> list[int]:
        """So many free frames, zeroed; VlabError if there are too few."""
        return self._frames.take(count, who)

    def _claim(self, frames: list[int]) -> bool:
        """Take just these frames, as a saved state has it; False if they are not free."""
        return self._frames.claim(frames)

    def _give(self, frames: list[int]) -> None:
        """These frames are free again, and zero."""
        self._frames.give(frames)

    def process_address(self, vm: VirtualMachine, gpa: int) -> int | None:
        """GPA → HVA, where a VM is a process of a host; there is none here."""
        return None

    def memory_map(self) -> MemoryMap:
        """Whose the memory under its VMs is: theirs, its own, free."""
        return memory_map(self.computer, self.vms)

    def uses(self) -> Iterator[Use]:
        """What it uses its computer's frames for; those that are not named are free."""
        first = self.computer.memory.base // PAGE
        yield Use("", "own", range(first, first + OWN_FRAMES))
        for vm in self.vms:
            yield Use(vm.name, "memory", vm.memory.frames)
            tables = set(vm.technique.shadow.frames())
            yield Use(vm.name, "tables", sorted(tables))
            yield Use(vm.name, "pool", (frame for frame in vm.technique.frames if frame not in tables))

    # Behind the trap vector

    def handle(self) -> None:
        """Whatever brought the hart here, deal with it; then let a guest run."""
        if not self._installed:
            self._install()
        elif self.inside is not None:
            self.exited(self.inside, *self.left(self.inside))
        self._enter_next()

    def _install(self) -> None:
        """From power-on in M mode to S mode, with every trap coming here."""
        issue = self.computer.issue
        for csr, value in FIRMWARE.items():
            issue(f"csrw {csr}, a0", value)
        issue("mret")
        issue("csrw stvec, a0", GATE)
        issue("csrw sie, a0", _STI)
        self._installed = True

    def left(self, vm: VirtualMachine) -> tuple[int, int]:
        """A guest stopped running directly: save it, and see why: the real `scause` and `stval`."""
        issue, registers = self.computer.issue, list(self.computer.registers)
        now = issue("csrr a0, time")
        cause = issue("csrr a0, scause")
        value = issue("csrr a0, stval")
        pc = issue("csrr a0, sepc")
        self.inside = None
        self._alarmed = vm.alarmed(now - 1)  # reading the time took one instruction of ours
        vm.leave(now - 1, pc, registers)
        return cause, value

    def exited(self, vm: VirtualMachine, cause: int, value: int) -> None:
        """Do what the guest's own computer would have done."""
        turn = cause == _TIMER and not self._alarmed  # its turn is over: no affair of the guest's
        if vm.events.on:
            reason = TURN_OVER if turn else vm.technique.reason(cause, value)
            vm.events.emit(Exit, vm.level, reason, cause, value, vm.hart.pc, str(vm.mode), vm.name)
        vm.exits[TURN_OVER if turn else vm.technique.exit(cause, value)] += 1

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
        before = vm.skipped
        can = vm.able and vm.technique.prepare()
        vm.account.charge(max(0, vm.skipped - before))  # while it slept, it was the others' turn
        return can

    def enter(self, vm: VirtualMachine, until: int | None = None) -> None:
        """Let a guest run directly: its tables, the alarm, its registers, and `sret`.

        It stops at its own alarm, and at the end of its turn: at the host's time `until`, if given.
        """
        if vm is not self._current:
            self.set_aside()
            self._current = vm
            vm.reservation = vm.take_reservation()
        issue, hart = self.computer.issue, vm.hart
        self._load_tables(vm.technique.satp())
        issue("csrw sepc, a0", hart.pc)
        deadline = hart.csr.deadline()
        now = issue("csrr a0, time") + _ENTRY_STEPS
        end = self.schedule.entered(now, until)
        alarm = end if deadline is None else min(end, now + deadline - vm.time)
        issue("csrw stimecmp, a0", alarm)
        vm.enter(now)
        self.inside = vm
        self.computer.registers[:] = hart.x
        if vm.events.on:
            vm.events.emit(Entry, vm.level, hart.pc, str(vm.mode), vm.name)
        issue("sret")

    def set_aside(self) -> None:
        """A world switch: another has the hart. What the guest before has reserved waits for its next turn."""
        vm = self._current
        if vm is not None:
            held, self._current = vm.reservation, None
            vm.reservation = held

    def _load_tables(self, satp: int) -> None:
        """Put the guest's shadow into `satp`, and fence what has changed."""
        issue = self.computer.issue
        if satp != self._loaded_satp:
            issue("csrw satp, a0", satp)
            self._loaded_satp, self._fence = satp, ALL
        if self._fence == ALL:
            issue("sfence.vma")
        elif self._fence is not None:
            issue("sfence.vma a0", self._fence)
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
        if runs is not None and not (computer.history.machine.in_resident and runs.on_hart):
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
            "vms": [vm.state() for vm in self.vms],
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
        for i, row in enumerate(rows):
            self._restore_vm(row, old[i] if i < len(old) else None)
        self._installed, inside = state.flag("installed"), state.flag("inside")
        self._loaded_satp = state.optional("satp")
        self.schedule.restore(state.part("schedule"))
        self._fence = ALL if state.part("fence").state == ALL else state.optional("fence")
        current = state.optional("current", len(self.vms))
        self._current = None if current is None else self.vms[current]
        self.inside = self._current if inside else None

    def _restore_vm(self, state: Checker, old: VirtualMachine | None) -> None:
        name, frames = state.part("name").state, state.part("frames").state
        how = state.part("technique")
        technique, policy = how.part("name").state, how.part("shadow").part("policy").state
        if not isinstance(frames, list | tuple) or not frames or not isinstance(name, str):
            raise state.bad(_("This is not a virtual machine."))
        pool = how.part("frames").state
        if (
            not isinstance(pool, list | tuple)
            or len(pool) != SHADOW_FRAMES
            or not self._claim([*frames, *pool])
        ):
            raise state.bad(_("The frames of a virtual machine are not where they can be."))
        if (
            old is not None
            and old.memory.frames == list(frames)
            and list(old.technique.frames) == list(pool)
            and old.technique.kind == (technique, policy)
            and old.board.state() == state.part("board").state
        ):
            vm, old.name = old, name
            self.vms.append(vm)
        else:
            chosen = _known({**TECHNIQUES, **BROKEN}, technique, how, _("There is no technique {name!r}."))
            shadow = _known(POLICIES, policy, how, _("There is no policy {name!r} of shadow page tables."))
            vm = self._build_vm(name, [*frames, *pool], chosen, shadow)
            vm.board.attach_saved(state.part("board"))
        vm.restore_state(state)


Part = TypeVar("Part")


def _technique(wanted: object) -> type[TrapAndEmulate]:
    """A technique, from its name or itself; VlabError if it is none."""
    if isinstance(wanted, type) and issubclass(wanted, TrapAndEmulate):
        return wanted
    known = {**TECHNIQUES, **BROKEN}
    if not isinstance(wanted, str) or wanted not in known:
        raise VlabError(
            _("There is no technique {technique!r}.").format(technique=wanted),
            mend=_("Choose one of: {names}.").format(names=", ".join(TECHNIQUES)),
        )
    return known[wanted]


def _policy(wanted: object) -> type[ShadowTables]:
    """A policy of shadow page tables, from its name or itself; VlabError if it is none."""
    if isinstance(wanted, type) and issubclass(wanted, ShadowTables):
        return wanted
    if not isinstance(wanted, str) or wanted not in POLICIES:
        raise VlabError(
            _("There is no policy {name!r} of shadow page tables.").format(name=wanted),
            mend=_("Choose one of: {names}.").format(names=", ".join(POLICIES)),
        )
    return POLICIES[wanted]


def _known(choices: Mapping[str, Part], name: object, state: Checker, refusal: str) -> Part:
    """The choice that a state names."""
    if not isinstance(name, str) or name not in choices:
        raise state.bad(refusal.format(name=str(name)[:40]))
    return choices[name]


RESIDENTS[Hypervisor.kind] = partial(Hypervisor, power_on=False)
