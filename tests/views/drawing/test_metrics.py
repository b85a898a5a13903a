from pathlib import Path

import matplotlib
import pytest
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from vlab.views.drawing.metrics import fit, text_width, wrap

FONTS = Path(matplotlib.__file__).parent / "mpl-data/fonts/ttf"
SIGNS = [chr(code) for code in (*range(0x20, 0x7F), *range(0xA1, 0x100))] + list("–—‘’“”…→←↑↓✓✗≤≥≠ŁŻĉ日א😀")
FACES = {
    "DejaVuSans.ttf": {},
    "DejaVuSans-Bold.ttf": {"bold": True},
    "DejaVuSansMono.ttf": {"mono": True},
    "DejaVuSansMono-Bold.ttf": {"mono": True, "bold": True},
}


@pytest.mark.parametrize("face", FACES)
def test_no_sign_is_wider_than_said(face):
    font = TTFont(FONTS / face)
    names, widths, unit = font.getBestCmap(), font["hmtx"], font["head"].unitsPerEm
    for sign in SIGNS:
        if ord(sign) in names:
            advance = widths[names[ord(sign)]][0] / unit
            assert advance <= text_width(sign, 1, **FACES[face]), sign


def test_widths_add_up_and_grow_with_the_size():
    assert text_width("satp", 24) == 2 * text_width("satp", 12)
    assert text_width("iiii", mono=True) == text_width("WWWW", mono=True)
    assert text_width("á") == text_width("a")


@given(st.text(max_size=60), st.floats(0, 300), st.booleans(), st.booleans())
def test_what_fits_is_no_wider_than_its_room(words, room, bold, mono):
    kept = fit(words, room, bold=bold, mono=mono)
    assert text_width(kept, bold=bold, mono=mono) <= room or kept == "…"
    assert kept == words or kept.endswith("…")


@given(st.text(max_size=80), st.floats(20, 300))
def test_lines_are_no_wider_than_their_room(words, room):
    assert all(text_width(line) <= room for line in wrap(words, room))


def test_lines_keep_every_word():
    assert " ".join(wrap("supervisor mode may touch a user page only while SUM is set", 90)).split() == (
        "supervisor mode may touch a user page only while SUM is set".split()
    )
