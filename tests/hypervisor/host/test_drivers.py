import pytest

from vlab.hypervisor.host.drivers import BlockDriver, ConsoleDriver, Driver, NetDriver
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.machine.devices import VirtioConsole, VirtioNet
from vlab.machine.devices.virtio.block import VirtioBlock
from vlab.machine.disks import Disk
from vlab.machine.network import Switch

RAM = 0x8000_0000
SLOT = 0x1000_1000


def started(kind: type[Driver], device):
    machine = Machine(memory="256K", devices=[device])
    driver = kind(machine, SLOT, RAM + 0x1_0000)
    driver.start()
    return machine, driver


def test_the_block_driver_reads_what_it_wrote():
    disk = Disk(100 * 512)
    _machine, driver = started(BlockDriver, VirtioBlock(disk))
    data = bytes(i * 7 % 251 for i in range(20 * 512))
    driver.write(70, data)
    assert driver.sectors == 100
    assert disk.read(70, 20) == data
    assert driver.read(69, 21) == bytes(512) + data
    with pytest.raises(VlabError, match="failed: 8 sectors from 95 on"):
        driver.read(95, 8)
    assert driver.read(70, 1) == data[:512]


def test_the_network_driver_sends_and_receives_more_than_its_ring_holds():
    one, two = VirtioNet("02:00:00:00:00:01"), VirtioNet("02:00:00:00:00:02", name="net2")
    switch = Switch()
    machine, a = started(NetDriver, one)
    switch.plug(machine)
    other = machine.attach(two)
    b = NetDriver(machine, SLOT + 0x1000, RAM + 0x2_0000)
    b.start()
    switch.plug(machine, other, name="two")
    assert (a.mac, b.mac) == (one.mac, two.mac)
    packets = [two.mac + one.mac + b"\x88\xb5" + bytes([n]) * (n * 100 + 1) for n in range(12)]
    for packet in packets:
        a.send(packet)
    assert machine.board.plic.pending == 1 << 2  # who sends looks itself whether it is gone
    assert b.acknowledge() == 1
    again = NetDriver(machine, SLOT + 0x1000, RAM + 0x2_0000)  # nothing of it is in Python
    assert b.receive() == packets[:8]
    assert again.receive() == packets[8:]
    assert b.receive() == []


def test_the_console_driver_prints_and_reads():
    machine, driver = started(ConsoleDriver, VirtioConsole())
    driver.send(b"x" * 5000 + b"\n")
    machine.give("virtio-console", b"typed")
    console = machine.bus.devices["virtio-console"][1]
    assert console.output == b"x" * 5000 + b"\n"
    assert driver.receive() == [b"typed"]
    assert driver.acknowledge() == 1
    assert driver.acknowledge() == 0


def test_a_driver_wants_its_device():
    machine = Machine(memory="256K", devices=[VirtioConsole()])
    for base in (SLOT, SLOT + 0x1000, 0x1000_0000):
        with pytest.raises(VlabError, match="There is no device"):
            NetDriver(machine, base, RAM).start()
