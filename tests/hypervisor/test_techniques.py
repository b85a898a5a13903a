"""Random guests under every technique, and one technique in another: the same end as bare, at the same own time.

What trap and emulate does alone is in `test_equality.py`, and binary translation alone in its own tests.
"""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.programs import MEMORY
from tests.hypervisor.programs import guests as random_guests
from tests.hypervisor.stories import PAGED, PAGED_STORIES, ROOT, STORIES, TO_S, guest
from tests.hypervisor.towers import MOST, POLICIES, Tower, difference, end, tower
from vlab.hypervisor.techniques import BinaryTranslation, HardwareAssisted, TrapAndEmulate
from vlab.machine import Stop

UNMODIFIED = (TrapAndEmulate, BinaryTranslation, HardwareAssisted)
NESTED = tuple(product(UNMODIFIED, repeat=2))


def run(image, techniques, policies, memory=MEMORY) -> Tower:
    built = tower(
        image, len(techniques), memory=memory, technique=techniques, shadow=policies, extensions="H"
    )
    return built.run(MOST * 10 ** (len(techniques) - 1))


def same(image, techniques, policies, memory=MEMORY):
    """It ends as on the bare machine; and its own VM's exits are those that it has with nothing below."""
    bare = tower(image, 0, memory=memory, extensions="H")
    if bare.machine.run(30_000) is Stop.LIMIT:
        return  # one that does not end by itself in time is none of ours
    built = run(image, techniques, policies, memory)
    assert difference(end(bare.guest), end(built.guest)) == []
    if len(techniques) > 1:
        alone = run(image, techniques[-1:], policies[-1:], memory)
        assert built.vms[-1].exits == alone.vms[-1].exits


def names(techniques):
    return "-".join(technique.name for technique in techniques)


ANY_POLICIES = st.tuples(st.sampled_from(POLICIES), st.sampled_from(POLICIES))


@settings(max_examples=40)
@given(random_guests(), st.sampled_from(POLICIES))
def test_random_guests_with_hardware(told, policy):
    same(told.program, (HardwareAssisted,), (policy,))


@pytest.mark.parametrize("techniques", NESTED, ids=names)
@settings(max_examples=3)
@given(random_guests(), ANY_POLICIES)
def test_random_guests_under_one_in_another(techniques, told, policies):
    same(told.program, techniques, policies)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=600)
@given(random_guests(), st.sampled_from((*NESTED, *((one,) for one in UNMODIFIED))), ANY_POLICIES)
def test_many_random_guests(told, techniques, policies):
    same(told.program, techniques, policies[: len(techniques)])


@pytest.mark.parametrize("story", STORIES)
def test_a_story_with_hardware(story):
    image = guest(STORIES[story], ROOT)
    same(image, (HardwareAssisted,), ("lazy",), 1 << 20)
    same(image, (HardwareAssisted, HardwareAssisted), ("lazy", "lazy"), 1 << 20)


@pytest.mark.parametrize("story", PAGED_STORIES)
@pytest.mark.parametrize("eyes", ["S", "M with the eyes of S"])
def test_a_paged_story_with_hardware(story, eyes):
    into = TO_S if eyes == "S" else "li t0, 1<<11 | 1<<17\ncsrs mstatus, t0\n"
    image = guest(PAGED + into + PAGED_STORIES[story], ROOT)
    for policy in ("lazy", "traced"):  # of the shadows that its M mode runs under
        same(image, (HardwareAssisted,), (policy,), 1 << 20)
    same(image, (HardwareAssisted, BinaryTranslation), ("traced", "lazy"), 1 << 20)
