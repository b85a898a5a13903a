"""What this host offers and what it lacks, with the mend. Each probe is cheap and says what it tried."""

import os
import platform
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlab import files
from vlab.course import packages
from vlab.guests import firmware, linux
from vlab.guests.tools import Tool
from vlab.language import LANGUAGES, VlabError, _
from vlab.machine.execute import chosen_engine, lacking

_PYTHON = (3, 11)
_PROBE_SECONDS = 10
_LITTLE_DISK = 2 << 30
_KVM = Path("/dev/kvm")
_KVM_GET_API_VERSION = 0xAE00
_TRACE_ME = """
import ctypes, sys
sys.exit(ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0) and ctypes.get_errno())
"""


@dataclass(frozen=True)
class Finding:
    """One line of the report. `state` is "ok", "absent" (the course runs without it) or "missing"."""

    name: str
    state: str
    found: str
    mend: str = ""


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("chromium", ("chromium", "google-chrome"), "chromium"),
        Tool("binutils", ("riscv64-linux-gnu-as",), "binutils-riscv64-linux-gnu"),
        Tool("gcc", ("riscv64-unknown-elf-gcc",), "gcc-riscv64-unknown-elf"),
        Tool("qemu", ("qemu-system-riscv64",), "qemu-system-misc"),
        Tool("dtc", ("dtc",), "device-tree-compiler"),
        Tool("gdb", ("gdb-multiarch", "riscv64-unknown-elf-gdb"), "gdb-multiarch"),
        firmware.OPENSBI,
        *linux.NEEDS,
        firmware.U_BOOT,
    )
}


def examine() -> Iterator[Finding]:
    """Look at everything, the required things first."""
    yield _python()
    yield from map(_package, packages.wanted())
    yield _engine()
    yield _lessons()
    yield _git()
    yield _browser()
    yield _disk()
    yield _ptrace()
    yield _kvm()
    yield from map(_tool, TOOLS.values())


def _python() -> Finding:
    found = f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}"
    if sys.version_info >= _PYTHON:
        return Finding("Python", "ok", found)
    needed = ".".join(map(str, _PYTHON))
    return Finding("Python", "missing", found, _("install Python {needed} or newer").format(needed=needed))


def _package(package: packages.Package) -> Finding:
    """What is installed is looked up, not imported."""
    if package.good():
        return Finding(package.name, "ok", package.installed or "")
    state = "absent" if package.extra else "missing"
    return Finding(package.name, state, package.installed or _("not installed"), package.mend())


def _engine() -> Finding:
    """Which engine machines run on, and why; the native one is built to see that."""
    try:
        with warnings.catch_warnings(action="ignore"):  # what it would warn of is said here
            engine = chosen_engine(None)
    except VlabError as error:
        return Finding(_("engine"), "missing", error.what, error.mend or "")
    if engine == "native":
        return Finding(_("engine"), "ok", "native")
    lack = lacking()
    if lack is None:
        return Finding(_("engine"), "ok", _("interpreter, as VLAB_ENGINE says"))
    return Finding(
        _("engine"), "absent", _("interpreter. {problem}").format(problem=lack.what), lack.mend or ""
    )


def _lessons() -> Finding:
    notebooks = files.folder("notebooks")
    counts = [f"{code} {len(list((notebooks / code).glob('[0-9][0-9]_*.ipynb')))}" for code in LANGUAGES]
    if (notebooks / "en").is_dir():
        return Finding(_("lessons"), "ok", ", ".join(counts))
    found = _("none in {place}").format(place=notebooks)
    return Finding(_("lessons"), "missing", found, _("install vlab again"))


def _git() -> Finding:
    if path := shutil.which("git"):
        return Finding("git", "ok", _first_line(path, "--version"))
    return Finding("git", "absent", _("not found"), _("only needed to fetch and to change the project"))


def _browser() -> Finding:
    import webbrowser

    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        mend = _("open the address that `vlab lab` prints, or forward its port to where a browser is")
        return Finding(_("browser"), "absent", _("none that Python can open"), mend)
    return Finding(_("browser"), "ok", str(getattr(browser, "name", "") or type(browser).__name__))


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    found = _("{gigabytes:.1f} GB free here").format(gigabytes=free / 1e9)
    if free >= _LITTLE_DISK:
        return Finding(_("disk"), "ok", found)
    return Finding(_("disk"), "absent", found, _("an environment with everything takes about 1 GB"))


def _ptrace() -> Finding:
    """Whether a process may be traced by its parent: a child asks for it and ends."""
    if sys.platform != "linux":
        return Finding("ptrace", "absent", _("only on Linux"))
    done = _run([sys.executable, "-c", _TRACE_ME])
    status = -1 if done is None else done.returncode
    if status == 0:
        return Finding("ptrace", "ok", _("a child let itself be traced"))
    found = os.strerror(status) if status > 0 else _("the probe failed")
    mend = _("in a container: allow it, for Docker with --cap-add SYS_PTRACE")
    return Finding("ptrace", "absent", found, mend)


def _kvm() -> Finding:
    """Whether /dev/kvm opens and answers, and which module of the host kernel stands behind it."""
    if not _KVM.exists():
        return Finding("KVM", "absent", _("there is no {device}").format(device=_KVM))
    import fcntl

    try:
        with _KVM.open("rb+", buffering=0) as kvm:
            version = fcntl.ioctl(kvm, _KVM_GET_API_VERSION)
    except OSError as error:
        mend = _("join the group that owns {device}").format(device=_KVM)
        return Finding("KVM", "absent", error.strerror or str(error), mend)
    modules = ", ".join(sorted(path.name for path in Path("/sys/module").glob("kvm_*")))
    return Finding("KVM", "ok", _("API {version}; {modules}").format(version=version, modules=modules))


def _tool(tool: Tool) -> Finding:
    if path := tool.path():
        return Finding(tool.name, "ok", _first_line(path, "--version"))
    needed = _("{mend} (only for the project's tests)").format(mend=tool.mend())
    if tool in linux.NEEDS:
        needed = _("{mend} (only to build Linux, as a guest)").format(mend=tool.mend())
    return Finding(tool.name, "absent", _("not found"), needed)


def _first_line(*command: str) -> str:
    done = _run(list(command))
    lines = (done.stdout if done is not None else "").splitlines()
    return lines[0].strip() if lines else command[0]


def _run(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    """Run a probe; None where it could not be run or took too long."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
