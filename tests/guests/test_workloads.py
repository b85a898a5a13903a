"""The workloads do their work, bare and in a VM alike."""

import pytest

from tests.hypervisor.towers import difference, end, finished
from vlab import guests

POLICIES = ("lazy", "eager", "traced")


@pytest.mark.parametrize(("pages", "rounds", "edits"), [(8, 3, 2), (6, 1, 3), (4, 2, 0)])
def test_each_page_is_written_once_a_round(pages, rounds, edits):
    image = guests.load("pages", PAGES=pages, ROUNDS=rounds, EDITS=edits)
    bare = finished(image, 0, memory=128 << 10).guest
    assert (bare.console, bare.status) == ("pages: done\n", 0)
    data = image.symbols["DATA"]
    assert [bare.memory.load(data + n * 4096, 8) for n in range(pages)] == [rounds] * pages
    leaves = [bare.memory.load(image.symbols["leaves"] + 8 * n, 8) >> 10 << 12 for n in range(pages)]
    expected = [data + n * 4096 for n in range(pages)]
    for pair in range(edits if rounds % 2 else 0):
        at = 2 * pair
        expected[at], expected[at + 1] = expected[at + 1], expected[at]
    assert leaves == expected


def test_children_change_nothing_of_their_parents():
    image = guests.load("forkwait", FORKS=3, CALLS=2, PAGES=4)
    bare = finished(image, 0, memory=256 << 10).guest
    assert (bare.console, bare.status) == ("forkwait: done\n", 0)
    own, childs = ([bare.memory.load(image.symbols[name] + n * 4096, 8) for n in range(4)] for name in FRAMES)
    assert own == [3] * 4  # the parent writes once after each fork
    assert childs == [3] * 4  # the last child had a copy of what its parent had then, and wrote once


FRAMES = ("frames_1", "frames_2")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("name", "constants"),
    [("pages", {"PAGES": 8, "ROUNDS": 2, "EDITS": 4}), ("forkwait", {"FORKS": 2, "CALLS": 2, "PAGES": 3})],
)
@pytest.mark.parametrize("depth", [1, 2])
def test_the_same_in_a_vm(name, constants, policy, depth):
    image = guests.load(name, **constants)
    bare, virtual = (finished(image, level, memory=192 << 10, shadow=policy).guest for level in (0, depth))
    assert difference(end(bare), end(virtual)) == []
