"""Guests to try a hypervisor with: small kernels put together from things that a guest can do."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from random import Random
from typing import Any

from vlab.course.exercises import Case, Misused
from vlab.events import Recording, Trap
from vlab.hypervisor import Hypervisor, TrapAndEmulate
from vlab.language import _
from vlab.machine import Machine
from vlab.riscv import Program, assemble

STEPS = 4000  # instructions that one run may attempt
TRAPS = 400  # of a run, that are compared
_MEMORY = 0x1_0000
_FRAME = """
    .globl _start
_start:                         # M mode
    li   t0, 0xb1ff             # exceptions of S and U mode are S mode's affair, but for its ecall
    csrw medeleg, t0
    li   t0, 0x222
    csrw mideleg, t0
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    csrwi mcounteren, 2
    csrwi scounteren, 2
    li   t0, 1
    slli t0, t0, 63
    csrs menvcfg, t0            # stimecmp
    la   t0, firmware
    csrw mtvec, t0
    li   t0, 1<<11
    csrs mstatus, t0
    la   t0, kernel
    csrw mepc, t0
    mret
    .balign 4
firmware:                       # an ecall from S mode: nothing to do, go on after it
    csrr t0, mepc
    addi t0, t0, 4
    csrw mepc, t0
    mret
    .balign 4
trap:                           # S mode: add up what came, and go on
    csrr t0, scause
    bltz t0, alarm
    add  s1, s1, t0
    csrr t1, stval
    add  s2, s2, t1
    csrr t1, sepc
    addi t1, t1, 4
    csrw sepc, t1
    li   t1, 8
    bne  t0, t1, 1f
    li   t1, 1<<8
    csrs sstatus, t1            # a system call: go on in S mode
1:  sret
alarm:
    li   t1, -1
    csrw stimecmp, t1
    addi s3, s3, 1
    sret
    .balign 4
kernel:                         # S mode
    la   t0, trap
    csrw stvec, t0
    la   s0, table
{paging}{body}
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, 0(t0)
1:  j    1b
    .bss
    .balign 4096
table:
    .zero 8192
"""
_PAGING = """
    li   t1, 0xc7
    sd   t1, 0(s0)              # devices
    li   t1, (0x80000000>>2)|0xcf
    sd   t1, 2*8(s0)            # RAM
    srli t0, s0, 12
    li   t1, 8
    slli t1, t1, 60
    or   t0, t0, t1
    csrw satp, t0
    sfence.vma
