"""Address translation in the hart: walks, the TLB that remembers them, and PMP.

There is one TLB a *context*: a mode with the settings that change what it may reach (SUM, MXR, paging on or
off). Each is direct-mapped. Its entries are state: software that forgets a fence sees the old ones. The
dictionaries beside them (`reads`, `writes`) are only a quicker way to the same pages of RAM.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from vlab.events import TlbFill, TlbFlush
from vlab.language import _
from vlab.machine.choices import tlb_index
from vlab.machine.csrfile import ADUE
from vlab.machine.memory import PAGE
from vlab.machine.pmp import NEEDED, Pmp, R, W, X
from vlab.paging import SV39, SV48, Flags, Walk, walk
from vlab.riscv import Access, Mode, Trap
from vlab.riscv.csrs import CSRS
from vlab.riscv.privilege import ACCESS_FAULT, mode_name

if TYPE_CHECKING:
    from vlab.machine.hart import Hart

PHYSICAL_BITS = 56
_MOST_WALKED = 4096  # walks that a hart without a TLB remembers
SCHEMES = {scheme.mode: scheme for scheme in (SV39, SV48)}  # by MODE of `satp`
_SUM, _MXR, _MPRV = (CSRS["mstatus"][name].mask for name in ("SUM", "MXR", "MPRV"))
_FLAG_R, _FLAG_W, _FLAG_X, _FLAG_U, _FLAG_D = (int(Flags[name]) for name in "RWXUD")


class Key(NamedTuple):
    """What a context is known by: the mode, and the settings that matter in it.

    In a `virtual` one (V = 1) `paged` is about the VS-stage, and `nested` tells whether there is a G-stage, of which
    `host_mxr` is the setting.
    """

    mode: Mode
    paged: bool = False
    sum: bool = False
    mxr: bool = False
    virtual: bool = False
    nested: bool = False
    host_mxr: bool = False

    def __str__(self) -> str:
        name = mode_name(self.mode, self.virtual)
        shown = ("SUM", self.sum), ("MXR", self.mxr), ("G", self.nested), ("G-MXR", self.host_mxr)
        return "+".join([name if self.paged else f"{name} unpaged", *(text for text, on in shown if on)])

    @property
    def walked(self) -> bool:
        """Whether there is any table to walk."""
        return self.paged or self.nested


class Entry(NamedTuple):
    """One remembered translation: virtual page, physical page, the context's rights there (R, W, X bits)."""

    page: int
    frame: int
    rights: int


class Found(NamedTuple):
    """What a translation found: where, with which rights, and whether they hold for the whole page.

    `span` is the size of the guest's page: larger than 4 KiB for a superpage.
    """

    physical: int
    rights: int
    whole: bool
    span: int = PAGE


@dataclass(slots=True, eq=False)
class Context:
    """One TLB: `entries` by index, and `reads` and `writes`, the quick way to what they translate.

    Those two hold, by the virtual address of a page: where it lies in RAM, less that address. A quick access
    looks up its address without the offset bits that an aligned one may have set: so a misaligned one finds
    nothing there, and goes the long way.
    """

    key: Key
    entries: dict[int, Entry] = field(default_factory=dict)
    reads: dict[int, int] = field(default_factory=dict)
    writes: dict[int, int] = field(default_factory=dict)
    walked: bool = field(init=False)

    def __post_init__(self) -> None:
        self.walked = self.key.walked

    def find(self, address: int) -> Entry | None:
        """What is remembered of the page of a virtual address."""
        page = address // PAGE
        entry = self.entries.get(tlb_index(page))
        return entry if entry is not None and entry.page == page else None

    def holds(self, address: int, physical: int, right: int) -> bool:
        """Whether it remembers that this virtual address leads there, with this right (R, W or X)."""
        entry = self.find(address)
        return entry is not None and entry.frame == physical // PAGE and bool(entry.rights & right)

    def clear(self) -> None:
        """Forget all translations."""
        self.entries.clear()
        self.reads.clear()
        self.writes.clear()


class Walked(NamedTuple):
    """What a walk `found`, which holds while one would read the same: by this PMP, these entries of that size."""

    pmp: Pmp
    size: int
    read: tuple[tuple[int, int | None], ...]
    found: Found


