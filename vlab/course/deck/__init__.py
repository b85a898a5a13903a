"""Slides of a lesson: one file that needs no network and no library, to be opened in any browser.

Slide metadata follows from headings: each section is a column, each of its Markdown cells begins a slide, and code
joins the slide before it, if that has no code yet. The pictures are those that the lesson stores, with their sentences.
"""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from vlab.course.live import slide_types
from vlab.course.sections import Cell, Lesson
from vlab.language import _

_HERE = Path(__file__).parent
_ANCHOR = re.compile(r'<a class="anchor-link"[^>]*>.*?</a>')
_LINK = re.compile(r'<a [^>]*href="(?!https?:)[^"]*"[^>]*>(.*?)</a>', re.DOTALL)
_DETAILS = re.compile(r"<details>.*?</details>", re.DOTALL)


def columns(lesson: Lesson) -> list[list[list[Cell]]]:
    """The slides of a lesson: columns of slides of cells."""
    found: list[list[list[Cell]]] = []
    for cell, kind in zip(lesson.cells, slide_types(lesson.cells), strict=True):
        if kind == "slide" or not found:
            found.append([[cell]])
        elif kind == "subslide":
            found[-1].append([cell])
        elif kind == "-":
            found[-1][-1].append(cell)
    return found


def deck(lesson: Lesson) -> str:
    """The whole deck as one page."""
    from pygments.formatters import HtmlFormatter

    slides = []
    for column, part in enumerate(columns(lesson)):
        title = escape(part[0][0]["source"].partition("\n")[0].lstrip("# "))
        head = (
            f'<section class="slide" data-column="{column}" data-title="{title}" aria-label="{title}"><div>'
        )
        slides += [f"{head}{content}</div></section>" for cells in part for content in _contents(cells)]
    words = {
        "language": lesson.path.parent.name,
        "title": escape(lesson.title),
        "help": escape(
            _("Space: next. Shift+Space: back. Left, right: sections. Up, down: within a section.")
        ),
        "next": escape(_("Next slide")),
        "back": escape(_("Slide before")),
        "style": (_HERE / "deck.css").read_text("utf-8"),
        "colours": HtmlFormatter(style="vs").get_style_defs(".highlight"),  # all readable on light grey
        "script": (_HERE / "deck.js").read_text("utf-8"),
        "slides": "\n".join(slides),
    }
    page = (_HERE / "deck.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: words[found[1]], page)


def _contents(cells: list[Cell]) -> Iterator[str]:
    """What stands on a slide; a picture has the next one to itself, so that the last row can read it."""
    shown = ""
    for cell in cells:
        if cell["cell_type"] == "markdown":
            shown += _prose(cell["source"])
            continue
        if not cell["metadata"].get("jupyter", {}).get("source_hidden"):
            shown += _code(cell["source"])
        for output in map(_output, cell["outputs"]):
            if "<img" in output and shown:
                yield shown
                shown = ""
            shown += output
    if shown:
        yield shown


def _prose(source: str) -> str:
    """Markdown as HTML. Links to other files lead nowhere from a deck, and hints are for readers on their own."""
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    html = markdown2html_mistune(_DETAILS.sub("", source))
    return _LINK.sub(r"\1", _ANCHOR.sub("", html))


def _code(source: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return str(highlight(source, PythonLexer(), HtmlFormatter()))


def _output(output: Any) -> str:
    """What a cell shows: its page form where it has one, else its picture, else its text."""
    data = output.get("data", {})
    text = "".join(data.get("text/plain", ""))
    if "text/html" in data:
        return f'<div class="output">{"".join(data["text/html"])}</div>'
    if "image/png" in data:
        png = "".join(data["image/png"]).strip()
        return f'<div class="output"><img alt="{escape(text)}" src="data:image/png;base64,{png}"></div>'
    shown = text or "".join(output.get("text", ""))
    return f'<pre class="output">{escape(shown)}</pre>' if shown else ""
