"""A finished picture, and the form in which a notebook stores it.

Three things are stored, and each is there for a reader:

`text/plain`  the picture's one sentence. Terminals show it, and nbval compares it.
`text/html`   `<img alt="the sentence" src="data:image/svg+xml;…">`. JupyterLab and nbconvert prefer it.
              JupyterLab gives an `image/png` no alternative text, so the sentence needs an `<img>` of
              ours; and inline `<svg>` is taken out of a notebook that isn't trusted yet. The SVG is text made
              here, the same everywhere: nbval compares it to the letter, so every change of a picture shows.
`image/png`   the same SVG, drawn by resvg, for viewers that show only this, and for paper. nbval skips it, so
              a machine without resvg, or with another version of it, still passes.

A live stepper puts the SVG itself into the page (`inline`), where it follows the page's light or dark theme.
"""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from vlab.display import Bundle
from vlab.views.drawing.grammar import sheet
from vlab.views.drawing.svg import Element, el, escape, group, number, rect, text

_FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf")
_PIXELS = 1.5  # of the PNG for one of the SVG, so that it stays sharp on a projector


@dataclass(frozen=True)
class Picture:
    """A drawing of `width` × `height` pixels, and the sentence that says what it shows."""

    shapes: tuple[Element, ...]
    width: float
    height: float
    sentence: str

    def __repr__(self) -> str:
        return self.sentence

    @property
    def svg(self) -> str:
        """The picture as a file of its own: on light paper, with its styles."""
        paper = rect(0, 0, self.width, self.height, "f-paper", radius=6)
        classes = {name for shape in (paper, *self.shapes) for name in _classes(shape)}
        first = (el("title", self.sentence), el("style", sheet(classes)), paper)
        return str(self._root(*first, role="img", xmlns="http://www.w3.org/2000/svg"))

    @property
    def inline(self) -> str:
        """The picture for a page with `grammar.live_sheet()`: no paper; what it stands in says what it is."""
        return str(self._root(aria_hidden="true"))

    def _root(self, *first: Element, **attributes: str) -> Element:
        box = f"0 0 {number(self.width)} {number(self.height)}"
        size = {"width": number(self.width), "height": number(self.height)}
        return el("svg", *first, *self.shapes, class_="vlab", viewBox=box, **size, **attributes)

    def png(self) -> bytes | None:
        """The picture as PNG, drawn by resvg with matplotlib's DejaVu; None where either is missing."""
        return _png(self.svg)

    def html(self) -> str:
        """The picture as an `<img>` with its sentence as alternative text."""
        data = b64encode(self.svg.encode()).decode()
        size = f'width="{number(self.width)}" style="max-width:100%;height:auto"'
        return f'<img alt="{escape(self.sentence)}" {size} src="data:image/svg+xml;base64,{data}">'

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        shown = {"text/plain": self.sentence, "text/html": self.html()}
        if (png := self.png()) is None:
            return shown, {}
        size = {"width": round(self.width), "height": round(self.height)}
        return shown | {"image/png": b64encode(png).decode()}, {"image/png": size | {"alt": self.sentence}}


def _classes(element: Element) -> Iterator[str]:
    for name, value in element.attributes:
        if name == "class":
            yield from value.split()
    for child in element.children:
        if isinstance(child, Element):
            yield from _classes(child)


@lru_cache(maxsize=1)
def _font_files() -> list[str]:
    """Matplotlib's own copies of DejaVu, so that the PNG doesn't depend on the fonts of the machine."""
    package = find_spec("matplotlib")
    folder = Path(package.origin).parent / "mpl-data/fonts/ttf" if package and package.origin else Path()
    return [str(folder / name) for name in _FONTS if (folder / name).exists()]


@lru_cache(maxsize=64)
def _png(svg: str) -> bytes | None:
    fonts = _font_files()
    if len(fonts) < len(_FONTS) or find_spec("resvg_py") is None:
        return None
    from resvg_py import svg_to_bytes

    return bytes(svg_to_bytes(svg_string=svg, skip_system_fonts=True, font_files=fonts, zoom=_PIXELS))


def stack(pictures: list[Picture], captions: list[str], sentence: str) -> Picture:
    """Pictures under each other, each under its caption, if it has one: a film strip."""
    shapes: list[Element] = []
    y, width = 0.0, max(picture.width for picture in pictures)
    for picture, caption in zip(pictures, captions, strict=True):
        if caption:
            shapes.append(text(12, y + 20, caption, room=width - 24, ink="muted"))
            y += 22
        shapes.append(group(picture.shapes, transform=f"translate(0 {number(y)})"))
        y += picture.height
    return Picture(tuple(shapes), width, y, sentence)
