"""What runs on a host, as a value: one row for each process."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from vlab.display import Drawn, one_line
from vlab.hypervisor.host.processes import VM, Process
from vlab.language import _


class Row(NamedTuple):
    """One process: its kind ("program", "VM", "system") and state are words that stay the same."""

    pid: int
    name: str
    user: str
    kind: str
    state: str
    used: int
    reason: str


@dataclass(frozen=True, slots=True)
class Processes(Drawn):
    """The processes of a host at an instant, in order of their pid; it draws itself as a table."""

    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, pid: int) -> Row:
        """The row of a pid. KeyError if there is none."""
        for row in self.rows:
            if row.pid == pid:
                return row
        raise KeyError(pid)

    def __repr__(self) -> str:
        alive = [row for row in self.rows if row.state not in ("exited", "killed")]
        users = sorted({one_line(row.user) for row in alive})
        return _(
            "Processes: {count}, alive: {alive}, virtual machines among these: {vms}; of {users}"
        ).format(
            count=len(self.rows),
            alive=len(alive),
            vms=sum(row.kind == VM for row in alive),
            users=", ".join(users) or _("nobody"),
        )


def table_of(processes: list[Process]) -> Processes:
    """The rows of these processes as they stand now."""
    return Processes(
        tuple(
            Row(one.pid, one.name, one.user, one.kind, one.state, one.used, one.reason) for one in processes
        )
    )
