"""The translation cache: what binary translation makes of a guest's kernel code, and where it keeps it.

The cache is *page-shaped*. A page of code has a frame of its own here, in which word n is the translation of the
guest's word n; the shadow shows this frame, to be executed only, at the very address of the guest's page. So pc,
`auipc`, return addresses and indirect jumps are right without any table of addresses, a precise exception costs
nothing, and one instruction takes the guest one step of its time. What a word becomes is in `translated`.

With compressed instructions a word is one of 16 or 32 bits, and becomes one of the same size; one that two pages
hold is called out. Code that is entered in the midst of another instruction may find that one's translation there:
no compiler makes such code, and what it spoils is its own.
"""

from ast import Call, Name, walk
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from struct import unpack
from typing import Any, NamedTuple

from vlab.hypervisor.guestmemory import GuestMemory
from vlab.language import _
from vlab.machine.computer import PhysicalMemory
from vlab.machine.memory import PAGE
from vlab.machine.snapshot import Checker
from vlab.riscv import Mode, decode, disassemble
from vlab.riscv.csrs import BY_NUMBER
from vlab.riscv.instructions import ROWS, Row, encode, length
from vlab.riscv.meaning import MEMORY, PURE, meaning

NOT_REACHED = (
    0  # an illegal instruction in every mode, and for ever: the specification keeps it free for that
)
CALL_OUT, SHORT_CALL_OUT = ROWS["ebreak"].match, ROWS["c.ebreak"].match  # others that trap in every mode
CALL_OUTS = (CALL_OUT, SHORT_CALL_OUT)
ACROSS = 0xFFFF_FFFF  # what stands for a word that two pages hold: no instruction
_HARMLESS = {
    *PURE,
    *MEMORY,
    "fence",
    "fence_i",
}  # what an instruction may call that does the same in every mode
_ENDS = ("jal", "jalr", "sret", "mret")  # what follows them in memory is not reached through them

# The CSRs that change by nothing but the guest's own writes, and that its mode may always read, each with its
# place in the page of the virtual state. Of the first six any value is legal, and none changes what the hart does
# next: to these the guest may write by itself too.
WRITTEN = ("sscratch", "scause", "stval", "mscratch", "mcause", "mtval")
_S = ("sscratch", "scause", "stval", "sepc", "sstatus", "sie", "stvec", "scounteren")
_M = "mscratch mcause mtval mepc mstatus misa medeleg mideleg mie mtvec mcounteren menvcfg".split()
_FIXED = "mvendorid marchid mimpid mhartid".split()
IN_LINE = {Mode.S: _S, Mode.M: (*_S, *_M, *_FIXED)}
PLACES = {name: 8 * place for place, name in enumerate(dict.fromkeys((*WRITTEN, *IN_LINE[Mode.M])))}
STATE = (
    -2048
)  # where the page of the virtual state shows them: x0 + imm reaches the last 2 KiB of all addresses


def translated(word: int, mode: Mode, in_line: bool) -> int:
    """What a word of code for this mode becomes: itself, an access to the page of the virtual state, a call-out."""
    if harmless(word):
        return word
    return (_in_lined(word, mode) if in_line else None) or CALL_OUT


@lru_cache(maxsize=1 << 14)
def harmless(word: int) -> bool:
    """Whether a word is an instruction that does the same in every mode: its meaning is no hart's affair."""
    instruction = decode(word)
    return instruction is not None and _called(instruction.row) <= _HARMLESS


@cache
def _called(row: Row) -> set[str]:
    nodes = (node for statement in meaning(row) for node in walk(statement))
    return {node.func.id for node in nodes if isinstance(node, Call) and isinstance(node.func, Name)}


