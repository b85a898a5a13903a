"""A guest that was built for it does with few exits what another does with many; and nobody is believed."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.inspector import inspect, outside
from tests.hypervisor.techniques.hypercalls import RAM, TRAPS, program, run
from tests.hypervisor.towers import POLICIES, Tower, difference, end, tower
from tests.parts import machine_under, symbols_of
from vlab import guests
from vlab.events import Emulation, Exit, ShadowFlush
from vlab.hypervisor import Hypervisor, Paravirtual, VirtualMachine
from vlab.hypervisor.techniques.hypercalls import (
    BAD_ADDRESS,
    INVALID,
    MOST_TEXT,
    MOST_UPDATES,
    NO_SUCH_CALL,
    NOT_CONNECTED,
    OK,
    TOO_MANY,
    Call,
)
from vlab.language import VlabError
from vlab.machine import Machine, Sbi, Snapshot, Stop
from vlab.machine.snapshot import WORD
from vlab.riscv import Cause

SMALL = {"TICK": 300, "WORK": 60, "LETTERS": 2, "PRIMES": 100}
LONG = {"TICK": 20_000}  # so long that no line depends on how much time a line takes
BUILT = guests.load("kernel", PARAVIRTUAL=1, **SMALL)


def built(image=BUILT, depth=1, shadow=None) -> Tower:
    """A paravirtual guest, `depth` deep: the VMs around it trap and emulate."""
    techniques = *["trap-and-emulate"] * (depth - 1), "paravirtual"
    return tower(image, depth, technique=techniques, shadow=(*["lazy"] * (depth - 1), shadow))


def signed(value: int) -> int:
    return value - WORD if value >> 63 else value


# The kernel, built from the same source


@pytest.mark.parametrize("shadow", [None, *POLICIES])
def test_the_kernel_prints_what_it_prints_on_the_bare_machine(shadow):
    bare = Machine(guests.load("kernel", **LONG), memory="1M")
    bare.run()
    vm = built(guests.load("kernel", PARAVIRTUAL=1, **LONG), shadow=shadow).run().vms[0]
    assert (vm.console, vm.status) == (bare.console, 0)


@pytest.mark.parametrize("shadow", [None, *POLICIES])
def test_it_exits_for_hypercalls_system_calls_and_its_alarm_alone(shadow):
    vm = built(shadow=shadow).run().vms[0]
    others = {reason for reason in vm.exits if not reason.startswith("hypercall: ")}
    assert others == {"system call", "timer"}
    assert vm.exits["hypercall: return"] >= vm.exits["system call"] - 2


@pytest.mark.parametrize("shadow", POLICIES)
def test_it_exits_far_less_than_the_kernel_that_does_not_know(shadow):
    unknowing = tower(guests.load("kernel", **SMALL), 1, shadow=shadow).run().vms[0]
    assert 5 * built(shadow=shadow).run().vms[0].exits.total() < unknowing.exits.total()


@pytest.mark.parametrize("tick", [200, 450, 1500, 3000])
def test_with_ticks_in_between_each_process_says_the_same(tick):
    bare = Machine(guests.load("kernel", TICK=tick), memory="1M")
    bare.run()
    vm = built(guests.load("kernel", PARAVIRTUAL=1, TICK=tick)).run().vms[0]
    for process in ("[1]", "[2]"):
        lines = [line for line in vm.console.splitlines() if line.startswith(process)]
        assert lines == [line for line in bare.console.splitlines() if line.startswith(process)]
    assert vm.console.endswith(" 28 system calls\n")


def test_how_deep_it_is_makes_no_difference_to_it():
    one, two, three = (built(depth=depth).run().vms[-1] for depth in (1, 2, 3))
    for other in (two, three):
        assert difference(end(one), end(other)) == []
        assert other.exits == one.exits


def test_a_snapshot_at_any_point_is_invisible():
    whole = built()
    whole.run()
    random = Random(5)
    for _point in range(25):
        part = built()
        part.machine.run(random.randrange(whole.machine.steps))
        again = Machine(memory=part.machine.memory.size)
        again.restore(part.machine.snapshot())
        again.run()
        assert again.snapshot() == whole.machine.snapshot()


def test_it_goes_on_in_another_virtual_machine():
    whole, half = built().run().vms[0], built()
    half.machine.run(until=lambda: half.vms[0].time > 3000)
    other = built(None)
    other.guest.restore(half.guest.snapshot())
    assert difference(end(whole), end(other.run().vms[0])) == []


def test_a_clone_goes_on_like_it():
    machine = Machine(memory="8M")
    parent = Hypervisor(machine).create_vm(BUILT, memory="1M", technique="paravirtual")
    machine.run(until=lambda: parent.time > 3000)
    twin = parent.clone()
    machine.run()
    assert twin.console == parent.console == built().run().vms[0].console
    assert difference(end(parent), end(twin)) == []


def test_beside_guests_of_other_kinds_it_is_as_it_is_alone():
    alone = built().run().vms[0]
    machine = Machine(memory="16M")
    hypervisor = Hypervisor(machine, time_slice=400)
    known = [hypervisor.create_vm(BUILT, memory="1M", technique="paravirtual") for _vm in range(2)]
    unknowing = hypervisor.create_vm(guests.load("kernel", **SMALL), memory="1M")
    machine.run()
    bare = Machine(guests.load("kernel", **SMALL), memory="1M")
    bare.run()
    assert unknowing.console == bare.console
    for vm in known:
        assert difference(end(alone), end(vm)) == []
        assert vm.exits - alone.exits == {"time slice": vm.exits["time slice"]} != {"time slice": 0}


def test_on_a_machine_with_a_quirk_it_works():
    machine = Machine(memory="4M", quirks="silent-sstatus")
    vm = Hypervisor(machine).create_vm(BUILT, memory="1M", technique="paravirtual")
    machine.run()
    alone = built().run().vms[0]
    assert [where for where in difference(end(alone), end(vm)) if "hart.quirks" not in where] == []
    assert vm.exits == alone.exits
    unknowing = Hypervisor(Machine(memory="4M", quirks="silent-sstatus"))
    other = unknowing.create_vm(guests.load("kernel", **SMALL), memory="1M")
    machine_under(unknowing).run(300_000)
    assert "both have exited" not in other.console


# What is missing


def test_the_kernel_as_it_is_is_stopped_at_its_first_sensitive_instruction():
    vm = built(guests.load("kernel")).run().vms[0]
    assert dict(vm.exits) == {"missing instruction": 1}
    assert (vm.status, vm.console) == (1, "")
    assert repr(vm.technique).endswith(
        "stopped at 0x80000008: a paravirtual computer does not have `csrw mtvec, t0`"
    )
    assert vm.hart.csr["mtvec"] == 0


def test_a_guest_with_a_handler_is_told_what_is_missing():
    body = TRAPS + "csrr t0, sstatus\nrdtime t0\nwfi\nsfence.vma\n.word 0\nsret\n"
    vm = run(program(body))
    assert (vm.status, vm.hart.x[26], vm.hart.x[27]) == (0, 6, Cause.ILLEGAL_INSTRUCTION)
    assert (vm.exits["missing instruction"], vm.exits["illegal instruction"]) == (5, 1)


def test_a_trap_without_a_handler_ends_the_guest():
    vm = run(program("li t0, 0x30000000\nld t0, (t0)"))
    assert vm.status == 1
    assert "load access fault (value 0x30000000), and no handler for it" in repr(vm.technique)
    vm.load(BUILT)
    assert "stopped" not in repr(vm.technique)
    assert vm.status is None


def test_a_hypervisor_as_it_is_is_refused():
    vm = built(None).vms[0]
    with pytest.raises(VlabError, match="needs instructions that a paravirtual computer does not have"):
        Hypervisor(vm)
    Sbi(vm).load(guests.load("sbi_hello"))
    vm.history.machine.run(1000)
    assert (vm.status, vm.exits.total()) == (1, 0)
    assert "software in Python" in repr(vm.technique)


def test_a_state_with_a_hypervisor_in_it_is_stopped():
    outer = tower(guests.load("tiny"), 2)
    outer.machine.run(2000)
    vm = Hypervisor(Machine(memory="8M")).create_vm(memory=outer.vms[0].memory.size, technique="paravirtual")
    vm.restore(outer.vms[0].snapshot())
    assert vm.history.machine.run(20_000) is Stop.ASLEEP
    assert vm.status == 1


# The contract


PAGE = "la s0, page\n"
BAD = [
    (Call.TRAPS, "page", "page+8", BAD_ADDRESS),
    (Call.TRAPS, "page", "0x80080000", BAD_ADDRESS),
    (Call.TRAPS, "page", "-1", BAD_ADDRESS),
    (Call.TABLE, "1", "0", INVALID),
    (Call.TABLE, "8<<60", "0", INVALID),
    (Call.TABLE, "8<<60|0x80080", "0", INVALID),
    (Call.TABLE, "9<<60|0x80000", "0", INVALID),
    (Call.TABLE, "8<<60|1<<44|0x80000", "0", INVALID),
    (Call.UPDATE, "page", MOST_UPDATES + 1, TOO_MANY),
    (Call.UPDATE, "page", "-1", TOO_MANY),
    (Call.UPDATE, "0x8007fff8", "1", BAD_ADDRESS),
    (Call.UPDATE, "0x10000000", "1", BAD_ADDRESS),
    (Call.UPDATE, "page", "1", BAD_ADDRESS),  # the page is zero: an entry at address 0
    (Call.UPDATE, "-8", "1", BAD_ADDRESS),
    (Call.CONSOLE, "page", MOST_TEXT + 1, TOO_MANY),
    (Call.CONSOLE, "page", "-1", TOO_MANY),
    (Call.CONSOLE, "0x8007ffff", "2", BAD_ADDRESS),
    (Call.CONSOLE, "0x10000000", "1", BAD_ADDRESS),
    (Call.CONSOLE, "-1", "2", BAD_ADDRESS),
    (Call.BIND, "0", "0", INVALID),
    (Call.BIND, "0", "64", INVALID),
    (Call.BIND, "1", "1", INVALID),
    (Call.BIND, "-2", "1", INVALID),
    (Call.SEND, "1", "0", NOT_CONNECTED),
    (Call.SEND, "-1", "0", NOT_CONNECTED),
    (Call.FIND, "-1", "0", INVALID),
    (Call.FIND, "2", "0", INVALID),
    (Call.GRANT, "page", "1", NOT_CONNECTED),
    (Call.COPY, "page", "1", NOT_CONNECTED),
    (14, "0", "0", NO_SUCH_CALL),
    (-1, "0", "0", NO_SUCH_CALL),
]


@pytest.mark.parametrize(("call", "first", "second", "error"), BAD)
def test_wrong_arguments_are_an_error_and_nothing_else(call, first, second, error):
    loads = [
        f"{'la' if str(n).startswith('page') else 'li'} a{i}, {n}" for i, n in enumerate((first, second))
    ]
    body = TRAPS + "\n".join(loads) + f"\nhypercall {int(call)}\nmv s1, a0\n"
    vm = run(program(body))
    assert (vm.status, signed(vm.hart.x[9]), vm.console, vm.hart.x[26]) == (0, error, "", 0)
    harmless = run(program(TRAPS + "\n".join(loads) + f"\nhypercall {int(Call.EVENTS)}\nmv s1, a0\n"))
    assert vm.hart.csr.values == harmless.hart.csr.values
    assert vm.memory.pages() | {0: b""} == harmless.memory.pages() | {0: b""}  # all but the code


@pytest.mark.parametrize(
    ("entry", "result"),
    [
        ("0", OK),
        ("0x12345600", OK),  # not valid: anything may stand there
        ("(page>>2)|0xcf", OK),
        ("(page>>2)|1", OK),
        ("(0x10000000>>2)|0xc7", OK),  # a device
        ("0x01|(0x80080000>>2)", INVALID),  # a table behind its memory
        ("0xcf|(0x80080000>>2)", INVALID),
        ("0xcf|(0x7ffff000>>2)", INVALID),
        ("0xcf|(0x40000000>>2)", INVALID),
        ("0xc5|(0x80000000>>2)", INVALID),  # W without R
        ("0x41|(0x80000000>>2)", INVALID),  # a pointer is not accessed
        ("0xcf|(0x80000000>>2)|1<<54", INVALID),
    ],
)
def test_entries_lead_to_the_guests_own_memory(entry, result):
    body = TRAPS + PAGE + f"sd s0, (s0)\nla t0, page\nli t1, {entry.replace('page', '0x80000000')}\n"
    vm = run(program(body + "sd t1, 8(s0)\nupdate_tables page, 1\nmv s1, a0\nld s2, (s0)\n"))
    place = symbols_of(vm)["page"]
    assert signed(vm.hart.x[9]) == result
    assert vm.hart.x[18] == (place if result else vm.memory.load(place + 8, 8))


def test_updates_are_done_all_or_none():
    good = "la t0, page+2048\nsd t0, (s0)\nli t1, 0x200000cf\nsd t1, 8(s0)\n"
    bad = "li t0, 4\nsd t0, 16(s0)\n"
    vm = run(program(TRAPS + PAGE + good + bad + "update_tables page, 2\nmv s1, a0\n"))
    assert signed(vm.hart.x[9]) == BAD_ADDRESS
    assert vm.memory.load(symbols_of(vm)["page"] + 2048, 8) == 0


TABLES = """
    .balign 4096
