"""The native engine beside the interpreter: what a lock-step of random programs doesn't come by often enough."""

import signal
from itertools import pairwise

import pytest

from tests.machine.programs import mode, paged
from vlab.events import DeviceAccess
from vlab.machine import Machine, Stop
from vlab.machine.history import LOOP_WORK
from vlab.machine.interruptible import Interruptible
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.riscv import ROWS, Mode, assemble

pytest.importorskip("llvmlite")

from vlab.machine.execute.native import codepages
from vlab.machine.execute.native.kinds import native


def both(source, memory="1M", **others):
    """One program on both engines."""
    return [
        Machine(assemble(source), memory=memory, engine=name, **others) for name in ("native", "interpreter")
    ]


def run_alike(machines, *stops):
    for stop in stops:
        assert len({machine.run(stop) for machine in machines}) == 1
        assert machines[0].snapshot() == machines[1].snapshot()
    return machines[0]


def test_what_computes_has_a_handler():
    computing = [
        row.name for row in ROWS.values() if row.extension in ("I", "M", "A", "C", "Zicsr", "Zifencei")
    ]
    assert [name for name in computing if not native(ROWS[name])] == []


# What is native


def test_a_loop_is_native_all_of_it(steps):
    machine, _other = both("li a0, 100000\n la a1, there\n1: ld a2, 0(a1)\n addi a2, a2, 1\n sd a2, 0(a1)\n"
                           " addi a0, a0, -1\n bnez a0, 1b\n j .\n .balign 4096\nthere: .dword 0")  # fmt: skip
    machine.run(500_003)
    assert (
        machine.memory.load(RAM_BASE + PAGE, 8) == 99_999
        or machine.memory.load(RAM_BASE + PAGE, 8) == 100_000
    )
    assert len(steps) < 10


def test_data_beside_code_is_native_too(steps):
    machine, _other = both("li a0, 1000\n la a1, there\n1: sd a0, 0(a1)\n addi a0, a0, -1\n bnez a0, 1b\n j .\n"
                           "there: .dword 0")  # fmt: skip
    machine.run(4000)
    assert len(steps) < 12


def test_system_calls_are_native(steps):
    machines = both(
        "la t0, 2f\n csrw mtvec, t0\n la t0, 1f\n csrw mepc, t0\n li t0, -1\n csrw pmpaddr0, t0\n li t0, 0x1f\n"
        " csrw pmpcfg0, t0\n mret\n1: ecall\n j 1b\n2: csrrw sp, mscratch, sp\n csrr t1, mcause\n csrr t0, mepc\n"
        " addi t0, t0, 4\n csrw mepc, t0\n csrrw sp, mscratch, sp\n csrr t2, instret\n mret"
    )
    run_alike(machines, 1000, 5003)
    assert len(steps) < 60


# Code that changes


def test_a_store_ahead_in_its_own_line_is_seen():
    machines = both(
        "la a0, 1f\n lw a1, 2f\n sw a1, 0(a0)\n nop\n1: li a2, 1\n j .\n2: li a2, 2", memory="64K"
    )
    assert run_alike(machines, 30).hart.x[12] == 2


def test_a_line_shortened_by_a_store_keeps_the_count():
    """A jump written into the middle of a line that has run: what comes before it is counted anew."""
    source = (
        "la a0, place\n lw a1, jump\n lw a2, place\n li a3, 40\n"
        "1: addi a4, a4, 1\n addi a4, a4, 2\nplace: addi a4, a4, 3\n addi a4, a4, 4\n addi a4, a4, 5\n"
        "2: addi a3, a3, -1\n andi a5, a3, 1\n mv a6, a1\n bnez a5, 3f\n mv a6, a2\n3: sw a6, 0(a0)\n"
        " bnez a3, 1b\n j .\njump: j 2b - 20"
    )
    machines = both(source.replace("jump: j 2b - 20", "jump: .word 0x00c0006f"))
    run_alike(machines, 7, 50, 51, 52, 100, 200)


LOOPS = """
    li   a1, 3
outer:
    li   a2, 2
inner:
    addi a3, a3, 1
    addi a2, a2, -1
    bnez a2, inner
    addi a4, a4, 1
    blt  a4, a5, outer
    la   a6, inner
    lw   a7, 0(a6)
    addi t0, a7, 0
    slli a1, a4, 20
    add  a7, a7, a1
    sw   a7, 0(a6)
    addi a5, a5, 2
    j    outer
"""


