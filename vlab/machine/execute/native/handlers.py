"""A handler an instruction: native code made from the row's meaning, which ends by jumping to the next one's.

The attempts of a straight line are taken off when it is entered; who leaves it early gives the rest back.
"""

import ast
from collections.abc import Iterator

from vlab.machine.execute.native.expressions import Expressions, Kind, Value
from vlab.machine.execute.native.flow import PARAMETERS, enter, enter_again, go_on, tail
from vlab.machine.execute.native.kinds import (
    NEAR,
    QUIET,
    ROUTINES,
    assigns_rd,
    called,
    handler_name,
    jumps,
    jumps_near,
    links,
    native,
)
from vlab.machine.execute.native.layout import (
    ADDEND,
    IMM,
    LEFT,
    OFFSETS,
    QUICK_SIZE,
    RD,
    READ_TAG,
    RS1,
    SETS,
    SLOT,
    SLOT_SHIFT,
    UPPER_IMM,
    WRITE_TAG,
)
from vlab.machine.execute.native.pairs import PAIRS, Pair
from vlab.machine.execute.native.routines import TRAPPED, YES
from vlab.machine.execute.native.text import Text, routine
from vlab.machine.pmp import R, W
from vlab.riscv.instructions import ROWS, Row
from vlab.riscv.meaning import MEMORY, meaning

_PAGES = -4096
_ALIGNED = 32  # bytes: where a handler lies is worth a fifth of a loop's speed
_NARROW = {"byte": 8, "half": 16, "word": 32}
_TAG_SHIFT = 12 - QUICK_SIZE.bit_length() + 1
_TAG_MASK = (SETS - 1) * QUICK_SIZE


def handlers() -> Iterator[tuple[str, str]]:
    """The name and the IR of each handler."""
    for base, size in dict.fromkeys((row.base, row.size) for row in ROWS.values()):
        row = ROWS[base]
        if native(row):
            name = handler_name(base, size)
            kinds = ["", *NEAR] if jumps_near(row) else [""] if jumps(row) else ["", "last"]
            if links(row):
                kinds += QUIET
            if called(row) & MEMORY.keys():
                kinds += ["slow", "last.slow"]
            for kind in kinds:
                full = f"{name}.{kind}".rstrip(".")
                yield full, _Handler(row, full, size, kind).write()
    for pair in PAIRS:
        yield pair.name, _pair(pair)


def _pair(pair: Pair) -> str:
    """The IR of the handler of two instructions. Where one of them can't go on, its own handler takes over."""
    first, second = ROWS[pair.first], ROWS[pair.second]
    one = _Handler(first, first.name, first.size, "")
    one.body()
    kind = (QUIET if links(second) else NEAR)[pair.back] if jumps(second) else ""
    two = _Handler(second, second.name, second.size, kind, one, pair.by)
    two.end(two.body())
    return two.function(pair.name)


