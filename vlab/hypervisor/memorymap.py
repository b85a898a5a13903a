"""Who has which memory: the memory of a machine and of the VMs in it, and where each lies in the next one.

A *space* is the physical memory of one computer, cut into regions by whose they are. A *link* says where a run
of a VM's memory (GPA) lies in the memory of the computer under it (HPA).
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from vlab.display import Drawn, one_line
from vlab.language import _
from vlab.machine import Computer
from vlab.machine.memory import PAGE
from vlab.paging import size_text

if TYPE_CHECKING:
    from vlab.hypervisor.hypervisor import Hypervisor
    from vlab.hypervisor.virtualmachine import VirtualMachine


class Use(NamedTuple):
    """What a hypervisor uses some frames for: "memory" of the VM `owner`, its shadow "tables", or their "pool".

    Frames of the process `owner` of a host are a "process". With no owner they are the hypervisor's "own", or the
    "host"'s. `copied`: before one of several owners writes to them.
    """

    owner: str
    use: str
    frames: Iterable[int]
    copied: bool = False


class Region(NamedTuple):
    """Neighbouring bytes of a space that are all of the same use.

    `owners` are the VMs whose they are: none where it is the hypervisor's own, or free. `state` is "private",
    "shared" (the maps of several VMs name these frames), or "copy-on-write" (shared until one of them writes).
    """

    address: int
    size: int
    owners: tuple[str, ...]
    use: str
    state: str = "private"


class Space(NamedTuple):
    """The physical memory of one computer: the machine (level 0), or a VM."""

    name: str
    level: int
    base: int
    size: int
    regions: tuple[Region, ...]


class Link(NamedTuple):
    """A run of a VM's memory: `size` bytes at `gpa` of space number `guest` lie at `hpa` of number `host`."""

    guest: int
    gpa: int
    host: int
    hpa: int
    size: int


@dataclass(frozen=True, slots=True)
class MemoryMap(Drawn):
    """Spaces, the innermost first and the machine last, and the links between them."""

    spaces: tuple[Space, ...]
    links: tuple[Link, ...]

    def host_address(self, space: int, address: int) -> int | None:
        """The machine's address of an address in space number `space`; None where that has no such memory."""
        while space != len(self.spaces) - 1:
            for link in self.links:
                if link.guest == space and link.gpa <= address < link.gpa + link.size:
                    space, address = link.host, link.hpa + address - link.gpa
                    break
            else:
                return None
        machine = self.spaces[space]
        return address if machine.base <= address < machine.base + machine.size else None

    def shared(self) -> int:
        """How many bytes of the machine's memory are more than one VM's."""
        return sum(region.size for region in self.spaces[-1].regions if region.state != "private")

    def __repr__(self) -> str:
        machine = self.spaces[-1]
        names = ", ".join(
            _("{name} {size} (level {level})").format(
                name=space.name, size=size_text(space.size), level=space.level
            )
            for space in self.spaces[:-1]
        )
        said = _("Memory map of {size} at {base:#x}: {vms}").format(
            size=size_text(machine.size), base=machine.base, vms=names or _("no virtual machines")
        )
        shared = self.shared()
        return said + (_("; {size} shared").format(size=size_text(shared)) if shared else "")


