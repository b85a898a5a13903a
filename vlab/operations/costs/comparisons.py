"""The comparisons: the same workload in several ways, each with what was measured and what that would cost."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import floor
from typing import NamedTuple

from vlab.display import Drawn
from vlab.hypervisor.policies import POLICIES
from vlab.language import _, grouped, named
from vlab.operations.costs.measuring import Workload, measure, workload_of
from vlab.operations.costs.model import Model, paging_model, processors_model, techniques_model
from vlab.operations.costs.parameters import ParameterSet, parameter_set
from vlab.operations.costs.quantities import Measured, Modelled
from vlab.paging import GuestRam, PageTable, Scheme, Walk, scheme_of

SHADOWS = ("traced", "lazy")
_PAIRS = ("Sv32", "Sv39", "Sv48", "Sv57")  # each over its own G-stage: 2, 3, 4 and 5 levels


def way_title(way: str) -> str:
    """A way to run a guest, in the reader's language; a processor has its own name."""
    return {
        "native": _("native"),
        "nested": _("nested paging"),
        "shadow": _("shadow page tables"),
        "traced": _("traced shadows"),
        "lazy": _("lazy shadows"),
        "eager": _("eager shadows"),
        "binary translation": _("binary translation"),
        "hardware assist": _("hardware assist, 2006"),
    }.get(way, way)


class Row(NamedTuple):
    """One way: what was measured until the work was done once and for once more, and what both would cost."""

    way: str
    start: Measured
    further: Measured
    start_cost: Modelled
    further_cost: Modelled


@dataclass(frozen=True, eq=False)
class Costs(Drawn):
    """One workload in several ways. Rows come in the order in which they are shown."""

    workload: Workload
    model: Model
    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, way: str) -> Row:
        """The row of a way; VlabError, with the nearest name, where there is none."""
        known = {row.way: row for row in self.rows}
        return named(way, known, _("These costs have no way {word!r}."))

    def __repr__(self) -> str:
        listed = "; ".join(f"{way_title(row.way)}: {grouped(row.further_cost.total)}" for row in self.rows)
        parameters = self.model.parameters
        said = _(
            "Costs of {workload}, each time more: {listed} cycles, modelled with {set} ({cited}) from measured counts."
        ).format(workload=self.workload.title, listed=listed, set=parameters.name, cited=parameters.cited)
        return f"{said} {self.verdict}".rstrip()

    @property
    def verdict(self) -> str:
        """Nested paging or shadows, where both were compared: from how many times on the one costs more; or ""."""
        ways = [row.way for row in self.rows]
        shadow = next((way for way in ways if way in POLICIES), None)
        if "nested" not in ways or shadow is None:
            return ""
        for dear, cheap in (("nested", shadow), (shadow, "nested")):
            if self[cheap].start_cost.unpriced or self[cheap].further_cost.unpriced:
                continue  # it may cost anything
            if times := self.dearer_from(dear, cheap):
                said = _("Done {times} times or more, it costs more in all with {dear} than with {cheap}.")
                if times == 1:
                    said = _("Already done once, it costs more with {dear} than with {cheap}.")
                return said.format(times=times, dear=way_title(dear), cheap=way_title(cheap))
        return ""

    def order(self) -> tuple[str, ...]:
        """The ways, the one whose further repeats cost least first."""
        return tuple(row.way for row in sorted(self.rows, key=lambda row: row.further_cost.total))

    def dearer_from(self, way: str, other: str) -> int | None:
        """From how many repeats on a way has cost more than the other in all; None if it isn't so for good.

        What has no price is left out. VlabError for a way that isn't there.
        """
        one, two = self[way], self[other]
        ahead = two.start_cost.total - one.start_cost.total
        gains = one.further_cost.total - two.further_cost.total
        if gains <= 0:
            return 1 if ahead < 0 and gains == 0 else None
        return 1 if ahead < 0 else floor(ahead / gains) + 2


