"""The hypervisor: system software in Python that gives its guests virtual computers.

It needs a computer and does not know which kind: `Hypervisor(machine)` and `Hypervisor(vm)` are the same program. All it
does to the hart it does by `issue`, one real instruction at a time; in a VM each of those traps to the hypervisor below.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from vlab.display import Drawn
from vlab.events import Entry, Exit
from vlab.hypervisor.techniques import TECHNIQUES, TrapAndEmulate, exit_reason
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import GATE, RESIDENTS, Computer, parse_size, standing
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

    def __init__(self, computer: Computer):
        self.computer = computer
        self.vms: list[VirtualMachine] = []
        self._reset()
        computer.settle(self, Mode.M, Mode.S)

    def _reset(self) -> None:
        self.installed = False
        self._current: VirtualMachine | None = None
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

    def create_vm(
        self,
        image: Any = None,
        *,
        memory: str | int = "8M",
        technique: str | type[TrapAndEmulate] = TrapAndEmulate,
        name: str = "",
    ) -> VirtualMachine:
        """A new virtual machine, switched on at its image's entry if one is given.

        `technique` is a name, or a class of the reader's own.

        Raises:
            VlabError: if the computer has not enough memory, the technique isn't there, or the image doesn't fit.
        """
        if isinstance(technique, str):
            technique = _technique(technique)
        size = parse_size(memory)
        if size <= 0 or size % PAGE:
            raise VlabError(
                _("A memory of {size} bytes cannot be built.").format(size=size),
                mend=_("Give a multiple of 4096 bytes."),
            )
        vm = self._build_vm(name or f"vm{len(self.vms) + 1}", self._take(size // PAGE), technique)
        if image is not None:
            vm.load(image)
        return vm

    @staticmethod
    def memory_for(guest: int) -> int:
        """How many bytes of memory a computer must have for a hypervisor with one guest of so many bytes."""
        return guest + (OWN_FRAMES + SHADOW_FRAMES) * PAGE

    def _build_vm(self, name: str, frames: list[int], technique: type[TrapAndEmulate]) -> VirtualMachine:
        vm = VirtualMachine(self, name, frames)
        vm.technique = technique(vm, self._take(SHADOW_FRAMES))
        self.vms.append(vm)
        return vm

    def _take(self, count: int) -> list[int]:
        memory = self.computer.memory
        first, end = self._next_frame, (memory.base + memory.size) // PAGE
        if first + count > end:
            raise VlabError(
                _("{wanted} KiB are needed, and the computer has {free} KiB left.").format(
                    wanted=count * PAGE >> 10, free=(end - first) * PAGE >> 10
                ),
                mend=_("Give the machine more memory, or its guests less."),
            )
        self._next_frame += count
        return list(range(first, first + count))

    # Behind the trap vector

    def handle(self) -> None:
        """Whatever brought the hart here, deal with it; then let a guest run."""
        if not self.installed:
            self._install()
        elif self._current is not None and self._current.running:
            self._exit(self._current)
        self._enter_next()

    def _install(self) -> None:
        """From power-on in M mode to S mode, with every trap coming here."""
        issue = self.computer.issue
        for csr, value in _FIRMWARE.items():
            issue(f"csrw {csr}, a0", value)
        issue("mret")
        issue("csrw stvec, a0", GATE)
        issue("csrw sie, a0", _STI)
        self.installed = True

    def _exit(self, vm: VirtualMachine) -> None:
        """A guest has stopped running directly: save it, see why, and do what its computer would have done."""
        registers = list(self.computer.registers)
        issue = self.computer.issue
        now = issue("csrr a0, time")
        cause = issue("csrr a0, scause")
        value = issue("csrr a0, stval")
        pc = issue("csrr a0, sepc")
        self.computer.registers[:] = registers
        vm.leave(now - 1, pc)  # reading the time took one instruction of ours
        if vm.events.on:
            vm.events.emit(Exit, vm.level, exit_reason(cause, vm.mode), cause, value, pc, str(vm.mode))
        vm.exits[vm.technique.exit(cause, value)] += 1

    def _enter_next(self) -> None:
        """Choose a guest that can run, and go on with it; with none, wait for an interrupt."""
        candidates = [vm for vm in (self._current, *self.vms) if vm is not None]
        vm = next((vm for vm in candidates if vm.status is None and vm.technique.prepare()), None)
        if vm is None:
            self._current = None
            self.computer.issue("csrw stimecmp, a0", NEVER)
            self.computer.issue("wfi")
            return
        if vm is not self._current:
            self._current = vm
            self.computer.reservation = None  # a world switch: what one guest reserved is not another's
        self._enter(vm)

    def _enter(self, vm: VirtualMachine) -> None:
        """Let a guest run directly: its tables, its alarm, its registers, and `sret`."""
        issue, hart = self.computer.issue, vm.hart
        satp = vm.technique.satp()
        if satp != self._loaded_satp:
            issue("csrw satp, a0", satp)
            self._loaded_satp, self._fence = satp, ALL
        if self._fence == ALL:
            issue("sfence.vma")
        elif self._fence is not None:
            issue("sfence.vma a0", self._fence)
        self._fence = None
        issue("csrw sepc, a0", hart.pc)
        deadline = hart.csr.deadline()
        now = issue("csrr a0, time") + _ENTRY_STEPS
        issue("csrw stimecmp, a0", NEVER if deadline is None else now + deadline - vm.time)
        vm.enter(now)
        self.computer.registers[:] = hart.x
        if self.computer.events.on:
            self.computer.events.emit(Entry, vm.level, hart.pc, str(vm.mode))
        issue("sret")

    def fence(self, address: int = ALL) -> None:
        """Shadow entries have changed (for one address, or for many): fence before a guest runs again."""
        self._fence = address if self._fence in (None, address) else ALL

    def take_back(self, vm: VirtualMachine) -> None:
        """Take the hart from a guest between two of its instructions, as an interrupt would."""
        root = vm.root
        while (resident := standing(root)) is not None and resident.computer.level < self.computer.level:
            resident.handle()  # its exit is still before the levels outside
        if standing(root) is not self:
            hart = self.computer._hart
            hart.mode = Mode.S
            hart.mmu.select()
            root._hart.pc = GATE

    def wake(self) -> None:
        """There may be a guest to run: end the wait for an interrupt, here and in the levels outside."""
        self.computer._hart.waiting = False
        self.computer.woken()

    # Saving

    def state(self) -> dict[str, Any]:
        """All that it remembers, as plain data."""
        return {
            "installed": self.installed,
            "current": None if self._current is None else self.vms.index(self._current),
            "satp": self._loaded_satp,
            "fence": self._fence,
            "next_frame": self._next_frame,
            "vms": [vm.state() for vm in self.vms],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as `state` says. Virtual machines that are there already stay the same objects."""
        checker = Checker(state, "hypervisor")
        rows = checker.part("vms").state
        if not isinstance(rows, list | tuple):
            raise checker.bad(_("The virtual machines are missing."))
        old, self.vms = self.vms, []
        self._reset()
        for i, row in enumerate(rows):
            self._restore_vm(Checker(row, f"hypervisor.vms[{i}]"), old[i] if i < len(old) else None)
        self.installed = checker.flag("installed")
        fence = checker.part("fence").state
        self._fence = fence if fence in (None, ALL) else checker.number("fence")
        self._loaded_satp, self._next_frame = checker.number("satp"), checker.number("next_frame", WORD // PAGE)
        current = checker.part("current").state
        self._current = None if current is None else self.vms[checker.number("current", len(self.vms))]

    def _restore_vm(self, state: Checker, old: VirtualMachine | None) -> None:
        name, frames = state.part("name").state, state.part("frames").state
        technique = state.part("technique").part("name").state
        memory = self.computer.memory
        first, end = memory.base // PAGE, (memory.base + memory.size) // PAGE
        right = isinstance(frames, list | tuple) and all(type(f) is int and first <= f < end for f in frames)
        if not right or not isinstance(name, str) or not isinstance(technique, str) or technique not in TECHNIQUES:
            raise state.bad(_("This is not a virtual machine."))
        if old is not None and old.memory.frames == list(frames):
            self.vms.append(old)
            self._next_frame += len(frames) + SHADOW_FRAMES
            vm = old
        else:
            self._take(len(frames))
            vm = self._build_vm(name, list(frames), TECHNIQUES[technique])
        vm.restore_state(state)


def _technique(name: str) -> type[TrapAndEmulate]:
    if name not in TECHNIQUES:
        raise VlabError(
            _("There is no technique {technique!r}.").format(technique=name),
            mend=_("Choose one of: {names}.").format(names=", ".join(TECHNIQUES)),
        )
    return TECHNIQUES[name]


RESIDENTS[Hypervisor.kind] = Hypervisor
