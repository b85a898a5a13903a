import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.paging import RISCV, SCHEMES, Memory, PageTable, flags_of, parse_satp
from vlab.riscv.privilege import Cause, Trap


def test_a_table_alone_is_pleasant():
    table = PageTable()
    table.map(0x1000, 0x8000_0000, "RWU")
    assert table.walk(0x1234, "store").physical == 0x8000_0234
    assert parse_satp(table.satp).root == table.root
    assert repr(table) == "Sv39 page table at 0x80200000"


def test_an_existing_table_is_found_by_its_root():
    memory = Memory()
    table = PageTable(memory)
    table.map(0x1000, 0x8000_0000, "RU")
    assert PageTable(memory, root=table.root).walk(0x1000).physical == 0x8000_0000


def test_walking_writes_nothing_and_touching_sets_a_and_d():
    memory = Memory()
    table = PageTable(memory)
    table.map(0x1000, 0x8000_0000, "RWU")
    before = bytes(memory.data)
    table.walk(0x1000, "store")
    assert bytes(memory.data) == before
    table.touch(0x1000)
    assert table.walk(0x1000).steps[-1].flags == flags_of("AUWRV")
    table.touch(0x1000, "store")
    assert table.walk(0x1000).steps[-1].flags == flags_of("DAUWRV")
    assert table.touch(0x1000, "store").update is None


def test_status_bits_reach_the_walk():
    table = PageTable()
    table.map(0x1000, 0x8000_0000, "XU")
    assert table.walk(0x1000, "load", "S").rule == "user-page-in-S"
    assert table.walk(0x1000, "load", "S", sum=True).rule == "not-readable"
    assert table.walk(0x1000, "load", "S", sum=True, mxr=True).rule == "allowed"
    assert table.walk(0x1000, "fetch", hardware_ad=False).rule == "not-accessed"


def test_the_listing_merges_neighbours():
    table = PageTable()
    table.map(0x1000, 0x8000_0000, "RWU", size=0x3000)
    table.map(0x4000, 0x8000_3000, "RU")
    table.map(0x5000, 0x8000_5000, "RU")
    table.map(0xFFFF_FFC0_0000_0000, 0x8000_0000, "RWX", level=2)
    assert str(table).splitlines() == [
        "Sv39 page table at 0x80200000",
        "0x1000–0x3fff → 0x80000000–0x80002fff  ---U-WRV  3 × 4 KiB",
        "0x4000–0x4fff → 0x80003000–0x80003fff  ---U--RV  1 × 4 KiB",
        "0x5000–0x5fff → 0x80005000–0x80005fff  ---U--RV  1 × 4 KiB",
        "0xffffffc000000000–0xffffffc03fffffff → 0x80000000–0xbfffffff  ----XWRV  1 × 1 GiB",
    ]


def test_tables_that_point_at_themselves_are_listed_in_bounded_time():
    table = PageTable(Memory(0x2000))
    itself = table.root >> 12 << 10 | 1
    for slot in range(table.root, table.root + 4096, 8):
        table.memory.store(slot, 8, itself)
    with pytest.raises(VlabError, match="more than 1024 tables"):
        list(table.entries())
    assert str(table).endswith("… There are more than 1024 tables.")


def test_a_table_outside_memory_is_passed_over():
    table = PageTable()
    table.set(0, 0x1, level=2)
    table.map(0x4000_0000, 0x8000_0000, "R", level=2)
    assert [page.address for page in table.entries()] == [0x4000_0000]
    with pytest.raises(Trap):
        table.map(0, 0, "R")


def test_clear_keeps_the_root_and_gives_frames_back():
    memory = Memory(0x8000)
    table = PageTable(memory)
    root = table.root
    for _round in range(5):
        table.map(0x1000, 0x8000_0000, "RU")
        assert len(table.tables) == 2
        table.clear()
        assert list(table.entries()) == []
    assert table.root == root
    assert not any(memory.data)


def test_an_entry_can_be_written_as_it_is():
    table = PageTable()
    table.set(0x1000, 0x5)
    assert table.walk(0x1000).rule == "write-without-read"
    table.set(0x20_0000, 0xFF | 1 << 10, level=1)
    assert table.walk(0x20_0000).rule == "misaligned-superpage"