def memory_map(computer: Computer, vms: Iterable["VirtualMachine"]) -> MemoryMap:
    """The map of these VMs of one computer, of all VMs inside them, and of what that computer lies in."""
    spaces: list[Space] = []
    links: list[Link] = []

    def add(vm: "VirtualMachine") -> int:
        """This VM's space, those inside it before it; their links. Returns its number."""
        inside = [(inner, add(inner)) for hypervisor in _hypervisors(vm) for inner in hypervisor.vms]
        spaces.append(_space(vm, vm.name))
        number = len(spaces) - 1
        for inner, guest in inside:
            link(inner, guest, number)
        return number

    def link(vm: "VirtualMachine", guest: int, host: int) -> None:
        links.extend(Link(guest, gpa, host, hpa, size) for gpa, hpa, size in vm.memory.runs())

    waiting = [(vm, add(vm)) for vm in vms]
    while True:
        under = _vm_of(computer)
        spaces.append(_space(computer, _("machine") if under is None else under.name))
        for vm, guest in waiting:
            link(vm, guest, len(spaces) - 1)
        if under is None:
            break
        waiting, computer = [(under, len(spaces) - 1)], under.host
    for number in range(len(spaces) - 2, -1, -1):  # from the machine inwards: a host is cut before its guests
        own = [link for link in links if link.guest == number]
        spaces[number] = _cut(spaces[number], own, spaces[own[0].host])
    return MemoryMap(tuple(spaces), tuple(links))


def _cut(space: Space, links: list[Link], host: Space) -> Space:
    """A VM's space, cut where its frames jump or are shared with others."""
    starts = [region.address for region in host.regions]
    regions: list[Region] = []
    for region in space.regions:
        for link in links:
            at = max(region.address, link.gpa)
            end = min(region.address + region.size, link.gpa + link.size)
            while at < end:
                hpa = link.hpa + at - link.gpa
                under = host.regions[bisect_right(starts, hpa) - 1]
                size = min(end - at, under.address + under.size - hpa)
                piece = region._replace(address=at, size=size)
                if under.state != "private":
                    piece = piece._replace(state=under.state, owners=under.owners)
                regions.append(piece)
                at += size
    return space._replace(regions=tuple(regions))


def _vm_of(computer: Computer) -> "VirtualMachine | None":
    from vlab.hypervisor.virtualmachine import VirtualMachine

    return computer if isinstance(computer, VirtualMachine) else None


def _hypervisors(computer: Computer) -> "list[Hypervisor]":
    """The residents that give virtual machines: a hypervisor, or a host with one in it."""
    return list(dict.fromkeys(one for one in computer.residents.values() if hasattr(one, "uses")))  # type: ignore[misc]


def _space(computer: Computer, name: str) -> Space:
    memory = computer.memory
    hypervisors = _hypervisors(computer)
    uses = [use for hypervisor in hypervisors for use in hypervisor.uses()]
    rest = "free" if hypervisors else "program"
    regions = tuple(_regions(uses, memory.base // PAGE, memory.size // PAGE, rest))
    return Space(one_line(name), computer.level, memory.base, memory.size, regions)


def _regions(uses: Iterable[Use], first: int, count: int, rest: str) -> Iterator[Region]:
    """A memory of `count` frames from `first` on, cut where the use changes; `rest` is what no use names."""
    runs = [(*run, use) for use in uses for run in _runs(use.frames)]
    changes: dict[int, list[int]] = {first: [], first + count: []}  # by frame: runs that begin or end there
    for number, (start, end, _use) in enumerate(runs):
        changes.setdefault(start, []).append(number)
        changes.setdefault(end, []).append(number)
    here: set[int] = set()
    held: Region | None = None
    for start, end in pairwise(sorted(changes)):
        here.symmetric_difference_update(changes[start])
        found = [runs[number][2] for number in sorted(here)]
        owners = tuple(dict.fromkeys(use.owner for use in found if use.owner))
        state = "private" if len(owners) < 2 else "copy-on-write" if found[0].copied else "shared"
        region = Region(start * PAGE, (end - start) * PAGE, owners, found[0].use if found else rest, state)
        if held is not None and held[2:] == region[2:]:
            held = held._replace(size=held.size + region.size)
            continue
        if held is not None:
            yield held
        held = region
    if held is not None:
        yield held


def _runs(frames: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Frames as runs of neighbours: (first, the one after the last)."""
    start = end = None
    for frame in frames:
        if frame != end:
            if start is not None and end is not None:
                yield start, end
            start = frame
        end = frame + 1
    if start is not None and end is not None:
        yield start, end
