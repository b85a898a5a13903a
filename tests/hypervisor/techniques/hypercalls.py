"""Small paravirtual guests for the tests: a few instructions between the library of hypercalls and the power switch."""

from typing import Any

from vlab import guests
from vlab.hypervisor import Hypervisor, VirtualMachine
from vlab.machine import Machine
from vlab.riscv import Program, assemble_files

LIBRARY = "paravirtual/1_hypercalls.s"
RAM = 0x8000_0000
_FRAME = """
    .text
    .globl _start
_start:
    la   sp, stack
{body}
off:
    li   a0, 0x5555
    switch_off
1:  j    1b

    .balign 4
trap:                           # s10 counts traps; what trapped is skipped
    info s11, INFO_CAUSE
    addi s10, s10, 1
    addi sp, sp, -272
    sd   a7, 8*17(sp)
    info s9, INFO_PC
    addi s9, s9, 4
    sd   s9, 0(sp)
    info s9, INFO_SP
    sd   s9, 8*2(sp)
    info s9, INFO_STATUS
    sd   s9, 8*32(sp)
    return_from_trap

    .bss
    .balign 4096
    .zero 2048
stack:
    .balign 4096
page:
    .zero 4096
{data}
"""
TRAPS = "la t0, trap\nset_traps t0\n"


def program(body: str, data: str = "", **symbols: int) -> Program:
    """A guest that does this as a kernel, and switches off."""
    library = guests.files("kernel", PARAVIRTUAL=1)[LIBRARY]
    return assemble_files(
        [(LIBRARY, library), ("<test>", _FRAME.format(body=body, data=data))], symbols=symbols
    )


def run(
    image: Program, technique: Any = "paravirtual", *, steps: int = 200_000, **how: Any
) -> VirtualMachine:
    """The VM in which a guest has run to its end, or so many steps."""
    machine = Machine(memory="4M")
    vm = Hypervisor(machine).create_vm(image, memory="512K", technique=technique, **how)
    machine.run(steps)
    return vm
