"""An inspector who trusts nobody: it reads a machine's RAM by itself, and knows nothing of the hypervisor's code."""

from struct import unpack_from

from vlab.hypervisor import VirtualMachine
from vlab.machine import Machine

PAGE = 4096


def leaves(machine: Machine, satp: int) -> dict[int, int]:
    """Every page that U mode can reach under this `satp`: virtual page → physical page. Superpages count as one."""
    assert satp >> 60 == 8
    found: dict[int, int] = {}
    waiting = [(satp & (1 << 44) - 1, 2, 0)]
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
    frames, host = list(vm.memory.frames), vm.host
    while isinstance(host, VirtualMachine):
        first = host.memory.base // PAGE
        frames = [host.memory.frames[frame - first] for frame in frames]
        host = host.host
    return set(frames)


def running(machine: Machine, vms: list[VirtualMachine]) -> VirtualMachine | None:
    """The innermost VM whose own code the real hart would run now; None if the machine's software has it."""
    innermost = None
    for vm in vms:
        if not vm.running:
            break
        innermost = vm
    return innermost


def inspect(machine: Machine, vms: list[VirtualMachine]) -> int:
    """Nothing but the innermost running VM's memory is in reach of U mode; how many pages are."""
    vm = running(machine, vms)
    if vm is None:
        return 0
    pages = leaves(machine, machine.hart.csr.values["satp"])
    strangers = {hex(page): hex(frame) for page, frame in pages.items() if frame not in own_frames(vm)}
    assert strangers == {}
    return len(pages)


def outside(machine: Machine, vms: list[VirtualMachine]) -> bytes:
    """All of RAM that is no VM's and no shadow's: the host's own."""
    outer = vms[0]
    taken = own_frames(outer) | set(outer.technique.state()["frames"])
    first, count = machine.memory.base // PAGE, machine.memory.size // PAGE
    return b"".join(
        machine.memory.peek(frame * PAGE, PAGE) for frame in range(first, first + count) if frame not in taken
    )
