"""Linux, unmodified: built once on this host from its distribution's kernel source, and kept in the user's cache.

`config` is what it has beyond the kernel's own `make tinyconfig`, and `init.s` its only program. It is entered in
S mode at 0x80200000, above the calls of the SBI: `Sbi(machine).load(linux.image())`, or as the next stage of OpenSBI.
It needs 16 MiB of memory and compressed instructions: `Machine(memory="16M", extensions="C")`.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from vlab.files import cache_folder
from vlab.guests.tools import Tool, mend
from vlab.language import VlabError, _

if TYPE_CHECKING:
    import subprocess

NAME = "linux"
NEEDS = (
    Tool("linux", ("/usr/src/linux-source-*.tar.xz", "/usr/src/linux-source-*.tar.bz2"), "linux-source"),
    Tool("linux-gcc", ("riscv64-linux-gnu-gcc",), "gcc-riscv64-linux-gnu"),
    Tool("make", ("make",), "make"),
    Tool("bc", ("bc",), "bc"),
    Tool("bison", ("bison",), "bison"),
    Tool("flex", ("flex",), "flex"),
)
# The parts of a build, and how many files each has, about.
STEPS = {"unpack": 80_000, "compile": 980, "clean": 85_000}
_HERE = Path(__file__).parent
_CROSS = "riscv64-linux-gnu-"
_PATIENCE = 2  # seconds that a command has to end when it is asked to
_LAST = 20  # lines of what failed, to show
_INITRAMFS = "dir /dev 755 0 0\nnod /dev/console 600 0 0 c 5 1\nfile /init {init} 755 0 0\n"
_SAME = {  # so that what is built says nothing of who built it, where, nor when
    "KBUILD_BUILD_TIMESTAMP": "Thu Jan 1 00:00:00 UTC 1970",
    "KBUILD_BUILD_USER": "vlab",
    "KBUILD_BUILD_HOST": "vlab",
    "KBUILD_BUILD_VERSION": "1",  # nor how often it was begun
    "LC_ALL": "C",
}


def image(step: Callable[[str], object] = lambda part: None) -> Path:
    """The kernel's raw image, its program in it; built, which takes some minutes, where it isn't in the cache yet.

    `step` is called with the part of the build after each of its files: see `STEPS`. A build that was interrupted
    stays in the cache, as `*.part`, and goes on the next time.

    Raises:
        VlabError: where this host lacks something to build it with, or the build fails.
    """
    if (there := built()) is not None:
        if (left := _unfinished(there)).is_dir():
            try:
                with _alone(left, wait=False):
                    _clean(left, step)
            except OSError:
                pass  # another one is at it, or may
        return there
    if lacking := [tool for tool in NEEDS if tool.path() is None]:
        raise VlabError(
            _("Linux can't be built here: this host has no {tools}.").format(
                tools=", ".join(tool.name for tool in lacking)
            ),
            mend=_("Once: {mend}").format(mend=mend(lacking)),
        )
    try:
        path = _path()
        folder = _unfinished(path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(folder):
            if path.is_file():  # another one has built it meanwhile
                return path
            try:
                _build(folder, step).replace(path)
            except VlabError:
                _clean(folder, step)  # who knows what failed: the next one begins anew
                raise
            _clean(folder, step)
        return path
    except OSError as error:
        raise VlabError(
            _("Linux can't be built: {reason}.").format(reason=error.strerror or error),
            where=str(error.filename or cache_folder()),
        ) from None


def built() -> Path | None:
    """The image, where it is in the cache, and can be read."""
    try:
        path = _path() if cache_folder() is not None else None
        return path if path is not None and path.is_file() and os.access(path, os.R_OK) else None
    except OSError:  # a cache of another user's, say
        return None


def _path() -> Path:
    """Where the image is in the cache, or will be: one for each recipe and each source. VlabError without a home."""
    folder = cache_folder()
    if folder is None:
        raise VlabError(_("There is no folder to keep Linux in."), mend=_("Set XDG_CACHE_HOME to one."))
    recipe = _digest(*((_HERE / name).read_bytes() for name in ("config", "init.s")))
    if (archive := NEEDS[0].path()) is not None:
        source = Path(archive)
        return folder / f"linux-{recipe}-{_digest(source.name.encode(), str(source.stat().st_size).encode())}"
    # A host that has no source any more may have an image of it.
    return max(folder.glob(f"linux-{recipe}-*[0-9a-f]"), default=folder / f"linux-{recipe}")


def _unfinished(path: Path) -> Path:
    """The folder in which an image is built."""
    return path.with_name(f"{path.name}.part")


@contextmanager
def _alone(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """While nobody else builds in this folder; whoever does is waited for, or else it is an OSError.

    Who waits for it has it made.
    """
    import fcntl

    while True:
        if wait:
            folder.mkdir(exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _leads_to(folder, handle):
                yield
                return
        finally:
            os.close(handle)


def _leads_to(folder: Path, handle: int) -> bool:
    """Whether it is still this folder: who had it before may have taken it away, and a third one made another."""
    try:
        return os.path.samestat(folder.lstat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _clean(folder: Path, step: Callable[[str], object]) -> None:
    """Take a folder away. It has many thousands of files; where a step raises, the next build goes on."""
    for place, folders, files in os.walk(folder, topdown=False):
        for name in files:
            Path(place, name).unlink()
            step("clean")
        for name in folders:
            inner = Path(place, name)
            if inner.is_symlink():
                inner.unlink()
            else:
                inner.rmdir()
    folder.rmdir()


def _digest(*parts: bytes) -> str:
    return sha256(b"\0".join(parts)).hexdigest()[:16]


def _build(folder: Path, step: Callable[[str], object]) -> Path:
    """The image, made of the source in a folder for nothing else but builds of it."""
    trees = list(_unpacked(folder, step).iterdir())
    if len(trees) != 1:
        raise VlabError(
            _("Linux can't be built: {reason}.").format(reason=_("its source is not one folder")),
            where=NEEDS[0].path() or "",
        )
    init, made = folder / "init", folder / "made"
    options = "-march=rv64imac", "-mabi=lp64", "-mno-relax"
    _run([f"{_CROSS}as", *options, "-o", folder / "init.o", _HERE / "init.s"], folder)
    _run([f"{_CROSS}ld", "--no-relax", "-s", "-o", init, folder / "init.o"], folder)
    os.utime(init, (0, 0))  # its time goes into the image
    (folder / "initramfs").write_text(_INITRAMFS.format(init=init), encoding="utf-8")
    make: list[str | Path] = ["make", "-C", trees[0], f"O={made}", "ARCH=riscv", f"CROSS_COMPILE={_CROSS}"]
    _run([*make, "tinyconfig"], folder)
    with (made / ".config").open("a", encoding="utf-8") as config:
        config.write((_HERE / "config").read_text(encoding="utf-8"))
        config.write(f'CONFIG_INITRAMFS_SOURCE="{folder / "initramfs"}"\n')
    _run([*make, "olddefconfig"], folder)
    _run([*make, f"-j{os.cpu_count() or 1}", "Image"], folder, _of("compile", step))
    return made / "arch" / "riscv" / "boot" / "Image"


def _unpacked(folder: Path, step: Callable[[str], object]) -> Path:
    """The folder with the source's one; it has its name when all of it is there."""
    source, half = folder / "source", folder / "source.part"
    if not source.is_dir():
        half.mkdir(exist_ok=True)
        _run(["tar", "xvf", NEEDS[0].path() or "", "-C", half], folder, lambda line: step("unpack"))
        half.rename(source)
    return source


