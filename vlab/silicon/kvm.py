"""A virtual machine on the reader's own CPU, made through /dev/kvm: its exits, one by one, and how long one takes.

KVM is a module of Linux's kernel, and a hypervisor has two parts there. The module runs the guest, and deals with
what it can by itself: a page that is touched for the first time, `cpuid`. What it can't deal with are devices; so the
guest *exits* to an ordinary process, which plays the devices and asks the module to let the guest run on. Here that
process is a child in Python, `vlab.silicon.children.kvm`; what it dealt with is handed over as values.

The module is not the same everywhere. With Intel's and AMD's modes for guests the guest runs on the CPU itself, and a
second page table translates its addresses. Inside a virtual machine that has no such mode to give, another module may
stand in, which keeps shadow page tables. So the module's name belongs to what was seen.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from vlab.display import one_line, view
from vlab.language import VlabError, _
from vlab.silicon.asking import Recorded, Sourced, Unavailable, ask_child, live_or_recorded
from vlab.silicon.fields import Fields
from vlab.silicon.hosts import Host, machine_name
from vlab.silicon.listing import LISTINGS, Line, Listing

RECORDED = "x86-64-kvm"  # the recorded data: not every computer that can do the other experiments has KVM
ENDED = ("halted", "stopped", "exits", "time")
_ACCESSES = ("", "out", "in", "write", "read")
_CONSOLE = 0x3F8
_PARTS = 100  # the times are cut into so many parts of the same size


@dataclass(frozen=True)
class Backend:
    """The module that ran the guest ("": unknown), and whether by a second page table (None: unknown)."""

    module: str
    second: bool | None

    def __str__(self) -> str:
        name = self.module or _("an unknown module")
        if self.module == "kvm_pvm":
            return _(
                "{name}: the CPU has no mode for guests, so it keeps shadow page tables (there is no second one), "
                "and interprets the code of a guest's kernel"
            ).format(name=name)
        if self.second is None:
            return name
        if self.second:
            return _("{name}: the CPU's mode for guests, and a second page table").format(name=name)
        return _("{name}: the CPU's mode for guests, and shadow page tables").format(name=name)


class Registers(NamedTuple):
    """Some registers of the guest's: where it stands, and four general ones."""

    rip: int
    rax: int
    rbx: int
    rcx: int
    rdx: int


@dataclass(frozen=True, repr=False)
class KvmExit:
    """One exit of the guest to its program.

    `reason` is KVM's own name. `access` is "out" or "in" (`address`: a port), "write" or "read" (`address`:
    guest-physical), or "": none. `value` are the first `size` bytes that went over, of `count` times as many. The
    `registers` are the guest's when the access is done.
    """

    reason: str
    access: str
    address: int | None
    size: int
    count: int
    value: int | None
    registers: Registers

    @property
    def did(self) -> str:
        """What the program did about it, in the reader's language."""
        value = f"{self.value or 0:#x}"
        if self.access == "out":
            if self.address != _CONSOLE:
                return _("ignores {value}: no such port").format(value=value)
            return _("console: prints {value} {sign}").format(value=value, sign=self._sign).rstrip()
        words = {
            "in": _("console: gives {value} {sign}").format(value=value, sign=self._sign).rstrip()
            if self.address == _CONSOLE
            else _("gives {value}: no such port").format(value=value),
            "write": _("adder: keeps {value}").format(value=value),
            "read": _("adder: gives {value}").format(value=value),
        }
        ended = (
            _("ends the run") if self.reason == "KVM_EXIT_HLT" else _("can't deal with it, and ends the run")
        )
        return words.get(self.access, ended)

    @property
    def what(self) -> str:
        """What the guest wanted: "out 0x3f8", "write 0xc000"; nothing of an exit without an access."""
        times = f" × {self.count}" if self.count > 1 else ""
        return f"{self.access} {self.address:#x}{times}" if self.address is not None else ""

    @property
    def _sign(self) -> str:
        value = self.value or 0
        return f"'{chr(value)}'" if 0x20 < value < 0x7F else ""

    def __repr__(self) -> str:
        named = f"{self.reason} ({self.what})" if self.what else self.reason
        return f"{named}: {self.did}"

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        fields = ("reason", "access", "address", "size", "count", "value")
        return {name: getattr(self, name) for name in fields} | self.registers._asdict()


