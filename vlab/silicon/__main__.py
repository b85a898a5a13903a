"""`python -m vlab.silicon record`: try all of it on this computer, and make it the recorded data of its machine."""

import sys
from pathlib import Path

from vlab import files
from vlab.language import VlabError, _
from vlab.silicon.asking import plain, recorded_path
from vlab.silicon.kvm import RECORDED, run_in_kvm, time_exits
from vlab.silicon.modules import try_modules
from vlab.silicon.signals import run_signals
from vlab.silicon.trying import try_all


def record() -> str:
    """The file's text. Raises VlabError where this computer can't do a part of it."""
    if files.installed():
        raise VlabError(_("Recorded data is made in a checkout of the project, not in an installed package."))
    attempts, signals, modules = try_all(), run_signals(), try_modules()
    for found in (attempts, signals, modules):
        if not found.live:
            raise VlabError(_("This computer can't be recorded: {why}.").format(why=found.why))
    parts = {
        "attempts": [row.to_json() for row in attempts],
        "signals": [moment.to_json() for moment in signals],
        "modules": modules.to_json(),
    }
    return plain(attempts.host, parts)


def record_kvm() -> str:
    """The text of KVM's own file: not every computer has it. Raises VlabError where this one has none."""
    run, times = run_in_kvm(), time_exits()
    for found in (run, times):
        if not found.live:
            raise VlabError(_("KVM can't be recorded here: {why}.").format(why=found.why))
    return plain(run.host, {"kvm": run.to_json(), "times": times.to_json()})


def main(arguments: list[str]) -> int:
    """The command; its status."""
    if arguments != ["record"]:
        print(__doc__)
        return 2
    try:
        text = record()
    except VlabError as error:
        print(error)
        return 1
    _write(recorded_path(try_all().host.machine), text)
    try:
        _write(recorded_path(RECORDED), record_kvm())
    except VlabError as error:
        print(error)
    return 0


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    files.write_atomically(path, text.encode())
    print(path.name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
