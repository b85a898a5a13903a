from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab import Hypervisor, Machine, guests, set_language
from vlab.operations import Cable, Migration, Round, migrate
from vlab.views.operations.migration import MOST, migration_picture

COUNTS = st.integers(0, 100_000)


def vm():
    hypervisor = Hypervisor(Machine(memory="3M"))
    made = hypervisor.create_vm(guests.load("kernel"), memory="1M", name="mail")
    hypervisor.computer.run(5000)
    return made


@pytest.mark.parametrize("language", ["en", "es"])
@given(rows=st.lists(st.tuples(COUNTS, COUNTS, COUNTS), max_size=40), name=st.text(max_size=60))
def test_any_rounds_are_drawn_with_nothing_cut_or_overlapping(language, rows, name):
    set_language(language)
    rounds = [Round(n, p, p * 4096, t, w, n == len(rows)) for n, (p, t, w) in enumerate(rows, 1)]
    made: Any = SimpleNamespace(
        vm=SimpleNamespace(name=name), rounds=rounds, moved=object(), reason=None, downtime=9
    )
    check(migration_picture(made))


def test_it_shows_each_round_and_the_downtime():
    migration = migrate(vm(), Hypervisor(Machine(memory="4M")), cable=Cable(100))
    words = all_text(migration_picture(migration))
    assert "mail: rounds of its migration" in words
    assert "round 1" in words
    assert "pause" in words
    assert f"downtime: {migration.downtime} ticks, in which its own clock stands" in words


def test_one_that_was_cut_says_so_and_one_on_its_way_too():
    target = Hypervisor(Machine(memory="4M"))
    cut = migrate(vm(), target, cable=Cable(cut_after=3))
    assert any(
        word.startswith("not carried over: the cable was cut") for word in all_text(migration_picture(cut))
    )
    begun = Migration(vm(), target).step()
    assert "on its way" in all_text(migration_picture(begun))
    begun.cancel()


def test_of_very_many_rounds_the_last_are_shown():
    rounds = [Round(n, 50, 0, 5, 50, n == 30) for n in range(1, 31)]
    made: Any = SimpleNamespace(
        vm=SimpleNamespace(name="x"), rounds=rounds, moved=None, reason=None, downtime=9
    )
    words = all_text(migration_picture(made))
    assert sum(word.startswith("round") for word in words) == MOST - 1
    assert "round 29" in words
    assert "pause" in words
