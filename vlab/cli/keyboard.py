"""What comes on standard input, for the guest's console: key by key from a terminal, else as it comes.

A terminal is raw meanwhile, so that each key goes to the guest, Ctrl-C too: Ctrl-A begins what is meant for us, as in
QEMU. However the run ends, by an error or a signal too, the terminal is then as it was.
"""

import os
import select
import signal
import stat
import sys
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from vlab.language import _

_AT_ONCE = 1 << 12  # bytes
_LONGEST = 3600.0  # seconds; who waits for longer asks again
_ESCAPE = 1  # Ctrl-A
_DEADLY = ("SIGTERM", "SIGHUP", "SIGQUIT")


class Keyboard(Protocol):
    """Where the console's input comes from; to be used in a `with`."""

    keys: bool  # whether these are keys that a reader presses
    live: bool  # whether somebody may be there, who types in a time of their own
    over: bool  # whether nothing more will come
    left: bool  # whether the reader has left

    def read(self, seconds: float | None, room: int) -> bytes:
        """What has come, at most `room` bytes; if nothing has, wait for it so long, or (None) until it comes."""

    def __enter__(self) -> object: ...

    def __exit__(self, *exception: object) -> None: ...


def attached() -> Keyboard | None:
    """What is to be typed at the console by standard input; None if there isn't any.

    A terminal counts if the console is shown on one too: keys that are typed into a pager are not for the guest.
    """
    try:
        place = sys.stdin.fileno()
        mode = os.fstat(place).st_mode
    except (AttributeError, OSError, ValueError):  # there is none, it is no real one, or it is closed
        return None
    terminal = os.isatty(place)
    if terminal and not (sys.stdout is not None and sys.stdout.isatty()):
        return None
    try:
        import termios as _termios  # noqa: F401
    except ImportError:
        return Lines(place, told=terminal)
    return Terminal(place) if terminal else Stream(place, live=not stat.S_ISREG(mode))


class Stream:
    """A file, or a pipe: its bytes are what is typed."""

    keys = left = over = False

    def __init__(self, place: int, *, live: bool):
        self._place, self.live = place, live

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_exception: object) -> None:
        pass

    def read(self, seconds: float | None, room: int) -> bytes:
        """See `Keyboard`."""
        if not room:
            time.sleep(min(_LONGEST, seconds or 0))  # who doesn't read what is there, gets no more
            return b""
        return self._read(seconds, min(room, _AT_ONCE))

    def _read(self, seconds: float | None, most: int) -> bytes:
        if self.over or not self._ready(seconds):
            return b""
        try:
            data = os.read(self._place, most)
        except OSError:  # a terminal that has gone, or what can't be read
            data = b""
        self.over = not data
        return data

    def _ready(self, seconds: float | None) -> bool:
        wait = None if seconds is None else min(_LONGEST, seconds)
        return bool(select.select([self._place], [], [], wait)[0])


