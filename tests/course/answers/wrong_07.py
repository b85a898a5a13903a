"""The bank of wrong answers of lesson 07: mistakes that people make, and the words that each must be told."""

from networkx import descendants

from tests.course.answers.banks import Bank
from vlab.events import Exit, Injection
from vlab.hypervisor import TrapAndEmulate
from vlab.riscv import CSRS, Access, Cause, Mode
from vlab.riscv import Trap as TrapRaised

WRONG = Bank()
wrong = WRONG.wrong


# 07-1


def first(order, candidates):
    return next((code for code in order if candidates & 1 << code), None)


@wrong("07-1", "In a mode below S, sstatus.SIE does not matter")
def sie_everywhere(mode, sstatus, sie, sip):
    return first((9, 1, 5), sie & sip) if mode != "M" and sstatus & 2 else None


@wrong("07-1", "In a mode above S, no interrupt for S mode arrives")
def in_machine_mode_too(mode, sstatus, sie, sip):
    return first((9, 1, 5), sie & sip) if mode != "S" or sstatus & 2 else None


@wrong("07-1", "sstatus.SIE = 0 holds all interrupts back")
def never_held_back(mode, sstatus, sie, sip):
    return first((9, 1, 5), sie & sip) if mode != "M" else None


@wrong("07-1", "is not listened to")
def whatever_is_pending(mode, sstatus, sie, sip):
    return first((9, 1, 5), sip) if mode == "U" or (mode == "S" and sstatus & 2) else None


@wrong("07-1", "external one (9) comes first")
def lowest_number_first(mode, sstatus, sie, sip):
    return first((1, 5, 9), sie & sip) if mode == "U" or (mode == "S" and sstatus & 2) else None


# 07-2


def deciding(**other):
    """The right rule, but for some of its parts."""

    def decide(cause, mode, found):
        if cause >> 63:
            return other.get("interrupt", ("nothing", None))
        if cause == 2:
            return ("inject", 2) if "illegal" in other and mode == "U" else ("emulate", None)
        if cause == 8:
            return other.get("ecall") or ("inject", 8 + Mode[mode])
        if cause not in (12, 13, 15):
            return other.get("own") or ("inject", cause)
        access = {12: 1, 13: 5, 15: 7}[cause]
        ends = {"fault": cause, "nothing": other.get("nothing", access)}
        if found in ends:
            return "inject", ends[found]
        return other.get(found) or {"memory": ("fill", None), "device": ("emulate", None)}[found]

    return decide


for part, told in {
    "illegal": "The virtual hart decides",
    "ecall": "8 plus that mode's number",
    "interrupt": "A real interrupt is the host's",
    "own": "the guest's own affair",
    "device": "carried out on the virtual device",
    "memory": "only the shadow lacks the entry",
}.items():
    wrong("07-2", told)(deciding(**{part: ("inject", 8)}))
wrong("07-2", "neither RAM nor a device")(deciding(nothing=13))


# 07-3


def emulating(*without, **other):
    """The right rule, but for some of its parts."""

    def emulate(csrs, mode, operation, name, value):
        csr = CSRS[name]
        if "zero" in without:
            value = value or 0
        illegal = mode < csr.privilege and "privilege" not in without
        if illegal or (csr.read_only and value is not None and "read-only" not in without):
            return None
        owner = name if "view" in without else csr.view_of or name
        old = csrs.get(owner, 0) if "read" in without else csr.read(csrs.get(owner, 0))
        if value is None:
            return old
        clear = old & value if "complement" in without else old & ~value
        new = {"csrrw": value, "csrrs": old | value, "csrrc": clear}[operation]
        csrs[owner] = new if "warl" in without else csr.legalize(csrs.get(owner, 0), new)
        return csrs[owner] if "old" in without else old

    return emulate


for part, told in {
    "privilege": "may be touched in",
    "read-only": "is read-only",
    "zero": "csrrs and csrrc with x0 only read",
    "view": "it has no storage of its own",
    "read": "A view shows only its own bits",
    "old": "gives the old value",
    "warl": "only legal values are kept",
    "complement": "csrrc clears the bits",
}.items():
    wrong("07-3", told)(emulating(part))


# 07-4


def trapping(*mistakes):
    """The right rule, with some mistakes."""

    def take_trap(hart, cause, value):
        interrupt, code = cause >> 63, cause & ~(1 << 63)
        register = "mideleg" if interrupt and "one register" not in mistakes else "medeleg"
        delegated = hart[register] >> code & 1 and (interrupt or "no exception" not in mistakes)
        to_s = delegated and (hart["mode"] < 3 or "from M" in mistakes)
        x = "s" if to_s else "m"
        hart[x + "epc"] = hart["pc"] + 4 if "next" in mistakes else hart["pc"] & ~3
        hart[x + "cause"], hart[x + "tval"] = code if "code" in mistakes else cause, value
        ie, pie, pp, width = (1, 5, 8, 1) if to_s else (3, 7, 11, 3)
        status, before = hart["mstatus"], hart["mode"]
        hart["mode"] = 1 if to_s else 3
        was_on = status >> ie & 1
        status &= ~(1 << pie | width << pp)
        status &= ~(0 if "still on" in mistakes else 1 << ie)
        pushed = 0 if "not pushed" in mistakes else was_on
        hart["mstatus"] = status | pushed << pie | (hart["mode"] if "late" in mistakes else before) << pp
        vectored = hart[x + "tvec"] & 1 and (interrupt or "all vectored" in mistakes)
        hart["pc"] = (hart[x + "tvec"] & ~3) + (4 * code if vectored else 0)
        if "both" in mistakes:
            hart["sepc" if x == "m" else "mepc"] = 0

    return take_trap


