"""What a reader has done: kept in a small file of theirs, and never needed for anything.

The file may be missing, unwritable, damaged or somebody else's: then there is simply nothing to show.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from vlab import files
from vlab.language import _

PLACE = "VLAB_PROGRESS"  # another file; "off" keeps none
KINDS = ("exercises", "quizzes")
_LARGEST = 1 << 20
_LONGEST = 40  # characters of a name or a state
_MOST = 1000  # entries of a kind

Marks = dict[str, dict[str, str]]


def place() -> Path | None:
    """Where it is kept: in the folder that the platform has for such things. None if nothing is to be kept."""
    chosen = os.environ.get(PLACE)
    if chosen is not None:
        return Path(chosen) if chosen not in ("", "off") else None
    if "PYTEST_VERSION" in os.environ:
        return None  # a test run, of lessons for one, is nobody's progress
    if sys.platform == "win32":
        folder = Path(os.environ.get("APPDATA") or Path.home() / "AppData/Roaming")
    elif sys.platform == "darwin":
        folder = Path.home() / "Library/Application Support"
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    return folder / "vlab" / "progress.json"


def marks() -> Marks:
    """What is recorded: for each kind, the state by name. Whatever in the file is no such record is left out."""
    try:
        path = place()
        if path is None or path.stat().st_size > _LARGEST:
            return {kind: {} for kind in KINDS}
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError, RuntimeError):  # RuntimeError: there is no home folder
        return {kind: {} for kind in KINDS}
    kinds = found if isinstance(found, dict) else {}
    return {kind: _clean(kinds.get(kind)) for kind in KINDS}


def _clean(entries: object) -> dict[str, str]:
    pairs = entries.items() if isinstance(entries, dict) else ()
    good = {n: s for n, s in pairs if isinstance(s, str) and len(n) <= _LONGEST and len(s) <= _LONGEST}
    return dict(sorted(good.items())[:_MOST])


def record(kind: str, name: str, state: str) -> None:
    """Note a state; what was right once stays right. If it can't be written, it isn't."""
    found = marks()
    if found[kind].get(name) in ("right", state):
        return
    found[kind][name] = state
    try:
        path = place()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_atomically(path, (json.dumps(found, indent=1, sort_keys=True) + "\n").encode())
    except (OSError, RuntimeError):
        return


@dataclass(frozen=True)
class Progress:
    """What is recorded, to be shown."""

    marks: Marks

    def __repr__(self) -> str:
        right = [self._right(kind) for kind in KINDS]
        return _("Exercises right: {exercises}. Quiz questions right: {quizzes}.").format(
            exercises=right[0], quizzes=right[1]
        )

    def _right(self, kind: str) -> str:
        names = [name for name, state in self.marks[kind].items() if state == "right"]
        return ", ".join(names) or _("none yet")


def show_progress() -> Progress:
    """What you have done so far, as far as it was recorded."""
    return Progress(marks())
