"""Two kinds of numbers that must never be mixed up: what was counted here, and what it would cost elsewhere.

`Measured` counts come from runs of the model. `Modelled` cycles are such counts times published costs: an
estimate for the computer on which those costs were measured. Neither can be added to the other, or compared
with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import total_ordering
from typing import Any, NoReturn

from vlab.display import one_line
from vlab.language import VlabError, _, grouped
from vlab.operations.costs.parameters import ParameterSet, unit_title


def count_title(name: str) -> str:
    """What was counted, in the reader's language."""
    return _titles().get(name, name)


def _titles() -> dict[str, str]:
    """All that is counted, in the order in which it is shown."""
    return {
        "TLB miss": _("TLB misses"),
        "reference": _("references of walks"),
        "exit": _("exits"),
        "hidden fault": _("hidden faults"),
        "guest-page fault": _("guest-page faults"),
        "entry ahead": _("entries filled ahead"),
        "page-table write": _("traced page-table writes"),
        "fence": _("fences"),
        "satp write": _("writes to satp"),
        "page fault": _("page faults of the guest"),
        "system call": _("system calls"),
        "device access": _("device accesses"),
        "privileged": _("other privileged instructions"),
    }


@dataclass(frozen=True, eq=False)
class Measured:
    """Counts, by what was counted, of a run of the model that `where` names.

    Measured counts can be added to and taken from each other. Zeros are left out.
    """

    where: str
    counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = dict.fromkeys((*_titles(), *self.counts))
        counts = {name: self.counts[name] for name in names if self.counts.get(name)}
        object.__setattr__(self, "counts", counts)

    def __repr__(self) -> str:
        return _("measured in {where}: {listed}").format(where=one_line(self.where), listed=self.listed)

    @property
    def listed(self) -> str:
        """What was counted, and how often, in the reader's language."""
        listed = ", ".join(f"{count_title(name)} {count}" for name, count in self.counts.items())
        return listed or _("nothing")

    def __getitem__(self, name: str) -> int:
        """How many; 0 of what was not seen."""
        return self.counts.get(name, 0)

    def __iter__(self) -> Iterator[str]:
        """What was counted."""
        return iter(self.counts)

    def __eq__(self, other: object) -> bool:
        return self.counts == other.counts if isinstance(other, Measured) else _kept_apart(other)

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: object) -> "Measured":
        return self._with(other, 1)

    def __radd__(self, other: object) -> "Measured":
        return self if other == 0 and isinstance(other, int) else self._with(other, 1)

    def __sub__(self, other: object) -> "Measured":
        return self._with(other, -1)

    def _with(self, other: object, sign: int) -> "Measured":
        if not isinstance(other, Measured):
            _kept_apart(other)
        names = dict.fromkeys((*self.counts, *other.counts))
        return Measured(self.where, {name: self[name] + sign * other[name] for name in names})

    def only(self, *names: str) -> "Measured":
        """Just these counts."""
        return Measured(self.where, {name: self[name] for name in names})


@total_ordering
@dataclass(frozen=True, eq=False)
class Modelled:
    """Costs, by what is paid for: measured counts times the costs that `parameters` has for one `way`.

    `unpriced` has the counts for which the model knows no price: so the sum is a lower bound. Modelled costs
    of one parameter set can be added, compared, and taken a number of times.
    """

    parts: Mapping[str, float]
    parameters: ParameterSet
    way: str
    unpriced: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """All parts, in the unit of the parameter set."""
        return sum(self.parts.values())

    def __repr__(self) -> str:
        return _("{total} {unit}, modelled with {set} ({cited})").format(
            total=grouped(self.total),
            unit=unit_title(self.parameters.unit),
            set=self.parameters.name,
            cited=self.parameters.cited,
        )

    def __eq__(self, other: object) -> bool:
        return self.total == self._comparable(other)

    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: object) -> bool:
        return self.total < self._comparable(other)

    def __add__(self, other: object) -> "Modelled":
        self._comparable(other)
        assert isinstance(other, Modelled)
        names = dict.fromkeys((*self.parts, *other.parts))
        parts = {name: self.parts.get(name, 0) + other.parts.get(name, 0) for name in names}
        counts = dict.fromkeys((*self.unpriced, *other.unpriced))
        unpriced = {name: self.unpriced.get(name, 0) + other.unpriced.get(name, 0) for name in counts}
        way = self.way if self.way == other.way else f"{self.way} + {other.way}"
        return Modelled(parts, self.parameters, way, unpriced)

    def __radd__(self, other: object) -> "Modelled":
        return self if other == 0 and isinstance(other, int) else self + other

    def __mul__(self, times: int) -> "Modelled":
        if not isinstance(times, int):
            _kept_apart(times)
        parts = {name: cost * times for name, cost in self.parts.items()}
        unpriced = {name: count * times for name, count in self.unpriced.items()}
        return Modelled(parts, self.parameters, self.way, unpriced)

    __rmul__ = __mul__

    def __truediv__(self, other: object) -> float:
        """How many times as much as the other; VlabError where that costs nothing."""
        if not (base := self._comparable(other)):
            raise VlabError(_("That costs nothing: there is no number of times."), where=self.way)
        return self.total / base

    def _comparable(self, other: object) -> float:
        """The other's total, if it is of the same parameter set."""
        if not isinstance(other, Modelled):
            _kept_apart(other)
        if other.parameters.name != self.parameters.name:
            raise VlabError(
                _(
                    "{one} and {other} are costs of different computers: they are not added or compared."
                ).format(one=self.parameters.name, other=other.parameters.name),
                mend=_("Model both with one parameter set."),
            )
        return other.total


def _kept_apart(other: Any) -> NoReturn:
    raise VlabError(
        _("What was measured, what was modelled, and plain numbers are kept apart: this is {kind}.").format(
            kind=type(other).__name__
        ),
        mend=_("Price the counts first, with a Model; or take numbers out by name, and say what they are."),
    )
