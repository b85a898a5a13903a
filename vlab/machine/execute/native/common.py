"""The handlers that are no instruction's: how straight lines are found, missed and left."""

from vlab.machine.choices import GATE
from vlab.machine.execute.native.flow import PARAMETERS, enter, go_on, tail
from vlab.machine.execute.native.layout import (
    ARRIVED,
    CODE,
    CODE_PAGE,
    DEVICE,
    EXEC,
    EXEC_SIZE,
    LEAVE,
    LEFT,
    LIMIT,
    OFFSETS,
    REFUSED,
    SETS,
    SLOT_SHIFT,
)
from vlab.machine.execute.native.routines import YES
from vlab.machine.execute.native.text import Text, routine
from vlab.machine.pmp import X
from vlab.riscv import Cause, Mode

HEAD = """
attributes #0 = { nounwind }
attributes #1 = { nounwind noinline }
!0 = !{!"branch_weights", i32 2000, i32 1}
"""
_EXEC_SHIFT = 12 - EXEC_SIZE.bit_length() + 1
_EXEC_MASK = (SETS - 1) * EXEC_SIZE


def common() -> str:
    """All of them."""
    return "\n".join(
        [
            HEAD,
            _run(),
            _resume(),
            _seek(),
            _back(),
            _page_end(),
            _limit(),
            _stop("over", LIMIT),
            _stop("leave", LEAVE),
            _stop("outside", DEVICE),
            _raising("illegal", "unknown"),
            _raising("misaligned", "trap", str(int(Cause.INSTRUCTION_MISALIGNED)), "value"),
            _undecoded(),
            _across(),
            _beyond(),
            _refused(),
        ]
    )


def _field(text: Text, name: str) -> str:
    return text.pointer("%s", OFFSETS[name])


def _run() -> str:
    """What Python calls: run from `pc` until something stops it; why."""
    text = Text()
    pc = text.as_pointer(text.load(_field(text, "pc"), 64))
    count, data = text.load(_field(text, "count"), 64), text.load(_field(text, "data"), 64)
    text.line(
        f"call tailcc void @seek(ptr %s, ptr {pc}, i64 {count}, ptr {text.as_pointer(data)}, ptr null, i64 0)"
    )
    text.line(f"ret i64 {text.load(_field(text, 'reason'), 64)}")
    return text.function("define i64 @run(ptr %s) #0")


def _resume() -> str:
    """What Python calls when a resident has issued its `sret`: the same, beginning with that; why it stopped."""
    text = Text()
    state = text.value("ptrtoint ptr %s to i64")
    done = text.value(f"call {routine('sret', [state, str(GATE)])}")
    returned, refused = text.label(), text.label()
    text.branch(text.value(f"icmp eq i64 {done}, {YES}"), returned, refused, likely=True)
    text.place(returned)
    count = text.value(f"sub i64 {text.load(_field(text, 'count'), 64)}, 1")
    text.store(_field(text, "count"), 64, count)
    text.line(f"ret i64 {text.value('call i64 @run(ptr %s)')}")
    text.place(refused)
    text.line(f"ret i64 {REFUSED}")
    return text.function("define i64 @resume(ptr %s) #0")


