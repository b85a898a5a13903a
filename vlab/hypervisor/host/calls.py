"""The system calls of a host: what its processes may ask for, and nothing else."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vlab.hypervisor.host.processes import READING, READY, SLEEPING, Process
from vlab.hypervisor.host.programs import calls

if TYPE_CHECKING:
    from vlab.hypervisor.host.kernel import Kernel

A0, A1, A7 = 10, 11, 17
LONGEST_WRITE = 1 << 12  # bytes of one call: more are printed by more calls


class Refused(Exception):
    """A call that no well-behaved program makes: its process is killed. The argument says why."""


def system_call(host: "Kernel", process: Process) -> None:
    """Do what a process asks for. Raises Refused for a call that doesn't exist, or with a wild pointer."""
    call = _CALLS.get(process.x[A7])
    if call is None:
        raise Refused(f"there is no system call {process.x[A7]}")
    process.pc += 4
    result = call(host, process)
    if result is not None:
        process.x[A0] = result


def give_line(host: "Kernel", process: Process) -> None:
    """A reader gets the next typed line, if there is one; else it goes on waiting. Raises Refused."""
    address, room = process.wanted
    line = host.console.line(room)
    if line is None:
        process.doing = READING
        return
    if process.space is None or not process.space.write(address, line):
        raise Refused(f"it wants to read to {address:#x}, which is not its to write")
    process.x[A0], process.doing = len(line), READY


def _write(host: "Kernel", process: Process) -> int:
    address, size = process.x[A0], min(process.x[A1], LONGEST_WRITE)
    data = None if process.space is None else process.space.read(address, size)
    if data is None:
        raise Refused(f"it wants to print from {address:#x}, which is not its to read")
    host.console.write(data)
    return size


def _getpid(host: "Kernel", process: Process) -> int:
    return process.pid


def _getuid(host: "Kernel", process: Process) -> int:
    return host.users[process.user].uid


def _yield(host: "Kernel", process: Process) -> int:
    host.end_slice()
    return 0


def _sleep(host: "Kernel", process: Process) -> int:
    process.doing, process.wake = SLEEPING, host.later(process.x[A0])
    return 0


def _read(host: "Kernel", process: Process) -> None:
    process.wanted = process.x[A0], process.x[A1]
    give_line(host, process)


def _exit(host: "Kernel", process: Process) -> None:
    host.over(process, status=process.x[A0])


def _run(host: "Kernel", process: Process) -> None:
    if process.vm is None:
        raise Refused("it has no guest to run")
    process.outside = False


_BY_NAME: dict[str, Callable[["Kernel", Process], int | None]] = {
    "WRITE": _write,
    "GETPID": _getpid,
    "YIELD": _yield,
    "SLEEP": _sleep,
    "EXIT": _exit,
    "GETUID": _getuid,
    "READ": _read,
    "RUN": _run,
}
_CALLS = {number: _BY_NAME[name] for name, number in calls().items()}
