"""`vlab classify` prints the classes of every instruction, and its status says whether there is a culprit."""

import pytest

from vlab import cli


def test_the_plain_machine_has_no_culprit(capsys):
    assert cli.main(["classify"]) == 0
    out, err = capsys.readouterr()
    assert out.count(" below ") == 3 and "✗" in out.split("In S below M")[1]
    below_u = out.split("In S below M")[0]
    assert "✗" not in below_u
    assert "    privileged: changes the control state (2)\n        wfi, sfence.vma\n" in below_u
    assert out.endswith("can be run by trap and emulate: whatever is sensitive traps there.\n")
    assert err == ""
    assert max(map(len, out.splitlines())) <= 110


def test_the_quirky_one_has(capsys):
    assert cli.main(["classify", "--quirk", "silent-sstatus"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("silent-sstatus: in U mode, a write of `sstatus` does nothing")
    assert "  ✗ changes the control state, depends on control registers (6)\n        csr… sstatus\n" in out
    assert "doesn't trap there" in out.splitlines()[-1]


def test_with_counters_the_time_is_told(capsys):
    assert cli.main(["classify", "--counters"]) == 0
    assert "read the counters without a trap" in capsys.readouterr().out


def test_each_has_a_line_and_what_was_seen(capsys):
    assert cli.main(["classify", "--each"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.split() == ["mul", "innocuous"] for line in lines) == 3
    at = next(at for at, line in enumerate(lines) if line.startswith("    wfi "))
    assert lines[at + 1].split() == "wfi in S, not translated: waiting was 0x0, is 0x1".split()


def test_in_another_language(capsys):
    cli.main(["classify", "--lang", "es"])
    assert "instrucciones" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["silent", ""])
def test_no_such_quirk(capsys, wrong):
    assert cli.main(["classify", "--quirk", wrong]) == 2
    assert "silent-sstatus" in capsys.readouterr().err
