"""Programs and files of this host that are needed to build what others wrote, or to test against it."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlab.language import _


@dataclass(frozen=True)
class Tool:
    """Something this host may have: a program by its commands, any of which will do, or a file."""

    name: str
    commands: tuple[str, ...]
    package: str

    def path(self) -> str | None:
        """Where it is, or None."""
        return next(filter(None, map(_where, self.commands)), None)

    def mend(self) -> str:
        """How to get it, as far as it is known for this host."""
        return mend([self])


def mend(tools: Sequence[Tool]) -> str:
    """How to get these tools, as far as it is known for this host."""
    if shutil.which("apt-get"):
        return _("apt-get install {package}").format(package=" ".join(tool.package for tool in tools))
    if len(tools) == 1:
        return _("install a package that has `{command}`").format(command=tools[0].commands[0])
    commands = "`, `".join(tool.commands[0] for tool in tools)
    return _("install packages that have `{commands}`").format(commands=commands)


def _where(command: str) -> str | None:
    """Where a command is; a file is where its path says, in which `*` stands for anything."""
    if not command.startswith("/"):
        return shutil.which(command)
    return next((str(path) for path in sorted(Path("/").glob(command[1:])) if path.is_file()), None)
