"""Rewinding: any step of the past is there again, with what was typed; and the past stays small."""

import signal
from itertools import pairwise
from math import log2
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.programs import OFF, machine, spaced
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import Computer, Machine, Stop, history, standing, writes
from vlab.machine.execute import PACES
from vlab.machine.history import History
from vlab.machine.interruptible import Interruptible
from vlab.machine.memory import PAGE
from vlab.machine.restoring import restore_computer
from vlab.machine.writes import Write
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
    spaced(m, spacing)
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
    spaced(m, 20)
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


def test_checkpoints_are_dense_near_the_present_few_and_the_first_stays():
    m = machine("1: addi s0, s0, 1\n j 1b")
    spaced(m, 10)
    for many in (700, 7000):
        m.run(10 * many - m.steps)
        kept = sorted(m.history.checkpoints)
        assert kept[0] == 0
        assert m.steps - kept[-1] <= 20
        assert m.history.spacing == 10
        for before, after in pairwise(kept):
            assert after - before <= max(2 * 10, (m.steps - after) / history.GRAIN + 10)
        assert len(kept) <= history.GRAIN * (log2(many) + 2)
    m.goto(67_890)
    assert m.hart.x[8] == 33945


@pytest.mark.parametrize("engine", PACES)
def test_checkpoints_are_as_far_apart_as_the_engine_is_fast(engine):
    if engine == "native":
        pytest.importorskip("llvmlite")
    m = Machine(assemble("1: addi s0, s0, 1\n j 1b"), memory="1M", engine=engine)
    m.run(2 * history.SPACING * PACES[engine])
    assert 2 <= len(m.history.checkpoints) <= 3


def test_who_goes_far_back_leaves_checkpoints_on_the_way():
    m = machine("1: addi s0, s0, 1\n j 1b")
    spaced(m, 10)
    m.run(100_000)
    for target in (30_011, 30_010, 29_950, 97_003, 5, 40_000):
        m.goto(target)
        assert m.hart.x[8] == (target + 1) // 2
        nearest = max(step for step in m.history.checkpoints if step <= target)
        assert target - nearest <= 10
        assert min(m.history.checkpoints) == 0
        assert len(m.history.checkpoints) <= history.MOST


