"""The bus: who answers where, what it refuses, and that a state is restored whole or not at all."""

import ast
import textwrap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.machine import Machine, Stop
from vlab.machine import bus as bus_module
from vlab.machine.bus import Bus, BusError, checked
from vlab.machine.devices import Clint, Finisher, Plic, Uart
from vlab.riscv import assemble

ANY = st.integers(min_value=-(1 << 66), max_value=1 << 66)
WIDTHS = (1, 2, 4, 8)

# Waits in `wfi` for source 5, claims it, silences the bell, completes it, and powers off.
BELL = """
    li a0, 0xc000000
    li t0, 1
    sw t0, 20(a0)
    li a1, 0xc002000
    li t0, 1<<5
    sw t0, 0(a1)
    li t0, 1<<11
    csrw mie, t0
1:  wfi
    csrr t0, mip
    srli t0, t0, 11
    beqz t0, 1b
    li a2, 0xc200000
    lw s0, 4(a2)
    li a3, 0x10001000
    sw zero, 0(a3)
    sw s0, 4(a2)
    csrr t0, mip
    bnez t0, 1b
    li t0, 0x100000
    li t1, 0x5555
    sw t1, 0(t0)
"""


class Ram:
    """A device of 32 bytes, with what it was asked and a few things that can be set from outside."""

    def __init__(self, name="ram", size=32):
        self.name, self.size = name, size
        self.bytes = bytearray(size)
        self.asserted = 0
        self.wakes = None
        self.seen = []

    def load(self, offset, size):
        self.seen.append((offset, size))
        return int.from_bytes(self.bytes[offset : offset + size], "little")

    def store(self, offset, size, value):
        self.bytes[offset : offset + size] = value.to_bytes(size, "little")

    def lines(self, time):
        return self.asserted

    def deadline(self, time):
        return self.wakes

    def state(self):
        return {"bytes": bytes(self.bytes)}

    def restore(self, state):
        values = checked(self.name, state, bytes=bytes)
        if len(values["bytes"]) != self.size:
            raise VlabError("The size is another.", where=self.name)
        self.bytes[:] = values["bytes"]


def test_accesses_reach_the_device_with_the_offset_in_its_window():
    bus, first, second = Bus(), Ram("first"), Ram("second")
    bus.attach(0x2000, second)
    bus.attach(0x1000, first)
    bus.store(0x1008, 4, 0xDEAD_BEEF)
    bus.store(0x2000, 1, 7)
    assert bus.load(0x1008, 8) == 0xDEAD_BEEF
    assert (bus.load(0x2000, 2), second.seen) == (7, [(0, 2)])
    assert bus.find(0x101F) == (first, 0x1F)
    assert bus.find(0x1020) is None
    assert bus.find(0xFFF) is None
    assert bus.devices == {"first": (0x1000, first), "second": (0x2000, second)}


@pytest.mark.parametrize(
    ("address", "size"),
    [(0xFFF, 1), (0x1020, 1), (0x1018, 16), (0x1001, 2), (0x1004, 8), (0x1000, 3), (0x1000, 0), (-1, 1)],
)
def test_an_access_that_no_device_answers_is_a_bus_error(address, size):
    bus = Bus()
    bus.attach(0x1000, Ram())
    with pytest.raises(BusError):
        bus.load(address, size)
    with pytest.raises(BusError):
        bus.store(address, size, 0)


def test_an_access_may_not_leave_its_window():
    bus = Bus()
    bus.attach(0x1000, Ram(size=12))
    bus.attach(0x100C, Ram("next", size=12))
    assert bus.load(0x1008, 4) == 0
    with pytest.raises(BusError):
        bus.load(0x1008, 8)


def test_values_are_cut_to_the_size_of_the_access():
    class Wide(Ram):
        def load(self, offset, size):
            return -1

    bus, ram = Bus(), Wide()
    bus.attach(0, ram)
    bus.store(0, 2, 0x12345)
    assert ram.bytes[:4] == b"\x45\x23\x00\x00"
    assert bus.load(0, 2) == 0xFFFF


@pytest.mark.parametrize("base", [0xFE1, 0x1000, 0x101F, -1, 1 << 56, (1 << 56) - 31])
def test_devices_may_not_overlap_or_lie_outside_the_address_space(base):
    bus = Bus()
    bus.attach(0x1000, Ram())
    with pytest.raises(VlabError, match="other"):
        bus.attach(base, Ram("other"))
    assert list(bus.devices) == ["ram"]


def test_devices_may_be_neighbours_but_not_namesakes():
    bus = Bus()
    bus.attach(0x1000, Ram())
    bus.attach(0x0FE0, Ram("below"))
    bus.attach(0x1020, Ram("above"))
    assert list(bus.devices) == ["below", "ram", "above"]
    with pytest.raises(VlabError, match="ram"):
        bus.attach(0x5000, Ram())


def test_lines_are_joined_and_the_nearest_deadline_wins():
    bus, first, second = Bus(), Ram("first"), Ram("second")
    assert (bus.lines(0), bus.deadline(0)) == (0, None)
    bus.attach(0x1000, first)
    bus.attach(0x2000, second)
    first.asserted, second.asserted = 8, 128
    assert bus.lines(5) == 136
    assert bus.deadline(5) is None
    second.wakes = 30
    assert bus.deadline(5) == 30
    first.wakes = 20
    assert bus.deadline(5) == 20


