"""One experiment: put a machine into a prepared state, let its hart execute one instruction, and look.

A state is what Popek and Goldberg call S = <E, M, P, R> (1974, section 2): executable storage, mode, program
counter, relocation. Their R decides all that a program can reach; on RISC-V that is also said by CSRs and, while
a fence is missing, by the TLB. Those are here the *control state*.

The mode is the only difference between two states that are compared for it: the same virtual addresses lead
to the same bytes with the same rights. Sv39 gives no page to both U and S, so the U bits of the table's entries
go with the mode; the table isn't mapped, so no program sees that. M mode isn't translated at all, and is
compared where the others aren't either.

Of a hart with the H extension the modes with V = 0 are tried, and what it would translate for a guest isn't
translated: so nothing is found of `hlv` and its like, which go by that.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from vlab.language import VlabError, _
from vlab.machine import Machine
from vlab.machine.choices import tlb_index
from vlab.machine.hart import Hart
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Entry, Key
from vlab.machine.pmp import Pmp, R, W, X
from vlab.paging import Flags
from vlab.riscv import ABI_NAMES, Mode, Trap
from vlab.riscv.csrs import ALL_CSRS
from vlab.riscv.instructions import ROWS, Row, encode

NEEDED = 24 * PAGE  # of the machine's memory
PLACES = (5, 15)  # the frame where each of two copies begins: three tables, and a page of data
_VIRTUAL = 0x4000_0000  # three pages: of code, of data, and one that the TLB remembers wrongly
_CODE, _DATA, _STALE = (_VIRTUAL + page * PAGE for page in range(3))
_MIDDLE = PAGE // 2  # offsets in instructions reach both ways
_PATTERNS = (0xAAAA_AAAA_AAAA_AAAA, 0x5555_5555_5555_5555, 0x3333_3333_3333_3333)  # that the CSRs hold
_TIMES = (1000, 5000)
_ONES = (1 << 64) - 1
ADDRESS, ONES, ALTERNATING, ELSEWHERE, RESULT = 10, 11, 13, 15, 12  # registers, by what they hold
_DATA_BYTES = bytes(range(1, 129)) * (PAGE // 128)
_PAGED = (Mode.U, Mode.S)


class State(NamedTuple):
    """The state before an experiment: the mode, the copy that is mapped (None: no translation), CSRs, the clock."""

    mode: Mode
    place: int | None
    control: int
    time: int


class Outcome(NamedTuple):
    """What an instruction did: the trap it raised, or what a program sees of it, and the control state.

    `seen` is E and P: pc, registers, data, whether a reservation is held. `control` and `before` are the control
    state after and before it.
    """

    cause: int | None
    seen: Mapping[str, int | bytes]
    control: Mapping[str, int]
    before: Mapping[str, int]


def states(modes: tuple[Mode, ...]) -> Iterator[State]:
    """The states in which every instruction is tried: any two differ in one thing, or are not compared."""
    for mode in modes:
        for control in range(len(_PATTERNS)):
            yield State(mode, None, control, 0)
        yield State(mode, None, 0, 1)
        if mode in _PAGED:
            yield State(mode, 0, 0, 0)
            yield State(mode, 1, 0, 0)
            yield State(mode, 0, 1, 0)


def instructions(hart: Hart) -> list[tuple[Row, str]]:
    """Every instruction that a hart has; those that access a CSR once with each: (row, CSR or "").

    A compressed one is of the kind of the one that it expands to.
    """
    rows = (row for row in ROWS.values() if row.extension not in hart.lacking and row.base == row.name)
    csrs = hart.csr.registers.by_name
    return [(row, csr) for row in rows for csr in (csrs if "csr" in row.operands else ("",))]


def variants(row: Row, csr: str = "") -> Iterator[int]:
    """The words in which an instruction is tried: several choices of its operands."""
    if csr:
        operands = [{"zimm": zimm} for zimm in (0, 31, 10)]
        if not row.name.endswith("i"):
            sources = (ADDRESS, ONES, ALTERNATING) if row.name == "csrrw" else (0, ADDRESS, ONES)
            operands = [{"rs1": source} for source in sources]
        for chosen in operands:
            yield encode(row, {"rd": RESULT, "csr": ALL_CSRS[csr].number, **chosen})
        return
    far = max(8, row.step("imm"))
    for source, other, number in ((ADDRESS, ONES, 0), (ELSEWHERE, ADDRESS, far), (0, 0, 0)):
        yield encode(row, {"rd": RESULT, "rs1": source, "rs2": other, "imm": number, "shamt": number & 63})


class Bench:
    """A machine to experiment on; nothing that was in it is kept. With `counters`, U may read the counters.

    Raises:
        VlabError: if its memory is too small.
    """

    def __init__(self, machine: Machine, *, counters: bool = False):
        if machine.memory.size < NEEDED:
            raise VlabError(
                _("A machine of {size} bytes of memory is too small for these experiments.").format(
                    size=machine.memory.size
                ),
                mend=_("Give it at least {size} bytes.").format(size=NEEDED),
            )
        self._machine, self._hart = machine, machine.hart
        base = machine.memory.base
        self._satps = {place: 8 << 60 | base // PAGE + first for place, first in enumerate(PLACES)}
        self._frames = {place: base + (first + 3) * PAGE for place, first in enumerate(PLACES)}
        self._leaves = {place: base + (first + 2) * PAGE for place, first in enumerate(PLACES)}
        self._mapped = {
            (place, mode): self._entries(place, mode) for place in self._frames for mode in _PAGED
        }
        for first in PLACES:
            self._build_tables(base + first * PAGE)
        for frame in self._frames.values():
            machine.memory.poke(frame, _DATA_BYTES)
        self._controls = [self._fill(number, counters) for number in range(len(_PATTERNS))]
        self.count = 0  # experiments made

    def __repr__(self) -> str:
        return _("Bench: {count} experiments made").format(count=self.count)

    def run(self, word: int, state: State, **registers: int) -> Outcome:
        """Execute the instruction in this state; registers, such as `a1=5`, may hold something else than usual."""
        self.count += 1
        self._set(state)
        for name, value in registers.items():
            self._hart.x[ABI_NAMES.index(name)] = value & _ONES
        before = self._control()
        try:
            self._hart.execute(word)
        except Trap as trap:
            return Outcome(int(trap.cause), {}, {}, before)
        return Outcome(None, self._seen(state), self._control(), before)

    # Preparing

    def _build_tables(self, root: int) -> None:
        """A root that leads to a middle that leads to the leaves, which `_set` writes."""
        for table, index in ((root, _VIRTUAL >> 30), (root + PAGE, 0)):
            entry = (table + PAGE) // PAGE << 10 | Flags.V
            self._machine.memory.poke(table + 8 * index, int(entry).to_bytes(8, "little"))

    def _fill(self, number: int, counters: bool) -> tuple[dict[str, int], Pmp]:
        """What the CSRs hold in one of the control states, as the machine itself lets it be written.

        Alike in all are those that decide how S and U are translated, and the clock's own. Alike in the first two
        are those that decide what S and U may execute at all: nothing shall trap because M mode wants it so. In
        the third, the counters do.
        """
        hart, csrs = self._hart, self._hart.csr.registers.by_name
        hart.mode = Mode.M
        hart.csr.reset()
        last, pattern = number == 2, _PATTERNS[number]
        # All of memory is open to every mode, in two ways: of its low bits each is set in one of them.
        address, config = (_ONES, 0x1F) if number else (_ONES & ~31, 0x0F)
        roots = pattern & ALL_CSRS["satp"]["PPN"].mask  # and no translation
        chosen = {
            "mstatus": pattern & ~_bits("mstatus", "MPRV", "TVM", "TW", "TSR"),
            "hstatus": pattern & ~_bits("hstatus", "HU", "VTVM", "VTW", "VTSR"),
            **dict.fromkeys(("satp", "vsatp", "hgatp"), roots),
            "mie": 0 if number else _ONES,  # no interrupt is both pending and enabled
            "mip": _ONES if number else 0,
            "mideleg": _ONES if last else pattern,
            "mcounteren": 0 if last else _ONES,
            "scounteren": _ONES if counters != last else 0,
            "menvcfg": pattern | _bits("menvcfg", "STCE"),
            "mcycle": _TIMES[0],
            "minstret": _TIMES[0],
            "pmpaddr0": address,
            "pmpcfg0": pattern & ~0xFF | config,
        }
        self._machine.skipped = 0
        self._machine.set_clock(_TIMES[0])
        for name in sorted(hart.csr.values, key=_locks_last):
            hart.csr.write(csrs[name], chosen.get(name, pattern))
        return dict(hart.csr.values), hart.csr.pmp

    def _set(self, state: State) -> None:
        machine, hart = self._machine, self._hart
        place = state.place or 0
        paged = state.place is not None
        values, hart.csr.pmp = self._controls[state.control]
        hart.csr.values = dict(values)
        if paged:
            hart.csr.values["satp"] = self._satps[place]
        hart.mode, hart.waiting, hart.changed, hart.unretired = state.mode, False, False, 0
        hart.virtual = False
        data = (_DATA if paged else self._frames[place]) + _MIDDLE
        hart.pc = _CODE if paged else machine.memory.base
        hart.x[:] = [0, *(_PATTERNS[0] ^ number for number in range(1, 33))]
        hart.x[ADDRESS], hart.x[ELSEWHERE] = data, data + 16
        hart.x[ONES], hart.x[ALTERNATING] = _ONES, _PATTERNS[0]
        machine.skipped = 0
        machine.set_clock(_TIMES[state.time])
        machine.reservation = (self._frames[place] + _MIDDLE, 8)
        if paged:
            machine.memory.poke(self._leaves[place], self._mapped[place, state.mode])
        hart.mmu.flush("experiment")
        hart.mmu.select()
        for context in self._contexts():
            stale = _STALE // PAGE
            hart.mmu.context(context).entries[tlb_index(stale)] = Entry(stale, stale, R | W | X)

    def _entries(self, place: int, mode: Mode) -> bytes:
        """The table's entries of the three pages; the last one says something else than the TLB."""
        flags = Flags.V | Flags.R | Flags.W | Flags.X | Flags.A | Flags.D
        flags |= Flags.U if mode == Mode.U else Flags(0)
        frames = (self._machine.memory.base, self._frames[place], self._frames[place] + PAGE)
        return b"".join(int(frame // PAGE << 10 | flags).to_bytes(8, "little") for frame in frames)

    def _contexts(self) -> set[Key]:
        """Which of the TLB's contexts remember the stale page: the one in use, and one of S."""
        return {self._hart.mmu.data.key, Key(Mode.S, paged=True)}

    # Looking

    def _seen(self, state: State) -> dict[str, int | bytes]:
        hart, place = self._hart, state.place or 0
        content = self._machine.memory.peek(self._frames[place], PAGE)
        if content != _DATA_BYTES:
            self._machine.memory.poke(self._frames[place], _DATA_BYTES)
        registers = dict(zip(ABI_NAMES[1:], hart.x[1:], strict=False))
        return {
            "pc": hart.pc,
            **registers,
            "memory": content,
            "reserved": self._machine.reservation is not None,
        }

    def _control(self) -> dict[str, int]:
        hart, index = self._hart, tlb_index(_STALE // PAGE)
        contexts = hart.mmu.contexts.values()
        remembered = sum(index in context.entries for context in contexts)
        return {
            "mode": hart.mode,
            "virtual": hart.virtual,
            "waiting": hart.waiting,
            "TLB": remembered,
            **hart.csr.values,
        }


def _bits(csr: str, *fields: str) -> int:
    return sum(ALL_CSRS[csr][name].mask for name in fields)


def _locks_last(csr: str) -> bool:
    """An address can't be written any more once its configuration is locked."""
    return csr.startswith("pmpcfg")
