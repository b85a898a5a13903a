"""How far a long run is, on the terminal: a bar, which makes way for what the guest prints.

A thread of its own looks at the machine now and then, so the run is the same with a bar and without, and even what one
step does, a trap ten levels deep, is seen to go on.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from vlab.language import _

if TYPE_CHECKING:
    from vlab.machine import Machine

_LOOK = 0.2  # seconds between looks
_SILENCE = 1.0  # seconds for which the guest must have been silent, where its console is on the same terminal


class Progress:
    """To be used in a `with`, while the machine runs. `shared` says whether the console goes to stderr's terminal too.

    It shows nothing while the machine stands still, nor where the guest has begun a line.
    """

    def __init__(self, machine: "Machine", *, shared: bool):
        self._machine, self._shared = machine, shared
        self._bar: Any = None
        self._shown = False  # whether the bar is on the terminal
        self._begun = False  # whether the guest has begun a line
        self._printed, self._steps = monotonic(), machine.steps
        self._over, self._lock = Event(), Lock()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Progress":
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join()
        if self._bar is not None:
            self._bar.close()

    @contextmanager
    def printing(self, byte: bytes) -> Iterator[None]:
        """Make way for a byte of the console."""
        with self._lock:
            self._hide()
            yield
            self._begun, self._printed = byte != b"\n", monotonic()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK):
            with self._lock:
                self._look()

    def _look(self) -> None:
        """Show how far it is, if somebody may want to know."""
        before, self._steps = self._steps, self._machine.steps
        in_the_way = self._shared and (self._begun or monotonic() - self._printed < _SILENCE)
        if self._steps == before or in_the_way:
            self._hide()
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                unit=_(" instructions"), unit_scale=True, leave=False, file=sys.stderr, initial=before
            )
        self._bar.n, self._shown = self._steps, True
        self._bar.refresh()

    def _hide(self) -> None:
        if self._shown:
            self._bar.clear()
            self._shown = False
