"""Who may do what on a host: the administrator, members of the group, the others."""

from typing import Any

import pytest

from tests.hypervisor.host.settings import host_on
from vlab import guests
from vlab.language import VlabError

HELLO = guests.load("hello")


def refused(call, *words):
    with pytest.raises(VlabError) as error:
        call()
    for word in words:
        assert word in str(error.value)


def test_only_the_administrator_installs_and_removes_the_hypervisor():
    host = host_on(module=False)
    for user in ("ana", "eva"):
        refused(
            lambda user=user: host.install_hypervisor(user=user), user, "Only the administrator", "'root'"
        )
    assert (host.hypervisor, host.vms) == (None, [])
    refused(lambda: host.create_vm(HELLO, user="ana"), "No hypervisor is installed")
    module = host.install_hypervisor()
    refused(host.install_hypervisor, "already")
    refused(lambda: host.remove_hypervisor(user="ana"), "Only the administrator")
    vm = host.create_vm(HELLO, user="ana", memory="1M")
    refused(host.remove_hypervisor, "in use by vm1")
    host.stop(vm)
    assert (host.hypervisor, host.vms) == (module, [])
    host.remove_hypervisor()
    assert (host.hypervisor, host.vms) == (None, [])
    refused(host.remove_hypervisor, "No hypervisor")


def test_only_members_of_the_group_run_virtual_machines():
    host = host_on(module=False)
    module = host.install_hypervisor()
    refused(lambda: host.create_vm(HELLO, user="eva", memory="1M"), "eva may not", "'vm'")
    refused(lambda: module.create_vm(HELLO, user="eva", memory="1M"), "eva may not")
    refused(lambda: host.create_vm(HELLO, user="nobody", memory="1M"), "no user 'nobody'")
    assert host.vms == []
    for user in ("ana", "root"):
        assert host.process_of(host.create_vm(HELLO, user=user, memory="1M")).user == user


@pytest.mark.parametrize("deed", ["pause", "resume", "stop", "type"])
def test_a_vm_is_its_users(deed):
    host = host_on()
    host.add_user("bob", groups=["vm"])
    vm = host.create_vm(HELLO, user="ana", memory="1M")
    more = ("x",) if deed == "type" else ()
    for user in ("bob", "eva"):
        refused(
            lambda user=user: getattr(host, deed)(vm, *more, user=user), f"{user} may not touch vm1", "ana"
        )
    for user in ("ana", "root") if deed != "stop" else ("ana",):
        getattr(host, deed)(vm, *more, user=user)


def test_only_the_administrator_lets_a_kernel_into_system_mode():
    host = host_on()
    refused(lambda: host.run_in_system_mode(HELLO, user="ana"), "Only the administrator")
    assert host.processes == []


def test_users_are_told_apart():
    host = host_on()
    assert [host.users[name].uid for name in ("root", "ana", "eva")] == [0, 1000, 1001]
    names: list[Any] = ["ana", "root", "", "a\n", 5, None, []]
    for name in names:
        refused(lambda name=name: host.add_user(name))
    groups: list[Any] = ["vm", [5], [["vm"]]]
    for wrong in groups:
        refused(lambda wrong=wrong: host.add_user("bob", wrong), "no groups of users")
    assert repr(host.users) == "Users: root, ana, eva"
    refused(lambda: host.start("count", user="ann"), "no user 'ann'")


def test_what_is_over_or_elsewhere_is_nobodys():
    host, other = host_on(), host_on()
    vm = other.create_vm(HELLO, memory="1M")
    refused(lambda: host.stop(vm), "no virtual machine of this host")
    process = other.start("count")
    refused(lambda: host.stop(process), "another host")
    other.stop(process)
    refused(lambda: other.stop(process), "over")
