import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.towers import tower
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.tables import Tables, state_text
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.machine.memory import PAGE
from vlab.paging import Flags, PageTable
from vlab.riscv import Access, Mode, assemble

KERNEL = guests.load("kernel", TICK=300, LETTERS=2, PRIMES=100)
CODE, DATA = 0x4000_0000, 0x4000_1000

EDITOR = """
    .globl _start
_start:                         # an address space of its own: 0 -> here, 1 GiB each; 0x40000000 -> a page
    la   t0, root
    la   t1, middle
    la   t2, leaf
    srli t3, t1, 2
    ori  t3, t3, 1
    sd   t3, 8(t0)
    srli t3, t2, 2
    ori  t3, t3, 1
    sd   t3, 0(t1)
    li   t3, 0x200000cf         # 0x80000000, a GiB: D A X W R V
    sd   t3, 16(t0)
    la   t4, page_one
    srli t4, t4, 2
    ori  t5, t4, 0xc7           # D A W R V
    sd   t5, 0(t2)
    srli t0, t0, 12
    li   t3, 8
    slli t3, t3, 60
    or   t0, t0, t3
    csrw satp, t0
    sfence.vma
    li   t3, -1
    csrw pmpaddr0, t3
    li   t3, 0x1f
    csrw pmpcfg0, t3
    li   t3, 1<<11
    csrw mstatus, t3
    la   t3, inside
    csrw mepc, t3
    mret
inside:
    li   s0, 0x40000000
    ld   a0, 0(s0)              # the shadow is filled
edit:
    la   t4, page_two
    srli t4, t4, 2
    ori  t5, t4, 0xc7
    sd   t5, 0(t2)              # another page in its place, and no fence yet
fence:
    sfence.vma s0
look:
    ld   a0, 0(s0)
end:
    j    end
    .balign 4096
root:   .zero 4096
middle: .zero 4096
leaf:   .zero 4096
page_one: .zero 4096
page_two: .zero 4096
"""


@pytest.fixture
def running():
    """The kernel in a VM, stopped while one of its processes runs."""
    built = tower(KERNEL, 1)
    built.machine.run(until=lambda: built.guest.mode == Mode.U and built.vms[0].exits["timer"] > 2)
    built.machine.run(100)
    return built.vms[0]


def row_at(tables, address):
    return next(row for row in tables.rows if row.gva <= address < row.gva + row.size)


def test_each_row_is_what_the_three_tables_say(running):
    tables = running.tables()
    assert tables.current
    assert tables.root in (KERNEL.symbols["tables_1"], KERNEL.symbols["tables_2"])
    row = row_at(tables, CODE)
    chain = running.chain(CODE, "fetch")
    assert (row.gpa, row.hpa, row.reached, row.state) == (chain.gpa, chain.hpa, chain.hpa, "same")
    assert row.guest & Flags.X and row.shadow & Flags.X and not row.shadow & Flags.W
    assert row_at(tables, 0x8000_0000).state == "barred"  # U mode may not touch the kernel
    assert row_at(tables, 0x1000_0000)[4:7] == (0x1000_0000, "uart", None)
    assert row_at(tables, 0x8010_0000)[5:7] == ("nothing", None)


def test_a_large_page_is_in_parts_where_the_shadow_is(running):
    running.host.run(until=lambda: running.mode == Mode.S)
    tables = running.tables(mode="S")
    inside = [row for row in tables.rows if 0x8000_0000 <= row.gva < 0x8010_0000]
    assert {row.page for row in inside} == {2 << 20}
    assert sum(row.size for row in inside) == 1 << 20
    assert {row.state for row in inside} == {"same", "missing"}
    assert all(row.hpa == running.memory.host_address(row.gpa) for row in inside)


def test_the_other_process_has_other_tables(running):
    roots = {view.root for view in running.technique.shadow.shadows if view.root}
    other = KERNEL.symbols["tables_2"], KERNEL.symbols["tables_1"]
    pages = {running.tables(root=root, mode="U").guest[2].physical for root in other}
    assert len(pages) == 2
    assert roots <= {8 << 60 | root >> 12 for root in other}
    assert not all(running.tables(root=root, mode="U").current for root in other)


def stop_at(built, label):
    there = assemble(EDITOR).symbols[label]
    while built.guest.hart.pc != there:
        built.machine.step()


def test_an_edited_entry_is_stale_until_the_fence():
    built = tower(assemble(EDITOR), 1)
    vm, symbols = built.vms[0], assemble(EDITOR).symbols
    seen = {}
    for label in ("edit", "fence", "look", "end"):
        stop_at(built, label)
        seen[label] = vm.tables()
    states = {label: row_at(tables, CODE).state for label, tables in seen.items()}
    assert states == {"edit": "same", "fence": "stale", "look": "missing", "end": "same"}
    stale = row_at(seen["fence"].since(seen["edit"]), CODE)
    assert stale.guest_changed and not stale.shadow_changed
    assert (stale.gpa, stale.was.gpa) == (symbols["page_two"], symbols["page_one"])
    assert stale.reached == vm.memory.host_address(symbols["page_one"])
    dropped = row_at(seen["look"].since(seen["fence"]), CODE)
    assert dropped.shadow_changed and not dropped.guest_changed
    assert row_at(seen["end"].since(seen["look"]), CODE).reached == vm.memory.host_address(
        symbols["page_two"]
    )
    # The guest's store to its own table has filled the shadow's entry for the page of that table.
    changed = [row.gva for row in seen["fence"].since(seen["edit"]).changed]
    assert changed == [CODE, symbols["leaf"]]
    assert repr(seen["fence"]).startswith(
        "Tables of vm1 in S, guest's root 0x80001000: pages stale in the shadow 1"
    )
    assert repr(seen["fence"].since(seen["edit"])).endswith("; rows changed since: 2")


