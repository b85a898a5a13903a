import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab.language import set_language
from vlab.paging import SCHEMES, SV32, SV39, SV48, X86_64, GuestRam, Host, PageTable, walk_two_stages
from vlab.riscv import Access, Cause, Trap
from vlab.views.addresses.chain import walk_picture
from vlab.views.addresses.grid import HEIGHT, ROW, TOP, Grid
from vlab.views.live.frames import WalkFrames

GVA, GPA = 0x1234_5678, 0x8000_3678
HOST = {SV32: "Sv32x4", SV39: "Sv39x4", SV48: "Sv48x4", X86_64: "x86-64"}


def pair(guest="Sv39", host="Sv39x4"):
    below = PageTable(scheme=host)
    table = PageTable(GuestRam(below), scheme=guest)
    table.map(GVA & -4096, GPA & -4096, "RW US" if guest.startswith("x86") else "RWU")
    return table, below


@st.composite
def walks(draw):
    """Any walk of two stages: entries at random, most of them good ones, large pages among them."""
    scheme = draw(st.sampled_from(list(HOST)))
    host = SCHEMES[HOST[scheme]]
    good = (0x07, 0x07, 0x67, 0xE7) if scheme is X86_64 else (0x01, 0x01, 0x1F, 0xDF)
    flags = st.sampled_from(good) | st.integers(0, 0xFF)
    frame = st.integers(0, scheme.ppn_mask) | st.integers(0, 9).map(lambda n: n << 27 & scheme.ppn_mask)
    entries = draw(
        st.lists(st.tuples(frame, flags, st.sampled_from((0,) * 15 + (1,))), min_size=24, max_size=24)
    )

    def load(_address, size):
        ppn, low, broken = entries.pop()
        if broken:
            raise Trap(Cause.LOAD_ACCESS_FAULT, 0)
        return (ppn << scheme.format.ppn_shift | low) & (1 << 8 * size) - 1

    address = draw(st.integers(0, (1 << scheme.xlen) - 1) | st.integers(0, (1 << scheme.va_bits - 1) - 1))
    root = draw(st.integers(0, scheme.ppn_mask) | st.integers(0, 9)) << 12
    second = Host(host, draw(st.integers(0, scheme.ppn_mask)) << 12, draw(st.booleans()))
    return walk_two_stages(
        load,
        root,
        address,
        draw(st.sampled_from(Access)),
        host=second,
        mode=draw(st.sampled_from("US")),
        scheme=scheme,
        hardware_ad=draw(st.booleans()),
        host_ad=draw(st.booleans()),
    )


def rows(walked):
    """How many rows a picture of this walk has: the guest's levels down to its leaf, and the last one."""
    leaf = [step.level for step in walked.steps if step.stage == "VS-stage" and step.verdict == "leaf"]
    return walked.scheme.levels - (leaf[0] if leaf else 0) + 1


@given(walks(), st.integers(0, 25))
def test_any_walk_of_two_stages_is_drawn_whole(walked, at):
    picture = walk_picture(walked, at)
    check(picture)
    assert picture.sentence == repr(walked)
    assert ('class="lit"' in picture.svg) == (at <= len(walked.steps))
    said = all_text(picture)
    numbers = [int(words) for words in said if re.fullmatch(r"\d+", words)]
    assert numbers == list(range(1, len(walked.steps) + 1))
    assert said.count("✗ " + walked.rule) == (
        walked.fault is not None and bool(walked.steps) and walked.steps[-1].verdict == "fault"
    )
    assert picture.width == Grid(walked.host.scheme.levels).width <= 1100
    assert picture.height > TOP + (rows(walked) - 1) * ROW + HEIGHT
    if walked.fault is None:
        assert "not reached" not in said


@given(walks())
def test_every_reference_says_where_it_is_and_what_it_is(walked):
    said = all_text(walk_picture(walked))
    for step in walked.steps:
        assert f"@ {step.address if step.hpa is None else step.hpa:#x}" in said
        assert f"entry {step.index}" in said
        assert ("not readable" if step.raw is None else f"{step.raw:#x}") in said
        if step.gpa is not None:
            assert f"{step.gpa:#x}" in said


@given(walks(), st.integers(0, 24))
def test_every_frame_is_a_sentence(walked, at):
    frames = WalkFrames(walked)
    at = min(at, len(frames) - 1)
    sentence = frames.frame(at).sentence
    if at == len(walked.steps):
        assert sentence == repr(walked)
        return
    step = walked.steps[at]
    where = (
        f"GPA {step.address:#x}, read at HPA {step.hpa:#x}"
        if step.gpa is None
        else f"at HPA {step.address:#x}"
    )
    assert sentence.startswith(f"Reference {at + 1} of {len(walked.steps)}, ")
    assert where in sentence
    assert f"({step.stage})" in sentence


