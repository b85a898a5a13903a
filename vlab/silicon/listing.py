"""A guest for the reader's own CPU as bytes with their assembly, line by line: hand-assembled, for x86 in 16-bit mode.

A line has bytes in hexadecimal, the instruction, and after `#` a note. The files stand in `listings/`; a test compares
their bytes with what another implementation of the CPU makes of them.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vlab.language import VlabError, _, unknown

START = 0x1000  # where a guest's code stands
LISTINGS = ("word",)
_MOST_LINES = 100
_LINE = re.compile(r"((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:\s+([^#]*))?(?:#(.*))?", re.IGNORECASE)
_LONGEST = 15  # bytes of an instruction
_WIDEST = 200  # letters of a line


@dataclass(frozen=True)
class Line:
    """One instruction of a listing: where it stands, its bytes, its text, and a note."""

    address: int
    code: bytes
    text: str
    note: str = ""

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + len(self.code)


@dataclass(frozen=True, repr=False)
class Listing:
    """A guest: its name ("": the reader's own) and its lines. `print` shows it."""

    name: str
    lines: tuple[Line, ...]

    @property
    def code(self) -> bytes:
        """Its bytes."""
        return b"".join(line.code for line in self.lines)

    @classmethod
    def named(cls, name: str) -> "Listing":
        """A guest that comes with vlab. Raises VlabError where there is none of that name."""
        if name not in LISTINGS:
            raise unknown(_("There is no listing {name!r}.").format(name=str(name)[:40]), name, LISTINGS)
        return _load(name)

    @classmethod
    def parse(cls, text: str, name: str = "") -> "Listing":
        """From text such as "b0 41  mov $0x41, %al  # a letter", line by line; the first stands at `START`.

        Raises:
            VlabError: for a line without bytes, and for no line or too many of them.
        """
        lines: list[Line] = []
        address = START
        written = [line.strip() for line in text.splitlines()]
        for number, line in enumerate(line for line in written if line and not line.startswith("#")):
            found = _LINE.fullmatch(line)
            code = bytes.fromhex(found[1]) if found else b""
            if not found or len(code) > _LONGEST or len(line) > _WIDEST or not line.isprintable():
                raise VlabError(
                    _("Line {number} of the listing is none: {line!r}.").format(
                        number=number + 1, line=line[:40]
                    ),
                    mend=_("Write the bytes of one instruction, then its text: {line}").format(
                        line="b0 41  mov $0x41, %al"
                    ),
                )
            text_, note = (" ".join((part or "").split()) for part in found.group(2, 3))
            lines.append(Line(address, code, text_, note))
            address += len(code)
        if not 0 < len(lines) <= _MOST_LINES:
            raise VlabError(_("A listing has from 1 to {most} lines.").format(most=_MOST_LINES))
        return cls(name, tuple(lines))

    def __repr__(self) -> str:
        return _("A guest of {lines} instructions, {bytes} bytes, for x86 in 16-bit mode.").format(
            lines=len(self.lines), bytes=len(self.code)
        )

    def __str__(self) -> str:
        rows = ((f"{line.address:#06x}", line.code.hex(" "), line.text, line.note) for line in self.lines)
        written = (f"{at}  {code:15} {text:20} {'# ' * bool(note)}{note}" for at, code, text, note in rows)
        return "\n".join(row.rstrip() for row in written)


@lru_cache(maxsize=4)
def _load(name: str) -> Listing:
    path = Path(__file__).with_name("listings") / f"{name}.txt"
    return Listing.parse(path.read_text("utf-8"), name)
