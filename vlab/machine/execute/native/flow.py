"""How handlers hand on to each other.

All take the same six things, in registers: the state block, the slot, the attempts left, the context of loads and
stores, the slot that the last jump back led to, and how far away in the host the last memory was that needed asking.

The last two are guesses. Where a jump leads stands in memory, and whoever comes next waits for it. A loop jumps back
to the same slot each time: so a jump back goes on with that slot, and only compares it, for which nobody waits. The
same with addresses: pages that lie side by side, or all of memory, have one addend.
"""

from vlab.machine.execute.native.layout import LEFT, LOOK, OFFSETS
from vlab.machine.execute.native.text import Text

PARAMETERS = "ptr noalias %s, ptr %slot, i64 %count, ptr %tlb, ptr %loop, i64 %far"


def enter(text: Text, slot: str, loop: str = "%loop", far: str = "%far", *, attempts: str = "%count") -> None:
    """Begin a straight line, if there are attempts enough for all of it."""
    left = text.load(text.pointer(slot, LEFT), 16)
    count = text.value(f"sub i64 {attempts}, {left}")
    enough, short = text.label(), text.label()
    text.branch(text.value(f"icmp sge i64 {count}, 0"), enough, short, likely=True)
    text.place(short)
    tail(text, "@limit", slot, count)
    text.place(enough)
    handler = text.value(f"load ptr, ptr {slot}, align 8")
    tail(text, handler, slot, count, loop, far)


def enter_again(text: Text, slot: str) -> None:
    """Begin the straight line behind a jump back."""
    same, other = text.label(), text.label()
    text.branch(text.value(f"icmp eq ptr {slot}, %loop"), same, other, likely=True)
    text.place(same)
    enter(text, "%loop")
    text.place(other)
    tail(text, "@back", slot)  # code of its own, or else LLVM would make one way of both


def go_on(text: Text, count: str) -> None:
    """What a routine has said comes next, in the context that is now that of data; Python, if it has to look around."""
    field = text.pointer("%s", OFFSETS["look"])
    look, going = text.label(), text.label()
    text.branch(text.value(f"icmp eq i64 {text.load(field, 64)}, 0"), going, look, likely=True)
    text.place(look)
    text.store(field, 64, "0")
    for name, value in (("count", count), ("reason", str(LOOK))):
        text.store(text.pointer("%s", OFFSETS[name]), 64, value)
    text.line("ret void")
    text.place(going)
    pc = text.as_pointer(text.load(text.pointer("%s", OFFSETS["pc"]), 64))
    tlb = text.as_pointer(text.load(text.pointer("%s", OFFSETS["data"]), 64))
    text.line(
        f"musttail call tailcc void @seek(ptr %s, ptr {pc}, i64 {count}, ptr {tlb}, ptr %loop, i64 %far)"
    )
    text.line("ret void")


def tail(
    text: Text, handler: str, slot: str, count: str = "%count", loop: str = "%loop", far: str = "%far"
) -> None:
    """Become another handler."""
    text.line(
        f"musttail call tailcc void {handler}(ptr %s, ptr {slot}, i64 {count}, ptr %tlb, ptr {loop}, i64 {far})"
    )
    text.line("ret void")
