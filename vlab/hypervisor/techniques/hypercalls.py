"""Hypercalls, the hypervisor's side: what each does. Nothing that a guest says in them is believed.

A wild address, an entry that leads elsewhere, a list too long, a channel to nobody: the guest gets an error for it, and
nothing has changed. `guests/paravirtual/1_hypercalls.s` is the guest's side.
"""

from enum import IntEnum
from typing import Any

from vlab.events import Emulation
from vlab.hypervisor.techniques.trap_and_emulate import TrapAndEmulate
from vlab.language import _
from vlab.machine.board import FINISHER_BASE, UART_BASE
from vlab.machine.memory import PAGE
from vlab.machine.snapshot import WORD, Checker
from vlab.paging import Flags
from vlab.riscv import Access, Interrupt, Mode, Trap
from vlab.riscv.csrs import CSRS

# The shared page, in bytes from its start.
MASK, PENDING, PC, SP, STATUS, CAUSE, VALUE, STACK = range(0, 64, 8)
# A frame from which `return` goes back: register xN at 8*N, the pc in the place of x0, and behind them the status.
FRAME_PC, FRAME_SP, FRAME_A7, FRAME_STATUS = 0, 8 * 2, 8 * 17, 8 * 32

OK, NO_SUCH_CALL, BAD_ADDRESS, INVALID, TOO_MANY, NOT_CONNECTED = range(0, -6, -1)
MOST_UPDATES = 32  # in one hypercall: fewer than the frames that who shares pages with clones may count on
MOST_TEXT = 4096  # bytes
CHANNELS = 64
ALARM = 0  # the channel on which a guest's own alarm rings

_NEVER = WORD - 1
_ECALL = 0x73
_STATUS = {name: CSRS["mstatus"][name].mask for name in ("SIE", "SPIE", "SPP", "TSR")}
_SSIP, _STIP = 1 << Interrupt.SSI, 1 << Interrupt.STI


class Call(IntEnum):
    """The hypercalls, by number."""

    TRAPS = 0  # a0: where all traps and events are to go; a1: the page that is shared. Events are then masked
    RETURN = 1  # sp: a frame. The end of a trap: back to its pc, with its sp, a7 and status
    TABLE = 2  # a0: another page table, as `satp` has it; 0: none, guest-physical addresses
    UPDATE = 3  # a0: a list of pairs, where an entry is and what it is to be; a1: how many pairs
    ALARM = 4  # a0: in how much time to ring
    WAIT = 5  # until an event is pending, masked or not
    EVENTS = 6  # those that are pending and not masked are delivered; they always are, after a hypercall
    CONSOLE = 7  # a0: a text; a1: its length
    OFF = 8  # a0: as the finisher wants it
    BIND = 9  # a0: another guest, by its place among the hypervisor's, -1 for none; a1: a channel
    SEND = 10  # a0: a channel
    FIND = 11  # a0: another guest, as for BIND. The channel on which it has named this one, or an error
    # a0: a page that who is at the other end may copy from and to, -1 for none more; a1: a channel.
    GRANT = 12
    COPY = 13  # a0: a place here, one in the granted page, a length, 1 to write there or 0; a1: a channel


def call_key(number: int) -> str:
    """A hypercall as the reason of an exit."""
    return f"hypercall: {Call(number).name.lower() if number in list(Call) else 'unknown'}"


