from struct import pack

import pytest

from tests.hypervisor.policies.setting import ran
from tests.hypervisor.stories import PAGED, ROOT, TO_S, guest
from tests.hypervisor.towers import difference, end, finished, tower
from vlab.events import ShadowFill, ShadowFlush
from vlab.hypervisor.guestmemory import GuestMemory
from vlab.paging import make_satp
from vlab.riscv import Program, assemble

RAM = 0x8000_0000
OPEN = "li t0, -1\ncsrw pmpaddr0, t0\nli t0, 0x1f\ncsrw pmpcfg0, t0\n"


def ahead(run):
    """The pages that were translated ahead, in order."""
    return [fill.gva for fill in run.only(ShadowFill) if fill.access == "translation"]


def test_the_whole_table_is_translated_when_it_is_loaded():
    _built, run = ran("ld s4, (t0)\nld s5, 8(t0)", "eager")
    pages = ahead(run)
    assert set(range(RAM, RAM + (1 << 20), 4096)) <= set(pages)
    assert 0x4020_0000 in pages
    assert not [fill for fill in run.only(ShadowFill) if fill.access == "load" and fill.gva >> 30 == 1]


def test_each_fence_and_each_other_table_has_it_translated_anew():
    count = [len(ahead(ran("sfence.vma\n" * fences, "eager")[1])) for fences in (0, 1, 2)]
    assert count[2] - count[1] == count[1] - count[0] > 256
    _built, run = ran("csrr s5, satp\ncsrw satp, x0\ncsrw satp, s5\nld s6, (t0)", "eager")
    assert [flush.reason for flush in run.only(ShadowFlush)].count("satp written") == 3
    assert len(ahead(run)) > count[0]


def test_it_is_stale_from_an_edit_to_the_fence():
    """As the specification allows; a bare machine's TLB has the old entry as well, if it was used."""
    other = "la t4, other\nsrli t4, t4, 2\nori t4, t4, 0xc7\n"
    body = f"ld s4, (t0)\n{other}sd t4, (t3)\nld s5, (t0)\nsfence.vma\nld s6, (t0)"
    built, _run = ran(body, "eager")
    hart = built.guest.hart
    assert (hart.x[20], hart.x[21], hart.x[22] & 0xFF) == (0, 0, 0xC7)


def test_pages_that_were_never_used_or_written_are_left_to_a_fault():
    """Their first use must set A, their first store D: so nothing is translated ahead that says it was done."""
    never = "li t4, 0xc0\nxor t1, t1, t4\nsd t1, (t3)\nsfence.vma\nld s4, (t3)\n"
    built, run = ran(never + "ld s5, (t0)\nld s6, (t3)\nsd s4, (t0)\nld s7, (t3)", "eager")
    last = [fill for fill in run.only(ShadowFill) if fill.gva >> 12 == 0x40200][-2:]
    assert [(fill.access, "W" in fill.flags) for fill in last] == [("load", False), ("store", True)]
    assert [built.guest.hart.x[n] >> 6 & 3 for n in (20, 22, 23)] == [0, 1, 3]


def paged_image(tables, address=0x2_3000):
    """A guest with tables as given, from 0x8001_0000 on, that looks at an address."""
    start = guest(
        f"""
        li t0, {make_satp(RAM + 0x1_0000)}
        csrw satp, t0
        sfence.vma
        li t0, 1<<11
        csrs mstatus, t0
        la t0, 1f
        csrw mepc, t0
        mret
    1:  li t0, {address}
        ld s4, (t0)
        ld s5, (t0)
        sd s5, (t0)
        sfence.vma
        ld s6, (t0)
        """,
        ROOT,
    )
    place = RAM + 0x1_0000
    added = [(place + 4096 * n, pack("<512Q", *table)) for n, table in enumerate(tables)]
    return Program((*start.segments, *added), RAM)


IDENTITY = RAM >> 2 | 0xCF