def _of(part: str, step: Callable[[str], object]) -> Callable[[str], object]:
    """A step for each line that tells of a file: `make` puts two blanks before it."""
    return lambda line: step(part) if line.startswith("  ") else None


def _run(
    command: Sequence[str | Path], folder: Path, hear: Callable[[str], object] = lambda line: None
) -> None:
    """Run a command, and hear each line that it says; VlabError, with the last of them, if it fails.

    It has a process group of its own, which ends with us.
    """
    import subprocess

    words = [str(word) for word in command]
    # What the reader's environment says to other builds, such as MAKEFLAGS, is not for this one.
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    with subprocess.Popen(
        words,
        cwd=folder,
        env=environment | _SAME,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
    ) as running:
        try:
            said = deque(_told(running, hear), maxlen=_LAST)
        except BaseException:
            _end(running)
            raise
    if running.returncode:
        raise VlabError(
            _("Linux can't be built: `{command}` failed with status {status}.").format(
                command=" ".join(words[:1]), status=running.returncode
            ),
            mend=_("The last that it said: {said}").format(said="\n" + "".join(said)),
        )


def _end(running: "subprocess.Popen[str]") -> None:
    """End a command, and all that it has started: who doesn't when asked to, does without."""
    import signal
    import subprocess

    os.killpg(running.pid, signal.SIGTERM)
    try:
        running.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(running.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # all have ended


def _told(running: "subprocess.Popen[str]", hear: Callable[[str], object]) -> Iterator[str]:
    """What a command says, line by line."""
    assert running.stdout is not None
    for line in running.stdout:
        hear(line)
        yield line
