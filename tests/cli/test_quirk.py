"""`vlab run --quirk`: the same guest, on a machine with a fault."""

import pytest

from vlab import cli

SMALL = ["--memory", "1M", "--max-instructions", "900000"]


@pytest.mark.parametrize(
    ("options", "right"),
    [
        ([], True),
        (["--technique", "trap-and-emulate"], False),
        (["--technique", "binary-translation"], True),
    ],
)
def test_the_kernel_on_a_quirky_machine(capfd, options, right):
    status = cli.main(["run", "kernel", "--quirk", "silent-sstatus", *SMALL, *options])
    assert (status == 0) == right
    assert ("both have exited" in capfd.readouterr().out) == right


def test_without_the_quirk_all_is_well(capfd):
    assert cli.main(["run", "kernel", "--technique", "trap-and-emulate", *SMALL]) == 0
    assert "both have exited" in capfd.readouterr().out


def test_no_such_quirk(capfd):
    assert cli.main(["run", "kernel", "--quirk", "silent-satp"]) == 2
    assert "silent-sstatus" in capfd.readouterr().err
