"""Copy on write: frames that several virtual machines have, until one of them writes.

A clone begins in the very frames of its parent. No shadow of either lets it write there. The first write of one
exits ("copy on write"): that page of its memory moves to a frame of its own. Whoever alone has a frame, writes to
it as to any other. Which pages are shared follows from the frames alone, so nothing about it is saved.
"""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from vlab.machine.memory import PAGE

if TYPE_CHECKING:
    from vlab.hypervisor.virtualmachine import VirtualMachine

# Frames: who shares pages runs only while so many are free, because each of its writes may take one.
SPARE = 64


def find_shared(vms: Iterable["VirtualMachine"]) -> None:
    """Say to each of these memories which of its pages lie in frames that others have too."""
    memories = [vm.memory for vm in vms]
    holders = Counter(frame for memory in memories for frame in memory.frames)
    for memory in memories:
        memory.shared = {page for page, frame in enumerate(memory.frames) if holders[frame] > 1}


def move_page(vm: "VirtualMachine", page: int, frame: int) -> int:
    """Copy a page, by number, to another frame, where it is from here on. Returns the frame that it was in."""
    memory, host, held = vm.memory, vm.host.memory, vm.reservation
    old = memory.frames[page]
    host.poke(frame * PAGE, host.peek(old * PAGE, PAGE))
    memory.move(page, frame)
    vm.reservation = held  # of the guest's address, wherever that is
    vm.technique.shadow.drop_frame("copy on write", old)
    return old


def left_alone(vms: Iterable["VirtualMachine"], frame: int) -> None:
    """One of those who had a frame has left it: if only one is left, that one shares it no more."""
    memories = [vm.memory for vm in vms]
    places = [(memory, memory.guest_address(frame * PAGE)) for memory in memories]
    holders = [(memory, gpa) for memory, gpa in places if gpa is not None]
    if len(holders) == 1:
        memory, gpa = holders[0]
        memory.shared.discard((gpa - memory.base) // PAGE)
