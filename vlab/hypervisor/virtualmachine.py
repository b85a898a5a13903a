"""A virtual machine: the whole virtual computer as one visible struct, with the specification's names."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vlab.display import one_line
from vlab.events import Injection
from vlab.events import Trap as TrapEvent
from vlab.hypervisor.chain import Chain, chain_of, raw_walk_of
from vlab.hypervisor.guestmemory import GuestMemory
from vlab.hypervisor.memorymap import MemoryMap, memory_map
from vlab.hypervisor.schedule import Account, checked_weight
from vlab.hypervisor.sharing import SPARE
from vlab.hypervisor.tables import Tables, tables_of
from vlab.language import VlabError, _
from vlab.machine import Computer, Resident, Snapshot
from vlab.machine.choices import GATE, SINK
from vlab.machine.computer import AnyDevice, gate, standing
from vlab.machine.expecting import expect_free, gone
from vlab.machine.hart import Hart
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Key
from vlab.machine.restoring import restore_computer
from vlab.machine.sequence import Issue, Sequence
from vlab.machine.snapshot import WORD, computer_state
from vlab.paging import Walk, size_text
from vlab.riscv import Access, Interrupt, Mode, Program
from vlab.riscv.privilege import INTERRUPT_BIT

if TYPE_CHECKING:
    from vlab.hypervisor.hypervisor import Hypervisor
    from vlab.hypervisor.techniques import TrapAndEmulate
    from vlab.machine.history import History

_KICK = INTERRUPT_BIT | Interrupt.SSI  # by which a hypervisor takes the hart from its guest


class VirtualMachine(Computer):
    """A virtual computer: virtual M, S and U modes, memory, console, timer; `Hypervisor.create_vm` makes it.

    While it runs directly (`running`), the real hart holds its registers, pc and time; looking at them
    through `hart` and `time` takes that into account. `exits` counts why it stopped running directly.
    """

    technique: "TrapAndEmulate"
    memory: GuestMemory

    def __init__(self, hypervisor: "Hypervisor", name: str, frames: list[int]):
        self.hypervisor, self.name = hypervisor, name
        self.host = hypervisor.computer
        self.level = self.host.level + 1
        self.quirks, self.extensions = self.host.quirks, self.host.extensions  # it is the very same hart
        self.events = self.host.events
        self.ram = self.memory = GuestMemory(self.host.memory, frames)
        self.memory.on_shared_write = lambda page: hypervisor.unshare(self, page)
        self.exits: Counter[str] = Counter()
        self.on = False  # there is nothing in it yet
        self.account = Account()
        self.clock = 0  # its own time when it last left the hart
        self.entered = 0  # the host's timer when it last began to run directly
        self.held: tuple[int, int] | None = None  # what it has reserved, while others have their turns
        self._build(cached=False)
        self.virtual_hart = self._hart  # as it was when the guest last stood still

    def __repr__(self) -> str:
        words = (
            _("VM {name}: level {level}, {size}, virtual {mode} mode at {pc:#x}, {exits} exits")
            if self.there
            else _("VM {name} is no more: it was removed or moved away, or its computer runs something else")
        )
        return words.format(
            name=one_line(self.name),
            level=self.level,
            size=size_text(self.memory.size),
            mode=self.mode,
            pc=self.hart.pc,
            exits=self.exits.total(),
        )

    # The Computer contract

    def machine_address(self, address: int) -> int:
        """See `Computer.machine_address`: through the frames of all levels below, as they are now."""
        return self.host.machine_address(self.memory.host_address(super().machine_address(address)))

    @property
    def running(self) -> bool:
        """Whether it runs directly, and the real hart has its registers."""
        return self.hypervisor.inside is self

    @property
    def on_hart(self) -> bool:
        """Whether the real hart works for it at this moment: it runs directly, and so does what lies below."""
        return self.running and (not isinstance(self.host, VirtualMachine) or self.host.on_hart)

    @property
    def mode(self) -> Mode:
        """The virtual mode. Where it changes unseen by the hypervisor, its technique knows."""
        return self.technique.mode

    @property
    def registers(self) -> list[int]:
        """The registers that its software uses now: the one real hart's, while it runs directly."""
        return self.host.registers if self.running else self._hart.x

    @property
    def hart(self) -> Hart:
        """The virtual hart as it stands at this moment."""
        if self.hypervisor.inside is self:
            self._hart.x[:] = self.registers
            self._hart.pc = self._pc()
            self.technique.settle()
        self._hart.x[SINK] = 0
        return self._hart

    @property
    def time(self) -> int:
        """The guest's own time: what it ran directly, what was emulated for it, what its `wfi` skipped."""
        if self.hypervisor.inside is not self:
            return self.clock
        return self.clock + (self.host.mtime - self.entered - self._open_attempts()) % WORD

    @property
    def history(self) -> "History":  # type: ignore[override]
        """The past of the machine under all levels, which types again what was typed here."""
        return self.host.history

    def issue(self, instruction: str, value: int | None = None) -> int:
        """See `Computer.issue`: it is the very same hart."""
        return self.host.issue(instruction, value)

    def issue_all(self, sequence: Sequence, *values: int) -> list[int]:
        """See `Computer.issue_all`."""
        return self.host.issue_all(sequence, *values)

    def issuer(self, sequence: Sequence) -> Issue:
        """See `Computer.issuer`."""
        return self.host.issuer(sequence)

    @property
    def unseen(self) -> bool:
        """See `Computer.unseen`."""
        return self.host.unseen

    def pass_over(self, count: int) -> None:
        """See `Computer.pass_over`."""
        self.host.pass_over(count)

    def peek(self, csr: str) -> int:
        """See `Computer.peek`."""
        return self.hart.csr.values[csr]

    @property
    def unretired(self) -> int:
        """See `Computer.unretired`."""
        return self.hart.unretired

    def live_registers(self) -> "list[int] | memoryview[int]":
        """See `Computer.live_registers`."""
        return self.host.live_registers() if self.running else self._hart.x

    def load_registers(self, x: list[int]) -> None:
        """See `Computer.load_registers`."""
        if self.running:
            self.host.load_registers(x)
        else:
            self._hart.x[:] = x

    @property
    def reservation(self) -> tuple[int, int] | None:
        """What `lr` reserved, guest-physical. The one real hart has one reservation, the current VM's."""
        if self.hypervisor.running is not self:
            return self.held
        held = self.host.reservation
        address = None if held is None else self.memory.guest_address(held[0])
        return None if held is None or address is None else (address, held[1])

    @reservation.setter
    def reservation(self, held: tuple[int, int] | None) -> None:
        if self.hypervisor.running is not self:
            self.held = held
        elif held is not None and self.memory.holds(*held):
            self.host.reservation = (self.memory.host_address(held[0]), held[1])
        else:
            self.host.reservation = None

    def translations_changed(self, reason: str, address: int | None) -> None:
        """The guest executed a fence, or changed its PMP: its shadows follow."""
        self.technique.translations_changed(reason, address)

    def set_clock(self, time: int) -> None:
        """Set the guest's time."""
        self.clock = time

    def woken(self) -> None:
        """Its own software has something to do again."""
        self.hypervisor.wake()

    def attend(self) -> None:
        """See `Computer.attend`. Its hypervisor chooses anew who runs; who sleeps below that, wakes."""
        if self.technique.heeds(self._hart.csr.pending()):
            self.hypervisor.rouse()

    # Its turns

    @property
    def weight(self) -> int:
        """Of two guests that are busy, one of twice the weight has the hart for twice the time."""
        return self.account.weight

    @weight.setter
    def weight(self, weight: int) -> None:
        self.account.weight = checked_weight(weight)

    @property
    def paused(self) -> bool:
        """Whether it stands still until it is resumed."""
        return self.account.paused

    def pause(self) -> None:
        """Let it stand still: no time passes for it. VlabError if it is no more."""
        self._stand_still(True)

    def resume(self) -> None:
        """Let it go on. VlabError if it is no more."""
        self._stand_still(False)

    def _stand_still(self, paused: bool) -> None:
        self.stop_by_hand(self.hypervisor)
        self.account.paused = paused
        self.hypervisor.wake()

    @property
    def sleep(self) -> int | None:
        """How long its `wfi` will last by itself: 0 if it isn't in one, None if for ever."""
        hart = self._hart
        if not hart.waiting or hart.csr.pending() & hart.csr.values["mie"]:
            return 0
        deadline = hart.csr.deadline()
        return None if deadline is None else deadline - self.clock

    @property
    def able(self) -> bool:
        """Whether it would run if it had the hart."""
        if not self.on or self.account.paused or self.status is not None:
            return False
        asleep = self._hart.waiting and self.sleep is None
        return not asleep and not self.starved

    @property
    def starved(self) -> bool:
        """Whether it waits for frames: it shares pages with others, and may find none to copy them to.

        Its resident, once at work, is never kept from going on.
        """
        if not self.memory.shared or self.hypervisor.free >= SPARE * PAGE:
            return False
        return standing(self) is None

    def alarmed(self, host_time: int) -> bool:
        """Whether an alarm of its own has rung by then, since it began to run directly; it has just stopped."""
        deadline = self._hart.csr.deadline()
        return deadline is not None and deadline <= self.clock + (host_time - self.entered) % WORD

    # What its hypervisor does with it

    def leave(self, host_time: int, pc: int, registers: Iterable[int]) -> None:
        """It has stopped at `pc`, when the host's timer showed `host_time`."""
        self._hart.x[:] = registers
        self._hart.pc = pc
        self.technique.settle()
        self.clock += (host_time - self.entered) % WORD
        self.hypervisor.schedule.left(self, host_time)

    def hidden_attempt(self) -> None:
        """The last attempt is repeated because of the hypervisor alone, so it is not the guest's.

        What a resident issued is in no memory, where the hart would find it again: it has to issue it again.
        """
        self.clock -= 1
        issuer = gate(self) if self._hart.pc == GATE else None
        if issuer is not None:
            issuer.computer.unfinished = True

    def sleep_until(self, deadline: int) -> None:
        """Its `wfi` lasts until `deadline`, or longer."""
        self.skipped += deadline - self.clock
        self.clock = deadline

    def take_reservation(self) -> tuple[int, int] | None:
        """What it had reserved when it was set aside, as its turn comes again."""
        held, self.held = self.held, None
        return held

    def _pc(self) -> int:
        """Where it stands while it runs directly: at the host's pc, or where its last trap left it."""
        host = self.host.hart
        return host.csr.values["sepc"] if self.hypervisor.in_control else host.pc

    def _open_attempts(self) -> int:
        """1 if its last attempt trapped and its hypervisor has not dealt with that: it will be made again."""
        exited = self.hypervisor.in_control and not self.host.hart.csr.values["scause"] & INTERRUPT_BIT
        return 1 if exited else 0

    def stop_by_hand(self, hypervisor: object) -> None:
        """Take the hart from it, if it is a guest of this hypervisor, and runs; VlabError if it is no more."""
        if hypervisor is not self.hypervisor:
            raise VlabError(_("This is a virtual machine of another hypervisor."), where=self.name)
        self._expect_by_hand()
        self.stop()

    def stop(self) -> None:
        """Take the hart from the guest between two of its instructions, as an interrupt would.

        Nothing about the guest changes by it; its hypervisor goes on, and will let it run again.
        """
        if not self.running:
            return
        host = self.host
        if isinstance(host, VirtualMachine):
            host.stop()
        if not self.hypervisor.in_control:
            host.hart.trap(_KICK, 0, Injection if host.level else TrapEvent)
        self.leave(host.mtime - self._open_attempts(), self._pc(), host.registers)
        self.technique.set_aside()
        self.hypervisor.inside = None

    # The log of writes

    def log_writes(self) -> None:
        """From here on, remember to which pages of its memory anybody writes. It costs the guest no time.

        Stores of the guest count, what is emulated for it, what devices and hypervisors inside it write, and
        `poke`. A log that is there already begins anew. VlabError if it is no more.
        """
        self._set_log(set())

    def take_written(self) -> frozenset[int]:
        """The pages written since this, or `log_writes`, was last called: their numbers from the memory's base.

        Raises:
            VlabError: if nothing is logged, or it is no more.
        """
        written = self.memory.log
        if written is None:
            raise VlabError(
                _("Nobody logs the writes of this virtual machine."),
                where=self.name,
                mend=_("Call log_writes() first."),
            )
        self._set_log(set())
        return frozenset(written)

    def stop_logging(self) -> None:
        """Remember writes no more. VlabError if it is no more."""
        self._set_log(None)

    def _set_log(self, log: set[int] | None) -> None:
        self.stop_by_hand(self.hypervisor)
        self.memory.log = log
        if log is not None:
            self.technique.shadow.protect("writes logged")
        self.hypervisor.wake()

    # What readers do with it

    def attach(self, device: AnyDevice, base: int | None = None, irq: int | None = None) -> AnyDevice:
        """See `Computer.attach`. A device that another VM beside it has, is refused too."""
        self._expect_by_hand()
        expect_free(device, self.hypervisor.vms)
        return super().attach(device, base, irq)

    def load(
        self, image: Any, *, next_stage: Any = None, dtb: bytes | None = None, bootargs: str = ""
    ) -> Program:
        """See `Computer.load`."""
        self.stop_by_hand(self.hypervisor)
        program = super().load(image, next_stage=next_stage, dtb=dtb, bootargs=bootargs)
        self._begin_anew()
        return program

    def restore(self, snapshot: Snapshot) -> None:
        """Be again as the snapshot says; VlabError, and no change, if it is damaged or does not fit."""
        self.stop_by_hand(self.hypervisor)
        restore_computer(self, snapshot)
        self._begin_anew()

    def settle(self, resident: Resident, *modes: Mode) -> None:
        """See `Computer.settle`; VlabError where the guest's technique can't carry it."""
        self._expect_by_hand()
        self.technique.admit(resident)
        self.stop()
        super().settle(resident, *modes)
        self._begin_anew()

    def _power_off(self) -> None:
        super()._power_off()
        self.exits.clear()

    def _begin_anew(self) -> None:
        """Something was put in the guest's place, and wants to run."""
        self.on = True
        self.hypervisor.wake()

    def _expect_by_hand(self) -> None:
        """VlabError where nothing can be done to it by hand: it is no more, or its machine is at work."""
        if self.history.machine.at_work:
            raise VlabError(
                _("A virtual machine is not changed in the middle of an instruction."),
                where=self.name,
                mend=_("Do it when `run` has come back, or in its `until`; not where events are heard."),
            )
        self.expect_there()

    def expect_there(self) -> None:
        """VlabError if it is no more."""
        if not self.there:
            raise gone(self.name)

    @property
    def there(self) -> bool:
        """Whether its hypervisor still has it, and a computer to run it on."""
        if self not in self.hypervisor.vms or not self.hypervisor.present:
            return False
        return not isinstance(self.host, VirtualMachine) or self.host.there

    def clone(self, name: str = "") -> "VirtualMachine":
        """Another virtual machine beside it, which goes on from where this one is: "vm" and a number if not named.

        Both have the same memory, page by page, until one of them writes: that page is copied then. So a clone
        takes frames for its shadow tables only. Its devices are its own, and not connected to anything outside.

        Raises:
            VlabError: if it is no more, if there are too few frames, or a device is of a kind that can't be made.
        """
        return self.hypervisor.clone(self, name)

    def chain(self, address: int, access: Access | str = Access.LOAD, key: Key | None = None) -> Chain:
        """Follow one guest-virtual address: guest table → guest-physical → host-physical, and the shadow.

        `key` is the context that asks, a mode with its settings; if not given, the one that the guest is in now.
        Raises VlabError for what is no 64-bit address, or no kind of access.
        """
        return chain_of(self, address, access, key)

    def tables(self, root: int | None = None, mode: Mode | str | None = None) -> Tables:
        """The guest's table, the hypervisor's map and the shadow, side by side, as they stand now.

        Of the view in which the guest runs; or of the root table at this guest-physical address, as `mode`
        ("U" or "S"; if not given, the guest's own now) sees it. Raises VlabError for another mode.
        """
        return tables_of(self, root, mode)

    def memory_map(self) -> MemoryMap:
        """Where its memory, and that of VMs inside it, lies, down to the machine. VlabError if it is no more."""
        self.expect_there()
        return memory_map(self.host, [self])

    def raw_walk(self, address: int, access: Access | str = Access.LOAD) -> Walk | None:
        """Where the host's own MMU would lead an address, had it loaded the guest's table as it is.

        Nothing is loaded: it is only looked at, in the host's memory, as the guest's mode would see it. None
        while the guest runs unpaged. Raises VlabError for what is no 64-bit address, or no kind of access.
        """
        return raw_walk_of(self, address, access)

    # Saving

    def snapshot(self) -> Snapshot:
        """The whole virtual computer, and nothing of what lies below it. VlabError if it is no more."""
        self.expect_there()
        return Snapshot(computer_state(self))
