"""Images: an ELF file or raw bytes becomes a `Program`, ready to be put into memory.

A file is not trusted. Each number in it is checked before it is used: against the length of the file, against
the memory it is meant for, and against the other segments. Nothing is read or made larger than what is there.
"""

import struct
from dataclasses import dataclass
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

from vlab.language import VlabError, _
from vlab.riscv import ROWS, Program

LARGEST_FILE = 1 << 30
_LARGEST_MEMORY = 1 << 30  # for all segments together, where no memory is named
_MOST_HEADERS = 1024  # real programs have fewer than a hundred program headers, and of section headers
_MAGIC = b"\x7fELF"
_COMPRESSED = 0x0001  # e_flags: EF_RISCV_RVC
_SYMBOL = struct.Struct("<IBBHQQ")  # Elf64_Sym: name, info, other, section, value, size
_SECTION, _FILE = 3, 4  # types of symbols that name parts of the file
_UNDEFINED, _ABSOLUTE = 0, 0xFFF1  # sections of symbols that are no places
_LONGEST_NAME = 255


@dataclass(frozen=True)
class _Load:
    """A segment to load: its title for messages, its bytes, and where they go."""

    title: str
    content: bytes
    virtual: int
    physical: int
    size: int  # in memory; what the file doesn't give is zero

    def segments(self) -> list[tuple[int, bytes]]:
        """Its bytes, and apart from them the zeros: those cost nothing until they are copied."""
        given = len(self.content)
        parts = [(self.physical, self.content), (self.physical + given, bytes(self.size - given))]
        return [(address, part) for address, part in parts if part]


def load_image(
    image: str | PathLike[str] | bytes | Program,
    *,
    base: int = 0x8000_0000,
    memory: tuple[int, int] | None = None,
    notes: list[str] | None = None,
) -> Program:
    """The program in a file, in the bytes of one, or given as it is.

    Bytes that begin as an ELF file does are one: RISC-V, 64-bit, little-endian, linked. All others are a raw
    image for physical address `base`, entered there. `memory` is the RAM, (base, bytes): all must lie in it.
    What can be done without (a damaged symbol table) is said in a sentence added to `notes`.

    VlabError if the file can't be read, is damaged, isn't for this machine, or doesn't fit into `memory`.
    """
    if isinstance(image, Program):
        if not image.segments:
            raise VlabError(_("The program is empty."), mend=_("Write at least one instruction."))
        _check_places([_raw(address, part) for address, part in sorted(image.segments)], memory, _("program"))
        return image
    where = "image" if isinstance(image, bytes) else str(image)
    content = image if isinstance(image, bytes) else _named(image)
    if not content:
        raise VlabError(_("The image is empty."), where=where)
    if content.startswith(_MAGIC):
        return _Elf(content, where).program(memory, [] if notes is None else notes)
    _check_places([_raw(base, content)], memory, where)
    return Program(((base, content),), entry=base)


def _named(path: str | PathLike[str]) -> bytes:
    """The bytes of a file; VlabError for the name of a guest, with what was meant."""
    try:
        return read_file(path)
    except VlabError as error:
        from vlab import guests

        if _may_be_text(str(path)):
            raise VlabError(
                error.what,
                where=str(path).strip().partition("\n")[0][:40],
                mend=_(
                    "If this is a program's text, assemble it first: `Machine(assemble(text))`, after "
                    "`from vlab import Machine, assemble`."
                ),
            ) from None
        if str(path) not in guests.names() or Path(path).exists():
            raise
    meant = _("The guest of this name is `guests.load({name!r})`, after `from vlab import guests`.")
    raise VlabError(_("There is no such file."), where=str(path), mend=meant.format(name=str(path)))


def _may_be_text(name: str) -> bool:
    """Whether what was given as a file's name may be assembly."""
    return name in ROWS or any(letter.isspace() or letter in ";,:" for letter in name)


