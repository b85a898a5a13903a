"""Hosts in pictures: processes, the module and its virtual machines, as boxes and as a table."""

from tests.hypervisor.host.settings import host_on
from tests.parts import machine_under
from tests.views.structure import check
from vlab import guests
from vlab.machine import Machine
from vlab.views.computers.boxes import boxes_picture
from vlab.views.drawn import picture_of


def a_host(programs=3):
    host = host_on(Machine(memory="16M"))
    for _number in range(programs):
        host.start("count", user="ana", name="a/b" * 20)
    host.create_vm(guests.load("tiny"), user="ana", memory="1M")
    machine_under(host).run(300)
    return host


def test_a_host_is_drawn_with_its_processes_and_its_module():
    host = a_host()
    picture = picture_of(host)
    check(picture)
    assert "runs 4 processes; the hypervisor of host, level 0, runs vm1" in repr(picture)
    check(boxes_picture(host.computer))
    check(picture_of(host.hypervisor))


def test_of_many_processes_the_rest_are_counted():
    check(picture_of(a_host(30)))


def test_a_graph_has_hosts_processes_and_module():
    host = a_host(1)
    graph = host.computer.graph()
    assert graph.nodes["machine/host/hypervisor/vm1"]["kind"] == "VM"
    processes = {data["pid"]: data for _path, data in graph.nodes(data=True) if data["kind"] == "process"}
    assert sorted(processes) == [1, 2]
    assert processes[2]["user"] == "ana"
    here = [path for path, data in graph.nodes(data=True) if data.get("hart")]
    assert len(here) == 1
