from hypothesis import given, settings
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab import Machine, Snapshots, Stepper, draw, guests
from vlab.views import picture_of, snapshots_picture
from vlab.views.computers.snapshots import MOST


def grown(moves):
    """A tree made by taking (None) and by going back to a snapshot by its number."""
    machine = Machine(guests.load("hello"), memory="64K")
    tree = Snapshots(machine)
    for number, back in enumerate(moves):
        if back is not None and len(tree):
            tree.restore(list(tree)[back % len(tree)].name)
        machine.run(3)
        tree.take(f"s{number}")
    return tree


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.integers(0, 99), max_size=50))
def test_any_tree_fits(moves):
    tree = grown(moves)
    picture = picture_of(tree)
    check(picture)
    assert picture.sentence == repr(tree)
    here = [words for words in all_text(picture) if "the computer is here" in words]
    assert len(here) == bool(moves)


def test_children_stand_under_and_right_of_their_parent():
    tree = grown([None, None, 0, None])
    said = [
        words.split(" ")[0]
        for words in all_text(picture_of(tree))
        if words.startswith("s") and words[1].isdigit()
    ]
    assert said == ["s0", "s1", "s2", "s3"]
    plot = draw(tree.graph())
    labels = [note.get_text() for note in plot.axes.texts if note.get_text()]
    assert [label.split(":")[0] for label in labels] == said


def test_it_is_stepped_through_in_the_order_of_taking():
    tree = grown([None, None, 0])
    stepper = Stepper(tree)
    assert [stepper.goto(n).name for n in range(3)] == ["s0", "s1", "s2"]
    assert stepper.sentence == repr(tree["s2"])
    assert '<g class="lit" data-event="2">' in stepper.picture.svg
    assert stepper.picture.svg.count('class="lit"') == 1
    check(stepper.strip())


def test_a_large_tree_is_drawn_in_sheets_and_the_lit_one_is_on_its_sheet():
    tree = grown([None] * (MOST + 5))
    assert f"snapshots {MOST} to {MOST + 4} of {MOST + 5}" in all_text(snapshots_picture(tree))
    stepper = Stepper(tree)
    for at in (0, MOST - 1, MOST, MOST + 4):
        stepper.goto(at)
        assert f'<g class="lit" data-event="{at}">' in stepper.picture.svg


def test_an_empty_tree_says_so():
    picture = picture_of(grown([]))
    check(picture)
    assert all_text(picture) == ["no snapshot taken yet"]


def test_in_a_graph_too_the_order_is_that_of_taking():
    tree = Snapshots(Machine(guests.load("hello"), memory="64K"))
    tree.take("root")
    for name in ("z", "a", "m"):
        tree.restore("root")
        tree.take(name)
    notes = sorted(draw(tree.graph()).axes.texts, key=lambda note: -note.xy[1])
    assert [note.get_text().split(":")[0] for note in notes] == ["root", "z", "a", "m"]
