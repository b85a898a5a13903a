"""What others have measured and published: the rows of `data/published.json`, each with its source."""

import json
from functools import cache
from typing import NamedTuple

from vlab.files import folder
from vlab.language import _, named


class Fact(NamedTuple):
    """One row: a claim, whose it is, and where it stands there.

    Some have numbers: `values` are the rows of a table by name, whose columns are `columns`, in `unit`; None
    where the source has none. `year` is that of the source.
    """

    id: str
    claim: str
    source: str
    locator: str
    year: int = 0
    unit: str = ""
    columns: tuple[str, ...] = ()
    values: tuple[tuple[str, tuple[float | None, ...]], ...] = ()

    @property
    def table(self) -> dict[str, dict[str, float]]:
        """The numbers by row, then by column."""
        return {
            name: {
                column: number
                for column, number in zip(self.columns, numbers, strict=True)
                if number is not None
            }
            for name, numbers in self.values
        }


@cache
def facts() -> dict[str, Fact]:
    """All rows, by their ids."""
    rows = json.loads((folder("data") / "published.json").read_text(encoding="utf-8"))
    return {row["id"]: _fact(row) for row in rows}


def fact(id: str) -> Fact:  # noqa: A002  # as the file calls it
    """A row by its id; VlabError, with the nearest one, where there is none."""
    return named(id, facts(), _("There is no published row {word!r}."))


def _fact(row: dict[str, object]) -> Fact:
    values = row.get("values", {})
    assert isinstance(values, dict)
    table = tuple((name, tuple(numbers)) for name, numbers in values.items())
    columns = row.get("columns", ())
    assert isinstance(columns, list | tuple)
    return Fact(**{**row, "columns": tuple(columns), "values": table})  # type: ignore[arg-type]
