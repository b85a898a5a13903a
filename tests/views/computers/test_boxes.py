import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.machine.test_structure import tower
from tests.views.structure import all_text, check
from vlab import Hypervisor, Machine, VlabError, draw, guests, set_language
from vlab.machine.structure import structure
from vlab.views import boxes_picture, picture_of
from vlab.views.computers.boxes import DEEPEST, MOST, computer_mark


@pytest.mark.parametrize("depth", range(5))
def test_every_level_is_a_box_inside_the_one_around_it(depth):
    machine, innermost = tower(depth)
    machine.run(3000)
    picture = picture_of(machine)
    check(picture)
    said = all_text(picture)
    assert said.count("hypervisor") == depth
    for level in range(1, depth + 1):
        assert f"at{level}: virtual machine, level {level}" in said
    assert said.count("the hart is here") == (innermost.status is None or depth > 0)


def test_objects_draw_themselves():
    machine, innermost = tower(1)
    for thing in (machine, innermost, innermost.hypervisor):
        shown, metadata = thing._repr_mimebundle_()
        assert shown["text/plain"] == repr(thing)
        assert shown["text/html"] == boxes_picture(thing).html()
        assert metadata["image/png"]["alt"] == boxes_picture(thing).sentence


def test_a_hypervisor_draws_its_own_box_only():
    _machine, innermost = tower(2)
    said = all_text(picture_of(innermost.hypervisor))
    assert "level 1, modes S, M" in said
    assert "machine" not in said


def test_what_a_computer_does_is_in_its_box_and_each_state_has_its_shape():
    hypervisor = Hypervisor(Machine(memory="24M"))
    off = hypervisor.create_vm(guests.load("hello"), memory="2M")
    hypervisor.create_vm(memory="2M")
    hypervisor.computer.run(20_000)
    said = all_text(picture_of(hypervisor))
    assert f"off, status 0, {off.exits.total()} exits" in said
    assert "empty" in said
    parts = [part for part in structure(hypervisor.computer).walk() if part.kind == "VM"]
    assert computer_mark(parts[0]) != computer_mark(parts[1])


def test_many_virtual_machines_are_counted():
    hypervisor = Hypervisor(Machine(memory="24M"))
    for _number in range(MOST + 3):
        hypervisor.create_vm(memory="64K")
    picture = picture_of(hypervisor)
    check(picture)
    assert "… and 3 more" in all_text(picture)


def test_what_is_too_deep_is_counted():
    computer = machine = Machine(memory="96M")
    for _level in range(DEEPEST + 2):
        size = computer.memory.size - (3 << 20)
        computer = Hypervisor(computer).create_vm(memory=size)
    picture = picture_of(machine)
    check(picture)
    assert "… and 3 more inside" in all_text(picture)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=40) | st.just("W" * 90), max_size=6), st.integers(0, 1))
def test_any_names_fit(names, deeper):
    hypervisor = Hypervisor(Machine(memory="32M"))
    for name in names:
        hypervisor.create_vm(memory="64K", name=name)
    if deeper:
        Hypervisor(hypervisor.create_vm(memory="8M", name="x")).create_vm(
            memory="64K", name=(names or ["y"])[0]
        )
    check(picture_of(hypervisor.computer))


def test_it_speaks_the_readers_language():
    machine, _innermost = tower(1)
    set_language("es")
    try:
        picture = picture_of(machine)
        check(picture)
        assert "hipervisor" in all_text(picture)
        assert "nivel" in picture.sentence
    finally:
        set_language("en")


def test_its_graph_is_drawn_as_an_outline():
    machine, _innermost = tower(2)
    plot = draw(machine.graph())
    labels = [note.get_text() for note in plot.axes.texts if note.get_text()]
    assert labels[0] == "machine: on"
    assert labels.index("at1: ready, 0 exits") < labels.index("at2: ready, 0 exits")
    assert plot.sentence == machine.graph().graph["sentence"]


def test_what_has_no_boxes_says_so():
    with pytest.raises(VlabError, match="has no picture"):
        picture_of(object())


def test_a_long_name_leaves_room_for_what_it_names():
    hypervisor = Hypervisor(Machine(memory="24M"))
    hypervisor.create_vm(memory="2M", name="W" * 90)
    assert any(words.endswith(": virtual machine, level 1") for words in all_text(picture_of(hypervisor)))
