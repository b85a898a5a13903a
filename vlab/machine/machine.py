"""The root machine: the one real hart, and the loop that drives it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

from vlab.events import EventSource
from vlab.language import VlabError, _
from vlab.machine.choices import GATE
from vlab.machine.computer import Computer, gate, parse_size, standing, word_of
from vlab.machine.history import History
from vlab.machine.memory import Memory
from vlab.machine.restoring import restore_computer
from vlab.machine.snapshot import Snapshot, computer_state, tlb_state
from vlab.riscv import Cause, Mode, Program, Trap

QUANTUM = 100_000  # attempts between looks at Ctrl-C and at `until`
_RETURNS = (word_of("sret"), word_of("mret"))


class Stop(Enum):
    """Why `run` came back."""

    OFF = "the computer was powered off"
    ASLEEP = "it waits for an interrupt that nothing will send"
    LIMIT = "the limit of instructions was reached"
    CONDITION = "what was waited for has happened"
    INTERRUPTED = "it was interrupted"


class Machine(Computer):
    """A RISC-V computer: RV64IMA, M/S/U, Sv39, a console, a timer. `memory` is bytes, or a text such as "64M".

    Raises:
        VlabError: if such a memory can't be built, or the image can't be loaded into it.
    """

    level = 0

    def __init__(self, image: Any = None, *, memory: str | int = "16M", dtb: bytes | None = None, bootargs: str = ""):
        self._goal = 0
        self._attempts: Iterator[int] = iter(range(0))
        self.events = EventSource(lambda: self.time)
        self.ram = self.memory = Memory(parse_size(memory))
        self.reservation = None
        self._build(cached=True)
        self.ram.on_code_write = self._hart.interpreter.written
        self.ram.on_slow_page = self._hart.mmu.slow_stores
        self.history = History(self)
        self.program = None if image is None else self.load(image, dtb=dtb, bootargs=bootargs)

    def __repr__(self) -> str:
        size = self.memory.size >> 20
        return _("Machine: RV64IMA, {size} MiB, in {mode} mode at {pc:#x}, {steps} instructions attempted").format(
            size=size, mode=self.mode, pc=self._hart.pc, steps=self.steps
        )

    @property
    def mode(self) -> Mode:
        """The hart's mode."""
        return self._hart.mode

    @property
    def registers(self) -> list[int]:
        """The hart's registers."""
        return self._hart.x

    @property
    def time(self) -> int:
        """Instructions attempted, plus what `wfi` skipped. Exact at any moment, even inside an instruction."""
        return self._goal - self._attempts.__length_hint__()  # type: ignore[attr-defined,no-any-return]

    @property
    def steps(self) -> int:
        """Instructions attempted: whatever traps, counts too, so that a storm of traps ends at a limit."""
        return self.time - self.skipped

    # Running

    def run(self, instructions: int | None = None, *, until: Callable[[], object] | None = None) -> Stop:
        """Run until power off, or until `instructions` more were attempted, or until `until()` is true.

        `until` is asked after each trap, each change of control and each device access, and now and then between.
        """
        stop = None if instructions is None else self.steps + instructions
        with _interruptible() as interrupted:
            while True:
                if self.status is not None:
                    return Stop.OFF
                if until is not None and until():
                    return Stop.CONDITION
                if stop is not None and self.steps >= stop:
                    return Stop.LIMIT
                if interrupted():
                    return Stop.INTERRUPTED
                self.history.note()
                if not self._advance(self._budget(stop)):
                    return Stop.ASLEEP

    def _budget(self, stop: int | None) -> int:
        """How many attempts may be made at once; before that, type what the log says was typed at this step."""
        budget = QUANTUM if stop is None else min(QUANTUM, stop - self.steps)
        while (typed := self.history.next_input()) is not None and typed.step <= self.steps:
            self.uart.type(typed.text)
            self.history.retyped()
        return budget if typed is None else min(budget, typed.step - self.steps)

    def step(self, count: int = 1) -> "Machine":
        """Attempt `count` instructions (a resident's work counts as one step) and be the result."""
        for _step in range(count):
            before = self.steps
            while self.steps == before and self.status is None and self._advance(1):
                pass
        return self

    def _advance(self, budget: int) -> bool:
        """Let a resident work, or take an interrupt, or sleep, or run instructions; False if nothing can happen."""
        hart = self._hart
        if (resident := standing(self)) is not None:
            if hart.waiting:
                return self._wake()
            resident.handle()
            return True
        cause = hart.interrupt()
        if cause is not None:
            hart.trap(cause)
            return True
        if hart.waiting:
            return self._wake()
        deadline = hart.csr.deadline()
        if deadline is not None:
            budget = min(budget, deadline - self.time)
        hart.interpreter.run(self._count(budget), self._uncount)
        return True

    def _wake(self) -> bool:
        """End a `wfi`: at once if an interrupt is pending, else at the next deadline; False if there is none."""
        hart = self._hart
        if hart.csr.pending() & hart.csr.values["mie"]:
            hart.waiting = False
            return True
        deadline = hart.csr.deadline()
        if deadline is None:
            return False
        self.skipped += deadline - self.time
        self._goal = deadline
        self._attempts = iter(range(0))
        return True

    def _count(self, attempts: int) -> Iterator[int]:
        """Begin a count of attempts that `time` follows."""
        self._goal = self.time + attempts
        self._attempts = iter(range(attempts))
        return self._attempts

    def _uncount(self) -> None:
        """The last attempt was none."""
        self._goal -= 1

    def issue(self, instruction: str, value: int | None = None) -> int:
        """See `Computer.issue`: here the instruction meets the real hart."""
        issuer = gate(self)
        if issuer is None:
            raise VlabError(_("No resident stands in control, so nothing can be issued."))
        hart, word = self._hart, word_of(instruction)
        if value is not None:
            hart.x[10] = value
        next(self._count(1))
        try:
            hart.execute(word)
            if word not in _RETURNS:
                hart.pc = GATE
        except Trap as trap:
            hart.trap(trap.cause, word if trap.cause == Cause.ILLEGAL_INSTRUCTION else trap.value)
            while (outer := gate(self)) is not None and outer.computer.level < issuer.computer.level:
                if hart.waiting:
                    break  # the levels outside have nothing to run, so this was the issuer's last act
                outer.handle()  # they finish emulating it first
        return hart.x[10]

    # Saving and rewinding

    def snapshot(self) -> Snapshot:
        """Everything: hart, TLB, memory, devices, residents with their virtual machines."""
        return Snapshot(computer_state(self) | {"tlb": tlb_state(self._hart)})

    def restore(self, snapshot: Snapshot) -> None:
        """Be again as the snapshot says.

        Raises:
            VlabError: if it is damaged or of another kind of computer; the machine is then as it was.
        """
        restore_computer(self, snapshot)

    def set_clock(self, time: int) -> None:
        """Set `time` (restoring does)."""
        self._goal, self._attempts = time, iter(range(0))

    def type(self, text: str) -> None:
        """Type text at the console. It waits until the guest reads it, and is typed again in a replay."""
        self.history.typed(text)
        self.uart.type(text)

    def load(
        self, image: Any, *, next_stage: Any = None, dtb: bytes | None = None, bootargs: str = ""
    ) -> Program:
        """See `Computer.load`; the history begins anew."""
        program = super().load(image, next_stage=next_stage, dtb=dtb, bootargs=bootargs)
        self.history = History(self)
        return program

    def goto(self, step: int) -> Stop:
        """Go to the state after `step` attempted instructions, back or forth, by replay from a checkpoint."""
        return self.history.goto(step)

    def back(self, steps: int = 1) -> Stop:
        """Go `steps` attempted instructions back."""
        return self.history.goto(max(0, self.steps - steps))


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C into a flag, so that it never falls between an instruction and its pc."""
    seen: list[bool] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, lambda *_args: seen.append(True))
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGINT, before)
        if seen:
            raise KeyboardInterrupt
