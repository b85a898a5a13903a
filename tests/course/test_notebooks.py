"""The lessons as files: each hole that nbval leaves open has its complaint, and the stored lessons have none."""

import re
from base64 import b64encode

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from vlab import files, magics
from vlab.course import notebooks
from vlab.language import VlabError, set_language

HEADINGS = [f"## {title}" for title in notebooks.SKELETON]


def written(tmp_path, *cells, headings=HEADINGS):
    """A lesson with these code cells, numbered as executed unless they say otherwise."""
    path = tmp_path / "07_test.ipynb"
    for number, cell in enumerate(cells, 1):
        cell.execution_count = number if cell.execution_count is None else cell.execution_count
    book = new_notebook(cells=[new_markdown_cell("# Title"), *map(new_markdown_cell, headings), *cells])
    nbformat.write(book, path)
    return path


def html(text):
    return new_output("display_data", {"text/html": text})


@pytest.mark.parametrize("path", notebooks.lessons(), ids=lambda path: path.stem)
def test_the_stored_lessons_have_no_complaint(path):
    assert notebooks.complaints(path) == []


def test_a_clean_lesson_has_no_complaint(tmp_path):
    cell = new_code_cell("import vlab\n\nvlab", outputs=[html('<img alt="a ladder" src="x">')])
    assert notebooks.complaints(written(tmp_path, cell)) == []


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        (new_code_cell("1", execution_count=7), "executed as number 7"),
        (new_code_cell("%time 1"), "magics"),
        (new_code_cell("!ls"), "magics"),
        (new_code_cell("1\n" * 16), "more than 15 lines"),
        (new_code_cell("# NBVAL_SKIP\n1"), "look away"),
        (new_code_cell("1", metadata={"tags": ["nbval-ignore-output"]}), "look away"),
        (new_code_cell("1\n# why not"), "a comment"),
        (new_code_cell("import os"), "imports os"),
        (new_code_cell("from subprocess import run"), "imports subprocess"),
        (new_code_cell("from ipywidgets import interact"), "imports ipywidgets"),
        (new_code_cell("interact(vlab)"), "uses interact"),
        (new_code_cell("with widgets.Output():\n    1"), "uses Output"),
        (new_code_cell("input()"), "uses input"),
        (new_code_cell("1/0", outputs=[new_output("error", ename="ZeroDivisionError")]), "ends in Zero"),
        (new_code_cell("a", outputs=[html("<object object at 0x7f00>")]), "memory address"),
        (new_code_cell("a", outputs=[html('<img src="x">')]), "without a sentence"),
        (new_code_cell("a", outputs=[html('<img alt="" src="x">')]), "without a sentence"),
        (new_code_cell("a", outputs=[new_output("display_data", {notebooks._WIDGET: {}})]), "widget"),
    ],
)
def test_each_hole_is_seen(tmp_path, cell, complaint):
    assert [text for text in notebooks.complaints(written(tmp_path, cell)) if complaint in text]


def test_vlabs_own_magics_are_allowed_once_they_are_loaded(tmp_path):
    load = "%load_ext vlab"
    cells = [f"import vlab\n{load}", "%%guest --depth 1\nli a0, 1  # fine: not Python", "%%asm\nnop"]
    assert notebooks.complaints(written(tmp_path, *map(new_code_cell, cells))) == []
    early = [new_code_cell("%%asm\nnop", id="early"), new_code_cell(load)]
    assert [
        text
        for text in notebooks.complaints(written(tmp_path, *early))
        if "cell early" in text and load in text
    ]


@pytest.mark.parametrize(
    "source",
    [
        *("%%gues\nnop", "%%guestx\nnop", "%% guest\nnop", "%%time\n1", "%%bash\nls", "\n%%guest\nnop"),
        *("%guest", "%load_ext autoreload", "%load_ext  vlab", "  %load_ext vlab", "x = 1; %load_ext vlab"),
        *("%load_ext vlab\n!ls", "%load_ext vlab\n%time 1", "%%capture\n%load_ext vlab"),
    ],
)
def test_any_other_magic_is_seen(tmp_path, source):
    cells = [new_code_cell("%load_ext vlab"), new_code_cell(source, id="other")]
    assert [
        text
        for text in notebooks.complaints(written(tmp_path, *cells))
        if "cell other" in text and "magics" in text
    ]


def test_the_allowed_magics_are_those_there_are():
    assert notebooks.MAGICS == magics.NAMES


def test_a_missing_section_is_seen(tmp_path):
    assert "'Synopsis' is missing" in "".join(
        notebooks.complaints(written(tmp_path, headings=[h for h in HEADINGS if "Synopsis" not in h]))
    )


def test_sections_out_of_order_are_seen(tmp_path):
    assert "order" in "".join(notebooks.complaints(written(tmp_path, headings=HEADINGS[::-1])))


