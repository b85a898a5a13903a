"""Linux as a guest: built once of what the host has, found in the cache, and a lack told with its mend."""

import fcntl
import io
import os
import signal
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vlab import VlabError, guests
from vlab.guests import linux, tools
from vlab.operations.linux import boot_linux

# A tree that builds as Linux's does: three targets, a line for each file.
MAKEFILE = """
tinyconfig: ; @mkdir -p $(O); echo '# tiny' > $(O)/.config
olddefconfig: ; @cp $(O)/.config $(O)/used
Image:
	@echo '  CC      a.o'
	@echo '  LD      vmlinux'
	@mkdir -p $(O)/arch/riscv/boot
	@cat $(O)/used > $(O)/arch/riscv/boot/Image
	@echo "by $$KBUILD_BUILD_USER $(ARCH) [$$MAKEFLAGS_OF_READER]" >> $(O)/arch/riscv/boot/Image
"""
COMMAND = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
echo made > "$2"
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A host with a source that builds quickly, an assembler that says yes to everything, and an empty cache."""

    def make(makefile: str = MAKEFILE) -> Path:
        archive = tmp_path / "linux-source-9.tar.xz"
        with tarfile.open(archive, "w:xz") as packed:
            entry = tarfile.TarInfo("linux-9/Makefile")
            entry.size = len(makefile)
            packed.addfile(entry, io.BytesIO(makefile.encode()))
        commands = tmp_path / "bin"
        commands.mkdir(exist_ok=True)
        for name in ("as", "ld", "gcc"):
            command = commands / f"riscv64-linux-gnu-{name}"
            command.write_text(COMMAND)
            command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        source = linux.NEEDS[0]
        needs = (tools.Tool("linux", (str(archive),), source.package), tools.Tool("make", ("make",), "make"))
        monkeypatch.setattr(linux, "NEEDS", needs)
        return tmp_path

    return make


def test_it_is_no_guest_that_is_assembled():
    assert linux.NAME not in guests.names()
    with pytest.raises(VlabError, match="no guest 'linux'"):
        guests.load("linux")


@pytest.mark.requires("make")
def test_it_is_built_once_and_then_found(host, monkeypatch):
    monkeypatch.setenv("MAKEFLAGS_OF_READER", "-j")
    cache = host() / "cache" / "vlab"
    assert linux.built() is None
    steps: list[str] = []
    path = linux.image(steps.append)
    assert set(steps) == set(linux.STEPS)
    assert (steps.count("unpack"), steps.count("compile")) == (1, 2)
    assert steps == sorted(steps, key=list(linux.STEPS).index)
    assert path == linux.built() == linux.image(lambda part: pytest.fail("built again"))
    assert sorted(cache.iterdir()) == [path], "nothing else is left behind"
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    *config, by = path.read_text().splitlines()
    assert config[0] == "# tiny"
    assert "CONFIG_MMU=y" in config
    assert config[-1].startswith("CONFIG_INITRAMFS_SOURCE=")
    assert by == "by vlab riscv []", "the reader's environment is not the build's"


@pytest.mark.requires("make")
def test_an_image_outlives_its_source_and_a_new_source_is_another(host):
    place = host()
    old = linux.image()
    (place / "linux-source-9.tar.xz").rename(place / "gone")
    assert linux.image() == old
    (place / "linux-source-9.tar.xz").write_bytes((place / "gone").read_bytes() + b"\0")
    assert linux.built() is None


@pytest.mark.requires("make")
def test_a_build_that_fails_shows_the_last_that_it_said(host):
    place = host("Makefile:\n\ntinyconfig:\n\t@echo 'no rule for this'; exit 3\n")
    with pytest.raises(VlabError, match="`make` failed with status 2") as caught:
        linux.image()
    assert "no rule for this" in caught.value.mend
    assert list((place / "cache" / "vlab").iterdir()) == []


def test_what_the_host_lacks_is_named_with_its_packages(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tools, "_where", lambda command: command if command in ("make", "bc") else None)
    monkeypatch.setattr("shutil.which", lambda command: command)
    with pytest.raises(VlabError, match=r"this host has no linux, linux-gcc, bison, flex\.") as caught:
        linux.image()
    assert caught.value.mend == "Once: apt-get install linux-source gcc-riscv64-linux-gnu bison flex"
    monkeypatch.setattr("shutil.which", lambda command: None)
    with pytest.raises(VlabError) as caught:
        linux.image()
    assert (
        "install packages that have" in caught.value.mend and "`riscv64-linux-gnu-gcc`" in caught.value.mend
    )


def test_nobody_without_a_home_gets_one(monkeypatch):
    def no_home() -> Path:
        raise RuntimeError

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert linux.built() is None
    monkeypatch.setattr(tools, "_where", lambda command: command)
    with pytest.raises(VlabError, match="no folder to keep Linux in") as caught:
        linux.image()
    assert "XDG_CACHE_HOME" in caught.value.mend


@pytest.mark.requires("make")
def test_a_folder_that_can_not_be_written_is_said(host, tmp_path):
    host()
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(VlabError, match="Linux can't be built"):
        linux.image()


@pytest.mark.requires("make")
@pytest.mark.parametrize("part", ["unpack", "compile", "clean"])
def test_an_interrupted_build_goes_on_where_it_was_and_then_leaves_nothing(host, part):
    cache = host() / "cache" / "vlab"

    def interrupt(now: str) -> None:
        if now == part:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        linux.image(interrupt)
    (left,) = (path for path in cache.iterdir() if path.is_dir())
    assert left.suffix == ".part"
    assert (linux.built() is not None) == (part == "clean")
    steps: list[str] = []
    path = linux.image(steps.append)
    assert {"unpack": "unpack", "compile": "compile", "clean": "clean"}[part] == steps[0]
    assert sorted(cache.iterdir()) == [path]


SLOW = """
tinyconfig olddefconfig: ; @mkdir -p $(O)
Image:
	@echo '  CC      a.o'
	@sh -c 'trap "" TERM; echo $$$$ > $(O)/pid; while :; do sleep 0.1; done'
