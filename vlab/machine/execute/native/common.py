"""The handlers that are no instruction's: how straight lines are found, missed and left."""

from vlab.machine.execute.native.handlers import PARAMETERS, enter, tail
from vlab.machine.execute.native.layout import (
    CODE,
    CODE_PAGE,
    DECODE,
    EXEC,
    EXEC_SIZE,
    LEAVE,
    LEFT,
    LIMIT,
    OFFSETS,
    SETS,
    SLOT_SHIFT,
)
from vlab.machine.execute.native.routines import YES
from vlab.machine.execute.native.text import Text, routine
from vlab.machine.pmp import X

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
            _seek(),
            _page_end(),
            _stop("limit", LIMIT, gives_back=False),
            _stop("leave", LEAVE, gives_back=True),
            _stop("undecoded", DECODE, gives_back=False),
        ]
    )


def _field(text: Text, name: str) -> str:
    return text.pointer("%s", OFFSETS[name])


def _run() -> str:
    """What Python calls: run from `pc` until something stops it; why."""
    text = Text()
    pc = text.as_pointer(text.load(_field(text, "pc"), 64))
    count, data = text.load(_field(text, "count"), 64), text.load(_field(text, "data"), 64)
    text.line(f"call tailcc void @seek(ptr %s, ptr {pc}, i64 {count}, ptr {text.as_pointer(data)})")
    text.line(f"ret i64 {text.load(_field(text, 'reason'), 64)}")
    return text.function("define i64 @run(ptr %s) #0")


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
    attempts, over = text.label(), text.label()
    text.branch(text.value("icmp sgt i64 %count, 0"), attempts, over, likely=True)
    text.place(over)  # what isn't attempted isn't fetched: the TLB stays as it is
    _stop_at(text, pc, str(LIMIT))
    text.place(attempts)
    text.store(_field(text, "code_page"), 64, "-1")  # no page of code is in the way of a fetch
    state = text.value("ptrtoint ptr %s to i64")
    why = text.value(f"call {routine('refill', [state, context, pc, str(X)])}")
    again, leaving = text.label(), text.label()
    text.branch(text.value(f"icmp eq i64 {why}, {YES}"), again, leaving, likely=True)
    text.place(again)
    tail(text, "@seek", "%slot")
    text.place(leaving)
    none = text.value(f"icmp eq i64 {why}, 0")
    _stop_at(text, pc, text.value(f"select i1 {none}, i64 {LEAVE}, i64 {CODE}"))
    return text.function(f"define internal tailcc void @seek({PARAMETERS}) #0")


def _stop_at(text: Text, pc: str, reason: str) -> None:
    """Stop before what stands at `pc`."""
    for name, value in (("pc", pc), ("count", "%count"), ("reason", reason)):
        text.store(_field(text, name), 64, value)
    text.line("ret void")


def _page_end() -> str:
    """Behind the last slot of a page."""
    text = Text()
    page = text.load(_field(text, "code_page"), 64)
    tail(text, "@seek", text.as_pointer(text.value(f"add i64 {page}, 4096")))
    return text.function(f"define tailcc void @page_end({PARAMETERS}) #0")


def _stop(name: str, reason: int, *, gives_back: bool) -> str:
    """Stop before the instruction of a slot; `gives_back` the attempts of the rest of its straight line."""
    text = Text()
    slot = text.value("ptrtoint ptr %slot to i64")
    offset = text.value(f"lshr i64 {text.value(f'and i64 {slot}, {CODE_PAGE - 1}')}, {SLOT_SHIFT}")
    pc = text.value(f"add i64 {text.load(_field(text, 'code_page'), 64)}, {offset}")
    count = "%count"
    if gives_back:
        count = text.value(f"add i64 %count, {text.load(text.pointer('%slot', LEFT), 16)}")
    for field, value in (("pc", pc), ("count", count), ("slot", slot), ("reason", str(reason))):
        text.store(_field(text, field), 64, value)
    text.line("ret void")
    return text.function(f"define tailcc void @{name}({PARAMETERS}) #1")
