"""Computers in computers: the same guest on the bare machine, in a VM, in a VM in a VM, and so on."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from vlab.hypervisor import TrapAndEmulate, VirtualMachine, nested
from vlab.machine import Computer, Machine, Stop
from vlab.operations.equivalence import differences
from vlab.operations.equivalence import seen as end

__all__ = ["MOST", "POLICIES", "Tower", "difference", "end", "finished", "tower"]

MOST = 3_000_000  # steps; no guest here takes as many
POLICIES = ("lazy", "eager", "traced")


@dataclass
class Tower:
    """A machine, and the VMs one in the other, the outermost first."""

    machine: Machine
    vms: list[VirtualMachine]

    @property
    def guest(self) -> Computer:
        """The innermost computer: where the guest is."""
        return self.vms[-1] if self.vms else self.machine

    def run(self, most: int = MOST) -> "Tower":
        """Run until nothing happens any more."""
        assert self.machine.run(most) is not Stop.LIMIT
        return self


def tower(
    image: Any = None,
    depth: int = 1,
    *,
    memory: int = 1 << 20,
    technique: Any = TrapAndEmulate,
    shadow: Any = "lazy",
    extensions: str = "",
) -> Tower:
    """A guest with `memory` bytes, `depth` hypervisors deep; `technique` and `shadow` are one, or one a level."""
    policies = shadow if isinstance(shadow, tuple) else (shadow,) * depth
    techniques = technique if isinstance(technique, tuple) else (technique,) * depth
    built = Tower(*nested(techniques, memory, policies, partial(Machine, extensions=extensions)))
    if image is not None:
        built.guest.load(image)
    return built


def finished(image: Any, depth: int, *, memory: int = 1 << 20, shadow: Any = "lazy") -> Tower:
    """The same, run to its end."""
    return tower(image, depth, memory=memory, shadow=shadow).run()


def difference(one: Any, other: Any) -> list[str]:
    """Where two states differ, one line each, pages of memory by number only."""
    return [_told(*found) for found in differences(one, other)]


def _told(where: str, one: Any, other: Any) -> str:
    if isinstance(one, bytes) and isinstance(other, bytes) and len(one) == len(other) == 4096:
        at = next(i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
        return f"{where}[{at:#x}]: {one[at : at + 8].hex()} is not {other[at : at + 8].hex()}"
    if isinstance(one, int) and isinstance(other, int):
        return f"{where}: {one:#x} is not {other:#x}"
    return f"{where}: {str(one)[-200:]} is not {str(other)[-200:]}"
