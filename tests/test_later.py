"""What is imported when: a run loads what it uses."""

import subprocess
import sys

import pytest

import vlab.riscv
from vlab.later import later
from vlab.machine.execute.native.linking import processor_of_host

# What a program on a bare machine has no use for.
UNUSED = (
    *("vlab.hypervisor", "vlab.views", "vlab.operations", "vlab.course"),
    *(
        "vlab.machine.disks",
        "vlab.machine.network",
        "vlab.machine.devices.virtio",
        "vlab.machine.h_extension.hart",
    ),
    *("vlab.riscv.assembler", "vlab.riscv.disassembler", "vlab.machine.execute.native.generating"),
    *("tqdm", "subprocess", "tempfile", "json"),
)
RUN = (
    "import sys; from vlab.cli import main; sys.argv[1:] = ['run', sys.argv[1]]; main(); print(*sys.modules)"
)


def test_names_come_from_where_they_are():
    find = later("somewhere", {"Decoder": "json", "dumps": "json"})
    assert find("dumps").__name__ == "dumps"
    for name in ("Decoder", "loads"):
        with pytest.raises(AttributeError, match=name):
            find(name)
    assert callable(vlab.riscv.assemble)
    with pytest.raises(AttributeError, match="no attribute 'assembly_line'"):
        vlab.riscv.assembly_line  # noqa: B018


def test_a_plain_run_loads_nothing_that_it_has_no_use_for(tmp_path, repository):
    power_off = (
        "b7021000 37530000 13035355 23a06200"  # lui t0, 0x100; lui t1, 5; addi t1, t1, 0x555; sw t1, 0(t0)
    )
    (tmp_path / "image").write_bytes(bytes.fromhex(power_off))
    settings = {"PYTHONPATH": str(repository), "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, "-c", RUN, str(tmp_path / "image")]
    # The first one may have to build the native engine.
    _first, second = (
        subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
        for _time in range(2)
    )
    loaded = set(second.stdout.split())
    assert "vlab.machine.machine" in loaded
    assert sorted(loaded & set(UNUSED)) == []
    assert "llvmlite" not in loaded or processor_of_host() is None
