"""A host: an operating system with processes, users and devices of its own, and a hypervisor as its module."""

from vlab.hypervisor.host.host import Host
from vlab.hypervisor.host.processes import Process
from vlab.hypervisor.host.spaces import KERNEL, VM_OFFSET
from vlab.hypervisor.host.table import Processes
from vlab.hypervisor.host.users import ROOT, VM_GROUP, User

__all__ = ["KERNEL", "ROOT", "VM_GROUP", "VM_OFFSET", "Host", "Process", "Processes", "User"]