def test_no_more_checkpoints_than_are_allowed(monkeypatch):
    monkeypatch.setattr(history, "MOST", 12)
    m = machine("1: addi s0, s0, 1\n j 1b")
    spaced(m, 10)
    for steps in range(100, 6000, 100):
        m.goto(steps)
        m.goto(steps // 3)
        assert len(m.history.checkpoints) <= 12
        m.goto(steps)
    m.goto(1234)
    assert m.hart.x[8] == 617


def test_what_was_printed_counts_too(monkeypatch):
    monkeypatch.setattr(history, "MOST_PAGES", 30)
    m = machine("li t0, 0x10000000\n1: sb t0, (t0)\n j 1b")
    spaced(m, 1000)
    for _again in range(60):
        m.run(1000)
        kept = m.history.checkpoints
        printed = [len(c.snapshot.state["devices"]["uart"]["output"]) for c in kept.values()]
        assert sum(size for size in printed if size >= PAGE) <= 32 * PAGE or len(printed) == 2
    last = max(kept)
    apart = m.history.due - last - kept[last].toil
    assert apart >= m.history.spacing + 6 * history.COPY  # to copy it is work
    m.goto(20_001)
    assert len(m.uart.output) == 10_000


def test_what_came_from_outside_is_not_remembered_without_end(monkeypatch):
    monkeypatch.setattr(history, "MOST_ARRIVALS", 10)
    m = Machine(assemble(READER), memory="1M")
    seen = {}
    for number in range(64):
        m.run(100)
        seen[m.steps] = m.snapshot()
        m.run(100)
        m.type(str(number % 10))
        assert len(m.history.input) <= 10
        assert m.history.seen == len(m.history.input)
    kept = [step for step in seen if step >= min(m.history.checkpoints)]
    assert len(kept) >= 4
    for step in sorted(kept, reverse=True):
        m.goto(step)
        assert m.snapshot() == seen[step]
    first = min(m.history.checkpoints)
    with pytest.raises(VlabError, match=f"(?s)at or before step 300.*The earliest one is of step {first}"):
        m.goto(300)
    m.goto(max(kept))  # and what came, comes again
    assert m.snapshot() == seen[max(kept)]


def writing_pages(end):
    """A machine that writes a word of each page from 0x80010000 to `end`, again and again."""
    m = machine(
        f"""
        li t1, 0x80010000
        li t2, {end}
2:      mv t0, t1
1:      sd s0, 0(t0)
        addi s0, s0, 1
        add t0, t0, t3
        bltu t0, t2, 1b
        j 2b
        """
    )
    m.hart.x[28] = PAGE
    spaced(m, 1000)
    return m


def test_copies_of_many_pages_keep_checkpoints_apart():
    m = writing_pages("0x800d0000")
    m.run(500_000)
    kept = m.history.checkpoints
    earlier, later = (step + m.pace * kept[step].toil for step in sorted(kept)[-2:])
    assert later - earlier > 0xC0 * history.COPY


def test_the_state_of_hypervisors_keeps_checkpoints_apart():
    spaced = []
    for depth in (0, 1, 2):
        m = Machine(memory="8M")
        inner: Computer = m
        for _level in range(depth):
            inner = Hypervisor(inner).create_vm(memory="4M" if inner is m and depth == 2 else "1M")
        inner.load(guests.load("kernel"))
        m.run(60_000)
        last = max(m.history.checkpoints)
        checkpoint = m.history.checkpoints[last]
        apart = m.history.due - last - m.pace * checkpoint.toil
        assert apart >= m.history.spacing * (1 + checkpoint.parts / history.PARTS) - 1
        spaced.append(checkpoint.parts)
    assert 10 < spaced[0] < spaced[1] < spaced[2]


@pytest.mark.parametrize("engine", PACES)
def test_what_python_does_for_an_instruction_is_work_too(engine):
    """A guest whose every third instruction prints has checkpoints much closer than one that only counts."""
    counting = Machine(assemble("1: addi t1, t1, 1\n j 1b"), memory="1M", engine=engine)
    printing = Machine(assemble("li t0, 0x10000000\n1: sb t1, (t0)\n nop\n j 1b"), memory="1M", engine=engine)
    ends = []
    for m in (counting, printing):
        m.history = History(m, 2000)
        m.run(40 * m.history.spacing // (1 if m is counting else 20))
        kept = sorted(m.history.checkpoints)
        ends.append(max(after - before for before, after in pairwise(kept[-4:])))
    assert 10 * ends[1] < ends[0]
    far, toil = printing.steps - ends[1] * 3, printing.toil
    with printing.history.ahead():
        printing.goto(0)
        assert printing.toil == 0
    assert printing.toil == toil
    printing.goto(far)  # and what is left on the way is as close
    assert printing.toil < toil
    near = sorted(step for step in printing.history.checkpoints if step <= far)[-1]
    assert far - near <= 2 * ends[1]


def test_a_checkpoint_is_of_the_first_state_at_its_step():
    """A `wfi` is a step, and its end none: who goes to that step finds the machine asleep, however often."""
    m = machine(READER)
    spaced(m, 10)
    m.run(END)
    for step in range(END - 1, 300, -1):
        m.goto(step)
        assert m.snapshot() == straight([], step).snapshot(), step


@pytest.mark.parametrize("engine", PACES)
def test_a_residents_turns_are_work_too(engine):
    m = Machine(memory="4M", engine=engine)
    vm = Hypervisor(m).create_vm(assemble("1: csrr t0, sstatus\n j 1b"), memory="64K")
    m.run(60_000)
    exits = sum(vm.exits.values())
    assert exits > 1000
    assert history.TURN_WORK * exits <= m.toil <= 60 * history.TURN_WORK * exits


@pytest.mark.parametrize("engine", PACES)
def test_what_a_hypervisor_interprets_by_itself_is_work_too(engine, monkeypatch):
    """None of it takes time of the machine's; and nobody who presses Ctrl-C waits for much of it."""
    m = Machine(memory="4M", engine=engine)
    loop = assemble("li t0, 0x10000000\n 1: sb t1, 0(t0)\n j 1b")
    vm = Hypervisor(m).create_vm(loop, memory="64K", technique="binary-translation")
    seen = []
    monkeypatch.setattr(Interruptible, "check", lambda self: seen.append(vm.clock))
    m.run(20_000)
    assert vm.clock > 5 * m.steps
    assert m.toil > history.AHEAD_WORK * (vm.clock - m.steps)
    assert max(after - before for before, after in pairwise(seen)) < 10_000


def test_checkpoints_hold_little_memory(monkeypatch):
    """A guest that writes all of its memory between any two of them keeps only a few alive."""
    monkeypatch.setattr(history, "MOST_PAGES", 1000)
    monkeypatch.setattr(history, "COPY", 0)
    m = writing_pages("0x800f0000")
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
    spaced(machine, spacing)
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


# --- Who wrote

# Pages of all kinds of writers: its own stores, A and D of its table, and a disk's DMA.
WRITERS = """
_start: la t0, vector
        csrw mtvec, t0
        li s1, 0x80004000
        li s2, 0x80005000
        li t0, 0x200000cf       # 0x80000000 to itself, 1 GiB; A and D are set
        sd t0, 16(s1)
        li t0, 0x20002007       # 0x40000000 -> 0x80008000 with R and W, by two tables
        sd t0, 0(s2)
        li t0, 0x20001801
        sd t0, 8(s1)
        li t0, 0x20001401
        li t1, 0x80006000
        sd t0, 0(t1)
        li t0, 0x8000000000080004
        csrw satp, t0
        li t0, 0x1800
        csrc mstatus, t0
        li t0, 0x800
        csrs mstatus, t0
        la t0, 1f
        csrw mepc, t0
        li t0, -1
        csrw pmpaddr0, t0
        li t0, 31
        csrw pmpcfg0, t0
        mret
1:      li s3, 0x40000000
        ld t1, 0(s3)
        addi s4, s4, 1
        sd s4, 0(s3)
        sb s4, 9(s3)
        amoadd.d t1, s4, (s3)
        j 1b
        .align 2
vector: j vector
"""


def wrote(computer, address) -> Write:
    """Who wrote it, where somebody did."""
    found: Write | None = computer.who_wrote(address)
    assert found is not None
    return found


def last_by_brute_force(machine, steps, address):
    """One step after the other, from the beginning: the last at which the double word was written."""
    machine.goto(0)
    found = None
    heard = []
    machine.ram.watch(address, lambda *_told: heard.append(1))
    for step in range(steps):
        heard.clear()
        machine.run(1)
        found = step if heard else found
    machine.ram.unwatch(address)
    return found


@given(
    st.integers(1, 260),
    st.sampled_from(
        [0x80004008, 0x80005000, 0x80005008, 0x80006000, 0x80008000, 0x80008008, 0x80008010, 0x80004010]
    ),
    st.sampled_from([7, 40, 1000]),
    st.sampled_from([1, 5, 30, writes.SPAN]),
)
def test_who_wrote_is_what_brute_force_finds(steps, address, spacing, span):
    m = Machine(assemble(WRITERS), memory="64K")
    spaced(m, spacing)
    m.run(steps)
    before, checkpoints = m.snapshot(), dict(m.history.checkpoints)
    with patch.object(writes, "SPAN", span):
        found = m.who_wrote(address + 3)
    assert m.snapshot() == before
    assert m.history.checkpoints == checkpoints
    assert (None if found is None else found.step) == last_by_brute_force(m, steps, address)
    if found is not None:
        assert m.memory.load(address, 8) == found.value
        assert m.history.last_store(address) == found.step


def test_who_wrote_a_word_of_a_loop_looks_at_the_last_turns_alone():
    m = Machine(assemble("la s1, 1f\n2: sd s1, 0(s1)\n j 2b\n .align 12\n1: .dword 0"), memory="64K")
    spaced(m, 1 << 20)
    m.run(1 << 18)
    heard, listening = list[int](), writes.listening

    def counting(one, at, told):
        def hear(step, value):
            heard.append(step)
            told(step, value)

        return listening(one, at, hear)

    with patch.object(writes, "listening", counting):
        found = wrote(m, 0x80001000)
    assert found.step in (m.steps - 1, m.steps - 2)
    assert 0 < len(heard) <= writes.SPAN // 2 + writes.CROWD


def test_who_wrote_tells_the_instruction_and_the_walk():
    m = Machine(assemble(WRITERS), memory="64K")
    m.run(200)
    assert m.program is not None
    again = m.program.symbols["_start"]
    own, walk = wrote(m, 0x80008000), wrote(m, 0x80005000)
    assert (own.by, own.mode, own.computer, own.pc > again) == ("instruction", "S", "the machine", True)
    assert (
        repr(own)
        == f"At step {own.step} the instruction at {own.pc:#x}, in S mode of the machine, wrote {own.value:#x}"
    )
    assert (walk.by, walk.value) == ("page walk", 0x200020C7)
    assert repr(walk).endswith(f"at {walk.pc:#x} in S mode, made it 0x200020c7")
    assert wrote(m, 0x80004010).by == "instruction"
    assert m.who_wrote(0x8000F000) is None


@pytest.mark.parametrize("depth", [1, 2])
def test_who_wrote_a_word_of_a_virtual_machine(depth):
    machine, program = Machine(memory="4M"), assemble(WRITERS)
    vm = Hypervisor(machine).create_vm(program if depth == 1 else None, memory="2M", name="outer")
    if depth == 2:
        vm = Hypervisor(vm).create_vm(program, memory="64K", name="inner")
    bare = Machine(program, memory="64K")
    bare.run(130)
    machine.run(100_000, until=lambda: vm.time >= 130)
    bare.run(vm.time - bare.time)
    for address in (0x80004008, 0x80006000, 0x80008000, 0x80008008, 0x80004010):
        wanted, found = wrote(bare, address), wrote(vm, address)
        assert (found.value, found.by, found.mode) == (wanted.value, "instruction", wanted.mode), hex(address)
        assert (found.pc, found.computer) == (wanted.pc, vm.name)
    table, bare_table = wrote(vm, 0x80005000), wrote(bare, 0x80005000)
    assert table._replace(step=0) == bare_table._replace(step=0, computer=vm.name)
    assert (table.by, table.value) == ("page walk", 0x200020C7)
    shadow = wrote(vm.host, (vm.technique.satp() & 0xFFF_FFFF_FFFF) << 12 | 8)
    assert (shadow.by, shadow.computer) == ("resident", vm.host.name or "the machine")
    assert repr(shadow).startswith(f"At step {shadow.step} a resident of {shadow.computer} wrote 0x")
    assert vm.who_wrote(0x8000F000) is None or wrote(vm, 0x8000F000).by == "resident"
    with pytest.raises(VlabError):
        wrote(vm, 0)


class Copier:
    """Writes by itself: a word when it is asked to, and what comes from outside."""

    name, size = "copier", 0x1000

    def connect(self, memory):
        self.memory = memory

    def load(self, offset, size):
        return 0

    def store(self, offset, size, value):
        self.memory.poke(0x80008000 + offset, value.to_bytes(8, "little"))

    def receive(self, data):
        self.memory.poke(0x80009000, data)

    def state(self):
        return {}

    def restore(self, state):
        pass


@pytest.mark.parametrize("spacing", [5, 1000])
def test_who_wrote_is_a_device(spacing):
    m = Machine(memory="64K", devices=[Copier()])
    program = m.load(assemble("li a0, 0x10001000\nnop\nsw a0, 8(a0)\n1: addi s0, s0, 1\nj 1b"))
    spaced(m, spacing)
    m.run(30)
    m.give("copier", b"from outside")
    m.run(30)
    asked, came = wrote(m, 0x80008008), wrote(m, 0x80009000)
    assert (asked.by, asked.step, asked.pc, asked.value) == ("device", 2, program.entry + 8, 0x10001000)
    assert (came.by, came.step) == ("device", 30)
    assert repr(came).startswith("At step 30 a device wrote 0x74756f206d6f7266, while the machine was at ")
    m.goto(29)
    assert m.memory.load(0x80009000, 8) == 0
    m.run(2)
    assert m.memory.load(0x80009000, 8) == came.value


def test_who_wrote_is_the_first_instruction_after_an_interrupt():
    m = Machine(memory="64K")
    program = m.load(
        assemble(
            """
            la t0, vector
            csrw mtvec, t0
            li s1, 0x80008000
            li t0, 0x2004000
            li t1, 30
            sd t1, (t0)
            li t0, 0x80
            csrw mie, t0
            csrsi mstatus, 8
    1:      addi s0, s0, 1
            j 1b
            .align 2
    vector: sd s0, (s1)
            mret
            """
        )
    )
    m.run(400)
    found = wrote(m, 0x80008000)
    assert (found.pc, found.by) == (program.symbols["vector"], "instruction")
