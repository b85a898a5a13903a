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
"""

from typing import Any

from vlab.machine.csrfile import CsrFile
from vlab.machine.execute.native.layout import CSR_FIELDS, H_FIELDS, OFFSETS
from vlab.machine.sequence import Issue, Sequence
from vlab.riscv import Mode
from vlab.riscv.csrs import Csr
from vlab.riscv.instructions import Instruction

_MASK = (1 << 64) - 1
_SHARED = frozenset(CSR_FIELDS + H_FIELDS)
# By which interrupts come; of some of them `csr` needs to know now.
_STIRRING = frozenset(("mip", "mie", "mideleg", "hideleg", "menvcfg", "henvcfg", "htimedelta", "vstimecmp"))
_COUNTERS = ("cycle", "instret")  # what they show depends on the instruction that asks
_FENCES = ("sfence.vma", "hfence.vvma", "hfence.gvma")
_TIMER, _CHANGED = OFFSETS["timer"] // 8, OFFSETS["changed"] // 8


def issuing(sequence: Sequence, **names: Any) -> Issue | None:
    """The function of a sequence, given its values; None where something in it is not of this kind.

    `names` are what it goes by: the `engine`, its `machine`, the `state` block, and the hart's `csr`; and `each`, which
    issues them one by one while the state is not lent. A `sret` at its end is left to native code: the engine is then
    `returning`.
    """
    body = sequence.decoded[: len(sequence.decoded) - sequence.returns]
    writer = _Writer(names["csr"])
    if not all(map(writer.instruction, body)):
        return None
    parameters = ", ".join(writer.parameters)
    source = "\n    ".join(
        [
            f"def issue({parameters}):",
            "if not engine.lent:",
            f"    return each({parameters})",
            "time = machine.goal",
            f"machine.goal = time + {len(body)}",
            *writer.lines,
            *writer.ends,
            *(["engine.returning = True"] if sequence.returns else []),
            f"return [{', '.join(writer.results)}]",
        ]
    )
    names |= writer.names
    exec(compile(source, "<a sequence>", "exec"), names)  # noqa: S102  # made of the table of CSRs
    made: Issue = names["issue"]
    return made


class _Writer:
    def __init__(self, csrs: CsrFile):
        self._csrs = csrs
        self._attempts = 0
        self.lines: list[str] = []
        self.ends: dict[str, None] = {}  # what is to be said once, at the end
        self.parameters: list[str] = []
        self.results: list[str] = []
        self.names: dict[str, Any] = {}

    def instruction(self, one: Instruction) -> bool:
        """Write one; False if it can't be."""
        self._attempts += 1
        row, values = one.row.base, one.values
        if row in _FENCES:
            self.lines.append("engine.fence()")
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
            self.lines.append(f"{result} = time + {self._attempts} + state[{_TIMER}] & {_MASK}")
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
        if name in _SHARED:
            self.ends[f"state[{_CHANGED}] = 1"] = None
        if name == "htimedelta":  # written at each entry, mostly as it was where its guest is emulated
            self.lines.append(f"if csr.values[{name!r}] != {place}: engine.stirred = True")
            self._tell(csr)
        elif name in _STIRRING:
            self._tell(csr)
            self.ends["engine.stirred = True"] = None
