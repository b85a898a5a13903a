import subprocess
import sys
from base64 import b64decode
from importlib.util import find_spec

import pytest

from tests.views.structure import all_text, check
from vlab.views.drawing import picture as pictures
from vlab.views.drawing.picture import Picture, stack
from vlab.views.drawing.svg import rect, text


@pytest.fixture
def picture():
    return Picture(
        (rect(5, 5, 20, 20, "f-kernel"), text(30, 20, "satp → 0x80")), 120, 40, 'A "box" & <satp>.'
    )


def test_a_notebook_stores_sentence_html_and_png(picture):
    shown, metadata = picture._repr_mimebundle_()
    assert shown["text/plain"] == 'A "box" & <satp>.'
    start = '<img alt="A &quot;box&quot; &amp; &lt;satp&gt;." width="120"'
    assert shown["text/html"].startswith(start)
    stored = b64decode(shown["text/html"].split("base64,")[1].removesuffix('">')).decode()
    assert stored == picture.svg
    assert b64decode(shown["image/png"]).startswith(b"\x89PNG")
    assert metadata == {"image/png": {"width": 120, "height": 40, "alt": picture.sentence}}


def test_the_png_shows_text_and_is_the_same_in_another_process(picture):
    program = "from tests.views.drawing.test_picture import *; print(hash_of(picture_of_text()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) == hash_of(picture_of_text())
    assert picture_of_text().png() != Picture((), 120, 40, "empty").png()


def picture_of_text():
    return Picture((text(30, 20, "satp → 0x80", mono=True),), 120, 40, "Text.")


def hash_of(picture):
    return int.from_bytes(picture.png()[-64:], "big")


def test_the_png_does_not_depend_on_the_fonts_of_the_machine(picture, monkeypatch):
    asked = {}

    def draw(**options):
        asked.update(options)
        return b""

    monkeypatch.setattr("resvg_py.svg_to_bytes", draw)
    pictures._png.cache_clear()
    picture.png()
    pictures._png.cache_clear()
    assert asked["skip_system_fonts"] is True
    assert all("mpl-data" in path for path in asked["font_files"])


@pytest.mark.parametrize("missing", ["resvg_py", "matplotlib"])
def test_without_resvg_or_fonts_the_rest_is_the_same(picture, monkeypatch, missing):
    whole, _metadata = picture._repr_mimebundle_()
    monkeypatch.setattr(pictures, "find_spec", lambda name: None if name == missing else find_spec(name))
    pictures._png.cache_clear()
    pictures._font_files.cache_clear()
    shown, metadata = picture._repr_mimebundle_()
    pictures._png.cache_clear()
    pictures._font_files.cache_clear()
    assert shown == {name: value for name, value in whole.items() if name != "image/png"}
    assert metadata == {}


def test_inline_it_has_neither_paper_nor_styles(picture):
    assert "<style>" in picture.svg
    assert "f-paper" in picture.svg
    assert "<style>" not in picture.inline
    assert "f-paper" not in picture.inline
    check(picture)


def test_a_film_strip_holds_its_pictures_under_each_other(picture):
    strip = stack([picture, picture], ["one", ""], "Two boxes.")
    check(strip)
    assert all_text(strip) == ["one", "satp → 0x80", "satp → 0x80"]
    assert strip.height == 22 + 2 * picture.height