class _Handler:
    """Writes one handler.

    Of a row there are several kinds. A "near" one jumps inside its page: its immediate is the way to the slot there;
    a "back" one does that too, to a slot before its own. A "quiet" one writes no register.
    A "last" one ends a straight line, though another follows. A "slow" one accesses memory that has no tag, so it
    asks a routine; or has another addend than the last.
    """

    def __init__(
        self, row: Row, name: str, size: int, kind: str, before: "_Handler | None" = None, by: str = ""
    ):
        self._row, self._name, self._size = row, name, size
        self._quiet, self._near, self._back = kind in QUIET, kind in NEAR + QUIET, "back" in kind
        self._last, self._slow = "last" in kind, "slow" in kind
        self._text: Text = Text() if before is None else before._text
        text = self._text
        self._slot = "%slot" if before is None else before._following()
        self._result: str = ""  # what is written into rd
        self._given = {by: before._result} if before is not None and by else {}
        used = {n.id for s in meaning(row) for n in ast.walk(s) if isinstance(n, ast.Name)}
        self._names = {name: value for name in sorted(used) if (value := self._operand(name)) is not None}
        self._far = "%far"  # how far away in the host the guest's memory is
        self._hosts: dict[str, str] = {}  # where in the host an address leads that has been checked
        calls = {"load": self._load, "amo_load": self._amo_load, "load_reserved": self._load_reserved}
        calls["store_conditional"] = self._store_conditional
        calls |= dict.fromkeys(ROUTINES, self._routine)
        self._expressions = Expressions(text, self._names, calls)

    def write(self) -> str:
        """The IR of the handler."""
        self.end(self.body())
        return self.function(self._name)

    def function(self, name: str) -> str:
        """What is written as a whole."""
        return self._text.function(f'define internal tailcc void @"{name}"({PARAMETERS}) #0 align {_ALIGNED}')

    def body(self) -> ast.expr | None:
        """What the instruction does; and where it jumps to."""
        text = self._text
        if self._slow:  # a store may forget the line, and the slot, that it stands in
            self._left = text.load(text.pointer(self._slot, LEFT), 16)
            self._rd = text.load(text.pointer(self._slot, RD), 8)
        jump: ast.expr | None = None
        for statement in meaning(self._row):
            match statement:
                case ast.Assign(targets=[ast.Name(id="pc")], value=value):
                    jump = value
                case ast.Assign(targets=[ast.Name(id="rd")], value=value) if not self._quiet:
                    self._result = self._expressions.low(value)
                    self._write_rd(self._result)
                case ast.Assign(targets=[ast.Name(id="there")], value=value):
                    there = self._expressions.low(value)
                    unaligned = text.load(text.pointer("%s", OFFSETS["unaligned"]), 64)
                    text.store(text.pointer("%s", OFFSETS["value"]), 64, there)
                    self._leave_if(text.value(f"and i64 {there}, {unaligned}"), "@misaligned")
                    self._names["there"] = Value(there)
                case ast.Assign(targets=[ast.Name(id=local)], value=value) if local != "rd":
                    self._names[local] = self._expressions.value(value)
                case ast.Expr(value=ast.Call(func=ast.Name(id="store"), args=[address, size, value])):
                    self._store(address, size, value)
                case ast.Expr(value=value) if called(self._row) & ROUTINES:
                    self._expressions.value(value)
        return jump

    def end(self, jump: ast.expr | None) -> None:
        """Go on to what comes next."""
        if called(self._row) & ROUTINES:
            if jump is not None:
                self._expressions.value(jump)
            go_on(self._text, "%count")
        elif jump is None:
            self._next()
        else:
            self._jump(jump)

    # Operands

    def _operand(self, name: str) -> Value | None:
        text = self._text
        match name:
            case "rs1" | "rs2" if name in self._given:
                return Value(self._given[name])
            case "rs1":
                return Value(self._register(RS1))
            case "rs2":
                return Value(self._register(IMM))
            case "imm" if self._near:
                return None
            case "source" | "zimm":
                return Value(text.load(text.pointer(self._slot, RS1), 8))
            case "csr":
                return Value(text.load(text.pointer(self._slot, IMM), 32))
            case "imm" | "shamt":
                narrow = "rs2" in self._row.operands
                place = text.pointer(self._slot, UPPER_IMM if narrow else IMM)
                return Value(text.load(place, 16 if narrow else 32, signed=True), Kind.SIGNED)
            case "pc":
                return None if self._near else Value(self._pc())
            case "next":
                if not any(assigns_rd(statement) for statement in meaning(self._row)):
                    return None  # a branch not taken goes on at the next slot
                return Value(text.value(f"add i64 {self._pc()}, {self._size}"))
        return None

    def _following(self) -> str:
        """The next slot."""
        return self._text.pointer(self._slot, SLOT * self._size // 2)

    def _register(self, place: int) -> str:
        text = self._text
        number = text.load(text.pointer(self._slot, place), 8)
        return text.load(text.value(f"getelementptr i64, ptr %s, i64 {number}"), 64)

    def _pc(self) -> str:
        text = self._text
        slot = text.value(f"ptrtoint ptr {self._slot} to i64")
        inside = text.value(f"and i64 {slot}, {0xFFFF}")
        offset = text.value(f"lshr i64 {inside}, {SLOT_SHIFT}")
        page = text.load(text.pointer("%s", OFFSETS["code_page"]), 64)
        return text.value(f"add i64 {page}, {offset}")

    def _write_rd(self, value: str) -> None:
        text = self._text
        number = self._rd if self._slow else text.load(text.pointer(self._slot, RD), 8)
        text.store(text.value(f"getelementptr i64, ptr %s, i64 {number}"), 64, value)

    # What comes next

    def _next(self) -> None:
        """The next instruction of the straight line; if its page has to be fetched anew, the line ends early."""
        text = self._text
        slot = self._following()
        if self._slow:
            field = text.pointer("%s", OFFSETS["refetch"])
            gone, there = text.label(), text.label()
            text.branch(text.value(f"icmp eq i64 {text.load(field, 64)}, 0"), there, gone, likely=True)
            text.place(gone)
            text.store(field, 64, "0")
            count = text.value(f"sub i64 {text.value(f'add i64 %count, {self._left}')}, 1")
            following = text.value(f"add i64 {self._pc()}, {self._size}")
            tail(text, "@seek", text.as_pointer(following), count)
            text.place(there)
        if self._last:
            enter(text, slot, far=self._far)
        else:
            tail(text, text.value(f"load ptr, ptr {slot}, align 8"), slot, far=self._far)

    def _jump(self, value: ast.expr) -> None:
        match value:
            case ast.IfExp(test=test, body=body):
                text = self._text
                taken, other = text.label(), text.label()
                text.branch(self._expressions.condition(test), taken, other)
                text.place(taken)
                self._go(body)
                text.place(other)
                enter(text, self._following())
            case _:
                self._go(value)

    def _go(self, value: ast.expr) -> None:
        text = self._text
        if not self._near:
            tail(text, "@seek", text.as_pointer(self._expressions.low(value)))
            return
        narrow = "rs2" in self._row.operands
        place = text.pointer(self._slot, UPPER_IMM if narrow else IMM)
        there = text.pointer(self._slot, text.load(place, 16 if narrow else 32, signed=True))
        (enter_again if self._back else enter)(text, there)

    def _leave_if(self, number: str, to: str = "@leave") -> None:
        """Leave to Python before this instruction, or to another handler, if a number isn't zero."""
        text = self._text
        leaving, staying = text.label(), text.label()
        text.branch(text.value(f"icmp eq i64 {number}, 0"), staying, leaving, likely=True)
        text.place(leaving)
        tail(text, to, self._slot)
        text.place(staying)

    def _routine(self, call: ast.Call) -> Value:
        """A call of a routine that may refuse: then Python does the instruction."""
        text = self._text
        pc = self._pc()
        following = text.value(f"add i64 {pc}, {self._size}")
        for field, value in (("pc", following), ("count", "%count")):
            text.store(text.pointer("%s", OFFSETS[field]), 64, value)
        given = [text.value("ptrtoint ptr %s to i64"), pc, *map(self._expressions.low, call.args)]
        assert isinstance(call.func, ast.Name)
        done = text.value(f"call {routine(call.func.id, given)}")
        trapped, other, staying = text.label(), text.label(), text.label()
        text.branch(text.value(f"icmp eq i64 {done}, {YES}"), staying, other, likely=True)
        text.place(other)
        self._leave_if(text.value(f"xor i64 {done}, {TRAPPED}"))
        text.jump(trapped)
        text.place(trapped)
        go_on(text, "%count")
        text.place(staying)
        return Value(text.load(text.pointer("%s", OFFSETS["value"]), 64))

    # Memory

    def _host(self, address: ast.expr, size: int, need: int, *, aligned: bool = False) -> str:
        """Where in the host an address leads; Python does the instruction where it isn't plain memory."""
        if (known := self._hosts.get(ast.dump(address))) is not None:
            return known
        at = self._expressions.low(address)
        tag_at = READ_TAG if need == R else WRITE_TAG
        host = (
            self._located(at, size, need, tag_at, aligned) if self._slow else self._tagged(at, size, tag_at)
        )
        self._hosts[ast.dump(address)] = host
        return host

    def _entry(self, at: str, size: int, tag_at: int) -> tuple[str, str]:
        """How the tag of an address differs from what it should be: 0 if it doesn't; and its addend."""
        text = self._text
        wanted = text.value(f"and i64 {at}, {_PAGES | size - 1}")
        shifted = text.value(f"lshr i64 {at}, {_TAG_SHIFT}")
        entry = text.pointer("%tlb", text.value(f"and i64 {shifted}, {_TAG_MASK}"))
        tag = text.load(text.pointer(entry, tag_at), 64)
        return text.value(f"xor i64 {tag}, {wanted}"), text.load(text.pointer(entry, ADDEND), 64)

    def _tagged(self, at: str, size: int, tag_at: int) -> str:
        """The same by the tag of the page, and as far away as the last one; else the slow handler takes over."""
        text = self._text
        wrong, addend = self._entry(at, size, tag_at)
        elsewhere = text.value(f"xor i64 {addend}, %far")
        either = text.value(f"or i64 {wrong}, {elsewhere}")
        quick, slow = text.label(), text.label()
        text.branch(text.value(f"icmp eq i64 {either}, 0"), quick, slow, likely=True)
        text.place(slow)
        tail(text, f'@"{self._name}.slow"', self._slot)
        text.place(quick)
        return text.as_pointer(text.value(f"add i64 {at}, %far"))

    def _located(self, at: str, size: int, need: int, tag_at: int, aligned: bool) -> str:
        """The same by the tag, however far away; or by asking a routine."""
        text = self._text
        wrong, addend = self._entry(at, size, tag_at)
        tagged, asking, there = text.label(), text.label(), text.label()
        text.branch(text.value(f"icmp eq i64 {wrong}, 0"), tagged, asking)
        text.place(tagged)
        quick = text.value(f"add i64 {at}, {addend}")
        text.jump(there)
        text.place(asking)
        state, context = (text.value(f"ptrtoint ptr {name} to i64") for name in ("%s", "%tlb"))
        left = text.value(f"sub i64 {text.load(text.pointer(self._slot, LEFT), 16)}, 1")
        text.store(text.pointer("%s", OFFSETS["count"]), 64, text.value(f"add i64 %count, {left}"))
        asked = routine("locate_aligned" if aligned else "locate", [state, context, at, str(size), str(need)])
        found = text.value(f"call {asked}")
        refused, known = text.label(), text.label()
        text.branch(text.value(f"icmp ne i64 {found}, 0"), known, refused, likely=True)
        text.place(refused)
        text.store(text.pointer("%s", OFFSETS["value"]), 64, at)
        tail(text, "@refused", self._slot)
        text.place(known)
        text.jump(there)
        text.place(there)
        host = text.value(f"phi i64 [ {quick}, %{tagged} ], [ {found}, %{known} ]")
        self._far = text.value(f"sub i64 {host}, {at}")
        return text.as_pointer(host)

    def _load(self, call: ast.Call) -> Value:
        address, size = call.args[0], _size(call.args[1])
        return Value(self._text.load(self._host(address, size, R), 8 * size))

    def _amo_load(self, call: ast.Call) -> Value:
        address, size = call.args[0], _size(call.args[1])
        return Value(self._text.load(self._host(address, size, W, aligned=True), 8 * size))

    def _physical(self, host: str) -> str:
        """The physical address of a place in the host's memory."""
        text = self._text
        ram, base = (text.load(text.pointer("%s", OFFSETS[name]), 64) for name in ("ram", "base"))
        inside = text.value(f"sub i64 {text.value(f'ptrtoint ptr {host} to i64')}, {ram}")
        return text.value(f"add i64 {inside}, {base}")

    def _load_reserved(self, call: ast.Call) -> Value:
        text, (address, size) = self._text, call.args
        host = self._host(address, _size(size), R, aligned=True)
        for field, value in (("reserved", self._physical(host)), ("reserved_size", str(_size(size)))):
            text.store(text.pointer("%s", OFFSETS[field]), 64, value)
        return Value(text.load(host, 8 * _size(size)))

    def _store_conditional(self, call: ast.Call) -> Value:
        text, (address, size, value) = self._text, call.args
        stored = self._expressions.low(value)
        host = self._host(address, _size(size), W, aligned=True)
        place, length = (text.pointer("%s", OFFSETS[name]) for name in ("reserved", "reserved_size"))
        here = text.value(f"icmp eq i64 {text.load(place, 64)}, {self._physical(host)}")
        alike = text.value(f"icmp eq i64 {text.load(length, 64)}, {_size(size)}")
        held = text.value(f"and i1 {here}, {alike}")
        text.store(length, 64, "0")
        storing, after = text.label(), text.label()
        text.branch(held, storing, after)
        text.place(storing)
        text.store(host, 8 * _size(size), stored)
        text.jump(after)
        text.place(after)
        return Value(text.value(f"zext i1 {text.value(f'xor i1 {held}, true')} to i64"))

    def _store(self, address: ast.expr, size: ast.expr, value: ast.expr) -> None:
        length, text = _size(size), self._text
        stored = self._expressions.low(value)
        if self._slow:
            following = text.value(f"add i64 {self._pc()}, {self._size}")
            for field, told in (("stored", stored), ("width", str(length)), ("next", following)):
                text.store(text.pointer("%s", OFFSETS[field]), 64, told)
        text.store(self._host(address, length, W), 8 * length, stored)


def _size(node: ast.expr) -> int:
    assert isinstance(node, ast.Constant) and isinstance(node.value, int)
    return node.value
