"""The reader's notebook is made from the solution, and what is stale or missing is named."""

import copy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from vlab.course import notebooks, students

HINTS = "\n\n".join(f"<details><summary>Hint {n}</summary>Think {n} times.</details>" for n in (1, 2, 3))
SOLVED = '''import math


@cache
def area(radius):
    """The area."""
    square = radius**2
    return math.pi * square


class Circle(Shape):
    """A circle."""

    corners = 0

    def area(self, scale=1):
        return scale

    def name(self):
        """Its name."""
        return "circle"
'''
STUB = '''@cache
def area(radius):
    """The area."""
    raise NotImplementedError


class Circle(Shape):
    """A circle."""

    corners = 0

    def area(self, scale=1):
        raise NotImplementedError

    def name(self):
        """Its name."""
        raise NotImplementedError'''


def cell(kind, text, number=None, shows=(), **vlab):
    metadata = {"vlab": vlab} if vlab else {}
    if kind == "markdown":
        return new_markdown_cell(text, metadata=metadata, id=next(iter(vlab), "text"))
    outputs = [new_output("stream", text=line) for line in shows]
    return new_code_cell(
        text,
        metadata=metadata,
        execution_count=number,
        outputs=outputs,
        id=next(iter(vlab), f"code-{number}"),
    )


@pytest.fixture
def solution(tmp_path):
    """A small solution notebook, and the reader's made from it."""
    path = tmp_path / "en/solutions/42_test.ipynb"
    path.parent.mkdir(parents=True)
    cells = [
        cell("markdown", "## 42-1: an area (5 minutes)"),
        cell("code", "import math", 1),
        cell("code", "def area(r):\n    return r\n", 2, blank="42-1"),
        cell("markdown", HINTS, hints="42-1"),
        cell("code", 'check("42-1", area)', 3, ["42-1 right: 5 cases, answers 12345678\n"], check="42-1"),
        cell("markdown", "Because.", explains="42-1"),
    ]
    nbformat.write(new_notebook(cells=cells), path)
    students.write_student(path)
    return path


def change(path, name, **parts):
    """Change a cell of a stored notebook; `None` removes it."""
    book = nbformat.read(path, as_version=4)
    if parts:
        next(c for c in book.cells if c.id == name).update(parts)
    else:
        book.cells = [c for c in book.cells if c.id != name]
    nbformat.write(book, path)


@pytest.mark.parametrize("path", students.solutions(), ids=lambda path: path.stem)
def test_the_committed_notebooks_are_what_the_solutions_give(path):
    assert notebooks.complaints(path) == []
    assert students.student_path(path).exists()


def test_a_stub_keeps_what_the_reader_needs():
    assert students.stub(SOLVED) == STUB


@pytest.mark.parametrize("source", ["x = 3", "", "def f(): return 1"])
def test_what_can_not_be_emptied_is_refused(source):
    with pytest.raises(ValueError, match=r"blank|body"):
        students.stub(source)


def test_blanks_are_emptied_and_explanations_left_out(solution):
    book = nbformat.read(students.student_path(solution), as_version=4)
    cells = {c.id: c for c in book.cells}
    assert "explains" not in cells
    assert cells["blank"].source == "def area(r):\n    raise NotImplementedError"
    assert cells["blank"].metadata.tags == ["raises-exception"]
    assert "answers 12345678" in cells["check"].outputs[0].text


def test_making_it_changes_nothing(solution):
    book = nbformat.read(solution, as_version=4)
    before = copy.deepcopy(book)
    assert students.student_notebook(book) == students.student_notebook(book)
    assert book == before


def test_a_fresh_pair_has_no_complaint(solution):
    assert list(students.complaints(solution)) == list(students.stale(solution)) == []
    assert notebooks.complaints(solution) == [
        "solutions/42_test.ipynb: has no catalogue to translate it to es"
    ]


@pytest.mark.parametrize(
    ("name", "parts", "complaint"),
    [
        ("blank", {"source": "x"}, "cell blank: differs from what the solution gives in source"),
        ("check", {"outputs": []}, "cell check: differs from what the solution gives in outputs"),
        ("hints", {"source": "none"}, "cell hints: differs from what the solution gives in source"),
        ("check", {"metadata": {}}, "cell check: differs from what the solution gives in metadata"),
        ("hints", {}, "cell hints: is missing"),
    ],
)
def test_a_stale_cell_is_named(solution, name, parts, complaint):
    change(students.student_path(solution), name, **parts)
    assert f"en/exercises/42_test.ipynb, {complaint}" in list(students.stale(solution))


def test_a_missing_notebook_a_strange_cell_and_another_order_are_named(solution):
    path = students.student_path(solution)
    book = nbformat.read(path, as_version=4)
    book.cells = book.cells[::-1]
    nbformat.write(book, path)
    assert "order" in "".join(students.stale(solution))
    book.cells.append(new_code_cell("1", id="strange"))
    nbformat.write(book, path)
    assert "cell strange: is not in the solution notebook" in "".join(students.stale(solution))
    path.unlink()
    assert "is missing" in "".join(notebooks.complaints(solution))


@pytest.mark.parametrize(
    ("name", "parts", "complaint"),
    [
        (
            "hints",
            {"source": HINTS.replace("Hint 3</summary>Think 3 times.</details>", "")},
            "cell hints: has 2 hints, not 3",
        ),
        ("hints", {}, "exercise 42-1 has no hints"),
        ("explains", {}, "exercise 42-1 has no explains"),
        ("check", {"source": "check('42-2', area)"}, 'cell check: is not a plain check("42-1"'),
        ("check", {"outputs": []}, "cell check: does not show the one line"),
        ("blank", {"source": "x = 1"}, "cell blank: cannot be emptied"),
        ("text", {"source": "## Something else"}, "no heading names exercise 42-1"),
    ],
)
def test_what_an_exercise_lacks_is_named(solution, name, parts, complaint):
    change(solution, name, **parts)
    assert complaint in "\n".join(students.complaints(solution))


def test_building_makes_both(solution):
    change(solution, "check", source="print('42-1 right')", outputs=[], execution_count=None)
    notebooks.build(solution)
    assert list(students.stale(solution)) == []
    assert "42-1 right" in students.student_path(solution).read_text()
