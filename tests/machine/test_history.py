"""Rewinding: any step of the past is there again, with what was typed; and the past stays small."""

import signal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.programs import OFF, machine
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import Machine, Stop, history, standing
from vlab.machine.history import History
from vlab.machine.memory import PAGE
from vlab.machine.restoring import restore_computer
from vlab.riscv import assemble

# Reads what is typed, adds it up, and waits for a while between: what it does depends on when it was typed.
READER = """
        li a0, 0x10000000
        li t0, 0x80
        csrw mie, t0
1:      addi s2, s2, 1
        lbu a1, 5(a0)
        andi a1, a1, 1
        beqz a1, 2f
        lbu a1, 0(a0)
        mul s1, s1, s2
        add s1, s1, a1
        sb a1, 0(a0)
2:      li t1, 0x200bff8
        ld t2, 0(t1)
        addi t2, t2, 7
        li t1, 0x2004000
        sd t2, 0(t1)
        wfi
        j 1b
"""
END = 400


def straight(text, steps):
    """The machine after so many steps, `text` (step, what) typed on the way."""
    m = machine(READER)
    for at, what in text:
        if at > steps:
            break
        m.run(at - m.steps)
        m.type(what)
    m.run(steps - m.steps)
    return m


TYPED = st.lists(st.tuples(st.integers(0, END), st.sampled_from(["a", "bc", "ñ"])), max_size=4).map(sorted)


@given(TYPED, st.lists(st.integers(0, END), min_size=1, max_size=6), st.integers(10, 200))
def test_going_to_a_step_is_a_straight_run_to_it(text, targets, spacing):
    m = machine(READER)
    m.history = History(m, spacing)
    for at, what in text:
        m.run(at - m.steps)
        m.type(what)
    m.run(END - m.steps)
    for target in targets:
        before = [(at, what) for at, what in text if at < target]
        assert m.goto(target) is Stop.LIMIT
        assert m.steps == target
        # What was typed at this very step is typed again when the machine goes on.
        assert (
            m.snapshot() == straight(before, target).snapshot()
            or m.snapshot() == straight(text, target).snapshot()
        )
    m.goto(END)
    m.run(50)
    assert m.snapshot() == straight(text, END + 50).snapshot()


def test_back_and_forth_by_steps():
    m = machine("1: addi s0, s0, 1\n j 1b")
    m.run(101)
    assert (m.back().__class__, m.steps, m.hart.x[8]) == (Stop, 100, 50)
    m.back(50)
    assert (m.steps, m.hart.x[8]) == (50, 25)
    m.back(1000)
    assert m.steps == 0
    m.goto(77)
    assert m.steps == 77


def test_steps_taken_one_by_one_can_be_taken_back_and_replay_what_was_typed():
    m = machine(READER)
    m.step(10)
    m.type("x")
    m.step(40)
    end = m.snapshot()
    m.goto(5)
    m.step(45)
    assert m.snapshot() == end
    assert m.console == "x"


def test_typing_in_the_past_makes_another_future():
    m = straight([(50, "a"), (200, "b")], END)
    assert m.console == "ab"
    m.goto(100)
    m.type("c")
    m.run(END)
    assert m.console == "ac"
    m.goto(20)
    m.run(END)
    assert m.console == "ac"


def test_a_future_that_will_not_be_is_forgotten():
    m = machine(READER)
    m.history = History(m, 20)
    m.run(END)
    m.goto(107)
    m.history.spacing = 1000  # no new checkpoint in the way
    m.type("c")
    m.run(200)
    m.goto(245)  # 240 was a checkpoint of the future without "c"
    assert m.snapshot() == straight([(107, "c")], 245).snapshot()


def test_what_came_while_looking_ahead_never_came():
    m = machine(READER)
    m.run(100)
    m.type("a")
    kept, checkpoints = list(m.history.input), dict(m.history.checkpoints)
    with m.history.ahead():
        m.goto(50)
        m.type("b")
        m.run(100)
    assert (m.history.input, m.history.checkpoints) == (kept, checkpoints)
    m.run(100)
    m.goto(150)
    assert m.snapshot() == straight([(100, "a")], 150).snapshot()