def test_protect_gives_exactly_these_flags_and_keeps_rsw():
    table = PageTable()
    table.map(0x1000, 0x8000_0000, "DAUWR", size=0x2000)
    table.set(0x1000, 0x8000_0000 >> 2 | 3 << 8 | 0xD7)
    assert table.protect(0x1000, "RU", 0x2000) == 2
    assert [page.flags for page in table.entries()] == [flags_of("URV")] * 2
    assert [page.raw >> 8 & 3 for page in table.entries()] == [3, 0]
    assert table.protect(0x9000, "R") == 0


def test_find_tells_the_page_whoever_may_touch_it():
    table = PageTable()
    table.map(0x20_0000, 0x8060_0000, "X", level=1)
    assert table.find(0x3F_FFFF) == (
        0x20_0000,
        0x8060_0000,
        2 << 20,
        flags_of("XV"),
        1,
        table.root + 0x1008,
        0x8060_0000 >> 2 | 9,
        1,
    )
    assert table.find(0x1F_FFFF) is None
    assert table.find(1 << 50) is None


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda t: t.map(0x1234, 0, "R"), "multiples of the page, 4 KiB"),
        (lambda t: t.map(0, 0x10, "R"), "multiples of the page, 4 KiB"),
        (lambda t: t.map(0x1000, 0, "R", level=1), "multiples of the page, 2 MiB"),
        (lambda t: t.map(0, 0, "R", size=0x1001), "multiples of the page"),
        (lambda t: t.map(0, 0, "R", size=-0x1000), "multiples of the page"),
        (lambda t: t.map(0, 0, "R", size=1 << 38), "At most 262144 pages"),
        (lambda t: t.map(0, 0, "U"), "maps no page: D, A or U is set in a pointer"),
        (lambda t: t.map(0, 0, "G"), "maps no page: the last level holds a pointer"),
        (lambda t: t.map(0, 0, "W"), "W without R"),
        (lambda t: t.map(0, 1 << 56, "R"), "reserved bits"),
        (lambda t: t.map(0, -0x1000, "R"), "reserved bits"),
        (lambda t: t.map(1 << 38, 0, "R"), "Did you mean 0xffffffc000000000?"),
        (lambda t: t.map(-0x1000, 0, "R"), "Did you mean 0xfffffffffffff000?"),
        (lambda t: t.map(0, 0, "R", level=3), "Levels are 0 to 2"),
        (lambda t: t.map(0, 0, "R", level=-1), "There is no level -1"),
        (lambda t: t.map(0, 0, "rw"), "Did you mean 'RW'?"),
        (lambda t: t.set(0, 0, level=5), "There is no level 5"),
        (lambda t: t.protect(0x4000_0000, "U"), "maps no page"),
        (lambda t: t.map(0x4000_0000, 0, "R"), "leads to no table: R or X is set"),
        (lambda t: t.map(0x8000_0000, 0, "R", level=2), "a table of smaller pages is in the way"),
        (lambda t: t.unmap(0x4000_0000, 0x1000), "only partly in the range"),
        (lambda t: t.protect(0x4000_1000, "R", 0x4000_0000), "only partly in the range"),
        (lambda t: t.walk(0, "jump"), "There are: fetch, load, store"),
        (lambda t: PageTable(scheme="Sv38"), "Did you mean"),
    ],
)
def test_what_cannot_be_done_says_why(act, message):
    table = PageTable()
    table.map(0x4000_0000, 0, "R", level=2)
    table.map(0x8000_0000, 0, "R")
    before = str(table)
    with pytest.raises(VlabError) as error:
        act(table)
    assert message in str(error.value)
    assert str(table) == before


def test_no_memory_for_another_table():
    table = PageTable(Memory(0x4000))
    with pytest.raises(VlabError, match="No frame of 4 KiB is left"):
        table.map(0, 0, "R")


def test_a_memory_that_refuses_writes_passes_its_trap_on():
    class ReadOnly(Memory):
        def store(self, address: int, size: int, value: int) -> None:
            raise Trap(Cause.STORE_ACCESS_FAULT, address)

    with pytest.raises(Trap):
        PageTable(ReadOnly()).map(0, 0, "R")


