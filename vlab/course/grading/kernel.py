"""The kernel in which a submission runs: an ordinary one, shut in before it starts.

Started by the worker through a kernel specification; what it may have stands in the environment.
"""

import ctypes  # noqa: F401  so that a later import of it, by a library, loads nothing
import json
import os
import sys
from pathlib import Path

from vlab.course.grading import sandbox

CONFINES = "VLAB_CONFINES"
ANSWERS = "vlab.course.answers"


def main() -> None:
    """Shut this process in, and be a kernel."""
    confines = json.loads(os.environ.pop(CONFINES))
    hidden, writable = [Path(folder) for folder in confines["hidden"]], Path(confines["writable"])
    sandbox.limit_memory(confines["memory"])
    if confines["separate"]:
        sandbox.hide(hidden, writable)
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.initialize([*sys.argv[1:], "--HistoryManager.enabled=False", "--colors=NoColor"])
    sandbox.forbid(hidden, writable, ANSWERS)
    app.start()


if __name__ == "__main__":
    main()
