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
from typing import Any, NamedTuple

from vlab.hypervisor.guestmemory import GuestMemory
from vlab.hypervisor.techniques.translated_words import (
    CALL_OUT,
    IN_LINE,
    NOT_REACHED,
    SHORT_CALL_OUT,
    csr_read,
    harmless,
    translated,
)
from vlab.language import _
from vlab.machine.computer import PhysicalMemory
from vlab.machine.memory import PAGE
from vlab.machine.snapshot import Checker
from vlab.riscv import Mode, decode, disassemble
from vlab.riscv.csrs import BY_NUMBER, CSRS
from vlab.riscv.instructions import length

ACROSS = 0xFFFF_FFFF  # what stands for a word that two pages hold: no instruction
_ENDS = ("jal", "jalr", "sret", "mret")  # what follows them in memory is not reached through them


class Block(NamedTuple):
    """What was translated at once: `words` from the one that was reached, so many of them in-lined and called out."""

    words: int
    in_lined: int
    called_out: int


class TranslatedWord(NamedTuple):
    """One word of code: the guest's and the cache's, both as numbers and in assembler syntax.

    `kind` is "same", "in-lined", "call-out" or "not reached".
    """

    address: int
    guest: int
    guest_text: str
    cache: int
    cache_text: str
    kind: str

    def __str__(self) -> str:
        kinds = {
            "same": _("same"),
            "in-lined": _("in-lined"),
            "call-out": _("call-out"),
            "not reached": _("not reached"),
        }
        return f"{self.address:#x}  {self.guest_text:26}  {self.cache_text:26}  {kinds[self.kind]}"


