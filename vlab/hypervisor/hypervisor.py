"""The hypervisor: system software in Python that gives its guests virtual computers.

It needs a computer and does not know which kind: `Hypervisor(machine)` and `Hypervisor(vm)` are the same
program. All it does to the hart it does by `issue`, one real instruction at a time; in a VM each of those traps
to the hypervisor below.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar, TypeVar

from vlab.display import Drawn
from vlab.events import Entry, Exit
from vlab.hypervisor.frames import clear
from vlab.hypervisor.memorymap import MemoryMap, Use, memory_map
from vlab.hypervisor.policies import POLICIES, Lazy
from vlab.hypervisor.shadow import ShadowTables
from vlab.hypervisor.techniques import BROKEN, TECHNIQUES, TrapAndEmulate
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import GATE, RESIDENTS, Computer, parse_size
from vlab.machine.memory import PAGE
from vlab.machine.snapshot import WORD, Checker
from vlab.riscv import Mode
from vlab.riscv.csrs import CSRS

NEVER = WORD - 1
ALL = -1  # in place of an address: every one
OWN_FRAMES = 256  # at the start of RAM: where a hypervisor that isn't Python would have its code and data
SHADOW_FRAMES = 64  # a guest: enough for a small kernel's tables; when they are used up, all are dropped
_ENTRY_STEPS = 2  # instructions issued between reading the time and the guest's first instruction
_STI = CSRS["sie"]["STIE"].mask
_FIRMWARE = {  # what a computer needs before S mode can be of use; the hypervisor is its own firmware
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

    Guests run one after another: the first that can run, does.
    """

    kind: ClassVar[str] = "hypervisor"

    def __init__(self, computer: Computer, *, power_on: bool = True):
        """`power_on` is false for one that will be restored."""
        self.computer = computer
        self.vms: list[VirtualMachine] = []
        self._reset()
        if power_on:
            computer.settle(self, Mode.M, Mode.S)

    def _reset(self) -> None:
        self.inside: VirtualMachine | None = None  # the guest that runs directly at this moment
        self._current: VirtualMachine | None = None
        self._installed = False
        self._loaded_satp = 0
        self._fence: int | None = None  # an address, or ALL
        self._next_frame = self.computer.memory.base // PAGE + OWN_FRAMES

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

    # Virtual machines

    def create_vm(
        self,
        image: Any = None,
        *,
        memory: str | int = "8M",
        technique: str | type[TrapAndEmulate] = TrapAndEmulate,
        shadow: str | type[ShadowTables] = Lazy,
        name: str = "",
    ) -> VirtualMachine:
        """A new virtual machine, switched on at its image's entry if one is given.

        `technique` and `shadow`, the policy of its shadow page tables, are names ("lazy", "eager", "traced"),
        or classes of the reader's own.

        Raises:
            VlabError: if the computer has too little memory, the technique or the policy isn't there, or the
                image doesn't fit; then there is no new virtual machine.
        """
        chosen, policy = _technique(technique), _policy(shadow)
        size = parse_size(memory)
        if size <= 0 or size % PAGE:
            raise VlabError(
                _("A memory of {size} bytes cannot be built.").format(size=size),
                mend=_("Give a multiple of 4096 bytes."),
            )
        first = self._next_frame
        vm = self._build_vm(name or f"vm{len(self.vms) + 1}", size // PAGE, chosen, policy)
        clear(self.computer.memory, range(first, self._next_frame))
        try:
            if image is not None:
                vm.load(image)
        except VlabError:
            self.vms.remove(vm)
            self._next_frame = first
            raise
        return vm

    @staticmethod
    def memory_for(guest: int) -> int:
        """How many bytes of memory a computer must have for a hypervisor with one guest of so many bytes."""
        return guest + (OWN_FRAMES + SHADOW_FRAMES) * PAGE

    def _build_vm(
        self, name: str, pages: int, technique: type[TrapAndEmulate], policy: type[ShadowTables]
    ) -> VirtualMachine:
        """A guest in the next free frames: its memory first, then the frames of its shadow tables."""
        memory = self.computer.memory
        first, end = self._next_frame, (memory.base + memory.size) // PAGE
        if first + pages + SHADOW_FRAMES > end:
            raise VlabError(
                _("{wanted} KiB are needed, and the computer has {free} KiB left.").format(
                    wanted=(pages + SHADOW_FRAMES) * PAGE >> 10, free=max(0, end - first) * PAGE >> 10
                ),
                where=name,
                mend=_("Give the machine more memory, or its guests less."),
            )
        self._next_frame += pages + SHADOW_FRAMES
        vm = VirtualMachine(self, name, list(range(first, first + pages)))
        vm.technique = technique(vm, range(first + pages, self._next_frame), policy)
        self.vms.append(vm)
        return vm

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
            self._exit(self.inside)
        self._enter_next()

    def _install(self) -> None:
        """From power-on in M mode to S mode, with every trap coming here."""
        issue = self.computer.issue
        for csr, value in _FIRMWARE.items():
            issue(f"csrw {csr}, a0", value)
        issue("mret")
        issue("csrw stvec, a0", GATE)
        issue("csrw sie, a0", _STI)
        self._installed = True

    def _exit(self, vm: VirtualMachine) -> None:
        """A guest stopped running directly: save it, see why, and do what its computer would have done."""
        issue, registers = self.computer.issue, list(self.computer.registers)
        now = issue("csrr a0, time")
        cause = issue("csrr a0, scause")
        value = issue("csrr a0, stval")
        pc = issue("csrr a0, sepc")
        vm.leave(now - 1, pc, registers)  # reading the time took one instruction of ours
        self.inside = None
        if vm.events.on:
            reason = vm.technique.reason(cause, value)
            vm.events.emit(Exit, vm.level, reason, cause, value, pc, str(vm.mode), vm.name)
        vm.exits[vm.technique.exit(cause, value)] += 1

    def _enter_next(self) -> None:
        """Choose a guest that can run, and go on with it; with none, wait for an interrupt."""
        candidates = [vm for vm in (self._current, *self.vms) if vm is not None]
        ready = (vm for vm in candidates if vm.on and vm.status is None and vm.technique.prepare())
        vm = next(ready, None)
        if vm is None:
            self.computer.issue("csrw stimecmp, a0", NEVER)
            self.computer.issue("wfi")
            return
        if vm is not self._current:
            self._current = vm
            # A world switch: what one guest reserved is not another's.
            vm.reservation = vm.take_reservation()
        self._enter(vm)

    def _enter(self, vm: VirtualMachine) -> None:
        """Let a guest run directly: its tables, its alarm, its registers, and `sret`."""
        issue, hart = self.computer.issue, vm.hart
        self._load_tables(vm.technique.satp())
        issue("csrw sepc, a0", hart.pc)
        deadline = hart.csr.deadline()
        now = issue("csrr a0, time") + _ENTRY_STEPS
        alarm = NEVER if deadline is None else min(NEVER, now + deadline - vm.time)
        issue("csrw stimecmp, a0", alarm)
        vm.enter(now)
        self.inside = vm
        self.computer.registers[:] = hart.x
        if vm.events.on:
            vm.events.emit(Entry, vm.level, hart.pc, str(vm.mode), vm.name)
        issue("sret")

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
        """There may be a guest to run: end the wait for an interrupt, here and in the levels outside."""
        self.computer.hart.waiting = False
        self.computer.woken()

    # Saving

    def state(self) -> dict[str, Any]:
        """All that it remembers, as plain data."""
        return {
            "installed": self._installed,
            "current": None if self._current is None else self.vms.index(self._current),
            "inside": self.inside is not None,
            "satp": self._loaded_satp,
            "fence": self._fence,
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
        self._loaded_satp = state.number("satp")
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
        if list(frames) != list(range(self._next_frame, self._next_frame + len(frames))):
            raise state.bad(_("The frames of a virtual machine are not where they can be."))
        if (
            old is not None
            and old.memory.frames == list(frames)
            and old.technique.kind == (technique, policy)
        ):
            vm, old.name = old, name
            self._next_frame += len(frames) + SHADOW_FRAMES
            self.vms.append(vm)
        else:
            chosen = _known({**TECHNIQUES, **BROKEN}, technique, how, _("There is no technique {name!r}."))
            shadow = _known(POLICIES, policy, how, _("There is no policy {name!r} of shadow page tables."))
            vm = self._build_vm(name, len(frames), chosen, shadow)
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
