"""Two instructions that often follow each other in a handler of their own, made from the meanings of both.

It saves the way from one handler to the next, and that of a value through memory. The second one keeps its slot:
who jumps there, or has to stop before it, finds it as ever. Of 4 bytes are both.
"""

from typing import NamedTuple

# Where the first writes the register that the second has as rs1, as rs2; and those that need nothing of each other.
_AS_RS1 = """
add    lbu lb lh lhu lw lwu ld sb sh sw sd
addi   beq bne blt bge bltu bgeu ld sd
lbu    beq bne add xor
ld     beq bne add
lw     beq bne addw
andi   beq bne
slt    bne beq
sltu   bne beq
slli   srli add
lui    addi addiw
auipc  addi ld
xor    mul
"""
_AS_RS2 = """
slli   add
addi   add
mul    add
ld     mul
add    xor sd
srli   xor
slliw  or
"""
_APART = """
addi   addi add slli ld jal
add    addi add jal
mul    addi
ld     ld
sd     sd addi
lbu    addi lbu
"""


_JUMPS = {"beq", "bne", "blt", "bge", "bltu", "bgeu", "jal"}


class Pair(NamedTuple):
    """The names of two rows, and the operand of the second that the first one has written; "" for none."""

    first: str
    second: str
    by: str
    back: bool = False  # whether the second one jumps back

    @property
    def name(self) -> str:
        """That of its handler."""
        back = " back" if self.back else ""
        return f"{self.first}+{self.second}{back}" + (f" by {self.by}" if self.by else "")


def _pairs(text: str, by: str) -> list[Pair]:
    lines = (line.split() for line in text.strip().splitlines())
    return [Pair(first, second, by) for first, *others in lines for second in others]


_ON = _pairs(_AS_RS1, "rs1") + _pairs(_AS_RS2, "rs2") + _pairs(_APART, "")
PAIRS = _ON + [pair._replace(back=True) for pair in _ON if pair.second in _JUMPS]
FIRSTS = list(dict.fromkeys(pair.first for pair in PAIRS))
SECONDS = list(dict.fromkeys(pair.second for pair in PAIRS))
WAYS = ("rs1", "rs2", "")
