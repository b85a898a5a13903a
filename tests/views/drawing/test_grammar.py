import re

import pytest

from vlab.views.drawing import grammar
from vlab.views.drawing.grammar import COLOURS, DARK, LIGHT, LOOKS
from vlab.views.drawing.metrics import SANS

GROUND = {LIGHT: ("#ffffff",), DARK: ("#111111", "#161616", "#1f1f1f")}


def _light(value):
    parts = [int(value[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one, other):
    low, high = sorted((_light(one), _light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_has_contrast(theme):
    for name, pair in COLOURS.items():
        if name.endswith("ink"):
            fill = COLOURS.get(name.replace("ink", "fill"), COLOURS["lit"])[theme]
            for ground in (*GROUND[theme], fill):
                assert _contrast(pair[theme], ground) >= 4.5, (name, ground)
    for fill in (pair[theme] for name, pair in COLOURS.items() if name.endswith("fill")):
        assert _contrast(COLOURS["ink"][theme], fill) >= 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_lines_and_marks_stand_out(theme):
    for name in (*LOOKS, "fault"):
        strong = COLOURS[f"{name}-strong"][theme]
        for ground in (*GROUND[theme], COLOURS[f"{name}-fill"][theme]):
            assert _contrast(strong, ground) >= 3, (name, ground)


def test_no_two_actors_differ_by_colour_alone():
    assert len({(look.dashes, look.slope) for look in LOOKS.values()}) == len(LOOKS)
    assert len({look.hatch for look in LOOKS.values()}) == len(LOOKS)


def test_a_picture_carries_the_styles_it_uses_and_no_others():
    assert grammar.sheet(["b-kernel"]) == (f".vlab text{{font-family:{SANS}}}.vlab .b-kernel{{fill:#0072b2}}")


def test_the_live_sheet_has_both_themes_and_no_loose_variable():
    sheet = grammar.live_sheet()
    used = set(re.findall(r"var\((--[\w-]+)\)", sheet))
    assert used <= set(re.findall(r"(--[\w-]+):#", sheet))
    assert COLOURS["kernel-fill"][DARK] in sheet
    assert 'data-jp-theme-light="false"' in sheet


def test_every_actor_has_a_name():
    assert {grammar.who_name(who) for who in LOOKS} == {
        "guest process",
        "guest kernel",
        "hypervisor",
        "host",
        "machine",
    }
