"""The page-table walk, and its result as a value that can be kept, compared, queried and drawn.

Steps are cited from the Privileged ISA, "Virtual Address Translation Process" (section 4.3.2 of the edition
of 2021) and numbered as in today's text. That edition looked at permissions before the alignment of a
superpage: the faults are the same, only the rule named first may differ.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from vlab.display import Drawn
from vlab.language import _
from vlab.paging.entries import FLAGS, Flags, access_of, classify, mode_of, permits, rule_text
from vlab.paging.schemes import SV39, Scheme
from vlab.riscv.privilege import ACCESS_FAULT, PAGE_FAULT, Access, Cause, Mode, Trap

if TYPE_CHECKING:
    import networkx

Load = Callable[[int, int], int]

_A, _D = int(Flags.A), int(Flags.D)
_STORE, _U, _S = Access.STORE, Mode.U, Mode.S


class Step(NamedTuple):
    """One reference to a page table: the entry at `address`, and what it led to.

    `raw` and `flags` are None where physical memory refused the read. `index` is vpn[level]. `verdict` is
    "pointer", "leaf" or "fault"; `rule` is the code of the rule that decided (see `rule_text`).
    """

    stage: str
    level: int
    index: int  # type: ignore[assignment]  # it hides a tuple's `index`, which a step has no use for
    address: int
    raw: int | None
    flags: Flags | None
    verdict: str
    rule: str


class Update(NamedTuple):
    """What hardware that keeps A and D writes back: the entry's address, its old and its new value."""

    address: int
    old: int
    new: int


class _Walk(NamedTuple):
    """The fields of a Walk. A named tuple, because a frozen dataclass takes four times as long to make."""

    scheme: Scheme
    access: Access
    mode: Mode
    sum: bool
    mxr: bool
    root: int
    address: int
    steps: tuple[Step, ...]
    physical: int | None
    fault: Cause | None
    rule: str
    update: Update | None


class Walk(_Walk, Drawn):
    """A translation, step by step. Either `physical` or `fault` is None; `rule` is the code that decided.

    `update` is the write that sets A and D, still to be done by whoever asked for the walk. If physical
    memory refuses that write, the access ends in an access fault of its own kind.
    """

    __slots__ = ()

    @property
    def level(self) -> int | None:
        """The level where the walk ended; None where it read no entry."""
        return self.steps[-1].level if self.steps else None

    @property
    def flags(self) -> Flags | None:
        """The leaf's flags, the update included; None after a fault."""
        if self.update:
            return FLAGS[self.update.new & 0xFF]
        return self.steps[-1].flags if self.fault is None else None

    @property
    def page_size(self) -> int | None:
        """Bytes of the page that was found; None after a fault."""
        return self.scheme.page_size(self.steps[-1].level) if self.fault is None else None

    @property
    def why(self) -> str:
        """The deciding rule in words."""
        return rule_text(self.rule)

    def graph(self) -> "networkx.DiGraph[Any]":
        """The walk as a graph: see `vlab.paging.graphs.walk_graph` for its nodes and attributes."""
        from vlab.paging.graphs import walk_graph

        return walk_graph(self)

    def __repr__(self) -> str:
        facts = self._asdict() | {"scheme": self.scheme.name, "count": len(self.steps), "why": self.why}
        if self.fault is not None:
            facts |= {"fault": self.fault.title, "level": self.level}
        start = _("{scheme}: {access} of {address:#x} in {mode}")
        if self.fault is None:
            end = _("{physical:#x} ({count} references)")
        else:
            end = _("{fault}: {why}") if self.level is None else _("{fault} at level {level}: {why}")
        return f"{start} → {end}".format(**facts)


def walk(
    load: Load,
    root: int,
    address: int,
    access: Access | str,
    *,
    mode: Mode | str,
    sum: bool = False,
    mxr: bool = False,
    scheme: Scheme = SV39,
    hardware_ad: bool = True,
    stage: str = "S-stage",
) -> Walk:
    """Translate a virtual address as the Privileged ISA says (section 4.3.2). Reads, and never writes.

    `load(physical address, size)` returns an entry, or raises Trap where physical memory refuses. `root` is
    the root table's physical address, `address` an unsigned number of the scheme's xlen. With `hardware_ad` a
    clear A or D becomes `Walk.update`; without it (Svade) a page fault.
    Raises VlabError for an access or a mode that doesn't exist or isn't translated (M).
    """
    if access.__class__ is not Access:
        access = access_of(access)
    if mode is not _U and mode is not _S:
        mode = mode_of(mode)
    steps: list[Step] = []
    table, size = root, scheme.entry_size
    rule, physical, update = "non-canonical", None, None
    for level, shift, mask in scheme.descent if scheme.canonical(address) else ():
        index = address >> shift & mask
        at = table + index * size
        try:
            raw = load(at, size)
        except Trap:
            rule = "access-fault"
            steps.append(Step(stage, level, index, at, None, None, "fault", rule))
            break
        rule, verdict = classify(raw, level, scheme), "fault"
        frame = scheme.target(raw)
        if rule == "pointer":
            verdict, table = "pointer", frame
        elif rule == "leaf":
            rule, update = _judge(raw, at, access, mode, sum, mxr, hardware_ad)
            if rule == "allowed":
                verdict, physical = "leaf", frame | address & (1 << shift) - 1
        steps.append(Step(stage, level, index, at, raw, FLAGS[raw & 0xFF], verdict, rule))
        if verdict != "pointer":
            break
    fault = None
    if physical is None:
        fault = (ACCESS_FAULT if rule == "access-fault" else PAGE_FAULT)[access]
    reached = tuple(steps)
    return Walk(scheme, access, mode, sum, mxr, root, address, reached, physical, fault, rule, update)


def _judge(
    raw: int, at: int, access: Access, mode: Mode, sum: bool, mxr: bool, hardware_ad: bool
) -> tuple[str, Update | None]:
    """A leaf's rule for this access, and the update of A and D that it still needs (4.3.2, steps 6 to 9)."""
    if broken := permits(raw, access, mode, sum, mxr):
        return broken, None
    wanted = raw | (_A | _D if access is _STORE else _A)
    if wanted == raw:
        return "allowed", None
    if hardware_ad:
        return "allowed", Update(at, raw, wanted)
    return ("not-dirty" if raw & _A else "not-accessed"), None
