"""One assembly under way: the sections being filled, and what still waits for addresses."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from vlab.language import _
from vlab.riscv.assembler.expressions import Expression, Point, evaluate, signed
from vlab.riscv.assembler.layout import LARGEST, PREDEFINED, Branch, Chunk, Section, Stretch
from vlab.riscv.assembler.lines import Line, Statement, Token
from vlab.riscv.assembler.operands import Immediate
from vlab.riscv.assembler.problems import Mistake, Problem, Problems
from vlab.riscv.assembler.symbols import Symbols


class Waiting(NamedTuple):
    """Some bytes to be written once addresses are known; `make` gives them, told their own address."""

    chunk: Chunk
    offset: int
    make: Callable[[int], bytes]
    statement: Statement


class Record(NamedTuple):
    """Where a statement's first byte, or an instruction, came to lie."""

    chunk: Chunk
    offset: int
    line: Line
    is_code: bool


class Assembly:
    """The state of one assembly: directives and instructions write into it, in the order of the text."""

    def __init__(self, given: Mapping[str, int] | None = None):
        self.symbols = Symbols(given)
        self.problems = Problems()
        self.sections = {name: Section(name) for name in PREDEFINED}
        self.section = self.previous = self.sections[PREDEFINED[0]]
        self.statement = Statement(Line("", 0, 1, ""), 0, "")
        self.waiting: list[Waiting] = []
        self.branches: list[tuple[Chunk, Branch]] = []
        self.records: list[Record] = []
        self.high_parts: list[tuple[Point, Immediate]] = []
        self.high_at: dict[int, Immediate] = {}
        self.pushed: list[tuple[Section, Section]] = []
        self.parcel = 4  # bytes: where instructions may begin; 2 as soon as there is a compressed one
        self._size = 0

    def named(self, token: Token) -> Expression:
        """What a symbol means at this point of the text."""
        return self.symbols.named(token)

    def here(self) -> Point:
        """The place of the next byte."""
        chunk = self.section.current
        return Point(chunk, len(chunk.data))

    def value(self, expression: Expression) -> int:
        """An expression's value, once all addresses are known."""
        return evaluate(expression, self.symbols.value)

    def distance(self, address: int) -> int | None:
        """The distance that the `auipc` at an address covers, if it has a `%pcrel_hi`."""
        given = self.high_at.get(address)
        return None if given is None else signed(self.value(given.value) - address)

    def enter(self, name: str) -> None:
        """Go on in the section of that name; a new one if there is none."""
        self.previous, self.section = self.section, self._section(name)

    def _section(self, name: str) -> Section:
        return self.sections.setdefault(name, Section(name))

    def report(self, statement: Statement, mistake: Mistake) -> None:
        """Note what is wrong with a statement."""
        line = mistake.line or statement.line
        column = statement.column if mistake.column is None else mistake.column
        problem = Problem(
            line.file, line.number, column + 1, mistake.what, mistake.mend, line.text, line.notes
        )
        self.problems.add(line.order, problem)

    def check_room(self, size: int, column: int | None = None) -> None:
        """Refuse to grow too large."""
        if self._size + size > LARGEST:
            what = _("{size} bytes more are too many: a program may have {most} MiB.")
            raise Mistake(what.format(size=size, most=LARGEST >> 20), column)

    def _grow(self, size: int) -> None:
        self.check_room(size)
        self._size += size

    def write(self, data: bytes) -> None:
        """Data, here."""
        if self.section.holds_zeros and data.count(0) < len(data):
            raise Mistake(_("`{section}` holds zeros only.").format(section=self.section.name))
        self._grow(len(data))
        self.section.current.data += data

    def write_later(self, size: int, make: Callable[[int], bytes]) -> None:
        """Data that depends on addresses, here."""
        chunk, offset = self.here()
        self.write(bytes(size))
        self.waiting.append(Waiting(chunk, offset, make, self.statement))

    def stretch(self, stretch: Stretch) -> None:
        """Something whose size depends on where it lies, here; its bytes, where that is known."""
        if self.section.fixed:
            start = len(self.section.current.data)
            size = stretch.measure(start)
            self._grow(size)
            self.section.current.data += stretch.content(start, size)
        else:
            self.section.stretch(stretch)

    def branch(self, branch: Branch) -> None:
        """A conditional branch whose size or distance isn't known yet, here: after the present chunk."""
        self._grow(8)
        self.branches.append((self.section.current, branch))
        self.section.stretch(branch)

    def record(self, is_code: bool) -> None:
        """Remember that what comes next stems from this statement."""
        chunk, offset = self.here()
        self.records.append(Record(chunk, offset, self.statement.line, is_code))
