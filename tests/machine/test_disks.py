"""Disks: overlays and extents against plain bytearrays, and image files under every kind of bad luck."""

import errno
import json
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from vlab import files
from vlab.language import VlabError
from vlab.machine.disks import BLOCK, LARGEST, SECTOR, Disk, Extent, changes

SIZE = 5 * BLOCK + 3 * SECTOR  # the last block is not a whole one
SECTORS = SIZE // SECTOR


def whole(disk: Disk) -> bytes:
    return disk.read(0, disk.sectors)


def read_so_far(disk: Disk) -> list[int]:
    """The blocks of its file that a disk has read."""
    assert disk.file is not None
    return list(disk.file._blocks)


def image(size: int = SIZE) -> bytes:
    return bytes(range(1, 252)) * (size // 251) + bytes(size % 251)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "system.img"
    place.write_bytes(image())
    return place


class Family(RuleBasedStateMachine):
    """Disks made from disks, each beside the bytearray that it must equal, all the time."""

    disks = Bundle("disks")
    saved = Bundle("saved")

    def __init__(self) -> None:
        super().__init__()
        self.plain: list[tuple[Disk, bytearray]] = []  # an extent has no bytearray of its own
        self.extents: list[Extent] = []

    @rule(target=disks, content=st.sampled_from([None, image()]))
    def new(self, content):
        disk = Disk(SIZE if content is None else content)
        self.plain.append((disk, bytearray(content or SIZE)))
        return disk

    @rule(target=disks, disk=disks)
    def overlay(self, disk):
        found = disk.overlay()
        self.plain.append((found, bytearray(self.expected(disk))))
        return found

    @rule(target=disks, disk=disks, data=st.data())
    def extent(self, disk, data):
        blocks = -(-disk.sectors // 8)
        first = data.draw(st.integers(0, blocks - 1)) * 8
        last = data.draw(st.integers(first // 8 + 1, blocks)) * 8
        found = disk.extent(first, min(last, disk.sectors) - first, overlap=True)
        self.extents.append(found)
        return found

    @rule(disk=disks, data=st.data())
    def write(self, disk, data):
        sector = data.draw(st.integers(0, disk.sectors))
        count = data.draw(st.integers(0, min(disk.sectors - sector, 20)))
        fill = data.draw(st.sampled_from([b"\0", b"a", b"b"]))
        content = fill * (count * SECTOR)
        disk.write(sector, content)
        root, first = self.root(disk)
        plain = next(plain for one, plain in self.plain if one is root)
        plain[(first + sector) * SECTOR : (first + sector + count) * SECTOR] = content

    @rule(disk=disks)
    def commit(self, disk):
        if isinstance(disk, Extent) or disk.base is None:
            return
        content = self.expected(disk)
        base, first = self.root(disk.base)
        disk.commit()
        assert disk.own == {}
        plain = next(plain for one, plain in self.plain if one is base)
        plain[first * SECTOR : first * SECTOR + len(content)] = content

    @rule(disk=disks, other=disks)
    def copy(self, disk, other):
        if disk.size != other.size:
            return
        disk.set_blocks(other.blocks())
        content = self.expected(other)
        root, first = self.root(disk)
        plain = next(plain for one, plain in self.plain if one is root)
        plain[first * SECTOR : first * SECTOR + len(content)] = content

    @rule(target=saved, disk=disks)
    def save(self, disk):
        return disk, disk.blocks(), self.expected(disk)

    @rule(saved=saved)
    def restore(self, saved):
        disk, blocks, content = saved
        disk.set_blocks(blocks)
        root, first = self.root(disk)
        plain = next(plain for one, plain in self.plain if one is root)
        plain[first * SECTOR : first * SECTOR + len(content)] = content

    def root(self, disk: Disk) -> tuple[Disk, int]:
        """The disk that this one is a piece of, and at which sector; an overlay is a disk in its own right."""
        first = 0
        while isinstance(disk, Extent):
            first += disk.first
            disk = disk.base
        return disk, first

    def expected(self, disk: Disk) -> bytes:
        root, first = self.root(disk)
        plain = next(plain for one, plain in self.plain if one is root)
        return bytes(plain[first * SECTOR : first * SECTOR + disk.size])

    def teardown(self):
        for disk in [*(disk for disk, _plain in self.plain), *self.extents]:
            content = self.expected(disk)
            assert whole(disk) == content
            blocks = disk.blocks()
            padded = content.ljust(-(-len(content) // BLOCK) * BLOCK, b"\0")
            cut = {n: padded[n * BLOCK :][:BLOCK] for n in range(len(padded) // BLOCK)}
            assert blocks == {n: block for n, block in cut.items() if any(block)}
            assert list(blocks) == sorted(blocks)


TestFamily = Family.TestCase
TestFamily.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


# Blocks


def test_blocks_are_shared_with_what_was_taken_before():
    disk = Disk(image())
    before = disk.blocks()
    disk.write(3, b"x" * SECTOR)
    after = disk.blocks()
    assert after[0] != before[0]
    assert all(after[number] is before[number] for number in range(1, 6))
    assert all(disk.overlay().blocks()[number] is after[number] for number in range(6))
    piece = disk.extent(8, 16).blocks()
    assert list(piece) == [0, 1]
    assert all(piece[number] is after[number + 1] for number in piece)


def test_an_overlay_has_what_differs_and_no_more():
    disk = Disk(image())
    overlay = disk.overlay()
    overlay.write(0, b"x" * SECTOR)
    overlay.write(8, disk.read(8))
    assert list(overlay.own) == [0]
    overlay.write(0, disk.read(0))
    assert overlay.own == {}


def test_an_overlay_is_a_version_of_what_its_base_was():
    disk = Disk(image())
    overlay, extent = disk.overlay(), disk.extent(0, 16)
    second = extent.overlay()
    extent.write(1, b"x" * SECTOR)
    assert whole(overlay) == image()
    overlay.write(1, b"y" * SECTOR)
    disk.write(1, b"z" * SECTOR)
    assert overlay.read(1) == b"y" * SECTOR
    assert whole(second) == image()[: 16 * SECTOR]
    assert extent.read(1) == disk.read(1) == b"z" * SECTOR


def test_a_very_long_chain():
    disk = base = Disk(image())
    for _depth in range(2000):
        disk = disk.overlay("deep")
    disk.write(0, b"x" * SECTOR)
    assert whole(disk) == b"x" * SECTOR + image()[SECTOR:]
    assert (list(disk.blocks()), len(disk.chain())) == ([*range(6)], 2001)
    assert whole(base) == image()


def test_extents_keep_apart_unless_asked():
    disk = Disk("64K")
    first = disk.extent(0, 16)
    for start, count in ((8, 8), (0, 8), (0, 128), (8, 120)):
        with pytest.raises(VlabError, match="belong to the extent"):
            disk.extent(start, count)
    disk.extent(16, 8)
    disk.extent(8, 8, overlap=True)
    first.write(0, b"a" * SECTOR)
    overlay = first.overlay()
    first.release()
    assert disk.extent(0, 8).read(0) == b"a" * SECTOR  # what was there still is
    disk.write(0, b"b" * SECTOR)
    assert overlay.read(0) == b"a" * SECTOR
    with pytest.raises(VlabError, match="no sectors"):
        first.read(0)


@pytest.mark.parametrize(("first", "count"), [(1, 8), (0, 4), (0, 0), (8, 9), (0, 136), (-8, 8), (128, 8)])
def test_extents_that_cannot_be(first, count):
    with pytest.raises(VlabError):
        Disk("64K").extent(first, count)


@pytest.mark.parametrize("size", [0, -512, 511, 513, LARGEST + 512, b"", b"x" * 513, "3"])
def test_sizes_that_no_disk_has(size):
    with pytest.raises(VlabError, match="A disk cannot have"):
        Disk(size)


@pytest.mark.parametrize(
    ("sector", "count"), [(-1, 1), (0, -1), (SECTORS, 1), (0, SECTORS + 1), (1 << 64, 1)]
)
def test_sectors_that_are_not_there(sector, count):
    with pytest.raises(VlabError, match="no sectors"):
        Disk(SIZE).read(sector, count)
    if count >= 0:
        with pytest.raises(VlabError, match="no sectors"):
            Disk(SIZE).write(sector, bytes(SECTOR) * min(count, SECTORS + 1))


def test_what_may_not_be_written():
    disk = Disk(image(), read_only=True)
    for one in (disk, disk.extent(0, 8)):
        with pytest.raises(VlabError, match="read-only"):
            one.write(0, bytes(SECTOR))
    with pytest.raises(VlabError, match="read-only"):
        disk.set_blocks({})
    disk.set_blocks(Disk(image()).blocks())
    overlay = disk.overlay()
    overlay.write(0, bytes(SECTOR))
    with pytest.raises(VlabError, match="read-only"):
        overlay.commit()
    with pytest.raises(VlabError, match="whole sectors"):
        overlay.write(0, b"x")
    assert whole(disk) == image()


@pytest.mark.parametrize(
    "blocks",
    [
        None,
        {6: bytes(BLOCK)},
        {-1: bytes(BLOCK)},
        {0: b"x"},
        {True: bytes(BLOCK)},
        {"0": bytes(BLOCK)},
        {5: b"x" * BLOCK},
        {0: "x" * BLOCK},
        {0: bytearray(BLOCK)},
    ],
)
def test_blocks_that_are_not_a_disks_change_nothing(blocks):
    disk = Disk(image())
    with pytest.raises(VlabError):
        disk.set_blocks(blocks)
    assert whole(disk) == image()


@pytest.mark.parametrize("make", [Disk, lambda size: Disk(size).extent(0, 8)])
def test_nothing_to_commit_to(make):
    with pytest.raises(VlabError):
        make(BLOCK).commit()


# Files


def test_a_file_is_read_when_needed_and_written_when_asked(path):
    disk = Disk.open(path)
    assert read_so_far(disk) == []
    assert disk.read(9) == image()[9 * SECTOR : 10 * SECTOR]
    assert read_so_far(disk) == [1]
    disk.write(9, b"x" * SECTOR)
    assert path.read_bytes() == image()
    path.chmod(0o640)
    disk.commit()
    assert path.read_bytes() == whole(disk) != image()
    assert path.stat().st_mode & 0o777 == 0o640
    assert disk.own == {}
    disk.write(9, b"y" * SECTOR)
    disk.commit()
    assert whole(Disk.open(path)) == whole(disk)
    assert list(path.parent.iterdir()) == [path]


def test_saving_leaves_holes(tmp_path):
    disk = Disk("4M")
    disk.write(4000, b"x" * SECTOR)
    disk.save(tmp_path / "disk.img")
    assert (tmp_path / "disk.img").stat().st_blocks * 512 < 1 << 16
    again = Disk.open(tmp_path / "disk.img")
    assert again.blocks() == disk.blocks()
    again.write(4000, bytes(SECTOR))
    again.commit()
    assert (tmp_path / "disk.img").stat().st_blocks == 0
    assert len(read_so_far(again)) < 100


def test_files_that_are_no_disks(tmp_path, path):
    with pytest.raises(VlabError, match="no such file"):
        Disk.open(tmp_path / "none.img")
    with pytest.raises(VlabError, match="isn't a file"):
        Disk.open(tmp_path)
    with pytest.raises(VlabError):
        Disk.open("a\0b")
    with pytest.raises(VlabError, match="isn't a file"):
        Disk(BLOCK).save(tmp_path)
    with pytest.raises(VlabError, match="can't be used"):
        Disk(BLOCK).save(tmp_path / "none" / "disk.img")
    for size in (0, 511, LARGEST + SECTOR):
        with path.open("wb") as file:
            file.truncate(size)
        with pytest.raises(VlabError, match=f"cannot have {size} bytes"):
            Disk.open(path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(VlabError, match="isn't a file"):
        Disk.open(fifo)


@pytest.mark.parametrize("mode", ["file", "opened"])
def test_a_read_only_file_is_not_committed_to(path, mode):
    disk = Disk.open(path)
    disk.write(0, b"x" * SECTOR)
    if mode == "file":
        path.chmod(0o444)
    else:
        disk = Disk.open(path, read_only=True)
    with pytest.raises(VlabError, match="read-only" if mode == "opened" else "may not"):
        disk.commit()
    assert path.read_bytes() == image()
    assert len(disk.own) == (mode == "file")


@pytest.mark.parametrize("way", ["into", "instead", "gone"])
def test_what_others_do_to_the_file_is_noticed_and_nothing_is_lost(path, tmp_path, way):
    disk = Disk.open(path)
    disk.write(0, b"x" * SECTOR)
    disk.read(8)
    said = "Something else has changed this file"
    if way == "into":
        said = "Something else has written into this file"
        path.write_bytes(bytes(SIZE))
        os.utime(path, ns=(0, 0))
        with pytest.raises(VlabError, match=said):
            disk.read(16)
        with pytest.raises(VlabError, match=said):
            disk.save(tmp_path / "saved.img")  # so the mend doesn't offer it
    elif way == "instead":
        (tmp_path / "other").write_bytes(bytes(SIZE))
        (tmp_path / "other").replace(path)
    else:
        path.unlink()
    with pytest.raises(VlabError, match=said) as told:
        disk.commit()
    assert (".save(path)" in told.value.mend) == (way != "into")
    assert way == "gone" or path.read_bytes() == bytes(SIZE)
    assert disk.read(0) == b"x" * SECTOR
    if way != "into":
        disk.save(tmp_path / "saved.img")
        assert (tmp_path / "saved.img").read_bytes() == b"x" * SECTOR + image()[SECTOR:]
    else:
        again = Disk.open(path)
        for number, content in disk.own.items():
            again.write(number * BLOCK // SECTOR, content)
        assert again.read(0) == b"x" * SECTOR


class Crash(BaseException):
    """The computer loses its power: from here on nothing is done any more."""


class Failing:
    """The system calls of a commit, the `at`th of which fails, as may all after it."""

    def __init__(self, monkeypatch, at: int, failure: BaseException):
        self.left, self.failure, self.calls = at, failure, 0
        for owner, names in ((os, ["fsync"]), (Path, ["replace", "chmod", "unlink"])):
            for name in names:
                monkeypatch.setattr(owner, name, self.counted(getattr(owner, name)))
        original = files._draft

        def draft(path, mode):
            self.step()
            file, place = original(path, mode)
            return FailingFile(file, self), place

        monkeypatch.setattr(files, "_draft", draft)

    def counted(self, original):
        def call(*args, **named):
            self.step()
            return original(*args, **named)

        return call

    def step(self) -> None:
        self.calls += 1
        self.left -= 1
        if self.left == 0 or (self.left < 0 and isinstance(self.failure, Crash)):
            raise self.failure


class FailingFile:
    def __init__(self, file, failing):
        self.file, self.failing = file, failing

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def __getattr__(self, name):
        original = getattr(self.file, name)
        return self.failing.counted(original) if name in ("write", "truncate", "flush") else original


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "full"), OSError(errno.EIO, "broken"), Crash()])
def test_a_commit_that_fails_anywhere_leaves_the_old_or_the_new(path, failure):
    new = b"x" * SECTOR + image()[SECTOR:]
    seen, at = set(), 0
    while True:
        at += 1
        path.write_bytes(image())
        disk = Disk.open(path)
        disk.write(0, b"x" * SECTOR)
        with pytest.MonkeyPatch.context() as patched:
            failing = Failing(patched, at, failure)
            with suppress(VlabError, Crash):
                disk.commit()
            if failing.calls < at:
                break
        content = path.read_bytes()
        seen.add(content)
        assert content in (image(), new)
        assert whole(disk) == new
        if isinstance(failure, OSError) and at > 1 and failing.left < 0:
            leftover = [one for one in path.parent.iterdir() if one != path]
            assert len(leftover) <= 1
        for one in path.parent.iterdir():
            if one != path:
                one.unlink()
    assert at > 10
    assert seen == {image(), new}


def test_no_room_is_said(path, monkeypatch):
    disk = Disk.open(path)
    disk.write(0, b"x" * SECTOR)
    Failing(monkeypatch, 3, OSError(errno.ENOSPC, "full"))
    with pytest.raises(VlabError, match="no room left") as told:
        disk.commit()
    assert "Nothing is lost" in told.value.mend
    assert path.read_bytes() == image()
    assert list(path.parent.iterdir()) == [path]


# Changes in a file


def changed() -> tuple[Disk, Disk]:
    base = Disk(image())
    overlay = base.overlay()
    overlay.write(3, b"x" * SECTOR)
    overlay.write(40, bytes(3 * SECTOR))
    return base, overlay


def test_changes_are_kept_beside_their_base(tmp_path):
    base, overlay = changed()
    overlay.save_changes(tmp_path / "mine")
    assert (tmp_path / "mine").stat().st_size < 3 * BLOCK
    again = Disk(image()).open_changes(tmp_path / "mine")
    assert again.own == overlay.own
    assert whole(again) == whole(overlay)
    base.write(8, bytes(SECTOR))
    for other in (base, Disk(SIZE), Disk(SIZE + SECTOR)):
        with pytest.raises(VlabError, match="of another disk"):
            other.open_changes(tmp_path / "mine")


def test_damaged_changes_are_refused(tmp_path):
    base, overlay = changed()
    place = tmp_path / "mine"
    overlay.save_changes(place)
    content = place.read_bytes()
    for at in [*range(0, len(content), 97), *range(200), len(content) - 1]:
        place.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(VlabError):
            base.open_changes(place)
        place.write_bytes(content[:at])
        with pytest.raises(VlabError):
            base.open_changes(place)
    place.write_bytes(bytes(1 << 20))
    with pytest.raises(VlabError, match="damaged"):
        base.open_changes(place)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_changes_with_a_right_checksum_are_not_believed_either(data, tmp_path_factory):
    base = Disk(image())
    right = {"size": SIZE, "base": changes.digest(SIZE, base.blocks()), "blocks": [0, 2]}
    field = data.draw(st.sampled_from([*right, "more", "all"]))
    junk = st.none() | st.integers() | st.text() | st.lists(st.integers(-1, 7) | st.booleans() | st.text())
    value = data.draw(junk)
    header = json.dumps(value if field == "all" else right | {field: value})
    header = data.draw(st.sampled_from([header, "[" * 100_000, "9" * 5000, "{", ""]))
    rest = bytes(BLOCK) * data.draw(st.integers(0, 3))
    content = b"vlab disk changes 1\n" + header.encode() + b"\n" + rest
    place = tmp_path_factory.mktemp("changes") / "mine"
    place.write_bytes(content + sha256(content).digest())
    try:
        found = base.open_changes(place)
    except VlabError:
        return
    assert field == "blocks"
    assert list(value) == sorted(set(value))
    assert found.size == SIZE


@pytest.mark.parametrize(
    "numbers", [[2, 0], [0, 0], [False, 2], [0, "x"], [0.0, 2], [-1, 2], [0, 6], [0], 2, None]
)
def test_numbers_that_no_changes_have(numbers, tmp_path):
    base = Disk(image())
    header = {"size": SIZE, "base": changes.digest(SIZE, base.blocks()), "blocks": numbers}
    content = b"vlab disk changes 1\n" + json.dumps(header).encode() + b"\n" + bytes(2 * BLOCK)
    (tmp_path / "mine").write_bytes(content + sha256(content).digest())
    with pytest.raises(VlabError):
        base.open_changes(tmp_path / "mine")


def test_changes_of_a_later_version_are_refused(tmp_path):
    (tmp_path / "mine").write_bytes(b"vlab disk changes 2\n{}\n" + bytes(32))
    with pytest.raises(VlabError, match="version of the format"):
        Disk(SIZE).open_changes(tmp_path / "mine")


def test_sentences(path):
    disk = Disk.open(path)
    overlay = disk.overlay("mine")
    overlay.write(0, b"x" * SECTOR)
    assert repr(disk).startswith("Disk system.img, 22016 B, in a file; ")
    assert repr(overlay) == "Disk mine, 22016 B: a version of system.img; blocks of 4 KiB that differ: 1"
    assert repr(overlay.extent(8, 8)) == "Disk mine[8:16], 4 KiB: sectors 8 to 15 of mine"
    assert repr(Disk(BLOCK, read_only=True)).endswith("in use: 0; read only")
    assert [one.name for one in overlay.extent(0, 8).chain()] == ["mine[0:8]", "mine", "system.img"]


def test_sectors_are_numbers_and_what_is_on_them_is_bytes() -> None:
    disk = Disk(SIZE)
    numbers: list[Any] = ["0", None, 1.0, [0]]
    for wrong in numbers:
        for act in (disk.read, disk.extent):
            with pytest.raises(VlabError, match="no sectors"):
                act(wrong, 8)
            with pytest.raises(VlabError, match="no sectors"):
                act(0, wrong)
        with pytest.raises(VlabError, match="no sectors"):
            disk.write(wrong, bytes(SECTOR))
    contents: list[Any] = ["x" * SECTOR, None, SECTOR, [0] * SECTOR]
    for content in contents:
        with pytest.raises(VlabError, match="bytes"):
            disk.write(0, content)
    assert disk.blocks() == {}