def _seek() -> str:
    """Go on at a pc, which stands in the place of the slot: through the fetch context."""
    text = Text()
    pc = text.value("ptrtoint ptr %slot to i64")
    context = text.load(_field(text, "fetch"), 64)
    shifted = text.value(f"lshr i64 {pc}, {_EXEC_SHIFT}")
    index = text.value(f"and i64 {shifted}, {_EXEC_MASK}")
    entry = text.pointer(text.as_pointer(context), text.value(f"add i64 {index}, {EXEC}"))
    page = text.value(f"and i64 {pc}, -4096")
    found, missed = text.label(), text.label()
    text.branch(text.value(f"icmp eq i64 {text.load(entry, 64)}, {page}"), found, missed, likely=True)
    text.place(found)
    text.store(_field(text, "code_page"), 64, page)
    offset = text.value(f"shl i64 {text.value(f'and i64 {pc}, 4094')}, {SLOT_SHIFT}")
    code = text.value(f"load ptr, ptr {text.pointer(entry, 8)}, align 8")
    enter(text, text.pointer(code, offset))
    text.place(missed)
    attempted, over = text.label(), text.label()
    text.branch(text.value("icmp sgt i64 %count, 0"), attempted, over, likely=True)
    text.place(over)  # so the TLB doesn't miss it yet
    _return(text, pc, str(LEAVE))
    text.place(attempted)
    text.store(_field(text, "code_page"), 64, "-1")  # no page of code is in the way of a fetch
    state = text.value("ptrtoint ptr %s to i64")
    text.store(_field(text, "count"), 64, text.value("sub i64 %count, 1"))
    why = text.value(f"call {routine('refill', [state, context, pc, str(X)])}")
    again, other, none, leaving = text.label(), text.label(), text.label(), text.label()
    text.branch(text.value(f"icmp eq i64 {why}, {YES}"), again, other, likely=True)
    text.place(again)
    tail(text, "@seek", "%slot")
    text.place(other)
    text.branch(text.value(f"icmp eq i64 {why}, 0"), none, leaving)
    text.place(none)
    standing = text.value(f"zext i1 {text.value(f'icmp eq i64 {pc}, {GATE}')} to i64")
    _trap_at(text, pc, pc, "%count", standing)
    away = text.value(f"xor i64 {text.load(_field(text, 'mode'), 64)}, {int(Mode.S)}")
    away = text.value(f"or i64 {away}, {text.load(_field(text, 'virtual'), 64)}")
    away = text.value(f"or i64 {away}, {text.value(f'xor i64 {standing}, 1')}")
    turn = text.value(f"icmp eq i64 {away}, 0")
    _return(text, pc, text.value(f"select i1 {turn}, i64 {ARRIVED}, i64 {LEAVE}"))
    text.place(leaving)
    _return(text, pc, str(CODE))
    return text.function(f"define internal tailcc void @seek({PARAMETERS}) #0")


def _pc(text: Text) -> str:
    """Where the instruction of the slot stands."""
    slot = text.value("ptrtoint ptr %slot to i64")
    offset = text.value(f"lshr i64 {text.value(f'and i64 {slot}, {CODE_PAGE - 1}')}, {SLOT_SHIFT}")
    return text.value(f"add i64 {text.load(_field(text, 'code_page'), 64)}, {offset}")


def _return(text: Text, pc: str, reason: str) -> None:
    """Back to Python, before the instruction at a pc."""
    for name, value in (("pc", pc), ("count", "%count"), ("reason", reason)):
        text.store(_field(text, name), 64, value)
    text.line("ret void")


def _trap_at(text: Text, pc: str, value: str, count: str, kept: str) -> None:
    """Enter the handler of the `fault` at a pc, if there is one and `kept` is 0; else what follows is done."""
    fault = text.load(_field(text, "fault"), 64)
    there, entered, no_trap = text.label(), text.label(), text.label()
    sure = text.value(f"icmp ne i64 {fault}, 0")
    free = text.value(f"icmp eq i64 {kept}, 0")
    text.branch(text.value(f"and i1 {sure}, {free}"), there, no_trap)
    text.place(there)
    text.store(_field(text, "count"), 64, text.value(f"sub i64 {count}, 1"))
    state = text.value("ptrtoint ptr %s to i64")
    done = text.value(f"call {routine('trap', [state, pc, fault, value])}")
    text.branch(text.value(f"icmp eq i64 {done}, {YES}"), entered, no_trap, likely=True)
    text.place(entered)
    go_on(text, text.value(f"sub i64 {count}, 1"))
    text.place(no_trap)


def _refused() -> str:
    """An access that isn't as it should be: the trap that it deserves, or Python's."""
    text = Text()
    pc = _pc(text)
    count = text.value(f"add i64 %count, {text.load(text.pointer('%slot', LEFT), 16)}")
    _trap_at(text, pc, text.load(_field(text, "value"), 64), count, "0")
    outside, leaving = text.label(), text.label()
    text.branch(text.value(f"icmp ne i64 {text.load(_field(text, 'device'), 64)}, 0"), outside, leaving)
    text.place(outside)
    tail(text, "@outside", "%slot")
    text.place(leaving)
    tail(text, "@leave", "%slot")
    return text.function(f"define internal tailcc void @refused({PARAMETERS}) #1")


