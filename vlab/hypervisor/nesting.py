"""Virtual machines one in the other: each hypervisor's computer is a virtual machine of the one below it."""

from collections.abc import Callable, Sequence

from vlab.hypervisor.hypervisor import Hypervisor
from vlab.hypervisor.shadow import ShadowTables
from vlab.hypervisor.techniques import TrapAndEmulate
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.machine import Machine


def nested(
    techniques: Sequence[str | type[TrapAndEmulate]],
    memory: int,
    shadows: Sequence[str | type[ShadowTables] | None] | None = None,
    build: Callable[..., Machine] = Machine,
) -> tuple[Machine, list[VirtualMachine]]:
    """A machine, and virtual machines one in the other, of one technique a level, the outermost first.

    The innermost has `memory` bytes, however deep it is; the others have what their hypervisors need besides.
    `shadows` are the policies of their shadow page tables; without them, each technique has the one that suits it.
    `build` makes the machine, given its `memory`.

    Raises:
        VlabError: if such a machine can't be built, or one technique can't be in the one below it.
    """
    sizes = [memory]
    for _technique in techniques:
        sizes.append(Hypervisor.memory_for(sizes[-1]))
    machine, vms = build(memory=sizes.pop()), list[VirtualMachine]()
    for technique, shadow in zip(
        techniques, [None] * len(techniques) if shadows is None else shadows, strict=True
    ):
        hypervisor = Hypervisor(vms[-1] if vms else machine)
        vms.append(hypervisor.create_vm(memory=sizes.pop(), technique=technique, shadow=shadow))
    return machine, vms
