"""Spelling of what readers read, in both languages: simplemma's word forms, and words of our own in `data/words/`.

Not looked at: code, names of files, what is in capitals, citations; in Spanish also italics, which are English.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import nbformat
import polib
import simplemma

from vlab import files
from vlab.course import messages, translation

# What may hang on a Spanish verb, and the accents that come with it: "escríbelos", "mirarla".
ENCLITICS = re.compile(r"(?:se|me|te|nos)?(?:l[aoe]s?)?$")
PLAIN = str.maketrans("áéíóú", "aeiou")
CODE = re.compile(
    r"```.*?```|`[^`]*`|<code>.*?</code>|<[^>]*>|\{[^{}]*\}|\]\([^)]*\)|https?://\S+"
    r"|^\s*\*[^*\n]+\*,.*$|--?[a-z][\w-]*|\S*[\w)]\.[\w(]\S*|\w*[\d_/]\w*",
    re.DOTALL | re.MULTILINE,
)
EMPHASIS = re.compile(r"<em>.*?</em>")  # italics where Markdown has none: inside a line of HTML
ITALICS = re.compile(r"(?<!\*)\*[^*\s][^*]*\*(?!\*)")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


@lru_cache
def own(language: str) -> frozenset[str]:
    """Our own words of a language, and the names that are the same in all."""
    places = [files.folder("data") / "words" / f"{name}.txt" for name in (language, "names")]
    return frozenset(word for place in places for word in place.read_text("utf-8").split())


@cache
def known(word: str, language: str) -> bool:
    if len(word) == 1 or word.isupper():
        return True
    forms = {word, word.lower(), word.removesuffix("'s"), word.removesuffix("'s").lower()}
    if forms & own(language) or any(simplemma.is_known(form, lang=language) for form in forms):
        return True
    verb = ENCLITICS.sub("", word.lower(), count=1)
    return language == "es" and verb != word.lower() and _is_verb(verb)


def _is_verb(verb: str) -> bool:
    """Whether it is a verb's form that a pronoun may hang on: infinitive, gerund or imperative."""
    plain = verb.translate(PLAIN)
    return len(plain) > 2 and any(simplemma.is_known(form, lang="es") for form in (verb, plain))


def unknown(text: str, language: str) -> list[str]:
    """The words of a text that nobody knows, in order."""
    if language == "es":
        text = EMPHASIS.sub(" ", text)
    prose = CODE.sub(" ", text)
    if language == "es":
        prose = ITALICS.sub(" ", prose)
    return [word for word in WORD.findall(prose.replace("’", "'")) if not known(word, language)]


def complaints(where: str, text: str, language: str) -> Iterator[str]:
    yield from (f"{where}: is this a word? {word}" for word in unknown(text, language))


def of_notebook(path: Path) -> Iterator[str]:
    """Words of a stored notebook that nobody knows, naming the cell."""
    for cell in nbformat.read(path, as_version=4).cells:
        for text in translation.paragraphs(cell) + translation.prose(cell):
            where = f"{path.parent.name}/{path.name}, cell {cell.id}"
            yield from complaints(where, text, translation.language_of(path))


def of_messages(root: Path) -> Iterator[str]:
    """Words of the messages that nobody knows, naming the place where the message stands."""
    said = {entry.msgid: entry.msgstr for entry in polib.pofile(str(root / messages.CATALOGUE))}
    for text, places in messages.messages(root).items():
        yield from complaints(places[0], text, "en")
        yield from complaints(f"{places[0]} (es)", said.get(text, ""), "es")
