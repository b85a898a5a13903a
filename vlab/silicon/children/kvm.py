"""A virtual machine through Linux's /dev/kvm: the whole of a hypervisor's program, in three modules of Python.

The host's kernel has the module that runs a guest on the CPU. A process asks it by ioctl(2): for a VM, for a virtual
CPU, and then, again and again, to let that run (KVM_RUN). The call comes back when the guest does what the process has
to deal with: that is an exit. The numbers and layouts are those of linux/kvm.h and of its manual, "The Definitive
KVM (Kernel-based Virtual Machine) API Documentation".

The guest begins as every x86 CPU does, in 16-bit mode without page tables, and has 32 KiB of memory. Guests are not
trusted: some instructions (`vmcall`, a trap without a handler) never come to an end, so a timer ends the run.
"""

import ctypes
import enum
import errno
import fcntl
import mmap
import os
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_DEVICE = Path("/dev/kvm")
_MODULES = Path("/sys/module")
_CPU_INFO = Path("/proc/cpuinfo")
# The modules, and the parameter that tells of the second page table. kvm_pvm has none: it is for hosts that are virtual
# machines themselves, and whose CPU has no mode for guests to give; it keeps shadow page tables.
_SECOND_STAGE = {"kvm_pvm": "", "kvm_intel": "ept", "kvm_amd": "npt"}
_FLAGS_OF = {"kvm_intel": "vmx", "kvm_amd": "svm"}
_API = 12  # the only one that there is

MEMORY = 0x8000  # the guest's, from address 0; what lies above is nobody's, and so MMIO
START = 0x1000  # where its code stands
CONSOLE = 0x3F8  # a port: what is written there is shown, what is read there was typed
TYPED = b"A"
NOTHING = 0xFF  # what is read where nothing answers
MAKER = b"vlab"  # what `cpuid` calls the maker of the virtual CPU

MOST_EXITS = 100
_MOST_LETTERS = 40
SECONDS = 1.0  # of the CPU's time, however busy the host is
_AGAIN = 0.05  # the alarm rings on: the first may come just before the guest runs
TIMED = 2000
_FIRST = 100  # not counted: caches are cold
_STORM = bytes.fromhex("baf803 ee ebfd")  # mov $0x3f8, %dx, and then out %al, (%dx) for ever

_Fields = dict[str, Any]


class Ask(enum.IntEnum):
    """What is asked of the module: the numbers of linux/kvm.h, made of direction, size, 0xAE, and the request's own."""

    GET_API_VERSION = 0xAE00
    CREATE_VM = 0xAE01
    CHECK_EXTENSION = 0xAE03
    GET_VCPU_MMAP_SIZE = 0xAE04
    CREATE_VCPU = 0xAE41
    SET_USER_MEMORY_REGION = 0x4020AE46
    SET_TSS_ADDR = 0xAE47
    RUN = 0xAE80
    GET_REGS = 0x8090AE81
    SET_REGS = 0x4090AE82
    GET_SREGS = 0x8138AE83
    SET_SREGS = 0x4138AE84
    SET_CPUID2 = 0x4008AE90


class Reason(enum.IntEnum):
    """Why KVM_RUN came back."""

    KVM_EXIT_UNKNOWN = 0
    KVM_EXIT_EXCEPTION = 1
    KVM_EXIT_IO = 2
    KVM_EXIT_HYPERCALL = 3
    KVM_EXIT_DEBUG = 4
    KVM_EXIT_HLT = 5
    KVM_EXIT_MMIO = 6
    KVM_EXIT_SHUTDOWN = 8
    KVM_EXIT_FAIL_ENTRY = 9
    KVM_EXIT_INTERNAL_ERROR = 17


# struct kvm_regs: 16 general registers in this order, then rip and rflags.
_REGISTERS = struct.Struct("<18Q")
_PLACES = {"rip": 16, "rax": 0, "rbx": 1, "rcx": 2, "rdx": 3}
_SP, _FLAGS = 6, 17
# struct kvm_sregs, which begins with the segment cs: its base (u64), limit (u32) and selector (u16).
_SREGS = 312
_CS = struct.Struct("<QIH")
_CAP_IMMEDIATE_EXIT = 136
# struct kvm_run, which the module shares with us: its parts, and what they are said of an exit.
_IMMEDIATE_EXIT, _EXIT_REASON, _SAID = 1, 8, 32
_IO = struct.Struct("<BBHIQ")  # out?, size, port, count, where the data stands
_MMIO = struct.Struct("<Q8sIB")  # address, data, size, write?
_MMIO_DATA = _SAID + 8


class TooLong(Exception):
    """The time is over, and the guest still runs."""


def answer(request: _Fields) -> _Fields:
    """Run a guest's "code" (in hexadecimal): its "exits", what it printed, how it "ended"; or an "error"."""
    return _asked(lambda: run(bytes.fromhex(request["code"])))


