import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.hosts import bare, hosted
from tests.views.recordings import Script, recordings
from tests.views.structure import all_text, check
from vlab import Hypervisor, Machine
from vlab import events as ev
from vlab.events import Recording
from vlab.riscv import assemble
from vlab.views.runs.shares import Shares, Turn, chart_shares

SPIN = assemble("loop: addi t0, t0, 1\n j loop")


def test_vms_that_are_always_busy_get_the_hart_by_their_weights():
    hypervisor = Hypervisor(Machine(memory="4M"))
    for weight in (1, 2, 5):
        hypervisor.create_vm(SPIN, memory="64K", weight=weight)
    machine = hypervisor.computer
    with machine.events.record() as run:
        machine.run(400_000)
    shares = Shares(run, hypervisor)
    for name, due in {"vm1": 1 / 8, "vm2": 2 / 8, "vm3": 5 / 8}.items():
        assert shares.due(name) == due
        assert shares.share(name) == pytest.approx(due, abs=0.03)


@pytest.mark.parametrize("busy", [bare, hosted])
def test_every_moment_with_the_hart_lies_in_ones_own_turn(busy):
    run, _resident, truth = busy()
    shares = Shares(run)
    for count, truly in truth.items():
        if not truly or not 0 < count < len(run):
            continue
        time, name = run[count - 1].time, truly.split(" ")[0]
        assert any(turn.name == name and turn.start <= time <= turn.end for turn in shares.turns)
    for one, other in zip(shares.turns, shares.turns[1:], strict=False):
        assert one.end <= other.start


def test_a_hosts_processes_have_turns_of_their_own():
    run, host, _truth = hosted()
    shares = Shares(run, host)
    assert shares.kinds == {"vm1": "VM", "vm2": "VM", "count": "process", "nap": "process"}
    assert list(shares.times) == ["vm1", "vm2", "count", "nap"]
    assert shares.weights["vm2"] == 2
    for process in host.processes:
        assert shares.times[process.name] >= process.used - 100


def test_a_wait_ends_a_turn():
    run: list[ev.Event] = []
    for time, text in ((0, "wfi"), (100, "csrw satp, t0"), (200, "sret")):
        run += [
            ev.Entry((time, 0), 1, None, 0, "S", "vm1"),
            ev.Trap((time + 10, 0), 0, None, 2, 0, 0, "U", "S"),
            ev.Exit((time + 12, 0), 1, None, "x", 2, 0, 0, "S", "vm1"),
            ev.Emulation((time + 12, 1), 1, None, 0, 0, text, "S", ()),
        ]
    assert Shares(Recording(run)).turns == (Turn("vm1", "VM", 0, 12), Turn("vm1", "VM", 100, 212))


def test_one_sentence_says_it():
    run = Recording(
        [
            ev.Entry((0, 0), 1, None, 0, "S", "vm1"),
            ev.Trap((30, 0), 0, None, 2, 0, 0, "U", "S"),
            ev.Entry((40, 0), 1, None, 0, "S", "vm2"),
            ev.Trap((50, 0), 0, None, 2, 0, 0, "U", "S"),
        ]
    )
    assert repr(Shares(run)) == "Who had the hart, time 0 to 51: vm1 75 %, vm2 25 %; world switches: 1."
    weighed = Shares(run, {"vm1": 3, "vm2": 1})
    assert repr(weighed) == (
        "Who had the hart, time 0 to 51: vm1 75 % (weight 3), vm2 25 % (weight 1); world switches: 1."
    )
    assert weighed.due("vm1") == 0.75
    assert Shares(run, {"vm1": 3}).due("vm1") is None
    assert repr(Shares(Recording())) == "Who had the hart, time 0 to 1: nobody; world switches: 0."
    shown = all_text(weighed.picture)
    assert {"vm1", "VM · weight 3", "75 %", "25 %"} <= set(shown)
    assert weighed.picture.sentence == repr(weighed)


@given(recordings(), st.dictionaries(st.text(max_size=9), st.integers(1, 10_000), max_size=3))
def test_any_run_is_drawn_whole(run, weights):
    for shares in (Shares(run), Shares(run, weights)):
        check(shares.picture)


def test_long_names_and_many_turns_are_drawn_whole():
    names = ["vm" + "a" * 80, "</text>", "vm3"]
    run = Recording([ev.Entry((7 * n, 0), 1, None, 0, "S", names[n % 3]) for n in range(5000)])
    shares = Shares(run, dict.fromkeys(names, 10_000))
    check(shares.picture)
    assert len(shares.picture.svg) < 60_000
    check(Shares(Recording(ev.Entry((n, 0), 1, None, 0, "S", f"vm{n}") for n in range(200))).picture)


def test_the_chart_has_a_bar_for_each_and_a_mark_for_its_due():
    run, host, _truth = hosted()
    plot = chart_shares(run, host)
    assert plot.sentence == repr(Shares(run, host))
    assert len(plot.axes.patches) == 4
    assert [label.get_text() for label in plot.axes.get_yticklabels()][1] == "vm2 (weight 2)"
    assert len(plot.axes.get_lines()) == 4
    assert chart_shares(Shares(Script(1).record(2))).axes.get_legend() is None
    assert "image/png" in chart_shares(Recording())._repr_mimebundle_()[0]
