"""A guest kernel let into the host's own system mode: what it does there, it does to the host."""

from contextlib import suppress

import pytest

from tests.hypervisor.host.settings import host_on
from tests.parts import machine_under
from vlab import guests
from vlab.hypervisor.host import KERNEL, programs
from vlab.language import VlabError
from vlab.machine import Machine, Stop
from vlab.riscv import assemble

HOST_MEMORY = KERNEL + 0x8000_0000
LONG_COUNT = programs.load("count", LETTERS=20)


def with_others(image):
    """A host with two programs, a VM, and a kernel in system mode."""
    host = host_on()
    host.start(LONG_COUNT, name="count")
    host.start("spin")
    vm = host.create_vm(guests.load("kernel", LETTERS=2, PRIMES=100), user="ana", memory="1M")
    return host, vm, host.run_in_system_mode(image)


def test_as_long_as_it_behaves_nothing_is_seen():
    host, vm, kernel = with_others(guests.load("crash", ROUNDS=26, WORK=100_000))
    assert machine_under(host).run(300_000) is Stop.LIMIT
    assert (host.panicked, kernel.alive, host.computer.status) == ("", True, None)
    assert host.computer.console.count("[1]") > 5
    assert kernel.used > 50_000
    assert vm.time > 10_000


CRASHES = [
    (guests.load("crash"), "store access fault in system mode, pc 0x80000074, address 0x0"),
    (guests.load("crash", WILD=HOST_MEMORY), "its own memory was overwritten"),
    (
        guests.load("jump_nowhere"),
        "illegal instruction in system mode, pc 0x80000008, instruction 0x30529073 (csrw mtvec, t0)",
    ),
    (assemble("ebreak"), "breakpoint in system mode, pc 0x80000000, address 0x80000000"),
    (assemble("ecall"), "ecall from S in system mode, pc 0x80000000, address 0x0"),
]


@pytest.mark.parametrize(("image", "words"), CRASHES)
def test_when_it_crashes_all_that_is_on_the_host_dies(image, words):
    host, vm, _kernel = with_others(image)
    assert machine_under(host).run(1_000_000) is Stop.OFF
    assert host.computer.status == 1
    assert host.panicked == words
    assert host.computer.console.endswith(f"host panic: {words}\n")
    assert {process.state for process in host.processes} == {"killed"}
    assert vm.status is None
    time = vm.time
    assert machine_under(host).run(100_000) is Stop.OFF
    assert vm.time == time


def test_in_a_vm_the_same_kernel_stops_alone():
    host = host_on()
    count, tiny = host.start(LONG_COUNT), host.create_vm(guests.load("tiny"), memory="1M")
    vm = host.create_vm(guests.load("crash"), memory="1M")
    machine_under(host).run(300_000)
    assert (vm.status, vm.console) == (1, "abcde\nguest: panic\n")
    assert count.state == "exited"
    assert tiny.status == 0
    assert host.computer.status is None


TAKING = {
    "the vector": "la t0, 1f\ncsrw stvec, t0\n1: j 1b",
    "the interrupts": "csrci sstatus, 2\n1: j 1b",
    "the timer": "csrw sie, zero\n1: j 1b",
}


@pytest.mark.parametrize("what", TAKING)
def test_it_can_take_the_hart_for_good(what):
    host, _vm, kernel = with_others(assemble(TAKING[what]))
    machine_under(host).run(100_000)
    before = [process.used for process in host.processes]
    machine_under(host).run(100_000)
    assert [process.used for process in host.processes] == before
    assert host.inside is kernel


def test_it_can_switch_the_computer_off():
    host, _vm, _kernel = with_others(assemble("li t0, 0x100000\nli t1, 0x5555\nsw t1, (t0)\nj ."))
    assert machine_under(host).run(100_000) is Stop.OFF
    assert (host.computer.status, host.panicked) == (0, "")