@pytest.mark.parametrize(
    ("edit", "state"),
    [
        (lambda table: table.unmap(CODE), "stale"),
        (lambda table: table.protect(CODE, "RUA"), "stale"),  # no X any more
        (lambda table: table.protect(CODE, "RXU"), "stale"),  # A is clear
        (lambda table: table.protect(CODE, "RWXUAD"), "narrower"),
        (lambda table: table.protect(CODE, "RXA"), "stale"),  # U mode may not, and still can
        (lambda table: table.set(CODE, 0x1000_0000 >> 2 | 0x5B), "stale"),
    ],
)
def test_what_disagrees_is_seen(running, edit, state):
    before = running.tables()
    edit(PageTable(running.memory, root=before.root))
    after = running.tables().since(before)
    row = row_at(after, CODE)
    assert (row.state, row.guest_changed, row.shadow_changed) == (state, True, False)
    assert [changed.gva for changed in after.changed] == [CODE]


def test_what_neither_maps_any_more_is_still_a_changed_row(running):
    table = PageTable(running.memory, root=running.tables().root)
    table.map(CODE + 0x5000, 0x8000_3000, "RUA")
    before = running.tables()
    table.unmap(CODE + 0x5000)
    row = row_at(running.tables().since(before), CODE + 0x5000)
    assert (row.state, row.gpa, row.guest_changed) == ("unmapped", None, True)


def test_without_paging_memory_is_at_its_own_addresses():
    built = tower(guests.load("hello"), 1)
    vm = built.vms[0]
    tables = vm.tables()
    assert tables.root is None and tables.shadow_root is None
    row = row_at(tables, 0x8000_0000)
    assert (row.gpa, row.hpa, row.state) == (row.gva, vm.memory.host_address(row.gva), "missing")
    built.machine.run(30)
    assert vm.tables().pages["same"] >= 1


def test_scattered_frames_are_rows_of_their_own(running):
    frames = running.memory.frames
    frames[1], frames[2] = frames[2], frames[1]
    host = [row.hpa for row in running.tables(mode="S").rows if row.place == "memory" and row.gva >> 31]
    assert host[:3] == [frames[0] * PAGE, frames[1] * PAGE, frames[2] * PAGE]


def test_looking_changes_nothing(running):
    before = running.host.snapshot()
    tables = running.tables()
    assert running.tables() == tables
    assert repr(tables.around(CODE)) == repr(tables)
    assert running.host.snapshot() == before


def test_a_table_that_points_back_at_itself_has_an_end(running):
    root = running.tables().root
    for slot in range(512):
        running.memory.store(root + 8 * slot, 8, root >> 2 | 1)
    tables = running.tables()
    assert tables.end is not None
    assert repr(tables)


@pytest.mark.parametrize("mode", ["M", "X"])
def test_a_mode_without_tables_is_refused(running, mode):
    with pytest.raises(VlabError, match="There is no address translation"):
        running.tables(mode=mode)


def test_states_have_words():
    states = "same narrower stale missing barred device nothing unmapped".split()
    assert len({state_text(state) for state in states}) == len(states)


@given(st.integers(0, 30_000), st.integers(0, 6000))
@settings(max_examples=15, deadline=None)
def test_under_correct_fences_what_the_shadow_has_is_never_stale(steps, more):
    built = tower(KERNEL, 2)
    built.machine.run(steps)
    earlier = [vm.tables() for vm in built.vms]
    built.machine.run(more)
    for vm, before in zip(built.vms, earlier, strict=True):
        tables = vm.tables()
        assert not tables.pages["stale"]
        for row in tables.since(before).rows:
            assert row.was is not None
            assert (row.gva, row.size) == (row.was.gva, row.was.size)
            for address in (row.gva, row.gva + row.size - 1):
                by = address - row.gva
                if row.state in ("same", "narrower") and row.gpa is not None and row.hpa is not None:
                    shadow = vm.technique.shadow.walk(tables.view, address, Access.LOAD)
                    assert shadow is not None and shadow.steps[-1].raw is not None
                    assert row.reached == row.hpa
                    assert row.hpa + by == vm.memory.host_address(row.gpa + by)


def test_it_is_a_value(running):
    tables = running.tables()
    assert isinstance(tables, Tables)
    assert hash(tables) == hash(running.tables())
    running.host.run(3000)
    assert running.tables() != tables


def test_a_large_page_is_a_device_only_where_the_device_is(running):
    table = PageTable(running.memory, root=running.tables().root)
    table.memory.store(table.root + 8 * 5, 8, 0x1000_0000 >> 2 & ~0x0FFF_FFFF | 0xC7)  # the GiB from 0 on
    rows = [row for row in running.tables().rows if row.page == 1 << 30 and row.gpa is not None]
    uart = next(row for row in rows if row.place == "uart")
    assert (uart.size, uart.gpa, uart.state) == (PAGE, 0x1000_0000, "device")
    assert {row.state for row in rows} == {"device", "nothing"}
    assert sum(row.size for row in rows) == 1 << 30


def test_a_hostile_name_stays_on_one_line():
    vm = Hypervisor(Machine(memory="24M")).create_vm(memory="1M", name="a\n\0\u202eb")
    for thing in (vm, vm.look(), vm.tables(), vm.memory_map()):
        assert repr(thing).isprintable()