@dataclass(frozen=True, repr=False)
class KvmRun(Sourced):
    """A guest's run through /dev/kvm, exit by exit: to be iterated, indexed and counted.

    `console` is what the guest printed. `ended`: it "halted", was "stopped" by an exit that nobody can deal with, or
    was ended because of too many "exits" or too much "time".
    """

    listing: Listing
    exits: tuple[KvmExit, ...]
    console: str
    ended: str
    backend: Backend
    host: Host
    live: bool = False
    why: str = ""

    def __len__(self) -> int:
        return len(self.exits)

    def __iter__(self) -> Iterator[KvmExit]:
        return iter(self.exits)

    def __getitem__(self, number: int) -> KvmExit:
        return self.exits[number]

    @property
    def counts(self) -> Counter[str]:
        """How many exits of each reason, in the order in which they came first."""
        return Counter(one.reason for one in self.exits)

    def line(self, one: KvmExit) -> Line | None:
        """The instruction that an exit comes from: the one that ends where the guest stands now, or repeats there."""
        rip = one.registers.rip
        ended = next((line for line in self.listing.lines if line.end == rip), None)
        again = next((line for line in self.listing.lines if line.address == rip), None)
        return again if again is not None and again.text.startswith("rep") else ended

    def __repr__(self) -> str:
        counted = ", ".join(f"{count} × {reason}" for reason, count in self.counts.items()) or _("none")
        ended = {
            "halted": _("It halted."),
            "stopped": _("It was stopped: its program can't deal with that."),
            "exits": _("It was ended: too many exits."),
            "time": _("It was ended: it ran for too long."),
        }[self.ended]
        words = _("A guest under KVM, through /dev/kvm. Exits to its program: {total} ({counted}).").format(
            total=len(self), counted=counted
        )
        printed = _("It printed {console!r}.").format(console=self.console)
        return f"{words} {printed} {ended}"

    @property
    def particulars(self) -> str:
        """By which module of the host's kernel."""
        return _("Run by {backend}.").format(backend=self.backend)

    @property
    def details(self) -> Any:
        """The picture, with the module and the host that it comes from."""
        return view("kvm_picture")(self, details=True)

    def beside(self, recording: Any) -> Any:
        """The picture of this run and, under it in the same grammar, of the exits in a recording of a machine."""
        return view("kvm_beside_model")(self, recording)

    def to_json(self) -> dict[str, Any]:
        """As plain data, without the host."""
        return {
            "code": self.listing.code.hex(),
            "backend": {"module": self.backend.module, "second": self.backend.second},
            "exits": [one.to_json() for one in self.exits],
            "console": self.console.encode("latin-1").hex(),
            "ended": self.ended,
        }


def run_in_kvm(guest: str | Listing = "word", *, live: bool = True) -> KvmRun:
    """Run a guest in a virtual machine on this computer's CPU, through /dev/kvm, and hand over its exits.

    `guest` is the name of one that comes with vlab, a `Listing`, or the text of one (see `Listing.parse`). It has
    32 KiB of memory; port 0x3f8 is a console, and above the memory there is a device that adds one. A child process
    plays both, and ends what runs too long. With live=False, or where there is no KVM, the recorded run is given.

    Raises:
        VlabError: for what is no listing, and for another one than "word" where it can't be run.
    """
    listing = _listing(guest)

    def try_it(host: Host) -> KvmRun:
        found = run_from(_ask("kvm", {"code": listing.code.hex()}), listing, host, live=True)
        if listing.name and found.ended != "halted":
            raise Unavailable(_("KVM did not run the guest to its end"))
        return found

    def take(data: Recorded, why: str) -> KvmRun:
        part = data.fields.part("kvm")
        if part.word("code") != listing.code.hex():
            why = why or _("it was not asked for")
            raise VlabError(
                _("Nothing is recorded of this guest."),
                mend=_("Run it on a computer with KVM; here it did not run: {why}.").format(why=why),
            )
        return run_from(part, listing, data.host, why=why)

    return live_or_recorded(live, try_it, take, RECORDED)


def run_from(fields: Fields, listing: Listing, host: Host, *, live: bool = False, why: str = "") -> KvmRun:
    """A run from plain data. Raises VlabError where it is none."""
    try:
        console = bytes.fromhex(fields.word("console")).decode("latin-1")
    except ValueError:
        raise fields.bad("console") from None
    exits = tuple(map(_exit_from, fields.rows("exits")))
    ended, backend = fields.word("ended", choices=ENDED), _backend_from(fields.part("backend"))
    return KvmRun(listing, exits, one_line(console), ended, backend, host, live, why)


def _listing(guest: str | Listing) -> Listing:
    if isinstance(guest, Listing):
        return guest
    return Listing.named(guest) if guest in LISTINGS else Listing.parse(str(guest))


