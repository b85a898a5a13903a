"""x86-64: the same reader, another format of entries (Intel SDM, volume 3, chapter 4; sections 4.5 and 4.6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.paging import (
    X86_64,
    X86_64_LA57,
    PageTable,
    X86Flags,
    classify,
    decode,
    entry,
    flags_of,
    table_array,
    table_bytes,
)
from vlab.riscv.privilege import Cause

GVA, PAGE = 0x7FFF_1234_5000, 0x8000_3000
PS, NX, PAT = 1 << 7, 1 << 63, 1 << 12


def table(flags="RW US", level=0, physical=PAGE, scheme="x86-64"):
    made = PageTable(scheme=scheme)
    made.map(GVA & -made.scheme.page_size(level), physical, flags, level=level)
    return made


def level_entry(made, level):
    """The address of the entry at this level, and its value."""
    step = made.walk(GVA, "load", "S").steps[made.scheme.levels - 1 - level]
    return step.address, step.raw


def test_four_references_five_with_la57():
    for scheme, levels in (("x86-64", 4), ("x86-64 LA57", 5)):
        found = table(scheme=scheme).walk(GVA + 0x678, "load")
        assert found.physical == PAGE + 0x678
        assert [step.level for step in found.steps] == list(reversed(range(levels)))
    assert [X86_64_LA57.format.index_name(level) for level in (4, 3, 2, 1, 0)] == [
        "PML5",
        "PML4",
        "PDPT",
        "PD",
        "PT",
    ]


@pytest.mark.parametrize("address", [1 << 47, (1 << 64) - (1 << 47) - 1])
def test_addresses_of_48_bits_are_canonical(address):
    found = table().walk(address)
    assert (found.rule, found.steps) == ("non-canonical", ())
    assert X86_64.canonical((1 << 47) - 1)
    assert X86_64.canonical((1 << 64) - (1 << 47))


ALLOWED = {
    # What a page allows, by what every level grants: RW, US, and NX nowhere.
    ("S", ""): {"load", "fetch"},
    ("S", "RW"): {"load", "store", "fetch"},
    ("S", "US"): {"load", "fetch"},
    ("S", "RW US"): {"load", "store", "fetch"},
    ("U", ""): set(),
    ("U", "RW"): set(),
    ("U", "US"): {"load", "fetch"},
    ("U", "RW US"): {"load", "store", "fetch"},
}


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("access", ["load", "store", "fetch"])
def test_4_6_every_level_must_grant_the_access(level, access):
    for (mode, flags), allowed in ALLOWED.items():
        for no_execute in (0, NX):
            made = table()
            at, raw = level_entry(made, level)
            made.memory.store(at, 8, raw & ~6 | int(flags_of(flags, X86_64)) | no_execute)
            found = made.walk(GVA, access, mode)
            assert (found.fault is None) == (access in allowed and not (no_execute and access == "fetch"))
            if found.fault is not None:
                assert found.steps[-1].level == 0  # the entry of the page decides, whichever level refuses
                assert found.updates == ()


def test_the_rules_by_their_names():
    assert table("US").walk(GVA, "store").rule == "not-writable"
    assert table("RW").walk(GVA, "load").rule == "supervisor-page-in-U"
    found = table("RW US NX").walk(GVA, "fetch")
    assert (found.rule, found.fault) == ("not-executable", Cause.INSTRUCTION_PAGE_FAULT)
    assert table().walk(0).rule == "not-valid"


@pytest.mark.parametrize(("level", "size"), [(1, 2 << 20), (2, 1 << 30)])
def test_large_pages_have_ps_and_a_pat_bit(level, size):
    made = table(level=level, physical=0xC000_0000)
    at, raw = level_entry(made, level)
    assert raw & PS
    made.memory.store(at, 8, raw | PAT)
    found = made.walk(GVA ^ 0x1678, "store")  # bit 12 is clear here, so that PAT would show
    assert (found.physical, found.page_size) == (0xC000_0000 | (GVA ^ 0x1678) % size, size)
    assert made.find(GVA).physical == 0xC000_0000
    made.memory.store(at, 8, raw | PAT << 1)
    assert made.walk(GVA).rule == "misaligned-superpage"


def test_there_is_no_page_of_512_gib():
    with pytest.raises(VlabError, match="PS is set at a level that has no pages"):
        table(level=3, physical=0)
    assert classify(0x87, 4, X86_64_LA57) == "no-such-page"


def test_hardware_marks_every_entry_on_the_way():
    made = table()
    found = made.walk(GVA, "store")
    letters = [str(X86Flags(update.new & ~update.old & X86_64.format.mask)) for update in found.updates]
    assert letters == ["A", "A", "A", "A D"]
    assert found.flags == flags_of("P RW US A D", X86_64)
    made.touch(GVA, "store")
    assert made.walk(GVA, "store").updates == ()
    assert made.walk(GVA, "load", hardware_ad=False).rule == "allowed"
    assert table().walk(GVA, "load", hardware_ad=False).rule == "allowed"  # it is never left to software


def test_flags_are_words():
    assert str(flags_of("NX US P", X86_64)) == "P US NX"
    assert str(X86Flags(0)) == "-"
    assert flags_of("", X86_64) == 0
    assert flags_of(str(X86Flags(0)), X86_64) == 0
    with pytest.raises(VlabError, match="words of P RW US PWT PCD A D PS G NX") as error:
        flags_of("rw us", X86_64)
    assert "'RW US'" in error.value.mend
    for wrong in (1 << 9, -1, "RWU"):
        with pytest.raises(VlabError):
            flags_of(wrong, X86_64)


@given(st.integers(0, X86_64.ppn_mask), st.integers(0, 7), st.integers(0, 511), st.booleans())
def test_decode_undoes_entry(ppn, avl, bits, nx):
    flags = bits | NX * nx
    assert decode(entry(ppn, flags, avl, X86_64), X86_64) == (ppn, flags, avl, 0)


@given(st.integers(0, (1 << 64) - 1), st.integers(0, 4))
def test_every_entry_is_something(raw, level):
    assert classify(raw, level, X86_64_LA57) in (
        *("not-valid", "pointer", "leaf"),
        *("misaligned-superpage", "no-such-page"),
    )


@given(st.binary(min_size=1, max_size=64))
def test_a_table_as_records_and_back(pattern):
    data = (pattern * 4096)[:4096]
    array = table_array(data, scheme=X86_64)
    assert table_bytes(array, X86_64) == data
    raw = int.from_bytes(data[:8], "little")
    assert [bool(array[flag.name][0]) for flag in X86Flags] == [bool(raw & flag) for flag in X86Flags]
    assert (array["avl"][0], array["available"][0]) == (raw >> 9 & 7, raw >> 52 & 0x7FF)
    assert array["ppn"][0] == raw >> 12 & X86_64.ppn_mask


def test_pages_are_listed_protected_and_unmapped():
    made = table()
    made.map(0x4000_0000, 0xC000_0000, "RW", level=2)
    assert [(page.address, page.size, str(page.flags)) for page in made.entries()] == [
        (0x4000_0000, 1 << 30, "P RW PS"),
        (GVA, 4096, "P RW US"),
    ]
    made.protect(0x4000_0000, "US NX")
    assert str(made.find(0x4000_0000).flags) == "P US PS NX"
    assert made.unmap(GVA) == 1
    assert made.find(GVA) is None
    with pytest.raises(VlabError, match="CR3"):
        _ = made.satp
