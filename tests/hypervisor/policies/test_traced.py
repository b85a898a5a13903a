from typing import Any

import pytest

from tests.hypervisor.policies.setting import ran
from tests.hypervisor.towers import finished, tower
from vlab import guests
from vlab.events import ShadowFill, ShadowFlush
from vlab.hypervisor import Hypervisor
from vlab.machine import Machine
from vlab.paging import Flags

OTHER = "la t4, other\nsrli t4, t4, 2\nori t4, t4, 0xc7\n"  # t4: an entry for the table itself
EDITS = {
    "another page": OTHER + "sd t4, (t3)",
    "gone": "sd x0, (t3)",
    "half of it": "sw x0, 4(t3)\nsw x0, (t3)",
    "one byte": "sb x0, (t3)",
    "another byte": "sb x0, 1(t3)",
    "read-only": "li t4, 4\nxor t4, t4, t1\nsd t4, (t3)",
    "not the kernel's": "ori t4, t1, 16\nsd t4, (t3)",
    "clean": "li t4, 0x80\nxor t4, t4, t1\nsd t4, (t3)",
    "by an AMO": "li t4, 0xffff\namoand.w t5, t4, (t3)",
    "reserved and stored": "lr.d t5, (t3)\nsc.d t6, x0, (t3)",
    "across two pages": "addi t3, t3, -4\nsd x0, (t3)",
    "the table above": "sd x0, 8(t2)",
    "an invalid table above": "ld t4, 8(t2)\nori t4, t4, 0x40\nsd t4, 8(t2)",
}


def fills(run, page=0x40200):
    return [fill for fill in run.only(ShadowFill) if fill.gva >> 12 == page]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("fence", ["sfence.vma", "sfence.vma t0"])
@pytest.mark.parametrize("depth", [1, 2])
def test_a_shadow_is_true_after_every_edit(edit, fence, depth):
    body = f"ld s4, (t0)\n{EDITS[edit]}\n{fence}\nld s5, (t0)\nsd s5, 8(t0)\nld s6, (t3)\nld s7, (t0)"
    built, _run = ran(body, "traced", depth)
    assert built.vms[-1].exits["page-table write"] > 0


def test_an_edit_takes_away_just_what_came_from_the_entry():
    two = (
        OTHER
        + "li t4, 0x200000\nadd t5, t0, t4\nla t4, page\nsrli t4, t4, 2\nori t4, t4, 0xc7\nsd t4, 8(t3)\n"
    )
    body = (
        two + "li t5, 0x40201000\nld s4, (t0)\nld s5, (t5)\nsd x0, (t3)\nsfence.vma\nld s6, (t5)\nld s7, (t0)"
    )
    _built, run = ran(body, "traced")
    assert [len(fills(run, page)) for page in (0x40200, 0x40201)] == [1, 1]
    written = [flush.entries for flush in run.only(ShadowFlush) if flush.reason == "page table written"]
    assert written == [1]


def test_fences_and_context_switches_drop_nothing():
    switched = "ld s4, (t0)\ncsrr s5, satp\ncsrw satp, x0\nsfence.vma\ncsrw satp, s5\n"
    _built, run = ran(switched + "sfence.vma\nld s6, (t0)\nsfence.vma t0\nld s6, (t0)", "traced")
    assert len(fills(run)) == 1
    assert "sfence.vma" not in [flush.reason for flush in run.only(ShadowFlush)]


def test_processes_keep_their_shadows():
    image = guests.load("kernel")
    lazy, traced = (finished(image, 1, shadow=shadow).vms[0] for shadow in ("lazy", "traced"))
    assert lazy.exits["shadow fill"] > 5 * traced.exits["shadow fill"]
    assert lazy.exits - traced.exits == {
        "shadow fill": lazy.exits["shadow fill"] - traced.exits["shadow fill"]
    }


def test_accessed_and_dirty_are_its_own_writes_and_drop_nothing():
    never = "li t4, 0xc0\nxor t1, t1, t4\nsd t1, (t3)\nsfence.vma\nld s5, (t0)\nld s6, (t3)\nsd s4, (t0)\nld s7, (t3)"
    built, run = ran(never, "traced")
    assert [("W" in fill.flags, fill.access) for fill in fills(run)[-2:]] == [
        (False, "load"),
        (True, "store"),
    ]
    assert [flush.reason for flush in run.only(ShadowFlush)].count("page table written") == 0
    assert [built.guest.hart.x[n] >> 6 & 3 for n in (22, 23)] == [1, 3]


def test_what_is_filled_when_all_was_dropped_to_make_room_is_traced_too():
    """A page in each of 40 gibibytes, mapped, used and unmapped: more tables than there are frames for."""
    body = """
        la   t5, root
        la   s6, page
        li   s7, 0x80000000
        sub  s6, s6, s7
        li   s4, 3
    1:  slli t6, s4, 3
        add  t6, t6, t5
        li   t4, (0x80000000>>2)|0xcf
        sd   t4, (t6)
        slli s5, s4, 30
        add  s5, s5, s6
        ld   s8, (s5)
        sd   x0, (t6)
        sfence.vma
        ld   s8, (s5)               # faults
        addi s4, s4, 1
        li   t4, 43
        blt  s4, t4, 1b
    """
    built, run = ran(body, "traced")
    assert built.guest.hart.x[9] == 40
    assert "no frame left" in [flush.reason for flush in run.only(ShadowFlush)]