root: .zero 4096
middle: .zero 4096
leaf: .zero 4096
list: .zero 4096
frames: .zero 8*4096
"""
PAGED = (
    TRAPS
    + """
    la   s1, root
    la   s2, middle
    la   s3, leaf
    la   s5, frames
    la   s6, list
    li   t1, (0x80000000>>2)|0xcf
    sd   t1, 2*8(s1)            # the kernel
    srli t1, s2, 2
    ori  t1, t1, 1
    sd   t1, 1*8(s1)
    srli t1, s3, 2
    ori  t1, t1, 1
    sd   t1, (s2)
    li   t2, 0                  # 8 pages at 0x4000_0000; each begins with its number
1:  slli t3, t2, 12
    add  t3, t3, s5
    sd   t2, (t3)
    srli t3, t3, 2
    ori  t3, t3, 0x17
    slli t4, t2, 3
    add  t4, t4, s3
    sd   t3, (t4)
    addi t2, t2, 1
    li   t3, 8
    bne  t2, t3, 1b
    srli s4, s1, 12
    li   t1, 8<<60
    or   s4, s4, t1
    switch_table s4
    li   s4, 0x40000000
"""
)
TURN = """                      # the list: the pages in the other order
    li   t2, 0
1:  slli t3, t2, 4
    add  t3, t3, s6
    slli t4, t2, 3
    add  t4, t4, s3
    sd   t4, 0(t3)
    li   t4, 7
    sub  t4, t4, t2
    slli t4, t4, 12
    add  t4, t4, s5
    srli t4, t4, 2
    ori  t4, t4, 0x17
    sd   t4, 8(t3)
    addi t2, t2, 1
    li   t3, 8
    bne  t2, t3, 1b
