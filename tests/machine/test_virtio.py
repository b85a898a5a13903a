"""Virtio: how a driver sets a device up, what a queue carries, and that a lying driver gets NEEDS_RESET."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.machine import Machine
from vlab.machine.bus import BusError
from vlab.machine.devices import VirtioConsole
from vlab.machine.devices.printed import MOST
from vlab.machine.devices.virtio import queue as queue_module
from vlab.machine.devices.virtio.transport import NEEDS_RESET
from vlab.riscv import assemble

RAM, SIZE = 0x8000_0000, 1 << 20
RINGS = {0: RAM + 0x1000, 1: RAM + 0x2000}  # queue → its descriptors; the rings stand behind
AVAILABLE, USED, BUFFER = 0x400, 0x800, RAM + 0x8000
STATUS, NOTIFY, READY, SELECT = 0x70, 0x50, 0x44, 0x30
WRITE, NEXT = 2, 1


class Driver:
    """A driver of a console, in Python, with queues of 8."""

    def __init__(self, *, start=True):
        self.machine = Machine(memory=SIZE)
        self.console = self.machine.attach(VirtioConsole())
        self.available = {0: 0, 1: 0}
        if start:
            self.start()

    def set(self, offset, value):
        self.console.store(offset, 4, value)

    def get(self, offset):
        return self.console.load(offset, 4)

    def start(self, features=1, size=8):
        for status in (0, 1, 3):
            self.set(STATUS, status)
        self.set(0x24, 1)
        self.set(0x20, features)
        self.set(STATUS, 11)
        for number, base in RINGS.items():
            self.set(SELECT, number)
            self.set(0x38, size)
            for offset, place in ((0x80, base), (0x90, base + AVAILABLE), (0xA0, base + USED)):
                self.set(offset, place)
                self.set(offset + 4, 0)
            self.set(READY, 1)
        self.set(STATUS, 15)

    def describe(self, queue, number, address, size, flags=0, following=0):
        """Write a descriptor."""
        fields = struct.pack("<QIHH", address, size, flags, following)
        self.machine.memory.poke(RINGS[queue] + 16 * number, fields)

    def offer(self, queue, head=0, notify=True):
        """Make a chain available."""
        at, count = RINGS[queue] + AVAILABLE, self.available[queue]
        self.machine.memory.poke(at + 4 + 2 * (count % 8), struct.pack("<H", head))
        self.available[queue] = count + 1 & 0xFFFF
        self.machine.memory.poke(at + 2, struct.pack("<H", self.available[queue]))
        if notify:
            self.set(NOTIFY, queue)

    def print(self, text):
        self.machine.memory.poke(BUFFER, text)
        self.describe(1, 0, BUFFER, len(text))
        self.offer(1)

    def used(self, queue):
        """How many chains came back, and the last one's (head, bytes written)."""
        at = RINGS[queue] + USED
        (count,) = struct.unpack("<H", self.machine.memory.peek(at + 2, 2))
        return count, struct.unpack("<II", self.machine.memory.peek(at + 4 + 8 * ((count - 1) % 8), 8))

    @property
    def broken(self):
        return bool(self.get(STATUS) & NEEDS_RESET)


@pytest.fixture
def driver():
    return Driver()


def test_a_driver_finds_a_console():
    driver = Driver(start=False)
    assert [driver.get(at) for at in (0, 4, 8, 12)] == [0x7472_6976, 2, 3, 0x554D_4551]
    assert driver.get(0x10) == 0
    driver.set(0x14, 1)
    assert driver.get(0x10) == 1  # feature 32: version 1
    driver.set(0x14, 2)
    assert driver.get(0x10) == 0
    assert driver.get(0x34) == queue_module.LARGEST
    driver.set(SELECT, 2)
    assert (driver.get(0x34), driver.get(READY)) == (0, 0)
    assert driver.get(0xB0) == driver.get(0xB4) == 0xFFFF_FFFF


