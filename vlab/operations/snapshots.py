"""Named snapshots of one computer, as a tree: each knows the one that it came after.

A machine's are whole: TLB, hypervisors and their virtual machines are in them. A virtual machine's are portable:
nothing of what lies below it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlab.display import Drawn, one_line
from vlab.language import VlabError, _, unknown
from vlab.machine import Computer, Snapshot
from vlab.machine.expecting import expect_computer
from vlab.machine.memory import PAGE
from vlab.operations.files import Row, packed, read_tree, write_tree

if TYPE_CHECKING:
    import networkx

LONGEST = 60  # letters of a name


@dataclass(frozen=True)
class Saved(Drawn):
    """One snapshot in its tree. `changed` counts the pages that differ from its `parent`'s (or from zeros)."""

    name: str
    parent: str | None
    changed: int
    snapshot: Snapshot

    @property
    def time(self) -> int:
        """The computer's time then."""
        return self.snapshot.time

    @property
    def size(self) -> int:
        """Bytes of memory in it: the pages that are not all zeros."""
        return len(self.snapshot.pages) * PAGE

    def __repr__(self) -> str:
        words = _(
            "Snapshot {name!r} at time {time}: {pages} pages of memory, {changed} changed since {parent}."
        )
        beginning = _("power-on, when all were zeros")
        return words.format(
            name=self.name,
            time=self.time,
            pages=len(self.snapshot.pages),
            changed=self.changed,
            parent=beginning if self.parent is None else repr(self.parent),
        )


class Snapshots(Drawn):
    """A tree of a computer's snapshots, in memory and, if it is saved, in a file.

    A new one hangs under the one taken or restored last, `here`.
    """

    def __init__(self, computer: Computer):
        expect_computer(computer)
        computer.expect_there()
        self.computer = computer
        self.here: str | None = None
        self._saved: dict[str, Saved] = {}

    def __len__(self) -> int:
        return len(self._saved)

    def __iter__(self) -> Iterator[Saved]:
        """The snapshots, in the order in which they were taken."""
        return iter(self._saved.values())

    def __getitem__(self, name: object) -> Saved:
        """The snapshot of this name; VlabError, with the nearest name, where there is none."""
        if isinstance(name, str) and name in self._saved:
            return self._saved[name]
        raise unknown(_("There is no snapshot {name!r}.").format(name=name), name, self._saved)

    def __repr__(self) -> str:
        if not self._saved:
            return _("A tree of snapshots with nothing in it yet.")
        names = ", ".join(self._saved)
        if self.here is None:
            return _("A tree of {count} snapshots from a file: {names}; none is restored yet.").format(
                count=len(self), names=names
            )
        return _("A tree of {count} snapshots: {names}; the computer continues from {here}.").format(
            count=len(self), names=names, here=self.here
        )

    def take(self, name: object) -> Saved:
        """Keep the computer's state under a new name; the computer stays as it is.

        Raises:
            VlabError: if the name is taken already, or isn't one.
        """
        name = _expect_name(name)
        if name in self._saved:
            raise VlabError(
                _("There is a snapshot {name!r} already.").format(name=name), mend=_("Take another name.")
            )
        self._keep(name, self.here, self.computer.snapshot())
        self.here = name
        return self._saved[name]

    def _keep(self, name: str, parent: str | None, snapshot: Snapshot) -> None:
        before = {} if parent is None else self._saved[parent].snapshot.pages
        changed = sum(snapshot.pages.get(page) != before.get(page) for page in {*snapshot.pages, *before})
        self._saved[name] = Saved(name, parent, changed, snapshot)

    def restore(self, name: object) -> Saved:
        """Make the computer be as it was; what is taken next hangs under this snapshot.

        Raises:
            VlabError: if there is no such snapshot, or the computer no longer fits it; nothing has changed then.
        """
        saved = self[name]
        self.computer.restore(saved.snapshot)
        self.here = saved.name
        return saved

    def forget_oldest(self) -> None:
        """Forget the snapshot that was taken first; those after it then count their changes from zeros."""
        oldest = next(iter(self._saved))
        del self._saved[oldest]
        self.here = None if self.here == oldest else self.here
        for saved in list(self._saved.values()):
            if saved.parent == oldest:
                self._keep(saved.name, None, saved.snapshot)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the whole tree to a file, as `vlab.operations.files` says: what two snapshots share, once.

        Raises:
            VlabError: if the file can't be written; what stood there is as it was.
        """
        write_tree(Path(path), self._rows())

    def packed(self) -> bytes:
        """The bytes of the file that `save` writes."""
        return packed(self._rows())

    def _rows(self) -> Iterator[Row]:
        return ((saved.name, saved.parent, saved.snapshot) for saved in self)

    @classmethod
    def open(cls, file: str | PathLike[str] | bytes, computer: Computer) -> "Snapshots":
        """The tree in a file, or in its bytes, for this computer, which stays as it is until one is restored.

        Raises:
            VlabError: if the file is missing, damaged, of another version, or of another kind of computer.
        """
        tree = cls(computer)
        for name, parent, snapshot in read_tree(file if isinstance(file, bytes) else Path(file)):
            _expect_name(name)
            tree._keep(name, parent, snapshot)
        return tree

    def graph(self) -> "networkx.DiGraph[Any]":
        """The tree as a networkx DiGraph, with an edge from each snapshot to the ones taken next after it.

        Nodes are names, with `kind` ("snapshot"), `label`, `number` (the order of taking), `time`, `size` in
        bytes, `pages`, `changed` (pages that differ from the parent's), `here`, and `object` (the Saved). Edges
        have `changed`, `time` (how much passed), and `label`. The graph has `sentence`.
        """
        import networkx

        graph: networkx.DiGraph[Any] = networkx.DiGraph(sentence=repr(self))
        for number, saved in enumerate(self):
            facts = {"number": number, "time": saved.time, "size": saved.size, "changed": saved.changed}
            graph.add_node(
                saved.name,
                kind="snapshot",
                label=saved.name,
                pages=len(saved.snapshot.pages),
                here=saved.name == self.here,
                object=saved,
                **facts,
            )
            if saved.parent is not None:
                passed = saved.time - self[saved.parent].time
                label = _("{changed} pages").format(changed=saved.changed)
                graph.add_edge(saved.parent, saved.name, changed=saved.changed, time=passed, label=label)
        return graph


def _expect_name(name: object) -> str:
    if isinstance(name, str) and 0 < len(name) <= LONGEST and name == one_line(name):
        return name
    raise VlabError(
        _("{name!r} cannot be a snapshot's name.").format(name=str(name)[: LONGEST + 1]),
        mend=_("Take a line of 1 to {longest} letters.").format(longest=LONGEST),
    )