class Terminal(Stream):
    """A terminal, raw while it is in use. Ctrl-A x leaves."""

    keys = True

    def __init__(self, place: int):
        import termios

        super().__init__(place, live=True)
        self._before: list[Any] = termios.tcgetattr(place)
        self._handlers: dict[int, Any] = {}
        self._escaped = False  # Ctrl-A was typed, and the key after it was not

    def __enter__(self) -> "Terminal":
        try:
            if threading.current_thread() is threading.main_thread():
                for name in _DEADLY:
                    self._handle(getattr(signal, name), self._die)
                self._handle(signal.SIGTSTP, self._pause)
                self._handle(signal.SIGCONT, self._go_on)
            self._set(_raw(self._before))
            if self._ours():
                say(_("What you type goes to the guest. Ctrl-A x leaves, Ctrl-A h helps."))
        except BaseException:  # Ctrl-C in between, or nobody reads what is said
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._set(self._before)
        for number, before in self._handlers.items():
            signal.signal(number, before)
        self._handlers.clear()

    def read(self, seconds: float | None, room: int) -> bytes:
        """See `Keyboard`. Of more than `room` bytes, those that are too many are lost, as on a line."""
        if not self._ours():
            time.sleep(1 if seconds is None else min(1, seconds))
            return b""
        return self._typed(self._read(seconds, _AT_ONCE))[:room]

    def _typed(self, data: bytes) -> bytes:
        """What of these keys is for the guest."""
        typed = bytearray()
        for key in data:
            if key != _ESCAPE and not self._escaped:
                typed.append(key)
            elif not self._escaped:
                self._escaped = True
            else:
                self._escaped = False
                if key == _ESCAPE:
                    typed.append(key)
                elif key in b"xX":
                    self.left = True
                    break
                else:
                    _help()
        return bytes(typed)

    # The terminal's attributes, and signals

    def _ours(self) -> bool:
        """Whether the terminal is this process's now: one in the background would be stopped if it touched it."""
        try:
            return os.tcgetpgrp(self._place) == os.getpgrp()
        except OSError:
            return True  # it is nobody's

    def _set(self, attributes: list[Any]) -> None:
        import termios

        try:
            if self._ours():
                termios.tcsetattr(self._place, termios.TCSANOW, attributes)
        except termios.error:
            pass  # it has gone

    def _handle(self, number: int, handler: Any) -> None:
        """Deal with a signal, unless it is dealt with otherwise: a program that is started with `nohup` lives on."""
        if signal.getsignal(number) == signal.SIG_DFL:
            self._handlers[number] = signal.signal(number, handler)

    def _die(self, number: int, _frame: object) -> None:
        self._set(self._before)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _pause(self, number: int, _frame: object) -> None:
        self._set(self._before)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # here it stands still, until somebody lets it go on
        signal.signal(number, self._pause)
        self._go_on()  # nobody says so to one that nobody could have let go on, and that was not stopped

    def _go_on(self, *_signal: object) -> None:
        self._set(_raw(self._before))


class Lines:
    """Standard input of a host whose terminals can't be read key by key: a thread reads it, line by line."""

    keys = left = over = False
    live = True

    def __init__(self, place: int, *, told: bool):
        self._place, self._told = place, told
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._rest = b""

    def __enter__(self) -> "Lines":
        if self._told:
            say(
                _("This host's terminals can't be read key by key: what you type goes to the guest by lines.")
            )
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        pass

    def _listen(self) -> None:
        data = b"nothing yet"
        while data:
            try:
                data = os.read(self._place, _AT_ONCE)
            except OSError:
                data = b""
            self._lines.put(data.replace(b"\r\n", b"\n"))

    def read(self, seconds: float | None, room: int) -> bytes:
        """See `Keyboard`."""
        if not self._rest and not self.over:
            try:
                self._rest = self._lines.get(timeout=seconds) if seconds != 0 else self._lines.get_nowait()
                self.over = not self._rest
            except Empty:
                pass
        data, self._rest = self._rest[:room], self._rest[room:]
        return data


def _raw(attributes: list[Any]) -> list[Any]:
    """A terminal's attributes without anything that it does to what is typed; what is printed stays as it was."""
    import termios

    keys, printed, line, local, *speeds, special = attributes
    keys &= ~(termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP)
    keys &= ~(termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON)
    local &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    special = list(special)
    special[termios.VMIN], special[termios.VTIME] = 1, 0
    return [keys, printed, line, local, *speeds, special]


def _help() -> None:
    say(
        _(
            "Ctrl-A x leaves, Ctrl-A h shows this, Ctrl-A Ctrl-A types Ctrl-A. All else goes to the guest, Ctrl-C "
            "too; where the guest reads nothing, Ctrl-C ends the run."
        )
    )


def say(message: str) -> None:
    """Say something that isn't the guest's."""
    if sys.stderr is not None:
        print(f"vlab: {message}", file=sys.stderr, flush=True)
