"""The list of lessons says what the lessons say."""

import re
import shutil

import nbformat
import pytest

from vlab.course import index


def test_the_list_agrees_with_the_lessons(repository):
    assert list(index.complaints(repository)) == []


@pytest.fixture
def root(repository, tmp_path):
    """A checkout with lesson 07 alone, its list made."""
    for language in ("en", "es"):
        (tmp_path / "notebooks" / language).mkdir(parents=True)
        name = f"notebooks/{language}/07_trap_and_emulate.ipynb"
        shutil.copyfile(repository / name, tmp_path / name)
    (tmp_path / "notebooks/README.md").write_text("# The lessons\n\nBefore.\n")
    index.update(tmp_path)
    return tmp_path


def test_a_list_is_made(root):
    text = (root / "notebooks/README.md").read_text()
    assert text.startswith("# The lessons\n\nBefore.\n\n<!-- lessons")
    assert "| 07 | [Trap and emulate](en/07_trap_and_emulate.ipynb)<br>a kernel" in text
    assert "[Capturar y emular](es/07_trap_and_emulate.ipynb)<br>un núcleo" in text
    assert re.search(r"\| 75 \| !\[[^]]{20,}\]\(../data/lessons/07.png\)", text)
    assert (root / "data/lessons/07.png").read_bytes().startswith(b"\x89PNG")
    assert list(index.complaints(root)) == []
    index.update(root)
    assert (root / "notebooks/README.md").read_text() == text


@pytest.mark.parametrize(
    ("key", "value", "wrong"),
    [
        ("minutes", 90, "is stale"),
        ("shows", "something else", "is stale"),
        ("shows", "", "cell title: does not say 'shows'"),
        ("picture", "title", "whose picture stands for the lesson, has none"),
    ],
)
def test_what_changed_is_named(root, key, value, wrong):
    path = root / "notebooks/en/07_trap_and_emulate.ipynb"
    book = nbformat.read(path, as_version=4)
    book.cells[0].metadata["vlab"][key] = value
    nbformat.write(book, path)
    assert wrong in "\n".join(index.complaints(root))
