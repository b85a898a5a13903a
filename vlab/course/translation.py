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
from vlab.course.sections import marks
from vlab.language import LANGUAGES, _

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


def prose(cell: Any) -> list[str]:
    """What a lecturer or the list of lessons reads of a cell: texts in its metadata, translated like its own."""
    said = marks(cell)
    texts = [said.get("shows", ""), said.get("notes", ""), *said.get("misconceptions", ())]
    return [str(text) for text in texts if text]


def translated(english: Any, catalogue: Any, language: str = "es") -> Any:
    """An English notebook in another language, not executed. What has no translation stays English."""
    from copy import deepcopy

    said = {(entry.msgctxt, entry.msgid): entry.msgstr for entry in catalogue.translated_entries()}
    notebook = deepcopy(english)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":

            def here(text: str, cell_id: str = cell.id) -> str:
                return said.get((cell_id, text)) or text

            cell.source = "\n\n".join(map(here, paragraphs(cell)))
            about = marks(cell)
            about |= {key: here(about[key]) for key in ("shows", "notes") if key in about}
            if "misconceptions" in about:
                about["misconceptions"] = [here(text) for text in about["misconceptions"]]
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
        texts = paragraphs(cell) + prose(cell)
        yield from ((cell, text) for text in texts if not _TAGS.fullmatch(text))


def _read(path: Path) -> Any:
    import polib

    return polib.pofile(str(path), wrapwidth=0) if path.exists() else _empty()


def _empty() -> Any:
    import polib

    new = polib.POFile(wrapwidth=0)
    new.metadata = dict(METADATA)
    return new


def complaints(path: Path) -> Iterator[str]:
    """In what a translated notebook is not what its English one says, a sentence each, naming the cell.

    Of an English one, that there is no catalogue to translate it by.
    """
    import nbformat

    english = english_of(path)
    name = f"{path.parent.name}/{path.name}"
    if language_of(path) == "en":
        yield from _without_catalogue(path, name)
        return
    if english is None:
        yield f"{name}: " + _("there is no English notebook that it could be made from")
        return
    catalogue, original = catalogue_path(path), nbformat.read(english, as_version=4)
    if not catalogue.exists():
        yield f"{name}: " + _("its catalogue {file} is missing").format(file=catalogue.name)
        return
    yield from (f"{name}, {wrong}" for wrong in _about_catalogue(original, _read(catalogue)))
    if not path.exists():
        yield f"{name}: " + _("is missing; `vlab notebooks build` makes it")
        return
    wanted = translated(original, _read(catalogue), language_of(path))
    stored = nbformat.read(path, as_version=4)
    yield from (f"{name}, {wrong}" for wrong in _differences(wanted, stored))


def _without_catalogue(path: Path, name: str) -> Iterator[str]:
    """For each other language in which an English notebook of the lessons has no catalogue."""
    folder = next((folder for folder in path.parents[:2] if folder.name == "en"), None)
    for language in (code for code in LANGUAGES if code != "en" and folder is not None):
        if (
            folder is not None
            and not catalogue_path(folder.with_name(language) / path.relative_to(folder)).exists()
        ):
            yield f"{name}: " + _("has no catalogue to translate it to {language}").format(language=language)


def _about_catalogue(english: Any, catalogue: Any) -> Iterator[str]:
    entries = {(entry.msgctxt, entry.msgid): entry for entry in catalogue}
    for cell, text in _texts(english):
        where = _("cell {cell}: ").format(cell=cell.id)
        entry = entries.pop((cell.id, text), None)
        if entry is None:
            yield where + _("is new or changed in English, and not translated: {text}").format(
                text=_short(text)
            )
        elif entry.fuzzy:
            yield where + _("is changed in English since it was translated: {text}").format(text=_short(text))
        elif not entry.msgstr:
            yield where + _("is not translated: {text}").format(text=_short(text))
        elif lost := _lost(text, entry.msgstr):
            said = _("its translation has not the same {what}: {text}")
            yield where + said.format(what=lost, text=_short(text))
        else:
            yield from (f"{where}{wrong}: {_short(entry.msgstr)}" for wrong in unusual(text, entry.msgstr))
    for cell_id, text in dict.fromkeys(entries):
        gone = _("cell {cell}: its catalogue translates what is not there any more: {text}")
        yield gone.format(cell=cell_id, text=_short(text))


def _lost(text: str, translation: str) -> str:
    """What has to be in a translation as it is in the original: where links lead, and what is typed on a line."""
    wanted = ((_("links"), r"\]\(([^)]*)\)"), (_("blanks between its paragraphs"), r"\n\n"))
    for what, pattern in wanted:
        if sorted(re.findall(pattern, text)) != sorted(re.findall(pattern, translation)):
            return what
    return "" if text.count("\n") == translation.count("\n") else _("lines")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")


def _differences(wanted: Any, stored: Any) -> Iterator[str]:
    """Cells of a stored notebook that are not what would be made; how they are executed is another's question."""
    cells = {cell.id: cell for cell in stored.cells}
    for cell in wanted.cells:
        found = cells.pop(cell.id, None)
        if found is None:
            yield _("cell {cell}: is missing").format(cell=cell.id)
        elif (found.cell_type, found.source, found.metadata) != (cell.cell_type, cell.source, cell.metadata):
            wrong = _("cell {cell}: is not what the English notebook and the catalogue give")
            yield wrong.format(cell=cell.id)
    yield from (_("cell {cell}: is not in the English notebook").format(cell=cell) for cell in cells)
    if not cells and [cell.id for cell in stored.cells] != [cell.id for cell in wanted.cells]:
        yield _("its cells are not in the order of the English notebook")
