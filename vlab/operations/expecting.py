"""What the operations are given: VlabError, in words, for what they can't work on."""

from vlab.hypervisor import Hypervisor, VirtualMachine
from vlab.language import VlabError, _


def expect_vm(given: object) -> None:
    """VlabError unless it is a virtual machine, which is still there."""
    if not isinstance(given, VirtualMachine):
        raise VlabError(
            _("{given} is no virtual machine.").format(given=repr(given)[:60]),
            mend=_("Give one that `hypervisor.create_vm(…)` made."),
        )
    given.expect_there()


def expect_hypervisor(given: object) -> None:
    """VlabError unless it is a hypervisor."""
    if not isinstance(given, Hypervisor):
        raise VlabError(
            _("{given} is no hypervisor.").format(given=repr(given)[:60]),
            mend=_("Give one: `Hypervisor(machine)`."),
        )


def expect_ticks(given: object) -> None:
    """VlabError unless something can last so many ticks."""
    if type(given) is not int or given < 0:
        raise VlabError(
            _("Nothing lasts {ticks} ticks.").format(ticks=repr(given)[:40]),
            mend=_("Give a number from 0 on."),
        )