def test_going_back_over_a_power_off():
    m = machine("nop\n nop\n" + OFF)
    m.run()
    end = m.steps
    m.back(2)
    assert m.status is None
    assert (m.run(), m.steps) == (Stop.OFF, end)
    assert m.goto(end + 100) is Stop.OFF


@pytest.mark.parametrize("target", [-1, -100])
def test_before_the_beginning(target):
    m = machine("j .")
    m.run(10)
    with pytest.raises(VlabError, match="no checkpoint"):
        m.goto(target)
    assert m.steps == 10


def test_what_is_done_by_hand_begins_the_history_anew():
    for act in (
        lambda m: m.load(machine("j .").program),
        lambda m: m.restore(machine("j .").snapshot()),
        lambda m: m.woken(),
    ):
        m = machine(READER)
        m.run(50)
        act(m)
        assert m.history.checkpoints == {}
        assert m.history.input == []
        m.run(10)
        m.back(5)


def test_checkpoints_are_few_and_the_first_stays():
    m = machine("1: addi s0, s0, 1\n j 1b")
    m.history = History(m, spacing=10)
    for _again in range(700):
        m.run(10)
        assert len(m.history.checkpoints) <= history.MOST
    kept = sorted(m.history.checkpoints)
    assert kept[0] == 0
    gaps = {after - before for before, after in pairwise(kept)}
    assert max(gaps) <= 2 * m.history.spacing
    assert m.history.spacing == 320
    m.goto(6789)
    assert m.hart.x[8] == 3395


def test_checkpoints_hold_little_memory(monkeypatch):
    """A guest that writes all of its memory between any two of them keeps only a few alive."""
    monkeypatch.setattr(history, "MOST_PAGES", 1000)
    m = machine(
        """
        li t1, 0x80010000
        li t2, 0x800f0000
2:      mv t0, t1
1:      sd s0, 0(t0)
        addi s0, s0, 1
        add t0, t0, t3
        bltu t0, t2, 1b
        j 2b
        """
    )
    m.hart.x[28] = PAGE
    m.history = History(m, spacing=1000)
    for _again in range(100):
        m.run(1000)
        held = {id(page) for c in m.history.checkpoints.values() for page in c.snapshot.pages.values()}
        assert len(held) <= 1000 + 256
    m.goto(50_000)
    other = Machine(m.program, memory="1M")
    other.hart.x[28] = PAGE
    other.run(50_000)
    assert m.snapshot() == other.snapshot()


def test_what_was_typed_is_typed_again_at_the_computer_where_it_was_typed():
    m = machine("j .")
    inner = machine("j .")
    inner.history = m.history  # as a virtual machine's is its machine's
    m.run(10)
    inner.type("x")
    m.run(10)
    inner.uart.load(0, 1)
    m.goto(5)
    m.run(20)
    assert (inner.uart.waiting, m.uart.waiting) == (1, 0)


def test_a_look_ahead_leaves_everything_as_it_was_found():
    machine = Machine(guests.load("kernel"), memory="1M")
    machine.history.spacing = 100
    machine.run(700)
    machine.memory.poke(0x800F_0000, b"by hand")
    before, checkpoints = machine.snapshot(), dict(machine.history.checkpoints)
    heard: list[object] = []
    machine.events.listen(heard.append)
    with machine.history.ahead() as recording:
        machine.run(3000)
        assert len(recording)
        with machine.history.ahead() as inner:
            machine.run(3000)
        assert len(inner)
        assert machine.steps == 3700
    assert machine.snapshot() == before
    assert heard == []
    assert machine.history.checkpoints == checkpoints
    machine.run(100)
    assert heard


