"""Interrupts from pending to delivered, put together from the events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.hosts import hosted
from tests.views.recordings import recordings
from tests.views.structure import all_text, check
from vlab import events as ev
from vlab import guests
from vlab.events import Recording
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError, set_language
from vlab.machine import Machine
from vlab.riscv.privilege import INTERRUPT_BIT, Interrupt
from vlab.views import Interrupts
from vlab.views.runs.interrupts import Wait

TIMER = INTERRUPT_BIT | Interrupt.STI


def change(time, pending, held_by="", level=0, vm="", cause=TIMER):
    return ev.InterruptChange((time, 0), level, None, cause, pending, held_by, vm)


def trap(time, cause=TIMER):
    return ev.Trap((time, 9), 0, None, cause, 0, 0, "S", "S")


@pytest.fixture(scope="module")
def kernel_in_a_vm():
    machine = Machine(memory="8M")
    Hypervisor(machine).create_vm(guests.load("kernel"), memory="4M", name="guest")
    with machine.events.record() as run:
        machine.run(100_000)
    return run


def test_pending_then_enabled_then_delivered_then_cleared():
    run = [
        change(10, True, "sie"),
        change(15, True, "sstatus.SIE"),
        change(20, True),
        trap(20),
        change(30, False),
    ]
    (journey,) = Interrupts(run)
    assert (journey.pending, journey.enabled, journey.delivered, journey.cleared) == (10, 20, (20,), 30)
    assert journey.waits == (Wait(10, 15, "sie"), Wait(15, 20, "sstatus.SIE"), Wait(20, 20, ""))
    assert journey.waited == 10
    assert repr(journey) == (
        "supervisor timer interrupt of the machine: pending at 10, held back for 10 by sie, sstatus.SIE, "
        "delivered at 20, cleared at 30"
    )


def test_one_that_is_never_delivered_waits_to_the_end_or_until_it_is_cleared():
    (waits,) = Interrupts([change(10, True, "mie"), trap(40, 2)])
    assert (waits.waited, waits.enabled, waits.delivered, waits.cleared) == (31, None, (), None)
    (cleared,) = Interrupts([change(10, True, "mie"), change(25, False), trap(40, 2)])
    assert (cleared.waited, cleared.enabled, cleared.cleared) == (15, None, 25)


def test_a_handler_that_does_not_clear_it_is_entered_again():
    (journey,) = Interrupts([change(10, True), trap(10), trap(20), change(30, False)])
    assert (journey.delivered, journey.waited) == ((10, 20), 0)


def test_one_that_nobody_told_of_is_there_from_its_delivery():
    (journey,) = Interrupts([trap(10)])
    assert (journey.pending, journey.delivered) == (None, (10,))
    assert repr(journey) == "supervisor timer interrupt of the machine: delivered at 10"


def test_two_vms_and_the_machine_have_their_own():
    run = [
        ev.Exit((5, 0), 1, None, "x", 2, 0, 0, "S", "one"),
        change(6, True, "sie", 1, "one"),
        change(6, True, "", 1, "two"),
        ev.Injection((6, 2), 1, None, TIMER, 0, 0, "U", "S"),
        ev.Entry((6, 3), 1, None, 0, "S", "two"),
        change(7, True),
        trap(7),
    ]
    interrupts = Interrupts(run)
    assert [(one.level, one.vm, one.delivered) for one in interrupts] == [
        (1, "one", ()),
        (1, "two", (6,)),
        (0, "", (7,)),
    ]
    assert [one.vm for one in interrupts.only(level=1)] == ["one", "two"]
    assert [one.level for one in interrupts.only(vm="")] == [0]


def test_in_a_vm_a_timer_is_held_while_the_guest_has_interrupts_off(kernel_in_a_vm):
    guest = kernel_in_a_vm.interrupts().only(vm="guest")
    assert len(guest) > 10
    held = [journey for journey in guest if journey.waited]
    assert held
    for journey in held:
        assert {wait.held_by for wait in journey.waits if wait.held_by} == {"sstatus.SIE"}
        assert journey.pending < journey.enabled == journey.delivered[0] < journey.cleared
        enabling = [
            event
            for event in kernel_in_a_vm
            if journey.pending < event.time <= journey.enabled and isinstance(event, ev.Return | ev.CsrWrite)
        ]
        assert any(event.level == 1 for event in enabling), "the guest itself let it in"
    for journey in guest:
        if not journey.waited:
            assert journey.pending == journey.delivered[0]
    injected = [
        event.time for event in kernel_in_a_vm if isinstance(event, ev.Injection) and event.cause == TIMER
    ]
    assert [time for journey in guest for time in journey.delivered] == injected


def test_between_keeps_those_on_their_way(kernel_in_a_vm):
    interrupts = kernel_in_a_vm.interrupts()
    held = next(one for one in interrupts if one.waited)
    part = interrupts.between(held.pending + 1, held.pending + 2)
    assert list(part) == [held]
    check(part.picture)
    assert repr(part) == f"Interrupts, time {held.pending + 1} to {held.pending + 2}: {held!r}."


def test_the_picture_says_what_holds_an_interrupt(kernel_in_a_vm):
    interrupts = kernel_in_a_vm.interrupts()
    check(interrupts.picture)
    assert {"the machine", "guest", "held back"} <= set(all_text(interrupts.picture))
    held = next(one for one in interrupts if one.waited)
    part = interrupts.between(held.pending - 20, held.cleared + 20).picture
    check(part)
    assert "sstatus.SIE" in all_text(part)
    assert interrupts._repr_mimebundle_()[0]["text/plain"] == repr(interrupts)


def test_the_mode_that_holds_one_back_is_said_in_the_readers_language():
    set_language("es")
    interrupts = Interrupts([change(10, True, "mode"), change(25, False), trap(40, 2)])
    assert "por modo" in repr(interrupts[0])
    assert "modo" in all_text(interrupts.picture) and "mode" not in all_text(interrupts.picture)


def test_a_lanes_name_is_whole_in_spanish(kernel_in_a_vm):
    set_language("es")
    words = " ".join(all_text(kernel_in_a_vm.interrupts().picture))
    assert "interrupción del temporizador para S la máquina" in words


def test_of_many_the_beginning_is_shown():
    run = [one for n in range(150) for one in (change(10 * n, True, "sie"), change(10 * n + 5, False))]
    picture = Interrupts(run).picture
    check(picture)
    assert "Shown: Interrupts, time 0 to 1000: 100;" in picture.sentence


def test_a_run_without_interrupts_says_so():
    assert repr(Interrupts(Recording())) == "Interrupts, time 0 to 1: none."
    check(Interrupts(Recording()).picture)


@given(recordings(), st.integers(0, 40), st.integers(0, 40))
def test_any_run_is_drawn_whole(run, start, end):
    interrupts = Interrupts(run)
    check(interrupts.picture)
    check(interrupts.between(start, end).picture)
    for journey in interrupts:
        repr(journey)
        assert all(wait.start <= wait.end for wait in journey.waits)


def test_one_that_is_held_a_hundred_thousand_times_is_a_small_picture():
    holders = ("mie", "mstatus.MIE")
    run = [ev.InterruptChange((time, 0), 0, None, TIMER, True, holders[time % 2]) for time in range(100_000)]
    found = Interrupts(run)
    assert (len(found), len(found[0].waits), found[0].waited) == (1, 100_000, 100_000)
    assert len(found.picture.svg) < 1_000_000


@pytest.mark.parametrize("times", [(0, float("inf")), (float("nan"), 5), (0, 1 << 70)])
def test_what_is_no_time_is_said(times):
    with pytest.raises(VlabError, match="There is no time"):
        Interrupts(()).between(*times)


def test_times_beyond_a_floats_digits_are_drawn():
    check(Interrupts(()).between((1 << 64) - 1, 1 << 64).picture)


def test_of_several_vms_each_has_its_own_interrupts():
    run = hosted().run
    interrupts = Interrupts(run)
    told = {vm: [one.pending for one in interrupts.only(vm=vm) if one.pending] for vm in ("", "vm1", "vm2")}
    for vm, times in told.items():
        changes = [e for e in run if e.kind == "InterruptChange" and e.vm == vm and e.pending]
        assert set(times) <= {change.time for change in changes}
        assert len(times) > 3
    for vm in ("vm1", "vm2"):
        assert all(one.delivered for one in list(interrupts.only(vm=vm))[:-1])
        check(interrupts.only(vm=vm).picture)
    assert {"the machine", "vm1", "vm2"} <= set(all_text(interrupts.picture))
    assert "vm2" not in all_text(interrupts.only(vm="vm1").picture)
