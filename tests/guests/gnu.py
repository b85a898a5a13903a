"""The guests by other people's tools: GNU's assembler, linker and C compiler, and QEMU's `virt` board."""

import subprocess
from collections.abc import Iterable
from pathlib import Path
from shlex import split

from vlab import guests

HERE = Path(__file__).parent
LAYOUT = f"-T{HERE / 'guest.ld'}"
ASSEMBLER = split("riscv64-linux-gnu-as -march=rv64ima_zicsr_zifencei -mabi=lp64 -mno-relax --fatal-warnings")
LINKER = split("riscv64-linux-gnu-ld --no-relax")
COMPILER = split(
    "riscv64-unknown-elf-gcc -march=rv64ima_zicsr -mabi=lp64 -mcmodel=medany -static -nostdlib -ffreestanding"
    " -Wall -Wextra -Werror"
)
# One instruction takes 128 ns of QEMU's clock, so one tick of mtime is four fifths of an instruction.
BOARD = split(
    "qemu-system-riscv64 -machine virt -cpu rv64,sstc=on -bios none -icount shift=7"
    " -display none -monitor none -serial stdio"
)


def build(folder: Path, guest: str, **constants: int) -> Path:
    """The ELF file that GNU tools make of a guest, some of its constants replaced."""
    switched = {name: value for name, value in constants.items() if name in guests.switches(guest)}
    return build_files(folder, paths(guest, **switched), **constants)


def paths(name: str, **switched: int) -> list[Path]:
    """The files of a guest, in order, with those that come with a switch."""
    return [Path(guests.__file__).parent / file for file in guests.files(name, **switched)]


def build_files(folder: Path, sources: Iterable[Path], **constants: int) -> Path:
    """The ELF file that GNU tools make of some assembly files, read as one."""
    symbols = [word for name, value in constants.items() for word in ("--defsym", f"{name}={value}")]
    make(*ASSEMBLER, *symbols, "-o", folder / "guest.o", *sources)
    make(*LINKER, LAYOUT, "-o", folder / "guest.elf", folder / "guest.o")
    return folder / "guest.elf"


def compile_c(folder: Path, source: Path, *options: str) -> Path:
    """The ELF file of a C program that needs no operating system."""
    make(*COMPILER, *options, LAYOUT, "-o", folder / "program.elf", source)
    return folder / "program.elf"


def boot(elf: Path, *options: str) -> tuple[int, str]:
    """Run an ELF file on QEMU: exit status and console. `options` are QEMU's, for devices."""
    done = _run(*BOARD, *options, "-kernel", elf)
    return done.returncode, done.stdout


def make(*command: str | Path) -> None:
    done = _run(*command)
    assert not done.returncode, done.stderr


def _run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    words = [str(word) for word in command]
    nothing = subprocess.DEVNULL
    return subprocess.run(words, capture_output=True, text=True, timeout=20, stdin=nothing, check=False)
