"""OpenSBI and U-Boot by their names, where this host has them."""

import pytest

from vlab import cli
from vlab.guests import firmware, tools
from vlab.language import VlabError

ABSENT = tools.Tool("opensbi", ("/nowhere/fw_dynamic.bin",), "opensbi")


def test_what_this_host_lacks_is_named_with_its_package(monkeypatch, capsys):
    monkeypatch.setitem(firmware.NAMES, "opensbi", ABSENT)
    with pytest.raises(VlabError, match=r"This host has no opensbi\.\nOnce: .*(opensbi|fw_dynamic)"):
        firmware.image("opensbi")
    assert cli.main(["run", "hello", "--bios", "opensbi"]) == 2
    assert capsys.readouterr().err.startswith("vlab: This host has no opensbi.")


@pytest.mark.requires("opensbi", "u-boot")
def test_u_boot_starts_above_opensbi_by_its_name(capsysbinary):
    typed = ["--input", r"\n\nversion\n", "--expect", "GNU ld (GNU Binutils"]
    said = []
    for start in ([], ["--bios", "opensbi"], ["--sbi"]):
        assert cli.main(["run", "u-boot", *start, *typed]) == 0
        said.append(capsysbinary.readouterr().out)
    assert b"OpenSBI v" in said[0] and b"U-Boot 20" in said[0]
    assert said[1] == said[0]
    assert b"OpenSBI v" not in said[2] and b"U-Boot 20" in said[2]


@pytest.mark.requires("u-boot")
def test_a_file_goes_before_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "u-boot").write_bytes(b"\x73\x00\x10\x00" * 4)
    assert cli.main(["run", "u-boot"]) == 125
    assert "breakpoint" in capsys.readouterr().err
