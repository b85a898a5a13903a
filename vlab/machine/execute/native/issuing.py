"""What a resident issues at once, as Python on the state block: see `vlab.machine.sequence`.

A resident that native code has trapped to finds the hart's state still there. Most of what it issues reads and
writes registers that stand in the block, or in the dictionary beside it. Of a sequence of such instructions a
function is made, once, from the table of CSRs; for the hypervisor's arrival it is, in essence,

    def issue():
        time = machine.goal
        machine.goal = time + 4
        return [time + 1 + state[timer] & MASK, state[scause], state[stval], state[sepc]]

It is for the mode that a resident of the machine's S mode believes to be in, and is: nothing in it may trap.
"""

from collections.abc import Callable
from typing import Any

from vlab.machine.csrfile import QUIET
from vlab.machine.execute.native.layout import CSR_FIELDS, H_FIELDS, OFFSETS
from vlab.machine.sequence import Sequence
from vlab.riscv.csrs import Csr, Registers
from vlab.riscv.instructions import Instruction

Issue = Callable[..., list[int]]
_MASK = (1 << 64) - 1
_SHARED = frozenset(CSR_FIELDS + H_FIELDS)
_ROOTS = frozenset({"satp"})  # by which nothing is looked up before the resident returns
_ALARM = "stimecmp"
_WRITTEN = QUIET | _ROOTS | {_ALARM}
_TIMER, _CHANGED = OFFSETS["timer"] // 8, OFFSETS["changed"] // 8


def issuing(sequence: Sequence, **names: Any) -> Issue | None:
    """The function of a sequence, given its values; None where something in it is not of this kind.

    `names` are what it goes by: the `engine`, its `machine`, the `state` block, and the hart's `csr`. A `sret` at
    its end is left to native code: the engine is then `returning`.
    """
    body = sequence.decoded[: len(sequence.decoded) - sequence.returns]
    writer = _Writer(names["csr"].registers)
    if not all(map(writer.instruction, body)):
        return None
    source = "\n    ".join(
        [
            f"def issue({', '.join(writer.parameters)}):",
            "time = machine.goal",
            f"machine.goal = time + {len(body)}",
            *writer.lines,
            *(["engine.returning = True"] if sequence.returns else []),
            f"return [{', '.join(writer.results)}]",
        ]
    )
    names |= writer.names
    exec(compile(source, "<a sequence>", "exec"), names)  # noqa: S102  # made of the table of CSRs
    made: Issue = names["issue"]
    return made


class _Writer:
    def __init__(self, registers: Registers):
        self._registers = registers
        self._attempts = 0
        self.lines: list[str] = []
        self.parameters: list[str] = []
        self.results: list[str] = []
        self.names: dict[str, Any] = {}

    def instruction(self, one: Instruction) -> bool:
        """Write one; False if it can't be."""
        self._attempts += 1
        row, values = one.row.base, one.values
        if row == "sfence.vma":
            self.lines.append("engine.fence()")
            if values["rs1"]:
                self.parameters.append(f"unused{self._attempts}")
            return True
        csr = self._registers.by_number.get(values.get("csr", -1))
        if csr is None or csr.view_of:
            return False
        if row == "csrrs" and not values["rs1"]:
            return self._read(csr)
        return row == "csrrw" and not values["rd"] and self._write(csr)

    def _place(self, csr: Csr) -> str:
        """Where it stands: in the block, or beside it."""
        return f"state[{OFFSETS[csr.name] // 8}]" if csr.name in _SHARED else f'csr.values["{csr.name}"]'

    def _read(self, csr: Csr) -> bool:
        if csr.name == "time":
            self.results.append(f"time + {self._attempts} + state[{_TIMER}] & {_MASK}")
        elif csr.name in _WRITTEN:
            self.lines.append(f"result{self._attempts} = {self._place(csr)}")
            self.results.append(f"result{self._attempts}")
        else:
            return False
        return True

    def _write(self, csr: Csr) -> bool:
        if csr.name not in _WRITTEN:
            return False
        value, place = f"value{self._attempts}", self._place(csr)
        self.parameters.append(value)
        if any(field.legal for field in csr.fields):
            self.names[f"legalize_{csr.name}"] = csr.legalize
            self.lines.append(f"{place} = legalize_{csr.name}({place}, {value} & {_MASK})")
        else:
            assert not csr.fixed_mask or csr.name in _ROOTS
            self.lines.append(f"{place} = {value} & {csr.writable}")
        if csr.name in _SHARED:
            self.lines.append(f"state[{_CHANGED}] = 1")
        return True
