"""Reading a notebook that was handed in. The file may be anything; only the blanks' sources are taken from it."""

import json
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlab.language import VlabError, _

_LARGEST = 20 << 20
_MOST_CELLS = 10_000


@dataclass(frozen=True)
class Cell:
    """What is taken over of one cell."""

    id: str
    kind: str
    source: str


def read(path: Path) -> list[Cell]:
    """The cells of a notebook file, as far as they are any.

    Raises:
        VlabError: if this is no notebook.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _bad(path, _("This is not a file."))
        if path.stat().st_size > _LARGEST:
            raise _bad(path, _("This is larger than {size} MB.").format(size=_LARGEST >> 20))
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise _bad(path, _("This can't be read: {reason}.").format(reason=error.strerror or error)) from None
    except (ValueError, RecursionError, MemoryError):
        raise _bad(path, _("This is not a notebook: it is not JSON.")) from None
    if not isinstance(found, dict) or not isinstance(found.get("cells"), list):
        raise _bad(path, _("This is not a notebook of version 4: it has no cells."))
    if len(found["cells"]) > _MOST_CELLS:
        raise _bad(path, _("This has more than {most} cells.").format(most=_MOST_CELLS))
    return [cell for cell in map(_cell, found["cells"]) if cell is not None]


def _bad(path: Path, what: str) -> VlabError:
    return VlabError(what, where=path.name, mend=_("Hand in the .ipynb file as JupyterLab saves it."))


def _cell(found: Any) -> Cell | None:
    """One cell; None for one without an id, which no blank is."""
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        return None
    source = found.get("source", "")
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return Cell(found["id"], str(found.get("cell_type")), source if isinstance(source, str) else "")


def taken(cells: list[Cell], name: str) -> tuple[str | None, str]:
    """The source of the blank with this id, and (instead of it) why there is none."""
    found = [cell for cell in cells if cell.id == name]
    if not found:
        return None, _("its cell is missing: copy it from a fresh exercise notebook")
    found = [cell for cell in found if cell.kind == "code"]
    if not found:
        return None, _("its cell is no code cell")
    if len({cell.source for cell in found}) > 1:
        return None, _("{count} cells claim to be its cell: delete all but one").format(count=len(found))
    return found[0].source, ""


def best_match(cells: list[Cell], blanks: dict[str, set[str]]) -> str:
    """Which of several notebooks, given by the ids of their blanks, this is a copy of; "" if of none."""
    ids = {cell.id for cell in cells}
    overlap = Counter({name: len(ids & theirs) for name, theirs in blanks.items()})
    name, count = max(sorted(overlap.items()), key=lambda pair: pair[1], default=("", 0))
    return name if count else ""
