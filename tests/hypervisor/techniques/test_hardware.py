"""Hardware assistance: the same guests, with the same end, and few exits; beside others, in others, rewound."""

import importlib.util
from functools import partial
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.inspector import own_frames
from tests.hypervisor.towers import difference, end
from vlab import guests
from vlab.hypervisor import HardwareAssisted, Hypervisor, nested
from vlab.hypervisor.shadow import G_STAGE
from vlab.language import VlabError
from vlab.machine import Machine, Stop
from vlab.machine.memory import PAGE
from vlab.riscv import ROWS, Mode, assemble, encode

ENGINES = ("interpreter", "native") if importlib.util.find_spec("llvmlite") else ("interpreter",)
SMALL = {"TICK": 300, "WORK": 60, "LETTERS": 2, "PRIMES": 100}
HARDWARE, EMULATE = "hardware-assisted", "trap-and-emulate"
MOST = 4_000_000


def bare(image, **how):
    machine = Machine(image, memory="1M", extensions="H", **how)
    assert machine.run(MOST) is not Stop.LIMIT
    return machine


def built(image, *techniques, **how):
    """A machine with H, and VMs one in the other, the outermost first."""
    machine, vms = nested(techniques, 1 << 20, build=partial(Machine, extensions="H", **how))
    vms[-1].load(image)
    return machine, vms


def finished(image, *techniques, **how):
    machine, vms = built(image, *techniques, **how)
    assert machine.run(20 * MOST) is not Stop.LIMIT
    return vms


KERNEL = guests.load("kernel", **SMALL)


@pytest.mark.parametrize("name", ["kernel", "tiny", "hello", "pages", "crash", "careless", "sbi_hello"])
def test_a_guest_ends_as_on_the_bare_machine(name):
    image = guests.load(name, **(SMALL if name == "kernel" else {}))
    machine = Machine(image, memory="1M", extensions="H")
    machine.run(10_000 if name == "sbi_hello" else 200_000)  # without firmware it traps for ever
    host, (vm,) = built(image, HARDWARE)
    host.run(20 * MOST, until=lambda: vm.time >= machine.time)
    vm.stop()
    assert difference(end(machine), end(vm)) == []


class Thorough(HardwareAssisted):
    """It fetches what accesses a device, and does at each entry all that there is to do."""

    name = "thorough"

    def _access_device(self, address):
        self._interpret()

    def _rests(self):
        return False

    def prepare(self):
        return super().prepare()


PLACES = {  # of registers of devices, and what is stored there
    "uart": (0x1000_0000, "li a5, 0x37"),
    "uart status": (0x1000_0005, "li a5, 0xF7F8"),
    "across pages": (0x0C00_0FFD, "li a5, 3"),
    "clock": (0x0200_BFF8, "li a5, 0"),
    "alarm": (0x0200_4000, "rdtime a5; addi a5, a5, 31"),
    "far alarm": (0x0200_4000, "li a5, -1234567890123"),
    "software interrupt": (0x0200_0000, "li a5, 1"),
    "held interrupt": (
        0x1000_0000,
        "csrci sstatus, 2; csrsi sip, 2; csrsi sie, 2; rdinstret s9; li a5, 0x55",
    ),
    "finisher": (0x0010_0000, "li a5, 0x5555"),
}
ACCESSES = [
    encode(row, {"rs1": 10, "rs2": 15, "rd": rd}).to_bytes(row.size, "little")
    + assemble("add s4, s4, a1").segments[0][1]
    for row in ROWS.values()
    for rd in (0, 11)
    if row.extension != "H" and any(name in row.meaning for name in ("load(", "store(", "load_reserved("))
]
DEVICES = """
 la t0, trap; csrw mtvec, t0; li t0, -1; csrw pmpaddr0, t0; li t0, 0x1f; csrw pmpcfg0, t0
 li t0, 0x880; csrw mstatus, t0; li t0, 0x222; csrw mideleg, t0; la t0, inside; csrw stvec, t0; la t0, begin
 csrw mcounteren, 7; li t1, 0x88; csrw mie, t1; csrw mepc, t0; mret
 .balign 4
trap: csrr t0, mcause; bltz t0, 2f; csrr t0, mepc; lhu t1, 0(t0); andi t1, t1, 3; addi t1, t1, -3
 addi t0, t0, 2; bnez t1, 1f; addi t0, t0, 2
1: csrw mepc, t0; csrr t1, mcause; add s1, s1, t1; csrr t1, mtval; xor s2, s2, t1; li t1, 0x88; csrs mie, t1; mret
2: add s5, s5, t0; li t1, 0x2000000; sw x0, 0(t1); li t1, 0x80; csrc mie, t1; addi s6, s6, 1; mret
 .balign 4
inside: csrci sie, 31; csrr t1, scause; add s3, s3, t1; sret
begin: li a0, {place}; mv sp, a0; {value}; li s8, 0x2b; csrw sie, s8; csrsi sstatus, 2
"""


