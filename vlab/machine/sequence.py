"""What a resident issues at once: instructions of which it needs no result before the next one."""

from collections.abc import Callable
from functools import cached_property, lru_cache

from vlab.riscv.instructions import Instruction, decode
from vlab.riscv.registers import NUMBERS

A0 = NUMBERS["a0"]
RETURN = "sret"  # at the end of a sequence
Issue = Callable[..., list[int]]  # issues one: given the values that it takes, it gives those that it leaves


class Sequence:
    """Instructions, in assembler syntax, that `Computer.issue_all` issues one after the other.

    Each may take a value in a0, or leave one there.
    """

    def __init__(self, *instructions: str):
        self.instructions = instructions
        self.returns = RETURN in instructions

    def __repr__(self) -> str:
        return "; ".join(self.instructions)

    @cached_property
    def decoded(self) -> tuple[Instruction, ...]:
        """The instructions."""
        return tuple(map(_decoded, self.instructions))

    @cached_property
    def parts(self) -> tuple[tuple[str, bool, bool], ...]:
        """Of each instruction its text, and whether it takes a value, and gives one."""
        operands = [one.values for one in self.decoded]
        takes = [values.get("rs1") == A0 for values in operands]
        gives = [values.get("rd") == A0 for values in operands]
        return tuple(zip(self.instructions, takes, gives, strict=True))


@lru_cache(maxsize=256)
def _decoded(instruction: str) -> Instruction:
    from vlab.riscv import assemble

    found = decode(int.from_bytes(assemble(instruction).segments[0][1][:4], "little"))
    assert found is not None, "what was assembled can be decoded"
    return found
