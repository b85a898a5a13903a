"""The registers of a guest that hardware assists: in the real ones while it runs directly, else in its virtual hart."""

from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING

from vlab.machine.computer import Computer
from vlab.machine.csrfile import STCE
from vlab.machine.sequence import Issue, Sequence
from vlab.riscv import Interrupt, Mode
from vlab.riscv.csrs import H_REGISTERS

if TYPE_CHECKING:
    from vlab.hypervisor.virtualmachine import VirtualMachine

HSTATUS, MSTATUS = (
    {part.name: part.mask for part in H_REGISTERS.by_name[csr].fields} for csr in ("hstatus", "mstatus")
)
SUPERVISORS = sum(1 << code for code in (Interrupt.SSI, Interrupt.STI, Interrupt.SEI))
SSI, STI = 1 << Interrupt.SSI, 1 << Interrupt.STI
_ENTERED = HSTATUS["SPV"] | HSTATUS["VTW"]
_SPP, _CAUGHT = MSTATUS["SPP"], MSTATUS["TVM"] | MSTATUS["TSR"]
_SSTATUS = H_REGISTERS.by_name["vsstatus"].writable
_TM = H_REGISTERS.by_name["hcounteren"]["TM"].mask

# By the virtual computer's name for it, the real register that holds it while the guest runs directly.
_HELD = {
    **{name: f"v{name}" for name in ("stvec", "sscratch", "sepc", "scause", "stval", "satp", "stimecmp")},
    **{name: name for name in ("scounteren", "senvcfg")},
}
_guests = itemgetter(*_HELD)
_ALARM_AT = list(_HELD).index("stimecmp")

# What is loaded at each entry, in this order, and then what is held; `_CONTROL` is the hypervisor's own.
_CONTROL = ("hstatus", "hedeleg", "hideleg", "hcounteren", "henvcfg", "hvip", "vsstatus", "vsie")
# What is read first at each exit, before the table and the alarm: why it is, and by which of its settings.
_FIRST = ("htval", "htinst", "vsstatus", "vsie", "hvip")
# SPV and SPP are cleared, as others' guests go to U mode; and `hie`, or the guest's interrupts would end the host's own
# `wfi`.
_CLEARED = ("csrw hstatus, a0", "csrc sstatus, a0", "csrw scounteren, a0", "csrw hie, a0")
TABLE, FENCES = Sequence("csrw hgatp, a0"), Sequence("hfence.gvma", "hfence.vvma")
DELTA, _STATUS = Sequence("csrw htimedelta, a0"), Sequence("csrw hstatus, a0")


@cache
def _held(alarm: bool) -> tuple[str, ...]:
    """The virtual computer's names of what is held, as it is read back; its alarm is there if it has one."""
    early = ("satp", "stimecmp") if alarm else ("satp",)
    return early + tuple(name for name in _HELD if name not in ("satp", "stimecmp"))


@cache
def _real(alarm: bool) -> tuple[str, ...]:
    """The real registers that hold them, and `vsstatus`, `vsie` and `hvip`."""
    return (*(_HELD[name] for name in _held(alarm)), *_FIRST[2:])


@cache
def _loading(alarm: bool, mode: Mode) -> Sequence:
    """To write the guest's registers, and to return to this mode."""
    names = (real for name, real in _HELD.items() if alarm or name != "stimecmp")
    written = (f"csrw {csr}, a0" for csr in (*_CONTROL, *names))
    return Sequence(*written, f"{'csrs' if mode == Mode.S else 'csrc'} sstatus, a0")


@cache
def _asking(alarm: bool) -> Sequence:
    """To read why the guest exited, and what tells whether that is all there is to it."""
    return Sequence(*(f"csrr a0, {csr}" for csr in (*_FIRST, *_real(alarm)[: 1 + alarm])))


@cache
def _saving(alarm: bool) -> Sequence:
    """To read what of the guest's is not read yet."""
    return Sequence(*(f"csrr a0, {csr}" for csr in _real(alarm)[1 + alarm : -3]), *_CLEARED)


@cache
def _kept(alarm: bool) -> int:
    """How many instructions read and write what may be left where it is; `hstatus` is written."""
    return len(_saving(alarm).instructions) + len(_loading(alarm, Mode.S).instructions) - 1


class _Issuers(dict[Sequence, Issue]):
    """How each sequence is issued, made when it first is."""

    def __init__(self, computer: Computer):
        self._computer = computer

    def __missing__(self, sequence: Sequence) -> Issue:
        made = self[sequence] = self._computer.issuer(sequence)
        return made


