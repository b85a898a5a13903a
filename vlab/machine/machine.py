"""The root machine: the one real hart, and the loop that drives it."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any

from vlab.events import EventSource
from vlab.language import VlabError, _
from vlab.machine.board import several
from vlab.machine.bus import Device
from vlab.machine.choices import GATE
from vlab.machine.computer import Computer, Resident, gate, parse_size, standing, word_of
from vlab.machine.execute import PACES, chosen_engine
from vlab.machine.execute.native.issuing import Issuing
from vlab.machine.expecting import expect_asked, expect_count, expect_number, expect_whole
from vlab.machine.h_extension import chosen_extensions
from vlab.machine.hart import MASK, Hart
from vlab.machine.history import ISSUE_WORK, LOOP_WORK, History
from vlab.machine.interruptible import Interruptible
from vlab.machine.interrupts import tell_interrupts
from vlab.machine.memory import Memory
from vlab.machine.quirks import chosen_quirks
from vlab.machine.restoring import restore_computer
from vlab.machine.sequence import A0, RETURN, Issue, Sequence
from vlab.machine.snapshot import Snapshot, computer_state, tlb_state
from vlab.machine.stop import Stop as Stop
from vlab.paging import size_text
from vlab.riscv import ROWS, Mode, Program, Trap

if TYPE_CHECKING:
    from vlab.machine.execute.native.engine import NativeEngine
    from vlab.machine.tlb import Tlb, TlbRun

QUANTUM = 100_000  # attempts between looks at Ctrl-C and at `until`
_NO_ATTEMPTS: Iterator[None] = repeat(None, 0)
_RETURNS = (ROWS["sret"].match, ROWS["mret"].match)


class Machine(Computer):
    """A RISC-V computer: RV64IMA, M/S/U, Sv39, a console, a timer. `memory`: bytes, or a text such as "64M".

    With `extensions="H"` its hart, and with it that of every virtual machine on it, has the hypervisor extension;
    with "C" compressed instructions, with "CH" both.
    `devices` are attached, each to the next slot, before the image is loaded. `quirks` are names of faults that
    its hart has on purpose, and with it every virtual machine on it (`vlab.machine.quirks.QUIRKS`). `engine` is
    "native" or "interpreter": what executes instructions, to the same effect (`vlab.machine.execute`).

    Raises:
        VlabError: if such a memory can't be built, or a device can't be attached, or the image loaded; if there is
            no such quirk, extension or engine.
    """

    level = 0
    _native: "NativeEngine | None" = None
    toil = 0  # what Python has done in the past of this state, in steps of the interpreter, about
    pace: int  # how many instructions its engine runs while the interpreter runs one

    def __init__(
        self,
        image: Any = None,
        *,
        memory: str | int = "16M",
        devices: Iterable[Device] = (),
        dtb: bytes | None = None,
        bootargs: str = "",
        quirks: str | Iterable[str] = (),
        extensions: str = "",
        engine: str | None = None,
    ):
        self.quirks, self.extensions = chosen_quirks(quirks), chosen_extensions(extensions)
        self.goal = 0  # the time when all attempts that are counted now have been made
        self._attempts = _NO_ATTEMPTS
        self.events = EventSource(lambda: self.time, lambda: self._hart.x[2])
        self.ram = self.memory = Memory(parse_size(memory))
        wanted = chosen_engine(engine)
        self.pace = PACES[wanted]
        self.history = History(self)
        self._issuers: dict[Sequence, Issue] = {}
        self._asked = False  # whether somebody waits for something, and is to be asked after each trap
        self._horizon: int | None = None  # the time up to which it may run or sleep
        self.resident_since = 0  # the step at which a resident last began to work
        self.at_work = (
            False  # whether it is in the midst of something: an instruction, a trap, a resident's work
        )
        self._build(cached=True)
        self.ram.on_code_write = self._hart.interpreter.written
        self._quantum, self.issuing = QUANTUM, Issuing(self, self._hart)
        if wanted == "native":
            from vlab.machine.execute.native.engine import NativeEngine

            self._native = NativeEngine(self, self.ram)
            self._quantum = self._native.quantum
            self.ram.on_code_write = self._native.code.written
        self.ram.on_slow_page, self.ram.on_slow_loads = self._hart.mmu.slow_stores, self._hart.mmu.slow_loads
        for device in several(devices):
            self.attach(device)
        if image is not None:
            self.load(image, dtb=dtb, bootargs=bootargs)

    def __repr__(self) -> str:
        return _("Machine: {isa}, {size}, in {mode} mode at {pc:#x}, {steps} instructions attempted").format(
            isa=f"RV64IMA{self.extensions}",
            size=size_text(self.memory.size),
            mode=self._hart.mode_name,
            pc=self._hart.pc,
            steps=self.steps,
        )

    @property
    def hart(self) -> Hart:
        """See `Computer.hart`. What native code has of it is taken back first."""
        self.take_back()
        return super().hart

    @property
    def lent(self) -> bool:
        """Whether native code has the hart's state, and a resident works with it there."""
        return self._native is not None and self._native.lent

    def take_back(self) -> None:
        """Let the hart have its state again, if native code has it."""
        if self._native is not None and self._native.lent:
            self._native.settle()

    @property
    def mode(self) -> Mode:
        """The hart's mode."""
        return self.hart.mode

    @property
    def registers(self) -> list[int]:
        """The hart's registers."""
        return self.hart.x

    def peek(self, csr: str) -> int:
        """See `Computer.peek`."""
        native = self._native
        return native.peek(csr) if native is not None and native.lent else self._hart.csr.values[csr]

    @property
    def unretired(self) -> int:
        """See `Computer.unretired`."""
        native = self._native
        return native.unretired if native is not None and native.lent else self._hart.unretired

    def live_registers(self) -> "list[int] | memoryview[int]":
        """See `Computer.live_registers`."""
        native = self._native
        return native.registers if native is not None and native.lent else self._hart.x

    def load_registers(self, x: list[int]) -> None:
        """See `Computer.load_registers`."""
        if self._native is None or not self._native.lent:
            self._hart.x[:] = x
        else:
            self._native.load_registers(x)

    @property
    def reservation(self) -> tuple[int, int] | None:
        """What `lr` reserved: physical address and size."""
        self.take_back()
        return self._reserved

    @reservation.setter
    def reservation(self, held: tuple[int, int] | None) -> None:
        self.take_back()
        self._reserved = held

    @property
    def time(self) -> int:
        """Instructions attempted, plus what `wfi` skipped. Exact at any moment, inside an instruction too."""
        return self.goal - self._attempts.__length_hint__()  # type: ignore[attr-defined,no-any-return]

    @property
    def steps(self) -> int:
        """Instructions attempted: whatever traps, counts too, so that a storm of traps ends at a limit."""
        return self.goal - self._attempts.__length_hint__() - self.skipped  # type: ignore[attr-defined,no-any-return]

    # Running

    def run(
        self,
        instructions: int | None = None,
        *,
        until: Callable[[], object] | None = None,
        each: bool = True,
        time: int | None = None,
    ) -> Stop:
        """Run until power off, or until `instructions` more were attempted, or until `until()` is true.

        With `time`, also until its time is that; it is ASLEEP too where a `wfi` would last longer, and its time
        then stays at the `wfi`. `until` is asked before each instruction; if not `each`, after each trap, each return
        from one and each device access, and now and then between, which is much faster. Ctrl-C stops between two
        instructions, with a KeyboardInterrupt.
        """
        expect_whole(time)
        if instructions is not None:
            expect_count(instructions)
        expect_asked(until)
        stop = None if instructions is None else self.steps + instructions
        self._asked = until is not None
        before, self._horizon = self._horizon, time
        try:
            return self._run(stop, until, 1 if until is not None and each else self._quantum)
        finally:
            self._horizon = before

    def _run(self, stop: int | None, until: Callable[[], object] | None, most: int) -> Stop:
        with Interruptible() as interruptible:
            while True:
                if self.status is not None:
                    return Stop.OFF
                if until is not None and until():
                    return Stop.CONDITION
                if stop is not None and self.steps >= stop:
                    return Stop.LIMIT
                if self._horizon is not None and self.time >= self._horizon:
                    return Stop.LIMIT
                interruptible.check()
                if not self._advance(min(most, self._budget(stop, self.history.note()))):
                    return Stop.ASLEEP
                if self._hart.interpreter.hit:
                    self._hart.interpreter.hit = False
                    return Stop.CONDITION

    def _budget(self, stop: int | None, most: int) -> int:
        """How many attempts may be made at once: up to the limit, and up to what comes next by the log."""
        budget = min(self._quantum, most)
        for limit in (stop, self.history.deliver()):
            if limit is not None:
                budget = min(budget, limit - self.steps)
        if self._horizon is not None:
            budget = min(budget, max(1, self._horizon - self.time))
        return budget

    def step(self, count: int = 1) -> "Machine":
        """Attempt `count` instructions (a resident's work counts as one step) and be the result."""
        expect_count(count)
        for _step in range(count):
            self.run(1)
        return self

    def stop_at(self, addresses: Iterable[int] = ()) -> None:
        """From here on `run` stops, with CONDITION, before an instruction at one of these virtual addresses.

        It does whoever is about to execute it, as often as it is asked to go on: take the address out to go past.
        """
        self._hart.interpreter.stop_at(addresses)

    def stop_here(self) -> None:
        """Let `run` stop, with CONDITION, behind the instruction that is under way: for a device's listener."""
        self._hart.interpreter.hit = True

    @property
    def stops(self) -> tuple[frozenset[int], bool]:
        """Where `run` stops, and whether it does now: see `stop_at` and `stop_here`."""
        return self._hart.interpreter.breakpoints, self._hart.interpreter.hit

    def catch_up(self) -> bool:
        """Do what happens before the next instruction: wake, take a due interrupt. False if it sleeps for good."""
        hart = self._hart
        self.history.deliver()
        while self.status is None and standing(self) is None:
            if not hart.waiting and hart.interrupt() is None:
                return True
            if not self._advance(0):
                return False
        return True

    def _advance(self, budget: int) -> bool:
        """A resident works, or an interrupt is taken, or it sleeps, or runs; False if nothing can happen."""
        self.at_work = True
        try:
            return self._advance_by(budget)
        finally:
            self.at_work = False

    def _advance_by(self, budget: int) -> bool:
        hart = self._hart
        if (resident := standing(self)) is not None:
            if hart.waiting:
                return self._wake()
            self.resident_since = self.steps
            before = self.time
            resident.handle()
            self.toil += LOOP_WORK + ISSUE_WORK * (self.time - before)
            return True
        if self.events.on:
            tell_interrupts(hart)
        cause = hart.interrupt()
        if cause is not None:
            hart.trap(cause)
            return True
        if hart.waiting:
            return self._wake()
        deadline, began = hart.csr.deadline(), self.time
        calm = budget if deadline is None else min(budget, max(1, deadline - began))
        if self._native is None:
            hart.interpreter.run(self._count(calm), self._uncount)
        else:
            self._native.run(calm, budget, self._asked)
        if self.time - began < calm:
            self.toil += LOOP_WORK  # something in between was not for the engine's loop
        return True

    def _wake(self) -> bool:
        """End a `wfi`: at once if an interrupt is pending, else at the next deadline; False without one."""
        hart = self._hart
        if hart.csr.pending() & hart.csr.values["mie"]:
            hart.waiting = False
            return True
        deadline = hart.csr.deadline()
        # A reader's device may break its promise of a later time.
        return deadline is not None and self.sleep_until(max(deadline, self.time + 1))

    def sleep_until(self, time: int) -> bool:
        """A machine that waits for an interrupt waits until `time`, if that is later. False if it may not."""
        if self._hart.waiting and time > self.time:
            if self._horizon is not None and time > self._horizon:
                return False
            self.skipped += time - self.time
            self.set_clock(time)
        return True

    def _count(self, attempts: int) -> Iterator[None]:
        """Begin a count of attempts that `time` follows."""
        self.goal = self.time + attempts
        self._attempts = repeat(None, attempts)
        return self._attempts

    def _uncount(self) -> None:
        """The last attempt was none."""
        self.goal -= 1

    def tlb(self) -> "Tlb":
        """What the TLB holds now."""
        from vlab.machine.tlb import snapshot

        return snapshot(self._hart)

    def watch_tlb(self, instructions: int) -> "TlbRun":
        """Run so many instructions one by one, and count the TLB's hits, misses and flushes.

        `goto` first, and it is a window of the past. The run is the same as an unwatched one, only slower.
        Raises VlabError for less than 1 and for more than a million.
        """
        from vlab.machine.tlb import watch

        return watch(self, instructions)

    def issue(self, instruction: str, value: int | None = None) -> int:
        """See `Computer.issue`: here the instruction meets the real hart."""
        issuer = gate(self)
        if issuer is None:
            raise VlabError(_("No resident stands in control, so nothing can be issued."))
        hart, word = self._hart, word_of(instruction)
        issuer.computer.issued = word
        if value is not None:
            hart.x[10] = value & MASK
        while self._attempt(issuer, word):
            pass  # as the hart does with what stands in memory, when a fault's handler returns to it
        return hart.x[10]

    def _attempt(self, issuer: Resident, word: int) -> bool:
        """Attempt what was issued; say whether those below have only prepared it, and it is still to be done."""
        hart, issuer.computer.unfinished = self._hart, False
        self.set_clock(self.time + 1)
        try:
            hart.execute(word)
            if word not in _RETURNS:
                hart.pc = GATE
        except Trap as trap:
            hart.trap(trap.cause, trap.value, raised=trap)
            while (outer := gate(self)) is not None and outer.computer.level < issuer.computer.level:
                if hart.waiting:
                    return False  # the levels outside have nothing to run, so this was the issuer's last act
                outer.handle()  # they finish emulating it first
        return issuer.computer.unfinished

    def issue_all(self, sequence: Sequence, *values: int) -> list[int]:
        """See `Computer.issue_all`."""
        return (self._issuers.get(sequence) or self.issuer(sequence))(*values)

    def issuer(self, sequence: Sequence) -> Issue:
        """See `Computer.issuer`."""
        each = partial(self._issue_each, sequence)
        quick = None if self._native is None else self._native.issuing(sequence, each)
        made = self._issuers[sequence] = quick or each
        return made

    @property
    def unseen(self) -> bool:
        """See `Computer.unseen`."""
        return self.lent or self.issuing.ready

    def pass_over(self, count: int) -> None:
        """See `Computer.pass_over`: they are no work."""
        self.set_clock(self.time + count)
        self.toil -= ISSUE_WORK * count

    def _issue_each(self, sequence: Sequence, *values: int) -> list[int]:
        """See `Computer.issue_all`: one by one, if there is no quicker way from here."""
        issue = None if self.lent else self.issuing(sequence)
        if issue is not None:
            return issue(*values)
        given, results, kept = iter(values), list[int](), self.registers[A0]
        for instruction, takes, gives in sequence.parts:
            if instruction == RETURN:
                self.registers[A0] = kept
            result = self.issue(instruction, next(given) if takes else None)
            if gives:
                results.append(result)
        if not sequence.returns:
            self.registers[A0] = kept
        return results

    # Saving and rewinding

    def snapshot(self) -> Snapshot:
        """Everything: hart, TLB, memory, devices, residents with their virtual machines."""
        return Snapshot(computer_state(self) | {"tlb": tlb_state(self._hart)})

    def restore(self, snapshot: Snapshot) -> None:
        """Be again as the snapshot says.

        Raises:
            VlabError: if it is damaged or of another kind of computer; the machine is then as it was.
        """
        with Interruptible():
            restore_computer(self, snapshot)
        self.history.begin()

    def settle(self, resident: Resident, *modes: Mode) -> None:
        """See `Computer.settle`; the history begins anew."""
        super().settle(resident, *modes)
        self.history.begin()

    def woken(self) -> None:
        """Something was done by hand to a computer inside this one; the history begins anew."""
        self.history.begin()

    def set_clock(self, time: int) -> None:
        """Set `time` (restoring does)."""
        self.goal, self._attempts = time, _NO_ATTEMPTS

    def load(
        self, image: Any, *, next_stage: Any = None, dtb: bytes | None = None, bootargs: str = ""
    ) -> Program:
        """See `Computer.load`; the history begins anew."""
        program = super().load(image, next_stage=next_stage, dtb=dtb, bootargs=bootargs)
        self.history.begin()
        return program

    def goto(self, step: int) -> Stop:
        """Go to the state after `step` attempted instructions, back or forth, by replay from a checkpoint."""
        expect_number(step)
        with Interruptible():
            return self.history.goto(step)

    def back(self, steps: int = 1) -> Stop:
        """Go `steps` attempted instructions back."""
        expect_count(steps)
        return self.goto(max(0, self.steps - steps))
