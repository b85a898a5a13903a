"""The bank of wrong answers of lesson 02: mistakes that people make, and the words that each must be told."""

from tests.course.answers.banks import Bank

WRONG = Bank()
wrong = WRONG.wrong


# 02-1


def delegated(cause, medeleg, mideleg):
    return (mideleg if cause >> 63 else medeleg) >> (cause & 63) & 1


@wrong("02-1", "A trap never goes to a lower mode")
def from_machine_mode_too(mode, cause, medeleg, mideleg):
    return "S" if delegated(cause, medeleg, mideleg) else "M"


@wrong("02-1", "(not in medeleg)")
def one_register(mode, cause, medeleg, mideleg):
    return "S" if mode != "M" and medeleg >> (cause & 63) & 1 else "M"


@wrong("02-1", "An exception goes to S mode if its bit in medeleg is 1")
def exceptions_never(mode, cause, medeleg, mideleg):
    return "S" if mode != "M" and cause >> 63 and delegated(cause, medeleg, mideleg) else "M"


@wrong("02-1", "a kernel catches its own faults")
def one_mode_up(mode, cause, medeleg, mideleg):
    return "S" if mode == "U" and delegated(cause, medeleg, mideleg) else "M"


@wrong("02-1", "processes don't handle traps")
def where_it_happened(mode, cause, medeleg, mideleg):
    return mode


# 02-2


def returning(*mistakes):
    """The right rule, with some mistakes."""

    def sret(hart):
        status = hart["mstatus"]
        if (hart["mode"] == 0 and "U" not in mistakes) or (
            hart["mode"] == 1 and status >> 22 & 1 and "TSR" not in mistakes
        ):
            return False
        if "M" in mistakes and hart["mode"] == 3:
            return False
        hart["pc"] = hart["sepc"] + 4 * ("next" in mistakes)
        hart["mode"] = 0 if "always U" in mistakes else status >> 8 & 1
        enabled = 1 if "on" in mistakes else status >> 5 & 1
        cleared = 1 << 1
        cleared |= 0 if "SPP" in mistakes else 1 << 8
        cleared |= 0 if "MPRV" in mistakes else 1 << 17
        status = status & ~cleared | enabled << 1
        status = status & ~(1 << 5) if "SPIE" in mistakes else status | 1 << 5
        hart["mstatus"] = 2 if "others" in mistakes else status
        return True

    return sret


for part, told in {
    "U": "In U mode sret is illegal",
    "TSR": "while TSR is set, sret is illegal",
    "M": "in M mode too",
    "next": "The pc becomes sepc as it is",
    "always U": "The new mode stands in SPP",
    "on": "SIE gets what SPIE kept",
    "SPIE": "SPIE becomes 1",
    "SPP": "SPP becomes 0",
    "MPRV": "MPRV becomes 0",
}.items():
    wrong("02-2", told)(returning(part))


@wrong("02-2", "The other bits of mstatus stay")
def the_rest_lost(hart):
    done = returning()(hart)
    hart["mstatus"] &= 0x20122 if done else -1
    return done


# 02-3

ORDER = (11, 3, 7, 9, 1, 5)


def choosing(order=ORDER, *mistakes):
    """The right rule, with some mistakes."""

    def next_interrupt(mode, mstatus, mideleg, mie, mip):
        ready = (mip if "mie" in mistakes else mip & mie) if "mip" not in mistakes else mie
        on_m = mode != "M" or mstatus >> 3 & 1 or "MIE" in mistakes
        if "U" in mistakes and mode != "M":
            on_m = mstatus >> 3 & 1
        on_s = mode == "U" or (mode == "S" and mstatus >> 1 & 1) or (mode == "M" and "M" in mistakes)
        machine, supervisor = ready & ~mideleg if on_m else 0, ready & mideleg if on_s else 0
        both = machine | supervisor if "mixed" in mistakes else machine or supervisor
        return next((code for code in order if both >> code & 1), None)

    return next_interrupt


wrong("02-3", "is not listened to")(choosing(ORDER, "mie"))
wrong("02-3", "there is nothing to deliver")(choosing(ORDER, "mip"))
wrong("02-3", "In M mode itself, MIE = 0 holds its interrupts back")(choosing(ORDER, "MIE"))
wrong("02-3", "In a mode below M, the interrupts for M mode are on")(choosing(ORDER, "U"))
wrong("02-3", "In a mode above the one that it is for")(choosing(ORDER, "M"))
wrong("02-3", "external comes before software")(choosing(tuple(sorted(ORDER))))
wrong("02-3", "Those for M mode come before those for S mode")(choosing((9, 1, 5, 11, 3, 7), "mixed"))
wrong("02-3", "That is the code of no interrupt")(lambda *case: 0)


# 02-4

V, R, W, X, U, A, D = (1 << bit for bit in (0, 1, 2, 3, 4, 6, 7))


