"""The reference engine: instructions decoded once into Python closures, and a loop that calls one after the other.

A *view* is a pair of contexts, one for fetches and one for data. Its `code` maps a virtual pc to the operation there; it
holds only pages that the TLB of its fetch context holds, so a hit is a TLB hit.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vlab.machine.execute.lowering import Operation, factory
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Context, Key
from vlab.riscv import Cause, Trap
from vlab.riscv.instructions import decode

if TYPE_CHECKING:
    from vlab.machine.hart import Hart

_MOST_OPERATIONS = 200_000  # decoded instructions kept; a guest that jumps everywhere must not fill the host's memory
_SINK = 32  # where writes to x0 go


class Leave(Exception):
    """The loop must look around before the next instruction, which is at `pc`."""

    def __init__(self, pc: int):
        self.pc = pc


@dataclass(slots=True)
class View:
    """The code that one pair of contexts sees: `code` by virtual pc; `decoded` by (virtual, physical) page."""

    fetches: Context
    data: Context
    code: dict[int, Operation] = field(default_factory=dict)
    decoded: dict[tuple[int, int], dict[int, Operation]] = field(default_factory=dict)


class Interpreter:
    """Executes instructions of one hart."""

    def __init__(self, hart: "Hart"):
        self._hart = hart
        self._views: dict[tuple[Key, Key], View] = {}
        self._single: dict[tuple[int, int, Key], Operation] = {}
        self._operations = 0

    def operation(self, word: int, pc: int) -> Operation:
        """The operation of one instruction, to be executed by itself."""
        key = (word, pc, self._hart.mmu.data.key)
        found = self._single.get(key)
        if found is None:
            if len(self._single) > 4096:
                self._single.clear()
            found = self._single[key] = self._build(word, pc, self._hart.mmu.data)
        return found

    def _build(self, word: int, pc: int, data: Context) -> Operation:
        instruction = decode(word)
        if instruction is None:
            return _illegal
        hart, values, views = self._hart, instruction.values, self._hart.memory.views
        return factory(instruction.row)(
            *(hart, hart.x, data.reads, data.writes, views[1], views[2], views[4], views[8]),
            values.get("rd", 0) or _SINK,
            *(values.get(name, 0) for name in ("rs1", "rs2", "imm", "shamt", "zimm", "csr", "source")),
            *(pc, pc + 4 & (1 << 64) - 1),
        )

    def run(self, attempts: Iterator[int], uncount: Callable[[], None]) -> None:
        """Attempt instructions, one for each that `attempts` gives; stop early at a trap (taken) or change of control.

        The machine's time follows the iterator; `uncount` takes the last attempt back.
        """
        hart = self._hart
        code = self._view().code
        pc = hart.pc
        try:
            for _attempt in attempts:
                pc = code[pc]()
            hart.pc = pc
        except KeyError:
            if pc in code:
                raise
            hart.pc = pc
            self._miss(pc, uncount)
        except Leave as leave:
            hart.pc = leave.pc
        except Trap as trap:
            hart.pc = pc
            self.take(trap)

    def take(self, trap: Trap) -> None:
        """Enter the handler of an exception raised by the instruction at `pc`."""
        if trap.cause == Cause.ILLEGAL_INSTRUCTION:
            trap.value = self._hart.fetch(self._hart.pc)
        self._hart.trap(trap.cause, trap.value)

    def _miss(self, pc: int, uncount: Callable[[], None]) -> None:
        """Decode what stands at `pc`. This is no attempt yet, unless the fetch itself traps."""
        hart = self._hart
        try:
            self._decode(pc)
        except Trap as trap:
            hart.trap(trap.cause, trap.value)
        else:
            uncount()

    def _decode(self, pc: int) -> None:
        hart = self._hart
        physical = hart.fetch_address(pc)
        view = self._view()
        if self._operations >= _MOST_OPERATIONS:
            self.forget_all()
        page = view.decoded.setdefault((pc // PAGE, physical // PAGE), {})
        if pc not in page:
            hart.memory.hold_code(physical)
            page[pc] = self._build(hart.memory.load(physical, 4), pc, view.data)
            self._operations += 1
        # The whole page may be used if the TLB holds it; if PMP cuts it in pieces, only what was checked just now.
        view.code.update(page if view.fetches.holds(pc) else {pc: page[pc]})

    def _view(self) -> View:
        mmu = self._hart.mmu
        key = (mmu.fetches.key, mmu.data.key)
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = View(mmu.fetches, mmu.data)
        return view

    def forget(self, context: Context | None = None, page: int | None = None) -> None:
        """Take code out of the quick tables: everywhere, or one virtual page in the views of one context."""
        for view in self._views.values():
            if page is None:
                view.code.clear()
            elif view.fetches is context:
                for pc in range(page * PAGE, (page + 1) * PAGE, 4):
                    view.code.pop(pc, None)

    def written(self, address: int) -> None:
        """A page that holds decoded code was written: decode it again when it is next fetched."""
        for view in self._views.values():
            view.code.clear()
            for key in [key for key in view.decoded if key[1] == address // PAGE]:
                self._operations -= len(view.decoded.pop(key))

    def forget_all(self) -> None:
        """Drop all decoded instructions."""
        for view in self._views.values():
            view.code.clear()
            view.decoded.clear()
        self._operations = 0


def _illegal() -> int:
    raise Trap(Cause.ILLEGAL_INSTRUCTION)
