"""The bank of wrong answers of lesson 03: mistakes that people make, and the words that each must be told."""

from tests.course.answers.banks import Bank

WRONG = Bank()
wrong = WRONG.wrong

MEMORY = 0x8000_0000


# 03-1


def rights(*without):
    """The right rule, but for some of its parts."""

    def may(user, groups, deed, owner, installed):
        root = user == "root"
        member = any("vm" in group for group in groups) if "exactly" in without else "vm" in groups
        if deed == "start":
            return True if "programs" not in without else root or member
        if deed == "install":
            allowed = root or ("administrator" in without and member)
            return allowed and (not installed or "once" in without)
        if deed == "create":
            return (root or member) and (installed or "needs" in without)
        if "owner" in without:
            return root or member
        return root or user == owner

    return may


for part, told in {
    "administrator": "by the administrator alone",
    "once": "installed already",
    "exactly": "exactly of that one",
    "needs": "not even the administrator's",
    "owner": "is its owner's",
    "programs": "An ordinary program",
}.items():
    wrong("03-1", told)(rights(part))


@wrong("03-1", "may touch everybody's")
def owners_only(user, groups, deed, owner, installed):
    if deed in ("pause", "stop", "type"):
        return user == owner
    return rights()(user, groups, deed, owner, installed)


@wrong("03-1", "do without the group")
def root_needs_the_group(user, groups, deed, owner, installed):
    if deed == "create":
        return "vm" in groups and installed
    return rights()(user, groups, deed, owner, installed)


# 03-2


def router(*without):
    """The right rule, but for some of its parts."""

    def route(event, running, devices):
        kind, what = event
        guest = running[1] if running and running[0] == "VM" else ""
        if "kinds" in without and running:
            guest = running[1] if running[1].startswith("vm") else ""
        if kind == "device":
            vm = guest if "who runs" in without else devices[what]
        elif kind == "timer":
            alarm = running[2] if running and running[0] == "VM" else None
            due = alarm is not None and (alarm < what if "exactly" in without else alarm <= what)
            vm = guest if due or ("any alarm" in without and guest) else ""
            if "timers" in without:
                vm = ""
        else:
            vm = "" if "traps" in without else guest
        return ("hypervisor", vm) if vm else ("host", "")

    return route


for part, told in {
    "who runs": "whoever runs",
    "any alarm": "the alarm is the host's own",
    "timers": "make a virtual interrupt",
    "exactly": "the guest that runs is due",
    "traps": "A trap of a guest",
    "kinds": "whatever its name",
}.items():
    wrong("03-2", told)(router(part))


# 03-3


@wrong("03-3", "Next is who has least")
def the_last_of_equals(tasks, lengths):
    return ordered(tasks, lengths, least=lambda account, able: min(reversed(able), key=account.get))


def ordered(
    tasks, lengths, *, cost=lambda length, weight: length / weight, level=True, least=None, wait=True
):
    """The right rule; its parts can be replaced."""
    account: dict[str, float] = {}
    order: list[str | None] = []
    for turn, length in enumerate(lengths):
        able = [task for task in tasks if task[2] <= turn or not wait]
        known = min(account.values(), default=0)
        for name, _weight, _since in able:
            account.setdefault(name, known if level else 0)
        if not able:
            order.append(None)
            continue
        names = [task[0] for task in able]
        chosen = least(account, names) if least else min(names, key=lambda name: account[name])
        account[chosen] += cost(length, next(weight for name, weight, _s in tasks if name == chosen))
        order.append(chosen)
    return order


wrong("03-3", "divided by the weight")(
    lambda tasks, lengths: ordered(tasks, lengths, cost=lambda length, weight: length * weight)
)
wrong("03-3", "Not turns are counted but time")(
    lambda tasks, lengths: ordered(tasks, lengths, cost=lambda length, weight: 1 / weight)
)
wrong("03-3", "is not saved up")(lambda tasks, lengths: ordered(tasks, lengths, level=False))
wrong("03-3", "the turn is nobody's")(lambda tasks, lengths: ordered(tasks, lengths, wait=False))
wrong("03-3", "one answer for each length")(
    lambda tasks, lengths: [name for name in ordered(tasks, lengths) if name is not None]
)


