"""The model: counts times published prices, and what has none."""

import pytest

from vlab.language import VlabError
from vlab.operations.costs import Measured, Model, parameter_set
from vlab.operations.costs.model import paging_model, processors_model, techniques_model

RUN = Measured("a run", {"system call": 3, "page fault": 32, "page-table write": 80})


@pytest.mark.parametrize("way", ["native", "binary translation", "hardware assist"])
def test_a_cost_is_count_times_price(way):
    parameters = parameter_set("nanobenchmarks")
    cost = techniques_model().price(RUN, way)
    assert cost.parts == {
        "system call": 3 * parameters["syscall"][way],
        "page fault": 32 * parameters["pgfault"][way],
        "page-table write": 80 * parameters["ptemod"][way],
    }
    assert cost.unpriced == {} and cost.way == way and cost.parameters.name == "nanobenchmarks"


def test_what_has_no_price_is_said():
    run = Measured("a run", {"reference": 10, "entry ahead": 7, "TLB miss": 4, "exit": 2, "system call": 1})
    cost = paging_model().price(run, "shadow")
    assert set(cost.parts) == {"reference"}
    assert cost.unpriced == {"entry ahead": 7}


def test_an_exit_is_one_only_where_it_is_one():
    """Under nested paging the guest's fences and its own page faults are nobody else's affair."""
    run = Measured("a run", {"fence": 5, "page fault": 2, "satp write": 1})
    paging = parameter_set("paging")
    assert paging_model().price(run, "nested").parts == {"satp write": paging["Set CR3"]["nested"]}
    assert paging_model().price(run, "native").parts == {"satp write": paging["Set CR3"]["native"]}
    assert paging_model().price(run, "shadow").total == (
        7 * paging["Hypercall"]["shadow"] + paging["Set CR3"]["shadow"]
    )
    for way in ("nested", "native", "shadow"):
        assert not paging_model().price(run, way).unpriced


@pytest.mark.parametrize("model", [techniques_model(), paging_model(), processors_model()])
def test_every_price_is_published_for_its_way(model):
    for way, prices in model.prices.items():
        for counted, parameter in prices.items():
            assert model.price(Measured("one", {counted: 1}), way).total == model.parameters.value(
                parameter, way
            )
    assert model.note
    assert repr(model).startswith(f"Model of costs with {model.parameters.name} (")


def test_what_is_not_there():
    with pytest.raises(VlabError, match=r"The model knows no way 'nativ'\.\nDid you mean 'native'"):
        paging_model().price(RUN, "nativ")
    wrong = Model(parameter_set("paging"), {"native": {"exit": "Hypercall"}})
    with pytest.raises(VlabError, match="no number for Hypercall"):
        wrong.price(Measured("a run", {"exit": 1}), "native")
