"""Where the project's own files are: the notebooks and the data, in a checkout or in an installed wheel."""

from pathlib import Path

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


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it: either the old content stands there, or the new."""
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