class Model:
    """What a page table stands for, as dictionaries: pages and superpages, address → (physical, flags).

    `tables` are the regions that hold a table of small pages, empty or not.
    """

    def __init__(self, table: PageTable):
        self.table = table
        self.large = table.scheme.page_size(1)
        self.pages: dict[int, tuple[int, str]] = {}
        self.superpages: dict[int, tuple[int, str]] = {}
        self.tables: set[int] = set()

    def map(self, address: int, count: int, physical: int, flags: str) -> None:
        region = address & -self.large
        if region in self.superpages:
            with pytest.raises(VlabError, match="leads to no table"):
                self.table.map(address, physical, flags, count * 4096)
            return
        self.table.map(address, physical, flags, count * 4096)
        self.tables.add(region)
        self.pages |= {address + n: (physical + n, flags) for n in range(0, count * 4096, 4096)}

    def superpage(self, address: int, count: int, physical: int, flags: str) -> None:
        region, physical = address & -self.large, physical & -self.large
        if region in self.tables:
            with pytest.raises(VlabError, match="in the way"):
                self.table.map(region, physical, flags, level=1)
            return
        self.table.map(region, physical, flags, level=1)
        self.superpages[region] = physical, flags

    def unmap(self, address: int, count: int, physical: int, flags: str) -> None:
        if address & -self.large in self.superpages:
            with pytest.raises(VlabError, match="only partly"):
                self.table.unmap(address, count * 4096)
            assert self.table.unmap(address) == 1
            del self.superpages[address & -self.large]
            return
        inside = [page for page in self.pages if address <= page < address + count * 4096]
        assert self.table.unmap(address, count * 4096) == len(inside)
        for page in inside:
            del self.pages[page]

    def protect(self, address: int, count: int, physical: int, flags: str) -> None:
        region = address & -self.large
        if region in self.superpages:
            assert self.table.protect(address, flags) == 1
            self.superpages[region] = self.superpages[region][0], flags
            return
        inside = [page for page in self.pages if address <= page < address + count * 4096]
        assert self.table.protect(address, flags, count * 4096) == len(inside)
        self.pages |= {page: (self.pages[page][0], flags) for page in inside}

    def clear(self, *_unused: object) -> None:
        self.table.clear()
        for kept in (self.pages, self.superpages, self.tables):
            kept.clear()

    def check(self, address: int) -> None:
        """The walk to `address`, by each access and mode, is what the dictionaries say."""
        region, page = address & -self.large, address & -4096
        target, flags = self.pages.get(page) or self.superpages.get(region) or (0, "")
        physical = target + (address - region if region in self.superpages else address - page)
        for access, letter in (("fetch", "X"), ("load", "R"), ("store", "W")):
            for mode in "US":
                allowed = letter in flags and ("U" in flags) == (mode == "U")
                assert self.table.walk(address, access, mode).physical == (physical if allowed else None)


# Two regions at each end of the address space, so that pages, superpages and removals meet.
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(
            [Model.map, Model.map, Model.map, Model.superpage, Model.unmap, Model.protect, Model.clear]
        ),
        st.integers(-2, 1),
        st.integers(0, 3),
        st.integers(1, 3),
        st.integers(0, 1 << 18).map(lambda page: page * 4096),
        st.sampled_from(["R", "RW", "X", "RU", "RWU", "RWXU", "DARW"]),
    ),
    max_size=20,
)


@given(st.sampled_from([s.name for s in SCHEMES.values() if s.format is RISCV]), OPERATIONS)
def test_tables_agree_with_a_dictionary(scheme, operations):
    model = Model(PageTable(scheme=scheme))
    places = [model.table.scheme.extend(region * model.large) for region in range(-2, 2)]
    for act, region, page, count, physical, flags in operations:
        act(model, places[region] + page * 4096, count, physical, flags)
        model.check(places[region] + page * 4096 + 0x123)
    for place in places:
        for page in range(8):
            model.check(place + page * 4096 + 0xFFF)
    found = {page.address: (page.physical, page.flags) for page in model.table.entries()}
    expected = sorted((model.pages | model.superpages).items())
    assert list(found.items()) == [(at, (to, flags_of(flags + "V"))) for at, (to, flags) in expected]
    assert sum(run.pages for run in model.table.runs()) == len(found)


def test_a_computers_memory_gives_no_frames():
    class Ram:
        load, store = Memory().load, Memory().store

    with pytest.raises(VlabError, match="no frames to give"):
        PageTable(Ram())
    with pytest.raises(VlabError, match="no frames to give"):
        PageTable(Ram(), root=0x8000_0000).map(0x1000, 0x8000_1000, "R")


@pytest.mark.parametrize("size", [0, -4096, 100, 1 << 60])
def test_a_memory_has_a_size(size):
    with pytest.raises(VlabError, match="cannot be built"):
        Memory(size)