def test_loops_in_each_other_stop_at_every_count():
    """Jumps back, to the same place as before and to others; and the place is overwritten meanwhile."""
    machines = both(LOOPS)
    fresh = machines[0].snapshot()
    for steps in range(8, 120):
        for machine in machines:
            machine.restore(fresh)
        run_alike(machines, steps)
    assert run_alike(machines, *range(130, 1000, 17)).hart.x[13] > 1000  # so it was overwritten


def test_an_instruction_before_a_page_that_is_written_stays_whole():
    machines = both("la a0, 1f\n li a1, 0x13\n li a2, 30\n2: sw a1, 0(a0)\n addi a2, a2, -1\n bnez a2, 2b\n j 1f\n"
                    " .balign 4096\n1: li a3, 7\n j .")  # fmt: skip
    assert run_alike(machines, 20, 200).hart.x[13] == 0


@pytest.mark.parametrize("second", [[], [(0x2000, RAM_BASE + 0x5000, "RXAD")]])
def test_an_instruction_in_two_pages_is_of_both(second):
    """Its halves are no neighbours in memory, or the second can't be fetched; then its second half changes."""
    add, add_16 = (assemble(f"addi a0, a0, {by}").segments[0][1] for by in (7, 16))
    machines = both("nop", extensions="C")
    for machine in machines:
        mode(machine, Mode.S)
        paged(machine, [(0x1000, RAM_BASE + 0x2000, "RXAD"), *second])
        machine.memory.poke(RAM_BASE + 0x2FFA, b"\1\0\1\0" + add[:2])  # behind two `c.nop`
    for half in (add[2:], add_16[2:]):
        for machine in machines:
            machine.memory.poke(RAM_BASE + 0x5000, half + b"\1\0" * 20)
            machine.hart.pc = 0x1FFA
        run_alike(machines, 12)
    assert machines[0].hart.x[10] == (7 + 16 if second else 0)


def test_an_instruction_in_two_pages_is_native(steps):
    """It computes, it loads, it jumps back and ahead; and the loop around it does not wait for Python."""
    for inside in ("addi a0, a0, 7", "ld a0, 0(s0)", "sd a1, 8(s0)", "beq a1, a2, 1b", "beq x0, x0, 3f", "jal t0, 3f",
                   "lui a0, 77", "j 3f"):  # fmt: skip
        source = (
            "la s0, data\n li a1, 500\n la t1, 1f\n jr t1\n .balign 4096\n .zero 4080\n1: addi a1, a1, -1\n"
            f" add a3, a3, a0\n add a4, a4, t0\n c.nop\n{inside}\n3: c.nop\n bnez a1, 1b\n j .\n"
            " .balign 4096\ndata: .dword 5, 6"
        )
        machines = both(source, memory="64K", extensions="C")
        assert machines[0].memory.peek(RAM_BASE + 0x1FFC, 2) == b"\1\0"
        del steps[:]
        run_alike(machines, 40, 41, 1000, 3)
        assert len(steps) < 100
        run_alike(machines, 3000)


def test_stores_over_instructions_are_native(steps):
    """Each lap writes an instruction of the loop anew, and one that is never executed again."""
    machines = both(
        "la a0, 2f\n la a3, 3f\n lw a1, 0(a0)\n li a2, 2000\n j 3f\n1: addi a4, a4, 1\n sw a1, 0(a0)\n"
        " addi a4, a4, 2\n2: addi a5, a5, 1\n addi a5, a5, 1\n addi a2, a2, -1\n sd x0, 8(a3)\n bnez a2, 1b\n j .\n"
        "3: j 1b\n nop\n nop\n nop\n"
    )
    assert run_alike(machines, 50, 51, 900, 1, 2, 3, 10_000).hart.x[14] > 3000
    assert len(steps) < 80


@pytest.mark.parametrize("back", range(0, 17, 2))
def test_a_store_into_its_own_line_keeps_the_count(back):
    """By native code, once Python has seen the page written: behind the store, on it, and before it."""
    source = (
        "la a0, place\n li a2, 40\n1: addi a4, a4, 1\n addi a4, a4, 2\n addi a4, a4, 3\nplace: sh a1, 0(a0)\n"
        " addi a4, a4, 4\n addi a4, a4, 5\n addi a2, a2, -1\n bnez a2, 1b\n j ."
    )
    machines = both(source, memory="64K", extensions="C")
    for machine in machines:
        machine.run(4)
        machine.hart.x[10] += 10 - back
        machine.hart.x[11] = int.from_bytes(machine.memory.peek(machine.hart.x[10], 2), "little")
    run_alike(machines, 7, 50, 51, 52, 200, 300)


