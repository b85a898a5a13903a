"""What computers and their parts are given: VlabError, in words, for what can't be meant."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vlab.language import VlabError, _

if TYPE_CHECKING:
    from vlab.machine.computer import Computer, Resident


def expect_computer(given: object) -> None:
    """VlabError unless it is a machine or a virtual machine."""
    from vlab.machine.computer import Computer

    if not isinstance(given, Computer):
        raise VlabError(
            _("{given} is no computer.").format(given=repr(given)[:60]),
            mend=_("Give a machine, or a virtual machine."),
        )


def expect_whole(*given: object) -> None:
    """VlabError unless each is a whole number; None stands for one that was not given."""
    for number in given:
        if number is not None and not isinstance(number, int):
            raise _not_whole(number)


def _not_whole(given: object) -> VlabError:
    return VlabError(
        _("{given} is no whole number.").format(given=repr(given)[:40]),
        mend=_("Give a whole number of Python's: `1000`, or `int(…)`."),
    )


def expect_number(given: object) -> None:
    """VlabError unless it is a whole number, and was given."""
    if given is None:
        raise _not_whole(given)
    expect_whole(given)


def expect_count(given: object) -> None:
    """VlabError unless it is a whole number that is not below 0."""
    expect_number(given)
    if isinstance(given, int) and given < 0:
        raise VlabError(
            _("{given} is below 0.").format(given=given),
            mend=_("Give 0 or more: `back` is the one that goes back."),
        )


def expect_asked(given: object) -> None:
    """VlabError unless it can be asked; None stands for what was not given."""
    if given is not None and not callable(given):
        raise VlabError(
            _("{given} can't be asked.").format(given=repr(given)[:40]),
            mend=_("Give a function without arguments: `until=lambda: …`."),
        )


def expect_address(given: object) -> None:
    """VlabError unless it is an address of 64 bits."""
    if not isinstance(given, int) or not 0 <= given < 1 << 64:
        shown = hex(given) if isinstance(given, int) else repr(given)[:40]
        raise VlabError(_("{address} is not an address of 64 bits.").format(address=shown))


def expect_free(device: object, computers: "Iterable[Computer]") -> None:
    """VlabError if one of these computers has this very device."""
    for computer in computers:
        if any(other is device for _base, other in computer.bus.devices.values()):
            raise VlabError(
                _("It is attached to {computer} already.").format(computer=computer.name),
                where=getattr(device, "name", ""),
                mend=_("A device is one computer's: make another one."),
            )


def in_charge(resident: "Resident") -> bool:
    """Whether its computer is still this resident's."""
    return resident in resident.computer.residents.values()


def expect_in_charge(there: bool, kind: str) -> None:
    """VlabError unless a resident of this kind has its computer: what it still knows of it, is another's."""
    if not there:
        raise VlabError(
            _("This {kind} no longer has the computer: it was rewound, or something else runs there.").format(
                kind=kind_title(kind)
            ),
            mend=_("Use the newer one, or make a machine anew."),
        )


def gone(name: str) -> VlabError:
    """What is said of a virtual machine that is no more."""
    return VlabError(
        _(
            "This virtual machine is no more: it was removed or moved away, or its computer was rewound, "
            "or runs something else."
        ),
        where=name,
        mend=_("Create another one."),
    )


def kind_title(kind: str) -> str:
    """A kind of resident in the reader's language, from its stable word."""
    return {"hypervisor": _("hypervisor"), "host": _("host")}.get(kind, kind)
