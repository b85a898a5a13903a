import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.paging import (
    SCHEMES,
    SV32,
    SV39,
    SV39X4,
    SV48,
    SV57,
    X86_64,
    make_satp,
    parse_satp,
    scheme_of,
    size_text,
)


@pytest.mark.parametrize(
    ("scheme", "va_bits", "top_size", "root_size"),
    [
        (SV32, 32, "4 MiB", 4096),
        (SV39, 39, "1 GiB", 4096),
        (SV48, 48, "512 GiB", 4096),
        (SV39X4, 41, "1 GiB", 16384),
        (SCHEMES["Sv32x4"], 34, "4 MiB", 16384),
        (SCHEMES["Sv48x4"], 50, "512 GiB", 16384),
        (SCHEMES["Sv57x4"], 59, "256 TiB", 16384),
        (SV57, 57, "256 TiB", 4096),
        (X86_64, 48, "512 GiB", 4096),
        (SCHEMES["x86-64 LA57"], 57, "256 TiB", 4096),
    ],
)
def test_shape_of_each_scheme(scheme, va_bits, top_size, root_size):
    assert scheme.va_bits == va_bits
    assert size_text(scheme.page_size(scheme.levels - 1)) == top_size
    assert scheme.page_size(0) == 4096
    assert scheme.table_size() == root_size
    assert scheme.table_size(0) == 4096


def test_reserved_bits_are_63_to_54_and_none_in_sv32():
    assert SV39.reserved_mask == 0xFFC0_0000_0000_0000
    assert SV32.reserved_mask == X86_64.reserved_mask == 0


@pytest.mark.parametrize(
    ("scheme", "last_low", "first_high"),
    [
        (SV39, 0x3F_FFFF_FFFF, 0xFFFF_FFC0_0000_0000),
        (SV48, 0x7FFF_FFFF_FFFF, 0xFFFF_8000_0000_0000),
    ],
)
def test_canonical_addresses_repeat_their_top_bit(scheme, last_low, first_high):
    assert scheme.canonical(0)
    assert scheme.canonical(last_low)
    assert not scheme.canonical(last_low + 1)
    assert not scheme.canonical(first_high - 1)
    assert scheme.canonical(first_high)
    assert scheme.canonical((1 << 64) - 1)


def test_g_stage_addresses_are_zero_extended():
    assert SV39X4.canonical((1 << 41) - 1)
    assert not SV39X4.canonical(1 << 41)
    assert not SV39X4.canonical((1 << 64) - 1)


def test_every_32_bit_address_is_canonical_in_sv32():
    assert SV32.canonical(0)
    assert SV32.canonical(0xFFFF_FFFF)
    assert not SV32.canonical(1 << 32)


@given(st.sampled_from(list(SCHEMES.values())), st.integers(min_value=0, max_value=(1 << 64) - 1))
def test_extend_gives_the_canonical_address_with_the_same_low_bits(scheme, address):
    extended = scheme.extend(address)
    assert scheme.canonical(extended)
    assert (extended - address) % (1 << scheme.va_bits) == 0
    assert 0 <= extended < 1 << max(scheme.xlen, scheme.va_bits)  # Sv32x4 translates 34 bits on RV32


def test_satp_of_sv39_has_mode_8_on_top():
    value = make_satp(0x8020_3000, asid=5, scheme=SV39)
    assert value == 0x8000_5000_0008_0203
    parsed = parse_satp(value)
    assert (parsed.mode, parsed.asid, parsed.ppn, parsed.root) == (8, 5, 0x80203, 0x8020_3000)
    assert parsed.scheme is SV39


def test_satp_of_sv32_has_31_bits_below_its_mode():
    value = make_satp(0x3_FFFF_F000, asid=0x1FF, scheme=SV32)
    assert value == 0xFFFF_FFFF
    assert parse_satp(value, xlen=32)[:3] == (1, 0x1FF, 0x3F_FFFF)
    assert parse_satp(value, xlen=32).scheme is SV32


@pytest.mark.parametrize("mode", [0, 1, 7, 11, 15])
def test_satp_modes_that_select_no_known_tables(mode):
    assert parse_satp(mode << 60 | 0x80203).scheme is None


def test_a_misspelt_scheme_gets_a_suggestion():
    assert scheme_of("Sv48") is SV48
    with pytest.raises(VlabError) as error:
        scheme_of("sv93")
    assert "Sv39" in str(error.value)


def test_sizes_in_words():
    assert [size_text(size) for size in (0, 100, 4096, 6 << 20)] == ["0 B", "100 B", "4 KiB", "6 MiB"]


def test_only_risc_v_tables_are_selected_by_satp():
    assert parse_satp(make_satp(0x8020_3000, scheme=SV57)).scheme is SV57
    with pytest.raises(VlabError, match="CR3"):
        make_satp(0x8020_3000, scheme=X86_64)
