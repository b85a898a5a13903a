"""Pictures of a guest's exits under KVM, alone and beside the model's; and of how long they take."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab import Hypervisor, Machine, assemble
from vlab.events import Recording
from vlab.language import LANGUAGES, set_language
from vlab.silicon import Backend, KvmExit, KvmRun, Listing, Registers, run_in_kvm, time_exits
from vlab.silicon.kvm import ENDED
from vlab.views import exit_times_picture, kvm_beside_model, kvm_picture

RECORDED = run_in_kvm(live=False)
TIMES = time_exits(live=False)
NUMBERS = st.integers(0, (1 << 64) - 1)
SIGNS = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=60)
EXITS = st.builds(
    KvmExit,
    st.sampled_from(("KVM_EXIT_IO", "KVM_EXIT_MMIO", "KVM_EXIT_INTERNAL_ERROR")) | SIGNS,
    st.sampled_from(("out", "in", "write", "read")),
    NUMBERS | st.just(0x3F8),
    st.integers(1, 8),
    st.integers(1, 4096),
    NUMBERS,
    st.builds(Registers, NUMBERS | st.integers(0x1000, 0x1020), NUMBERS, NUMBERS, NUMBERS, NUMBERS),
)
BACKENDS = st.builds(Backend, SIGNS | st.just("kvm_pvm"), st.sampled_from((None, True, False)))
GUEST = """
    li   t0, 0x10000000
    li   t1, 0x62616c76
    li   t2, 4
next:
    sb   t1, 0(t0)
    srli t1, t1, 8
    addi t2, t2, -1
    bnez t2, next
    lb   t3, 0(t0)
    wfi
"""


@pytest.fixture(scope="module")
def model():
    machine = Machine(memory="4M")
    Hypervisor(machine).create_vm(assemble(GUEST), memory="64K")
    with machine.events.record() as run:
        machine.run(20_000)
    return run


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_recorded_run_is_drawn_whole(code):
    set_language(code)
    for details in (False, True):
        check(kvm_picture(RECORDED, details=details))


def test_each_exit_has_its_row_with_reason_answer_and_registers():
    words = all_text(kvm_picture(RECORDED))
    assert [line for line in words if line.startswith("KVM_EXIT")] == [one.reason for one in RECORDED]
    assert [line for line in words if line in {one.did for one in RECORDED}] == [one.did for one in RECORDED]
    for one in RECORDED:
        assert {f"{value:#x}" for value in one.registers[1:]} <= {*words}
    assert "KVM_RUN" in words and words.count("out %al, (%dx)") == 4
    assert kvm_picture(RECORDED).sentence == repr(RECORDED)


def test_the_module_and_the_host_are_particulars():
    assert not any(RECORDED.backend.module in line for line in all_text(kvm_picture(RECORDED)))
    details = all_text(RECORDED.details)
    assert any(f"Run by {RECORDED.backend.module}" in line for line in details)
    assert any("Recorded on" in line for line in details)


@given(
    st.lists(EXITS, max_size=40),
    SIGNS,
    st.sampled_from(ENDED),
    BACKENDS,
    st.booleans(),
    st.sampled_from(LANGUAGES),
)
def test_any_run_is_drawn_whole(exits, console, ended, backend, details, code):
    set_language(code)
    listing = Listing.named("word")
    run = KvmRun(listing, tuple(exits), console, ended, backend, RECORDED.host, why="x")
    check(kvm_picture(run, details=details))


def test_of_many_exits_the_first_are_drawn_and_the_rest_counted():
    run = dataclasses.replace(RECORDED, exits=RECORDED.exits * 4)
    words = all_text(kvm_picture(run))
    assert sum(line.startswith("KVM_EXIT") for line in words) == 24
    assert "and 8 more" in words


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_models_exits_stand_beside_it(code, model):
    set_language(code)
    picture = RECORDED.beside(model)
    check(picture)
    assert repr(RECORDED) in picture.sentence


def test_the_models_rows_are_its_exits(model):
    words = all_text(RECORDED.beside(model))
    below = words[words.index("A guest in the model") :]
    assert below.count("device access") == 5 and below.count("shadow fill") == 1
    assert [line for line in below if line.startswith("uart: ")] == [
        *(f"uart: takes {ord(letter):#x}" for letter in "vlab"),
        "uart: gives 0x0",
    ]
    assert [line for line in below if line in ("wfi", "privileged instruction", "emulates it")] == [
        "wfi",
        "privileged instruction",
        "emulates it",
    ]
    assert "Exits of the model's guest: 7" in RECORDED.beside(model).sentence


def test_a_recording_without_exits_is_drawn_too():
    check(kvm_beside_model(RECORDED, Recording()))


# --- How long


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_recorded_times_are_drawn_whole(code):
    set_language(code)
    check(TIMES.details)


def test_without_details_it_is_the_recorded_times_that_are_drawn():
    other = dataclasses.replace(TIMES, exit=(5,) * 101, live=True)
    assert exit_times_picture(other) == TIMES.details
    assert any("half within 0.0 µs" in line for line in all_text(other.details))


def test_the_half_is_marked_where_it_lies():
    slow = dataclasses.replace(TIMES, exit=(1000,) * 50 + (100_000,) * 51, call=(1000,) * 101)
    lines = all_text(slow.details)
    assert "half within 100.0 µs" in lines and "half within 1.0 µs" in lines
    svg = slow.details.svg
    assert 'd="M580 54' in svg and 'd="M320 118' in svg  # 100 µs and 1 µs on the axis


@given(
    st.lists(st.integers(1, 1 << 63), min_size=101, max_size=101).map(sorted).map(tuple),
    BACKENDS,
    st.sampled_from(LANGUAGES),
)
def test_any_times_are_drawn_whole(times, backend, code):
    set_language(code)
    check(dataclasses.replace(TIMES, exit=times, call=times, backend=backend).details)
