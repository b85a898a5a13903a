"""Spelling in both languages: a planted mistake is found, and what readers read has none."""

import pytest

from tests.course import spelling
from vlab import files
from vlab.course import notebooks


@pytest.mark.parametrize(
    ("language", "text", "wrong"),
    [
        ("en", "The hypervizor catches the trap.", ["hypervizor"]),
        ("en", "The guest recieves `recieve` it, see [here](recieve.md).", ["recieves"]),
        ("en", "It doesn't matter: the guest's kernel is in U mode, at 0x80000000.", []),
        ("es", "El hipervisor captrua la interrupcion.", ["captrua", "interrupcion"]),
        ("es", "Escríbelos, y vuelve a mirarla con *the page table*.", []),
        ("es", "El invtado ejecutra la instrucción privilegiada.", ["invtado", "ejecutra"]),
    ],
)
def test_a_planted_mistake_is_found(language, text, wrong):
    assert spelling.unknown(text, language) == wrong


WRITTEN = [path for path in notebooks.authored() if path.exists()]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: "-".join(path.with_suffix("").parts[-3:]))
def test_the_notebooks_are_spelled_right(path):
    assert list(spelling.of_notebook(path)) == []


def test_the_messages_are_spelled_right(repository):
    assert list(spelling.of_messages(repository)) == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_the_documents_are_spelled_right(repository, name):
    assert list(spelling.complaints(name, (repository / name).read_text("utf-8"), "en")) == []


@pytest.mark.parametrize("name", ["en", "es", "names"])
def test_our_own_words_stand_in_order_each_once(name):
    words = (files.folder("data") / "words" / f"{name}.txt").read_text("utf-8").split()
    assert words == sorted(set(words), key=lambda word: (word.lower(), word))
