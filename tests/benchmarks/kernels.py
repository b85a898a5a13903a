"""What the measurements of techniques run: a kernel of a few lines, in S mode; and the ways to run it."""

from functools import partial
from typing import Any

from vlab import guests
from vlab.hypervisor import VirtualMachine, nested
from vlab.machine import Computer, Machine
from vlab.riscv import Program, assemble

WAYS = ("trap-and-emulate", "binary-translation", "paravirtual", "hardware-assisted")
MEMORY = 1 << 20  # the guest's
_LIBRARY = "paravirtual/1_hypercalls.s"
# From power-on in M mode to a kernel in S mode that may do everything.
_TO_S = """
_start:
    li   t0, 0xb1ff
    csrw medeleg, t0
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    csrwi mcounteren, 2
    li   t0, 1<<11
    csrw mstatus, t0
    la   t0, kernel
    csrw mepc, t0
    mret
kernel:
"""


def kernel(body: str, way: str | None) -> Program:
    """A guest whose kernel does this, unpaged. A paravirtual one is a kernel from its first instruction on."""
    if way != "paravirtual":
        return assemble(_TO_S + body)
    library = guests.files("kernel", PARAVIRTUAL=1)[_LIBRARY]
    return assemble(f"{library}\n    .text\n_start:\n{body}")


def started(image: Program, *ways: str, **how: Any) -> tuple[Machine, Computer, list[VirtualMachine]]:
    """A machine, the innermost computer, in which a guest is switched on, and the VMs from outside, one a way.

    The machine has the H extension, whoever uses it, so that all that differs is the way.
    """
    machine, vms = nested(ways, MEMORY, build=partial(Machine, extensions="H", **how))
    computer: Computer = vms[-1] if vms else machine
    computer.load(image)
    return machine, computer, vms
