import pytest
from hypothesis import given, settings

from tests.hypervisor.towers import tower
from tests.views.computers.test_comparison import Careless
from tests.views.computers.test_state import looks
from tests.views.recordings import Script, recordings
from tests.views.structure import all_text, check
from vlab import guests
from vlab.events import Recording
from vlab.language import set_language
from vlab.machine import Machine
from vlab.views import Stepper, compare, picture_of
from vlab.views.computers.comparison import Comparison, Pair
from vlab.views.computers.sidebyside import compare_picture


@pytest.fixture(scope="module")
def found():
    bare, vm = (
        tower(guests.load("kernel"), 0).guest,
        tower(guests.load("kernel"), 1, technique=Careless).guest,
    )
    return compare(bare, vm, steps=2000)


@settings(max_examples=20, deadline=None)
@given(looks(), looks())
def test_any_two_states_are_drawn_whole(one, other):
    pair = Pair(0, one, other, tuple(one.differences(other)))
    check(compare_picture(Comparison(("a" * 80, "b"), [pair], 0, 1)))
    check(compare_picture(Comparison(("a", "b"), [Pair(0, one, None, (("end", "x", "y"),))], 0, 1)))


@settings(max_examples=20, deadline=None)
@given(recordings(), recordings())
def test_any_two_recordings_are_drawn_whole(one, other):
    check(picture_of(compare(one, other)))


def test_the_difference_is_lit_on_both_sides_and_marked(found):
    picture = picture_of(found)
    assert picture.inline.count('data-who="t0"><rect class="f-lit"') == 2
    assert all_text(picture).count("≠") == 1
    assert picture.sentence == found.sentence(found.place)
    check(picture)
    alike = compare_picture(found, 0)
    assert "≠" not in all_text(alike)
    assert "f-lit" not in alike.inline


def test_memory_that_differs_is_shown_and_lit_on_both_sides():
    one, other = (Machine(guests.load("kernel", TICK=tick), memory="1M") for tick in (300, 400))
    found = compare(one, other, steps=50)
    (address, *values), *_none = found.pairs[0].memory
    picture = picture_of(found)
    check(picture)
    said = all_text(picture)
    assert said.count("≠") == 1
    assert all(f"{value:016x}" in said for value in values)
    assert picture.inline.count(f'data-who="{address:#x}"><rect class="f-lit"') == 2
    plain = compare_picture(found, 1)
    assert "f-lit" not in plain.inline
    assert plain.height == picture.height


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_long_difference_is_said_on_two_lines_and_whole(found, language):
    set_language(language)
    look = found.pairs[0].left
    wide = (("memory at 0x800004e8", 0x6282B312C0031300, 0x6282B31900031300), ("t0", 0, 1))
    names = ("the machine without a hypervisor", "the virtual machine")
    comparison = Comparison(names, [Pair(5, look, look, wide)], 5, 6)
    said = all_text(compare_picture(comparison, 0))
    assert " ".join(said[:2]) == comparison.sentence(0)
    check(compare_picture(comparison, 0))


def test_a_csr_that_differs_is_shown_even_if_it_is_a_rare_one(found):
    look = found.pairs[0].left
    other = look.csrs | {"pmpaddr3": 9}
    pair = Pair(0, look, type(look)(**{**vars(look), "csrs": other}), (("pmpaddr3", 0, 9),))
    assert all_text(compare_picture(Comparison(("a", "b"), [pair], 0, 1))).count("pmpaddr3") == 2


def test_whose_state_it_is_is_said_whole_in_spanish():
    set_language("es")
    one, other = (Machine(guests.load("kernel", TICK=tick), memory="1M") for tick in (300, 400))
    titles = [
        words for words in all_text(picture_of(compare(one, other))) if words.startswith("la máquina (")
    ]
    assert [words for words in titles if words.endswith("tiempo 0")] == titles
    assert len(titles) == 2


def test_steppers_go_from_difference_to_difference(found):
    stepper = Stepper(found)
    assert len(stepper) == len(found.pairs)
    assert stepper.next_difference() is found.pairs[found.place]
    assert stepper.sentence == "At step 796 the machine has t0 = 0x0, vm1 has t0 = 0x4"
    assert "<td>0x0</td><td>0x4</td>" in stepper._frames.frame(stepper.at).detail
    check(stepper.strip())


def test_events_stand_level_and_can_be_clicked():
    one = Script(1).record(3)
    other = Recording([*one.events[:7], *one.events[9:]])
    found = compare(one, other)
    picture = compare_picture(found, 7)
    assert 'data-event="7"' in picture.inline
    assert all_text(picture).count("≠") == 2
    assert Stepper(found).next_difference() is found.pairs[7]
    assert compare_picture(compare(Recording(), Recording())).sentence.startswith("No difference")