def is_elf(path: str | PathLike[str]) -> bool:
    """Whether a file, which can be read, begins as an ELF file does; any other is taken as a raw image."""
    with Path(path).open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def joined(firmware: Program, following: Program) -> Program:
    """Firmware and the program that it is to start, as one; VlabError if they overlap."""
    segments = tuple(sorted((*firmware.segments, *following.segments)))
    where = _("firmware and its next stage")
    for (address, part), (place, other) in pairwise(segments):
        if place < address + len(part):
            raise _overlapping(where, firmware, (address, part), (place, other))
    _check_places([_raw(address, part) for address, part in segments], None, where)
    return Program(
        segments,
        firmware.entry,
        firmware.symbols | following.symbols,
        lines=firmware.lines | following.lines,
        constants=firmware.constants | following.constants,
        sources=firmware.sources | following.sources,
        extensions="".join(sorted({*firmware.extensions, *following.extensions})),
    )


def _overlapping(where: str, firmware: Program, *two: tuple[int, bytes]) -> VlabError:
    """What is said of two segments that overlap: one is the firmware's, one its next stage's."""
    first, second = ((address, address + len(part) - 1) for address, part in two)
    ours, theirs = (first, second) if two[0] in firmware.segments else (second, first)
    return VlabError(
        _(
            "The next stage ({first:#x} to {last:#x}) overlaps the firmware ({start:#x} to {end:#x}): one of them is "
            "not what goes there."
        ).format(first=theirs[0], last=theirs[1], start=ours[0], end=ours[1]),
        where=where,
        mend=_(
            "Firmware, such as OpenSBI's fw_dynamic.bin, begins at 0x80000000; what it starts, such as U-Boot for S "
            "mode, at 0x80200000. Debian's packages opensbi and u-boot-qemu have both."
        ),
    )


def read_file(path: str | PathLike[str]) -> bytes:
    """The bytes of a file that a reader named. VlabError if it can't be read, or is larger than 1 GiB."""
    where = str(path)
    try:
        # A pipe or a terminal would be waited for, perhaps for ever.
        if not Path(path).is_file():
            problem = _("This isn't a file.") if Path(path).exists() else _("There is no such file.")
            raise VlabError(
                problem, where=where, mend=_("Check the name, and the folder it is looked for in.")
            )
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError, TypeError) as error:  # a name with a zero in it; what is no name
        reason = getattr(error, "strerror", None) or str(error)
        raise VlabError(_("The file can't be read: {reason}.").format(reason=reason), where=where) from None
    if len(content) > LARGEST_FILE:
        raise VlabError(_("The file is larger than 1 GiB."), where=where)
    return content


def _raw(address: int, content: bytes) -> _Load:
    """Bytes for an address, as a segment."""
    return _Load(
        _("What is loaded at {address:#x}").format(address=address), content, address, address, len(content)
    )


def _check_places(loads: list[_Load], memory: tuple[int, int] | None, where: str) -> None:
    """VlabError unless every segment, in ascending order, is inside the memory and apart from the others."""
    start, size = memory or (0, 1 << 64)
    last = start - 1
    previous = ""
    for load in loads:
        first, end = load.physical, load.physical + load.size
        if first < start or end > start + size:
            raise VlabError(
                _(
                    "{segment} ({first:#x} to {last:#x}) isn't in memory, which is {start:#x} to {end:#x}."
                ).format(segment=load.title, first=first, last=end - 1, start=start, end=start + size - 1),
                where=where,
                mend=_(
                    "Link it for an address in memory (-Ttext=0x80000000), or give the machine more memory."
                ),
            )
        if first <= last:
            raise VlabError(
                _("{segment} (from {first:#x}) overlaps {previous}.").format(
                    segment=load.title, first=first, previous=previous
                ),
                where=where,
                mend=_("Give each segment addresses of its own in the linker script."),
            )
        last, previous = end - 1, load.title
    if memory is None and sum(load.size for load in loads) > _LARGEST_MEMORY:
        raise VlabError(_("It would fill more than 1 GiB of memory."), where=where)


