"""The state of a host as plain data, and back: checked, part by part, before a process runs on it."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from vlab.hypervisor.host.bridge import Bridge
from vlab.hypervisor.host.processes import VM, Process, texts
from vlab.hypervisor.host.spaces import Space
from vlab.hypervisor.host.users import Users
from vlab.language import VlabError, _
from vlab.machine.snapshot import Checker

if TYPE_CHECKING:
    from vlab.hypervisor.host.kernel import Kernel

_NUMBERS = ("entered", "slice_end", "floor")
_LONGEST = 1 << 10  # a text


def host_state(host: "Kernel") -> dict[str, Any]:
    """All that a host remembers."""
    vms = [] if host.hypervisor is None else host.hypervisor.vms
    place = {process.pid: number for number, process in enumerate(host.processes)}
    return {
        "booted": host.booted,
        "panicked": host.panicked,
        "users": host.users.state(),
        "hypervisor": None if host.hypervisor is None else host.hypervisor.state(),
        "processes": [
            process.record() | {"vm": vms.index(process.vm) if process.vm in vms else None}
            for process in host.processes
        ],
        "inside": None if host.inside is None else place[host.inside.pid],
        "last": None if host.last is None else place[host.last.pid],
        "entered": host.entered,
        "slice_end": host.slice_end,
        "floor": host.floor,
        "satp": host.loaded_satp,
        "routed": [[*key, count] for key, count in sorted(host.routed.items())],
        "drivers": {driver.name: driver.state() for driver in host.drivers},
    }


def restore_host(host: "Kernel", state: Checker) -> None:
    """Be as a state says; a bad part leaves the host half done."""
    old = host.processes
    host.reset()
    host.booted, host.panicked = state.flag("booted"), _text(state, "panicked")
    host.users = Users.restored(state.part("users"))
    if state.part("hypervisor").state is None:
        host.module.vms = []
    else:
        host.hypervisor = host.module
        host.hypervisor.restore(state.part("hypervisor").state)
    for number, row in enumerate(state.part("processes").rows()):
        host.processes.append(_process(host, row, old[number] if number < len(old) else None))
    for name in _NUMBERS:
        setattr(host, name, state.number(name))
    host.loaded_satp = state.optional("satp")
    places = (state.optional(name, len(host.processes)) for name in ("inside", "last"))
    host.inside, host.last = (None if place is None else host.processes[place] for place in places)
    host.routed = Counter(dict(_route(row) for row in state.part("routed").rows()))
    _restore_drivers(host, state.part("drivers"))
    _check(host, state)


def _restore_drivers(host: "Kernel", state: Checker) -> None:
    """Those that there were; a bridge that was made since has no part in it, and one without a cable is made anew."""
    host.console.restore(state.part(host.console.name))
    host.drivers = [host.console]
    for name in state.state:
        if name == host.console.name:
            continue
        try:
            bridge = host.bridges.get(name) or Bridge(host, name)
        except VlabError as error:
            raise state.bad(error.what) from None
        bridge.restore(state.part(name))
        host.bridges[name] = bridge
        host.drivers.append(bridge)


def _process(host: "Kernel", row: Checker, old: Process | None) -> Process:
    """The process of a row; the same object as before, if it is the same process."""
    name, user, kind, _doing, _reason = texts(row)
    if old is not None and (old.pid, old.name, old.user, old.kind) == (row.number("pid"), name, user, kind):
        process = old
    else:
        process = Process(host, row.number("pid"), name, user, kind, None)
    process.space = None
    process.restore(row)
    if row.part("space").state is not None:
        process.space = Space.restored(host.computer.memory, host.frames, row.part("space"))
        if not host.frames.claim(list(process.space.frames())):
            raise row.bad(_("The frames of a process are not where they can be."))
    vms = [] if host.hypervisor is None else host.hypervisor.vms
    place = row.optional("vm", len(vms))
    process.vm = None if place is None else vms[place]
    return process


def _check(host: "Kernel", state: Checker) -> None:
    """What must hold between the parts: who is there, once; what runs, can run; whose each frame is."""
    alive = [process for process in host.processes if process.alive]
    held = [process.vm for process in host.processes if process.vm is not None]
    right = all(process.pid == number for number, process in enumerate(host.processes, 1))
    right &= all(process.space is not None for process in alive)  # after a panic, the dead keep theirs
    right &= all((process.vm is not None) == (process.kind == VM) for process in alive)
    right &= len(set(map(id, held))) == len(held)
    right &= not any(process.outside and process.vm and process.vm.running for process in host.processes)
    right &= host.inside is None or (host.inside is host.last and host.inside.alive)
    if not right:
        raise state.bad(_("These are not the processes of a host."))
    for process in host.processes:
        host.users[process.user]


def _route(row: Checker) -> tuple[tuple[str, str], int]:
    if not isinstance(row.state, list | tuple) or len(row.state) != 3:
        raise row.bad(_("This is no count of what a host passed on."))
    source, to, count = row.state
    right = isinstance(source, str) and to in ("host", "hypervisor") and type(count) is int and count > 0
    if not right:
        raise row.bad(_("This is no count of what a host passed on."))
    return (source, to), count


def _text(state: Checker, name: str) -> str:
    value = state.part(name).state
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise state.bad(_("{name} must be a short text.").format(name=name))
    return value
