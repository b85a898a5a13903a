"""The three that run one and the same program: vlab's interpreter, riscemu, and the naive loop.

Each is given a buffer (a0), how many laps (a1) and a stack (sp), runs until `ecall`, and answers in a0.
"""

import io
from time import process_time
from typing import Any, NamedTuple, Protocol

from tests.benchmarks import naive
from vlab.machine import Machine
from vlab.riscv import assemble

RAM = 1 << 20
BUFFER, STACK = RAM // 2, RAM  # from the start of memory: no page of the program's
_SP, _A0, _A1 = 2, 10, 11


class Lap(NamedTuple):
    """What one run did: instructions, the `ecall` too; the low 32 bits of a0; and the processor's seconds."""

    instructions: int
    result: int
    seconds: float


class Peer(Protocol):
    """Somebody who runs a program."""

    def __init__(self, source: str): ...

    def run(self, laps: int) -> Lap:
        """Run it once more. Parsing is over, and what the first lap prepared stays prepared."""


class Vlab:
    """The interpreter as a reader meets it: a whole machine, with its TLB, its clock and its history."""

    def __init__(self, source: str):
        self._machine = Machine(assemble(source), memory=RAM, engine="interpreter")
        self._entry = self._machine.hart.pc

    def run(self, laps: int) -> Lap:
        """From the entry until the trap that `ecall` is."""
        machine, hart = self._machine, self._machine.hart
        hart.x[:] = [0] * len(hart.x)
        hart.x[_SP], hart.x[_A0], hart.x[_A1] = naive.BASE + STACK, naive.BASE + BUFFER, laps
        hart.pc, before = self._entry, machine.steps
        start = process_time()
        machine.run(each=False, until=lambda: hart.pc == 0)  # mtvec, as it is at reset
        return Lap(machine.steps - before, hart.x[_A0] & 0xFFFF_FFFF, process_time() - start)


class Naive:
    """The textbook's loop."""

    def __init__(self, source: str):
        program = assemble(source)
        self._memory, self._entry = bytearray(RAM), program.entry
        for address, content in program.segments:
            at = address - naive.BASE
            self._memory[at : at + len(content)] = content

    def run(self, laps: int) -> Lap:
        """From the entry until `ecall`."""
        x = [0] * 32
        x[_SP], x[_A0], x[_A1] = naive.BASE + STACK, naive.BASE + BUFFER, laps
        start = process_time()
        count = naive.run(self._memory, x, self._entry)
        return Lap(count, x[_A0] & 0xFFFF_FFFF, process_time() - start)


class Riscemu:
    """riscemu's own loop, `CPU.run`, quiet as it is by default.

    It is an RV32 and runs text, not words: double words become words, and there is nothing to decode.
    """

    def __init__(self, source: str):
        from riscemu.config import RunConfig
        from riscemu.core import UserModeCPU
        from riscemu.instructions import RV32I, RV32M
        from riscemu.parser import AssemblyFileLoader

        self._cpu: Any = UserModeCPU([RV32I, RV32M], RunConfig())
        text = io.StringIO(source.replace("sd ", "sw ").replace("ld ", "lw "))
        program: Any = AssemblyFileLoader.instantiate("loop.s", text, {}).parse()
        self._cpu.load_program(program)
        self._cpu.setup_stack(RAM)
        self._cpu.setup_csr()
        self._stack = self._cpu.regs.get("sp")
        self._entry = self._cpu.programs[0].entrypoint

    def run(self, laps: int) -> Lap:
        """From the entry until `ecall` asks to exit."""
        from riscemu.core import Int32

        cpu = self._cpu
        buffer = self._stack - (STACK - BUFFER)
        registers = {"sp": self._stack, "a0": buffer, "a1": Int32(laps), "a7": Int32(93)}
        for name, value in registers.items():
            cpu.regs.set(name, value)
        cpu.pc, cpu.halted, before = self._entry, False, cpu.cycle
        start = process_time()
        cpu.run()
        return Lap(cpu.cycle - before, cpu.regs.get("a0").unsigned_value, process_time() - start)
