"""Plain data from a file or a child process, every field checked before it is used."""

import json
from collections.abc import Iterator
from typing import Any

from vlab.language import VlabError, _

_LONGEST_WORD = 100
_MOST_ROWS = 200
_LARGEST = 1 << 64


class Damaged(VlabError):
    """Data that can't be read."""


class Fields:
    """A JSON object. Each question is for a field of one kind. Raises Damaged where it is another."""

    def __init__(self, value: object, where: str):
        self.where = where
        if not isinstance(value, dict):
            raise self.bad(_("an object was expected"))
        self._value: dict[str, Any] = value

    @classmethod
    def parse(cls, text: str | bytes, where: str) -> "Fields":
        """From a JSON text."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise damaged(where, _("it is no JSON")) from None
        return cls(value, where)

    def word(self, name: str, *, choices: tuple[str, ...] = ()) -> str:
        """A short text without signs that can't be printed, one of the choices if there are any."""
        value = self._value.get(name)
        if not isinstance(value, str) or not value.isprintable() or len(value) > _LONGEST_WORD:
            raise self.bad(name)
        if choices and value not in choices:
            raise self.bad(name)
        return value

    def number(self, name: str) -> int | None:
        """A whole number of 64 bits, or None."""
        value = self._value.get(name)
        if value is None:
            return None
        if type(value) is not int or not -_LARGEST < value < _LARGEST:
            raise self.bad(name)
        return value

    def yes_or_no(self, name: str) -> bool:
        """True or False."""
        value = self._value.get(name)
        if not isinstance(value, bool):
            raise self.bad(name)
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """Some short texts."""
        rows = self._list(name)
        return tuple(Fields({name: row}, self.where).word(name) for row in rows)

    def numbers(self, name: str) -> tuple[int, ...]:
        """Some whole numbers."""
        found = tuple(Fields({name: row}, self.where).number(name) for row in self._list(name))
        if None in found:
            raise self.bad(name)
        return tuple(number for number in found if number is not None)

    def rows(self, name: str) -> Iterator["Fields"]:
        """Some objects."""
        return (Fields(row, f"{self.where}: {name}") for row in self._list(name))

    def part(self, name: str) -> "Fields":
        """An object inside this one."""
        return Fields(self._value.get(name), f"{self.where}: {name}")

    def has(self, name: str) -> bool:
        """Whether there is such a field, and it isn't None."""
        return self._value.get(name) is not None

    def bad(self, what: str) -> Damaged:
        """The error for a field that is wrong."""
        return damaged(self.where, what)

    def _list(self, name: str) -> list[Any]:
        value = self._value.get(name)
        if not isinstance(value, list) or len(value) > _MOST_ROWS:
            raise self.bad(name)
        return value


def damaged(where: str, what: str) -> Damaged:
    """The error for data that can't be read."""
    return Damaged(
        _("This is no recorded data of vlab's: {what}.").format(what=what),
        where=where,
        mend=_("Take the file from a fresh copy of the project."),
    )
