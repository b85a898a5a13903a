"""The packages that vlab asks for, as its own metadata lists them, and which of them are installed."""

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from vlab import files

# The other extras serve `make test` and `make bench`, which install them by themselves.
READERS_EXTRAS = ("native", "png")

_REQUIREMENT = re.compile(
    r"""(?P<name>[\w.-]+) (?:\[[^]]*\])? \s*
        (?: >= \s* (?P<least>[\w.]+) )?
        (?: .* extra \s* == \s* ['"] (?P<extra>[\w-]+) )?""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Package:
    """One requirement: the lowest version that will do, the extra that asks for it, and what is installed."""

    name: str
    least: str
    extra: str
    installed: str | None

    def good(self) -> bool:
        """Whether it is installed and new enough."""
        return self.installed is not None and _numbers(self.installed) >= _numbers(self.least)

    def mend(self) -> str:
        """The command that brings it into the environment that runs this."""
        return f'{shlex.quote(sys.executable)} -m pip install "{self.name}>={self.least}"'


def wanted() -> Iterator[Package]:
    """Every package that vlab asks for: the required ones first, then those of the extras for readers."""
    for requirement in _requirements():
        match = _REQUIREMENT.match(requirement)
        if match and match["extra"] in (None, *READERS_EXTRAS):
            name = match["name"]
            yield Package(name, match["least"] or "0", match["extra"] or "", _installed(name))


def _requirements() -> list[str]:
    """Requirement strings: from the checkout's pyproject.toml, else from the installed metadata."""
    if files.installed():
        return metadata.requires("vlab") or []
    project = tomllib.loads((files.checkout() / "pyproject.toml").read_text())["project"]
    lines: list[str] = project["dependencies"]
    for extra, more in project["optional-dependencies"].items():
        lines += [f"{line}; extra == '{extra}'" for line in more]
    return lines


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
