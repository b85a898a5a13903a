"""Links lead somewhere: in the notebooks, the list of lessons, the documents."""

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from vlab.course import links, notebooks, students

NOTEBOOKS = [path for path in notebooks.authored() if path.exists()]
NOTEBOOKS += [students.student_path(path) for path in students.solutions()]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: "-".join(path.with_suffix("").parts[-3:]))
def test_links_of_notebooks_lead_somewhere(path):
    assert list(links.complaints(path)) == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "notebooks/README.md"])
def test_links_of_documents_lead_somewhere(repository, name):
    assert list(links.complaints(repository / name)) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[a](there.md)", []),
        ("[a](gone.md)", ["x.md: its link leads to no file: gone.md"]),
        ("[a](there.md#two-words)", []),
        ("[a](there.md#gone)", ["x.md: its link leads to no heading: there.md#gone"]),
        ("# Here I am\n[a](#Here-I-am) [b](#here-i-am)", []),
        ("[a](#nowhere)", ["x.md: its link leads to no heading: #nowhere"]),
        ("![a](gone.png)", ["x.md: its link leads to no file: gone.png"]),
        ('<img src="gone.png">', ["x.md: its link leads to no file: gone.png"]),
        ("[a](https://gone.example/) [b](mailto:x@y.z)", []),
        ("`[a](gone.md)`\n```\n[b](gone.md)\n```", []),
        ('[a](gone.md "title")', ["x.md: its link leads to no file: gone.md"]),
    ],
)
def test_what_leads_nowhere_is_named(tmp_path, text, wrong):
    (tmp_path / "there.md").write_text("# Two words")
    (tmp_path / "x.md").write_text(text)
    assert list(links.complaints(tmp_path / "x.md")) == wrong


def test_the_cell_is_named(tmp_path):
    nbformat.write(new_notebook(cells=[new_markdown_cell("[a](gone.ipynb)", id="one")]), tmp_path / "x.ipynb")
    assert list(links.complaints(tmp_path / "x.ipynb")) == [
        "x.ipynb, cell one: its link leads to no file: gone.ipynb"
    ]