@pytest.mark.parametrize(
    "tables",
    [
        [[RAM + 0x1_0000 >> 2 | 1] * 2 + [IDENTITY] + [RAM + 0x1_0000 >> 2 | 1] * 509],  # it leads to itself
        [
            [RAM + 0x1_1000 >> 2 | 1] * 2 + [IDENTITY] + [RAM + 0x1_1000 >> 2 | 1] * 509,
            [RAM + 0x1_1000 >> 2 | 1] * 512,
        ],
        [[IDENTITY] * 512],  # RAM five hundred times
        [
            [0x1000_0000 >> 2 | 1, 0x9000_0000 >> 2 | 1, IDENTITY] + [(1 << 54) - 1] * 509
        ],  # in devices, nowhere
        [[RAM + 0x1_1000 >> 2 | 1, 0, IDENTITY] + [0] * 509, [IDENTITY] * 512],
    ],
    ids=["itself", "in circles", "too many", "nowhere", "many large pages"],
)
@pytest.mark.parametrize("shadow", ["eager", "traced"])
def test_tables_without_end(tables, shadow):
    image = paged_image(tables)
    bare, built = finished(image, 0), tower(image, 1, shadow=shadow)
    with built.machine.events.record() as run:
        built.run()
    assert difference(end(bare.guest), end(built.guest)) == []
    assert len(ahead(run)) < 60_000


def test_a_table_that_is_too_large_is_translated_in_part():
    image = paged_image([[IDENTITY] * 512], address=(200 << 30) + 0x2_3000)
    built = tower(image, 1, shadow="eager")
    with built.machine.events.record() as run:
        built.run()
    assert any(fill.access == "load" for fill in run.only(ShadowFill))


def test_a_page_that_pmp_cuts_is_not_translated():
    cut = "la t0, page\nsrli t1, t0, 2\ncsrw pmpaddr0, t1\nli t1, 0x91\ncsrw pmpcfg0, t1\n"
    touch = "la t0, page\nlw t1, (t0)\nlw t1, 4(t0)\nsw t1, 8(t0)\nsw t1, (t0)"
    image = guest(cut + PAGED + TO_S + touch, ROOT)
    bare, built = finished(image, 0), tower(image, 1, shadow="eager")
    with built.machine.events.record() as run:
        built.run()
    assert difference(end(bare.guest), end(built.guest)) == []
    assert image.symbols["page"] not in ahead(run)
    assert image.symbols["page"] + 4096 in ahead(run)
    assert built.vms[-1].exits["interpreted"] == 3


def test_a_page_that_somebody_watches_is_translated_without_w():
    talk = "la t0, tohost\nli t1, 0x101000000000041\nsd t1, (t0)\nli t1, 7\nsd t1, (t0)\n"
    image = guest(PAGED + TO_S + talk, ".data\n.balign 4096\n.globl tohost\ntohost: .dword 0\n" + ROOT)
    built = finished(image, 1, shadow="eager").guest
    assert (built.console, built.status) == ("A", 3)


def test_a_translation_reads_and_writes_no_more_than_so_much(monkeypatch):
    loads, load = [], GuestMemory.load

    def counted(*what):
        loads.append(what)
        return load(*what)

    monkeypatch.setattr(GuestMemory, "load", counted)
    circle = RAM + 0x1_1000 >> 2 | 1
    for tables in ([[circle] * 2 + [IDENTITY] + [circle] * 509, [circle] * 512], [[IDENTITY] * 512]):
        loads.clear()
        built = tower(paged_image(tables), 1, shadow="eager")
        with built.machine.events.record() as run:
            built.run()
        assert len(ahead(run)) <= 2 * 4096
        assert len(loads) < 2 * (32768 + 4096 * 2) + 5000


def test_it_leaves_frames_to_what_is_filled_at_faults():
    """A page in each of 60 gibibytes: translating all would take all the frames, and be dropped for the next page."""
    tables = [[0, RAM + 0x1_1000 >> 2 | 1, IDENTITY] + [RAM + 0x1_1000 >> 2 | 1] * 60 + [0] * 449]
    tables += [[RAM + 0x1_2000 >> 2 | 1] + [0] * 511, [RAM + 0x8000 >> 2 | 0xC7] + [0] * 511]
    built = tower(paged_image(tables, address=50 << 30), 1, shadow="eager")
    with built.machine.events.record() as run:
        built.run()
    assert [flush for flush in run.only(ShadowFlush) if flush.reason == "no frame left"] == []
    assert 0 < len([page for page in ahead(run) if page % (1 << 30) == 0]) < 2 * 30


def test_unpaged_guests_are_filled_at_faults():
    touch = "la t0, x\nld t1, (t0)\nli t0, 0x100000\nli t1, 0x5555\nsw t1, (t0)\n"
    image = assemble(f"{OPEN}{touch}.data\n.balign 4096\nx: .dword 7")
    built = tower(image, 1, shadow="eager")
    with built.machine.events.record() as run:
        built.run()
    assert ahead(run) == []
    assert built.vms[-1].exits == finished(image, 1).vms[-1].exits
