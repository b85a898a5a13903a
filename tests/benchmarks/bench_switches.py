"""What one exit costs, in empty foreign calls: the least that leaving Python for native code, and coming back, takes.

The peer is a call, through ctypes, of a C function that takes nothing, does nothing and answers from a register. An
engine in native code will pay it at each exit into a hypervisor in Python, and nothing else that is its own.
"""

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, ClassVar

from tests.benchmarks.kernels import WAYS, kernel, started
from tests.benchmarks.measuring import Spread, in_turns, seconds, spread, table, this_engine, this_python
from vlab.hypervisor.firmware import FIRMWARE
from vlab.machine import GATE, Computer, Machine
from vlab.machine.memory import RAM_BASE
from vlab.machine.sequence import Sequence
from vlab.riscv import Mode, assemble

ACTS = {
    "read sscratch": "csrr t0, sscratch",
    "write sscratch": "csrw sscratch, t0",
    "write satp": "csrw satp, zero",
    "read time": "csrr t0, time",
}
HYPERCALL = "hypercall"  # of the paravirtual kernel, for which there are no such registers
_CALL = "li a7, HYPER_EVENTS\n ecall"
_ROW = 64  # acts in a row, and then a jump back
_WARM = 2_000  # steps
_CALLS = 100_000
_BACK = Sequence("sret")
_OPENED = FIRMWARE | {"stvec": GATE, "mepc": RAM_BASE, "mstatus": 0}  # and then its guest, in U mode


class Echo:
    """A resident in S mode, as a hypervisor is, that does nothing but go back: what traps to it, traps again."""

    kind: ClassVar[str] = "echo"
    running = None

    def __init__(self, computer: Computer):
        self.computer = computer
        self.switches = 0
        computer.settle(self, Mode.M, Mode.S)
        computer.memory.poke(RAM_BASE, assemble("ecall").segments[0][1])

    def handle(self) -> None:
        """One world switch: from the guest, by its trap, to Python; and back, by `sret`."""
        if self.switches:
            self.computer.issue_all(_BACK)
        else:
            for csr, value in _OPENED.items():
                self.computer.issue(f"csrw {csr}, a0", value)
            self.computer.issue("mret")
        self.switches += 1

    def state(self) -> dict[str, Any]:
        """See `Resident`."""
        return {"switches": self.switches}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Resident`: it is never restored."""
        raise NotImplementedError


@dataclass(frozen=True)
class Cost:
    """Of one act in one way: seconds over those of an empty foreign call, and how many exits it took."""

    calls: Spread
    exits: float


def foreign_call() -> float:
    """Seconds of one empty foreign call."""
    function = ctypes.CDLL(None).pthread_self
    function.argtypes, function.restype = (), None

    def call_all() -> None:
        for _call in repeat(None, _CALLS):
            function()

    return seconds(call_all) / _CALLS


def _switch(machine: Machine, echo: Echo, steps: int) -> float:
    """Seconds of one raw world switch."""
    before = echo.switches
    taken = seconds(partial(machine.run, steps))
    return taken / (echo.switches - before)


class _Kernel:
    """A guest whose kernel does one thing, again and again."""

    def __init__(self, act: str, way: str | None):
        body = f"again:\n{(act + chr(10)) * _ROW}    j    again\n"
        self._machine, self._computer, self._vms = started(kernel(body, way), *([way] if way else []))
        self._length = (
            len(act.splitlines()) + 1 / _ROW
        )  # instructions of one act, its part of the jump included
        self._machine.run(_WARM)
        self.exits = 0.0

    def run(self, steps: int) -> float:
        """Seconds of one act. `exits` are then those of one act."""
        time, exits = self._computer.time, self._exits
        taken = seconds(partial(self._machine.run, steps))
        acts = (self._computer.time - time) / self._length
        self.exits = (self._exits - exits) / acts
        return taken / acts

    @property
    def _exits(self) -> int:
        return sum(vm.exits.total() for vm in self._vms)


def measure(*, steps: int = 20_000, repetitions: int = 7) -> tuple[Spread, dict[tuple[str, str], Cost]]:
    """The raw world switch; and by act and way, what each costs."""
    machine = Machine(memory="1M")
    echo = Echo(machine)
    kernels = {
        (act, way or "bare"): _Kernel(instruction, way)
        for act, instruction in ACTS.items()
        for way in (None, *WAYS)
        if way != "paravirtual"
    }
    kernels[HYPERCALL, "paravirtual"] = _Kernel(_CALL, "paravirtual")
    acts: list[Callable[[], float]] = [foreign_call, partial(_switch, machine, echo, steps)]
    acts += [partial(one.run, steps) for one in kernels.values()]
    turns = in_turns(acts, repetitions)
    costs = [spread(turn[place] / turn[0] for turn in turns) for place in range(1, len(acts))]
    named = zip(kernels.items(), costs[1:], strict=True)
    return costs[0], {place: Cost(cost, one.exits) for (place, one), cost in named}


def report(*, quick: bool = False) -> str:
    """The raw switch, and a table of acts by technique."""
    switch, costs = measure(steps=1_000, repetitions=1) if quick else measure()
    ways = ("bare", *WAYS)
    rows = [["raw world switch", _number(switch.median)]]
    rows += [
        [act, *(_shown(costs[act, way]) if (act, way) in costs else "–" for way in ways)]
        for act in (*ACTS, HYPERCALL)
    ]
    head = ["what", *ways]
    return table(
        f"One act of a guest's kernel, in empty foreign calls ({this_python()}, {this_engine()})",
        head,
        [[*row, *[""] * (len(head) - len(row))] for row in rows],
        [
            "Medians of turns; behind each, how many exits one act takes.",
            f"A foreign call: `pthread_self` by ctypes. The raw world switch, {switch}: a trap of the guest",
            "into a resident in Python that does nothing but return, and the way back.",
        ],
    )


def _number(calls: float) -> str:
    return f"{calls:,.0f}"


def _shown(cost: Cost) -> str:
    return f"{_number(cost.calls.median)} ({cost.exits:.2f})"
