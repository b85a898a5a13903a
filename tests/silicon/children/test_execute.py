"""The child that executes an instruction, its functions called here."""

import ctypes
import os
import signal
from types import SimpleNamespace

import pytest

from tests.silicon.hosts import LINUX, X86
from vlab.silicon.children import execute

pytestmark = LINUX


def info(number, code, address):
    words = number.to_bytes(4, "little"), bytes(4), code.to_bytes(4, "little"), bytes(4)
    return b"".join(words) + address.to_bytes(8, "little")


def test_what_a_siginfo_says():
    at = execute.stopped(info(signal.SIGILL, 2, 0x1000), 0x1000, 0x1000)
    assert at == {"signal": "SIGILL", "si_code": 2, "address": "instruction", "at": True}
    far = execute.stopped(info(signal.SIGSEGV, 1, 0x2000), 0x1004, 0x1000)
    assert far == {"signal": "SIGSEGV", "si_code": 1, "address": "elsewhere", "at": False}
    none = execute.stopped(info(signal.SIGSEGV, 128, 0), None, 0x1000)
    assert (none["address"], none["at"]) == ("none", None)
    assert execute.stopped(info(signal.SIGALRM, 0, 0), 0, 0) == {"error": "time"}


@X86
def test_code_is_called_as_a_function_and_gives_its_result():
    function, address = execute.executable(bytes.fromhex("488d4701c3"))  # lea 1(%rdi), %rax; ret
    assert function(41) == 42
    assert address % execute._PAGE == 0


@X86
def test_a_kernel_that_lets_nothing_become_executable_is_an_error(monkeypatch):
    def refuse(*_arguments):
        return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_a, **_k: SimpleNamespace(mprotect=refuse))
    with pytest.raises(OSError, match=os.strerror(0)):
        execute.executable(b"\xc3")


@X86
def test_an_instruction_that_traps_one_that_runs_and_one_that_stays():
    trapped, ran = execute.answer(
        [{"before": "90", "code": "fa", "after": "c3"}, {"before": "", "code": "90", "after": "b82a000000c3"}]
    )
    assert trapped == {"signal": "SIGSEGV", "si_code": 128, "address": "none", "at": True}
    assert ran == {"result": 42}


@X86
def test_a_trap_before_the_instruction_is_not_at_it():
    found = execute.attempt(bytes.fromhex("f490c3"), 1)  # hlt stands before the nop that is watched
    assert (found["signal"], found["at"]) == ("SIGSEGV", False)


@X86
def test_where_tracing_is_forbidden_the_signal_is_all_that_is_known(monkeypatch):
    def refuse(request, *_arguments):
        assert request == execute._TRACE_ME
        raise PermissionError(1, "forbidden")

    monkeypatch.setattr(execute, "_ptrace", refuse)
    found = execute.answer(
        [{"before": "", "code": "fa", "after": "c3"}, {"before": "", "code": "90", "after": "c3"}]
    )
    assert found[0] == {"signal": "SIGSEGV", "si_code": None, "address": "unknown", "at": None}
    assert set(found[1]) == {"result"}


@X86
def test_an_instruction_that_never_ends_is_stopped(monkeypatch):
    monkeypatch.setattr(execute, "_SECONDS", 1)
    assert execute.attempt(bytes.fromhex("ebfe"), 0) == {"error": "time"}


def test_a_child_that_gets_no_memory_says_why(monkeypatch):
    def refuse(_code):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(execute, "executable", refuse)
    assert execute.attempt(b"", 0) == {"error": os.strerror(1)}


def test_nothing_is_left_running():
    execute.attempt(b"", 0)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
