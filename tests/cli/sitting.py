"""Somebody who sits at a terminal, at which a command runs."""

import os
import select
import subprocess
import sys
import time
from fcntl import ioctl
from pty import openpty
from termios import TIOCSCTTY, tcgetattr
from typing import Any

PATIENCE = 15  # seconds


class Sitting:
    """A process of `vlab run` whose terminal this is: its standard streams, and, if so, what controls it."""

    def __init__(self, *arguments: object, controlling: bool = True, **streams: Any):
        self.ours, self.theirs = openpty()
        self.at_first = tcgetattr(self.theirs)
        self.seen = b""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vlab", "run", *map(str, arguments)],
            **dict.fromkeys(("stdin", "stdout", "stderr"), self.theirs) | streams,
            env=environment | {"TERM": "xterm"},
            start_new_session=controlling,
            process_group=None if controlling else 0,
            preexec_fn=(lambda: ioctl(0, TIOCSCTTY, 0)) if controlling else None,
        )

    def __enter__(self) -> "Sitting":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)

    @property
    def attributes(self) -> list[Any]:
        """The terminal's."""
        return tcgetattr(self.theirs)

    def restored(self) -> bool:
        """Whether the terminal is as it was before."""
        return self.attributes == self.at_first

    def types(self, keys: str) -> None:
        """Press these keys."""
        os.write(self.ours, keys.encode())

    def sees(self, text: str) -> str:
        """Wait until this is shown, after what was waited for before; all that was shown till then."""
        end = time.monotonic() + PATIENCE
        while (found := self.seen.find(text.encode())) < 0:
            assert time.monotonic() < end, (text, self.seen[-500:])
            if not self._more():
                assert self.process.poll() is None, (text, self.seen[-500:])
        found += len(text.encode())
        shown, self.seen = self.seen[:found], self.seen[found:]
        return shown.decode()

    def ends(self) -> int:
        """Wait until the command has ended; its status."""
        end = time.monotonic() + PATIENCE
        while (status := self.process.poll()) is None:
            assert time.monotonic() < end, self.seen[-500:]
            self._more()
        while self._more():
            pass
        return status

    def _more(self) -> bool:
        if not select.select([self.ours], [], [], 0.05)[0]:
            return False
        self.seen += os.read(self.ours, 1 << 16)
        return True
