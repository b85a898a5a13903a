"""A host: a small operating system, in Python, with processes, users and devices of its own.

It takes every interrupt and every trap of its computer. What concerns a guest it hands to the hypervisor, a
module that the administrator installs; the rest is its own. A virtual machine is one of its processes.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from vlab.hypervisor.host import programs
from vlab.hypervisor.host.bridge import Bridge
from vlab.hypervisor.host.kernel import Kernel
from vlab.hypervisor.host.module import Module
from vlab.hypervisor.host.processes import PROGRAM, SYSTEM, VM, Process
from vlab.hypervisor.host.restoring import host_state, restore_host
from vlab.hypervisor.host.spaces import STACK_TOP, Space, system_space, user_space, vm_space
from vlab.hypervisor.host.table import Processes, table_of
from vlab.hypervisor.host.users import ROOT, User
from vlab.hypervisor.hypervisor import OWN_FRAMES
from vlab.hypervisor.memorymap import MemoryMap, Use, memory_map
from vlab.hypervisor.schedule import checked_weight
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import RESIDENTS, parse_size
from vlab.machine.expecting import expect_in_charge, in_charge
from vlab.machine.loading import load_image
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.machine.network import Port, Switch
from vlab.machine.snapshot import Checker
from vlab.riscv import Program

_SYSTEM_ENTRY = "kernel"  # where a guest begins once firmware has brought it to S mode


class Host(Kernel):
    """A host on a computer, real or virtual. It powers the computer on and takes it over.

    `processes` are all that ever were, by rising pid; `routed` counts to whom the host sent each interrupt and
    each trap: by (source, "host" or "hypervisor"). `user` is in every method the name of who asks.
    """

    def __repr__(self) -> str:
        alive = [process for process in self.processes if process.alive]
        vms = [process for process in alive if process.vm is not None]
        module = _("no hypervisor") if self.hypervisor is None else _("a hypervisor")
        words = (
            _("Host at level {level}: {module}; programs: {programs}, virtual machines: {vms}")
            if in_charge(self)
            else _("A host that no longer has its computer, at level {level}")
        )
        return words.format(
            level=self.computer.level, programs=len(alive) - len(vms), module=module, vms=len(vms)
        )

    # Users

    def add_user(self, name: str, groups: Iterable[str] = ()) -> User:
        """A new plain user; VlabError if the name is taken. Members of the group "vm" may run virtual machines."""
        user = self.users.add(name, groups)
        self.wake()
        return user

    # Processes

    def start(self, program: Program | str, *, user: str = ROOT, name: str = "", weight: int = 1) -> Process:
        """A new process of `user` that runs a program: one of the host's by its name, or the reader's own.

        Raises:
            VlabError: if there is no such user or program, or not enough memory; then nothing was started.
        """
        expect_in_charge(in_charge(self), self.kind)
        self.users[user]
        if isinstance(program, str):
            name, program = name or program, programs.load(program)
        elif not isinstance(program, Program):
            raise VlabError(_("{what} is no program.").format(what=repr(program)[:40]))
        weight = checked_weight(weight)
        space = user_space(self.computer.memory, self.frames, program)
        process = self._new(name or "program", user, PROGRAM, space, weight)
        process.pc, process.x[2] = program.entry, STACK_TOP
        return process

    def run_in_system_mode(
        self, image: Any, *, user: str = ROOT, memory: str | int = "1M", name: str = ""
    ) -> Process:
        """Let a guest kernel run in S mode itself, as a part of the host: what no host should do.

        It begins at its label `kernel`, if it has one: where firmware would have brought it to. Its memory is
        at 0x80000000, as on a computer of its own, devices are where they are, and in the upper half is all that
        the host has. Nothing keeps it from any of that.

        Raises:
            VlabError: for anybody but the administrator; if the image doesn't fit.
        """
        expect_in_charge(in_charge(self), self.kind)
        self.users.expect_administrator(user, _("run a kernel in system mode"))
        size = parse_size(memory)
        if size <= 0 or size % PAGE:
            raise VlabError(
                _("A memory of {size} bytes cannot be built.").format(size=size),
                mend=_("Give a multiple of 4096 bytes."),
            )
        program = load_image(image, memory=(RAM_BASE, size))
        space = system_space(self.computer.memory, self.frames, program, size)
        process = self._new(name or "system", user, SYSTEM, space, 1)
        process.pc = program.symbols.get(_SYSTEM_ENTRY, program.entry) & -4
        process.x[2] = RAM_BASE + size
        return process

    def _new(self, name: str, user: str, kind: str, space: Space, weight: int) -> Process:
        process = Process(self, len(self.processes) + 1, name, user, kind, space)
        process.account.weight = weight
        self.processes.append(process)
        self.wake()
        return process

    def ps(self) -> Processes:
        """All processes as a table: pid, name, whose, what kind, what it does, the time that it had."""
        return table_of(self.processes)

    def process_of(self, vm: VirtualMachine) -> Process:
        """The process that a virtual machine is; VlabError if it is none of this host's."""
        for process in self.processes:
            if process.vm is vm:
                return process
        name = getattr(vm, "name", repr(vm)[:40])
        raise VlabError(_("{vm} is no virtual machine of this host.").format(vm=name))

    # The hypervisor, a module of the host, and its virtual machines

    def install_hypervisor(self, *, user: str = ROOT) -> Module:
        """Install the hypervisor as a module of the host's kernel: the administrator's affair. VlabError for others."""
        expect_in_charge(in_charge(self), self.kind)
        self.users.expect_administrator(user, _("install modules in the host's kernel"))
        if self.hypervisor is not None:
            raise VlabError(_("The hypervisor is installed already."))
        self.hypervisor = self.module
        self.wake()
        return self.hypervisor

    def remove_hypervisor(self, *, user: str = ROOT) -> None:
        """Take the module out again: the administrator's affair. VlabError while a virtual machine needs it."""
        self.users.expect_administrator(user, _("remove modules from the host's kernel"))
        module = self._installed()
        if module.vms:
            raise VlabError(
                _("The hypervisor is in use by {vms}.").format(vms=", ".join(vm.name for vm in module.vms)),
                mend=_("Stop the virtual machines first: host.stop(vm)."),
            )
        self.hypervisor = None
        self.wake()

    def _installed(self) -> Module:
        if self.hypervisor is None:
            raise VlabError(
                _("No hypervisor is installed on this host."),
                mend=_("The administrator installs it: host.install_hypervisor(user={root!r}).").format(
                    root=ROOT
                ),
            )
        return self.hypervisor

    def create_vm(
        self, image: Any = None, *, user: str = ROOT, weight: int = 1, **how: Any
    ) -> VirtualMachine:
        """A new virtual machine of `user`, which is a process of the host; `how` is as in `Hypervisor.create_vm`.

        Raises:
            VlabError: for who isn't a member of the group "vm"; without a hypervisor; and as `create_vm` there.
        """
        self.users.expect_member(user)
        return self._installed().create_vm(image, user=user, weight=weight, **how)

    def bridge(self, switch: Switch, device: str = "net", *, user: str = ROOT, name: str = "uplink") -> Port:
        """Join the switch of its guests to the network outside, over the network card of the host's computer.

        The host's driver takes packets from one to the other. Be the port of the switch, called `name`, which
        leads on. The history begins anew.

        Raises:
            VlabError: for anybody but the administrator; if there is no such card, or it is taken; if packets
                would go round in a loop; without memory for the driver.
        """
        expect_in_charge(in_charge(self), self.kind)
        self.users.expect_administrator(user, _("join networks"))
        bridge = self.bridges.get(device) or Bridge(self, device)
        new = bridge not in self.drivers
        if new:
            bridge.set_up()
        try:
            port = bridge.plug(switch, name)
        except VlabError:
            if new:
                self.frames.give(bridge.frames)
            raise
        if new:
            self.bridges[device] = bridge
            self.drivers.append(bridge)
        self.wake()
        return port

    def adopt(self, vm: VirtualMachine, user: str) -> None:
        """A virtual machine becomes a process: its memory is a piece of the process's address space."""
        program = programs.load(self.monitor) if self.monitor else None
        space = vm_space(self.computer.memory, self.frames, vm.memory, program)
        process = self._new(vm.name, user, VM, space, vm.weight)
        process.vm = vm
        if program is not None:
            process.outside, process.pc = True, program.entry

    @property
    def vms(self) -> list[VirtualMachine]:
        """The virtual machines on it."""
        return [] if self.hypervisor is None else self.hypervisor.vms

    def pause(self, what: Process | VirtualMachine, *, user: str = ROOT) -> None:
        """Let a process or a virtual machine stand still; VlabError for who doesn't own it."""
        process = self._expect_owner(what, user)
        if process.vm is not None:
            process.vm.pause()
            return
        if self.inside is process:
            self.take_hart()
        process.paused = True
        self.wake()

    def resume(self, what: Process | VirtualMachine, *, user: str = ROOT) -> None:
        """Let it go on; VlabError for who doesn't own it."""
        process = self._expect_owner(what, user)
        if process.vm is not None:
            process.vm.resume()
            return
        process.paused = False
        self.wake()

    def type(self, vm: VirtualMachine, text: str, *, user: str = ROOT) -> None:
        """Type at a virtual machine's console; VlabError for who doesn't own it."""
        self._expect_owner(vm, user)
        vm.type(text)

    def stop(self, what: Process | VirtualMachine, *, user: str = ROOT) -> None:
        """End a process, or a virtual machine for good; VlabError for who doesn't own it."""
        process = self._expect_owner(what, user)
        if process.vm is not None:
            self._installed().remove(process.vm)
            return
        if self.inside is process:
            self.take_hart()
        self.over(process)
        self.wake()

    def _expect_owner(self, what: Process | VirtualMachine, user: str) -> Process:
        process = what if isinstance(what, Process) else self.process_of(what)
        if process not in self.processes or not process.alive:
            raise VlabError(_("This process is over, or of another host."), where=repr(process))
        self.users.expect_owner(user, process.user, process.name)
        return process

    # Looking

    def memory_map(self) -> MemoryMap:
        """Whose the memory of its computer is: its own, its processes', its VMs', free."""
        return memory_map(self.computer, self.vms)

    def uses(self) -> Iterator[Use]:
        """What it uses its computer's frames for; those that are not named are free."""
        first = self.computer.memory.base // PAGE
        yield Use("", "host", range(first, first + OWN_FRAMES))
        for bridge in self.bridges.values():
            if bridge in self.drivers:
                yield Use("", "host", bridge.frames)
        for process in self.processes:
            if process.space is not None:
                yield Use(process.name, "process", sorted(process.space.frames()))
        if self.hypervisor is not None:
            yield from (use for use in self.hypervisor.uses() if use.owner)

    # Saving

    def state(self) -> dict[str, Any]:
        """All that it remembers, as plain data."""
        return host_state(self)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as `state` says. Processes and virtual machines that are there already stay the same objects.

        Raises:
            VlabError: if it is damaged, or doesn't fit; all is then as it was.
        """
        before = self.state()
        try:
            restore_host(self, Checker(state, "host"))
        except BaseException:  # Ctrl-C too
            restore_host(self, Checker(before, "host"))
            raise


RESIDENTS[Host.kind] = partial(Host, power_on=False)
