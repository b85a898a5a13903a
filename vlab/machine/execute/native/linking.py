"""LLVM's object file, put where it is to run without LLVM: to load that takes as long as Linux takes to boot.

On x86-64 Linux alone, and only what this code needs: sections with bytes, and three kinds of relocations, all of them
to what is in the file. Whatever else there is, LLVM is asked.
"""

import ctypes
import mmap
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from struct import Struct, error
from typing import NamedTuple

from vlab.machine.execute.native.blocks import address_of, new_block

# Elf64_Ehdr: magic, then where the section headers are, their size, how many.
_HEADER = Struct("<4s12x8x8x8xQ4x6xHHH")
_SYMBOL, _RELOCATION = Struct("<IBBHQQ"), Struct("<QQq")  # Elf64_Sym, Elf64_Rela
_BYTES, _SYMBOLS, _RELOCATIONS, _PLAIN_RELOCATIONS = 1, 2, 4, 9  # types of sections
_IN_MEMORY = 2  # a section's flag
_WORD, _OFFSET = Struct("<Q"), Struct("<i")
_CPUINFO = Path("/proc/cpuinfo")
_TELLING = ("vendor_id", "cpu family", "model", "stepping", "flags")  # what it says of a processor
_PROCESSOR = 1 << 13  # bytes, in which one is told of


class _Section(NamedTuple):
    """Elf64_Shdr."""

    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry: int


_SECTION = Struct("<IIQQQQIIQQ")


def processor_of_host() -> str | None:
    """What the processor is, and what it can do; None where `placed` is of no use, or the host doesn't tell."""
    if sys.platform != "linux" or os.uname().machine != "x86_64" or sys.maxsize >> 32 == 0:
        return None
    try:
        with _CPUINFO.open("rb") as file:
            first = file.read(_PROCESSOR).partition(b"\n\n")[0].decode(errors="replace")
    except OSError:
        return None
    told = dict(line.partition(":")[::2] for line in first.splitlines())
    known = {name.strip(): value.strip() for name, value in told.items()}
    return None if not known.get("flags") else "\n".join(known.get(name, "") for name in _TELLING)


def placed(content: bytes, names: Sequence[str]) -> tuple[mmap.mmap, dict[str, int]] | None:
    """An object file where it is to run: what holds it there, and the addresses of its symbols of these names.

    None where that can't be done so. Nobody can write there any more.
    """
    if processor_of_host() is None:
        return None
    try:
        return _placed(content, names)
    except (error, ValueError, LookupError, OSError):
        return None


def _placed(content: bytes, names: Sequence[str]) -> tuple[mmap.mmap, dict[str, int]]:
    magic, at, size, count, _names = _HEADER.unpack_from(content)
    if magic != b"\x7fELF" or size != _SECTION.size:
        raise ValueError(magic)
    sections = [_Section(*_SECTION.unpack_from(content, at + size * number)) for number in range(count)]
    inside, end = _laid_out(sections)
    block = new_block(end)
    start = address_of(block)
    for number, offset in inside.items():
        section = sections[number]
        block[offset : offset + section.size] = content[section.offset : section.offset + section.size]
    (table,) = (section for section in sections if section.type == _SYMBOLS)
    symbols = list(_SYMBOL.iter_unpack(content[table.offset : table.offset + table.size]))
    places = [start + inside[home] + value if home in inside else None for *_, home, value, _size in symbols]
    for section in sections:
        if section.type == _PLAIN_RELOCATIONS:
            raise ValueError(section)
        if section.type == _RELOCATIONS and section.info in inside:
            rows = content[section.offset : section.offset + section.size]
            _relocate(block, start, inside[section.info], rows, places)
    found = dict(
        zip((_name(content, sections[table.link], name) for name, *_ in symbols), places, strict=True)
    )
    _seal(start, end)
    return block, {name: _known(found[name]) for name in names}


def _laid_out(sections: Sequence[_Section]) -> tuple[dict[int, int], int]:
    """Where each section that is to be in memory goes, by number, and where the last one ends."""
    inside, end = dict[int, int](), 0
    for number, section in enumerate(sections):
        if section.flags & _IN_MEMORY:
            if section.type != _BYTES:
                raise ValueError(section)
            inside[number] = end = -(-end // max(section.alignment, 1)) * max(section.alignment, 1)
            end += section.size
    return inside, end


def _relocate(block: mmap.mmap, start: int, section: int, rows: bytes, places: Sequence[int | None]) -> None:
    """Let a section, which lies so far behind the start, name the addresses where its symbols are."""
    for offset, info, addend in _RELOCATION.iter_unpack(rows):
        at = section + offset
        target = _known(places[info >> 32]) + addend
        match info & 0xFFFF_FFFF:
            case 1:  # R_X86_64_64
                _WORD.pack_into(block, at, target)
            case 2 | 4:  # R_X86_64_PC32, R_X86_64_PLT32
                _OFFSET.pack_into(block, at, target - (start + at))
            case kind:
                raise ValueError(kind)


def _known(place: int | None) -> int:
    if place is None:
        raise ValueError(place)
    return place


def _name(content: bytes, strings: _Section, at: int) -> str:
    start = strings.offset + at
    return content[start : content.index(b"\0", start)].decode()


def _seal(start: int, size: int) -> None:
    """From here on what lies there can be executed, and not be written. OSError where the host forbids that."""
    host = ctypes.CDLL(None, use_errno=True)
    if host.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(size), mmap.PROT_READ | mmap.PROT_EXEC):
        raise OSError(ctypes.get_errno(), "mprotect")
