"""A classic bug of virtual interrupts, on purpose: one that comes at a bad moment is forgotten."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from vlab.hypervisor.policies import Lazy
from vlab.hypervisor.shadow import ShadowTables
from vlab.hypervisor.techniques.trap_and_emulate import TrapAndEmulate
from vlab.machine.snapshot import Checker

if TYPE_CHECKING:
    from vlab.hypervisor.virtualmachine import VirtualMachine


class LostInterrupt(TrapAndEmulate):
    """Broken: a virtual interrupt is delivered when it comes, or never.

    If its guest has interrupts disabled at that moment, in a critical section or in a handler, a computer keeps the
    interrupt pending until they are enabled again. This hypervisor forgets it, and with it the wakening from a
    `wfi`. So a kernel that sets its next alarm when the last one has rung hears no other: its ticks stop, for good,
    after a time that seems to be random.
    """

    name: ClassVar[str] = "lost-interrupt"

    def __init__(self, vm: "VirtualMachine", frames: Iterable[int], policy: type[ShadowTables] = Lazy):
        super().__init__(vm, frames, policy)
        self._missed = 0  # what is pending, and will not be delivered: bits as in `mip`

    def prepare(self) -> bool:
        """See `TrapAndEmulate.prepare`; the bug: what was pending before counts no more."""
        csr = self.vm.hart.csr
        enabled = csr.values["mie"]
        self._missed &= csr.pending()  # what is withdrawn, may come again
        csr.values["mie"] = enabled & ~self._missed
        try:
            return super().prepare()
        finally:
            csr.values["mie"] = enabled
            self._missed |= csr.pending() & enabled

    def translations_changed(self, reason: str, address: int | None) -> None:
        """See `TrapAndEmulate.translations_changed`: a guest that is switched on has missed nothing."""
        if reason in ("power", "restore"):
            self._missed = 0
        super().translations_changed(reason, address)

    def state(self) -> dict[str, Any]:
        """See `TrapAndEmulate.state`."""
        return super().state() | {"missed": self._missed}

    def restore(self, state: Checker) -> None:
        """See `TrapAndEmulate.restore`."""
        self._missed = state.number("missed")
        super().restore(state)
