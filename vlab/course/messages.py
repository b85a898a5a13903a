"""The messages of the program in Spanish: found in the sources, kept in one catalogue."""

import ast
import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vlab import files
from vlab.course.glossary import unusual
from vlab.course.translation import METADATA
from vlab.language import _

CATALOGUE = "vlab/locale/es/vlab.po"
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_LIKE = 0.75


def messages(root: Path) -> dict[str, list[str]]:
    """Every message that a reader may get, with the places where it stands: "vlab/cli/run.py:12".

    They are the texts in `_("…")` anywhere in the package, and those of the quizzes.
    """
    found: dict[str, list[str]] = {}
    for path in sorted((root / "vlab").rglob("*.py")):
        name = path.relative_to(root).as_posix()
        for text, line in sorted(
            _called(ast.parse(path.read_text(encoding="utf-8"))), key=lambda call: call[1]
        ):
            found.setdefault(text, []).append(f"{name}:{line}")
    for path in sorted((root / "data" / "quizzes").glob("*.json")):
        for question in json.loads(path.read_text(encoding="utf-8")):
            for text in _asked(question):
                found.setdefault(text, []).append(f"data/quizzes/{path.name}:{question['id']}")
    return found


def _called(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="_"), args=[ast.Constant(value=str(text))]):
                yield text, node.lineno


def _asked(question: dict[str, Any]) -> Iterator[str]:
    yield question["question"]
    for option in question["options"]:
        yield from (option["text"], option["feedback"])


def update(root: Path) -> None:
    """Bring the catalogue in step with the sources: new messages empty, changed ones fuzzy, unused ones gone."""
    import polib

    path = root / CATALOGUE
    old = {entry.msgid: entry for entry in _read(path)}
    wanted = messages(root)
    left = {text: entry for text, entry in old.items() if text not in wanted and entry.msgstr}
    new = polib.POFile(wrapwidth=0)
    new.metadata = dict(METADATA)
    for text, places in wanted.items():
        entry = old.get(text) or _changed(text, left)
        # Without numbers of lines: else each change of a source would change the catalogue.
        entry.occurrences = [
            (name, "") for name in dict.fromkeys(place.partition(":")[0] for place in places)
        ]
        new.append(entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomically(path, str(new).encode())


def _changed(text: str, left: dict[str, Any]) -> Any:
    import polib

    near = get_close_matches(text, left, 1, _LIKE)
    if not near:
        return polib.POEntry(msgid=text)
    before = left.pop(near[0])
    return polib.POEntry(msgid=text, msgstr=before.msgstr, flags=["fuzzy"], previous_msgid=before.msgid)


def _read(path: Path) -> Any:
    import polib

    return polib.pofile(str(path), wrapwidth=0) if path.exists() else []


def complaints(root: Path) -> Iterator[str]:
    """Which messages have no translation, one that is stale, or one that does not fit, a sentence each."""
    entries = {entry.msgid: entry for entry in _read(root / CATALOGUE)}
    for text, places in messages(root).items():
        entry = entries.pop(text, None)
        if entry is None or not entry.msgstr:
            yield f"{places[0]}: " + _("not translated: {text!r}").format(text=text)
        elif entry.fuzzy:
            yield f"{places[0]}: " + _("changed since it was translated: {text!r}").format(text=text)
        elif (wanted := placeholders(text)) != placeholders(entry.msgstr):
            said = _("its translation should have {wanted}: {text!r}")
            yield f"{places[0]}: " + said.format(wanted=", ".join(wanted) or _("no braces"), text=text)
        else:
            yield from (f"{places[0]}: {wrong}" for wrong in unusual(text, entry.msgstr))
    yield from (f"{CATALOGUE}: " + _("nothing says this any more: {text!r}").format(text=t) for t in entries)


def placeholders(text: str) -> list[str]:
    """What is filled in, in braces with its format; in order of the alphabet, as languages order words differently."""
    return sorted(_PLACEHOLDER.findall(text))
