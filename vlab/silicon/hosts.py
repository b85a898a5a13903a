"""Which computer a run comes from: enough to judge it by, and nothing that tells whose it is."""

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlab.display import one_line
from vlab.language import _
from vlab.silicon.fields import Fields

_NAMES = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "arm64", "arm64": "arm64", "riscv64": "riscv64"}
_LONGEST = 60
_CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Host:
    """A computer: the machine that its software sees ("x86-64"), its CPU and kernel, and whether it is a VM.

    The kernel is named without its build, for that may name a place.
    """

    machine: str
    cpu: str
    kernel: str
    virtual: bool

    def __str__(self) -> str:
        words = f"{self.cpu} ({self.machine}), {self.kernel}"
        return _("{words}, in a virtual machine").format(words=words) if self.virtual else words

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"machine": self.machine, "cpu": self.cpu, "kernel": self.kernel, "virtual": self.virtual}

    @classmethod
    def from_json(cls, fields: Fields) -> "Host":
        """From plain data. Raises VlabError where it is none of a host."""
        return cls(
            fields.word("machine"), fields.word("cpu"), fields.word("kernel"), fields.yes_or_no("virtual")
        )


def machine_name() -> str:
    """What kind of CPU Python runs on, by one name on all systems; "" where it can't be told."""
    return _NAMES.get(platform.machine().lower(), platform.machine().lower())


def this_host() -> Host:
    """The computer that this runs on."""
    facts = _cpu_facts(_CPU_INFO)
    named = facts.get("model name") or facts.get("uarch") or platform.processor() or machine_name()
    numbers = ".".join(platform.release().split("-")[0].split(".")[:2])
    return Host(
        machine_name() or "?",
        one_line(named)[:_LONGEST] or "?",
        one_line(f"{platform.system()} {numbers}").strip()[:_LONGEST] or "?",
        "hypervisor" in facts.get("flags", "").split(),
    )


def _cpu_facts(path: Path) -> dict[str, str]:
    """What Linux says of its first CPU."""
    try:
        lines = path.read_text("utf-8", "replace").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _colon, value in pairs}
