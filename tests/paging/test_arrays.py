import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.paging import SV32, SV39, Memory, PageTable, decode, table_array, table_bytes
from vlab.riscv.privilege import Trap


def test_a_table_as_records():
    table = PageTable()
    table.map(0x1000, 0x8000_5000, "RWU", size=0x3000)
    table.touch(0x2000, "store")
    last = table.array(table.walk(0x1000).steps[-1].address & ~0xFFF)
    assert last.shape == (512,)
    assert list(np.flatnonzero(last["V"])) == [1, 2, 3]
    assert list(last["ppn"][1:4]) == [0x80005, 0x80006, 0x80007]
    assert list(last["D"][1:4]) == [False, True, False]
    assert last.dtype.names == ("V", "R", "W", "X", "U", "G", "A", "D", "rsw", "ppn", "reserved", "raw")
    assert table.array()["V"].sum() == 1


@given(st.binary(max_size=64), st.sampled_from([SV39, SV32]))
def test_any_bytes_there_and_back(pattern, scheme):
    data = (pattern * 4096 or bytes(4096))[:4096]
    array = table_array(data, scheme=scheme)
    assert table_bytes(array, scheme) == data
    width = scheme.entry_size
    for index in (0, 1, len(array) - 1):
        raw = int.from_bytes(data[index * width : (index + 1) * width], "little")
        flags = sum(1 << bit for bit, name in enumerate("VRWXUGAD") if array[name][index])
        assert (array["ppn"][index], flags, array["rsw"][index], array["reserved"][index]) == decode(
            raw, scheme
        )
        assert array["raw"][index] == raw


def test_an_edited_array_is_an_edited_table():
    memory = Memory()
    table = PageTable(memory)
    table.map(0x4000_0000, 0x8000_0000, "RU", level=2)
    array = table.array()
    array["W"][1] = True
    at = table.root - memory.base
    memory.data[at : at + 4096] = table_bytes(array)
    assert table.walk(0x4000_0000, "store").physical == 0x8000_0000


def test_bytes_at_a_base_address():
    memory = Memory(0x4000)
    memory.store(0x8000_2008, 8, 0x42)
    for source in (memory, memory.data, bytes(memory.data), memoryview(memory.data)):
        assert table_array(source, 0x8000_2000, base=0x8000_0000)["raw"][1] == 0x42


def test_the_root_of_sv39x4_has_2048_entries():
    assert len(PageTable(scheme="Sv39x4").array()) == 2048


@pytest.mark.parametrize("address", [0, 0x7FFF_E000, 0x7FFF_F000, 0x8000_3008, 0x8000_4000])
def test_a_table_that_is_not_all_there(address):
    with pytest.raises(VlabError, match="no whole table"):
        table_array(bytes(0x4000), address, base=0x8000_0000)
    with pytest.raises(Trap):
        table_array(Memory(0x4000), address)


def test_importing_the_floor_imports_no_library():
    code = "import sys, vlab.paging as p; repr(p.PageTable().walk(0)); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "networkx", "matplotlib", "IPython"} & {*ran.stdout.split()}
