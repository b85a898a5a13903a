"""Many walks at once are, address by address, the walks one by one."""

import subprocess
import sys
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.paging import NOWHERE, SCHEMES, GuestRam, Host, Memory, PageTable, Scheme, Walk, Walks, walk_many
from vlab.riscv.privilege import Access, Mode, Trap

SIZE, BASE = 0x8000, 0x8000_0000
SINGLE = ["Sv32", "Sv39", "Sv48", "Sv39x4", "x86-64"]
PAIRS = [("Sv39", "Sv39x4"), ("Sv32", "Sv32x4"), ("Sv48", "Sv39x4"), ("Sv39", "Sv32x4"), ("x86-64", "x86-64")]


def same(many: Walks, walks: list[Walk]) -> None:
    """Whether many walks tell what these tell."""
    flat = {
        name: getattr(many, name).ravel().tolist() for name in ("physical", "level", "references", "fault")
    }
    for i, one in enumerate(walks):
        known = (
            many.rule.ravel()[i],
            flat["physical"][i],
            flat["level"][i],
            flat["references"][i],
            flat["fault"][i],
        )
        physical, fault = (NOWHERE, one.fault) if one.physical is None else (one.physical, -1)
        level = -1 if one.level is None else one.level
        assert known == (one.rule, physical, level, len(one.steps), fault), one
        assert many.page_size.ravel()[i] == (one.page_size or 0)
        assert many.ok.ravel()[i] == (one.fault is None)
        assert many.gpa.ravel()[i] == (NOWHERE if one.gpa is None else one.gpa)
        assert many.fault_gpa.ravel()[i] == (NOWHERE if one.fault_gpa is None else one.fault_gpa)
        assert many.implicit.ravel()[i] == one.implicit
    wanted: dict[int, tuple[int, int]] = {}
    for update in (update for one in walks for update in one.updates):
        wanted[update.address] = update.old, wanted.get(update.address, (0, 0))[1] | update.new
    assert {at: (old, new) for at, old, new in many.updates.tolist()} == wanted


@st.composite
def entries(draw: st.DrawFn, scheme: Scheme) -> int:
    """An entry, likely to lead on, to tables that others lead to as well, and sometimes wild."""
    if not draw(st.integers(0, 9)):
        return draw(st.integers(0, (1 << 8 * scheme.entry_size) - 1))
    wide = [0x4_0000, 0x8_0000, 0x8_0001, 0, scheme.ppn_mask]
    ppn = draw(st.one_of(st.integers(0x8_0000, 0x8_0009), st.sampled_from(wide)))
    if scheme.format.name == "RISC-V":
        flags = draw(
            st.one_of(st.just(1), st.sampled_from([0xFF, 0xDF, 0x1F, 0x5B, 0x17]), st.integers(0, 255))
        )
    else:
        flags = draw(st.sampled_from([1, 7, 0x27, 0x67, 0x87, 0xE7, 5, 3, 0, 1 << 63 | 7]))
    spare = draw(st.sampled_from([0, 0, 0, 1 << scheme.format.ppn_shift - 1]))
    return ppn << scheme.format.ppn_shift & (1 << 8 * scheme.entry_size) - 1 | flags | spare


