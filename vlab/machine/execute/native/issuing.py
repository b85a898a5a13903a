"""What a resident issues at once, as Python on the state block: see `vlab.machine.sequence`.

A resident that native code has trapped to finds the hart's state still there. Most of what it issues reads and
writes registers that stand in the block, or in the dictionary beside it. Of a sequence of such instructions a
function is made, once, from the table of CSRs; for the hypervisor's arrival it is, in essence,

    def issue():
        if not engine.lent:
            return each()
        time = machine.goal
        machine.goal = time + 4
        return [time + 1 + state[timer] & MASK, state[scause], state[stval], state[sepc]]

It is for the mode that a resident of the machine's S mode believes to be in, and is: nothing in it may trap.

Where another resident's instruction has trapped, the hart's state is not there, but in the dictionary. Then all of it
is read and written in that: see `Issuing`.
"""

from typing import TYPE_CHECKING, Any

from vlab.machine.choices import GATE
from vlab.machine.csrfile import QUIET, STCE, CsrFile
from vlab.machine.execute.native.layout import CSR_FIELDS, H_FIELDS, OFFSETS
from vlab.machine.sequence import Issue, Sequence
from vlab.riscv import Mode
from vlab.riscv.csrs import CSRS, Csr
from vlab.riscv.instructions import Instruction

if TYPE_CHECKING:
    from vlab.machine.hart import Hart
    from vlab.machine.machine import Machine

_MASK = (1 << 64) - 1
_SHARED = frozenset(CSR_FIELDS + H_FIELDS)
# By which interrupts come; of some of them `csr` needs to know now.
_STIRRING = frozenset(("mip", "mie", "mideleg", "hideleg", "menvcfg", "henvcfg", "htimedelta", "vstimecmp"))
_COUNTERS = ("cycle", "instret")  # what they show depends on the instruction that asks
_FENCES = ("sfence.vma", "hfence.vvma", "hfence.gvma")
_TM = CSRS["mcounteren"]["TM"].mask
_TRAPPING = CSRS["mstatus"]["TVM"].mask | CSRS["mstatus"]["TSR"].mask
_TIMER, _CHANGED = OFFSETS["timer"] // 8, OFFSETS["changed"] // 8


def issuing(sequence: Sequence, **names: Any) -> Issue | None:
    """The function of a sequence, given its values; None where something in it is not of this kind.

    `names` are what it goes by: the `engine`, its `machine`, the `state` block, and the hart's `csr`; and `each`, which
    issues them one by one while the state is not lent. A `sret` at its end is left to native code: the engine is then
    `returning`.
    """
    writer = _Writer(names["csr"])
    body = _body(sequence, writer)
    if body is None:
        return None
    parameters = ", ".join(writer.parameters)
    source = "\n    ".join(
        [
            f"def issue({parameters}):",
            "if not engine.lent:",
            f"    return each({parameters})",
            "time = machine.goal",
            f"machine.goal = time + {body}",
            *writer.lines,
            *writer.ends,
            *(["engine.returning = True"] if sequence.returns else []),
            f"return [{', '.join(writer.results)}]",
        ]
    )
    return _compiled(source, writer, names)


def _body(sequence: Sequence, writer: "_Writer") -> int | None:
    """Write all but a `sret` at its end; how many instructions that are, or None where one can't be written."""
    body = sequence.decoded[: len(sequence.decoded) - sequence.returns]
    return len(body) if all(map(writer.instruction, body)) else None


def _compiled(source: str, writer: "_Writer", names: dict[str, Any]) -> Issue:
    names |= writer.names
    exec(compile(source, "<a sequence>", "exec"), names)  # noqa: S102  # made of the table of CSRs
    made: Issue = names["issue"]
    return made


class Issuing:
    """The sequences that the resident of a machine's S mode issues while the hart's state is where Python keeps it."""

    def __init__(self, machine: "Machine", hart: "Hart"):
        self._machine, self._hart, self._known = machine, hart, dict[Sequence, Issue | None]()

    def __call__(self, sequence: Sequence) -> Issue | None:
        """How to issue a sequence now; None where it has to be done one by one."""
        if not self.ready:
            return None
        if sequence not in self._known:
            self._known[sequence] = self._made(sequence)
        return self._known[sequence]

    @property
    def ready(self) -> bool:
        """Whether that resident is at work, with nobody listening, and may do all that it issues."""
        hart = self._hart
        if hart.mode != Mode.S or hart.virtual or hart.pc != GATE or Mode.S not in self._machine.residents:
            return False
        return not self._machine.events.on and self.free

    @property
    def free(self) -> bool:
        """Whether M mode lets S mode do all that a resident of it issues."""
        values = self._hart.csr.values
        alarm = values["menvcfg"] & STCE and values["mcounteren"] & _TM
        return bool(alarm) and not values["mstatus"] & _TRAPPING

    def _made(self, sequence: Sequence) -> Issue | None:
        hart = self._hart
        writer = _Beside(hart.csr)
        body = _body(sequence, writer)
        if body is None:
            return None
        source = "\n    ".join(
            [
                f"def issue({', '.join(writer.parameters)}):",
                "time = machine.time",
                *(["timer = machine.mtime - time"] if writer.times else []),
                f"machine.set_clock(time + {len(sequence.decoded)})",
                *writer.lines,
                *(["hart.pc = hart.sret()"] if sequence.returns else []),
                "hart.changed = False",
                f"return [{', '.join(writer.results)}]",
            ]
        )
        return _compiled(source, writer, {"machine": self._machine, "hart": hart, "csr": hart.csr})


