"""Binary translation: nothing of it is seen by a guest, whatever its code does to itself."""

from itertools import product
from struct import unpack_from
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.hypervisor.inspector import PAGE, outside, own_frames, running
from tests.hypervisor.programs import MEMORY
from tests.hypervisor.programs import guests as random_guests
from tests.hypervisor.stories import PAGED, PAGED_STORIES, ROOT, STORIES, TO_S, guest
from tests.hypervisor.techniques.selfmodifying import selfmodifying
from tests.hypervisor.test_isolation import wild
from tests.hypervisor.towers import POLICIES, difference, end, finished, tower
from vlab import guests
from vlab.events import Exit, Translation
from vlab.guests.inside import inside
from vlab.hypervisor import BinaryTranslation, CallOutsOnly, Hypervisor, TrapAndEmulate
from vlab.hypervisor.techniques.translated_words import CALL_OUT, IN_LINE, harmless, sensitive, translated
from vlab.language import VlabError
from vlab.machine import Machine, Stop
from vlab.machine.snapshot import computer_state
from vlab.riscv import Mode, assemble, decode
from vlab.riscv.instructions import ROWS, encode

TINY, KERNEL = guests.load("tiny"), guests.load("kernel", TICK=200, LETTERS=1, PRIMES=30, WORK=50)
BOTH = (BinaryTranslation, CallOutsOnly)
TRANSLATED, TRAPPED = "binary-translation", "trap-and-emulate"
OFF = "li t0, 0x100000\nli t1, 0x5555\nsw t1, (t0)\nj .\n"

# What an S-mode kernel does to its CSRs at each trap, and keeps in them between.
IN_LINED = """
    li   s4, 40
    li   s5, 0x123456789abcdef0
1:  csrw sscratch, s5
    csrw stval, s4
    csrw scause, s5
    addi s4, s4, -1
    nop
    nop
    nop
    nop
    nop
    csrr s6, sscratch
    csrr s7, stval
    csrr s8, scause
    csrr s9, sstatus
    add  s5, s5, s7
    xor  s5, s5, s9
    nop
    nop
    nop
    nop
    nop
    nop
    bnez s4, 1b
    csrr x0, sscratch
    csrw sscratch, x0
    csrwi stval, 0
"""


# The same with numbers around those that have room in a word, and reads with no call-out near.
SMALL = """
    li   s4, 40
1:  andi s5, s4, 3
    addi s5, s5, 2045
    csrw sscratch, s5
    li   t0, 5
2:
    .rept 8
    nop
    .endr
    csrr s6, sscratch
    csrr s7, scounteren
    add  s8, s8, s6
    add  s8, s8, s7
    .rept 8
    nop
    .endr
    addi t0, t0, -1
    bnez t0, 2b
    addi s4, s4, -1
    bnez s4, 1b
"""


def same(image, *, technique=BinaryTranslation, depth=1, shadow="lazy", memory=1 << 20):
    """Run under it; the guest's end is the bare machine's."""
    built = tower(image, depth, technique=technique, shadow=shadow, memory=memory).run()
    assert difference(end(finished(image, 0, memory=memory).guest), end(built.guest)) == []
    return built


def kernel(body, data=""):
    """A guest in S mode, with RAM and devices where they are."""
    return guest(PAGED + TO_S + body, ROOT + data)


# The same as bare


@pytest.mark.parametrize("technique", BOTH)
@pytest.mark.parametrize("shadow", POLICIES)
@pytest.mark.parametrize("name", ["hello", "tiny", "kernel", "crash"])
def test_the_guests_end_as_bare_with_far_fewer_exits(name, shadow, technique):
    image = guests.load(name)
    exits = same(image, technique=technique, shadow=shadow).vms[-1].exits.total()
    assert exits < 0.6 * finished(image, 1, shadow=shadow).vms[-1].exits.total()


@pytest.mark.parametrize("techniques", [t for n in (2, 3) for t in product((TRANSLATED, TRAPPED), repeat=n)])
def test_above_and_below_trap_and_emulate(techniques):
    for three in (("lazy", "traced", "eager"), ("traced", "eager", "lazy")):
        policies = three[-len(techniques) :]
        built = tower(TINY, len(techniques), technique=techniques, shadow=policies).run()
        assert difference(end(finished(TINY, 0).guest), end(built.guest)) == []
        alone = tower(TINY, 1, technique=techniques[-1], shadow=policies[-1]).run()
        assert built.vms[-1].exits == alone.vms[-1].exits
        for outer in built.vms[:-1]:  # what its hypervisor issues is no code that could be translated
            assert not {"translation", "call-out", "interpreted"} & outer.exits.keys()


def test_processes_two_deep():
    built = tower(KERNEL, 2, technique=TRANSLATED, shadow=("lazy", "traced")).run()
    assert difference(end(finished(KERNEL, 0).guest), end(built.guest)) == []
    assert built.vms[-1].exits == tower(KERNEL, 1, technique=TRANSLATED, shadow="traced").run().vms[-1].exits


@pytest.mark.parametrize("shadow", POLICIES)
def test_a_hypervisor_in_assembly_is_translated_as_any_kernel(shadow):
    image = inside(TINY)
    built = same(image, shadow=shadow, memory=4 << 20)
    assert (
        built.vms[-1].exits.total() < finished(image, 1, shadow=shadow, memory=4 << 20).vms[-1].exits.total()
    )


def check(told, technique, shadow, depth=1):
    bare = tower(told.program, 0, memory=MEMORY)
    assume(bare.machine.run(30_000) is not Stop.LIMIT)
    built = tower(told.program, depth, memory=MEMORY, technique=technique, shadow=shadow).run()
    assert difference(end(bare.guest), end(built.guest)) == []


@settings(max_examples=40)
@given(random_guests(), st.sampled_from(POLICIES))
def test_random_guests_without_in_lining(told, shadow):
    check(told, CallOutsOnly, shadow)


@settings(max_examples=40)
@given(random_guests(), st.sampled_from(POLICIES))
def test_random_guests(told, shadow):
    check(told, BinaryTranslation, shadow)


@settings(max_examples=8)
@given(random_guests(), st.sampled_from(POLICIES))
def test_random_guests_two_deep(told, shadow):
    check(told, BinaryTranslation, shadow, 2)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=300)
