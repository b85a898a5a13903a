"""Parameter sets: what things cost on a real computer, as somebody has measured it and published it.

Nothing here is measured by us: every number stands in `data/published.json`, or follows from such numbers by
a formula that is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vlab.display import Drawn
from vlab.language import VlabError, _, named
from vlab.operations.costs.published import Fact, fact

Table = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class ParameterSet(Drawn):
    """Published costs of one source: `values` by parameter, then by way (a technique, a processor).

    `derived` has, of the parameters that follow from others, the formula.
    """

    name: str
    facts: tuple[Fact, ...]
    values: Table
    derived: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Whose numbers these are."""
        return self.facts[0].source

    @property
    def locator(self) -> str:
        """Where they stand there."""
        return "; ".join(dict.fromkeys(one.locator for one in self.facts))

    @property
    def year(self) -> int:
        """When that was published."""
        return self.facts[0].year

    @property
    def unit(self) -> str:
        """What they count: "cycles", "s", "references"."""
        return self.facts[0].unit

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways that it has numbers for."""
        return self.facts[0].columns

    @property
    def title(self) -> str:
        """Its name in the reader's language."""
        return set_title(self.name)

    @property
    def cited(self) -> str:
        """The source in short: its first author, and the year."""
        author = self.source.split(",")[0].split()[-1]
        return _("{author} et al., {year}").format(author=author, year=self.year)

    @property
    def citation(self) -> str:
        """The source and the place in it, in full."""
        return f"{self.source.rstrip('.')}, {self.locator}"

    def __repr__(self) -> str:
        return _("{title}: {count} published costs in {unit} ({citation})").format(
            title=self.title,
            count=sum(map(len, self.values.values())) - sum(len(self.values[name]) for name in self.derived),
            unit=unit_title(self.unit),
            citation=self.citation,
        )

    def __getitem__(self, parameter: str) -> Mapping[str, float]:
        """What it costs in each way; VlabError, with the nearest name, where there is no such parameter."""
        what = _("The parameter set {set} has no {{word!r}}.").format(set=self.name)
        return named(parameter, dict(self.values), what)

    def value(self, parameter: str, way: str) -> float:
        """What it costs in one way; VlabError where there is no such number."""
        row = self[parameter]
        if way not in row:
            raise VlabError(
                _("The source has no number for {parameter} in this way: {way}.").format(
                    parameter=parameter, way=way
                ),
                where=self.name,
                mend=_("It has: {ways}.").format(ways=", ".join(row)),
            )
        return row[way]


def set_title(name: str) -> str:
    """The name of a parameter set in the reader's language."""
    return {
        "nanobenchmarks": _("Operations of a kernel on a Pentium 4"),
        "forkwait": _("Fork and wait, 40 000 times"),
        "round-trip": _("Out of a guest and back, by processor"),
        "exit-and-entry": _("An exit and an entry, by processor"),
        "paging": _("Shadow and nested paging on an Ivy Bridge"),
        "references": _("References of a walk"),
        "walk-caches": _("References of a walk, with caches for them"),
        "walk-time": _("The time of a nested walk, in native ones"),
    }[name]


def unit_title(unit: str) -> str:
    """A unit in the reader's language."""
    return {"cycles": _("cycles"), "s": _("seconds"), "references": _("references"), "times": _("times")}[
        unit
    ]


# Which rows make each set.
_ROWS = {
    "nanobenchmarks": ("T03-01",),
    "forkwait": ("T03-02", "T03-03"),
    "round-trip": ("T03-16",),
    "exit-and-entry": ("T03-17", "T03-18"),
    "paging": ("T07-13",),
    "references": ("T07-05",),
    "walk-caches": ("T07-10",),
    "walk-time": ("T07-06",),
}
NAMES = tuple(_ROWS)


def parameter_set(name: str) -> ParameterSet:
    """A parameter set by its name; VlabError, with the nearest one, where there is none.

    They are: "nanobenchmarks", "forkwait", "round-trip", "exit-and-entry", "paging", "references", "walk-caches",
    "walk-time".
    """
    ids = named(name, _ROWS, _("There is no parameter set {word!r}."))
    rows = tuple(map(fact, ids))
    values: dict[str, dict[str, float]] = {}
    for row in rows:
        values |= row.table
    if name != "paging":
        return ParameterSet(name, rows, values)
    own, formulas = _paging(values)
    return ParameterSet(name, rows, {**values, **own}, formulas)


def _paging(published: Table) -> tuple[Table, Mapping[str, str]]:
    """What the model of paging needs besides, each a difference of published numbers.

    A cold access makes a walk, or a walk of two stages; under shadows it makes a hidden fault too. What is more
    than native is laid to just that. The walks were those of x86-64: 4 references, and 24.
    """
    cold = published["Cold Memory Access"]
    counted = fact("T07-05").table["4 over 4"]
    more = counted["nested"] - counted["native"]
    reference = (cold["nested"] - cold["native"]) / more
    fault = cold["shadow"] - cold["native"]
    own = {"reference": dict.fromkeys(cold, reference), "hidden fault": {"shadow": fault}}
    formulas = {
        "reference": f"({cold['nested']} - {cold['native']}) / ({counted['nested']} - {counted['native']})",
        "hidden fault": f"{cold['shadow']} - {cold['native']}",
    }
    return own, formulas