@pytest.mark.parametrize(("features", "agreed"), [(1, True), (0, True), (2, False), (3, False)])
def test_features_must_be_ones_that_are_offered(features, agreed):
    driver = Driver(start=False)
    driver.start(features)
    assert driver.get(STATUS) == (15 if agreed else 3)
    driver.print(b"hello")
    assert bytes(driver.console.output) == (b"hello" if agreed else b"")


def test_printing_and_the_interrupt(driver):
    driver.print(b"hello")
    assert driver.console.text == "hello"
    assert driver.used(1) == (1, (0, 0))
    assert driver.console.interrupting
    assert driver.get(0x60) == 1
    driver.set(0x64, 1)
    assert not driver.console.interrupting


def test_a_driver_may_ask_for_no_interrupts(driver):
    driver.machine.memory.poke(RINGS[1] + AVAILABLE, b"\1\0")
    driver.print(b"x")
    assert (driver.console.text, driver.console.interrupting) == ("x", False)


def test_typed_text_waits_for_room_and_fills_chains(driver):
    driver.machine.give("virtio-console", b"abcdefg")
    assert not driver.console.interrupting
    driver.describe(0, 3, BUFFER, 2, WRITE | NEXT, 5)
    driver.describe(0, 5, BUFFER + 0x1000, 3, WRITE)
    driver.offer(0, 3)
    assert driver.used(0) == (1, (3, 5))
    assert driver.machine.memory.peek(BUFFER, 3) == b"ab\0"
    assert driver.machine.memory.peek(BUFFER + 0x1000, 4) == b"cde\0"
    driver.offer(0, 3)
    assert driver.used(0) == (2, (3, 2))
    assert driver.machine.memory.peek(BUFFER, 2) == b"fg"
    driver.offer(0, 3)  # nothing more to give: it waits
    assert driver.used(0)[0] == 2
    driver.machine.give("virtio-console", b"!")
    assert driver.used(0) == (3, (3, 1))


def test_a_queue_goes_round_and_its_indices_wrap(driver):
    for state in (driver.console.state(),):
        state["queues"][1] |= {"taken": 0xFFFE, "returned": 0xFFFE}
        driver.console.restore(state)
    driver.available[1] = 0xFFFE
    for letter in b"abcdefghijkl":
        driver.print(bytes([letter]))
    assert driver.console.text == "abcdefghijkl"
    assert driver.used(1)[0] == 10


def lie(name):
    """A driver that has just told one lie."""
    driver = Driver()
    memory, queue = driver.machine.memory, RINGS[1]
    driver.describe(1, 0, BUFFER, 4)
    driver.describe(1, 8, BUFFER, 4)  # behind the table's end
    match name:
        case "address":
            driver.describe(1, 0, RAM + SIZE - 2, 4)
        case "address at the end of the world":
            driver.describe(1, 0, (1 << 64) - 1, 4)
        case "length":
            driver.describe(1, 0, BUFFER, 0xFFFF_FFFF)
        case "device":
            driver.describe(1, 0, 0x1000_0000, 4)
        case "loop":
            driver.describe(1, 0, BUFFER, 0, NEXT, 0)
        case "next":
            driver.describe(1, 0, BUFFER, 4, NEXT, 8)
        case "order":
            driver.describe(1, 0, BUFFER, 4, NEXT | WRITE, 1)
            driver.describe(1, 1, BUFFER, 4)
        case "indirect":
            driver.describe(1, 0, BUFFER, 16, 4)
        case "head":
            memory.poke(queue + AVAILABLE + 4, b"\x08\x00")
        case "index":
            memory.poke(queue + AVAILABLE + 2, b"\x09\x00")
        case "no room":
            driver.describe(0, 0, BUFFER, 4)
            driver.offer(0, notify=False)
            driver.machine.give("virtio-console", b"x")
            return driver
        case _:  # where a ring is
            driver.set(SELECT, 1)
            driver.set(READY, 0)
            driver.set({"descriptors": 0x84, "available": 0x94, "used": 0xA4}[name], 0xFFFF_FFFF)
            driver.set(READY, 1)
    if name not in ("head", "index"):
        driver.offer(1, notify=False)
    elif name == "head":
        memory.poke(queue + AVAILABLE + 2, b"\x01\x00")
    driver.set(NOTIFY, 1)
    return driver