def test_polling_the_serial_port_is_native(steps):
    machines = both(
        "li a0, 0x10000000\n1: lb a1, 5(a0)\n addi a4, a4, 1\n andi a2, a1, 1\n beqz a2, 1b\n lbu a3, 0(a0)\n"
        " add a5, a5, a3\n sb a3, 0(a0)\n j 1b", memory="64K"
    )  # fmt: skip
    run_alike(machines, 5, 5000)
    assert len(steps) < 30
    for machine in machines:
        machine.type("ab")
    assert run_alike(machines, 5, 6, 7, 1000).hart.x[15] == ord("a") + ord("b")
    assert machines[0].console == "ab"
    assert len(steps) < 80


def test_polling_is_told_of_and_takes_one_byte():
    machines = both(
        "li a0, 0x10000000\n1: lb a1, 5(a0)\n lhu a1, 5(a0)\n j 1b",
        memory="64K",
    )
    for machine in machines:
        machine.hart.csr.values["mtvec"] = RAM_BASE + 4
    run_alike(machines, 40)
    with machines[0].events.record() as told, machines[1].events.record() as reference:
        run_alike(machines, 40)
    assert len(told.only(DeviceAccess)) == 20
    assert list(told) == list(reference)


def test_a_page_of_which_all_instructions_were_overwritten_is_one_of_data():
    machines = both(
        "la a0, 2f\n jalr a0\n li a1, 500\n1: sd x0, 0(a0)\n sd x0, 8(a0)\n addi a1, a1, -1\n bnez a1, 1b\n j .\n"
        " .balign 4096\n2: addi a2, a2, 1\n addi a2, a2, 1\n ret\n", memory="64K"
    )  # fmt: skip
    for machine in machines:
        machine.run(300)  # at once: each snapshot would make Python look at the page
    assert machines[0].memory.code == {0}
    run_alike(machines, 100)


def test_a_status_that_is_cleared_by_reading_is_read_in_python():
    machines = both("li a0, 0x10000000\n1: lb a1, 5(a0)\n or a2, a2, a1\n j 1b", memory="64K")
    run_alike(machines, 30)
    for machine in machines:
        machine.uart._overrun = 1
    assert run_alike(machines, 9, 300).hart.x[12] == 0x62


def test_pages_without_instructions_are_given_back(monkeypatch):
    """A hundred pages in turn hold code, where there is room for four."""
    monkeypatch.setattr(codepages, "MOST_PAGES", 4)
    source = (
        "la a0, code\n lw a1, 0(a0)\n lw a2, 4(a0)\n li a3, 0x80010000\n li a4, 100\n li s1, 4096\n"
        "1: sw a1, 0(a3)\n sw a2, 4(a3)\n jalr a3\n add a3, a3, s1\n addi a4, a4, -1\n bnez a4, 1b\n j .\n"
        "code: addi a5, a5, 1\n ret"
    )
    machine = run_alike(both(source), 500, 2000)
    assert machine.hart.x[15] == 100


@pytest.mark.parametrize(
    "instruction",
    ["amoadd.w a1, a2, (a0)", "amoor.w a1, zero, (a0)", "amoswap.d a1, a3, (a0)", "sc.w a1, a2, (a0)", "sw a2, 0(a0)",
     "sd a3, 0(a0)", "sh a2, 2(a0)", "sb a3, 1(a0)", "sd a3, -4(a0)"],
)  # fmt: skip
def test_an_instruction_that_overwrites_itself(instruction):
    """What it was is still done to the end: rd is written, and none but rd."""
    source = (
        "la a0, here\n lw a3, new\n li a5, 20\n1: nop\n lr.w a4, (a0)\n .balign 8\n"
        f"here: {instruction}\n addi a6, a6, 1\n addi a5, a5, -1\n bnez a5, 1b\n j .\nnew: addi a7, a7, 1"
    )
    for value in (0, 0x13):
        machines = both(source)
        for machine in machines:
            machine.hart.x[12] = value
        assert run_alike(machines, 60, 41, 100, 300).hart.x[0] == 0