@given(random_guests(), st.sampled_from(POLICIES), st.sampled_from((1, 1, 2)))
def test_many_random_guests(told, shadow, depth):
    check(told, BinaryTranslation, shadow, depth)


@pytest.mark.parametrize("story", STORIES)
def test_a_story(story):
    for shadow, technique in product(POLICIES, BOTH):
        same(guest(STORIES[story], ROOT), shadow=shadow, technique=technique)


@pytest.mark.parametrize("story", PAGED_STORIES)
@pytest.mark.parametrize("eyes", ["S", "M with the eyes of S"])
def test_a_paged_story(story, eyes):
    into = TO_S if eyes == "S" else "li t0, 1<<11 | 1<<17\ncsrs mstatus, t0\n"
    told = guest(PAGED + into + PAGED_STORIES[story], ROOT)
    for shadow in POLICIES:
        same(told, shadow=shadow)
    same(told, depth=2)


# At every moment


NOT_ACCESSED = """
    la   t0, leaf
    li   t1, (0x80000000>>2)|0xb # leaf[1]: a large page of code, which nobody has accessed
    sd   t1, 8(t0)
    sfence.vma
    la   t0, 1f
    li   t1, 0x40200000-0x80000000
    add  t0, t0, t1
    csrw sepc, t0
    li   t0, 1<<8
    csrs sstatus, t0
    sret
1:  nop
    nop
    ebreak
"""


@pytest.mark.parametrize("technique", BOTH)
@pytest.mark.parametrize(
    "image", [TINY, kernel(IN_LINED), kernel(NOT_ACCESSED)], ids=["tiny", "in-lined", "not accessed"]
)
def test_at_every_moment_it_looks_like_the_bare_machine_at_that_time(image, technique):
    """Not at every time of its own: what is interpreted at one exit, nobody sees half done."""
    bare = states_by_time(tower(image, 0))
    for depth in (1, 2):
        seen = states_by_time(tower(image, depth, technique=technique))
        assert seen.keys() < bare.keys() and len(seen) > 30
        for time, states in seen.items():
            for state in states:
                # An injected interrupt takes no time, nor does a hidden fault that sets A.
                assert state in bare[time] or (len(states) > 1 and state == states[-1])


def states_by_time(built):
    seen: dict[int, list[Any]] = {}
    while built.machine.status is None and built.guest.status is None:
        state = computer_state(built.guest)
        told = state["hart"], state["skipped"], state["devices"], built.guest.memory.peek(0x8000_0000, 0x8000)
        seen.setdefault(state["time"], []).append(told)
        built.machine.step()
    return seen


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("image", [TINY, kernel(IN_LINED)], ids=["tiny", "in-lined"])
def test_saved_at_any_step_it_goes_on_elsewhere(image, depth):
    last = tower(image, depth, technique=TRANSLATED, shadow="traced").run().machine.snapshot()
    built, stops = tower(image, depth, technique=TRANSLATED, shadow="traced"), 0
    while built.machine.run(1 if depth == 1 else 7) is Stop.LIMIT:
        saved = built.machine.snapshot()
        fresh = Machine(memory=built.machine.memory.size)
        fresh.restore(saved)
        assert fresh.snapshot() == saved
        fresh.run()
        assert difference(fresh.snapshot().state, last.state) == []
        stops += 1
    assert stops > 30


def test_a_vm_is_carried_to_another_hypervisor_at_any_step():
    image = kernel(IN_LINED)
    bare = end(finished(image, 0).guest)
    built = tower(image, 1, technique=TRANSLATED)
    while built.machine.run(23) is Stop.LIMIT:
        other = tower(None, 1, technique=TRANSLATED, shadow="traced")
        other.guest.restore(built.guest.snapshot())
        assert difference(bare, end(other.run().guest)) == []


@pytest.mark.parametrize("time_slice", [1, 2, 7, 50])
def test_beside_others_its_exits_are_the_same(time_slice):
    images = [TINY, kernel(IN_LINED), guests.load("kernel", TICK=200, LETTERS=1, PRIMES=5, WORK=5)]
    machine = Machine(memory="8M")
    hypervisor = Hypervisor(machine, time_slice=time_slice)
    vms = [hypervisor.create_vm(image, memory=1 << 20, technique=TRANSLATED) for image in images]
    assert machine.run(3_000_000) is Stop.ASLEEP
    for vm, image in zip(vms, images, strict=True):
        assert vm.exits.pop("time slice", 0) > 0
        assert vm.exits == same(image).vms[-1].exits


@pytest.mark.parametrize("time_slice", range(52, 60))
def test_who_was_stopped_for_another_after_an_exit_that_moved_nothing_is_not_run_ahead(time_slice):
    """The guest goes on from that exit as it was, and is stopped right before its next call-out."""
    count = "addi s4, s4, -1\nbnez s4, 1b\n" + OFF
    image = assemble("li s4, 60\n1:\n.rept 40\nnop\n.endr\ncsrw sscratch, s4\n" + count)
    machine = Machine(memory="8M")
    hypervisor = Hypervisor(machine, time_slice=time_slice)
    images = image, assemble("li s4, 4000\n1: nop\n" + count)
    vm, _busy = (hypervisor.create_vm(image, memory=1 << 20, technique=TRANSLATED) for image in images)
    machine.run(100_000)
    assert vm.exits.pop("time slice", 0) > 10
    assert vm.exits == same(image).vms[-1].exits


def test_a_guest_that_sleeps_lets_others_run():
    """Its `wfi` stands right behind a call-out; but whose turn is next is not decided while it is run ahead."""
    ticking = assemble(
        "li t0, 1<<63\ncsrw menvcfg, t0\nli t0, 1<<5\ncsrw mie, t0\n"
        "1: rdtime t1\naddi t1, t1, 1000\ncsrw stimecmp, t1\nwfi\naddi s0, s0, 1\nj 1b"
    )
    machine = Machine(memory="8M")
    hypervisor = Hypervisor(machine, time_slice=500)
    images = [assemble("1: addi s0, s0, 1\nj 1b"), ticking]
    busy, idle = (hypervisor.create_vm(image, memory=1 << 20, technique=TRANSLATED) for image in images)
    machine.run(100_000)
    assert busy.time > 85_000
    assert 50 < idle.hart.x[8] < 110


