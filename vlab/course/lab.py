"""The reader's lessons: where they are, which is the first, and copies that cost the reader no work."""

import json
from hashlib import sha256
from pathlib import Path

from vlab import files
from vlab.language import VlabError, _

DEFAULT_FOLDER = Path("vlab-notebooks")
_RECORD = ".vlab.json"


def workplace(chosen: Path | None) -> tuple[Path, list[str]]:
    """The folder to work in, and sentences that say what was done to it.

    A checkout's own notebooks by default; from an installed wheel, or into a `chosen` folder, copies.
    """
    if chosen is None and not files.installed():
        return files.folder("notebooks"), []
    place = chosen or DEFAULT_FOLDER
    return place, copy_lessons(files.folder("notebooks"), place)


def first_lesson(place: Path, language: str) -> Path:
    """The first lesson, relative to `place`: in the language where it is translated, else in English.

    Raises VlabError where there is no lesson at all.
    """
    lessons = sorted((place / "en").glob("[0-9][0-9]_*.ipynb"))
    if not lessons:
        raise VlabError(_("there are no lessons here."), where=str(place / "en"))
    translated = place / language / lessons[0].name
    return (translated if translated.exists() else lessons[0]).relative_to(place)


def copy_lessons(source: Path, place: Path) -> list[str]:
    """Bring the folder `place` up to date with `source`, and say what was done, a sentence each."""
    return bring(place, {name: (source / name).read_bytes() for name in _names(source)})


def bring(place: Path, contents: dict[str, bytes]) -> list[str]:
    """Write files, by their names in the folder `place`, and say what was done, a sentence each.

    A file that the reader changed is never touched: a record of what was written, kept in the folder, tells a
    reader's change from an older version of ours.
    """
    record = _read_record(place)
    copied: list[str] = []
    updated: list[str] = []
    kept: list[str] = []
    for name, ours in contents.items():
        theirs = _read(place / name)
        if theirs is not None and _digest(theirs) not in (_digest(ours), record.get(name)):
            kept.append(name)
            continue
        if theirs != ours:
            (copied if theirs is None else updated).append(name)
            _write(place / name, ours)
        record[name] = _digest(ours)
    _write(place / _RECORD, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
    return _report(place, copied, updated, kept)


def _report(place: Path, copied: list[str], updated: list[str], kept: list[str]) -> list[str]:
    said = []
    if copied:
        said.append(_("Files copied to {place}: {n}.").format(n=len(copied), place=place))
    if updated:
        said.append(_("Brought up to date: {names}.").format(names=", ".join(updated)))
    if kept:
        names = ", ".join(kept)
        said.append(_("Left as you changed them: {names}. Delete one to get ours back.").format(names=names))
    return said


def _names(source: Path) -> list[str]:
    """The files under `source`, as relative names with "/", without hidden ones and authors' catalogues."""
    paths = (path.relative_to(source) for path in source.rglob("*") if path.is_file())
    mine = (p for p in paths if p.parts[0] != "locale" and not any(part.startswith(".") for part in p.parts))
    return sorted(p.as_posix() for p in mine)


def _read_record(place: Path) -> dict[str, str]:
    """What was copied before. A damaged record counts as none: then every file there is the reader's."""
    try:
        record = json.loads(_read(place / _RECORD) or b"{}")
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(path, error) from error


def _write(path: Path, content: bytes) -> None:
    """Write a whole file or nothing: a full disk must not leave half a lesson."""
    half = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(content)
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> VlabError:
    return VlabError(
        _("cannot be used: {reason}.").format(reason=error.strerror or error),
        where=str(path),
        mend=_("Choose another folder with `vlab lab --dir FOLDER`."),
    )


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