LIES = ["address", "address at the end of the world", "length", "device", "loop", "next", "order", "indirect"]
LIES += ["head", "index", "no room", "descriptors", "available", "used"]


@pytest.mark.parametrize("name", LIES)
def test_a_lie_needs_a_reset(name):
    driver = lie(name)
    assert driver.broken
    assert driver.get(0x60) & 2  # and the driver is told
    driver.set(NOTIFY, 1)
    driver.machine.give("virtio-console", b"y")
    assert driver.console.text in ("", "\0\0\0\0")  # of a wild used ring it hears after the text is read
    driver.console.restore(driver.console.state())
    driver.start()
    assert not driver.broken
    driver.available = {0: 0, 1: 0}
    driver.machine.memory.poke(RINGS[1], bytes(0x1000))
    driver.print(b"again")
    assert driver.console.text.endswith("again")


@pytest.mark.parametrize("size", [0, 3, 257, 0xFFFF_FFFF])
def test_a_queue_of_no_possible_size(size):
    driver = Driver(start=False)
    driver.start(size=size)
    assert driver.broken


def test_a_device_that_writes_its_own_ring_does_not_loop_for_ever(driver):
    """What is typed lands on the available index, and makes more chains appear each time."""
    at = RINGS[0] + AVAILABLE + 2
    driver.describe(0, 0, at, 2, WRITE)
    for number in range(1, 8):
        driver.describe(0, number, at, 2, WRITE)
    driver.machine.give("virtio-console", b"".join(struct.pack("<H", n) for n in range(2, 3000)))
    driver.offer(0)
    assert driver.broken
    assert driver.used(0)[0] <= 8


def test_a_guest_can_not_fill_the_readers_memory(driver):
    driver.describe(1, 0, RAM + 0x10000, SIZE - 0x10000)
    for _again in range(30):
        driver.offer(1)
        assert MOST // 2 - 4096 < len(driver.console.output) <= MOST
    assert driver.console.printed.count == 30 * (SIZE - 0x10000)
    assert driver.console.text.startswith("[")
    assert not driver.broken


def test_of_a_chain_longer_than_what_is_kept_the_end_is(driver, monkeypatch):
    monkeypatch.setattr("vlab.machine.devices.printed.MOST", 1000)
    text = b"".join(b"line %d\n" % number for number in range(500))
    driver.machine.memory.poke(RAM + 0x10000, text)
    driver.describe(1, 0, RAM + 0x10000, len(text))
    for again in range(1, 4):
        driver.offer(1)
        out = driver.console.printed
        assert out.count == again * len(text)
        assert 470 <= len(out.kept) <= 1000
        assert text.endswith(out.kept) and out.kept.startswith(b"line ")


def test_registers_are_words_and_the_configuration_is_bytes(driver):
    for size in (1, 2, 8):
        with pytest.raises(BusError):
            driver.console.load(STATUS, size)
        with pytest.raises(BusError):
            driver.console.store(STATUS, size, 0)
    assert driver.console.load(0x100, 2) == driver.console.load(0xFF8, 8) == 0
    driver.console.store(0x100, 1, 7)
    assert driver.console.load(0x100, 1) == 0


def test_a_driver_is_told_that_the_configuration_has_changed(driver):
    driver.console.config_changed()
    assert (driver.get(0xFC), driver.get(0x60)) == (1, 2)
    driver.set(STATUS, 0)
    driver.console.config_changed()  # nobody drives it: nobody is interrupted
    assert driver.get(0x60) == 0


def test_a_queue_in_use_keeps_its_place(driver):
    driver.set(SELECT, 1)
    driver.set(0x80, 0)
    driver.set(0x38, 2)
    driver.set(READY, 1)
    driver.print(b"x")
    assert driver.console.text == "x"
    driver.set(READY, 0)
    driver.set(NOTIFY, 1)
    assert driver.get(READY) == 0


def test_its_writes_break_what_lr_reserved(driver):
    for place, kept in ((BUFFER, False), (BUFFER + 8, True)):
        driver.machine.reservation = (place, 4)
        driver.describe(0, 0, BUFFER, 4, WRITE)
        driver.offer(0)
        driver.machine.give("virtio-console", b"abcd")
        assert (driver.machine.reservation is not None) == kept


