"""Ctrl-C, at a moment when it does no harm."""

import signal
import threading


class Interruptible:
    """Keeps Ctrl-C until the machine stands between two instructions: never between one and its pc.

    Only the main thread is interrupted; in another one, this does nothing.
    """

    def __init__(self) -> None:
        self._pressed = False
        self._main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> "Interruptible":
        if self._main:
            before = signal.signal(signal.SIGINT, self._press)
            # None means that the handler was not Python's.
            self._before = signal.default_int_handler if before is None else before
        return self

    def _press(self, *_signal: object) -> None:
        self._pressed = True

    def check(self) -> None:
        """KeyboardInterrupt, if Ctrl-C was pressed."""
        if self._pressed:
            raise KeyboardInterrupt

    def __exit__(self, kind: type[BaseException] | None, *_exception: object) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._before)
        if kind is None:
            self.check()