def test_a_large_file_is_seen(tmp_path):
    cell = new_code_cell("1", outputs=[html("x" * notebooks.LARGEST_FILE)])
    assert "larger than" in "".join(notebooks.complaints(written(tmp_path, cell)))


def test_building_stores_the_same_bytes_twice(tmp_path):
    path = written(tmp_path, new_code_cell("from collections import Counter\n\nCounter('abca')"))
    notebooks.build(path)
    first = path.read_bytes()
    notebooks.build(path)
    assert path.read_bytes() == first
    assert b"Counter({" in first


def test_a_cell_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = written(tmp_path, new_code_cell("1"), new_code_cell("1/0", id="broken"))
    before = path.read_bytes()
    with pytest.raises(VlabError, match="cell broken: ZeroDivisionError"):
        notebooks.build(path)
    assert path.read_bytes() == before


def test_a_lesson_that_is_not_there_is_named():
    with pytest.raises(VlabError, match="There is no lesson '99'"):
        notebooks.lessons(["99"])


def test_an_ignore_tag_needs_a_reason_and_is_rare(tmp_path):
    tag = {"tags": ["nbval-ignore-output"]}
    ignored = new_code_cell("1", metadata=tag | {"vlab": {"ignored": "the host's own clock"}})
    plain = [new_code_cell("1") for _cell in range(19)]
    assert notebooks.complaints(written(tmp_path, ignored, *plain)) == []
    assert "nobody says why" in "".join(
        notebooks.complaints(written(tmp_path, new_code_cell("1", metadata=tag)))
    )
    assert "more than 5 %" in "".join(notebooks.complaints(written(tmp_path, ignored, *plain[:18])))


SECTIONS = [
    new_markdown_cell("# Title", id="title", metadata={"vlab": {"minutes": 10}}),
    new_markdown_cell("## 1. One (core)", id="one", metadata={"vlab": {"minutes": 10}}),
    new_code_cell('from vlab.course import checkpoint\n\ncheckpoint("07-one")', id="one-checkpoint"),
]


def test_sections_say_their_minutes_and_begin_with_a_checkpoint():
    def said(*cells):
        return list(notebooks._about_sections(new_notebook(cells=list(cells)), "07"))

    title, one, begin = SECTIONS
    code = new_code_cell("1", id="first")
    assert said(title, one, begin, code) == []
    assert said(title, one, code, begin) == ["cell one: the section does not begin with checkpoint('07-one')"]
    mute = new_markdown_cell("## 1. One (core)", id="one")
    assert said(title, mute, begin) == ["cell one: the section does not say its minutes"]
    late = new_markdown_cell("## 2. Two (more)", id="two", metadata={"vlab": {"minutes": 1}})
    assert said(title, one, begin, late) == ["cell title: the sections take 11 minutes, more than the lesson"]


@pytest.mark.parametrize(
    "drawing", ['<svg><g id="p3f9a0c12ee"></g></svg>', "<svg><dc:date>2026</dc:date></svg>"]
)
def test_a_drawing_with_random_ids_is_seen(tmp_path, drawing):
    inside = f'<img alt="a" src="data:image/svg+xml;base64,{b64encode(drawing.encode()).decode()}">'
    for shown in (drawing, inside):
        path = written(tmp_path, new_code_cell("1", outputs=[html(shown)]))
        assert [text for text in notebooks.complaints(path) if "others in each run" in text]


def test_complaints_are_in_the_readers_language(tmp_path):
    set_language("es")
    assert "celda" in "".join(notebooks.complaints(written(tmp_path, new_code_cell("1", execution_count=7))))


# --- Hints: Markdown on the line of an HTML block is shown as it is written

ONE_LINE = re.compile(r"<details>.*</details>")
RAW = re.compile(r"`|\*|\b_\w|\]\(")


def raw_markdown(path):
    """The one-line `<details>` of a notebook that have Markdown in them, which no reader would see as such."""
    cells = nbformat.read(path, as_version=4).cells
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    return [line for text in texts for line in ONE_LINE.findall(text) if RAW.search(line)]


@pytest.mark.parametrize("line", ["a `b`", "*wrong for*", "**b**", "_b_", "[a](b)"])
def test_markdown_in_a_hint_of_one_line_is_seen(tmp_path, line):
    path = tmp_path / "07_test.ipynb"
    bad = f"<details><summary>Hint</summary>{line}</details>"
    good = f"<details><summary>Hint</summary>\n\n{line}\n\n</details>"
    html_alone = "<details><summary>Hint</summary>a <code>b_c</code>, <em>d</em></details>"
    nbformat.write(new_notebook(cells=[*map(new_markdown_cell, (bad, good, html_alone))]), path)
    assert raw_markdown(path) == [bad]


@pytest.mark.parametrize(
    "path",
    sorted(files.folder("notebooks").rglob("*.ipynb")),
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_no_hint_has_markdown_on_its_line(path):
    assert raw_markdown(path) == []
