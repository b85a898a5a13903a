"""vlab: operating-system virtualization to run, stop, rewind and break.

The names below are brought in when first used, so that `import vlab` loads none of the libraries under it.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "vlab.language": ("VlabError", "set_language"),
    "vlab.riscv": ("Access", "Cause", "Mode", "assemble", "disassemble"),
    "vlab.paging": ("PageTable", "Walk", "walk"),
    "vlab.machine": ("Machine",),
    "vlab.hypervisor": ("Hypervisor", "TrapAndEmulate", "VirtualMachine"),
    "vlab.operations": ("Snapshots",),
    "vlab.views": ("Stepper", "chart_exits", "draw"),
}
_HOME_OF = {name: home for home, names in _PUBLIC.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return sorted(_HOME_OF)
    if name not in _HOME_OF:
        raise AttributeError(f"module 'vlab' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext vlab` calls: the magics `%%guest` and `%%asm`."""
    import_module("vlab.magics").load(shell)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
