"""The project's folders are found beside the package in a checkout, and inside it in an installed wheel."""

import os
from pathlib import Path

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
