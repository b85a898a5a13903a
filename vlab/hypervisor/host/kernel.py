"""The host's kernel: what stands behind the trap vector of its computer.

Every trap and every interrupt comes here. It is dealt with, or handed to the hypervisor; then some process runs.
"""

from abc import ABC, abstractmethod
from collections import Counter
from typing import ClassVar

from vlab.display import Drawn
from vlab.events import Injection, Routing
from vlab.events import Trap as TrapEvent
from vlab.hypervisor.firmware import firmware
from vlab.hypervisor.frames import Frames
from vlab.hypervisor.host.bridge import Bridge
from vlab.hypervisor.host.calls import Refused, give_line, system_call
from vlab.hypervisor.host.console import Console
from vlab.hypervisor.host.interrupts import Controller, Driver
from vlab.hypervisor.host.module import Module
from vlab.hypervisor.host.processes import EXITED, KILLED, READING, READY, SLEEPING, SYSTEM, Process
from vlab.hypervisor.host.users import Users
from vlab.hypervisor.hypervisor import OWN_FRAMES
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import GATE, Computer, Resident, standing
from vlab.machine.board import FINISHER_BASE
from vlab.machine.expecting import expect_computer
from vlab.riscv import Cause, Interrupt, Mode
from vlab.riscv.csrs import CSRS
from vlab.riscv.disassembler import trap_value
from vlab.riscv.privilege import INTERRUPT_BIT, cause_key

NEVER = (1 << 64) - 1
SLICE = 2000  # time that a process has before another one's turn
MARK = b"the host's own memory"  # at the start of RAM, where a kernel in assembly would have its code
_FAILED = 0x13333  # to the finisher: off, with status 1
_SPP, _SPIE = CSRS["sstatus"]["SPP"].mask, CSRS["sstatus"]["SPIE"].mask
_SIE = CSRS["sie"]["STIE"].mask | CSRS["sie"]["SEIE"].mask
_KICK = INTERRUPT_BIT | Interrupt.SSI  # by which a host takes the hart from a process
_STI, _SEI = INTERRUPT_BIT | Interrupt.STI, INTERRUPT_BIT | Interrupt.SEI
_LOADS = {1: "lbu", 2: "lhu", 4: "lwu", 8: "ld"}
_STORES = {1: "sb", 2: "sh", 4: "sw", 8: "sd"}


