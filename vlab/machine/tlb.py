"""What the TLB holds, as a value; and a run in which its hits, misses and flushes are counted.

Misses and flushes are events. Hits are none: the quick way through the TLB must cost nothing, so nobody counts
them there. `watch` counts them instead by looking, before each of some instructions, at what it will access.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from vlab.display import Drawn
from vlab.events import Event, TlbFill, TlbFlush
from vlab.language import VlabError, _
from vlab.machine.choices import TLB_ENTRIES, tlb_index
from vlab.machine.hart import MASK, Hart
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Context
from vlab.machine.pmp import NEEDED
from vlab.riscv import Access
from vlab.riscv.instructions import Row
from vlab.riscv.meaning import MEMORY, meaning

if TYPE_CHECKING:
    from vlab.machine.machine import Machine

MOST_WATCHED = 1_000_000  # instructions


class TlbEntry(NamedTuple):
    """One entry: the set (`index`) that it stands in, its tag, and what it says of it.

    `page` is the virtual page's number, which is the tag; `frame` the physical one's; `rights` R, W, X bits.
    """

    index: int  # type: ignore[assignment]  # it hides a tuple's `index`, which an entry has no use for
    page: int
    frame: int
    rights: int


class TlbContext(NamedTuple):
    """The entries of one context (a mode with its settings), by index."""

    name: str
    entries: tuple[TlbEntry, ...]


def context_title(name: str) -> str:
    """A context's name as a reader reads it: "S unpaged" in the reader's language."""
    mode, unpaged, settings = name.partition(" unpaged")
    return _("{mode} unpaged").format(mode=mode) + settings if unpaged else name


class Tally(NamedTuple):
    """How often the TLB had what was wanted, how often not, and how often it was emptied."""

    hits: int = 0
    misses: int = 0
    flushes: int = 0


@dataclass(frozen=True, slots=True)
class Tlb(Drawn):
    """The TLB of a machine at one moment.

    `fetches` and `data` name the contexts in use now. In a run that was watched, `last` is the event that led
    here, `dropped` what a flush took away, `evicted` the entry whose place was taken, `tally` the counts so far.
    """

    time: int
    fetches: str
    data: str
    contexts: tuple[TlbContext, ...]
    last: TlbFill | TlbFlush | None = None
    dropped: tuple[TlbContext, ...] = ()
    evicted: TlbEntry | None = None
    tally: Tally | None = None

    @property
    def filled(self) -> TlbEntry | None:
        """The entry that the last event made."""
        if not isinstance(self.last, TlbFill):
            return None
        page = self.last.address // PAGE
        named = (context for context in self.contexts if context.name == self.last.context)
        return next((entry for context in named for entry in context.entries if entry.page == page), None)

    def __repr__(self) -> str:
        counts = ", ".join(
            _("{context} {count}").format(context=context_title(context.name), count=len(context.entries))
            for context in self.contexts
            if context.entries
        )
        said = _("TLB at time {time}, {sets} sets a context: {counts}").format(
            time=self.time, sets=TLB_ENTRIES, counts=counts or _("no entries")
        )
        if self.tally is None:
            return said
        return _("{tlb}; hits {hits}, misses {misses}, flushes {flushes}").format(
            tlb=said, **self.tally._asdict()
        )


class Moment(NamedTuple):
    """An event of the TLB, the entry that it made (None for a flush), and the hits before it.

    `fetches` and `data` are the contexts in use then.
    """

    event: TlbFill | TlbFlush
    entry: TlbEntry | None
    hits: int
    fetches: str
    data: str


@dataclass(frozen=True, slots=True)
class TlbRun(Drawn):
    """A run whose use of the TLB was watched: a sequence of `Tlb`, `before` and then one after each event.

    An access is one page of a fetch, load or store; an atomic is one. What faults is neither hit nor miss, nor
    is what the TLB can't keep (a page with several PMP regions).
    """

    before: Tlb
    moments: tuple[Moment, ...]
    instructions: int
    hits: int

    @property
    def tally(self) -> Tally:
        """The counts of the whole run."""
        flushes = sum(moment.entry is None for moment in self.moments)
        return Tally(self.hits, len(self.moments) - flushes, flushes)

    def __len__(self) -> int:
        return len(self.moments) + 1

    def __iter__(self) -> Iterator[Tlb]:
        tlb = replace(self.before, tally=Tally())
        yield tlb
        for moment in self.moments:
            tlb = _after(tlb, moment)
            yield tlb

    def __getitem__(self, number: int) -> Tlb:
        wanted = range(len(self))[number]
        return next(tlb for at, tlb in enumerate(self) if at == wanted)

    def __repr__(self) -> str:
        return _(
            "TLB over {instructions} instructions: hits {hits}, misses {misses}, flushes {flushes}"
        ).format(instructions=self.instructions, **self.tally._asdict())


def snapshot(hart: Hart) -> Tlb:
    """What a hart's TLB holds now."""
    mmu = hart.mmu
    contexts = sorted(mmu.contexts.items())
    return Tlb(
        time=hart.computer.time,
        fetches=str(mmu.fetches.key),
        data=str(mmu.data.key),
        contexts=tuple(TlbContext(str(key), _entries(context)) for key, context in contexts),
    )


