import pytest

from tests.hypervisor.stories import PAGED, PAGED_STORIES, ROOT, TO_S, guest
from tests.hypervisor.towers import difference, end, finished, tower
from vlab import guests
from vlab.events import Emulation, Exit, Injection, ShadowFill, ShadowFlush
from vlab.hypervisor import Hypervisor, TrapAndEmulate
from vlab.machine import Machine
from vlab.riscv import Access, Cause, Mode, Trap, assemble

TINY, KERNEL = guests.load("tiny"), guests.load("kernel", TICK=200, LETTERS=1, PRIMES=100, WORK=50)
OFF = "li t0, 0x100000\nli t1, 0x5555\nsw t1, (t0)\n1: j 1b\n"
OPEN = "li t0, -1\ncsrw pmpaddr0, t0\nli t0, 0x1f\ncsrw pmpcfg0, t0\n"


def exits(body, depth=1):
    """What a guest exits for, by reason, and its recording. A trap in it goes on after what trapped."""
    frame = f"""
        la t0, trap
        csrw mtvec, t0
        {body}
        {OFF}
        .balign 4
    trap: csrr s11, mepc
        addi s11, s11, 4
        csrw mepc, s11
        mret
    .bss
    .balign 4096
    page: .zero 4096
    """
    built = tower(assemble(frame), depth)
    with built.machine.events.record() as run:
        built.run()
    return built.vms[-1].exits, run


@pytest.mark.parametrize(
    ("body", "reason", "count"),
    [
        ("csrw mscratch, x0\ncsrr x0, mhartid", "privileged instruction", 3),
        (".word 0", "illegal instruction", 1),
        ("ecall\necall", "ecall", 2),
        ("ebreak", "breakpoint", 1),
        ("la t0, page\naddi t0, t0, 1\nlr.w t1, (t0)\namoadd.w t1, t1, (t0)", "load misaligned", 1),
        ("la t0, page\naddi t0, t0, 1\namoadd.w t1, t1, (t0)", "store misaligned", 1),
        ("la t0, page\nld t1, (t0)\nsd t1, (t0)\nlw t1, 8(t0)", "shadow fill", 2),
        ("li t0, 0x10000000\nlbu t1, 5(t0)\nsb t1, 7(t0)", "device access", 3),
        ("li t0, 0x30000000\nlbu t1, 5(t0)\nsb t1, 7(t0)", "guest fault", 2),
        ("li t0, 0x10000000\namoadd.w t1, t1, (t0)", "device access", 2),
        ("rdtime t0\naddi t0, t0, 20\nli t1, 0x2004000\nsd t0, (t1)\n" + "nop\n" * 30, "timer", 1),
    ],
)
def test_the_reasons_of_exits(body, reason, count):
    found, run = exits(body)
    assert found[reason] == count
    assert found == {
        r: sum(e.reason == r for e in run.only(Exit)) for r in {e.reason for e in run.only(Exit)}
    }


def test_in_u_mode_they_are_called_by_other_names():
    found, _run = exits(OPEN + "la t0, user\ncsrw mepc, t0\nmret\nuser: ecall\ncsrr t0, sstatus\necall")
    assert (found["system call"], found["illegal instruction"], found["ecall"]) == (2, 1, 0)


def test_a_page_is_filled_with_what_the_guests_table_allows_and_no_more():
    _found, run = exits("la t0, page\nld t1, (t0)\nsd t1, (t0)")
    fills = [(fill.access, fill.flags) for fill in run.only(ShadowFill)]
    assert fills[0] == ("fetch", "DA-UXWRV")  # M mode without a table may do all


def test_w_is_withheld_while_the_guests_page_is_clean():
    kernel = finished(KERNEL, 0)
    built = tower(KERNEL, 1)
    with built.machine.events.record() as run:
        built.run()
    clean = [
        f
        for f in run.only(ShadowFill)
        if f.gva >> 12 == 0x40001 and f.access == "load" and "W" not in f.flags
    ]
    dirty = [f for f in run.only(ShadowFill) if f.gva >> 12 == 0x40001 and f.access == "store"]
    assert dirty and all("W" in fill.flags for fill in dirty)
    assert clean or all(fill.access != "load" for fill in dirty)
    assert difference(end(built.guest), end(kernel.guest)) == []


def test_mprv_is_interpreted_until_it_clears():
    body = (
        OPEN
        + "li t0, 1<<17\ncsrs mstatus, t0\nla t1, page\nld t2, (t1)\nnop\nnop\ncsrc mstatus, t0\nnop\nnop"
    )
    found, _run = exits(body)
    assert found["interpreted"] == 6  # la is two


