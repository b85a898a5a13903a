"""For everyone: sentences in both languages, contrast of every text, colours told apart without colour vision."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.views.everything import kinds, lit
from vlab.language import LANGUAGES, set_language
from vlab.views import picture_of
from vlab.views.drawing.grammar import COLOURS, DARK, LIGHT, LOOKS
from vlab.views.drawing.metrics import text_width
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element
from vlab.views.drawn import _DRAWN

THEMES = {"light": LIGHT, "dark": DARK}
ROLES = (*LOOKS, "fault")


# --- Sentences


def test_there_is_one_thing_of_every_kind_that_has_a_picture():
    assert set(kinds()) == set(_DRAWN)


@pytest.mark.parametrize("kind", _DRAWN, ids=lambda kind: kind.__name__)
def test_every_picture_has_a_sentence_in_every_language(kind):
    said = {}
    for code in LANGUAGES:
        set_language(code)
        thing = kinds()[kind]
        picture = picture_of(thing)
        assert picture.sentence.strip()
        assert "\n" not in picture.sentence
        assert f"<title>{picture.sentence[:10]}" in picture.svg
        assert 'alt="' in picture.html() and 'alt=""' not in picture.html()
        said[code] = (picture.sentence, repr(thing))
    assert len({sentence for sentence, _repr in said.values()}) == len(LANGUAGES)


# --- Contrast: what each text really stands on


class Area(NamedTuple):
    """A filled rectangle (of other shapes, their box), and the name of its colour."""

    left: float
    top: float
    right: float
    bottom: float
    colour: str


def texts(picture: Picture) -> Iterator[tuple[str, str, str]]:
    """Every text with its colour and the colour under its middle, in the order of drawing."""
    areas = [Area(0, 0, picture.width, picture.height, "paper")]

    def walk(element: Element, dx: float, dy: float, on: bool) -> Iterator[tuple[str, str, str]]:
        facts = dict(element.attributes)
        names = facts.get("class", "").split()
        on = on or "lit" in names
        if (moved := facts.get("transform", "")).startswith("translate("):
            by = moved[10:-1].split()
            dx, dy = dx + float(by[0]), dy + float(by[1])
        if element.tag == "text":
            x, y = _middle(facts, names, str(element.children[0]))
            yield str(element.children[0]), _ink(names), _under(areas, x + dx, y + dy)
        elif (colour := _fill(names)) and ("halo" not in names or on) and (box := _box(element.tag, facts)):
            left, top, right, bottom = box
            areas.append(Area(left + dx, top + dy, right + dx, bottom + dy, colour))
        for child in element.children:
            if isinstance(child, Element):
                yield from walk(child, dx, dy, on)

    for shape in picture.shapes:
        yield from walk(shape, 0, 0, False)


def _middle(facts: dict[str, str], names: list[str], words: str) -> tuple[float, float]:
    size = float(facts["font-size"])
    width = text_width(words, size, bold="bold" in names, mono="mono" in names)
    shift = {"middle": 0, "end": -width / 2}.get(facts.get("text-anchor", ""), width / 2)
    return float(facts["x"]) + shift, float(facts["y"]) - size / 3


def _ink(names: list[str]) -> str:
    (name,) = (name[2:] for name in names if name.startswith("t-"))
    return f"{name}-ink" if name in ROLES else name


def _fill(names: list[str]) -> str | None:
    if "hollow" in names:
        return None
    for name in names:
        start, _dash, rest = name.partition("-")
        if start == "f":
            return f"{rest}-fill" if rest in ROLES else rest
        if start == "b":
            return f"{rest}-strong"
        if start == "o":
            return "paper"
    return None


def _box(tag: str, facts: dict[str, str]) -> tuple[float, float, float, float] | None:
    if tag == "rect":
        x, y = float(facts["x"]), float(facts["y"])
        return x, y, x + float(facts["width"]), y + float(facts["height"])
    if tag == "circle":
        x, y, r = (float(facts[name]) for name in ("cx", "cy", "r"))
        return x - r, y - r, x + r, y + r
    return None  # heads of arrows, and bands between what has text


def _under(areas: list[Area], x: float, y: float) -> str:
    return [area for area in areas if area.left <= x <= area.right and area.top <= y <= area.bottom][
        -1
    ].colour


def pictures() -> list[Picture]:
    return [picture_of(thing) for thing in kinds().values()] + lit()


@pytest.mark.parametrize("theme", THEMES)
def test_every_text_of_every_picture_stands_out_from_what_is_under_it(theme):
    pairs = {(ink, under): words for picture in pictures() for words, ink, under in texts(picture)}
    assert len(pairs) > 15
    weak = {
        pair: (words, round(contrast(*pair, theme), 2))
        for pair, words in pairs.items()
        if contrast(*pair, theme) < 4.5
    }
    assert weak == {}


def contrast(one: str, other: str, theme: str) -> float:
    """The contrast of two colours of the grammar (WCAG 2.2, 1.4.3)."""
    low, high = sorted(_luminance(COLOURS[name][THEMES[theme]]) for name in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    return float(_linear(colour) @ np.array([0.2126, 0.7152, 0.0722]))


# --- Colour vision

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency",
# 2009, severity 1.0; the matrices take linear RGB.
SIMULATED = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "all colours": np.eye(3).tolist(),
}
_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def _linear(colour: str) -> Any:
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def _lab(linear: Any) -> Any:
    x, y, z = (
        part ** (1 / 3) if part > 216 / 24389 else (24389 / 27 * part + 16) / 116
        for part in (_XYZ @ np.clip(linear, 0, 1)) / _WHITE
    )
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def difference(one: str, other: str, seen_by: str) -> float:
    """How different two colours look to such a reader: ΔE, of which 2.3 is just to be seen (CIE 1976)."""
    matrix = np.array(SIMULATED[seen_by])
    return float(np.linalg.norm(_lab(matrix @ _linear(one)) - _lab(matrix @ _linear(other))))


def test_the_simulation_confuses_red_and_green_and_tells_blue_from_yellow():
    assert difference("#a56b00", "#6b8000", "deuteranopia") < 0.6 * difference(
        "#a56b00", "#6b8000", "all colours"
    )
    assert difference("#0072b2", "#e69f00", "deuteranopia") > 60
    assert difference("#ffffff", "#000000", "tritanopia") == pytest.approx(100, abs=0.1)


def test_no_two_actors_are_told_apart_by_colour_alone():
    for one, other in combinations(LOOKS.values(), 2):
        assert one.dashes != other.dashes
        assert one.slope != other.slope
        assert one.hatch != other.hatch


@pytest.mark.parametrize("seen_by", SIMULATED)
@pytest.mark.parametrize("theme", THEMES)
def test_actors_are_told_apart_by_colour_too(theme, seen_by):
    """By more than twice what is just to be seen; dashes, hatches and shapes do the rest."""
    least = 35 if seen_by == "all colours" else 5
    for one, other in combinations(LOOKS, 2):
        here, there = (COLOURS[f"{name}-strong"][THEMES[theme]] for name in (one, other))
        assert difference(here, there, seen_by) > least, (one, other)


@pytest.mark.parametrize("theme", THEMES)
def test_a_fault_looks_like_no_actor_to_those_who_see_all_colours(theme):
    for name in LOOKS:
        here, there = (COLOURS[f"{who}-strong"][THEMES[theme]] for who in (name, "fault"))
        assert difference(here, there, "all colours") > 25


def test_a_fault_is_said_wherever_it_has_its_colour():
    """To some readers it has the hypervisor's colour."""
    assert difference(COLOURS["fault-strong"][LIGHT], COLOURS["hypervisor-strong"][LIGHT], "deuteranopia") < 3
    coloured = 0
    for picture in pictures():
        if "-fault" not in picture.inline:
            continue
        coloured += 1
        said = [(words, ink) for words, ink, _under in texts(picture)]
        named = ("fault-ink", "≠", "forgotten by this flush")  # the last: a legend's
        assert any(name in pair for pair in said for name in named), picture.sentence
    assert coloured > 5


def test_in_grey_text_stays_readable_and_lines_stay_dark():
    paper = _grey(COLOURS["paper"][LIGHT])
    for name in ROLES:
        assert (
            _contrast_of_greys(_grey(COLOURS[f"{name}-ink"][LIGHT]), _grey(COLOURS[f"{name}-fill"][LIGHT]))
            >= 4.5
        )
        assert _contrast_of_greys(_grey(COLOURS[f"{name}-strong"][LIGHT]), paper) >= 3


def _grey(colour: str) -> float:
    """What a grey printer makes of it, in 256 steps of sRGB, as luminance."""
    light = _luminance(colour)
    step = round(255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055))
    return float(_linear(f"#{step:02x}{step:02x}{step:02x}")[0])


def _contrast_of_greys(one: float, other: float) -> float:
    low, high = sorted((one, other))
    return (high + 0.05) / (low + 0.05)