class Kernel(Drawn, Resident, ABC):
    """What a host does behind its vector: traps, interrupts, system calls, turns, devices, and its end."""

    kind: ClassVar[str] = "host"
    monitor: ClassVar[str] = (
        ""  # the program of those processes that are virtual machines; none: they have none
    )

    def __init__(self, computer: Computer, *, power_on: bool = True):
        """`power_on` is false for one that will be restored."""
        expect_computer(computer)
        self.computer = computer
        self.console = Console(self)
        self.controller = Controller(self)
        self.drivers: list[Driver] = [self.console]
        self.bridges: dict[str, Bridge] = {}  # by card; those that are in use are among the drivers
        self.module = Module(self)  # installed or not
        self.reset()
        if power_on:
            computer.settle(self, Mode.M, Mode.S)
            computer.memory.poke(computer.memory.base, MARK)

    def reset(self) -> None:
        """Be as at power-on, with nobody there but the administrator."""
        self.users = Users()
        self.processes: list[Process] = []
        self.hypervisor: Module | None = None
        self.frames = Frames(self.computer.memory, OWN_FRAMES)
        self.routed: Counter[tuple[str, str]] = Counter()
        self.panicked = ""  # its last words
        self.booted = False
        self.inside: Process | None = None  # the process that runs directly at this moment
        self.last: Process | None = None  # that ran last
        self.entered = 0  # the timer when it began to
        self.slice_end = 0
        self.floor = 0  # no process that can run had less, for its weight
        self.loaded_satp: int | None = 0  # None: whatever comes next is loaded, and fenced

    @property
    def in_control(self) -> bool:
        """Whether the computer's hart stands in this host; if a process ran, it has left the hart."""
        hart = self.computer.hart
        return hart.pc == GATE and not hart.virtual and self.computer.residents.get(hart.mode) is self

    @property
    def running(self) -> VirtualMachine | None:
        """The virtual machine that it let run last; None if that was an ordinary program."""
        return None if self.last is None else self.last.guest

    # What the rest of the host does for it

    @abstractmethod
    def adopt(self, vm: VirtualMachine, user: str) -> None:
        """A new virtual machine becomes a process of `user`."""

    @abstractmethod
    def process_of(self, vm: VirtualMachine) -> Process:
        """The process that a virtual machine is."""

    # Behind the trap vector

    def handle(self) -> None:
        """Whatever brought the hart here, deal with it; then let a process run."""
        process, self.inside = self.inside, None
        if not self.booted:
            self._boot()
        elif process is None:
            self._interrupts(
                self.computer.issue("csrr a0, sip")
            )  # a wait is over, or the hart was taken by hand
        elif process.guest is not None:
            self._exited(process, process.guest)
        else:
            self._trapped(process)
        memory = self.computer.memory
        if memory.peek(memory.base, len(MARK)) != MARK:
            self._panic("its own memory was overwritten")
        if not self.panicked:
            for driver in self.drivers:
                driver.serve()
            self._go_on()

    def _boot(self) -> None:
        """From power-on in M mode to S mode, with every trap and every interrupt coming here."""
        issue = self.computer.issue
        for csr, value in firmware(self.computer).items():
            issue(f"csrw {csr}, a0", value)
        issue("mret")
        issue("csrw stvec, a0", GATE)
        for driver in self.drivers:
            driver.start()
            self.controller.enable(driver.source)
        issue("csrw sie, a0", _SIE)
        self.booted = True

    def _trapped(self, process: Process) -> None:
        """An ordinary process, or a guest in system mode, left the hart: save it, and see why."""
        issue, process.x[:] = self.computer.issue, self.computer.registers
        now = issue("csrr a0, time")
        self._account(process, now - 1 - self.entered)  # reading the time took one instruction of ours
        cause = issue("csrr a0, scause")
        value = issue("csrr a0, stval")
        process.pc = issue("csrr a0, sepc")
        if process.kind == SYSTEM:
            # It may have changed any register of S mode. Its table it keeps; the rest is the host's bad luck.
            process.mode = Mode.S if issue("csrr a0, sstatus") & _SPP else Mode.U
            process.satp = self.loaded_satp = issue("csrr a0, satp")
        if cause & INTERRUPT_BIT:
            self._interrupts(1 << (cause & ~INTERRUPT_BIT))
            return
        self._route(cause, process.name, "host")
        if process.mode == Mode.S:
            self._panic(f"{cause_key(cause)} in system mode, pc {process.pc:#x}, {trap_value(cause, value)}")
        elif cause == Cause.ECALL_FROM_U:
            self._call(process)
        else:
            self._kill(process, f"{cause_key(cause)} at pc {process.pc:#x}, {trap_value(cause, value)}")

    def _call(self, process: Process) -> None:
        """A system call, or the end of who makes one that no good program makes."""
        try:
            system_call(self, process)
        except Refused as refused:
            self._kill(process, f"{refused}, at pc {process.pc:#x}")

    def _exited(self, process: Process, vm: VirtualMachine) -> None:
        """A guest left the hart: an interrupt is the host's to pass on, everything else its hypervisor's."""
        module = self.hypervisor
        if module is None or module.inside is not vm:  # somebody took the hart from it by hand
            self._account(process, self.computer.mtime - self.entered)
            return
        cause, value = module.left(vm)
        self._account(process, self.computer.mtime - self.entered)
        if not cause & INTERRUPT_BIT:
            self._route(cause, vm.name, "hypervisor", vm)
        elif cause == _STI and module.alarmed:
            self._route(cause, "timer", "hypervisor", vm)
        else:
            self._interrupts(1 << (cause & ~INTERRUPT_BIT))
        reason = module.exited(vm, cause, value)
        # A resident inside it waits for this one instruction, so it is not kept from going on.
        if self.monitor and reason == "device access" and standing(vm) is None:
            process.outside = True

    # Interrupts

    def _interrupts(self, pending: int) -> None:
        """Deal with these interrupts (bits of `sip`)."""
        if pending & 1 << Interrupt.STI:
            self._route(_STI, "timer", "host")
        if pending & 1 << Interrupt.SEI:
            self._external()

    def _external(self) -> None:
        """Ask the interrupt controller whose interrupt it is, until there is none. Each device has one turn."""
        drivers = {driver.source: driver for driver in self.drivers}
        while (source := self.controller.claim()) in drivers:
            driver = drivers.pop(source)
            vms = driver.interrupted()
            for vm in vms:
                self._route(_SEI, driver.name, "hypervisor", vm)
            if not vms:
                self._route(_SEI, driver.name, "host")
            self.controller.complete(source)

    def _route(self, cause: int, source: str, to: str, vm: VirtualMachine | None = None) -> None:
        """Say to whom an interrupt or a trap goes."""
        self.routed[source, to] += 1
        computer = self.computer
        if computer.events.on:
            computer.events.emit(Routing, computer.level, cause, source, to, "" if vm is None else vm.name)

    # Turns

    def _go_on(self) -> None:
        """Choose a process that can run, and go on with it; with none, wait for an interrupt."""
        issue = self.computer.issue
        now = issue("csrr a0, time")
        for process in self.processes:
            if process.doing == SLEEPING and process.wake <= now:
                process.doing = READY
        chosen = self._choose(now)
        if chosen is None:
            issue("csrw stimecmp, a0", self._next_wake())
            issue("wfi")
            return
        if chosen is not self.last:
            # Another process: what the one before reserved is not this one's.
            if self.hypervisor is not None:
                self.hypervisor.set_aside()
            self.computer.reservation, self.last = None, chosen
        alarm = min(self.slice_end, self._next_wake())
        self._set_origin(chosen)
        if chosen.guest is not None and self.hypervisor is not None:
            self.inside, self.entered = chosen, now
            self.hypervisor.enter(chosen.guest, alarm)
        else:
            self._enter(chosen, alarm)

    def _choose(self, now: int) -> Process | None:
        """Weighted fair: whoever had the least time for its weight; the same again until its slice is over."""
        last = self.last
        if last is not None and self._goes_on(last, now) and self._ready(last):
            return last
        gave_up = self.slice_end == 0
        order = sorted(self.processes, key=lambda one: (gave_up and one is last, one.turn, one.pid))
        process = next(filter(self._ready, order), None)
        if process is not None:
            self.slice_end = now + SLICE
            self.floor = max(self.floor, process.account.spent)
            process.account.spent = self.floor  # who slept has not saved up time
        return process

    def _goes_on(self, process: Process, now: int) -> bool:
        """Whether it is still its turn. A VM that only waits for an alarm lets others run till then.

        A guest's resident is never left between two of its instructions: its Python waits for this one.
        """
        if process.vm is not None and (process.vm.sleep or standing(process.vm) is not None):
            return not process.vm.sleep
        return now < self.slice_end

    def _ready(self, process: Process) -> bool:
        """Whether a process can run now. Looking at a VM may deliver it an interrupt, or end its wait."""
        if process.doing != READY or process.paused:
            return False
        vm, module = process.vm, self.hypervisor
        if vm is None or module is None:
            return vm is None
        before = vm.skipped
        can = module.ready(vm)
        process.account.charge(vm.skipped - before)  # while it slept, it was the others' turn
        return can

    def _account(self, process: Process, time: int) -> None:
        """A process had the hart for so long."""
        process.used += time
        process.account.weight = process.weight
        process.account.charge(time)

    def _next_wake(self) -> int:
        """When the first sleeper wakes."""
        return min((process.wake for process in self.processes if process.doing == SLEEPING), default=NEVER)

    def _set_origin(self, process: Process) -> None:
        """Which mode `sret` leads to: only after a guest in system mode is that not U mode already."""
        if any(one.kind == SYSTEM for one in self.processes):
            self.computer.issue("csrc sstatus, a0", _SPP)
        if process.mode == Mode.S:
            self.computer.issue("csrs sstatus, a0", _SPP | _SPIE)  # and lets interrupts through there

    def _enter(self, process: Process, alarm: int) -> None:
        """Let a process run directly: its table, the alarm, its registers, and `sret`."""
        issue = self.computer.issue
        self.module.schedule.idle()
        self._load_table(process.satp)
        issue("csrw sepc, a0", process.pc)
        issue("csrw stimecmp, a0", alarm)
        self.entered = issue("csrr a0, time") + 1
        self.computer.registers[:] = process.x
        self.inside = process
        issue("sret")

    def _load_table(self, satp: int) -> None:
        """Another page table: `satp`, and a fence, because the TLB knows no address spaces."""
        if satp != self.loaded_satp:
            self.computer.issue("csrw satp, a0", satp)
            self.computer.issue("sfence.vma")
            self.loaded_satp = satp

    # Devices: loads and stores in S mode, without translation

    def load(self, address: int, size: int) -> int:
        """Load from a device's register, by an instruction of the host."""
        self._load_table(0)
        return self.computer.issue(f"{_LOADS[size]} a0, (a0)", address)

    def store(self, address: int, size: int, value: int) -> None:
        """Store to a device's register, by an instruction of the host."""
        self._load_table(0)
        self.computer.registers[11] = address
        self.computer.issue(f"{_STORES[size]} a0, (a1)", value)

    # What others do to it

    def wake(self) -> None:
        """There may be a process to run: end the wait for an interrupt, here and in the levels outside."""
        if self.inside is None:
            self.computer.hart.waiting = False
        self.computer.woken()

    def take_hart(self) -> None:
        """Take the hart from the process that runs, between two of its instructions, as an interrupt would.

        Raises:
            VlabError: if a guest in system mode has put its own trap vector in the place of the host's.
        """
        process, computer = self.inside, self.computer
        if process is None:
            return
        if process.guest is not None:
            process.guest.stop()
            self._account(process, computer.mtime - self.entered)
            self.inside = None
            return
        if isinstance(computer, VirtualMachine):
            computer.stop()
        if not self.in_control:
            if computer.hart.csr.values["stvec"] != GATE:
                raise VlabError(_("A guest in system mode has taken the host's trap vector."))
            computer.hart.trap(_KICK, 0, Injection if computer.level else TrapEvent)
        values = computer.hart.csr.values
        process.x[:], process.pc = computer.registers, values["sepc"]
        self._account(process, computer.mtime - self.entered)
        if process.kind == SYSTEM:
            process.mode = Mode.S if values["mstatus"] & _SPP else Mode.U
            process.satp = self.loaded_satp = values["satp"]
        self.inside = None

    # What system calls and drivers do

    def later(self, time: int) -> int:
        """The timer, so much time from now."""
        return min(NEVER, self.computer.mtime + time)

    def end_slice(self) -> None:
        """Whoever had its turn gives it up."""
        self.slice_end = 0

    def serve_readers(self) -> None:
        """Something was typed: give lines to those who wait for them, the longest-waiting first."""
        for process in self.processes:
            if process.doing == READING:
                try:
                    give_line(self, process)
                except Refused as refused:
                    self._kill(process, f"{refused}, at pc {process.pc:#x}")

    # Ends

    def over(self, process: Process, *, status: int = 0, reason: str = "") -> None:
        """A process is over: its frames are free again."""
        process.doing, process.status, process.reason = KILLED if reason else EXITED, status, reason
        if self.inside is process:
            self.inside = None
        if self.last is process and process.vm is not None:
            self.last = None
        process.vm = None
        if process.space is not None:
            process.space.release()
            process.space = None

    def _kill(self, process: Process, reason: str) -> None:
        """End a process that did what it may not. Nothing else happens: that is what a host is for."""
        self.console.write(f"[{process.pid}] {process.name} killed: {reason}\n".encode())
        if process.vm is not None:
            self.module.end(process.vm)
        self.over(process, status=1, reason=reason)

    def _panic(self, reason: str) -> None:
        """The host itself is broken: say so, and switch the computer off, with everybody on it."""
        self.panicked = reason
        self.console.write(f"host panic: {reason}\n".encode())
        for process in self.processes:
            if process.alive:
                process.doing, process.reason = KILLED, "host panic"
        self.store(FINISHER_BASE, 4, _FAILED)
