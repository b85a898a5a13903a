"""What the host of the tests can do: where it can't, the tests of live runs say so and are not there."""

import sys

import pytest

from vlab.silicon.hosts import machine_name

LINUX = pytest.mark.skipif(
    sys.platform != "linux" or machine_name() not in ("x86-64", "arm64", "riscv64"),
    reason="this host's own CPU or kernel is not one that is tried live",
)
X86 = pytest.mark.skipif(
    sys.platform != "linux" or machine_name() != "x86-64", reason="this host's CPU is no x86-64"
)
