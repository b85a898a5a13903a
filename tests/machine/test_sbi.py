"""The SBI: a kernel in S mode runs the same above it on the machine and in a VM."""

from functools import partial

import pytest

from vlab import guests
from vlab.events import TlbFlush
from vlab.hypervisor import Hypervisor, nested
from vlab.language import VlabError
from vlab.machine import Computer, Machine, Sbi, Stop
from vlab.machine.computer import NEXT_STAGE
from vlab.machine.memory import RAM_BASE
from vlab.riscv import CSRS, Cause, Mode, assemble

MOST = 1_000_000  # steps; no guest here takes as many
PLACE = RAM_BASE + 0x4_0000  # that nobody else touches


def started(image, depth=0):
    machine = Machine(memory=(1 << 20) + depth * (2 << 20))
    computer: Computer = machine
    for inside in reversed(range(depth)):
        computer = Hypervisor(computer).create_vm(memory=(1 << 20) + inside * (2 << 20))
    Sbi(computer).load(image)
    return machine, computer


@pytest.mark.parametrize("depth", range(3))
def test_a_kernel_runs_above_it_at_any_depth(depth):
    machine, computer = started(guests.load("sbi_hello"), depth)
    machine.run(1_000_000)
    assert (computer.status, computer.console) == (0, "hello from S mode\nslept well\n")
    assert computer.time == started_time()
    steps = machine.steps
    end = machine.snapshot()
    machine.goto(steps // 2)
    machine.goto(steps)
    assert machine.snapshot() == end


def started_time():
    """What the kernel's time is in the end on the machine itself."""
    machine, _computer = started(guests.load("sbi_hello"))
    machine.run(1_000_000)
    return machine.time


_HARDWARE, _EMULATED, _TRANSLATED = "hardware-assisted", "trap-and-emulate", "binary-translation"
_TWO: list[tuple[str, ...]] = [
    (outer, inner) for outer in (_HARDWARE, _EMULATED) for inner in (_HARDWARE, _EMULATED, _TRANSLATED)
]
_THREE: list[tuple[str, ...]] = [
    (_HARDWARE, middle, inner) for middle in (_HARDWARE, _EMULATED) for inner in (_EMULATED, _TRANSLATED)
]
_THREE.append((_HARDWARE,) * 3)


def nested_start(image, techniques, engine):
    """The same with H, under one technique a level: see `started`."""
    machine, vms = nested(techniques, 1 << 20, build=partial(Machine, extensions="H", engine=engine))
    Sbi(vms[-1]).load(image)
    return machine, vms[-1]


@pytest.mark.parametrize("engine", ["native", "interpreter"])
@pytest.mark.parametrize("techniques", _TWO + _THREE, ids=",".join)
def test_a_fault_that_prepares_what_it_issues_does_not_replace_it(techniques, engine):
    machine, computer = nested_start(guests.load("sbi_hello"), techniques, engine)
    machine.run(MOST)
    assert (computer.status, computer.console) == (0, "hello from S mode\nslept well\n")
    assert computer.time == started_time()
    end, steps = machine.snapshot(), machine.steps
    other, _vm = nested_start(guests.load("sbi_hello"), techniques, engine)
    for place in range(1, 8):  # from there on by replay, and on another machine
        machine.goto(steps * place // 8)
        other.restore(machine.snapshot())
        for one in (machine, other):
            one.run(MOST)
            assert one.snapshot() == end


@pytest.mark.parametrize("techniques", _TWO + _THREE, ids=",".join)
def test_listeners_change_nothing_of_that(techniques):
    machine, computer = nested_start(guests.load("sbi_hello"), techniques, "interpreter")
    machine.run(MOST)
    listened, heard = nested_start(guests.load("sbi_hello"), techniques, "interpreter")
    events: list[object] = []
    listened.events.listen(events.append)
    listened.run(MOST)
    assert events
    assert heard.snapshot() == computer.snapshot()


@pytest.mark.parametrize(
    "techniques", [(_HARDWARE,) * 2, (_HARDWARE, _EMULATED), (_HARDWARE,) * 3], ids=",".join
)
def test_the_first_that_it_issues_to_a_device_may_be_the_power_switch(techniques):
    off = assemble("li a7, 0x53525354\n li a6, 0\n li a0, 0\n li a1, 0\n ecall\n 1: j 1b")
    machine, computer = nested_start(off, techniques, "interpreter")
    machine.run(100_000)
    assert computer.status == 0


class Storing(Sbi):
    """Firmware that answers each call by a store to memory, and then a load from there."""

    def handle(self):
        """See `Sbi.handle`."""
        if self._start is None:
            self._store("sd a0, 0(a1)", PLACE, 42)
            self.computer.registers[11] = PLACE
            self.found = self.computer.issue("ld a0, 0(a1)")
        super().handle()


@pytest.mark.parametrize(
    "techniques", [(), (_EMULATED,), (_TRANSLATED,), (_EMULATED,) * 2, *_TWO], ids=",".join
)
def test_a_resident_may_store_to_memory_that_no_shadow_has_yet(techniques):
    machine, vms = nested(techniques, 1 << 20, build=partial(Machine, extensions="H"))
    computer = vms[-1] if vms else machine
    firmware = Storing(computer)
    firmware.load(assemble("li a7, 8\n ecall"))
    machine.run(100_000)
    assert (firmware.found, computer.memory.load(PLACE, 8), computer.status) == (42, 42, 0)


def call(extension, function=0, a0=0, a1=0, a2=0, typed=""):
    """Make one call, and be (a0, a1, machine)."""
    arguments = f"li a7, {extension}\n li a6, {function}\n li a0, {a0}\n li a1, {a1}\n li a2, {a2}"
    machine, _computer = started(assemble(f"{arguments}\n ecall\n 1: wfi\n j 1b"))
    machine.type(typed)
    assert machine.run(10_000) in (Stop.ASLEEP, Stop.OFF)
    a0, a1 = (n - (1 << 64) if n >> 63 else n for n in machine.hart.x[10:12])
    return a0, a1, machine


def test_it_starts_a_kernel_in_s_mode_with_its_tree():
    machine, _computer = started(assemble("1: wfi\n j 1b"))
    machine.run(100)
    assert machine.mode is Mode.S
    assert machine.hart.x[10] == 0
    assert machine.memory.peek(machine.hart.x[11], 4) == b"\xd0\x0d\xfe\xed"


@pytest.mark.parametrize(
    ("extension", "function", "a0", "expected"),
    [
        (0x10, 0, 0, (0, 2 << 24)),
        (0x10, 3, 0x4442434E, (0, 1)),
        (0x10, 3, 0x735049, (0, 1)),
        (0x10, 3, 0x52464E43, (0, 1)),
        (0x10, 3, 0x48534D, (0, 1)),
        (0x10, 3, 0x504D55, (0, 0)),
        *((0x10, 3, old, (0, 1)) for old in range(9)),
        *((0x10, which, 0, (0, 0)) for which in (4, 5, 6)),  # as mvendorid, marchid and mimpid
        (0x10, 7, 0, (-2, 0)),
        (0x735049, 0, 2, (-3, 0)),
        (0x735049, 1, 0, (-2, 0)),
        (0x52464E43, 3, 0, (-2, 0)),
        (0x52464E43, 0, 6, (-3, 0)),
        (0x54494D45, 1, 0, (-2, 0)),
        (0x53525354, 0, 3, (-3, 0)),
        (0x53525354, 1, 0, (-2, 0)),
        (0x4442434E, 3, 0, (-2, 0)),
        (0x08A5, 0, 0, (-2, 0)),
        (0x48534D, 0, 0, (-6, 0)),
        (0x48534D, 0, 1, (-3, 0)),
        (0x48534D, 1, 0, (-1, 0)),
        (0x48534D, 2, 0, (0, 0)),
        (0x48534D, 2, 1, (-3, 0)),
        (0x48534D, 3, 1, (-3, 0)),
        (0x48534D, 3, 1 << 31, (-2, 0)),
        (0x48534D, 4, 0, (-2, 0)),
    ],
)
def test_answers(extension, function, a0, expected):
    assert call(extension, function, a0)[:2] == expected


def test_a_reset_for_a_reason_that_is_none_is_refused():
    assert call(0x53525354, 0, 0, 2)[:2] == (-3, 0)


def test_the_kernel_has_its_own_traps_interrupts_counters_and_alarm():
    machine, _computer = started(assemble("1: wfi\n j 1b"))
    machine.run(100)
    csr = machine.hart.csr
    assert csr["medeleg"] == CSRS["medeleg"].writable & ~(1 << Cause.ECALL_FROM_S)
    assert (csr["mideleg"], csr["mcounteren"], csr["menvcfg"] >> 63) == (0x222, 7, 1)
    assert csr.pmp.allowed(0, 1 << 56, Mode.U) == 7


# An alarm (chapter 6) clears the last one's interrupt; the old call is the same.
_ALARM = """
    li   a7, {extension}
    li   a6, 0
    rdtime a0
    addi a0, a0, 300
    ecall
    csrr s0, sip
    li   t0, 32
    csrw sie, t0
    wfi
    csrr s1, sip
    li   a0, -1
    ecall
    csrr s2, sip
1:  j    1b
"""


@pytest.mark.parametrize("extension", [0x54494D45, 0])
def test_an_alarm_rings_and_the_next_one_silences_it(extension):
    machine, _computer = started(assemble(_ALARM.format(extension=extension)))
    machine.run(2_000)
    assert [*machine.hart.x[8:10], machine.hart.x[18]] == [0, 32, 0]
    assert machine.hart.x[10] == 0


_SUSPEND = """
    rdtime s0
    li   a7, 0x54494D45
    li   a6, 0
    li   s1, 50000
    add  a0, s0, s1
    ecall
    li   t0, 32
    csrw sie, t0
    li   a0, 77
    li   a7, 0x48534D
    li   a6, 3
    li   a0, 0
    ecall
    rdtime s2
    sub  s2, s2, s0
    csrr s3, sip
1:  wfi
    j    1b
"""


@pytest.mark.parametrize("depth", range(3))
def test_a_suspended_hart_sleeps_until_an_interrupt_is_pending(depth):
    machine, computer = started(assemble(_SUSPEND), depth)
    machine.run(1000 if not depth else 30_000)
    assert computer.hart.x[10] == 0
    assert 50_000 <= computer.hart.x[18] < 50_010
    assert computer.hart.x[19] == 32


def test_old_calls_put_and_get_characters_and_power_off():
    assert call(1, a0=ord("x"))[2].console == "x"
    assert call(2)[0] == -1
    assert call(2, typed="y", a1=7)[:2] == (ord("y"), 7)
    assert call(8)[2].status == 0


@pytest.mark.parametrize(("kind", "reason", "status"), [(0, 0, 0), (0, 1, 1), (1, 0, 0), (2, 0, 0)])
def test_reset(kind, reason, status):
    machine = call(0x53525354, 0, kind, reason)[2]
    assert (machine.status, machine.finisher.reset) == (status, kind > 0)


def test_the_debug_console_reads_and_bounds_what_it_is_asked():
    end = RAM_BASE + (1 << 20)
    error, count, machine = call(0x4442434E, 1, 100, RAM_BASE + 0x8000, typed="typed")
    assert (error, count, machine.memory.peek(RAM_BASE + 0x8000, 6)) == (0, 5, b"typed\0")
    assert call(0x4442434E, 2, ord("z"))[2].console == "z"
    assert call(0x4442434E, 0, 1 << 40, RAM_BASE)[1] == 4096
    for size, low, high in ((8, end - 4, 0), (1, 0x1000_0000, 0), (1, RAM_BASE, 1)):
        assert call(0x4442434E, 0, size, low, high)[:2] == (-3, 0)


@pytest.mark.parametrize("state", [{}, {"start": [1]}, {"start": [0, -1]}, {"start": "x"}, None])
def test_a_bad_state(state):
    with pytest.raises(VlabError, match="sbi"):
        Sbi(Machine(memory="1M")).restore(state)


def test_it_is_restored_with_its_machine():
    machine, _computer = started(guests.load("sbi_hello"))
    for _again in range(12):
        other = Machine(memory="1M")
        other.restore(machine.snapshot())
        other.run(100_000)
        assert other.console == "hello from S mode\nslept well\n"
        machine.run(3)


# IPI (chapter 7) and RFENCE (chapter 8): of harts by a mask, whose bit 0 is hart `first`


@pytest.mark.parametrize(
    ("mask", "first", "answer", "raised"),
    [
        (1, 0, 0, True),
        (0, 0, 0, False),
        (0, -1, 0, True),
        (5, -1, 0, True),
        (1, 1, -3, False),
        (3, 0, -3, False),
    ],
)
def test_an_ipi_raises_the_software_interrupt_of_the_harts_in_the_mask(mask, first, answer, raised):
    a0, _a1, machine = call(0x735049, 0, mask, first)
    assert (a0, bool(machine.hart.csr["sip"] & 2)) == (answer, raised)


def test_the_old_calls_send_an_ipi_and_clear_it():
    assert call(4)[2].hart.csr["sip"] & 2
    source = "li a7, 4\n ecall\n li a7, 3\n ecall\n 1: wfi\n j 1b"
    machine, _computer = started(assemble(source))
    machine.run(10_000)
    assert not machine.hart.csr["sip"] & 2


@pytest.mark.parametrize(
    ("extension", "function"), [(0x52464E43, 0), (0x52464E43, 1), (0x52464E43, 2), (5, 0), (6, 0), (7, 0)]
)
@pytest.mark.parametrize("size", [0, 4096, 8192, -1])
def test_a_remote_fence_is_one_on_this_hart(extension, function, size):
    flushes = []
    machine, _computer = started(
        assemble(f"""
        li a7, {extension}
        li a6, {function}
        li a0, 1
        li a1, 0
        li a2, 0x1000
        li a3, {size}
        li a4, 0
        ecall
     1: wfi
        j 1b
    """)
    )
    machine.events.listen(lambda event: flushes.append(event.reason) if isinstance(event, TlbFlush) else None)
    machine.run(10_000)
    assert machine.hart.x[10] == 0
    assert ("sfence.vma" in flushes) == ((extension, function) not in ((0x52464E43, 0), (5, 0)))


@pytest.mark.parametrize(
    ("extension", "function", "start", "size", "issued"),
    [
        (0x52464E43, 0, 0, 0, ("fence.i", 0)),
        (5, 0, 0, 0, ("fence.i", 0)),
        (0x52464E43, 1, 0x1008, 8, ("sfence.vma a0", 0x1008)),
        (0x52464E43, 2, 0x1000, 4096, ("sfence.vma a0", 0x1000)),
        (0x52464E43, 1, 0x1001, 4096, ("sfence.vma", 0)),
        (0x52464E43, 1, 0x1000, 4097, ("sfence.vma", 0)),
        (0x52464E43, 1, 0x1000, -1, ("sfence.vma", 0)),
        (0x52464E43, 1, 0x1000, 0, ("sfence.vma", 0)),
        (7, 0, 0, 0, ("sfence.vma", 0)),
    ],
)
def test_of_one_page_a_fence_is_of_that_page(extension, function, start, size, issued, monkeypatch):
    """What is more than that is of all pages."""
    calls = f"li a7, {extension}\n li a6, {function}\n li a0, 1\n li a1, 0\n li a2, {start}\n li a3, {size}\n ecall"
    machine, _computer = started(assemble(calls + "\n 1: wfi\n j 1b"))
    heard: list[tuple[str, int]] = []
    issue = machine.issue

    def hear(text: str, value: int | None = None) -> object:
        heard.append((text, value or 0))
        return issue(text, value)

    monkeypatch.setattr(machine, "issue", hear)
    machine.run(1_000)
    assert [told for told in heard if "fence" in told[0]] == [issued]


def test_a_raw_image_begins_where_firmware_starts_kernels():
    code = assemble("1: wfi\n j 1b").segments[0][1]
    machine = Machine(memory="4M")
    Sbi(machine).load(code)
    machine.run(1000)
    assert machine.hart.csr["sepc"] == 0
    assert NEXT_STAGE <= machine.hart.pc < NEXT_STAGE + 8