def _in_lined(word: int, mode: Mode) -> int | None:
    """The load or store that a read or write of a CSR becomes; None if it takes more than that."""
    instruction = decode(word)
    csr = None if instruction is None else BY_NUMBER.get(instruction["csr"])
    if instruction is None or csr is None or csr.name not in IN_LINE[mode]:
        return None
    at, name = STATE + PLACES[csr.name], instruction.name
    source = instruction["zimm"] if name.endswith("i") else instruction["source"]
    if name in ("csrrs", "csrrc", "csrrsi", "csrrci") and source == 0:
        return encode(ROWS["ld"], {"rd": instruction["rd"], "imm": at})
    writes = name == "csrrw" or (name == "csrrwi" and source == 0)
    if writes and instruction["rd"] == 0 and csr.name in WRITTEN:
        return encode(ROWS["sd"], {"rs2": source, "imm": at})
    return None


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
    from this page or stored there since it was last shown as code. `in_lined` is whether anything ever was.
    """

    number: int
    mode: Mode
    frame: int
    data: int = 0
    in_lined: bool = False
    trouble: Counter[int] = field(default_factory=Counter)


class TranslationCache:
    """Frames of the host's that hold a guest's translated code, and one for its virtual state: `state_frame`.

    The guest can't load from these frames of code, nor store there. What is translated follows from their words
    alone. It is true always: `memory` tells of each write to a page of code, and the words written are
    translated anew when they are reached again.
    """

    def __init__(self, host: PhysicalMemory, memory: GuestMemory, frames: Iterable[int], parcel: int):
        """An instruction may begin at each multiple of `parcel` bytes."""
        self._host, self._memory, self._parcel = host, memory, parcel
        self.state_frame, *self._frames = frames
        self.pages: dict[tuple[int, Mode], CodePage] = {}
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

    def words(self, page: CodePage, address: int, count: int) -> list[int]:
        """So many of them, as far as the page goes."""
        size = min(4 * count, PAGE - address % PAGE)
        halves = unpack(f"<{size // 2}H", self._host.peek(page.frame * PAGE + address % PAGE, size))
        found: list[int] = []
        at = 0
        while at < len(halves) and len(found) < count:
            whole = self._parcel == 4 or length(halves[at]) == 4
            found.append(halves[at] | (halves[at + 1] << 16 if at + 1 < len(halves) else 0) * whole)
            at += 2 if whole else 1
        return found

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

    def translate(self, page: CodePage, address: int, in_line: bool) -> Block:
        """Translate from here to the next jump that always jumps, or to what is translated, or to the page's end."""
        at = address % PAGE
        words: list[tuple[int, int]] = []  # the guest's, and what it becomes
        while at < PAGE and self._word(self._host, page.frame, at) == NOT_REACHED:
            guest = self._word(self._memory, page.number, at)
            if self._size(guest) == 2 and guest == NOT_REACHED:
                break  # half a word of zeros: it may be the end of one that begins before it
            new = translated(guest, page.mode, in_line)
            words.append((guest, self._put(page, guest, new, at)))
            instruction = decode(guest)
            if instruction is None or instruction.row.base in _ENDS:
                break
            at += self._size(guest)
        outs = sum(new in CALL_OUTS for _guest, new in words)
        in_lined = len(words) - outs - sum(new == guest and new not in CALL_OUTS for guest, new in words)
        page.in_lined |= in_lined > 0
        return Block(len(words), in_lined, outs)

    def call_out(self, page: CodePage, address: int) -> None:
        """From here on this word exits before it is tried."""
        word = self.word(page, address)
        self._host.store(page.frame * PAGE + address % PAGE, self._size(word), self._call_out(word))

    def _call_out(self, word: int) -> int:
        return CALL_OUT if self._size(word) == 4 else SHORT_CALL_OUT

    def _put(self, page: CodePage, guest: int, new: int, at: int) -> int:
        """Write what a word becomes, or a call-out: a short one where the page has no more room. Which of both."""
        size = self._size(guest)
        if at + size > PAGE:
            size, new = 2, SHORT_CALL_OUT
        elif new == CALL_OUT:
            new = self._call_out(guest)
        self._host.store(page.frame * PAGE + at, size, new)
        return new

    def written(self, address: int, size: int) -> None:
        """Somebody has written to the guest's memory: what was translated from there is forgotten."""
        for number in range(address // PAGE, (address + size - 1) // PAGE + 1):
            for page in self.of(number) if number in self._memory.code else ():
                first = max(address & -4, number * PAGE) % PAGE
                end = min(address + size - number * PAGE + 3 & -4, PAGE)
                if self._parcel < 4:
                    first, end = 0, PAGE  # where the words before and behind it begin, nothing tells
                self._host.poke(page.frame * PAGE + first, bytes(end - first))

    def listing(self, page: CodePage, address: int, count: int) -> Listing:
        """So many words from this place on, as far as the page goes."""
        at = address % PAGE & -self._parcel
        rows: list[TranslatedWord] = []
        while at < PAGE and len(rows) < count:
            guest = self._word(self._memory, page.number, at)
            rows.append(_listed(page.number * PAGE + at, guest, self._word(self._host, page.frame, at)))
            at += self._size(guest)
        return Listing(rows)

    # Saving: what is translated stands in the host's memory

    def state(self) -> list[list[Any]]:
        """Which page is where, as plain data."""
        return [
            [page.number, int(page.mode), page.frame, page.data, int(page.in_lined), *_pairs(page.trouble)]
            for page in self.pages.values()
        ]

    def restore(self, state: Checker) -> None:
        """Be as `state` says."""
        pages: dict[tuple[int, Mode], CodePage] = {}
        for row in state.rows():
            pairs = row.rows()[5:]
            number, mode, frame, data, in_lined = Checker(row.state[:5], row.where).all_numbers(5)
            trouble: Counter[int] = Counter()
            for place, count in (pair.all_numbers(2, PAGE // self._parcel) for pair in pairs):
                trouble[place] = count
            taken = {page.frame for page in pages.values()}
            known = mode in list(IN_LINE) and frame in self._frames and frame not in taken
            if not known or not self._memory.holds(number * PAGE, PAGE) or (number, Mode(mode)) in pages:
                raise row.bad(_("This is no page of a translation cache."))
            pages[number, Mode(mode)] = CodePage(number, Mode(mode), frame, data, bool(in_lined), trouble)
        self.pages = pages
        self._memory.code = {page.number for page in pages.values()}


def _pairs(trouble: Counter[int]) -> list[list[int]]:
    return [list(pair) for pair in sorted(trouble.items())]


def _listed(address: int, guest: int, now: int) -> TranslatedWord:
    if now == NOT_REACHED:
        return TranslatedWord(address, guest, disassemble(guest, address), now, "", "not reached")
    kind = "call-out" if now in CALL_OUTS else "same" if now == guest else "in-lined"
    return TranslatedWord(address, guest, disassemble(guest, address), now, disassemble(now, address), kind)
