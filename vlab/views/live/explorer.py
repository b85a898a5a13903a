"""The explorer: choose an address, an access and a mode, and every picture of the translation follows.

On a page it is one small widget of plain fields, lists and a slider, made by the browser; the pictures come
from the kernel. A bad address is answered in words, and what stood there stays. What a notebook stores is the
pictures under each other.
"""

import re
from typing import TYPE_CHECKING, Any

from vlab.display import Bundle
from vlab.hypervisor.chain import Chain
from vlab.language import VlabError, _, unknown
from vlab.machine import Computer
from vlab.paging import PageTable, Walk, access_of
from vlab.riscv import Access, Mode
from vlab.views.addresses.explored import Pane, explored
from vlab.views.drawing.picture import Picture, stack
from vlab.views.live.live import live_bundle

if TYPE_CHECKING:
    from vlab.views.live.explorerwidget import ExplorerWidget

_LONGEST = 80  # signs of a typed address
_NUMBER = r"0x_*[0-9a-f][0-9a-f_]*|[0-9][0-9_]*"
_ADDRESS = re.compile(
    rf"\s*(?:({_NUMBER})|([a-z_.$][\w.$]*))\s*(?:([+-])\s*({_NUMBER})\s*)?", re.IGNORECASE | re.ASCII
)


