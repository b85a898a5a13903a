"""The classic bug of hypercalls, on purpose: an address that the guest gives is believed."""

from typing import ClassVar

from vlab.hypervisor.techniques.paravirtual import Paravirtual
from vlab.machine.memory import PAGE


class Trusting(Paravirtual):
    """Broken: where the guest's table leads, there must be its memory, it thinks; it does not look.

    A guest's frames are neighbours as a rule. So it reckons where a guest-physical address is from the first of
    them, and an address behind the guest's last page is in the memory of whoever comes next: the guest has that
    printed on its own console. The shadow is not wrong by it: the guest itself reaches no such page. The
    hypervisor reaches there, and does what it is asked.
    """

    name: ClassVar[str] = "trusting"

    def _look_up(self, gpa: int, size: int) -> bytes | None:
        """The bug: `holds` is asked of the host's memory, not of the guest's."""
        memory, host = self.vm.memory, self.vm.host.memory
        place = memory.frames[0] * PAGE + gpa - memory.base
        return host.peek(place, size) if host.holds(place, size) else None
