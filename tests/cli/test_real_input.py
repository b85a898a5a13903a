"""Programs by others' tools, and one assembled here: the same bare, one and two deep."""

import json
from pathlib import Path

import pytest

from tests.guests.gnu import HERE, build, compile_c
from tests.guests.test_gnu import PROGRAM_SAYS
from vlab import cli, guests


@pytest.fixture
def runs(tmp_path, capsys):
    """Runs a file at depths 0, 1 and 2; what it printed and what was counted for it: the same at each."""

    def call(file: object) -> tuple[str, dict[str, int]]:
        found = []
        for depth in range(3):
            counts = tmp_path / "counts"
            assert cli.main(["run", str(file), "--depth", str(depth), "--stats", str(counts)]) == 0
            own = json.loads(counts.read_text())["levels"][-1]
            told = {key: own[key] for key in ("attempted", "retired", "time", "traps")}
            found.append((capsys.readouterr().out, told))
        assert found[1] == found[0]
        assert found[2] == found[0]
        return found[0]

    return call


@pytest.mark.requires("gcc")
@pytest.mark.parametrize("level", ["-O0", "-O2", "-Os"])
def test_a_c_program(runs, tmp_path, level):
    console, counts = runs(compile_c(tmp_path, HERE / "program.c", level))
    assert console == PROGRAM_SAYS
    assert counts["retired"] > 20_000


def test_a_kernel_assembled_here(runs, tmp_path):
    source = tmp_path / "kernel.s"
    source.write_text(guests.source("kernel"))
    console, counts = runs(source)
    assert console.endswith("kernel: both have exited after 21 ticks, 32 switches, 28 system calls\n")
    assert counts["traps"]["ecall from U"] == 28


@pytest.mark.requires("binutils")
def test_what_gnu_tools_make_of_the_same_source(runs, tmp_path):
    ours = tmp_path / "tiny.s"
    ours.write_text(guests.source("tiny"))
    theirs: Path = build(tmp_path, "tiny")
    assert runs(theirs) == runs(ours)
