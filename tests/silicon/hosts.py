"""What the host of the tests can do: where it can't, the tests of live runs say so and are not there."""

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from vlab.silicon.hosts import machine_name

LINUX = pytest.mark.skipif(
    sys.platform != "linux" or machine_name() not in ("x86-64", "arm64", "riscv64"),
    reason="this host's own CPU or kernel is not one that is tried live",
)
X86 = pytest.mark.skipif(
    sys.platform != "linux" or machine_name() != "x86-64", reason="this host's CPU is no x86-64"
)


def kvm_only(test: Callable[..., None]) -> Any:
    """A test that runs guests; not there where the host has no KVM, which nothing can install."""
    return test if _KVM else None


def _has_kvm() -> bool:
    """Whether /dev/kvm opens: what comes then is what is tested."""
    if sys.platform != "linux" or machine_name() != "x86-64":
        return False
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError:
        return False
    return True


_KVM = _has_kvm()
