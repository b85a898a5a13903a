"""What GNU's tools make of an assembly text, in the terms of `vlab.riscv.Program`."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from elftools.elf.elffile import ELFFile

LAYOUT = Path(__file__).parent / "layout.ld"
ASSEMBLER = "riscv64-linux-gnu-as -mabi=lp64 -mno-relax".split()
MARCH = "rv64imah_zicsr_zifencei"
LINKER = f"riscv64-linux-gnu-ld --no-relax -T{LAYOUT} --entry=0x80000000".split()
OBJDUMP = "riscv64-linux-gnu-objdump -D -z -b binary -m riscv:rv64".split()


class Built(NamedTuple):
    """A program: its memory by the address of each segment, and its symbols."""

    memory: dict[int, bytes]
    symbols: dict[str, int]


def build(folder: Path, text: str, given: Mapping[str, int] | None = None, march: str = MARCH) -> Built:
    """What `as` and `ld` make of a text, in which the given symbols are defined beforehand."""
    source, made, linked = folder / "text.s", folder / "text.o", folder / "text.elf"
    source.write_text(text, encoding="utf-8")
    symbols = [word for name, value in (given or {}).items() for word in ("--defsym", f"{name}={value}")]
    _run(*ASSEMBLER, f"-march={march}", *symbols, "-o", made, source)
    _run(*LINKER, "-o", linked, made)
    with linked.open("rb") as file:
        elf = ELFFile(file)
        return Built(_memory(elf), _symbols(elf))


def disassembled(folder: Path, words: Sequence[int], *options: str) -> list[str]:
    """What objdump makes of each word, the first one at address 0; comments and `<symbol>` left out."""
    image = folder / "words.bin"
    image.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
    lines = re.findall(r"^ *[0-9a-f]+:\t([0-9a-f]{8}) +\t([^#<\n]*)", _run(*OBJDUMP, *options, image), re.M)
    assert [int(word, 16) for word, _text in lines] == list(words)
    return [text.replace("\t", " ").strip() for _word, text in lines]


def _run(*command: str | Path) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


def _memory(elf: ELFFile) -> dict[int, bytes]:
    memory = {}
    for section in elf.iter_sections():
        address, size = section["sh_addr"], section["sh_size"]
        if section["sh_flags"] & 2 and size:
            memory[address] = bytes(size) if section["sh_type"] == "SHT_NOBITS" else section.data()
    return memory


def _symbols(elf: ELFFile) -> dict[str, int]:
    """All named symbols but those that tell code from data (`$x`, `$d`)."""
    table: Any = elf.get_section_by_name(".symtab")
    unnamed = ("STT_FILE", "STT_SECTION")
    named = (symbol for symbol in table.iter_symbols() if symbol["st_info"]["type"] not in unnamed)
    return {symbol.name: symbol["st_value"] for symbol in named if symbol.name and symbol.name[0] != "$"}