def test_another_guest_in_its_place_finds_nothing_of_it():
    similar = kernel(IN_LINED.replace("add  s5, s5, s7", "sub  s5, s5, s7"))
    built, other = (tower(image, 1, technique=TRANSLATED) for image in (kernel(IN_LINED), similar))
    for one in (built, other):
        one.machine.run(600)
    built.guest.restore(other.guest.snapshot())
    assert difference(end(finished(similar, 0).guest), end(built.run().guest)) == []
    built.guest.load(TINY)
    assert difference(end(finished(TINY, 0).guest), end(built.run().guest)) == []
    assert built.vms[-1].exits == same(TINY).vms[-1].exits


def test_a_clone_goes_on_as_its_parent():
    image = kernel(IN_LINED)
    machine = Machine(memory="8M")
    parent = Hypervisor(machine).create_vm(image, memory=1 << 20, technique=TRANSLATED)
    machine.run(900)
    clone = parent.clone()
    machine.run(100_000)
    for vm in (parent, clone):
        assert difference(end(finished(image, 0).guest), end(vm)) == []


# In-lining


def test_what_words_become():
    found = {row.name: decode(row.match) for row in ROWS.values()}
    for instruction in found.values():
        if instruction is not None:  # nothing but zeros is none of what the row stands for
            base = ROWS[instruction.row.base]
            known = base.extension in ("I", "M", "A", "Zifencei")
            assert harmless(instruction.word) == (known and base.name not in ("ecall", "ebreak"))
            assert sensitive(instruction.word) is not harmless(instruction.word)
    assert len([name for name, instruction in found.items() if instruction is None]) < 10
    assert not any(map(sensitive, (0, 0xFFFF_FFFF, 0xFFF0_0073)))  # none of these is an instruction
    values = {"scause": 8, "sscratch": 2047, "stval": 2048, "sie": 0, "mepc": 4, "satp": 0, "sip": 0}
    cases = {
        "csrr t0, scause": "li t0, 8",
        "csrci scause, 0": "li x0, 8",
        "csrr a1, sscratch": "li a1, 2047",
        "csrr t0, sie": "li t0, 0",
        "csrr t0, stval": "ebreak",  # it has no room in a word
        "csrr t0, sepc": "ebreak",  # nobody has said what it is
        "csrw sscratch, t0": "ebreak",
        "csrwi sscratch, 0": "ebreak",
        "csrrw sp, sscratch, sp": "ebreak",
        "csrs sscratch, t0": "ebreak",
        "csrr t0, sip": "ebreak",  # it changes by itself
        "csrr t0, time": "ebreak",
        "csrr t0, satp": "ebreak",  # TVM may forbid it
        "csrr t0, mepc": "ebreak",  # not in S mode
        "add t0, t1, t2": "add t0, t1, t2",
        "sret": "ebreak",
        "ebreak": "ebreak",
    }
    for text, wanted in cases.items():
        words = [int.from_bytes(assemble(line).segments[0][1][:4], "little") for line in (text, wanted)]
        assert translated(words[0], Mode.S, values) == words[1], text
        assert translated(words[0], Mode.S, {}) == (words[0] if harmless(words[0]) else CALL_OUT)
    assert translated(encode(ROWS["csrrs"], {"csr": 0x341, "rd": 5}), Mode.M, values) != CALL_OUT


def test_in_lined_words_do_not_exit():
    saved = []
    for image in (kernel(IN_LINED), kernel(SMALL), TINY, KERNEL, guests.load("forkwait")):
        with_it, without = (same(image, technique=technique).vms[-1].exits.total() for technique in BOTH)
        saved.append(without - with_it)
    assert min(saved) >= 0 and max(saved) > 100


@pytest.mark.parametrize("extensions", ["", "H"])
def test_each_csr_that_is_in_lined_reads_as_it_is(extensions):
    """All of them, before and after it was written; and those of M mode know of the extension."""
    reads = "\n".join(f"csrr a0, {name}\nadd s4, s4, a0\nslli s4, s4, 1" for name in IN_LINE[Mode.M])
    write = "li t1, {value}\n" + "\n".join(
        f"csrw {name}, t1"
        for name in ("sscratch", "scause", "stval", "mscratch", "mtval", "sie", "mie", "mideleg")
    )
    parts = ["li s5, 4\n1:", reads, write.format(value=0x222), reads, write.format(value=-1)]
    body = "\n".join([*parts, "addi s5, s5, -1\nbnez s5, 1b\n"])
    image, ends = guest(body), []
    for depth in (0, 1, 2):
        built = tower(image, depth, technique=BinaryTranslation, extensions=extensions).run()
        ends.append(end(built.guest))
        assert difference(ends[0], ends[-1]) == []


LAST_WORDS = """
    csrw sscratch, s0
    li   s4, -2048
    li   s5, 77
    csrw sscratch, s5
    nop
    nop
    nop
    nop
    nop
    nop
    csrr s6, sscratch
    ld   s6, (s4)
    sd   s6, 8(s4)
    ld   s7, 24(s4)
"""


@pytest.mark.parametrize("shadow", POLICIES)
@pytest.mark.parametrize("last", range(-4096, 0, 0x380))
def test_nothing_is_in_the_guests_addresses_but_what_is_its_own(last, shadow):
    """Where in-lined code could keep the virtual registers, a wild pointer of the kernel's still finds nothing."""
    same(kernel(LAST_WORDS.replace("-2048", str(last & -8))), shadow=shadow)
    same(guest("li s5, 88\ncsrw mscratch, s5\n" + LAST_WORDS, ROOT), shadow=shadow)


LAST_PAGE = """
    la   t0, root               # the last gibibyte: root[511] -> leaf, leaf[511] -> other, other[511]: page
    la   t1, leaf
    srli t2, t1, 2
    ori  t2, t2, 1
    li   t3, 511*8
    add  t4, t0, t3
    sd   t2, (t4)
    la   t5, other
    srli t2, t5, 2
    ori  t2, t2, 1
    add  t4, t1, t3
    sd   t2, (t4)
    la   t6, page
    srli t2, t6, 2
    ori  t2, t2, 0xc7
    add  t4, t5, t3
    sd   t2, (t4)
    sfence.vma
    li   s4, -2048
    li   s5, 99
    sd   s5, (s4)
    ld   s6, (s4)
"""