class _Writer:
    """Writes a sequence as Python on the state block."""

    _fence, _timer = "engine.fence()", f"state[{_TIMER}]"

    def __init__(self, csrs: CsrFile):
        self._csrs = csrs
        self._attempts = 0
        self.lines: list[str] = []
        self.ends: dict[str, None] = {}  # what is to be said once, at the end
        self.parameters: list[str] = []
        self.results: list[str] = []
        self.times = False  # whether the time is asked for
        self.names: dict[str, Any] = {}

    def instruction(self, one: Instruction) -> bool:
        """Write one; False if it can't be."""
        self._attempts += 1
        row, values = one.row.base, one.values
        if row in _FENCES:
            self.lines.append(self._fence)
            if values["rs1"]:
                self._taken()
            return True
        csr = self._csrs.registers.by_number.get(values.get("csr", -1))
        if csr is None or csr.privilege > Mode.S or csr.name in _COUNTERS:
            return False
        if csr.name != "time" and (csr.view_of or csr.name) not in self._csrs.registers.stored:
            return False
        self.names[csr.name] = csr
        if row == "csrrs" and not values["rs1"]:
            self._read(csr)
        elif values["rd"]:
            return False
        else:
            value = {"csrrw": "{0}", "csrrs": "{1} | {0}", "csrrc": "{1} & ~{0}"}[row]
            self._write(csr, value.format(self._taken(), f"({self._place(csr)} & {csr.visible})"))
        return True

    def _taken(self) -> str:
        """The value that this instruction takes."""
        self.parameters.append(f"value{self._attempts}")
        return self.parameters[-1]

    def _place(self, csr: Csr) -> str:
        """Where it stands: in the block, or beside it."""
        name = csr.view_of or csr.name
        return f"state[{OFFSETS[name] // 8}]" if name in _SHARED else f'csr.values["{name}"]'

    def _lent(self) -> str:
        """Which interrupts are a guest's: `vsie` shows their bits of `mie`, one place lower."""
        return self._place(self._csrs.registers.by_name["hideleg"])

    def _tell(self, csr: Csr) -> None:
        """Let the dictionary have what native code may have written."""
        name = csr.view_of or csr.name
        if name in _SHARED:
            self.lines.append(f'csr.values["{name}"] = {self._place(csr)}')

    def _read(self, csr: Csr) -> None:
        result = f"result{self._attempts}"
        if csr.name == "time":
            self.times = True
            self.lines.append(f"{result} = time + {self._attempts} + {self._timer} & {_MASK}")
        elif self._csrs.by_table(csr):
            cut = "" if csr.visible == _MASK else f" & {csr.visible}"
            self.lines.append(f"{result} = {self._place(csr)}{cut}")
        elif csr.name == "vsie":
            self.lines.append(f"{result} = ({self._place(csr)} & {self._lent()}) >> 1")
        else:
            self._tell(csr)
            self.lines.append(f"{result} = csr.read({csr.name})")
        self.results.append(result)

    def _write(self, csr: Csr, value: str) -> None:
        place, name = self._place(csr), csr.view_of or csr.name
        if csr.name == "vsie":
            lent = f"{self._lent()} & {csr.writable << 1}"
            self.lines.append(f"{place} = {place} & ~({lent}) | ({value}) << 1 & {lent}")
        elif csr.name == "henvcfg":  # of which `menvcfg` takes nothing away while the state is lent
            self.lines.append(
                f"if {place} != {value}: {place} = csr.legal(henvcfg, {place}, {value} & {_MASK})"
            )
        elif not self._csrs.by_table(csr):
            self._tell(csr)
            self.lines.append(f"{place} = csr.legal({csr.name}, {place}, {value} & {_MASK})")
        elif any(field.legal for field in csr.fields):
            self.lines.append(
                f"if {place} != {value}: {place} = {csr.name}.legalize({place}, {value} & {_MASK})"
            )
        else:
            kept = f"{place} & {~csr.writable & _MASK} | " if csr.view_of else ""
            fixed = f" | {csr.fixed}" if csr.fixed and not csr.view_of else ""
            self.lines.append(f"{place} = {kept}({value}) & {csr.writable}{fixed}")
        self._written(csr, name)

    def _written(self, csr: Csr, name: str) -> None:
        """More that follows from writing it."""
        if name in _SHARED:
            self.ends[f"state[{_CHANGED}] = 1"] = None
        if name == "htimedelta":  # written at each entry, mostly as it was where its guest is emulated
            self.lines.append(f"if csr.values[{name!r}] != {self._place(csr)}: engine.shifted = True")
            self._tell(csr)
        elif name in _STIRRING:
            self._tell(csr)
            self.ends["engine.stirred = True"] = None


class _Beside(_Writer):
    """Writes it as Python on the dictionary alone."""

    _fence, _timer = "hart.mmu.flush('sfence.vma')", "timer"

    def _place(self, csr: Csr) -> str:
        return f'csr.values["{csr.view_of or csr.name}"]'

    def _tell(self, csr: Csr) -> None:
        """Nothing to do: it is there."""

    def _written(self, csr: Csr, name: str) -> None:
        if csr.name not in QUIET:
            self.lines.append(f'hart.control_changed("{name}")')
