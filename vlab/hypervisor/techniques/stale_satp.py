"""The classic bug of shadow paging, on purpose: the guest loads another table, and the old shadow stays in use."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from vlab.hypervisor.policies import Lazy
from vlab.hypervisor.shadow import ShadowTables
from vlab.hypervisor.techniques.trap_and_emulate import TrapAndEmulate
from vlab.machine.mmu import Found
from vlab.machine.snapshot import Checker
from vlab.riscv import Access

if TYPE_CHECKING:
    from vlab.hypervisor.virtualmachine import VirtualMachine


class StaleSatp(TrapAndEmulate):
    """Broken: it shadows the first page table that its guest loads, for ever.

    The write to `satp` exits, and is emulated: the guest reads back what it wrote. But the hypervisor goes on
    with the table that it knows, at faults and at fences too. So a second process finds the memory of the
    first. What it finds is its own guest's memory all the same: the bug is the guest's ruin, nobody else's.
    """

    name: ClassVar[str] = "stale-satp"

    def __init__(self, vm: "VirtualMachine", frames: Iterable[int], policy: type[ShadowTables] = Lazy):
        super().__init__(vm, frames, policy)
        self._first = 0

    def table(self) -> int:
        """The bug: whatever the guest loads, the table that it loaded first."""
        loaded = super().table()
        self._first = self._first or loaded
        return self._first if loaded else 0

    def resolve(self, gva: int, access: Access, *, touch: bool = True) -> Found:
        """See `TrapAndEmulate.resolve`: through that table."""
        values = self.vm.hart.csr.values
        loaded, values["satp"] = values["satp"], self.table()
        try:
            return super().resolve(gva, access, touch=touch)
        finally:
            values["satp"] = loaded

    def translations_changed(self, reason: str, address: int | None) -> None:
        """See `TrapAndEmulate.translations_changed`: a guest that is switched on has no past."""
        if reason in ("power", "restore"):
            self._first = 0
        super().translations_changed(reason, address)

    def state(self) -> dict[str, Any]:
        """See `TrapAndEmulate.state`."""
        return super().state() | {"first": self._first}

    def restore(self, state: Checker) -> None:
        """See `TrapAndEmulate.restore`."""
        self._first = state.number("first")
        super().restore(state)
