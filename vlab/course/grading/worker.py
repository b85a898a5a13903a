"""The worker: a process that deals with one submission, and tells what came of it as JSON.

Everything that touches the submission happens here or in the kernel below, so that whatever it does to this process,
the checker itself goes on.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlab.course.grading import sandbox
from vlab.language import VlabError, _, set_language


@dataclass(frozen=True)
class Job:
    """One submission, and how it is to be run. `seconds` is for the whole of it, `memory` in bytes.

    `place` is a folder to be made for it, in one that has such folders alone.
    """

    path: Path
    place: Path
    bank: Path | None
    seed: int
    seconds: float
    memory: int
    separate: bool
    language: str = "en"
    careful: bool = (
        True  # refuse blanks that use more than an exercise needs; off only to test what is behind
    )

    def text(self) -> str:
        """The job as JSON."""
        return json.dumps(vars(self), default=str)

    @staticmethod
    def read(text: str) -> "Job":
        """The job from JSON."""
        plain = json.loads(text)
        bank = None if plain["bank"] is None else Path(plain["bank"])
        return Job(**plain | {"path": Path(plain["path"]), "place": Path(plain["place"]), "bank": bank})


def main() -> None:
    """Read a job from standard input, do it, and write the report to standard output, where nothing else goes."""
    job = Job.read(sys.stdin.read())
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if job.separate and not sandbox.separate():
        raise SystemExit("no namespaces")
    sandbox.limit_memory(job.memory + (1 << 30))
    set_language(job.language)
    report.write(json.dumps(examine(job)))
    report.flush()
    os._exit(0)


def examine(job: Job) -> dict[str, Any]:
    """Grade one submission: its notebook's name, and for each exercise its state, what there is to say, its points.

    The states: right, wrong, pending (empty), missing, refused, broken (it took the kernel with it, or ended in an
    error before it could be asked). `trouble` says why there is nothing to grade.
    """
    from vlab.course.exercises import find
    from vlab.course.grading.bank import bank, blanks
    from vlab.course.grading.grade import Grading
    from vlab.course.grading.submissions import best_match, read

    source = bank(job.bank)
    source.open()
    try:
        cells = read(job.path)
        notebooks = source.notebooks()
        name = best_match(cells, {n: set(blanks(notebook).values()) for n, notebook in notebooks.items()})
        if not name:
            wrong = _("None of its cells belongs to an exercise notebook that is known here.")
            raise VlabError(wrong, where=job.path.name)
    except VlabError as error:
        return {"trouble": str(error)}
    found = Grading(job, source, notebooks[name]).results(cells)
    results = {exercise: result | {"points": find(exercise).points} for exercise, result in found.items()}
    return {"notebook": name, "results": results}


if __name__ == "__main__":
    main()
