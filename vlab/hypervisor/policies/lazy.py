"""Lazy shadows: a shadow begins empty, and one entry is filled at each hidden fault."""

from typing import ClassVar

from vlab.hypervisor.shadow import ShadowTables


class Lazy(ShadowTables):
    """The shadow is to the guest as a TLB: filled as it is needed, and flushed by the guest's own fences.

    Nobody sees the guest edit its tables. So a fence must drop what it names from *all* cached roots: the
    guest may have edited a table that is not loaded now.
    """

    name: ClassVar[str] = "lazy"

    def fenced(self, address: int | None) -> None:
        """Drop what the fence names."""
        if address is None:
            self.drop_all("sfence.vma")
        else:
            self.drop_page("sfence.vma", address)

    def switched(self) -> None:
        """Nothing to do: the other root has a shadow of its own, which may have been filled before."""
