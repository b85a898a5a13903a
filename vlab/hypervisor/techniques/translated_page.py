"""A page of a guest's code and what it becomes, side by side, to be worked on before it is written back."""

from collections.abc import Mapping
from typing import NamedTuple

from vlab.hypervisor.techniques.translated_words import (
    CALL_OUT,
    NOT_REACHED,
    SHORT_CALL_OUT,
    sensitive,
    translated,
)
from vlab.language import _
from vlab.machine.memory import PAGE
from vlab.riscv import Mode, decode, disassemble
from vlab.riscv.instructions import length

ACROSS = 0xFFFF_FFFF  # what stands for a word that two pages hold: no instruction
_ENDS = ("jal", "jalr", "sret", "mret")  # what follows them in memory is not reached through them


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


class PagePair:
    """The bytes of both, and which of the translation's are new: those from `first` to `end`.

    An instruction may begin at each multiple of `parcel` bytes; `reads` has the CSR that is read in-line, by its
    place, and `values` what these hold.
    """

    def __init__(self, guest: bytes, ours: bytes, parcel: int, mode: Mode, reads: Mapping[int, str]):
        self._guest, self.ours, self._parcel, self._mode, self._reads = (
            guest,
            bytearray(ours),
            parcel,
            mode,
            reads,
        )
        self._call_out = CALL_OUT if parcel == 4 else SHORT_CALL_OUT
        self.first, self.end = PAGE, 0

    # Words, by their offset

    def guest(self, at: int) -> int:
        """The guest's own; ACROSS where it goes on in another page."""
        return word_at(self._guest, at, self._parcel)

    def now(self, at: int) -> int:
        """The word that runs."""
        return word_at(self.ours, at, self._parcel)

    def size(self, word: int) -> int:
        """How many bytes a word has."""
        return max(self._parcel, length(word))

    def is_call_out(self, at: int) -> bool:
        """Whether the word that runs is a call-out."""
        return int.from_bytes(self.ours[at : at + self._parcel], "little") == self._call_out

    def calls_out(self, at: int, count: int) -> bool:
        """Whether one of so many words, as far as the page goes, is a call-out, or at another time may be one."""
        while count and at < PAGE:
            if self.is_call_out(at) or at // self._parcel in self._reads:
                return True
            count, at = count - 1, at + max(self._parcel, length(self._guest[at]))
        return False

    def ends(self, guest: int) -> bool:
        """Whether a word always jumps. It isn't the last one to translate if a long one may begin in its midst."""
        instruction = decode(guest)
        if instruction is None or instruction.row.base not in _ENDS:
            return instruction is None
        return self._parcel == 4 or self.size(guest) == 2 or self.size(guest >> 16) == 2

    # Writing

    def write(self, at: int, size: int, word: int) -> None:
        """Let this run there."""
        self.ours[at : at + size] = word.to_bytes(size, "little")
        self.first, self.end = min(self.first, at), max(self.end, at + size)

    def call_out(self, at: int) -> None:
        """From here on this word exits before it is tried."""
        self.write(at, self._parcel, self._call_out)

    def put(self, at: int, values: Mapping[str, int]) -> None:
        """Write what the guest's word becomes."""
        new = translated(self.guest(at), self._mode, values, self._parcel)
        size = self.size(new)
        if at + size > PAGE:
            self.call_out(at)
        else:
            self.write(at, size, new)

    def settle(self, start: int, end: int, values: Mapping[str, int]) -> None:
        """These bytes were written. Wherever an instruction that begins there would now be false, it is called out.

        One that goes on there begins before them; and one that is called out is what another goes on with. So it
        goes from the last one to the first.
        """
        at, first = min(end, PAGE) - 2, start - 2
        while self._parcel == 2 and at >= max(first, 0):
            if not self._true(at, values):
                self.write(at, 2, SHORT_CALL_OUT)
                first = min(first, at - 2)
            at -= 2

    def _true(self, at: int, values: Mapping[str, int]) -> bool:
        """Whether what would run from here is what the guest's word does here, or traps."""
        now = self.now(at)
        if now in (NOT_REACHED, SHORT_CALL_OUT):
            return True
        guest = self.guest(at)
        if now == guest and now != ACROSS:
            return not sensitive(now)
        if now != ACROSS and decode(now) is None:
            return True
        return at // 2 in self._reads and now == translated(guest, self._mode, values, 2)


def word_at(data: bytes | bytearray, at: int, parcel: int) -> int:
    """What stands at this offset of a page: with compressed instructions, a word of one size or the other."""
    word = int.from_bytes(data[at : at + parcel], "little")
    if parcel == 4 or length(word) == parcel:
        return word
    return ACROSS if at + 4 > PAGE else int.from_bytes(data[at : at + 4], "little")


def listed(address: int, guest: int, now: int, called_out: bool) -> TranslatedWord:
    """A word for a listing."""
    if now == NOT_REACHED:
        return TranslatedWord(address, guest, disassemble(guest, address), now, "", "not reached")
    kind = "call-out" if called_out else "same" if now == guest else "in-lined"
    return TranslatedWord(address, guest, disassemble(guest, address), now, disassemble(now, address), kind)
