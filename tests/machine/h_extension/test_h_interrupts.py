"""Interrupts with V: for M, HS and VS mode, codes and priorities, timers ("Hypervisor Interrupt Registers", Sstc)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.h_extension.harts import HSTATUS, MSTATUS, STCE, go, machine, where, write
from tests.machine.programs import MASK, do
from vlab.events import Event, InterruptChange, Return, Trap
from vlab.machine import Stop
from vlab.machine.interrupts import held_by, tell_interrupts
from vlab.riscv import Interrupt
from vlab.riscv.privilege import INTERRUPT_BIT, GuestInterrupt, cause_title

MODES = ("U", "HS", "M", "VU", "VS")
VS_BITS = 0b100_0100_0100
ORDER = (11, 3, 7, 9, 1, 5, 10, 2, 6)
SIE, MIE = 2, 8


def test_new_codes():
    assert [int(code) for code in GuestInterrupt] == [2, 6, 10]
    assert cause_title(INTERRUPT_BIT | 6) == "virtual supervisor timer interrupt"


@given(
    st.sampled_from(MODES), st.integers(0, MASK), st.integers(0, MASK), st.integers(0, MASK),
    st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
def test_which_interrupt_is_taken(mode, pending, enabled, lent, mie, sie, vsie):
    """Naively: for each in order of priority, where would it go, and is that open?"""
    built = machine(
        mode, mideleg=MASK, hideleg=lent, mie=enabled, mip=pending, hvip=pending,
        mstatus=mie * MIE | sie * SIE, vsstatus=vsie * SIE,
    )  # fmt: skip
    hart = built.hart
    ready = hart.csr["mip"] & hart.csr["mie"]
    virtual, nominal = mode[0] == "V", {"U": 0, "VU": 0, "HS": 1, "VS": 1, "M": 3}[mode]
    to_m = nominal < 3 or mie
    to_hs = virtual or nominal == 0 or (nominal == 1 and sie)
    to_vs = virtual and (nominal == 0 or vsie)
    groups = (
        ([11, 3, 7], to_m, 0),
        ([9, 1, 5, *(code for code in (10, 2, 6) if not lent >> code & 1)], to_hs, 0),
        ([code for code in (10, 2, 6) if lent >> code & 1], to_vs, 0),
    )
    expected = next(
        (code for codes, open_, _none in groups if open_ for code in codes if ready >> code & 1), None
    )
    assert hart.interrupt() == (None if expected is None else INTERRUPT_BIT | expected)


@pytest.mark.parametrize(("first", "second"), [*pairwise(ORDER[3:])])
def test_priorities_of_those_for_hs_mode(first, second):
    """SEI, SSI, STI, VSEI, VSSI, VSTI."""
    both = 1 << first | 1 << second
    built = machine("U", mideleg=MASK, mie=both, mip=both, hvip=both & VS_BITS)
    assert built.hart.interrupt() == INTERRUPT_BIT | first


@pytest.mark.parametrize("code", [10, 6, 2])
@pytest.mark.parametrize("vectored", [0, 1])
def test_a_guest_takes_it_as_the_supervisors_own(code, vectored):
    """Codes 10, 6, 2 are 9, 5, 1 to VS mode: in vscause, in vsip, and at its vector."""
    built = machine(
        "VU", source="j .", hideleg=MASK, hie=1 << code, hvip=1 << code, vstvec=0x8000_1000 | vectored
    )
    built.hart.trap(built.hart.interrupt())
    csr = built.hart.csr
    assert where(built) == "VS"
    assert csr["vscause"] == INTERRUPT_BIT | code - 1
    assert csr["vsip"] == csr["vsie"] == 1 << code - 1
    assert built.hart.pc == 0x8000_1000 + (4 * (code - 1) if vectored else 0)
    assert csr["scause"] == 0


@pytest.mark.parametrize("code", [10, 6, 2])
def test_hs_mode_takes_what_is_not_delegated_with_its_own_code(code):
    built = machine("VS", hie=1 << code, hvip=1 << code, stvec=0x8000_1001)
    built.hart.trap(built.hart.interrupt())
    assert (where(built), built.hart.csr["scause"]) == ("HS", INTERRUPT_BIT | code)
    assert built.hart.pc == 0x8000_1000 + 4 * code
    assert built.hart.csr["hstatus"] & HSTATUS["SPV"]


def test_the_guests_interrupts_are_off_while_v_is_0():
    """Delegated to VS mode, in U and HS mode they wait, whatever vsstatus.SIE is."""
    built = machine("U", hideleg=MASK, hie=MASK, hvip=MASK, vsstatus=SIE, mstatus=SIE)
    for mode in ("U", "HS"):
        assert go(built, mode).hart.interrupt() is None
    assert go(built, "VS").hart.interrupt() is not None


def test_an_interrupt_of_the_host_is_taken_from_any_guest():
    """The guest's SIE is no affair of HS mode's, nor is mstatus.SIE while V is 1."""
    for mode in ("VS", "VU"):
        built = machine(mode, mideleg=MASK, mie=2, mip=2, hideleg=MASK)
        assert built.hart.interrupt() == INTERRUPT_BIT | 1
        built.hart.trap(built.hart.interrupt())
        assert where(built) == "HS"


def test_m_mode_is_interrupted_by_nothing_of_those():
    built = machine("M", mideleg=MASK, mie=MASK, hvip=MASK, mstatus=MIE | SIE)
    assert built.hart.interrupt() is None


# Timers


ALARM = {"menvcfg": STCE, "henvcfg": STCE, "hie": 1 << 6}


def test_vstimecmp_rings_by_the_guests_time():
    built = machine("M", **ALARM, htimedelta=1000, vstimecmp=1010)
    assert not built.hart.csr["hip"]
    assert built.hart.csr.deadline() == built.time + 10
    built.run(9)
    assert not built.hart.csr["hip"]
    built.run(1)
    assert built.hart.csr["hip"] == 1 << 6
    write(built, vstimecmp=2000)
    assert not built.hart.csr["hip"]


@pytest.mark.parametrize("off", ["menvcfg", "henvcfg"])
def test_without_stce_only_hvip_asserts_vstip(off):
    built = machine("M", **ALARM, vstimecmp=0)
    assert built.hart.csr["hip"] == 1 << 6
    write(built, **{off: 0})
    assert built.hart.csr["hip"] == 0
    assert built.hart.csr.deadline() is None
    write(built, hvip=1 << 6)
    assert built.hart.csr["hip"] == 1 << 6


def test_the_guests_time_runs_over():
    """The comparison is unsigned, of 64 bits: when the sum runs over, the alarm is silent again."""
    built = machine("M", **ALARM, htimedelta=-5, vstimecmp=MASK - 20)
    assert built.hart.csr["hip"] == 1 << 6
    assert built.hart.csr.deadline() == built.time + 5
    built.run(5)
    assert built.hart.csr["hip"] == 0


def test_wfi_in_a_guest_ends_at_its_alarm():
    built = machine("VS", source="wfi\n j .", **ALARM, hideleg=MASK, vstimecmp=5000, vstvec=0x8000_0004)
    built.run(10)
    assert built.time >= 5000
    assert built.skipped > 4900
    assert built.hart.csr["vsip"] == 1 << 5


def test_wfi_in_a_guest_without_any_alarm_sleeps():
    built = machine("VS", source="wfi\n j .")
    assert built.run(10) is Stop.ASLEEP


@given(st.one_of(st.integers(0, MASK), st.integers(-60, 60)), st.integers(1, 100), st.integers(0, 50))
def test_the_deadline_is_when_something_changes(delta, alarm, steps):
    built = machine("M", **ALARM, htimedelta=delta, vstimecmp=alarm)
    now, deadline = built.hart.csr["hip"], built.hart.csr.deadline()
    for _step in range(steps):
        if deadline is not None and built.time + 1 >= deadline:
            break
        built.run(1)
        assert built.hart.csr["hip"] == now
    if deadline is not None and deadline - built.time == 1:
        built.run(1)
        assert built.hart.csr["hip"] != now


# What listeners hear


@pytest.mark.parametrize(
    ("mode", "csrs", "held"),
    [
        ("VS", {}, "hie"),
        ("VS", {"hideleg": MASK}, "vsie"),
        ("VS", {"hideleg": MASK, "hie": MASK}, "vsstatus.SIE"),
        ("VU", {"hideleg": MASK, "hie": MASK}, ""),
        ("VS", {"hideleg": MASK, "hie": MASK, "vsstatus": SIE}, ""),
        ("HS", {"hideleg": MASK, "hie": MASK, "vsstatus": SIE, "mstatus": SIE}, "mode"),
        ("HS", {"hie": MASK}, "sstatus.SIE"),
        ("HS", {"hie": MASK, "mstatus": SIE}, ""),
        ("VS", {"hie": MASK}, ""),
        ("M", {"hie": MASK, "mstatus": SIE | MIE}, "mode"),
    ],
)
def test_what_holds_a_virtual_interrupt(mode, csrs, held):
    built = machine(mode, hvip=1 << 6, **csrs)
    assert held_by(built.hart, 6) == held
    assert (built.hart.interrupt() is None) == bool(held)
    heard = []
    built.events.listen(lambda event: heard.append(event) if isinstance(event, InterruptChange) else None)
    tell_interrupts(built.hart)
    assert [(event.cause, event.held_by) for event in heard] == [(INTERRUPT_BIT | 6, held)]


def test_what_holds_one_of_the_host_while_a_guest_runs():
    built = machine("VS", mideleg=MASK, mie=2, mip=2)
    assert held_by(built.hart, Interrupt.SSI) == ""


def test_traps_tell_the_modes_by_their_names():
    built = machine("VU", hedeleg=MASK, medeleg=MASK, vstvec=0x8000_0000)
    heard: list[Event] = []
    built.events.listen(heard.append)
    built.hart.trap(8)
    built.hart.trap(10)
    do(built, "sret")
    told = [(e.origin, e.target) for e in heard if isinstance(e, Trap | Return)]
    assert told == [("VU", "VS"), ("VS", "S"), ("S", "VS")]
    assert MSTATUS["MPV"] == 1 << 39
