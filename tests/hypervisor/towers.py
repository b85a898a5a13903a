"""Computers in computers: the same guest on the bare machine, in a VM, in a VM in a VM, and so on."""

from dataclasses import dataclass
from typing import Any

from vlab.hypervisor import Hypervisor, TrapAndEmulate, VirtualMachine
from vlab.machine import Computer, Machine, Stop
from vlab.machine.snapshot import computer_state

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
    sizes = [memory]
    for _level in range(depth):
        sizes.append(Hypervisor.memory_for(sizes[-1]))
    built = Tower(Machine(memory=sizes.pop(), extensions=extensions), [])
    for how, policy in zip(techniques, policies, strict=True):
        hypervisor = Hypervisor(built.guest)
        built.vms.append(hypervisor.create_vm(memory=sizes.pop(), technique=how, shadow=policy))
    if image is not None:
        built.guest.load(image)
    return built


def finished(image: Any, depth: int, *, memory: int = 1 << 20, shadow: Any = "lazy") -> Tower:
    """The same, run to its end."""
    return tower(image, depth, memory=memory, shadow=shadow).run()


def end(computer: Computer) -> dict[str, Any]:
    """All of a guest's state: registers, CSRs, memory, devices, time, reservation."""
    state = computer_state(computer)
    del state["residents"]
    return state


def difference(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two states differ, one line each, pages of memory by number only."""
    if isinstance(one, dict) and isinstance(other, dict):
        found = []
        for key in sorted({*one, *other}, key=str):
            found += difference(one.get(key), other.get(key), f"{where}.{key}")
        return found
    if one == other:
        return []
    if isinstance(one, bytes) and isinstance(other, bytes) and len(one) == len(other) == 4096:
        at = next(i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
        return [f"{where}[{at:#x}]: {one[at : at + 8].hex()} is not {other[at : at + 8].hex()}"]
    if isinstance(one, int) and isinstance(other, int):
        return [f"{where}: {one:#x} is not {other:#x}"]
    return [f"{where}: {str(one)[-200:]} is not {str(other)[-200:]}"]
