"""The virtio block device: by a driver's hand, by a hostile one, and by the guest `disk`, bare and in VMs."""

import os
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.towers import difference, end, tower
from vlab import Machine, guests
from vlab.language import VlabError
from vlab.machine import Stop
from vlab.machine.devices import KINDS, VirtioBlock
from vlab.machine.devices.virtio.transport import NEEDS_RESET
from vlab.machine.disks import BLOCK, SECTOR, Disk
from vlab.machine.memory import Memory

RAM = 0x8000_0000
TABLE, AVAILABLE, USED, HEADER, DATA, STATUS = (RAM + 0x1000 * n for n in range(6))
NEXT, WRITE = 1, 2
GUEST = guests.load("disk")


class Ram(Memory):
    """What a device sees of a computer: its memory, and somebody who may be asleep."""

    def attend(self) -> None:
        """Nobody is."""


class Driver:
    """A driver in Python, with one request at a time."""

    def __init__(self, disk: Disk | None, features: int = 1 << 9):
        self.device, self.memory = VirtioBlock(disk), Ram(1 << 16)
        self.disk = disk or Disk(BLOCK)
        self.device.connect(self.memory)
        for offset, value in [
            *((0x70, 3), (0x24, 0), (0x20, features), (0x24, 1), (0x20, 1), (0x70, 11)),
            *((0x38, 8), (0x80, TABLE), (0x90, AVAILABLE), (0xA0, USED), (0x44, 1), (0x70, 15)),
        ]:
            self.device.store(offset, 4, value)
        assert self.device.load(0x70, 4) == 15
        self.count = 0

    def ask(self, *pieces: tuple[int, int, int]) -> None:
        """Make a chain available, of (address, length, flags)."""
        for number, (address, size, flags) in enumerate(pieces):
            more = NEXT if number + 1 < len(pieces) else 0
            self.memory.poke(
                TABLE + 16 * number, struct.pack("<QIHH", address, size, flags | more, number + 1)
            )
        self.count += 1
        self.memory.poke(AVAILABLE + 2, struct.pack("<H", self.count))
        self.device.store(0x50, 4, 0)

    def request(self, kind: int, sector: int = 0, data: bytes = b"", room: int = 0) -> tuple[int, bytes]:
        """Status and data of a request; its rings must be in order."""
        self.memory.poke(HEADER, struct.pack("<IIQ", kind, 0, sector))
        self.memory.poke(STATUS, b"\xee")
        self.memory.poke(DATA, data)
        middle = [(DATA, len(data), 0)] if data else [(DATA, room, WRITE)] if room else []
        self.ask((HEADER, 16, 0), *middle, (STATUS, 1, WRITE))
        assert self.memory.load(USED + 2, 2) == self.count
        place = USED + 4 + 8 * ((self.count - 1) % 8)
        assert self.memory.peek(place, 8) == struct.pack("<II", 0, room + 1)
        assert (self.device.interrupting, self.device.load(0x60, 4)) == (True, 1)
        self.device.store(0x64, 4, 1)
        assert self.device.load(0x60, 4) == 0
        return self.memory.load(STATUS, 1), self.memory.peek(DATA, room)


def disk() -> Disk:
    return Disk(bytes(range(256)) * 32, name="a disk with a long name")


def test_what_the_driver_is_told():
    driver = Driver(disk())
    assert driver.device.load(0x08, 4) == 2
    assert (driver.device.load(0x100, 8), driver.device.load(0x114, 4)) == (16, SECTOR)
    assert VirtioBlock(disk()).load(0x10, 4) == 1 << 6 | 1 << 9
    assert VirtioBlock(Disk(BLOCK, read_only=True)).load(0x10, 4) == 1 << 5 | 1 << 6 | 1 << 9


def test_requests():
    driver = Driver(disk())
    assert driver.request(0, 3, room=1024) == (0, disk().read(3, 2))
    assert driver.request(1, 15, data=b"x" * SECTOR) == (0, b"")
    assert driver.disk.read(15) == b"x" * SECTOR
    assert driver.request(4) == (0, b"")
    assert driver.request(8, room=20) == (0, b"a disk with a long n")
    assert driver.request(8, room=4) == (0, b"a di")
    assert driver.request(77) == (2, b"")


def test_a_file_with_a_name_that_is_no_text_is_a_disk_too(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.img")
    path.write_bytes(bytes(BLOCK))
    driver = Driver(Disk.open(path))
    assert driver.request(8, room=20) == (0, b"?.img".ljust(20, b"\0"))


@pytest.mark.parametrize(
    ("sector", "room"), [(16, 512), (15, 1024), (1 << 63, 512), (0, 100), ((1 << 64) - 1, 512)]
)
def test_reads_that_the_disk_refuses(sector, room):
    assert Driver(disk()).request(0, sector, room=room) == (1, bytes(room))


@pytest.mark.parametrize(("sector", "size"), [(16, 512), (15, 1024), (1 << 63, 512), (0, 100)])
def test_writes_that_the_disk_refuses(sector, size):
    driver = Driver(disk())
    assert driver.request(1, sector, data=b"x" * size) == (1, b"")
    assert driver.disk.blocks() == disk().blocks()


def test_a_read_only_disk_is_not_written_and_an_empty_drive_fails():
    driver = Driver(Disk(BLOCK, read_only=True))
    assert driver.request(1, 0, data=b"x" * SECTOR) == (1, b"")
    assert driver.request(0, 0, room=SECTOR) == (0, bytes(SECTOR))
    assert Driver(None).request(0, 0, room=SECTOR) == (1, bytes(SECTOR))


def test_a_file_that_is_gone_is_an_error_of_the_disk(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(BLOCK))
    driver = Driver(Disk.open(path))
    path.write_bytes(bytes(2 * BLOCK))
    assert driver.request(0, 0, room=SECTOR) == (1, bytes(SECTOR))


def test_a_request_with_a_short_header_fails_and_one_without_a_status_breaks_the_rules():
    driver = Driver(disk())
    driver.ask((HEADER, 15, 0), (STATUS, 1, WRITE))
    assert driver.memory.load(STATUS, 1) == 1
    driver.ask((HEADER, 16, 0))
    assert driver.device.status & NEEDS_RESET


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, TABLE, AVAILABLE, USED, HEADER, DATA, STATUS, RAM + 0xFF00, (1 << 64) - 8]),
            st.sampled_from([0, 1, 15, 16, 512, 513, 4096, 1 << 31]),
            st.sampled_from([0, WRITE]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.binary(min_size=16, max_size=16) | st.just(bytes(16)),
)
@settings(max_examples=200, deadline=None)
def test_no_chain_harms_anybody(pieces, header):
    driver = Driver(disk())
    driver.memory.poke(HEADER, header)
    driver.ask(*pieces)
    driver.device.state()
    assert driver.disk.sectors == 16


