"""Messages in the reader's language, and the one error class whose text a reader is meant to read."""

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

LANGUAGES = ("en", "es")
_LOCALE = Path(__file__).parent / "locale"
_WHOLE = 1000  # from here on places behind the point don't matter
_language = "en"
_Choice = TypeVar("_Choice")


def _(message: str) -> str:
    """The message in the reader's language; in English where it has no translation yet."""
    return message if _language == "en" else _catalogue(_language).get(message) or message


def grouped(number: float) -> str:
    """A number as it is read: in groups of three digits, whole or with as many places as matter.

    Between them is a space, as ISO 80000-1 has it: a comma is a decimal sign in Spanish, and a point is one in English.
    """
    written = f"{number:,.0f}" if number >= _WHOLE or number == int(number) else f"{number:.4g}"
    return written.replace(",", " ")


def set_language(code: str) -> None:
    """Choose the language of all messages from here on: "en" or "es"."""
    global _language
    if code not in LANGUAGES:
        raise unknown(_("There is no language {code!r}.").format(code=code), code, LANGUAGES)
    _language = code


def language() -> str:
    """The language in use now."""
    return _language


def preferred_language(environment: dict[str, str] | None = None) -> str:
    """The reader's language as the environment says it (VLAB_LANG, then the locale), else English."""
    env = os.environ if environment is None else environment
    for name in ("VLAB_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if code := env.get(name, "")[:2].lower():
            return code if code in LANGUAGES else "en"
    return "en"


@lru_cache
def _catalogue(code: str) -> dict[str, str]:
    path = _LOCALE / code / "vlab.po"
    if not path.exists():
        return {}
    import polib

    return {entry.msgid: entry.msgstr for entry in polib.pofile(str(path)).translated_entries()}


class VlabError(Exception):
    """A mistake that the reader can mend: what was wrong, where, and what to do about it."""

    def __init__(self, what: str, *, where: str = "", mend: str = ""):
        super().__init__(what, where, mend)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}" + (f"\n{self.mend}" if self.mend else "")

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in place of a traceback."""
        return [str(self)]


def unknown(what: str, name: object, known: Iterable[str]) -> VlabError:
    """The error for a name that is none of those known: it tells the one that was probably meant, or else all."""
    from difflib import get_close_matches

    folded = {one.lower(): one for one in known}
    if near := get_close_matches(str(name).lower(), folded, n=1):
        return VlabError(what, mend=_("Did you mean {near!r}?").format(near=folded[near[0]]))
    return VlabError(
        what, mend=_("There are: {known}.").format(known=", ".join(folded.values()) or _("none"))
    )


def named(word: object, choices: Mapping[str, _Choice], what: str) -> _Choice:
    """The choice that goes by this name. Raises VlabError with `what` (about {word}) where it is `unknown`."""
    if (name := str(word)) in choices:
        return choices[name]
    raise unknown(what.format(word=word), name, choices)
