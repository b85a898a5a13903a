"""Two stages: each rule of the H extension's chapter (Privileged ISA, section 8.5), and a naive walk to agree with."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.paging import SCHEMES, GuestRam, Memory, PageTable, Walk, flags_of
from vlab.riscv.privilege import Access, Cause, Mode, Trap

GVA, GPA = 0x1234_5678, 0x8000_3678


class Pair(NamedTuple):
    """A guest's table and the host's under it."""

    guest: PageTable
    host: PageTable
    ram: GuestRam

    def walk(self, access: str = "load", mode: Mode | str = "U", address: int = GVA, **status: Any) -> Walk:
        return self.guest.walk(address, access, mode, host=self.host, **status)

    def host_flags(self, gpa: int, flags: str) -> None:
        """Give these flags to the host's page of a guest-physical address."""
        assert self.host.protect(gpa & -4096, flags) == 1


def pair(guest: str = "Sv39", host: str = "Sv39x4", flags: str | None = "RWU") -> Pair:
    below = PageTable(scheme=host)
    ram = GuestRam(below)
    table = PageTable(ram, scheme=guest)
    if flags is not None:
        table.map(GVA & -4096, GPA & -4096, flags)
    return Pair(table, below, ram)


@pytest.mark.parametrize(
    ("guest", "host", "flags", "count"),
    [
        ("Sv39", "Sv39x4", "RWU", 15),
        ("Sv32", "Sv32x4", "RWU", 8),
        ("Sv48", "Sv48x4", "RWU", 24),
        ("Sv57", "Sv57x4", "RWU", 35),
        ("Sv39", "Sv48x4", "RWU", 19),
        ("x86-64", "x86-64", "RW US", 24),
        ("x86-64 LA57", "x86-64 LA57", "RW US", 35),
    ],
)
def test_references_in_their_order(guest, host, flags, count):
    tables = pair(guest, host, flags)
    found = tables.walk("store")
    g, vs = SCHEMES[host].levels, SCHEMES[guest].levels
    order = []
    for level in (*range(vs - 1, -1, -1), None):
        order += [("G-stage", below) for below in range(g - 1, -1, -1)]
        order += [("VS-stage", level)] if level is not None else []
    assert [(step.stage, step.level) for step in found.steps] == order
    assert len(found.steps) == count
    assert found.gpa == GPA
    assert found.physical == tables.ram.host_address(GPA)
    assert found.page_size == 4096
    assert (found.fault, found.fault_gpa, found.implicit, found.rule) == (None, None, False, "allowed")


def test_where_each_reference_is_made():
    tables = pair()
    found = tables.walk()
    table = tables.guest.root
    for number in range(3, 12, 4):
        step, below = found.steps[number], found.steps[number - 3 : number]
        assert step.address == table + 8 * step.index
        assert step.hpa == tables.ram.host_address(step.address)
        assert step.hpa is not None
        assert step.raw == tables.host.memory.load(step.hpa, 8)
        assert [(one.gpa, one.hpa) for one in below] == [(step.address, None)] * 3
        table = tables.guest.scheme.target(step.raw)
    assert [step.gpa for step in found.steps[12:]] == [GPA] * 3
    for step in found.steps:
        if step.stage == "G-stage":
            assert step.raw == tables.host.memory.load(step.address, 8)


def test_the_walk_is_one_sentence():
    tables = pair()
    assert repr(tables.walk("store")) == (
        f"Sv39 over Sv39x4: store of 0x12345678 in VU → GPA 0x80003678 → HPA "
        f"{tables.ram.host_address(GPA):#x} (15 references)"
    )
    assert repr(tables.walk("fetch")) == (
        "Sv39 over Sv39x4: fetch of 0x12345678 in VU → instruction page fault at level 0: the page is not executable"
    )
    tables.host.unmap(GPA)
    assert repr(tables.walk("store")) == (
        "Sv39 over Sv39x4: store of 0x12345678 in VU → store guest-page fault of GPA 0x80003678: the entry is not valid"
    )


