"""What an explorer can explore, and what it shows of one address: tables, a machine, a virtual machine."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, Protocol

from vlab.hypervisor import VirtualMachine
from vlab.hypervisor.chain import Chain
from vlab.language import VlabError, _
from vlab.machine import Computer, Machine
from vlab.machine.choices import tlb_index
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Key
from vlab.machine.pmp import R, W, X
from vlab.machine.tlb import context_title
from vlab.paging import RISCV, SV39, PageTable, Scheme, Walk, parse_satp
from vlab.riscv import Access, Mode
from vlab.riscv.csrs import CSRS
from vlab.views.addresses.chain import chain_picture, walk_picture
from vlab.views.addresses.memorymap import memory_map_picture
from vlab.views.addresses.pagetable import table_picture
from vlab.views.addresses.tables import tables_picture
from vlab.views.addresses.tlb import tlb_picture
from vlab.views.drawing.picture import Picture

MOST_RUNS = 200  # of neighbouring pages, whose ends are places to stop at
_SUM, _MXR = (CSRS["mstatus"][name].mask for name in ("SUM", "MXR"))


class Question(NamedTuple):
    """What is asked: an address, and who wants what of it. SUM and MXR count where they matter."""

    address: int
    access: Access
    mode: Mode
    sum: bool = False
    mxr: bool = False


class Pane(NamedTuple):
    """One picture of the answer, its title, and its sentence; where there is nothing to draw, the sentence alone."""

    title: str
    sentence: str
    picture: Picture | None


class Explored(Protocol):
    """What an explorer asks of its subject. `modes` can be chosen; `settings`: whether SUM and MXR exist."""

    modes: tuple[Mode, ...]
    settings: bool
    bits: int

    @property
    def name(self) -> str:
        """The subject in one sentence."""

    def start(self) -> Question:
        """What is asked first, as things stand."""

    def answer(self, asked: Question) -> Walk | Chain | None:
        """The translation; None where nothing is translated."""

    def sentence(self, asked: Question) -> str:
        """The answer in one sentence."""

    def panes(self, asked: Question) -> list[Pane]:
        """Every picture of the answer."""

    def stops(self, asked: Question) -> tuple[int, ...]:
        """Addresses worth looking at, rising: where something begins, ends, or lies behind the end."""

    def number(self, name: str) -> int | None:
        """What a name stands for; None for a name that isn't known."""


class ExploredTable:
    """A page table, with the host's under it if the walk has two stages."""

    modes: tuple[Mode, ...] = (Mode.U, Mode.S)

    def __init__(self, table: PageTable, host: PageTable | None):
        self._table, self._host = table, host
        self.settings, self.bits = table.scheme.format is RISCV, table.scheme.xlen

    @property
    def name(self) -> str:
        """The table's own sentence, or both tables'."""
        if self._host is None:
            return repr(self._table)
        return _("{guest} over {host}").format(guest=repr(self._table), host=repr(self._host))

    def start(self) -> Question:
        """The first page that is mapped."""
        stops = _stops(self._table)
        return Question(stops[0] if stops else 0, Access.LOAD, Mode.U)

    def answer(self, asked: Question) -> Walk:
        """The walk."""
        status = {"sum": asked.sum, "mxr": asked.mxr}
        return self._table.walk(asked.address, asked.access, asked.mode, host=self._host, **status)

    def sentence(self, asked: Question) -> str:
        """The walk's sentence."""
        return repr(self.answer(asked))

    def panes(self, asked: Question) -> list[Pane]:
        """The walk, and the table (or both) near the address."""
        walk = self.answer(asked)
        if self._host is None:
            return [_walk_pane(walk), _table_pane(self._table, _("Page table"), asked.address)]
        gpa = walk.gpa if walk.fault_gpa is None else walk.fault_gpa
        return [
            _walk_pane(walk),
            _table_pane(self._table, _("Guest's table"), asked.address),
            _table_pane(self._host, _("Host's table"), gpa),
        ]

    def stops(self, asked: Question) -> tuple[int, ...]:
        """The ends of what the table maps."""
        return _stops(self._table)

    def number(self, name: str) -> int | None:
        """None: a table knows no names."""
        return None


