"""A virtual machine: the whole virtual computer as one visible struct, with the specification's names."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from vlab.hypervisor.chain import Chain
from vlab.hypervisor.guestmemory import GuestMemory
from vlab.language import _
from vlab.machine import Computer, Snapshot, standing
from vlab.machine.hart import Hart
from vlab.machine.restoring import restore_computer, restore_core, restore_residents
from vlab.machine.snapshot import Checker, computer_state, hart_state
from vlab.paging import access_of
from vlab.riscv import Access, Mode, Program
from vlab.riscv.privilege import INTERRUPT_BIT

if TYPE_CHECKING:
    from vlab.hypervisor.hypervisor import Hypervisor
    from vlab.hypervisor.techniques.trap_and_emulate import TrapAndEmulate


class VirtualMachine(Computer):
    """A virtual computer: virtual M, S and U modes, memory, console and timer; made by `Hypervisor.create_vm`.

    While it runs directly (`running`), the real hart holds its registers, pc and time; looking at them through `hart`
    and `time` takes that into account. `exits` counts why it stopped running directly.
    """

    technique: "TrapAndEmulate"

    def __init__(self, hypervisor: "Hypervisor", name: str, frames: list[int]):
        self.hypervisor, self.name = hypervisor, name
        self.host = hypervisor.computer
        self.level = self.host.level + 1
        self.events = self.host.events
        self.ram = self.memory = GuestMemory(self.host.memory, frames)
        self.exits: Counter[str] = Counter()
        self.running = False
        self.asleep = False
        self._time = 0
        self._entered = 0  # the host's time when it last began to run directly
        self._build(cached=False)

    def __repr__(self) -> str:
        return _("VM {name}: level {level}, {size} MiB, virtual {mode} mode at {pc:#x}, {exits} exits").format(
            name=self.name,
            level=self.level,
            size=self.memory.size >> 20,
            mode=self.mode,
            pc=self.hart.pc,
            exits=self.exits.total(),
        )

    # The Computer contract

    @property
    def mode(self) -> Mode:
        """The virtual mode. It changes only by traps and returns, which the hypervisor sees all."""
        return self._hart.mode

    @property
    def registers(self) -> list[int]:
        """The one real hart's registers."""
        return self.host.registers

    @property
    def time(self) -> int:
        """The guest's own time: what it ran directly, what was emulated for it, and what its `wfi` skipped."""
        if not self.running:
            return self._time
        return self._time + self.host.time - self._entered - self._pending_attempt()

    @property
    def hart(self) -> Hart:
        """The virtual hart as it stands at this moment."""
        if self.running:
            self._hart.x[:] = self.registers
            self._hart.pc = self._real_pc()
        return self._hart

    def load(
        self, image: Any, *, next_stage: Any = None, dtb: bytes | None = None, bootargs: str = ""
    ) -> Program:
        """See `Computer.load`."""
        self._stop()
        return super().load(image, next_stage=next_stage, dtb=dtb, bootargs=bootargs)

    def issue(self, instruction: str, value: int | None = None) -> int:
        """See `Computer.issue`: it is the very same hart."""
        return self.host.issue(instruction, value)

    @property
    def reservation(self) -> tuple[int, int] | None:  # type: ignore[override]
        """What `lr` reserved, as a guest-physical address: there is only the real hart's reservation."""
        held = self.host.reservation
        address = None if held is None else self.memory.guest_address(held[0])
        return None if held is None or address is None else (address, held[1])

    @reservation.setter
    def reservation(self, held: tuple[int, int] | None) -> None:
        self.host.reservation = None if held is None else (self.memory.host_address(held[0]), held[1])

    def translations_changed(self, reason: str, address: int | None) -> None:
        """The guest executed a fence, or changed its PMP: its shadows follow."""
        self.technique.translations_changed(reason, address)

    def set_clock(self, time: int) -> None:
        """Set the guest's time."""
        self._time = time

    # Entering and leaving

    def enter(self, host_time: int) -> None:
        """The guest begins to run directly when the host's time is `host_time`."""
        self._entered, self.running = host_time, True

    def leave(self, host_time: int, pc: int) -> None:
        """It has stopped, at `pc`; the real registers are its own."""
        self._hart.x[:] = self.registers
        self._hart.pc = pc
        self._time += host_time - self._entered
        self.running = False

    def hidden_attempt(self) -> None:
        """The last attempt was repeated because of the hypervisor alone, so it is not the guest's."""
        self._time -= 1

    def sleep_until(self, deadline: int) -> None:
        """Its `wfi` ends at `deadline`."""
        self.skipped += deadline - self._time
        self._time = deadline

    @property
    def root(self) -> Computer:
        """The machine under all levels."""
        computer: Computer = self.host
        while isinstance(computer, VirtualMachine):
            computer = computer.host
        return computer

    def _outer(self) -> Computer | None:
        """The computer below whose resident has the hart now, this VM's exit still before it; None if there is none."""
        resident = standing(self.root)
        computer = None if resident is None else resident.computer
        return computer if computer is not None and computer.level < self.level else None

    def _real_pc(self) -> int:
        """Where the guest stands: the real pc, or the one saved by the trap that has not been dealt with yet."""
        outer = self._outer()
        return self.root.hart.pc if outer is None else outer._hart.csr.values["sepc"]

    def _pending_attempt(self) -> int:
        """1 if the last attempt trapped and nobody has dealt with it yet: the guest will make it again."""
        outer = self._outer()
        if outer is not self.host:
            return 0
        return 0 if outer._hart.csr.values["scause"] & INTERRUPT_BIT else 1

    def _stop(self) -> None:
        """Between two instructions, give the hart back to the hypervisor: something about the guest is replaced."""
        if self.running:
            self.hypervisor.take_back(self)
            self.leave(self.host.time - self._pending_attempt(), self._real_pc())
        self.asleep = False
        self.hypervisor.wake()

    def woken(self) -> None:
        """Its own software has something to do again."""
        self.hypervisor.wake()

    # Looking

    def chain(self, address: int, access: Access | str = Access.LOAD) -> Chain:
        """Follow one guest-virtual address: guest table → guest-physical → host-physical, and the shadow beside it."""
        access = access_of(access)
        hart = self.hart
        context = hart.mmu.fetches if access is Access.FETCH else hart.mmu.data
        guest = hart.mmu.walk(address, access, context.key) if context.key.paged else None
        gpa = address if guest is None else guest.physical
        held = gpa is not None and self.memory.holds(gpa)
        return Chain(
            gva=address,
            access=access,
            mode=str(context.key),
            guest=guest,
            gpa=gpa,
            place=self._place(gpa),
            hpa=self.memory.host_address(gpa) if held and gpa is not None else None,
            shadow=self.technique.shadow.walk(self.technique.view(), address, access),
        )

    def _place(self, gpa: int | None) -> str:
        if gpa is None:
            return "nothing"
        if self.memory.holds(gpa):
            return "memory"
        found = self.bus.find(gpa)
        return "nothing" if found is None else found[0].name

    # Saving

    def snapshot(self) -> Snapshot:
        """The whole virtual computer, and nothing of what lies below it: it can go on elsewhere."""
        return Snapshot(computer_state(self))

    def restore(self, snapshot: Snapshot) -> None:
        """Be again as the snapshot says; VlabError, and no change, if it is damaged or does not fit."""
        self._stop()
        restore_computer(self, snapshot)

    def state(self) -> dict[str, Any]:
        """What the hypervisor keeps of it, as plain data. Its memory is in the host's."""
        return {
            "name": self.name,
            "frames": list(self.memory.frames),
            "hart": hart_state(self._hart),
            "devices": self.bus.state(),
            "htif": self.htif,
            "time": self._time,
            "skipped": self.skipped,
            "entered": self._entered,
            "running": self.running,
            "asleep": self.asleep,
            "exits": dict(sorted(self.exits.items())),
            "technique": self.technique.state(),
            "residents": computer_residents(self),
        }

    def restore_state(self, state: Checker) -> None:
        """Be as the hypervisor's state says."""
        restore_residents(self, state.part("residents"))
        restore_core(self, state)
        self._time, self._entered = state.number("time"), state.number("entered")
        self.skipped = state.number("skipped")
        self.running, self.asleep = state.flag("running"), state.flag("asleep")
        exits = state.part("exits")
        self.exits = Counter({str(reason): exits.number(reason) for reason in exits.state})
        self.technique.restore(state.part("technique"))


def computer_residents(computer: Computer) -> dict[str, Any]:
    """The residents of a computer, as a snapshot keeps them."""
    return {
        mode.name: {"kind": resident.kind, "state": resident.state()} for mode, resident in computer.residents.items()
    }