class Hypercalls(TrapAndEmulate):
    """What a technique for guests with hypercalls stands on: the shared page, the calls, events and channels."""

    def _forget(self) -> None:
        self._channels: dict[int, int] = {}  # the guest at the other end, by its first frame for tables
        self._grants: dict[int, int] = {}  # by channel, a page for the guest at the other end
        self._raised = 0  # events that the shared page does not show yet

    # The shared page

    def _shared_page(self) -> int | None:
        """Where the shared page is in the guest's memory. Its `sscratch`, of no other use here, says it."""
        page = self.vm.hart.csr.values["sscratch"]
        return page if not page % PAGE and self.vm.memory.holds(page, PAGE) else None

    def _follow_mask(self, page: int) -> None:
        values = self.vm.hart.csr.values
        masked = self.vm.memory.load(page + MASK, 8)
        values["mstatus"] = values["mstatus"] & ~_STATUS["SIE"] | (0 if masked else _STATUS["SIE"])

    def _show_events(self) -> None:
        """Tell the guest of its events, by bits in the shared page; while one is set, an interrupt is pending."""
        vm, values, page = self.vm, self.vm.hart.csr.values, self._shared_page()
        if vm.hart.csr.pending() & _STIP:
            self._raised |= 1 << ALARM
            vm.hart.csr.write(CSRS["stimecmp"], _NEVER)
        pending = self._raised
        if page is not None:
            before = vm.memory.load(page + PENDING, 8)
            pending |= before
            if pending != before:
                vm.memory.store(page + PENDING, 8, pending)
            self._raised = 0
            self._follow_mask(page)
        values["mip"] = values["mip"] & ~_SSIP | (_SSIP if pending else 0)

    # The calls

    def _answer(self, reason: str) -> None:
        vm, hart = self.vm, self.vm.hart
        pc, before = hart.pc, self._registers() if vm.events.on else {}
        hart.pc = pc + 4 & WORD - 1
        result = self._call(hart.x[17], hart.x[10], hart.x[11])
        if result is not None:
            hart.x[10] = result % WORD
        if vm.events.on:
            changes = tuple((n, before[n], now) for n, now in self._registers().items() if before[n] != now)
            vm.events.emit(Emulation, vm.level, pc, _ECALL, reason, str(Mode.S), changes)

    def _call(self, number: int, first: int, second: int) -> int | None:
        """Do what a hypercall asks for. What goes to a0: 0, or an error below 0; None: nothing."""
        hart = self.vm.hart
        match number:
            case Call.TRAPS:
                return self._set_traps(first, second)
            case Call.RETURN:
                return self._return()
            case Call.TABLE:
                return self._load_table(first)
            case Call.UPDATE:
                return self._update(first, second)
            case Call.ALARM:
                hart.csr.write(CSRS["stimecmp"], min(self.vm.mtime + first, _NEVER))
            case Call.WAIT:
                self._show_events()
                hart.waiting = not hart.csr.pending() & hart.csr.values["mie"]
            case Call.EVENTS:
                pass
            case Call.CONSOLE:
                return self._write(first, second)
            case Call.OFF:
                self.vm.bus.store(FINISHER_BASE, 4, first & 0xFFFF_FFFF)
            case Call.BIND:
                return self._bind(first, second)
            case Call.SEND:
                return self._send(first)
            case Call.FIND:
                return self._find(first)
            case Call.GRANT:
                return self._grant(first, second)
            case Call.COPY:
                return self._copy(first, second)
            case _:
                return NO_SUCH_CALL
        return OK

    def _set_traps(self, handler: int, page: int) -> int:
        memory, csr = self.vm.memory, self.vm.hart.csr
        if page % PAGE or not memory.holds(page, PAGE):
            return BAD_ADDRESS
        csr.write(CSRS["stvec"], handler & ~3)
        csr.write(CSRS["sscratch"], page)
        memory.store(page + MASK, 8, 1)
        return OK

    def _return(self) -> int | None:
        hart, page = self.vm.hart, self._shared_page()
        frame = [self._word(hart.x[2] + at) for at in (FRAME_PC, FRAME_SP, FRAME_A7, FRAME_STATUS)]
        if page is None or None in frame:
            return BAD_ADDRESS
        pc, sp, a7, status = (word or 0 for word in frame)
        values, told = hart.csr.values, _STATUS["SPP"] | _STATUS["SPIE"]
        kept = values["mstatus"] & ~(told | _STATUS["TSR"])  # whatever a state from elsewhere brought along
        values["sepc"], values["mstatus"] = pc & -hart.parcel, kept | status & told
        hart.x[2], hart.x[17] = sp, a7
        hart.pc = hart.sret()
        self.vm.memory.store(page + MASK, 8, 0 if status & _STATUS["SPIE"] else 1)
        return None

    def _load_table(self, satp: int) -> int:
        csr, before = self.vm.hart.csr, self.table()
        root = (satp & (1 << 44) - 1) * PAGE
        if satp and (satp >> 44 != 8 << 16 or not self.vm.memory.holds(root, PAGE)):
            return INVALID
        csr.write(CSRS["satp"], satp)
        if satp != before:
            self.shadow.switched()
        return OK

    def _write(self, place: int, length: int) -> int:
        if length > MOST_TEXT:
            return TOO_MANY
        text = self._bytes(place, length)
        if text is None:
            return BAD_ADDRESS
        for byte in text:
            self.vm.bus.store(UART_BASE, 1, byte)
        return OK

    def _update(self, place: int, count: int) -> int:
        if count > MOST_UPDATES:
            return TOO_MANY
        pairs = self._bytes(place, 16 * count)
        if pairs is None:
            return BAD_ADDRESS
        words = [int.from_bytes(pairs[at : at + 8], "little") for at in range(0, len(pairs), 8)]
        updates = list(zip(words[::2], words[1::2], strict=True))
        if any(entry % 8 or not self.vm.memory.holds(entry, 8) for entry, _value in updates):
            return BAD_ADDRESS
        if not all(map(self._may_be_entry, words[1::2])):
            return INVALID
        for entry, value in updates:
            self.vm.memory.store(entry, 8, value)
        self.shadow.fenced(None)
        return OK

    def _may_be_entry(self, value: int) -> bool:
        """Whether an entry leads to the guest's own memory or its devices, if it leads anywhere."""
        flags, at, memory = Flags(value & 0xFF), (value >> 10 & (1 << 44) - 1) * PAGE, self.vm.memory
        if not flags & Flags.V:
            return True
        if value >> 54 or flags & (Flags.R | Flags.W) == Flags.W:
            return False
        if not flags & (Flags.R | Flags.X):
            return memory.holds(at, PAGE) and not flags & (Flags.U | Flags.A | Flags.D)
        return memory.holds(at) or any(
            base < at + PAGE and at < base + device.size for base, device in self.vm.bus.devices.values()
        )

    def _word(self, place: int) -> int | None:
        found = self._bytes(place, 8)
        return None if found is None else int.from_bytes(found, "little")

    def _bytes(self, place: int, size: int) -> bytes | None:
        """Bytes where the guest's own table leads; None unless all of them are the guest's."""
        found = b""
        while len(found) < size:
            at = place + len(found) & WORD - 1
            length = min(size - len(found), PAGE - at % PAGE)
            try:
                piece = self._look_up(self.resolve(at, Access.LOAD, touch=False).physical, length)
            except Trap:
                return None
            if piece is None:
                return None
            found += piece
        return found

    def _look_up(self, gpa: int, size: int) -> bytes | None:
        """Some bytes of one page by their guest-physical address; None unless they are the guest's memory."""
        return self.vm.memory.peek(gpa, size) if self.vm.memory.holds(gpa, size) else None

    # Event channels

    def _bind(self, other: int, channel: int) -> int:
        """Name the guest at the other end of a channel; it is connected once that one has named this one."""
        vms = self.vm.hypervisor.vms
        if not ALARM < channel < CHANNELS:
            return INVALID
        self._grants.pop(channel, None)
        if other == WORD - 1:
            self._channels.pop(channel, None)
            return OK
        if other >= len(vms) or not isinstance(vms[other].technique, Hypercalls):
            return INVALID
        self._channels[channel] = vms[other].technique.frames[0]
        return OK

    def _send(self, channel: int) -> int:
        other = self._other_end(channel)
        if other is None:
            return NOT_CONNECTED
        other._raised |= 1 << channel
        other.vm.hart.csr.values["mip"] |= _SSIP  # who waits, has something to do
        return OK

    def _other_end(self, channel: int) -> "Hypercalls | None":
        """Who is at the other end, if both have named each other."""
        wanted = self._channels.get(channel)
        for vm in self.vm.hypervisor.vms:
            other = vm.technique
            if isinstance(other, Hypercalls) and other.frames[0] == wanted:
                return other if other._channels.get(channel) == self.frames[0] else None
        return None

    def connect(self, other: "Hypercalls") -> int | None:
        """Name another guest on the first channel that is free, as BIND would; None if there is none."""
        channel = next((free for free in range(1, CHANNELS) if free not in self._channels), None)
        if channel is not None:
            self._channels[channel] = other.frames[0]
        return channel

    def disconnect(self, other: "Hypercalls") -> None:
        """Name another guest no more."""
        for channel in [at for at, named in self._channels.items() if named == other.frames[0]]:
            self._bind(WORD - 1, channel)

    def _find(self, other: int) -> int:
        vms = self.vm.hypervisor.vms
        technique = vms[other].technique if other < len(vms) else None
        if not isinstance(technique, Hypercalls):
            return INVALID
        named = (channel for channel, end in technique._channels.items() if end == self.frames[0])
        return min(named, default=NOT_CONNECTED)

    # Grants

    def _grant(self, page: int, channel: int) -> int:
        if channel not in self._channels:
            return NOT_CONNECTED
        if page == WORD - 1:
            self._grants.pop(channel, None)
            return OK
        if page % PAGE or not self.vm.memory.holds(page, PAGE):
            return BAD_ADDRESS
        self._grants[channel] = page
        return OK

    def _copy(self, place: int, channel: int) -> int:
        """The addresses here are guest-physical. Both guests' memory is written as by a device of theirs."""
        wish, other = self._bytes(place, 32), self._other_end(channel)
        if other is None or channel not in other._grants or other.vm.starved:
            return NOT_CONNECTED
        if wish is None:
            return BAD_ADDRESS
        here, at, length, out = (int.from_bytes(wish[n : n + 8], "little") for n in range(0, 32, 8))
        there, page = other.vm.memory, other._grants[channel]
        if length > PAGE or at > PAGE - length or not self.vm.memory.holds(here, length):
            return BAD_ADDRESS
        if not there.holds(page, PAGE):
            return NOT_CONNECTED
        if out:
            there.poke(page + at, self.vm.memory.peek(here, length))
        else:
            self.vm.memory.poke(here, there.peek(page + at, length))
        return OK

    # Saving

    def state(self) -> dict[str, Any]:
        """See `TrapAndEmulate.state`."""
        channels, grants = (
            [list(pair) for pair in sorted(one.items())] for one in (self._channels, self._grants)
        )
        return super().state() | {"channels": channels, "grants": grants, "raised": self._raised}

    def restore(self, state: Checker) -> None:
        """See `TrapAndEmulate.restore`."""
        channels, grants = (
            dict(_pair(row) for row in state.part(name).rows()) for name in ("channels", "grants")
        )
        if (
            not all(ALARM < channel < CHANNELS for channel in channels)
            or not grants.keys() <= channels.keys()
        ):
            raise state.bad(_("This is no state of a paravirtual guest."))
        raised = state.number("raised")
        super().restore(state)
        self._channels, self._grants, self._raised = channels, grants, raised


def _pair(state: Checker) -> tuple[int, int]:
    first, second = state.all_numbers(2)
    return first, second
