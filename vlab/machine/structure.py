"""What a computer holds, from the live objects: its devices, its software, and the computers inside.

A computer holds devices and system software. A resident that gives virtual computers lists them as `vms`, and
each of those holds devices and software again. Software that isn't Python is one part, of kind "software".
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlab.display import one_line
from vlab.language import _
from vlab.machine.choices import GATE
from vlab.machine.computer import Computer, Resident, standing

if TYPE_CHECKING:
    import networkx


@dataclass(frozen=True)
class Part:
    """A computer, a hypervisor, a device or a guest's software, with what is inside it.

    `path` is unique and readable: "machine/hypervisor/vm1/uart". A "/" in a name is "%2F" there, and the second of
    two with one name has a number: "vm#2". `kind` is "machine", "VM", "software",
    "device", or a resident's own kind, such as "hypervisor". `facts` are the attributes of the graph's node.
    """

    path: str
    kind: str
    name: str
    thing: Any
    facts: dict[str, Any] = field(default_factory=dict)
    parts: tuple["Part", ...] = ()

    def walk(self) -> Iterator["Part"]:
        """This part and all inside it, outermost first."""
        yield self
        for part in self.parts:
            yield from part.walk()


def structure(computer: Computer) -> Part:
    """The parts of a computer as they are now."""
    root, runs = computer, True
    while root.level:
        runs = runs and root.running  # type: ignore[attr-defined]
        root = root.host  # type: ignore[attr-defined]
    here = standing(root)
    resident = getattr(computer, "hypervisor", None)
    return _computer(computer, Counter(), "", resident, here, here is None and runs)


def _path(prefix: str, name: str, taken: Counter[str]) -> str:
    """A path that nothing else has: of two that would have one, the second gets a number.

    `taken` counts what stands beside it; "/" and "#" in a name, which a guest's user chooses, are escaped.
    """
    plain = name.replace("/", "%2F").replace("#", "%23")
    taken[plain] += 1
    return f"{prefix}{plain}" + (f"#{taken[plain]}" if taken[plain] > 1 else "")


def _computer(
    computer: Computer,
    beside: Counter[str],
    prefix: str,
    resident: Resident | None,
    here: Resident | None,
    runs: bool,
) -> Part:
    """A computer; `resident` gives it, if it is a virtual one; `beside` counts the names beside it.

    The one real hart stands in the resident `here`, or in this computer's software if it `runs`.
    """
    kind = "VM" if computer.level else "machine"
    name = one_line(getattr(computer, "name", "") or kind)
    path = _path(prefix, name, beside)
    state = _state(computer, resident)
    facts = {
        "level": computer.level,
        "state": state,
        "status": computer.status,
        "mode": str(computer.mode),
        "pc": computer.hart.pc,
        "memory": computer.memory.size,
        "time": computer.time,
    }
    if computer.level:
        facts["exits"] = computer.exits.total() if hasattr(computer, "exits") else 0
    inside: Counter[str] = Counter()
    parts = [_device(path, inside, *slot) for slot in computer.bus.devices.values()]
    residents = list(dict.fromkeys(computer.residents.values()))
    parts += [_resident(path, inside, one, here, runs) for one in residents]
    if not residents and state != "empty":
        own = {key: facts[key] for key in ("level", "mode", "pc")}
        own["hart"] = runs and state != "off"
        parts.append(Part(_path(f"{path}/", "software", inside), "software", "software", None, own))
    return Part(path, kind, name, computer, facts, tuple(parts))


def _state(computer: Computer, resident: Resident | None) -> str:
    """What it does, in a word that stays the same."""
    hart = computer.hart
    if not computer.residents and hart.pc == GATE and computer.time == 0:
        return "empty"
    if computer.status is not None:
        return "off"
    if hart.waiting:
        return "waiting"
    if resident is None:
        return "on"
    if getattr(computer, "running", False):
        return "running"
    return "exited" if resident.running is computer else "ready"


def _resident(
    prefix: str, beside: Counter[str], resident: Resident, here: Resident | None, runs: bool
) -> Part:
    path = _path(f"{prefix}/", resident.kind, beside)
    names: Counter[str] = Counter()
    modes = [mode.name for mode, one in sorted(resident.computer.residents.items()) if one is resident]
    facts = {"level": resident.computer.level, "modes": tuple(modes), "hart": resident is here}
    parts, module = [], getattr(resident, "hypervisor", None)
    if module is not None:  # a host's: it gives the virtual machines
        place, vms = _path(f"{path}/", module.kind, names), _vms(module, f"{path}/{module.kind}", here, runs)
        parts = [Part(place, module.kind, module.kind, module, facts | {"hart": False}, vms)]
    elif hasattr(resident, "vms"):
        parts = list(_vms(resident, path, here, runs))
    parts += [_process(path, names, one, runs) for one in getattr(resident, "processes", ()) if one.alive]
    return Part(path, resident.kind, resident.kind, resident, facts, tuple(parts))


def _vms(giver: Any, path: str, here: Resident | None, runs: bool) -> tuple[Part, ...]:
    """The virtual machines that a hypervisor gives."""
    names: Counter[str] = Counter()
    return tuple(_computer(vm, names, f"{path}/", giver, here, runs and vm.running) for vm in giver.vms)


def _process(prefix: str, beside: Counter[str], process: Any, runs: bool) -> Part:
    """A process of a host; one that is a virtual machine stands beside that."""
    name = one_line(process.name)
    state = process.state
    facts = {"pid": process.pid, "user": one_line(process.user), "state": state}
    facts["hart"] = process.guest is None and runs and state == "running"
    return Part(_path(f"{prefix}/", f"{process.pid} {name}", beside), "process", name, process, facts)


def _device(prefix: str, beside: Counter[str], base: int, device: Any) -> Part:
    name = one_line(device.name)
    return Part(
        _path(f"{prefix}/", name, beside), "device", name, device, {"base": base, "size": device.size}
    )


def structure_graph(computer: Computer) -> "networkx.DiGraph[Any]":
    """What is inside what, as a networkx DiGraph; an edge leads from a box to each box directly inside it.

    Nodes are paths such as "machine/hypervisor/vm1/uart". All have `kind` ("machine", "VM", "hypervisor" or
    another resident's kind, "software", "device"), `name`, `label` (name and state, for drawing), `number` (the
    order, outermost first) and `object` (the live object; None for software).
    Computers have `level`, `state` ("empty", "on", "off", "waiting"; of a VM also "running", "exited",
    "ready"), `status` (None while on), `mode`, `pc`, `memory` in bytes, `time`, and a VM `exits`; a process has `pid`,
    `user`, `state`; software has
    `level`, `mode`, `pc`; a hypervisor `level` and `modes`; both have `hart`: whether the one real hart stands
    there. A device has `base` and `size`. The graph has `sentence`.
    """
    import networkx

    root = structure(computer)
    graph: networkx.DiGraph[Any] = networkx.DiGraph(sentence=structure_sentence(root))
    for number, part in enumerate(root.walk()):
        common = {"kind": part.kind, "name": part.name, "label": _label(part), "number": number}
        graph.add_node(part.path, **common, object=part.thing, **part.facts)
        graph.add_edges_from((part.path, inner.path) for inner in part.parts)
    return graph


def _label(part: Part) -> str:
    if part.kind in ("machine", "VM"):
        return f"{part.name}: {computer_words(part)}"
    return software_title(part) if part.kind == "software" else part.name


def software_title(part: Part) -> str:
    """What software is called that isn't Python."""
    return _("guest's software") if part.facts["level"] else _("software")