def devices(place, value):
    """A guest whose S mode accesses devices in all ways, over and over; its M mode passes what faults."""
    start = assemble(DEVICES.replace(";", "\n").format(place=place, value=value)).segments[0][1]
    value, again = value.replace(";", "\n"), "sd a5, 0(a0)" + "\n add s7, s7, s4" * 64 + "\n csrsi sstatus, 2"
    body = b"".join(
        [assemble(value).segments[0][1], *ACCESSES, assemble(f"{value}\n {again}").segments[0][1]]
    )
    return start + body + encode(ROWS["jal"], {"imm": -len(body)}).to_bytes(4, "little")


@pytest.mark.parametrize("place", PLACES)
def test_what_is_done_in_brief_changes_no_exit_and_no_time(place):
    runs = []
    for engine, technique in product(ENGINES, (HardwareAssisted, Thorough)):
        machine = Machine(memory=Hypervisor.memory_for(1 << 20), extensions="CH", engine=engine)
        vm = Hypervisor(machine).create_vm(memory="1M", technique=technique)
        vm.load(devices(*PLACES[place]))
        seen = []
        for stop in (1000, 4321, 7, 22_000):
            machine.run(stop)
            seen.append((machine.steps, vm.time, dict(vm.exits), vm.console, vm.snapshot().state))
        with machine.events.record() as recording:
            machine.run(6000)
        runs.append((seen, list(recording), machine.hart.x[:32]))
    assert all(run == runs[0] for run in runs)
    assert vm.exits["device access"] > 100 or vm.status == 0
    assert bool(vm.hart.x[19]) == (place == "held interrupt")
    assert bool(vm.hart.x[22]) == (place in ("alarm", "software interrupt"))


class Counted(HardwareAssisted):
    """What it does at an entry, it does at each."""

    name = "counted"
    entries = 0

    def load(self):
        self.entries += 1
        super().load()


def test_a_technique_that_does_more_at_an_entry_does_it_at_each():
    (vm,) = finished(KERNEL, Counted)
    assert vm.technique.entries >= vm.exits.total() > 100


def test_what_exits():
    """No system call, no page fault of its own, no tick: those are the guest's."""
    (vm,) = finished(KERNEL, HARDWARE)
    assert set(vm.exits) == {"shadow fill", "privileged instruction", "G-stage fill", "device access"}
    (other,) = finished(KERNEL, EMULATE)
    few = vm.exits.total() - vm.exits["device access"]
    assert 10 * few < other.exits.total() - other.exits["device access"]


@pytest.mark.parametrize(
    "techniques", [(EMULATE, HARDWARE), (HARDWARE, EMULATE), (HARDWARE, HARDWARE)], ids="-".join
)
def test_in_another_and_with_another_inside(techniques):
    assert difference(end(bare(KERNEL)), end(finished(KERNEL, *techniques)[-1])) == []


def test_exits_do_not_depend_on_what_lies_below():
    (alone,) = finished(KERNEL, HARDWARE)
    assert finished(KERNEL, EMULATE, HARDWARE)[-1].exits == alone.exits
    (emulated,) = finished(KERNEL, EMULATE)
    assert finished(KERNEL, HARDWARE, EMULATE)[-1].exits == emulated.exits


def test_below_a_hypervisor_that_emulates_it_saves_its_exits():
    below = [finished(KERNEL, how, EMULATE)[0].exits.total() for how in (HARDWARE, EMULATE)]
    assert 5 * below[0] < below[1]


def test_a_guest_with_a_quirk_that_enters_its_kernel_runs_well():
    machine = bare(KERNEL, quirks="silent-sstatus")
    (vm,) = finished(KERNEL, HARDWARE, quirks="silent-sstatus")
    assert difference(end(machine), end(vm)) == []
    assert vm.console == bare(KERNEL).console


