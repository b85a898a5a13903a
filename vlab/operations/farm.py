"""A server farm: several hosts, each with a hypervisor, and the virtual machines that are carried among them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from vlab.display import Drawn
from vlab.hypervisor import Hypervisor, VirtualMachine
from vlab.language import VlabError, _, unknown
from vlab.machine import Machine, Stop
from vlab.operations.migration import Cable, Migration
from vlab.operations.snapshots import Saved, Snapshots
from vlab.operations.together import Together
from vlab.paging import size_text


@dataclass(frozen=True)
class Server(Drawn):
    """One row of an inventory: a virtual machine, and how it is."""

    name: str
    host: str
    state: str  # "running", "asleep", "paused", "off", "failed"
    memory: int
    time: int
    exits: int
    weight: int

    def __repr__(self) -> str:
        return _("{name} on {host}: {state}, {size}, time {time}, {exits} exits").format(
            name=self.name,
            host=self.host,
            state=state_title(self.state),
            size=size_text(self.memory),
            time=self.time,
            exits=self.exits,
        )


@dataclass(frozen=True)
class Move(Drawn):
    """One step of a plan: which virtual machine is to go from where to where."""

    name: str
    source: str
    target: str

    def __repr__(self) -> str:
        return _("{name}: {source} → {target}").format(name=self.name, source=self.source, target=self.target)


@dataclass(frozen=True)
class Inventory(Drawn):
    """What a farm has at an instant: its hosts, with the bytes they have free, and the servers on them."""

    free: tuple[tuple[str, int], ...]
    servers: tuple[Server, ...]

    def __iter__(self) -> Iterator[Server]:
        return iter(self.servers)

    def on(self, host: str) -> tuple[Server, ...]:
        """The servers of one host."""
        return tuple(server for server in self.servers if server.host == host)

    def __repr__(self) -> str:
        parts = [
            _("{host}: {names}").format(
                host=host, names=", ".join(server.name for server in self.on(host)) or _("empty")
            )
            for host, _free in self.free
        ]
        return _("A farm of {hosts} hosts with {servers} servers. {parts}.").format(
            hosts=len(self.free), servers=len(self.servers), parts="; ".join(parts)
        )


class Farm(Drawn):
    """Hosts by name, each with its hypervisor: `Farm(north=Hypervisor(Machine(memory="8M")), …)`.

    Every server has a name of its own, whichever host it is on. `trees` has the snapshots of each.
    """

    def __init__(self, **hosts: Hypervisor):
        machines = [getattr(hypervisor, "computer", None) for hypervisor in hosts.values()]
        if (
            not hosts
            or len(set(machines)) < len(machines)
            or not all(isinstance(m, Machine) for m in machines)
        ):
            raise VlabError(
                _("These hosts are no farm."),
                mend=_("Give one or more hypervisors, each on a machine of its own."),
            )
        self.hosts = hosts
        self.trees: dict[str, Snapshots] = {}
        self.migrations: list[Migration] = []
        self._together = Together([hypervisor.computer for hypervisor in hosts.values()])  # type: ignore[misc]

    def __repr__(self) -> str:
        return repr(self.inventory())

    def inventory(self) -> Inventory:
        """What there is now, as a value."""
        servers = (
            Server(vm.name, host, _state(vm), vm.memory.size, vm.time, vm.exits.total(), vm.weight)
            for host, hypervisor in self.hosts.items()
            for vm in hypervisor.vms
        )
        free = tuple((host, hypervisor.free) for host, hypervisor in self.hosts.items())
        return Inventory(free, tuple(servers))

    def __getitem__(self, name: str) -> VirtualMachine:
        """The server of this name, wherever it is; VlabError if there is none."""
        return self._find(name)[1]

    def host_of(self, name: str) -> str:
        """The name of the host that a server is on."""
        return self._find(name)[0]

    def _find(self, name: str) -> tuple[str, VirtualMachine]:
        for host, hypervisor in self.hosts.items():
            for vm in hypervisor.vms:
                if vm.name == name:
                    return host, vm
        known = [server.name for server in self.inventory()]
        raise unknown(_("There is no server {name!r}.").format(name=name), name, known)

    def _host(self, name: str) -> Hypervisor:
        if name not in self.hosts:
            raise unknown(_("There is no host {name!r}.").format(name=name), name, self.hosts)
        return self.hosts[name]

    # What an administrator does

    def start(self, name: str, image: Any, *, on: str | None = None, **how: Any) -> VirtualMachine:
        """A new server; `how` is as for `create_vm`. If `on` is not given, on the host with most free memory.

        Raises:
            VlabError: if the name is taken, or the host has no room.
        """
        if any(server.name == name for server in self.inventory()):
            raise VlabError(
                _("There is a server {name!r} already.").format(name=name), mend=_("Take another name.")
            )
        hypervisor = max(self.hosts.values(), key=lambda each: each.free) if on is None else self._host(on)
        vm = hypervisor.create_vm(image, name=name, **how)
        self.trees[name] = Snapshots(vm)
        return vm

    def stop(self, name: str) -> None:
        """Switch a server off and take it away; its snapshots stay."""
        vm = self[name]
        vm.hypervisor.remove(vm)

    def pause(self, name: str) -> None:
        """Let a server stand still."""
        self[name].pause()

    def resume(self, name: str) -> None:
        """Let it go on."""
        self[name].resume()

    def snapshot(self, name: str, label: str) -> Saved:
        """Keep a server's state, in its tree."""
        return self._tree(name).take(label)

    def restore(self, name: str, label: str) -> Saved:
        """Make a server be again as it was, wherever it is now."""
        return self._tree(name).restore(label)

    def _tree(self, name: str) -> Snapshots:
        vm = self[name]
        tree = self.trees.setdefault(name, Snapshots(vm))
        tree.computer = vm  # it may have moved since
        return tree

    def move(self, name: str, to: str, *, cable: Cable | None = None) -> Migration:
        """Carry a running server to another host."""
        migration = Migration(self[name], self._host(to), cable=cable).run()
        self.migrations.append(migration)
        return migration

    def run(self, ticks: int | None = None, *, until: Callable[[], object] | None = None) -> Stop:
        """Let all hosts run, in slices of time: see `Together.run`."""
        return self._together.run(ticks, until=until)

    # Plans

    def plan(self, empty: str | None = None) -> tuple[Move, ...]:
        """Which moves free the most hosts; or, with `empty`, which free that one, for its maintenance.

        The servers of a host that is to be freed go, the largest first, to the fullest of the others in which
        they have room (best fit, decreasing). A host is freed whole, or left alone.
        """
        if empty is not None:
            self._host(empty)
            return _emptied(self.inventory(), empty, set()) or ()
        inventory = self.inventory()
        moves: tuple[Move, ...] = ()
        freed = {host for host in self.hosts if not inventory.on(host)}
        for host in sorted(self.hosts, key=lambda name: sum(each.memory for each in inventory.on(name))):
            busy = host in freed or host in {move.target for move in moves}
            steps = None if busy else _emptied(inventory, host, freed)
            if steps is not None:
                inventory, moves, freed = _moved(inventory, steps), (*moves, *steps), {*freed, host}
        return moves

    def consolidate(self, empty: str | None = None, *, cable: Cable | None = None) -> list[Migration]:
        """Make the moves of `plan`, by live migration, and say how each went."""
        return [self.move(step.name, step.target, cable=cable) for step in self.plan(empty)]