class Explorer:
    """Explores a page table (with `host`, in two stages), a machine, or a virtual machine.

    `goto`, `next` and `back` move, and `access`, `mode`, `sum` and `mxr` can be set; the page follows. An
    address is a number, or text: "0x40001000", for a computer also a register or a label, "sp + 0x10". What
    isn't given is as the hart stands: `pc`, a fetch, its mode. Every answer is of the subject as it is *now*;
    after a run, `refresh` shows that on the page.

    Raises VlabError for a subject that can't be explored, and for what is no address, access or mode of it.
    """

    def __init__(
        self,
        subject: PageTable | Computer,
        address: int | str | None = None,
        access: Access | str | None = None,
        mode: Mode | str | None = None,
        *,
        host: PageTable | None = None,
        sum: bool | None = None,
        mxr: bool | None = None,
    ):
        self._explored = explored(subject, host)
        self._asked = self._explored.start()
        self._widget: ExplorerWidget | None = None
        given = {"access": access, "mode": mode, "sum": sum, "mxr": mxr}
        if address is not None and access is None:
            given["access"] = Access.LOAD
        self._ask(**{name: value for name, value in given.items() if value is not None})
        if address is not None:
            self.goto(address)

    def __repr__(self) -> str:
        return _("Explorer of {subject}: {sentence}").format(
            subject=self._explored.name, sentence=self.sentence
        )

    @property
    def address(self) -> int:
        """The address that is looked at."""
        return self._asked.address

    @property
    def access(self) -> Access:
        """What is wanted there; set it to an Access, or "load", "store", "fetch"."""
        return self._asked.access

    @access.setter
    def access(self, access: Access | str) -> None:
        self._ask(access=access)

    @property
    def mode(self) -> Mode:
        """By whom; set it to a Mode, or its name."""
        return self._asked.mode

    @mode.setter
    def mode(self, mode: Mode | str) -> None:
        self._ask(mode=mode)

    @property
    def sum(self) -> bool:
        """Whether SUM is set: S mode may touch pages of U."""
        return self._asked.sum

    @sum.setter
    def sum(self, on: bool) -> None:
        self._ask(sum=on)

    @property
    def mxr(self) -> bool:
        """Whether MXR is set: what may be executed may be loaded."""
        return self._asked.mxr

    @mxr.setter
    def mxr(self, on: bool) -> None:
        self._ask(mxr=on)

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The modes that can be chosen."""
        return self._explored.modes

    @property
    def matters(self) -> tuple[bool, bool]:
        """Whether SUM, and whether MXR, can make a difference to what is asked now."""
        asked, settings = self._asked, self._explored.settings
        return settings and asked.mode is Mode.S, settings and asked.access is Access.LOAD

    @property
    def stops(self) -> tuple[int, ...]:
        """The addresses to which `next`, `back` and the slider move: ends of what is mapped, and behind them."""
        return self._explored.stops(self._asked) or (0,)

    @property
    def answer(self) -> Walk | Chain | None:
        """The walk of a table, the chain of a virtual machine; None where nothing is translated."""
        return self._explored.answer(self._asked)

    @property
    def walk(self) -> Walk | None:
        """The walk of the table; of a virtual machine, of the guest's own."""
        found = self.answer
        return found.guest if isinstance(found, Chain) else found

    @property
    def chain(self) -> Chain | None:
        """The chain of a virtual machine; None of others."""
        found = self.answer
        return found if isinstance(found, Chain) else None

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        return self._explored.sentence(self._asked)

    @property
    def panes(self) -> list[Pane]:
        """Every picture of the answer, with its title and sentence."""
        return self._explored.panes(self._asked)

    @property
    def picture(self) -> Picture:
        """All of them under each other: what a notebook stores, and what paper shows."""
        panes = self.panes
        drawn = [(pane.picture or Picture((), 600, 8, pane.sentence), pane) for pane in panes]
        captions = [f"{pane.title}: {pane.sentence}" for pane in panes]
        return stack([picture for picture, _pane in drawn], captions, repr(self))

    def goto(self, address: int | str) -> Walk | Chain | None:
        """Look at another address, and return the answer. VlabError for what is none; nothing moves then."""
        number: object = self._number(address) if isinstance(address, str) else address
        if not isinstance(number, int) or not 0 <= number < 1 << self._explored.bits:
            raise VlabError(
                _("{address} is no address of {bits} bits.").format(
                    address=f"{number:#x}" if isinstance(number, int) else repr(number),
                    bits=self._explored.bits,
                ),
                mend=_("Addresses go from 0 to {last:#x}.").format(last=(1 << self._explored.bits) - 1),
            )
        self._ask(address=number)
        return self.answer

    def next(self) -> Walk | Chain | None:
        """Move to the next stop; behind the last one, stay."""
        return self.goto(next((stop for stop in self.stops if stop > self.address), self.address))

    def back(self) -> Walk | Chain | None:
        """Move to the stop before; before the first one, stay."""
        return self.goto(max((stop for stop in self.stops if stop < self.address), default=self.address))

    def refresh(self) -> None:
        """Show on the page what the answer is now, after the subject has changed."""
        if self._widget is not None:
            self._widget.show()

    def _ask(self, **changes: Any) -> None:
        """Ask anew, with these parts of the question changed; VlabError leaves it as it is."""
        if "access" in changes:
            changes["access"] = access_of(changes["access"])
        if "mode" in changes:
            changes["mode"] = self._mode(changes["mode"])
        for name in ("sum", "mxr"):
            if name in changes:
                changes[name] = bool(changes[name])
        self._asked = self._asked._replace(**changes)
        self.refresh()

    def _mode(self, wanted: Mode | str) -> Mode:
        for mode in self.modes:
            if wanted in (mode, mode.name):
                return mode
        what = _("There is no mode {mode!r} here.").format(mode=str(wanted))
        raise unknown(what, wanted, (mode.name for mode in self.modes))

    def _number(self, words: str) -> int:
        """The number that a typed address stands for."""
        found = _ADDRESS.fullmatch(words) if len(words) <= _LONGEST else None
        number = None
        if found is not None:
            digits, name, sign, offset = found.groups()
            number = self._explored.number(name) if name else _value(digits)
            if number is not None and offset:
                number += -_value(offset) if sign == "-" else _value(offset)
        if number is None:
            raise VlabError(
                _("{words!r} is no address.").format(words=words[:_LONGEST]),
                mend=_(
                    "Write a number, such as 0x40001000; for a computer also a register or a label, such as sp + 8."
                ),
            )
        return number

    @property
    def widget(self) -> "ExplorerWidget":
        """The live widget, made when first asked for. Needs anywidget."""
        if self._widget is None:
            from vlab.views.live.explorerwidget import ExplorerWidget

            self._widget = ExplorerWidget(self)
        return self._widget

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        return live_bundle(self.picture._repr_mimebundle_(), lambda: self.widget)


def _value(digits: str) -> int:
    plain = digits.replace("_", "").lower()
    return int(plain, 16 if plain.startswith("0x") else 10)