def times(_request: object) -> _Fields:
    """How long an exit and the way back take, and a system call alone; or an "error"."""
    return _asked(measure)


def _asked(what: Callable[[], _Fields]) -> _Fields:
    try:
        return what()
    except TooLong:
        return {"error": "time"}
    except OSError as error:
        return {"error": errno.errorcode.get(error.errno or 0, "?")}


def run(code: bytes) -> _Fields:
    """Run a guest to its end, or until it has taken too much."""
    exits: list[_Fields] = []
    devices = Devices()
    with VirtualCpu(code) as cpu:
        try:
            with alarm():
                ended = run_loop(cpu, devices, exits)
        except TooLong:
            ended = "time"
    return {
        "backend": backend(_MODULES, _cpu()),
        "exits": exits,
        "console": bytes(devices.console[:_MOST_LETTERS]).hex(),
        "ended": ended,
    }


def run_loop(cpu: "VirtualCpu", devices: "Devices", exits: list[_Fields]) -> str:
    """Let the guest run, deal with its exit, let it run on. Returns how it ended."""
    while len(exits) < MOST_EXITS:
        reason = cpu.run()
        row: _Fields = {"access": "", "address": None, "size": 0, "count": 0, "value": None}
        match reason:
            case Reason.KVM_EXIT_IO:
                row = devices.port(*cpu.io())
            case Reason.KVM_EXIT_MMIO:
                row = devices.memory(*cpu.mmio())
        if row["access"]:
            cpu.complete()
        exits.append({"reason": name(reason), **row, **cpu.registers()})
        if reason == Reason.KVM_EXIT_HLT:
            return "halted"
        if not row["access"]:
            return "stopped"
    return "exits"


def name(reason: int) -> str:
    """A reason's name; a number, where it is none of those that we know."""
    return Reason(reason).name if reason in list(Reason) else f"KVM_EXIT_{reason}"


class Devices:
    """What the guest's computer has beside memory: a console behind a port, and an adder behind addresses."""

    def __init__(self) -> None:
        self.console = bytearray()
        self._typed = bytearray(TYPED)
        self._stored = 0

    def port(self, out: bool, port: int, size: int, count: int, data: memoryview) -> _Fields:
        """The instructions `out` and `in`."""
        if out and port == CONSOLE:
            self.console += data[:_MOST_LETTERS]
        elif not out:
            data[:] = bytes([NOTHING]) * len(data)
            if port == CONSOLE and self._typed:
                data[0] = self._typed.pop(0)
        return _row("out" if out else "in", port, size, count, data)

    def memory(self, write: bool, address: int, size: int, data: memoryview) -> _Fields:
        """A store or load where no memory is: what was stored last comes back, plus one."""
        if write:
            self._stored = int.from_bytes(data, "little")
        else:
            data[:] = (self._stored + 1 & (1 << 8 * size) - 1).to_bytes(size, "little")
        return _row("write" if write else "read", address, size, 1, data)


def _row(access: str, address: int, size: int, count: int, data: memoryview) -> _Fields:
    value = int.from_bytes(data[:size], "little")
    return {"access": access, "address": address, "size": size, "count": count, "value": value}


