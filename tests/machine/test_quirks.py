"""A machine with a fault, on purpose: what it does, to whom, and that nothing else is different."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hypervisor.towers import MOST, difference, end, finished, tower
from tests.machine.programs import MASK, OFF, cause, do, machine, mode, register, write
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import Machine, Stop
from vlab.machine.quirks import QUIRKS, quirk_title
from vlab.operations import migrate
from vlab.riscv import CSRS, Cause, Mode, assemble

QUIRK = "silent-sstatus"
FORMS = ("csrw sstatus, a0", "csrs sstatus, a0", "csrc sstatus, a0", "csrwi sstatus, 2", "csrsi sstatus, 2")
KERNEL = guests.load("kernel", TICK=300, LETTERS=2, PRIMES=100)


def quirky(source="j .", where=Mode.U, memory="1M"):
    return mode(Machine(assemble(source), memory=memory, quirks=QUIRK), where)


@pytest.mark.parametrize("form", FORMS)
@given(value=st.integers(0, MASK), status=st.integers(0, MASK))
def test_in_u_a_write_of_sstatus_does_nothing_and_does_not_trap(form, value, status):
    built = quirky()
    write(built, mstatus=status)
    before = dict(built.hart.csr.values)
    assert cause(built, form, a0=value) is None
    assert built.hart.csr.values == before


def test_in_u_a_read_of_sstatus_gives_its_value():
    built = quirky()
    write(built, mstatus=CSRS["sstatus"]["SUM"].mask | CSRS["mstatus"]["MPP"].mask)
    do(built, "csrrci a1, sstatus, 2")
    assert register(built, "a1") == built.hart.csr["sstatus"]
    assert register(built, "a1") & CSRS["sstatus"]["SUM"].mask
    assert not register(built, "a1") & CSRS["mstatus"]["MPP"].mask


@pytest.mark.parametrize("where", [Mode.S, Mode.M])
@pytest.mark.parametrize("form", FORMS)
def test_above_u_it_is_as_ever(form, where):
    plain, built = mode(machine(), where), quirky(where=where)
    for one in (plain, built):
        assert cause(one, form, a0=1 << 18) is None
    assert plain.hart.csr.values == built.hart.csr.values


@pytest.mark.parametrize("name", [name for name in CSRS if name != "sstatus"])
def test_no_other_csr_is_silent(name):
    plain, built = mode(machine(), Mode.U), quirky()
    for form in (f"csrr a1, {CSRS[name].number}", f"csrw {CSRS[name].number}, a0"):
        assert cause(plain, form) == cause(built, form)


def test_without_the_quirk_it_traps():
    built = mode(machine(), Mode.U)
    assert {cause(built, form) for form in FORMS} == {Cause.ILLEGAL_INSTRUCTION}


def test_without_it_a_hart_pays_nothing():
    assert type(Machine(memory="64K").hart.csr).__name__ == "CsrFile"


def test_software_is_not_told_of_it():
    image = guests.load("tiny")
    plain, built = Machine(image, memory="1M"), Machine(image, memory="1M", quirks=QUIRK)
    assert plain.memory.pages() == built.memory.pages()  # the device tree is in there
    assert plain.hart.csr["misa"] == built.hart.csr["misa"]


@pytest.mark.parametrize("wanted", [QUIRK, [QUIRK], (QUIRK, QUIRK), iter([QUIRK])])
def test_quirks_are_named(wanted):
    assert Machine(memory="64K", quirks=wanted).quirks == (QUIRK,)


@pytest.mark.parametrize("wanted", ["silent-satp", ["silent"], [7], [None], [[]], 7])
def test_a_quirk_that_is_none_is_refused(wanted):
    with pytest.raises(VlabError) as told:
        Machine(memory="64K", quirks=wanted)
    assert QUIRK in str(told.value)


def test_every_quirk_has_words():
    assert [name for name in QUIRKS if not quirk_title(name)] == []


# --- Snapshots


def test_a_snapshot_says_of_which_kind_its_machine_was():
    plain, built = machine(), Machine(assemble("j ."), memory="1M", quirks=QUIRK)
    for one, other in ((plain, built), (built, plain)):
        before = other.snapshot()
        with pytest.raises(VlabError, match="quirks"):
            other.restore(one.snapshot())
        assert other.snapshot() == before
    again = Machine(memory="1M", quirks=QUIRK)
    again.restore(built.snapshot())
    assert again.snapshot() == built.snapshot()


def test_a_vm_has_the_hart_of_its_machine_at_every_depth_and_stays_on_such():
    built = quirky_tower(guests.load("tiny"), 2)
    assert {vm.quirks for vm in built.vms} == {(QUIRK,)}
    plain = tower(guests.load("tiny"), 1)
    with pytest.raises(VlabError, match="quirks"):
        plain.guest.restore(built.guest.snapshot())


def test_a_vm_does_not_migrate_to_another_kind():
    here = Hypervisor(Machine(memory="4M", quirks=QUIRK))
    there = Hypervisor(Machine(memory="4M"))
    vm = here.create_vm(guests.load("tiny"), memory="256K")
    with pytest.raises(VlabError):
        migrate(vm, there)
    assert vm in here.vms and there.vms == []


# --- What it does to trap and emulate


def quirky_tower(image, depth, **options):
    """As `tower`, on a machine with the quirk."""
    real = Machine.__init__

    def init(self, *args, **rest):
        real(self, *args, quirks=QUIRK, **rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Machine, "__init__", init)
        return tower(image, depth, **options)


def test_bare_the_kernel_runs_as_on_any_machine():
    plain, built = finished(KERNEL, 0), quirky_tower(KERNEL, 0).run()
    assert built.machine.console == plain.machine.console
    assert difference(end(plain.guest), end(built.guest)) == ["hart.quirks: [] is not ['silent-sstatus']"]


@pytest.mark.parametrize("depth", [1, 2])
def test_under_trap_and_emulate_the_kernel_prints_something_else(depth):
    """The kernel sets SUM to read its process's memory, and goes on without it: so it never prints for any."""
    right, built = finished(KERNEL, 0), quirky_tower(KERNEL, depth)
    assert built.machine.run(200_000 * depth) is Stop.LIMIT
    assert built.guest.console == "kernel: two processes, a page table each\n"
    assert built.guest.console != right.guest.console


