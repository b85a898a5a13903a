"""Who listens to a machine, or stops it, rewinds it, looks at it, changes nothing about it: not a bit, at no time."""

import importlib.util
from functools import partial
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.h_programs import h_guests
from tests.hypervisor.lookers import WAYS, alone, heard, state
from tests.hypervisor.programs import MEMORY
from tests.hypervisor.programs import guests as random_guests
from tests.hypervisor.towers import POLICIES, difference
from vlab import guests
from vlab.hypervisor import nested
from vlab.machine import Machine, Sbi
from vlab.riscv import assemble

# A page that is read, then written; an interrupt that an exit brings about; an alarm that a device is told of.
BY_EXITS = assemble("""
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    csrwi mideleg, 2
    csrwi mcounteren, 7
    la   t0, root
    li   t1, 0xc7
    sd   t1, (t0)
    li   t1, (0x80000000>>2)|0xcf
    sd   t1, 2*8(t0)
    la   t1, middle
    srli t2, t1, 2
    ori  t2, t2, 1
    sd   t2, 8(t0)
    la   t2, leaf
    srli t3, t2, 2
    ori  t3, t3, 1
    sd   t3, (t1)
    srli t0, t0, 12
    li   t1, 8<<60
    or   t0, t0, t1
    csrw satp, t0
    li   t0, 1<<11
    csrs mstatus, t0
    la   t0, kernel
    csrw mepc, t0
    mret
kernel:
    la   t0, interrupted
    csrw stvec, t0
    csrwi sie, 2
    csrwi sstatus, 2
    li   s1, 8
    li   t0, 1<<30
    la   t1, page
    srli t1, t1, 2
    ori  t1, t1, 0x47           # it may be written, and is clean
    la   t2, leaf
1:  sd   t1, (t2)
    sfence.vma t0
    ld   t3, (t0)
    sd   t3, (t0)
    csrsi sip, 2
    rdtime t3
    addi t3, t3, 20
    li   t4, 0x2004000
    sd   t3, (t4)
    li   t3, 30
2:  addi t3, t3, -1
    bnez t3, 2b
    addi s1, s1, -1
    bnez s1, 1b
off:
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, (t0)
    j    off
    .balign 4
interrupted:
    csrci sip, 2
    rdinstret s2
    add  s3, s3, s2
    sret
    .bss
    .balign 4096
root: .zero 4096
middle: .zero 4096
leaf: .zero 4096
page: .zero 4096
""")
ENGINES = ("interpreter", "native") if importlib.util.find_spec("llvmlite") else ("interpreter",)
TECHNIQUES = ("hardware-assisted", "trap-and-emulate", "binary-translation")
TOWERS = [tower for depth in range(4) for tower in product(TECHNIQUES, repeat=depth)]
GUESTS = {
    "kernel": guests.load("kernel", TICK=300, WORK=60, LETTERS=2, PRIMES=100),
    "sbi_hello": guests.load("sbi_hello"),
    "pages": guests.load("pages", PAGES=16, EDITS=4, ROUNDS=3),
    "device_noise": guests.load("device_noise"),
    "by_exits": BY_EXITS,
}
STEPS = 6000  # three deep a guest has got to its own code by then


def run(image, techniques, way, *, engine, steps=STEPS, memory=1 << 20, shadow=None, extensions="H", seed=0):
    """A machine's whole state after so many steps in this way."""
    shadows = None if shadow is None else [shadow] * len(techniques)
    build = partial(Machine, extensions=extensions, engine=engine)
    machine, vms = nested(techniques, memory, shadows, build)
    computer = vms[-1] if vms else machine
    if image is GUESTS["sbi_hello"]:
        Sbi(computer).load(image)
    else:
        computer.load(image)
    way(machine, vms, steps, Random(seed))
    return state(machine, vms)


def check(image, techniques, ways, **how):
    """The same state by all these ways, on each engine."""
    expected = run(image, techniques, alone, engine="interpreter", **how)
    for engine in ENGINES:
        for way in (alone, *ways) if engine == "native" else ways:
            assert difference(expected, run(image, techniques, way, engine=engine, **how)) == []


@pytest.mark.parametrize("number", range(len(TOWERS)), ids=["-".join(("bare", *tower)) for tower in TOWERS])
def test_a_tower_is_the_same_whoever_looks_on(number):
    """A few ways each; the slow test has all of them, for all guests."""
    name = list(GUESTS)[number % len(GUESTS)]
    ways = {heard, *(WAYS[(2 * number + more) % len(WAYS)] for more in (0, 1))}
    check(GUESTS[name], TOWERS[number], sorted(ways, key=WAYS.index))


@pytest.mark.slow
@pytest.mark.parametrize("name", GUESTS)
@pytest.mark.parametrize("techniques", TOWERS, ids="-".join)
def test_a_tower_is_the_same_whoever_looks_on_in_any_way(techniques, name):
    check(GUESTS[name], techniques, WAYS, steps=40_000)


# Its G-stage goes by the fence of its own, and is filled again while it runs directly.
HOSTS_FENCE = assemble("""
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    li   t0, 1<<11
    csrs mstatus, t0
    la   t0, kernel
    csrw mepc, t0
    mret
kernel:
    hfence.vvma
    la   t0, page
    sd   t0, (t0)
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, (t0)
    j    kernel
    .bss
    .balign 4096
page: .zero 4096
""")


@pytest.mark.parametrize("image", [BY_EXITS, HOSTS_FENCE], ids=["exits", "fence"])
@pytest.mark.parametrize("techniques", TOWERS[1:13], ids="-".join)
def test_a_guest_goes_on_after_an_exit_as_if_it_were_entered_anew(techniques, image):
    """With a listener it is; else only what the exit has changed is looked at: alarms, interrupts, fences, tables."""
    check(image, techniques, [heard], steps=4000)


@settings(max_examples=settings().max_examples // 4)
@given(
    random_guests(),
    st.sampled_from(TOWERS[:13]),
    st.sampled_from(POLICIES),
    st.sampled_from(WAYS),
    st.integers(200, 15_000),
)
def test_random_guests(guest, techniques, shadow, way, steps):
    check(guest.program, techniques, [heard, way], steps=steps, memory=MEMORY, shadow=shadow)


@settings(max_examples=settings().max_examples // 4)
@given(
    h_guests(),
    st.sampled_from(TOWERS[:13]),
    st.sampled_from(POLICIES),
    st.sampled_from(WAYS),
    st.integers(200, 12_000),
)
def test_random_guests_that_use_the_h_extension(guest, techniques, shadow, way, steps):
    check(guest.program, techniques, [heard, way], steps=steps, shadow=shadow)