CAUSES = [
    ("fetch", Cause.INSTRUCTION_GUEST_PAGE_FAULT, 20),
    ("load", Cause.LOAD_GUEST_PAGE_FAULT, 21),
    ("store", Cause.STORE_GUEST_PAGE_FAULT, 23),
]


@pytest.mark.parametrize(("access", "cause", "code"), CAUSES)
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_8_5_1_a_guest_page_fault_is_of_the_original_access_and_tells_its_gpa(access, cause, code, number):
    tables = pair(flags="RWXU")
    wanted = [step.address for step in tables.walk().steps if step.stage == "VS-stage"] + [GPA]
    tables.host.unmap(wanted[number])
    found = tables.walk(access)
    assert (found.fault, int(cause)) == (cause, code)
    assert (found.rule, found.physical) == ("not-valid", None)
    assert found.fault_gpa == wanted[number]
    assert found.implicit == (number < 3)
    assert found.gpa == (None if number < 3 else GPA)
    assert len(found.steps) == 4 * number + 3
    assert (found.steps[-1].stage, found.steps[-1].verdict) == ("G-stage", "fault")


@pytest.mark.parametrize("level", [2, 1, 0])
def test_a_fault_in_the_guests_table_is_the_guests_own(level):
    tables = pair()
    tables.guest.set(GVA, 0, level)
    found = tables.walk("store")
    assert (found.fault, found.rule) == (Cause.STORE_PAGE_FAULT, "not-valid")
    assert (found.fault_gpa, found.implicit, found.gpa) == (None, False, None)
    assert (found.steps[-1].stage, found.steps[-1].level) == ("VS-stage", level)
    assert len(found.steps) == 4 * (3 - level)


def test_8_5_1_g_stage_pages_need_u_whatever_the_mode():
    for mode in "US":
        tables = pair(flags="RWU" if mode == "U" else "RW")
        assert tables.walk("load", mode).fault is None
        tables.host_flags(GPA, "RWX")
        found = tables.walk("load", mode)
        assert (found.rule, found.fault_gpa) == ("supervisor-page-in-U", GPA)


def test_8_5_1_the_walkers_reads_are_loads_whatever_the_access_is():
    tables = pair(flags="RWXUAD")
    places = [step.address for step in tables.walk().steps if step.stage == "VS-stage"]
    for gpa in places:
        tables.host_flags(gpa, "RU")
    assert tables.walk("fetch").fault is tables.walk("store").fault is None
    tables.host_flags(places[1], "XU")
    found = tables.walk("fetch")
    assert (found.rule, found.fault) == ("not-readable", Cause.INSTRUCTION_GUEST_PAGE_FAULT)
    assert (found.fault_gpa, found.implicit) == (places[1], True)


def test_8_5_1_setting_a_or_d_in_a_guests_entry_is_a_store():
    tables = pair(flags="RWU")
    place = tables.walk().steps[11]
    tables.host_flags(place.address, "RU")
    found = tables.walk("load")
    assert (found.rule, found.fault) == ("update-refused", Cause.LOAD_GUEST_PAGE_FAULT)
    assert (found.fault_gpa, found.implicit, found.gpa) == (place.address, True, None)
    assert found.steps[-1] == place._replace(verdict="fault", rule="update-refused")
    assert place.hpa not in {update.address for update in found.updates}
    tables.guest.protect(GVA, "RWUA")
    assert tables.walk("load").fault is None
    assert tables.walk("store").rule == "update-refused"
    assert tables.walk("store", hardware_ad=False).rule == "not-dirty"


