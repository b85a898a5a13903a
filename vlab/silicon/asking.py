"""Ask a child process, which may die of what it does; and what the recorded data has, where none can be asked."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import vlab
from vlab import files
from vlab.display import Drawn
from vlab.language import VlabError, _
from vlab.silicon.fields import Damaged, Fields
from vlab.silicon.hosts import Host, this_host

_SECONDS = 20
_RECORDED_ON = "x86-64"  # the machine whose recorded data stands in on all others

Value = TypeVar("Value")


class Unavailable(Exception):
    """This host can't do it; the text says why, in the reader's language."""


def ask_child(task: str, request: object) -> Fields:
    """What a task of `vlab.silicon.children` answers, as the field "answer".

    Raises:
        Unavailable: where no child can be started, or it ends without an answer.
    """
    if sys.platform != "linux":
        raise Unavailable(_("this works on Linux alone"))
    command = [sys.executable, "-S", "-P", "-m", "vlab.silicon.children", task]
    environment = {
        "PYTHONPATH": str(Path(vlab.__file__).resolve().parent.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    try:
        done = subprocess.run(
            command,
            input=json.dumps(request).encode(),
            env=os.environ | environment,
            capture_output=True,
            timeout=_SECONDS,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(_("the child process took too long")) from None
    except OSError as error:
        why = error.strerror or str(error)
        raise Unavailable(_("no child process can be started ({why})").format(why=why)) from None
    if done.returncode:
        raise Unavailable(_("the child process failed ({status})").format(status=done.returncode))
    return Fields.parse(b'{"answer": ' + done.stdout + b"}", task)


def live_or_recorded(
    live: bool,
    try_it: Callable[[Host], Value],
    take: Callable[["Recorded", str], Value],
    data: str = _RECORDED_ON,
) -> Value:
    """What is tried on this host; or, where that isn't wanted or can't be, what the recorded data has.

    `take` is given the recorded data of that name, and why this host couldn't do it ("": it wasn't asked).
    """
    why = ""
    if live:
        try:
            return try_it(this_host())
        except Unavailable as reason:
            why = str(reason)
        except Damaged:
            why = _("the child process failed ({status})").format(status="?")
    return take(recorded(data), why)


class Recorded:
    """A file of recorded data: the host that it comes from, and one part for each kind of run."""

    def __init__(self, fields: Fields):
        fields.word("format", choices=(FORMAT,))
        self.fields = fields
        self.host = Host.from_json(fields.part("host"))


FORMAT = "vlab-silicon-1"


def recorded(machine: str = _RECORDED_ON) -> Recorded:
    """The recorded data of a kind of machine. Raises VlabError where there is none, or it is damaged."""
    return _read(recorded_path(machine))


def recorded_path(machine: str) -> Path:
    """Where it stands."""
    return files.folder("data") / "silicon" / f"{machine}.json"


@lru_cache(maxsize=4)
def _read(path: Path) -> Recorded:
    try:
        text = path.read_bytes()
    except OSError:
        what = _("There is no recorded data of {machine}.").format(machine=path.stem)
        raise VlabError(what, mend=_("Run it on such a computer, with Linux.")) from None
    return Recorded(Fields.parse(text, path.name))


class Sourced(Drawn):
    """What was seen on a host: live, or recorded, and then `why` it was not live here."""

    host: Host
    live: bool
    why: str

    @property
    def source(self) -> str:
        """Where this comes from, in a sentence: live or recorded, and on which host."""
        if self.live:
            return _("Live, on {host}.").format(host=self.host)
        if not self.why:
            return _("Recorded on {host}.").format(host=self.host)
        return _("Recorded on {host}, because here {why}.").format(host=self.host, why=self.why)


def plain(host: Host, parts: dict[str, Any]) -> str:
    """A file of recorded data, as text."""
    return json.dumps({"format": FORMAT, "host": host.to_json(), **parts}, indent=1) + "\n"
