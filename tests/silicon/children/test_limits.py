"""The limits of a child, tried in a child."""

import subprocess
import sys

from tests.silicon.hosts import LINUX
from vlab.silicon.children import limits

pytestmark = LINUX
LOOK = (
    "import resource as r; from vlab.silicon.children import limits as l; l.limit();"
    "print(*(r.getrlimit(getattr(r, 'RLIMIT_' + n))[0] for n in ('CPU', 'CORE', 'FSIZE', 'NOFILE')))"
)


def test_a_child_limits_itself(repository):
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=repository, stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.split() == [str(limits.CPU_SECONDS), "0", "0", str(limits.FILES)]


def test_a_host_without_limits_is_no_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    limits.limit()
