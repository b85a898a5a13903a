"""Grading the blanks of one submission, in the worker."""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from vlab.course import students
from vlab.course.asking import Reply, read_transcript, transcript
from vlab.course.checking import key
from vlab.course.exercises import Exercise, find
from vlab.course.grading.bank import Bank, blanks, given
from vlab.course.grading.rules import objections, without_markers
from vlab.course.grading.runs import Confines, Run, run
from vlab.course.grading.submissions import Cell, taken
from vlab.course.grading.worker import Job
from vlab.course.judging import judge
from vlab.course.values import plain
from vlab.language import _

_CELL_SHARE = 4  # one cell may take this part of the time of all
_LEAST = 2  # seconds, which every cell gets

Result = dict[str, Any]


class Grading:
    """One submission against one pristine notebook."""

    def __init__(self, job: Job, bank: Bank, pristine: Any):
        self._job, self._bank, self._pristine = job, bank, pristine
        self._cells = blanks(pristine)
        self._exercises = {name: find(name) for name in self._cells}
        self._runs = 0
        self._deadline = time.monotonic() + job.seconds

    def results(self, cells: list[Cell]) -> dict[str, Result]:
        """The result of each exercise, by its name."""
        found: dict[str, Result] = {}
        sources: dict[str, str] = {}
        for name, exercise in self._exercises.items():
            source, found[name] = self._taken(cells, exercise)
            if source is not None:
                sources[name] = source
        disturbed = False  # something before it in the kernel may have spoilt it: then it gets one of its own
        for name, result in self._together(sources).items():
            again = disturbed and result["state"] in ("wrong", "broken")
            found[name] = self._together({name: sources[name]})[name] if again else result
            disturbed |= result["state"] == "broken" or result["silent"]
        return found

    def _together(self, sources: dict[str, str]) -> dict[str, Result]:
        """Run blanks in one kernel. If one takes the kernel with it, those after it are run again, without it."""
        found: dict[str, Result] = {}
        left = list(sources)
        while left:
            ran = self._run({name: sources[name] for name in left})
            lost = next((name for name in left if ran.ended_in in self._own(name)), left[-1])
            done = left if ran.ended == "well" else left[: left.index(lost) + 1]
            found |= {name: self._result(self._exercises[name], ran) for name in done}
            left = left[len(done) :]
        return found

    def _taken(self, cells: list[Cell], exercise: Exercise) -> tuple[str | None, Result]:
        """The source to run, or None and the result that stands without running it."""
        source, why = taken(cells, self._cells[exercise.id])
        if source is None:
            return None, _result("missing", f"{exercise.id}: {why}.")
        source = without_markers(source)
        if not source.strip() or source.split() == self._stub(exercise.id).split():
            return None, _result("pending", _("{id} is not written yet.").format(id=exercise.id))
        if self._job.careful and (found := objections(source, exercise, given(self._pristine))):
            return None, _result("refused", f"{exercise.id}: {'; '.join(found[:5])}.")
        return source, {}

    def _stub(self, name: str) -> str:
        cell = next(cell for cell in self._pristine["cells"] if cell["id"] == self._cells[name])
        return students.stub("".join(cell["source"]))

    def _run(self, sources: dict[str, str]) -> Run:
        job = self._job
        self._runs += 1
        confines = Confines(
            hidden=self._hidden(),
            separate=job.separate,
            memory=job.memory,
            seconds=max(_LEAST, min(job.seconds / _CELL_SHARE, self._deadline - time.monotonic())),
            questions=self._bank.questions,
        )
        expected = {name: self._expected(name) if name in sources else "" for name in self._exercises}
        return run(self._pristine, sources, expected, job.seed, job.place / str(self._runs), confines)

    def _hidden(self) -> tuple[Path, ...]:
        """What the kernel must not see: answers, submissions, and what else Python can do without."""
        job = self._job
        needed = [Path(place).resolve() for place in (sys.prefix, sys.base_prefix, __file__)]
        # In /run are the sockets of services that would do things for whoever asks.
        others = [Path.home(), Path(tempfile.gettempdir()), Path("/run"), job.path.parent]
        spare = [other.resolve() for other in others]
        spare = [other for other in spare if not any(place.is_relative_to(other) for place in needed)]
        return (*self._bank.hidden(), job.place.parent, *spare)

    def _expected(self, name: str) -> str:
        """What the check cell shows if the blank is right."""
        exercise, right = self._exercises[name], key(name)
        replies = [Reply("value", plain(right.answer(case))) for case in exercise.cases(self._job.seed)]
        return transcript(replies)

    def _own(self, name: str) -> tuple[str, str]:
        """The ids of an exercise's blank and of its check."""
        check = next(c["id"] for c in self._pristine["cells"] if students.role(c) == ("check", name))
        return self._cells[name], check

    def _result(self, exercise: Exercise, ran: Run) -> Result:
        check = self._own(exercise.id)[1]
        others = {cell for name in self._cells if name != exercise.id for cell in self._own(name)}
        if ran.ended != "well" and check not in ran.passed and ran.ended_in not in others:
            return _result("broken", f"{exercise.id}: {_LOST[ran.ended]()}")
        for cell in self._own(exercise.id):
            if cell in ran.errors:
                error = " ".join(ran.errors[cell].split())[:200]
                return _result(
                    "broken", _("{id} ends in an error: {error}").format(id=exercise.id, error=error)
                )
        if not ran.shown.get(check):
            said = _("{id} wrong: its check shows nothing.")
            return _result("wrong", said.format(id=exercise.id), silent=True)
        replies = read_transcript(ran.shown[check])
        verdict = judge(exercise, key(exercise.id), self._job.seed, replies)
        if verdict.state == "right" and check not in ran.passed:
            said = _("{id} wrong: something else is shown with the replies.")
            return _result("wrong", said.format(id=exercise.id))
        full = any(reply.kind == "memory" for reply in replies)
        return _result("broken" if full else verdict.state, str(verdict))


def _result(state: str, message: str, *, silent: bool = False) -> Result:
    return {"state": state, "message": message, "silent": silent}


_LOST = {
    "died": lambda: _("it ended the kernel, or needed more memory than it may."),
    "late": lambda: _("it does not come to an end in time."),
}
