"""What is particular about the exercises of lesson 10: their keys say what the package's harts and hypervisors do."""

from typing import Any

import pytest

from vlab.course.checking import key
from vlab.course.exercises import find
from vlab.course.questions.lesson_10 import MODES
from vlab.hypervisor import Hypervisor
from vlab.machine import Machine
from vlab.operations.costs import compare_paging
from vlab.riscv import Mode, assemble
from vlab.riscv.csrs import H_REGISTERS
from vlab.riscv.privilege import INTERRUPT_BIT

SEED = 1


def hart(mode: str, **csrs: int) -> Any:
    """A hart with the H extension in a mode, its CSRs written as M mode writes them."""
    found = Machine(memory="64K", extensions="H").hart
    for name, value in csrs.items():
        found.csr.write(H_REGISTERS.by_name[name], value)
    found.mode, found.virtual = Mode[mode[-1]], mode[0] == "V"
    found.mmu.select()
    return found


def test_every_mode_is_asked():
    assert {case[1] for case in find("10-1").cases(SEED)} == set(MODES)


@pytest.mark.parametrize("case", find("10-1").cases(SEED), ids=repr)
def test_a_trap_goes_where_the_key_says(case):
    cause, mode, medeleg, hedeleg = case
    one = hart(mode, medeleg=medeleg, hedeleg=hedeleg)
    one.trap(cause)
    assert one.mode_name == key("10-1").answer(case)


@pytest.mark.parametrize("case", find("10-2").cases(SEED), ids=repr)
def test_an_interrupt_is_taken_as_the_key_says(case):
    waiting, enabled, lent, on, mode = case
    one = hart(mode, mideleg=0x666, hideleg=lent, hvip=waiting, vsie=enabled, vsstatus=2 * on)
    found, right = one.interrupt(), key("10-2").answer(case)
    assert (found is None) == (right is None)
    if found is not None:
        one.trap(found)
        assert (one.mode_name, one.csr["vscause"]) == ("VS", INTERRUPT_BIT | right)


FIRMWARE = """
        li    t0, -1
        csrw  pmpaddr0, t0
        li    t0, 0x1f
        csrw  pmpcfg0, t0
        li    t0, 1<<11
        csrs  mstatus, t0
        la    t0, kernel
        csrw  mepc, t0
        mret
kernel: la    t0, table
        srli  t0, t0, 12
        li    t1, 8<<60
        or    t0, t0, t1
        csrw  satp, t0
        li    s0, 0x80040000        # the pages that are accessed
        li    s1, 0x10000000        # a device
        la    s2, table
"""
TABLE = """
stop:   j     stop
        .data
        .balign 4096
table:  .dword 0xcf, 0, 0x200000cf
"""
DEEDS = {
    "fence": "sfence.vma\n",
    "device": "lbu t2, 5(s1)\n",
    "edit": "ld t2, 8(s2)\nsd t2, 8(s2)\n",
}


def counted(deeds: list[Any], technique: str) -> int:
    """How many exits these deeds make, more than none of them does."""
    totals = []
    for part in (deeds, []):
        body = "".join(
            DEEDS[deed] if isinstance(deed, str) else f"li t1, {deed}<<12\nadd t1, t1, s0\nld t2, (t1)\n"
            for deed in part
        )
        machine = Machine(memory="4M", extensions="H")
        image = assemble(FIRMWARE + body + TABLE)
        vm = Hypervisor(machine).create_vm(image, memory="1M", technique=technique, shadow="lazy")
        machine.run(3000)
        totals.append(vm.exits.total())
    return totals[0] - totals[1]


@pytest.mark.parametrize(
    "deeds", [[1], [1, 1], [1, 2, 3, 1], ["device", "device"], [1, "device", 2, 1]], ids=repr
)
def test_the_package_exits_as_often_as_the_key_says(deeds):
    both = tuple(counted(deeds, technique) for technique in ("trap-and-emulate", "hardware-assisted"))
    assert both == key("10-4").answer((deeds,))


@pytest.mark.parametrize(
    "deeds", [["fence"], [1, "fence", 1], [1, "edit", "fence", 1, 2, "fence", 1]], ids=repr
)
def test_after_a_fence_a_lazy_shadow_is_filled_again(deeds):
    """The kernel's own code, and its table, are filled again as well: that is what the key leaves out."""
    shadow, nested = key("10-4").answer((deeds,))
    tables = 1 if "edit" in deeds else 0
    assert counted(deeds, "hardware-assisted") == nested
    assert counted(deeds, "trap-and-emulate") == shadow + deeds.count("fence") + tables


def test_it_pays_from_where_the_package_says():
    costs = compare_paging("many edits", ["lazy"])
    rows = {row.way: (round(row.start_cost.total), round(row.further_cost.total)) for row in costs}
    for one in rows:
        for two in rows:
            if one != two:
                assert key("10-5").answer((rows[one], rows[two])) == costs.dearer_from(one, two)


@pytest.mark.parametrize("case", find("10-5").cases(SEED)[:20], ids=repr)
def test_by_doing_it_again_and_again(case):
    dearer = [case[0][0] + n * case[0][1] > case[1][0] + n * case[1][1] for n in range(200)]
    right = key("10-5").answer(case)
    last = max((n for n, is_so in enumerate(dearer) if not is_so), default=-1)
    assert right == (None if last == 199 else last + 2)


def test_a_mode_by_another_name_is_not_told_what_it_says_itself():
    why = key("10-1").explain((2, "VS", 0x4, 0x0), "S", "HS")
    assert 'HS, is "S" here' in why.rule
    assert key("10-1").explain((2, "VU", 0x8, 0x4), "M", "VS").step == "medeleg = 0x8"
    assert key("10-1").explain((22, "VU", 1 << 22, 1 << 22), "S", "VS").step == "cause = 22"


@pytest.mark.parametrize(
    ("case", "right", "given", "rule", "step"),
    [
        (((9, 6), (1, 5)), 1, -6, "the answer is 1", ""),
        (((2, 8), (17, 3)), 5, 4, "not yet to cost more", "n = 4: 26 and 26"),
        (((2, 8), (17, 3)), 5, 6, "already earlier", "n = 5: 34 and 29"),
    ],
)
def test_the_bills_are_those_of_the_answer_that_was_given_too_early(case, right, given, rule, step):
    why = key("10-5").explain(case, right, given)
    assert rule in why.rule
    assert why.step == step
