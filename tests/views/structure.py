"""Judges a picture by its SVG: what stands where, and whether anything is cut or written over."""

import html
import math
import re
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple
from xml.etree import ElementTree

from vlab.views.drawing.metrics import text_width
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import escape

Point = tuple[float, float]
_SVG = "{http://www.w3.org/2000/svg}"


class Words(NamedTuple):
    """A text, and the four corners of its box."""

    text: str
    corners: tuple[Point, ...]


def check(picture: Picture) -> None:
    """The rules that every picture keeps."""
    root = ElementTree.fromstring(picture.svg)
    assert picture.sentence.strip()
    assert root.findtext(f"{_SVG}title") == html.unescape(escape(picture.sentence))
    assert " id=" not in picture.svg
    ElementTree.fromstring(picture.inline)
    texts = list(words(root))
    for text, corners in texts:
        assert all(_inside(corner, picture) for corner in corners), f"cut: {text}"
    for corner in points(root):
        assert _inside(corner, picture)
    for one, other in combinations(texts, 2):
        assert not _overlap(one.corners, other.corners), f"{one.text!r} is written over {other.text!r}"


def all_text(picture: Picture) -> list[str]:
    """Everything that a picture says, in the order of drawing."""
    return [text for text, _corners in words(ElementTree.fromstring(picture.svg))]


def words(element: ElementTree.Element, shift: Point = (0, 0), lit: bool = False) -> Iterator[Words]:
    """Every text with its box, turned and moved as its groups say."""
    dx, dy = _shift(element)
    shift = (shift[0] + dx, shift[1] + dy)
    names = element.get("class", "").split()
    lit = lit or "lit" in names
    if element.tag == f"{_SVG}text":
        yield Words(element.text or "", _box(element, names, shift, lit))
    for child in element:
        yield from words(child, shift, lit)


def _box(element: ElementTree.Element, names: list[str], shift: Point, lit: bool) -> tuple[Point, ...]:
    x, y, size = (float(element.get(name, 0)) for name in ("x", "y", "font-size"))
    width = text_width(element.text or "", size, bold=lit or "bold" in names, mono="mono" in names)
    left = x - width * {"start": 0, "middle": 0.5, "end": 1}[element.get("text-anchor", "start")]
    corners = [(left, y - 0.73 * size), (left + width, y - 0.73 * size)]
    corners += [(left + width, y + 0.15 * size), (left, y + 0.15 * size)]
    if turned := re.match(r"rotate\((\S+)", element.get("transform", "")):
        corners = [_turn(corner, (x, y), math.radians(float(turned[1]))) for corner in corners]
    return tuple((a + shift[0], b + shift[1]) for a, b in corners)


def points(element: ElementTree.Element, shift: Point = (0, 0)) -> Iterator[Point]:
    """The corners of rectangles and circles, and the points of paths."""
    dx, dy = _shift(element)
    shift = (shift[0] + dx, shift[1] + dy)
    value = {name: float(element.get(name, 0)) for name in ("x", "y", "cx", "cy", "r")}
    found: list[Point] = []
    if element.tag == f"{_SVG}rect":
        width, height = float(element.get("width", 0)), float(element.get("height", 0))
        found = [(value["x"], value["y"]), (value["x"] + width, value["y"] + height)]
    if element.tag == f"{_SVG}circle":
        found = [(value["cx"] + s * value["r"], value["cy"] + s * value["r"]) for s in (-1, 1)]
    if element.tag == f"{_SVG}path":
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", element.get("d", ""))]
        found = list(zip(numbers[::2], numbers[1::2], strict=True))
    yield from ((a + shift[0], b + shift[1]) for a, b in found)
    for child in element:
        yield from points(child, shift)


def _shift(element: ElementTree.Element) -> Point:
    moved = re.match(r"translate\((\S+) (\S+)\)", element.get("transform", ""))
    return (float(moved[1]), float(moved[2])) if moved else (0, 0)


def _turn(point: Point, around: Point, angle: float) -> Point:
    dx, dy = point[0] - around[0], point[1] - around[1]
    cos, sin = math.cos(angle), math.sin(angle)
    return around[0] + dx * cos - dy * sin, around[1] + dx * sin + dy * cos


def _inside(point: Point, picture: Picture) -> bool:
    return -0.01 <= point[0] <= picture.width + 0.01 and -0.01 <= point[1] <= picture.height + 0.01


def _overlap(one: tuple[Point, ...], other: tuple[Point, ...]) -> bool:
    """Whether two convex shapes share room: no line along a side of either parts them."""
    for shape in (one, other):
        for (x0, y0), (x1, y1) in zip(shape, shape[1:] + shape[:1], strict=True):
            across = (y0 - y1, x1 - x0)
            a = [across[0] * x + across[1] * y for x, y in one]
            b = [across[0] * x + across[1] * y for x, y in other]
            if max(a) <= min(b) + 0.01 or max(b) <= min(a) + 0.01:
                return False
    return True