class GuestRegisters:
    """Those of one guest. A hypervisor reads them back at an exit, or leaves them where they are."""

    def __init__(self, vm: "VirtualMachine"):
        self._vm, self._issue = vm, _Issuers(vm.host)
        self._asked: list[int] | None = None  # what was read of the present exit
        self.kept = False  # whether the last exit left them where they are
        self.traps = 0  # of the host's hart, all told, when the guest's own were last counted

    @property
    def alarm(self) -> bool:
        """Whether the guest has an alarm of its kernel's own, that rings in its S mode.

        One that rings in its M mode is the hypervisor's to watch: it has to hear of each time that it is set to.
        """
        values = self._vm.virtual_hart.csr.values
        return bool(values["menvcfg"] & STCE and values["mideleg"] & STI)

    def ask(self) -> list[int]:
        """What is read first at an exit, once: `htval`, `htinst`, `vsstatus`, `vsie`, `hvip`, `vsatp`, the alarm."""
        if self._asked is None:
            self._asked = self._issue[_asking(self.alarm)]()
        return self._asked

    def save(self, mode: Mode, exited: bool) -> None:
        """Read all of them back; the guest was in this mode, and `exited` by an exception, or an interrupt."""
        _htval, _htinst, vsstatus, vsie, hvip, *early = self.ask()
        self._asked, self.kept = None, False
        held = early + self._issue[_saving(self.alarm)](0, _SPP, 0, 0)
        self._settle([*held, vsstatus, vsie, hvip], mode, exited)

    def settle(self, mode: Mode, exited: bool) -> None:
        """The same as a debugger would: nothing is issued."""
        csr = self._vm.host.hart.csr
        self._settle([csr[name] for name in _real(self.alarm)], mode, exited)

    def _settle(self, found: list[int], mode: Mode, exited: bool) -> None:
        """The virtual hart as the real one has left it: what its `_real` registers hold."""
        hart = self._vm.virtual_hart
        values = hart.csr.values
        before = hart.mode, values["mstatus"], values["satp"]
        delegated, (*held, vsstatus, vsie, hvip) = values["mideleg"], found
        values.update(zip(_held(self.alarm), held, strict=True))
        values["mstatus"] = values["mstatus"] & ~_SSTATUS | vsstatus & _SSTATUS
        values["mie"] = values["mie"] & ~(delegated & SUPERVISORS) | vsie
        raised = SSI & delegated
        values["mip"] = values["mip"] & ~raised | hvip >> 1 & raised
        # Its own traps were none of the hypervisor's; but the exit itself, if an exception, is counted elsewhere.
        traps = self._vm.host.unretired - exited
        hart.unretired += traps - self.traps
        self.traps = traps
        hart.mode = mode
        if before != (mode, values["mstatus"], values["satp"]):
            hart.mmu.select()

    def load(self, pending: int) -> None:
        """Write all of them, of which `hvip` tells of what is pending."""
        hart = self._vm.virtual_hart
        values = hart.csr.values
        status, delegated = values["mstatus"], values["mideleg"]
        held, alarm = list(_guests(values)), self.alarm
        pending &= delegated
        if alarm:
            environment, pending = values["menvcfg"], pending & ~STI  # that is `vstimecmp`'s
        else:
            environment = values["menvcfg"] & ~STCE
            del held[_ALARM_AT]
        control = (
            *(self._hstatus(), values["medeleg"], delegated << 1),
            values["mcounteren"] & _TM,  # the other counters are the host's own
            *(environment, pending << 1, status & _SSTATUS, values["mie"] & delegated),
        )
        self._issue[_loading(alarm, hart.mode)](*control, *held, _SPP)
        self.traps = self._vm.host.unretired

    def load_kept(self) -> None:
        """Let what was not read back count as read, and as written again. Only `hstatus` has changed by the exit."""
        self._asked = None
        self._issue[_STATUS](self._hstatus())
        self._vm.host.pass_over(_kept(self.alarm))
        self.traps += 1

    def _hstatus(self) -> int:
        """What `hstatus` holds at an entry."""
        status, hstatus = self._vm.virtual_hart.csr.values["mstatus"], _ENTERED
        if status & _CAUGHT:
            hstatus |= HSTATUS["VTVM"] if status & MSTATUS["TVM"] else 0
            hstatus |= HSTATUS["VTSR"] if status & MSTATUS["TSR"] else 0
        return hstatus