@wrong("03-3", "differs at  turn 0\n")
def nobody_at_first(tasks, lengths):
    return [None if turn == 0 else name for turn, name in enumerate(ordered(tasks, lengths))]


@wrong("03-3", "It can't run yet")
def all_of_them_once_one_can(tasks, lengths):
    first = min(since for _name, _weight, since in tasks)
    return ordered([(name, weight, first) for name, weight, _since in tasks], lengths)


# 03-4


def translation(*without):
    """The right rule, but for some of its parts."""

    def host_address(gpa, size, offset, table):
        if not MEMORY <= gpa < MEMORY + size and "range" not in without:
            return None
        hva = gpa if "offset" in without else gpa + offset
        if "table" in without:
            return hva
        frame, flags = table.get(hva // 4096, (0, ""))
        if not frame or ("U" not in flags and "user" not in without):
            return None
        return frame * 4096 + (0 if "within" in without else hva % 4096)

    return host_address


for part, told in {
    "range": "not in the guest's memory",
    "offset": "First the offset",
    "table": "That is the virtual address of the process",
    "user": "the host's own",
    "within": "The place within the page",
}.items():
    wrong("03-4", told)(translation(part))


@wrong("03-4", "has given it no frame")
def the_next_frame_that_is_there(gpa, size, offset, table):
    if not MEMORY <= gpa < MEMORY + size:
        return None
    page = (gpa + offset) // 4096
    frame, flags = table.get(page) or table[min(table, key=lambda other: abs(other - page))]
    return frame * 4096 + gpa % 4096 if "U" in flags else None


# 03-5


def planner(
    *, order=lambda size: -size, choose=min, whole=True, taken=True, all_hosts=False, everybody=False
):
    """The right rule; its parts can be replaced."""

    def plan(free, servers, empty):
        room = {host: size for host, size in free.items() if all_hosts or host != empty}
        leaving = [(n, size) for n, (host, size) in servers.items() if host == empty or everybody]
        moves = []
        for name, size in sorted(leaving, key=lambda server: order(server[1])):
            fitting = [host for host in room if room[host] >= size]
            if not fitting:
                if whole:
                    return []
                continue
            target = choose(fitting, key=room.get)
            room[target] -= size if taken else 0
            moves.append((name, target))
        return moves

    return plan


wrong("03-5", "The largest goes first")(planner(order=lambda size: size))
wrong("03-5", "the fullest host")(planner(choose=max))
wrong("03-5", "the large holes stay")(planner(choose=lambda hosts, key: hosts[0]))
wrong("03-5", "nothing is moved")(planner(whole=False))
wrong("03-5", "takes its part")(planner(taken=False))
wrong("03-5", "can't be where they go")(planner(all_hosts=True))
wrong("03-5", "Only the servers of the host")(planner(everybody=True))


# 03-6

PARTS, SYSTEM = {"disk", "network", "console"}, {"S mode", "page tables", "alarm", "console"}


@wrong("03-6", "'disk' is missing")
def a_system_has_a_disk(needs):
    if not needs:
        return "nothing"
    if set(needs) <= PARTS:
        return "parts"
    return "system" if set(needs) <= SYSTEM | PARTS else "platform"


@wrong("03-6", "less would do")
def a_console_is_a_systems(needs):
    if not needs:
        return "nothing"
    if set(needs) <= SYSTEM:
        return "system"
    return "parts" if set(needs) <= PARTS else "platform"


@wrong("03-6", "does not offer all")
def one_of_them_is_enough(needs):
    if not needs:
        return "nothing"
    if PARTS & set(needs):
        return "parts"
    return "system" if SYSTEM & set(needs) else "platform"


@wrong("03-6", "The answer is one of")
def by_another_name(needs):
    if not needs:
        return "none"
    return "parts" if set(needs) <= PARTS else "system" if set(needs) <= SYSTEM else "platform"
