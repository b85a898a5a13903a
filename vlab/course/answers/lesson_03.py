"""What is right in the exercises of lesson 03, and which rule each mistake breaks.

Rights and turns are judged by the package's own host and scheduler.
"""

from types import SimpleNamespace
from typing import Any

from vlab.course.exercises import Case
from vlab.course.judging import Key, Why
from vlab.course.questions.lesson_03 import MEMORY, PAGE, SCOPES
from vlab.hypervisor.host.users import ROOT, VM_GROUP, Users
from vlab.hypervisor.schedule import Account, Schedule
from vlab.language import VlabError, _

# 03-1


def _may(case: Case) -> bool:
    user, groups, deed, owner, installed = case
    users = Users()
    for name in ("ana", "eva"):
        users.add(name, groups if name == user else ())
    try:
        match deed:
            case "install":
                users.expect_administrator(user, deed)
                return not installed
            case "create":
                users.expect_member(user)
                return bool(installed)
            case "start":
                return True
        users.expect_owner(user, owner, deed)
    except VlabError:
        return False
    return True


def _why_may(case: Case, right: Any, given: Any) -> Why:
    user, groups, deed, owner, installed = case
    if deed == "start":
        return Why(_("An ordinary program is started by whoever uses the host."))
    if deed == "install" and user != ROOT:
        return Why(
            _("Modules of the kernel are installed by the administrator alone, whatever group one is in.")
        )
    if deed == "install" and not installed:
        return Why(_("The administrator may install it."))
    if deed == "install":
        return Why(_("It is installed already: there is nothing to install."))
    if deed == "create" and not installed:
        return Why(_("Without a hypervisor there are no virtual machines, not even the administrator's."))
    if deed == "create" and user == ROOT:
        return Why(_("The administrator may do without the group."))
    if deed == "create" and VM_GROUP in groups:
        return Why(_("Members of the group 'vm' may run virtual machines, whatever else they are in."))
    if deed == "create":
        return Why(_("Only members of the group 'vm' may run virtual machines: exactly of that one."))
    if user == ROOT:
        return Why(_("The administrator may touch everybody's."))
    if user == owner:
        return Why(_("A virtual machine is its owner's, in whatever groups its owner is now."))
    return Why(
        _("A virtual machine belongs to who started it: to be in the group gives no right to another's.")
    )


# 03-2

_HOST = ("host", "")


def _route(case: Case) -> tuple[str, str]:
    (kind, what), running, devices = case
    vm = running[1] if running and running[0] == "VM" else ""
    if kind == "device":
        whose = devices[what]
    elif kind == "timer":
        whose = vm if vm and running[2] is not None and running[2] <= what else ""
    else:
        whose = vm
    return ("hypervisor", whose) if whose else _HOST


def _why_route(case: Case, right: Any, given: Any) -> Why:
    (kind, _what), running, _devices = case
    if not isinstance(given, list) or len(given) != 2:
        return Why(_("The answer is a pair: to whom, and on behalf of which virtual machine."))
    if kind == "device" and right[0] == "host":
        return Why(
            _("The device is the host's own: whoever runs when it interrupts has nothing to do with it.")
        )
    if kind == "device":
        return Why(_("The device serves a virtual machine: it is about that one, whoever runs."))
    if kind == "timer":
        if right[0] == "host":
            return Why(
                _("Unless the guest that runs wanted to be woken by now, the alarm is the host's own.")
            )
        return Why(
            _(
                "The alarm of the guest that runs is due: the hypervisor has to make a virtual interrupt of it."
            )
        )
    if not running:
        return Why(_("While the host waits, nobody's trap is a guest's."))
    if running[0] == "program":
        return Why(_("A trap of an ordinary process is the host's affair, whatever its name."))
    return Why(_("A trap of a guest is the hypervisor's affair, on behalf of that guest."))


# 03-3


def _order(case: Case) -> list[str | None]:
    """The package's scheduler, on machines that are only accounts."""
    tasks, lengths = case
    schedule = Schedule()
    vms = [
        SimpleNamespace(name=name, account=Account(weight), able=False, sleep=None)
        for name, weight, _from in tasks
    ]
    chosen: list[str | None] = []
    for turn, length in enumerate(lengths):
        for vm, (_name, _weight, since) in zip(vms, tasks, strict=True):
            vm.able = turn >= since
        able: list[Any] = schedule.order(vms, None)  # type: ignore[arg-type]
        chosen.append(able[0].name if able else None)
        if able:
            able[0].account.charge(length)
    return chosen


