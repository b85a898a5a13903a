"""The notebooks in Spanish: made from the English ones and a catalogue each, paragraph by paragraph.

A catalogue has one entry for each paragraph: its context is the id of the cell, its message the English text. So
whoever changes a paragraph in English has a stale entry that names the cell, and nothing else moves.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vlab.course.glossary import unusual
from vlab.language import LANGUAGES

LANGUAGE_CELL = "language"  # the id of the one code cell that differs: it sets the language
METADATA = {
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "Language": "es",
}
_LIKE = 0.5  # how alike two paragraphs of a cell are if one is the other, changed
_TAGS = re.compile(r"(\s|</?[a-z]+>)*")


def english_of(path: Path) -> Path | None:
    """The English notebook of which this one is a translation; None for one that is English itself."""
    for folder in path.parents[:2]:
        if folder.name in LANGUAGES:
            source = folder.with_name("en") / path.relative_to(folder)
            return source if folder.name != "en" and source.exists() else None
    return None


def language_of(path: Path) -> str:
    """The language of a notebook, by its folder; English where no folder says."""
    return next((folder.name for folder in path.parents[:2] if folder.name in LANGUAGES), "en")


def catalogue_path(path: Path) -> Path:
    """Where the catalogue of a translated notebook stands: notebooks/es/07.ipynb, notebooks/locale/es/07.po."""
    folder = next(folder for folder in path.parents[:2] if folder.name in LANGUAGES)
    return folder.parent / "locale" / folder.name / path.relative_to(folder).with_suffix(".po")


def catalogued(notebooks: Path) -> list[Path]:
    """All notebooks under the folder `notebooks` that have a catalogue, whether they are made already or not."""
    locale = notebooks / "locale"
    return sorted(notebooks / path.relative_to(locale).with_suffix(".ipynb") for path in locale.rglob("*.po"))


def paragraphs(cell: Any) -> list[str]:
    """The paragraphs of a Markdown cell, in order; joined by blank lines they are its source again."""
    return str(cell.source).split("\n\n") if cell.cell_type == "markdown" else []


def translated(english: Any, catalogue: Any, language: str = "es") -> Any:
    """An English notebook in another language, not executed. What has no translation stays English."""
    from copy import deepcopy

    said = {(entry.msgctxt, entry.msgid): entry.msgstr for entry in catalogue.translated_entries()}
    notebook = deepcopy(english)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = "\n\n".join(said.get((cell.id, text)) or text for text in paragraphs(cell))
            continue
        cell.outputs, cell.execution_count = [], None
        if cell.id == LANGUAGE_CELL:
            cell.source = cell.source.replace('set_language("en")', f'set_language("{language}")')
    return notebook


def source(path: Path) -> Any:
    """A notebook before it is executed. A translated one is made anew, and its catalogue brought up to date."""
    import nbformat

    english = english_of(path)
    if english is None:
        return nbformat.read(path, as_version=4)
    original = nbformat.read(english, as_version=4)
    catalogue = update(original, catalogue_path(path))
    return translated(original, catalogue, language_of(path))


def update(english: Any, path: Path) -> Any:
    """Bring a catalogue in step with its English notebook, in the notebook's order.

    A changed paragraph keeps its translation, marked fuzzy, with the English text that it was made from. What no
    cell says any more goes.
    """
    from vlab import files

    old = _read(path)
    entries = {(entry.msgctxt, entry.msgid): entry for entry in old}
    new = _empty()
    wanted = {(cell.id, text): None for cell, text in _texts(english)}
    left = {key: entry for key, entry in entries.items() if key not in wanted and entry.msgstr}
    for key in wanted:
        new.append(entries.get(key) or _changed(key, left))
    if str(new) != (path.read_text(encoding="utf-8") if path.exists() else ""):
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomically(path, str(new).encode())
    return new


def _changed(key: tuple[str, str], left: dict[tuple[str, str], Any]) -> Any:
    """An entry for a paragraph that has none: empty, or what is left of the paragraph that it was before."""
    import polib

    cell, text = key
    near = get_close_matches(text, [before for there, before in left if there == cell], 1, _LIKE)
    if not near:
        return polib.POEntry(msgctxt=cell, msgid=text)
    before = left.pop((cell, near[0]))
    kept = before.previous_msgid if before.fuzzy and before.previous_msgid else before.msgid
    return polib.POEntry(msgctxt=cell, msgid=text, msgstr=before.msgstr, flags=["fuzzy"], previous_msgid=kept)


def _texts(english: Any) -> Iterator[tuple[Any, str]]:
    """Each paragraph that has words in it, with its cell."""
    for cell in english.cells:
        yield from ((cell, text) for text in paragraphs(cell) if not _TAGS.fullmatch(text))


def _read(path: Path) -> Any:
    import polib

    return polib.pofile(str(path), wrapwidth=0) if path.exists() else _empty()


def _empty() -> Any:
    import polib

    new = polib.POFile(wrapwidth=0)
    new.metadata = dict(METADATA)
    return new


def complaints(path: Path) -> Iterator[str]:
    """In what a translated notebook is not what its English one says, a sentence each, naming the cell."""
    import nbformat

    english = english_of(path)
    name = f"{path.parent.name}/{path.name}"
    if language_of(path) == "en":
        return
    if english is None:
        yield f"{name}: there is no English notebook that it could be made from"
        return
    catalogue, original = catalogue_path(path), nbformat.read(english, as_version=4)
    if not catalogue.exists():
        yield f"{name}: its catalogue {catalogue.name} is missing"
        return
    yield from (f"{name}, {wrong}" for wrong in _about_catalogue(original, _read(catalogue)))
    if not path.exists():
        yield f"{name}: is missing; `vlab notebooks build` makes it"
        return
    wanted = translated(original, _read(catalogue), language_of(path))
    stored = nbformat.read(path, as_version=4)
    yield from (f"{name}, {wrong}" for wrong in _differences(wanted, stored))


def _about_catalogue(english: Any, catalogue: Any) -> Iterator[str]:
    entries = {(entry.msgctxt, entry.msgid): entry for entry in catalogue}
    for cell, text in _texts(english):
        entry = entries.pop((cell.id, text), None)
        if entry is None:
            yield f"cell {cell.id}: is new or changed in English, and not translated: {_short(text)}"
        elif entry.fuzzy:
            yield f"cell {cell.id}: is changed in English since it was translated: {_short(text)}"
        elif not entry.msgstr:
            yield f"cell {cell.id}: is not translated: {_short(text)}"
        elif wrong := _lost(text, entry.msgstr):
            yield f"cell {cell.id}: its translation has not the same {wrong}: {_short(text)}"
        else:
            yield from (
                f"cell {cell.id}: {wrong}: {_short(entry.msgstr)}" for wrong in unusual(text, entry.msgstr)
            )
    for cell_id, text in dict.fromkeys(entries):
        yield f"cell {cell_id}: its catalogue translates what is not there any more: {_short(text)}"


def _lost(text: str, translation: str) -> str:
    """What has to be in a translation as it is in the original: where links lead, and what is typed on a line."""
    for what, pattern in (("links", r"\]\(([^)]*)\)"), ("blanks between its paragraphs", r"\n\n")):
        if sorted(re.findall(pattern, text)) != sorted(re.findall(pattern, translation)):
            return what
    return "" if text.count("\n") == translation.count("\n") else "lines"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")


def _differences(wanted: Any, stored: Any) -> Iterator[str]:
    """Cells of a stored notebook that are not what would be made; how they are executed is another's question."""
    cells = {cell.id: cell for cell in stored.cells}
    for cell in wanted.cells:
        found = cells.pop(cell.id, None)
        if found is None:
            yield f"cell {cell.id}: is missing"
        elif (found.cell_type, found.source, found.metadata) != (cell.cell_type, cell.source, cell.metadata):
            yield f"cell {cell.id}: is not what the English notebook and the catalogue give"
    yield from (f"cell {cell}: is not in the English notebook" for cell in cells)
    if not cells and [cell.id for cell in stored.cells] != [cell.id for cell in wanted.cells]:
        yield "whose cells are not in the order of the English notebook"