class Listing(tuple[TranslatedWord, ...]):
    """Words of code side by side with their translation: a line each."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "\n".join(map(str, self))


@dataclass(slots=True)
class CodePage:
    """One page of a guest's code, by its number, as one mode runs it; its translation is in `frame`.

    `trouble` counts, by its place, how often a load or store has exited; `data` how often somebody has loaded
    from this page or stored there since it was last shown as code. `reads` has the CSR that is read there, by its
    place, where that is in-lined while its value is a small number.
    """

    number: int
    mode: Mode
    frame: int
    data: int = 0
    trouble: Counter[int] = field(default_factory=Counter)
    reads: dict[int, str] = field(default_factory=dict)


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
        taken = {page.frame for page in self.pages.values()}
        page = CodePage(number, mode, next(frame for frame in self._frames if frame not in taken))
        self.pages[number, mode] = page
        self._memory.code.add(number)
        return page

    def drop(self, page: CodePage) -> None:
        """Forget a page; its frame is empty again."""
        del self.pages[page.number, page.mode]
        self._host.poke(page.frame * PAGE, bytes(PAGE))
        if not self.of(page.number):
            self._memory.code.discard(page.number)

    def clear(self) -> None:
        """Forget all of them."""
        for page in list(self.pages.values()):
            self.drop(page)
        self._values = {}

    def of(self, number: int) -> list[CodePage]:
        """The translations of a page, by its number: one a mode."""
        return [self.pages[number, mode] for mode in IN_LINE if (number, mode) in self.pages]

    def at(self, frame: int) -> CodePage | None:
        """The page whose translation is in this frame."""
        return next((page for page in self.pages.values() if page.frame == frame), None)

    # Words, by the address of their place, of which only the offset in the page counts

    def word(self, page: CodePage, address: int) -> int:
        """The word that runs."""
        return self._word(self._host, page.frame, address % PAGE)

    def calls_out(self, page: CodePage, address: int, count: int) -> bool:
        """Whether one of so many words, as far as the page goes, is a call-out, or at another time may be one."""
        size = min(4 * count, PAGE - address % PAGE)
        words = ours = self._host.peek(page.frame * PAGE + address % PAGE, size)
        if self._parcel < 4:
            words = self._memory.peek(page.number * PAGE + address % PAGE, size)
        at = 0
        while count and at < size:
            word = int.from_bytes(ours[at : at + self._parcel], "little")
            if word == self._call_out or self.place(address + at) in page.reads:
                return True
            count, at = count - 1, at + self._size(words[at])
        return False

    def is_call_out(self, page: CodePage, address: int) -> bool:
        """Whether the word that runs is a call-out."""
        return self._host.load(page.frame * PAGE + address % PAGE, self._parcel) == self._call_out

    def guest_word(self, page: CodePage, address: int) -> int:
        """The guest's own; ACROSS where it goes on in another page."""
        return self._word(self._memory, page.number, address % PAGE)

    def place(self, address: int) -> int:
        """The number of an address's place in its page."""
        return address % PAGE // self._parcel

    def _size(self, word: int) -> int:
        return max(self._parcel, length(word))

    def _word(self, memory: Any, number: int, at: int) -> int:
        """What stands at this offset of a page: with compressed instructions, a word of one size or the other."""
        word: int = memory.load(number * PAGE + at, self._parcel)
        if self._size(word) == self._parcel:
            return word
        return ACROSS if at + 4 > PAGE else word | memory.load(number * PAGE + at + 2, 2) << 16

    def translate(self, page: CodePage, address: int, read: Callable[[str], int] | None) -> Block:
        """Translate from here to the next jump that always jumps, or to what is translated, or to the page's end.

        `read` gives a CSR's value, by its name; without it no read of one is in-lined.
        """
        at = start = address % PAGE
        words: list[tuple[int, int]] = []  # where one is, and the guest's
        while at < PAGE and self._word(self._host, page.frame, at) == NOT_REACHED:
            guest = self._word(self._memory, page.number, at)
            if self._size(guest) == 2 and guest == NOT_REACHED:
                break  # half a word of zeros: it may be the end of one that begins before it
            if read is not None and (name := csr_read(guest, page.mode)):
                page.reads[self.place(at)] = name
                self._values.setdefault(name, read(name))
            self._put(page, at, guest)
            words.append((at, guest))
            at += self._size(guest)
            if self._ends(guest):
                break
        self._settle(page, start, at)
        outs = sum(self.is_call_out(page, at) for at, _guest in words)
        same = sum(self.word(page, at) == guest and not self.is_call_out(page, at) for at, guest in words)
        return Block(len(words), len(words) - outs - same, outs)

    def _ends(self, guest: int) -> bool:
        """Whether a word always jumps. It isn't the last one to translate if a long one may begin in its midst."""
        instruction = decode(guest)
        if instruction is None or instruction.row.base not in _ENDS:
            return instruction is None
        return self._parcel == 4 or self._size(guest) == 2 or self._size(guest >> 16) == 2

    def call_out(self, page: CodePage, address: int) -> None:
        """From here on this word exits before it is tried."""
        at = address % PAGE
        self._host.store(page.frame * PAGE + at, self._parcel, self._call_out)
        self._settle(page, at, at + self._parcel)

    def _put(self, page: CodePage, at: int, guest: int) -> None:
        """Write what a word of the guest's becomes."""
        new = translated(guest, page.mode, self._values, self._parcel)
        size = self._size(new)
        if at + size > PAGE:
            size, new = self._parcel, self._call_out
        self._host.store(page.frame * PAGE + at, size, new)

    def _settle(self, page: CodePage, start: int, end: int) -> None:
        """These bytes were written. Wherever an instruction that begins there would now be false, it is called out.

        One that goes on there begins before them; and one that is called out is what another goes on with. So it
        goes from the last one to the first.
        """
        at, first = min(end, PAGE) - 2, start - 2
        while self._parcel == 2 and at >= max(first, 0):
            if not self._true(page, at):
                self._host.store(page.frame * PAGE + at, 2, SHORT_CALL_OUT)
                first = min(first, at - 2)
            at -= 2

    def _true(self, page: CodePage, at: int) -> bool:
        """Whether what would run from here is what the guest's word does here, or traps."""
        now = self.word(page, at)
        if now in (NOT_REACHED, SHORT_CALL_OUT) or (now != ACROSS and decode(now) is None):
            return True
        guest = self.guest_word(page, at)
        if now == guest:
            return now != ACROSS and harmless(now)
        return self.place(at) in page.reads and now == translated(guest, page.mode, self._values, 2)

    def written(self, address: int, size: int) -> None:
        """Somebody has written to the guest's memory: what was translated from there is forgotten."""
        for number in range(address // PAGE, (address + size - 1) // PAGE + 1):
            for page in self.of(number) if number in self._memory.code else ():
                first = max(address & -4, number * PAGE) % PAGE
                end = min(address + size - number * PAGE + 3 & -4, PAGE)
                if self._parcel < 4:
                    first, end = 0, PAGE  # where the words before and behind it begin, nothing tells
                self._host.poke(page.frame * PAGE + first, bytes(end - first))
                page.reads = {
                    at: csr for at, csr in page.reads.items() if not first <= self._parcel * at < end
                }

    def follow(self, read: Callable[[str], int]) -> None:
        """The guest is about to run: what is in-lined are the CSRs as they are now; `read` gives them by name."""
        values = {name: read(name) for name in self._values}
        if values == self._values:
            return
        changed = {name for name, value in values.items() if value != self._values[name]}
        self._values = values
        for page in self.pages.values():
            for at in (self._parcel * place for place, name in page.reads.items() if name in changed):
                guest = self.guest_word(page, at)
                if translated(guest, page.mode, values, self._parcel) != self.word(page, at):
                    self._put(page, at, guest)
                    self._settle(page, at, at + 4)

    def listing(self, page: CodePage, address: int, count: int) -> Listing:
        """So many words from this place on, as far as the page goes."""
        at = address % PAGE & -self._parcel
        rows: list[TranslatedWord] = []
        while at < PAGE and len(rows) < count:
            guest = self._word(self._memory, page.number, at)
            now = self._word(self._host, page.frame, at)
            called_out = self.is_call_out(page, at)
            rows.append(_listed(page.number * PAGE + at, guest, now, called_out))
            at += self._size(guest)
        return Listing(rows)

    # Saving: what is translated stands in the host's memory

    def state(self) -> dict[str, Any]:
        """Which page is where, as plain data."""
        pages = [
            {
                "page": [page.number, int(page.mode), page.frame, page.data],
                "trouble": _pairs(page.trouble),
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
            for pair, place, csr in _numbers(row.part("reads")):
                page.reads[self._known(pair, place)] = _name(pair, csr, page.mode)
            if not set(page.reads.values()) <= values.keys():
                raise row.bad(_("This is no page of a translation cache."))
        self.pages, self._values = pages, values
        self._memory.code = {page.number for page in pages.values()}

    def _known(self, row: Checker, place: int) -> int:
        if place >= PAGE // self._parcel:
            raise row.bad(_("This is no page of a translation cache."))
        return place


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


def _listed(address: int, guest: int, now: int, called_out: bool) -> TranslatedWord:
    if now == NOT_REACHED:
        return TranslatedWord(address, guest, disassemble(guest, address), now, "", "not reached")
    kind = "call-out" if called_out else "same" if now == guest else "in-lined"
    return TranslatedWord(address, guest, disassemble(guest, address), now, disassemble(now, address), kind)
