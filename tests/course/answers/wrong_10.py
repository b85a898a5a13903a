"""The bank of wrong answers of lesson 10: mistakes that people make, and the words that each must be told."""

from tests.course.answers.banks import Bank

WRONG = Bank()
wrong = WRONG.wrong


# 10-1


@wrong("10-1", "from M it stays in M")
def delegated_from_m(cause, mode, medeleg, hedeleg):
    if not medeleg >> cause & 1:
        return "M"
    return "VS" if mode[0] == "V" and hedeleg >> cause & 1 and not 20 <= cause < 24 else "S"


@wrong("10-1", "can't be set")
def any_bit(cause, mode, medeleg, hedeleg):
    if mode == "M" or not medeleg >> cause & 1:
        return "M"
    return "VS" if mode[0] == "V" and hedeleg >> cause & 1 else "S"


@wrong("10-1", "with V = 1")
def without_v(cause, mode, medeleg, hedeleg):
    if mode == "M" or not medeleg >> cause & 1:
        return "M"
    return "VS" if hedeleg >> cause & 1 and not 20 <= cause < 24 else "S"


@wrong("10-1", "M mode did not give this cause away")
def only_hedeleg(cause, mode, medeleg, hedeleg):
    if mode[0] == "V" and hedeleg >> cause & 1 and not 20 <= cause < 24:
        return "VS"
    return "S" if mode != "M" and medeleg >> cause & 1 else "M"


@wrong("10-1", "it is the guest's own")
def always_the_hypervisor(cause, mode, medeleg, hedeleg):
    return "S" if mode != "M" and medeleg >> cause & 1 else "M"


@wrong("10-1", "it goes to HS")
def always_the_guest(cause, mode, medeleg, hedeleg):
    if mode == "M" or not medeleg >> cause & 1:
        return "M"
    return "VS" if mode[0] == "V" and not 20 <= cause < 24 else "S"


# 10-2


def taking(order=(10, 2, 6), less=1, shift=1, lent=True, users=True, held=True):
    """The right rule, but for one of its parts."""

    def taken(hvip, vsie, hideleg, on, mode):
        ready = hvip & vsie << shift & (hideleg if lent else 0x444)
        if held and not on and not (users and mode == "VU"):
            return None
        return next((code - less for code in order if ready >> code & 1), None)

    return taken


wrong("10-2", "external one (9) comes first")(taking(order=(2, 6, 10)))
wrong("10-2", "one below")(taking(less=0))
wrong("10-2", "which is one bit lower")(taking(shift=0))
wrong("10-2", "given away in `hideleg`")(taking(lent=False))
wrong("10-2", "in VU")(taking(users=False))
wrong("10-2", "interrupts off")(taking(held=False))


# 10-3


def walking(stage=True, last=True, gpa=True, gva=True):
    """The right walk, but for one of its parts. Three levels at each stage, and no rights."""

    def one(load, root, address):
        table = root
        for level in (2, 1, 0):
            entry = load(table + 8 * (address >> 12 + 9 * level & 511))
            if not entry & 1:
                return None
            table = entry >> 10 << 12
        return table | address & 4095

    def translate(memory, root, host_root, address):
        refused = []

        def load(at):
            return memory.get(at, 0)

        def second(address):
            found = one(load, host_root, address)
            if found is None:
                refused.append(address)
            return found

        def load_of_guest(address):
            place = second(address) if stage else address
            return 0 if place is None else load(place)

        found = one(load_of_guest, root, address)
        if found is not None and last:
            found = second(found)
        if refused:
            return "hypervisor", refused[0] if gpa else address
        return ("guest", address if gva else root) if found is None else ("memory", found)

    return translate


wrong("10-3", "Both tables map it")(walking(stage=False))
wrong("10-3", "it goes through the second table, too")(walking(last=False))
wrong("10-3", "told the guest-physical address")(walking(gpa=False))
wrong("10-3", "with the guest-virtual address")(walking(gva=False))


@wrong("10-3", "not the guest's affair")
def whoever(memory, root, host_root, address):
    """Every fault is the guest's."""
    where, found = walking()(memory, root, host_root, address)
    return ("guest", address) if where != "memory" else (where, found)


# 10-4


def exiting(call=2, fence=1, empties=True, edit=0, device=1, first=True, nested_fence=0):
    def exits(deeds):
        shadow = nested = 0
        filled: set[int] = set()
        touched: set[int] = set()
        for deed in deeds:
            if deed == "call":
                shadow += call
            elif deed == "edit":
                shadow += edit
            elif deed == "device":
                shadow, nested = shadow + 1, nested + device
            elif deed == "fence":
                shadow, nested = shadow + fence, nested + nested_fence
                filled = set() if empties else filled
            else:
                shadow += deed not in filled
                nested += first and deed not in touched
                filled.add(deed)
                touched.add(deed)
        return shadow, nested

    return exits


wrong("10-4", "so does the `sret`")(exiting(call=1))
wrong("10-4", "empties the lazy shadow")(exiting(empties=False))
wrong("10-4", "nobody is told")(exiting(edit=1))
wrong("10-4", "A device of a VM is a program")(exiting(device=0))
wrong("10-4", "The first touch")(exiting(first=False))
wrong("10-4", "with hardware no exit")(exiting(nested_fence=1))


# 10-5


@wrong("10-5", "to cost the same is not yet to cost more")
def as_much(one, two):
    ahead, gains = two[0] - one[0], one[1] - two[1]
    if gains <= 0:
        return 1 if gains == 0 and ahead < 0 else None
    return 1 if ahead < 0 else -(-ahead // gains) + 1


@wrong("10-5", "It is so already earlier")
def from_zero(one, two):
    ahead, gains = two[0] - one[0], one[1] - two[1]
    if gains <= 0:
        return 1 if gains == 0 and ahead < 0 else None
    return max(1, ahead // gains + 3)


@wrong("10-5", "does not stay dearer for good")
def only_the_start(one, two):
    ahead, gains = two[0] - one[0], one[1] - two[1]
    if ahead < 0:
        return 1
    return ahead // gains + 2 if gains > 0 else None


@wrong("10-5", "never becomes dearer by repeating")
def at_last(one, two):
    ahead, gains = two[0] - one[0], one[1] - two[1]
    if gains < 0:
        return None
    return 1 if ahead < 0 else ahead // max(1, gains) + 2


@wrong("10-5", "one day it has cost more")
def once_for_all(one, two):
    return 1 if one[0] > two[0] and one[1] >= two[1] else None