for part, told in {
    "no exception": "goes to S mode if its bit in medeleg is 1",
    "one register": "(not in medeleg)",
    "from M": "never goes to a lower mode",
    "next": "the address of the instruction that trapped",
    "code": "interrupt bit included",
    "late": "PP is the mode that was interrupted",
    "not pushed": "PIE is what",
    "still on": "begins with interrupts off",
    "all vectored": "an interrupt goes to base + 4",
    "both": "leaves the other mode's registers alone",
}.items():
    wrong("07-4", told)(trapping(part))


# 07-5


def calls(run):
    return [event for event in run.only(Injection) if event.cause == Cause.ECALL_FROM_U]


def is_exit(graph, node):
    return graph.nodes[node]["kind"] == "Exit"


@wrong("07-5", "follow the parents up")
def children_only(run):
    graph = run.graph()
    return [sum(is_exit(graph, node) for node in graph.successors(call.id)) for call in calls(run)]


@wrong("07-5", "Not every injection is a system call")
def every_injection(run):
    graph = run.graph()
    return [sum(is_exit(graph, n) for n in descendants(graph, e.id)) for e in run.only(Injection)]


@wrong("07-5", "count the exits only")
def everything_caused(run):
    graph = run.graph()
    return [len(descendants(graph, call.id)) for call in calls(run)]


@wrong("07-5", "its cause, not its effect")
def with_its_own(run):
    graph = run.graph()
    return [1 + sum(is_exit(graph, node) for node in descendants(graph, call.id)) for call in calls(run)]


@wrong("07-5", "go by parents, not by time")
def until_the_end(run):
    return [sum(isinstance(e, Exit) and e.id > call.id for e in run) for call in calls(run)]


@wrong("07-5", "is not a list of numbers")
def the_sum(run):
    return sum(is_exit(run.graph(), e.id) for e in run)


@wrong("07-5", "One number for each system call")
def none_at_all(run):
    return []


# 07-6

FAULTS = {12: Access.FETCH, 13: Access.LOAD, 15: Access.STORE}


class Right(TrapAndEmulate):
    """Right; the wrong ones change a part of it."""

    def exit(self, cause, value):
        hart = self.vm.hart
        if cause >> 63:
            return self.interrupt()
        try:
            if cause in FAULTS:
                return self.fault(FAULTS[cause], value)
            {2: self.illegal, 8: self.call}.get(cause, self.own)(cause, value)
        except TrapRaised as trap:
            hart.trap(trap.cause, trap.value, Injection)
        return ""

    def interrupt(self):
        return ""

    def illegal(self, cause, value):
        self.vm.hart.execute(value)

    def call(self, cause, value):
        self.vm.hart.execute(0x73)

    def own(self, cause, value):
        self.vm.hart.trap(cause, value, Injection)

    def fault(self, access, value):
        hart = self.vm.hart
        found = hart.mmu.resolve(value, access)
        if self.vm.memory.holds(found.physical):
            self.fill(value, access, found)
        else:
            hart.execute(hart.fetch(hart.pc))
        return ""


def hypervisor(**parts):
    """A class like Right, but for some parts; `exit` has to be its own."""
    return type("Mine", (Right,), {"exit": Right.exit, **parts})


def skip(self, cause, value):
    self.vm.hart.pc += 4


def devices_are_nothing(self, access, value):
    found = self.vm.hart.mmu.resolve(value, access)
    if self.vm.memory.holds(found.physical):
        self.fill(value, access, found)
    else:
        self.vm.hart.trap(
            {12: 1, 13: 5, 15: 7}[next(c for c in FAULTS if FAULTS[c] is access)], value, Injection
        )
    return ""


wrong("07-6", "A breakpoint is the guest's own affair")(hypervisor(own=skip))
wrong("07-6", "Execute the instruction on the virtual hart; if")(hypervisor(illegal=skip))
wrong("07-6", "knows from which mode it comes")(
    hypervisor(call=lambda self, cause, value: self.vm.hart.trap(8, 0, Injection))
)
wrong("07-6", "A real interrupt needs nothing more")(
    hypervisor(interrupt=lambda self: self.vm.hart.trap(1 << 63 | 5, 0, Injection) or "")
)
wrong("07-6", "resolve the address in the guest's own table")(hypervisor(fault=devices_are_nothing))
wrong("07-6", "leaves the exit to the package's own")(
    type(
        "Mine",
        (TrapAndEmulate,),
        {"exit": lambda self, cause, value: TrapAndEmulate.exit(self, cause, value)},
    )
)


# 07-7


def telling(*without):
    """The right rule, but for some of its parts."""

    def told(kind, events):
        waiting, held, found = [], False, []
        for what, number in events:
            if what in ("hold", "release"):
                held = what == "hold" and "held" not in without
            elif what == "happens" and not (held and "lost" in without):
                waiting.append(number)
            elif what == "read" and number in waiting and "unread" not in without:
                waiting.remove(number)
            while waiting and not held:
                found.append(waiting[0] if "order" in without else min(waiting))
                if "counted" in without and kind == "signals":
                    waiting.remove(found[-1])
                elif kind == "signals" or without in (("alike",), ("cleared",)):
                    waiting = [other for other in waiting if other != found[-1]]
                held = kind != "signals" and "alike" not in without
        return found

    return told


for part, told in {
    "order": "the lowest number comes first",
    "lost": "it stays pending",
    "held": "not told before the release",
    "counted": "A signal is one bit",
    "alike": "switches interrupts off",
    "cleared": "until all of it has been read",
    "unread": "does not interrupt any more",
}.items():
    wrong("07-7", told)(telling(part))
