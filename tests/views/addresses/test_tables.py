from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab.hypervisor.shadow import View
from vlab.hypervisor.tables import Span, Tables
from vlab.language import set_language
from vlab.machine.mmu import Key
from vlab.paging import Mapping, flags_of
from vlab.riscv import Mode
from vlab.views import Stepper, picture_of
from vlab.views.addresses.tables import MOST_ROWS, tables_picture

USER = View(Key(Mode.U, paged=True), 8 << 60 | 0x80009)
RAM, HOST = 0x8000_0000, 0x8010_0000
PLAIN = Span(RAM, 1 << 20, HOST, "memory")


def page(gva, to, flags="RWUAD", level=0):
    return Mapping(gva, to, 4096 << 9 * level, flags_of(flags) | 1, level, 0, 0)


def tables(guest=(), shadow=(), host=(PLAIN,), view=USER, **more):
    facts: dict[str, Any] = {
        "vm": "vm1",
        "current": True,
        "shadow_root": 0x8023_9000,
        "end": None,
        "time": 5,
    } | more
    return Tables(view=view, guest=tuple(guest), shadow=tuple(shadow), host=tuple(host), **facts)


flags = st.integers(0, 255).map(lambda bits: flags_of(bits | 3))
pages = st.integers(0, 40)


@st.composite
def entries(draw, base):
    """Entries by rising address, some large; where they lead is anywhere."""
    found, at = [], 0
    for gap, leads, flag, level in draw(
        st.lists(st.tuples(st.integers(0, 3), pages, flags, st.sampled_from((0, 0, 0, 1))), max_size=25)
    ):
        size = 4096 << 9 * level
        at = -(-(at + gap * 4096) // size) * size
        found.append(Mapping(at, (base + leads * 4096) & -size, size, flag, level, 0, 0))
        at += size
    return tuple(found)


@st.composite
def any_tables(draw):
    key = Key(draw(st.sampled_from((Mode.U, Mode.S))), True, draw(st.booleans()), draw(st.booleans()))
    spans = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 90)), max_size=6)
    host, at = [Span(0x1000_0000, 4096, None, "uart")], RAM
    for count, frame in draw(spans):
        host.append(Span(at, count * 4096, HOST + frame * 4096, "memory"))
        at += count * 4096
    view = draw(st.sampled_from((View(key, 8 << 60 | 0x80009), View(Key(Mode.M), 0))))
    guest = draw(entries(RAM) | entries(0x0FFF_0000)) if view.key.paged else ()
    end, focus = (draw(st.none() | st.integers(0, (1 << 64) - 1)) for _ in range(2))
    vm = draw(st.sampled_from(("vm1", "a name that is much longer than any room for it " * 4)))
    return tables(guest, draw(entries(HOST)), host, view, end=end, focus=focus, vm=vm)


@given(any_tables(), st.none() | any_tables())
@settings(deadline=None)
def test_any_tables_are_drawn_whole(now, before):
    shown = now if before is None else now.since(before)
    picture = tables_picture(shown)
    check(picture)
    assert picture.sentence == repr(shown)
    rows = shown.rows
    assert all(one.gva + one.size <= other.gva for one, other in pairwise(rows))
    mapped = sum(entry.size for entry in now.guest)
    assert sum(row.size for row in rows if row.guest is not None and now.root is not None) == mapped
    assert sum(row.size for row in rows if row.shadow is not None) == sum(entry.size for entry in now.shadow)


def test_a_row_shows_both_ways():
    said = all_text(tables_picture(tables([page(0x1000, RAM + 0x3000)], [page(0x1000, HOST + 0x3000)])))
    assert {"GVA", "GPA", "HPA", "0x1000", "0x80003000", "0x80103000", "DA-U-WRV", "✓ DA-U-WRV"} <= set(said)
    assert said.count("0x80103000") == 1


def test_a_stale_entry_leads_to_a_box_of_its_own():
    said = all_text(tables_picture(tables([page(0x1000, RAM)], [page(0x1000, HOST + 0x3000)])))
    assert "✗ 0x80103000" in said
    assert "✗ stale DA-U-WRV · the guest's entry leads elsewhere" in said
    gone = all_text(tables_picture(tables([], [page(0x1000, HOST)])))
    assert "✗ stale DA-U-WRV · the guest's entry is gone" in gone
    assert "not mapped" in gone


def test_rights_that_differ_are_said():
    held = tables([page(0x1000, RAM)], [page(0x1000, HOST, "RUAD")])
    assert "≤ DA-U--RV · rights held back: such an access exits" in all_text(tables_picture(held))
    wide = tables([page(0x1000, RAM, "RUAD")], [page(0x1000, HOST)])
    assert "✗ stale DA-U-WRV · it allows more than the guest's entry" in all_text(tables_picture(wide))


def test_what_changed_is_lit_and_said():
    before = tables([page(0x1000, RAM), page(0x2000, RAM)], [page(0x1000, HOST)])
    after = tables([page(0x1000, RAM, "RUAD"), page(0x2000, RAM)], [])
    picture = tables_picture(after.since(before))
    said = all_text(picture)
    assert "● was DA-U-WRV" in said
    assert "not in the shadow · the first access exits · ● was DA-U-WRV" in said
    assert picture.svg.count('class="f-lit"') == 1
    assert tables_picture(after).svg.count('class="f-lit"') == 0


def test_many_rows_are_left_out_and_an_address_chooses():
    many = tables([page(0x2000 * n, RAM + 0x1000 * n) for n in range(50)], [page(0x2000 * 40, HOST)])
    first = all_text(tables_picture(many))
    assert "0x50000" in first  # it is stale, so it is not left out
    assert any(words.startswith("… and ") for words in first)
    near = all_text(tables_picture(many.around(0x2000 * 25)))
    assert {hex(0x2000 * n) for n in range(20, 30)} <= set(near)
    assert "0x2000" not in near
    assert sum(words == "DA-U-WRV" for words in near) == MOST_ROWS


@pytest.mark.parametrize(("language", "of"), [("en", "of"), ("es", "de")])
def test_parts_of_large_pages_are_said_whole(language, of):
    set_language(language)
    base = 1 << 30
    for level, parts in ((1, "2044 KiB {of} 2 MiB"), (2, "1048572 KiB {of} 1 GiB")):
        device = Span(base, 0x100, None, "uart")
        picture = tables_picture(tables([page(base, base, level=level)], host=[device]))
        check(picture)
        said = all_text(picture)
        assert not [words for words in said if words.endswith("…")]
        assert parts.format(of=of) in said


def test_a_stepper_goes_through_the_moments():
    moments = [tables([page(0x1000, RAM)], shadow) for shadow in ([page(0x1000, HOST)], [])]
    stepper = Stepper([moments[0], moments[1].since(moments[0])])
    assert stepper.next() == moments[1]
    assert stepper.sentence.endswith("rows changed since: 1")
    assert picture_of(moments[0]) == tables_picture(moments[0])


def test_pictures_speak_the_readers_language():
    set_language("es")
    large = page(0x4000_0000, RAM, "RWXAD", level=2)
    picture = tables_picture(
        tables([page(0x1000, RAM), large], [page(0x1000, HOST + 0x3000)]).since(tables())
    )
    check(picture)
    assert not [words for words in all_text(picture) if words.endswith("…")]