def _exit_from(fields: Fields) -> KvmExit:
    access = fields.word("access", choices=_ACCESSES)
    address, size, count = (fields.number(name) for name in ("address", "size", "count"))
    value = fields.number("value")
    if (address is None or value is None) is bool(access) or size is None or count is None:
        raise fields.bad("access")
    registers = [fields.number(name) for name in Registers._fields]
    known = [value for value in registers if value is not None and value >= 0]
    if len(known) < len(registers) or min(address or 0, size, count, value or 0) < 0:
        raise fields.bad("registers")
    return KvmExit(fields.word("reason"), access, address, size, count, value, Registers(*known))


def _backend_from(fields: Fields) -> Backend:
    return Backend(fields.word("module"), fields.yes_or_no("second") if fields.has("second") else None)


def _ask(task: str, request: object) -> Fields:
    """What the child says; Unavailable with the reason, where there is no KVM."""
    if machine_name() != "x86-64":
        raise Unavailable(
            _("the CPU is {machine}, and the guest is for x86-64").format(machine=machine_name())
        )
    fields = ask_child(task, request).part("answer")
    if fields.has("error"):
        error = fields.word("error")
        words = {
            "ENOENT": _("there is no /dev/kvm"),
            "EACCES": _("you may not open /dev/kvm"),
            "EPERM": _("the host forbids /dev/kvm"),
            "time": _("KVM took too long"),
        }
        raise Unavailable(words.get(error, _("/dev/kvm refuses ({error})").format(error=error)))
    return fields


# --- How long an exit takes


@dataclass(frozen=True, repr=False)
class ExitTimes(Sourced):
    """How long the way from a guest to its program and back takes, measured many times, beside a system call alone.

    `exit` and `call` are times in nanoseconds, from the least to the greatest, one after each hundredth of those that
    were measured. Some of each is Python's own.
    """

    exit: tuple[int, ...]
    call: tuple[int, ...]
    backend: Backend
    host: Host
    live: bool = False
    why: str = ""

    def percentile(self, part: int, of: str = "exit") -> int:
        """The time in nanoseconds that `part` in 100 did not exceed, of "exit" or "call".

        Raises VlabError where there is no such part, or nothing else was measured.
        """
        if type(part) is not int or not 0 <= part <= _PARTS or of not in ("exit", "call"):
            raise VlabError(_("There is no such part: {part!r} of {of!r}.").format(part=part, of=of))
        return (self.exit if of == "exit" else self.call)[part]

    def __repr__(self) -> str:
        return _(
            "Measured under KVM: how long an exit of a guest to its program and the way back take, and beside it "
            "a system call that does next to nothing."
        )

    @property
    def particulars(self) -> str:
        """The times in words, and by which module."""
        words = _("Exit and back: half of them within {half} µs, 90 in 100 within {most} µs.").format(
            half=micro(self.percentile(50)), most=micro(self.percentile(90))
        )
        call = _("A system call alone: half of them within {half} µs.").format(
            half=micro(self.percentile(50, "call"))
        )
        return " ".join((words, call, _("Run by {backend}.").format(backend=self.backend)))

    @property
    def details(self) -> Any:
        """The picture of what was measured here."""
        return view("exit_times_picture")(self, details=True)

    def to_json(self) -> dict[str, Any]:
        """As plain data, without the host."""
        backend = {"module": self.backend.module, "second": self.backend.second}
        return {"backend": backend, "exit": [*self.exit], "call": [*self.call]}


def micro(nanoseconds: int) -> str:
    """A time in microseconds, with one decimal."""
    return f"{nanoseconds / 1000:.1f}"


def time_exits(*, live: bool = True) -> ExitTimes:
    """Measure on this computer how long an exit to a program and the way back take.

    With live=False, or where there is no KVM, what was measured on the recorded computer is given.
    """

    def try_it(host: Host) -> ExitTimes:
        return times_from(_ask("kvm times", {}), host, live=True)

    def take(data: Recorded, why: str) -> ExitTimes:
        return times_from(data.fields.part("times"), data.host, why=why)

    return live_or_recorded(live, try_it, take, RECORDED)


def times_from(fields: Fields, host: Host, *, live: bool = False, why: str = "") -> ExitTimes:
    """Times from plain data. Raises VlabError where they are none."""
    exit_, call = fields.numbers("exit"), fields.numbers("call")
    for found in (exit_, call):
        if len(found) != _PARTS + 1 or found[0] < 1 or list(found) != sorted(found):
            raise fields.bad("exit")
    return ExitTimes(exit_, call, _backend_from(fields.part("backend")), host, live, why)