"""
THINGS = {
    "csr": "    li t2, {number}\n    csrrw s4, sscratch, t2\n    csrrs s5, sscratch, s4\n",
    "status": "    li t2, 1<<18\n    csrrs s4, sstatus, t2\n    csrrc s5, sstatus, t2\n",
    "time": "    rdtime s4\n    rdtime s5\n    sub s4, s5, s4\n",
    "console": "    li t2, 0x10000000\n    lbu s4, 5(t2)\n    li t3, {letter}\n    sb t3, 0(t2)\n",
    "memory": "    la t2, table+4096\n    li t3, {number}\n    sd t3, 8(t2)\n    ld s4, 8(t2)\n",
    "fence": "    sfence.vma\n",
    "ecall": "    ecall\n",
    "ebreak": "    ebreak\n",
    "illegal": "    .word 0\n",
    "misaligned": "    la t2, table+4098\n    amoadd.w s4, t2, (t2)\n",
    "machine": "    csrr s4, mstatus\n",
    "hole": "    li t2, 0x20000000\n    lw s4, {offset}(t2)\n",
    "nowhere": "    li t2, 0xc0000000\n    sw t2, {offset}(t2)\n",
    "alarm": (
        "    li t2, 1<<5\n    csrs sie, t2\n    rdtime t2\n    addi t2, t2, {wait}\n    csrw stimecmp, t2\n"
        "    csrsi sstatus, 2\n    li t2, 40\n2:  addi t2, t2, -1\n    bnez t2, 2b\n    csrci sstatus, 2\n"
    ),
    "held": (
        "    li t2, 1<<5\n    csrs sie, t2\n    rdtime t2\n    addi t2, t2, {wait}\n    csrw stimecmp, t2\n"
        "    li t2, 40\n2:  addi t2, t2, -1\n    bnez t2, 2b\n    csrsi sstatus, 2\n    nop\n    csrci sstatus, 2\n"
    ),
    "sleep": (
        "    li t2, 1<<5\n    csrs sie, t2\n    rdtime t2\n    addi t2, t2, 100\n    csrw stimecmp, t2\n"
        "    wfi\n    csrsi sstatus, 2\n    nop\n    csrci sstatus, 2\n"
    ),
    "user": (
        "    la t2, 2f\n    csrw sepc, t2\n    li t2, 1<<8\n    csrc sstatus, t2\n    sret\n"
        "2:  rdtime s4\n    csrr s5, sstatus\n    ecall\n"
    ),
}
_UNPAGED = ("user",)  # paged, a page for U mode would have to be built first
_PAGED = ("nowhere",)


def draw(random: Random) -> Iterator[Case]:
    """Things alone, then some together: (whether paged, the things, a number that fills in the rest)."""
    for paged in (False, True):
        yield paged, (), 0
        alone = [thing for thing in THINGS if thing not in (_UNPAGED if paged else _PAGED)]
        for thing in random.sample(alone, 7 if paged else len(alone)):
            yield paged, (thing,), random.randrange(1000)
        for length in (3, 6):
            yield paged, tuple(random.sample(alone, length)), random.randrange(1000)


def size(case: Case) -> int:
    """The number of things; paging counts as one."""
    paged, things, _number = case
    return len(things) + bool(paged)


def program(case: Case) -> Program:
    """The guest of a case."""
    paged, things, number = case
    random = Random(number)
    body = "".join(
        THINGS[thing].format(
            number=random.getrandbits(31),
            letter=random.randrange(97, 123),
            offset=4 * random.randrange(100),
            wait=random.randrange(20, 60),
        )
        for thing in things
    )
    return assemble(_FRAME.format(paging=_PAGING if paged else "", body=body))


def run(technique: type[TrapAndEmulate], case: Case) -> tuple[dict[str, Any], Recording]:
    """Run the guest of a case under a technique: what is compared, and the recording."""
    guest = program(case)
    machine = Machine(memory=Hypervisor.memory_for(_MEMORY))
    vm = Hypervisor(machine).create_vm(guest, memory=_MEMORY, technique=technique)
    with machine.events.record() as recording:
        machine.run(STEPS)
    traps = [[e.cause, e.value, e.pc] for e in recording.only(Trap, level=0) if isinstance(e, Trap)]
    state = vm.snapshot().state
    return {
        "traps": traps[:TRAPS],
        "console": vm.console,
        "status": vm.status,
        "time": vm.time,
        "hart": sha256(repr(state["hart"]).encode()).hexdigest()[:16],
        "memory": sha256(repr(state["memory"]).encode()).hexdigest()[:16],
    }, recording


def ask(technique: Any, case: Case) -> Any:
    """What is compared, run with the reader's class: the package's own `exit` is out of reach meanwhile."""
    if not (
        isinstance(technique, type) and issubclass(technique, TrapAndEmulate) and "exit" in vars(technique)
    ):
        raise Misused(_("is not a class like `class Mine(TrapAndEmulate)` with an `exit` of its own"))
    if technique is TrapAndEmulate:
        raise Misused(_("is the package's technique; write your own"))
    with _without_exit():
        return run(technique, case)[0]


@contextmanager
def _without_exit() -> Iterator[None]:
    """Take the package's `exit` away for a while."""
    theirs = TrapAndEmulate.exit

    def refuse(self: TrapAndEmulate, cause: int, value: int) -> str:
        raise Misused(_("leaves the exit to the package's own `exit`; deal with it yourself"))

    TrapAndEmulate.exit = refuse  # type: ignore[method-assign]
    try:
        yield
    finally:
        TrapAndEmulate.exit = theirs  # type: ignore[method-assign]


def show(name: str, case: Case) -> str:
    """The class, and the guest that it runs."""
    paged, things, number = case
    pages = _("paged") if paged else _("not paged")
    return f"{name}: " + _("a guest, {pages}, that does: {things} (number {number})").format(
        pages=pages, things=", ".join(things) or _("nothing more"), number=number
    )
