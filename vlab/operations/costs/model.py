"""The model: which published cost is the price of which measured count."""

from collections.abc import Mapping
from dataclasses import dataclass

from vlab.language import _, named
from vlab.operations.costs.parameters import ParameterSet, parameter_set
from vlab.operations.costs.quantities import Measured, Modelled

Prices = Mapping[str, str]  # by what is counted: the parameter that is its price


@dataclass(frozen=True, eq=False)
class Model:
    """Prices for counts: for each way, which parameter of the set is the price of what.

    `beside` names what is no affair of this model, or is in what it prices already: it costs nothing here.
    """

    parameters: ParameterSet
    prices: Mapping[str, Prices]
    beside: frozenset[str] = frozenset()

    @property
    def note(self) -> str:
        """How far it can be believed, in the reader's language."""
        return {
            "nanobenchmarks": _(
                "Hidden faults have no price here: under both monitors it is somewhat more. The binary "
                "translation had no segment limits where it was measured: its authors say that it was not safe."
            ),
            "paging": _(
                "An exit that the source does not name has the price of its hypercall: a lower bound. All "
                "references have one price: real processors have caches for walks, and nested paging loses less."
            ),
            "round-trip": _("Nothing is done in these exits: a lower bound."),
        }.get(self.parameters.name, "")

    def __repr__(self) -> str:
        return _("Model of costs with {set} ({cited}), for {ways}").format(
            set=self.parameters.name, cited=self.parameters.cited, ways=", ".join(self.prices)
        )

    def price(self, measured: Measured, way: str) -> Modelled:
        """What these counts cost in a way.

        Raises:
            VlabError: if the model has no such way, or the source no number for one of its prices there.
        """
        prices = named(way, dict(self.prices), _("The model knows no way {word!r}."))
        parts = {
            name: measured[name] * self.parameters.value(prices[name], way)
            for name in measured
            if name in prices
        }
        known = {*prices, *self.beside}
        unpriced = {name: measured[name] for name in measured if name not in known}
        return Modelled(parts, self.parameters, way, unpriced)


# Of a run under shadows: what is in the references, in the exits by their cause, or no matter of memory's.
_NO_EXITS = ("TLB miss", "exit", "system call", "device access", "privileged")


def techniques_model() -> Model:
    """What a guest's own operations cost by themselves, under binary translation, and under hardware assist.

    Of 2006: without nested paging, both monitors keep shadows. Hidden faults have no price here.
    """
    parameters = parameter_set("nanobenchmarks")
    prices = {
        "system call": "syscall",
        "page fault": "pgfault",
        "page-table write": "ptemod",
        "device access": "in",
    }
    return Model(parameters, dict.fromkeys(parameters.ways, prices))


def paging_model() -> Model:
    """What translation costs by itself, under nested paging and under shadows.

    Exits that the source doesn't name are priced as its emptiest one, a hypercall: so they are lower bounds.
    Native and under nested paging, fences and the guest's own page faults are no exits, and cost nothing more.
    """
    walks = {"reference": "reference", "satp write": "Set CR3"}
    nested = walks | {"guest-page fault": "Hypercall"}
    exits = ("page fault", "page-table write", "fence")
    shadow = walks | {"hidden fault": "hidden fault"} | dict.fromkeys(exits, "Hypercall")
    prices = {"native": walks, "nested": nested, "shadow": shadow}
    return Model(parameter_set("paging"), prices, frozenset((*_NO_EXITS, *exits)))


def processors_model() -> Model:
    """What exits cost by processor, with nothing done in them."""
    parameters = parameter_set("round-trip")
    prices = {"exit": "round trip"}
    return Model(parameters, dict.fromkeys(parameters.ways, prices))
