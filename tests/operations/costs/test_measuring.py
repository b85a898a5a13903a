"""What is counted, against what follows from the workloads' own sources."""

from dataclasses import replace

import pytest

from vlab import Hypervisor, Machine
from vlab.language import VlabError, set_language
from vlab.machine import parse_size
from vlab.operations.costs import WORKLOADS, Workload, measure, measuring, workload_of

PAGES = Workload("few pages", "pages", "ROUNDS", (("PAGES", 8), ("EDITS", 2)), "128K")
FORK = Workload("few forks", "forkwait", "FORKS", (("CALLS", 4), ("PAGES", 3)), "192K")
SMALL = (PAGES, FORK)
POLICIES = ("lazy", "eager", "traced")
WAYS = ("native", "nested", *POLICIES)


def test_what_a_fork_takes_follows_from_its_source():
    further = measure(FORK, "native").further
    assert further["system call"] == 4 + 3  # the empty ones, and fork, exit, wait
    assert further["page fault"] == 2 * 3  # parent and child write to each page
    assert further["satp write"] == 2  # to the child, and back
    assert further["fence"] == 1 + 2 + 6  # fork, two switches, one a page fault
    assert further["device access"] == 0
    start = measure(FORK, "native").start
    assert start["fence"] == further["fence"] + 1  # before the first process
    assert start["satp write"] == further["satp write"] + 1
    assert start["device access"] == len("forkwait: done\n") + 1  # and it powers off


@pytest.mark.parametrize("policy", POLICIES)
def test_a_fork_takes_the_same_of_a_guest_in_a_vm(policy):
    native, shadowed = (measure(FORK, way).further for way in ("native", policy))
    for name in ("system call", "page fault", "satp write", "fence"):
        assert native[name] == shadowed[name], name


def test_what_a_round_takes_follows_from_its_source():
    further = measure(PAGES, "traced").further
    assert further["page-table write"] == 2 * 2 and further["fence"] == 2 * 2
    assert further["hidden fault"] == 2 * 2  # just what came from the four entries
    assert measure(PAGES, "lazy").further["hidden fault"] == 2 * 2
    assert measure(PAGES, "lazy").further["page-table write"] == 0  # nobody looks
    eager = measure(PAGES, "eager").further
    assert eager["hidden fault"] == 0 and eager["entry ahead"] > 8 * 4  # the whole table at each fence


@pytest.mark.parametrize("workload", [*SMALL, WORKLOADS["large working set"]], ids=lambda one: one.name)
def test_nested_walks_read_what_two_stages_must(workload):
    """A page of 4 KiB takes 3 references alone and 15 over Sv39x4, a page of 1 GiB takes 1 and 7."""
    native, nested = measure(workload, "native").further, measure(workload, "nested").further
    assert native["TLB miss"] == nested["TLB miss"]
    small = (native["reference"] - native["TLB miss"]) / 2
    large = native["TLB miss"] - small
    assert nested["reference"] == 15 * small + 7 * large
    assert nested["guest-page fault"] == 0
    lazy = measure(workload, "lazy").further
    assert lazy["reference"] == 3 * lazy["TLB miss"]  # shadows have small pages only


def test_each_page_of_the_guest_is_faulted_in_once():
    pages = {"text": 1, "words": 1, "root": 1, "middle": 1, "leaves": 1}
    assert measure(PAGES, "nested").start["guest-page fault"] == sum(pages.values()) + 8


def test_a_working_set_larger_than_the_tlb_misses_every_time():
    further = measure(WORKLOADS["large working set"], "native").further
    assert 2048 <= further["TLB miss"] <= 2048 + 16


@pytest.mark.parametrize("workload", SMALL, ids=lambda one: one.name)
@pytest.mark.parametrize("policy", POLICIES)
def test_exits_by_their_names_are_the_vms_own(workload, policy):
    start = measure(workload, policy).start
    size = parse_size(workload.memory)
    machine = Machine(memory=Hypervisor.memory_for(size))
    vm = Hypervisor(machine).create_vm(workload.program(1), memory=size, shadow=policy)
    machine.run(1_000_000)
    assert start["exit"] == vm.exits.total()
    others = {"TLB miss", "reference", "exit", "entry ahead"}
    assert sum(start[name] for name in start if name not in others) == start["exit"]
    assert start["hidden fault"] == vm.exits["shadow fill"]
    assert start["fence"] + start["satp write"] + start["privileged"] == vm.exits["privileged instruction"]


@pytest.mark.parametrize("way", WAYS)
def test_the_same_again(way):
    first = measure(PAGES, way)
    measuring._bare.cache_clear()
    measuring._shadowed.cache_clear()
    assert measure.__wrapped__(PAGES, way) == first


def test_more_repeats_are_more_of_the_same():
    """A further repeat takes what the one before took: once, twice, three times."""
    for way in WAYS:
        further = measure(FORK, way).further
        runs = (
            [measuring._bare(FORK, n)[way == "nested"] for n in (2, 3)]
            if way in ("native", "nested")
            else [measuring._shadowed(FORK, n, way) for n in (2, 3)]
        )
        assert runs[1] - runs[0] == +_counter(further), way


def _counter(measured):
    from collections import Counter

    return Counter(measured.counts)


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_has_a_title_in_both_languages(name):
    titles = []
    for code in ("en", "es"):
        set_language(code)
        titles.append(workload_of(name).title)
    assert titles[0] != titles[1]
    assert workload_of(WORKLOADS[name]) is WORKLOADS[name]


def test_what_is_not_there_or_fails(monkeypatch):
    with pytest.raises(VlabError, match=r"There is no workload 'many edit'\.\nDid you mean 'many edits'"):
        workload_of("many edit")
    with pytest.raises(VlabError, match=r"no way 'laszy' to run a workload\.\nDid you mean 'lazy'"):
        measure(PAGES, "laszy")
    with pytest.raises(VlabError, match="has no constant 'TIMES'"):
        measure(replace(PAGES, repeated="TIMES"), "native")
    monkeypatch.setattr(measuring, "MOST", 20_000)
    for way in ("native", "traced"):
        with pytest.raises(VlabError, match="does not come to a good end"):
            measure(replace(PAGES, constants=(("PAGES", 4096),)), way)
