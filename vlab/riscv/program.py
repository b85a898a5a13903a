"""A program in memory: what the assembler makes, what a loader makes of a file, and what a machine takes."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from vlab.display import Drawn
from vlab.language import _

_WIDEST = 8
_DIRECTIVE = re.compile(r"\s*(?:[\w.$]+:\s*)*\.\w")  # a statement that makes data, behind its labels


class Listed(NamedTuple):
    """One row of a listing. `text` is the instruction disassembled, empty for data; `line` counts from 1."""

    address: int
    data: bytes
    text: str
    file: str
    line: int
    source: str


@dataclass(frozen=True)
class Program(Drawn):
    """Bytes at addresses, where to begin, and what the bytes are called.

    `segments` are (address, bytes) pairs, ascending, apart from each other. `symbols` are unsigned addresses
    and values; those in `constants` are plain numbers, not places. `lines` tells the (file, line) that an
    instruction or a datum at an address stems from; in a macro, the line of its body. `sources` are the texts
    of those files. `extensions` are those that the hart must have, of "C" and "H", as far as that is known.
    """

    segments: tuple[tuple[int, bytes], ...]
    entry: int
    symbols: dict[str, int] = field(default_factory=dict, repr=False)
    lines: dict[int, tuple[str, int]] = field(default_factory=dict, repr=False)
    constants: frozenset[str] = field(default=frozenset(), repr=False)
    sources: dict[str, str] = field(default_factory=dict, repr=False)
    extensions: str = field(default="", repr=False)

    @property
    def size(self) -> int:
        """How many bytes it has, gaps between segments not counted."""
        return sum(len(data) for _address, data in self.segments)

    def __repr__(self) -> str:
        return _("A program, entered at {entry}; bytes: {size}, segments: {count}.").format(
            size=self.size, count=len(self.segments), entry=hex(self.entry)
        )

    def symbol_at(self, address: int) -> tuple[str, int] | None:
        """The label at or before an address, and the distance from it; None outside the program."""
        places, names = self._labels
        found = bisect_right(places, address) - 1
        segment = self._segment(address)
        if found < 0 or segment is None or places[found] < segment[0]:
            return None
        return names[found], address - places[found]

    def _segment(self, address: int) -> tuple[int, bytes] | None:
        return next((s for s in self.segments if s[0] <= address < s[0] + len(s[1])), None)

    @cached_property
    def _labels(self) -> tuple[list[int], list[str]]:
        """The labels by address; of several at one address the one defined first."""
        first: dict[int, str] = {}
        for name, address in self.symbols.items():
            if name not in self.constants:
                first.setdefault(address, name)
        return sorted(first), [first[address] for address in sorted(first)]

    def listing(self) -> str:
        """Address, bytes, disassembled instruction, line number and source line of everything in it, a line each."""
        return "\n".join(
            f"{row.address:016x}  {data_text(row.data):<17}  {row.text:<26}  {row.line:>4}  {row.source}".rstrip()
            for row in self.rows()
        )

    def rows(self) -> Iterator[Listed]:
        """Every instruction and datum that stems from a line, in order of address."""
        sources = {file: text.split("\n") for file, text in self.sources.items()}
        labels = {name: at for name, at in self.symbols.items() if name not in self.constants}
        for start, data in self.segments:
            marks = [address for address in self.lines if start <= address < start + len(data)]
            for at, end in pairwise([*marks, start + len(data)]):
                file, number = self.lines[at]
                text = sources.get(file, [""])
                source = text[number - 1] if number <= len(text) else ""
                yield self._row(at, data[at - start : end - start], source, labels)

    def _row(self, address: int, data: bytes, source: str, labels: dict[str, int]) -> Listed:
        from vlab.riscv.disassembler import disassemble

        file, number = self.lines[address]
        shown = "".join(c if c.isprintable() else " " for c in source)
        code = len(data) in (2, 4) and bool(source) and not _DIRECTIVE.match(source)
        told = disassemble(int.from_bytes(data, "little"), address, labels) if code else ""
        return Listed(address, data, told, file, number, shown)


def data_text(data: bytes) -> str:
    """Four bytes as the word that they are, others one after the other."""
    if len(data) == 4:
        return f"{int.from_bytes(data, 'little'):08x}"
    return data[:_WIDEST].hex() + ("…" if len(data) > _WIDEST else "")
