"""What drifts is seen, and the complaint names the cell: on copies, one thing changed in each."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import polib
import pytest

from vlab import files
from vlab.course import notebooks, students, translation

NAME = "07_trap_and_emulate"


@pytest.fixture
def tree(tmp_path):
    """The lesson, its solution and its catalogues in both languages, in a folder of their own."""
    source = files.folder("notebooks")
    for path in source.rglob(f"{NAME}.*"):
        copy = tmp_path / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return tmp_path


def changed(path, cell, change):
    """Change one cell of a stored notebook."""
    book = nbformat.read(path, as_version=4)
    (found,) = [one for one in book.cells if one.id == cell]
    change(found)
    nbformat.write(book, path)


def nbval(path, **environment):
    """What pytest says of a notebook."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "-q",
        "-p",
        "no:cacheprovider",
        "--no-header",
        "-c",
        os.devnull,
        str(path),
    ]
    done = subprocess.run(
        command, env=os.environ | environment, cwd=path.parent, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def failed(said):
    """The numbers of the cells that nbval found different."""
    return {int(number) for number in re.findall(r"FAILED .*::Cell (\d+)", said)}


# Python runs this before anything else: of each VM, the first shadow entry made for a store lacks its W bit.
SPOILED = """
import vlab.hypervisor.shadow as shadow

right, spoiled = shadow.ShadowTables.fill, []


def wrong(self, view, gva, found, access):
    if access == "store" and not any(one is self for one in spoiled):
        spoiled.append(self)
        found = found._replace(rights=found.rights & ~shadow.W)
    return right(self, view, gva, found, access)


shadow.ShadowTables.fill = wrong
"""


def up_to(path, cell):
    """Cut a notebook after a cell: what comes later isn't asked here."""
    book = nbformat.read(path, as_version=4)
    book.cells = book.cells[: [one.id for one in book.cells].index(cell) + 1]
    nbformat.write(book, path)
    return [one.id for one in book.cells if one.cell_type == "code"]


@pytest.mark.parametrize("language", ["en", "es"])
def test_one_page_table_entry_changed_in_the_model(tree, language):
    path = tree / language / f"{NAME}.ipynb"
    cells = up_to(path, "catch-count")
    (tree / "sitecustomize.py").write_text(SPOILED)
    assert nbval(path)[0] == 0, "as it is, it is right"
    status, said = nbval(path, PYTHONPATH=str(tree))
    assert status == 1
    assert failed(said) == {cells.index(name) for name in ("synopsis-run", "catch-run", "catch-count")}


@pytest.mark.parametrize("language", ["en", "es"])
def test_one_stored_output(tree, language):
    path = tree / language / f"{NAME}.ipynb"
    changed(path, "catch-count", lambda cell: cell.outputs[0].data.update({"text/plain": "(125, 40)"}))
    cells = up_to(path, "catch-count")
    status, said = nbval(path)
    assert status == 1
    assert failed(said) == {cells.index("catch-count")}


def test_one_spanish_paragraph(tree):
    path = tree / "es" / f"{NAME}.ipynb"
    catalogue = translation.catalogue_path(path)
    entries = polib.pofile(str(catalogue), wrapwidth=0)
    entries.remove(next(entry for entry in entries if entry.msgctxt == "held"))
    entries.save(str(catalogue))
    assert [
        wrong for wrong in notebooks.complaints(path) if "cell held: " in wrong and "not translated" in wrong
    ]


def test_one_catalogue(tree):
    path = tree / "en" / f"{NAME}.ipynb"
    before = notebooks.complaints(path)
    (tree / "locale" / "es" / f"{NAME}.po").unlink()
    assert set(notebooks.complaints(path)) - set(before) == {
        f"en/{NAME}.ipynb: has no catalogue to translate it to es"
    }


@pytest.mark.parametrize("language", ["en", "es"])
def test_one_alt_sentence(tree, language):
    path = tree / language / f"{NAME}.ipynb"

    def blind(cell):
        (shown,) = cell.outputs
        shown.data["text/html"] = re.sub(r'alt="[^"]*"', 'alt=""', shown.data["text/html"])

    changed(path, "catch-run", blind)
    assert (
        f"{language}/{NAME}.ipynb, cell catch-run: shows a picture without a sentence"
        in notebooks.complaints(path)
    )


@pytest.mark.parametrize("language", ["en", "es"])
def test_one_hint(tree, language):
    path = tree / language / "solutions" / f"{NAME}.ipynb"

    def forget(cell):
        cell.source = cell.source[: cell.source.rindex("<details>")]

    changed(path, "07-1-hints", forget)
    assert [wrong for wrong in students.complaints(path) if "cell 07-1-hints: has 2 hints, not 3" in wrong]
    assert [wrong for wrong in students.stale(path) if "cell 07-1-hints: differs" in wrong]


@pytest.mark.parametrize(
    ("cell", "key", "wrong"),
    [
        ("held", "minutes", "cell held: the section does not say its minutes"),
        ("held-checkpoint", None, "cell held: the section does not begin with checkpoint('07-held')"),
    ],
)
def test_what_a_lecturer_needs(tree, cell, key, wrong):
    path = tree / "en" / f"{NAME}.ipynb"

    def forget(found):
        if key:
            del found.metadata["vlab"][key]
        else:
            found.source = 'checkpoint("07-none")'

    changed(path, cell, forget)
    assert f"en/{NAME}.ipynb, {wrong}" in notebooks.complaints(path)
