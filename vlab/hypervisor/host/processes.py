"""A process of a host: an ordinary program, a virtual machine, or a guest kernel let into system mode."""

from typing import TYPE_CHECKING, Any

from vlab.display import Drawn, one_line
from vlab.hypervisor.host.spaces import VM_OFFSET, Space
from vlab.hypervisor.schedule import Account
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.language import VlabError, _
from vlab.machine.expecting import expect_address
from vlab.machine.snapshot import Checker
from vlab.paging import Walk
from vlab.riscv import Access, Mode

if TYPE_CHECKING:
    from vlab.hypervisor.host.kernel import Kernel

READY, SLEEPING, READING, EXITED, KILLED = "ready", "sleeping", "reading", "exited", "killed"
PAUSED = "paused"
_DOING = (READY, SLEEPING, READING, EXITED, KILLED)
PROGRAM, VM, SYSTEM = "program", "VM", "system"
_MODES = {PROGRAM: Mode.U, VM: Mode.U, SYSTEM: Mode.S}
_LONGEST_NAME = 1 << 10


class Process(Drawn):
    """A process, with what the host keeps of it while it does not run.

    `kind` is "program", "VM" (then `vm` is the virtual machine) or "system" (a guest kernel in system mode).
    `x`, `pc`, `mode` and `satp` are its registers as of its last trap; a VM's are the VM's own. `wake` is when
    a sleeper wakes, `wanted` where a reader wants its line (address, length), `used` the time that it had.
    """

    def __init__(self, host: "Kernel", pid: int, name: str, user: str, kind: str, space: Space | None):
        self.host, self.pid, self.name, self.user, self.kind = host, pid, name, user, kind
        self.space = space  # None once it is over
        self.vm: VirtualMachine | None = None
        self.outside = False  # of a VM: its own program runs, in user mode, and not the guest
        self.x = [0] * 33
        self.pc, self.mode = 0, _MODES[kind]
        self.satp = 0 if space is None else space.table.satp
        self.doing = READY
        self.paused = False
        self.wake, self.used, self.status = 0, 0, 0
        self.account = Account()  # the time that it had, for its weight: the scheduler goes by it
        self.wanted = (0, 0)
        self.reason = ""  # why it was killed

    def __repr__(self) -> str:
        return _("Process {pid} of {user}: {name} ({kind}), {state}, time used {used}").format(
            pid=self.pid,
            user=one_line(self.user),
            name=one_line(self.name),
            kind=kind_title(self.kind),
            state=state_title(self.state),
            used=self.used,
        )

    @property
    def alive(self) -> bool:
        """Whether it is not over."""
        return self.doing not in (EXITED, KILLED)

    @property
    def guest(self) -> VirtualMachine | None:
        """Its virtual machine, if that is what runs when the process does."""
        return None if self.outside else self.vm

    @property
    def weight(self) -> int:
        """Of two processes that are busy, one of twice the weight has the hart for twice the time."""
        return self.account.weight if self.vm is None else self.vm.weight

    @property
    def turn(self) -> int:
        """By what the scheduler sorts: what it had, and what it will have when its wait is over."""
        account, sleep = self.account, 0 if self.vm is None else self.vm.sleep or 0
        return account.spent + account.units(sleep)

    @property
    def state(self) -> str:
        """What it does, in a word that stays the same: "running", "ready", "sleeping", "reading", …

        Of a VM also "waiting" (its hart waits for an interrupt), "off" and "empty".
        """
        if self.alive and self.host.inside is self:
            return "running"
        vm = self.vm
        if self.alive and (self.paused or (vm is not None and vm.paused)):
            return PAUSED
        if vm is None or not self.alive:
            return self.doing
        if not vm.on:
            return "empty"
        if vm.status is not None:
            return "off"
        return "waiting" if vm.hart.waiting else READY

    def address_of(self, gpa: int) -> int:
        """GPA → HVA: where the memory of its VM lies in its own virtual address space. VlabError if it has none."""
        expect_address(gpa)
        if self.vm is None or not self.vm.memory.holds(gpa):
            raise VlabError(
                _("{gpa:#x} is not in the memory of a virtual machine of this process.").format(gpa=gpa),
                where=repr(self),
            )
        return gpa + VM_OFFSET

    def walk(self, address: int, access: Access | str = Access.LOAD) -> Walk:
        """Where one of its virtual addresses leads, by its page table as it stands in the host's memory now.

        Raises VlabError once it is over, and for what is no 64-bit address, or no kind of access.
        """
        if self.space is None:
            raise VlabError(_("This process is over: it has no address space any more."), where=repr(self))
        expect_address(address)
        return self.space.walk(address, access, _MODES[self.kind])

    # Saving

    def record(self) -> dict[str, Any]:
        """What the host keeps of it, as plain data."""
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        texts = {name: getattr(self, name) for name in _TEXTS}
        return {
            **numbers,
            **texts,
            "mode": int(self.mode),
            "paused": self.paused,
            "outside": self.outside,
            "account": self.account.state(),
            "x": self.x[:32],
            "wanted": list(self.wanted),
            "space": None if self.space is None else self.space.state(),
        }

    def restore(self, state: Checker) -> None:
        """Be as a record says, all but its address space; VlabError if it can't be."""
        for name in _NUMBERS:
            setattr(self, name, state.number(name))
        self.name, self.user, self.kind, self.doing, self.reason = texts(state)
        self.mode, self.paused = state.mode(), state.flag("paused")
        self.outside = state.flag("outside")
        self.account.restore(state.part("account"))
        self.x[:] = [*state.numbers("x", 32), 0]
        wanted = state.numbers("wanted", 2)
        self.wanted = (wanted[0], wanted[1])
        if self.x[0] or self.mode == Mode.M or not self.pid:
            raise state.bad(_("This is no process."))


_NUMBERS = ("pid", "pc", "satp", "wake", "used", "status")
_TEXTS = ("name", "user", "kind", "doing", "reason")


def texts(state: Checker) -> list[str]:
    """The texts of a record, in order: name, user, kind, doing, reason; VlabError if they can't be."""
    found = [state.part(name).state for name in _TEXTS]
    if any(not isinstance(text, str) or len(text) > _LONGEST_NAME for text in found):
        raise state.bad(_("This is no process."))
    if found[2] not in _MODES or found[3] not in _DOING:
        raise state.bad(_("This is no process."))
    return found


def kind_title(kind: str) -> str:
    """A kind of process in the reader's language, from its stable word."""
    return {
        PROGRAM: _("program"),
        VM: _("virtual machine"),
        SYSTEM: _("guest kernel in system mode"),
    }.get(kind, kind)


def state_title(state: str) -> str:
    """What a process does, in the reader's language, from its stable word."""
    return {
        "running": _("running"),
        READY: _("ready"),
        SLEEPING: _("sleeping"),
        READING: _("reading"),
        PAUSED: _("paused"),
        EXITED: _("ended"),
        KILLED: _("killed"),
        "empty": _("empty"),
        "off": _("off"),
        "waiting": _("waiting"),
    }.get(state, state)
