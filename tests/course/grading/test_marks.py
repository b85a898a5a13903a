"""Marks on a scale, rounded half up."""

import pytest

from vlab.course.grading.marks import scale
from vlab.language import VlabError


@pytest.mark.parametrize(
    ("text", "points", "of", "mark"),
    [
        ("1.0-7.0", 0, 13, "1.0"),
        ("1.0-7.0", 13, 13, "7.0"),
        ("1.0-7.0", 1, 2, "4.0"),
        ("1.0-7.0", 1, 8, "1.8"),  # 1.75
        ("1.0-7.0", 11, 13, "6.1"),
        ("1.0-4.0@60-7.0", 60, 100, "4.0"),
        ("1.0-4.0@60%-7.0", 30, 100, "2.5"),
        ("1.0-4.0@60-7.0", 80, 100, "5.5"),
        ("0-100", 1, 3, "33"),
        ("0-20", 1, 8, "3"),  # 2.5
        ("6-1", 5, 5, "1"),
        ("0.00-10.00", 1, 3, "3.33"),
        ("1.0-7.0", 0, 0, "1.0"),
    ],
)
def test_a_mark(text, points, of, mark):
    assert scale(text).mark(points, of) == mark


BAD = ("", "7", "a-b", "1.0-4.0@0-7.0", "1.0-4.0@100-7.0", "1-2-3", "1.00000-2", "-1-2", "99999-1")


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_scale(text):
    with pytest.raises(VlabError, match="is not a scale of marks"):
        scale(text)
