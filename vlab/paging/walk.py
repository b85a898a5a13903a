"""The page-table walk, and its result as a value that can be kept, compared, queried and drawn.

Steps are cited from the Privileged ISA, "Virtual Address Translation Process" (section 4.3.2 of the edition
of 2021) and numbered as in today's text. That edition looked at permissions before the alignment of a
superpage: the faults are the same, only the rule named first may differ. The #PF of x86-64 goes by the same
three names.
"""

from collections.abc import Callable
from enum import IntFlag
from typing import TYPE_CHECKING, Any, NamedTuple

from vlab.display import Drawn
from vlab.language import _
from vlab.paging.entries import access_of, mode_of, rule_text
from vlab.paging.formats import Format
from vlab.paging.schemes import PAGE_SHIFT, SV39, Scheme
from vlab.riscv.privilege import ACCESS_FAULT, GUEST_PAGE_FAULT, PAGE_FAULT, Access, Cause, Mode, Trap

if TYPE_CHECKING:
    import networkx

Load = Callable[[int, int], int]
Request = tuple[Access, Mode, bool, bool]  # what is wanted, by whom, and the SUM and MXR that hold

S_STAGE, VS_STAGE, G_STAGE = "S-stage", "VS-stage", "G-stage"
_STORE, _U, _S = Access.STORE, Mode.U, Mode.S


class Step(NamedTuple):
    """One reference to a page table: the entry at `address`, and what it led to.

    `raw` and `flags` are None where physical memory refused the read. `index` is vpn[level]. `verdict` is
    "pointer", "leaf" or "fault"; `rule` is the code of the rule that decided (see `rule_text`). `stage` is
    "S-stage", or one of two: "VS-stage", whose `address` is guest-physical (the entry is really read at `hpa`),
    and "G-stage", which translates the guest-physical address `gpa`.
    """

    stage: str
    level: int
    index: int  # type: ignore[assignment]  # it hides a tuple's `index`, which a step has no use for
    address: int
    raw: int | None
    flags: IntFlag | None
    verdict: str
    rule: str
    gpa: int | None = None
    hpa: int | None = None


class Host(NamedTuple):
    """The second stage of a walk: the scheme and root of its table, and the MXR that counts there."""

    scheme: Scheme
    root: int
    mxr: bool = False


class Update(NamedTuple):
    """What hardware that keeps A and D writes back: the entry's physical address, its old and new value."""

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
    updates: tuple[Update, ...]
    host: Host | None = None
    gpa: int | None = None
    fault_gpa: int | None = None
    implicit: bool = False


class Walk(_Walk, Drawn):
    """A translation, step by step. Either `physical` or `fault` is None; `rule` is the code that decided.

    `updates` are the writes that set A and D, still to be done by whoever asked for the walk. If physical
    memory refuses one, the access ends in an access fault of its own kind.

    A walk of two stages has a `host`: `scheme` and `root` are then the guest's, and `gpa` is where its table
    leads. A guest-page fault has the guest-physical address that the G-stage refused in `fault_gpa` (`htval`
    holds it shifted right by 2); `implicit` says that it was the walker's, on its way through the guest's table.
    """

    __slots__ = ()

    @property
    def update(self) -> Update | None:
        """What a walk of one RISC-V table writes, if anything; of several updates, the last."""
        return self.updates[-1] if self.updates else None

    @property
    def level(self) -> int | None:
        """The level where the walk ended; None where it read no entry."""
        return self.steps[-1].level if self.steps else None

    @property
    def flags(self) -> IntFlag | None:
        """The leaf's flags, the update included; None after a fault. Of two stages, the guest's leaf's."""
        if self.fault is not None:
            return None
        return self._after(self.steps[-1] if self.host is None else self._guest_leaf)

    @property
    def host_flags(self) -> IntFlag | None:
        """Of two stages, the flags of the host's leaf, the update included; None after a fault, and of one stage."""
        return None if self.fault is not None or self.host is None else self._after(self.steps[-1])

    def _after(self, leaf: Step) -> IntFlag | None:
        """A leaf's flags, the update included."""
        at, table, mask = leaf.hpa or leaf.address, self.scheme.format.table, self.scheme.format.mask
        for update in self.updates:
            if update.address == at:
                return table[update.new & mask]
        return leaf.flags

    @property
    def page_size(self) -> int | None:
        """Bytes of the page that was found, of two stages the smaller one; None after a fault."""
        if self.fault is not None:
            return None
        if self.host is None:
            return self.scheme.page_size(self.steps[-1].level)
        guest, host = self._guest_leaf.level, self.steps[-1].level
        return min(self.scheme.page_size(guest), self.host.scheme.page_size(host))

    @property
    def _guest_leaf(self) -> Step:
        return next(step for step in reversed(self.steps) if step.stage == VS_STAGE)

    @property
    def why(self) -> str:
        """The deciding rule in words."""
        return rule_text(self.rule)

    def graph(self) -> "networkx.DiGraph[Any]":
        """The walk as a graph: see `vlab.paging.graphs.walk_graph` for its nodes and attributes."""
        from vlab.paging.graphs import walk_graph

        return walk_graph(self)

    def __repr__(self) -> str:
        facts = self._asdict() | {"scheme": self.schemes, "count": len(self.steps), "why": self.why}
        facts |= {"access": self.access.title, "mode": self.mode_name}
        if self.fault is not None:
            facts |= {"fault": self.fault.title, "level": self.level}
        start = _("{scheme}: {access} of {address:#x} in {mode}")
        if self.fault is None:
            end = _("{physical:#x} ({count} references)")
            if self.host is not None:
                end = _("GPA {gpa:#x} → HPA {physical:#x} ({count} references)")
        elif self.fault_gpa is not None:
            end = _("{fault} of GPA {fault_gpa:#x}: {why}")
        else:
            end = _("{fault}: {why}") if self.level is None else _("{fault} at level {level}: {why}")
        return f"{start} → {end}".format(**facts)

    @property
    def schemes(self) -> str:
        """The scheme's name, or those of both stages."""
        if self.host is None:
            return self.scheme.name
        return _("{guest} over {host}").format(guest=self.scheme.name, host=self.host.scheme.name)

    @property
    def mode_name(self) -> str:
        """The mode; of two stages a virtual one: VU or VS."""
        return str(self.mode) if self.host is None else f"V{self.mode}"