class ExploredMachine:
    """A machine, or (below) a virtual one: its own table, as `satp` names it, and its registers and labels."""

    modes: tuple[Mode, ...] = (Mode.U, Mode.S, Mode.M)
    settings = True
    bits = 64

    def __init__(self, computer: Computer):
        self._computer = computer

    @property
    def name(self) -> str:
        """The computer's own sentence."""
        return repr(self._computer)

    def start(self) -> Question:
        """The instruction that comes next, as the hart stands."""
        hart = self._computer.hart
        status = hart.csr.values["mstatus"]
        return Question(hart.pc, Access.FETCH, hart.mode, bool(status & _SUM), bool(status & _MXR))

    def key(self, asked: Question) -> Key:
        """The context that asks."""
        paged = asked.mode is not Mode.M and self._computer.hart.csr.values["satp"] >> 60 != 0
        return Key(asked.mode, paged, paged and asked.mode is Mode.S and asked.sum, paged and asked.mxr)

    def answer(self, asked: Question) -> Walk | Chain | None:
        """The walk of the table in `satp`; None in M mode and while paging is off."""
        return self._walk(asked)

    def sentence(self, asked: Question) -> str:
        """The walk's sentence, or that there is no walk."""
        if (answer := self.answer(asked)) is not None:
            return repr(answer)
        return _("{access} of {address:#x} in {mode}, without paging: the physical address, {place}").format(
            access=asked.access.title,
            address=asked.address,
            mode=asked.mode,
            place=self._place(asked.address),
        )

    def panes(self, asked: Question) -> list[Pane]:
        """The walk, the table near the address, and the TLB."""
        walk = self._walk(asked)
        panes = [Pane(_("Walk"), self.sentence(asked), None if walk is None else walk_picture(walk))]
        if (table := self._table(asked)) is not None:
            panes.append(_table_pane(table, _("Page table"), asked.address))
        return [*panes, *tlb_panes(self._computer, self.key(asked), asked.address)]

    def stops(self, asked: Question) -> tuple[int, ...]:
        """The ends of what the table maps; where nothing is translated, those of RAM and the devices."""
        if (table := self._table(asked)) is not None:
            return _stops(table)
        memory, found = self._computer.memory, set()
        for base, device in self._computer.bus.devices.values():
            found |= {base, base + device.size}
        return tuple(
            sorted(found | {memory.base, memory.base + memory.size - PAGE, memory.base + memory.size})
        )

    def number(self, name: str) -> int | None:
        """A register's value, or a label's address."""
        try:
            return self._computer.look()[name]
        except VlabError:
            program = self._computer.program
            return None if program is None else program.symbols.get(name)

    def _walk(self, asked: Question) -> Walk | None:
        key = self.key(asked)
        return self._computer.hart.mmu.walk(asked.address, asked.access, key) if key.paged else None

    def _table(self, asked: Question) -> PageTable | None:
        if not self.key(asked).paged:
            return None
        satp = parse_satp(self._computer.hart.csr.values["satp"])
        return PageTable(self._computer.memory, satp.scheme or SV39, root=satp.root)

    def _place(self, address: int) -> str:
        if self._computer.memory.holds(address):
            return _("in memory")
        found = self._computer.bus.find(address)
        return _("where nothing is") if found is None else _("of the {device}").format(device=found[0].name)