COUNTING = """
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    li   t0, 1<<11
    csrw mstatus, t0
    la   t0, 1f
    csrw mepc, t0
    mret
1:  la   s0, cell               # in S mode: a counter in memory, and the same in a register
2:  ld   t0, (s0)
    addi t0, t0, {step}
    sd   t0, (s0)
    addi s1, s1, {step}
    j    2b
    .balign 4096
cell: .dword 0
"""
CELL = 0x8000_1000


def counts_right(vm):
    vm.stop()
    return 0 <= vm.hart.x[9] - vm.memory.load(CELL, 8) <= 1000 and vm.hart.x[9] < 1 << 32


def test_of_two_that_take_turns_each_has_its_own_memory():
    """One hart translates for both: what it remembers of one is not for the other."""
    machine = Machine(memory="8M", extensions="H")
    hypervisor = Hypervisor(machine, time_slice=50)
    images = [assemble(COUNTING.format(step=step)) for step in (1, 1000)]
    vms = [hypervisor.create_vm(image, memory="1M", technique=HARDWARE) for image in images]
    machine.run(20_000)
    assert all(vm.exits["time slice"] > 50 and counts_right(vm) for vm in vms)
    assert vms[0].hart.x[9] > 500 and vms[1].hart.x[9] > 500_000


def test_what_becomes_read_only_while_it_runs_is_so_at_once():
    """Its page was written a moment ago, and may not be any more: for a log, and for a clone that shares it."""
    machine = Machine(memory="8M", extensions="H")
    vm = Hypervisor(machine).create_vm(assemble(COUNTING.format(step=1)), memory="1M", technique=HARDWARE)
    machine.run(5000)
    for _turn in range(3):
        vm.log_writes()
        machine.run(500)
        assert vm.take_written() == {CELL - vm.memory.base >> 12}
    clone, count = vm.clone(), vm.hart.x[9]
    machine.run(3000)
    assert counts_right(vm) and vm.hart.x[9] > count + 500
    assert clone.memory.load(CELL, 8) - count in (-1, 0)


def test_beside_others():
    """Two with, one without: each ends as it does alone; nothing of one's registers is left for another."""
    machine = Machine(memory="8M", extensions="H")
    hypervisor = Hypervisor(machine, time_slice=700)
    vms = [hypervisor.create_vm(KERNEL, memory="1M", technique=how) for how in (HARDWARE, EMULATE, HARDWARE)]
    machine.run(20 * MOST, until=lambda: all(vm.status is not None for vm in vms))
    alone = bare(KERNEL)
    for vm in vms:
        assert (vm.console, vm.status, vm.time) == (alone.console, 0, alone.time)


LEAVES_THINGS = assemble("""
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    csrwi mcounteren, 7
    csrwi scounteren, 7         # its users may read the time
    csrwi mideleg, 2
    li   t0, 1<<11
    csrw mstatus, t0
    la   t0, 1f
    csrw mepc, t0
    mret
1:  csrsi sie, 2                # in S mode: an interrupt that is pending and enabled, but for sstatus.SIE
    csrsi sip, 2
2:  addi s1, s1, 1
    j    2b
""")
READS_THE_TIME = assemble("""
    li   s0, 200
1:  rdtime t0
    add  s1, s1, t0
    rdcycle t0
    xor  s2, s2, t0
    csrr t0, mstatus
    add  s3, s3, t0
    addi s0, s0, -1
    bnez s0, 1b
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, (t0)
    j    .
""")


@pytest.mark.parametrize("leaves", ["at the end of its turn", "by hand"])
def test_nothing_of_it_is_left_in_the_registers_for_others(leaves):
    """Its counters stay closed to a guest in real U mode; nor is that one in a guest's mode, or the host kept awake."""
    machine = Machine(memory="8M", extensions="H")
    hypervisor = Hypervisor(machine, time_slice=50)
    one = hypervisor.create_vm(LEAVES_THINGS, memory="1M", technique=HARDWARE)
    other = hypervisor.create_vm(READS_THE_TIME, memory="1M", technique=EMULATE)
    machine.run(20_000, until=lambda: one.running and machine.hart.virtual and one.hart.x[9] > 30)
    if leaves == "at the end of its turn":
        machine.run(20_000, until=lambda: other.running)
    one.pause()
    assert machine.run(40_000) is Stop.ASLEEP
    assert difference(end(bare(READS_THE_TIME)), end(other)) == []


