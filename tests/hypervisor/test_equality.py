"""A guest can't tell: bare, in a VM, in a VM in a VM, it ends in the same state at the same time of its own."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.programs import MEMORY, Guest
from tests.hypervisor.programs import guests as random_guests
from tests.hypervisor.stories import PAGED, PAGED_STORIES, ROOT, STORIES, TO_S, guest
from tests.hypervisor.towers import POLICIES, difference, end, finished, tower
from vlab import guests
from vlab.machine import Stop

MIXED = tuple(product(POLICIES, repeat=2))


def same_at(depths, image, *, memory=1 << 20, shadow="lazy"):
    """The guest ends alike at each of these depths, and its VM has the same exits whatever lies below."""
    bare = finished(image, 0, memory=memory)
    runs = [finished(image, depth, memory=memory, shadow=shadow) for depth in depths]
    for run in runs:
        assert difference(end(bare.guest), end(run.guest)) == []
        assert run.vms[-1].exits == runs[0].vms[-1].exits
    return runs


@pytest.mark.parametrize(("name", "depths"), [("hello", (1, 2)), ("tiny", (1, 2, 3)), ("kernel", (1, 2))])
def test_the_guests(name, depths):
    same_at(depths, guests.load(name))


@pytest.mark.parametrize("shadow", ["eager", "traced"])
@pytest.mark.parametrize(("name", "depths"), [("hello", (1,)), ("tiny", (1, 2)), ("kernel", (1,))])
def test_the_guests_under_every_policy(name, depths, shadow):
    same_at(depths, guests.load(name), shadow=shadow)


@pytest.mark.parametrize("policies", MIXED, ids="-".join)
def test_every_policy_on_every_other(policies):
    same_on(policies, guests.load("tiny"))


@pytest.mark.parametrize("policies", [("traced", "traced"), ("lazy", "traced")], ids="-".join)
def test_processes_under_shadows_of_shadows(policies):
    same_on(policies, guests.load("kernel", TICK=200, LETTERS=1, PRIMES=30, WORK=50))


@pytest.mark.parametrize(
    "policies", [("eager", "traced", "lazy"), ("traced", "traced", "traced")], ids="-".join
)
def test_policies_three_deep(policies):
    same_on(policies, guests.load("tiny"))


def same_on(policies, image, *, memory=1 << 20):
    """The guest ends alike, whatever policy each level has; and its own VM's exits depend on its own policy alone."""
    bare, alone = (finished(image, depth, memory=memory, shadow=policies[-1]) for depth in (0, 1))
    built = finished(image, len(policies), memory=memory, shadow=policies)
    assert difference(end(bare.guest), end(built.guest)) == []
    assert built.vms[-1].exits == alone.vms[0].exits


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_guest_that_makes_noise_on_devices(seed):
    same_at((1, 2), guests.load("device_noise", SEED=seed * 0x9E3779B9, ROUNDS=300))


def test_exits_depend_on_the_guest_alone_at_every_level():
    exits = {depth: [vm.exits for vm in finished(guests.load("tiny"), depth).vms] for depth in (1, 2, 3)}
    assert exits[2] == exits[3][1:]
    assert exits[1] == exits[2][1:]
    assert [vm.total() for vm in exits[3]] == sorted((vm.total() for vm in exits[3]), reverse=True)


def check(guest: Guest, depths, shadow="lazy"):
    """A random guest; one that does not end by itself in time is none of ours."""
    bare = tower(guest.program, 0, memory=MEMORY)
    if bare.machine.run(30_000) is not Stop.LIMIT:
        if isinstance(shadow, tuple):
            same_on(shadow, guest.program, memory=MEMORY)
        else:
            same_at(depths, guest.program, memory=MEMORY, shadow=shadow)


@settings(max_examples=40)
@given(random_guests())
def test_random_guests(guest):
    check(guest, (1,))


@settings(max_examples=12)
@given(random_guests())
def test_random_guests_two_deep(guest):
    check(guest, (1, 2))


@settings(max_examples=30)
@given(random_guests(), st.sampled_from(("eager", "traced")))
def test_random_guests_under_every_policy(guest, shadow):
    check(guest, (1,), shadow)


@settings(max_examples=8)
@given(random_guests(), st.sampled_from(MIXED))
def test_random_guests_under_mixed_policies(guest, shadow):
    check(guest, (2,), shadow)


@pytest.mark.slow
@settings(max_examples=1500)
@given(random_guests())
def test_many_random_guests(guest):
    check(guest, (1, 2))


@pytest.mark.slow
@settings(max_examples=1500)
@given(random_guests(), st.sampled_from(("eager", "traced", *MIXED)))
def test_many_random_guests_under_every_policy(guest, shadow):
    check(guest, (1,), shadow)


# Stories: each a guest of its own


@pytest.mark.parametrize("story", STORIES)
def test_a_story(story):
    same_at((1, 2), guest(STORIES[story], ROOT))
    for policy in ("eager", "traced"):
        same_at((1,), guest(STORIES[story], ROOT), shadow=policy)


@pytest.mark.parametrize("story", PAGED_STORIES)
@pytest.mark.parametrize("eyes", ["S", "M with the eyes of S"])
def test_a_paged_story(story, eyes):
    into = TO_S if eyes == "S" else "li t0, 1<<11 | 1<<17\ncsrs mstatus, t0\n"
    told = guest(PAGED + into + PAGED_STORIES[story], ROOT)
    same_at((1, 2), told)
    for policy in ("eager", "traced"):
        same_at((1,), told, shadow=policy)
    for policies in (("eager", "traced"), ("traced", "eager"), ("traced", "traced")):
        same_on(policies, told)


def test_a_guest_that_talks_to_its_host_by_htif():
    talk = """
        la   t0, tohost
        li   t1, 0x101000000000041
        sd   t1, (t0)
        ld   s4, (t0)
        li   t1, 7
        sd   t1, (t0)
    """
    data = ".data\n.balign 4096\n.globl tohost\ntohost: .dword 0\n"
    runs = same_at((1, 2), guest(talk, data + ROOT))
    assert [(run.guest.console, run.guest.status) for run in runs] == [("A", 3)] * 2
