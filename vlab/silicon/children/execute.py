"""Execute one instruction in a process of its own, traced by this one: Linux alone, on CPUs whose layout is known.

The tracer is to the traced process what a hypervisor is to a guest: the host's kernel stops the process at
the trap and tells the tracer, which looks at it and never lets it go on (ptrace(2)). Where tracing is forbidden, the
process dies of the signal, and its number is all that is known.
"""

import ctypes
import faulthandler
import mmap
import os
import platform
import signal
from collections.abc import Callable
from typing import Any

_TRACE_ME, _CONTINUE = 0, 7
_SET_OPTIONS, _GET_SIGINFO, _GET_REGISTERS = 0x4200, 0x4202, 0x4204
_EXIT_KILL = 0x100000
_PRSTATUS = 1  # NT_PRSTATUS: the general registers, as in a core file
# Where the program counter stands in them: struct user_regs_struct, or user_pt_regs.
_PC = {"x86_64": 128, "aarch64": 256, "riscv64": 0}
_SECONDS = 2  # for one instruction
_PAGE = mmap.PAGESIZE
_RESULT = 8

_Fields = dict[str, Any]


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def answer(request: list[_Fields]) -> list[_Fields]:
    """What becomes of each instruction: its "before", "code" and "after" are bytes in hexadecimal."""
    found = []
    for row in request:
        before, code, after = (bytes.fromhex(row[part]) for part in ("before", "code", "after"))
        found.append(attempt(before + code + after, len(before)))
    return found


def attempt(code: bytes, offset: int) -> _Fields:
    """Execute a function's code in a child of this process, and say how the instruction at `offset` ended.

    "signal" and "si_code" (None: not known), whether the "address" that came with the signal is the instruction's,
    none or elsewhere, whether the process stood "at" it; or the "result" that the function gave. "error"
    says what kept it from being tried.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_the_child(code, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        return _watch(child, pipe, offset)


def _watch(child: int, pipe: Any, offset: int) -> _Fields:
    first = pipe.read(1 + 8)
    if len(first) < 9:
        os.waitpid(child, 0)
        return {"error": "child"}
    if first[:1] == b"e":
        os.waitpid(child, 0)
        return {"error": (first[1:] + pipe.read()).decode(errors="replace").strip()}
    start = int.from_bytes(first[1:], "little") + offset
    if first[:1] == b"t":
        return _trace(child, pipe, start)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return _died(os.WTERMSIG(status))
    return {"result": int.from_bytes(pipe.read(_RESULT), "little")}


def _trace(child: int, pipe: Any, start: int) -> _Fields:
    os.waitpid(child, 0)  # it stopped itself
    _ptrace(_SET_OPTIONS, child, 0, _EXIT_KILL)
    _ptrace(_CONTINUE, child, 0, 0)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSTOPPED(status):
        return {"result": int.from_bytes(pipe.read(_RESULT), "little")}
    try:
        info = ctypes.create_string_buffer(128)
        _ptrace(_GET_SIGINFO, child, 0, ctypes.addressof(info))
        return stopped(info.raw, _program_counter(child), start)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def stopped(info: bytes, pc: int | None, start: int) -> _Fields:
    """What a siginfo_t says of an instruction at `start`."""
    number = int.from_bytes(info[:4], "little")
    if number == signal.SIGALRM:
        return {"error": "time"}
    address = int.from_bytes(info[16:24], "little")
    return {
        "signal": signal.Signals(number).name,
        "si_code": int.from_bytes(info[8:12], "little", signed=True),
        "address": {0: "none", start: "instruction"}.get(address, "elsewhere"),
        "at": None if pc is None else pc == start,
    }


def _died(number: int) -> _Fields:
    if number == signal.SIGALRM:
        return {"error": "time"}
    return {"signal": signal.Signals(number).name, "si_code": None, "address": "unknown", "at": None}


def _program_counter(child: int) -> int | None:
    place = _PC.get(platform.machine())
    registers = ctypes.create_string_buffer(1024)
    vector = _Vector(ctypes.addressof(registers), len(registers))
    if place is None:
        return None
    _ptrace(_GET_REGISTERS, child, _PRSTATUS, ctypes.addressof(vector))
    return int.from_bytes(registers.raw[place : place + 8], "little")


def _ptrace(request: int, process: int, address: int, data: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, process, address, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


# --- In the child


def _be_the_child(code: bytes, pipe: int) -> None:  # pragma: no cover - it never returns
    try:
        faulthandler.disable()
        signal.alarm(_SECONDS)
        function, address = executable(code)
        scratch = ctypes.create_string_buffer(_PAGE)
        try:
            _ptrace(_TRACE_ME, 0, 0, 0)
            traced = True
        except OSError:
            traced = False
        os.write(pipe, (b"t" if traced else b"a") + address.to_bytes(8, "little"))
        if traced:
            os.kill(os.getpid(), signal.SIGSTOP)
        result = function(ctypes.addressof(scratch))
        os.write(pipe, int(result).to_bytes(_RESULT, "little"))
    except OSError as error:
        os.write(pipe, b"e" + os.strerror(error.errno or 0).encode().ljust(8))
    finally:
        os._exit(0)


def executable(code: bytes) -> tuple[Callable[[int], int], int]:
    """A function of these bytes and its address: written first, executable only then, as W^X asks for.

    Raises:
        OSError: if the host has no such memory to give, or lets none of it become executable.
    """
    pages = mmap.mmap(-1, _PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if libc.mprotect(address, _PAGE, mmap.PROT_READ | mmap.PROT_EXEC):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    function = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(address)
    _kept.append(pages)
    return function, address


_kept: list[mmap.mmap] = []  # what is unmapped can't be called