class ExploredVm(ExploredMachine):
    """A virtual machine: the guest's table and the shadow, all the way to the machine."""

    def __init__(self, vm: VirtualMachine):
        super().__init__(vm)
        self._vm = vm

    def answer(self, asked: Question) -> Chain:
        """The chain GVA → GPA → HPA."""
        return self._vm.chain(asked.address, asked.access, self.key(asked))

    def panes(self, asked: Question) -> list[Pane]:
        """The chain, the tables near the address, the memory map, and the TLB while the guest has the hart."""
        vm, key, chain = self._vm, self.key(asked), self.answer(asked)
        panes = [Pane(_("GVA → GPA → HPA"), repr(chain), chain_picture(chain))]
        now = vm.technique.view().key
        if key.paged or key == now:
            tables = vm.tables(mode=key.mode if key.paged else None).around(asked.address)
            panes.append(Pane(_("Tables side by side"), repr(tables), tables_picture(tables)))
        memory = vm.memory_map()
        panes.append(Pane(_("Memory map"), self._lies(chain), memory_map_picture(memory)))
        if vm.running and key == now:
            panes += tlb_panes(vm.host, vm.host.hart.mmu.data.key, asked.address)
        return panes

    def _lies(self, chain: Chain) -> str:
        """Where the guest-physical address lies in the machine."""
        memory, vm = self._vm.memory_map(), self._vm
        if chain.gpa is None:
            return _("no guest-physical address: {map}").format(map=repr(memory))
        number = next(
            n for n, one in enumerate(memory.spaces) if (one.name, one.level) == (vm.name, vm.level)
        )
        host = memory.host_address(number, chain.gpa)
        if host is None:
            return _("GPA {gpa:#x} of {vm} is no memory").format(gpa=chain.gpa, vm=vm.name)
        regions = memory.spaces[number].regions
        state = next(one.state for one in regions if one.address <= chain.gpa < one.address + one.size)
        states = {"private": _("its own"), "shared": _("shared"), "copy-on-write": _("copy-on-write")}
        return _("GPA {gpa:#x} of {vm} lies at HPA {hpa:#x} of the machine: {state}").format(
            gpa=chain.gpa, vm=vm.name, hpa=host, state=states[state]
        )


def tlb_panes(computer: Computer, key: Key, address: int) -> Iterator[Pane]:
    """The TLB, and what it has of this address in a context; nothing for a computer that has no TLB."""
    if not isinstance(computer, Machine):
        return
    page = address // PAGE
    context = computer.hart.mmu.contexts.get(key)
    entry = None if context is None else context.entries.get(tlb_index(page))
    if entry is None:
        said = _("set {index:#05x} of context {context} is empty: an access misses")
    elif entry.page != page:
        said = _("set {index:#05x} of context {context} holds page {other:#x}: an access misses")
    else:
        said = _("set {index:#05x} of context {context} has the page: {frame:#x}, {rights}")
    sentence = said.format(
        index=tlb_index(page),
        context=context_title(str(key)),
        other=0 if entry is None else entry.page * PAGE,
        frame=0 if entry is None else entry.frame * PAGE,
        rights="" if entry is None else _letters(entry.rights),
    )
    yield Pane(_("TLB"), sentence, tlb_picture(computer.tlb()))


def _letters(rights: int) -> str:
    return "".join(letter if rights & bit else "-" for letter, bit in (("R", R), ("W", W), ("X", X)))


def _walk_pane(walk: Walk) -> Pane:
    return Pane(_("Walk"), repr(walk), walk_picture(walk))


def _table_pane(table: PageTable, title: str, address: int | None) -> Pane:
    picture = table_picture(table, address)
    return Pane(title, picture.sentence, picture)


def _stops(table: PageTable) -> tuple[int, ...]:
    """The first and last page of what a table maps without a gap, and the page behind it."""
    scheme, found = table.scheme, set()
    for start, end in _mapped(table):
        found |= {start, end - PAGE, _after(scheme, end)}
    return tuple(sorted(found))


def _after(scheme: Scheme, end: int) -> int:
    """The address behind a page; after the last one of all, the first."""
    return scheme.extend(end) if end < 1 << scheme.xlen else 0


def _mapped(table: PageTable) -> Iterator[tuple[int, int]]:
    """What a table maps, as (first address, the one after the last), as far as it can be listed."""
    try:
        for run in islice(table.runs(), MOST_RUNS):
            yield run.address, run.address + run.size
    except VlabError:  # too many tables: they point back at themselves
        return


def explored(subject: object, host: PageTable | None) -> Explored:
    """The right one for a subject. Raises VlabError for what can't be explored."""
    if isinstance(subject, PageTable):
        return ExploredTable(subject, host)
    if host is None and isinstance(subject, VirtualMachine):
        return ExploredVm(subject)
    if host is None and isinstance(subject, Computer):
        return ExploredMachine(subject)
    raise VlabError(
        _("{kind} can't be explored.").format(kind=type(subject).__name__),
        mend=_("Give a page table, or two, or a machine, or a virtual machine."),
    )
