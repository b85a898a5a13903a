"""The virtual machines of a hypervisor: made, cloned, removed; and whose each frame of its computer is."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from vlab.display import Drawn
from vlab.hypervisor.frames import Frames, too_little
from vlab.hypervisor.memorymap import MemoryMap, Use, memory_map
from vlab.hypervisor.policies import chosen_policy
from vlab.hypervisor.schedule import checked_weight
from vlab.hypervisor.shadow import ShadowTables
from vlab.hypervisor.sharing import SPARE, find_shared, left_alone, move_page
from vlab.hypervisor.techniques import TrapAndEmulate, chosen_technique
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import Computer, parse_size
from vlab.machine.board import several
from vlab.machine.bus import Device
from vlab.machine.expecting import expect_in_charge
from vlab.machine.memory import PAGE
from vlab.machine.snapshot import Checker

OWN_FRAMES = 256  # at the start of RAM: where a hypervisor that isn't Python would have its code and data
SHADOW_FRAMES = 64  # a guest: enough for a small kernel's tables; when they are used up, all are dropped
_MANY_FRAMES, _LARGE = 512, 32 << 20  # one with so much memory runs a larger kernel

Parts = tuple[type[TrapAndEmulate], type[ShadowTables]]  # how a guest is run, and the policy of its shadows


def shadow_frames(memory: int) -> int:
    """How many frames a guest with so many bytes of memory gets for its shadow tables."""
    return SHADOW_FRAMES if memory < _LARGE else _MANY_FRAMES


class Inventory(Drawn, ABC):
    """Which virtual machines a hypervisor has, and what it uses its computer's frames for."""

    computer: Computer
    vms: list[VirtualMachine]
    _frames: Frames

    @property
    @abstractmethod
    def present(self) -> bool:
        """Whether its computer is still its own."""

    @abstractmethod
    def wake(self) -> None:
        """By hand, a guest was given something to do, or kept from it."""

    @abstractmethod
    def rouse(self) -> None:
        """Take the hart from the guest that runs directly, as soon as may be."""

    def create_vm(
        self,
        image: Any = None,
        *,
        memory: str | int = "8M",
        devices: Iterable[Device] = (),
        technique: str | type[TrapAndEmulate] = TrapAndEmulate,
        shadow: str | type[ShadowTables] | None = None,
        name: str = "",
        weight: int = 1,
    ) -> VirtualMachine:
        """A new virtual machine, switched on at its image's entry if one is given.

        `devices` are attached to it first, each to the next slot.
        `technique` and `shadow`, the policy of its shadow page tables, are names ("lazy", "eager", "traced"),
        or classes of the reader's own; without a policy, the technique has the one that suits it. Of two guests
        that are busy, one of twice the `weight` (1 to 10,000) has the hart for twice the time.

        Raises:
            VlabError: if the computer has too little memory, the technique or the policy isn't there, a device
                can't be attached, or the image doesn't fit; then there is no new virtual machine.
        """
        expect_in_charge(self.present, "hypervisor")
        how = chosen_technique(technique)
        parts = how, chosen_policy(how.policy if shadow is None else shadow)
        weight, size = checked_weight(weight), parse_size(memory)
        if size <= 0 or size % PAGE:
            raise VlabError(
                _("A memory of {size} bytes cannot be built.").format(size=size),
                mend=_("Give a multiple of 4096 bytes."),
            )
        name = self._name(name)
        pool = shadow_frames(size)
        frames = self._frames.take(size // PAGE + pool, name)
        try:
            vm = self.build_vm(name, frames[:-pool], frames[-pool:], parts)
        except VlabError:
            self._frames.give(frames)
            raise
        vm.weight = weight
        try:
            for device in several(devices):
                vm.attach(device)
            if image is not None:
                vm.load(image)
        except BaseException:  # a device of the reader's own may raise anything
            self._release(vm)
            raise
        return vm

    def _name(self, wanted: object) -> str:
        """The name that a new virtual machine gets; VlabError for what is none."""
        if not isinstance(wanted, str):
            raise VlabError(
                _("{name} can't be the name of a virtual machine.").format(name=repr(wanted)[:40]),
                mend=_("Give a text."),
            )
        taken = {vm.name for vm in self.vms}
        return wanted or next(new for n in count(len(self.vms) + 1) if (new := f"vm{n}") not in taken)

    @abstractmethod
    def build_vm(self, name: str, frames: list[int], pool: list[int], parts: Parts) -> VirtualMachine:
        """A guest whose memory is these frames; those of `pool` are for its shadow tables."""

    def clone(self, vm: VirtualMachine, name: str = "") -> VirtualMachine:
        """Another virtual machine, which goes on from where this one is; see `VirtualMachine.clone`."""
        vm.stop_by_hand(self)
        name = self._name(name)
        needed = shadow_frames(vm.memory.size)
        if self._frames.free < needed + SPARE:
            raise too_little(needed + SPARE, self._frames.free, name)
        saved, shadow = vm.snapshot(), vm.technique.shadow
        pool = self._frames.take(needed, name)
        twin = self.build_vm(name, list(vm.memory.frames), pool, (type(vm.technique), type(shadow)))
        find_shared(self.vms)
        shadow.protect("pages shared")
        try:
            twin.board.attach_saved(Checker(vm.board.state()))
            twin.restore(saved)
        except VlabError:
            self._release(twin)
            raise
        twin.weight, twin.on = vm.weight, vm.on
        return twin

    def remove(self, vm: VirtualMachine) -> None:
        """End a virtual machine for good: its frames, but those that its clones have too, are zeroed and free.

        Raises:
            VlabError: if it is none of these, or no more.
        """
        vm.stop_by_hand(self)
        self._release(vm)
        self.wake()

    def _release(self, vm: VirtualMachine) -> None:
        self.vms.remove(vm)
        own = [frame for page, frame in enumerate(vm.memory.frames) if page not in vm.memory.shared]
        self._frames.give([*own, *vm.technique.frames])
        vm.memory.set_frames([])
        find_shared(self.vms)

    def claim(self, frames: list[int], pool: list[int]) -> bool:
        """Take just these frames for a guest that a saved state has; False if they can't be its own.

        Those of its memory may be other guests' memory too.
        """
        others = {frame for vm in self.vms for frame in vm.memory.frames}
        fresh = [frame for frame in frames if frame not in others]
        return len(pool) == shadow_frames(len(frames) * PAGE) and self._frames.claim([*fresh, *pool])

    def unshare(self, vm: VirtualMachine, page: int) -> None:
        """A page, by number, that others have too is about to be written: it gets a frame of its own.

        Raises VlabError where none is free: before its turn a guest waits for some (`VirtualMachine.starved`).
        """
        frames = self._frames.take(1, vm.name)
        if vm.running:
            self.rouse()  # it must not go on with what the TLB says
        left_alone(self.vms, move_page(vm, page, frames[0]))
        vm.memory.shared.discard(page)

    @property
    def free(self) -> int:
        """Bytes of its computer's memory that are nobody's yet."""
        return self._frames.free * PAGE

    @staticmethod
    def room_for(guest: int) -> int:
        """How many bytes of its computer's memory a guest of so many bytes takes."""
        return guest + shadow_frames(guest) * PAGE

    @staticmethod
    def memory_for(guest: int) -> int:
        """How many bytes of memory a computer must have for a hypervisor with one guest of so many bytes."""
        return guest + (OWN_FRAMES + shadow_frames(guest)) * PAGE

    # Whose each frame is

    def memory_map(self) -> MemoryMap:
        """Whose the memory under its VMs is: theirs, its own, free."""
        return memory_map(self.computer, self.vms)

    def uses(self) -> Iterator[Use]:
        """What it uses its computer's frames for; those that are not named are free."""
        first = self.computer.memory.base // PAGE
        yield Use("", "own", range(first, first + OWN_FRAMES))
        for vm in self.vms:
            shared = {vm.memory.frames[page] for page in vm.memory.shared}
            yield Use(vm.name, "memory", (frame for frame in vm.memory.frames if frame not in shared))
            yield Use(vm.name, "memory", sorted(shared), copied=True)
            tables = set(vm.technique.shadow.frames())
            yield Use(vm.name, "tables", sorted(tables))
            yield Use(vm.name, "pool", (frame for frame in vm.technique.frames if frame not in tables))
