"""Every section of every lesson runs from its checkpoint alone, and shows what the lesson shows."""

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from vlab.course import checkpoint, checkpoints, notebooks, reveal, sections
from vlab.language import VlabError

FRESH = '%reset -f\nimport vlab\n\nvlab.set_language("en")'


def executed(sources, folder):
    """Cells, executed in one kernel that starts in `folder`; what each shows, as far as it is text."""
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    client = NotebookClient(notebook, timeout=60, kernel_name="python3", coalesce_streams=True)
    client.execute(cwd=str(folder))
    return [shown(cell.outputs) for cell in notebook.cells]


def shown(outputs):
    found = []
    for output in outputs:
        data = output.get("data", {"text/plain": output.get("text", "")})
        found += ["".join(text) for kind, text in sorted(data.items()) if kind.startswith("text/")]
    return found


def lesson_of(path):
    """Every lesson in English, and one in Spanish; the others, whose code is the same, where there is time."""
    quick = path.parent.name == "en" or path.stem.startswith("02_")
    return pytest.param(path, id=f"{path.parent.name}-{path.stem}", marks=[] if quick else [pytest.mark.slow])


@pytest.mark.parametrize("path", [lesson_of(path) for path in notebooks.lessons()])
def test_every_section_runs_from_its_checkpoint_alone(path):
    """The last section first, so that none finds what another left; the language is set to a wrong one."""
    lesson = sections.Lesson(path)
    assert lesson.sections
    cells = []
    for section in reversed(lesson.sections):
        cells += [(None, FRESH)] + [(cell, cell["source"]) for cell in section.code]
    for (cell, _source), texts in zip(cells, executed([s for _c, s in cells], path.parent), strict=True):
        if cell is None or cell["id"].endswith("-checkpoint"):
            continue
        assert texts == shown(cell["outputs"]), f"{path.name}, cell {cell['id']}"


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    """A small lesson, and a folder in which kernels find it as lesson 99."""
    monkeypatch.setenv("VLAB_TEST_LESSONS", str(tmp_path))
    folder = tmp_path / "en"
    folder.mkdir()
    cells = [
        nbformat.v4.new_markdown_cell("# Title"),
        new_code_cell('import vlab\n\nvlab.set_language("en")', id="language"),
        new_code_cell("a = [1]\nprint(a)"),
        nbformat.v4.new_markdown_cell("## 1. One (core)", id="one"),
        new_code_cell("a.append(2)\nlen(a)"),
        nbformat.v4.new_markdown_cell("## 2. Two (more)", id="two"),
        new_code_cell("a.append(3)\nprint(a)"),
    ]
    nbformat.write(new_notebook(cells=cells), folder / "99_small.ipynb")
    return folder


SETUP = """
import os, pathlib
from vlab import files
from vlab.course import checkpoint
folder = files.folder
files.folder = lambda name: pathlib.Path(os.environ["VLAB_TEST_LESSONS"]) if name == "notebooks" else folder(name)
"""
CELLS = ['import vlab\n\nvlab.set_language("en")', "a = [1]\nprint(a)", "a.append(2)\nlen(a)"]


def test_a_checkpoint_does_nothing_where_all_ran(lesson):
    said = executed([SETUP, *CELLS, 'checkpoint("99-two")', "a"], lesson)
    assert said[-2:] == [[], ["[1, 2]"]]


def test_a_checkpoint_makes_what_was_left_out(lesson):
    said = executed([SETUP, *CELLS[:2], 'checkpoint("99-two")', "a", 'checkpoint("99-two")', "a"], lesson)
    assert said[-4:] == [["Made for this section: a.\n"], ["[1, 2]"], [], ["[1, 2]"]]


def test_a_checkpoint_makes_anew_what_was_changed(lesson):
    said = executed([SETUP, *CELLS, "a.append(99)", 'checkpoint("99-two")', "a"], lesson)
    assert said[-2:] == [["Made for this section: a.\n"], ["[1, 2]"]]


@pytest.mark.parametrize(
    "kept", [[""], ["", "import coverage"]], ids=["nothing", "what a test runner put in"]
)
def test_without_a_history_it_is_enough_that_the_names_are_there(lesson, kept):
    forget = f"shell = get_ipython()\nshell.history_manager.input_hist_raw[:] = {kept}"
    said = executed(
        [SETUP, *CELLS, forget + '\ncheckpoint("99-two")', "del a", forget + '\ncheckpoint("99-two")'], lesson
    )
    assert said[-3:] == [[], [], ["Made for this section: a.\n"]]


def test_a_cell_that_fails_is_named(lesson):
    (lesson / "99_small.ipynb").write_text(
        (lesson / "99_small.ipynb").read_text().replace("a = [1]", "a = [b]")
    )
    asking = (
        'from vlab import VlabError\ntry:\n    checkpoint("99-two")\nexcept VlabError as e:\n    print(e)'
    )
    assert "NameError: name 'b' is not defined" in executed([SETUP, asking], lesson)[-1][0]


@pytest.mark.parametrize("name", ["07-nothing", "7", "", None, "99-held", "07-held-go"])
def test_a_checkpoint_that_is_not_there(name):
    with pytest.raises(VlabError, match=r"There is no|names no part"):
        checkpoint(name)


def test_outside_of_a_notebook(capsys, monkeypatch):
    monkeypatch.setattr(checkpoints, "_shell", lambda: None)
    with pytest.raises(VlabError, match="works in a notebook"):
        checkpoint("07-held")
    reveal("07-emulate-skip")
    assert "class Skip(TrapAndEmulate)" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["07-nothing", "07-held", "x", None])
def test_a_cell_that_is_not_there_to_be_revealed(name):
    with pytest.raises(VlabError, match=r"no code cell|names no part"):
        reveal(name)


def test_revealing_replaces_the_cell():
    """What the front end is told, as the messages of a kernel say it."""
    notebook = new_notebook(
        cells=[new_code_cell('from vlab.course import reveal\nreveal("07-emulate-skip")')]
    )
    client = NotebookClient(notebook, timeout=60, kernel_name="python3")
    told = []
    client.on_cell_executed = lambda cell, cell_index, execute_reply: told.append(execute_reply)
    client.execute()
    (payload,) = told[0]["content"]["payload"]
    assert payload["replace"]
    cell = sections.lesson("07").cell("07-emulate-skip")
    assert cell
    assert payload["text"] == cell["source"]
