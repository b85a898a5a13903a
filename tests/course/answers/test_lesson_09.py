"""What is particular about the exercises of lesson 09: their keys say what the package's hypervisors do."""

from typing import Any

import pytest

from tests.course.answers.wrong_09 import EBREAK, jumps, translating
from tests.hypervisor.techniques.hypercalls import TRAPS, program, run
from vlab.course.checking import key
from vlab.course.exercises import find
from vlab.course.questions.lesson_09 import BASE, MOST
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.techniques.hypercalls import MOST_UPDATES
from vlab.machine import Machine
from vlab.operations import classify
from vlab.riscv import ROWS, assemble, decode

SEED = 1


def test_there_is_room_for_as_many_updates_as_the_package_takes():
    assert MOST == MOST_UPDATES


@pytest.mark.parametrize("number", range(0, 64, 3))
def test_the_package_answers_a_list_of_updates_as_the_key_does(number):
    cases = find("09-4").cases(SEED)
    updates, base, size = cases[number % len(cases)]
    assert (base, size) == (BASE, 512 << 10)
    words = "".join(f".dword {place}, {value}\n" for place, value in updates)
    body = TRAPS + f"la a0, list\nli a1, {len(updates)}\nhypercall HYPER_UPDATE\nmv s1, a0\n"
    # What is accepted may overwrite the guest's first instructions, which it has behind it.
    image = program(body, f".data\n.balign 8\nlist:\n{words}")
    vm = run(image)
    found = vm.hart.x[9]
    assert found - (found >> 63 << 64) == key("09-4").answer((updates, base, size))


def test_every_word_of_a_case_is_translated_as_its_opcode_says():
    simple = translating(jumps)
    for (words,) in find("09-3").cases(SEED):
        assert all(decode(word) for word in words)
        assert simple(words) == key("09-3").answer((words,))
    assert ROWS["ebreak"].match == EBREAK


GUEST = """
        la    t0, handler
        csrw  stvec, t0
        csrr  t1, sstatus
{body}
stop:   j     stop
        .balign 4
handler: addi s0, s0, 1
        li    t2, -1
        csrw  stimecmp, t2
        j     stop
"""
FIRMWARE = """
        li    t0, -1
        csrw  pmpaddr0, t0
        li    t0, 0x1f
        csrw  pmpcfg0, t0
        li    t0, 0x222
        csrw  mideleg, t0
        li    t0, 1<<63
        csrs  menvcfg, t0
        csrwi stimecmp, 0           # pending at once
        li    t0, 1<<5
        csrs  sie, t0
        li    t0, 1<<11
        csrs  mstatus, t0
        la    t0, kernel
        csrw  mepc, t0
        mret
kernel:
"""


@pytest.mark.parametrize("traps", [True, False])
def test_the_package_delivers_where_the_key_does(traps):
    machine = Machine(memory="4M", quirks=() if traps else "silent-sstatus")
    image = assemble(FIRMWARE + GUEST.format(body="        csrsi sstatus, 2"))
    vm = Hypervisor(machine).create_vm(image, memory="1M")
    machine.run(5000)
    assert vm.hart.x[8] == len(key("09-2").answer((["tick", "on"], traps)))


@pytest.mark.parametrize(
    ("text", "right"), [("sret", (True, True)), ("ecall", (False, False)), ("add", (False, False))]
)
def test_the_classes_of_the_package(text, right):
    row = classify(lambda: Machine(memory="128K"), only=[text])["U", "S"][text]
    assert (row.privileged, row.sensitive) == right
    pairs: dict[str, Any] = {
        "sret": ("trap", (True, 0)),
        "ecall": ("trap", "trap"),
        "add": ((False, 0), (False, 0)),
    }
    assert key("09-1").answer(([pairs[text]],)) == right
