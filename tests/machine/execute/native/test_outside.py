"""Stores to devices, with and without native code around them.

Each program begins with a load, which is Python's, so that its stores are as others are later.
"""

from typing import Any

import pytest

from tests.machine.programs import OFF
from vlab.events import DeviceAccess
from vlab.machine import Machine
from vlab.machine.bus import BusError
from vlab.machine.memory import RAM_BASE
from vlab.riscv import assemble

pytest.importorskip("llvmlite")

from vlab.machine.execute.native.engine import NativeEngine
from vlab.machine.execute.native.outside import Outside

PLACE = 0x2000_0000
PRINTING = (
    "li a0, 0x10000000\n li a1, 900\n1: andi a2, a1, 63\n addi a2, a2, 48\n sb a2, 0(a0)\n addi a1, a1, -1\n"
)
START = f"li a0, {PLACE:#x}\n lw a1, 0(a0)\n"
TRAPS = "la a0, 9f\n csrw mtvec, a0\n"


class Watcher:
    """A device that calls somebody at each store."""

    name, size = "watcher", 0x100

    def __init__(self, call):
        self.call = call

    def load(self, offset, size):
        return 0

    def store(self, offset, size, value):
        self.call(offset, size, value)

    def state(self):
        return {}

    def restore(self, state):
        pass


def both(source, call=None):
    """One program on both engines, with a device that calls `call(machine, offset, size, value)`."""
    machines = []
    for engine in ("native", "interpreter"):
        machine = Machine(assemble(source), memory="1M", engine=engine)
        if call is not None:
            device = Watcher(lambda *what, machine=machine: call(machine, *what))
            machine.attach(device, base=PLACE)
        machines.append(machine)
    return machines


def run_alike(machines, *stops):
    for stop in stops:
        assert len({machine.run(stop) for machine in machines}) == 1
        assert machines[0].snapshot() == machines[1].snapshot()
    return machines[0]


def test_printing_goes_on_in_native_code(monkeypatch):
    runs = []
    run = NativeEngine.run

    def counted(*given):
        runs.append(given)
        run(*given)

    monkeypatch.setattr(NativeEngine, "run", counted)
    machine = run_alike(both(PRINTING + " bnez a1, 1b\n" + OFF), 100, 7, 2001, 50_000)
    assert machine.status == 0
    assert len(machine.console) == 900
    assert len(runs) < 40


def test_each_store_arrives_as_it_was_made():
    told = []
    source = f"{START} li a1, -2\n sd a1, 8(a0)\n sb a1, 3(a0)\n sh a1, 2(a0)\n sw a1, 4(a0)\n{OFF}"
    run_alike(both(source, lambda machine, *what: told.append((machine.time, *what))), 1000)
    half = len(told) // 2
    assert [what for _time, *what in told[:half]] == [
        [8, 8, 2**64 - 2], [3, 1, 254], [2, 2, 2**16 - 2], [4, 4, 2**32 - 2],
    ]  # fmt: skip
    assert told[:half] == told[half:]


def test_who_looks_finds_the_hart_at_the_store():
    seen, places = [], []

    def look(machine, *_what):
        hart = machine.hart
        places.append(hart.pc)
        seen.append((hart.x[11], machine.time, machine.mode, hart.csr["minstret"]))

    machine = run_alike(
        both(
            f"{START} li a1, 5\n1: sw a1, 0(a0)\n addi a1, a1, -1\n bnez a1, 1b\n{OFF}",
            look,
        ),
        500,
    )
    assert machine.status == 0
    assert len(seen) == 10
    assert seen[:5] == seen[5:]
    assert set(places[:5]) == {RAM_BASE + 12}


def test_who_changes_the_hart_has_changed_it():
    def change(machine, *_what):
        machine.hart.x[11] += 100
        machine.hart.csr.values["mscratch"] += 1

    machine = run_alike(
        both(
            f"{START} li a1, 5\n sw a1, 0(a0)\n addi a1, a1, 1\n sw a1, 0(a0)\n{OFF}",
            change,
        ),
        500,
    )
    assert machine.hart.x[11] == 206
    assert machine.hart.csr["mscratch"] == 2


@pytest.fixture(autouse=True)
def made(monkeypatch):
    """The stores that native code left to Python alone: each test has some."""
    found = []
    store = Outside.store

    def counted(self):
        found.append(self)
        return store(self)

    monkeypatch.setattr(Outside, "store", counted)
    yield
    assert found


@pytest.mark.parametrize("place", [0x10000100, 0x10000008, 0x10000001, 0x02004002])
def test_a_store_that_nothing_takes_traps(place):
    load = "ld" if place < 1 << 28 else "lb"
    known = f"li a0, {place & -4096:#x}\n {load} a1, 0(a0)\n li a0, {place:#x}\n sw a0, 0(a0)\n"
    source = f"{TRAPS}{known} j .\n.balign 4\n9: csrr a2, mtval\n csrr a3, mepc\n{OFF}"
    machine = run_alike(both(source), 1000)
    assert (machine.status, machine.hart.x[12]) == (0, place)


