"""The bank of wrong answers of lesson 06: mistakes that people make, and the words that each must be told."""

from tests.course.answers.banks import Bank

WRONG = Bank()
wrong = WRONG.wrong
LEVELS = {"U": 0, "S": 1, "M": 3}


# 06-1


def trapping(*without):
    """The right rule, but for some of its parts."""

    def traps(what, csr, writes, mode):
        level = LEVELS[mode]
        if what == "csr":
            read_only = writes and csr >> 10 == 3 and "read-only" not in without
            least = 0 if "least" in without else (csr >> 8 & 3)
            if "system" in without:
                least = 3
            return level < least or read_only
        if what == "add":
            return "add" in without and mode == "U"
        if what == "ecall":
            return mode == "U" if "door" in without else True
        return level < (3 if what == "mret" and "firmware" not in without else 1)

    return traps


for part, told in {
    "read-only": "a write is illegal in every mode",
    "least": "say the least mode",
    "system": "it may be touched",
    "add": "executed directly",
    "door": "the door",
    "firmware": "mret ends a trap of M mode",
}.items():
    wrong("06-1", told)(trapping(part))


@wrong("06-1", "sret needs S mode")
def only_registers(what, csr, writes, mode):
    if what == "csr":
        return LEVELS[mode] < (csr >> 8 & 3) or (writes and csr >> 10 == 3)
    return what == "ecall" or (what == "mret" and mode != "M")


# 06-2


def above(running, names):
    while more := {name for name in running if running[name][0] in names} - names:
        names = names | more
    return names


@wrong("06-2", "When something dies, so does everything")
def downwards_only(running, crashed):
    found = [crashed]
    while running[crashed][0] and running[crashed][1] == "system":
        crashed = running[crashed][0]
        found.append(crashed)
    return sorted(found)


@wrong("06-2", "however high it stands")
def one_storey(running, crashed):
    found = set(downwards_only(running, crashed))
    return sorted(found | {name for name in running if running[name][0] in found})


@wrong("06-2", "Who crashes in system mode takes along")
def upwards_only(running, crashed):
    return sorted(above(running, {crashed}))


@wrong("06-2", "in system mode, too")
def one_step_down(running, crashed):
    on, how = running[crashed]
    return sorted(above(running, {on if how == "system" and on else crashed}))


@wrong("06-2", "what it runs on goes on")
def everybody(running, crashed):
    return sorted(running)


@wrong("06-2", "in the order of the alphabet")
def unsorted(running, crashed):
    while running[crashed][0] and running[crashed][1] == "system":
        crashed = running[crashed][0]
    return sorted(above(running, {crashed}), reverse=True)


@wrong("06-2", "Who crashes is dead")
def forgets_the_first(running, crashed):
    return sorted(above(running, {crashed}) - {crashed})


# 06-3


def inhibiting(*without):
    """The right rule, but for some of its parts."""

    def inhibits(word, x):
        if word & 0x7F != 0x73 and "opcode" not in without:
            return False
        if word >> 20 != 0x100 and "register" not in without:
            return False
        kind, field = word >> 12 & 7, word >> 15 & 31
        value = field if kind & 4 or ("field" in without and kind == 3) else x[field]
        if "mask" in without and kind == 7:
            value = x[field]
        sie = value >> 1 & 1
        if kind & 3 == 1:
            return "write" not in without and not sie
        if kind & 3 == 2:
            return "set" in without and bool(sie)
        return kind & 3 == 3 and ("any" in without or bool(sie))

    return inhibits


for part, told in {
    "opcode": "no instruction for control registers",
    "register": "switched off in sstatus, 0x100",
    "field": "The mask is in a register",
    "mask": "The mask is in the word itself",
    "write": "write all bits",
    "set": "only set bits",
    "any": "SIE is cleared if it has bit 1",
}.items():
    wrong("06-3", told)(inhibiting(part))


@wrong("06-3", "returns 2, which is not True or False")
def the_bit_itself(word, x):
    return 2 if word & 0x7F == 0x73 and word >> 20 == 0x100 else False


# 06-4


@wrong("06-4", "the host takes them all")
def kills_at_interrupts(scause, mode, kind):
    if mode == "S":
        return "panic"
    if kind == "VM":
        return "hypervisor"
    return "system call" if scause == 8 else "kill"


@wrong("06-4", "nobody is left to kill")
def kills_kernels(scause, mode, kind):
    if scause >> 63:
        return "interrupt"
    if kind == "VM":
        return "hypervisor"
    return "system call" if scause == 8 else "kill"


@wrong("06-4", "ecall or not")
def answers_a_guests_call(scause, mode, kind):
    if scause >> 63:
        return "interrupt"
    if mode == "S":
        return "panic"
    if scause == 8:
        return "system call"
    return "hypervisor" if kind == "VM" else "kill"


@wrong("06-4", "did what it may not")
def panics_for_the_kernels_processes(scause, mode, kind):
    if scause >> 63:
        return "interrupt"
    if kind == "VM":
        return "hypervisor"
    if scause == 8:
        return "system call"
    return "panic" if kind == "system" else "kill"


@wrong("06-4", "asks the host for something")
def kills_callers(scause, mode, kind):
    if scause >> 63:
        return "interrupt"
    if mode == "S":
        return "panic"
    return "hypervisor" if kind == "VM" else "kill"


# 06-5


def following(**other):
    """The right rule, with other parts: each takes SIE, SPIE and the two bits of the value."""

    def follow(sie, spie, events):
        rules = {
            "trap": lambda i, p, a, b: (0, i),
            "sret": lambda i, p, a, b: (p, 1),
            "csrrw": lambda i, p, a, b: (a, b),
            "csrrs": lambda i, p, a, b: (i | a, p | b),
            "csrrc": lambda i, p, a, b: (i & ~a, p & ~b),
        } | other
        found = []
        for deed, value in events:
            bits = (0, 0) if value is None else (value >> 1 & 1, value >> 5 & 1)
            sie, spie = rules[deed](sie, spie, *bits)
            found.append((sie, spie))
        return found

    return follow


for rules, told in (
    ({"trap": lambda i, p, a, b: (i, i)}, "SIE becomes 0"),
    ({"trap": lambda i, p, a, b: (0, p)}, "SPIE becomes what SIE was"),
    ({"sret": lambda i, p, a, b: (1, 1)}, "SIE becomes what SPIE was"),
    ({"sret": lambda i, p, a, b: (p, p)}, "SPIE becomes 1"),
    ({"csrrw": lambda i, p, a, b: (i | a, p | b)}, "writes all bits"),
    ({"csrrs": lambda i, p, a, b: (a, b)}, "sets the bits of the value"),
    ({"csrrc": lambda i, p, a, b: (0, 0)}, "clears the bits of the value"),
    ({"csrrc": lambda i, p, a, b: (a, b)}, "csrrc clears"),
):
    wrong("06-5", told)(following(**rules))


@wrong("06-5", "One pair for each event")
def only_the_end(sie, spie, events):
    return following()(sie, spie, events)[-1:]
