"""The emulator `arm` with another ARM program in it."""

from collections.abc import Sequence

from vlab.guests import constants, files
from vlab.language import VlabError, _
from vlab.riscv import Program, assemble_files

_PROGRAM = "arm/5_program.s"


def emulated(words: Sequence[int]) -> Program:
    """The emulator `arm` with these instructions, 32-bit words, from ARM address 0: `emulated([0xE3A00000, …])`.

    Raises:
        VlabError: they don't fit into its memory, or are no words.
    """
    most = constants("arm")["MEMORY"] // 4
    wrong = next((word for word in words if not 0 <= word < 1 << 32), None)
    if wrong is not None:
        raise VlabError(_("{value} does not fit into {bits} bits.").format(value=wrong, bits=32))
    if len(words) > most:
        raise VlabError(
            _("{count} words don't fit into the {most} of the ARM memory.").format(
                count=len(words), most=most
            )
        )
    lines = [".section .rodata", ".balign 4", "arm_program:", *(f".word {word:#x}" for word in words)]
    text = "\n".join([*lines, "arm_program_end:", ""])
    return assemble_files(tuple((files("arm") | {_PROGRAM: text}).items()))