FILL = "1: sd t3, (t0)\naddi t0, t0, 8\naddi t2, t2, -8\nbnez t2, 1b\nj ."
HOSTILE = [
    "li t0, 1<<62\njr t0",
    "csrw satp, zero\nj .",
    "li t0, -1\ncsrw satp, t0\nj .",
    "csrw sepc, zero\nli t0, 256\ncsrc sstatus, t0\nsret",
    "li t0, 1<<62\ncsrw sepc, t0\nli t0, 256\ncsrc sstatus, t0\nsret",
    "li t0, 1<<62\ncsrw sepc, t0\nsret",
    "li t0, 1<<62|1\ncsrw stvec, t0\n1: j 1b",
    "li t0, 1<<19|1<<18\ncsrs sstatus, t0\n1: j 1b",
    "li t0, -1\ncsrw scounteren, t0\ncsrw sip, t0\n1: j 1b",
    "li t0, -1\ncsrw sie, t0\ncsrw sip, t0\n1: wfi\nj 1b",
    "li t0, 0x10000000\nli t1, 0x1f\nsb t1, 4(t0)\n1: sb t1, (t0)\nj 1b",  # the UART hears itself
    "li t0, 0x0c002080\nli t1, -1\nsw t1, (t0)\nli t0, 0xc000000\n1: sw t1, (t0)\naddi t0, t0, 4\nj 1b",
    "li t0, 0x0c201004\n1: lw t1, (t0)\nj 1b",
    "li t0, 0xffffffc080100000\nli t2, 0x300000\nli t3, 0x123456789abcdef\n" + FILL,
    "li t0, 0xffffffc080400000\nli t2, 0x400000\nmv t3, t0\n" + FILL,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_it_does_is_the_models_affair_and_no_error_of_python(text):
    host, vm, _kernel = with_others(assemble(text))
    host.start("echo")
    machine_under(host).run(20_000)
    host.computer.type("hello\n")
    machine_under(host).run(400_000)
    repr(host.ps())
    vm.chain(0x8000_0000)
    for process in host.processes:
        if process.alive:
            with suppress(VlabError):  # where its trap vector is gone, the host can't take the hart
                host.pause(process)
    machine_under(host).run(50_000)
    saved = host.computer.snapshot()
    fresh = Machine(memory="8M")
    fresh.restore(saved)
    assert fresh.snapshot() == saved


def test_it_is_refused_where_it_does_not_fit():
    host = host_on(Machine(memory="2M"))
    before = host.frames.free
    for how in ({"memory": "3M"}, {"memory": 5}, {"memory": "0"}, {"memory": "4K"}):
        with pytest.raises(VlabError):
            host.run_in_system_mode(assemble("nop\n.bss\n.zero 8192"), **how)
    assert host.frames.free == before
    assert host.processes == []


def test_it_may_change_its_page_table_and_the_others_keep_theirs():
    text = """
    csrr t0, satp
    slli t0, t0, 20
    srli t0, t0, 8               # the root table, physical,
    li   t1, 0xffffffc000000000
    add  t0, t0, t1              # where the host has it
    li   t2, 0x80400000
    add  t1, t1, t2              # a copy of it in a frame that is free
    li   t3, 512
1:  ld   t4, (t0)
    sd   t4, (t1)
    addi t0, t0, 8
    addi t1, t1, 8
    addi t3, t3, -1
    bnez t3, 1b
    srli t2, t2, 12
    li   t0, 8<<60
    or   t0, t0, t2
    csrw satp, t0
    sfence.vma
2:  addi s0, s0, 1
    j    2b
    """
    host = host_on()
    host.start(LONG_COUNT)
    kernel = host.run_in_system_mode(assemble(text))
    satp = kernel.satp
    machine_under(host).run(100_000)
    assert (host.panicked, kernel.satp & 0xFFFFF) == ("", 0x80400)
    assert satp != kernel.satp
    assert host.computer.console.count("[1]") == 20
    assert kernel.used > 50_000
