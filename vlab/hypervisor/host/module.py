"""The hypervisor as a module of a host's kernel: the same program, but the host stands behind the trap vector."""

from typing import TYPE_CHECKING, Any

from vlab.hypervisor.frames import Frames
from vlab.hypervisor.host.spaces import VM_OFFSET
from vlab.hypervisor.host.users import ROOT
from vlab.hypervisor.hypervisor import Hypervisor
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.language import VlabError
from vlab.machine.expecting import in_charge
from vlab.machine.memory import PAGE

if TYPE_CHECKING:
    from vlab.hypervisor.host.kernel import Kernel


class Module(Hypervisor):
    """A hypervisor that the host hands what concerns guests, and that asks the host for frames.

    The host says when a guest runs (`enter`) and tells when it has left the hart (`left`, `exited`).
    """

    def __init__(self, host: "Kernel"):
        self.host = host
        super().__init__(host.computer, power_on=False)

    @property
    def in_control(self) -> bool:
        """Whether the computer's hart stands in the host's kernel, of which this is a part."""
        return self.host.in_control

    @property
    def present(self) -> bool:
        """Whether it is installed on the host, and that has the computer."""
        return self.host.hypervisor is self and in_charge(self.host)

    @property
    def alarmed(self) -> bool:
        """Whether the guest that left the hart last did so at an alarm of its own."""
        return self._alarmed

    # What is the host's: the one `satp`, and the frames

    @property
    def _loaded_satp(self) -> int | None:
        return self.host.loaded_satp

    @_loaded_satp.setter
    def _loaded_satp(self, satp: int | None) -> None:
        self.host.loaded_satp = satp

    @property
    def _frames(self) -> Frames:
        return self.host.frames

    @_frames.setter
    def _frames(self, frames: Frames) -> None:
        """The host keeps its own."""

    # Virtual machines

    def create_vm(self, image: Any = None, *, user: str = ROOT, **how: Any) -> VirtualMachine:
        """A new virtual machine of `user`, which is a process of the host; see `Host.create_vm`."""
        self.host.users.expect_member(user)
        vm = super().create_vm(image, **how)
        try:
            self.host.adopt(vm, user)
        except VlabError:
            self._release(vm)
            raise
        return vm

    def clone(self, vm: VirtualMachine, name: str = "") -> VirtualMachine:
        """Another virtual machine, which goes on from where this one is: a process of the same user."""
        user = self.host.process_of(vm).user
        twin = super().clone(vm, name)
        try:
            self.host.adopt(twin, user)
        except VlabError:
            self._release(twin)
            raise
        return twin

    def unshare(self, vm: VirtualMachine, page: int) -> None:
        """A page that others have too is about to be written: its frame is another one, for its process too."""
        super().unshare(vm, page)
        gpa, space = vm.memory.base + page * PAGE, self.host.process_of(vm).space
        if space is not None:
            space.show(VM_OFFSET + gpa, vm.memory.host_address(gpa), PAGE)

    def remove(self, vm: VirtualMachine) -> None:
        """End a virtual machine for good, and the process that it was. VlabError if it is none of these."""
        process = self.host.process_of(vm)
        vm.stop_by_hand(self)
        if self.host.inside is process:
            self.host.take_hart()
        super().remove(vm)
        self.host.over(process)

    def end(self, vm: VirtualMachine) -> None:
        """The process of a virtual machine is no more, and so the machine neither."""
        self._release(vm)

    def process_address(self, vm: VirtualMachine, gpa: int) -> int:
        """GPA → HVA: where a guest's memory is in the virtual address space of its process."""
        return gpa + VM_OFFSET

    def wake(self) -> None:
        """By hand, a guest was given something to do, or kept from it."""
        self.rouse()
        self.host.wake()
