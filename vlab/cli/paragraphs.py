"""Long sentences in lines as wide as the tables that the commands print."""

import textwrap

WIDTH = 110


def paragraph(text: str, indent: int = 0, hanging: int = 0) -> str:
    """The text in lines that begin after so many blanks, and, but for the first, after `hanging` more."""
    first, others = " " * indent, " " * (indent + hanging)
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)
