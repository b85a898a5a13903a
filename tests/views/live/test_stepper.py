import json
import os
import subprocess
import sys

import pytest

from tests.views.recordings import Script
from tests.views.structure import check
from vlab import guests
from vlab.events import CsrWrite, Entry, Recording
from vlab.language import VlabError
from vlab.machine import GATE, Machine
from vlab.paging import PageTable
from vlab.views import Stepper
from vlab.views.computers.states import States
from vlab.views.live.frames import context_switches
from vlab.views.words import event_sentence


@pytest.fixture
def run():
    return Script(1).record(3)


def test_the_verbs_move_and_return_what_stands_there(run):
    stepper = Stepper(run)
    assert stepper.next() is run[1]
    assert stepper.back() is run[0]
    assert stepper.back() is run[0]
    assert stepper.last() is run[-1]
    assert stepper.next() is run[-1]
    assert stepper.goto(7) is run[7]
    assert (stepper.at, len(stepper)) == (7, len(run))
    assert stepper.first() is run[0]


def test_next_exit_and_next_trap_stop_there_and_stay_after_the_last(run):
    stepper = Stepper(run)
    exits = [number for number, event in enumerate(run) if event.kind == "Exit"]
    assert [stepper.next_exit() and stepper.at for _exit in exits] == exits
    assert stepper.next_exit() is run[exits[-1]]
    stepper.first()
    assert stepper.next_trap().kind == "Trap"
    assert stepper.at == 5
    assert Stepper([PageTable().walk(0, "load", mode="S")]).next_exit() is not None


def test_sentence_and_picture_belong_to_the_position(run):
    stepper = Stepper(run, at=30)
    assert stepper.sentence == event_sentence(run[30])
    assert repr(stepper) == f"Stepper over {len(run)} positions, at 30: {stepper.sentence}"
    assert 'class="lit" data-event="30"' in stepper.picture.svg
    check(stepper.strip())
    assert stepper.strip().sentence == repr(stepper)


@pytest.mark.parametrize("at", [-1, 1000, "3", None, 2.5])
def test_a_position_that_is_not_there_is_said(run, at):
    stepper = Stepper(run, at=3)
    with pytest.raises(VlabError, match="Choose one from 0 to 107"):
        stepper.goto(at)
    assert stepper.at == 3


def test_next_context_switch_stops_where_satp_changes_for_real(run):
    stepper = Stepper(run)
    switches = [at for at, event in enumerate(run) if event.kind == "CsrWrite" and event.name == "satp"]
    assert [stepper.next_context_switch() and stepper.at for _switch in switches] == switches
    assert stepper.next_context_switch() is run[switches[-1]]


def test_a_switch_to_another_vm_is_one_and_a_shadow_load_is_none():
    def write(pc, before, after):
        return CsrWrite((pc, 0), 0, None, "satp", before, after, pc)

    def enter(vm, level=1):
        return Entry((1, 0), level, None, 0, "S", vm)

    events = [
        write(4, 0, 1),
        write(4, 1, 1),
        write(GATE, 1, 2),
        enter("a"),
        enter("b", 2),
        enter("a"),
        enter("b"),
    ]
    assert context_switches(events) == [0, 6]


@pytest.fixture
def machine():
    return Machine(guests.load("kernel"), memory="1M")


def test_a_computer_is_stepped_and_left_as_it_was(machine):
    before = machine.snapshot()
    stepper = Stepper(machine, steps=900)
    assert machine.snapshot() == before
    assert len(stepper) == 901
    assert stepper.next().step == 1
    assert stepper.last().step == 900
    assert stepper.goto(675) is stepper.subject
    assert stepper.sentence.startswith("Before step 675 of the machine, in S mode. Done: csrsi sstatus, 2")
    stepper.first()
    assert [stepper.next_trap().step, stepper.next_context_switch().step, stepper.next_trap().step] == [
        675,
        749,
        799,
    ]
    machine.goto(stepper.subject.machine_step)
    assert machine.look() == stepper.subject
    check(stepper.strip())
    json.dumps(stepper.widget.chunk(3))


