"""Which engine runs a machine, and what happens where the native one can't be built."""

import os
import subprocess
import sys
import warnings
from functools import cache

import pytest

from tests.test_house import HEAVY
from vlab.course.doctor import examine
from vlab.language import VlabError
from vlab.machine import Machine, execute
from vlab.machine.execute import chosen_engine
from vlab.machine.execute.native.linking import processor_of_host
from vlab.riscv import assemble

SOURCE = "li a0, 7\n li a1, 6\n mul a2, a0, a1\n j ."


@pytest.fixture
def building(monkeypatch):
    """The module that builds the native engine, as if nobody had asked it yet."""
    pytest.importorskip("llvmlite")
    from vlab.machine.execute.native import building

    monkeypatch.delenv("VLAB_ENGINE", raising=False)
    monkeypatch.setattr(building, "_attempt", cache(building._attempt.__wrapped__))
    monkeypatch.setattr(execute, "_warn", cache(execute._warn.__wrapped__))
    return building


def engine_found():
    """What `vlab doctor` says of it."""
    (found,) = [finding for finding in examine() if finding.name == "engine"]
    return found


def test_an_engine_is_chosen_by_name_or_by_the_environment(building, monkeypatch):
    assert chosen_engine(None) == "native"
    assert engine_found().found == "native"
    monkeypatch.setenv("VLAB_ENGINE", "interpreter")
    assert chosen_engine(None) == "interpreter"
    assert engine_found().found == "interpreter, as VLAB_ENGINE says"
    assert chosen_engine("native") == "native"
    with pytest.raises(VlabError, match="no engine 'steam'"):
        Machine(engine="steam")
    monkeypatch.setenv("VLAB_ENGINE", "steam")
    assert engine_found().state == "missing"


def test_without_llvmlite_there_is_no_native_engine(monkeypatch):
    monkeypatch.delenv("VLAB_ENGINE", raising=False)
    monkeypatch.setattr(execute, "find_spec", lambda name: None)
    with warnings.catch_warnings(action="error"):
        assert chosen_engine(None) == "interpreter"
    with pytest.raises(VlabError, match="llvmlite"):
        chosen_engine("native")
    assert (engine_found().state, "vlab[native]" in engine_found().mend) == ("absent", True)


def fail(*_given, **_names):
    raise RuntimeError("LLVM has no such thing.\nand more lines")


def refuse(*_given, **_names):
    raise PermissionError(13, "Permission denied")


def break_llvm(name):
    def broken(monkeypatch, building):
        import llvmlite.binding as llvm

        monkeypatch.setattr(llvm, name, fail)
        monkeypatch.setattr(building, "kept", lambda key: None if name == "create_pass_builder" else b"")

    return broken


def break_import(monkeypatch, building):
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    monkeypatch.setattr(building, "kept", lambda key: None)


FAILURES = {
    "llvm": break_llvm("create_pass_builder"),
    "host": break_llvm("get_host_cpu_name"),
    "loader": break_llvm("create_mcjit_compiler"),
    "import": break_import,
    "memory": lambda monkeypatch, building: monkeypatch.setattr(building.mmap, "mmap", refuse),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_what_cannot_be_built_is_told_once_and_done_without(monkeypatch, building, failure):
    with monkeypatch.context() as broken:
        FAILURES[failure](broken, building)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            machines = [Machine(assemble(SOURCE), memory="64K") for _machine in range(2)]
        (warning,) = told
        assert str(warning.message).startswith("The native engine can't be built here: ")
        assert str(warning.message).count("\n") == 0
        assert str(warning.message).endswith(
            "Machines run on the interpreter: the same answers, more slowly."
        )
        assert warning.filename == __file__
        with pytest.raises(VlabError, match="can't be built here") as named:
            Machine(engine="native")
        assert "llvmlite" in named.value.mend
        found = engine_found()
        assert (found.state, found.mend) == ("absent", named.value.mend)
        assert named.value.what in found.found
    for machine in machines:
        machine.run(20)
        assert (machine.pace, machine.hart.x[12]) == (1, 42)


def test_a_damaged_file_in_the_cache_is_made_anew(monkeypatch, building, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compile_once = building._compiled
    made: list[bytes] = []
    asked: list[str] = []

    def counted(text, machine):
        asked.append(text)
        if not made:
            made.append(compile_once(text, machine))
        return made[0]

    monkeypatch.setattr(building, "_compiled", counted)
    for attempts in (1, 1, 2):
        if attempts == 2:
            (path,) = (tmp_path / "vlab").iterdir()
            path.write_bytes(path.read_bytes()[:-1])
        building._attempt.cache_clear()
        assert Machine(assemble(SOURCE), memory="64K").pace > 1
        assert len(asked) == attempts


def test_a_failure_is_not_tried_again(monkeypatch, building):
    tries = []

    def built():
        tries.append(1)
        fail()

    monkeypatch.setattr(building, "_built", built)
    for _attempt in range(3):
        with pytest.raises(VlabError, match="LLVM has no such thing"):
            building.native()
    assert tries == [1]


def run(program, repository, **settings):
    command = [sys.executable, "-W", "error", "-c", program]
    environment = os.environ | {"PYTHONPATH": str(repository)} | settings
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


RUN = (
    "import sys, vlab.machine as m, vlab.riscv as r\n"
    f"m.Machine(r.assemble({SOURCE!r})).run(1000)\n"
    f"print(*sorted(set(sys.modules) & set({HEAVY})))"
)


def test_a_machine_on_the_interpreter_loads_nothing_heavy(repository):
    assert run(RUN, repository, VLAB_ENGINE="interpreter") == []


def test_a_machine_on_the_native_engine_loads_llvmlite_alone_and_only_to_build_it(repository, tmp_path):
    pytest.importorskip("llvmlite")
    again = ["llvmlite"] if processor_of_host() is None else []
    for expected in (["llvmlite"], again):
        assert run(RUN, repository, VLAB_ENGINE="native", XDG_CACHE_HOME=str(tmp_path)) == expected
