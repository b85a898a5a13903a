from hypothesis import given, settings
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab import guests
from vlab.events import TlbFill, TlbFlush
from vlab.language import set_language
from vlab.machine import Machine
from vlab.machine.choices import tlb_index
from vlab.machine.tlb import Tally, Tlb, TlbContext, TlbEntry, context_title
from vlab.views import Stepper, picture_of
from vlab.views.addresses.tlb import MOST_ENTRIES, tlb_picture, tlb_run_picture

NAMES = ("M unpaged", "S unpaged", "S", "U", "S+SUM", "S+SUM+MXR", "U+MXR", "U unpaged")


@st.composite
def contexts(draw, name):
    found = draw(
        st.lists(
            st.tuples(st.integers(0, (1 << 52) - 1), st.integers(0, (1 << 44) - 1), st.integers(0, 7)),
            max_size=20,
        )
    )
    entries = {
        tlb_index(page): TlbEntry(tlb_index(page), page, frame, rights) for page, frame, rights in found
    }
    return TlbContext(name, tuple(entries[index] for index in sorted(entries)))


@st.composite
def tlbs(draw):
    held = tuple(draw(contexts(name)) for name in draw(st.lists(st.sampled_from(NAMES), unique=True)))
    last: TlbFill | TlbFlush | None = None
    dropped: tuple[TlbContext, ...] = ()
    if draw(st.booleans()):
        last, dropped = TlbFlush((1, 0), 0, None, draw(st.sampled_from(("sfence.vma", "pmp")))), held
        held = tuple(TlbContext(context.name, ()) for context in held)
    elif any(context.entries for context in held):
        context = draw(st.sampled_from([context for context in held if context.entries]))
        entry = draw(st.sampled_from(context.entries))
        last = TlbFill((1, 0), 0, None, entry.page << 12, entry.frame << 12, "load", context.name)
    evicted = draw(st.none() | st.just(TlbEntry(0, (1 << 52) - 1, 0, 7)))
    tally = draw(st.none() | st.just(Tally(10**12, 10**9, 10**9)))
    return Tlb(10**9, draw(st.sampled_from(NAMES)), "S", held, last, dropped, evicted, tally)


@given(tlbs())
@settings(deadline=None, max_examples=60)
def test_any_tlb_is_drawn_whole(tlb):
    picture = tlb_picture(tlb)
    check(picture)
    assert picture.sentence == repr(tlb)


def test_a_run_is_seen_event_by_event():
    run = Machine(guests.load("kernel"), memory="1M").watch_tlb(1100)
    stepper = Stepper(run)
    assert len(stepper) == len(run)
    flushes = fills = 0
    for tlb in run:
        said = all_text(picture_of(tlb))
        if tlb.filled is not None:
            fills += 1
            row = said.index(
                f"{tlb.filled.index:#05x}", said.index("set, virtual page → physical page, rights")
            )
            assert said[row:].count(f"{tlb.filled.page << 12:#x}") >= 1
            assert any(words.startswith("✗ miss: ") for words in said)
            assert picture_of(tlb).svg.count('class="f-lit"') == 2
        elif tlb.last is not None:
            flushes += 1
            assert any(words.startswith("flush (") for words in said)
            assert said.count("✗") == sum(min(MOST_ENTRIES, len(one.entries)) for one in tlb.dropped)
    assert (fills, flushes) == run.tally[1:]
    hits, misses, flushed = run.tally
    picture = tlb_run_picture(run)
    assert f"hits {hits} · misses {misses} · flushes {flushed}" in all_text(picture)
    assert picture.sentence == repr(run)


def test_a_full_context_is_not_listed_whole():
    entries = tuple(TlbEntry(n, n, n, 4) for n in range(100))
    picture = tlb_picture(Tlb(0, "M unpaged", "M unpaged", (TlbContext("M unpaged", entries),)))
    assert f"… and {100 - MOST_ENTRIES} more" in all_text(picture)
    assert picture.svg.count("b-kernel") >= 100


def test_pictures_speak_the_readers_language():
    set_language("es")
    run = Machine(guests.load("kernel"), memory="1M").watch_tlb(1100)
    for tlb in run:
        check(tlb_picture(tlb))
    first = run[1]
    assert "sin paginamiento" in repr(first) and "unpaged" not in repr(first)
    assert not [words for words in all_text(tlb_picture(first)) if "unpaged" in words]


def test_a_context_keeps_its_settings_in_every_language():
    set_language("es")
    assert context_title("S unpaged+SUM") == "S sin paginamiento+SUM"
    assert context_title("S+SUM") == "S+SUM"
