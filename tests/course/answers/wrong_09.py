"""The bank of wrong answers of lesson 09: mistakes that people make, and the words that each must be told."""

from tests.course.answers.banks import Bank

WRONG = Bank()
wrong = WRONG.wrong


# 09-1


def done(experiments):
    return [one for pair in experiments for one in pair if one != "trap"]


def sensitive(experiments):
    return (
        any(changed for changed, _ in done(experiments)) or len({seen for _, seen in done(experiments)}) > 1
    )


@wrong("09-1", "traps in system mode, too")
def whatever_traps_in_user_mode(experiments):
    return all(user == "trap" for user, _ in experiments), sensitive(experiments)


@wrong("09-1", "From this state it does not trap")
def traps_somewhere(experiments):
    return any(u == "trap" and s != "trap" for u, s in experiments), sensitive(experiments)


def privileged(experiments):
    return all(user == "trap" and system != "trap" for user, system in experiments)


@wrong("09-1", "depends on the mode")
def only_changes(experiments):
    return privileged(experiments), any(changed for changed, _ in done(experiments))


@wrong("09-1", "changed what is the hypervisor's affair")
def only_shows(experiments):
    return privileged(experiments), len({seen for _, seen in done(experiments)}) > 1


@wrong("09-1", "it is not sensitive")
def privileged_is_sensitive(experiments):
    return privileged(experiments), sensitive(experiments) or privileged(experiments)


# 09-2


def delivering(held=True, off=True, once=True, quirk=True):
    """The right rule, but for one of its parts."""

    def delivered(events, traps):
        sie, pending, found = False, False, []
        for at, event in enumerate(events):
            if event == "tick":
                pending = True
            elif event == "sret":
                sie = True
            elif traps or not quirk:
                sie = event == "on"
            if sie and pending:
                found.append(at)
                sie, pending = not off, not once
            elif not held:
                pending = False
        return found

    return delivered


wrong("09-2", "held back until now")(delivering(held=False))
wrong("09-2", "A delivery switches it off")(delivering(off=False))
wrong("09-2", "Nothing is pending here")(delivering(once=False))
wrong("09-2", "hear of them")(delivering(quirk=False))


@wrong("09-2", "Places are counted from 0")
def counted_from_one(events, traps):
    return [at + len(events) for at in delivering()(events, traps)]


# 09-3

EBREAK = 0x0010_0073


def translating(ends, out=lambda word: word & 0x7F == 0x73):
    def translate(words):
        found = []
        for word in words:
            found.append(EBREAK if out(word) else word)
            if ends(word):
                break
        return found

    return translate


def jumps(word):
    return word & 0x7F in (0x6F, 0x67) or word in (0x3020_0073, 0x1020_0073)


wrong("09-3", "may never be reached")(translating(lambda word: False))
wrong("09-3", "a branch may fall through")(translating(lambda word: jumps(word) or word & 0x7F == 0x63))
wrong("09-3", "it becomes `ebreak`")(
    translating(jumps, lambda word: word & 0x7F == 0x73 and word >> 12 & 7 != 0)
)
wrong("09-3", "it stays as it is")(translating(jumps, lambda word: word & 0x7F in (0x73, 0x0F)))


# 09-4


def answering(*without):
    """The right rule, but for some of its parts."""

    def refused(value, base, size):
        flags, target = value & 0xFF, (value >> 10 & (1 << 44) - 1) << 12
        if not flags & 1 and "invalid" not in without:
            return False
        return bool(
            (value >> 54 and "high" not in without)
            or (flags & 6 == 4 and "reserved" not in without)
            or (not base <= target < base + size and "target" not in without)
            or (not flags & 10 and flags & 0xD0 and "pointer" not in without)
        )

    def answer(updates, base, size):
        if len(updates) > (31 if "most" in without else 1000 if "many" in without else 32):
            return -4
        last = base + size - (0 if "end" in without else 8)
        if any((place % 8 and "aligned" not in without) or not base <= place <= last for place, _ in updates):
            return -2
        checked = updates[:1] if "all" in without else updates
        return -3 if any(refused(value, base, size) for _, value in checked) else 0

    return answer


for part, told in {
    "invalid": "without V may hold anything",
    "high": "Bits 63:54",
    "reserved": "with W and without R",
    "target": "the guest's own memory",
    "pointer": "U, A and D are reserved",
    "most": "Nothing is wrong in this list",
    "many": "More than 32 updates",
    "end": "All 8 bytes",
    "aligned": "a multiple of 8",
    "all": "lead to a page",
}.items():
    wrong("09-4", told)(answering(part))


# 09-5


def listing(twice=False, full=32, empty=False, rest=True, use=True):
    def lists(events):
        sent, waiting = [], []
        for event in events:
            if event is not None and (twice or event not in waiting):
                waiting.append(event)
            if (event is None and use and (waiting or empty)) or len(waiting) == full:
                sent.append(len(waiting))
                waiting = []
        return sent + ([len(waiting)] if waiting and rest else [])

    return lists


wrong("09-5", "stands in it once")(listing(twice=True))
wrong("09-5", "A list has 32 entries at most")(listing(full=1000))
wrong("09-5", "An empty list")(listing(empty=True))
wrong("09-5", "What waits at the end")(listing(rest=False))
wrong("09-5", "Before the table is used")(listing(use=False))