def _raising(name: str, called: str, *given: str) -> str:
    """An instruction that traps whatever happens: by a routine, to which numbers and fields are given; or Python's."""
    text = Text()
    pc = _pc(text)
    line = text.value(f"add i64 %count, {text.load(text.pointer('%slot', LEFT), 16)}")
    count = text.value(f"sub i64 {line}, 1")
    text.store(_field(text, "count"), 64, count)
    fields = [one if one.isdecimal() else text.load(_field(text, one), 64) for one in given]
    state = text.value("ptrtoint ptr %s to i64")
    done = text.value(f"call {routine(called, [state, pc, *fields])}")
    entered, leaving = text.label(), text.label()
    text.branch(text.value(f"icmp eq i64 {done}, {YES}"), entered, leaving, likely=True)
    text.place(entered)
    go_on(text, count)
    text.place(leaving)
    tail(text, "@leave", "%slot")
    return text.function(f"define tailcc void @{name}({PARAMETERS}) #1")


def _back() -> str:
    """Begin another loop than the last one."""
    text = Text()
    enter(text, "%slot", "%slot")
    return text.function(f"define internal tailcc void @back({PARAMETERS}) #1")


def _undecoded() -> str:
    """In a slot that holds nothing yet: a straight line begins here."""
    text = Text()
    state, slot = (text.value(f"ptrtoint ptr {name} to i64") for name in ("%s", "%slot"))
    text.value(f"call {routine('decode', [state, slot])}")
    enter(text, "%slot")
    return text.function(f"define tailcc void @undecoded({PARAMETERS}) #0")


def _limit() -> str:
    """At a straight line for which there are not attempts enough: its first instruction, if there is one for that."""
    text = Text()
    count = text.value(f"add i64 %count, {text.load(text.pointer('%slot', LEFT), 16)}")
    some, none = text.label(), text.label()
    text.branch(text.value(f"icmp sgt i64 {count}, 0"), some, none)
    text.place(some)
    state, slot = (text.value(f"ptrtoint ptr {name} to i64") for name in ("%s", "%slot"))
    lone = text.as_pointer(text.value(f"call {routine('alone', [state, slot])}"))
    enter(text, lone, attempts=count)
    text.place(none)
    tail(text, "@over", "%slot")
    return text.function(f"define internal tailcc void @limit({PARAMETERS}) #1")


def _across() -> str:
    """In the last slot of a page, where an instruction begins that ends in the next one."""
    text = Text()
    state, slot = (text.value(f"ptrtoint ptr {name} to i64") for name in ("%s", "%slot"))
    lone = text.value(f"call {routine('across', [state, slot])}")
    there, leaving = text.label(), text.label()
    text.branch(text.value(f"icmp ne i64 {lone}, 0"), there, leaving, likely=True)
    text.place(there)
    found = text.as_pointer(lone)
    tail(text, text.value(f"load ptr, ptr {found}, align 8"), found)
    text.place(leaving)
    tail(text, "@leave", "%slot")
    return text.function(f"define tailcc void @across({PARAMETERS}) #0")


def _beyond() -> str:
    """Behind the slot of an instruction by itself."""
    text = Text()
    tail(text, "@seek", text.as_pointer(_pc(text)))
    return text.function(f"define tailcc void @beyond({PARAMETERS}) #0")


def _page_end() -> str:
    """Behind the last slot of a page."""
    text = Text()
    page = text.load(_field(text, "code_page"), 64)
    tail(text, "@seek", text.as_pointer(text.value(f"add i64 {page}, 4096")))
    return text.function(f"define tailcc void @page_end({PARAMETERS}) #0")


def _stop(name: str, reason: int) -> str:
    """Stop before the instruction of a slot, and give the attempts of the rest of its straight line back."""
    text = Text()
    pc = _pc(text)
    count = text.value(f"add i64 %count, {text.load(text.pointer('%slot', LEFT), 16)}")
    for field, value in (("pc", pc), ("count", count), ("reason", str(reason))):
        text.store(_field(text, field), 64, value)
    text.line("ret void")
    return text.function(f"define tailcc void @{name}({PARAMETERS}) #1")