@given(st.integers(1, 400), st.data())
@settings(max_examples=10)
def test_saved_and_restored_anywhere(every, data):
    image = guests.load("tiny")
    straight, (one,) = built(image, HARDWARE)
    straight.run(MOST)
    machine, _vms = built(image, HARDWARE)
    for _turn in range(3):
        machine.run(min(every, max(1, straight.steps - machine.steps)))
        saved = machine.snapshot()
        machine, (vm,) = built(image, HARDWARE)
        machine.restore(saved)
        assert machine.snapshot() == saved
    machine.run(MOST)
    vm = machine.residents[Mode.S].vms[0]
    assert difference(end(one), end(vm)) == []
    assert machine.steps == straight.steps


@given(st.lists(st.integers(1, 900), min_size=1, max_size=6))
@settings(max_examples=10)
def test_stopped_by_hand_and_looked_at_anywhere(places):
    machine, (vm,) = built(KERNEL, HARDWARE)
    for steps in places:
        machine.run(steps)
        vm.look()
        repr(vm)
        vm.snapshot()
        vm.stop()
    machine.run(MOST)
    assert difference(end(bare(KERNEL)), end(vm)) == []


def test_its_state_is_there_to_see_while_it_runs():
    """In VS and VU mode nobody tells the hypervisor: a look finds the modes and registers of the hart."""
    machine, (vm,) = built(KERNEL, HARDWARE)
    alone = Machine(KERNEL, memory="1M", extensions="H")
    seen = set()
    while vm.status is None and machine.steps < 40_000:
        machine.run(97)
        if vm.running and vm.time > alone.time:
            alone.run(time=vm.time)
            if alone.time == vm.time and not vm.hypervisor.in_control:
                seen.add(vm.mode)
                assert vm.hart.csr.values == alone.hart.csr.values
                assert (vm.mode, vm.hart.pc, vm.hart.x[1:32]) == (
                    alone.mode,
                    alone.hart.pc,
                    alone.hart.x[1:32],
                )
                assert vm.hart.retired == alone.hart.retired
    assert seen >= {Mode.S, Mode.U}


def test_no_entry_leads_outside():
    machine, (vm,) = built(KERNEL, HARDWARE)
    while vm.status is None:
        machine.run(1_000)
        shadow = vm.technique.shadow
        assert set(shadow.frames()) <= set(vm.technique.frames)
        for _place, _part, entry in shadow._entries():
            assert entry.physical // PAGE in own_frames(vm)
    assert G_STAGE in vm.technique.shadow.shadows


def test_writes_are_logged():
    machine, (vm,) = built(KERNEL, HARDWARE)
    machine.run(3_000)
    vm.log_writes()
    before = vm.snapshot().pages
    machine.run(6_000)
    written = vm.take_written()
    after = vm.snapshot().pages
    changed = {page for page in {*before, *after} if before.get(page) != after.get(page)}
    assert changed and changed <= written
    machine.run(MOST)
    assert difference(end(bare(KERNEL)), end(vm)) == []


def test_a_clone_goes_on_by_itself():
    machine = Machine(memory="8M", extensions="H")
    hypervisor = Hypervisor(machine)
    vm = hypervisor.create_vm(KERNEL, memory="1M", technique=HARDWARE)
    machine.run(9_000)
    twin = vm.clone()
    machine.run(20 * MOST, until=lambda: vm.status == twin.status == 0)
    assert difference(end(vm), end(twin)) == []
    assert difference(end(bare(KERNEL)), end(vm)) == []


@pytest.mark.parametrize("granted", ["", "r", "x", "rw", "rx", "rwx"])
@pytest.mark.parametrize(("access", "cause"), [("ld a0, 0(t0)", 5), ("sd a0, 0(t0)", 7), ("jr t0", 1)])
def test_what_the_guests_firmware_forbids_is_forbidden(access, cause, granted):
    """Its own PMP is in the second stage too: an access fault of its own, not a guest-page fault."""
    config = 0x1F_080F | sum(1 << 8 + "rwx".index(right) for right in granted)
    image = assemble(f"""
    la t0, done
    csrw mtvec, t0
    la t0, secret
    srli t0, t0, 2
    csrw pmpaddr0, t0
    addi t0, t0, 0x400
    csrw pmpaddr1, t0
    li t0, -1
    csrw pmpaddr2, t0
    li t0, {config}
    csrw pmpcfg0, t0
    li t0, 1 << 11
    csrw mstatus, t0
    la t0, kernel
    csrw mepc, t0
    mret
kernel:
    la t0, secret
    {access}
    ecall
done:
    csrr a1, mcause
    csrr a2, mtval
    li t0, 0x100000
    li t1, 0x5555
    sw t1, 0(t0)
    j .
.balign 4096
secret: ecall
.balign 4096
""")
    machine = bare(image)
    allowed = "rwx"[(5, 7, 1).index(cause)] in granted
    assert machine.hart.x[11] == (9 if allowed else cause)
    host, (vm,) = built(image, HARDWARE)
    host.run(100_000)
    assert difference(end(machine), end(vm)) == []