def compare_paging(workload: str | Workload, shadows: Iterable[str] = SHADOWS) -> Costs:
    """Shadow page tables against nested paging: what a workload's translations cost in each way.

    `shadows` are policies of this hypervisor. Those of "eager" fill entries ahead, for which there is no price.
    Raises VlabError for a workload or a policy that isn't there, and a workload that fails.
    """
    model, chosen = paging_model(), workload_of(workload)
    ways = {"native": "native", "nested": "nested"} | dict.fromkeys(shadows, "shadow")
    return Costs(
        chosen, model, tuple(_measured_row(model, chosen, way, price) for way, price in ways.items())
    )


def _measured_row(model: Model, workload: Workload, way: str, price: str) -> Row:
    start, further = measure(workload, way)
    return Row(way, start, further, model.price(start, price), model.price(further, price))


def compare_techniques(workload: str | Workload) -> Costs:
    """Native, binary translation and hardware assist of 2006: what a guest kernel's operations cost in each.

    They are counted on the bare machine; writes to its page tables are those that traced shadows see.
    Raises VlabError for a workload that isn't there, or fails.
    """
    model, chosen = techniques_model(), workload_of(workload)
    bare, traced = measure(chosen, "native"), measure(chosen, "traced")
    names = ("system call", "page fault", "device access")
    start, further = (
        one.only(*names) + two.only("page-table write") for one, two in zip(bare, traced, strict=True)
    )
    return Costs(chosen, model, tuple(_priced_rows(model, start, further)))


def compare_processors(workload: str | Workload) -> Costs:
    """The exits of a workload under trap and emulate, at the price of an empty one on each processor.

    Raises VlabError for a workload that isn't there, or fails.
    """
    model, chosen = processors_model(), workload_of(workload)
    start, further = (one.only("exit") for one in measure(chosen, "lazy"))
    return Costs(chosen, model, tuple(_priced_rows(model, start, further)))


def _priced_rows(model: Model, start: Measured, further: Measured) -> Iterable[Row]:
    for way in model.prices:
        yield Row(way, start, further, model.price(start, way), model.price(further, way))


# --- Walks


class WalkCount(NamedTuple):
    """The references of one walk of a guest's table by itself, and over a host's: counted, and as published."""

    guest: Scheme
    host: Scheme
    native: Walk
    nested: Walk
    published: int

    @property
    def counted(self) -> tuple[int, int]:
        """How many references the two walks made."""
        return len(self.native.steps), len(self.nested.steps)


@dataclass(frozen=True)
class WalkCounts(Drawn):
    """Walks of two stages, by how many levels their tables have. `parameters` are the counts that are published."""

    rows: tuple[WalkCount, ...]
    parameters: ParameterSet

    def __repr__(self) -> str:
        listed = ", ".join(f"{row.nested.schemes} {row.counted[1]}" for row in self.rows)
        return _(
            "References measured in one walk of two stages: {listed}; published are {published} ({cited})."
        ).format(
            listed=listed,
            published=", ".join(str(row.published) for row in self.rows),
            cited=self.parameters.cited,
        )


def count_walks() -> WalkCounts:
    """Build a table of each number of levels, alone and over a G-stage, and walk them: no count is a constant."""
    parameters = parameter_set("references")
    rows = []
    for name in _PAIRS:
        guest, host = scheme_of(name), scheme_of(f"{name}x4")
        levels = f"{guest.levels} over {host.levels}"
        published = int(parameters.value(levels, "nested"))
        rows.append(WalkCount(guest, host, _one_stage(guest), _two_stages(guest, host), published))
    return WalkCounts(tuple(rows), parameters)


_GVA, _GPA = 0x1234_5000, 0x8000_3000


def _one_stage(scheme: Scheme) -> Walk:
    table = PageTable(scheme=scheme)
    table.map(_GVA, _GPA, "RWUAD")
    return table.walk(_GVA)


def _two_stages(scheme: Scheme, host_scheme: Scheme) -> Walk:
    host = PageTable(scheme=host_scheme)
    table = PageTable(GuestRam(host), scheme=scheme)
    table.map(_GVA, _GPA, "RWUAD")
    return table.walk(_GVA, host=host)
