"""Restoring a computer from a snapshot: all of it, or none."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vlab.language import VlabError, _
from vlab.machine.computer import RESIDENTS, Computer
from vlab.machine.snapshot import Checker, Snapshot, checked_pages, restore_hart, restore_tlb
from vlab.riscv import Mode

if TYPE_CHECKING:
    from vlab.machine.computer import Resident

_LONGEST_TIME = 1 << 63


def restore_computer(computer: Computer, snapshot: Snapshot) -> None:
    """Set a machine or a virtual machine to the state that either of them had.

    Raises:
        VlabError: if the state is damaged or doesn't fit; the computer is then as it was before.
    """
    if not isinstance(snapshot, Snapshot):
        raise VlabError(
            _("{given} is no snapshot.").format(given=repr(snapshot)[:40]),
            mend=_("Give what `snapshot()` returned. Those in a tree have names: `tree.restore(name)`."),
        )
    before = computer.snapshot()
    try:
        restore_state(computer, Checker(snapshot.state))
    except BaseException:  # Ctrl-C too
        restore_state(computer, Checker(before.state))
        raise


def restore_state(computer: Computer, state: Checker) -> None:
    """Set a computer to a state, checking each part before it is used; a bad part leaves it half done."""
    time = state.number("time", _LONGEST_TIME)
    skipped = state.number("skipped", time + 1)
    pages = checked_pages(state.part("memory"), computer.memory.base, computer.memory.size)
    computer.htif.connect(None)  # what is put into memory now, no guest stores
    computer.memory.set_pages(pages)
    restore_residents(computer, state.part("residents"))
    restore_core(computer, state)
    computer.set_clock(time)
    computer.skipped = skipped
    restore_reservation(computer, state)
    computer.translations_changed("restore", None)
    computer.events.forget(computer.level)
    if "tlb" in state.state and computer.level == 0:  # a virtual hart has none
        restore_tlb(computer.hart, state.part("tlb"))


def restore_reservation(computer: Computer, state: Checker) -> None:
    """What `lr` had reserved."""
    computer.reservation = None
    if state.part("reservation").state is not None:
        address, size = state.numbers("reservation", 2)
        if size not in (4, 8) or address % size or not computer.memory.holds(address, size):
            raise state.bad(_("There is nothing to reserve at {address:#x}.").format(address=address))
        computer.reservation = (address, size)


def restore_core(computer: Computer, state: Checker) -> None:
    """Hart, devices, and whether the guest has powered off."""
    computer.board.check(state.part("board"))
    restore_hart(computer.hart, state.part("hart"))
    computer.htif.restore(state.part("htif"))
    computer.bus.restore(state.part("devices").state)


def restore_residents(computer: Computer, state: Checker) -> None:
    """Bring back a computer's residents; those of a kind that is there already stay the same objects."""
    wanted = state.state
    if not isinstance(wanted, Mapping) or not set(wanted) <= {mode.name for mode in Mode}:
        raise state.bad(_("These are not the residents of a computer."))
    made: dict[str, Any] = {}
    before = {resident.kind: resident for resident in computer.residents.values()}
    residents: dict[Mode, Resident] = {}
    for name in wanted:
        one = state.part(name)
        kind = one.part("kind").state
        if not isinstance(kind, str) or kind not in RESIDENTS:
            raise one.bad(_("There is no resident of the kind {kind}.").format(kind=repr(kind)[:40]))
        if kind not in made:
            resident: Resident = before.get(kind) or RESIDENTS[kind](computer)
            made[kind] = resident
            resident.restore(one.part("state").state)
        residents[Mode[name]] = made[kind]
    computer.residents = residents