def test_a_page_that_held_a_table_is_written_directly_again():
    plain = "ld s4, (t0)\nsd x0, 8(t2)\nsfence.vma\n"  # `other` is no table any more
    stores = "sd x0, 64(t3)\n" * 5
    built, _run = ran(plain + stores, "traced")
    assert built.vms[-1].exits["page-table write"] == 1
    assert built.vms[-1].memory.traced == set(books(built.vms[-1])[0])
    assert ran("ld s4, (t0)\n" + stores, "traced")[0].vms[-1].exits["page-table write"] == 5


def test_a_table_seen_through_itself_is_read_only_under_every_address():
    alias = OTHER + "sd t4, 8(t3)\nsd t4, 16(t3)\nsfence.vma\nli t5, 0x40201000\nli t6, 0x40202000\n"
    one = "ld s4, (t5)\nsd s4, 24(t6)\nsd x0, (t5)\nsd x0, 16(t5)\nsfence.vma\n"
    other = "ld s5, (t6)\nsd s5, 32(t5)\nsd t4, 16(t3)\nsfence.vma\nld s6, (t6)"
    _built, run = ran(alias + one + other, "traced")
    assert all("W" not in fill.flags for page in (0x40201, 0x40202) for fill in fills(run, page))


def test_a_writable_page_loses_its_entries_in_all_views_when_it_becomes_a_table():
    """`page` is written through two addresses, and then it is a table."""
    body = """
        sd   s4, 512(t0)
        la   t5, page
        sd   s4, 520(t5)
        la   t4, page               # leaf[2] -> page, and page[0]: page itself
        srli t4, t4, 2
        ori  t6, t4, 0xc7
        sd   t6, (t5)
        ori  t4, t4, 1
        sd   t4, 16(t2)
        sfence.vma
        li   t4, 0x40400000
        ld   s5, (t4)
        sd   x0, 528(t0)            # each of these is a write to a table now
        sd   x0, 536(t5)
        sd   x0, 544(t4)
        sd   x0, (t0)
        sfence.vma
        ld   s6, (t4)
    """
    built, run = ran(body, "traced")
    assert built.vms[-1].exits["page-table write"] >= 4
    assert "table traced" in [flush.reason for flush in run.only(ShadowFlush)]


def test_what_a_debugger_or_a_hypervisor_writes_is_seen_too():
    machine = Machine(memory="4M")
    vm: Any = Hypervisor(machine).create_vm(guests.load("kernel"), memory="1M", shadow="traced")
    machine.run(until=lambda: str(vm.mode) == "U" and vm.running)
    machine.run(40)
    filled = [
        (view, start)
        for view, shadow in vm.technique.shadow.shadows.items()
        for start, _span in shadow.filled
        if view.key.paged and start >> 30 == 1
    ]
    (view, page), chain = filled[0], vm.chain(filled[0][1], "fetch")
    assert vm.technique.shadow.walk(view, page, chain.access) is not None
    leaf = chain.guest.steps[-1]
    vm.memory.store(leaf.address, 8, leaf.raw & ~Flags.V)
    assert page not in [start for start, _span in vm.technique.shadow.shadows[view].filled]
    assert vm.chain(page, "fetch").shadow.fault


def test_every_writable_entry_leads_to_a_page_without_a_table_in_use():
    """The invariant, looked at between any two steps of a kernel."""
    machine = Machine(memory="4M")
    vm: Any = Hypervisor(machine).create_vm(
        guests.load("kernel", TICK=200, LETTERS=1, PRIMES=30), memory="1M", shadow="traced"
    )
    while machine.run(97).name == "LIMIT":
        for view, shadow in vm.technique.shadow.shadows.items():
            for place, parts in shadow.filled.items():
                for part in parts:
                    gpa = vm.memory.guest_address(shadow.table.find(part).physical)
                    assert not (
                        shadow.table.find(part).flags & Flags.W and gpa // 4096 in vm.memory.traced
                    ), (view, place)


def books(vm: Any) -> list[dict[Any, Any]]:
    """What is traced, what came from where, and what may be written directly; each in order, without empty pages."""
    shadow = vm.technique.shadow
    writable = {place: pages for place, pages in shadow._pages.items() if pages}
    return [dict(sorted(book.items())) for book in (shadow._tables, shadow._sources, writable)]


def test_the_books_are_the_same_after_a_restore():
    built = tower(guests.load("kernel", TICK=200, LETTERS=1, PRIMES=30), 1, shadow="traced")
    for _stop in range(20):
        built.machine.run(331)
        assert built.vms[-1].memory.traced == set(books(built.vms[-1])[0])
        saved = built.machine.snapshot()
        fresh = Machine(memory=built.machine.memory.size)
        fresh.restore(saved)
        hypervisor: Any = next(iter(fresh.residents.values()))
        assert books(hypervisor.vms[0]) == books(built.vms[-1])
        assert fresh.snapshot() == saved
