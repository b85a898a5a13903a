"""An inspector who trusts nobody: it reads a machine's RAM by itself, and knows nothing of the hypervisor's code."""

from collections.abc import Iterable
from struct import unpack_from

from vlab.hypervisor import VirtualMachine
from vlab.hypervisor.guestmemory import GuestMemory
from vlab.machine import GATE, Machine

PAGE = 4096


SPV = 1 << 7  # in `hstatus`: whether the last trap came from a guest


def leaves(machine: Machine, satp: int, frames: int = 1) -> dict[int, int]:
    """Every page that U mode can reach under this `satp`: virtual page → physical page. Superpages count as one.

    An `hgatp` has a root of four frames.
    """
    assert satp >> 60 == 8
    found: dict[int, int] = {}
    root = satp & (1 << 44) - 1
    waiting = [(root + more, 2, more) for more in range(frames)]
    while waiting:
        frame, level, virtual = waiting.pop()
        entries = unpack_from("<512Q", machine.memory.peek(frame * PAGE, PAGE))
        for index, entry in enumerate(entries):
            page, target = virtual << 9 | index, entry >> 10 & (1 << 44) - 1
            if entry & 1 and entry & 0xE:
                assert level == 0, "a hypervisor here makes small pages only"
                found[page] = target
            elif entry & 1:
                waiting.append((target, level - 1, page))
    return found


def own_frames(vm: VirtualMachine) -> set[int]:
    """The real machine's frames that are this VM's memory, however deep it is."""
    return _real(vm, vm.memory.frames)


def _real(vm: VirtualMachine, frames: Iterable[int]) -> set[int]:
    """Frames of the computer under a VM, as the real machine's."""
    found, host = list(frames), vm.host
    while isinstance(host, VirtualMachine):
        first = host.memory.base // PAGE
        found = [host.memory.frames[frame - first] for frame in found]
        host = host.host
    return set(found)


def running(machine: Machine, vms: list[VirtualMachine]) -> VirtualMachine | None:
    """The innermost VM whose own code the real hart would run now; None if the machine's software has it."""
    innermost = None
    for vm in vms:
        if not vm.running:
            break
        innermost = vm
    return innermost


def reached(machine: Machine, vms: list[VirtualMachine], vm: VirtualMachine) -> set[int]:
    """The frames that the innermost running VM reaches, with hardware's help or without."""
    csr = machine.hart.csr.values
    assisted = machine.hart.virtual or (machine.hart.pc == GATE and csr.get("hstatus", 0) & SPV)
    if not assisted:
        return set(leaves(machine, csr["satp"]).values())
    second = leaves(machine, csr["hgatp"], 4)
    assert set(second.values()) <= own_frames(vms[0])
    if vm is vms[0]:
        return set(second.values())
    # What the hypervisor inside has written is its shadow of a guest of its own.
    memory, found = vms[0].memory, set()
    for page in guest_leaves(memory, csr["vsatp"]):
        if page in second:
            found.add(second[page])
    return found


def guest_leaves(memory: GuestMemory, satp: int) -> set[int]:
    """The guest's pages to which a table in its own memory leads; as `leaves`."""
    found, waiting = set(), [(satp & (1 << 44) - 1, 2)]
    while waiting:
        frame, level = waiting.pop()
        for entry in unpack_from("<512Q", memory.peek(frame * PAGE, PAGE)):
            if entry & 1 and entry & 0xE:
                found.add(entry >> 10 & (1 << 44) - 1)
            elif entry & 1 and level:
                waiting.append((entry >> 10 & (1 << 44) - 1, level - 1))
    return found


def inspect(machine: Machine, vms: list[VirtualMachine]) -> int:
    """Nothing but the innermost running VM's memory is in its reach, and what its technique hides; how many pages."""
    vm = running(machine, vms)
    if vm is None:
        return 0
    frames = reached(machine, vms, vm)
    strangers = frames - own_frames(vm) - _real(vm, vm.technique.shadow.hidden)
    assert {hex(frame) for frame in strangers} == set()
    return len(frames)


def outside(machine: Machine, vms: list[VirtualMachine]) -> bytes:
    """All of RAM that is no VM's and no shadow's: the host's own."""
    outer = vms[0]
    taken = own_frames(outer) | set(outer.technique.state()["frames"])
    first, count = machine.memory.base // PAGE, machine.memory.size // PAGE
    return b"".join(
        machine.memory.peek(frame * PAGE, PAGE) for frame in range(first, first + count) if frame not in taken
    )
