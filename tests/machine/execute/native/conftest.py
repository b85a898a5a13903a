"""What several tests of the native engine watch."""

import pytest

from vlab.machine.execute.native import engine


@pytest.fixture
def steps(monkeypatch):
    """Where the instructions stand that Python did."""
    found = []
    step = engine.NativeEngine._step

    def counted(self):
        found.append(self._hart.pc)
        return step(self)

    monkeypatch.setattr(engine.NativeEngine, "_step", counted)
    return found
