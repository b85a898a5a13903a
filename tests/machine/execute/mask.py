"""What can't align with QEMU 7.2, in one place, each with its reason.

After a step of `TOLD`, QEMU is given our answer to one question of its trap, and all else is compared; a program is
compared up to its first step of `LEFT_OUT`. A line looks at what a step has done on our machine rather than at what
it is, so that it is narrow. Left out altogether are timers, counters and devices, which go by the host's clock there.
"""

from collections.abc import Callable
from typing import NamedTuple

from vlab.machine import Machine
from vlab.riscv import CSRS, Cause, Instruction, Mode

_MPRV, _MPP, _VS = CSRS["mstatus"]["MPRV"].mask, CSRS["mstatus"]["MPP"].mask, 3 << 9
_SUM, _WIDTHS, _GUEST, _RESERVED_MODE = CSRS["mstatus"]["SUM"].mask, 0xF << 32, 3 << 38, 2 << 11
_SUPERVISOR = 0x222  # the interrupts of S mode
_ACCESS_FAULTS = (Cause.INSTRUCTION_ACCESS_FAULT, Cause.LOAD_ACCESS_FAULT, Cause.STORE_ACCESS_FAULT)
# Bytes that are accessed, by the beginning of a name; of a compressed one, of what follows "c.".
_SIZES = {"lh": 2, "sh": 2, "lw": 4, "sw": 4, "ld": 8, "sd": 8}
_INTERRUPTS = _SUPERVISOR | _SUPERVISOR << 2
_READ_ONLY = {csr.name for csr in CSRS.values() if csr.read_only}
_COUNTERS = ("cycle", "time", "instret", "mcycle", "minstret")


class Step(NamedTuple):
    """One attempted instruction, the machine after it, and what there was before it."""

    machine: Machine
    instruction: Instruction | None  # none where none can be fetched, or the word is illegal
    operand: int  # of an instruction that writes a CSR
    mode: Mode
    status: int  # mstatus
    trapped: bool
    reserved: int  # bytes that were
    ready: list[int]  # for each interrupt that was taken before it, all that could have been
    marks: bool  # whether PMP lets A and D be set in all page tables
    marked: bool  # a page table isn't what it was
    stale: bool  # a page table isn't what it was, and not only by new marks

    @property
    def name(self) -> str:
        """Of the instruction; "" without one."""
        return "" if self.instruction is None else self.instruction.row.name

    @property
    def accesses(self) -> bool:
        """Whether it loads or stores."""
        return self.instruction is not None and "(rs1)" in self.instruction.row.syntax

    @property
    def lowered(self) -> bool:
        """Whether M mode's loads and stores were those of a lower mode."""
        return self.mode == Mode.M and bool(self.status & _MPRV) and self.status & _MPP != _MPP

    @property
    def csr(self) -> str:
        """The CSR that it names; "" for another instruction."""
        number = -1 if self.instruction is None else self.instruction.values.get("csr", -1)
        return next((csr.name for csr in CSRS.values() if csr.number == number), "")

    @property
    def cause(self) -> int | None:
        """Why it trapped; None if it didn't."""
        return self.machine.hart.csr[self.told("cause")] if self.trapped else None

    @property
    def value(self) -> int:
        """What the trap says of it."""
        return self.machine.hart.csr[self.told("tval")]

    def told(self, what: str) -> str:
        """The CSR that tells the handler's mode of the trap: "tval" or "cause" of S or M."""
        return "sm"[self.machine.hart.mode == Mode.M] + what

    def sets(self, bits: int, *names: str) -> bool:
        """Whether it has tried to set one of these bits in one of these CSRs."""
        return (
            not self.trapped and self.csr in names and "c" not in self.name[4:] and bool(self.operand & bits)
        )


class Told(NamedTuple):
    """A kind of trap of which QEMU tells something else, and why."""

    why: str
    what: str
    when: Callable[[Step], bool]


class Left(NamedTuple):
    """A kind of step that can't align, and why."""

    why: str
    when: Callable[[Step], bool]


