"""The root machine: its loop, its clock, limits, Ctrl-C, and that guests can do no harm to it."""

import signal
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.programs import MASK, OFF, machine, mode, write
from vlab import guests
from vlab.language import VlabError
from vlab.machine import GATE, Machine, Stop
from vlab.machine.csrfile import FOR_EVER, LONGEST_SLEEP, STCE
from vlab.machine.memory import RAM_BASE
from vlab.riscv import CSRS, Mode, Program, assemble, encode
from vlab.riscv.instructions import ROWS

UART, FINISHER, CLINT = 0x1000_0000, 0x10_0000, 0x200_0000


def test_why_a_run_ends():
    assert machine(OFF).run() is Stop.OFF
    assert machine("j .").run(100) is Stop.LIMIT
    assert machine("wfi").run() is Stop.ASLEEP
    m = machine("j .")
    assert m.run(until=lambda: m.steps > 0) is Stop.CONDITION
    assert m.run(0) is Stop.LIMIT
    done = machine(OFF)
    done.run()
    assert (done.run(), done.run(5), done.step(3).status) == (Stop.OFF, Stop.OFF, 0)


def test_a_condition_is_asked_after_each_change_of_control():
    m = machine("li a0, 0x10000000\n li a1, 'x'\n 1: sb a1, 0(a0)\n j 1b")
    assert m.run(until=lambda: len(m.console) == 7) is Stop.CONDITION
    assert m.console == "x" * 7


def test_steps_are_attempts_and_time_is_steps_and_what_wfi_skips():
    m = machine("wfi\n ecall", mie=1 << 7, mtvec=RAM_BASE)
    m.clint.store(0x4000, 8, 1000)
    m.run(2)
    assert (m.steps, m.time, m.skipped, m.hart.retired) == (2, 1001, 999, 1)


def test_a_step_is_an_instruction():
    m = machine("nop\n nop\n ecall\n", mtvec=RAM_BASE)
    places = [m.hart.pc - RAM_BASE]
    places += [m.step().hart.pc - RAM_BASE for _step in range(4)]
    assert places == [0, 4, 8, 0, 4]
    assert m.step(10).steps == 14


def test_a_step_of_a_sleeper_is_what_it_does_when_it_wakes():
    m = machine("wfi\n li s0, 1\n j .", mie=1 << 7)
    m.clint.store(0x4000, 8, 1000)
    m.step(2)
    assert (m.hart.x[8], m.steps) == (1, 2)
    assert machine("wfi").step(5).steps == 1


def test_a_machine_in_words():
    assert (
        repr(machine("nop")) == "Machine: RV64IMA, 1 MiB, in M mode at 0x80000000, 0 instructions attempted"
    )


@pytest.mark.parametrize("memory", ["0", "100", "17G", "-4096", -4096])
def test_a_machine_that_cannot_be_built(memory):
    with pytest.raises(VlabError):
        Machine(memory=memory)


# Ctrl-C