_NONE: tuple[Update, ...] = ()


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
    stage: str = S_STAGE,
) -> Walk:
    """Translate a virtual address as the Privileged ISA says (section 4.3.2). Reads, and never writes.

    `load(physical address, size)` returns an entry, or raises Trap where physical memory refuses. `root` is
    the root table's physical address, `address` an unsigned number of the scheme's xlen. With `hardware_ad` a
    clear A or D becomes one of `Walk.updates`; without it (Svade) a page fault, which `stage` "G-stage" makes a
    guest-page fault. Raises VlabError for an access or a mode that doesn't exist or isn't translated (M).
    """
    if access.__class__ is not Access:
        access = access_of(access)
    if mode is not _U and mode is not _S:
        mode = mode_of(mode)
    steps: list[Step] = []
    form, classify, flags, mask, ppn_shift, ppn_mask, size, limits = scheme.reading
    table, granted, request = root, limits, (access, mode, sum, mxr)
    rule, physical, updates = "non-canonical", None, _NONE
    for level, shift, index_mask in scheme.descent if scheme.canonical(address) else ():
        index = address >> shift & index_mask
        at = table + index * size
        try:
            raw = load(at, size)
        except Trap:
            steps.append(Step(stage, level, index, at, None, None, "fault", rule := "access-fault"))
            break
        rule, verdict = classify(raw, level, scheme), "fault"
        frame = (raw >> ppn_shift & ppn_mask) << PAGE_SHIFT
        bits = raw
        if limits:
            granted &= raw ^ form.denies
            bits = raw & ~limits | granted ^ form.denies
            if rule == "pointer" and not raw & form.accessed:
                updates += (Update(at, raw, raw | form.accessed),)
        if rule == "pointer":
            verdict, table = "pointer", frame
        elif rule == "leaf":
            rule, own = judge(at, raw, bits, request, form, hardware_ad)
            updates += own
            if rule == "allowed":
                verdict, physical = "leaf", frame & -1 << shift | address & (1 << shift) - 1
        steps.append(Step(stage, level, index, at, raw, flags[raw & mask], verdict, rule))
        if verdict != "pointer":
            break
    facts = (scheme, access, mode, sum, mxr, root, address, tuple(steps))
    if physical is not None:
        return Walk(*facts, physical, None, rule, updates)
    # After a fault there are no updates: hardware that marks pointers does so when all of the walk succeeded.
    gpa = address if stage == G_STAGE and rule != "access-fault" else None
    return Walk(*facts, None, fault_of(rule, stage, access), rule, (), fault_gpa=gpa)


def fault_of(rule: str, stage: str, access: Access) -> Cause:
    """The exception that a broken rule raises: that of the original access."""
    if rule == "access-fault":
        return ACCESS_FAULT[access]
    return (GUEST_PAGE_FAULT if stage == G_STAGE else PAGE_FAULT)[access]


def judge(
    at: int, raw: int, bits: int, request: Request, form: Format, hardware_ad: bool
) -> tuple[str, tuple[Update, ...]]:
    """A leaf's rule for this access, and the update of A and D that it still needs (4.3.2, steps 6 to 9).

    `bits` are the entry's, as far as those of the levels above grant them.
    """
    if broken := form.permits(bits, *request):
        return broken, ()
    wanted = raw | (form.accessed | form.dirty if request[0] is _STORE else form.accessed)
    if wanted == raw:
        return "allowed", ()
    if hardware_ad or form.marks_pointers:
        return "allowed", (Update(at, raw, wanted),)
    return ("not-dirty" if raw & form.accessed else "not-accessed"), ()
