from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from vlab.views.drawing.svg import arrow, el, escape, hatch, number, text


def test_an_element_is_written_in_order():
    assert str(el("rect", class_="f-lit", x=1, rx=None, data_event="3")) == (
        '<rect class="f-lit" x="1" data-event="3"/>'
    )
    assert str(el("g", el("path"), "a < b")) == "<g><path/>a &lt; b</g>"


def test_numbers_are_short_and_the_same_everywhere():
    assert [number(n) for n in (0, -0.001, 1 / 3, 10.0, 99.999, -2.5)] == [
        "0",
        "0",
        "0.33",
        "10",
        "100",
        "-2.5",
    ]


@given(st.text(st.characters(), max_size=40))
def test_any_text_is_sound_xml(words):
    assert ElementTree.fromstring(f'<a b="{escape(words)}">{escape(words)}</a>').text is not None or not words
    escape(words).encode()


def test_text_cannot_be_turned_around_or_leave_its_element():
    assert escape("a\u202eb\u2066\x1b</text>") == "a\ufffdb\ufffd\ufffd&lt;/text&gt;"


def test_a_text_is_shortened_to_its_room():
    assert text(0, 0, "privileged instruction", room=60).children == ("privileg…",)


def test_an_arrow_head_points_where_the_line_goes():
    assert 'd="M0 0L0 13"' in str(arrow("l", "h", (0, 0), (0, 20)))
    assert 'd="M0 20L' in str(arrow("l", "h", (0, 0), (0, 20)))


@given(st.floats(1, 200), st.floats(1, 200), st.sampled_from((-1, 0, 1)))
def test_a_hatch_stays_in_its_rectangle(width, height, slope):
    strokes = dict(hatch(10, 20, width, height, "l", slope).attributes)["d"]
    ends = [tuple(map(float, end.split())) for end in strokes.replace("M", "L").split("L") if end]
    assert all(9.99 <= x <= 10.01 + width and 19.99 <= y <= 20.01 + height for x, y in ends)