def test_ctrl_c_stops_between_two_instructions():
    source = "1: addi s0, s0, 1\n addi s1, s1, 1\n j 1b"
    m = machine(source)
    timer = threading.Timer(0.02, lambda: signal.raise_signal(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        m.run()
    assert signal.getsignal(signal.SIGINT) is before
    straight = machine(source)
    straight.run(m.steps)
    assert m.snapshot() == straight.snapshot()
    assert m.run(10) is Stop.LIMIT


def test_ctrl_c_in_the_last_piece_of_a_run_is_not_lost():
    m = machine("j .")

    def press():
        signal.raise_signal(signal.SIGINT)
        return True

    with pytest.raises(KeyboardInterrupt):
        m.run(until=press)


def test_ctrl_c_while_restoring_waits_for_the_end():
    m = machine("j .")
    m.run(10)
    snapshot = m.snapshot()
    m.run(10)
    restore = m.uart.restore

    def press(state):
        signal.raise_signal(signal.SIGINT)
        restore(state)

    m.uart.restore = press
    with pytest.raises(KeyboardInterrupt):
        m.restore(snapshot)
    assert m.snapshot() == snapshot


def test_a_machine_runs_in_another_thread_too():
    m = machine(OFF)
    thread = threading.Thread(target=m.run)
    thread.start()
    thread.join()
    assert m.status == 0


# Storms, and other things that must end


@pytest.mark.parametrize(
    "source",
    [
        "csrw mtvec, zero\n ecall",  # the handler is nowhere: it traps for ever
        f"li t0, {GATE}\n csrw mtvec, t0\n ecall",
        "la t0, 1f\n csrw mtvec, t0\n .balign 4\n1: ecall",
        "la t0, 1f\n csrw mtvec, t0\n csrwi mie, 2\n 1: csrwi mip, 2\n csrsi mstatus, 8\n j 1b",  # an interrupt storm
        "li t0, 0x82\n csrw mie, t0\n csrwi mip, 2\n 1: wfi\n j 1b",
        "li t0, 0x2004000\n li t2, 0x80\n csrw mie, t2\n 1: rdtime t1\n addi t1, t1, 3\n sd t1, 0(t0)\n wfi\n j 1b",
        "li t0, 0x2004000\n sd zero, 0(t0)\n li t2, 0x80\n csrw mie, t2\n 1: wfi\n j 1b",  # an alarm in the past
        "li t0, 0x200bff8\n li t1, -3\n 1: sd t1, 0(t0)\n j 1b",  # mtime wraps round, again and again
        "1: sfence.vma\n j 1b",
        "1: la t0, 1b\n lw t1, 0(t0)\n sw t1, 0(t0)\n j 1b",
        "1: li t0, 0x10000000\n sb t0, 0(t0)\n j 1b",
    ],
)
def test_storms_end_at_the_limit(source):
    m = machine(source)
    assert (m.run(3000), m.steps) == (Stop.LIMIT, 3000)


def test_alarms_for_ever_away_wake_nobody_and_time_stays_in_bounds():
    m = machine(
        f"""
        li t0, {STCE}
        csrw menvcfg, t0
        li t0, 0x20
        csrw mie, t0
1:      rdtime t1
        li t2, {LONGEST_SLEEP // 4}
        add t1, t1, t2
        csrw stimecmp, t1
        wfi
        j 1b
        """
    )
    assert m.run(10_000) is Stop.ASLEEP
    assert LONGEST_SLEEP // 2 < m.time < LONGEST_SLEEP
    other = Machine(memory="1M")
    other.restore(m.snapshot())
    assert other.snapshot() == m.snapshot()


def test_an_alarm_near_the_end_of_time_still_comes_to_the_instruction():
    m = machine(
        "la t0, 1f\n csrw mtvec, t0\n csrsi mstatus, 8\n .rept 20\n nop\n .endr\n 1: j 1b",
        mie=0x20,
        menvcfg=STCE,
    )
    m.set_clock(LONGEST_SLEEP + 5)
    write(m, stimecmp=LONGEST_SLEEP + 15)
    m.skipped = m.time
    m.run(until=lambda: m.hart.csr["mcause"] != 0)
    assert m.time == LONGEST_SLEEP + 15
    assert m.time < FOR_EVER


def test_a_jump_to_the_last_word_of_memory_and_beyond():
    top = RAM_BASE + (1 << 20)
    m = machine(f"li t0, {top - 4}\n li t1, 0x13\n sw t1, 0(t0)\n jr t0")
    m.run(100)
    assert m.hart.csr["mepc"] in (top, 0)
    m = machine(f"li t0, {MASK - 3}\n jr t0")
    assert m.run(50) is Stop.LIMIT


# Random everything


WORDS = st.integers(0, (1 << 32) - 1)
ALL_ROWS = sorted(ROWS)
NUMBERS = sorted(csr.number for csr in CSRS.values())
ADDRESSES = st.sampled_from(
    [
        RAM_BASE,
        RAM_BASE + 0x1000,
        RAM_BASE + (1 << 20) - 8,
        UART,
        UART + 4,
        FINISHER + 8,
        CLINT,
        CLINT + 0x4000,
        CLINT + 0xBFF8,
        GATE,
        0,
        MASK,
    ]
)
HANDLER = RAM_BASE + 0x800
SKIPS = assemble("csrr t0, mepc\n addi t0, t0, 4\n csrw mepc, t0\n mret").segments[0][1]
NOT_OFF = st.integers(0, MASK).filter(lambda value: value & 0xFFFF not in (0x5555, 0x3333, 0x7777))


@st.composite
def noise(draw):
    """A word of a program: any bits, or an instruction with operands that mean something."""
    if draw(st.booleans()):
        return draw(WORDS)
    row = ROWS[draw(st.sampled_from(ALL_ROWS))]
    values = {operand: draw(st.integers(0, (1 << row.width(operand)) - 1)) for operand in row.operands}
    if "csr" in values and draw(st.booleans()):
        values["csr"] = draw(st.sampled_from(NUMBERS))
    return encode(row, values)


@st.composite
def noisy_machines(draw):
    """Random code, registers and CSRs, in any mode; and a random page table over all of it."""
    words = draw(st.lists(noise(), min_size=1, max_size=40))
    code = b"".join(word.to_bytes(4, "little") for word in words)
    m = Machine(Program(((RAM_BASE, code), (HANDLER, SKIPS)), RAM_BASE), memory="1M")
    write(m, mtvec=HANDLER)
    for name in draw(st.lists(st.sampled_from(sorted(set(CSRS) - {"satp"})), max_size=8)):
        if not CSRS[name].read_only:
            write(m, **{name: draw(st.integers(0, MASK) | ADDRESSES)})
    entries = [0x2000_00CF, 0x2000_00DF, 0x2000_0001, 0x2004_0001 | 0xF << 54, 0xC1, 0, MASK, 0x2000_040B]
    for i in range(8):
        m.memory.store(RAM_BASE + 0x10000 + 8 * i, 8, draw(st.sampled_from(entries) | st.integers(0, MASK)))
    root = draw(st.sampled_from([RAM_BASE + 0x10000, 0, UART, RAM_BASE, (1 << 56) - 4096]))
    write(m, satp=draw(st.sampled_from([0, 8])) << 60 | root >> 12)
    m.hart.x[1:32] = draw(st.lists(ADDRESSES | NOT_OFF, min_size=31, max_size=31))
    if draw(st.booleans()):
        mode(m, draw(st.sampled_from(Mode)))
    else:
        m.hart.mode = draw(st.sampled_from(Mode))
        m.hart.mmu.select()
    m.hart.pc = draw(st.sampled_from([RAM_BASE, 0, 0x1000, GATE]))
    return m


def image(m):
    """All of a machine's state, and how it came there, to be compared."""
    return m.snapshot().state


@given(noisy_machines(), st.lists(st.integers(1, 100), min_size=1, max_size=5))
def test_random_code_in_any_mode_raises_nothing_and_ends_at_the_limit(m, parts):
    twin = Machine(memory="1M")
    twin.restore(m.snapshot())
    for part in parts:
        before = m.steps
        stop = m.run(part)
        assert stop is not Stop.LIMIT or m.steps == before + part
    with twin.events.record():
        twin.run(sum(parts))
    assert image(twin) == image(m)  # cut anywhere, listened to or not, restored or not


def test_catching_up_takes_the_due_interrupt_and_attempts_nothing():
    machine = Machine(guests.load("kernel"), memory="1M")
    machine.run(675)
    assert machine.hart.interrupt() is not None
    assert machine.catch_up()
    assert (machine.steps, machine.hart.interrupt()) == (675, None)
    assert machine.hart.pc == machine.hart.csr["stvec"]
    before = machine.snapshot()
    assert machine.catch_up()
    assert machine.snapshot() == before


def test_catching_up_wakes_at_the_deadline_or_says_that_none_comes():
    asleep = Machine(assemble("wfi\n1: j 1b"), memory="64K")
    asleep.run(1)
    assert not asleep.catch_up()
    text = "li t0, 0x2004000\nli t1, 500\nsd t1, 0(t0)\nli t0, 0x80\ncsrw mie, t0\nwfi\n1: j 1b"
    sleeper = Machine(assemble(text), memory="64K")
    sleeper.run(until=lambda: sleeper.hart.waiting)
    steps = sleeper.steps
    assert sleeper.catch_up()
    assert (sleeper.steps, sleeper.time) == (steps, 500)