def permitted(raw, access, mode, sum, mxr, mistakes):
    if raw & U:
        if mode == "S" and access == "fetch" and "SUM fetch" not in mistakes:
            return False
        if mode == "S" and (not sum or "no SUM" in mistakes) and "SUM" not in mistakes:
            return False
    elif mode == "U" and "U" not in mistakes:
        return False
    if access == "load":
        return bool(raw & R or (mxr and raw & X and "MXR" not in mistakes))
    return bool(raw & (X if access == "fetch" else W))


def walking(*mistakes):
    """The right walk, with some mistakes."""

    def walk(memory, root, address, access, mode, sum, mxr):
        references: list[int] = []
        table = root
        if address >> 38 not in (0, (1 << 26) - 1) and "canonical" not in mistakes:
            return references, None
        for level in (2, 1, 0):
            shift = 12 + 9 * (2 - level if "order" in mistakes else level)
            at = table + (address >> shift & 511) * (1 if "bytes" in mistakes else 8)
            references.append(at)
            raw = memory.get(at, 0)
            if (not raw & V and "V" not in mistakes) or (raw & 6 == W and "W" not in mistakes):
                return references, None
            if raw >> 54 and "reserved" not in mistakes:
                return references, None
            frame = (raw >> 10 & (1 << 44) - 1) << 12
            if raw & (R | W | X) and not (level and "leaf" in mistakes):
                if frame & (1 << shift) - 1 and "aligned" not in mistakes:
                    return references, None
                if not permitted(raw, access, mode, sum, mxr, mistakes):
                    return references, None
                low = (1 << (12 if "offset" in mistakes else shift)) - 1
                return references, frame & ~low | address & low
            if raw & (U | A | D) and "pointer" not in mistakes:
                return references, None
            table = raw >> 10 if "ppn" in mistakes else frame
        return references, None

    return walk


for part, told in {
    "canonical": "the address is not canonical",
    "bytes": "An entry has 8 bytes",
    "order": "The index at level 2 is bits 38 to 30",
    "ppn": "The next table's address is the entry's PPN",
    "V": "the entry is not valid",
    "W": "W without R is reserved",
    "reserved": "reserved bits above the PPN",
    "pointer": "D, A or U is set in a pointer",
    "leaf": "R or X is set: the entry maps a page",
    "aligned": "not aligned to its size",
    "offset": "all bits below it are the offset",
    "U": "user mode may not touch a supervisor page",
    "SUM": "only while SUM is set",
    "no SUM": "While SUM is set, supervisor mode may load",
    "SUM fetch": "supervisor mode never executes a user page",
    "MXR": "While MXR is set",
}.items():
    wrong("02-4", told)(walking(part))


# 02-5

RIGHT = """
    .globl handler
    .balign 4
handler:
    csrrw t0, sscratch, t0
    sd   t1, 0(t0)
    sd   t2, 8(t0)
    la   t1, ticks
    ld   t2, 0(t1)
    addi t2, t2, 1
    sd   t2, 0(t1)
    la   t1, interval
    ld   t1, 0(t1)
    rdtime t2
    add  t1, t1, t2
    csrw stimecmp, t1
    ld   t1, 0(t0)
    ld   t2, 8(t0)
    csrrw t0, sscratch, t0
    sret
"""


def handler(*replaced):
    """The right handler with some lines replaced."""
    text = RIGHT
    for old, new in zip(replaced[::2], replaced[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    return lambda: text


wrong("02-5", "each register is as it was before")(handler("ld   t2, 8(t0)", "nop"))
wrong("02-5", "set the next alarm")(handler("csrw stimecmp, t1", "nop"))
wrong("02-5", "its last instruction is sret")(handler("    sret", "1:  j 1b"))
wrong("02-5", "for M mode only is illegal there")(handler("    sret", "    mret"))
wrong("02-5", "The program's sp may hold anything")(
    handler("csrrw t0, sscratch, t0\n    sd   t1, 0(t0)", "sd   t1, 0(sp)")
)
wrong("02-5", "an instruction of it was lost")(
    handler(
        "    ld   t1, 0(t0)\n", "    csrr t1, sepc\n addi t1, t1, 4\n csrw sepc, t1\n    ld   t1, 0(t0)\n"
    )
)
wrong("02-5", "comes too late, or never")(handler("add  t1, t1, t2", "li t1, -1"))
wrong("02-5", "adds 1 to the double word at ticks")(handler("addi t2, t2, 1", "addi t2, t2, 2"))
wrong("02-5", "leave SPP")(
    handler("    ld   t1, 0(t0)\n", "    li t1, 256\n csrs sstatus, t1\n    ld   t1, 0(t0)\n")
)
wrong("02-5", "There is no instruction `frob`")(lambda: "handler: frob t0")
wrong("02-5", "does not return the text of a handler")(lambda: 3)