@st.composite
def memories(draw: st.DrawFn, *schemes: Scheme) -> Memory:
    """A memory of a few pages whose entries repeat: every page is a table, and most lead to each other."""
    memory = Memory(SIZE, base=BASE)
    scheme = schemes[0]
    pattern = draw(st.lists(entries(scheme), min_size=1, max_size=24))
    count = SIZE // scheme.entry_size
    words = (pattern * (count // len(pattern) + 1))[:count]
    memory.data[:] = np.array(words, f"<u{scheme.entry_size}").tobytes()
    for other in schemes[1:]:
        own = draw(
            st.lists(st.tuples(st.integers(0, SIZE // other.entry_size - 1), entries(other)), max_size=20)
        )
        for slot, raw in own:
            memory.store(BASE + slot * other.entry_size, other.entry_size, raw)
    return memory


def addresses(scheme: Scheme) -> st.SearchStrategy[list[int]]:
    """Some that the scheme can translate, and some that it can't."""
    inside = st.integers(0, (1 << scheme.va_bits) - 1).map(scheme.extend)
    return st.lists(st.one_of(inside, inside, inside, st.integers(0, (1 << 64) - 1)), max_size=40)


STATUS = st.fixed_dictionaries({name: st.booleans() for name in ("sum", "mxr", "hardware_ad")})


@pytest.mark.parametrize("name", SINGLE)
@given(data=st.data(), access=st.sampled_from(Access), mode=st.sampled_from([Mode.U, Mode.S]), status=STATUS)
def test_any_tables_give_what_the_scalar_walk_gives(name, data, access, mode, status):
    scheme = SCHEMES[name]
    memory, asked = data.draw(memories(scheme)), data.draw(addresses(scheme))
    root = BASE + 4096 * data.draw(st.integers(0, 9))
    table = PageTable(memory, scheme, root=root)
    walks = [table.walk(address, access, mode, **status) for address in asked]
    same(table.walk_many(np.array(asked, np.uint64), access, mode, **status), walks)


@pytest.mark.parametrize(("guest", "host"), PAIRS)
@settings(max_examples=50)
@given(data=st.data(), access=st.sampled_from(Access), mode=st.sampled_from([Mode.U, Mode.S]), status=STATUS)
def test_any_two_tables_give_what_the_scalar_walk_gives(guest, host, data, access, mode, status):
    memory = data.draw(memories(SCHEMES[host], SCHEMES[guest]))
    asked = data.draw(addresses(SCHEMES[guest]))
    status |= {"host_ad": data.draw(st.booleans()), "host_mxr": data.draw(st.booleans())}
    below = PageTable(memory, host, root=BASE + 4096 * data.draw(st.integers(0, 7)))
    table = PageTable(memory, guest, root=data.draw(st.sampled_from([0, BASE, BASE + 4096, 1 << 40])))
    walks = [table.walk(address, access, mode, host=below, **status) for address in asked]
    same(table.walk_many(np.array(asked, np.uint64), access, mode, host=below, **status), walks)


LETTERS = {
    "RISC-V": ["RWXUAD", "RWUAD", "RWUA", "RWU", "RU", "XU", "RXU", "RWX", "RUA", "XUA"],
    "x86-64": ["RW US", "RW US A D", "US", "RW", "US NX", "RW US NX A", "US A"],
}


@st.composite
def systems(draw: st.DrawFn, guest: str, host: str | None) -> tuple[PageTable, PageTable | None, list[int]]:
    """Good tables, then some flags of either stage changed and entries taken out; and addresses near their pages."""
    below = None if host is None else PageTable(Memory(1 << 20), host)
    table = PageTable(Memory(1 << 16) if below is None else GuestRam(below, 1 << 16), guest)
    form, leaves = table.scheme.format, st.sampled_from(LETTERS[table.scheme.format.name])
    spots = [0x1000, 0x2000, 0x40_0000, 0x4000_0000, 0x7FFF_F000]
    pages = draw(st.lists(st.sampled_from(spots), min_size=1, max_size=4, unique=True))
    for page in pages:
        level = draw(st.sampled_from([0, 0, 0, 1])) if not page % (4 << 20) else 0
        table.map(
            page,
            0x8000_0000 if level else draw(st.sampled_from([0x8000_3000, 1 << 30])),
            draw(leaves),
            level=level,
        )
    asked = draw(
        st.lists(st.sampled_from(pages).flatmap(lambda page: st.integers(page, page + 0x1FFF)), max_size=12)
    )
    for page in draw(st.lists(st.sampled_from(pages), max_size=3)):
        steps = table.walk(page).steps
        step = draw(st.sampled_from(steps))
        if step.raw is not None:
            table.set(page, step.raw ^ int(draw(st.sampled_from(list(form.flags)))), step.level)
    if below is not None:
        places = [step.address for page in pages for step in table.walk(page).steps] + [0x8000_3000]
        for gpa in draw(st.lists(st.sampled_from(places), max_size=4)):
            below.protect(gpa & -4096, draw(leaves))
        for gpa in draw(st.lists(st.sampled_from(places), max_size=1)):
            below.unmap(gpa & -4096)
    return table, below, asked


@pytest.mark.parametrize(("guest", "host"), [*((name, None) for name in ("Sv32", "Sv39", "x86-64")), *PAIRS])
@settings(max_examples=50)
@given(data=st.data(), access=st.sampled_from(Access), mode=st.sampled_from([Mode.U, Mode.S]), status=STATUS)
def test_tables_with_something_changed_give_what_the_scalar_walk_gives(
    guest, host, data, access, mode, status
):
    table, below, asked = data.draw(systems(guest, host))
    if below is not None:
        status |= {"host_ad": data.draw(st.booleans()), "host_mxr": data.draw(st.booleans())}
    walks = [table.walk(address, access, mode, host=below, **status) for address in asked]
    same(table.walk_many(asked, access, mode, host=below, **status), walks)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("host_flags", ["RU", "XU", "RWUA", "RWXU", None])
@pytest.mark.parametrize("flags", ["RWU", "XU", "RWUAD"])
def test_each_place_of_the_host_may_refuse(place, host_flags, flags):
    host = PageTable(Memory(1 << 20), "Sv39x4")
    guest = PageTable(GuestRam(host, 1 << 16))
    guest.map(0x1000, 0x8000_3000, flags, 0x2000)
    for page in (0x8000_0000 + 0x1000 * number for number in range(16)):
        host.protect(page, "RWXUAD")
    gpa = [step.address for step in guest.walk(0x1000, host=host).steps if step.stage == "VS-stage"] + [
        0x8000_3000
    ]
    if host_flags is None:
        host.unmap(gpa[place] & -4096)
    else:
        host.protect(gpa[place] & -4096, host_flags)
    for access, bits in product(Access, range(8)):
        status: Any = {name: bool(bits >> n & 1) for n, name in enumerate(("mxr", "host_mxr", "host_ad"))}
        walks = [guest.walk(address, access, host=host, **status) for address in (0x1004, 0x2008, 0x1FFF)]
        same(guest.walk_many([0x1004, 0x2008, 0x1FFF], access, host=host, **status), walks)


def test_an_address_that_the_host_cannot_have_is_refused_before_any_reference():
    host = PageTable(scheme="Sv39x4")
    guest = PageTable(GuestRam(host))
    guest.map(0x1000, 1 << 41, "RU")
    guest.set(0x4000_0000, 1 << 41 >> 2 | 1, level=2)
    asked = [0x1004, 0x4000_0008, 0x9000]
    many = guest.walk_many(asked, host=host)
    same(many, [guest.walk(address, host=host) for address in asked])
    assert many.level.tolist() == [0, 2, 0]


def test_the_kinds_of_memory_are_one():
    table = PageTable(Memory(SIZE * 2))
    table.map(0x1000, BASE, "RW", 0x4000)
    memory, asked = table.memory, np.arange(0, 0x8000, 0x800)
    assert isinstance(memory, Memory)

    class Asked:
        """Gives entries one by one."""

        def __init__(self) -> None:
            self.loads: list[int] = []

        def load(self, address: int, size: int) -> int:
            self.loads.append(address)
            return memory.load(address, size)

        def store(self, address: int, size: int, value: int) -> None:
            raise AssertionError

    one_by_one = Asked()
    sources: list[Any] = [
        memory,
        one_by_one,
        memory.data,
        bytes(memory.data),
        memoryview(memory.data).cast("Q"),
    ]
    found = [walk_many(source, table.root, asked, "store", mode="S", base=BASE) for source in sources]
    for many in found:
        same(many, [table.walk(address, "store", "S") for address in asked.tolist()])
    assert len(one_by_one.loads) == 1 + 1 + 8  # each entry once, however many addresses lead to it


@pytest.mark.parametrize("base", [BASE + 4, BASE + 8, BASE - 4, 0, (1 << 64) - 8])
@pytest.mark.parametrize("size", [0, 4, 12, 0x3000, 0x3FFC])
def test_bytes_that_begin_and_end_anywhere(base, size):
    table = PageTable(Memory(SIZE))
    table.map(0x1000, BASE, "RW", 0x4000)
    data = bytes(table.memory.data)[: size + 0x4000][base % 8 :]  # type: ignore[attr-defined]
    asked = np.arange(0, 0x8000, 0x800)
    many = walk_many(data, table.root, asked, "load", mode="S", base=base)
    same(many, [many[i] for i in range(len(asked))])


def test_more_addresses_than_a_block_in_any_shape():
    table = PageTable()
    table.map(0x1000, BASE, "RWU", 0x10_0000)
    asked = np.random.default_rng(1).integers(0, 0x20_0000, (3, 7001), np.uint32)
    many = table.walk_many(asked, "store")
    assert many.shape == many.physical.shape == many.rule.shape == many.array().shape == (3, 7001)
    assert (many.size, len(many)) == (21003, 3)
    inside = (asked >= 0x1000) & (asked < 0x10_1000)
    assert (many.ok == inside).all()
    assert (many.physical[inside] == asked[inside].astype(np.uint64) - 0x1000 + BASE).all()
    assert (many.physical[~inside] == NOWHERE).all()
    assert many.rules == {"allowed": inside.sum(), "not-valid": (~inside).sum()}
    assert (many.updates["old"] != many.updates["new"]).all()
    assert len(many.updates) == 256
    assert many[2, 5] == table.walk(int(asked[2, 5]), "store")
    single = table.walk_many(0x1234)
    assert (single.shape, single[()].physical, int(single.physical)) == ((), BASE + 0x234, BASE + 0x234)
    for index in (0, slice(2), (0, 9999), "physical"):
        with pytest.raises(VlabError, match="no single walk"):
            many[index]


@pytest.mark.parametrize("nothing", [[], np.zeros((0, 3), np.int64), ()])
def test_no_addresses_are_no_walks(nothing):
    for many in (
        PageTable().walk_many(nothing),
        PageTable().walk_many(nothing, host=PageTable(scheme="Sv39x4")),
    ):
        assert (many.size, many.rules, many.updates.size, many.array().size) == (0, {}, 0, 0)
        assert repr(many)


@pytest.mark.parametrize(
    "wrong",
    [
        [1.5],
        [True],
        ["0x1000"],
        [None],
        [[1, 2], [3]],
        [1 << 64],
        [(1 << 63), -1],
        [-1],
        np.array([-5], np.int8),
        object(),
    ],
)
def test_what_are_no_addresses(wrong):
    with pytest.raises(VlabError, match="Addresses are"):
        PageTable().walk_many(wrong)


@pytest.mark.parametrize("root", [-8, 4, 1 << 56, 0.0, "root", None, (1 << 64) - 8])
def test_what_is_no_root(root):
    with pytest.raises(VlabError, match="is no root of Sv39"):
        walk_many(bytes(64), root, [0], "load", mode="U")
    with pytest.raises(VlabError, match="is no root of Sv39x4"):
        walk_many(bytes(64), 0, [0], "load", mode="U", host=Host(SCHEMES["Sv39x4"], root))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"access": "write"}, "no access"),
        ({"mode": "M"}, "mode M"),
        ({"scheme": "Sv40"}, "no paging scheme"),
        ({"host": Host(SCHEMES["x86-64"], 0)}, "different formats"),
    ],
)
def test_what_the_scalar_walk_would_not_take_either(change, what):
    with pytest.raises(VlabError, match=what):
        walk_many(
            **{"memory": bytes(64), "root": 0, "addresses": [0], "access": "load", "mode": "U"} | change
        )


def test_a_trap_of_the_memory_is_an_access_fault():
    def refuse(address: int, size: int) -> int:
        raise Trap(5, address)  # type: ignore[arg-type]

    memory: Any = type("Refusing", (), {"load": staticmethod(refuse)})()
    many = walk_many(memory, 0, [0, 1 << 40], "fetch", mode="U")
    assert (many.rule.tolist(), many.fault.tolist()) == (["access-fault", "non-canonical"], [1, 12])
    assert many.level.tolist() == [2, -1]


def test_as_one_sentence_and_as_records():
    host = PageTable(scheme="Sv39x4")
    guest = PageTable(GuestRam(host))
    guest.map(0x1000, BASE, "RU", 0x2000)
    many = guest.walk_many([0x1000, 0x2000, 0x9000], "store", host=host)
    assert repr(many) == (
        "Sv39 / Sv39x4: 3 walks, store in VU, 36 references: 2 × the page is not writable; 1 × the entry is not valid"
    )
    table = many.array()
    assert table.dtype.names == (
        *("address", "physical", "ok", "rule", "fault", "level", "references", "page_size"),
        *("gpa", "fault_gpa", "implicit"),
    )
    assert table["rule"].tolist() == ["not-writable", "not-writable", "not-valid"]
    assert "implicit" not in guest.walk_many([]).array().dtype.names


def test_the_floor_needs_numpy_only_for_this():
    code = "import sys, vlab.paging as p; t = p.PageTable(); a = 'numpy' in sys.modules; t.walk_many([0]); print(a)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
