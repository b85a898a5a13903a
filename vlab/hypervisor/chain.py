"""The way of one guest address: guest-virtual → guest-physical → host-physical, and the shadow's short-cut."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlab.display import Drawn
from vlab.hypervisor.shadow import View
from vlab.language import _
from vlab.machine.expecting import expect_address
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Key
from vlab.paging import SV39, Walk, access_of, parse_satp, walk
from vlab.riscv import Access

if TYPE_CHECKING:
    from vlab.hypervisor.virtualmachine import VirtualMachine


@dataclass(frozen=True, slots=True)
class Chain(Drawn):
    """One guest address taken through both translations, as values.

    `guest` is the walk of the guest's own table (None where the guest runs unpaged, and GPA = GVA); `place` is
    what lies at the guest-physical address: "memory", a device's name, or "nothing"; `shadow` is the walk of
    the shadow table, which leads from GVA to HPA at once, or faults where the hypervisor has not filled it yet.
    `hva` is where the guest's memory is in the virtual address space of the VM's process, if a host lies below;
    `hidden` says that the shadow leads to a frame of the technique's own, such as translated code.
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
    hidden: bool = False

    @property
    def stale(self) -> bool:
        """Whether the shadow leads to somewhere, and not to where the guest's table and the hypervisor's map do."""
        shadow = None if self.hidden else self.shadow
        return shadow is not None and shadow.fault is None and shadow.physical != self.hpa

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
        if self.hidden and self.shadow is not None:
            yield _("the shadow leads to the technique's own, at HPA {hpa:#x}").format(
                hpa=self.shadow.physical
            )
        elif self.stale and self.shadow is not None:
            yield _("the shadow leads elsewhere, to HPA {hpa:#x}").format(hpa=self.shadow.physical)
        elif self.hpa is not None and (self.shadow is None or self.shadow.fault is not None):
            yield _("the shadow does not have it yet")
        elif self.hpa is not None:
            yield _("the shadow has it")


def chain_of(vm: "VirtualMachine", address: int, access: Access | str, key: Key | None) -> Chain:
    """The way of one address of a VM: see `VirtualMachine.chain`."""
    access = _checked(address, access)
    mmu, view = vm.hart.mmu, vm.technique.view()
    if key is None:
        key = (mmu.fetches if access is Access.FETCH else mmu.data).key
    elif key != view.key:
        view = View(key, vm.technique.table() if key.paged else 0)
    guest = mmu.walk(address, access, key) if key.paged else None
    gpa = address if guest is None else guest.physical
    held = gpa is not None and vm.memory.holds(gpa)
    shadow = vm.technique.shadow.walk(view, address, access)
    reached = None if shadow is None else shadow.physical
    return Chain(
        gva=address,
        access=access,
        mode=str(key),
        guest=guest,
        gpa=gpa,
        place=_place(vm, gpa),
        hpa=vm.memory.host_address(gpa) if held and gpa is not None else None,
        shadow=shadow,
        hva=vm.hypervisor.process_address(vm, gpa) if held and gpa is not None else None,
        hidden=reached is not None and reached // PAGE in vm.technique.shadow.hidden,
    )


def raw_walk_of(vm: "VirtualMachine", address: int, access: Access | str) -> Walk | None:
    """Where the host's MMU would lead an address by the guest's table: see `VirtualMachine.raw_walk`."""
    access = _checked(address, access)
    mmu = vm.hart.mmu
    key = (mmu.fetches if access is Access.FETCH else mmu.data).key
    if not key.paged:
        return None
    satp = parse_satp(vm.hart.csr.values["satp"])
    seen = {"mode": key.mode, "sum": key.sum, "mxr": key.mxr}
    return walk(vm.host.memory.load, satp.root, address, access, scheme=satp.scheme or SV39, **seen)  # type: ignore[arg-type]


def _place(vm: "VirtualMachine", gpa: int | None) -> str:
    if gpa is None:
        return "nothing"
    if vm.memory.holds(gpa):
        return "memory"
    found = vm.bus.find(gpa)
    return "nothing" if found is None else found[0].name


def _checked(address: int, access: Access | str) -> Access:
    """The access, if it is one and `address` is an address."""
    expect_address(address)
    return access_of(access)