def test_its_writes_are_seen_by_the_next_fetch():
    """Typed bytes become the next instruction."""
    driver = Driver(start=False)
    code = assemble("li s0, 1\n j .", base=0).segments[0][1]
    driver.machine.load(assemble(".zero 64"))
    driver.machine.memory.poke(BUFFER, assemble("li s0, 2\n j .").segments[0][1])
    driver.start()
    driver.machine.hart.pc = BUFFER
    driver.machine.run(2)
    assert driver.machine.hart.x[8] == 2
    driver.describe(0, 0, BUFFER, 8, WRITE)
    driver.offer(0)
    driver.machine.give("virtio-console", code[:8])
    driver.machine.hart.pc = BUFFER
    driver.machine.run(2)
    assert driver.machine.hart.x[8] == 1


REGISTER = st.sampled_from([*range(0, 0x110, 4)])
PLACE = st.sampled_from([0, RAM, RAM + 0x1000, RAM + 0x1400, RAM + SIZE - 8, 0x1000_0000, 0xFFFF_FFFF])
SMALL = st.integers(0, 16)
TRAFFIC = st.lists(
    st.tuples(st.just("set"), REGISTER, PLACE | SMALL)
    | st.tuples(st.just("get"), REGISTER, SMALL)
    | st.tuples(st.just("poke"), st.integers(0x1000, 0x2FFF), st.binary(min_size=1, max_size=20))
    | st.tuples(st.just("type"), SMALL, st.binary(max_size=20))
    | st.tuples(st.just("offer"), st.integers(0, 1), SMALL),
    max_size=60,
)


def traffic(driver, actions):
    """What a driver sees that does all this."""
    seen = []
    for what, where, value in actions:
        match what:
            case "set":
                driver.set(where, value)
            case "get":
                seen.append(driver.get(where))
            case "poke":
                driver.machine.memory.poke(RAM + where, value)
            case "type":
                driver.machine.give("virtio-console", value)
            case "offer":
                driver.offer(where, value)
        seen.append((driver.get(STATUS), driver.get(0x60), bytes(driver.console.output)))
    return seen


@given(TRAFFIC, TRAFFIC)
def test_no_traffic_breaks_more_than_the_device_and_a_snapshot_goes_on_the_same(before, after):
    first, second = Driver(), Driver()
    traffic(first, before)
    second.machine.restore(first.machine.snapshot())
    second.available = dict(first.available)
    assert traffic(first, after) == traffic(second, after)
    assert first.machine.snapshot() == second.machine.snapshot()


@pytest.mark.parametrize(
    "change",
    [
        {"status": 256},
        {"interrupt": 4},
        {"queues": []},
        {"queues": [{}, {}]},
        {"own": {}},
        {"own": {"output": b"", "dropped": 0, "wire": ""}},
        {"own": {"output": b"", "dropped": -1, "wire": b""}},
        {"own": {"output": bytes(MOST + 1), "dropped": 0, "wire": b""}},
        {"accepted": 1 << 5},
        {"queues": None},
        {"more": 0},
    ],
)
def test_a_bad_state_changes_nothing(driver, change):
    before = driver.console.state()
    with pytest.raises(VlabError, match="virtio-console"):
        driver.console.restore(before | change)
    assert driver.console.state() == before


@pytest.mark.parametrize("field", [{"size": 3}, {"size": 300}, {"taken": 1 << 16}, {"used": 1 << 64}])
def test_a_bad_queue_changes_nothing(driver, field):
    before = driver.console.state()
    bad = [before["queues"][0], before["queues"][1] | field]
    with pytest.raises(VlabError, match="virtio-console"):
        driver.console.restore(before | {"queues": bad})
    assert driver.console.state() == before


def test_power_on_forgets_what_was_printed(driver):
    driver.print(b"x")
    driver.machine.load(assemble("j ."))
    assert (driver.console.text, driver.get(STATUS)) == ("", 0)