@pytest.mark.parametrize("shadow", POLICIES)
@pytest.mark.parametrize("first", ["", IN_LINED])
def test_a_guest_with_a_page_at_the_end_of_all_addresses_has_it(first, shadow):
    same(kernel(first + LAST_PAGE + IN_LINED), shadow=shadow)


def test_on_the_quirky_machine_only_translation_is_right():
    code = "csrsi sstatus, 2\ncsrr s4, sstatus\nli t0, 1<<18\ncsrs sstatus, t0\ncsrr s5, sstatus\n"
    data = ROOT + ".data\n.balign 4096\nscratch: csrci sstatus, 2\ncsrr s6, sstatus\nret\n"
    call = "la t0, scratch\nld t1, (t0)\njalr ra, t0\n"  # read before it is run
    image, quirk = guest(PAGED + TO_S + code + call, data), "silent-sstatus"
    bare = Machine(image, memory="1M", quirks=quirk)
    bare.run(10_000)
    ends = {}
    for technique in (TrapAndEmulate, *BOTH):
        machine = Machine(memory="4M", quirks=quirk)
        vm = Hypervisor(machine).create_vm(image, memory="1M", technique=technique)
        machine.run(100_000)
        ends[technique] = difference(end(bare), end(vm))
    assert ends[TrapAndEmulate] != []
    assert ends[BinaryTranslation] == ends[CallOutsOnly] == []


# Code that is data, and data that is code


SELF_MODIFYING = """
    li   s4, 8
    la   s5, place
    lw   s6, (s5)               # an instruction, as a number
    lw   s7, change
    ld   s9, 4(s5)
again:
    jal  ra, call
    ld   t2, (s5)               # two instructions at once, and three that are touched by one store
    not  t3, t2
    sd   t3, (s5)
    sd   t2, (s5)
    sd   t2, 2(s5)
    sd   t2, (s5)
    sd   s9, 4(s5)
    xor  t0, s6, s7
    lw   t1, (s5)
    xor  t1, t1, t0             # the one, the other, the one
    sw   t1, (s5)
    {fence}
place:
    addi s8, s8, 1
    addi s4, s4, -1
    bnez s4, again
    j    1f
change:
    addi s8, s8, 100
call:
    sh   s6, (s5)               # its lower half: now, and again
    csrw sscratch, s4
    ret
1:
"""


def check_selfmodifying(seed, technique, shadow, depth=1):
    """At some moments the guest is as the bare machine is then."""
    image, memory = selfmodifying(seed), 1 << 18
    built = tower(image, depth, technique=technique, shadow=shadow, memory=memory)
    bare = Machine(image, memory=memory)
    for _moment in range(6):
        built.machine.run(700 if depth == 1 else 5000)
        bare.run(time=built.guest.time)
        assert bare.time == built.guest.time
        assert difference(end(bare), end(built.guest)) == []


@settings(max_examples=15)
@given(st.integers(0, 1 << 32), st.sampled_from(BOTH), st.sampled_from(POLICIES))
def test_random_code_that_changes_itself(seed, technique, shadow):
    check_selfmodifying(seed, technique, shadow)


@settings(max_examples=3)
@given(st.integers(0, 1 << 32), st.sampled_from(POLICIES))
def test_random_code_that_changes_itself_two_deep(seed, shadow):
    check_selfmodifying(seed, BinaryTranslation, shadow, 2)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=300)
@given(
    st.integers(0, 1 << 32), st.sampled_from(BOTH), st.sampled_from(POLICIES), st.sampled_from((1, 1, 1, 2))
)
def test_much_random_code_that_changes_itself(seed, technique, shadow, depth):
    check_selfmodifying(seed, technique, shadow, depth)


def test_two_instructions_change_at_once():
    body = """
    la   t0, scratch
    jalr ra, t0
    la   t1, scratch + 32
    ld   t2, (t1)
    sd   t2, (t0)
    jalr ra, t0
    srli t3, t2, 16             # and another, by halves
    sh   t2, 8(t0)
    sh   t3, 10(t0)
    jalr ra, t0
    """
    two = "addi s4, s4, 1\naddi s4, s4, 2\n"
    data = f".data\n.balign 4096\nscratch: {two}nop\nret\n.zero 16\naddi s4, s4, 100\naddi s4, s4, 200\n.zero 4000\n"
    for shadow, technique in product(POLICIES, BOTH):
        assert same(kernel(body, data), shadow=shadow, technique=technique).guest.hart.x[20] == 703


@pytest.mark.parametrize("fence", ["", "fence.i"])
@pytest.mark.parametrize("mode", ["M", "S"])
@pytest.mark.parametrize("technique", BOTH)
def test_code_that_changes_itself(mode, technique, fence):
    told = SELF_MODIFYING.format(fence=fence)
    for shadow in POLICIES:
        built = same(kernel(told) if mode == "S" else guest(told, ROOT), technique=technique, shadow=shadow)
        assert built.guest.hart.x[24] == 404
    same(kernel(told), depth=2)


def test_the_kernels_code_is_changed_from_user_mode_and_through_another_address():
    """The same page of code is at its own address, and at 0x4000_0000 + its offset, for U mode, to be written."""
    body = """
    la   t0, root
    li   t1, (0x80000000>>2)|0xdf
    sd   t1, 3*8(t0)            # RAM once more, for U mode, at 0xc000_0000
    sfence.vma
    jal  ra, victim
    li   t0, 1<<8
    la   t0, user
    li   t1, 0x40000000
    add  t0, t0, t1
    csrw sepc, t0
    li   t0, 1<<8
    csrc sstatus, t0
    sret
user:
    auipc t0, 0                 # in U mode
    lw   t1, other_word - user(t0)
    sw   t1, victim - user(t0)
    ecall
    """
    # Every trap goes to M and back behind the instruction: so after `ecall` the program is still in U mode.
    rest = """
    addi s6, s6, 1
    la   t0, back
    j    1f
victim:
    addi s4, s4, 1
    ret
other_word:
    addi s4, s4, 50
back:
1:  lw   t1, other_word
    auipc t0, 0
    jalr ra, t0, victim - .+ 4
    """
    for shadow in POLICIES:
        same(kernel(body + rest), shadow=shadow)