def test_a_watched_word_beside_instructions_is_seen_each_time():
    source = "la a0, there\n li a1, 0\n1: sd a1, 0(a0)\n addi a1, a1, 1\n j 1b\n .balign 8\nthere: .dword 0"
    heard = []
    for machine in both(source):
        machine.run(300)
        found: list[int] = []
        machine.memory.watch(
            assemble(source).symbols["there"], lambda at, value, found=found: found.append(value)
        )
        machine.run(300)
        heard.append(found)
    assert heard[0] == heard[1] and len(heard[0]) == 100


@pytest.mark.parametrize("store", ["sh a1, 2(a0)", "sb a2, 3(a0)", "sb a3, 1(a0)", "sh a4, 0(a0)"])
def test_a_part_of_an_instruction_is_overwritten(store):
    """In a page where data is written beside instructions already."""
    source = (
        "la a0, here\n la a5, data\n lw a1, new + 2\n lbu a2, new + 3\n lbu a3, new + 1\n lw a4, new\n"
        f"1: sd a6, 0(a5)\n call place\n sd a6, 0(a5)\n {store}\n call place\n xor a1, a1, a7\n j 1b\n"
        " .balign 8\nplace: addi t0, t0, 1\nhere: addi a6, a6, 1\n ret\n"
        " .balign 8\nnew: addi s1, s1, 17\n .balign 8\ndata: .dword 0"
    )
    run_alike(both(source), 60, 61, 100)


def test_a_page_whose_code_was_overwritten_leads_nowhere():
    """Its place goes to another page's code, and no tag may lead there any more."""
    source = (
        "la a0, one\n lw a1, 0(a0)\n lw a2, 4(a0)\n la a3, other\n li a4, 30\n"
        "1: jalr a0\n sw a1, 0(a0)\n sw a2, 4(a0)\n jalr a3\n addi a4, a4, -1\n bnez a4, 1b\n j .\n"
        " .balign 4096\none: addi a5, a5, 1\n ret\n .balign 4096\nother: addi a6, a6, 1\n ret"
    )
    machine = run_alike(both(source), 40, 41, 500)
    assert machine.hart.x[15] == machine.hart.x[16] == 30


def test_a_reservation_holds_for_one_sc_of_the_same_bytes():
    machines = both(
        "1: lr.d a1, (a0)\n sc.d a2, a3, (a0)\n sc.d a4, a3, (a0)\n lr.w a1, (a0)\n sc.d a5, a3, (a0)\n"
        " lr.d a1, (a0)\n sc.d a6, a3, (a7)\n addi a3, a3, 1\n lr.w a1, (a0)\n"
        " add s1, s1, a4\n add s2, s2, a5\n add s3, s3, a6\n j 1b"
    )
    for machine in machines:
        machine.hart.x[10], machine.hart.x[17] = RAM_BASE + 2 * PAGE, RAM_BASE + 2 * PAGE + 8
    machine = run_alike(machines, *[9] * 12, 50, 13 * 100)
    assert (machine.hart.x[12], machine.hart.x[14:17]) == (0, [1, 1, 1])


# Translation


def test_a_page_of_data_in_the_place_of_the_code_in_the_tlb():
    """Both fight for one set: each access evicts the page being executed, each fetch that of the data."""
    machines = both("1: ld a1, 8(a0)\n sd a1, 16(a0)\n addi a2, a2, 1\n j 1b", memory="8M")
    for machine in machines:
        machine.hart.x[10] = RAM_BASE + 0x40_1000
    machine = run_alike(machines, 100, 101, 1000)
    assert machine.hart.x[12] == 300


def test_pages_side_by_side_that_lie_apart_in_memory(steps):
    """Each access is as far away from memory as the one before was not; none needs Python."""
    machines = both("1: ld a1, 0(a0)\n addi a1, a1, 1\n sd a1, -8(a0)\n lbu a2, 1(a3)\n add a1, a1, a2\n"
                    " sd a1, 0(a0)\n amoadd.d a4, a1, (a3)\n j 1b")  # fmt: skip
    for machine in machines:
        mode(machine, Mode.S)
        pages = {0x1000: 0, 0x2000: 0x5000, 0x3000: 0x3000, 0x4000: 0x9000}
        paged(machine, [(page, RAM_BASE + frame, "RWXAD") for page, frame in pages.items()])
        machine.hart.pc, machine.hart.x[10], machine.hart.x[13] = 0x1000, 0x3000, 0x4000
    run_alike(machines, *range(8, 50))
    steps.clear()
    run_alike(machines, 8_000)
    assert not steps


