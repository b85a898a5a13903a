"""The course around the machine: lessons, exercises and their checks, quizzes, and what this host offers."""

from vlab.later import later

# Brought in when first used: `vlab lab` and `vlab doctor` need none of them.
_HOME_OF = {
    "check": "vlab.course.checking",
    "checkpoint": "vlab.course.checkpoints",
    "quiz": "vlab.course.quizzes",
    "reveal": "vlab.course.checkpoints",
    "show_progress": "vlab.course.progress",
}
__all__ = ["check", "checkpoint", "quiz", "reveal", "show_progress"]
__getattr__ = later(__name__, _HOME_OF)