"""


@pytest.mark.requires("make")
def test_ctrl_c_ends_all_that_the_build_has_started_and_says_so_at_once(host, repository):
    place = host(SLOW)
    script = (
        "import sys; from vlab import cli; from vlab.guests import linux, tools;"
        "source, make = tools.Tool('linux', (sys.argv[1],), ''), tools.Tool('make', ('make',), '');"
        "linux.NEEDS = (source, make); sys.exit(cli.main(['run', 'linux']))"
    )
    command = [sys.executable, "-c", script, str(place / "linux-source-9.tar.xz")]
    environment = os.environ | {"PYTHONPATH": str(repository)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True) as running:
        try:
            found: list[Path] = []
            for _wait in range(600):
                found = [
                    path for path in place.glob("cache/vlab/*.part/made/pid") if path.read_text().strip()
                ]
                if found:
                    break
                time.sleep(0.05)
            pid = int(found[0].read_text())
            running.send_signal(signal.SIGINT)
            _out, said = running.communicate(timeout=30)
        finally:
            running.kill()
    assert running.returncode == 130
    assert said == (
        "vlab: Building Linux, once: this takes some minutes.\n"
        "vlab: Interrupted. What is built of Linux so far stays in the cache, and the next build goes on there.\n"
    )
    for _wait in range(100):  # until whoever adopts orphans has taken note
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        os.kill(pid, signal.SIGKILL)
        pytest.fail("a process of the build goes on")


@pytest.mark.requires("make")
def test_a_cache_that_can_not_be_looked_at_has_no_image(host, monkeypatch, tmp_path):
    """Another user's folder is such a one; what stands for Linux's boot is then what was recorded."""
    host()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("x" * 300)))
    assert linux.built() is None
    with pytest.raises(VlabError, match="Linux can't be built: File name too long"):
        linux.image()
    assert boot_linux().why.startswith("it has not been built")


@pytest.mark.requires("make")
def test_a_source_that_is_not_one_folder(host):
    place = host()
    with tarfile.open(place / "linux-source-9.tar.xz", "w:xz") as packed:
        for name in ("one", "other"):
            packed.addfile(tarfile.TarInfo(name))
    with pytest.raises(VlabError, match="its source is not one folder"):
        linux.image()
    assert list((place / "cache" / "vlab").iterdir()) == []


@pytest.mark.requires("make")
def test_who_waited_for_a_build_that_failed_builds_alone(host, monkeypatch):
    """The folder that he waited for is gone, and its place may be a third one's."""
    place = host()
    lock, waits = fcntl.flock, list[int]()

    def slow(handle: int, how: int) -> None:
        if not waits:
            (left,) = (place / "cache" / "vlab").iterdir()
            waits.append(os.open(left, os.O_RDONLY))  # so that the new one has another number
            left.rmdir()
            left.mkdir()
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", slow)
    build = linux._build

    def alone(folder: Path, step: Callable[[str], object]) -> Path:
        handle = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
        return build(folder, step)

    monkeypatch.setattr(linux, "_build", alone)
    assert linux.image().is_file()
    os.close(waits[0])


@pytest.mark.requires("make")
def test_a_link_in_the_images_place_is_replaced(host, tmp_path):
    host()
    path = linux.image()
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    assert linux.image() == path
    assert not path.is_symlink()
    assert not (tmp_path / "elsewhere").exists()