def test_code_is_written_through_another_address_of_the_kernels():
    body = """
    la   t0, root
    li   t1, (0x80000000>>2)|0xcf
    sd   t1, 3*8(t0)            # RAM once more at 0xc000_0000
    sfence.vma
    jal  ra, victim
    la   t0, victim
    li   t1, 0x40000000
    add  t0, t0, t1
    lw   t2, (t0)               # read before it is written
    lw   t1, other_word
    sw   t1, (t0)
    jal  ra, victim
    jalr ra, t0                 # and run there
    jal  ra, victim
    j    1f
victim:
    addi s4, s4, 1
    ret
other_word:
    addi s4, s4, 50
1:
    """
    for shadow, technique in product(POLICIES, BOTH):
        assert same(kernel(body), shadow=shadow, technique=technique).guest.hart.x[20] == 151


def test_a_page_that_could_be_written_is_so_no_more_once_it_is_code():
    body = """
    la   t0, root
    li   t1, (0x80000000>>2)|0xcf
    sd   t1, 3*8(t0)            # RAM once more at 0xc000_0000
    sfence.vma
    la   t0, scratch
    li   t1, 0x40000000
    add  t1, t0, t1
    sw   x0, 64(t1)             # by now that page may be written through both addresses
    sw   x0, 64(t0)
    jalr ra, t0
    lw   t2, other_word
    sw   t2, (t1)
    jalr ra, t0
    sw   t2, 4(t0)
    jalr ra, t0
    j    1f
other_word:
    addi s4, s4, 50
1:
    """
    data = ".data\n.balign 4096\nscratch: addi s4, s4, 1\naddi s4, s4, 1\nret\n.zero 4000\n"
    for shadow, technique in product(POLICIES, BOTH):
        assert same(kernel(body, data), shadow=shadow, technique=technique).guest.hart.x[20] == 153


def test_a_kernel_reads_its_own_bytes_and_never_the_cache():
    body = "la t0, _start\nli t1, 400\n1: ld t2, (t0)\nadd s4, s4, t2\naddi t0, t0, 8\naddi t1, t1, -8\nbnez t1, 1b\n"
    for shadow, technique in product(POLICIES, BOTH):
        same(kernel(body), shadow=shadow, technique=technique)
    exits = same(kernel(body)).vms[-1].exits
    assert 0 < exits["code read"] <= 17 and exits["call-out"] < 10  # 50 loads


def test_a_page_of_code_that_becomes_data():
    uses = "".join(f"sd t1, {8 * n}(t0)\nld t2, {8 * n}(t0)\nadd s4, s4, t2\n" for n in range(1, 6))
    body = f"""
    la   t0, scratch
    jalr ra, t0
    li   t1, 2000
1:  {uses}                      # from here on it is a page of data
    addi t1, t1, -1
    bnez t1, 1b
    jalr ra, t0                 # and then code again
    """
    data = ".data\n.balign 4096\nscratch: addi s5, s5, 1\nret\n.zero 4000\n"
    for shadow in POLICIES:
        assert same(kernel(body, data), shadow=shadow).vms[-1].exits.total() < 40


def test_more_pages_of_code_than_the_cache_has():
    pages = 40
    far = (f"csrr t3, sscratch\naddi s5, s5, {n}\nret\n.balign 4096\n" for n in range(pages))
    data = ".data\n.balign 4096\nfar:\n" + "".join(far)
    body = f"li s6, 3\n2: la t0, far\nli t1, {pages}\nli t2, 4096\n1: jalr ra, t0\nadd t0, t0, t2\naddi t1, t1, -1\n"
    body += "bnez t1, 1b\naddi s6, s6, -1\nbnez s6, 2b\n"
    for shadow, technique in product(POLICIES, BOTH):
        assert same(kernel(body, data), shadow=shadow, technique=technique).guest.hart.x[21] == 3 * sum(
            range(pages)
        )


def test_a_block_goes_on_in_the_next_page():
    fill = "la t0, 1f\njr t0\n.balign 4096\n.zero 4080\n1: addi s4, s4, 1\ncsrr s5, sscratch\nauipc s6, 0\n"
    fill += "addi s4, s4, 1\n"
    for technique in BOTH:
        assert (
            same(kernel(fill + "addi s4, s4, 1\ncsrr s7, sstatus\n"), technique=technique).guest.hart.x[20]
            == 3
        )


def test_a_kernel_that_jumps_into_the_middle_and_to_what_is_no_code():
    body = "jal ra, 2f\n1: li t0, 1\nj 3f\n2: la t0, 1b\naddi t0, t0, 4\njr t0\n3: "
    same(guest(body + ".word 0\n.word 0xffffffff\nebreak\necall\n", ROOT))


@pytest.mark.parametrize("shadow", ["traced"])
def test_stores_to_page_tables_are_retranslated(shadow):
    body = """
    li   s4, 60
    la   t0, leaf
1:  addi t1, s4, 64
    slli t1, t1, 3
    add  t1, t1, t0
    sd   x0, (t1)
    addi s4, s4, -1
    bnez s4, 1b
    """
    image = kernel("li t0, 0x40000000\nld t1, (t0)\n" + body)
    exits = same(image, shadow=shadow).vms[-1].exits
    assert exits["page-table write"] == 3 and exits["call-out"] < 8
    assert finished(image, 1, shadow=shadow).vms[-1].exits["page-table write"] == 60


# What is spared


class Thorough(BinaryTranslation):
    """It enters its guest anew after each exit, prepares it before each instruction, fetches each, and looks ahead."""

    name = "thorough-translation"

    def _rests(self):
        return False

    def _next_word(self):
        for page in self.cache.pages.values():
            page.outlooks.clear()
        return super()._next_word()

    def _do(self, word):
        self._interpret()
        return False


