import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.paging import (
    SV32,
    SV39,
    Flags,
    access_of,
    classify,
    decode,
    entry,
    flags_of,
    mode_of,
    permits,
    rule_text,
)
from vlab.riscv.privilege import Access, Mode

# What the R, W and X bits of a leaf let one do, without and with MXR (tables of sections 4.3.1 and 3.1.6.3).
ALLOWED_BY_RWX = {
    ("R", False): {"load"},
    ("R", True): {"load"},
    ("X", False): {"fetch"},
    ("X", True): {"fetch", "load"},
    ("RW", False): {"load", "store"},
    ("RW", True): {"load", "store"},
    ("RX", False): {"load", "fetch"},
    ("RX", True): {"load", "fetch"},
    ("RWX", False): {"load", "store", "fetch"},
    ("RWX", True): {"load", "store", "fetch"},
}
# What a mode may do with a page at all: (mode, U bit, SUM).
ALLOWED_BY_OWNER = {
    ("U", False, False): set(),
    ("U", False, True): set(),
    ("U", True, False): {"load", "store", "fetch"},
    ("U", True, True): {"load", "store", "fetch"},
    ("S", False, False): {"load", "store", "fetch"},
    ("S", False, True): {"load", "store", "fetch"},
    ("S", True, False): set(),
    ("S", True, True): {"load", "store"},
}


def test_permission_rule_is_the_literal_table():
    for (rwx, mxr), (mode, user, sum_bit) in itertools.product(ALLOWED_BY_RWX, ALLOWED_BY_OWNER):
        for others, access in itertools.product(("", "A", "AD", "GAD"), Access):
            flags = flags_of(rwx + "V" + "U" * user + others)
            allowed = ALLOWED_BY_RWX[rwx, mxr] & ALLOWED_BY_OWNER[mode, user, sum_bit]
            rule = permits(flags, access, Mode[mode], sum_bit, mxr)
            assert (rule is None) == (access.value in allowed), (flags, access, mode, sum_bit, mxr)


@pytest.mark.parametrize(
    ("flags", "access", "mode", "rule"),
    [
        ("RWX", "load", "U", "supervisor-page-in-U"),
        ("RWXU", "load", "S", "user-page-in-S"),
        ("RWXU", "fetch", "S", "fetch-of-user-page"),
        ("X", "load", "S", "not-readable"),
        ("RX", "store", "S", "not-writable"),
        ("RW", "fetch", "S", "not-executable"),
    ],
)
def test_each_broken_permission_has_its_code(flags, access, mode, rule):
    assert permits(flags_of(flags), access_of(access), mode_of(mode)) == rule


def test_permits_takes_a_raw_entry_too():
    assert permits(entry(0x80000, flags_of("RWXUV")), Access.LOAD, Mode.U) is None


@given(st.integers(0, SV39.ppn_mask), st.integers(0, 255), st.integers(0, 3))
def test_decode_undoes_entry(ppn, flags, rsw):
    assert decode(entry(ppn, flags, rsw)) == (ppn, Flags(flags), rsw, 0)


def test_decode_shows_reserved_bits():
    assert decode(1 << 63 | entry(7, Flags.V)).reserved == 1 << 9
    assert decode(entry(7, Flags.V) | 3 << 61).reserved == 3 << 7
    assert decode(0xFFFF_FFFF, SV32) == (0x3F_FFFF, Flags(255), 3, 0)


def test_flags_in_the_order_of_the_bits():
    assert str(flags_of("RWUVDA")) == "DA-U-WRV"
    assert f"{Flags(0)}" == "--------"
    assert str(Flags(255)) == "DAGUXWRV"


@given(st.integers(0, 255))
def test_flags_can_be_written_as_they_are_shown(bits):
    assert flags_of(str(Flags(bits))) == flags_of(bits) == flags_of(Flags(bits)) == bits


@pytest.mark.parametrize(
    ("wrong", "offer"), [("rwx", "RWX"), ("RWQ", "RWU"), (256, "RWU"), (-1, "RWU"), (None, "RWU")]
)
def test_wrong_flags(wrong, offer):
    with pytest.raises(VlabError) as error:
        flags_of(wrong)
    assert offer in error.value.mend


def test_wrong_access_and_mode():
    assert access_of("fetch") is access_of(Access.FETCH) is Access.FETCH
    assert mode_of("S") is mode_of(Mode.S) is Mode.S
    with pytest.raises(VlabError, match="'store'"):
        access_of("stroe")
    with pytest.raises(VlabError, match="'fetch'"):
        access_of("FETCH")
    with pytest.raises(VlabError, match="no address translation in mode M"):
        mode_of(Mode.M)


@given(st.integers(0, (1 << 64) - 1), st.integers(0, 2))
def test_every_entry_is_something_that_has_words(raw, level):
    assert rule_text(classify(raw, level))


def test_an_unknown_rule_is_said_with_the_nearest_one():
    with pytest.raises(VlabError, match=r"no rule 'no-leav'\.\nDid you mean 'no-leaf'"):
        rule_text("no-leav")
