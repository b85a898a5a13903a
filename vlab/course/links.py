"""Links: each relative link in a notebook or document leads to a file that is there, and to a heading in it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from vlab.language import _

_LINK = re.compile(r"(?<!\\)\]\(([^()\s]+)(?: \"[^\"]*\")?\)|(?:href|src)=\"([^\"]+)\"")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def complaints(path: Path, said: str = "") -> Iterator[str]:
    """Links of a Markdown file or notebook that lead nowhere, a sentence each, naming the cell of a notebook.

    `said` is what the file is called in them; its name by default.
    """
    for cell, source in _texts(path):
        where = (said or path.name) + (_(", cell {cell}").format(cell=cell) if cell else "")
        for found in _LINK.finditer(_CODE.sub("", source)):
            link = found[1] or found[2]
            if not _ELSEWHERE.match(link) and (wrong := _wrong(path, link)):
                yield f"{where}: {wrong}"


def _wrong(path: Path, link: str) -> str:
    """Why a link leads nowhere; empty if it leads somewhere."""
    name, _hash, anchor = link.partition("#")
    target = path.parent / unquote(name) if name else path
    if not target.exists():
        return _("its link leads to no file: {link}").format(link=link)
    if anchor and target.suffix in (".md", ".ipynb") and unquote(anchor) not in anchors(target):
        return _("its link leads to no heading: {link}").format(link=link)
    return ""


def _texts(path: Path) -> list[tuple[str, str]]:
    """The Markdown of a file, with the cell's id where it has cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return [("", text)]
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
    return [(cell.get("id", ""), "".join(cell["source"])) for cell in cells]


def anchors(path: Path) -> set[str]:
    """What links to the headings of a file may say: JupyterLab's form and that of code-hosting sites."""
    titles = [title for _cell, text in _texts(path) for title in _HEADING.findall(text)]
    hosted = (re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)
    return {*(title.replace(" ", "-") for title in titles), *hosted}
