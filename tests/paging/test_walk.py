"""Each rule of the walk, named after the section of the Privileged ISA (edition of 2021) that has it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.paging import (
    RISCV,
    SCHEMES,
    SV32,
    SV39X4,
    SV48,
    Flags,
    Memory,
    Scheme,
    Step,
    Update,
    Walk,
    entry,
    flags_of,
    walk,
)
from vlab.riscv.privilege import Access, Cause, Mode, Trap

ROOT, MIDDLE, LAST, PAGE = 0x8020_0000, 0x8020_1000, 0x8020_2000, 0x8000_5000
ADDRESS = 0x20_4042_3456  # vpn[2] = 0x81, vpn[1] = 2, vpn[0] = 0x23
SLOTS = (ROOT + 8 * 0x81, MIDDLE + 8 * 2, LAST + 8 * 0x23)


def pte(target: int, flags: str) -> int:
    return entry(target >> 12, flags_of(flags))


def walk_to(
    leaf: int | None,
    access: str = "load",
    mode: Mode | str = "U",
    *,
    level: int = 0,
    address: int = ADDRESS,
    **bits: Any,
) -> Walk:
    """Walk tables whose entry at `level` is `leaf`, good pointers above it."""
    table = {SLOTS[0]: pte(MIDDLE, "V"), SLOTS[1]: pte(LAST, "V")}
    if leaf is not None:
        table[SLOTS[2 - level]] = leaf

    def load(at: int, size: int) -> int:
        assert size == 8
        if at not in table:
            raise Trap(Cause.LOAD_ACCESS_FAULT, at)
        return table[at]

    return walk(load, ROOT, address, access, mode=mode, **bits)


def test_a_page_is_found_in_three_references():
    found = walk_to(pte(PAGE, "DAUWRV"), "store")
    assert found.physical == PAGE + 0x456
    assert (found.fault, found.rule, found.update) == (None, "allowed", None)
    assert found.steps == (
        Step("S-stage", 2, 0x81, SLOTS[0], pte(MIDDLE, "V"), Flags.V, "pointer", "pointer"),
        Step("S-stage", 1, 2, SLOTS[1], pte(LAST, "V"), Flags.V, "pointer", "pointer"),
        Step("S-stage", 0, 0x23, SLOTS[2], pte(PAGE, "DAUWRV"), flags_of("DAUWRV"), "leaf", "allowed"),
    )
    assert (found.level, found.page_size, found.flags) == (0, 4096, flags_of("DAUWRV"))


def fault(found: Walk) -> tuple[Cause | None, str, int | None]:
    assert found.physical is None
    assert found.update is None
    assert found.flags is found.page_size is None
    if found.steps:
        assert (found.steps[-1].verdict, found.steps[-1].rule) == ("fault", found.rule)
    return found.fault, found.rule, found.level


@pytest.mark.parametrize(
    ("access", "cause"),
    [
        ("fetch", Cause.INSTRUCTION_PAGE_FAULT),
        ("load", Cause.LOAD_PAGE_FAULT),
        ("store", Cause.STORE_PAGE_FAULT),
    ],
)
def test_4_3_2_a_page_fault_is_that_of_the_original_access(access, cause):
    assert fault(walk_to(0, access)) == (cause, "not-valid", 0)


@pytest.mark.parametrize(
    ("access", "cause"),
    [
        ("fetch", Cause.INSTRUCTION_ACCESS_FAULT),
        ("load", Cause.LOAD_ACCESS_FAULT),
        ("store", Cause.STORE_ACCESS_FAULT),
    ],
)
def test_4_3_2_step_2_a_refused_read_is_an_access_fault_of_the_original_access(access, cause):
    found = walk_to(None, access)
    assert fault(found) == (cause, "access-fault", 0)
    assert found.steps[-1][3:6] == (SLOTS[2], None, None)


@pytest.mark.parametrize("address", [1 << 38, (1 << 64) - (1 << 38) - 1, ADDRESS | 1 << 63, -1, 1 << 64])
def test_4_4_1_bits_63_to_39_equal_bit_38(address):
    found = walk_to(pte(PAGE, "DAUWRV"), address=address)
    assert fault(found) == (Cause.LOAD_PAGE_FAULT, "non-canonical", None)
    assert found.steps == ()


@pytest.mark.parametrize("level", [0, 1, 2])
def test_4_3_2_step_3_not_valid(level):
    everything_but_v = (1 << 64) - 2
    assert fault(walk_to(everything_but_v, level=level)) == (Cause.LOAD_PAGE_FAULT, "not-valid", level)


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("flags", ["WV", "XWV"])
def test_4_3_2_step_3_write_without_read(level, flags):
    assert fault(walk_to(pte(0, flags), "store", "S", level=level))[1:] == ("write-without-read", level)


@pytest.mark.parametrize("bit", range(54, 64))
@pytest.mark.parametrize(("level", "flags"), [(0, "DAUWRV"), (1, "V")])
def test_4_4_1_bits_63_to_54_are_reserved(bit, level, flags):
    found = walk_to(pte(LAST, flags) | 1 << bit, level=level)
    assert fault(found) == (Cause.LOAD_PAGE_FAULT, "reserved-bits", level)


@pytest.mark.parametrize("flag", ["D", "A", "U"])
def test_4_3_1_d_a_and_u_are_reserved_in_a_pointer(flag):
    assert fault(walk_to(pte(LAST, "V" + flag), level=1))[1:] == ("reserved-in-pointer", 1)


def test_4_3_1_g_and_rsw_are_free_in_a_pointer():
    assert walk_to(pte(LAST, "GV") | 3 << 8, level=1).rule == "access-fault"
    assert walk_to(pte(PAGE, "DAGUWRV") | 3 << 8).rule == "allowed"


def test_4_3_2_step_4_no_leaf():
    assert fault(walk_to(pte(PAGE, "V"))) == (Cause.LOAD_PAGE_FAULT, "no-leaf", 0)


@pytest.mark.parametrize(("level", "wrong"), [(1, 0x1000), (1, 0x10_0000), (2, 0x1000), (2, 0x2000_0000)])
def test_4_3_2_misaligned_superpage(level, wrong):
    found = walk_to(pte(wrong, "DAUWRV"), level=level)
    assert fault(found) == (Cause.LOAD_PAGE_FAULT, "misaligned-superpage", level)


def test_4_3_2_a_superpage_takes_the_lower_indices_as_offset():
    mega = walk_to(pte(0x8060_0000, "DAUWRV"), level=1)
    assert (mega.physical, mega.page_size, mega.level) == (0x8060_0000 + 0x2_3456, 2 << 20, 1)
    giga = walk_to(pte(0xC000_0000, "DAUWRV"), level=2)
    assert (giga.physical, giga.page_size, giga.level) == (0xC000_0000 + 0x42_3456, 1 << 30, 2)


@pytest.mark.parametrize(
    ("flags", "access", "mode", "rule"),
    [
        ("DAWRV", "load", "U", "supervisor-page-in-U"),
        ("DAUWRV", "load", "S", "user-page-in-S"),
        ("DAUXRV", "fetch", "S", "fetch-of-user-page"),
        ("DAUXV", "load", "U", "not-readable"),
        ("DAURV", "store", "U", "not-writable"),
        ("DAUWRV", "fetch", "U", "not-executable"),
    ],
)
def test_4_3_2_permissions(flags, access, mode, rule):
    assert fault(walk_to(pte(PAGE, flags), access, mode))[1:] == (rule, 0)


def test_3_1_6_3_sum_opens_user_pages_for_data_only():
    assert walk_to(pte(PAGE, "DAUXWRV"), "store", "S", sum=True).physical == PAGE + 0x456
    assert fault(walk_to(pte(PAGE, "DAUXWRV"), "fetch", "S", sum=True))[1] == "fetch-of-user-page"


def test_3_1_6_3_mxr_makes_executable_pages_readable():
    assert walk_to(pte(PAGE, "DAUXV"), "load", "U", mxr=True).physical == PAGE + 0x456
    assert fault(walk_to(pte(PAGE, "DAUXV"), "store", "U", mxr=True))[1] == "not-writable"


@pytest.mark.parametrize(
    ("flags", "access", "after"),
    [
        ("UXWRV", "load", "AUXWRV"),
        ("UXWRV", "fetch", "AUXWRV"),
        ("UXWRV", "store", "DAUXWRV"),
        ("AUXWRV", "store", "DAUXWRV"),
        ("DUXWRV", "load", "DAUXWRV"),
    ],
)
def test_4_3_1_hardware_sets_a_and_d(flags, access, after):
    found = walk_to(pte(PAGE, flags), access)
    assert found.physical == PAGE + 0x456
    assert found.update == Update(SLOTS[2], pte(PAGE, flags), pte(PAGE, after))
    assert found.flags == flags_of(after)
    assert found.steps[-1].flags == flags_of(flags)


@pytest.mark.parametrize(
    ("flags", "access", "rule"),
    [
        ("UXWRV", "load", "not-accessed"),
        ("DUXWRV", "store", "not-accessed"),
        ("AUXWRV", "store", "not-dirty"),
        ("AUXWRV", "load", "allowed"),
        ("DAUXWRV", "store", "allowed"),
    ],
)
def test_svade_leaves_a_and_d_to_software(flags, access, rule):
    found = walk_to(pte(PAGE, flags), access, hardware_ad=False)
    assert (found.rule, found.update) == (rule, None)
    assert (found.fault is None) == (rule == "allowed")


def test_no_update_where_permission_fails():
    assert fault(walk_to(pte(PAGE, "UXRV"), "store"))[1] == "not-writable"


@pytest.mark.parametrize(
    ("scheme", "address", "references"),
    [(SV32, 0xFFFF_F123, 2), (SV48, 0xFFFF_8000_0000_0123, 4), (SV39X4, 0x1FF_FFFF_F123, 3)],
)
def test_other_schemes_fall_out_of_the_rows(scheme: Scheme, address: int, references: int):
    memory = Memory()
    root = table = memory.allocate(scheme.table_size())
    for level, shift, mask in scheme.descent:
        target = memory.allocate() if level else PAGE
        raw = pte(target, "V" if level else "DAURV")
        memory.store(table + (address >> shift & mask) * scheme.entry_size, scheme.entry_size, raw)
        table = target
    found = walk(memory.load, root, address, "load", mode="U", scheme=scheme, stage="G-stage")
    assert (found.physical, len(found.steps)) == (PAGE + 0x123, references)
    assert {step.stage for step in found.steps} == {"G-stage"}


def test_a_wrong_mode_or_access_is_named():
    with pytest.raises(VlabError, match="no address translation in mode M"):
        walk_to(0, mode=Mode.M)
    with pytest.raises(VlabError, match="'load'"):
        walk_to(0, "laod")


def test_a_walk_is_one_sentence():
    assert repr(walk_to(pte(PAGE, "DAUWRV"))) == "Sv39: load of 0x2040423456 in U → 0x80005456 (3 references)"
    assert repr(walk_to(0, "store", "S")) == (
        "Sv39: store of 0x2040423456 in S → store page fault at level 0: the entry is not valid"
    )
    assert repr(walk_to(0, address=1 << 40)) == (
        "Sv39: load of 0x10000000000 in U → load page fault: the address is not canonical"
    )


def test_a_walk_is_a_value():
    one, same = walk_to(pte(PAGE, "DAUWRV")), walk_to(pte(PAGE, "DAUWRV"))
    assert one == same
    assert hash(one) == hash(same)
    assert one != walk_to(pte(PAGE, "AUWRV"))
    with pytest.raises(AttributeError):
        one.physical = 3  # type: ignore[misc]


def naive(
    memory: dict[int, int], scheme: Scheme, address: int, access: str, mode: str, sum_: bool, mxr: bool
) -> tuple[str, int | None]:
    """The section's algorithm once more, on strings of bits: what the walk must say of any memory."""
    bits = format(address, f"0{scheme.xlen}b")
    high, low = bits[: -scheme.va_bits], bits[-scheme.va_bits :].zfill(scheme.va_bits)
    if high.strip("0" if scheme.name.endswith("x4") else low[0]):
        return "page", None
    first = scheme.index_bits + (2 if scheme.name.endswith("x4") else 0)
    table, rest = ROOT, low
    for level in reversed(range(scheme.levels)):
        width = first if level == scheme.levels - 1 else scheme.index_bits
        index, rest = int(rest[:width], 2), rest[width:]
        raw = memory.get(table + index * scheme.entry_size)
        if raw is None:
            return "access", None
        word = format(raw, f"0{8 * scheme.entry_size}b")
        d, a, _g, u, x, w, r, v = (bit == "1" for bit in word[-8:])
        ppn = word[-10 - scheme.ppn_bits : -10]
        if not v or (w and not r) or "1" in word[: -10 - scheme.ppn_bits]:
            return "page", None
        if not (r or x):
            if d or a or u or level == 0:
                return "page", None
            table = int(ppn, 2) * 4096
            continue
        kept = len(ppn) - scheme.index_bits * level
        owner = u if mode == "U" else not u or (sum_ and access != "fetch")
        right = {"fetch": x, "load": r or (x and mxr), "store": w}[access]
        if "1" in ppn[kept:] or not owner or not right:
            return "page", None
        return "ok", int(ppn[:kept] + rest, 2)
    raise AssertionError


