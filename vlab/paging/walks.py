"""Many walks as one value: arrays that say of each address what its own walk would."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vlab.display import Drawn
from vlab.language import VlabError, _, grouped
from vlab.paging.entries import rule_text
from vlab.paging.schemes import Scheme
from vlab.paging.walk import G_STAGE, S_STAGE, Host, Request, Walk, fault_of

if TYPE_CHECKING:
    from vlab.paging.descent import Array

NOWHERE = (1 << 64) - 1  # stands where a walk has no address to tell


@dataclass(frozen=True, eq=False, repr=False)
class Walks(Drawn):
    """The walks to an array of addresses. Each array has its shape; `walks[3]` is the walk to one, step by step.

    `physical` is where each leads, NOWHERE after a fault; `ok` tells which have none. `level` is where the walk
    ended, -1 where it read no entry, `references` how many it read, `page_size` the bytes of the page that was
    found. `fault` is the number of the exception, -1 where there is none, and `rule` the code of the rule that
    decided; `rules` counts them. Of two stages, `gpa` is where the guest's table leads, `fault_gpa` what the
    G-stage refused (both else NOWHERE), and `implicit` tells whether that was the walker's own access.

    `updates` are the entries in which A or D is to be set, by their addresses, with their `old` and `new` values.
    """

    scheme: Scheme
    request: Request
    host: Host | None
    address: "Array"
    again: Callable[[int], Walk]
    updates: "Array"
    names: tuple[str, ...]
    code: "Array"
    physical: "Array"
    level: "Array"
    references: "Array"
    leaf: "Array"
    gpa: "Array"
    fault_gpa: "Array"
    implicit: "Array"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the addresses' array."""
        return tuple(self.address.shape)

    @property
    def size(self) -> int:
        """How many walks there are."""
        return int(self.address.size)

    @cached_property
    def ok(self) -> "Array":
        """True where the access is allowed."""
        import numpy as np

        return np.array([rule == "allowed" for rule in self.names])[self.code]

    @cached_property
    def rule(self) -> "Array":
        """The code of the rule that decided, as text: see `rule_text`."""
        import numpy as np

        return np.array(self.names)[self.code]

    @cached_property
    def fault(self) -> "Array":
        """The number of the exception (a `Cause`), -1 where there is none."""
        import numpy as np

        own, host = (
            np.array(
                [-1 if rule == "allowed" else fault_of(rule, stage, self.request[0]) for rule in self.names]
            )
            for stage in (S_STAGE, G_STAGE)
        )
        return np.where(self.fault_gpa != NOWHERE, host[self.code], own[self.code]).astype(np.int8)

    @cached_property
    def page_size(self) -> "Array":
        """Bytes of the page that was found, of two stages the smaller one; 0 after a fault."""
        import numpy as np

        below, found = self.host.scheme if self.host else self.scheme, np.zeros(self.shape, np.uint64)
        own, theirs = ([one.page_size(level) for level in range(one.levels)] for one in (self.scheme, below))
        sizes = np.minimum.outer(np.array(own, np.uint64), np.array(theirs, np.uint64))
        found[self.ok] = sizes[self.leaf[self.ok], self.level[self.ok]]
        return found

    @cached_property
    def rules(self) -> dict[str, int]:
        """How many walks each rule decided, the most frequent first."""
        import numpy as np

        counts = np.bincount(self.code.ravel(), minlength=len(self.names)).tolist()
        found = dict.fromkeys(self.names, 0)
        for name, count in zip(self.names, counts, strict=True):
            found[name] += count
        return {
            name: count for name, count in sorted(found.items(), key=lambda row: (-row[1], row[0])) if count
        }

    def array(self) -> "Array":
        """All of it as one structured array, a record an address."""
        import numpy as np

        names = ["address", "physical", "ok", "rule", "fault", "level", "references", "page_size"]
        if self.host is not None:
            names += ["gpa", "fault_gpa", "implicit"]
        columns = [getattr(self, name) for name in names]
        table = np.empty(self.shape, [(name, col.dtype) for name, col in zip(names, columns, strict=True)])
        for name, column in zip(names, columns, strict=True):
            table[name] = column
        return table

    def __len__(self) -> int:
        return len(self.address)

    def __getitem__(self, index: Any) -> Walk:
        """The walk to the address at this place, through the tables as they are now."""
        import numpy as np

        try:
            address = self.address[index]
        except IndexError:
            address = self.address
        if np.ndim(address):
            raise VlabError(
                _("There is no single walk at {index!r}.").format(index=index),
                mend=_("The arrays, such as `physical`, take slices: their shape is {shape}.").format(
                    shape=self.shape
                ),
            )
        return self.again(int(address))

    def __repr__(self) -> str:
        access, mode, _sum, _mxr = self.request
        start = _("{scheme}: {count} walks, {access} in {mode}, {references} references").format(
            scheme=self.scheme.name if self.host is None else f"{self.scheme.name} / {self.host.scheme.name}",
            count=grouped(self.size),
            access=access.title,
            mode=mode if self.host is None else f"V{mode}",
            references=grouped(int(self.references.sum())),
        )
        rules = [f"{grouped(count)} × {rule_text(rule, self.scheme)}" for rule, count in self.rules.items()]
        return f"{start}: {'; '.join(rules)}" if rules else start
