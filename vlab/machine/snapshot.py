"""Snapshots: the whole state of a computer as plain data, checked before any of it is used.

CPU, memory, devices, typed but unread input, the clock, and the residents with all that they remember. A
snapshot shares its pages of memory with the ones before it, so taking one costs what was written since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlab.display import Drawn
from vlab.language import VlabError, _
from vlab.machine.choices import tlb_index
from vlab.machine.csrfile import restorable
from vlab.machine.memory import PAGE
from vlab.machine.mmu import PHYSICAL_BITS, Entry, Key
from vlab.machine.pages import Pages
from vlab.machine.pmp import R, W, X
from vlab.riscv import Mode

if TYPE_CHECKING:
    from vlab.machine.computer import Computer
    from vlab.machine.hart import Hart

WORD = 1 << 64


@dataclass(frozen=True)
class Snapshot(Drawn):
    """A computer's state at an instant. Two are equal if the computers were."""

    state: Mapping[str, Any]

    @property
    def time(self) -> int:
        """The computer's time then."""
        time: int = self.state["time"]
        return time

    @property
    def pages(self) -> Mapping[int, bytes]:
        """Its memory: the pages that are not all zeros, by their number from the start of RAM."""
        pages: Mapping[int, bytes] = self.state["memory"]["pages"]
        return pages

    def __repr__(self) -> str:
        return _("Snapshot at time {time}: {pages} pages of memory, {mode} mode at {pc:#x}").format(
            time=self.time,
            pages=len(self.pages),
            mode=Mode(self.state["hart"]["mode"]),
            pc=self.state["hart"]["pc"],
        )


def computer_state(computer: "Computer") -> dict[str, Any]:
    """What the states of a machine and of a VM have in common: it may be carried from one to the other."""
    return {
        "time": computer.time,
        "skipped": computer.skipped,
        "reservation": None if computer.reservation is None else list(computer.reservation),
        "htif": computer.htif.state(),
        "hart": hart_state(computer.hart),
        "board": computer.board.state(),
        "devices": computer.bus.state(),
        "memory": {
            "base": computer.memory.base,
            "size": computer.memory.size,
            "pages": computer.memory.pages(),
        },
        "residents": residents_state(computer),
    }


def residents_state(computer: "Computer") -> dict[str, Any]:
    """The residents behind each mode, with all that they remember; one behind two modes is asked once."""
    each = {resident.kind: resident for resident in computer.residents.values()}
    told = {kind: {"kind": kind, "state": resident.state()} for kind, resident in each.items()}
    return {mode.name: told[resident.kind] for mode, resident in computer.residents.items()}


def hart_state(hart: "Hart") -> dict[str, Any]:
    """Registers, pc, mode, CSRs; V of a hart that has it."""
    state = {
        "x": hart.x[:32],
        "pc": hart.pc,
        "mode": int(hart.mode),
        "waiting": hart.waiting,
        "unretired": hart.unretired,
        "csr": dict(hart.csr.values),
        "quirks": list(hart.computer.quirks),
    }
    if (extensions := hart.computer.extensions) not in ("", "H"):
        state["extensions"] = extensions
    return state | {"virtual": hart.virtual} if "H" in hart.computer.extensions else state


def tlb_state(hart: "Hart") -> list[Any]:
    """What the TLB remembers: of each context its key, and its entries as (page, frame, rights)."""
    return [
        key_state(key) | {"entries": [list(entry) for _index, entry in sorted(context.entries.items())]}
        for key, context in sorted(hart.mmu.contexts.items())
        if context.entries
    ]


def key_state(key: Key) -> dict[str, Any]:
    """A context's key, as plain data."""
    told = {"mode": int(key.mode), "paged": key.paged, "sum": key.sum, "mxr": key.mxr}
    return told | {"nested": key.nested, "host_mxr": key.host_mxr} if key.virtual else told


