"""The translation cache: what binary translation makes of a guest's kernel code, and where it keeps it.

The cache is *page-shaped*. A page of code has a frame of its own here, in which word n is the translation of the
guest's word n; the shadow shows this frame, to be executed only, at the very address of the guest's page. So pc,
`auipc`, return addresses and indirect jumps are right without any table of addresses, a precise exception costs
nothing, and one instruction takes the guest one step of its time. What a word becomes is in `translated`.

With compressed instructions a word is one of 16 or 32 bits, and becomes one of the same size or a short call-out;
one that two pages hold is called out. A guest may go to the midst of an instruction too: what its bytes are there is
another one. So wherever one may begin, either the guest's own stands here, or what traps.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from vlab.hypervisor.guestmemory import GuestMemory
from vlab.hypervisor.techniques.translated_page import ACROSS, Listing, PagePair, TranslatedWord, listed
from vlab.hypervisor.techniques.translated_words import (
    CALL_OUT,
    IN_LINE,
    NOT_REACHED,
    SHORT_CALL_OUT,
    SMALL,
    csr_read,
    harmless,
    translated,
)
from vlab.language import _
from vlab.machine.computer import PhysicalMemory
from vlab.machine.memory import PAGE
from vlab.machine.snapshot import Checker
from vlab.riscv import Mode
from vlab.riscv.csrs import BASE_REGISTERS, BY_NUMBER, CSRS
from vlab.riscv.instructions import ROWS, length

if TYPE_CHECKING:
    from vlab.machine.csrfile import CsrFile

_NEAR = 5  # words, in which another call-out is near: it is not worth an entry to go there
_WFI = ROWS["wfi"].match
# Where the CSRs stand that are read in-line.
_STORED = {CSRS[name].view_of or name for name in IN_LINE[Mode.M]} & set(BASE_REGISTERS.stored) | {
    "mie",
    "mideleg",
}
_stored = itemgetter(*sorted(_STORED))


# A place of code: its page's number, the mode that runs it, and its own number there.
Site = tuple[int, Mode, int]


class Block(NamedTuple):
    """What was translated at once: `words` from the one that was reached, so many of them in-lined and called out."""

    words: int
    in_lined: int
    called_out: int


class Outlook(NamedTuple):
    """What comes next from a place: `near` says whether a call-out is among the next words, or may be at another time.

    `called_out` says that the first word is one, of an instruction that does the same in every mode; `waits`, that it
    is the guest's `wfi`.
    """

    near: bool
    called_out: bool
    waits: bool


@dataclass(slots=True)
class CodePage:
    """One page of a guest's code, by its number, as one mode runs it; its translation is in `frame`.

    `trouble` counts, by its place, how often a load or store has exited; `data` how often somebody has loaded
    from this page or stored there since it was last shown as code. `reads` has the CSR that is read there, by its
    place, where that is in-lined while its value is a small number; `in_vain` counts how often in a row another
    call-out was expected behind one, and did not come.
    """

    number: int
    mode: Mode
    frame: int
    data: int = 0
    trouble: Counter[int] = field(default_factory=Counter)
    reads: dict[int, str] = field(default_factory=dict)
    in_vain: Counter[int] = field(default_factory=Counter)
    outlooks: dict[int, Outlook] = field(default_factory=dict)  # by place: known until a word here changes


class TranslationCache:
    """Frames of the host's that hold a guest's translated code.

    The guest can't load from them, nor store there. What is translated follows from their words alone. It is true
    always: `memory` tells of each write to a page of code, and the words written are translated anew when they are
    reached again; `follow` does the same for CSRs, before the guest is entered.
    """

    def __init__(self, host: PhysicalMemory, memory: GuestMemory, frames: Iterable[int], parcel: int):
        """An instruction may begin at each multiple of `parcel` bytes."""
        self._host, self._memory, self._parcel = host, memory, parcel
        self._call_out = CALL_OUT if parcel == 4 else SHORT_CALL_OUT
        self._frames = list(frames)
        self.pages: dict[tuple[int, Mode], CodePage] = {}
        self._values: dict[str, int] = {}  # of the CSRs that are read somewhere here, as the words have them
        self._followed: object = None  # what stood in the CSRs' storage when that was found true last
        self._by_frame: dict[int, CodePage] = {}
        self._readers: dict[int, CodePage] = {}  # by frame, those that read any
        memory.on_code_write = self.written

    def __repr__(self) -> str:
        return _("Translation cache: {pages} of {frames} pages").format(
            pages=len(self.pages), frames=len(self._frames)
        )

    # Pages

    @property
    def full(self) -> bool:
        """Whether another page needs the frame of one that is here."""
        return len(self.pages) == len(self._frames)

    def add(self, number: int, mode: Mode) -> CodePage:
        """Begin with a page, of which nothing is translated yet. There must be room."""
        page = CodePage(number, mode, next(frame for frame in self._frames if frame not in self._by_frame))
        self.pages[number, mode] = self._by_frame[page.frame] = page
        self._memory.code.add(number)
        return page

    def drop(self, page: CodePage) -> None:
        """Forget a page; its frame is empty again."""
        del self.pages[page.number, page.mode], self._by_frame[page.frame]
        self._readers.pop(page.frame, None)
        self._host.poke(page.frame * PAGE, bytes(PAGE))
        if not self.of(page.number):
            self._memory.code.discard(page.number)

    def clear(self) -> None:
        """Forget all of them."""
        for page in list(self.pages.values()):
            self.drop(page)
        self._values, self._followed = {}, None

    def of(self, number: int) -> list[CodePage]:
        """The translations of a page, by its number: one a mode."""
        return [self.pages[number, mode] for mode in IN_LINE if (number, mode) in self.pages]

    def at(self, frame: int) -> CodePage | None:
        """The page whose translation is in this frame."""
        return self._by_frame.get(frame)

    # Words, by the address of their place, of which only the offset in the page counts

    def word(self, page: CodePage, address: int) -> int:
        """The word that runs."""
        return self._word(self._host, page.frame, address % PAGE)

    def outlook(self, page: CodePage, address: int) -> Outlook:
        """What comes next from here, as far as the page goes."""
        place = self.place(address)
        found = page.outlooks.get(place)
        if found is None:
            pair, at = self._pair(page), address % PAGE
            guest = pair.guest(at)
            called_out = pair.is_call_out(at) and harmless(guest)
            found = page.outlooks[place] = Outlook(pair.calls_out(at, _NEAR), called_out, guest == _WFI)
        return found

    def is_call_out(self, page: CodePage, address: int) -> bool:
        """Whether the word that runs is a call-out."""
        return self._host.load(page.frame * PAGE + address % PAGE, self._parcel) == self._call_out

    def guest_word(self, page: CodePage, address: int) -> int:
        """The guest's own; ACROSS where it goes on in another page."""
        return self._word(self._memory, page.number, address % PAGE)

    def place(self, address: int) -> int:
        """The number of an address's place in its page."""
        return address % PAGE // self._parcel

    def _word(self, memory: Any, number: int, at: int) -> int:
        word: int = memory.load(number * PAGE + at, self._parcel)
        if self._parcel == 4 or length(word) == 2:
            return word
        return ACROSS if at + 4 > PAGE else word | memory.load(number * PAGE + at + 2, 2) << 16

    def _pair(self, page: CodePage) -> PagePair:
        """Both pages, to be worked on; `_write` writes what becomes of it."""
        guest = self._memory.peek(page.number * PAGE, PAGE)
        return PagePair(guest, self._host.peek(page.frame * PAGE, PAGE), self._parcel, page.mode, page.reads)

    def _write(self, page: CodePage, pair: PagePair) -> None:
        if pair.first < pair.end:
            self._host.poke(page.frame * PAGE + pair.first, bytes(pair.ours[pair.first : pair.end]))
            page.outlooks.clear()

    def translate(
        self, page: CodePage, address: int, read: Callable[[str], int] | None
    ) -> Callable[[], Block]:
        """Translate from here to the next jump that always jumps, or to what is translated, or to the page's end.

        `read` gives a CSR's value, by its name; without it no read of one is in-lined. What it was, can be asked for.
        """
        at = start = address % PAGE
        pair, places = self._pair(page), list[int]()
        while at < PAGE and pair.now(at) == NOT_REACHED:
            guest = pair.guest(at)
            if guest == NOT_REACHED and pair.size(guest) == 2:
                break  # half a word of zeros: it may be the end of one that begins before it
            if read is not None and (name := csr_read(guest, page.mode)):
                page.reads[self.place(at)] = name
                self._values.setdefault(name, read(name))  # as it was when the guest was entered
                self._readers[page.frame] = page
            pair.put(at, self._values)
            places.append(at)
            at += pair.size(guest)
            if pair.ends(guest):
                break
        pair.settle(start, at, self._values)
        self._write(page, pair)
        return partial(_block, pair, places)

    def call_out(self, page: CodePage, address: int) -> None:
        """From here on this word exits before it is tried."""
        at, pair = address % PAGE, self._pair(page)
        pair.call_out(at)
        pair.settle(at, at + self._parcel, self._values)
        self._write(page, pair)

    def try_again(self, page: CodePage, address: int) -> None:
        """From here on this word, that was called out, is what it was made of."""
        at, pair = address % PAGE, self._pair(page)
        pair.put(at, self._values)
        pair.settle(at, at + pair.size(pair.guest(at)), self._values)
        self._write(page, pair)

    def written(self, address: int, size: int) -> None:
        """Somebody has written to the guest's memory: what was translated from there is forgotten."""
        for number in range(address // PAGE, (address + size - 1) // PAGE + 1):
            for page in self.of(number) if number in self._memory.code else ():
                first = max(address & -4, number * PAGE) % PAGE
                end = min(address + size - number * PAGE + 3 & -4, PAGE)
                if self._parcel < 4:
                    first, end = 0, PAGE  # where the words before and behind it begin, nothing tells
                self._forget(page, first, end)

    def _forget(self, page: CodePage, first: int, end: int) -> None:
        page.outlooks.clear()
        at, empty = page.frame * PAGE + first, bytes(end - first)
        if self._host.peek(at, end - first) != empty:
            self._host.poke(at, empty)
        if page.reads:
            page.reads = {at: csr for at, csr in page.reads.items() if not first <= self._parcel * at < end}

    def follow(self, csr: "CsrFile") -> None:
        """The guest is about to run: what is in-lined are its CSRs as they are now."""
        stored = _stored(csr.values)
        if stored == self._followed:
            return  # and by nothing else do they change
        self._followed = stored
        values = {name: csr[name] for name in self._values}
        if values == self._values:
            return
        both = ((name, self._values[name], value) for name, value in values.items())
        changed = {name for name, old, new in both if old != new and min(old, new) < SMALL}
        self._values = values
        if not changed:
            return
        for page in [page for page in self._readers.values() if not changed.isdisjoint(page.reads.values())]:
            pair = self._pair(page)
            for at in (self._parcel * place for place, name in page.reads.items() if name in changed):
                if translated(pair.guest(at), page.mode, values, self._parcel) != pair.now(at):
                    pair.put(at, values)
                    pair.settle(at, at + 4, values)
            self._write(page, pair)

    def listing(self, page: CodePage, address: int, count: int) -> Listing:
        """So many words from this place on, as far as the page goes."""
        at = address % PAGE & -self._parcel
        pair, rows = self._pair(page), list[TranslatedWord]()
        while at < PAGE and len(rows) < count:
            guest = pair.guest(at)
            rows.append(listed(page.number * PAGE + at, guest, pair.now(at), pair.is_call_out(at)))
            at += pair.size(guest)
        return Listing(rows)

    # Saving: what is translated stands in the host's memory

    def state(self) -> dict[str, Any]:
        """Which page is where, as plain data."""
        pages = [
            {
                "page": [page.number, int(page.mode), page.frame, page.data],
                "trouble": _pairs(page.trouble),
                "in_vain": _pairs(page.in_vain),
                "reads": _pairs({place: CSRS[name].number for place, name in page.reads.items()}),
            }
            for page in self.pages.values()
        ]
        values = {CSRS[name].number: value for name, value in self._values.items()}
        return {"pages": pages, "values": _pairs(values)}

    def restore(self, state: Checker) -> None:
        """Be as `state` says."""
        pages: dict[tuple[int, Mode], CodePage] = {}
        values = {_name(row, number, Mode.M): value for row, number, value in _numbers(state.part("values"))}
        for row in state.part("pages").rows():
            number, mode, frame, data = row.numbers("page", 4)
            taken = {page.frame for page in pages.values()}
            known = mode in list(IN_LINE) and frame in self._frames and frame not in taken
            if not known or not self._memory.holds(number * PAGE, PAGE) or (number, Mode(mode)) in pages:
                raise row.bad(_("This is no page of a translation cache."))
            page = pages[number, Mode(mode)] = CodePage(number, Mode(mode), frame, data)
            for pair, place, count in _numbers(row.part("trouble")):
                page.trouble[self._known(pair, place)] = count
            for pair, place, count in _numbers(row.part("in_vain")):
                page.in_vain[self._known(pair, place)] = count
            for pair, place, csr in _numbers(row.part("reads")):
                page.reads[self._known(pair, place)] = _name(pair, csr, page.mode)
            if not set(page.reads.values()) <= values.keys():
                raise row.bad(_("This is no page of a translation cache."))
        self.pages, self._values, self._followed = pages, values, None
        self._by_frame = {page.frame: page for page in pages.values()}
        self._readers = {page.frame: page for page in pages.values() if page.reads}
        self._memory.code = {page.number for page in pages.values()}

    def site(self, state: Checker) -> Site | None:
        """A place of code that was saved, if one was; its page may have been dropped since."""
        if not state.rows():
            return None
        number, mode, place = state.all_numbers(3)
        if mode not in list(IN_LINE):
            raise state.bad(_("This is no page of a translation cache."))
        return number, Mode(mode), self._known(state, place)

    def _known(self, row: Checker, place: int) -> int:
        if place >= PAGE // self._parcel:
            raise row.bad(_("This is no page of a translation cache."))
        return place


def _block(pair: PagePair, places: list[int]) -> Block:
    outs = sum(map(pair.is_call_out, places))
    same = sum(pair.now(at) == pair.guest(at) and not pair.is_call_out(at) for at in places)
    return Block(len(places), len(places) - outs - same, outs)


def _pairs(pairs: Mapping[int, int]) -> list[list[int]]:
    return [list(pair) for pair in sorted(pairs.items())]


def _numbers(state: Checker) -> list[tuple[Checker, int, int]]:
    """Pairs of a saved state, each with its row."""
    return [(row, *row.all_numbers(2)) for row in state.rows()]  # type: ignore[misc]


def _name(row: Checker, number: int, mode: Mode) -> str:
    """The CSR of this number, which must be one that is read in-line."""
    csr = BY_NUMBER.get(number)
    if csr is None or csr.name not in IN_LINE[mode]:
        raise row.bad(_("This is no page of a translation cache."))
    return csr.name
