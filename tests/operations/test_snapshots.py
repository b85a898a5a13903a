from typing import Any

import networkx
import pytest

from vlab import Hypervisor, Machine, Snapshots, VlabError, guests


@pytest.fixture
def machine():
    return Machine(guests.load("kernel"), memory="1M")


def grown(machine):
    """A tree with two branches: start → (left → leaf), right."""
    tree = Snapshots(machine)
    tree.take("start")
    machine.run(2000)
    tree.take("left")
    machine.run(2000)
    tree.take("leaf")
    tree.restore("start")
    machine.run(50)
    tree.take("right")
    return tree


def test_each_knows_what_it_came_after(machine):
    tree = grown(machine)
    assert {saved.name: saved.parent for saved in tree} == {
        "start": None,
        "left": "start",
        "leaf": "left",
        "right": "start",
    }
    assert tree.here == "right"


def test_restoring_gives_the_very_state_and_the_same_future(machine):
    tree = grown(machine)
    tree.restore("left")
    assert machine.snapshot() == tree["left"].snapshot
    machine.run(2000)
    assert machine.snapshot() == tree["leaf"].snapshot


def test_the_pages_that_changed_are_counted(machine):
    tree = Snapshots(machine)
    first = tree.take("a")
    assert first.changed == len(first.snapshot.pages)
    assert tree.take("same").changed == 0
    machine.memory.poke(0x8008_0000, b"x")
    machine.memory.poke(machine.memory.base, bytes(4096))
    assert tree.take("b").changed == 2  # one is new, and of one nothing is left
    assert "2 changed since 'same'" in repr(tree["b"])


def test_a_virtual_machines_are_portable():
    vms = [
        Hypervisor(Machine(memory=memory)).create_vm(guests.load("hello"), memory="1M")
        for memory in ("8M", "16M")
    ]
    trees = [Snapshots(vm) for vm in vms]
    vms[0].host.run(300)
    trees[0].take("here")
    assert "tlb" not in trees[0]["here"].snapshot.state
    vms[1].restore(trees[0]["here"].snapshot)
    trees[1].take("there")
    assert trees[1]["there"].snapshot == trees[0]["here"].snapshot
    assert "tlb" in Snapshots(vms[0].host).take("whole").snapshot.state


def test_a_machines_hold_the_machines_inside():
    machine = Machine(memory="8M")
    vm = Hypervisor(machine).create_vm(guests.load("hello"), memory="1M")
    tree = Snapshots(machine)
    tree.take("on")
    machine.run(20_000)
    assert vm.status == 0
    tree.restore("on")
    assert vm.status is None


def test_the_graph_says_all_of_it(machine):
    tree = grown(machine)
    graph = tree.graph()
    assert networkx.is_arborescence(graph)
    assert list(graph.edges) == [("start", "left"), ("start", "right"), ("left", "leaf")]
    assert graph.nodes["leaf"] == {
        "kind": "snapshot",
        "label": "leaf",
        "number": 2,
        "here": False,
        "object": tree["leaf"],
        "time": tree["leaf"].time,
        "size": tree["leaf"].size,
        "changed": tree["leaf"].changed,
        "pages": len(tree["leaf"].snapshot.pages),
    }
    assert graph.edges["left", "leaf"]["time"] == 2000
    assert networkx.shortest_path(graph, "start", "leaf") == ["start", "left", "leaf"]


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 61, 7, None, ["a"], "\x1b[2J"])
def test_what_is_no_name_is_refused(machine, name):
    with pytest.raises(VlabError, match="cannot be a snapshot's name"):
        Snapshots(machine).take(name)


def test_a_name_is_taken_once(machine):
    tree = grown(machine)
    with pytest.raises(VlabError, match="There is a snapshot 'left' already"):
        tree.take("left")
    assert len(tree) == 4


@pytest.mark.parametrize(
    ("name", "mend"), [("lef", "Did you mean 'left'?"), ("zzz", "There are: start"), (3, "There are")]
)
def test_a_wrong_name_is_told_the_right_one_and_changes_nothing(machine, name, mend):
    tree = grown(machine)
    before = machine.snapshot()
    with pytest.raises(VlabError) as wrong:
        tree.restore(name)
    assert mend in wrong.value.mend
    assert tree.here == "right"
    assert machine.snapshot() == before


def test_a_computer_that_is_no_more_leaves_the_tree_as_it_was():
    machine = Machine(memory="8M")
    vm = Hypervisor(machine).create_vm(guests.load("hello"), memory="1M")
    tree = Snapshots(vm)
    tree.take("a")
    tree.take("b")
    machine.load(guests.load("hello"))
    with pytest.raises(VlabError, match="is no more"):
        tree.restore("a")
    assert tree.here == "b"


def test_it_is_one_sentence(machine):
    assert repr(Snapshots(machine)) == "A tree of snapshots with nothing in it yet."
    assert repr(grown(machine)).startswith("A tree of 4 snapshots: start, left, leaf, right; ")


def test_a_computer_that_is_no_more_has_no_state_to_keep() -> None:
    machine = Machine(memory="8M")
    before = machine.snapshot()
    hypervisor = Hypervisor(machine)
    vm = hypervisor.create_vm(guests.load("kernel"), memory="1M")
    machine.run(500)
    tree = Snapshots(vm)
    removed = hypervisor.create_vm(memory="256K")
    hypervisor.remove(removed)
    with pytest.raises(VlabError, match="is no more"):
        removed.snapshot()
    machine.restore(before)
    with pytest.raises(VlabError, match="is no more"):
        tree.take("a")
    assert len(tree) == 0


def test_a_tree_is_of_a_computer() -> None:
    wrong: list[Any] = [None, "vm", Hypervisor(Machine(memory="8M"))]
    for what in wrong:
        with pytest.raises(VlabError, match="is no computer"):
            Snapshots(what)


@pytest.mark.parametrize("state", [{1, 2}, object()])
def test_what_a_file_cannot_hold_is_named(state: object) -> None:
    class Odd:
        name, size = "odd", 0x1000

        def load(self, offset: int, size: int) -> int:
            return 0

        def store(self, offset: int, size: int, value: int) -> None:
            pass

        def state(self) -> dict[str, Any]:
            return {"odd": state}

        def restore(self, state: Any) -> None:
            pass

    tree = Snapshots(Machine(memory="64K", devices=[Odd()]))
    tree.take("a")
    with pytest.raises(VlabError, match=type(state).__name__):
        tree.packed()