"""
BATCH = "update_tables list, 8\n"
ONE = "1: ld t4, (t3)\nld t5, 8(t3)\nsd t5, (t4)\naddi t3, t3, 16\n"
ONE_BY_ONE = f"li t2, 8\nmv t3, s6\n{ONE}addi t2, t2, -1\nbnez t2, 1b\n"
LOOK = "ld s7, (s4)\nli t0, 0x40007000\nld s8, (t0)\n"


@pytest.mark.parametrize("shadow", POLICIES)
def test_a_batch_of_updates_is_one_exit_and_its_own_fence(shadow):
    vm = run(program(PAGED + TURN + LOOK + "mv s1, s7\n" + BATCH + LOOK, TABLES), shadow=shadow)
    assert (vm.hart.x[9], vm.hart.x[23], vm.hart.x[24]) == (0, 7, 0)
    assert vm.exits["hypercall: update"] == 1
    assert vm.exits["page-table write"] == 0


def test_a_plain_store_to_a_table_in_use_exits_each_time_and_is_seen():
    vm = run(program(PAGED + TURN + LOOK + "mv s1, s7\n" + ONE_BY_ONE + LOOK, TABLES))
    assert (vm.hart.x[9], vm.hart.x[23], vm.hart.x[24]) == (0, 7, 0)
    assert vm.exits["page-table write"] == 8


def test_a_table_is_entered_when_it_is_loaded():
    with_fills = run(program(PAGED + LOOK + "sd s7, (s4)\nlw s7, 0x80(s0)\n".replace("s0", "s4"), TABLES))
    assert with_fills.exits["shadow fill"] == 0


def test_a_policy_is_told_of_another_table():
    machine = Machine(memory="4M")
    back = "switch_table zero\n" + LOOK.replace("s4", "s1")
    vm = Hypervisor(machine).create_vm(
        program(PAGED + back, TABLES), memory="512K", technique="paravirtual", shadow="eager"
    )
    with machine.events.record() as record:
        machine.run(20_000)
    assert [event.reason for event in record.only(ShadowFlush)].count("satp written") == 2
    assert vm.status == 0


def test_its_tables_are_true_and_its_writes_are_logged():
    half = built()
    vm = half.vms[0]
    half.machine.run(until=lambda: vm.time > 1000)
    vm.log_writes()
    before = vm.memory.pages()
    states = set()
    for _look in range(30):
        half.machine.run(500)
        states |= {state for state, count in vm.tables().pages.items() if count}
    after = vm.memory.pages()
    changed = {page for page in {*before, *after} if before.get(page) != after.get(page)}
    written = vm.take_written()
    assert changed <= written
    assert len(written) < 20
    assert "same" in states and "stale" not in states


USER = (
    PAGED.replace("ori  t3, t3, 0x17", "ori  t3, t3, 0x1f")
    + """
    la   t0, user               # the program: into the first page
    ld   t1, 0(t0)
    sd   t1, 0(s5)
    ld   t1, 8(t0)
    sd   t1, 8(s5)
    la   s8, page
    la   t0, caught
    set_traps t0
    addi sp, sp, -272
    sd   s4, 0(sp)
    sd   s4, 8*2(sp)
    sd   zero, 8*32(sp)
    la   t0, stack
    set_stack t0
    return_from_trap
    .balign 8
