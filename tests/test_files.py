"""The project's folders are found beside the package in a checkout, and inside it in an installed wheel."""

import os
from pathlib import Path

import pytest

from vlab import VlabError, cli, files
from vlab.machine.disks import Disk
from vlab.operations.files import write_tree


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


def test_links_in_a_circle_lead_nowhere(tmp_path: Path) -> None:
    """Python has another error for them, which nobody expects of a file."""
    circle, other = tmp_path / "circle", tmp_path / "other"
    circle.symlink_to(other)
    other.symlink_to(circle)
    with pytest.raises(OSError, match="symbolic links"):
        files.write_atomically(circle, b"new")
    with pytest.raises(VlabError, match="symbolic links"):
        Disk(512).save(circle)
    with pytest.raises(VlabError, match="symbolic links"):
        Disk.open(circle)
    with pytest.raises(VlabError, match="symbolic links"):
        write_tree(circle, [])
    for arguments in (
        ["run", str(circle)],
        *(["run", "hello", name, str(circle)] for name in ("--dtb", "--stats")),
    ):
        assert cli.main(arguments) == 2
    assert sorted(tmp_path.iterdir()) == [circle, other]
    assert circle.is_symlink()


@pytest.mark.parametrize("target", ["file", "folder", "nothing"])
def test_a_private_file_takes_the_place_of_a_link_and_only_its_user_may_read_it(
    tmp_path: Path, target: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    if target == "file":
        elsewhere.write_bytes(b"another's")
        elsewhere.chmod(0o644)
    elif target == "folder":
        elsewhere.mkdir()
    before = elsewhere.stat() if elsewhere.exists() else None
    (tmp_path / "note").symlink_to(elsewhere)
    files.write_atomically(tmp_path / "note", b"new", private=True)
    assert not (tmp_path / "note").is_symlink()
    assert (tmp_path / "note").read_bytes() == b"new"
    assert (tmp_path / "note").stat().st_mode & 0o777 == 0o600
    assert (elsewhere.stat() if elsewhere.exists() else None) == before
    assert target != "file" or elsewhere.read_bytes() == b"another's"


def test_a_private_file_is_never_readable_by_others_not_even_before_it_has_its_name(tmp_path, monkeypatch):
    modes, replace = [], Path.replace

    def replaced(draft, path):
        modes.append(draft.stat().st_mode & 0o777)
        return replace(draft, path)

    monkeypatch.setattr(Path, "replace", replaced)
    (tmp_path / "note").touch(0o644)
    before = os.umask(0)
    try:
        files.write_atomically(tmp_path / "note", b"new", private=True)
    finally:
        os.umask(before)
    assert modes == [0o600]


def test_a_private_file_takes_no_folders_place(tmp_path):
    (tmp_path / "note").mkdir()
    with pytest.raises(OSError, match="not a file"):
        files.write_atomically(tmp_path / "note", b"new", private=True)


@pytest.mark.parametrize("chosen", ["", ".", "cache", "../cache"])
def test_a_relative_cache_folder_counts_for_nothing(tmp_path, monkeypatch, chosen):
    monkeypatch.setenv("XDG_CACHE_HOME", chosen)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.cache_folder() == tmp_path / ".cache" / "vlab"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert files.cache_folder() == tmp_path / "other" / "vlab"
