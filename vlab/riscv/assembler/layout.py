"""Sections, and where everything in them comes to lie.

A section is a row of chunks. Within a chunk all distances are known as soon as it is written. After it may
stand something whose size depends on addresses: an alignment, an `.org`, a branch that may have to be long.

Sections come in families. The four known ones lie in a fixed order: `.text`, `.rodata`, `.data`, `.bss`, each
with its relatives (`.text.init`, `.sdata`) in the order in which they appeared. After them comes every other
section, a family of its own. The first family begins at the base, each further one at a new page: so no page
holds both code and data.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from vlab.language import _
from vlab.riscv.assembler.expressions import Point
from vlab.riscv.assembler.lines import Statement
from vlab.riscv.assembler.operands import Immediate
from vlab.riscv.assembler.problems import Mistake
from vlab.riscv.instructions import ROWS, Row, decode, encode

PAGE = 4096
LARGEST = 64 << 20
PREDEFINED = (".text", ".data", ".bss")
_FAMILIES = ("text", "rodata", "data", "bss")
_SMALL = {"srodata": "rodata", "sdata": "data", "sbss": "bss"}
_PASSES = 64
_SHORT_NOP = b"\x01\0"
_NOP = encode(ROWS["addi"], {}).to_bytes(4, "little")


class Stretch(Protocol):
    """Something between two chunks whose size depends on where it lies."""

    statement: Statement

    def measure(self, start: int) -> int:
        """Its size, if it began `start` bytes into its section."""

    def content(self, start: int, size: int) -> bytes:
        """Its bytes."""


class Chunk:
    """Bytes at fixed distances of each other; `stretch` stands after them."""

    __slots__ = ("address", "data", "section", "start", "stretch", "stretched")

    def __init__(self, section: "Section"):
        self.section = section
        self.data = bytearray()
        self.start = 0
        self.address = 0
        self.stretch: Stretch | None = None
        self.stretched = 0


class Section:
    """A named part of the program."""

    def __init__(self, name: str):
        self.name = name
        self.chunks = [Chunk(self)]
        self.alignment = 1
        self.holds_code = self.family == "text"  # alignments are filled with `nop`
        self.holds_zeros = self.family == "bss"  # and nothing else

    @property
    def family(self) -> str:
        """The family it belongs to: one of the four, or itself."""
        name = self.name.split(".")[1] if self.name.startswith(".") and len(self.name) > 1 else ""
        name = _SMALL.get(name, name)
        return name if name in _FAMILIES else self.name

    @property
    def current(self) -> Chunk:
        """The chunk being written."""
        return self.chunks[-1]

    @property
    def fixed(self) -> bool:
        """Whether the offset of what comes next is known already."""
        return len(self.chunks) == 1

    def stretch(self, stretch: Stretch) -> None:
        """Put something of open size here."""
        self.current.stretch = stretch
        self.chunks.append(Chunk(self))

    def settle(self) -> int:
        """Find each chunk's start in the section; return the section's size.

        Addresses change while branches grow and alignments shrink, so this repeats until nothing moves. From
        some pass on branches may only grow: then it ends.
        """
        for attempt in range(_PASSES):
            at, moved = 0, False
            for chunk in self.chunks:
                chunk.start = at
                at += len(chunk.data)
                if chunk.stretch:
                    size = chunk.stretch.measure(at)
                    if isinstance(chunk.stretch, Branch) and attempt > _PASSES // 2:
                        size = max(size, chunk.stretched)
                    moved |= size != chunk.stretched
                    chunk.stretched = size
                    at += size
            if not moved:
                break
        return at


class Align:
    """Fill up to a multiple of `alignment`, unless that takes more than `most` bytes."""

    def __init__(self, statement: Statement, alignment: int, fill: bytes | None, most: int):
        self.statement = statement
        self.alignment = alignment
        self.fill = fill
        self.most = most

    def measure(self, start: int) -> int:
        """What is missing to the next multiple."""
        size = -start % self.alignment
        return 0 if size > self.most else size

    def content(self, start: int, size: int) -> bytes:
        """The fill; in code, where none is given, instructions that do nothing, the short ones first."""
        if self.fill is None:
            return bytes(size % 2) + _SHORT_NOP * (size // 2 % 2) + _NOP * (size // 4)
        return self.fill * size


def align(statement: Statement, section: Section, alignment: int) -> Align:
    """An alignment with the fill that is usual in a section."""
    return Align(statement, alignment, None if section.holds_code else b"\0", alignment)


class Org:
    """Fill up to an offset from the section's beginning, or to a place in the section."""

    def __init__(self, statement: Statement, to: int | Point, fill: bytes):
        self.statement = statement
        self.to = to
        self.fill = fill

    def measure(self, start: int) -> int:
        """What is missing to the place."""
        return max(0, self._offset - start)

    def content(self, start: int, size: int) -> bytes:
        """The fill."""
        if start > self._offset:
            what = _("`.org` cannot go back: {here} bytes are written here already.").format(here=hex(start))
            raise Mistake(what, self.statement.column)
        return self.fill * size

    @property
    def _offset(self) -> int:
        return self.to if isinstance(self.to, int) else self.to.chunk.start + self.to.offset


class Branch:
    """A conditional branch; out of its reach, the inverse branch over a `jal`.

    `place` is what the target is, if it is a place; it is known when all labels are.
    """

    def __init__(
        self, statement: Statement, section: Section, row: Row, values: dict[str, int], target: Immediate
    ):
        self.statement = statement
        self.section = section
        self.row = row
        self.values = values
        self.target = target
        self.place: Point | None = None
        self.code = b""

    def measure(self, start: int) -> int:
        """One instruction or two."""
        place = self.place
        if place is None or place.chunk.section is not self.section:
            return 8  # how far another section is will be known too late
        return 4 if -4096 <= place.chunk.start + place.offset - start < 4096 else 8

    def write(self, size: int, distance: Callable[[Row, int], int]) -> None:
        """Encode it in its final size. `distance` is asked for a row that begins so many bytes into it."""
        if size == 4:
            self.code = _code(self.row, self.values | {"imm": distance(self.row, 0)})
            return
        inverse = decode(self.row.match ^ 1 << 12)  # bit 0 of funct3 turns a condition round
        assert inverse
        jump = ROWS["jal"]
        self.code = _code(inverse.row, self.values | {"imm": 8}) + _code(jump, {"imm": distance(jump, 4)})

    def content(self, start: int, size: int) -> bytes:
        """Its one or two instructions."""
        return self.code


def _code(row: Row, values: dict[str, int]) -> bytes:
    return encode(row, values).to_bytes(4, "little")


def place(sections: Iterable[Section], base: int) -> list[list[Section]]:
    """Give every chunk its address; return the families in their order."""
    families: dict[str, list[Section]] = {family: [] for family in _FAMILIES}
    for section in sections:
        families.setdefault(section.family, []).append(section)
    at = base
    for family in families.values():
        at = -(-at // PAGE) * PAGE
        for section in family:
            size = section.settle()
            at = -(-at // section.alignment) * section.alignment
            for chunk in section.chunks:
                chunk.address = at + chunk.start
            at += size
    return [family for family in families.values() if family]