user:
    {steps}
    .balign 8
caught:
    info s1, INFO_CAUSE
    info s2, INFO_VALUE
    info s3, INFO_SP
    info s7, INFO_STATUS
    mv   s9, sp
"""
)


@pytest.mark.parametrize(
    ("steps", "cause", "value"),
    [
        ("ld t0, (s8)\nnop\nnop\nnop", Cause.LOAD_PAGE_FAULT, "page"),
        ("sd t0, (s8)\nnop\nnop\nnop", Cause.STORE_PAGE_FAULT, "page"),
        ("jr s8\nnop\nnop\nnop", Cause.INSTRUCTION_PAGE_FAULT, "page"),
        ("li a7, 7\necall\nnop\nnop", Cause.ECALL_FROM_U, 0),
        ("csrr t0, sstatus\nnop\nnop\nnop", Cause.ILLEGAL_INSTRUCTION, 0x1000_22F3),
        ("ebreak\nnop\nnop\nnop", Cause.BREAKPOINT, 0x4000_0000),
    ],
)
def test_a_program_can_do_nothing_that_is_its_kernels(steps, cause, value):
    vm = run(program(USER.format(steps=steps), TABLES))
    symbols = symbols_of(vm)
    told = [vm.hart.x[n] for n in (9, 18, 19, 23)]
    assert told == [cause, symbols.get(value, value), 0x4000_0000, 0]
    assert vm.hart.x[25] == symbols["stack"]  # the kernel has the stack that it wanted
    assert (vm.status, vm.console) == (0, "")


def test_events_wait_while_they_are_masked():
    count = "set_alarm s0\nli t0, 60\n1: addi t0, t0, -1\nbnez t0, 1b\n"
    handler = "la t0, rang\nset_traps t0\nli s0, 20\nli s1, 0\n"
    after = "mv s2, s1\nunmask_events\nmv s3, s1\nmask_events\nj off\n"
    rang = "rang: take_events s1\naddi sp, sp, -272\nsd a7, 136(sp)\ninfo s5, INFO_PC\nsd s5, (sp)\n"
    back = "info s5, INFO_SP\nsd s5, 16(sp)\ninfo s5, INFO_STATUS\nsd s5, 256(sp)\nreturn_from_trap\n"
    vm = run(program(handler + count + after + ".balign 4\n" + rang + back))
    assert (vm.hart.x[18], vm.hart.x[19]) == (0, 1)
    assert vm.exits["hypercall: events"] == 1
    vm = run(program(handler + "unmask_events\n" + count + after + ".balign 4\n" + rang + back))
    assert (vm.hart.x[18], vm.hart.x[19]) == (1, 1)  # it came while it counted
    assert vm.exits["hypercall: events"] == 0


def test_a_return_masks_events_again_or_does_not():
    trap = "csrr t0, sstatus\ninfo {to}, INFO_MASK\n"
    vm = run(
        program(TRAPS + "unmask_events\n" + trap.format(to="s1") + "mask_events\n" + trap.format(to="s2"))
    )
    assert (vm.hart.x[26], vm.hart.x[9], bool(vm.hart.x[18])) == (2, 0, True)


def test_an_event_that_was_taken_wakes_nobody():
    rung = "li t0, 20\nset_alarm t0\nli t0, 60\n1: addi t0, t0, -1\nbnez t0, 1b\ntake_events s1\n"
    vm = run(program(TRAPS + rung + "wait_for_event\nli s2, 1\n"))
    assert (vm.hart.x[9], vm.hart.x[18], vm.status) == (1, 0, None)


def test_waiting_ends_at_the_alarm_and_costs_its_time():
    vm = run(program(TRAPS + "li t0, 5000\nset_alarm t0\nwait_for_event\ntake_events s1\n"))
    assert (vm.hart.x[9], vm.time > 5000, vm.skipped > 4900) == (1, True, True)
    assert run(program(TRAPS + "wait_for_event\n")).status is None  # nothing will come


def test_hypercalls_are_told():
    told = built()
    with told.machine.events.record() as record:
        told.run()
    reasons = {event.reason for event in record.only(Exit)}
    assert reasons == set(told.vms[0].exits)
    calls = [event.text for event in record.only(Emulation) if event.text.startswith("hypercall")]
    assert {reason: calls.count(reason) for reason in set(calls)} == {
        reason: count for reason, count in told.vms[0].exits.items() if reason.startswith("hypercall")
    }


# Channels


def pair(depth=1, **constants) -> tuple[Machine, VirtualMachine, VirtualMachine]:
    """Two guests that ring each other's bell."""
    outer = tower(None, depth - 1, memory=4 << 20)
    hypervisor = Hypervisor(outer.guest)
    images = [guests.load("paravirtual", FIRST=1 - n, OTHER=1 - n, **constants) for n in range(2)]
    one, other = (hypervisor.create_vm(image, memory="256K", technique="paravirtual") for image in images)
    return outer.machine, one, other


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_two_guests_ring_each_others_bell(depth):
    machine, one, other = pair(depth, ROUNDS=4)
    assert machine.run(1_000_000) is Stop.ASLEEP
    assert (one.console, other.console) == ("ding\n" * 4, "dong\n" * 4)
    assert (one.status, other.status) == (0, 0)
    assert (one.exits["hypercall: send"], other.exits["hypercall: send"]) == (5, 4)  # the first was too early


