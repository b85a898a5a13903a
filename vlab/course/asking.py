"""Asking the reader's code: each case is put to it, and whatever it does becomes a plain record.

It may raise, loop for ever, print, change what it was given, or return anything at all. None of that gets out of here.
"""

import json
import linecache
import re
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import TextIOBase
from pathlib import Path
from types import TracebackType
from typing import Any

from vlab.course.exercises import Case, Changed, Exercise, Misused
from vlab.course.limits import TimeUp, within
from vlab.course.values import Strange, packed, plain, unpacked, written
from vlab.language import VlabError, _

_PACKAGE = str(Path(__file__).resolve().parents[1])
KINDS = "\t"  # in a line of a transcript: what stands behind it is not compared
_NOTE = 200  # characters of an error's message that are kept
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True)
class Reply:
    """What became of one case. `kind` is "value", or why there is none; `note` says more.

    The kinds: pending (not written yet), raised, endless, memory, changed (an argument), misused, strange (no plain
    value), printed (it printed, and returned nothing).
    """

    kind: str
    value: Any = None
    note: str = ""

    @property
    def told(self) -> str:
        """What counts of the reply, as text: two that are the same to a key are told alike."""
        return _json([self.kind, written(self.value), self.note])

    def line(self) -> str:
        """The reply as one line of text: what counts, and behind a tab its value with all its kinds."""
        return f"{self.told}{KINDS}{_json(packed(self.value))}"


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


class Kept(TextIOBase):
    """A stream that keeps the beginning of what is printed, and forgets the rest."""

    def __init__(self) -> None:
        self.text = ""

    def writable(self) -> bool:
        """It can be written."""
        return True

    def write(self, text: str) -> int:
        """Keep it, if there isn't enough yet."""
        if len(self.text) < _NOTE:
            self.text += str(text)[:_NOTE]
        return len(text)


def ask(exercise: Exercise, work: Any, seed: int) -> list[Reply]:
    """What `work` replies to each case, in order. Nothing follows a reply that is pending or endless."""
    replies: list[Reply] = []

    def ask_all() -> None:
        for case in exercise.cases(seed):
            replies.append(_ask_one(exercise, work, case))
            if replies[-1].kind == "pending":
                return

    try:
        within(exercise.seconds, ask_all)
    except TimeUp:
        replies.append(Reply("endless", note=f"{exercise.seconds:g}"))
    return replies


def _ask_one(exercise: Exercise, work: Any, case: Case) -> Reply:
    printed = Kept()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            reply = exercise.ask(work, case)
        if reply is None and printed.text:
            return Reply("printed", note=printed.text[:_NOTE])
        return Reply("value", plain(reply))
    except NotImplementedError:
        return Reply("pending")
    except Changed:
        return Reply("changed")
    except Misused as error:
        return Reply("misused", note=str(error))
    except Strange as error:
        return Reply("strange", note=str(error))
    except MemoryError:
        return Reply("memory")
    except (TimeUp, KeyboardInterrupt):
        raise
    except BaseException as error:  # `exit()` too
        return Reply("raised", note=_told(error))


def _told(error: BaseException) -> str:
    """An error of the reader's code in one line: its kind, its message, and the line of the cell that raised it."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # its own __str__ may raise as well
        message = ""
    if isinstance(error, VlabError):
        message = " ".join(error.what.split())
    told = type(error).__name__ + (f": {_ADDRESS.sub('', message)[:_NOTE]}" if message else "")
    place = _place(error.__traceback__)
    return f"{told} ({place})" if place else told


def _place(traceback: TracebackType | None) -> str:
    """The last line of the traceback that stands in a notebook's cell: neither in vlab nor in a library."""
    found = ""
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        source = linecache.getline(file, traceback.tb_lineno).strip()
        if (
            source
            and not file.startswith(_PACKAGE)
            and "ipykernel" in file.replace("ipython-input", "ipykernel")
        ):
            found = _("line {number}: {source}").format(number=traceback.tb_lineno, source=source[:80])
        traceback = traceback.tb_next
    return found


def transcript(replies: Iterable[Reply]) -> str:
    """All replies as text, one a line: what a check cell shows where work is graded."""
    return "\n".join(reply.line() for reply in replies)


def read_transcript(text: str) -> list[Reply]:
    """The replies in a transcript. What is no reply counts as one that is strange: the text is not to be trusted."""
    return [_read_reply(line) for line in text.splitlines()]


def _read_reply(line: str) -> Reply:
    told, _tab, kinds = line.partition(KINDS)
    try:
        found, value = json.loads(told), unpacked(json.loads(kinds))
    except (ValueError, RecursionError, Strange):
        found = value = None
    match found:
        case [str(kind), _value, str(note)]:
            return Reply(kind, value, note[:_NOTE])
    return Reply("strange", note=_("no reply to a question"))
