"""A guest in memory with the hypervisor `visor` around it: two programs as one image."""

from dataclasses import replace
from typing import Protocol

from vlab.guests import load
from vlab.language import VlabError, _
from vlab.riscv import Program

_ROW, _NUMBER = 32, 8  # a row of the visor's table: how often, then the reason's name


class Memory(Protocol):
    """What can be looked at: a machine's memory, or a virtual machine's."""

    def peek(self, address: int, size: int) -> bytes:
        """Some bytes, as a debugger reads them."""


def inside(guest: Program) -> Program:
    """The visor with this guest in its virtual computer: `inside(load("tiny"))`, `inside(inside(load("tiny")))`.

    The guest stays as it is, linked for its own memory; only where it lies is elsewhere. Its symbols, by their
    real addresses, have `guest.` before their names.

    Raises:
        VlabError: the guest has a piece below the memory of a virtual computer.
    """
    visor = load("visor", ENTRY=guest.entry)
    first = visor.symbols["RAM"]
    shift = visor.symbols["GUEST"] - first
    below = next((address for address, _data in guest.segments if address < first), None)
    if below is not None:
        raise VlabError(
            _("The guest has a piece at {address:#x}, below its memory.").format(address=below),
            mend=_("Link it for an address in memory (-Ttext=0x80000000), or give the machine more memory."),
        )
    numbers = guest.constants
    symbols = {name: at if name in numbers else at + shift for name, at in guest.symbols.items()}
    return replace(
        visor,
        segments=(*visor.segments, *((address + shift, data) for address, data in guest.segments)),
        symbols=visor.symbols | {f"guest.{name}": at for name, at in symbols.items()},
        lines=visor.lines | {address + shift: line for address, line in guest.lines.items()},
        constants=visor.constants | {f"guest.{name}" for name in numbers},
        sources=visor.sources | guest.sources,
    )


def exits(program: Program, memory: Memory, depth: int = 0) -> dict[str, int]:
    """How often the guest of a running visor has exited, by reason: `exits(program, machine.memory)`.

    `program` is the image from `inside`. `depth` counts from the outermost visor, 0, inwards.
    """
    within = "guest." * depth
    first, end = program.symbols[f"{within}exits"], program.symbols[f"{within}exits_end"]
    table = memory.peek(first, end - first)
    rows = [table[at : at + _ROW] for at in range(0, len(table), _ROW)]
    return {
        row[_NUMBER:].rstrip(b"\0").decode("ascii", "replace"): int.from_bytes(row[:_NUMBER], "little")
        for row in rows
    }
