"""A card punch and a card reader, as the computers had for which the first hypervisors were written.

Decks are bytes. What is punched leaves the computer as a deck; a deck that comes from outside waits in the
reader. Four registers of 4 bytes:

    offset   load                                                          store
    0        how many decks wait in the reader                             –
    4        the next byte of the first one; at its end all ones,          –
             and that deck is gone
    8        –                                                             punch a byte
    12       –                                                             the deck is complete
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from vlab.language import VlabError, _
from vlab.machine.bus import BusError, checked

MOST_DECKS, LONGEST_DECK = 64, 1 << 16  # what a hopper holds, and the bytes of a deck: more is lost
_END = 0xFFFF_FFFF


class Cards:
    """The punch and the reader. `punched` are the decks that left, oldest first; `taker` is given each, if there
    is one, and then they are not kept: no snapshot has it.
    """

    kind: ClassVar[str] = "cards"
    name = "cards"
    size = 0x1000

    def __init__(self, taker: Callable[[bytes], object] | None = None):
        self.taker = taker
        self.reset()

    def reset(self) -> None:
        """Be as at power-on: empty."""
        self.reader: deque[bytes] = deque()
        self.punched: list[bytes] = []
        self._read = 0  # bytes of the first deck that were read
        self._punching = bytearray()

    def __repr__(self) -> str:
        return _("Card punch and reader: {punched} decks punched, {waiting} in the reader").format(
            punched=len(self.punched), waiting=len(self.reader)
        )

    @property
    def interrupting(self) -> bool:
        """While a deck waits."""
        return bool(self.reader)

    def receive(self, data: bytes) -> None:
        """A deck is put into the reader, behind the others. An empty one, or one that has no room, is lost."""
        if data and len(self.reader) < MOST_DECKS:
            self.reader.append(bytes(data[:LONGEST_DECK]))

    def load(self, offset: int, size: int) -> int:
        """Read a register. BusError for any other access."""
        match offset, size:
            case (0, 4):
                return len(self.reader)
            case (4, 4):
                return self._next_byte()
        raise BusError

    def store(self, offset: int, size: int, value: int) -> None:
        """Write one."""
        match offset, size:
            case (8, 4):
                if len(self._punching) < LONGEST_DECK:
                    self._punching.append(value & 0xFF)
            case (12, 4):
                self._finish()
            case _:
                raise BusError

    def _next_byte(self) -> int:
        if not self.reader:
            return _END
        if self._read < len(self.reader[0]):
            self._read += 1
            return self.reader[0][self._read - 1]
        self.reader.popleft()
        self._read = 0
        return _END

    def _finish(self) -> None:
        deck, self._punching = bytes(self._punching), bytearray()
        if deck and self.taker is not None:
            self.taker(deck)
        elif deck and len(self.punched) < MOST_DECKS:
            self.punched.append(deck)

    def state(self) -> dict[str, Any]:
        """The decks, and how far they have been read and punched."""
        return {
            "reader": list(self.reader),
            "punched": list(self.punched),
            "read": self._read,
            "punching": bytes(self._punching),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as `state` says; VlabError if a field of it can't be."""
        values = checked(self.name, state, reader=list, punched=list, read=LONGEST_DECK + 1, punching=bytes)
        reader, punched = values["reader"], values["punched"]
        whole = all(type(deck) is bytes and 0 < len(deck) <= LONGEST_DECK for deck in [*reader, *punched])
        fits = whole and len(reader) <= MOST_DECKS >= len(punched) and len(values["punching"]) <= LONGEST_DECK
        if not fits or values["read"] > (len(reader[0]) if reader else 0):
            raise VlabError(_("These are not decks of cards."), where=self.name)
        self.reader, self.punched = deque(values["reader"]), list(values["punched"])
        self._read, self._punching = values["read"], bytearray(values["punching"])