def place(picture, words):
    found = re.search(rf'x="([\d.]+)" y="([\d.]+)"[^>]*>{re.escape(words)}</text>', picture.svg)
    assert found, words
    return float(found[1]), float(found[2])


@pytest.mark.parametrize(("guest", "host", "count"), [("Sv39", "Sv39x4", 15), ("x86-64", "x86-64", 24)])
def test_the_grid_has_a_row_for_each_level_of_the_guest_and_a_column_for_each_of_the_host(guest, host, count):
    table, below = pair(guest, host)
    walked = table.walk(GVA, "store", host=below)
    picture = walk_picture(walked)
    check(picture)
    assert len(walked.steps) == count
    across = below.scheme.levels + 1
    for number in range(count):
        x, y = place(picture, str(number + 1))
        assert x == Grid(below.scheme.levels).column(number % across) + 118
        assert TOP + number // across * ROW < y < TOP + number // across * ROW + HEIGHT
    said = all_text(picture)
    fields = [table.scheme.format.index_name(level) for level in reversed(range(table.scheme.levels))]
    assert [words for words in said if words in fields][-len(fields) :] == fields
    assert "offset, 12 bits" in said
    assert f"{walked.physical:#x}" in said


def test_large_pages_of_either_table_make_it_smaller():
    host = PageTable(scheme="Sv39x4")
    host.map(0x8000_0000, 0x8000_0000, "RWXU", level=1)
    host.map(0x8020_0000, 0x8020_0000, "RWXU", level=1)
    guest = PageTable(host.memory)
    guest.map(0x4020_0000, 0x8000_0000, "RWU", level=1)
    walked = guest.walk(0x4021_2345, host=host)
    picture = walk_picture(walked)
    check(picture)
    said = all_text(picture)
    assert len(walked.steps) == 8
    assert rows(walked) == 3
    assert said.count("2 MiB page → HPA") == 3
    assert "VPN[0]" not in said
    assert {"offset, 21 bits", "0x12345"} <= set(said)


def test_a_guest_page_fault_stands_where_it_happened():
    table, below = pair()
    entry = table.walk(GVA, host=below).steps[7].address
    below.unmap(entry)
    picture = walk_picture(table.walk(GVA, "fetch", host=below))
    said = all_text(picture)
    assert said.count("✗ not-valid") == 1
    assert (
        said.count("not reached") == 1 + 4 + 3 + 2
    )  # the rest of the second row, two rows, their two addresses
    assert "✗ instruction" in said
    assert "guest-page fault" in said
    told = " ".join(said)
    assert f"htval = {entry >> 2:#x}, that is GPA {entry:#x} shifted right by 2" in told
    assert "the walker's to the guest's table" in told
    below.unmap(GPA)
    table, below = pair()
    below.unmap(GPA)
    assert "the walker's" not in " ".join(all_text(walk_picture(table.walk(GVA, host=below))))


def test_an_address_too_wide_for_the_host_is_marked_itself():
    table, below = pair()
    table.map(GVA & -4096, 1 << 41, "RU")
    said = all_text(walk_picture(table.walk(GVA, host=below)))
    assert said.count("✗ GPA") == 1
    assert said.count("not reached") == 3


def test_a_guests_entry_that_may_not_be_marked_is_where_it_ends():
    table, below = pair()
    table.map(0x4000_0000, 0x8020_0000, "RWU", level=1)
    last = table.walk(0x4000_0000, host=below).steps[7].address
    below.protect(last & -4096, "RU")
    said = all_text(walk_picture(table.walk(0x4000_0000, host=below)))
    assert said.count("✗ update-refused") == 1
    assert said.count(f"{last:#x}") == 1
    assert said.count("not reached") == (1 + 4) + (1 + 3)


def test_what_the_hardware_writes_is_told_for_each_table():
    table, below = pair()
    said = all_text(walk_picture(table.walk(GVA, "store", host=below)))
    assert "VS-stage: the hardware sets A, D (entries written: 1)." in said
    assert "G-stage: the hardware sets A, D (entries written: 4)." in said


@pytest.mark.parametrize(
    ("guest", "host"), [("Sv57", "Sv57x4"), ("x86-64 LA57", "x86-64 LA57"), ("Sv32", "Sv32x4")]
)
def test_the_widest_and_the_narrowest_in_spanish(guest, host):
    table, below = pair(guest, host)
    set_language("es")
    check(walk_picture(table.walk(GVA, host=below)))
    below.unmap(GPA)
    check(walk_picture(table.walk(GVA, host=below), 3))
