"""Recordings made by hand, in the order in which a machine with hypervisors makes its events."""

from hypothesis import strategies as st

from vlab import events as ev
from vlab.events import Event, EventSource, Recording
from vlab.riscv.privilege import INTERRUPT_BIT, Cause, Interrupt

CSRW_SATP = 0x18051073
SRET = 0x10200073


class Script:
    """Writes a run of a guest, `depth` hypervisors deep (0 or 1), as its machine would tell it."""

    def __init__(self, depth: int = 1, device: str = "uart"):
        self.depth, self.time, self.pc, self.device = depth, 100, 0x8000_1000, device
        self.source = EventSource(lambda: self.time)

    def record(self, rounds: int) -> Recording:
        """System call, `satp` write, hidden fault and timer interrupt, so many times."""
        with self.source.record() as run:
            for _round in range(rounds):
                self.system_call()
                self.emulated(
                    "csrw satp, t0", CSRW_SATP, (("satp", 0, 8 << 60 | 0x80012), ("pc", self.pc, self.pc + 4))
                )
                self.source.emit(ev.CsrWrite, 1 if self.depth else 0, "satp", 0, 8 << 60 | 0x80012, self.pc)
                self.hidden_fault(0x1_0000 + 0x1000 * _round)
                self.emulated("sret", SRET, (("mode", 1, 0), ("mstatus", 0x122, 0xA2)), then="U")
                self.tick()
        return run

    def up(self, cause: int, value: int = 0) -> None:
        self.time += 7
        self.source.emit(ev.Trap, 0, cause, value, self.pc, "U", "S")

    def down(self) -> None:
        self.time += 1
        self.source.emit(ev.Return, 0, "sret", 0xFFFF_FFC0_0000_0000, "S", "U")

    def exit(self, reason: str, cause: int, mode: str, value: int = 0) -> None:
        self.up(cause, value)
        if self.depth:
            self.source.emit(ev.Exit, 1, reason, cause, value, self.pc, mode)

    def enter(self, mode: str) -> None:
        if self.depth:
            self.source.emit(ev.Entry, 1, self.pc, mode)
        self.down()

    def system_call(self) -> None:
        self.exit("ecall", Cause.ECALL_FROM_U, "U")
        if self.depth:
            self.source.emit(ev.Injection, 1, Cause.ECALL_FROM_U, 0, self.pc, "U", "S")
            self.enter("S")

    def emulated(
        self, words: str, word: int, changes: tuple[tuple[str, int, int], ...], then: str = "S"
    ) -> None:
        if not self.depth:
            if then == "U":
                self.down()
            return
        self.exit("illegal", Cause.ILLEGAL_INSTRUCTION, "S", word)
        self.source.emit(ev.Emulation, 1, self.pc, word, words, "S", changes)
        if then == "U":
            self.source.emit(ev.Return, 1, "sret", self.pc, "S", "U")
        self.enter(then)

    def hidden_fault(self, gva: int) -> None:
        if self.depth:
            self.exit("hidden-fault", Cause.LOAD_PAGE_FAULT, "S", gva)
            self.source.emit(ev.ShadowFill, 1, gva, gva + 0x8000_0000, gva + 0x8010_0000, "DA-U-WRV", "load")
            self.enter("S")
        self.source.emit(ev.TlbFill, 0, gva, gva + 0x8010_0000, "load", "U")

    def tick(self) -> None:
        timer = INTERRUPT_BIT | Interrupt.STI
        self.exit("interrupt", timer, "U")
        self.source.emit(ev.DeviceAccess, 0, self.device, 0, 1, 0x41, True)
        if self.depth:
            self.source.emit(ev.ShadowFlush, 1, "sfence.vma", 3)
            self.source.emit(ev.Injection, 1, timer, 0, self.pc, "U", "S")
            self.enter("S")
            self.emulated("sret", SRET, (("mode", 1, 0),), then="U")
        else:
            self.down()


