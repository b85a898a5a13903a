"""Play a script of signals on this process alone, and note after each step what is pending and what was delivered.

Every handler runs with all signals held back, as the handler of an interrupt runs with interrupts off:
otherwise the kernel enters the second handler on top of the first, before that has run a single instruction. What is
noted is the order in which the kernel entered the handlers, by C code of Python's (`signal.set_wakeup_fd`); Python's
own handlers would come later, lowest first, whatever the kernel did.
"""

import ctypes
import os
import signal
from collections.abc import Iterable
from typing import Any

_MASK_AT = 8  # struct sigaction: behind the handler
_MASK = 128
_TICK = 0.02  # seconds until the timer's signal
_BYTES = 4096

_Fields = dict[str, Any]


def answer(request: _Fields) -> list[_Fields]:
    """The moments of a script: each step is a verb and the names of signals."""
    return play(request["steps"])


def play(steps: list[list[str]]) -> list[_Fields]:
    """Take the steps one by one; the first that would wait for ever ends the script with an "error"."""
    named = dict.fromkeys(name for _verb, *names in steps for name in names)
    numbers = {name: int(getattr(signal, name)) for name in named}
    names = {number: name for name, number in numbers.items()}
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    before = {number: signal.getsignal(number) for number in numbers.values()}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers.values())
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    found: list[_Fields] = []
    timer = False
    try:
        for number in numbers.values():
            _install(number)
        for verb, *chosen in steps:
            timer = timer or verb == "alarm"
            awaited = {numbers[name] for name in chosen}
            if verb == "wait" and not awaited & _pending() and not (timer and signal.SIGALRM in awaited):
                return [*found, {"error": "forever"}]
            taken = _take(verb, awaited)
            timer = timer and taken != signal.SIGALRM
            found.append(
                {
                    "pending": [names[number] for number in sorted(_pending() & names.keys())],
                    "delivered": [names[number] for number in _delivered(reading)],
                    "taken": names.get(taken, ""),
                }
            )
        return found
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _discard(numbers.values())
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(reading)
        os.close(writing)


def _take(verb: str, numbers: set[int]) -> int:
    """Take one step; the number of the signal that a wait took, or 0."""
    if verb == "block":
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    elif verb == "unblock":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    elif verb == "send":
        for number in sorted(numbers):
            signal.raise_signal(number)
    elif verb == "alarm":
        signal.setitimer(signal.ITIMER_REAL, _TICK)
    elif verb == "wait":
        return int(signal.sigwait(numbers))
    return 0


def _install(number: int) -> None:
    """A handler that does nothing, with every signal held back while it runs."""
    signal.signal(number, lambda _number, _frame: None)
    libc = ctypes.CDLL(None, use_errno=True)
    action = ctypes.create_string_buffer(512)
    if libc.sigaction(int(number), None, action) == 0:
        ctypes.memset(ctypes.addressof(action) + _MASK_AT, 0xFF, _MASK)
        libc.sigaction(int(number), action, None)


def _pending() -> set[int]:
    return {int(number) for number in signal.sigpending()}


def _delivered(pipe: int) -> list[int]:
    """Whose handlers were entered since the last look, in the kernel's order."""
    try:
        return list(os.read(pipe, _BYTES))
    except BlockingIOError:
        return []


def _discard(numbers: Iterable[int]) -> None:
    """What still waits is delivered here, to handlers that do nothing."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