@pytest.mark.parametrize(
    ("technique", "switches"),
    [("binary-translation", {}), ("call-outs-only", {}), ("paravirtual", {"PARAVIRTUAL": 1})],
)
def test_techniques_that_do_not_wait_for_a_trap_are_right(technique, switches):
    image = guests.load("kernel", TICK=300, LETTERS=2, PRIMES=100, **switches)
    built = quirky_tower(image, 1, technique=technique).run()
    assert built.guest.console == finished(KERNEL, 0).guest.console


# In S mode, with an alarm set: what BEFORE did lasts while s1 is counted, and what AFTER did, while s2 is.
SECTION = f"""
    la   t0, tick
    csrw stvec, t0
    csrw mtvec, t0
    li   t0, 1<<5
    csrw mideleg, t0
    csrw sie, t0
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    csrr t0, menvcfg
    li   t1, 1<<63
    or   t0, t0, t1
    csrw menvcfg, t0
    li   t0, 2
    csrw mcounteren, t0
    li   t0, STATUS | 1<<11     # MPP: S
    csrw mstatus, t0
    la   t0, supervisor
    csrw mepc, t0
    li   s0, 0                  # ticks
    mret
    .balign 4
supervisor:
    BEFORE
    rdtime t0
    addi t0, t0, 200
    csrw stimecmp, t0
    li   t1, 400
1:  addi t1, t1, -1
    bnez t1, 1b
    mv   s1, s0                 # ticks that came in the section
    AFTER
    li   t1, 400
2:  addi t1, t1, -1
    bnez t1, 2b
    mv   s2, s0                 # and after it
    {OFF}
    j .
    .balign 4
tick:
    addi s0, s0, 1
    li   t2, -1
    csrw stimecmp, t2
    sret
"""


ON, OFF_AGAIN, SIE = "csrsi sstatus, 2", "csrci sstatus, 2", 2


def ticks_source(before, after, status):
    """The program above: what it does before it counts, and after, and its mstatus at first."""
    source = SECTION.replace("BEFORE", before).replace("AFTER", after).replace("STATUS", str(status))
    return assemble(source)


def ticks(before, after, status, depth, *, quirk=True):
    """The ticks that come in a section of a small kernel, and until its end, so many levels deep."""
    image = ticks_source(before, after, status)
    built = quirky_tower(image, depth) if quirk else tower(image, depth)
    built.machine.run(MOST // 10)
    assert built.guest.status == 0
    return built.guest.hart.x[9], built.guest.hart.x[18]


def test_interrupts_are_never_enabled():
    section = OFF_AGAIN, ON, 0
    assert ticks(*section, 0) == ticks(*section, 1, quirk=False) == (0, 1)
    assert ticks(*section, 1) == (0, 0)


def test_interrupts_stay_enabled_in_a_critical_section():
    section = OFF_AGAIN, ON, SIE
    assert ticks(*section, 0) == ticks(*section, 1, quirk=False) == (0, 1)
    assert ticks(*section, 1) == (1, 1)


def test_a_guest_sees_that_it_is_in_u():
    """`sstatus` as a monitor left it for its guest, in place of the guest's own."""
    image = ticks_source("csrr s3, sstatus", "", 1 << 19)
    seen = [quirky_tower(image, depth).run().guest.hart.x[19] for depth in (0, 1)]
    assert [bool(value >> 19 & 1) for value in seen] == [True, False]  # MXR, which this kernel has set


@pytest.mark.parametrize("name", ["hello", "tiny"])
def test_a_guest_that_does_not_touch_sstatus_is_right(name):
    image = guests.load(name)
    plain, built = finished(image, 0), quirky_tower(image, 1).run()
    assert built.guest.console == plain.guest.console


def test_a_hypervisor_and_one_in_its_vm_are_unaffected():
    plain, built = finished(guests.load("tiny"), 2), quirky_tower(guests.load("tiny"), 2).run()
    assert [vm.exits for vm in built.vms] == [vm.exits for vm in plain.vms]
