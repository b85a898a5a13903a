"""The object file where it is to run: the same code as LLVM puts there, and nothing that isn't understood."""

import ctypes
import struct
import sys
from pathlib import Path

import pytest

pytest.importorskip("llvmlite")

from vlab.machine import Machine
from vlab.machine.execute.native import building, linking
from vlab.machine.execute.native.building import PLACES
from vlab.machine.execute.native.keeping import kept
from vlab.machine.execute.native.linking import placed, processor_of_host
from vlab.riscv import assemble

pytestmark = pytest.mark.skipif(processor_of_host() is None, reason="LLVM does it on this host")

COUNT = "li a0, 5000\n1: addi a1, a1, 3\n addi a0, a0, -1\n bnez a0, 1b\n j ."


@pytest.fixture(scope="module")
def code():
    """The object file."""
    building.native()
    found = kept(building._key()) or building._made()
    return found.partition(b"\0")[2]


def test_it_runs_by_itself_and_put_there_by_llvm(monkeypatch):
    states = []
    for placing in (placed, lambda code, names: None):
        monkeypatch.setattr(building, "placed", placing)
        made = building._built()
        monkeypatch.setattr("vlab.machine.execute.native.engine.native", lambda made=made: made)
        machine = Machine(assemble(COUNT), memory="64K", engine="native")
        machine.run(12_345)
        states.append(machine.snapshot())
    assert states[0] == states[1]


def test_nobody_can_write_there(code):
    found = placed(code, PLACES)
    assert found is not None
    _block, places = found
    maps = [line.split() for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()]
    for place in places.values():
        (rights,) = (
            row[1]
            for row in maps
            if int(row[0].partition("-")[0], 16) <= place < int(row[0].partition("-")[2], 16)
        )
        assert rights == "r-xp"


def test_each_handler_is_code_of_it(code):
    found = placed(code, PLACES)
    assert found is not None
    block, places = found
    start = places["run"] - places["run"] % 4096
    (count,) = {len(building.native().handlers)}
    table = (ctypes.c_uint64 * count).from_address(places["handlers"])
    assert len(set(table)) == count
    assert all(start <= place < start + len(block) for place in table)


def test_what_is_not_understood_is_left_to_llvm(code):
    assert placed(b"", PLACES) is placed(b"no object", PLACES) is placed(code[:1000], PLACES) is None
    assert placed(code, (*PLACES, "missing")) is None
    at, size, count = struct.unpack_from("<Q8x4xH", code, 40)[0], 64, struct.unpack_from("<H", code, 60)[0]
    relocations = [
        struct.unpack_from("<Q", code, at + size * number + 24)[0]
        for number in range(count)
        if struct.unpack_from("<I", code, at + size * number + 4)[0] == 4
    ]
    assert len(relocations) > 1
    for place in relocations:
        for kind in (0, 3, 9, 24, 42):
            changed = bytearray(code)
            struct.pack_into("<I", changed, place + 8, kind)
            assert placed(bytes(changed), PLACES) is None
        changed = bytearray(code)
        struct.pack_into("<I", changed, place + 12, 0)  # of a symbol that is elsewhere
        assert placed(bytes(changed), PLACES) is None


def test_where_the_host_forbids_it_llvm_is_asked(code, monkeypatch):
    def forbidden(start, size):
        raise OSError(13, "mprotect")

    monkeypatch.setattr(linking, "_seal", forbidden)
    assert placed(code, PLACES) is None


@pytest.mark.parametrize("where", ["win32", "darwin", "emscripten"])
def test_on_other_hosts_llvm_is_asked(code, monkeypatch, where):
    monkeypatch.setattr(sys, "platform", where)
    assert processor_of_host() is None
    assert placed(code, PLACES) is None


def test_another_processor_has_other_code(monkeypatch, tmp_path):
    told = [
        "vendor_id : a\nflags : x y\nMHz : 1\n\nflags : z",
        "flags:x",
        "vendor_id:a\nflags:x y\nMHz : 2",
        "no",
    ]
    found = []
    for number, text in enumerate(told):
        (tmp_path / str(number)).write_text(text)
        monkeypatch.setattr(linking, "_CPUINFO", tmp_path / str(number))
        found.append(processor_of_host())
    assert found[0] == found[2] != found[1]
    assert found[3] is None
    monkeypatch.setattr(linking, "_CPUINFO", tmp_path / "missing")
    assert processor_of_host() is None