def test_who_wrote_jumps_there_and_stays(machine):
    stepper = Stepper(machine, at=700, steps=900)
    assert stepper.who_wrote("scause").step == 675
    assert stepper.at == 675
    assert stepper.who_wrote("scause").step == 675
    assert stepper.who_wrote("mtvec").step == 3
    with pytest.raises(VlabError, match="mtval was not written between steps 0 and 3"):
        stepper.who_wrote("mtval")
    with pytest.raises(VlabError, match="no register 'bogus'"):
        stepper.who_wrote("bogus")
    assert stepper.at == 3


def test_who_wrote_takes_the_addresses_that_the_memory_window_shows(machine):
    machine.run(3000)
    stepper = Stepper(machine, steps=300, memory=0x40001000)
    stepper.last()
    look = stepper.subject
    assert look.memory[0].physical != look.memory[0].address
    with pytest.raises(VlabError, match="It was last written at step"):
        stepper.who_wrote(0x40001000)
    states = States(machine, 300, memory=0x40001000)
    where = next(place for place in states.written if isinstance(place, int))
    assert states.who_wrote(where, 300) == stepper.who_wrote(where).step - 3000


@pytest.mark.parametrize("address", [0, 0x1000_0000, (1 << 64) - 1, -8, 1 << 70])
def test_who_wrote_where_no_memory_is(machine, address):
    with pytest.raises(VlabError, match="no memory"):
        Stepper(machine, steps=3).who_wrote(address)


def test_who_wrote_is_of_states_only(run):
    with pytest.raises(VlabError, match="Stepper\\(machine\\)"):
        Stepper(run).who_wrote("t0")


def test_lecture_size_is_told_to_the_page(run):
    assert Stepper(run, size="lecture").widget.size == "lecture"
    assert Stepper(run).widget.size == "normal"
    with pytest.raises(VlabError, match="There are: normal, lecture"):
        Stepper(run, size="huge")


@pytest.mark.parametrize("nothing", [Recording(), [], 5, None])
def test_nothing_to_step_through_is_said(nothing):
    with pytest.raises(VlabError, match="nothing to step through"):
        Stepper(nothing)


def test_it_shows_a_widget_and_what_is_stored_of_it(run):
    stepper = Stepper(run)
    shown, metadata = stepper._repr_mimebundle_()
    assert set(shown) == {"text/plain", "text/html", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert shown["text/plain"] == repr(stepper)
    assert shown["text/html"].startswith(f'<img alt="{stepper!r}')
    assert "image/png" in metadata
    json.dumps(shown)


def test_without_anywidget_the_film_strip_is_left(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "vlab.views.live.stepperwidget", None)
    shown, _metadata = Stepper(run)._repr_mimebundle_()
    assert set(shown) == {"text/plain", "text/html", "image/png"}


def test_what_is_stored_passes_strict_nbval(run, tmp_path, repository):
    from nbformat import v4, write

    stepper = Stepper(run, at=4)
    setup = "from tests.views.recordings import Script\nfrom vlab.views import Stepper\n"
    setup += "run = Script(1).record(3)\nstepper = Stepper(run, at=4)\nstepper"
    cells = [
        _cell(1, setup, stepper),
        _cell(2, "stepper.next_exit()", stepper.next_exit()),
        _cell(3, "run", run),
    ]
    write(v4.new_notebook(cells=cells), tmp_path / "stepper.ipynb")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--nbval",
            "-p",
            "no:cacheprovider",
            str(tmp_path / "stepper.ipynb"),
        ],
        env=os.environ | {"PYTHONPATH": str(repository), "JUPYTER_PLATFORM_DIRS": "1"},
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def _cell(count, source, shown):
    """A cell as it is stored after it has run."""
    from nbformat import v4

    data, metadata = shown._repr_mimebundle_()
    output = v4.new_output("execute_result", data=data, metadata=metadata, execution_count=count)
    return v4.new_code_cell(source, outputs=[output], execution_count=count)