def test_8_5_1_without_hardware_a_and_d_the_g_stage_refuses_too():
    tables = pair(flags="RWUAD")
    found = tables.walk("load", host_ad=False)
    assert (found.rule, found.fault) == ("not-accessed", Cause.LOAD_GUEST_PAGE_FAULT)
    assert (found.fault_gpa, found.implicit, len(found.steps)) == (tables.guest.root, True, 3)
    for step in tables.walk().steps:
        tables.host_flags(step.address if step.stage == "VS-stage" else GPA, "RWXUA")
    assert tables.walk("load", host_ad=False).rule == "allowed"
    final = tables.walk("store", host_ad=False)
    assert (final.rule, final.fault_gpa, final.implicit) == ("not-dirty", GPA, False)


@pytest.mark.parametrize(
    ("guest", "host", "mxr", "host_mxr", "rule"),
    [
        ("XU", "RWXU", False, False, "not-readable"),
        ("XU", "RWXU", True, False, "allowed"),
        ("XU", "RWXU", False, True, "allowed"),
        ("RU", "XU", True, False, "not-readable"),
        ("RU", "XU", False, True, "allowed"),
    ],
)
def test_8_5_1_the_guests_mxr_counts_in_its_own_stage_alone(guest, host, mxr, host_mxr, rule):
    tables = pair(flags=guest)
    tables.host_flags(GPA, host)
    found = tables.walk("load", mxr=mxr, host_mxr=host_mxr)
    assert found.rule == rule
    assert found.fault_gpa == (GPA if rule != "allowed" and host == "XU" else None)


def test_8_5_1_mxr_is_not_for_the_walkers_own_reads():
    tables = pair()
    tables.host_flags(tables.guest.root, "XU")
    found = tables.walk("load", mxr=True, host_mxr=True)
    assert (found.rule, found.implicit) == ("not-readable", True)


def test_sum_is_the_guests():
    tables = pair(flags="RWU")
    assert tables.walk("load", "S").rule == "user-page-in-S"
    assert tables.walk("load", "S", sum=True).rule == "allowed"


def test_hardware_sets_a_and_d_in_both_tables_each_entry_once():
    tables = pair()
    found = tables.walk("store")
    changed = {update.address: flags_of(update.new & 0xFF & ~update.old) for update in found.updates}
    leaves = [step for step in found.steps if step.verdict == "leaf"]
    expected = {leaf.hpa or leaf.address: flags_of("A") for leaf in leaves}
    expected |= {leaves[n].hpa or leaves[n].address: flags_of("AD") for n in (2, 3, 4)}
    assert changed == expected  # D also where the guest's own A and D are written
    assert all(tables.host.memory.load(update.address, 8) == update.old for update in found.updates)
    assert found.flags == flags_of("DAUWRV")
    tables.guest.touch(GVA, "store", host=tables.host)
    again = tables.walk("store")
    assert (again.updates, again.flags) == ((), flags_of("DAUWRV"))


def test_an_entry_that_is_needed_again_is_written_once():
    host = PageTable(Memory(), "Sv39x4")
    guest = PageTable(host.memory)
    host.map(guest.root & -(2 << 20), guest.root & -(2 << 20), "RWU", level=1)
    guest.map(GVA & -4096, guest.root, "RWU")
    found = guest.walk(GVA, "load", host=host)
    large, own = found.updates
    assert [step.address for step in found.steps if step.level == 1 and step.stage == "G-stage"] == [
        large.address
    ] * 4
    assert flags_of(large.new & 0xFF) == flags_of("DAUWRV")  # D, because the guest's own A is written there
    assert flags_of(own.new & 0xFF) == flags_of("AUWRV")


def test_after_a_fault_stands_what_was_written_before_it():
    tables = pair()
    tables.host.unmap(GPA)
    found = tables.walk("store")
    own = [step.hpa for step in found.steps if step.stage == "VS-stage"]
    assert own[-1] in [update.address for update in found.updates]
    assert found.flags is found.page_size is None


