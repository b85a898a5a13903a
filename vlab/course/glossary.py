"""The terms of the field in both languages, and a lint that holds Spanish texts to them."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from vlab import files
from vlab.language import _

# What may be English: code, names of files, where links lead; words at their first use and titles, in italics.
_CODE = re.compile(r"```.*?```|`[^`]*`|<code>.*?</code>|\{[^{}]*\}|\]\([^)]*\)|\w+(\.\w+)+", re.DOTALL)
_ITALICS = re.compile(r"(?<!\*)\*[^*\s][^*]*\*(?!\*)")


@lru_cache
def glossary() -> tuple[dict[str, Any], ...]:
    """The terms: "en", "es", and where there are such, "not" (what Spanish never says) and "always".

    Where "always" is true, each Spanish text has the term wherever the English one has it.
    """
    path = files.folder("data") / "glossary.json"
    return tuple(json.loads(path.read_text(encoding="utf-8")))


def unusual(english: str, spanish: str) -> Iterator[str]:
    """Where a translation leaves the glossary, a sentence each. What is code or in italics may be English."""
    there, here = _CODE.sub(" ", english), _ITALICS.sub(" ", _CODE.sub(" ", spanish))
    for term in glossary():
        for word in term.get("not", ()):
            if _has(here, word):
                said = _("says {word!r} where the glossary has {wanted!r} for {english!r}")
                yield said.format(word=word, wanted=term["es"], english=term["en"])
        if term.get("always") and _has(there, term["en"]) and not _has(here, term["es"]):
            missing = _("does not say {wanted!r}, which the glossary has for {english!r}")
            yield missing.format(wanted=term["es"], english=term["en"])


def _has(text: str, words: str) -> bool:
    """Whether a text has these words, in the plural too: each of them may end in -s or -es."""
    pattern = r"\s+".join(re.escape(word) + "(?:e?s)?" for word in words.split())
    return re.search(rf"\b{pattern}\b", text, re.IGNORECASE) is not None
