"""An overlay in a file: what differs from a base, to be kept beside the base's image.

    b"vlab disk changes 1\\n"       what this is, and the version of the format
    one line of JSON                {"size": bytes of the disk, "base": digest, "blocks": [numbers, ascending]}
    4096 bytes for each number      the blocks
    32 bytes                        SHA-256 of all that stands before

The base's digest is the SHA-256 of its size and its blocks that are not zeros, so that changes are never put
upon another disk. Nothing in the file is believed before it has been checked, and nothing in it is run.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Any

from vlab.files import write_atomically
from vlab.language import VlabError, _
from vlab.machine.disks.rawfile import BLOCK, place_for, told

_TITLE, _VERSION = b"vlab disk changes ", 1
_HASH = 32
_DIGITS = 12  # of a block's number in the header, with what stands around it


def digest(size: int, blocks: Mapping[int, bytes]) -> str:
    """What a disk is known by: its size and its blocks that are not zeros, ascending."""
    found = sha256(size.to_bytes(8, "little"))
    for number, content in blocks.items():
        found.update(number.to_bytes(8, "little"))
        found.update(content)
    return found.hexdigest()


def save(path: str | PathLike[str], size: int, base: Mapping[int, bytes], own: Mapping[int, bytes]) -> None:
    """Write the blocks `own` of an overlay over a base with the blocks `base`; VlabError if that fails."""
    header = {"size": size, "base": digest(size, base), "blocks": list(own)}
    content = b"%s%d\n%s\n" % (_TITLE, _VERSION, json.dumps(header).encode()) + b"".join(own.values())
    with told(path):
        write_atomically(place_for(path), content + sha256(content).digest())


def load(path: str | PathLike[str], size: int, base: Mapping[int, bytes]) -> dict[int, bytes]:
    """The blocks in the file, which are changes of a base of this size with these blocks.

    Raises:
        VlabError: it can't be read, is damaged, or is of another base.
    """
    content = _read(path, size)
    header, rest = _header(content, str(path))
    right = set(header) == {"size", "base", "blocks"} and isinstance(header["blocks"], list)
    if not right or len(rest) != BLOCK * len(header["blocks"]):
        raise _damaged(str(path))
    if header["size"] != size or header["base"] != digest(size, base):
        raise VlabError(
            _("These are changes of another disk, or of this one before it was changed."),
            where=str(path),
            mend=_("Open them over the disk that they were saved from."),
        )
    numbers = header["blocks"]
    if any(type(n) is not int for n in numbers) or numbers != sorted(set(numbers)):
        raise _damaged(str(path))
    found = {number: rest[at * BLOCK : (at + 1) * BLOCK] for at, number in enumerate(numbers)}
    check_blocks(found, size, str(path))
    return found


def _read(path: str | PathLike[str], size: int) -> bytes:
    """The whole file; no longer than changes of all blocks of such a disk are."""
    longest = (size // BLOCK + 1) * (BLOCK + _DIGITS) + 1000
    with told(path):
        if not Path(path).is_file():
            raise VlabError(
                _("This isn't a file.") if Path(path).exists() else _("There is no such file."),
                where=str(path),
                mend=_("Check the name, and the folder it is looked for in."),
            )
        with Path(path).open("rb") as file:
            content = file.read(longest + 1)
    if len(content) > longest:
        raise _damaged(str(path))
    return content


def _header(content: bytes, where: str) -> tuple[dict[str, Any], bytes]:
    """The header, and the bytes of the blocks, in a file whose checksum is right."""
    title, _line, after = content[:-_HASH].partition(b"\n")
    if not title.startswith(_TITLE):
        raise VlabError(
            _("These are no changes of a disk."),
            where=where,
            mend=_("`disk.save_changes(path)` writes some."),
        )
    if title != b"%s%d" % (_TITLE, _VERSION):
        raise VlabError(
            _("These changes are in a version of the format that this vlab doesn't know."),
            where=where,
            mend=_("Use the vlab that wrote them."),
        )
    if sha256(content[:-_HASH]).digest() != content[-_HASH:]:
        raise _damaged(where)
    line, _end, rest = after.partition(b"\n")
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        raise _damaged(where) from None
    if not isinstance(header, dict):
        raise _damaged(where)
    return header, rest


def check_blocks(blocks: object, size: int, where: str) -> None:
    """VlabError unless these can be blocks of a disk of this size, by number."""
    if not isinstance(blocks, Mapping):
        raise VlabError(_("The blocks of the disk are missing."), where=where)
    for number, content in blocks.items():
        right = type(number) is int and 0 <= number * BLOCK < size and type(content) is bytes
        if not right or len(content) != BLOCK or content[size - number * BLOCK :].strip(b"\0"):
            raise VlabError(
                _("Block {number} is not a block of this disk.").format(number=repr(number)[:40]), where=where
            )


def _damaged(where: str) -> VlabError:
    return VlabError(
        _("The file is damaged: it isn't what was written."),
        where=where,
        mend=_("Take another copy of it, or do the changes again."),
    )