def _why_order(case: Case, right: Any, given: Any) -> Why:
    tasks, lengths = case
    if len(given) != len(lengths):
        return Why(_("There is one answer for each length: who has that turn."))
    at = next(at for at, (wanted, got) in enumerate(zip(right, given, strict=True)) if wanted != got)
    step = _("turn {number}").format(number=at)
    since = {name: first for name, _weight, first in tasks}
    if right[at] is None:
        return Why(_("Nobody can run yet: the turn is nobody's."), step)
    if since.get(given[at], 0) > at:
        return Why(_("It can't run yet."), step)
    if any(0 < first <= at for first in since.values()):
        return Why(
            _(
                "Who comes later starts level with the one who had least: time that was not used is not saved up."
            ),
            step,
        )
    if len({weight for _name, weight, _first in tasks}) > 1:
        return Why(
            _("An account grows by the length of the turn divided by the weight; next is the least of them."),
            step,
        )
    if len(set(lengths)) > 1:
        return Why(_("Not turns are counted but time: who had a long turn waits longer for the next."), step)
    return Why(_("Next is who has least; of two who have the same, the one who stands first."), step)


# 03-4


def _host_address(case: Case) -> int | None:
    gpa, size, offset, table = case
    if not MEMORY <= gpa < MEMORY + size:
        return None
    frame, flags = table.get((gpa + offset) // PAGE, (0, ""))
    return frame * PAGE + gpa % PAGE if "U" in flags else None


def _why_address(case: Case, right: Any, given: Any) -> Why:
    gpa, size, offset, table = case
    if not MEMORY <= gpa < MEMORY + size:
        return Why(_("That is not in the guest's memory, whatever the process may have there for itself."))
    if given == gpa + offset:
        return Why(
            _("That is the virtual address of the process, HVA. The process's own table leads on from there.")
        )
    entry = table.get((gpa + offset) // PAGE)
    if entry is None:
        return Why(_("The process has no such page: the host has given it no frame."))
    if "U" not in entry[1]:
        return Why(_("A page without U is the host's own, even in the table of this process."))
    if given is not None and given % PAGE != gpa % PAGE:
        return Why(_("The place within the page stays the same through all translations."))
    return Why(
        _("First the offset: GPA to HVA. Then the page of the HVA is looked up in the table of the process.")
    )


# 03-5


def _plan(case: Case) -> list[tuple[str, str]]:
    free, servers, empty = case
    room = {host: size for host, size in free.items() if host != empty}
    moves = []
    leaving = [(name, size) for name, (host, size) in servers.items() if host == empty]
    for name, size in sorted(leaving, key=lambda server: -server[1]):
        fitting = [host for host in room if room[host] >= size]
        if not fitting:
            return []
        target = min(fitting, key=room.__getitem__)
        room[target] -= size
        moves.append((name, target))
    return moves


def _why_plan(case: Case, right: Any, given: Any) -> Why:
    free, servers, empty = case
    if not right and any(host == empty for host, _size in servers.values()):
        return Why(_("One of the servers finds no room: then the host is left alone, and nothing is moved."))
    if not given:
        return Why(_("There is room for all of them, if each goes where the rule says."))
    targets = dict(right)
    if any(name not in targets for name, _target in given):
        return Why(_("Only the servers of the host that is to be emptied move."))
    if any(target == empty for _name, target in given):
        return Why(_("The host that is to be emptied can't be where they go."))
    sizes = [servers[name][1] for name, _target in given]
    if sizes != sorted(sizes, reverse=True):
        return Why(_("The largest goes first: small ones fit into what is left."))
    if sorted(map(tuple, given)) == sorted(map(tuple, right)):
        return Why(_("Of servers that are equally large, the one that stands first goes first."))
    at = next(
        (at for at, (wanted, got) in enumerate(zip(right, given, strict=False)) if wanted != got), len(given)
    )
    step = _("move {number}").format(number=at + 1)
    if at < min(len(given), len(right)) and given[at][0] == right[at][0]:
        taken = sum(servers[name][1] for name, target in given[:at] if target == given[at][1])
        if free[given[at][1]] - taken < servers[given[at][0]][1]:
            return Why(_("There is not so much room any more: what went there before takes its part."), step)
        return Why(
            _("Each goes to the fullest host in which it has room: the large holes stay for large servers."),
            step,
        )
    return Why(_("All servers of the host move, and each of them once."), step)


# 03-6


def _scope(case: Case) -> str:
    return next(name for name, offers in SCOPES.items() if set(case[0]) <= offers)


def _why_scope(case: Case, right: Any, given: Any) -> Why:
    if given not in SCOPES:
        return Why(_("The answer is one of: {names}.").format(names=", ".join(map(repr, SCOPES))))
    missing = [need for need in case[0] if need not in SCOPES[given]]
    if missing:
        return Why(_("That does not offer all that is needed: {need!r} is missing.").format(need=missing[0]))
    return Why(_("That offers all, but less would do, too: the smallest is wanted."))


KEYS = {
    "03-1": Key(_may, _why_may, lambda: _("True or False")),
    "03-2": Key(_route, _why_route, lambda: _("a pair: to whom, and for which virtual machine")),
    "03-3": Key(_order, _why_order, lambda: _("a list of names, or None for a turn that is nobody's")),
    "03-4": Key(_host_address, _why_address, lambda: _("an address, or None")),
    "03-5": Key(_plan, _why_plan, lambda: _("a list of pairs (server, host)")),
    "03-6": Key(_scope, _why_scope, lambda: _("a text such as 'parts'")),
}