def test_a_look_ahead_types_what_was_typed_and_types_it_again():
    machine = Machine(guests.load("hello"), memory="64K")
    machine.run(5)
    machine.type("x")
    machine.run(5)
    machine.goto(2)
    with machine.history.ahead():
        machine.run(8)
        assert machine.uart.waiting == 1
    assert machine.uart.waiting == 0
    machine.run(8)
    assert machine.uart.waiting == 1


def interrupted():
    raise KeyboardInterrupt


def test_a_look_ahead_that_is_broken_off_is_undone():
    machine = Machine(guests.load("hello"), memory="64K")
    with pytest.raises(KeyboardInterrupt), machine.history.ahead():
        machine.run(5, until=interrupted)
    assert machine.steps == 0


STORES = """
    auipc t0, 1         # 0x80001000
    nop
    sd x0, 0(t0)        # step 2: zeros over zeros
    li t1, 7
    sw t1, 4(t0)        # step 4
    sd t1, 8(t0)        # step 5: the next double word
    .rept 50
    nop
    .endr
    sw t1, 4(t0)        # step 56: the same value
1:  j 1b
"""


@pytest.mark.parametrize("spacing", [3, 10, 1000])
@pytest.mark.parametrize(
    ("steps", "address", "last"),
    [
        (3, 0x80001000, 2),
        (5, 0x80001000, 4),
        (56, 0x80001000, 4),
        (57, 0x80001000, 56),
        (90, 0x80001000, 56),
        (90, 0x80001008, 5),
        (90, 0x80001010, None),
        (2, 0x80001000, None),
    ],
)
def test_who_stored_last(spacing, steps, address, last):
    machine = Machine(assemble(STORES), memory="64K")
    machine.history = History(machine, spacing)
    machine.run(95)
    machine.goto(steps)
    before = machine.snapshot()
    assert machine.history.last_store(address) == last
    assert machine.snapshot() == before


def test_a_residents_store_belongs_to_the_step_at_which_its_work_began():
    machine = Machine(memory="4M")
    vm = Hypervisor(machine).create_vm(guests.load("hello"), memory="64K")
    machine.run(60)
    frame = vm.technique.satp() & 0xFFF_FFFF_FFFF
    step = machine.history.last_store(frame << 12 | (0x80000000 >> 30) * 8)
    assert step is not None
    machine.goto(step)
    assert machine.steps == step
    assert standing(machine) is not None


def test_somebody_elses_watch_stays():
    machine = Machine(assemble(STORES), memory="64K")
    machine.run(10)
    heard = []
    machine.memory.watch(0x80001000, lambda *told: heard.append(told))
    assert machine.history.last_store(0x80001000) == 4
    assert heard
    heard.clear()
    machine.run(60)
    assert heard == [(0x80001000, 7 << 32)]


def test_no_memory_there_is_an_error():
    machine = Machine(assemble(STORES), memory="64K")
    machine.run(10)
    with pytest.raises(VlabError):
        machine.history.last_store(0)


def test_a_look_ahead_does_not_make_an_interrupt_be_told_again():
    computer = Machine(
        assemble("li t0, 0x2004000\nli t1, 0x80\ncsrs mie, t1\nsd x0, (t0)\n1: j 1b"), memory="1M"
    )
    with computer.events.record() as run:
        computer.run(50)
        with computer.history.ahead():
            computer.run(20)
        computer.run(50)
    assert [event.kind for event in run].count("InterruptChange") == 1


def test_ctrl_c_while_looking_ahead_ends_waits_until_all_is_back(monkeypatch):
    machine = Machine(assemble("1: addi t0, t0, 1\n j 1b"), memory="64K")
    machine.run(10)
    before = machine.snapshot()
    restore = restore_computer

    def interrupted(*words):
        signal.raise_signal(signal.SIGINT)
        restore(*words)

    monkeypatch.setattr("vlab.machine.history.restore_computer", interrupted)
    with pytest.raises(KeyboardInterrupt), machine.history.ahead():
        machine.run(5)
    assert machine.snapshot() == before
