"""Two-stage address translation in the hart: contexts of V = 1, and the walks of `vsatp` and `hgatp`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vlab.machine.mmu import PHYSICAL_BITS, SCHEMES, Context, Key, Mmu, data_mode, rights
from vlab.machine.pmp import R, X
from vlab.paging import SV39X4, Flags, Host, Walk, walk, walk_two_stages
from vlab.paging.walk import G_STAGE, VS_STAGE, fault_of
from vlab.riscv import Access, Mode, Trap
from vlab.riscv.csrs import H_REGISTERS
from vlab.riscv.privilege import ACCESS_FAULT

if TYPE_CHECKING:
    from vlab.machine.h_extension.hart import HypervisorHart

_STATUS = H_REGISTERS.by_name["mstatus"]
_SUM, _MXR, _MPRV, _MPV = (_STATUS[name].mask for name in ("SUM", "MXR", "MPRV", "MPV"))
_SPVP = H_REGISTERS.by_name["hstatus"]["SPVP"].mask
_PPN = (1 << 44) - 1
# Pseudoinstructions: the walker's accesses to the guest's own tables, of 64 bits.
ENTRY_READ, ENTRY_WRITE = 0x3000, 0x3020


class TwoStageMmu(Mmu):
    """The translations of a hart that may be in a guest (chapter "H", "Two-Stage Address Translation")."""

    def __init__(
        self, hart: "HypervisorHart", cached: bool, make_context: Callable[[Key], Context] = Context
    ):
        self._hart: HypervisorHart = hart
        super().__init__(hart, cached, make_context)

    # Contexts

    def select(self) -> None:
        """See `Mmu.select`. With MPRV, data is as for V = MPV, unless MPP is M."""
        hart = self._hart
        status = hart.csr.values["mstatus"]
        find = self._guest_context if hart.virtual else self._context_of
        self.fetches = self.data = find(hart.mode, status)
        if status & _MPRV:
            mode = data_mode(hart.mode, status)
            find = self._guest_context if status & _MPV and mode != Mode.M else self._context_of
            self.data = find(mode, status)

    def guest(self) -> Context:
        """The context in which `hlv`, `hlvx` and `hsv` see memory: VS mode, or VU mode with SPVP = 0."""
        values = self._hart.csr.values
        mode = Mode.S if values["hstatus"] & _SPVP else Mode.U
        return self._guest_context(mode, values["mstatus"])

    def _guest_context(self, mode: Mode, status: int) -> Context:
        values = self._hart.csr.values
        guest_status = values["vsstatus"]
        paged, nested = values["vsatp"] >> 60 != 0, values["hgatp"] >> 60 != 0
        user_pages = paged and mode == Mode.S and bool(guest_status & _SUM)
        # The hypervisor's MXR counts in both stages, the guest's in its own.
        host_mxr = bool(status & _MXR)
        executable = paged and (host_mxr or bool(guest_status & _MXR))
        return self.context(Key(mode, paged, user_pages, executable, True, nested, nested and host_mxr))

    # Walks

    def walk(self, address: int, access: Access, key: Key) -> Walk:
        """See `Mmu.walk`; with V = 1, of the one stage that is on, or of both."""
        if not key.virtual:
            return super().walk(address, access, key)
        values, load = self._hart.csr.values, self._load_entry
        root, host_root = ((values[name] & _PPN) << 12 for name in ("vsatp", "hgatp"))
        seen: dict[str, Any] = {
            "mode": key.mode,
            "sum": key.sum,
            "mxr": key.mxr,
            "hardware_ad": self._sets_ad("menvcfg", "henvcfg") if key.paged else self._sets_ad("menvcfg"),
        }
        if key.paged:
            seen["scheme"] = SCHEMES[values["vsatp"] >> 60]
        if key.paged and key.nested:
            seen |= {"host": Host(SV39X4, host_root, key.host_mxr), "host_ad": self._sets_ad("menvcfg")}
            return walk_two_stages(load, root, address, access, **seen)
        if key.paged:
            return walk(load, root, address, access, stage=VS_STAGE, **seen)
        # An address that isn't translated by VS mode is guest-physical; every access to that counts as U mode's.
        seen |= {"mode": Mode.U, "sum": False, "mxr": key.host_mxr}
        return walk(load, host_root, address, access, scheme=SV39X4, stage=G_STAGE, **seen)

    def _settled(self, found: Walk, touch: bool) -> int:
        """See `Mmu._settled`. A guest-page fault tells of the guest-physical address, and whose access it was."""
        if found.fault is None or found.fault_gpa is None:
            return super()._settled(found, touch)
        trap = Trap(found.fault, found.address)
        trap.second = found.fault_gpa >> 2
        if found.implicit:
            trap.instruction = ENTRY_WRITE if found.rule == "update-refused" else ENTRY_READ
        raise trap

    def _rights(self, found: Walk, key: Key) -> int:
        """See `Mmu._rights`: what both stages grant."""
        if not key.nested:
            return super()._rights(found, key)
        of_host = Key(Mode.U, True, mxr=key.host_mxr)
        if found.host_flags is None:
            return super()._rights(found, of_host)
        return super()._rights(found, key) & rights(found.host_flags, of_host)

    def executable(self, address: int, size: int) -> int:
        """The physical address of bytes in one page that a guest may execute, for `hlvx`. The TLB isn't asked.

        Raises:
            Trap: as a load deserves, with the right to execute in place of that to read; PMP must grant both.
        """
        key, physical = self.guest().key, address
        if not key.walked:
            if address >> PHYSICAL_BITS:
                raise Trap(ACCESS_FAULT[Access.LOAD], address)
        else:
            lenient = key._replace(mxr=True, host_mxr=True)  # so whatever may be read or executed is found
            physical = self._settled(must_execute(self.walk(address, Access.LOAD, lenient)), True)
        if self._hart.csr.pmp.allowed(physical, size, key.mode) & (R | X) != R | X:
            raise Trap(ACCESS_FAULT[Access.LOAD], address)
        return physical


def must_execute(found: Walk) -> Walk:
    """The walk of a load that needs X at each stage: the first leaf without it faults."""
    leaves = [step for step in found.steps if step.verdict == "leaf"]
    guest = next((step for step in leaves if step.stage == VS_STAGE), None)
    host = leaves[-1] if found.physical is not None and leaves[-1].stage == G_STAGE else None
    for step in (guest, host):
        if step is not None and step.flags is not None and not step.flags & Flags.X:
            gpa = None if step.stage == VS_STAGE else found.address if guest is None else found.gpa
            fault = fault_of("not-executable", step.stage, found.access)
            return found._replace(
                physical=None, fault=fault, rule="not-executable", updates=(), fault_gpa=gpa, implicit=False
            )
    return found
