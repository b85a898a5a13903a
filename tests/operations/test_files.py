"""Snapshots on disk: what comes back is what was written, and a file that isn't is refused with the reason."""

import json
import os
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab import Hypervisor, Machine, Snapshots, VlabError, guests
from vlab.machine import Snapshot
from vlab.machine.memory import PAGE
from vlab.machine.network import Switch
from vlab.machine.snapshot import Checker
from vlab.operations import files
from vlab.operations.files import read_tree, write_tree

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


def tower():
    """A machine with a VM in a VM that has just begun to run."""
    machine = Machine(memory="6M")
    inner = Hypervisor(Hypervisor(machine).create_vm(memory="3M"))
    inner.create_vm(guests.load("tiny"), memory="1M")
    return machine


@pytest.fixture
def tree():
    machine = Machine(guests.load("kernel"), memory="1M")
    tree = Snapshots(machine)
    tree.take("on")
    machine.run(4000)
    tree.take("later")
    tree.restore("on")
    machine.run(7000)
    tree.take("otra rama é")
    return tree


def forged(header, blobs=b""):
    """A file whose checksum is right, whatever it says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    digest = sha256(text + blobs).digest()
    return files._HEAD.pack(files.MAGIC, files.VERSION, len(text), len(blobs), digest) + text + blobs


def test_a_tree_comes_back(tree, tmp_path):
    tree.save(tmp_path / "tree.vlab")
    other = Machine(memory="1M")
    opened = Snapshots.open(tmp_path / "tree.vlab", other)
    assert list(opened) == list(tree)
    assert opened.here is None
    assert "none is restored yet" in repr(opened)
    opened.restore("later")
    assert other.snapshot() == tree["later"].snapshot
    assert opened.take("next").parent == "later"


def test_the_same_tree_gives_the_same_bytes(tree, tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        tree.save(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_its_bytes_are_the_files(tree, tmp_path):
    tree.save(tmp_path / "a")
    assert tree.packed() == (tmp_path / "a").read_bytes()
    assert list(Snapshots.open(tree.packed(), tree.computer)) == list(tree)
    with pytest.raises(VlabError, match="cut off or damaged"):
        Snapshots.open(tree.packed()[:-1], tree.computer)


def test_what_snapshots_share_is_written_once(tree, tmp_path):
    path = tmp_path / "tree.vlab"
    tree.save(path)
    pages = [page for saved in tree for page in saved.snapshot.pages.values()]
    assert path.stat().st_size < len(pages) * PAGE
    opened = Snapshots.open(path, tree.computer)
    on, later = opened["on"].snapshot.pages, opened["later"].snapshot.pages
    assert any(on[number] is later.get(number) for number in on)


def test_virtual_machines_in_virtual_machines_come_back(tmp_path):
    machine = tower()
    tree = Snapshots(machine)
    machine.run(2500)
    tree.take("middle")
    tree.save(tmp_path / "tower")
    machine.run()
    opened = Snapshots.open(tmp_path / "tower", Machine(memory="6M"))
    opened.restore("middle")
    opened.computer.run()
    assert opened.computer.snapshot() == machine.snapshot()


@given(value=PLAIN)
def test_any_plain_data_comes_back(value):
    writer = files.Writer()
    text = json.loads(json.dumps(writer.plain(value)))
    reader = files.Reader(list(writer.numbers))
    assert reader.value(Checker(text)) == value


def test_every_flipped_byte_and_every_cut_is_refused(tmp_path):
    machine = Machine(guests.load("hello"), memory="64K")
    tree = Snapshots(machine)
    tree.take("on")
    path = tmp_path / "tree"
    tree.save(path)
    whole = path.read_bytes()
    for at in [*range(200), *range(200, len(whole), 7)]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with pytest.raises(VlabError, match=r"damaged|version|no file of snapshots"):
            read_tree(path)
    for length in [*range(70), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(VlabError):
            read_tree(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(VlabError, match="damaged"):
        read_tree(path)


def test_another_version_and_another_computer_say_so(tree, tmp_path, monkeypatch):
    path = tmp_path / "tree"
    monkeypatch.setattr(files, "VERSION", 2)
    tree.save(path)
    monkeypatch.undo()
    with pytest.raises(VlabError, match=r"has version 2 .* reads version 1"):
        read_tree(path)
    monkeypatch.setattr(files, "COMPUTER", {"isa": "rv32i"})
    tree.save(path)
    monkeypatch.undo()
    with pytest.raises(VlabError, match=r"of another kind: .*rv32i"):
        read_tree(path)


def test_a_smaller_computer_refuses_to_restore_and_stays(tree, tmp_path):
    tree.save(tmp_path / "tree")
    machine = Machine(guests.load("hello"), memory="512K")
    before = machine.snapshot()
    with pytest.raises(VlabError, match="bytes of memory"):
        Snapshots.open(tmp_path / "tree", machine).restore("on")
    assert machine.snapshot() == before


HEADER = {"computer": files.COMPUTER, "blobs": [], "snapshots": []}
STATE = {"d": [["time", 0], ["hart", {"d": [["mode", 3], ["pc", 0]]}]]}


@pytest.mark.parametrize(
    "content",
    [
        forged(b"[" * 100_000 + b"]" * 100_000),
        forged(b'{"computer": 1e999}'),
        forged(b'{"computer": NaN}'),
        forged(b"\xff"),
        forged(b"1" * 5000),
        forged({}),
        forged({**HEADER, "blobs": [1]}),
        forged({**HEADER, "blobs": [-1, 1]}),
        forged({**HEADER, "blobs": {"a": 1}}),
        forged({**HEADER, "snapshots": 7}),
        forged({**HEADER, "snapshots": [{"name": 7, "parent": None, "state": STATE}]}),
        forged({**HEADER, "snapshots": [{"name": "a", "parent": "b", "state": STATE}]}),
        forged({**HEADER, "snapshots": [{"name": "a", "parent": [], "state": STATE}]}),
        forged({**HEADER, "snapshots": [{"name": "a", "parent": None, "state": STATE}]}),
        forged({**HEADER, "snapshots": [{"name": "a", "parent": None, "state": {"b": 0}}]}),
        forged({**HEADER, "snapshots": [{"name": "a", "parent": None, "state": {"d": [[[], 0]]}}]}),
        forged({**HEADER, "snapshots": [{"name": "a", "parent": None, "state": {"d": 0}}]}),
        forged({**HEADER, "snapshots": [{"name": "a", "parent": None, "state": {"x": 0}}]}),
        forged({**HEADER, "snapshots": [{"name": "a", "parent": None, "state": [[[]]]}]}),
        b"",
        b"VLABSNAP",
        b"GIF89a",
    ],
)
def test_a_hostile_file_is_refused_in_words(content, tmp_path):
    path = tmp_path / "hostile"
    path.write_bytes(content)
    with pytest.raises(VlabError):
        Snapshots.open(path, Machine(memory="64K"))


def test_a_name_that_can_be_none_is_refused(tmp_path):
    snapshot = Machine(guests.load("hello"), memory="64K").snapshot()
    write_tree(tmp_path / "tree", [("two\nlines", None, snapshot)])
    with pytest.raises(VlabError, match="cannot be a snapshot's name"):
        Snapshots.open(tmp_path / "tree", Machine(memory="64K"))


@given(data=st.data())
def test_a_state_with_a_part_replaced_is_refused_or_right(data):
    machine = Machine(guests.load("hello"), memory="64K")
    machine.run(20)
    state = dict(machine.snapshot().state)
    state[data.draw(st.sampled_from(sorted(state)))] = data.draw(PLAIN)
    try:
        machine.restore(Snapshot(state))
    except VlabError:
        return
    assert machine.snapshot().state == state


def test_a_file_that_cannot_be_written_leaves_the_old_one(tree, tmp_path, monkeypatch):
    path = tmp_path / "tree"
    path.write_text("old")

    def full(*_args):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(VlabError, match="No space left"):
        tree.save(path)
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["missing/tree", "."])
def test_a_place_that_is_none_is_named(tree, tmp_path, name):
    with pytest.raises(VlabError, match=r"can't be written"):
        tree.save(tmp_path / name)
    with pytest.raises(VlabError):
        Snapshots.open(tmp_path / name, tree.computer)


def test_what_could_not_be_read_again_is_not_written(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_FILE", 1000)
    with pytest.raises(VlabError, match="1 GiB"):
        tree.save(tmp_path / "tree")
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_text_is_written_and_read(tmp_path):
    machine = Machine(memory="6M")
    Hypervisor(machine).create_vm(guests.load("tiny"), memory="1M").name = "\ud800"
    tree = Snapshots(machine)
    tree.take("a")
    tree.save(tmp_path / "x")
    assert Snapshots.open(tmp_path / "x", machine)["a"].snapshot == tree["a"].snapshot


@pytest.mark.parametrize("name", ["a\0b", "pipe"])
def test_a_place_that_no_file_can_have_is_named(tree: Snapshots, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VlabError, match="can't be written"):
        tree.save(tmp_path / name)
    with pytest.raises(VlabError, match="can't be saved"):
        Switch().capture.save(tmp_path / name)
    assert (tmp_path / "pipe").is_fifo()
