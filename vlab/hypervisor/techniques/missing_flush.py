"""A classic bug of shadow paging, on purpose: the guest fences, and what its old table said stays in use."""

from typing import ClassVar

from vlab.hypervisor.techniques.trap_and_emulate import TrapAndEmulate


class MissingFlush(TrapAndEmulate):
    """Broken: its guest's `sfence.vma` exits, and does nothing to the shadows.

    The guest has edited its table, and says so as it has to. But the shadow is as a TLB that nobody flushes: what
    was filled before stays. So a page that was moved is found where it was, one that was taken away is still
    there, and one that was made read-only is written. Whether that is so depends on whether it was touched before,
    and whether the shadow happened to be dropped since: this bug comes and goes. It ruins its own guest alone.

    Under *traced* shadows it isn't seen: those follow the guest's stores, and need no fence.
    """

    name: ClassVar[str] = "missing-flush"

    def translations_changed(self, reason: str, address: int | None) -> None:
        """The bug: a fence is no reason to forget anything."""
        if reason != "sfence.vma":
            super().translations_changed(reason, address)
