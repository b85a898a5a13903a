"""Who types at the guest's console, and how long the guest sleeps meanwhile.

A machine's time is its own: where nobody is there, a `wfi` skips to the next alarm at once. Where somebody may type, it
lasts as long as the device tree says that it does: so a guest that only waits takes no processor's time, and a key
comes when it is pressed. (The sleep of a virtual machine that has an alarm is over for its hypervisor as soon as it
begins: there the wait comes afterwards.) What is typed is in the history's log: a replay asks nobody.
"""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from vlab.cli.keyboard import say
from vlab.language import _
from vlab.machine.devicetree import TIMEBASE

if TYPE_CHECKING:
    from vlab.cli.keyboard import Keyboard
    from vlab.machine import Computer, Machine

_ROOM = 1 << 16  # bytes that may wait for the guest
_BLINK = TIMEBASE // 100  # of a machine's time: so much may go by at once where it sleeps now and then
_STRIDE = 100_000  # instructions
_PAUSE = TIMEBASE  # so much of a guest's sleep is waited for at once; what went by before that is past
_BREAK = 3  # Ctrl-C
_PATIENCE = 1.0  # seconds that a guest has to read a Ctrl-C


class Typist:
    """Hands the guest what comes from a keyboard; with none, there is nobody."""

    def __init__(self, machine: "Machine", guest: "Computer", keyboard: "Keyboard | None"):
        self._machine, self._guest, self._keyboard = machine, guest, keyboard
        self._slept, self._owed = (
            self._skipped,
            0,
        )  # of its time: what it slept, and what nobody waited for yet
        self._dozes = True  # whether it slept when it last ran
        self._behind = 0  # bytes from the last Ctrl-C on, if the guest may not have read that
        self._broke = 0.0  # when that was
        self._told = False  # that the guest does not read it

    @property
    def there(self) -> bool:
        """Whether something may still be typed."""
        return self._keyboard is not None and not self._keyboard.over

    @property
    def live(self) -> bool:
        """Whether somebody may be there, who types in a time of their own."""
        return self._keyboard is not None and self._keyboard.live and not self._keyboard.over

    @property
    def left(self) -> bool:
        """Whether the reader has left."""
        return self._keyboard is not None and self._keyboard.left

    @property
    def _room(self) -> int:
        return max(0, _ROOM - self._guest.uart.waiting)

    def type(self, seconds: float = 0) -> bool:
        """Type what has come, or comes within so many seconds; whether anything has.

        KeyboardInterrupt for a Ctrl-C after another that the guest doesn't read.
        """
        data = self._read(seconds)
        self._give(data)
        return bool(data)

    def _read(self, seconds: float | None) -> bytes:
        """What has come, or comes within so many seconds; None waits until something does."""
        if self._keyboard is None or self._keyboard.over:
            return b""
        data = self._keyboard.read(seconds, self._room)
        if self._keyboard.keys:
            self._heed(data)
        return data

    def _give(self, data: bytes) -> None:
        if data:
            self._guest.give(self._guest.uart.name, data)

    def _heed(self, data: bytes) -> None:
        """Ctrl-C is the guest's; but if the guest doesn't read it, nothing else would end the run that they know."""
        if self._guest.uart.waiting < self._behind or not self._behind:
            self._behind, self._told = 0, False
        elif self._told and _BREAK in data:
            raise KeyboardInterrupt
        elif not self._told and monotonic() - self._broke > _PATIENCE:
            self._told = True
            say(_("The guest doesn't read your Ctrl-C. Once more ends the run."))
        if self._behind:
            self._behind += len(data)
        elif _BREAK in data:
            self._behind, self._broke = len(data) - data.index(_BREAK), monotonic()

    # Sleep

    @property
    def _skipped(self) -> int:
        """What the machine and the guest have slept by now."""
        within = 0 if self._guest is self._machine else self._guest.skipped
        return self._machine.skipped + within

    def steps(self, steps: int) -> int:
        """How many of these the machine may run at once: a virtual machine's sleep is seen only between them."""
        return min(steps, _STRIDE) if self.live and self._guest is not self._machine else steps

    def until(self, until: Callable[[], bool] | None) -> Callable[[], bool] | None:
        """What the machine is to ask while it runs: this, and whether a virtual machine that dozes has slept.

        To be asked after each trap takes time: one that is at work isn't.
        """
        if not self.live or not self._dozes or self._guest is self._machine:
            return until
        return self._drowsy if until is None else lambda: until() or self._drowsy()

    def _drowsy(self) -> bool:
        return self._skipped - self._slept > _BLINK

    def horizon(self, steps: int) -> int | None:
        """Up to which time the machine may run or sleep, if it is to run so many steps; None: as long as it does."""
        if not self.live:
            return None
        return self._machine.time + (_BLINK if self._dozes else steps)

    def rest(self, *, asleep: bool) -> None:
        """Let what it slept last as long as it says, or until a key comes; `asleep`: it still does, until its alarm."""
        machine = self._machine
        slept = self._skipped - self._slept
        self._dozes = asleep or slept > 0
        self._owed = min(self._owed + slept, _PAUSE)
        if self.live and asleep:
            alarm = machine.hart.csr.deadline()
            assert alarm is not None, "it does not sleep for good"
            self._give(self._passed((self._owed + alarm - machine.time) / TIMEBASE, alarm))
            self._owed = 0
        elif self.live and self._owed > _BLINK // 2:
            self.type(self._owed / TIMEBASE)
            self._owed = 0
        self._slept = self._skipped

    def wakes(self, *, asleep: bool) -> bool:
        """Whether a key could wake the guest, or interrupt it, for nothing else will; then one is waited for."""
        if not self.live or not self._room or not self._heard(asleep):
            return False
        while not (data := self._passed(None, None)) and self.there and not self.left:
            pass  # there were keys, but none for the guest
        self._give(data)
        self._slept = self._skipped
        return True

    def _passed(self, seconds: float | None, alarm: int | None) -> bytes:
        """What comes within so many seconds; meanwhile the machine sleeps, at most until its alarm."""
        machine, began = self._machine, monotonic()
        data = self._read(seconds)
        now = machine.time + int((monotonic() - began) * TIMEBASE)
        machine.sleep_until(now if alarm is None else min(now, alarm))
        return data

    def _heard(self, asleep: bool) -> bool:
        """Whether a key would wake the guest, or interrupt it: it is tried, and undone."""
        hart = self._guest.hart
        with self._machine.history.ahead():
            self._guest.give(self._guest.uart.name, b"\r")
            if asleep:
                return bool(hart.csr.pending() & hart.csr.values["mie"])
            return hart.interrupt() is not None