def test_channels_are_in_snapshots():
    whole, *_vms = pair()
    whole.run()
    for step in range(0, whole.steps, 13):
        machine, *_vms = pair()
        machine.run(step)
        again = Machine(memory=machine.memory.size)
        again.restore(machine.snapshot())
        again.run()
        assert again.snapshot() == whole.snapshot()


def test_nobody_is_rung_who_does_not_want_it():
    machine = Machine(memory="4M")
    hypervisor = Hypervisor(machine)
    listens = program(TRAPS + "bind_channel 0, 2\nwait_for_event\n")  # it names another channel
    rings = program(
        TRAPS + "bind_channel 1, 1\nmv s2, a0\nsend_event 1\nmv s1, a0\nsend_event 2\nmv s3, a0\n"
    )
    one = hypervisor.create_vm(rings, memory="256K", technique="paravirtual")
    other = hypervisor.create_vm(listens, memory="256K", technique="paravirtual")
    hypervisor.create_vm(memory="256K")
    machine.run()
    assert [signed(one.hart.x[n]) for n in (9, 18, 19)] == [NOT_CONNECTED, 0, NOT_CONNECTED]
    assert other.status is None


def test_a_guest_of_another_kind_has_no_channels():
    machine = Machine(memory="4M")
    hypervisor = Hypervisor(machine)
    rings = program(TRAPS + "bind_channel 1, 1\nmv s1, a0\nbind_channel 0, 1\nsend_event 1\nmv s2, a0\n")
    one = hypervisor.create_vm(rings, memory="256K", technique="paravirtual")
    hypervisor.create_vm(guests.load("tiny"), memory="256K")
    machine.run()
    assert [signed(one.hart.x[n]) for n in (9, 18)] == [INVALID, OK]  # but to itself it may