def test_a_machine_without_the_extension_cannot_assist():
    hypervisor = Hypervisor(Machine(memory="4M"))
    with pytest.raises(VlabError, match="no H extension"):
        hypervisor.create_vm(KERNEL, memory="1M", technique=HARDWARE)
    assert hypervisor.vms == []


def test_a_damaged_state_is_refused():
    machine, (vm,) = built(KERNEL, HARDWARE)
    machine.run(5_000)
    before = machine.snapshot()
    state = vm.hypervisor.state()
    for damage in ({"traps": -1}, {"stale": 1}, {"fault": [0]}, {"fault": [0, 1 << 64]}):
        row = state["vms"][0] | {"technique": state["vms"][0]["technique"] | damage}
        with pytest.raises(VlabError):
            vm.hypervisor.restore(state | {"vms": [row]})
    assert machine.snapshot() == before


ENABLES_LATE = assemble("""
        li      t0, -1
        csrw    pmpaddr0, t0
        li      t0, 0x1f
        csrw    pmpcfg0, t0
        li      t0, 0x800
        csrw    mstatus, t0
        li      t0, 0x200
        csrw    mideleg, t0
        la      t0, came
        csrw    stvec, t0
        li      a0, 0x10000000          # the UART interrupts when something is typed; its source is 10
        li      t1, 1
        sb      t1, 1(a0)
        li      a0, 0x0c000000
        sw      t1, 40(a0)
        li      a0, 0x0c002080
        li      t1, 0x400
        sw      t1, 0(a0)
        li      a0, 0x0c201000
        sw      zero, 0(a0)
        la      t0, 1f
        csrw    mepc, t0
        mret
1:      csrsi   sstatus, 2
        li      s1, 3000
2:      addi    s1, s1, -1
        bnez    s1, 2b
        li      t0, 0x200
        csrw    sie, t0
3:      addi    s2, s2, 1
        j       3b
        .balign 4
came:   csrr    s3, scause
        csrw    sie, zero
4:      j       4b
""")


@pytest.mark.parametrize(("engine", "technique"), list(product(ENGINES, (HARDWARE, EMULATE))))
def test_an_interrupt_that_came_before_the_guest_enabled_it_is_not_lost(engine, technique):
    """It enables it by itself, and does not exit again."""
    machine, (vm,) = built(ENABLES_LATE, technique, engine=engine)
    machine.run(2000)
    vm.type("x")
    machine.run(20_000)
    assert (vm.hart.x[9], vm.hart.x[18], vm.hart.x[19]) == (0, 0, 1 << 63 | 9)


ALARM_OF_M_MODE = assemble("""
        .globl  _start
_start: la      t0, came
        csrw    mtvec, t0
        li      t0, -1
        csrw    pmpaddr0, t0
        csrwi   pmpcfg0, 31
        csrw    menvcfg, t0             # S mode has an alarm,
        csrwi   mcounteren, 7
        li      t0, 32
        csrw    mie, t0                 # of which M mode hears: nobody delegates it
        li      t0, 0x1800
        csrc    mstatus, t0
        li      t0, 0x800
        csrs    mstatus, t0
        la      t0, 1f
        csrw    mepc, t0
        mret
1:      csrw    stimecmp, zero
2:      addi    s1, s1, 1
        j       2b
        .balign 4
came:   csrr    s2, mcause
        csrr    s3, mepc
        csrw    mie, zero
3:      j       3b
""")


@pytest.mark.parametrize("engine", ENGINES)
def test_an_alarm_that_a_guests_s_mode_sets_and_its_m_mode_hears_rings_at_once(engine):
    """The hart's own alarm for guests rings in VS mode alone: the hypervisor has to see this one set."""
    bare = Machine(ALARM_OF_M_MODE, memory="64K", extensions="H", engine=engine)
    bare.run(2_000)
    machine, (vm,) = built(ALARM_OF_M_MODE, HARDWARE, engine=engine)
    machine.run(20_000)
    found = [[computer.hart.x[number] for number in (9, 18, 19)] for computer in (bare, vm)]
    assert found[0] == found[1]
    assert found[1][:2] == [0, 1 << 63 | 5]
