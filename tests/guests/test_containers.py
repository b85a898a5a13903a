"""The kernel with containers: it runs alike bare and in a VM, and no process can crash it but by its one bug."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.guests.gnu import boot, build
from tests.hypervisor.towers import difference, end, finished
from vlab import guests
from vlab.machine import Machine, Stop
from vlab.operations.isolation import ATTACKS
from vlab.riscv import assemble_files

CHAPTERS = [
    *("1_layout", "2_boot", "3_vm", "4_trap", "5_processes", "6_names", "7_calls"),
    *("8_victim", "9_attacker"),
]
CALLS = guests.load("containers").symbols
DATA = CALLS["USER_DATA"]
SAYS = """\
attacker: done
victim: secret: swallow
victim: diary:  magpie
victim: host:   calm
victim: a new file: made
victim: done
"""


def run(program, steps=200_000):
    machine = Machine(program, memory="1M")
    return machine.run(steps), machine.status, machine.console


def test_it_is_read_in_the_order_of_its_chapters():
    assert list(guests.files("containers")) == [f"containers/{chapter}.s" for chapter in CHAPTERS]
    for number, text in enumerate(guests.files("containers").values(), 1):
        assert text.startswith(f"# The kernel with containers, {number} of 9: ")


def test_left_alone_both_processes_come_to_their_end():
    assert run(guests.load("containers")) == (Stop.OFF, 0, SAYS)
    assert run(guests.load("containers", NAMESPACES=1)) == (Stop.OFF, 0, SAYS)


@pytest.mark.parametrize(
    ("constants", "says"),
    [
        ({"ATTACKER": 0}, SAYS.replace("attacker: done\n", "")),
        ({"VICTIM": 0}, "attacker: done\n"),
        ({"VICTIM": 0, "ATTACKER": 0}, ""),
    ],
)
def test_either_process_can_be_left_out(constants, says):
    assert run(guests.load("containers", **constants)) == (Stop.OFF, 0, says)


@pytest.mark.parametrize("attack", [n for n in range(1 + len(ATTACKS)) if n != 2])
def test_every_attack_runs_alike_bare_and_in_a_vm(attack):
    program = guests.load("containers", ATTACK=attack, NAMESPACES=attack % 2)
    bare, virtual = (finished(program, depth) for depth in (0, 1))
    assert difference(end(bare.guest), end(virtual.guest)) == []
    assert bare.guest.console


def test_an_attack_runs_alike_in_a_vm_in_a_vm():
    program = guests.load("containers", ATTACK=11)
    assert difference(end(finished(program, 0).guest), end(finished(program, 2).guest)) == []


def test_numbers_of_processes_are_counted_in_each_namespace():
    for namespaces, numbers in ((0, [1, 2]), (1, [1, 1])):
        program = guests.load("containers", NAMESPACES=namespaces)
        machine = Machine(program, memory="1M")
        machine.run(2000)
        first, size = program.symbols["first_process"], program.symbols["P_SIZE"]
        places = (first + size * n + program.symbols["P_PID"] for n in range(2))
        assert [machine.memory.load(place, 8) for place in places] == numbers


def test_one_who_does_what_it_may_not_is_stopped_alone():
    console = run(with_attacker("    li t0, 0\n    jr t0\n"))[2]
    assert console == "kernel: stops attacker, scause c, stval 0\n" + SAYS.replace("attacker: done\n", "")


def checks_registers(seed):
    """Fills all registers, thinks for many ticks, and is stopped if one has changed."""
    code = "".join(f"    li x{n}, {seed * n}\n" for n in range(2, 32)) + "    li x1, 1000\n"
    code += "1:\n" + "".join(f"    addi x{n}, x{n}, -{n}\n    addi x{n}, x{n}, {n}\n" for n in range(2, 32))
    code += "    addi x1, x1, -1\n    bnez x1, 1b\n"
    code += "".join(f"    li x1, {seed * n}\n    bne x{n}, x1, 2f\n" for n in range(2, 32))
    return code + "    ask EXIT\n2:  jr zero\n"


def test_processes_keep_their_registers_through_ticks():
    assert run(with_attacker(checks_registers(1001), checks_registers(2003)), 1_000_000) == (Stop.OFF, 0, "")


def with_attacker(code, victim="", namespaces=1):
    """The kernel with another attacker, and another victim if one is given."""
    files = dict(guests.files("containers"))
    page = "    .balign PAGE\n"
    files["containers/9_attacker.s"] = f"    .text\n{page}attacker:\n{code}{page}    .zero PAGE\n"
    if victim:
        files["containers/8_victim.s"] = f"    .text\n{page}victim:\n{victim}{page}    .zero PAGE\n"
    return assemble_files(tuple(files.items()), symbols={"NAMESPACES": namespaces})


# --- Whatever a process asks for

GOOD_ENOUGH = [DATA, DATA + 8, DATA + 4088, DATA + 4096]
VALUES = st.sampled_from(
    [
        *range(9),
        *(value + by for value in GOOD_ENOUGH for by in (-8, -1, 0, 1)),
        *(
            0x4000_0000,
            0x8000_0000,
            0x8000_2008,
            0x1000_0000,
            1 << 63,
            (1 << 64) - 1,
            (1 << 64) - 8,
            16,
            4096,
        ),
    ]
)
ASKED = st.tuples(st.integers(0, 15).filter(lambda call: call != CALLS["SETHOST"]), VALUES, VALUES)


@settings(max_examples=25, deadline=None)
@given(st.lists(ASKED, min_size=1, max_size=25))
def test_no_call_but_the_one_with_the_bug_harms_kernel_or_neighbour(calls):
    code = "".join(f"    li a0, {a}\n    li a1, {b}\n    li a7, {n}\n    ecall\n" for n, a, b in calls)
    stop, _status, console = run(with_attacker(code + "    ask EXIT\n"), 2_000_000)
    assert stop is Stop.OFF
    assert not re.search("^kernel: panic", console, re.MULTILINE)
    said = "".join(f"{line}\n" for line in console.split("\n") if line.startswith("victim: "))
    assert said.replace("refused", "made") == SAYS.replace("attacker: done\n", "")  # the room is shared


def test_the_bug_is_in_that_one():
    console = run(with_attacker("    li a0, 0\n    ask SETHOST\n    ask EXIT\n"))[2]
    assert console == "kernel: panic, scause 5, stval 0\n"


REFUSED = [
    *(("WRITE", DATA + 4096, 8), ("WRITE", DATA, 4097), ("WRITE", DATA + 4088, 16), ("WRITE", DATA + 1, 8)),
    *(("WRITE", DATA - 8, 8), ("WRITE", 0x8000_0000, 8), ("WRITE", DATA, (1 << 64) - 8)),
    *(
        ("OPEN", 0x8000_0000, 0),
        ("CREATE", DATA, 0),
        ("READ", 0, DATA),
        ("READ", 6, DATA),
        ("CHANGE", 9, DATA),
    ),
    *(
        ("PROCESS", 1, DATA),
        ("PROCESS", 3, DATA),
        ("PROCESS", 2, 0x8000_0000),
        ("KILL", 1, 0),
        ("KILL", 0, 0),
    ),
    *(("GETHOST", 0x8000_0000, 0), ("SEARCH", 0x8000_0000, 0), ("SLEEP", (1 << 64) - 4, 0), ("CALLS", 0, 0)),
]


def test_what_is_refused():
    """After the victim has ended: its number is nobody's then."""
    code = "    li a0, 20\n    ask SLEEP\n"
    for call, a, b in REFUSED:
        code += f"    li a0, {a}\n    li a1, {b}\n    ask {call}\n    addi a0, a0, 1\n    bnez a0, 1f\n"
    code += "    ask EXIT\n1:  jr zero\n"
    victim = "    li a0, 1\n    ask SLEEP\n    ask EXIT\n"
    assert run(with_attacker(code, victim, namespaces=0)) == (Stop.OFF, 0, "")


@pytest.mark.requires("binutils", "qemu")
@pytest.mark.parametrize("attack", [0, 1, 3, 5, 6, 9, 10, 11])
@pytest.mark.parametrize("namespaces", [0, 1])
def test_attacks_go_alike_by_other_tools_on_another_computer(attack, namespaces, tmp_path):
    constants = {"ATTACK": attack, "NAMESPACES": namespaces}
    _stop, status, console = run(guests.load("containers", **constants))
    assert boot(build(tmp_path, "containers", **constants)) == (status, console)
