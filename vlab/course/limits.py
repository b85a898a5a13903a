"""A time limit for the reader's code, which may loop for ever."""

import _thread
import signal
import threading
from collections.abc import Callable
from typing import Any, TypeVar

_AGAIN = 0.1  # seconds: code that catches everything is interrupted again

Result = TypeVar("Result")


class TimeUp(BaseException):
    """The time is up. Not an Exception: `except Exception` in the reader's loop must not swallow it."""


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """What `work()` returns.

    Works in the main thread. Where a program has no other thread and no alarm (in a browser), there is no limit.

    Raises:
        TimeUp: if it takes longer. A single operation of C code, such as a huge power, is not interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    if hasattr(signal, "setitimer"):
        return _by_alarm(seconds, work)
    return _by_thread(seconds, work)


def _by_alarm(seconds: float, work: Callable[[], Result]) -> Result:
    """With the system's alarm: it ends a sleep too, and is not what Ctrl-C is, which a machine's run puts off."""
    over = False

    def ring(*_arguments: Any) -> None:
        if not over:
            raise TimeUp

    handler = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        return work()
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


def _by_thread(seconds: float, work: Callable[[], Result]) -> Result:
    """Where there is no alarm (Windows): another thread does as if Ctrl-C were pressed."""
    rung = threading.Event()

    def ring() -> None:
        rung.set()
        _thread.interrupt_main()

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    try:
        timer.start()
    except RuntimeError:
        return work()
    try:
        return work()
    except KeyboardInterrupt:
        if rung.is_set():
            raise TimeUp from None
        raise
    finally:
        timer.cancel()
