"""What is particular about the exercises of lesson 06: their keys say what the package's host does."""

import pytest

from tests.course.answers.wrong_06 import WRONG
from vlab import guests
from vlab.course.checking import examine, key
from vlab.course.exercises import find
from vlab.hypervisor.host import Host, programs
from vlab.machine import Machine
from vlab.riscv import Cause, assemble, decode


def host_on():
    host = Host(Machine(memory="8M"))
    host.install_hypervisor()
    return host


def crash(how):
    """A host with a bystander and somebody who crashes: both, and who is dead then."""
    host = host_on()
    host.start("spin", name="web")
    if how == "system":
        host.run_in_system_mode(guests.load("crash"), name="vm1")
    else:
        host.create_vm(guests.load("crash"), name="vm1", memory="1M")
    host.computer.run(60_000)
    return sorted(row.name for row in host.ps() if row.state in ("killed", "off")), host


@pytest.mark.parametrize("how", ["system", "user"])
def test_who_is_dead_on_the_packages_host(how):
    dead, host = crash(how)
    said = key("06-2").answer(
        ({"host": (None, "system"), "vm1": ("host", how), "web": ("host", "user")}, "vm1")
    )
    assert dead == [name for name in said if name != "host"]
    assert ("host" in said) == bool(host.panicked)


FROM_S = {
    Cause.STORE_ACCESS_FAULT: guests.load("crash"),
    Cause.ECALL_FROM_S: assemble("ecall"),
    Cause.BREAKPOINT: assemble("ebreak"),
    Cause.ILLEGAL_INSTRUCTION: assemble("csrw medeleg, zero"),
}
TO_U = "li t0, 1<<8\ncsrc sstatus, t0\nla t0, 1f\ncsrw sepc, t0\nsret\n1: nop"


@pytest.mark.parametrize("cause", FROM_S)
def test_the_host_panics_at_what_the_key_calls_a_panic(cause):
    host = host_on()
    host.run_in_system_mode(FROM_S[cause])
    host.computer.run(60_000)
    assert key("06-4").answer((int(cause), "S", "system")) == "panic"
    assert host.panicked.startswith(cause.key)


def test_the_host_kills_a_process_of_such_a_kernel():
    host = host_on()
    kernel = host.run_in_system_mode(assemble(TO_U))
    host.computer.run(10_000)
    assert key("06-4").answer((int(Cause.INSTRUCTION_PAGE_FAULT), "U", "system")) == "kill"
    assert (kernel.state, host.panicked) == ("killed", "")


def test_the_host_deals_with_programs_and_guests_as_the_key_says():
    host = host_on()
    wild = host.start(programs.load("wild", WRONG=2))
    caller = host.start(programs.load("count", LETTERS=1))
    vm = host.create_vm(guests.load("tiny"), name="vm1", memory="1M")
    host.computer.run(60_000)
    answer = key("06-4").answer
    assert (answer((2, "U", "program")), wild.state) == ("kill", "killed")
    assert (answer((8, "U", "program")), caller.state) == ("system call", "exited")
    assert (answer((8, "U", "VM")), answer((2, "U", "VM"))) == ("hypervisor", "hypervisor")
    assert host.routed["vm1", "hypervisor"] > 20
    assert not host.routed["vm1", "host"]
    assert vm.console == "?!\n"


def test_the_words_are_of_all_kinds_and_some_are_none():
    cases = find("06-3").cases(0)
    names = {found and found.name for found in (decode(word) for word, _x in cases)}
    assert names == {"csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci", "addi", "andi", "ori"}
    right = [key("06-3").answer(case) for case in cases]
    assert 20 < sum(right) < len(right) - 20


def test_the_counter_example_is_the_smallest():
    answer = WRONG["06-5"][0][0]
    exercise = find("06-5")
    wrong = [case for case in exercise.cases(0) if answer(*case) != key("06-5").answer(case)]
    assert exercise.show(exercise.name, min(wrong, key=exercise.size)) in str(examine(exercise, answer))
