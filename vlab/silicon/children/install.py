"""Ask the host's kernel for what is the administrator's, as this user and as a plain one; nothing is ever changed.

To set the computer's name (sethostname(2)), to the name that it has already: every kernel can tell by it who may do
what. And to install a module (init_module(2)): the kernel looks first at whether the asker may, and then at the image,
so the error tells the two apart. Nothing is ever loaded: the image is empty, and the file is none. A kernel that takes
no modules looks at neither.
"""

import ctypes
import errno
import os
import platform
import stat
from pathlib import Path
from typing import Any

# init_module and finit_module: the x86-64 table of system calls, and the one that newer architectures share.
_CALLS = {"x86_64": (175, 313), "aarch64": (105, 273), "riscv64": (105, 273)}
_HYPERVISORS = (
    "hv_vmbus",
    "kvm",
    "kvm_amd",
    "kvm_hv",
    "kvm_intel",
    "kvm_pvm",
    "vboxdrv",
    "vmmon",
    "xen_evtchn",
)
_MODULES = Path("/sys/module")
_DEVICE = Path("/dev/kvm")
# Which capability each call takes of who asks (capabilities(7)).
_TAKES = {
    "sethostname": 21,  # CAP_SYS_ADMIN
    "init_module": 16,  # CAP_SYS_MODULE
    "finit_module": 16,  # CAP_SYS_MODULE
    "open": 1,  # CAP_DAC_OVERRIDE: to open a file whatever its rights are
}
_PLAIN = 65534  # nobody

_Fields = dict[str, Any]


def answer(_request: object) -> _Fields:
    """All that was tried, the modules of hypervisors that are there, and the device's owner and rights."""
    tries = ask(root=os.geteuid() == 0)
    if os.geteuid() == 0:
        tries += _as_a_plain_user()
    return {"tries": tries, "modules": modules(_MODULES), "device": device(_DEVICE)}


def ask(*, root: bool) -> list[_Fields]:
    """Ask for what an administrator may, and for what a user may."""
    init, finit = _CALLS[platform.machine()]
    image = ctypes.create_string_buffer(1)
    asked = (
        ("sethostname", _name_again()),
        ("init_module", _call(init, ctypes.addressof(image), 0, ctypes.addressof(image))),
        ("finit_module", _call(finit, -1, ctypes.addressof(image), 0)),
        ("open", _open(_DEVICE)),
    )
    can = _capabilities()
    return [
        {"root": root, "capable": bool(can >> _TAKES[call] & 1), "call": call, "error": error}
        for call, error in asked
    ]


def modules(folder: Path) -> list[str]:
    """Which of the hypervisors' modules the kernel has: loaded, or built in."""
    return [name for name in _HYPERVISORS if (folder / name).is_dir()]


def device(path: Path) -> _Fields | None:
    """Whose the device is: owner, group and rights."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return {
        "path": str(path),
        "owner": _name("pwd", "getpwuid", facts.st_uid),
        "group": _name("grp", "getgrgid", facts.st_gid),
        "rights": stat.filemode(facts.st_mode),
    }


def _name(module: str, function: str, number: int) -> str:
    """The name of a user or group; its number, where the host has no name for it."""
    try:
        return str(getattr(__import__(module), function)(number)[0])
    except (ImportError, KeyError):
        return str(number)


def _call(number: int, *arguments: int) -> str:
    """The error of a system call by its name; "" where there was none."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) >= 0:
        return ""
    return _error(ctypes.get_errno())


def _name_again() -> str:
    """The error of setting the computer's name to the one that it has; "" where there was none."""
    import socket

    try:
        socket.sethostname(os.uname().nodename)
    except OSError as error:
        return _error(error.errno or 0)
    return ""


def _open(path: Path) -> str:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return _error(error.errno or 0)
    return ""


def _error(number: int) -> str:
    return errno.errorcode.get(number, str(number))


def _capabilities() -> int:
    """What this process may do beyond a plain user (capabilities(7)); 0 where nothing tells."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)


def _as_a_plain_user() -> list[_Fields]:
    """The same in a child that has given up being root; nothing, where that is not allowed."""
    import json

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - it never returns
        try:
            os.setgroups([])
            os.setresgid(_PLAIN, _PLAIN, _PLAIN)
            os.setresuid(_PLAIN, _PLAIN, _PLAIN)
            os.write(writing, json.dumps(ask(root=False)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return list(json.loads(told)) if told else []
