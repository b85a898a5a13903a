"""The Spanish notebooks: made from English and a catalogue, and whatever is stale on either side names its cell."""

import re
import shutil
from pathlib import Path

import nbformat
import polib
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from vlab import files
from vlab.course import notebooks, translation
from vlab.course.students import student_path

NOTEBOOKS = files.folder("notebooks")
SPANISH = translation.catalogued(NOTEBOOKS)
LESSON = NOTEBOOKS / "es" / "07_trap_and_emulate.ipynb"
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


@pytest.fixture
def lesson(tmp_path):
    """A copy of lesson 07 in Spanish, with what it is made from."""
    for path in (LESSON, NOTEBOOKS / "en" / LESSON.name, translation.catalogue_path(LESSON)):
        copy = tmp_path / path.relative_to(NOTEBOOKS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return tmp_path / LESSON.relative_to(NOTEBOOKS)


@pytest.fixture
def small(tmp_path):
    """A notebook of three cells and its finished catalogue, not made yet."""
    english = tmp_path / "en" / "07_small.ipynb"
    english.parent.mkdir()
    cells = [
        new_markdown_cell("# One\n\nTwo words stand here.", id="title"),
        new_code_cell('import vlab\n\nvlab.set_language("en")', id="language"),
        new_code_cell('vlab.set_language("en")\nvlab.language._("none")', id="other"),
    ]
    nbformat.write(new_notebook(cells=cells), english)
    path = tmp_path / "es" / english.name
    catalogue = translation.update(nbformat.read(english, as_version=4), translation.catalogue_path(path))
    for entry, text in zip(catalogue, ("# Uno", "Aquí hay dos palabras."), strict=True):
        entry.msgstr = text
    catalogue.save(str(translation.catalogue_path(path)))
    return path


def changed(path, cell, before, after):
    """Change the text of a cell in a notebook's file."""
    notebook = nbformat.read(path, as_version=4)
    (found,) = [one for one in notebook.cells if one.id == cell]
    assert before in found.source
    found.source = found.source.replace(before, after)
    nbformat.write(notebook, path)


def said_of(path, cell):
    return [complaint for complaint in translation.complaints(path) if f"cell {cell}: " in complaint]


# --- The stored notebooks


@pytest.mark.parametrize("path", SPANISH, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_each_catalogue_gives_the_notebook_that_is_stored(path):
    assert list(translation.complaints(path)) == []


@pytest.mark.parametrize("path", SPANISH, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_only_the_language_differs_in_code(path):
    ours = nbformat.read(path, as_version=4).cells
    theirs = nbformat.read(translation.english_of(path), as_version=4).cells
    assert [cell.id for cell in ours] == [cell.id for cell in theirs]
    code = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.cell_type == "code"]
    assert [a.id for a, b in code if a.source != b.source] == ["language"]


@pytest.mark.parametrize(
    "path", sorted(NOTEBOOKS.glob("es/**/*.ipynb")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_links_lead_somewhere(path):
    text = "".join(
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"
    )
    links = [link for link in LINK.findall(text) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_nothing_in_spanish_is_without_a_catalogue():
    made = {path for path in NOTEBOOKS.glob("es/**/*.ipynb") if path.parent.name != "exercises"}
    assert made == set(SPANISH)
    solutions = [path for path in SPANISH if path.parent.name == "solutions"]
    assert set(NOTEBOOKS.glob("es/exercises/*.ipynb")) == {student_path(path) for path in solutions}


def test_the_index_has_a_row_for_every_lesson():
    index = (NOTEBOOKS / "README.md").read_text(encoding="utf-8")
    titles = {}
    for path in NOTEBOOKS.glob("*/[0-9][0-9]_*.ipynb"):
        title = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0].removeprefix("# ")
        titles[path] = f"[{title}]({path.relative_to(NOTEBOOKS).as_posix()})"
    assert [row for row in titles.values() if row not in index] == []
    assert [link for link in LINK.findall(index) if not (NOTEBOOKS / link).exists()] == []


# --- What goes stale


def test_a_copy_has_no_complaint(lesson):
    assert list(translation.complaints(lesson)) == []


def test_a_deleted_paragraph_of_the_spanish_notebook_is_named(lesson):
    changed(lesson, "catch", "\n\nGrabamos todo lo que ocurre.", "")
    assert said_of(lesson, "catch")
    assert set(translation.complaints(lesson)) <= set(notebooks.complaints(lesson))


def test_a_deleted_translation_is_named(lesson):
    path = translation.catalogue_path(lesson)
    catalogue = polib.pofile(str(path))
    next(entry for entry in catalogue if entry.msgctxt == "alone-seen").msgstr = ""
    catalogue.save(str(path))
    assert "is not translated" in said_of(lesson, "alone-seen")[0]


def test_a_changed_english_cell_is_named(lesson):
    changed(translation.english_of(lesson), "emulate-match", "heart", "core")
    assert "new or changed in English" in said_of(lesson, "emulate-match")[0]


def test_a_translation_of_what_is_gone_is_named(small):
    changed(translation.english_of(small), "title", "\n\nTwo words stand here.", "")
    assert "not there any more: 'Two words stand here.'" in said_of(small, "title")[0]


def test_changed_code_is_named(lesson):
    changed(translation.english_of(lesson), "alone-bare", "2M", "4M")
    assert list(translation.complaints(lesson)) == [
        "es/07_trap_and_emulate.ipynb, cell alone-bare: is not what the English notebook and the catalogue give"
    ]


def test_a_lost_link_a_lost_line_and_a_wrong_term_are_named(small):
    catalogue = polib.pofile(str(translation.catalogue_path(small)))
    for text, wrong in (("# Uno\n", "lines"), ("[# Uno](x)", "links"), ("# El huésped", "'huésped'")):
        catalogue[0].msgstr = text
        catalogue.save(str(translation.catalogue_path(small)))
        assert wrong in said_of(small, "title")[0]


def test_a_notebook_that_was_not_made_is_named(small):
    assert list(translation.complaints(small)) == [
        "es/07_small.ipynb: is missing; `vlab notebooks build` makes it"
    ]


def test_a_notebook_without_english_or_without_a_catalogue_is_named(lesson):
    translation.catalogue_path(lesson).unlink()
    assert "catalogue 07_trap_and_emulate.po is missing" in next(translation.complaints(lesson))
    translation.catalogue_path(lesson).with_name("08.po").write_text("")
    lesson.rename(lesson.with_name("08.ipynb"))
    assert "no English notebook" in next(translation.complaints(lesson.with_name("08.ipynb")))


def test_cells_that_moved_or_are_too_many_are_named(small):
    notebooks.build(small)
    stored = nbformat.read(small, as_version=4)
    stored.cells.reverse()
    nbformat.write(stored, small)
    assert "not in the order" in next(translation.complaints(small))
    stored.cells.append(new_markdown_cell("x", id="extra"))
    nbformat.write(stored, small)
    assert said_of(small, "extra")


# --- Making


def test_building_makes_the_spanish_notebook_and_executes_it(small):
    notebooks.build(small)
    title, language, other = nbformat.read(small, as_version=4).cells
    assert title.source == "# Uno\n\nAquí hay dos palabras."
    assert language.source == 'import vlab\n\nvlab.set_language("es")'
    assert other.source == 'vlab.set_language("en")\nvlab.language._("none")'  # code stays as it is
    assert other.outputs[0].data["text/plain"] == "'none'"
    assert list(translation.complaints(small)) == []


def test_changed_english_keeps_the_translation_and_the_text_it_was_made_from(small):
    english = translation.english_of(small)
    changed(english, "title", "Two words", "Three words")
    translation.source(small)
    entry = polib.pofile(str(translation.catalogue_path(small)))[1]
    assert (entry.fuzzy, entry.msgstr) == (True, "Aquí hay dos palabras.")
    assert entry.previous_msgid == "Two words stand here."
    assert "changed in English since" in said_of(small, "title")[0]
    changed(english, "title", "stand here", "stand there")
    translation.source(small)
    entry = polib.pofile(str(translation.catalogue_path(small)))[1]
    assert (entry.msgid, entry.previous_msgid) == ("Three words stand there.", "Two words stand here.")


def test_what_is_not_translated_stays_english(small):
    changed(
        translation.english_of(small),
        "title",
        "Two words stand here.",
        "Something else altogether, and longer",
    )
    made = translation.source(small)
    assert made.cells[0].source == "# Uno\n\nSomething else altogether, and longer"
    assert len(polib.pofile(str(translation.catalogue_path(small)))) == 2  # the old paragraph is gone


def test_an_unchanged_catalogue_is_not_written_again(small):
    path = translation.catalogue_path(small)
    translation.source(small)
    before = path.stat().st_mtime_ns
    translation.source(small)
    assert path.stat().st_mtime_ns == before


def test_where_things_stand():
    solution = Path("n/es/solutions/07.ipynb")
    assert translation.catalogue_path(solution) == Path("n/locale/es/solutions/07.po")
    assert translation.language_of(solution) == "es"
    assert translation.language_of(Path("elsewhere/07.ipynb")) == "en"
    assert translation.english_of(Path("n/en/07.ipynb")) is None
