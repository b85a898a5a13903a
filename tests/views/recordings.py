"""Recordings made by hand, in the order in which a machine with hypervisors makes its events."""

from vlab import events as ev
from vlab.events import EventSource, Recording
from vlab.riscv.privilege import INTERRUPT_BIT, Cause, Interrupt

CSRW_SATP = 0x18051073
SRET = 0x10200073


class Script:
    """Writes a run of a guest with two address spaces, `depth` hypervisors deep, as its machine would tell
    it."""

    def __init__(self, depth: int = 1):
        self.depth, self.time, self.pc = depth, 100, 0x8000_1000
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
        self.source.emit(ev.DeviceAccess, 0, "uart", 0, 1, 0x41, True)
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