def nested(rounds: int = 2) -> Recording:
    """A guest two hypervisors deep: each exit of the inner VM costs the inner hypervisor exits of its own."""
    script = Script(depth=2)
    source, pc = script.source, script.pc
    with source.record() as run:
        for _round in range(rounds):
            script.up(Cause.ILLEGAL_INSTRUCTION)
            source.emit(ev.Exit, 1, "illegal", 2, 0, pc, "U")
            source.emit(ev.Injection, 1, 2, 0, pc, "U", "S")
            source.emit(ev.Entry, 1, pc, "S")
            script.down()
            source.emit(ev.Exit, 2, "illegal", 2, 0, pc, "S")
            source.emit(ev.Emulation, 2, pc, CSRW_SATP, "csrw satp, t0", "S", ())
            source.emit(ev.Entry, 2, pc + 4, "S")
            script.up(Cause.ILLEGAL_INSTRUCTION)
            source.emit(ev.Exit, 1, "illegal", 2, 0, pc, "S")
            source.emit(ev.Emulation, 1, pc, SRET, "sret", "S", ())
            source.emit(ev.Return, 1, "sret", pc, "S", "U")
            source.emit(ev.Entry, 1, pc, "U")
            script.down()
    return run


def one_of_each() -> list[Event]:
    """An event of every kind, of the machine and of VMs one and two deep."""
    kinds = [(level, kind) for level in range(3) for kind in _RESTS]
    return [kind((1, number), level, None, *_RESTS[kind]) for number, (level, kind) in enumerate(kinds)]


_RESTS: dict[type[Event], tuple[object, ...]] = {
    ev.Trap: (2, 0x1234, 0x8000_0000, "U", "S"),
    ev.Injection: (8, 0, 0x8000_0000, "U", "S"),
    ev.Return: ("sret", 0x8000_0000, "S", "U"),
    ev.Exit: ("privileged instruction", 2, 0, 0x8000_0000, "S"),
    ev.Entry: (0x8000_0004, "S", "vm1"),
    ev.Emulation: (0x8000_0000, CSRW_SATP, "csrw satp, t0", "S", (("satp", 0, 1),)),
    ev.CsrWrite: ("satp", 0, 1, 0x8000_0000),
    ev.TlbFill: (0x1_0000, 0x8000_0000, "load", "U"),
    ev.TlbFlush: ("sfence.vma",),
    ev.ShadowFill: (0x1_0000, 0x8000_0000, 0x8010_0000, "RWU", "store"),
    ev.ShadowFlush: ("satp", 7),
    ev.Translation: (0x8000_0000, 12, 2, 3),
    ev.DeviceAccess: ("uart", 0, 1, 0x41, True),
    ev.InterruptChange: (INTERRUPT_BIT | Interrupt.STI, True, "sstatus.SIE", "vm1"),
    ev.Routing: (INTERRUPT_BIT | Interrupt.STI, "timer", "hypervisor", "vm1"),
}


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    """Any run: events of any kind at any level in any order, with words that a hostile guest might choose."""
    word = st.text(max_size=12) | st.sampled_from(("satp", "sret", "</text><script>", "a" * 200))
    number, mode = st.integers(0, (1 << 64) - 1), st.sampled_from(("U", "S", "M", "?"))
    events: list[Event] = []
    for place in range(draw(st.integers(0, 40))):
        kind, level = draw(st.sampled_from(list(_RESTS))), draw(st.integers(0, 3))
        rest = [_like(draw, value, word, number, mode) for value in _RESTS[kind]]
        cause = draw(
            st.none() | st.integers(0, place + 1)
        )  # the event itself and a later one must do no harm
        parent = None if cause is None else (cause, 0)
        events.append(kind((place, 0), level, parent, *rest))
    return Recording(events)


def _like(draw: st.DrawFn, value: object, *kinds: st.SearchStrategy[object]) -> object:
    """Another value of the same kind."""
    word, number, mode = kinds
    if isinstance(value, tuple):
        return ((draw(word), draw(number), draw(number)),)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw(number)
    return draw(mode if value in ("U", "S", "M") else word)
