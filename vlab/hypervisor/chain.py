"""The way of one guest address: guest-virtual → guest-physical → host-physical, and the shadow's short-cut."""

from collections.abc import Iterator
from dataclasses import dataclass

from vlab.display import Drawn
from vlab.language import _
from vlab.paging import Walk
from vlab.riscv import Access


@dataclass(frozen=True, slots=True)
class Chain(Drawn):
    """One guest address taken through both translations, as values.

    `guest` is the walk of the guest's own table (None where the guest runs unpaged, and GPA = GVA); `place` is
    what lies at the guest-physical address: "memory", a device's name, or "nothing"; `shadow` is the walk of
    the shadow table, which leads from GVA to HPA at once, or faults where the hypervisor has not filled it yet.
    `hva` is where the guest's memory is in the virtual address space of the VM's process, if a host lies below.
    """

    gva: int
    access: Access
    mode: str
    guest: Walk | None
    gpa: int | None
    place: str
    hpa: int | None
    shadow: Walk | None
    hva: int | None = None

    @property
    def stale(self) -> bool:
        """Whether the shadow leads to somewhere, and not to where the guest's table and the hypervisor's map do."""
        return self.shadow is not None and self.shadow.fault is None and self.shadow.physical != self.hpa

    def __repr__(self) -> str:
        if self.gpa is None:
            end = _("the guest's own table faults")
        elif self.hpa is None:
            place = _("nothing") if self.place == "nothing" else self.place
            end = _("GPA {gpa:#x} ({place})").format(gpa=self.gpa, place=place)
        elif self.hva is not None:
            end = _("GPA {gpa:#x} → HVA {hva:#x} → HPA {hpa:#x}").format(
                gpa=self.gpa, hva=self.hva, hpa=self.hpa
            )
        else:
            end = _("GPA {gpa:#x} → HPA {hpa:#x}").format(gpa=self.gpa, hpa=self.hpa)
        sentence = _("{access} of GVA {gva:#x} in {mode} → {end}").format(
            access=self.access.title, gva=self.gva, mode=self.mode, end=end
        )
        return "; ".join([sentence, *self._of_the_shadow()])

    def _of_the_shadow(self) -> Iterator[str]:
        """What the shadow has to do with it; nothing where none will ever lead."""
        if self.stale and self.shadow is not None:
            yield _("the shadow leads elsewhere, to HPA {hpa:#x}").format(hpa=self.shadow.physical)
        elif self.hpa is not None and (self.shadow is None or self.shadow.fault is not None):
            yield _("the shadow does not have it yet")
        elif self.hpa is not None:
            yield _("the shadow has it")