TOLD: tuple[Told, ...] = (
    Told("without C, of an illegal word whose lowest bits aren't 11, QEMU gives only half", "tval",
         lambda step: step.cause == Cause.ILLEGAL_INSTRUCTION and step.value & 3 != 3),
    Told("of an ebreak it gives 0 in place of its address", "tval",
         lambda step: step.cause == Cause.BREAKPOINT),
    Told("of a jump to where no instruction can be it gives the jump's address, not the target's", "tval",
         lambda step: step.cause == Cause.INSTRUCTION_MISALIGNED),
    Told("a misaligned access is cut into aligned ones, and it gives the address of one of these", "tval",
         lambda step: step.cause in _ACCESS_FAULTS and step.value % _SIZES.get(step.name.split(".")[-1][:2], 1) > 0),
)  # fmt: skip

LEFT_OUT: tuple[Left, ...] = (
    Left("of several interrupts for one mode QEMU takes the one with the lowest number",
         lambda step: any(ready.bit_count() > 1 for ready in step.ready)),
    Left("after a wfi the stub steps on: it waits there for an interrupt, and executes what follows",
         lambda step: step.name == "wfi" and not step.trapped),
    Left("a counter that may be read: QEMU's go by the host's clock, or count an ecall as retired",
         lambda step: step.csr in _COUNTERS and not step.trapped),
    Left("under MPRV M fetches by the TLB by which it loads as a lower mode, and a return may change that mode unseen",
         lambda step: step.lowered and (step.trapped or step.accesses)),
    Left("under SUM the TLB lets S fetch from a user's page from which it has loaded",
         lambda step: step.cause == Cause.INSTRUCTION_PAGE_FAULT and step.mode == Mode.S
         and bool(step.status & _SUM)),
    Left("an AMO loads before it stores: it faults as a load does, and leaves the load's marks",
         lambda step: step.name.startswith("amo") and step.trapped),
    Left("an AMO to the very entry that translates it loses the D that this sets",
         lambda step: step.name.startswith("amo") and step.stale),
    Left("an sc of what isn't reserved fails there before it asks whether it may store",
         lambda step: step.name.startswith("sc.") and (step.trapped or step.marked)),
    Left("an sc may succeed there on what an lr of another size has reserved",
         lambda step: step.name.startswith("sc.") and step.reserved not in (0, 4 << step.name.endswith("d"))),
    Left("a walk sets A and D without asking PMP",
         lambda step: step.cause in _ACCESS_FAULTS and not step.marks),
    Left("MPRV stays set on a return to a mode below M (it is cleared since version 1.12 of the privileged ISA)",
         lambda step: step.name in ("mret", "sret") and bool(step.status & ~step.machine.hart.csr["mstatus"] & _MPRV)),
    Left("a write of a reserved MODE into a trap vector is ignored as a whole",
         lambda step: step.sets(2, "mtvec", "stvec")),
    Left("mepc and sepc keep bits that no address of an instruction has",
         lambda step: step.sets(step.machine.hart.parcel - 1, "mepc", "sepc")),
    Left("mstatus has VS, MPV and GVA without their extensions, and UXL and SXL are not fixed",
         lambda step: step.sets(_VS | _WIDTHS | _GUEST, "mstatus", "sstatus")),
    Left("MPP may name the mode that isn't",
         lambda step: step.sets(_RESERVED_MODE, "mstatus") and step.machine.hart.csr["mstatus"] & _MPP != _MPP),
    Left("satp takes Sv48 and Sv57, and an ASID",
         lambda step: step.sets(7 << 60 | 0xFFFF << 44, "satp")),
    Left("csrrs and csrrc of a read-only CSR are legal there if the register holds 0, whichever it is",
         lambda step: step.trapped and step.name in ("csrrs", "csrrc") and step.csr in _READ_ONLY
         and step.operand == 0),
    Left("of mcounteren and scounteren the bits of counters that aren't there may be set",
         lambda step: step.sets(~7, "mcounteren", "scounteren")),
    Left("pmpaddr has more bits than physical addresses",
         lambda step: step.csr.startswith("pmpaddr") and step.sets(-1 << 54, step.csr)),
    Left("mie and mip have bits of extensions that aren't there",
         lambda step: step.sets(~_INTERRUPTS, "mie", "mip")),
    Left("medeleg has causes of the hypervisor extension without it, and the ecall from M",
         lambda step: step.sets(0xF00C00, "medeleg")),
    Left("mideleg has bits of the hypervisor extension without it",
         lambda step: step.sets(~_SUPERVISOR, "mideleg")),
)  # fmt: skip
