"""What the host of the tests can do: where it can't, the tests of live runs say so and are not there."""

import sys
from collections.abc import Callable
from pathlib import Path
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
    """Whether /dev/kvm opens and is one: what comes then is what is tested."""
    if sys.platform != "linux" or machine_name() != "x86-64":
        return False
    from vlab.silicon.children import kvm

    try:
        with Path("/dev/kvm").open("rb+", buffering=0) as device:
            return kvm.ask(device.fileno(), kvm.Ask.GET_API_VERSION) > 0
    except OSError:
        return False


_KVM = _has_kvm()