def test_a_state_is_restored_whole():
    bus = Bus()
    bus.attach(0x1000, Ram("first"))
    bus.attach(0x2000, Ram("second"))
    bus.store(0x2000, 1, 9)
    saved = bus.state()
    bus.store(0x1000, 1, 1)
    bus.store(0x2000, 1, 1)
    bus.restore(saved)
    assert (bus.load(0x1000, 1), bus.load(0x2000, 1)) == (0, 9)
    assert bus.state() == saved


@pytest.mark.parametrize(
    "second",
    [{"bytes": b"short"}, {"bytes": "text"}, {"byte": b""}, {}, None, {"bytes": bytes(32), "more": 1}],
)
def test_a_bad_state_changes_no_device(second):
    bus = Bus()
    bus.attach(0x1000, Ram("first"))
    bus.attach(0x2000, Ram("second"))
    before = bus.state()
    with pytest.raises(VlabError, match="second"):
        bus.restore({"first": {"bytes": b"x" * 32}, "second": second})
    assert bus.state() == before


@pytest.mark.parametrize("state", [None, [], {}, {"ram": {}, "other": {}}, {"other": {"bytes": bytes(32)}}])
def test_a_state_of_other_devices_is_refused(state):
    bus = Bus()
    bus.attach(0x1000, Ram())
    with pytest.raises(VlabError, match="bus"):
        bus.restore(state)


@pytest.mark.parametrize("value", [-1, 10, True, 1.0, "1", None, [1], 1 << 1000])
def test_checked_refuses_what_is_no_number_below_its_bound(value):
    with pytest.raises(VlabError, match="lamp") as error:
        checked("lamp", {"lit": value}, lit=10)
    assert len(str(error.value)) < 200
    assert checked("lamp", {"lit": 9}, lit=10) == {"lit": 9}


def examples():
    """The examples that a reader copies: their source, and the classes in them."""
    first, second = (
        bus_module.__doc__.split(before)[1].split(after)[0]
        for before, after in (("and works:\n", "    machine.attach"), ('b"!")`.\n', "    KINDS["))
    )
    names: dict[str, Any] = {"BusError": BusError, "checked": checked}
    for source in (first, second):
        exec(compile(ast.parse(textwrap.dedent(source)), "<the example>", "exec"), names)
        assert len(textwrap.dedent(source).strip().splitlines()) <= 30
    return names["Lamp"], names["Bell"]


def test_the_device_in_the_contract_works():
    machine = Machine(memory="1M")
    lamp = machine.attach(examples()[0]())
    base = machine.bus.devices["lamp"][0]
    assert base == 0x1000_1000
    machine.bus.store(base, 4, 3)
    assert machine.bus.load(base, 4) == 1
    saved = machine.snapshot()
    machine.bus.store(base, 4, 0)
    machine.restore(saved)
    assert lamp.lit == 1
    with pytest.raises(BusError):
        machine.bus.store(base + 4, 4, 1)
    with pytest.raises(VlabError):
        machine.bus.restore(machine.bus.state() | {"lamp": {"lit": 2}})
    machine.load(assemble("j ."))
    assert lamp.lit == 0


def test_the_device_in_the_contract_that_interrupts_works():
    machine = Machine(memory="1M")
    bell = machine.attach(examples()[1](), irq=5)
    machine.load(assemble(BELL))
    assert machine.run(1000) is Stop.ASLEEP
    machine.give("bell", b"!")
    assert machine.run(1000) is Stop.OFF
    assert (machine.hart.x[8], bell.lit) == (5, 0)


def full_bus():
    bus, uart = Bus(), Uart()
    bus.attach(0x1000_0000, uart)
    bus.attach(0x200_0000, Clint(lambda: 1000))
    bus.attach(0x10_0000, Finisher())
    plic = Plic()
    plic.wire(10, uart)
    bus.attach(0xC00_0000, plic)
    return bus


PLACES = [0x1000_0000, 0x200_0000, 0x200_4000, 0x200_BFF8, 0x10_0000]
PLACES += [0xC00_0000, 0xC00_0028, 0xC00_1000, 0xC00_2000, 0xC00_2080, 0xC20_0000, 0xC20_1000]
ADDRESS = st.sampled_from(PLACES).flatmap(lambda base: st.integers(min_value=base - 16, max_value=base + 16))


@given(
    st.lists(st.tuples(ADDRESS | ANY, st.sampled_from(WIDTHS) | ANY, st.none() | ANY), max_size=40),
    st.integers(min_value=0, max_value=1 << 64),
)
def test_no_guest_gets_more_than_a_bus_error_out_of_it(traffic, time):
    bus = full_bus()
    for address, size, value in traffic:
        try:
            if value is None:
                assert 0 <= bus.load(address, size) < 1 << 8 * size
            else:
                bus.store(address, size, value)
        except BusError:
            continue
        assert not bus.lines(time) & ~(1 << 3 | 1 << 7 | 1 << 9 | 1 << 11)
        assert bus.deadline(time) is None or bus.deadline(time) > time
    copy = full_bus()
    copy.restore(bus.state())
    assert copy.state() == bus.state()


@pytest.mark.parametrize("value", [None, "on", 1.0, b"x"])
def test_a_device_that_answers_with_no_number_is_named(value: Any) -> None:
    class Forgetful(Ram):
        def load(self, offset: int, size: int) -> Any:
            return value

    bus = Bus()
    bus.attach(0x1000, Forgetful())
    with pytest.raises(VlabError, match="whole number"):
        bus.load(0x1000, 4)