class Mmu:
    """The translations of one hart. A hart without a TLB (a virtual one) reads the tables every time."""

    def __init__(self, hart: "Hart", cached: bool, make_context: Callable[["Key"], Context] = Context):
        self._hart = hart
        self._cached = cached
        self._ad_by_adue = "svadu" in hart.computer.extensions
        self._always_ad = not self._ad_by_adue and "svade" not in hart.computer.extensions
        self._make_context = make_context
        self.contexts: dict[Key, Context] = {}
        self._walked: dict[tuple[Any, ...], Walked] = {}
        self._chosen: dict[tuple[int, ...], Context] = {}  # by what decides which one: quicker than its key
        self.select()

    def __repr__(self) -> str:
        return _("MMU in {context}: {count} translations remembered").format(
            context=self.fetches.key, count=sum(len(context.entries) for context in self.contexts.values())
        )

    def select(self) -> None:
        """Choose the contexts for fetches and for data that fit the hart's mode and `mstatus` now."""
        hart = self._hart
        status = hart.csr.values["mstatus"]
        self.fetches = self._context_of(hart.mode, status)
        self.data = self._context_of(data_mode(hart.mode, status), status) if status & _MPRV else self.fetches

    def _context_of(self, mode: Mode, status: int) -> Context:
        decides = mode, status & (_SUM | _MXR), self._hart.csr.values["satp"] >> 60
        found = self._chosen.get(decides)
        if found is None:
            paged = mode != Mode.M and decides[-1] != 0
            supervisor = paged and mode == Mode.S
            key = Key(mode, paged, supervisor and bool(status & _SUM), paged and bool(status & _MXR))
            found = self._chosen[decides] = self.context(key)
        return found

    def context(self, key: Key) -> Context:
        """The context of this key."""
        found = self.contexts.get(key)
        if found is None:
            found = self.contexts[key] = self._make_context(key)
        return found

    def translate(self, address: int, access: Access, size: int = 1) -> int:
        """The physical address behind a virtual one, for `size` bytes that don't cross a page.

        Raises:
            Trap: the page fault or access fault that the access deserves, with the virtual address.
        """
        context = self.fetches if access is Access.FETCH else self.data
        entry = context.find(address) if self._cached else None
        if entry is not None and entry.rights & NEEDED[access]:
            return entry.frame * PAGE | address % PAGE
        found = self.resolve(address, access, size)
        if self._cached and found.whole:
            self._remember(context, Entry(address // PAGE, found.physical // PAGE, found.rights))
            self._hart.emit(TlbFill, address, found.physical, str(access), str(context.key))
        return found.physical

    def resolve(self, address: int, access: Access, size: int = 1, *, touch: bool = True) -> Found:
        """The translation made anew: a walk if paging is on, PMP asked. Traps like `translate`.

        A and D are set, unless `touch` is false: who only looks changes nothing.
        """
        context = self.fetches if access is Access.FETCH else self.data
        key = context.key
        if not context.walked:
            if address >> PHYSICAL_BITS:
                raise Trap(ACCESS_FAULT[access], address)
            return self._allowed(key, access, size, address, Found(address, R | W | X, True))
        place = context, self._hart.csr.values["satp"], address, access, size
        known = self._walked.get(place)
        if known is not None and self._holds(known):
            return known.found
        walked = self.walk(address, access, key)
        physical = self._settled(walked, touch)
        assert walked.page_size is not None
        reached = Found(physical, self._rights(walked, key), True, walked.page_size)
        found = self._allowed(key, access, size, address, reached)
        if not self._cached and not key.virtual and not walked.updates:
            if len(self._walked) >= _MOST_WALKED:
                self._walked.clear()
            read = tuple((step.address, step.raw) for step in walked.steps)
            self._walked[place] = Walked(self._hart.csr.pmp, walked.scheme.entry_size, read, found)
        return found

    def recall(self, seen: tuple[Mode, int, int], address: int, access: Access, size: int) -> int | None:
        """Where `resolve` would lead from another mode, `mstatus` and `satp`, without walking or setting A or D.

        None where that is not at hand.
        """
        mode, status, satp = seen
        context = self._chosen.get((mode, status & (_SUM | _MXR), satp >> 60))
        if context is None:
            return None
        if context.walked:
            known = self._walked.get((context, satp, address, access, size))
            return known.found.physical if known is not None and self._holds(known) else None
        granted = not address >> PHYSICAL_BITS and self._hart.csr.pmp.allowed(address, size, mode)
        return address if granted & NEEDED[access] else None

    def _allowed(self, key: Key, access: Access, size: int, address: int, reached: Found) -> Found:
        """What PMP leaves of a translation; Trap where it leaves too little."""
        pmp, physical = self._hart.csr.pmp, reached.physical
        allowed = pmp.allowed(physical, size, key.mode)
        if not allowed & NEEDED[access]:
            raise Trap(ACCESS_FAULT[access], address)
        whole = pmp.uniform(physical & -PAGE, PAGE)
        return Found(physical, reached.rights & allowed, whole, reached.span)

    def _holds(self, known: Walked) -> bool:
        """Whether a walk would read again what it read then."""
        if known.pmp is not self._hart.csr.pmp:
            return False
        load, size = self._hart.memory.load, known.size
        try:
            for at, raw in known.read:
                if load(at, size) != raw:
                    return False
        except Trap:
            return False
        return True

    def _settled(self, found: Walk, touch: bool) -> int:
        """The physical address that a walk found, its A and D set; or the trap for its fault."""
        if found.physical is None:
            assert found.fault is not None
            raise Trap(found.fault, found.address)
        self._set_accessed_and_dirty(found, touch)
        return found.physical

    def _rights(self, found: Walk, key: Key) -> int:
        """What a context may do where a walk has led."""
        assert found.flags is not None
        return rights(int(found.flags), key)

    def walk(self, address: int, access: Access, key: Key) -> Walk:
        """The walk of the page table that `satp` names, seen from a context; nothing is written."""
        satp = self._hart.csr.values["satp"]
        seen: dict[str, Any] = {
            "mode": key.mode,
            "sum": key.sum,
            "mxr": key.mxr,
            "hardware_ad": self._sets_ad("menvcfg"),
        }
        root, scheme = (satp & (1 << 44) - 1) << 12, SCHEMES[satp >> 60]
        return walk(self._load_entry, root, address, access, scheme=scheme, **seen)

    def _sets_ad(self, *csrs: str) -> bool:
        """Whether hardware sets A and D: as the computer was built, or (Svadu) where ADUE is set in all of these."""
        values = self._hart.csr.values
        return self._always_ad or (self._ad_by_adue and all(values[name] & ADUE for name in csrs))

    def _load_entry(self, address: int, size: int) -> int:
        if not self._hart.csr.pmp.allowed(address, size, Mode.S) & R:
            raise Trap(ACCESS_FAULT[Access.LOAD], address)
        return self._hart.memory.load(address, size)

    def _set_accessed_and_dirty(self, found: Walk, touch: bool) -> None:
        size = found.scheme.entry_size
        for at, _old, _new in found.updates:
            if not self._hart.csr.pmp.allowed(at, size, Mode.S) & W:
                raise Trap(ACCESS_FAULT[found.access], found.address)
        if touch and found.updates:
            computer = self._hart.computer
            with computer.history.machine.ram.written_by("page walk", computer):
                for at, _old, new in found.updates:
                    self._hart.memory.store(at, size, new)

    def _remember(self, context: Context, entry: Entry) -> None:
        index = tlb_index(entry.page)
        evicted = context.entries.get(index)
        if evicted is not None:
            if evicted.rights & X and evicted != entry:
                self._hart.interpreter.forget_page(context, evicted)
            context.reads.pop(evicted.page * PAGE, None)
            context.writes.pop(evicted.page * PAGE, None)
        context.entries[index] = entry

    def quicken(self, access: Access, address: int, physical: int) -> None:
        """Let later accesses of this kind to this page go straight to RAM, if the TLB holds it."""
        if self.data.holds(address, physical, NEEDED[access]):
            if access is Access.LOAD and not self._hart.memory.open_to_loads(physical):
                return
            table = self.data.reads if access is Access.LOAD else self.data.writes
            page = address & -PAGE
            table[page] = (physical & -PAGE) - self._hart.memory.base - page

    def flush(self, reason: str) -> None:
        """Forget every translation, in all contexts."""
        for context in self.contexts.values():
            context.clear()
        if self._cached:
            self._hart.interpreter.forget_translations()
            self._hart.emit(TlbFlush, reason)

    def slow_stores(self) -> None:
        """Let the next store to each page ask again whether it may go straight to RAM."""
        for context in self.contexts.values():
            context.writes.clear()

    def slow_loads(self) -> None:
        """The same for loads."""
        for context in self.contexts.values():
            context.reads.clear()


def data_mode(mode: Mode, status: int) -> Mode:
    """The mode in which loads and stores are checked: with MPRV in M, the one in MPP (3.1.6.3)."""
    return Mode(status >> 11 & 3) if status & _MPRV and mode == Mode.M else mode


def rights(flags: int, key: Key) -> int:
    """What a context may do through a leaf with these flags (R, W, X bits); W only if the page is dirty."""
    user = bool(flags & _FLAG_U)
    if key.mode == Mode.U and not user:
        return 0
    foreign = key.mode == Mode.S and user
    if foreign and not key.sum:
        return 0
    can = R if flags & _FLAG_R or (key.mxr and flags & _FLAG_X) else 0
    can |= W if flags & _FLAG_W and flags & _FLAG_D else 0
    return can | (X if flags & _FLAG_X and not foreign else 0)
