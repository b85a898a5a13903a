"""Long sentences in lines that are not too wide, and begin where they should."""

from vlab.cli.paragraphs import WIDTH, paragraph


def test_lines_are_no_wider_and_hang():
    lines = paragraph("a trap-and-emulate " * 20, 6, hanging=2).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert [len(line) - len(line.lstrip()) for line in lines] == [6] + [8] * (len(lines) - 1)
    assert not any(line.endswith("-") for line in lines)


def test_a_short_one_is_one_line():
    assert paragraph("short") == "short"
