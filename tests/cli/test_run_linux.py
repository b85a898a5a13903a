"""`vlab run linux`: built where it can be, above the SBI unless firmware is named; a lack is told with its mend."""

import pytest

from vlab import cli
from vlab.guests import linux, tools
from vlab.machine.computer import NEXT_STAGE
from vlab.riscv import assemble

# It says whether it is where Linux belongs: 2 MiB from the begin of memory.
SAYS = """
    auipc t0, 0
    srli t0, t0, 21
    andi t0, t0, 1
    addi t0, t0, 'R'
    li   t1, 0x10000000
    sb   t0, 0(t1)
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, 0(t0)
1:  j    1b
"""


@pytest.fixture
def image(tmp_path, monkeypatch):
    """A small program in the place of Linux."""
    path = tmp_path / "image"
    path.write_bytes(assemble(SAYS, base=NEXT_STAGE).segments[0][1])
    monkeypatch.setattr(linux, "built", lambda: path)
    return path


def test_it_starts_above_the_sbi(image, capsysbinary):
    assert cli.main(["run", "linux"]) == 0
    assert capsysbinary.readouterr() == (b"S", b"")


def test_it_starts_in_a_virtual_machine(image, capsysbinary):
    assert cli.main(["run", "linux", "--technique", "binary-translation"]) == 0
    assert capsysbinary.readouterr().out == b"S"


def test_firmware_of_others_may_start_it(image, tmp_path, capsysbinary):
    firmware = tmp_path / "firmware.s"
    firmware.write_text("ld t0, 16(a2)\n li t1, 0x10000000\n li t2, 'M'\n sb t2, 0(t1)\n jr t0\n")
    assert cli.main(["run", "--bios", str(firmware), "linux"]) == 0
    assert capsysbinary.readouterr().out == b"MS"


def test_a_file_of_this_name_goes_first(image, tmp_path, monkeypatch, capsysbinary):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linux").write_bytes(
        assemble("li t0, 0x100000\n li t1, 0x33333\n sw t1, 0(t0)").segments[0][1]
    )
    assert cli.main(["run", "linux"]) == 3
    assert capsysbinary.readouterr().out == b""


def test_what_lacks_to_build_it_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tools, "_where", lambda command: None)
    assert cli.main(["run", "linux"]) == 2
    console, said = capsys.readouterr()
    assert console == ""
    assert said.startswith("vlab: Linux can't be built here: this host has no linux, linux-gcc, make,")
    assert "gcc" in said.splitlines()[-1]


def test_it_is_named_among_the_guests(capsys):
    assert cli.main(["run", "linix"]) == 2
    assert "Did you mean linux?" in capsys.readouterr().err


def test_a_kernel_that_is_started_in_m_mode_is_told_what_it_needs(tmp_path, capsys):
    path = tmp_path / "Image"
    path.write_bytes(bytes(56) + b"RSC\x05" + bytes(100))
    assert cli.main(["run", str(path)]) == 125
    assert "--sbi starts it there" in capsys.readouterr().err
    assert cli.main(["run", "--sbi", str(path)]) == 125
    assert "--sbi" not in capsys.readouterr().err
    path.write_bytes(bytes(160))
    assert cli.main(["run", str(path)]) == 125
    said = capsys.readouterr().err
    assert "This raw image was started in M mode" in said
    assert "kernel for S mode" not in said, "nobody knows that"
