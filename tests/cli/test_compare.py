"""`vlab compare` prints the table of techniques, and its status says whether a guest ended differently."""

import pytest

from vlab import cli


def test_a_guest_up_to_two_deep(capsys):
    assert cli.main(["compare", "tiny"]) == 0
    out, err = capsys.readouterr()
    one, two, said, *_rest = out.split("\n\n")
    assert one.startswith("tiny, 1 deep\n  ✓ the same: trap-and-emulate\n      95 direct, 30 emulated; ")
    assert "      privileged instruction 22, shadow fill 8, device access 7, system call 1, timer 1\n" in one
    assert "  – can't be: paravirtual\n      stopped at 0x80000004: " in one
    assert "  ✓ the same: trap-and-emulate / hardware-assisted\n" in two
    assert two.count("\n  ✓ ") == 9
    assert said.startswith("Runs of tiny, up to 2 deep: 12. ")
    assert err == ""
    assert max(map(len, out.splitlines())) <= 110


def test_one_that_ends_differently(capsys):
    quirky = ["compare", "kernel", "--depth", "1", "--quirk", "silent-sstatus"]
    assert cli.main([*quirky, "--technique", "trap-and-emulate, hardware-assisted"]) == 1
    out = capsys.readouterr().out
    assert "  ✗ different: trap-and-emulate\n      it " in out
    assert "  ✓ the same: hardware-assisted\n" in out


def test_without_the_extension(capsys):
    # Nothing could be run.
    assert cli.main(["compare", "tiny", "--without-h", "--technique", "hardware-assisted"]) == 1
    assert "no H extension" in capsys.readouterr().out


def test_in_another_language(capsys):
    cli.main(["compare", "tiny", "--depth", "1", "--lang", "es"])
    assert "instrucción privilegiada 22" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["tinny"], "tiny"),
        (["--technique", "magic"], "trap-and-emulate"),
        (["--depth", "0"], "nothing to compare"),
        (["--depth", "9"], "is the limit"),
        (["--quirk", "silent"], "silent-sstatus"),
    ],
)
def test_wrong_words(capsys, wrong, told):
    assert cli.main(["compare", *wrong]) == 2
    assert told in capsys.readouterr().err