def spared(image, shadow, most, extensions=""):
    both = [
        tower(image, 1, memory=MEMORY, technique=how, shadow=shadow, extensions=extensions)
        for how in (BinaryTranslation, Thorough)
    ]
    for built in both:
        built.machine.run(most)
    assert dict(both[0].vms[0].exits) == dict(both[1].vms[0].exits)
    assert difference(both[0].guest.snapshot().state, both[1].guest.snapshot().state) == []
    assert both[0].machine.time == both[1].machine.time


@settings(max_examples=30)
@given(random_guests(), st.sampled_from(POLICIES))
def test_what_is_spared_changes_no_exit_and_no_time(told, shadow):
    spared(told.program, shadow, 20_000)


@settings(max_examples=30)
@given(st.integers(0, 1 << 32), st.sampled_from(POLICIES))
def test_nor_where_code_writes_itself(seed, shadow):
    spared(selfmodifying(seed), shadow, 5_000)


@pytest.mark.parametrize("tick", [37, 61, 200])
@pytest.mark.parametrize("shadow", POLICIES)
def test_nor_among_many_interrupts(shadow, tick):
    """Some ring while the guest is run ahead."""
    spared(guests.load("kernel", TICK=tick, LETTERS=3, PRIMES=5, WORK=5), shadow, 60_000)


class Counted(BinaryTranslation):
    """A reader's own, which does more at each entry."""

    name = "counted"
    entries = 0

    def load(self):
        self.entries += 1
        super().load()


def test_who_does_more_at_an_entry_does_it_at_each():
    vm = same(KERNEL, technique=Counted).vms[0]
    technique: Any = vm.technique
    assert technique.entries == vm.exits.total()


def test_code_that_is_run_ahead_through_another_address_has_been_accessed():
    """All of it is interpreted, and at that address it was never shown."""
    body = """
        la   t0, victim
        li   t1, 0x40200000-0x80000000
        add  t4, t0, t1             # where RAM is once more, in a large page that nobody has accessed
        la   t2, leaf
        li   t3, (0x80000000>>2)|0x8f
        sd   t3, 8(t2)
        sfence.vma
        jal  ra, near
        mv   t1, t0
        li   s4, 2
    2:  csrw sscratch, t0
        jalr ra, t1
        csrw sscratch, t1
        mv   t1, t4                 # the second time it is there
        addi s4, s4, -1
        bgtz s4, 2b
        j    1f
    victim:
        addi s6, s6, 1
        ret
    near:
        csrw sscratch, t0
        ret
    1:  csrr s5, sscratch
    """
    guest = same(kernel(body)).guest
    assert guest.memory.load(guest.hart.x[7] + 8, 8) & 0x40


def test_a_right_is_gone_as_soon_as_it_is_given_back():
    """SUM: without it the kernel has another shadow. Nothing is called out near."""
    away = "nop\n" * 8
    body = f"""
        la   t0, leaf
        li   t1, (0x80000000>>2)|0xdf  # RAM as a large page of a process
        sd   t1, 8(t0)
        sfence.vma
        li   t0, 0x40200000
        li   t1, 1<<18
        li   s4, 3
        li   s5, 0
    1:  {away}csrs sstatus, t1
        {away}ld   t2, (t0)
        {away}csrc sstatus, t1
        {away}li   t2, 0
        ld   t2, (t0)               # a page fault, which leads behind it
        {away}add  s5, s5, t2
        addi s4, s4, -1
        bgtz s4, 1b
    """
    for technique in BOTH:
        assert same(kernel(body), technique=technique).guest.hart.x[21] == 0


def test_translations_are_looked_at_again_only_where_a_csr_has_changed():
    built = tower(kernel(IN_LINED), 1, technique=BinaryTranslation).run()
    technique: Any = built.vms[0].technique
    cache, csr = technique.cache, built.vms[0].virtual_hart.csr
    cache.follow(csr)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(csr), "__getitem__", lambda *_any: pytest.fail("it was read"))
        cache.follow(csr)
        csr.values["sscratch"] += 1
        with pytest.raises(pytest.fail.Exception):
            cache.follow(csr)


def test_what_comes_next_is_looked_at_again_where_code_was_written():
    vm = tower(kernel("nop\ncsrw sscratch, x0\n"), 1, technique=BinaryTranslation).run().vms[0]
    technique: Any = vm.technique
    page = next(page for page in technique.cache.pages.values() if page.mode == Mode.S)
    first = next(at for at in range(0, PAGE, 4) if technique.cache.outlook(page, at).near)
    vm.memory.poke(page.number * PAGE + first, bytes(32))
    assert not technique.cache.outlook(page, first).near


# Call-outs that a load or store was made into: where the next one is far, and where nothing exits any more.
# The table at `root` is traced, so stores there are emulated; and `far` is a page of plain data.
STORES = """
    la   s2, leaf
    li   s3, {pages}            # rounds in which the page table is stored to
    li   s4, {rounds}
1:  bgtz s3, 2f
    la   s2, far
2:  sd   x0, 1024(s2)           # leaf[128] is not in use
    addi s3, s3, -1
    li   t0, {wait}
3:  addi t0, t0, -1
    bgtz t0, 3b
    addi s4, s4, -1
    bgtz s4, 1b
"""
FAR = ".data\n.balign 4096\nfar: .zero 4096\n"


def stores(pages, rounds, wait):
    image = kernel(
        "li t0, 0x40000000\nld t1, (t0)\n" + STORES.format(pages=pages, rounds=rounds, wait=wait), FAR
    )
    return same(image, shadow="traced")


def test_a_call_out_that_is_no_longer_needed_is_tried_again():
    exits = [stores(20, rounds, 60).vms[0].exits for rounds in (20, 40, 400)]
    assert 10 < exits[0]["call-out"] + exits[0]["page-table write"] < 30
    assert exits[0]["call-out"] < exits[1]["call-out"] < exits[0]["call-out"] + 5
    assert exits[2] == exits[1]