def _state(vm: VirtualMachine) -> str:
    if vm.status is not None:
        return "failed" if vm.status else "off"
    return "paused" if vm.paused else "asleep" if vm.hart.waiting else "running"


def state_title(state: str) -> str:
    """A server's state in the reader's language."""
    return {
        "running": _("running"),
        "asleep": _("asleep"),
        "paused": _("paused"),
        "off": _("off"),
        "failed": _("failed"),
    }[state]


def _emptied(inventory: Inventory, host: str, closed: set[str]) -> tuple[Move, ...] | None:
    """How the servers of a host get room on others that are not `closed`; None if they don't."""
    free = {other: size for other, size in inventory.free if other != host and other not in closed}
    moves = []
    for server in sorted(inventory.on(host), key=lambda each: -each.memory):
        wanted = Hypervisor.room_for(server.memory)
        fitting = [other for other, size in free.items() if size >= wanted]
        if not fitting:
            return None
        target = min(fitting, key=free.__getitem__)
        free[target] -= wanted
        moves.append(Move(server.name, host, target))
    return tuple(moves)


def _moved(inventory: Inventory, moves: tuple[Move, ...]) -> Inventory:
    """The inventory after these moves."""
    target = {move.name: move.target for move in moves}
    free = dict(inventory.free)
    for server in inventory:
        if server.name in target:
            wanted = Hypervisor.room_for(server.memory)
            free[server.host] += wanted
            free[target[server.name]] -= wanted
    servers = (replace(server, host=target.get(server.name, server.host)) for server in inventory)
    return Inventory(tuple(free.items()), tuple(servers))
