"""`python -m vlab.silicon.children TASK`: a request on stdin, the answer on stdout, both JSON."""

import json
import sys
from collections.abc import Callable
from typing import Any

from vlab.silicon.children import execute, install, kvm, limits, signalling

_TASKS: dict[str, Callable[[Any], Any]] = {
    "execute": execute.answer,
    "install": install.answer,
    "kvm": kvm.answer,
    "kvm times": kvm.times,
    "signals": signalling.answer,
}

limits.limit()
json.dump(_TASKS[sys.argv[1]](json.load(sys.stdin)), sys.stdout)
