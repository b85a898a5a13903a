"""Shutting a process in: its memory, its network, its view of the files, and what Python lets it do.

Two walls. The system's, on Linux where user namespaces may be made: `separate` for a worker and all that it starts,
`hide` for the kernel in it. And Python's own, everywhere: `forbid`, a hook that no code can take away again.
"""

import ctypes
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

_NEW_MOUNTS, _NEW_USER, _NEW_PIDS, _NEW_NETWORK = 0x20000, 0x1000_0000, 0x2000_0000, 0x4000_0000  # CLONE_NEW…
_DIE_WITH_PARENT, _KEEP_SECRETS = 1, 4  # PR_SET_PDEATHSIG, PR_SET_DUMPABLE
_PRIVATE, _BIND, _RECURSIVE = 1 << 18, 1 << 12, 1 << 14  # MS_…
_SYS_MOUNT_SETATTR, _HERE, _ALL_BELOW, _READ_ONLY = 442, -100, 0x8000, 1
_SET_FLAGS, _UP = 0x8914, 1  # SIOCSIFFLAGS, IFF_UP


def limit_memory(size: int) -> None:
    """Let this process have no more than `size` bytes of memory, and leave no core file. Where that can be said."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in ((resource.RLIMIT_AS, size), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(what, (most, most))
        except (ValueError, OSError):  # macOS refuses some
            continue


def separate() -> bool:
    """Go on in a child that has no network and sees no process but its own; False, and as before, if that can't be.

    The parent waits for the child and ends as it does. If either is killed, everything in there is.
    """
    if not _unshare(_NEW_USER | _NEW_PIDS | _NEW_NETWORK):
        return False
    _loopback_up()
    _follow(os.fork())  # the first process in there: when it ends, the system ends all others
    _die_with_parent()
    _follow(os.fork())  # the worker itself; a kernel whose parent is process 1 would take it for an orphan
    _call("prctl", _KEEP_SECRETS, 0, 0, 0, 0)
    return True


@cache
def can_separate() -> bool:
    """Whether `separate` and `hide` would work here: tried in a process of its own."""
    if sys.platform != "linux":
        return False
    probe = [sys.executable, "-c", f"from {__name__} import _probe; _probe()"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    return subprocess.run(probe, env=environment, capture_output=True, check=False).returncode == 0


def _probe() -> None:
    """End well if namespaces can be made, one kind inside the other."""
    outer = _unshare(_NEW_USER | _NEW_PIDS | _NEW_NETWORK)
    os._exit(0 if outer and _unshare(_NEW_USER | _NEW_MOUNTS) else 1)


def hide(folders: Iterable[Path], writable: Path) -> None:
    """Make the whole file system read-only but for `writable`, and these folders empty.

    Raises:
        OSError: if that can't be: nothing untrusted may run then.
    """
    _die_with_parent()
    if not _unshare(_NEW_USER | _NEW_MOUNTS):
        raise OSError("no namespace")
    _must("mount", None, b"/", None, _PRIVATE | _RECURSIVE, None)
    os.chdir(writable)
    for folder in folders:
        if folder.is_dir():
            _must("mount", b"none", bytes(folder), b"tmpfs", 0, None)
    writable.mkdir(parents=True, exist_ok=True)  # it may have stood in one of them
    _must("mount", b".", bytes(writable), None, _BIND, None)
    _attribute(Path("/"), _ALL_BELOW, _READ_ONLY, 0)
    _attribute(writable, 0, 0, _READ_ONLY)
    os.chdir(writable)


def _unshare(what: int) -> bool:
    """Enter new namespaces as the same user; False if the system doesn't let us."""
    user, group = os.getuid(), os.getgid()
    try:
        if _call("unshare", what):
            return False
        for file, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            Path("/proc/self", file).write_text(text)
    except (OSError, AttributeError):  # AttributeError: a C library without it
        return False
    return True


def _call(name: str, *arguments: Any) -> int:
    result: int = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    return result


def _must(name: str, *arguments: Any) -> None:
    if _call(name, *arguments):
        raise OSError(ctypes.get_errno(), name)


def _attribute(place: Path, flags: int, set_to: int, cleared: int) -> None:
    """mount_setattr(2), which the C library may not have yet."""
    change = struct.pack("4Q", set_to, cleared, 0, 0)
    _must("syscall", _SYS_MOUNT_SETATTR, _HERE, bytes(place), flags, change, len(change))


def _loopback_up() -> None:
    """A new network has nothing but a loopback, and that is off; the kernel is spoken to through it."""
    import fcntl

    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))


def _follow(child: int) -> None:
    """In the parent: wait for the child, and end as it does."""
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)


def _die_with_parent() -> None:
    _call("prctl", _DIE_WITH_PARENT, 9, 0, 0, 0)


_NEVER = (
    *(
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "socket.gethost",
    ),
    *(
        "subprocess.",
        "ctypes.",
        "shutil.",
        "pty.",
        "os.system",
        "os.exec",
        "os.fork",
        "os.posix_spawn",
        "os.spawn",
    ),
    *("os.startfile", "os.kill", "signal.pthread_kill"),
)
_WRITES = frozenset(
    {
        *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown"),
        *("os.link", "os.symlink", "os.truncate", "os.utime"),
    }
)
_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def forbid(folders: Iterable[Path], writable: Path, modules: str) -> None:
    """From now on, refuse Python the network, other programs, these folders, writing elsewhere, and these modules."""
    hidden = [os.path.realpath(folder) for folder in folders] + ["/proc"]
    own = os.path.realpath(writable)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _mode, flags = arguments
            if not isinstance(path, int):
                _check_path(path, hidden, own, isinstance(flags, int) and bool(flags & _FOR_WRITING))
        elif event == "import":
            if str(arguments[0]).startswith(modules):
                raise PermissionError(f"{arguments[0]} is not to be had here")
        elif event in _WRITES:
            for path in arguments[:2]:  # rename and link have two
                if isinstance(path, str | bytes | os.PathLike):
                    _check_path(path, hidden, own, writes=True)
        elif event.startswith(_NEVER):
            raise PermissionError(f"{event} is not allowed here")

    sys.addaudithook(hook)


def _check_path(path: Any, hidden: list[str], own: str, writes: bool) -> None:
    real = os.path.realpath(os.fsdecode(path))

    def inside(folder: str) -> bool:
        return real == folder or real.startswith(folder + os.sep)

    if not inside(own) and real != os.devnull and (writes or any(map(inside, hidden))):
        raise PermissionError("this file is not to be had here")
