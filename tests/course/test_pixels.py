"""Stored pictures lose bytes, and nothing that can be seen."""

from base64 import b64decode, b64encode
from io import BytesIO

import numpy as np
import pytest

from vlab.course.pixels import smaller
from vlab.paging import PageTable

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def png():
    table = PageTable()
    table.map(0x4000_0000, 0x8000_0000, "RWU")
    shown, _metadata = table.walk(0x4000_0000)._repr_mimebundle_()
    return shown["image/png"]


def pixels(png):
    picture = Image.open(BytesIO(b64decode(png))).convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    return paper.convert("RGB")


def test_a_picture_takes_half_the_bytes_and_no_colour_is_far_off(png):
    short = smaller(png)
    assert len(short) < len(png) / 2
    before, after = pixels(png), pixels(short)
    assert before.size == after.size
    change = np.abs(np.asarray(before, int) - np.asarray(after, int)).max(axis=2)
    assert change.max() < 80
    assert (change > 0).mean() < 0.03


def test_what_gets_no_smaller_stays():
    file = BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG", optimize=True)
    dot = b64encode(file.getvalue()).decode()
    assert smaller(dot) == dot


def test_without_the_library_it_stays(png, monkeypatch):
    monkeypatch.setattr("vlab.course.pixels.find_spec", lambda _name: None)
    assert smaller(png) == png
