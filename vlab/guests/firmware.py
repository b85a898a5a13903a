"""Firmware that others wrote, as distributions package it: OpenSBI, and U-Boot, which OpenSBI starts in S mode.

Neither is part of this project; where this host has them, they go by their names.
"""

from pathlib import Path

from vlab.guests.tools import Tool, mend
from vlab.language import VlabError, _

OPENSBI = Tool("opensbi", ("/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin",), "opensbi")
U_BOOT = Tool("u-boot", ("/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin",), "u-boot-qemu")
NAMES = {tool.name: tool for tool in (OPENSBI, U_BOOT)}


def image(name: str) -> Path:
    """Where the raw image of `opensbi` or `u-boot` is. VlabError where this host has none."""
    tool = NAMES[name]
    if (path := tool.path()) is None:
        raise VlabError(
            _("This host has no {name}.").format(name=name), mend=_("Once: {mend}").format(mend=mend([tool]))
        )
    return Path(path)