class Checker:
    """Takes a state apart, and says what is wrong with it and where."""

    def __init__(self, state: Any, where: str = "snapshot"):
        self.state, self.where = state, where

    def bad(self, what: str, mend: str = "") -> VlabError:
        """The error for a state that can't be a snapshot's, or not this computer's."""
        damaged = _("The snapshot is damaged, or was made by another version of vlab.")
        return VlabError(what, where=self.where, mend=mend or damaged)

    def part(self, name: str) -> "Checker":
        """The part of that name, which must be there."""
        if not isinstance(self.state, Mapping) or name not in self.state:
            raise self.bad(_("There is no {name!r} in it.").format(name=name))
        return Checker(self.state[name], f"{self.where}.{name}")

    def number(self, name: str, bound: int = WORD) -> int:
        """A whole number from 0 to less than `bound`."""
        value = self.part(name).state
        if type(value) is not int or not 0 <= value < bound:
            raise self.bad(
                _("{name} must be a whole number below {bound:#x}.").format(name=name, bound=bound)
            )
        return value

    def optional(self, name: str, bound: int = WORD) -> int | None:
        """Such a number, or None."""
        return None if self.part(name).state is None else self.number(name, bound)

    def flag(self, name: str) -> bool:
        """True or False."""
        value = self.part(name).state
        if type(value) is not bool:
            raise self.bad(_("{name} must be true or false.").format(name=name))
        return value

    def numbers(self, name: str, count: int, bound: int = WORD) -> list[int]:
        """Exactly `count` whole numbers below `bound`."""
        return self.part(name).all_numbers(count, bound)

    def all_numbers(self, count: int, bound: int = WORD) -> list[int]:
        """This part itself, if it is exactly `count` whole numbers below `bound`."""
        right = isinstance(self.state, list | tuple) and len(self.state) == count
        right = right and set(map(type, self.state)) <= {int}
        if not right or (count and not 0 <= min(self.state) <= max(self.state) < bound):
            raise self.bad(_("It must be {count} numbers.").format(count=count))
        return list(self.state)

    def length(self) -> int:
        """How many parts this part has, if it is a list."""
        if not isinstance(self.state, list | tuple):
            raise self.bad(_("It must be a list."))
        return len(self.state)

    def rows(self) -> "list[Checker]":
        """The parts of this part itself, if it is a list."""
        self.length()
        return [Checker(row, f"{self.where}[{i}]") for i, row in enumerate(self.state)]

    def mode(self) -> Mode:
        """The mode of this part."""
        number = self.number("mode", Mode.M + 1)
        if number not in list(Mode):
            raise self.bad(_("There is no mode {number}.").format(number=number))
        return Mode(number)

    def key(self) -> Key:
        """The context's key of this part."""
        known = Key(self.mode(), self.flag("paged"), self.flag("sum"), self.flag("mxr"))
        if "nested" not in self.state:
            return known
        return known._replace(virtual=True, nested=self.flag("nested"), host_mxr=self.flag("host_mxr"))


def restore_hart(hart: "Hart", state: Checker) -> None:
    """Set a hart to a checked state; its TLB is empty afterwards."""
    x, mode = state.numbers("x", 32), state.mode()
    pc, unretired, waiting = state.number("pc"), state.number("unretired"), state.flag("waiting")
    csr, quirks = state.part("csr"), state.part("quirks")
    if quirks.state != list(hart.computer.quirks):
        raise quirks.bad(_("It is of a computer with other quirks than this one's."))
    virtual = "virtual" in state.state and state.flag("virtual")
    has = state.state.get("extensions", "H" if "virtual" in state.state else "")
    if has != hart.computer.extensions or ("virtual" in state.state) != ("H" in hart.computer.extensions):
        raise state.bad(_("It is of a computer with other extensions than this one's."))
    known = hart.csr.registers
    right = isinstance(csr.state, Mapping) and set(csr.state) == set(known.stored)
    if x[0] or pc % hart.parcel or not right or (virtual and mode == Mode.M):
        raise state.bad(_("These are not the registers of a hart."))
    values = {name: csr.number(name) for name in known.stored}
    for name, value in values.items():
        if not restorable(name, value, known):
            raise csr.bad(_("{name} can never hold {value:#x}.").format(name=name, value=value))
    hart.x[:] = [*x, 0]
    hart.pc, hart.mode, hart.waiting, hart.unretired, hart.changed = pc, mode, waiting, unretired, False
    hart.virtual = virtual
    hart.csr.values = values
    hart.csr.rebuild_pmp()
    hart.mmu.flush("restore")
    hart.mmu.select()


def restore_tlb(hart: "Hart", state: Checker) -> None:
    """Put remembered translations back."""
    for row in state.rows():
        key = row.key()
        if key.virtual and ("H" not in hart.computer.extensions or key.mode == Mode.M):
            raise row.bad(_("This is no entry of a TLB."))
        context = hart.mmu.context(key)
        for entry in row.part("entries").rows():
            page, frame, rights = entry.all_numbers(3)
            if page >= WORD // PAGE or frame >= 1 << PHYSICAL_BITS - 12 or rights > R | W | X:
                raise entry.bad(_("This is no entry of a TLB."))
            context.entries[tlb_index(page)] = Entry(page, frame, rights)


def checked_pages(state: Checker, base: int, size: int) -> Mapping[int, bytes]:
    """The pages of a memory of this base and size."""
    if state.number("base") != base or state.number("size") != size:
        raise state.bad(
            _("It is of a computer with {there} bytes of memory, and this one has {here}.").format(
                there=state.part("size").state, here=size
            ),
            mend=_("Restore it into a computer like the one that it was taken of."),
        )
    pages = state.part("pages")
    if isinstance(pages.state, Pages) and pages.state.end <= size // PAGE:
        return pages.state  # a memory's own: its pages are right
    if not isinstance(pages.state, Mapping):
        raise pages.bad(_("The pages of memory are missing."))
    for page, content in pages.state.items():
        right = (
            type(page) is int
            and 0 <= page < size // PAGE
            and isinstance(content, bytes)
            and len(content) == PAGE
        )
        if not right:
            raise pages.bad(_("Page {page} is not a page of this memory.").format(page=repr(page)[:40]))
    return dict(pages.state)
