"""The project's folders are found beside the package in a checkout, and inside it in an installed wheel."""

import os
from pathlib import Path

import pytest

from vlab import files


def test_a_checkout_has_its_folders_beside_the_package(repository):
    assert not files.installed()
    assert files.checkout() == repository
    assert files.folder("notebooks") == repository / "notebooks"


def test_a_wheel_has_its_folders_inside_the_package(tmp_path, monkeypatch):
    (tmp_path / "_notebooks").mkdir()
    monkeypatch.setattr(files, "_PACKAGE", tmp_path)
    assert files.installed()
    assert files.folder("data") == tmp_path / "_data"


def test_a_file_is_on_the_disk_before_its_name_is_and_the_name_before_it_counts(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle):
        done.append("folder" if os.path.samestat(os.fstat(handle), tmp_path.stat()) else "file")
        fsync(handle)

    def replaced(draft, path):
        done.append("name")
        return replace(draft, path)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    files.write_atomically(tmp_path / "note", b"new")
    assert done == ["file", "name", "folder"]
    assert [path.name for path in tmp_path.iterdir()] == ["note"]


def test_a_draft_that_a_crash_left_is_in_nobodys_way(tmp_path):
    (tmp_path / ".note.0.part").write_bytes(b"half")
    files.write_atomically(tmp_path / "note", b"new")
    assert (tmp_path / "note").read_bytes() == b"new"
    assert (tmp_path / ".note.0.part").read_bytes() == b"half"


def test_what_is_no_file_is_not_replaced_and_a_link_stays_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to_pipe").symlink_to("pipe")
    for name in ("pipe", "to_pipe", "."):
        with pytest.raises(OSError, match="not a file"):
            files.write_atomically(tmp_path / name, b"new")
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "note").write_bytes(b"old")
    (tmp_path / "link").symlink_to("note")
    files.write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "note").read_bytes() == b"new"
