"""HTML tables of words, their text at the left and at the top."""

from collections.abc import Iterable

from vlab.views.drawing.svg import escape

_LEFT = "text-align:left;vertical-align:top"


def words_table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table with these heads, and a row of texts for each of `rows`."""
    head = "".join(f"<th scope=col style='{_LEFT}'>{escape(words)}</th>" for words in heads)
    body = "".join(
        "<tr>" + "".join(f"<td style='{_LEFT}'>{escape(words)}</td>" for words in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