def test_what_a_device_raises_leaves_both_alike():
    def fail(machine, *_what):
        raise ZeroDivisionError

    machines = both(f"{START} li a1, 5\n sw a1, 0(a0)\n addi a1, a1, 1\n{OFF}", fail)
    for machine in machines:
        with pytest.raises(ZeroDivisionError):
            machine.run(500)
    assert not machines[0]._native.lent
    assert machines[0].snapshot() == machines[1].snapshot()


def test_a_device_that_refuses_lets_the_next_one_work():
    def refuse(machine, offset, *_what):
        if offset:
            raise BusError

    source = f"{TRAPS} {START} sw a1, 0(a0)\n sw a1, 4(a0)\n j .\n.balign 4\n9: sw a1, 0(a0)\n{OFF}"
    assert run_alike(both(source, refuse), 1000).status == 0


def test_an_alarm_that_is_set_rings_at_its_time():
    source = f"""{TRAPS} li a0, 0x02004000
        ld a1, 0(a0)
        li a1, 1 << 3 | 1 << 7
        csrw mie, a1
        csrsi mstatus, 8
        li a1, 30
        sd a1, 0(a0)
     1: addi a2, a2, 1
        j 1b
        .balign 4
     9: csrr a3, mcause
        li a4, 0x02000000
        li a1, -1
        sd a1, 0(a0)
        beqz a5, 2f
        {OFF}
     2: li a5, 1
        sw a5, 0(a4)
        mret"""
    for stop in range(10, 700, 23):
        run_alike(both(source), stop, 1, 5000)


def test_what_is_typed_by_a_listener_is_read():
    """The line status is read without Python: it must not be an old one."""
    machines = both(
        """li a0, 0x10000000
        li a1, 63
        sb a1, 0(a0)
     1: lb a2, 5(a0)
        andi a2, a2, 1
        beqz a2, 1b
        lb a3, 0(a0)
        sb a3, 0(a0)
    """
        + OFF
    )
    for machine in machines:
        machine.uart.listener = lambda byte, machine=machine: byte == b"?" and machine.type("!")
    assert run_alike(machines, 3, 1000).console == "?!"


def test_what_it_sends_to_itself_is_read():
    source = """li a0, 0x10000000
        lb a1, 3(a0)
        li a1, 0x10
        sb a1, 4(a0)
        sb a1, 0(a0)
     1: lb a2, 5(a0)
        andi a2, a2, 1
        beqz a2, 1b
        lb a3, 0(a0)
    """
    assert run_alike(both(source + OFF), 4, 1000).hart.x[13] == 0x10


def test_it_is_off_at_once():
    source = "li a0, 0x100000\n lw a1, 0(a0)\n li a1, 0x5555\n sw a1, 0(a0)\n" + "nop\n" * 50
    assert run_alike(both(source), 1000).steps == 5


def test_a_listener_hears_each_store():
    machines = both(PRINTING + " bnez a1, 1b\n" + OFF)
    heard: list[object] = []
    for machine in machines:
        machine.run(500)
        machine.events.listen(lambda event: heard.append(event) if isinstance(event, DeviceAccess) else None)
        machine.run(5000)
    assert len(heard) > 1000
    assert heard[: len(heard) // 2] == heard[len(heard) // 2 :]


def test_who_begins_to_listen_in_a_store_hears_the_next_one():
    heard: list[Any] = []

    def begin(machine, *_what):
        if not machine.events.on:
            machine.events.listen(heard.append)

    run_alike(both(f"{START} sw a1, 0(a0)\n sw a1, 4(a0)\n{OFF}", begin), 1000)
    assert [event.offset for event in heard if isinstance(event, DeviceAccess)].count(4) == 2


def test_it_stops_where_a_listener_asks_for_it():
    machines = both(PRINTING + " bnez a1, 1b\n" + OFF)
    for machine in machines:
        machine.uart.listener = lambda byte, machine=machine: byte == b"A" and machine.stop_here()
    machine = run_alike(machines, 5000, 5000)
    assert (machine.console.count("A"), machine.console[-1]) == (2, "A")


def test_a_breakpoint_set_in_a_store_holds():
    machines = both(f"{START} sw a1, 0(a0)\n addi a1, a1, 1\n there: addi a1, a1, 1\n{OFF}",
                    lambda machine, *_what: machine.stop_at([machine.program.symbols["there"]]))  # fmt: skip
    machine = run_alike(machines, 1000)
    assert machine.hart.pc == machine.program.symbols["there"] > RAM_BASE


def test_the_time_that_software_sets_is_read_at_once():
    """Nothing is due before and after, so nothing else tells of it."""
    source = "li a0, 0x200bff8\n ld a1, 0(a0)\n li a1, 1000000\n sd a1, 0(a0)\n rdtime s0\n rdtime s1\n"
    both_ways = both(source + "sd zero, 0(a0)\n rdtime s2\n" + "nop\n" * 20 + OFF)
    for machine in both_ways:
        machine.run()
    assert both_ways[0].snapshot() == both_ways[1].snapshot()
    assert both_ways[0].hart.x[8] == 1_000_001
    assert both_ways[0].hart.x[18] < 10
