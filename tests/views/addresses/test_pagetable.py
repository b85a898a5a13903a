import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab.paging import SCHEMES, PageTable
from vlab.views import picture_of
from vlab.views.addresses.pagetable import MOST_ROWS, table_picture

raws = st.integers(0, (1 << 64) - 1) | st.sampled_from((0x0F, 0x05, 0x1, 0x2000_00CF, 0x2008_0001))


@given(
    st.sampled_from(sorted(SCHEMES)),
    st.lists(st.tuples(st.integers(0, 511), st.integers(0, 2), raws), max_size=25),
    st.none() | st.integers(0, (1 << 64) - 1),
)
@settings(deadline=None, max_examples=60)
def test_any_table_is_drawn_whole(scheme, wrong, around):
    table = PageTable(scheme=scheme)
    for page in range(0, 24, 2):
        table.map(page << 12, 0x8000_0000, 1 if "x86" in scheme else "R")
    memory, places = table.memory, [table.root, *table.tables]
    for index, number, raw in wrong:
        memory.store(
            places[number % len(places)] + index * table.scheme.entry_size, table.scheme.entry_size, raw
        )
    picture = table_picture(table, around)
    check(picture)
    assert picture.sentence.startswith(f"{table!r}; rows in the picture: ")


def test_the_way_to_a_page_is_a_row():
    table = PageTable()
    table.map(0x4000_1000, 0x8000_5000, "RWU", 0x3000)
    said = all_text(table_picture(table))
    below = [hex(at) for at in table.tables]
    assert {f"[1] → {below[0]}", f"[0] → {below[1]}", "[1–3]", "---U-WRV"} <= set(said)
    assert {"0x40001000", "0x80005000", "VA", "PA", "level 2", "level 0"} <= set(said)
    assert said.count("3 × 4 KiB") == 2


def test_the_ends_of_a_second_stage_are_a_guests_and_the_hosts():
    table = PageTable(scheme="Sv39x4")
    table.map(0x8000_1000, 0x8020_5000, "RWU")
    said = all_text(table_picture(table))
    assert {"GPA", "HPA"} <= set(said)
    assert not {"VA", "PA"} & set(said)


def test_neighbours_that_differ_are_rows_of_their_own():
    table = PageTable()
    for page, (physical, flags) in enumerate(((0, "R"), (0x1000, "R"), (0x3000, "R"), (0x4000, "RW"))):
        table.map(page << 12, physical, flags)
    said = all_text(table_picture(table))
    assert [words for words in said if words.startswith("[")][2:] == ["[0–1]", "[2]", "[3]"]


def test_a_large_page_ends_higher_up():
    table = PageTable()
    table.map(0x4000_0000, 0x8000_0000, "RX", 4 << 20, level=1)
    said = all_text(table_picture(table))
    assert said.count("2 × 2 MiB") == 2
    assert "[0–1]" in said


def test_wrong_entries_say_what_is_wrong():
    table = PageTable()
    table.map(0x1000, 0x8000_0000, "R")
    table.set(0x2000, 0x5)
    table.set(0x4000_0000, 0x2000_0411 | 0xF, level=1)
    said = " ".join(all_text(table_picture(table)))
    assert "✗ -----W-V" in said and "W without R is reserved" in said
    assert "the superpage is not aligned to its size" in said


def test_an_empty_table_below_says_so():
    table = PageTable()
    assert "the table has no entry" in all_text(table_picture(table))
    table.map(0x1000, 0x8000_0000, "R")
    table.unmap(0x1000)
    assert "an empty table" in all_text(table_picture(table))


def test_a_table_that_points_back_at_itself_has_an_end():
    table = PageTable()
    for slot in range(512):
        table.memory.store(table.root + 8 * slot, 8, table.root >> 2 | 1)
    picture = table_picture(table)
    check(picture)
    assert "the last level holds a pointer, not a page" in " ".join(all_text(picture))


def test_many_rows_are_left_out_and_an_address_chooses():
    table = PageTable()
    for number in range(60):
        table.map(number << 13, 0x8000_0000, "R")
    first, near, last = (all_text(table_picture(table, at)) for at in (None, 50 << 13, 1 << 37))
    assert f"… and {60 - MOST_ROWS} more rows" in first and "0x0" in first
    assert hex(50 << 13) in near and "0x0" not in near
    assert hex(59 << 13) in last
    for said in (first, near, last):
        assert sum(words == "------RV" for words in said) == MOST_ROWS


def test_it_draws_itself():
    table = PageTable()
    shown, _metadata = table._repr_mimebundle_()
    assert shown["text/plain"] == repr(table)
    assert shown["text/html"] == picture_of(table).html()


@pytest.mark.parametrize("scheme", ["Sv32", "Sv48", "Sv57"])
def test_each_level_has_a_column(scheme):
    table = PageTable(scheme=scheme)
    table.map(0x1000, 0x8000_0000, "R")
    assert [w for w in all_text(table_picture(table)) if w.startswith("level ")] == [
        f"level {n}" for n in range(table.scheme.levels)
    ]
