"""The table of techniques: guest × technique × depth, whether the end is the same, and what each level exits for."""

from collections.abc import Iterator

from vlab.language import _
from vlab.operations.equivalence import EquivalenceRow, EquivalenceTable, Level, Likeness
from vlab.views.drawing.svg import escape
from vlab.views.operations.tables import words_table
from vlab.views.terms import term

SIGNS = {Likeness.SAME: "✓", Likeness.SAME_OUTPUT: "✓", Likeness.DIFFERENT: "✗", Likeness.REFUSED: "–"}


def verdict(row: EquivalenceRow) -> str:
    """Its sign and its word."""
    return f"{SIGNS[row.likeness]} {row.likeness.title}"


def causes(level: Level) -> str:
    """Its exits by reason, the most frequent first."""
    return ", ".join(f"{term(reason)} {count}" for reason, count in level.exits.items())


def equivalence_html(table: EquivalenceTable) -> str:
    """A row for each run. The numbers of instructions are the guest's, and so are the exits by reason."""
    heads = (
        *(_("guest"), _("depth"), _("techniques, from outside"), _("as on the bare machine?")),
        *(_("direct"), _("emulated"), _("exits by level"), _("the guest's exits by reason")),
    )
    return f"<p>{escape(repr(table))}</p>" + words_table(heads, map(_cells, table))


def _cells(row: EquivalenceRow) -> Iterator[str]:
    yield from (row.guest, str(row.depth), " / ".join(row.techniques), verdict(row))
    if not row.levels:
        yield from ("", "", "", row.why)
        return
    inner = row.levels[-1]
    yield from (str(inner.direct), str(inner.emulated))
    yield " / ".join(str(level.total) for level in row.levels)
    yield f"{row.why}; {causes(inner)}" if row.why else causes(inner)


def row_html(row: EquivalenceRow) -> str:
    """One run: a row for each of its levels."""
    heads = _("level"), _("technique"), _("direct"), _("emulated"), _("exits"), _("exits by reason")
    levels = [
        (
            str(number),
            level.technique,
            str(level.direct),
            str(level.emulated),
            str(level.total),
            causes(level),
        )
        for number, level in enumerate(row.levels, 1)
    ]
    return f"<p>{escape(repr(row))}</p>" + (words_table(heads, levels) if levels else "")