def test_who_comes_in_a_removed_guests_place_is_not_connected():
    machine, one, other = pair(ROUNDS=1000)
    machine.run(3000)
    hypervisor = one.hypervisor
    hypervisor.remove(other)
    late = program(TRAPS + "wait_for_event\n")
    again = hypervisor.create_vm(late, memory="256K", technique="paravirtual")
    assert again.technique.frames == other.technique.frames
    machine.run(100_000)
    assert (one.status, again.status) in [(1, None), (None, None)]
    assert again.exits["hypercall: wait"] == 1


# Nobody is believed

WORDS = st.one_of(
    st.integers(0, 70),
    st.integers(0, WORD - 1),
    st.sampled_from(
        [RAM, RAM + 0x1000, RAM + 0x7FFF8, RAM + 0x80000, 0x1000_0000, 1 << 62, WORD - 1, WORD - 8]
    ),
    st.integers(0, 0x90).map(lambda n: RAM + 0x1000 * n),
    st.integers(0, 0x90).map(lambda n: 8 << 60 | RAM >> 12 | n),
    st.tuples(st.integers(0, 0x90), st.integers(0, 255)).map(lambda p: RAM >> 2 | p[0] << 10 | p[1]),
)
CALLS = st.lists(
    st.tuples(st.integers(0, 12), WORDS, WORDS, st.lists(WORDS, max_size=6)), min_size=1, max_size=12
)
WILD_DATA = "list: .zero 4096\ntables: .zero 8*4096\n"


