"""What GNU's tools make of an assembly text, in the terms of `vlab.riscv.Program`."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from elftools.elf.elffile import ELFFile

ASSEMBLER = "riscv64-linux-gnu-as -march=rv64ima_zicsr_zifencei -mabi=lp64 -mno-relax".split()
LINKER = ["riscv64-linux-gnu-ld", "--no-relax", f"-T{Path(__file__).parent / 'layout.ld'}", "--entry=0x80000000"]
OBJDUMP = "riscv64-linux-gnu-objdump -D -z -b binary -m riscv:rv64".split()


def build(folder: Path, text: str, given: Mapping[str, int] | None = None) -> tuple[dict[int, bytes], dict[str, int]]:
    """Memory by segment, and the symbols, that GNU `as` and `ld` make of a text."""
    source, made, linked = folder / "text.s", folder / "text.o", folder / "text.elf"
    source.write_text(text, encoding="utf-8")
    symbols = [word for name, value in (given or {}).items() for word in ("--defsym", f"{name}={value}")]
    run(*ASSEMBLER, *symbols, "-o", made, source)
    run(*LINKER, "-o", linked, made)
    with linked.open("rb") as file:
        elf = ELFFile(file)
        return _memory(elf), _symbols(elf)


def refuses(folder: Path, text: str) -> bool:
    """Whether GNU `as` calls a text wrong."""
    source = folder / "text.s"
    source.write_text(text, encoding="utf-8")
    command = [*ASSEMBLER, "-o", str(folder / "text.o"), str(source)]
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode != 0


def run(*command: str | Path) -> str:
    """Run a tool that must succeed; what it prints."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=20, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


def _memory(elf: ELFFile) -> dict[int, bytes]:
    return {
        section["sh_addr"]: section.data() if section["sh_type"] != "SHT_NOBITS" else bytes(section["sh_size"])
        for section in elf.iter_sections()
        if section["sh_flags"] & 2 and section["sh_size"]
    }


def _symbols(elf: ELFFile) -> dict[str, int]:
    return {
        symbol.name: symbol["st_value"]
        for symbol in elf.get_section_by_name(".symtab").iter_symbols()
        if symbol.name and symbol["st_info"]["type"] not in ("STT_FILE", "STT_SECTION") and symbol.name[0] != "$"
    }
