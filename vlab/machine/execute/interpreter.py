"""The reference engine: instructions decoded once into Python closures, and a loop that calls them.

A *view* is a pair of contexts, one for fetches and one for data. Its `code` maps a virtual pc to the
operation there; it holds only pages that the TLB of its fetch context holds, so a hit is a TLB hit.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vlab.machine.choices import SINK
from vlab.machine.execute.lowering import Operation, factory
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Context, Entry
from vlab.machine.pmp import X
from vlab.riscv import Cause, Trap
from vlab.riscv.instructions import ROWS, length

if TYPE_CHECKING:
    from vlab.machine.hart import Hart

# Decoded instructions kept: a guest that jumps everywhere must not fill the host's memory.
MOST_OPERATIONS = 100_000
_MOST_SINGLE = 4096  # those executed by themselves, as a hypervisor's emulation does
_MOST_PLACES = 16  # where one page of code is mapped at more places, a store to it drops it from all of them


class Leave(Exception):
    """The loop must look around before the next instruction, which is at `pc`."""

    def __init__(self, pc: int):
        self.pc = pc


@dataclass(slots=True)
class View:
    """The code that one pair of contexts sees: `code` by virtual pc, and all that is `decoded`.

    `decoded` is by physical page, then by virtual page (a page may be mapped twice), then by pc.
    """

    fetches: Context
    data: Context
    code: dict[int, Operation] = field(default_factory=dict)
    decoded: dict[int, dict[int, dict[int, Operation]]] = field(default_factory=dict)


class Interpreter:
    """Executes instructions of one hart."""

    def __init__(self, hart: "Hart"):
        self._hart = hart
        self._views: dict[tuple[Context, Context], View] = {}
        self._single: dict[tuple[int, int, Context], Operation] = {}
        self._count = 0  # operations kept in all views
        self.breakpoints: frozenset[int] = frozenset()  # virtual addresses before which the loop is left
        self.hit = False  # whether it was, since somebody last looked

    def stop_at(self, addresses: Iterable[int]) -> None:
        """Leave the loop before an instruction at one of these virtual addresses; none is ever decoded."""
        self.breakpoints, self.hit = frozenset(addresses), False
        for view in self._views.values():
            for pc in self.breakpoints:
                view.code.pop(pc, None)

    def operation(self, word: int, pc: int) -> Operation:
        """The operation of one instruction, to be executed by itself."""
        key = (word, pc, self._hart.mmu.data)
        found = self._single.get(key)
        if found is None:
            if len(self._single) >= _MOST_SINGLE:
                self._single.clear()
            found = self._single[key] = self._build(word, pc, self._hart.mmu.data)
        return found

    def _build(self, word: int, pc: int, data: Context) -> Operation:
        instruction = self._hart.decode(word)
        if instruction is None:
            return _illegal(word)
        hart, values = self._hart, instruction.values
        return factory(ROWS[instruction.row.base])(
            *(hart, hart.x, data.reads, data.writes, hart.memory.views),
            values.get("rd", 0) or SINK,
            *(values.get(name, 0) for name in ("rs1", "rs2", "imm", "shamt", "zimm", "csr", "source")),
            *(word, pc, pc + instruction.row.size & (1 << 64) - 1, hart.parcel - 1),
        )

    # The loop

    def run(self, attempts: Iterator[None], uncount: Callable[[], None]) -> None:
        """Attempt an instruction for each that `attempts` gives; stop early at a trap or change of control.

        The machine's time follows the iterator; `uncount` takes the last attempt back.
        """
        hart = self._hart
        code = self._view().code
        pc = hart.pc
        try:
            while True:
                try:
                    for _attempt in attempts:
                        pc = code[pc]()
                    hart.pc = pc
                    return
                except KeyError:
                    if pc in code:
                        raise
                    hart.pc = pc
                operation = self._missed(pc, uncount)
                if operation is None:
                    return
                pc = operation()
        except Leave as leave:
            hart.pc = leave.pc
        except Trap as trap:
            hart.pc = pc
            hart.trap(trap.cause, trap.value, raised=trap)

    def _missed(self, pc: int, uncount: Callable[[], None]) -> Operation | None:
        """The operation at `pc`, decoded now; None if there is a breakpoint, where nothing is attempted."""
        hart = self._hart
        if pc in self.breakpoints:
            self.hit = True
            uncount()
            return None
        physical = hart.fetch_address(pc)
        word = hart.whole(pc, physical)
        across = pc % PAGE + length(word) > PAGE  # what two pages hold, is looked for anew each time
        if not across and self._view().fetches.holds(pc, physical, X):
            return self._keep(pc, physical, word)
        return self.operation(word, pc)

    def _keep(self, pc: int, physical: int, word: int) -> Operation:
        """Put the operation at `pc` where the loop finds it, and others of its page decoded before; the operation."""
        if self._count >= MOST_OPERATIONS:
            self._drop_all()
        view = self._view()
        page = view.decoded.setdefault(physical // PAGE, {}).setdefault(pc // PAGE, {})
        if pc in page:
            view.code.update(page)
            for address in self.breakpoints:
                view.code.pop(address, None)
        else:
            self._hart.memory.hold_code(physical)
            view.code[pc] = page[pc] = self._build(word, pc, view.data)
            self._count += 1
        return page[pc]

    def _view(self) -> View:
        mmu = self._hart.mmu
        key = (mmu.fetches, mmu.data)
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = View(mmu.fetches, mmu.data)
        return view

    # Forgetting

    def forget_translations(self) -> None:
        """The TLB is empty: no code is to be found without asking it again."""
        for view in self._views.values():
            view.code.clear()

    def forget_page(self, context: Context, entry: Entry) -> None:
        """This TLB has forgotten one entry: the code behind it is to be found no more."""
        for view in self._views.values():
            if view.fetches is context:
                for pc in view.decoded.get(entry.frame, {}).get(entry.page, ()):
                    view.code.pop(pc, None)

    def written(self, address: int, size: int) -> bool:
        """Bytes of a page that holds decoded code were written: decode these anew when next fetched.

        Returns whether the page still holds others.
        """
        frame, parcel = address // PAGE, self._hart.parcel
        first = max(0, (address % PAGE - 4 + parcel) & -parcel)  # an instruction before it may reach there
        end = address % PAGE + size
        left = [self._drop(view, frame, first, end) for view in self._views.values()]
        return any(left)

    def _drop(self, view: View, frame: int, first: int, end: int) -> bool:
        """Forget what a view has decoded between two offsets of a physical page; has it more of it?"""
        pages = view.decoded.get(frame, {})
        if len(pages) > _MOST_PLACES:
            first, end = 0, PAGE
        for page in list(pages):
            for pc in range(page * PAGE + first, page * PAGE + end, self._hart.parcel):
                if pages[page].pop(pc, None) is not None:
                    view.code.pop(pc, None)
                    self._count -= 1
            if not pages[page]:
                del pages[page]
        if not pages:
            view.decoded.pop(frame, None)
        return bool(pages)

    def _drop_all(self) -> None:
        """Forget all decoded instructions."""
        for view in self._views.values():
            view.code.clear()
            view.decoded.clear()
        self._count = 0


def _illegal(word: int) -> Operation:
    def operation() -> int:
        raise Trap(Cause.ILLEGAL_INSTRUCTION, word)

    return operation