@st.composite
def memories(draw: st.DrawFn) -> tuple[dict[int, int], Scheme, int]:
    """Tables along the path of one address, each entry good, nearly good or random."""
    scheme = draw(st.sampled_from([scheme for scheme in SCHEMES.values() if scheme.format is RISCV]))
    address = draw(st.integers(0, (1 << scheme.xlen) - 1))
    if draw(st.integers(0, 7)):
        address = scheme.extend(address)
    memory, table = {}, ROOT
    for number, (level, shift, mask) in enumerate(scheme.descent, 1):
        below = ROOT + 0x10_0000 * number
        kind = draw(st.integers(0, 9))
        if kind < 6:
            raw = pte(below, "V")
        elif kind < 9:
            ppn = draw(st.integers(0, scheme.ppn_mask)) & -1 << scheme.index_bits * level
            raw = entry(ppn, draw(st.integers(0, 255)) | 1)
        else:
            raw = draw(st.integers(0, (1 << 8 * scheme.entry_size) - 1))
        if draw(st.integers(0, 15)):
            memory[table + (address >> shift & mask) * scheme.entry_size] = raw
        table = below
    return memory, scheme, address


@given(memories(), st.sampled_from(Access), st.sampled_from("US"), st.booleans(), st.booleans())
def test_any_memory_gives_the_verdict_of_the_naive_algorithm(tables, access, mode, sum_, mxr):
    memory, scheme, address = tables

    def load(at: int, _size: int) -> int:
        if at not in memory:
            raise Trap(Cause.LOAD_ACCESS_FAULT, at)
        return int(memory[at])

    found = walk(load, ROOT, address, access, mode=mode, sum=sum_, mxr=mxr, scheme=scheme)
    verdict, physical = naive(memory, scheme, address, access.value, mode, sum_, mxr)
    assert found.physical == physical
    assert (found.fault is None) == (verdict == "ok")
    if found.fault is not None:
        assert found.fault.name.endswith(f"{verdict.upper()}_FAULT")
    assert repr(found)
    assert len(found.steps) <= scheme.levels
