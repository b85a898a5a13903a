"""What LLVM has made is kept in the user's cache.

It is machine code, and LLVM itself dies of a damaged file: so nothing is taken from there that is not whole, or that
another user could have written.
"""

import os
import stat
from hashlib import sha256
from pathlib import Path

from vlab.files import cache_folder, write_atomically

_DIGEST = 32  # bytes of a sha256, at the begin of a file
_MOST = 1 << 24  # bytes of a file; what is larger, nobody here has written
_MOST_FILES = 32  # each version of vlab and of LLVM, and each processor, has one of its own
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def kept(key: str) -> bytes | None:
    """What is kept under a key, if it is whole, and nobody else can have written it."""
    folder = cache_folder()
    if folder is None or not _own(folder):
        return None
    try:
        opened = os.open(folder / f"{key}.o", os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | _waiting())
    except OSError:
        return None
    try:
        with os.fdopen(opened, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or not _mine(found) or found.st_size > _MOST:
                return None
            whole = file.read(_MOST)
    except OSError:
        return None
    content = whole[_DIGEST:]
    return content if whole[:_DIGEST] == _digest(key, content) else None


def keep(key: str, content: bytes) -> None:
    """Keep it for the next time, if that can be."""
    folder = cache_folder()
    if folder is None:
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _own(folder):
            write_atomically(folder / f"{key}.o", _digest(key, content) + content, private=True)
            _forget_old(folder, key)
    except OSError:
        pass  # a host that keeps nothing makes it each time


def _forget_old(folder: Path, key: str) -> None:
    """Of the other files, only the latest stay. Whoever still wants one of the others makes it anew."""
    others = sorted((path.stat().st_mtime_ns, path) for path in folder.glob("*.o") if path.name != f"{key}.o")
    for _time, path in others[: 1 - _MOST_FILES]:
        path.unlink(missing_ok=True)


def _digest(key: str, content: bytes) -> bytes:
    """It has the key in it: what was made for another host's processor is not taken for this one's."""
    return sha256(key.encode() + content).digest()


def _own(folder: Path) -> bool:
    try:
        return _mine(folder.stat())
    except OSError:
        return False


def _mine(found: os.stat_result) -> bool:
    """Whether only this user can write there. Windows keeps a user's folder by other means."""
    if not hasattr(os, "geteuid"):
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & _OTHERS_WRITE


def _waiting() -> int:
    """A pipe in the place of a file must not let us wait; and Windows tells text from bytes."""
    return getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
