"""Measuring: workloads, run bare and in a VM, and everything counted that the models have prices for.

Nested paging is measured on the bare run: at each miss of its TLB, the walk of two stages that hardware would
make there is made, through the guest's own table and a G-stage's under it, and its references are counted.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from vlab import guests
from vlab.events import CsrWrite, DeviceAccess, Event, Exit, ShadowFill, TlbFill, TlbFlush, Trap
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.policies import POLICIES
from vlab.language import VlabError, _, named
from vlab.machine import Computer, Machine, Stop, parse_size
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Key
from vlab.operations.costs.quantities import Measured
from vlab.paging import G_STAGE, SV39X4, Host, Memory, PageTable, Walk, walk, walk_two_stages
from vlab.riscv import Access, Cause, Mode, Program, decode
from vlab.riscv.csrs import CSRS

MOST = 5_000_000  # steps of one run
_SATP = CSRS["satp"].number
_PAGE_FAULTS = (Cause.INSTRUCTION_PAGE_FAULT, Cause.LOAD_PAGE_FAULT, Cause.STORE_PAGE_FAULT)
# Host-physical: where the guest's memory lies under nested paging. The G-stage's tables lie below.
_G_BASE = 1 << 40


@dataclass(frozen=True)
class Workload:
    """A guest with its constants; the one named `repeated` says how often it does its work.

    `memory` is the size of its computer.
    """

    name: str
    guest: str
    repeated: str
    constants: tuple[tuple[str, int], ...] = ()
    memory: str = "256K"

    @property
    def title(self) -> str:
        """Its name in the reader's language."""
        return {
            "large working set": _("a large working set, and no edit of the page table"),
            "many edits": _("a small working set, and many edits of the page table"),
            "fork and wait": _("fork and wait"),
            "system calls": _("system calls"),
        }.get(self.name, self.name)

    def program(self, repeats: int) -> Program:
        """Its image, for so many repeats; VlabError as `guests.load`."""
        return guests.load(self.guest, **dict(self.constants) | {self.repeated: repeats})


_KNOWN = (
    # Twice as many pages as the TLB has entries: each access misses.
    Workload("large working set", "pages", "ROUNDS", (("PAGES", 2048), ("EDITS", 0)), "8448K"),
    Workload("many edits", "pages", "ROUNDS", (("PAGES", 16), ("EDITS", 8)), "128K"),
    Workload("fork and wait", "forkwait", "FORKS"),
    Workload("system calls", "forkwait", "FORKS", (("CALLS", 200), ("PAGES", 1))),
)
WORKLOADS = {one.name: one for one in _KNOWN}


def workload_of(wanted: str | Workload) -> Workload:
    """A workload from itself or its name; VlabError, with the nearest name, where there is none."""
    if isinstance(wanted, Workload):
        return wanted
    return named(wanted, WORKLOADS, _("There is no workload {word!r}."))


class Counts(NamedTuple):
    """What was measured of a workload in one way: until its work was done once, and for doing it once more."""

    start: Measured
    further: Measured


@cache
def measure(workload: Workload, way: str) -> Counts:
    """Run a workload in a way and count: "native", "nested", or a policy of shadows ("lazy", "eager", "traced").

    What a further repeat takes is the difference of two runs, of one repeat and of two.

    Raises:
        VlabError: if there is no such way; or the workload doesn't come to its end, or fails.
    """
    counters: dict[str, Callable[[Workload, int], Counter[str]]] = {"native": _native, "nested": _nested}
    counters |= dict.fromkeys(POLICIES, lambda workload, repeats: _shadowed(workload, repeats, way))
    counted = named(way, counters, _("There is no way {word!r} to run a workload."))
    one, two = (Measured(f"{workload.name}, {way}", counted(workload, n)) for n in (1, 2))
    return Counts(one, two - one)


# --- Bare


def _native(workload: Workload, repeats: int) -> Counter[str]:
    return _bare(workload, repeats)[0]


def _nested(workload: Workload, repeats: int) -> Counter[str]:
    return _bare(workload, repeats)[1]


@cache
def _bare(workload: Workload, repeats: int) -> tuple[Counter[str], Counter[str]]:
    """One run on the bare machine: what it takes there, and what nested paging would take."""
    machine = Machine(workload.program(repeats), memory=workload.memory)
    native, stages = Counter[str](), _TwoStages(machine)
    nested = Counter[str]()

    def listen(event: Event) -> None:
        if isinstance(event, TlbFill):
            found = _walk_of(machine, event)
            native["TLB miss"] += 1
            native["reference"] += 0 if found is None else len(found.steps)
            stages.missed(event, found)
        elif name := _native_name(event):
            native[name] += 1

    _run(machine, machine, listen, workload)
    kept = {name: count for name, count in native.items() if name != "reference"}
    nested.update(kept)
    nested.update(stages.counts)
    return native, nested


