"""A kernel of the kind that operating-system courses use, in C, and a disk for it: built by GNU's compiler.

It starts in M mode and opens the PMP, delegates everything, and goes to S mode by `mret`. Its timer is `stimecmp`, and
each byte that it sends waits for an interrupt; or (`old=True`) the timer is the CLINT's, which M mode passes on as a
software interrupt, and bytes are sent from a ring. Its disk is virtio of the modern kind, of
whose features it looks at the first word alone; its page tables have no accessed and no dirty bits, and it takes no
fault for them. It has processes, system calls, files on the disk, and a shell that answers what is typed.
"""

import struct
from pathlib import Path

from elftools.elf.elffile import ELFFile

from tests.guests.gnu import COMPILER, make

HERE = Path(__file__).parent / "teaching"
BLOCK, BLOCKS = 1024, 64
PROGRAMS = ("sh", "ls", "cat", "save", "primes", "race", "sleep", "wrong")
README = "A file of two blocks.\n" + "".join(f"Line {n} of it says nothing new.\n" for n in range(40))
TYPED = (
    "ls\ncat readme\nsave note What is written stays.\ncat note\nprimes 500\nrace 6000\nsleep 3\n"
    "wrong load\nwrong csr\nwrong call\nnonsense\nlx\x7fs\noff\n"
)


def build(folder: Path, *, compressed: bool = True, old: bool = False) -> Path:
    """The ELF file of the kernel."""
    chapters = sorted(HERE.glob("*.[cS]"))
    chapters.remove(HERE / "user.c")
    made = folder / f"kernel{compressed:d}{old:d}.elf"
    kind = ["-DOLD"] if old else []
    options = [*_march(compressed), "-O1", "-I", str(HERE), "-T", str(HERE / "kernel.ld"), *kind]
    make(*COMPILER, *options, "-o", made, *chapters)
    return made


def disk(folder: Path, *, compressed: bool = True) -> bytes:
    """A disk with its files: all programs are one, under many names."""
    made = folder / f"user{compressed:d}.elf"
    make(*COMPILER, *_march(compressed), "-Os", "-T", HERE / "user.ld", "-o", made, HERE / "user.c")
    with made.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".all")
        assert section is not None
        program = section.data()
    size = -(-len(program) // BLOCK)
    files = [(name, 2, len(program), size) for name in PROGRAMS]
    files.append(("readme", 2 + size, len(README), 2))
    rows = b"".join(struct.pack("<20s3I", name.encode(), *rest) for name, *rest in files)
    blocks = [b"TEACHING", rows, *(program[n : n + BLOCK] for n in range(0, len(program), BLOCK))]
    blocks += [README.encode()[:BLOCK], README.encode()[BLOCK:]]
    return b"".join(block.ljust(BLOCK, b"\0") for block in blocks).ljust(BLOCKS * BLOCK, b"\0")


def _march(compressed: bool) -> list[str]:
    return ["-march=rv64imac_zicsr_zifencei" if compressed else "-march=rv64ima_zicsr_zifencei"]