@pytest.mark.parametrize("flags", [0x47, 0x07, 0x87, 0xC7])
def test_a_clean_page_becomes_dirty_at_its_first_store(flags):
    """A was set by the load before, or was not: D is set by the store, in the entry and in the TLB."""
    machines = both("1: ld a1, 0(a0)\n addi a2, a2, 1\n ld a3, 8(a0)\n bltz a4, 2f\n addi a4, a4, -1\n j 1b\n"
                    "2: sd a2, 0(a0)\n j 1b")  # fmt: skip
    for machine in machines:
        mode(machine, Mode.S)
        table = paged(machine, [(0x1000, RAM_BASE, "RXAD"), (0x2000, RAM_BASE + 0x3000, "RW")])
        (entry,) = [step.address for step in table.walk(0x2000, "load", mode="S").steps[-1:]]
        machine.memory.poke(entry, (RAM_BASE + 0x3000 >> 2 | flags).to_bytes(8, "little"))
        machine.hart.pc, machine.hart.x[10] = 0x1000, 0x2000
    run_alike(machines, 9, 9, 20, 50)


def test_accesses_across_pages_and_unaligned_ones():
    machines = both(
        "1: sd a1, 0(a0)\n ld a2, 3(a0)\n sh a2, 5(a0)\n lw a3, 7(a0)\n addi a0, a0, 5\n addi a1, a1, 77\n j 1b"
    )
    for machine in machines:
        machine.hart.x[10] = RAM_BASE + PAGE + 4
    run_alike(machines, 50, 7000)


def test_a_missing_fence_is_seen_alike():
    """The TLB is state: what was remembered before the table changed, goes on counting."""
    machines = both("1: ld a1, 0(a0)\n sd a1, 8(a0)\n ld a2, 0(a3)\n j 1b")
    for machine in machines:
        mode(machine, Mode.S)
        table = paged(machine, [(0x1000, RAM_BASE, "RX"), (0x2000, RAM_BASE + 0x3000, "RW")])
        machine.hart.pc, machine.hart.x[10], machine.hart.x[13] = 0x1000, 0x2000, 0x2000
        machine.memory.poke(RAM_BASE + 0x3000, b"abcdefgh")
        machine.run(40)
        table.unmap(0x2000)
    machine = run_alike(machines, 40, 3)
    assert machine.mode is Mode.S
    for machine in machines:
        machine.hart.mmu.flush("test")
    run_alike(machines, 40)


@pytest.mark.parametrize("pages", [0, 1, 30, 31, 32, 33, 40])
def test_a_fence_forgets_few_pages_and_many(pages, steps):
    """So it costs no more than what filled the TLB: a loop of fences leaves Ctrl-C a chance."""
    source = (
        "li s1, 4096\n1: mv a1, a0\n mv a2, a3\n2: beqz a2, 3f\n ld a4, 0(a1)\n sd a4, 8(a1)\n add a1, a1, s1\n"
        " addi a2, a2, -1\n j 2b\n3: sfence.vma\n ld a5, 0(a0)\n j 1b"
    )
    machines = both(source, "8M")
    for machine in machines:
        machine.hart.x[10], machine.hart.x[13] = RAM_BASE + 0x10_0000, pages
    run_alike(machines, 10 + 6 * pages, *[3] * 20, 20 * (6 + 6 * pages), 5 * pages + 13)
    assert len(steps) < 100 + 2 * pages


# Stopping


def test_ctrl_c_does_not_wait_for_much_that_python_does(monkeypatch):
    """Of 2,000,000 instructions each is Python's here: that would be half a minute."""
    machine, other = both("1: csrr a0, mip\n j 1b")
    seen = []
    monkeypatch.setattr(Interruptible, "check", lambda self: seen.append(machine.steps))
    assert machine.run(100_000) is Stop.LIMIT
    assert max(after - before for before, after in pairwise(seen)) < 10_000
    assert machine.toil >= LOOP_WORK * 50_000
    other.run(100_000)
    assert machine.snapshot() == other.snapshot()