@pytest.mark.parametrize(
    ("guest_level", "host_level", "count"), [(1, 0, 11), (0, 1, 11), (1, 1, 8), (2, 2, 3)]
)
def test_the_page_is_the_smaller_one_and_large_pages_save_references(guest_level, host_level, count):
    host = PageTable(Memory(64 << 20), "Sv39x4")
    host.map(0x8000_0000, 0x8000_0000, "RWXU", 64 << 20 if host_level < 2 else 0, level=host_level)
    guest = PageTable(host.memory)
    guest.map(0x4000_0000, 0x8000_0000, "RWU", level=guest_level)
    found = guest.walk(0x4000_0234, host=host)
    assert found.physical == 0x8000_0234
    assert found.page_size == 4096 << 9 * min(guest_level, host_level)
    assert len(found.steps) == count


def test_hgatp_addresses_are_41_bits_wide():
    tables = pair()
    tables.guest.map(GVA & -4096, 1 << 41, "RU")
    found = tables.walk()
    assert (found.fault, found.rule) == (Cause.LOAD_GUEST_PAGE_FAULT, "non-canonical")
    assert (found.fault_gpa, found.implicit, found.gpa) == (1 << 41 | 0x678, False, 1 << 41 | 0x678)
    assert found.steps[-1].stage == "VS-stage"
    tables.guest.set(GVA, 1 << 41 >> 2 | 1, level=2)
    found = tables.walk()
    assert (found.fault_gpa, found.implicit, found.gpa, len(found.steps)) == (
        (1 << 41) + 8 * 145,
        True,
        None,
        4,
    )


def test_an_address_that_the_guest_cannot_have_reaches_no_table():
    found = pair().walk(address=1 << 45)
    assert (found.fault, found.rule, found.steps) == (Cause.LOAD_PAGE_FAULT, "non-canonical", ())


def test_physical_memory_may_refuse_at_either_stage():
    tables = pair()
    tables.host.map(GPA & -4096, 0x10_0000, "RWU")
    assert tables.walk().physical == 0x10_0678  # nobody asked the memory about the page itself
    tables.host.set(GPA, 0x1, level=1)
    found = tables.walk("fetch")
    assert (found.fault, found.rule) == (Cause.INSTRUCTION_ACCESS_FAULT, "access-fault")
    assert (found.fault_gpa, found.implicit, found.steps[-1].raw) == (None, False, None)
    tables = pair()
    tables.host.map(tables.guest.root, 0x10_0000, "RWU")
    found = tables.walk("store")
    assert (found.fault, found.rule) == (Cause.STORE_ACCESS_FAULT, "access-fault")
    assert (found.steps[-1].stage, found.steps[-1].hpa, len(found.steps)) == ("VS-stage", 0x10_0000, 4)


def test_both_stages_are_of_one_architecture():
    with pytest.raises(VlabError, match="x86-64 over Sv39x4: their entries have different formats"):
        PageTable(scheme="x86-64").walk(0, host=PageTable(scheme="Sv39x4"))


def test_amd_takes_the_walkers_reads_for_user_writes():
    tables = pair("x86-64", "x86-64", "RW US")
    tables.host_flags(tables.guest.root, "US")
    found = tables.walk("load")
    assert (found.rule, found.implicit, found.fault_gpa) == ("not-writable", True, tables.guest.root)
    tables.host_flags(tables.guest.root, "RW")
    assert tables.walk("load").rule == "supervisor-page-in-U"
    tables.host_flags(tables.guest.root, "RW US")
    assert (
        len(tables.walk("load").updates) == 4 + 4 + 4
    )  # the guest's entries, the host's leaves, its pointers


def test_guest_memory_is_the_hosts():
    host = PageTable(scheme="Sv39x4")
    ram = GuestRam(host, 0x4000)
    ram.store(0x8000_1008, 8, 0x42)
    assert ram.load(0x8000_1008, 8) == host.memory.load(ram.host_address(0x8000_1008), 8) == 0x42
    frame = ram.allocate()
    assert frame == 0x8000_2000
    ram.store(frame, 8, 1)
    ram.release(frame)
    assert (ram.allocate(), ram.load(frame, 8)) == (frame, 0)
    ram.allocate()
    with pytest.raises(VlabError, match="Guest memory of 16 KiB at 0x80000000: No frame of 4 KiB is left"):
        ram.allocate()
    with pytest.raises(Trap):
        ram.load(0x8000_4000, 8)


