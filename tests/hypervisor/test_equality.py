"""A guest can't tell: bare, in a VM, in a VM in a VM, it ends in the same state at the same time of its own."""

import pytest
from hypothesis import given, settings

from tests.hypervisor.programs import MEMORY, Guest
from tests.hypervisor.programs import guests as random_guests
from tests.hypervisor.stories import PAGED, PAGED_STORIES, ROOT, STORIES, TO_S, guest
from tests.hypervisor.towers import difference, end, finished, tower
from vlab import guests
from vlab.machine import Stop


def same_at(depths, image, *, memory=1 << 20):
    """The guest ends alike at each of these depths, and its VM has the same exits whatever lies below."""
    bare = finished(image, 0, memory=memory)
    runs = [finished(image, depth, memory=memory) for depth in depths]
    for run in runs:
        assert difference(end(bare.guest), end(run.guest)) == []
        assert run.vms[-1].exits == runs[0].vms[-1].exits
    return runs


@pytest.mark.parametrize(("name", "depths"), [("hello", (1, 2)), ("tiny", (1, 2, 3)), ("kernel", (1, 2))])
def test_the_guests(name, depths):
    same_at(depths, guests.load(name))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_guest_that_makes_noise_on_devices(seed):
    same_at((1, 2), guests.load("device_noise", SEED=seed * 0x9E3779B9, ROUNDS=300))


def test_exits_depend_on_the_guest_alone_at_every_level():
    exits = {depth: [vm.exits for vm in finished(guests.load("tiny"), depth).vms] for depth in (1, 2, 3)}
    assert exits[2] == exits[3][1:]
    assert exits[1] == exits[2][1:]
    assert [vm.total() for vm in exits[3]] == sorted((vm.total() for vm in exits[3]), reverse=True)


def check(guest: Guest, depths):
    """A random guest; one that does not end by itself in time is none of ours."""
    bare = tower(guest.program, 0, memory=MEMORY)
    if bare.machine.run(30_000) is not Stop.LIMIT:
        same_at(depths, guest.program, memory=MEMORY)


@settings(max_examples=40)
@given(random_guests())
def test_random_guests(guest):
    check(guest, (1,))


@settings(max_examples=12)
@given(random_guests())
def test_random_guests_two_deep(guest):
    check(guest, (1, 2))


@pytest.mark.slow
@settings(max_examples=1500)
@given(random_guests())
def test_many_random_guests(guest):
    check(guest, (1, 2))


# Stories: each a guest of its own


@pytest.mark.parametrize("story", STORIES)
def test_a_story(story):
    same_at((1, 2), guest(STORIES[story], ROOT))


@pytest.mark.parametrize("story", PAGED_STORIES)
@pytest.mark.parametrize("eyes", ["S", "M with the eyes of S"])
def test_a_paged_story(story, eyes):
    into = TO_S if eyes == "S" else "li t0, 1<<11 | 1<<17\ncsrs mstatus, t0\n"
    same_at((1, 2), guest(PAGED + into + PAGED_STORIES[story], ROOT))


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