class _Elf:
    """An ELF file being read.

    The layouts of its records are pyelftools'. Its `ELFFile` isn't used: that one follows offsets, counts and
    links wherever a hostile file sends it; here each is checked first.
    """

    def __init__(self, content: bytes, where: str):
        from elftools.elf.structs import ELFStructs

        self.content = content
        self.where = where
        self._check_identity()
        self._layouts = ELFStructs(little_endian=True, elfclass=64)
        self._layouts.create_basic_structs()
        self._layouts.create_advanced_structs("ET_EXEC", "EM_RISCV", "ELFOSABI_SYSV")
        self.header = self._record(self._layouts.Elf_Ehdr, 0, _("the ELF header"))
        self._check_header()

    def program(self, memory: tuple[int, int] | None, notes: list[str]) -> Program:
        """The program in it."""
        loads = [self._without_headers(load, memory[0] if memory else 0) for load in self._loads()]
        _check_places(loads, memory, self.where)
        segments = tuple(segment for load in loads for segment in load.segments())
        symbols, constants = self._symbols(notes)
        return Program(
            segments, self._entry(loads), symbols, constants=constants, extensions=self._extensions
        )

    @property
    def _extensions(self) -> str:
        """What it says it needs of the hart."""
        return "C" if self.header["e_flags"] & _COMPRESSED else ""

    # Messages.

    def _error(self, what: str, mend: str) -> VlabError:
        return VlabError(what, where=self.where, mend=mend)

    def _damaged(self, what: str) -> VlabError:
        return self._error(what, _("The file is damaged: build it, or copy it, again."))

    def _cut_off(self, title: str) -> VlabError:
        size = len(self.content)
        return self._damaged(
            _("{title} should go on after the file's {size} bytes.").format(title=title, size=size)
        )

    # Headers.

    def _check_identity(self) -> None:
        """VlabError unless the first bytes say 64-bit and little-endian."""
        kind, order = self.content[4:5], self.content[5:6]
        if kind == b"\x01":
            raise self._error(
                _("This is a 32-bit ELF file; the machine is 64-bit."),
                _("Build it with -march=rv64ima_zicsr -mabi=lp64."),
            )
        if order == b"\x02":
            raise self._error(
                _("This ELF file is big-endian; the machine is little-endian."),
                _("Build it for little-endian RISC-V."),
            )
        if kind + order not in (b"", b"\x02", b"\x02\x01"):
            raise self._damaged(_("No ELF file has this class and byte order."))

    def _check_header(self) -> None:
        """VlabError unless it is a linked RISC-V program."""
        machine, kind = self.header["e_machine"], self.header["e_type"]
        if machine != "EM_RISCV":
            raise self._error(
                _("This ELF file is for another processor ({machine}).").format(machine=machine),
                _("Build it with a RISC-V compiler, such as riscv64-unknown-elf-gcc."),
            )
        if kind not in ("ET_EXEC", "ET_DYN"):
            raise self._error(
                _("This ELF file isn't a linked program ({kind}).").format(kind=kind),
                _("Link it, with -Ttext=0x80000000."),
            )

    def _record(self, layout: Any, offset: int, title: str) -> Any:
        """The record at `offset`, as a mapping. VlabError if the file ends before it does."""
        end = offset + layout.sizeof()
        if end > len(self.content):
            raise self._cut_off(title)
        return layout.parse(self.content[offset:end])

    def _records(self, layout: Any, prefix: str, title: str) -> list[Any]:
        """The table whose offset, record size and count are the ELF header's fields with this prefix."""
        offset, size, count = (self.header[prefix + field] for field in ("off", "entsize", "num"))
        if not offset or not count:
            return []
        if size != layout.sizeof() or count > _MOST_HEADERS:
            raise self._damaged(
                _("{title} can't be {count} records of {size} bytes.").format(
                    title=title, count=count, size=size
                )
            )
        return [self._record(layout, offset + n * size, title) for n in range(count)]

    # Segments.

    def _loads(self) -> list[_Load]:
        """Its segments to load. VlabError if there are none, or the file doesn't hold what they claim."""
        headers = self._records(self._layouts.Elf_Phdr, "e_ph", _("The program header table"))
        if any(header["p_type"] == "PT_INTERP" for header in headers):
            raise self._error(
                _("This program needs a dynamic loader, and so an operating system."),
                _("Link it with -nostdlib -static."),
            )
        wanted = [
            (_("Segment {number}").format(number=number), header)
            for number, header in enumerate(headers)
            if header["p_type"] == "PT_LOAD" and header["p_memsz"]
        ]
        if not wanted:
            raise self._error(_("This ELF file has nothing to load."), _("Link it into a program."))
        # Segments that share bytes of the file could make a small file fill any memory.
        if sum(header["p_filesz"] for _title, header in wanted) > len(self.content):
            raise self._damaged(_("Its segments together claim more bytes than the file has."))
        loads = [self._load(title, header) for title, header in wanted]
        return sorted(loads, key=lambda load: load.physical)

    def _load(self, title: str, header: Any) -> _Load:
        offset, given, size = header["p_offset"], header["p_filesz"], header["p_memsz"]
        if given > size:
            raise self._damaged(
                _("{segment} has {given} bytes in the file, but only {size} in memory.").format(
                    segment=title, given=given, size=size
                )
            )
        if offset + given > len(self.content):
            raise self._cut_off(title)
        return _Load(title, self.content[offset : offset + given], header["p_vaddr"], header["p_paddr"], size)

    def _without_headers(self, load: _Load, start: int) -> _Load:
        """A segment without the file's own headers, where they would lie in front of the memory at `start`.

        `ld -Ttext=0x80000000` puts them there, a page below; no program misses them.
        """
        extra = start - load.physical
        headers = self.header["e_phoff"] + self.header["e_phnum"] * self.header["e_phentsize"]
        in_front = 0 < extra <= len(load.content) and load.content.startswith(self.content[:headers])
        if not in_front or any(load.content[headers:extra]):
            return load
        content = load.content[extra:]
        return _Load(load.title, content, load.virtual + extra, start, load.size - extra)

    def _entry(self, loads: list[_Load]) -> int:
        """The physical address to start at: a kernel linked for virtual addresses names its entry as one."""
        named: int = self.header["e_entry"]
        if named % (2 if self._extensions else 4):
            raise self._damaged(
                _("It starts at {entry:#x}, where no instruction can be.").format(entry=named)
            )
        for load in loads:
            if load.virtual <= named < load.virtual + load.size:
                return load.physical + named - load.virtual
        if any(load.physical <= named < load.physical + load.size for load in loads):
            return named
        raise self._error(
            _("It starts at {entry:#x}, where nothing is loaded.").format(entry=named),
            _("Define _start in it, or name its first instruction to the linker: -e NAME."),
        )

    # Symbols: good to have, so that damage here is only noted.

    def _symbols(self, notes: list[str]) -> tuple[dict[str, int], frozenset[str]]:
        """Its symbols by name, and which of them are plain numbers."""
        headers = self._records(self._layouts.Elf_Shdr, "e_sh", _("The section header table"))
        table = next((header for header in headers if header["sh_type"] == "SHT_SYMTAB"), None)
        if table is None:
            return {}, frozenset()
        records = self._section(table)
        names = self._section(headers[table["sh_link"]]) if table["sh_link"] < len(headers) else None
        if records is None or names is None or len(records) % _SYMBOL.size:
            notes.append(
                _("{where}: its symbol table is damaged; the program has no symbols.").format(
                    where=self.where
                )
            )
            return {}, frozenset()
        return _read_symbols(records, names)

    def _section(self, header: Any) -> bytes | None:
        """The bytes of a section; None if the file doesn't hold them all."""
        start, end = header["sh_offset"], header["sh_offset"] + header["sh_size"]
        return self.content[start:end] if end <= len(self.content) else None


def _read_symbols(records: bytes, names: bytes) -> tuple[dict[str, int], frozenset[str]]:
    """What a symbol table says; of several symbols with one name the first global one, else the first.

    pyelftools would read each name anew from the file; with a hostile table of names that takes for ever.
    """
    local: dict[str, tuple[int, int]] = {}
    shared: dict[str, tuple[int, int]] = {}
    for at, info, _other, section, value, _size in _SYMBOL.iter_unpack(records):
        binding, kind = info >> 4, info & 15
        if section == _UNDEFINED or kind in (_SECTION, _FILE):
            continue
        name = _name_at(names, at)
        if name and not name.startswith(("$", ".L")):  # those are the assembler's own
            (shared if binding else local).setdefault(name, (value, section))
    found = local | shared
    values = {name: value for name, (value, _section) in found.items()}
    return values, frozenset(name for name, (_value, section) in found.items() if section == _ABSOLUTE)


def _name_at(names: bytes, at: int) -> str:
    """The name at an offset of a string table; empty if there is none that could be shown."""
    end = names.find(b"\0", at, at + _LONGEST_NAME + 1)
    name = names[at:end].decode("utf-8", "replace") if end > at else ""
    return name if name.isprintable() else ""
