"""How many traps were taken: counted without any listener, so that a run that is counted is as quick as another."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from vlab.language import _

CAUSES = 128  # that are told apart: exceptions, then interrupts, 64 of each
_CODES = CAUSES // 2


class Row(Protocol):
    """Numbers that can be changed, of which there stays the same count."""

    def __iter__(self) -> Iterator[int]: ...

    def __getitem__(self, number: int, /) -> int: ...

    def __setitem__(self, number: int, count: int, /) -> None: ...


class TrapCounts:
    """The traps of each level of a machine, by cause, since it was built.

    What was rewound and done again, counts again; a look ahead that is undone doesn't.
    """

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def __repr__(self) -> str:
        counts = ", ".join(str(sum(row)) for row in self._rows)
        return _("Traps counted, level by level: {counts}").format(counts=counts or 0)

    def count(self, level: int, cause: int) -> None:
        """A trap was taken, of this `xcause`."""
        while len(self._rows) <= level:
            self._rows.append([0] * CAUSES)
        self._rows[level][cause % _CODES + (cause >> 63) * _CODES] += 1

    def of(self, level: int) -> dict[int, int]:
        """How many there were at a level, by `xcause`."""
        row = self._rows[level] if level < len(self._rows) else [0]
        return {number % _CODES | number // _CODES << 63: count for number, count in enumerate(row) if count}

    def share(self, row: Row) -> None:
        """Count those of level 0 in this row, where somebody else counts them too: CAUSES numbers, all of them 0."""
        self._rows[:1] = [row]

    def rows(self) -> list[list[int]]:
        """All counts, to be restored."""
        return [list(row) for row in self._rows]

    def restore(self, rows: Sequence[Sequence[int]]) -> None:
        """Count on from what `rows` told."""
        del self._rows[len(rows) :]
        for row, counts in zip(self._rows, rows, strict=True):
            for number, count in enumerate(counts):
                row[number] = count
