"""Many submissions: a worker for each, some at a time, and a report that always comes."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path

from vlab.course.grading import sandbox
from vlab.course.grading.worker import Job
from vlab.language import VlabError, _, language

_GRACE = 30  # seconds a worker has for itself, beside the submission's
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Settings:
    """How submissions are graded. `seed` None means a new one, which nobody knows, for each."""

    bank: Path | None = None
    seed: int | None = None
    seconds: float = 120
    memory: int = 2 << 30
    jobs: int = 1


@dataclass(frozen=True)
class Report:
    """What came of one submission. `states` and `messages` are by exercise; `trouble` says why there are none."""

    path: Path
    seed: int
    notebook: str = ""
    states: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    points: int = 0
    of: int = 0
    trouble: str = ""

    @property
    def share(self) -> float:
        """Which part of the points was reached: 0 to 1."""
        return self.points / self.of if self.of else 0.0


def notebooks_in(places: Iterable[Path]) -> list[Path]:
    """The notebooks named, and those in the folders named, in order.

    Raises:
        VlabError: if one is not there, or there is none at all.
    """
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = (path.relative_to(place) for path in place.rglob("*.ipynb"))
            found += [place / p for p in sorted(inside) if not any(part.startswith(".") for part in p.parts)]
        elif place.exists():
            found.append(place)
        else:
            raise VlabError(_("There is no such file or folder."), where=str(place))
    if not found:
        raise VlabError(_("There are no notebooks here."), where=", ".join(map(str, places)))
    return list(dict.fromkeys(found))


def grade_all(
    paths: list[Path], settings: Settings, done: Callable[[], object] = lambda: None
) -> list[Report]:
    """Grade submissions, some at a time; `done` is called after each. The reports are in the order of `paths`."""
    separate = sandbox.can_separate()
    with tempfile.TemporaryDirectory(prefix="vlab-check-", ignore_cleanup_errors=True) as base:
        jobs = [
            Job(
                path=path.resolve(),
                place=Path(base).resolve() / str(number),
                bank=settings.bank,
                seed=secrets.randbits(48) if settings.seed is None else settings.seed,
                seconds=settings.seconds,
                memory=settings.memory,
                separate=separate,
                language=language(),
            )
            for number, path in enumerate(paths)
        ]
        with ThreadPoolExecutor(max(1, settings.jobs)) as pool:
            waiting = [pool.submit(grade, job) for job in jobs]
            try:
                for _finished in as_completed(waiting):
                    done()
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)
                raise
            return [replace(one.result(), path=path) for one, path in zip(waiting, paths, strict=True)]


def grade(job: Job) -> Report:
    """Grade one submission in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "vlab.course.grading.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    ) as worker:
        try:
            told, _nothing = worker.communicate(job.text().encode(), timeout=job.seconds + _GRACE)
        except subprocess.TimeoutExpired:
            return Report(job.path, job.seed, trouble=_("It does not come to an end in time."))
        finally:
            _end(worker)
    return _read_report(job, told)


def _environment() -> dict[str, str]:
    """What a worker sees of the environment: nothing that is a secret of the person who runs the check."""
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    package = str(Path(__file__).resolve().parents[3])
    # Native code needs what a sandbox forbids: memory that is executable, and a cache that is written.
    return kept | {"PYTHONPATH": package, "PYTHONUTF8": "1", "VLAB_ENGINE": "interpreter"}


def _end(worker: "subprocess.Popen[bytes]") -> None:
    """End a worker and whatever it has started and is still there."""
    try:
        os.killpg(worker.pid, signal.SIGKILL)
    except (AttributeError, ProcessLookupError, PermissionError):  # AttributeError: Windows
        worker.kill()


def _read_report(job: Job, told: bytes) -> Report:
    try:
        found = json.loads(told)
        trouble, results = found.get("trouble", ""), found.get("results", {})
        states = {name: result["state"] for name, result in results.items()}
        messages = {name: shown(result["message"]) for name, result in results.items()}
        points = {name: int(result["points"]) for name, result in results.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return Report(job.path, job.seed, trouble=_("It broke the check off."))
    if trouble:
        return Report(job.path, job.seed, trouble=shown(trouble))
    reached = sum(worth for name, worth in points.items() if states[name] == "right")
    return Report(job.path, job.seed, found["notebook"], states, messages, reached, sum(points.values()))


def shown(text: str) -> str:
    """A text that partly comes from a submission, without what could confuse a terminal."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in str(text))
