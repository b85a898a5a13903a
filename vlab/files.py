"""Where the project's own files are: the notebooks and the data, in a checkout or in an installed wheel."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from stat import S_IMODE
from typing import BinaryIO

_PACKAGE = Path(__file__).resolve().parent


def installed() -> bool:
    """Whether this is an installed wheel (which carries the folders inside the package), not a checkout."""
    return (_PACKAGE / "_notebooks").is_dir()


def checkout() -> Path:
    """The root of the checkout that this is, where it is not installed."""
    return _PACKAGE.parent


def folder(name: str) -> Path:
    """The project's folder "notebooks" or "data". To be read only: it may not be the reader's."""
    return _PACKAGE / f"_{name}" if installed() else checkout() / name


def cache_folder() -> Path | None:
    """Where this user keeps what can be made again; it needn't exist yet. None for a user without a home.

    A relative XDG_CACHE_HOME counts for nothing, as its specification says.
    """
    chosen = Path(os.environ.get("XDG_CACHE_HOME") or "")
    try:
        return (chosen if chosen.is_absolute() else Path.home() / ".cache") / "vlab"
    except RuntimeError:
        return None


def resolved(path: str | os.PathLike[str]) -> Path:
    """Where a path leads when all links are followed, or would if it were there. OSError for links in a circle."""
    place = Path(path)
    try:
        found = place.resolve()
    except RuntimeError:  # Python's word for it, up to 3.12
        found = place
    try:
        circle = found.is_symlink()
    except OSError:  # a name that is too long, say: whoever opens it will be told
        circle = False
    if circle:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return found


def write_atomically(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a file so that nobody ever sees half of it: either the old content stands there, or the new.

    Where a link stands, what it points to is written: a reader who named the file, or put the link there, means
    that. A `private` file is vlab's own affair, as in the cache: only its user may read it, and it takes the place
    of the link itself.
    """
    with replacing(path, private=private) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """A new file to write, which takes the place of `path` when the block ends well, all at once.

    Until then, and after any error or crash, the old one stands there whole. The new one has its mode. It may
    be sought in and truncated, so that holes cost no room. A link stays one, unless it is `private`: see
    `write_atomically`. OSError where the folder or the disk refuses, and where something else than a file stands:
    whoever may do everything could replace a device.
    """
    link = private and path.is_symlink()
    path = path if private else resolved(path)
    if path.exists() and not path.is_file() and not link:
        raise OSError(errno.EINVAL, "not a file")
    file, draft = _draft(path, 0o600 if private else 0o666)
    try:
        with file:
            yield file
            file.flush()
            # The content must be on the disk before the name is: after a crash a name without it is half a file.
            os.fsync(file.fileno())
        if path.exists() and not private:
            draft.chmod(S_IMODE(path.stat().st_mode))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _settle(path.parent)


def _draft(path: Path, mode: int) -> tuple[BinaryIO, Path]:
    """A file of its own beside `path`: whoever writes there too, or crashed while doing so, has another."""
    for number in count():
        draft = path.with_name(f".{path.name}.{number}.part")
        try:
            return open(draft, "xb", opener=partial(os.open, mode=mode)), draft
        except FileExistsError:
            continue
    raise AssertionError


def _settle(folder: Path) -> None:
    """Put the new name on the disk too. Where a folder can't be opened, the system does so when it likes."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass  # some file systems know no fsync of a folder
    finally:
        os.close(handle)