def structure_sentence(root: Part) -> str:
    """What is inside what, in one sentence: who gives which computers, from the outermost inwards."""
    givers = [(whole.name, part) for whole in root.walk() for part in whole.parts if part.parts]
    clauses = [_gives(name, giver) for name, giver in givers if giver.kind not in ("machine", "VM")]
    return _("{name} ({state}): {inside}.").format(
        name=root.name,
        state=computer_words(root),
        inside="; ".join(clauses) or _("no virtual machine inside"),
    )


def _gives(name: str, giver: Part) -> str:
    """What runs in system software: of a hypervisor its computers, of a host its processes."""
    processes = sum(part.kind == "process" for part in giver.parts)
    if processes or giver.kind == "host":
        return _("the host of {name}, level {level}, runs {count} processes").format(
            name=name, level=giver.facts["level"], count=processes
        )
    return _("the hypervisor of {name}, level {level}, runs {computers}").format(
        name=name,
        level=giver.facts["level"],
        computers=", ".join(f"{vm.name} ({computer_words(vm)})" for vm in giver.parts),
    )


def computer_words(part: Part) -> str:
    """What a computer does: its state, the status with which it is off, and a VM's exits."""
    words = state_title(part.facts["state"])
    if part.facts["state"] == "off":
        words = _("off, status {status}").format(status=part.facts["status"])
    if part.kind == "VM" and part.facts["state"] != "empty":
        words += ", " + _("{count} exits").format(count=part.facts["exits"])
    return words


def state_title(state: str) -> str:
    """A computer's state in the reader's language, from its stable word."""
    return {
        "empty": _("empty"),
        "on": _("on"),
        "off": _("off"),
        "running": _("running"),
        "exited": _("exited"),
        "ready": _("ready"),
        "waiting": _("waiting"),
    }.get(state, state)