# A saved state


def test_a_state_brings_the_disk_back_and_into_an_empty_drive():
    driver = Driver(disk())
    state = driver.device.state()
    driver.request(1, 0, data=b"x" * SECTOR)
    driver.device.restore(state)
    assert driver.disk.blocks() == disk().blocks()
    assert driver.device.state() == state
    fresh = KINDS["virtio-block"]()
    assert isinstance(fresh, VirtioBlock)
    fresh.restore(state)
    assert fresh.disk is not None
    assert fresh.state() == state
    assert fresh.disk.blocks()[1] is state["own"]["blocks"][1]


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"sectors": 17},
        {"sectors": 1 << 40},
        {"blocks": None},
        {"blocks": {0: b"x"}},
        {"read_only": 2},
        {"blocks": {2: bytes(BLOCK)}},
        {"more": 1},
    ],
)
@pytest.mark.parametrize("empty", [False, True])
def test_a_state_that_cannot_be_is_refused_and_changes_nothing(own, empty):
    device = VirtioBlock(None if empty else disk())
    state = Driver(disk()).device.state()
    before = device.state()
    state["own"] = state["own"] | own if own else {}
    if empty and own == {"sectors": 17}:
        return
    with pytest.raises(VlabError):
        device.restore(state)
    assert device.state() == before


# The guest


def labelled(text: bytes = b"system") -> Disk:
    found = Disk("64K")
    found.write(0, text.ljust(SECTOR, b"\0"))
    return found


def counted(found: Disk) -> int:
    return int.from_bytes(found.read(0)[504:], "little")


def test_the_guest_counts_its_boots_and_the_disk_outlives_them():
    found = labelled()
    machine = Machine(memory="1M", devices=[VirtioBlock(found)])
    for boot in (1, 2, 3):
        machine.load(GUEST)
        assert machine.run(10_000) is Stop.OFF
        assert (machine.status, counted(found)) == (0, boot)
        assert machine.console == f"disk: system\nboot {boot}\n"


def test_the_guest_without_a_disk_or_with_one_that_it_may_not_write():
    machine = Machine(GUEST, memory="1M")
    machine.run(10_000)
    assert machine.status == 1
    machine = Machine(GUEST, memory="1M", devices=[VirtioBlock(Disk("64K", read_only=True))])
    machine.run(10_000)
    assert (machine.status, machine.console.splitlines()[-1]) == (1, "The disk fails: status 1")


@pytest.mark.parametrize("depth", [1, 2])
def test_the_guest_ends_in_a_vm_as_it_does_bare(depth):
    bare = Machine(memory="1M", devices=[VirtioBlock(labelled())])
    bare.load(GUEST)
    bare.run(10_000)
    built = tower(depth=depth)
    real = Disk("1M")
    minidisk = real.extent(64, 128)
    minidisk.set_blocks(labelled().blocks())
    built.guest.attach(VirtioBlock(minidisk))
    built.guest.load(GUEST)
    built.machine.run(2_000_000)
    assert difference(end(bare), end(built.guest)) == []
    assert real.read(64, 128) == minidisk.read(0, 128)
    assert counted(minidisk) == 1


@pytest.mark.parametrize("depth", [0, 1])
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_snapshot_and_restore_at_any_point_are_invisible_to_the_guest(depth, data):
    plain = _ready(depth)
    plain.machine.run(2_000_000)
    steps = plain.machine.steps
    saved_at, back_at = sorted(data.draw(st.tuples(st.integers(0, steps), st.integers(0, steps))))
    built = _ready(depth)
    built.machine.run(saved_at)
    saved = built.machine.snapshot()
    built.machine.run(back_at - saved_at)
    built.machine.restore(saved)
    assert built.machine.snapshot() == saved
    built.machine.run(2_000_000)
    assert difference(end(plain.guest), end(built.guest)) == []
    assert built.guest.console == "disk: system\nboot 1\n"


@pytest.mark.parametrize("depth", [0, 1])
def test_rewinding_takes_the_disk_back(depth):
    built = _ready(depth)
    built.machine.run(2_000_000)
    device = next(one.device for one in built.guest.board.attached.values())
    assert counted(device.disk) == 1
    built.machine.goto(0)
    assert counted(device.disk) == 0


def _ready(depth: int):
    built = tower(depth=depth)
    built.guest.attach(VirtioBlock(labelled()))
    built.guest.load(GUEST)
    return built


@pytest.mark.parametrize("wrong", ["disk.img", b"\0" * 512, 512, Disk])
def test_a_drive_takes_a_disk(wrong: Any) -> None:
    with pytest.raises(VlabError, match="is no disk"):
        VirtioBlock(wrong)