class VirtualCpu:
    """A virtual machine with one CPU, 32 KiB of memory, and these bytes in it.

    Raises:
        OSError: where there is no /dev/kvm, or it refuses.
    """

    def __init__(self, code: bytes):
        self._files: list[int] = []
        self._again = False
        try:
            self._create(code)
        except OSError:
            self._close()
            raise

    def _create(self, code: bytes) -> None:
        kvm = self._file(os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC))
        if ask(kvm, Ask.GET_API_VERSION) != _API or ask(kvm, Ask.CHECK_EXTENSION, _CAP_IMMEDIATE_EXIT) < 1:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        self._kvm = kvm
        machine = self._file(ask(kvm, Ask.CREATE_VM))
        ask(machine, Ask.SET_TSS_ADDR, 0x4000_0000)  # older CPUs of Intel's need three pages for 16-bit mode
        # The guest's memory is memory of this process. It must stay there as long as the guest.
        self._memory = mmap.mmap(-1, MEMORY)
        self._memory[START : START + len(code)] = code
        held = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        ask(machine, Ask.SET_USER_MEMORY_REGION, struct.pack("<IIQQQ", 0, 0, 0, MEMORY, held))
        self._cpu = self._file(ask(machine, Ask.CREATE_VCPU))
        self._run = mmap.mmap(self._cpu, ask(kvm, Ask.GET_VCPU_MMAP_SIZE))
        self._begin()

    def _begin(self) -> None:
        """The CPU's first state: all zero but where it stands, and what it answers to `cpuid`."""
        special = bytearray(_SREGS)
        ask(self._cpu, Ask.GET_SREGS, special)
        _CS.pack_into(special, 0, 0, 0xFFFF, 0)
        ask(self._cpu, Ask.SET_SREGS, special)
        first = [0] * 18
        first[_PLACES["rip"]], first[_SP], first[_FLAGS] = START, MEMORY, 2
        ask(self._cpu, Ask.SET_REGS, _REGISTERS.pack(*first))
        maker = int.from_bytes(MAKER, "little")
        ask(self._cpu, Ask.SET_CPUID2, struct.pack("<2I 10I", 1, 0, 0, 0, 0, 0, maker, 0, 0, 0, 0, 0))

    def run(self) -> int:
        """Let the guest run until an exit; its reason."""
        if not self._again:
            ask(self._cpu, Ask.RUN)
        self._again = False
        return int.from_bytes(self._run[_EXIT_REASON : _EXIT_REASON + 4], "little")

    def complete(self) -> None:
        """Finish the instruction of the last exit, and no more.

        Until then its registers differ from host to host: some count it as executed, and others don't.
        """
        self._run[_IMMEDIATE_EXIT] = 1
        try:
            ask(self._cpu, Ask.RUN)
            self._again = True  # an access in several pieces: its next exit has come already
        except InterruptedError:
            pass
        finally:
            self._run[_IMMEDIATE_EXIT] = 0

    def io(self) -> tuple[bool, int, int, int, memoryview]:
        """What KVM_EXIT_IO is about: out?, the port, the size, how often, and the data."""
        out, size, port, count, place = _IO.unpack_from(self._run, _SAID)
        return bool(out), port, size, count, memoryview(self._run)[place : place + size * count]

    def mmio(self) -> tuple[bool, int, int, memoryview]:
        """What KVM_EXIT_MMIO is about: write?, the guest-physical address, the size, and the data."""
        address, _data, size, write = _MMIO.unpack_from(self._run, _SAID)
        return bool(write), address, size, memoryview(self._run)[_MMIO_DATA : _MMIO_DATA + size]

    def registers(self) -> dict[str, int]:
        """Some of its registers."""
        found = bytearray(_REGISTERS.size)
        ask(self._cpu, Ask.GET_REGS, found)
        values = _REGISTERS.unpack(found)
        return {name: values[place] for name, place in _PLACES.items()}

    def nothing(self) -> None:
        """A system call that does next to nothing, to compare with."""
        ask(self._kvm, Ask.GET_API_VERSION)

    def _file(self, number: int) -> int:
        self._files.append(number)
        return number

    def _close(self) -> None:
        while self._files:
            os.close(self._files.pop())

    def __enter__(self) -> "VirtualCpu":
        return self

    def __exit__(self, *_error: object) -> None:
        self._close()


def ask(file: int, request: Ask, argument: int | bytes | bytearray = 0) -> int:
    """One ioctl, with a number or a structure. Python takes the request's number as a signed one of 32 bits."""
    signed = request - (1 << 32) if request >> 31 else int(request)
    if isinstance(argument, bytes):
        argument = bytearray(argument)  # for bytes, it would give them back, and not the module's answer
    return int(fcntl.ioctl(file, signed, argument))


@contextmanager
def alarm() -> Iterator[None]:
    """End what takes too long, by an exception: the signal makes KVM_RUN come back."""

    def ring(_number: int, _frame: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGPROF, ring)
    try:
        signal.setitimer(signal.ITIMER_PROF, SECONDS, _AGAIN)
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _cpu() -> str:
    try:
        return _CPU_INFO.read_text("utf-8", "replace")
    except OSError:
        return ""


def backend(folder: Path, cpu: str) -> _Fields:
    """Which module runs the guest, and whether it translates guest-physical addresses by a second page table.

    A kernel may have Intel's and AMD's built in, and uses the one of its CPU, whose facts `cpu` are.
    """
    known = [name for name in _SECOND_STAGE if (folder / name).is_dir()]
    fit = [name for name in known if _FLAGS_OF.get(name, "") in cpu.split()]
    chosen = (fit or known or [""])[0]
    switch = folder / chosen / "parameters" / _SECOND_STAGE.get(chosen, "")
    if chosen == "kvm_pvm":
        return {"module": chosen, "second": False}
    try:
        return {"module": chosen, "second": switch.read_text()[:1] in ("Y", "1")}
    except OSError:
        return {"module": chosen, "second": None}


def measure() -> _Fields:
    """The time, in nanoseconds, of an exit to this process and back to the guest, and of a system call alone."""
    with VirtualCpu(_STORM) as cpu, alarm():
        return {"backend": backend(_MODULES, _cpu()), "exit": _timed(cpu.run), "call": _timed(cpu.nothing)}


def _timed(act: Callable[[], object]) -> list[int]:
    """From the least to the greatest: 101 of the times, one after each hundredth of them."""
    found = []
    for _number in range(_FIRST + TIMED):
        start = time.perf_counter_ns()
        act()
        found.append(time.perf_counter_ns() - start)
    ordered = sorted(found[_FIRST:])
    return [ordered[part * (TIMED - 1) // 100] for part in range(101)]
