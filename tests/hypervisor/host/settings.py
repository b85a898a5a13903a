"""Hosts to try: with users, a hypervisor, processes."""

from typing import Any

from vlab.hypervisor.host import Host
from vlab.machine import Machine


def host_on(computer: Any = None, *, memory: str = "8M", module: bool = True) -> Host:
    """A host with two users, ana of the group "vm" and eva, and (unless `module` is false) a hypervisor."""
    host = Host(Machine(memory=memory) if computer is None else computer)
    host.add_user("ana", groups=["vm"])
    host.add_user("eva")
    if module:
        host.install_hypervisor(user="root")
    return host