# A jump into the midst of a store: there stands what is illegal. But where the read behind it is in-lined, it would
# be `mul`. The store is called out while the read becomes so, and then tried again.
MIDST = (
    """
    la   t0, handler
    csrw mtvec, t0
    la   t1, far
    csrw mscratch, t1           # too large to be in-lined
    li   s2, 0x10000000
    li   s3, 8
1:  mv   t1, s2
    bgtz s3, 2f
    csrwi mscratch, 0
    la   t1, far
2:  jal  work
    addi s3, s3, -1
    bgtz s3, 1b
    addi t0, s3, 12
    bgtz t0, 1b
    li   s5, 0
    la   t0, work + 2
    .rept 40
    nop
    .endr
    jr   t0
    .balign 4
handler:
    csrr s6, mcause
    csrr s7, mepc
    addi s5, s5, 1
"""
    + OFF
    + """
work:
    sb   a1, (t1)
    csrr t2, mscratch
    .rept 40
    nop
    .endr
    ret
    c.nop
"""
)


def test_a_store_that_is_tried_again_leads_nowhere_else_from_its_midst():
    image = assemble(MIDST + FAR)
    bare, translated = (tower(image, depth, extensions="C", technique=TRANSLATED).run() for depth in (0, 1))
    assert difference(end(bare.guest), end(translated.guest)) == []
    hart, work = translated.guest.hart, image.symbols["work"]
    assert (hart.x[21], hart.x[22], hart.x[23]) == (1, 2, work + 2)
    technique: Any = translated.vms[0].technique
    assert [row.kind for row in technique.code(work, 2, Mode.M)] == ["call-out", "in-lined"]


def test_behind_a_call_out_that_is_in_no_loop_nothing_is_run_ahead():
    """It was in vain a few times, and then no more: so each instruction of the guest takes the host a step."""
    few, many = (stores(rounds, rounds, 60) for rounds in (40, 80))
    site = [page.in_vain for page in few.vms[0].technique.cache.pages.values() if page.in_vain]
    assert [list(counts.values()) for counts in site] == [[8]]
    each = (many.machine.time - few.machine.time) / 40
    guests_own = (many.vms[0].time - few.vms[0].time) / 40
    assert each - guests_own == 8  # what an exit takes


def test_a_call_out_behind_which_another_is_expected_is_saved():
    built = tower(TINY, 1, technique=BinaryTranslation)
    technique: Any = built.vms[0].technique
    built.machine.run(2_000, until=lambda: technique.cache.pages)
    page = next(iter(technique.cache.pages.values()))
    technique._another.called_out(page, page.number * PAGE + 64)
    saved = built.machine.snapshot()
    technique.cache.clear()
    gone = built.machine.snapshot()
    for snapshot in (saved, gone):
        fresh = Machine(memory=built.machine.memory.size)
        fresh.restore(snapshot)
        assert fresh.snapshot() == snapshot


def test_a_loop_of_call_outs_is_run_ahead():
    near = stores(200, 200, 1).vms[0]
    assert near.exits["call-out"] < 30
    technique: Any = near.technique
    assert all(not any(page.in_vain.values()) for page in technique.cache.pages.values())


def test_a_guest_with_much_memory_has_more_of_its_code_translated():
    frames = []
    for memory in ("8M", "64M"):
        vm = Hypervisor(Machine(memory="80M")).create_vm(memory=memory, technique=TRANSLATED)
        technique: Any = vm.technique
        frames.append((technique.hidden_frames, len(technique.frames)))
    assert frames == [(16, 64), (256, 512)]


# Isolation


