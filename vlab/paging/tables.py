"""Building and editing page tables in any physical memory."""

from collections.abc import Iterator
from contextlib import suppress
from enum import IntFlag
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from vlab.display import Drawn
from vlab.language import VlabError, _
from vlab.paging.entries import classify, entry, flags_of, rule_text
from vlab.paging.many import walk_many
from vlab.paging.memory import Frames, Memory, Store
from vlab.paging.schemes import PAGE_SHIFT, SV39, Scheme, make_satp, scheme_of, size_text
from vlab.paging.twostage import walk_two_stages
from vlab.paging.walk import Host, Walk, walk
from vlab.riscv.privilege import Access, Mode, Trap

if TYPE_CHECKING:
    import numpy

    from vlab.paging.walks import Walks

MAX_PAGES = 1 << 18  # one `map` call: a slip of the keyboard must not fill the memory
MAX_TABLES = 1 << 10  # one listing: tables that point back at themselves would never end


class Mapping(NamedTuple):
    """Pages that are neighbours: `size` bytes at virtual `address` go to `physical`.

    `entry` is the address of the first page's entry, `raw` its value.
    """

    address: int
    physical: int
    size: int
    flags: IntFlag
    level: int
    entry: int
    raw: int
    pages: int = 1


class PageTable(Drawn):
    """A page table in memory. `PageTable()` alone works: it brings a small memory of its own.

    `memory` is where the tables live; `frames` gives their frames and takes them back (by default `memory`
    does). With `root`, the table there is edited; else one is made. As on hardware, nobody who cached a
    translation hears of an edit. A Trap of the memory (an address it doesn't have) is passed on.
    """

    def __init__(
        self,
        memory: Store | None = None,
        scheme: Scheme | str = SV39,
        *,
        root: int | None = None,
        frames: Frames | None = None,
    ):
        self.memory: Store = Memory() if memory is None else memory
        self.frames = cast(Frames, self.memory) if frames is None else frames
        self.scheme = scheme_of(scheme)
        self.tables: dict[int, int] = {}  # the ones made here, below the root: address → bytes
        self.root = self._allocate(self.scheme.table_size()) if root is None else root

    @property
    def satp(self) -> int:
        """The satp value that selects this table, with ASID 0."""
        return make_satp(self.root, scheme=self.scheme)

    def map(
        self, address: int, physical: int, flags: IntFlag | int | str, size: int = 0, *, level: int = 0
    ) -> None:
        """Map `size` bytes (one page if not given) with pages of `level`; V is added to the flags (P in x86-64's).

        A page that is there already is replaced. Raises VlabError where addresses or size are not multiples
        of the page, the flags make no page, or a table or a page of another size is in the way.
        """
        page = self._page_size(level)
        bits = self._page_flags(flags, level)
        if (address | physical | size) % page or not 0 <= size <= page * MAX_PAGES:
            raise self._error(
                _("Addresses and size must be multiples of the page, {page}.").format(page=size_text(page)),
                _("At most {count} pages are mapped at once.").format(count=MAX_PAGES),
            )
        for offset in range(0, size or page, page):
            at = address + offset
            raw = self._leaf(entry(physical + offset >> PAGE_SHIFT, bits, scheme=self.scheme), level)
            slot = self._slot(at, level)
            if classify(self._load(slot), level, self.scheme) == "pointer":
                raise self._error(
                    _("At {at:#x} a table of smaller pages is in the way.").format(at=at),
                    _("Take it out with set({at:#x}, 0, level={level}).").format(at=at, level=level),
                )
            self._store(slot, raw)

    def unmap(self, address: int, size: int = 0) -> int:
        """Remove the page that holds `address`, or all pages within `size` bytes; returns how many."""
        pages = self._pages(address, size)
        for page in pages:
            self._store(page.entry, 0)
        return len(pages)

    def protect(self, address: int, flags: IntFlag | int | str, size: int = 0) -> int:
        """Give exactly these flags (and V) to the page that holds `address`, or to all within `size` bytes.

        Returns how many pages there were. Raises VlabError where the flags make no page.
        """
        pages = self._pages(address, size)
        for page in pages:
            raw = page.raw & ~self.scheme.format.mask | self._page_flags(flags, page.level)
            self._store(page.entry, self._leaf(raw, page.level))
        return len(pages)

    def set(self, address: int, raw: int, level: int = 0) -> None:
        """Write a raw entry, right or wrong, where `level` of the walk to `address` reads it."""
        self._page_size(level)
        self._store(self._slot(address, level), raw)

    def find(self, address: int) -> Mapping | None:
        """The page that holds `address`, whoever may touch it; None where nothing is mapped."""
        scheme, table = self.scheme, self.root
        with suppress(Trap):
            for level, shift, indices in scheme.descent if scheme.canonical(address) else ():
                at = table + (address >> shift & indices) * scheme.entry_size
                kind = classify(raw := self.memory.load(at, scheme.entry_size), level, scheme)
                if kind != "pointer":
                    return self._mapping(address, raw, level, at) if kind == "leaf" else None
                table = scheme.target(raw)
        return None

    def entries(self, start: int = 0, end: int = 1 << 64) -> Iterator[Mapping]:
        """The pages that touch [start, end), by rising address. Broken entries are passed over.

        Raises VlabError after 1,024 tables: hostile tables point back at themselves.
        """
        return self._leaves(self.root, self.scheme.levels - 1, 0, start, end, iter(range(MAX_TABLES)))

    def runs(self) -> Iterator[Mapping]:
        """The mappings, neighbours of the same size and flags merged."""
        run: Mapping | None = None
        for page in self.entries():
            if run:
                after = (run.address + run.size, run.physical + run.size, run.flags, run.level)
                if after == (page.address, page.physical, page.flags, page.level):
                    run = run._replace(size=run.size + page.size, pages=run.pages + 1)
                    continue
                yield run
            run = page
        if run:
            yield run

    def walk(
        self,
        address: int,
        access: Access | str = Access.LOAD,
        mode: Mode | str = Mode.U,
        *,
        host: "PageTable | None" = None,
        **status: Any,
    ) -> Walk:
        """Translate an address and write nothing; `status` is sum, mxr and hardware_ad of the walk.

        With `host`, the G-stage's table, this one stands in guest-physical memory and the walk has two stages
        (see `walk_two_stages`; `host_mxr` and `host_ad` are the second one's).
        """
        status |= {"mode": mode, "scheme": self.scheme}
        if host is None:
            return walk(self.memory.load, self.root, address, access, **status)
        second = Host(host.scheme, host.root, status.pop("host_mxr", False))
        return walk_two_stages(host.memory.load, self.root, address, access, host=second, **status)

    def walk_many(
        self,
        addresses: Any,
        access: Access | str = Access.LOAD,
        mode: Mode | str = Mode.U,
        *,
        host: "PageTable | None" = None,
        **status: Any,
    ) -> "Walks":
        """Translate an array of addresses, each as `walk` would: see `vlab.paging.walk_many`."""
        status |= {"mode": mode, "scheme": self.scheme}
        if host is not None:
            status["host"] = Host(host.scheme, host.root, status.pop("host_mxr", False))
        return walk_many((host or self).memory, self.root, addresses, access, **status)

    def touch(
        self,
        address: int,
        access: Access | str = Access.LOAD,
        mode: Mode | str = Mode.U,
        *,
        host: "PageTable | None" = None,
    ) -> Walk:
        """Walk, and write A and D back as hardware does."""
        done = self.walk(address, access, mode, host=host)
        for update in done.updates:
            (host or self)._store(update.address, update.new)
        return done

    def clear(self) -> None:
        """Empty the table: the root stays, the tables made here below it are released."""
        for slot in range(self.root, self.root + self.scheme.table_size(), self.scheme.entry_size):
            self._store(slot, 0)
        while self.tables:
            self.frames.release(*self.tables.popitem())

    def array(self, table: int | None = None) -> "numpy.ndarray[Any, Any]":
        """One table (the root if not given) as a numpy structured array; see `vlab.paging.table_array`."""
        from vlab.paging.arrays import table_array

        address, level = (self.root, self.scheme.levels - 1) if table is None else (table, 0)
        return table_array(self.memory, address, scheme=self.scheme, level=level)

    def __repr__(self) -> str:
        return _("{scheme} page table at {root:#x}").format(scheme=self.scheme.name, root=self.root)

    def __str__(self) -> str:
        lines = [repr(self)]
        try:
            for run in self.runs():
                virtual = f"{run.address:#x}–{run.address + run.size - 1:#x}"
                physical = f"{run.physical:#x}–{run.physical + run.size - 1:#x}"
                pages = f"{run.pages} × {size_text(run.size // run.pages)}"
                lines.append(f"{virtual} → {physical}  {run.flags}  {pages}")
        except VlabError as error:
            lines.append(f"… {error.what}")
        return "\n".join(lines)

    def _allocate(self, size: int) -> int:
        """Memory for a table; VlabError where it comes from nowhere: a computer's memory gives no frames."""
        if not hasattr(self.frames, "allocate"):
            what = _("This memory has no frames to give to page tables.")
            raise VlabError(what, where=repr(self.memory), mend=_("Say with `frames` where they come from."))
        return self.frames.allocate(size)

    def _load(self, slot: int) -> int:
        return self.memory.load(slot, self.scheme.entry_size)

    def _store(self, slot: int, raw: int) -> None:
        self.memory.store(slot, self.scheme.entry_size, raw)

    def _pages(self, address: int, size: int) -> list[Mapping]:
        """The page that holds `address`, if any; or those within `size` bytes, none of them cut."""
        if not size:
            found = self.find(address)
            return [found] if found else []
        pages = list(self.entries(address, address + size))
        for page in pages:
            if not address <= page.address <= address + size - page.size:
                raise self._error(
                    _("The page at {at:#x} is only partly in the range.").format(at=page.address),
                    _("It has {size}: take all of it.").format(size=size_text(page.size)),
                )
        return pages

    def _leaf(self, raw: int, level: int) -> int:
        """The same entry, once it is sure that it maps a page."""
        if (kind := classify(raw, level, self.scheme)) != "leaf":
            raise self._error(
                _("{raw:#x} ({flags}) maps no page: {why}.").format(
                    raw=raw, flags=self._flags(raw), why=rule_text(kind)
                ),
                _("A page needs R or X. To write a wrong entry on purpose, use `set`."),
            )
        return raw

    def _slot(self, address: int, level: int) -> int:
        """Where `level` of the walk to `address` reads its entry; tables are built on the way."""
        if not self.scheme.canonical(address):
            raise self._error(
                _("{address:#x} is not canonical.").format(address=address),
                _("Did you mean {address:#x}?").format(address=self.scheme.extend(address)),
            )
        table = self.root
        for at, shift, mask in self.scheme.descent:
            slot = table + (address >> shift & mask) * self.scheme.entry_size
            if at == level:
                break
            table = self._next_table(slot, at)
        return slot

    def _next_table(self, slot: int, level: int) -> int:
        """The table that the entry at `slot` points to, made now if it points nowhere."""
        raw = self._load(slot)
        kind = classify(raw, level, self.scheme)
        if kind == "pointer":
            return self.scheme.target(raw)
        if kind != "not-valid":
            raise self._error(
                _("The entry at {slot:#x} leads to no table: {why}.").format(slot=slot, why=rule_text(kind)),
                _("It stands at level {level}: unmap what is there first.").format(level=level),
            )
        size = self.scheme.table_size(level - 1)
        table = self._allocate(size)
        self.tables[table] = size
        self._store(slot, entry(table >> PAGE_SHIFT, self.scheme.format.pointer, scheme=self.scheme))
        return table

    def _leaves(
        self, table: int, level: int, base: int, start: int, end: int, budget: Iterator[int]
    ) -> Iterator[Mapping]:
        """The pages under one table whose first address is `base`."""
        if next(budget, None) is None:
            raise self._error(_("There are more than {count} tables.").format(count=MAX_TABLES))
        step, width = self.scheme.page_size(level), self.scheme.entry_size
        for index in range(self.scheme.table_size(level) // width):
            address = self.scheme.extend(base + index * step)
            if not start - step < address < end:
                continue
            slot = table + index * width
            try:
                raw = self.memory.load(slot, width)
            except Trap:
                return
            kind = classify(raw, level, self.scheme)
            if kind == "leaf":
                yield self._mapping(address, raw, level, slot)
            elif kind == "pointer":
                below = self.scheme.target(raw)
                yield from self._leaves(below, level - 1, base + index * step, start, end, budget)

    def _mapping(self, address: int, raw: int, level: int, slot: int) -> Mapping:
        size = self.scheme.page_size(level)
        target = self.scheme.target(raw) & -size  # x86-64 keeps a PAT bit among the low bits of a large page
        return Mapping(address & -size, target, size, self._flags(raw), level, slot, raw)

    def _flags(self, raw: int) -> IntFlag:
        return self.scheme.format.table[raw & self.scheme.format.mask]

    def _page_flags(self, flags: IntFlag | int | str, level: int) -> int:
        """The flags for a page at this level: those asked for, and those that every such entry has."""
        form = self.scheme.format
        return int(flags_of(flags, self.scheme)) | form.valid | (form.large if level else 0)

    def _page_size(self, level: int) -> int:
        if level not in range(self.scheme.levels):
            raise self._error(
                _("There is no level {level}.").format(level=level),
                _("Levels are 0 to {top}.").format(top=self.scheme.levels - 1),
            )
        return self.scheme.page_size(level)

    def _error(self, what: str, mend: str = "") -> VlabError:
        return VlabError(what, where=repr(self), mend=mend)