def wild(calls) -> str:
    """Hypercalls with such arguments; the list of updates, and what may become page tables, hold such words too."""
    lines = [TRAPS]
    for number, first, second, words in calls:
        for place, word in enumerate(words):
            lines += [
                f"li t0, {word}",
                f"la t1, {'list' if number % 2 else 'tables'}",
                f"sd t0, {8 * place}(t1)",
            ]
        list_now = number == Call.UPDATE and first % 3
        lines += [
            "la a0, list" if list_now else f"li a0, {first}",
            f"li a1, {second % 40 if list_now else second}",
        ]
        lines += [f"hypercall {number}"]
    return "\n".join(lines) + "\n"


@given(CALLS)
@settings(max_examples=150)
def test_wild_hypercalls(calls):
    survives(program(wild(calls), WILD_DATA), "paravirtual")


@given(CALLS, st.sampled_from(POLICIES))
@settings(max_examples=40)
def test_wild_hypercalls_under_every_policy(calls, shadow):
    survives(program(wild(calls), WILD_DATA), "paravirtual", shadow)


@given(
    st.lists(st.tuples(st.integers(0, 1 << 54), st.booleans()), min_size=8, max_size=8),
    st.sampled_from(POLICIES),
)
@settings(max_examples=60)
def test_wild_tables(entries, shadow):
    """Leaves that lead anywhere, stored before the table is loaded, or given in updates."""
    near = [RAM >> 2 | (value % 0x90) << 10 | value >> 10 & 0xFF for value, _near in entries]
    words = [value if far else other for (value, far), other in zip(entries, near, strict=True)]
    load = "".join(f"li t0, {word}\nsd t0, {8 * n}(s3)\n" for n, word in enumerate(words[:4]))
    told = "".join(
        f"li t0, {word}\nsd t0, 8(s6)\naddi t1, s3, {8 * n}\nsd t1, (s6)\nupdate_tables list, 1\n"
        for n, word in enumerate(words[4:], 4)
    )
    touch = "".join(f"li t0, {0x4000_0000 + 0x1000 * n}\nld t1, (t0)\nsd t1, 8(t0)\n" for n in range(8))
    body = PAGED.replace("    switch_table s4\n", load + "    switch_table s4\n") + touch + told + touch
    survives(program(body, TABLES), "paravirtual", shadow)