def test_a_page_that_pmp_cuts_in_pieces_is_interpreted():
    cut = "la t0, page\nsrli t1, t0, 2\ncsrw pmpaddr0, t1\nli t1, 0x91\ncsrw pmpcfg0, t1\n"
    found, _run = exits(cut + "lw t1, (t0)\nlw t1, 4(t0)\nsd t1, 8(t0)\nsw t1, (t0)")
    assert (found["interpreted"], found["guest fault"]) == (3, 1)


def test_an_emulation_tells_what_it_changed():
    _found, run = exits("li t0, 5\ncsrrw t1, mscratch, t0")
    emulation = next(event for event in run.only(Emulation) if "mscratch" in event.text)
    assert emulation.mode == "M"
    assert [change for change in emulation.changes if change[0] != "pc"] == [("mscratch", 0, 5)]


def test_an_instruction_that_traps_is_injected_and_not_emulated():
    _found, run = exits(".word 0\nli t0, 0x30000000\nld t0, (t0)")
    causes = [event.cause for event in run.only(Injection)]
    assert causes == [Cause.ILLEGAL_INSTRUCTION, Cause.LOAD_ACCESS_FAULT]
    assert [event.value for event in run.only(Injection)] == [0, 0x3000_0000]
    assert all(event.text not in ("unimp", ".word 0") for event in run.only(Emulation))


def test_fences_drop_what_they_name():
    body = "la t0, page\nld t1, (t0)\nsfence.vma t0\nld t1, (t0)\nsfence.vma\nld t1, (t0)"
    found, run = exits(body)
    flushes = [(event.reason, event.entries) for event in run.only(ShadowFlush)]
    assert flushes == [
        ("sfence.vma", 2)
    ]  # one address means nothing without a table; a full fence drops code and page
    assert found["shadow fill"] == 4


def test_a_table_loaded_without_a_fence_has_a_shadow_of_its_own():
    """The specification lets a TLB remember the old table then. The shadow of another table is never used for it."""
    body = """
        la   t0, page               # a second root: 0x4000_0000 is RAM's first gibibyte, as 0x8000_0000 is
        li   t1, (0x80000000>>2)|0xcf
        sd   t1, 8(t0)
        sd   t1, 2*8(t0)
        li   t1, 0xc7
        sd   t1, 0(t0)
        li   t2, 0x40000000
        ld   s4, (t2)               # the first one has a page there of which the first word is another
        srli t0, t0, 12
        li   t1, 8<<60
        or   t0, t0, t1
        csrw satp, t0
        ld   s5, (t2)
        ld   s6, (t2)
    """
    first = "la t2, other\nla t1, leaf\nsrli t2, t2, 2\nori t2, t2, 0xc7\nsd t2, (t1)\nsfence.vma\n"
    small = first.replace(
        "la t1, leaf\n", "la t1, leaf\nla t3, page2\nsrli t4, t3, 2\nori t4, t4, 1\nsd t4, (t1)\nmv t1, t3\n"
    )
    data = ROOT + "page2: .zero 4096\n"
    for depth in (1, 2):
        built = tower(guest(PAGED + TO_S + small + body, data), depth).run()
        code = built.guest.memory.load(0x8000_0000, 8)
        assert [built.guest.hart.x[n] for n in (20, 21, 22)] == [0, code, code]


def test_a_change_of_pmp_drops_all():
    found, run = exits(OPEN)
    assert [event.reason for event in run.only(ShadowFlush)] == ["pmp", "pmp"]
    assert found["shadow fill"] == 3


def test_a_new_entry_needs_no_fence_and_a_changed_one_does():
    """Two deep the inner hypervisor's fences are exits of the outer VM."""
    counts = []
    dirty = guest(PAGED + TO_S + PAGED_STORIES["dirty and accessed just in time"], ROOT)
    for image in (TINY, dirty):
        built = tower(image, 2)
        with built.machine.events.record() as run:
            built.run()
        counts.append(sum(event.text == "sfence.vma a0" for event in run.only(Emulation, level=1)))
    assert counts[0] == 0  # no page of it is filled twice
    assert counts[1] == 2  # a page that was first read, then written; and the guest's own fence


