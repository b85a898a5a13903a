from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.guests.networks import ANSWER_SAYS, PING_SAYS, WORDS, machines, without_times
from tests.parts import device_in
from vlab.language import VlabError
from vlab.machine import Machine, Stop
from vlab.machine.devices import VirtioNet
from vlab.operations.together import Together
from vlab.riscv import assemble

MOVES = st.lists(
    st.tuples(st.sampled_from(["run", "back", "ahead"]), st.integers(0, 1), st.integers(1, 40_000)),
    max_size=8,
)


def plain(slice_=10_000):
    switch, together, both = machines(slice_=slice_)
    assert together.run() is Stop.ASLEEP
    return [*switch.capture], [machine.console for machine in both], [machine.snapshot() for machine in both]


ONCE = plain()


@settings(max_examples=25)
@example([("run", 0, 69_000), ("run", 0, 6_000), ("back", 1, 1_456), ("run", 0, 100)])
@example(
    [("run", 0, 65_000), ("back", 1, 3_000), ("run", 1, 30_000), ("back", 1, 35_018), ("back", 0, 4_281)]
)
@example(
    [
        ("run", 1, 26_367),
        ("back", 0, 10_287),
        ("run", 1, 36_920),
        ("run", 1, 28_131),
        ("run", 1, 6_319),
        ("back", 1, 35_018),
        ("back", 0, 4_281),
    ]
)
@given(MOVES)
def test_however_it_is_chopped_and_rewound_the_same_packets_go_once(moves):
    switch, together, both = machines()
    for deed, which, amount in moves:
        machine = both[which]
        match deed:
            case "run":
                together.run(amount)
            case "back":
                if machine.history.checkpoints:
                    machine.back(amount % (machine.steps + 1))
            case "ahead":
                with machine.history.ahead():
                    machine.run(amount)
    assert together.run() is Stop.ASLEEP
    assert [*switch.capture] == ONCE[0]
    assert [machine.console for machine in both] == ONCE[1]
    assert [machine.snapshot() for machine in both] == ONCE[2]


@settings(max_examples=10)
@given(st.integers(500, 100_000))
def test_the_slice_shows_only_in_times(slice_):
    packets, consoles, _states = plain(slice_)
    assert [packet.words for packet in packets] == WORDS
    assert [without_times(console) for console in consoles] == [PING_SAYS, ANSWER_SAYS]


def test_a_past_that_becomes_another_hears_what_was_said_to_it_again():
    switch, together, (a, b) = machines()
    together.run(45_000)
    heard = b.steps
    b.back(b.steps - 100)
    b.type("x")  # from here on it is another past: what came later is forgotten
    assert len(switch.capture) < 5
    assert together.run() is Stop.ASLEEP
    assert a.console.endswith("3 sent, 3 came back\n")
    assert a.console.count("reply 1") == 2  # what was said can't be unsaid
    assert b.console == ANSWER_SAYS
    assert b.steps > heard


def test_it_stops_as_a_machine_does():
    _switch, together, (a, b) = machines()
    assert together.run(0) is Stop.LIMIT
    assert together.run(15_000) is Stop.LIMIT
    assert together.time == 15_000
    assert together.run(until=lambda: "reply" in a.console) is Stop.CONDITION
    assert together.run() is Stop.ASLEEP
    both_off = [Machine(memory="64K") for _ in range(2)]
    for machine in both_off:
        machine.finisher.store(0, 4, 0x5555)
    assert Together(both_off).run() is Stop.OFF
    assert b.status is None


def test_a_far_alarm_is_reached_at_once():
    machine = Machine(
        assemble(
            "li t0, 0x2004000\nli t1, 1<<60\nsd t1, 0(t0)\nli t0, 128\ncsrw mie, t0\nwfi\n"
            "li t0, 0x100000\nli t1, 0x5555\nsw t1, 0(t0)"
        ),
        memory="64K",
    )
    other = Machine(assemble("wfi"), memory="64K")
    together = Together([machine, other])
    assert together.run() is Stop.ASLEEP
    assert machine.status == 0
    assert machine.time > 1 << 60


def test_what_can_not_run_together():
    one = Machine(memory="64K")
    for machines_, slice_ in (([], 10), ([one, one], 10), ([one], 0)):
        with pytest.raises(VlabError, match="can't run together"):
            Together(machines_, slice_)


def test_a_machine_that_is_off_hears_nothing():
    switch, together, (a, b) = machines()
    b.finisher.store(0, 4, 0x5555)
    assert together.run(200_000) is Stop.ASLEEP
    assert a.console == ""
    assert len(switch.capture) == 1


def test_three_hear_a_broadcast():
    switch, _together, (a, b) = machines()
    third = Machine(assemble("wfi"), memory="64K", devices=[VirtioNet("02:00:00:00:00:03")])
    switch.plug(third, name="c")
    assert Together([a, b, third]).run() is Stop.ASLEEP
    card = device_in(third, "net")
    assert len(card.waiting) == 1  # ARP goes to all, the rest to those whom it is for
    assert [packet.words for packet in switch.capture] == WORDS


def test_machines_are_several_and_times_are_numbers() -> None:
    one: Any = Machine(memory="64K")
    wrong: list[Any] = [one, None, 5, ["machine"], [None], [[]]]
    for what in wrong:
        with pytest.raises(VlabError, match="can't run together"):
            Together(what)
    wrong = ["10", None, 1.5]
    for slice_ in wrong:
        with pytest.raises(VlabError, match="can't run together"):
            Together([one], slice_)


def test_a_time_is_a_number_and_what_is_asked_can_be():
    together = Together([Machine(memory="64K")])
    with pytest.raises(VlabError, match="'x' is no whole number"):
        together.run("x")  # type: ignore[arg-type]
    with pytest.raises(VlabError, match="5 can't be asked"):
        together.run(until=5)  # type: ignore[arg-type]
