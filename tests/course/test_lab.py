"""The reader's copies of the lessons: brought up to date, and never at the cost of the reader's own work."""

from pathlib import Path

import pytest

from vlab import files
from vlab.course import lab
from vlab.language import VlabError

LESSON = "en/07_trap_and_emulate.ipynb"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of lessons as the project has them."""
    folder = tmp_path / "ours"
    for name in (LESSON, "README.md", "en/.ipynb_checkpoints/07-checkpoint.ipynb"):
        write(folder, name, f"first edition of {name}")
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "theirs"


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_a_first_copy_has_everything_but_hidden_files(source, place):
    assert lab.copy_lessons(source, place) == [f"Files copied to {place}: 2."]
    assert {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()} == {
        ".vlab.json",
        "README.md",
        LESSON,
    }
    assert (place / LESSON).read_text() == f"first edition of {LESSON}"


def test_a_second_copy_does_nothing(source, place):
    lab.copy_lessons(source, place)
    before = (place / LESSON).stat().st_mtime_ns
    assert lab.copy_lessons(source, place) == []
    assert (place / LESSON).stat().st_mtime_ns == before


def test_a_new_edition_replaces_what_the_reader_left_alone(source, place):
    lab.copy_lessons(source, place)
    write(source, LESSON, "second edition")
    assert lab.copy_lessons(source, place) == [f"Brought up to date: {LESSON}."]
    assert (place / LESSON).read_text() == "second edition"


@pytest.mark.parametrize("new_edition", [False, True])
def test_what_the_reader_changed_stays(source, place, new_edition):
    lab.copy_lessons(source, place)
    write(place, LESSON, "the reader's work")
    if new_edition:
        write(source, LESSON, "second edition")
    for _again in range(2):
        (said,) = lab.copy_lessons(source, place)
        assert said.startswith(f"Left as you changed them: {LESSON}.")
        assert (place / LESSON).read_text() == "the reader's work"


def test_what_the_reader_deleted_comes_back(source, place):
    lab.copy_lessons(source, place)
    (place / LESSON).unlink()
    assert lab.copy_lessons(source, place) == [f"Files copied to {place}: 1."]


def test_a_file_that_was_there_before_is_the_readers(source, place):
    write(place, LESSON, "here before vlab")
    lab.copy_lessons(source, place)
    assert (place / LESSON).read_text() == "here before vlab"


@pytest.mark.parametrize("record", ["", "{", "[]", '{"README.md": 5}', "[" * 100_000, "\xff"])
def test_a_damaged_record_costs_no_work(source, place, record):
    lab.copy_lessons(source, place)
    write(place, LESSON, "the reader's work")
    (place / ".vlab.json").write_bytes(record.encode("latin-1"))
    lab.copy_lessons(source, place)
    assert (place / LESSON).read_text() == "the reader's work"


def test_a_link_out_of_the_folder_is_replaced_not_followed(source, place, tmp_path):
    lab.copy_lessons(source, place)
    (tmp_path / "elsewhere").write_text((place / LESSON).read_text())
    (place / LESSON).unlink()
    (place / LESSON).symlink_to(tmp_path / "elsewhere")
    write(source, LESSON, "second edition")
    lab.copy_lessons(source, place)
    assert (tmp_path / "elsewhere").read_text() == f"first edition of {LESSON}"


def test_a_place_that_cannot_be_used_is_named(source, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VlabError) as caught:
        lab.copy_lessons(source, tmp_path / "file")
    assert str(tmp_path / "file") in str(caught.value)
    assert "--dir" in caught.value.mend


def test_a_full_disk_leaves_no_half_lesson(source, place, monkeypatch):
    def full(path, content):
        path.touch()
        raise OSError(28, "No space left on device", str(path))

    place.mkdir()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(VlabError, match="No space left"):
        lab.copy_lessons(source, place)
    assert [path for path in place.rglob("*") if path.is_file()] == []


def test_the_first_lesson_is_in_the_readers_language_where_it_is_translated(source):
    assert lab.first_lesson(source, "en") == Path(LESSON)
    assert lab.first_lesson(source, "es") == Path(LESSON)
    write(source, "es/07_trap_and_emulate.ipynb", "")
    assert lab.first_lesson(source, "es") == Path("es/07_trap_and_emulate.ipynb")
    write(source, "en/00_start_here.ipynb", "")
    assert lab.first_lesson(source, "es") == Path("en/00_start_here.ipynb")


def test_no_lesson_is_an_error_that_names_the_place(tmp_path):
    with pytest.raises(VlabError, match="there are no lessons here") as caught:
        lab.first_lesson(tmp_path, "en")
    assert caught.value.where == str(tmp_path / "en")


def test_a_checkout_is_worked_in_directly_and_an_installation_on_copies(source, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "folder", lambda name: source)
    assert lab.workplace(None) == (source, [])
    monkeypatch.setattr(files, "installed", lambda: True)
    monkeypatch.chdir(tmp_path)
    place, said = lab.workplace(None)
    assert place == Path("vlab-notebooks")
    assert said == ["Files copied to vlab-notebooks: 2."]
    assert (tmp_path / "vlab-notebooks" / LESSON).exists()
    assert lab.workplace(tmp_path / "chosen")[0] == tmp_path / "chosen"