def test_a_wrong_technique_is_the_readers_own_affair():
    class Skip(TrapAndEmulate):
        name = "skip"

        def exit(self, cause, value):
            if cause == Cause.ILLEGAL_INSTRUCTION:
                self.vm.hart.pc += 4
                return "skipped"
            return super().exit(cause, value)

    machine = Machine(memory="4M")
    vm = Hypervisor(machine).create_vm(TINY, memory="1M", technique=Skip)
    machine.run(3000)
    assert vm.exits["skipped"] > 10
    assert vm.mode == Mode.M


WANTED = {
    Cause.INSTRUCTION_PAGE_FAULT: Access.FETCH,
    Cause.LOAD_PAGE_FAULT: Access.LOAD,
    Cause.STORE_PAGE_FAULT: Access.STORE,
}


class Mine(TrapAndEmulate):
    """The hypervisor that a reader writes in lesson 07."""

    name = "mine"

    def exit(self, cause, value):
        match cause:
            case Cause.ILLEGAL_INSTRUCTION | Cause.ECALL_FROM_U:
                self.emulate(0x73 if cause == Cause.ECALL_FROM_U else value)
                return "emulated"
            case Cause.INSTRUCTION_PAGE_FAULT | Cause.LOAD_PAGE_FAULT | Cause.STORE_PAGE_FAULT:
                return self.page_fault(WANTED[cause], value)
        return "real interrupt"

    def emulate(self, word):
        try:
            self.vm.hart.execute(word)
        except Trap as trap:
            self.vm.hart.trap(trap.cause, trap.value, Injection)

    def page_fault(self, access, address):
        hart = self.vm.hart
        try:
            found = hart.mmu.resolve(address, access)
        except Trap as trap:
            hart.trap(trap.cause, trap.value, Injection)
            return "guest fault"
        if not self.vm.memory.holds(found.physical):
            self.emulate(hart.fetch(hart.pc))
            return "device access"
        self.fill(address, access, found)
        return "shadow fill"


@pytest.mark.parametrize("image", [TINY, KERNEL], ids=["tiny", "kernel"])
def test_a_readers_own_technique_does_the_same(image):
    mine, ours = tower(image, 1, technique=Mine).run(), tower(image, 1).run()
    assert difference(end(mine.guest), end(ours.guest)) == []
    assert mine.machine.steps == ours.machine.steps
    assert mine.vms[0].exits.total() == ours.vms[0].exits.total()


def test_looking_for_the_reason_changes_nothing():
    built = tower(guest(PAGED + TO_S + "1: j 1b", ROOT), 1)
    vm = built.vms[0]
    built.machine.run(1500)
    leaf = vm.hart.csr["satp"] * 4096 + 4096 & 0xFFFFFFFF
    vm.memory.store(leaf, 8, 0x8000_0000 >> 2 | 7)  # nobody has touched the page yet
    before = built.machine.snapshot()
    for cause in (*Cause, 1 << 63 | 5, 1 << 63 | 1, 99):
        for value in (0, 0x4000_0000, 0x8000_0000, 0x1000_0000, 1 << 63, 0x1051_2073):
            assert vm.technique.reason(int(cause), value)
    assert vm.technique.reason(Cause.STORE_PAGE_FAULT, 0x4000_0000) == "shadow fill"
    assert built.machine.snapshot() == before


ANOTHER_TABLE = assemble(f"""
    {OPEN}
    la   t0, first
    call map
    la   t0, second
    call map
    sd   t1, 5*8(t0)            # RAM once more, where only the second table has it
    srli t0, t0, 12
    li   t1, 8<<60
    or   s1, t0, t1
    la   t0, first
    srli t0, t0, 12
    or   t0, t0, t1
    csrw vsatp, t0
    hfence.vvma
    li   t0, 1<<39|1<<11        # to VS mode
    csrs mstatus, t0
    la   t0, guest
    csrw mepc, t0
    mret
guest:
    csrw satp, s1
    li   t0, 5<<30
    ld   s2, (t0)
    {OFF}
map:
    li   t1, 0xc7               # devices
    sd   t1, (t0)
    li   t1, (0x80000000>>2)|0xcf
    sd   t1, 2*8(t0)
    ret
    .bss
    .balign 4096
    first: .zero 4096
    second: .zero 4096
""")


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("technique", ["trap-and-emulate", "binary-translation", "hardware-assisted"])
def test_a_guest_in_vs_mode_loads_another_table_and_uses_it_without_a_fence(technique, heard):
    machine, built = (tower(ANOTHER_TABLE, depth, technique=technique, extensions="H") for depth in (0, 1))
    if heard:
        built.machine.events.listen(lambda event: None)
    assert difference(end(machine.run(1000).guest), end(built.run(5000).guest)) == []
