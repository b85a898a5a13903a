import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab import Machine, VlabError
from vlab.machine.bus import BusError
from vlab.machine.devices.cards import LONGEST_DECK, MOST_DECKS, Cards

WAITING, READ, PUNCH, DONE = 0, 4, 8, 12
END = 0xFFFF_FFFF


def read(cards):
    """The first deck, as a driver reads it."""
    found = bytearray()
    while (byte := cards.load(READ, 4)) != END:
        found.append(byte)
    return bytes(found)


def punch(cards, deck):
    for byte in deck:
        cards.store(PUNCH, 4, byte)
    cards.store(DONE, 4, 0)


@given(decks=st.lists(st.binary(min_size=1, max_size=20), max_size=5))
def test_decks_are_read_in_order_each_to_its_end(decks):
    cards = Cards()
    for deck in decks:
        cards.receive(deck)
    assert cards.load(WAITING, 4) == len(decks)
    assert cards.interrupting is bool(decks)
    assert [read(cards) for _deck in decks] == decks
    assert cards.load(WAITING, 4) == 0
    assert cards.load(READ, 4) == END
    assert not cards.interrupting


@given(decks=st.lists(st.binary(max_size=20), max_size=5))
def test_decks_are_punched_and_an_empty_one_is_none(decks):
    cards = Cards()
    for deck in decks:
        punch(cards, deck)
    assert cards.punched == [deck for deck in decks if deck]


def test_who_takes_the_decks_gets_them_instead():
    taken: list[bytes] = []
    cards = Cards(taken.append)
    punch(cards, b"abc")
    assert (taken, cards.punched) == ([b"abc"], [])


def test_hoppers_are_bounded():
    cards = Cards()
    for _deck in range(MOST_DECKS + 3):
        cards.receive(b"x" * (LONGEST_DECK + 5))
        punch(cards, b"y")
    assert (len(cards.reader), len(cards.punched)) == (MOST_DECKS, MOST_DECKS)
    assert {len(deck) for deck in cards.reader} == {LONGEST_DECK}
    punch(cards, b"z" * (LONGEST_DECK + 5))
    cards.punched.clear()
    punch(cards, b"z" * (LONGEST_DECK + 5))
    assert [len(deck) for deck in cards.punched] == [LONGEST_DECK]


@pytest.mark.parametrize(("offset", "size"), [(0, 1), (1, 4), (8, 4), (16, 4), (4, 8)])
def test_other_loads_are_refused(offset, size):
    with pytest.raises(BusError):
        Cards().load(offset, size)


@pytest.mark.parametrize(("offset", "size"), [(0, 4), (8, 1), (12, 8), (16, 4)])
def test_other_stores_are_refused(offset, size):
    with pytest.raises(BusError):
        Cards().store(offset, size, 0)


def test_its_state_comes_back():
    cards, other = Cards(), Cards()
    cards.receive(b"one")
    cards.receive(b"two")
    cards.load(READ, 4)
    punch(cards, b"done")
    cards.store(PUNCH, 4, ord("h"))
    other.restore(cards.state())
    assert other.state() == cards.state()
    assert (read(other), other.punched) == (b"ne", [b"done"])
    other.store(DONE, 4, 0)
    assert other.punched[-1] == b"h"


@pytest.mark.parametrize(
    "wrong",
    [
        {"reader": [b""]},
        {"reader": ["x"]},
        {"reader": [b"x"] * (MOST_DECKS + 1)},
        {"punched": [b"x" * (LONGEST_DECK + 1)]},
        {"read": 1},
        {"reader": [b"x"], "read": 2},
        {"punching": bytes(LONGEST_DECK + 1)},
        {"more": 1},
    ],
)
def test_a_wrong_state_is_refused_and_nothing_changes(wrong):
    cards = Cards()
    cards.receive(b"kept")
    before = cards.state()
    with pytest.raises(VlabError):
        cards.restore({**Cards().state(), **wrong})
    assert cards.state() == before


def test_it_says_what_it_holds():
    cards = Cards()
    cards.receive(b"one")
    assert repr(cards) == "Card punch and reader: 0 decks punched, 1 in the reader"


def test_a_deck_from_outside_comes_again_in_a_replay():
    machine = Machine(memory="64K")
    machine.attach(Cards())
    machine.run(10)
    machine.give("cards", b"deck")
    assert machine.bus.devices["cards"][1].reader[0] == b"deck"