def test_ctrl_c_stops_a_loop_without_end():
    machine, _other = both("j .")

    def press(*_signal):
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGALRM, press)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            machine.run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_timer_interrupts_at_its_time():
    source = (
        "la t0, 2f\n csrw mtvec, t0\n li t0, 128\n csrw mie, t0\n li t0, 8\n csrs mstatus, t0\n li t1, 0x2004000\n"
        " li t2, 1000\n sd t2, 0(t1)\n1: addi a0, a0, 1\n j 1b\n2: addi a1, a1, 1\n ld t2, 0(t1)\n addi t2, t2, 777\n"
        " sd t2, 0(t1)\n wfi\n csrr a2, time\n mret"
    )
    machine = run_alike(both(source), 900, 200, 5000, 7)
    assert machine.hart.x[11] > 3


def test_a_machine_that_is_listened_to_tells_the_same_events():
    heard = []
    machines = both("la t0, 1f\n csrw mtvec, t0\n1: csrr a0, mcause\n ld a1, 0(sp)\n ecall")
    for machine in machines:
        machine.hart.x[2] = RAM_BASE + 0x8000
        with machine.events.record() as recording:
            machine.run(200)
        heard.append(list(recording))
    assert heard[0] == heard[1] and len(heard[0]) > 50


def test_rewinding_leads_to_the_same_past():
    machines = both("1: addi a0, a0, 1\n sd a0, 0(sp)\n j 1b")
    for machine in machines:
        machine.hart.x[2] = RAM_BASE + 0x8000
        machine.run(100_000)
        machine.goto(54_321)
        machine.back(17)
    assert machines[0].snapshot() == machines[1].snapshot()


def test_it_stops_before_what_somebody_waits_for(steps):
    """In code that is decoded already, too. The rest of the page stays native."""
    source = "li a0, 5000\n1: addi a0, a0, -1\nnop\nhere: xor a1, a1, a0\nbnez a0, 1b\nj ."
    machines = both(source)
    run_alike(machines, 100)
    here = assemble(source).symbols["here"]
    for wanted, stops in (
        ({here}, True),
        ({here + PAGE, 0}, False),
        ({here + 4, here - 4}, True),
        ((), False),
    ):
        for machine in machines:
            machine.stop_at(wanted)
        for _time in range(2):
            run_alike(machines, 1000)
            assert (machines[0].hart.pc in wanted) == stops
    assert max(steps.count(pc) for pc in {*steps} - {here}) < 20 < 400 < steps.count(here)


def test_what_is_waited_for_was_never_fetched():
    """A breakpoint on a page that the TLB doesn't hold: both stop there, and neither has looked at it."""
    source = "li a0, 40\n1: addi a0, a0, -1\n bnez a0, 1b\n j there\n .balign 4096\nthere: j ."
    for start in (0, 20):
        machines = both(source)
        run_alike(machines, *[start] * bool(start))
        for machine in machines:
            machine.stop_at({RAM_BASE + PAGE})
        assert run_alike(machines, 1000, 1000).hart.pc == RAM_BASE + PAGE
        assert len(machines[0].tlb().contexts[0].entries) == 1


@pytest.mark.parametrize(
    "end", ["nop\n j there", "nop\n nop", "nop\n sfence.vma", "sfence.vma\n nop", "sd a1, 0(a0)\n nop"]
)
def test_what_comes_after_the_last_attempt_is_not_fetched_yet(end):
    """A new page, or one that the TLB has just forgotten: an interrupt may come before it."""
    for limit in (1023, 1024):
        machines = both(f".fill 1022, 4, 0x13\n {end}\n .balign 4096\nthere: j .", "8M")
        for machine in machines:
            machine.hart.x[10] = RAM_BASE + 0x40_0000
        contexts = run_alike(machines, limit - 40, 40).tlb().contexts
        assert RAM_BASE // PAGE + 1 not in [entry.page for entry in contexts[0].entries]


def test_it_stops_where_a_limit_says():
    machines = both("1: addi a0, a0, 1\n addi a0, a0, 1\n addi a0, a0, 1\n j 1b")
    for limit in range(1, 40):
        assert machines[0].run(limit) is machines[1].run(limit) is Stop.LIMIT
        assert (machines[0].steps, machines[0].hart.pc) == (machines[1].steps, machines[1].hart.pc)


@pytest.mark.parametrize("last", ["sfence.vma", "j there"])
def test_what_is_not_attempted_is_not_fetched(last):
    """Neither the page behind a fence nor the one that a jump leads to: the TLB is not asked for it yet."""
    nops = " nop\n" * 20
    machines = both(f"1:{nops} {last}\n j 1b\n .balign 4096\nthere: j 1b")
    run_alike(machines, 21, 22, 21)
