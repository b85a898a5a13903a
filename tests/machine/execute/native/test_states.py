"""Both engines from random states that often mean something: every part of the state is the same at every stop."""

from random import Random

import pytest

from tests.machine.execute.states import random_machine

pytest.importorskip("llvmlite")

EXTENSIONS = ("", "C", "C", "H", "CH", "_svade", "C_sv48", "_svade_svadu")


def alike(seeds):
    for seed in seeds:
        luck = Random(seed)
        build = random_machine(seed, luck.choice(EXTENSIONS))
        native, reference = build("native"), build("interpreter")
        for _stop in range(6):
            steps = luck.choice([1, 8, 9, 10, 11, luck.randrange(8, 40), 300])
            assert native.run(steps) is reference.run(steps), seed
            assert native.snapshot() == reference.snapshot(), seed


def test_random_states():
    alike(range(400))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_random_states():
    alike(range(1000, 21_000))