def naive(
    tables: Pair, address: int, access: str, mode: str, sum_: bool, mxr: bool, host_mxr: bool
) -> tuple[Any, ...]:
    """Both stages once more, the other way round: the guest's table walked by hand, one-stage walks below."""

    def below(gpa: int, kind: str, allow_x: bool) -> Walk:
        return tables.host.walk(gpa, kind, "U", mxr=allow_x)

    table = tables.guest.root
    for level, shift, mask in tables.guest.scheme.descent:
        at = table + 8 * (address >> shift & mask)
        read = below(at, "load", False)
        if read.physical is None:
            return "guest", at, True
        one = tables.host.memory.load(read.physical, 8)
        flags = one & 0xFF
        if flags & 0xF == 1 and not flags & 0xD0 and level and not one >> 54:
            table = tables.guest.scheme.target(one)
            continue
        verdict = _leaf(one, level, access, mode, sum_, mxr or host_mxr)
        if not verdict:
            return "page", None, False
        needed = 0xC0 if access == "store" else 0x40
        if one & needed != needed and below(at, "store", False).physical is None:
            return "guest", at, True
        size = 4096 << 9 * level
        gpa = (tables.guest.scheme.target(one) & -size) | address % size
        final = below(gpa, access, host_mxr)
        return ("ok", final.physical, False) if final.physical is not None else ("guest", gpa, False)
    raise AssertionError


def _leaf(raw: int, level: int, access: str, mode: str, sum_: bool, mxr: bool) -> bool:
    """Whether a guest's entry is a good leaf that allows the access."""
    v, r, w, x, u = (bool(raw >> bit & 1) for bit in range(5))
    aligned = not (raw >> 10) % (1 << 9 * level)
    right = {"fetch": x, "load": r or (x and mxr), "store": w}[access]
    owner = u if mode == "U" else (not u or (sum_ and access != "fetch"))
    return v and (r or x) and not (w and not r) and not raw >> 54 and aligned and right and owner


@st.composite
def systems(draw: st.DrawFn) -> Pair:
    """Two tables, with some entries of each changed."""
    tables = pair(flags=draw(st.sampled_from(["RWU", "RWXU", "RX", "RWXUAD", "XU"])))
    places = [step.address for step in tables.walk("load").steps if step.stage == "VS-stage"] + [GPA]
    if not draw(st.integers(0, 2)):
        level = draw(st.integers(0, 2))
        target = draw(st.sampled_from([0, 0x8000_0000, 0x8000_3000, 1 << 41]))
        tables.guest.set(GVA, target >> 2 | draw(st.integers(0, 255)), level)
    if draw(st.booleans()):
        gpa = draw(st.sampled_from(places))
        tables.host.protect(gpa & -4096, draw(st.sampled_from(["R", "RU", "XU", "RWU", "RWXUAD", "RXU"])))
    if not draw(st.integers(0, 3)):
        tables.host.unmap(draw(st.sampled_from(places)) & -4096)
    return tables


@given(systems(), st.sampled_from(Access), st.sampled_from("US"), st.booleans(), st.booleans(), st.booleans())
def test_any_two_tables_give_the_verdict_of_the_naive_walk(tables, access, mode, sum_, mxr, host_mxr):
    found = tables.walk(access.value, mode, sum=sum_, mxr=mxr, host_mxr=host_mxr)
    verdict, where, implicit = naive(tables, GVA, access.value, mode, sum_, mxr, host_mxr)
    assert found.physical == (where if verdict == "ok" else None)
    assert found.fault_gpa == (where if verdict == "guest" else None)
    assert found.implicit == implicit
    assert (found.fault is None) == (verdict == "ok")
    if found.fault is not None:
        assert found.fault.name.endswith("_GUEST_PAGE_FAULT") == (verdict == "guest")
    assert repr(found)
