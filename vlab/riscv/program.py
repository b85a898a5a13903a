"""A program in memory: what the assembler makes, what a loader makes of a file, and what a machine takes."""

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from vlab.display import Drawn
from vlab.language import _

_WIDEST = 8


@dataclass(frozen=True)
class Program(Drawn):
    """Bytes at addresses, where to begin, and what the bytes are called.

    `segments` are (address, bytes) pairs, ascending, apart from each other. `symbols` are unsigned addresses
    and values; those in `constants` are plain numbers, not places. `lines` tells the (file, line) that an
    instruction or a datum at an address stems from; in a macro, the line of its body. `sources` are the texts
    of those files.
    """

    segments: tuple[tuple[int, bytes], ...]
    entry: int
    symbols: dict[str, int] = field(default_factory=dict, repr=False)
    lines: dict[int, tuple[str, int]] = field(default_factory=dict, repr=False)
    constants: frozenset[str] = field(default=frozenset(), repr=False)
    sources: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> int:
        """How many bytes it has, gaps between segments not counted."""
        return sum(len(data) for _address, data in self.segments)

    def __repr__(self) -> str:
        return _("A program of {size} bytes in {count} segments, entered at {entry}.").format(
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
        """Address, bytes and source line of everything in it, a line each."""
        return "\n".join(line for start, data in self.segments for line in self._listed(start, data))

    def _listed(self, start: int, data: bytes) -> list[str]:
        marks = [address for address in self.lines if start <= address < start + len(data)]
        parts = pairwise([*marks, start + len(data)])
        return [self._row(at, data[at - start : end - start]) for at, end in parts]

    def _row(self, address: int, data: bytes) -> str:
        file, number = self.lines[address]
        text = self.sources.get(file, "").split("\n")
        source = text[number - 1] if number <= len(text) else ""
        shown = "".join(c if c.isprintable() else " " for c in source)
        return f"{address:016x}  {_bytes(data):<17}  {number:>4}  {shown}".rstrip()


def _bytes(data: bytes) -> str:
    """Four bytes as the word that they are, others one after the other."""
    if len(data) == 4:
        return f"{int.from_bytes(data, 'little'):08x}"
    return data[:_WIDEST].hex() + ("…" if len(data) > _WIDEST else "")
