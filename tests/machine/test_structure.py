import subprocess
import sys

import networkx
import pytest

from vlab import Hypervisor, Machine, guests
from vlab.machine.structure import structure

ENDLESS = "loop: j loop"


def tower(depth):
    """A machine with virtual machines inside each other, and the innermost one."""
    computer = machine = Machine(memory="24M")
    for level in range(depth):
        computer = Hypervisor(computer).create_vm(memory=(18 - 4 * level) << 20, name=f"at{level + 1}")
    computer.load(guests.load("tiny"))
    return machine, computer


@pytest.mark.parametrize("depth", range(5))
def test_each_level_stands_inside_the_one_that_gives_it(depth):
    machine, innermost = tower(depth)
    graph = machine.graph()
    assert networkx.is_arborescence(graph)
    computers = [node for node, kind in graph.nodes(data="kind") if kind in ("machine", "VM")]
    assert [graph.nodes[node]["level"] for node in computers] == list(range(depth + 1))
    path = "machine" + "".join(f"/hypervisor/at{level + 1}" for level in range(depth))
    assert graph.nodes[path]["object"] is innermost
    assert list(graph.successors(path)) == [
        f"{path}/{name}" for name in ("finisher", "clint", "plic", "uart", "software")
    ]
    assert graph.nodes[f"{path}/uart"] == {
        "kind": "device",
        "name": "uart",
        "label": "uart",
        "number": len(graph) - 2,
        "object": innermost.uart,
        "base": 0x1000_0000,
        "size": 0x100,
    }


def test_a_computer_says_what_it_does():
    machine = Machine(memory="24M")
    states = {"machine": lambda: machine.graph().nodes["machine"]["state"]}
    assert states["machine"]() == "empty"
    hypervisor = Hypervisor(machine)
    running, off, empty = (hypervisor.create_vm(memory="2M", name=name) for name in ("r", "o", "e"))
    off.load(guests.load("hello"))
    assert hypervisor.vms[1].graph().nodes["o"]["state"] == "ready"
    machine.run(20_000)
    running.load(guests.load("kernel"))
    machine.run(900)
    facts = dict(machine.graph().nodes(data=True))
    assert facts["machine"]["state"] == "on"
    assert facts["machine/hypervisor/o"]["state"] == "off"
    assert facts["machine/hypervisor/o"]["status"] == 0
    assert facts["machine/hypervisor/o"]["exits"] == off.exits.total() > 0
    assert facts["machine/hypervisor/e"]["state"] == "empty"
    assert facts["machine/hypervisor/r"]["state"] in ("running", "exited")
    assert empty.graph().nodes["e"]["memory"] == 2 << 20


def test_the_one_hart_stands_in_one_place():
    machine, innermost = tower(2)
    seen = set()
    for _step in range(400):
        machine.run(1)
        here = [part.path for part in structure(machine).walk() if part.facts.get("hart")]
        assert len(here) == 1 or innermost.status is not None
        seen |= set(here)
    assert seen >= {"machine/hypervisor", "machine/hypervisor/at1/hypervisor"}
    assert "machine/hypervisor/at1/hypervisor/at2/software" in seen


def test_a_part_of_the_tower_is_a_graph_of_its_own():
    machine, _innermost = tower(2)
    machine.run(500)
    vm = machine.residents[next(iter(machine.residents))].vms[0]
    whole, part = machine.graph(), vm.graph()
    prefix = "machine/hypervisor/"
    inside = networkx.descendants(whole, f"{prefix}at1") | {f"{prefix}at1"}
    assert {prefix + node for node in part} == inside
    assert [n for n, hart in part.nodes(data="hart") if hart] == [
        n.removeprefix(prefix) for n, hart in whole.nodes(data="hart") if hart and n in inside
    ]


def test_two_of_one_name_are_two():
    hypervisor = Hypervisor(Machine(memory="24M"))
    first, second = (hypervisor.create_vm(memory="2M", name="twin") for _ in range(2))
    nodes = hypervisor.computer.graph().nodes
    assert nodes["machine/hypervisor/twin"]["object"] is first
    assert nodes["machine/hypervisor/twin#2"]["object"] is second


@pytest.mark.parametrize(
    "names",
    [
        ("vm1", "vm1/uart"),
        ("vm", "vm", "vm#2"),
        ("vm#2", "vm", "vm"),
        ("a/b", "a%2Fb"),
        ("", "VM", "VM"),
        ("a\n", "a\r"),
        ("../../machine", "hypervisor", "/", "#"),
    ],
)
def test_no_name_hides_another_part(names):
    hypervisor = Hypervisor(Machine(memory="24M"))
    vms = [hypervisor.create_vm(memory="2M", name="x") for _name in names]
    for vm, name in zip(vms, names, strict=True):
        vm.name = name
    whole, graph = structure(hypervisor.computer), hypervisor.computer.graph()
    parts = list(whole.walk())
    assert len({part.path for part in parts}) == len(parts) == len(graph)
    assert networkx.is_arborescence(graph)
    for path, part in ((part.path, part) for part in parts):
        assert path.count("/") == next(n for n in range(9) if part in _generation(whole, n))


def _generation(whole, number):
    """What stands so many boxes deep."""
    return [whole] if not number else [one for part in _generation(whole, number - 1) for one in part.parts]


def test_a_device_does_not_hide_what_runs(monkeypatch):
    machine = Machine(guests.load("tiny"), memory="64K")
    monkeypatch.setattr(machine.uart, "name", "software")
    graph = machine.graph()
    assert graph.nodes["machine/software"]["object"] is machine.uart
    assert graph.nodes["machine/software#2"]["kind"] == "software"


def test_a_name_cannot_break_the_sentence():
    hypervisor = Hypervisor(Machine(memory="24M"))
    hypervisor.create_vm(memory="2M", name="a\nb\x1b[2J")
    sentence = hypervisor.computer.graph().graph["sentence"]
    assert sentence.isprintable()


def test_the_parts_need_no_networkx():
    code = (
        "import sys, vlab; from vlab.machine.structure import structure; structure(vlab.Machine(memory='1M'))"
    )
    code += "; vlab.Machine(memory='1M')._repr_mimebundle_(); print('networkx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_hart_is_not_in_a_machine_that_waits_for_its_turn():
    hypervisor = Hypervisor(Machine(memory="24M"))
    vms = [hypervisor.create_vm(guests.load("kernel"), memory="2M") for _number in range(2)]
    hypervisor.computer.run(2000, until=lambda: vms[0].running)
    nodes = hypervisor.computer.graph().nodes(data="hart")
    assert [node for node, hart in nodes if hart] == ["machine/hypervisor/vm1/software"]