def _native_name(event: Event) -> str:
    """What an event of a bare run counts as."""
    match event:
        case Trap(cause=Cause.ECALL_FROM_U):
            return "system call"
        case Trap() if event.cause in _PAGE_FAULTS:
            return "page fault"
        case CsrWrite(name="satp"):
            return "satp write"
        case TlbFlush(reason="sfence.vma"):
            return "fence"
        case DeviceAccess():
            return "device access"
    return ""


def _walk_of(machine: Machine, fill: TlbFill) -> Walk | None:
    """The walk that the MMU has just made; None where paging is off."""
    key = _key(machine, fill)
    return machine.hart.mmu.walk(fill.address, Access(fill.access), key) if key.paged else None


def _key(machine: Machine, fill: TlbFill) -> Key:
    return next(key for key in machine.hart.mmu.contexts if str(key) == fill.context)


class _TwoStages:
    """Nested paging under a bare machine: a G-stage table, filled a page at each first touch, and the counts."""

    def __init__(self, machine: Machine):
        self._machine = machine
        self._tables = Memory(4 << 20)
        self._table = PageTable(self._tables, scheme=SV39X4)
        self.counts = Counter[str]()

    def missed(self, fill: TlbFill, found: Walk | None) -> None:
        """The guest's TLB missed: make the walk that nested paging makes, again after each guest-page fault."""
        while True:
            nested = self._walk(fill, found)
            self.counts["reference"] += len(nested.steps)
            gpa = nested.fault_gpa
            if gpa is None or not self._machine.memory.base <= gpa < self._end:
                return  # there, or a device's: a matter of exits, not of tables
            self.counts["guest-page fault"] += 1
            self._table.map(gpa & -PAGE, _G_BASE + (gpa & -PAGE), self._table.scheme.format.every)

    @property
    def _end(self) -> int:
        return self._machine.memory.base + self._machine.ram.size

    def _walk(self, fill: TlbFill, found: Walk | None) -> Walk:
        access = Access(fill.access)
        if found is None:
            root, status = self._table.root, {"mode": Mode.U, "scheme": SV39X4, "stage": G_STAGE}
            return walk(self._load, root, fill.address, access, **status)  # type: ignore[arg-type]
        host = Host(SV39X4, self._table.root)
        status = {"mode": found.mode, "sum": found.sum, "mxr": found.mxr}
        return walk_two_stages(self._load, found.root, fill.address, access, host=host, **status)  # type: ignore[arg-type]

    def _load(self, address: int, size: int) -> int:
        """Host-physical memory: the guest's, and below it the G-stage's tables."""
        if address >= _G_BASE:
            return self._machine.memory.load(address - _G_BASE, size)
        return self._tables.load(address, size)


# --- Under shadows


@cache
def _shadowed(workload: Workload, repeats: int, policy: str) -> Counter[str]:
    """One run in a VM by trap and emulate."""
    size = parse_size(workload.memory)
    machine = Machine(memory=Hypervisor.memory_for(size))
    vm = Hypervisor(machine).create_vm(workload.program(repeats), memory=size, shadow=policy)
    counts = Counter[str]()
    entries = 0

    def listen(event: Event) -> None:
        nonlocal entries
        if isinstance(event, TlbFill):
            found = _walk_of(machine, event)
            counts["TLB miss"] += 1
            counts["reference"] += 0 if found is None else len(found.steps)
        elif isinstance(event, Exit):
            counts["exit"] += 1
            counts[_exit_name(event)] += 1
        elif isinstance(event, ShadowFill):
            entries += 1

    _run(machine, vm, listen, workload)
    counts["entry ahead"] = entries - counts["hidden fault"]
    return counts


def _exit_name(event: Exit) -> str:
    """What an exit counts as: those of privileged instructions by what memory has to do with them."""
    if event.reason == "guest fault":
        return "page fault"
    if event.reason == "privileged instruction":
        instruction = decode(event.value)
        assert instruction is not None
        if instruction.row.name == "sfence.vma":
            return "fence"
        writes = instruction.row.name.startswith("csrr") and instruction["csr"] == _SATP
        return "satp write" if writes else "privileged"
    return {"shadow fill": "hidden fault", "system call": "system call"}.get(event.reason, event.reason)


def _run(machine: Machine, computer: Computer, listen: Callable[[Event], None], workload: Workload) -> None:
    """Run to the end, listening."""
    machine.events.listen(listen)
    try:
        stop = machine.run(MOST)
    finally:
        machine.events.unlisten(listen)
    if stop is Stop.LIMIT or computer.status != 0:
        raise VlabError(
            _("This workload does not come to a good end."),
            where=workload.name,
            mend=_("It must power off, with success, within {most} steps.").format(most=MOST),
        )
