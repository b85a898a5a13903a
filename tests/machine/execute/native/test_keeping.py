"""Machine code in the user's cache: only whole files that are the user's own are taken."""

import os

import pytest

from vlab.machine.execute.native.keeping import keep, kept

CODE = b"machine code"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where what has the key "one" is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = os.umask(0)
    try:
        keep("one", CODE)
    finally:
        os.umask(before)
    return tmp_path / "vlab/one.o"


def test_what_was_kept_is_found_again(place):
    assert kept("one") == CODE
    assert kept("two") is None
    assert (place.parent.stat().st_mode & 0o777, place.stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_damaged_file_is_not_taken(place):
    whole = place.read_bytes()
    for at in range(len(whole)):
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert kept("one") is None
    for length in range(len(whole)):
        place.write_bytes(whole[:length])
        assert kept("one") is None
    place.write_bytes(whole + b"!")
    assert kept("one") is None


def test_a_file_of_another_key_is_not_taken(place):
    place.rename(place.with_name("two.o"))
    assert kept("two") is None


def test_what_others_may_write_is_not_taken(place):
    for mode in (0o620, 0o602):
        place.chmod(mode)
        assert kept("one") is None
    place.chmod(0o600)
    assert kept("one") == CODE
    place.parent.chmod(0o777)
    assert kept("one") is None
    keep("three", CODE)
    assert not place.with_name("three.o").exists()


def test_a_file_of_another_user_is_not_taken(place, monkeypatch):
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    assert kept("one") is None


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "large"])
def test_what_is_no_plain_file_is_not_taken(place, kind):
    elsewhere = place.with_name("elsewhere")
    place.rename(elsewhere)
    match kind:
        case "link":
            place.symlink_to(elsewhere)
        case "pipe":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case "large":
            place.touch()
            os.truncate(place, 1 << 40)
    assert kept("one") is None


def test_a_link_in_the_place_of_a_file_is_replaced_and_what_it_points_to_stays(place, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"another's")
    elsewhere.chmod(0o644)
    place.unlink()
    place.symlink_to(elsewhere)
    keep("one", CODE)
    assert not place.is_symlink()
    assert kept("one") == CODE
    assert (elsewhere.read_bytes(), elsewhere.stat().st_mode & 0o777) == (b"another's", 0o644)


def test_the_oldest_files_go(place):
    """A cache that nobody looks at doesn't grow with each version of vlab."""
    for number in range(50):
        other = place.with_name(f"{number:02}.o")
        other.write_bytes(b"")
        os.utime(other, (number, number))
    place.with_name("linux").write_bytes(b"")
    os.utime(place, (10**10, 10**10))  # a clock that was wrong then
    keep("two", CODE)
    assert kept("one") == kept("two") == CODE
    left = sorted(path.name for path in place.parent.iterdir())
    assert left == [*(f"{number}.o" for number in range(20, 50)), "linux", "one.o", "two.o"]


def test_a_host_that_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    keep("one", CODE)
    assert kept("one") is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("pathlib.Path.home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    keep("one", CODE)
    assert kept("one") is None
