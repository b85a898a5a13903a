"""The course around the machine: lessons, exercises and their checks, quizzes, and what this host offers."""

from importlib import import_module
from typing import Any

# Brought in when first used: `vlab lab` and `vlab doctor` need none of them.
_HOME_OF = {
    "check": "vlab.course.checking",
    "checkpoint": "vlab.course.checkpoints",
    "quiz": "vlab.course.quizzes",
    "reveal": "vlab.course.checkpoints",
    "show_progress": "vlab.course.progress",
}
__all__ = ["check", "checkpoint", "quiz", "reveal", "show_progress"]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)
