"""The debugger on the machine and in VMs: it stops where single steps would, both ways."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.machine.programs import spaced
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import Computer, Machine
from vlab.operations.debugging import Debugger
from vlab.operations.debugging.debugger import CHUNK
from vlab.riscv import assemble

PROGRAM = """
_start: la s1, data
        li s0, 0
loop:   addi s0, s0, 1
        andi t0, s0, 3
        bnez t0, skip
store:  sd s0, 8(s1)
skip:   la t1, vector
        csrw mtvec, t1
        ecall
        j loop
        .align 2
vector: csrr t2, mepc
        addi t2, t2, 4
        csrw mepc, t2
        mret
        .align 12
data:   .dword 0, 0, 0
"""
READS = """
_start: la s1, data
loop:   addi s0, s0, 1
        sd s0, 0(s1)
        lw t0, 4(s1)
        ld t0, 8(s1)
load:   lh t0, 2(s1)
        j loop
        .align 12
data:   .dword 0, 0
"""
KINDS = ["machine", "trap-and-emulate", "binary-translation", "hardware-assisted", "nested"]


def system(kind, spacing=60, source=PROGRAM):
    program = assemble(source)
    extensions = "H" if kind == "hardware-assisted" else ""
    machine = Machine(memory="8M", extensions=extensions)
    computer: Computer = machine
    if kind == "machine":
        machine.load(program)
    else:
        technique = kind if kind != "nested" else "trap-and-emulate"
        computer = Hypervisor(machine).create_vm(
            None if kind == "nested" else program, memory="2M", technique=technique, name="vm"
        )
        if kind == "nested":
            computer = Hypervisor(computer).create_vm(program, memory="64K", name="inner")
    spaced(machine, spacing)
    return Debugger(computer)


def place(debugger):
    hart = debugger.computer.hart
    return hart.pc, debugger.computer.time - debugger.computer.skipped, hart.x[8]


# Of translated code, a step may be several instructions: those that were done in one piece.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "binary-translation"])
def test_steps_are_those_of_the_bare_machine(kind):
    bare, debugger = system("machine"), system(kind)
    while debugger.computer.hart.pc != bare.computer.hart.pc or not debugger._at_rest():
        debugger.machine.run(1)
    places = [place(bare)]
    assert place(debugger) == places[0]
    for _step in range(25):
        assert bare.step().why == debugger.step().why == "step"
        places.append(place(bare))
        assert place(debugger) == places[-1]
    for there in reversed(places[:-1]):
        assert debugger.back().why == "step"
        assert place(debugger) == there
    assert debugger.step().why == "step"
    assert place(debugger) == places[1]


@pytest.mark.parametrize("kind", KINDS)
def test_breakpoints_and_watched_writes_both_ways(kind):
    debugger = system(kind)
    program = debugger.computer.program
    loop, store = program.symbols["loop"], program.symbols["store"]
    data = program.symbols["data"]
    debugger.breakpoints = {loop}
    seen = []
    for count in range(2 if kind == "binary-translation" else 5):
        assert debugger.go().why == "break"
        assert place(debugger)[::2] == (loop, count)
        seen.append(place(debugger))
    for there in reversed(seen[:-1]):
        assert debugger.go_back().why == "break"
        assert place(debugger) == there
    debugger.breakpoints = set()
    debugger.watch(data + 8, 8, data + 8)
    for count in (4, 8):
        assert debugger.go()[:2] == ("watch", data + 8)
        assert debugger.computer.memory.load(data + 8, 8) == count
        assert debugger.computer.hart.x[8] == count
    if kind == "binary-translation":
        return  # its way back is the same, step by step
    assert debugger.go_back()[:2] == ("watch", data + 8)
    assert (debugger.computer.memory.load(data + 8, 8), debugger.computer.hart.x[8]) == (4, 8)
    assert debugger.computer.hart.pc == store
    assert debugger.go_back()[:2] == ("watch", data + 8)
    assert debugger.computer.memory.load(data + 8, 8) == 0
    assert debugger.go_back().why == "beginning"
    assert debugger.machine.steps == 0


@pytest.mark.parametrize(
    ("kind", "engine"), [*((kind, "native") for kind in KINDS), ("machine", "interpreter")]
)
def test_watched_loads_both_ways(kind, engine, monkeypatch):
    if engine == "native":
        pytest.importorskip("llvmlite")
    monkeypatch.setenv("VLAB_ENGINE", engine)
    debugger = system(kind, source=READS)
    data, load = (debugger.computer.program.symbols[name] for name in ("data", "load"))
    debugger.watch(data + 2, 1, data + 2, "rwatch")
    counts = range(1, 3 if kind == "binary-translation" else 6)
    for count in counts:
        assert debugger.go()[:2] == ("rwatch", data + 2)
        assert place(debugger)[::2] == (load + 4, count)
    if kind == "binary-translation":
        return  # its way back is the same, step by step
    for count in reversed(counts):
        assert debugger.go_back()[:2] == ("rwatch", data + 2)
        assert place(debugger)[::2] == (load, count)
    assert debugger.go_back().why == "beginning"
    debugger.unwatch(data + 2, "watch")
    assert debugger.go().why == "rwatch"
    debugger.unwatch(data + 2, "rwatch")
    assert debugger.go_back().why == "beginning"


@cache
def trace():
    """The first places of the machine, one step after the other."""
    debugger, places = system("machine"), []
    for _step in range(600):
        places.append(place(debugger))
        debugger.machine.run(1)
    return places


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["go", "step", "back", "go_back"]), max_size=12), st.integers(5, 300))
def test_any_commands_stop_where_single_steps_would(commands, spacing):
    debugger = system("machine", spacing)
    program = debugger.computer.program
    debugger.breakpoints = {program.symbols["store"], program.symbols["vector"] + 4}
    places, at = trace(), 0
    for command in commands:
        stops = [n for n, there in enumerate(places) if there[0] in debugger.breakpoints]
        why = getattr(debugger, command)().why
        if command in ("go", "step"):
            at = at + 1 if command == "step" else min(n for n in stops if n > at)
            assert why == ("step" if command == "step" else "break")
        elif command == "back":
            assert why == ("step" if at else "beginning")
            at = max(0, at - 1)
        else:
            before = [n for n in stops if n < at]
            assert why == ("break" if before else "beginning")
            at = max(before, default=0)
        assert place(debugger) == places[at]


def test_an_end_a_sleep_and_an_interruption():
    debugger = system("machine", source="li t0, 0x100000\nli t1, 0x5555\nsw t1, (t0)\nj .")
    assert debugger.go().why == "off"
    assert debugger.go().why == "off"
    assert debugger.go_back().why == "beginning"
    assert debugger.goto(1 << 40).why == "off"
    assert (debugger.goto(1).why, debugger.machine.steps) == ("step", 1)
    assert system("machine", source="wfi\nj .").go().why == "asleep"
    assert system("machine", source="wfi\nj .").goto(1 << 40).why == "asleep"
    assert system("machine", source="wfi\nj .").step().why == "step"
    busy = Debugger(system("machine", source="j .").computer, lambda: True)
    assert busy.go().why == "interrupted"
    assert busy.goto(1 << 40).why == "interrupted"
    assert busy.goto(CHUNK).why == "step"


def test_who_never_comes_to_its_turn_can_be_interrupted():
    hypervisor = Hypervisor(Machine(memory="4M"))
    one, other = (hypervisor.create_vm(assemble("1: j 1b"), memory="64K") for _vm in range(2))
    other.pause()
    assert Debugger(other, lambda: True).step().why == "interrupted"
    assert one.time > 0


def test_breakpoints_of_one_computer_are_not_anothers():
    machine = Machine(memory="4M")
    hypervisor = Hypervisor(machine)
    one, other = (
        hypervisor.create_vm(assemble(PROGRAM), memory="64K", name=name) for name in ("one", "other")
    )
    debugger = Debugger(other)
    loop = assemble(PROGRAM).symbols["loop"]
    debugger.breakpoints = {loop}
    for count in range(5):
        assert debugger.go().why == "break"
        assert (other.hart.pc, other.hart.x[8]) == (loop, count)
    assert one.hart.x[8] != other.hart.x[8]


def test_where_all_computers_stand_at_the_breakpoint_each_stop_is_an_instruction_of_its_own():
    hypervisor = Hypervisor(Machine(memory="4M"))
    one, other = (hypervisor.create_vm(assemble("1: j 1b"), memory="64K") for _vm in range(2))
    for computer in (one, other):
        debugger = Debugger(computer)
        debugger.breakpoints = {0x80000000}
        assert debugger.go().why == "break"
        for _stop in range(3):
            before = debugger._attempted()
            assert debugger.go().why == "break"
            assert debugger._attempted() == before + 1


def test_what_cannot_be_watched():
    debugger = system("trap-and-emulate")
    for size in (0, -1, 1 << 20):
        with pytest.raises(VlabError, match="double words"):
            debugger.watch(0x80000000, size, 0x80000000)
    with pytest.raises(VlabError):
        debugger.watch(0, 8, 0)
    debugger.unwatch(77)


def test_a_run_with_breakpoints_is_the_same_run():
    plain, debugged = (Machine(guests.load("kernel"), memory="1M") for _machine in range(2))
    debugger = Debugger(debugged)
    debugger.breakpoints = {0x80000000 + 4 * n for n in range(0, 200, 23)}
    while debugger.go().why == "break":
        pass
    plain.run(debugged.steps)
    assert plain.snapshot() == debugged.snapshot()
    assert plain.status is not None