def inspect(machine, vms):
    """Nothing but the guest's memory is in reach, and its technique's hidden frames, to run only."""
    vm = running(machine, vms)
    if vm is None:
        return 0
    hidden: list[int] = list(vm.technique.shadow.hidden)
    host: Any = vm.host
    while host is not machine:
        hidden = [host.memory.frames[frame - host.memory.base // PAGE] for frame in hidden]
        host = host.host
    shown = 0
    for frame, flags in entries(machine, machine.hart.csr.values["satp"]).values():
        if frame in own_frames(vm):
            assert not (flags & 8 and vm.mode != Mode.U), "a kernel executes nothing of its own"
        else:
            assert frame in hidden and flags & 0xE == 8
            shown += 1
    return shown


def entries(machine, satp):
    """Every page that U mode can reach: virtual page → physical page, flags."""
    found, waiting = {}, [(satp & (1 << 44) - 1, 2, 0)]
    while waiting:
        frame, level, virtual = waiting.pop()
        for index, entry in enumerate(unpack_from("<512Q", machine.memory.peek(frame * PAGE, PAGE))):
            page, target = virtual << 9 | index, entry >> 10 & (1 << 44) - 1
            if entry & 1 and entry & 0xE:
                found[page | (((1 << 52) - 1) & -(page >> 26 << 27))] = target, entry & 0xFF
            elif entry & 1:
                waiting.append((target, level - 1, page))
    return found


def survives(
    image, depth, *, technique=BinaryTranslation, shadow="lazy", steps=4000, looks=20, memory=1 << 20
):
    built = tower(image, depth, technique=technique, shadow=shadow, memory=memory)
    before, shown = outside(built.machine, built.vms), 0
    for _look in range(looks):
        if built.machine.run(steps // looks) is not Stop.LIMIT:
            break
        shown = max(shown, inspect(built.machine, built.vms))
    assert outside(built.machine, built.vms) == before
    return shown


@settings(max_examples=25)
@given(wild(), st.sampled_from(POLICIES), st.sampled_from(BOTH))
def test_wild_code_with_wild_tables(image, shadow, technique):
    survives(image, 1, shadow=shadow, technique=technique)


@settings(max_examples=4)
@given(wild(), st.sampled_from(POLICIES))
def test_wild_code_two_deep(image, shadow):
    survives(image, 2, shadow=shadow, steps=20_000)


@given(st.binary(min_size=4, max_size=400).filter(lambda image: not image.startswith(b"\x7fELF")))
@settings(max_examples=20)
def test_random_bytes(image):
    survives(image + bytes(-len(image) % 4), 1, steps=2000, looks=5)


@pytest.mark.parametrize("name", ["jump_nowhere", "trap_forever", "device_noise", "kernel"])
def test_guests_that_go_wrong(name):
    assert survives(guests.load(name), 1, steps=20_000, looks=200) > (0 if name == "kernel" else -1)


@pytest.mark.parametrize("name", ["jump_nowhere", "trap_forever"])
@pytest.mark.parametrize("depth", [1, 2])
def test_a_storm_of_traps_ends_at_the_limit(name, depth):
    built = tower(guests.load(name), depth, technique=BinaryTranslation)
    assert built.machine.run(5_000) is Stop.LIMIT
    assert built.machine.steps < 6_000


def test_a_kernel_that_never_leaves_its_call_outs_stops_at_the_limit():
    """mret to itself: nothing of it ever runs directly."""
    image = assemble("la t0, 1f\ncsrw mepc, t0\nli t0, 3<<11\n1: csrs mstatus, t0\nmret\n")
    built = tower(image, 1, technique=BinaryTranslation)
    assert built.machine.run(10_000) is Stop.LIMIT


# What readers see, and what is saved


def test_the_code_side_by_side():
    built = tower(TINY, 1, technique=BinaryTranslation)
    vm, trap = built.vms[-1], TINY.symbols["trap"]
    assert isinstance(vm.technique, BinaryTranslation)
    built.machine.run(until=lambda: vm.running and vm.hart.csr["scause"] == 8)
    built.machine.stop_at([trap + 4])
    assert built.machine.run(100) is Stop.CONDITION and vm.running
    built.machine.stop_at()
    code = vm.technique.code(trap, 5)
    off = f"bltz t0, {TINY.symbols['off']:#x}"
    assert [(word.guest_text, word.cache_text, word.kind) for word in code[:3]] == [
        ("csrr t0, scause", "li t0, 8", "in-lined"),
        (off, off, "same"),
        ("csrr t0, sepc", "ebreak", "call-out"),  # an address has no room in the word
    ]
    assert code[4].kind == "call-out"
    line = "  csrr t0, scause             li t0, 8                    in-lined"
    assert repr(code).splitlines()[0] == f"{TINY.symbols['trap']:#x}{line}"
    assert difference(end(finished(TINY, 0).guest), end(built.run().guest)) == []
    assert (
        vm.technique.code(trap, 1)[0].kind == "call-out"
    )  # the last cause was an interrupt: no small number
    assert vm.technique.code(0x8000_0000, mode=Mode.M)[0].kind == "same"
    assert vm.technique.code(TINY.symbols["program"], 1)[0].kind == "not reached"
    with pytest.raises(VlabError, match="Nothing is translated"):
        vm.technique.code(0x8008_0000)
    assert "translation" in repr(vm.technique.cache).lower()


def test_tables_and_chains_say_what_the_shadow_leads_to():
    built = tower(KERNEL, 1, technique=BinaryTranslation, shadow="traced")
    vm = built.vms[-1]
    built.machine.run(until=lambda: vm.running and vm.mode == Mode.S and vm.hart.mmu.fetches.key.paged)
    rows = {row.gva: row for row in vm.tables().rows if row.state == "hidden"}
    assert vm.hart.pc & -PAGE in rows and "stale" not in vm.tables().pages
    chain = vm.chain(vm.hart.pc, "fetch")
    assert chain.hidden and not chain.stale and "leads to the technique's own" in repr(chain)
    assert chain.shadow is not None
    assert (chain.shadow.physical or 0) // PAGE in vm.technique.frames
    assert not vm.chain(vm.hart.x[2]).hidden


def test_events_tell_of_each_block():
    built = tower(TINY, 1, technique=BinaryTranslation)
    with built.machine.events.record() as run:
        built.run()
    blocks = run.only(Translation)
    assert blocks[0].pc == 0x8000_0000 and blocks[0].called_out > 5
    assert sum(block.in_lined for block in blocks) >= 1
    counted = {r: sum(e.reason == r for e in run.only(Exit)) for r in {e.reason for e in run.only(Exit)}}
    assert counted == built.vms[-1].exits
    silent = tower(TINY, 1, technique=BinaryTranslation).run()
    assert silent.vms[-1].exits == counted


@pytest.mark.parametrize(
    "damage",
    [
        lambda s: s.pop("cache"),
        lambda s: s["cache"].pop("values"),
        lambda s: s["cache"]["values"].append([5, 5]),
        lambda s: s["cache"]["values"].clear(),
        lambda s: s["cache"]["pages"].append([1]),
        lambda s: s["cache"]["pages"].append(7),
        lambda s: s["cache"]["pages"].append(s["cache"]["pages"][0]),
        lambda s: s["cache"]["pages"][0]["page"].__setitem__(0, 5),
        lambda s: s["cache"]["pages"][0]["page"].__setitem__(1, 0),
        lambda s: s["cache"]["pages"][0]["page"].__setitem__(2, 0x80000),
        lambda s: s["cache"]["pages"][0]["page"].append(1),
        lambda s: s["cache"]["pages"][0]["trouble"].append([5000, 1]),
        lambda s: s["cache"]["pages"][0]["reads"].append([5000, 0x142]),
        lambda s: s["cache"]["pages"][0]["reads"].append([1, 0x180]),
        lambda s: s["cache"]["pages"][0]["reads"].append("x"),
        lambda s: s["another"].__setitem__("left", 1 << 40),
        lambda s: s["another"].__setitem__("behind", [1, 0, 1]),
        lambda s: s["another"].__setitem__("behind", [*s["cache"]["pages"][0]["page"][:2], 5000]),
        lambda s: s["another"].__setitem__("behind", [1]),
        lambda s: s["cache"]["pages"][0]["in_vain"].append([5000, 1]),
        lambda s: s.__setitem__("exited", 3),
    ],
)
def test_a_damaged_state_is_refused(damage):
    from copy import deepcopy

    from vlab.machine import Snapshot

    built = tower(KERNEL, 1, technique=BinaryTranslation)
    built.machine.run(5000)
    before = built.machine.snapshot()
    state = deepcopy(before.state)
    damage(state["residents"]["S"]["state"]["vms"][0]["technique"])
    with pytest.raises(VlabError):
        built.machine.restore(Snapshot(state))
    assert built.machine.snapshot() == before


def test_every_csr_that_is_in_lined_may_be_read_by_its_mode():
    from vlab.riscv.csrs import CSRS

    assert all(CSRS[name].privilege <= mode for mode, names in IN_LINE.items() for name in names)