@given(CALLS)
@settings(max_examples=20)
def test_wild_hypercalls_to_who_trusts(calls):
    survives(program(wild(calls), WILD_DATA), "trusting")


@pytest.mark.slow
@given(CALLS, st.sampled_from([None, *POLICIES]))
@settings(max_examples=2000)
def test_many_wild_hypercalls(calls, shadow):
    survives(program(wild(calls), WILD_DATA), "paravirtual", shadow)


def survives(image, technique, shadow=None):
    """It ends at the limit or before, and nothing outside its memory is in its reach, or changed."""
    machine = Machine(memory="4M")
    hypervisor = Hypervisor(machine)
    vm = hypervisor.create_vm(image, memory="512K", technique=technique, shadow=shadow)
    before = outside(machine, [vm])
    for _look in range(8):
        if machine.run(60) is not Stop.LIMIT:
            break
        inspect(machine, [vm])
    assert outside(machine, [vm]) == before


@given(st.lists(st.tuples(st.sampled_from(list(Call)), st.integers(0, WORD - 1), st.integers(0, WORD - 1))))
@settings(max_examples=40)
def test_each_hypercall_ends_with_an_error_of_the_contract(calls):
    vm = run(program(TRAPS + "1: j 1b\n"), steps=200)
    vm.stop()
    assert isinstance(vm.technique, Paravirtual)
    for number, first, second in calls:
        result = vm.technique._call(number, first, second)
        assert result in (None, *range(NOT_CONNECTED, OK + 1))


# Damaged states


def technique_row(state):
    """The saved VM in a copy of a machine's state, to be changed, and that copy."""
    residents = state["residents"]
    row = dict(residents["S"]["state"]["vms"][0])
    copied = {name: part | {"state": part["state"] | {"vms": [row]}} for name, part in residents.items()}
    return row, Snapshot(dict(state) | {"residents": copied})


def test_a_state_with_software_in_python_is_refused():
    whole = built()
    whole.machine.run(2000)
    saved = whole.machine.snapshot()
    row, damaged = technique_row(saved.state)
    row["residents"] = {"S": {"kind": "sbi", "state": {"start": None}}}
    with pytest.raises(VlabError, match="no state of a paravirtual guest"):
        whole.machine.restore(damaged)
    assert whole.machine.snapshot() == saved


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channels", [[0, 5]]),
        ("channels", [[64, 5]]),
        ("channels", [[1]]),
        ("channels", [[1, -1]]),
        ("channels", 7),
        ("raised", -1),
        ("raised", None),
        ("stopped", [1, 2]),
        ("stopped", "no"),
    ],
)
def test_a_damaged_state_is_refused(field, value):
    whole = built()
    whole.machine.run(2000)
    saved = whole.machine.snapshot()
    row, damaged = technique_row(saved.state)
    row["technique"] = row["technique"] | {field: value}
    with pytest.raises(VlabError):
        whole.machine.restore(damaged)
    assert whole.machine.snapshot() == saved
