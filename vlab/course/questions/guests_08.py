"""Guests with two page tables, to try a hypervisor with: what they read at one address tells which table was used."""

from collections.abc import Iterator
from random import Random
from typing import Any

from vlab.course.exercises import Case, Misused
from vlab.events import Recording
from vlab.hypervisor import Hypervisor, StaleSatp, TrapAndEmulate
from vlab.language import _
from vlab.machine import Machine
from vlab.riscv import Program, assemble

STEPS = 6000  # instructions that one run may attempt
_MEMORY = 0x1_0000
_FRAME = """
    .globl _start
_start:                         # M mode
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    la   t0, trap
    csrw mtvec, t0
    li   t0, 1<<11
    csrs mstatus, t0
    la   t0, kernel
    csrw mepc, t0
    mret
    .balign 4
trap:                           # write down that something went wrong, and go on
    li   s4, -1
    sd   s4, 0(s2)
    csrr t0, mepc
    addi t0, t0, 4
    csrw mepc, t0
    mret
    .balign 4
kernel:                         # S mode
    la   s2, log
    la   a0, one
    la   a1, page_one
    li   a2, 101
    call build
    mv   s5, a0
    la   a0, two
    la   a1, page_two
    li   a2, 202
    call build
    mv   s6, a0
    la   s9, page_one
    la   s10, page_two
    li   s3, 0x40000000         # the page that both tables show
{body}
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, 0(t0)
1:  j    1b

build:                          # a0: three tables, a1: a page, a2: what it holds; gives a satp
    sd   a2, 0(a1)
    li   t1, 0xc7
    sd   t1, 0(a0)              # devices
    li   t1, (0x80000000>>2)|0xcf
    sd   t1, 2*8(a0)            # RAM
    li   t0, 4096
    add  t2, a0, t0
    srli t1, t2, 2
    ori  t1, t1, 1
    sd   t1, 1*8(a0)
    add  t3, t2, t0
    srli t1, t3, 2
    ori  t1, t1, 1
    sd   t1, 0(t2)
    srli t1, a1, 2
    ori  t1, t1, 0xc7
    sd   t1, 0(t3)              # the page, for S mode
    srli a0, a0, 12
    li   t1, 8
    slli t1, t1, 60
    or   a0, a0, t1
    ret
    .bss
    .balign 4096
one: .zero 3*4096
two: .zero 3*4096
page_one: .zero 4096
page_two: .zero 4096
log: .zero 4096
"""
_READ = "    ld s4, 0(s3)\n    sd s4, 0(s2)\n    addi s2, s2, 8\n"
DEEDS = {
    "one": "    csrw satp, s5\n    sfence.vma\n",
    "two": "    csrw satp, s6\n    sfence.vma\n",
    "off": "    csrw satp, x0\n    sfence.vma\n",
    "read": _READ,
    "write": "    ld s4, 0(s3)\n    addi s4, s4, 1\n    sd s4, 0(s3)\n",
    "swap": (  # the table's last entry names the other page
        "    csrr t0, satp\n    slli t0, t0, 20\n    srli t0, t0, 8\n    li t1, 8192\n    add t0, t0, t1\n"
        "    ld t1, 0(t0)\n    srli t2, s9, 2\n    srli t3, s10, 2\n    xor t2, t2, t3\n    xor t1, t1, t2\n"
        "    sd t1, 0(t0)\n    sfence.vma\n"
    ),
}
_SHORT = (
    ("one", "read"),
    ("one", "two", "read"),
    ("one", "read", "two", "read"),
    ("two", "read", "one", "read"),
    ("one", "read", "swap", "read"),
    ("one", "off", "two", "read"),
    ("one", "read", "two", "read", "one", "read"),
    ("one", "write", "read", "two", "write", "read"),
)


def draw(random: Random) -> Iterator[Case]:
    """Each a policy of shadows, and what the guest does: it reads only while a table is loaded."""
    for policy in ("lazy", "eager", "traced"):
        for deeds in _SHORT:
            yield policy, deeds
        for length in (6, 10):
            yield policy, _story(random, length)


def _story(random: Random, length: int) -> tuple[str, ...]:
    deeds = [random.choice(("one", "two"))]
    for _deed in range(length):
        kinds = ("one", "two", "read", "read", "write", "swap", "off")
        deeds.append(random.choice(("one", "two") if deeds[-1] == "off" else kinds))
    return (*deeds, *(("two",) if deeds[-1] == "off" else ()), "read")


def size(case: Case) -> int:
    """The number of deeds; lazy shadows are the simplest."""
    return 2 * len(case[1]) + int(case[0] != "lazy")


def program(case: Case) -> Program:
    """The guest of a case."""
    return assemble(_FRAME.format(body="".join(DEEDS[deed] for deed in case[1])))


def run(technique: type[TrapAndEmulate], case: Case) -> tuple[dict[str, Any], Recording]:
    """Run the guest of a case under a technique: what it read and what it took, and the recording."""
    guest = program(case)
    machine = Machine(memory=Hypervisor.memory_for(_MEMORY))
    vm = Hypervisor(machine).create_vm(guest, memory=_MEMORY, technique=technique, shadow=case[0])
    with machine.events.record() as recording:
        machine.run(STEPS)
    log = guest.symbols["log"]
    return {
        "read": [vm.memory.load(log + 8 * n, 8) for n in range(case[1].count("read"))],
        "ended": vm.status == 0,
        "time": vm.time,
        "exits": vm.exits.total(),
        "fills": vm.exits["shadow fill"],
    }, recording


def ask(technique: Any, case: Case) -> Any:
    """What it reads and takes under the reader's class."""
    if not (isinstance(technique, type) and issubclass(technique, StaleSatp) and technique is not StaleSatp):
        raise Misused(_("is not a class like `class Mended(StaleSatp)`"))
    return run(technique, case)[0]


def show(name: str, case: Case) -> str:
    """The class, and what the guest does that it runs."""
    policy, deeds = case
    return f"{name}: " + _("a guest under {policy} shadows that does: {deeds}").format(
        policy=policy, deeds=", ".join(deeds)
    )