def _entries(context: Context) -> tuple[TlbEntry, ...]:
    return tuple(TlbEntry(index, *entry) for index, entry in sorted(context.entries.items()))


def _after(tlb: Tlb, moment: Moment) -> Tlb:
    """The TLB after one more event."""
    tally, event, entry = tlb.tally or Tally(), moment.event, moment.entry
    now = replace(tlb, time=event.time, fetches=moment.fetches, data=moment.data)
    now = replace(now, last=event, dropped=(), evicted=None)
    if entry is None or isinstance(event, TlbFlush):
        dropped = tuple(context for context in tlb.contexts if context.entries)
        empty = tuple(TlbContext(context.name, ()) for context in tlb.contexts)
        tally = Tally(moment.hits, tally.misses, tally.flushes + 1)
        return replace(now, contexts=empty, dropped=dropped, tally=tally)
    contexts, evicted = {context.name: context for context in tlb.contexts}, None
    held = {one.index: one for one in contexts.get(event.context, TlbContext("", ())).entries}
    if entry.index in held and held[entry.index].page != entry.page:
        evicted = held[entry.index]
    held[entry.index] = entry
    contexts[event.context] = TlbContext(event.context, tuple(held[index] for index in sorted(held)))
    tally = Tally(moment.hits, tally.misses + 1, tally.flushes)
    return replace(now, contexts=tuple(contexts.values()), evicted=evicted, tally=tally)


# Watching a run


class Wanted(NamedTuple):
    """One access that an instruction is about to make."""

    context: Context
    address: int
    access: Access

    @property
    def held(self) -> bool:
        """Whether the TLB has it, with the right that it needs."""
        entry = self.context.find(self.address)
        return entry is not None and bool(entry.rights & NEEDED[self.access])


def watch(machine: "Machine", instructions: int) -> TlbRun:
    """Run so many instructions one by one, and count: see `Machine.watch_tlb`."""
    if not 0 < instructions <= MOST_WATCHED:
        raise VlabError(
            _("{count} instructions can't be watched.").format(count=instructions),
            mend=_("Choose a number from 1 to {most}.").format(most=MOST_WATCHED),
        )
    hart, hits = machine.hart, 0
    moments: list[Moment] = []

    def listen(event: Event) -> None:
        mmu, entry = hart.mmu, None
        if not isinstance(event, TlbFill | TlbFlush):
            return
        if isinstance(event, TlbFill):
            filled = next(c for c in mmu.contexts.values() if str(c.key) == event.context).find(event.address)
            assert filled is not None, "the event follows the fill"
            entry = TlbEntry(tlb_index(filled.page), *filled)
        moments.append(Moment(event, entry, hits, str(mmu.fetches.key), str(mmu.data.key)))

    before, first = snapshot(hart), machine.steps
    machine.events.listen(listen)
    try:
        while machine.steps < first + instructions and machine.status is None and machine.catch_up():
            wanted = [(one, one.held) for one in _accesses(hart)]
            known, here = len(moments), machine.steps
            machine.run(1)
            if machine.steps == here:
                break  # a resident sleeps, and nothing will wake it
            missed = {
                (moment.event.address // PAGE, moment.event.access)
                for moment in moments[known:]
                if isinstance(moment.event, TlbFill)
            }
            hits += _hits(wanted, missed)
    finally:
        machine.events.unlisten(listen)
    return TlbRun(before, tuple(moments), machine.steps - first, hits)


def _hits(wanted: list[tuple[Wanted, bool]], missed: set[tuple[int, str]]) -> int:
    """How many of an instruction's accesses the TLB had; those after one that faulted were never made."""
    hits = 0
    for one, held in wanted:
        if (one.address // PAGE, str(one.access)) in missed:
            continue
        if not held:
            break
        hits += 1
    return hits


def _accesses(hart: Hart) -> Iterator[Wanted]:
    """What the instruction at pc accesses: its own word, then its data, a page at a time. Changes nothing.

    A resident's GATE is nowhere: no TLB holds it.
    """
    mmu, pc = hart.mmu, hart.pc
    yield Wanted(mmu.fetches, pc, Access.FETCH)
    instruction = hart.instruction_at(pc)
    if instruction is None:
        return
    if pc % PAGE + instruction.row.size > PAGE:
        yield Wanted(mmu.fetches, pc + 2 & MASK, Access.FETCH)
    use = _memory_use(instruction.row)
    if use is None:
        return
    access, size, atomic = use
    first = hart.x[instruction["rs1"]] + instruction["imm"] & MASK
    if atomic and first % size:
        return  # it traps before anything is translated
    for address in dict.fromkeys((first, first + size - 1 & MASK)):
        if address == first or address // PAGE != first // PAGE:
            yield Wanted(mmu.data, address & -PAGE if address != first else first, access)


@cache
def _memory_use(row: Row) -> tuple[Access, int, bool] | None:
    """Whether an instruction loads or stores, how many bytes, and whether it is an atomic."""
    calls = [node for part in meaning(row) for node in ast.walk(part) if isinstance(node, ast.Call)]
    named = {call.func.id: call for call in calls if isinstance(call.func, ast.Name)}
    name = next((name for name in named if name in MEMORY), None)
    if name is None:
        return None
    size = ast.literal_eval(named[name].args[1])
    access = Access.LOAD if name in ("load", "load_reserved") else Access.STORE
    return access, size, name not in ("load", "store")
