"""Popek and Goldberg's classes, found by experiment: each definition, the care that they need, and the theorem."""

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.towers import difference, end, finished, tower
from tests.machine.programs import MASK
from vlab import guests
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.operations import Classification, Kind, classify
from vlab.operations.classification import names
from vlab.operations.classification.experiments import Bench, State, instructions, states, variants
from vlab.riscv import CSRS, Cause, Mode, Trap
from vlab.riscv.instructions import ROWS, encode

QUIRK = "silent-sstatus"
CONTROL, LOCATION, MODE, REGISTER, TIME = Kind
FORMS = [name for name in ROWS if name.startswith("csrr")]
FEW = ["add", "ld", "ecall", "wfi", "sfence.vma", "sret", "mret"] + [
    f"{form} {csr}" for csr in ("satp", "stvec", "sscratch", "mhartid", "time") for form in FORMS
]
PAIRS = (("U", "S"), ("U", "M"), ("S", "M"))


def small(**options):
    return Machine(memory="128K", **options)


def changed(change):
    """A machine whose hart something was done to."""

    def make():
        machine = small()
        change(machine.hart)
        return machine

    return make


@cache
def plain():
    return classify(small)


@cache
def quirky():
    return classify(lambda: small(quirks=QUIRK))


@cache
def opened():
    """U may read the counters."""
    return classify(small, counters=True)


def some(change):
    """What is found of a few instructions on a machine whose hart something was done to."""
    return classify(changed(change), only=FEW)


# --- The table

# Instruction, pair: privileged?, kinds. As the specification has them: chapters 2 (CSRs), 3.1.6, 3.3, 12.1, 12.2.
KNOWN = {
    ("add", "US"): (False, set()),
    ("ld", "US"): (False, set()),
    ("sd", "UM"): (False, set()),
    ("auipc", "US"): (False, set()),
    ("jalr", "SM"): (False, set()),
    ("amoadd.d", "US"): (False, set()),
    ("sc.d", "US"): (False, set()),
    ("fence.i", "US"): (False, set()),
    ("ecall", "US"): (False, set()),
    ("ecall", "SM"): (False, set()),
    ("ebreak", "UM"): (False, set()),
    ("sret", "US"): (True, {CONTROL, REGISTER}),
    ("sret", "SM"): (False, {CONTROL, REGISTER}),
    ("mret", "US"): (False, set()),
    ("mret", "SM"): (True, {CONTROL, REGISTER}),
    ("wfi", "US"): (True, {CONTROL}),
    ("wfi", "SM"): (False, {CONTROL}),
    ("sfence.vma", "US"): (True, {CONTROL}),
    ("sfence.vma", "SM"): (False, {CONTROL}),
    ("csrrs satp", "US"): (True, {CONTROL, LOCATION, REGISTER}),
    ("csrrw satp", "UM"): (True, {CONTROL, REGISTER}),
    ("csrrw sstatus", "US"): (True, {CONTROL, REGISTER}),
    ("csrrci sstatus", "US"): (True, {CONTROL, REGISTER}),
    ("csrrw sscratch", "SM"): (False, {CONTROL, REGISTER}),
    ("csrrw mscratch", "SM"): (True, {CONTROL, REGISTER}),
    ("csrrw mscratch", "US"): (False, set()),
    ("csrrs sip", "US"): (True, {CONTROL, REGISTER}),
    ("csrrw pmpcfg0", "UM"): (True, {CONTROL, REGISTER}),
    ("csrrs time", "US"): (True, {TIME}),
    ("csrrs time", "SM"): (False, {TIME}),
    ("csrrw time", "UM"): (False, set()),
    ("csrrs mhartid", "UM"): (True, set()),
    ("csrrs mhpmcounter3", "SM"): (True, set()),
}


@pytest.mark.parametrize(("text", "pair"), KNOWN, ids=str)
def test_known_instructions(text, pair):
    row = plain()[pair[0], pair[1]][text]
    assert (row.privileged, set(row.kinds)) == KNOWN[text, pair]
    assert row.sensitive == bool(row.kinds - {TIME}) == (not row.innocuous)
    assert row.control_sensitive == (CONTROL in row.kinds)
    assert row.behaviour_sensitive == bool(row.kinds & {LOCATION, MODE, REGISTER})


@pytest.mark.parametrize("pair", PAIRS, ids="".join)
def test_every_instruction_and_every_form_with_every_csr_is_there(pair):
    rows = {row.name for row in ROWS.values() if row.extension not in ("C", "H")}
    wanted = rows.difference(FORMS) | {f"{form} {csr}" for form in FORMS for csr in CSRS}
    assert {row.text for row in plain()[pair]} == wanted
    assert len(plain()[pair]) == len(wanted)


@pytest.mark.parametrize(
    ("text", "low", "high"), [("ecall", "U", "S"), ("ecall", "U", "M"), ("mret", "U", "S")]
)
def test_what_traps_in_both_modes_is_not_privileged(text, low, high):
    row = plain()[low, high][text]
    assert row.traps and not row.privileged


def test_all_of_the_base_and_its_extensions_is_innocuous():
    """Every load would be mode-sensitive if the mapping differed, and location-sensitive if its data did."""
    for row in plain()["U", "S"]:
        if ROWS[row.name].extension in ("I", "M", "A", "Zifencei") and not row.traps:
            assert (row.privileged, row.kinds) == (False, frozenset()), row


# --- The theorem


def test_where_a_guest_runs_in_u_every_sensitive_instruction_is_privileged():
    assert plain().virtualizable and plain().culprits == ()
    assert plain()["U", "S"].virtualizable and plain()["U", "M"].virtualizable


def test_s_below_m_is_another_matter():
    """What S may do alone doesn't trap there: no monitor in M can give its guest's S mode the real one."""
    pair = plain()["S", "M"]
    assert {"sret", "wfi", "sfence.vma", "csrrw satp", "csrrw stvec"} <= {row.text for row in pair.culprits}
    assert not {"mret", "csrrw mtvec"} & {row.text for row in pair.culprits}
    assert not pair.virtualizable


@pytest.mark.parametrize("pair", PAIRS[:2], ids="".join)
def test_on_the_quirky_machine_it_names_the_culprits(pair):
    assert names(quirky()[pair].culprits) == ["csr… sstatus"]
    assert {row.text for row in quirky()[pair].culprits} == {f"{form} sstatus" for form in FORMS}
    assert not quirky().virtualizable and "csr… sstatus" in repr(quirky())


def test_the_quirk_changes_nothing_else():
    for pair in PAIRS[:2]:
        for one, other in zip(plain()[pair], quirky()[pair], strict=True):
            assert one.csr == "sstatus" or one == other
    assert plain()["S", "M"] == quirky()["S", "M"]


@pytest.mark.parametrize("quirks", [(), QUIRK])
def test_trap_and_emulate_is_right_where_the_condition_holds(quirks):
    """On the plain machine by `tests/hypervisor/test_equality.py` for any guest; here for one, on each machine."""
    image = guests.load("kernel", TICK=300, LETTERS=2, PRIMES=100)
    bare = finished(image, 0).guest
    if not quirks:
        assert difference(end(bare), end(finished(image, 1).guest)) == []
    with pytest.MonkeyPatch.context() as patch:
        usual = Machine.__init__.__kwdefaults__ or {}
        patch.setattr(Machine.__init__, "__kwdefaults__", usual | {"quirks": quirks})
        built = tower(image, 1)
    assert built.machine.quirks == ((quirks,) if quirks else ())
    built.machine.run(300_000)
    assert (built.guest.console == bare.console) == (quirky() if quirks else plain()).virtualizable


# --- Counters


def test_counters_that_u_may_read_are_told_apart_from_what_is_sensitive():
    assert names(opened()["U", "S"].untrapped_clocks) == ["csrrs/csrrc/csrrsi/csrrci cycle, time, instret"]
    assert plain()["U", "S"].untrapped_clocks == ()
    assert opened().virtualizable  # the paper's machine has no clock
    assert "without a trap" in repr(opened())


# --- Mutations: one instruction that doesn't trap is a culprit


def silently(name):
    """In U mode this instruction, which has a meaning of its own, does nothing."""

    def change(hart):
        real = getattr(hart, name)
        setattr(hart, name, lambda *rest: 0 if hart.mode == Mode.U else real(*rest))

    return change


def really(csr):
    """In U mode this CSR can be accessed."""

    def change(hart):
        real = hart.csr.touch
        hart.csr.touch = lambda number, writes: (
            CSRS[csr] if number == CSRS[csr].number else real(number, writes)
        )

    return change


@pytest.mark.parametrize(
    ("change", "culprits"),
    [
        (silently("wfi"), ["wfi"]),
        (silently("sfence_vma"), ["sfence.vma"]),
        (silently("sret"), ["sret"]),
        (really("satp"), ["csr… satp"]),
        (really("stvec"), ["csr… stvec"]),
        (really("sscratch"), ["csr… sscratch"]),
    ],
    ids=["wfi", "sfence.vma", "sret", "satp", "stvec", "sscratch"],
)
def test_what_is_sensitive_and_does_not_trap_is_a_culprit(change, culprits):
    assert names(some(change)["U", "S"].culprits) == culprits


def test_what_tells_the_mode_is_mode_sensitive():
    """As an instruction that reads the status word of the PDP-11's kind would."""

    def change(hart):
        real = hart.csr.touch
        hart.csr.touch = lambda number, writes: CSRS["mhartid"] if number == 0xF14 else real(number, writes)
        read = hart.csr.read
        hart.csr.read = lambda csr: int(hart.mode) if csr.name == "mhartid" else read(csr)

    found = some(change)
    row = found["U", "S"]["csrrs mhartid"]
    assert (row.privileged, row.kinds) == (False, {MODE})
    assert [row.text for row in found["S", "M"].culprits if row.csr == "mhartid"]
    (seen,) = row.evidence
    assert (seen.what, seen.values, seen.state.mode, seen.other.mode) == ("a2", (0, 1), Mode.U, Mode.S)


def test_a_pair_is_told_by_its_own_two_modes():
    """What tells M from the others says nothing between U and S."""

    def change(hart):
        real, read = hart.csr.touch, hart.csr.read
        hart.csr.touch = lambda number, writes: CSRS["mhartid"] if number == 0xF14 else real(number, writes)
        hart.csr.read = lambda csr: int(hart.mode == Mode.M) if csr.name == "mhartid" else read(csr)

    found = some(change)
    kinds = {pair: found[pair]["csrrs mhartid"].kinds for pair in PAIRS}
    assert kinds == {("U", "S"): frozenset(), ("U", "M"): {MODE}, ("S", "M"): {MODE}}


def test_a_memory_trap_says_nothing_of_the_instruction():
    def change(hart):
        real = hart.load

        def load(address, size):
            if hart.mode == Mode.U:
                raise Trap(Cause.LOAD_PAGE_FAULT, address)
            return real(address, size)

        hart.load = load

    row = some(change)["U", "S"]["ld"]
    assert not row.privileged and row.innocuous and not row.traps


def test_what_traps_in_some_states_only_is_not_privileged():
    def change(hart):
        def wfi():
            if hart.mode == Mode.U and hart.csr.values["mie"]:
                raise Trap(Cause.ILLEGAL_INSTRUCTION)

        hart.wfi = wfi

    assert not some(change)["U", "S"]["wfi"].privileged


# --- The experiments


BENCH = Bench(small())


def test_states_that_are_compared_differ_in_one_thing_and_cover_every_kind():
    found = list(states(tuple(Mode)))
    assert len(found) == len(set(found))
    fields = {
        field
        for one in found
        for other in found
        if len(differing := [name for name in State._fields if getattr(one, name) != getattr(other, name)])
        == 1
        for field in differing
    }
    assert fields == set(State._fields)


def test_loads_and_stores_do_work_in_every_state():
    for name in ("ld", "sd", "amoadd.d", "lr.d", "sc.d", "jalr"):
        first = next(variants(ROWS[name]))
        assert [state for state in states(tuple(Mode)) if BENCH.run(first, state).cause is not None] == []


def test_what_is_reserved_is_so_in_every_state():
    first, second, _none = variants(ROWS["sc.d"])
    for state in states(tuple(Mode)):
        assert (BENCH.run(first, state).seen["a2"], BENCH.run(second, state).seen["a2"]) == (0, 1)


@pytest.mark.parametrize("text", ["sret", "sfence.vma", "csrrw satp", "csrrw stimecmp"])
def test_nothing_traps_in_s_because_m_wants_it_so(text):
    name, _space, csr = text.partition(" ")
    word = next(variants(ROWS[name], csr))
    causes = {state.control: BENCH.run(word, state).cause for state in states((Mode.S,))}
    assert (causes[0], causes[1]) == (None, None)


def test_m_mode_loads_as_m_mode():
    mprv = CSRS["mstatus"]["MPRV"].mask
    word = next(variants(ROWS["add"]))
    assert not any(BENCH.run(word, state).before["mstatus"] & mprv for state in states(tuple(Mode)))


def test_programs_see_the_same_bytes_wherever_they_lie():
    word = next(variants(ROWS["ld"]))
    loaded = {BENCH.run(word, state).seen["a2"] for state in states(tuple(Mode))}
    assert len(loaded) == 1 and loaded != {0}


def test_an_experiment_leaves_nothing_behind():
    here = State(Mode.S, 0, 0, 0)
    word = next(variants(ROWS["ld"]))
    before = BENCH.run(word, here)
    for row, csr in instructions(small().hart):
        for other in variants(row, csr):
            BENCH.run(other, State(Mode.M, None, 1, 1))
            BENCH.run(other, State(Mode.S, 0, 2, 0))
    assert BENCH.run(word, here) == before


def test_a_fence_forgets_what_the_table_no_longer_says():
    outcome = BENCH.run(next(variants(ROWS["sfence.vma"])), State(Mode.S, 0, 0, 0))
    assert outcome.before["TLB"] > outcome.control["TLB"] == 0


def test_the_classification_is_the_same_each_time():
    assert classify(small) == plain()


def test_it_counts_its_experiments():
    words = sum(len(list(variants(row, csr))) for row, csr in instructions(small().hart))
    assert plain()["U", "S"].experiments == words * len(list(states(tuple(Mode))))


INNOCUOUS = sorted(
    row.name
    for row in ROWS.values()
    if row.extension in ("I", "M", "A", "Zifencei") and row.name not in ("ecall", "ebreak")
)


@settings(max_examples=150)
@given(
    name=st.sampled_from(INNOCUOUS),
    operands=st.fixed_dictionaries(
        {
            "rd": st.integers(0, 31),
            "rs1": st.sampled_from((0, 10, 15)),
            "rs2": st.integers(0, 31),
            "imm": st.integers(-2048, 2047),
            "shamt": st.integers(0, 63),
        }
    ),
    registers=st.dictionaries(st.sampled_from(("a1", "a3", "t0", "s3")), st.integers(0, MASK)),
)
def test_what_is_innocuous_does_the_same_in_every_state_with_any_operands(name, operands, registers):
    """Where it is translated and where it isn't are two families: an address is another there."""
    word = encode(ROWS[name], operands)
    outcomes = {state: BENCH.run(word, state, **registers) for state in states(tuple(Mode))}
    for paged in (False, True):
        family = [outcomes[state] for state in outcomes if (state.place is not None) == paged]
        assert {one.cause for one in family} == {family[0].cause}
        assert all(one.seen == family[0].seen for one in family)
        assert all(one.cause is not None or one.control == one.before for one in family)


# --- What is shown and asked


def test_it_is_asked_by_names_and_says_what_there_is():
    assert plain()[Mode.U, Mode.S] is plain()["U", "S"]
    assert plain()["U", "S"]["csrrw  satp"].text == "csrrw satp"
    wrong: Any
    for wrong in ("csrrw", "satp", "", "csrrw nothing", 7):
        with pytest.raises(VlabError):
            plain()["U", "S"][wrong]
    for wrong in (("S", "U"), ("U", "U"), ("U",), ("VU", "VS")):
        with pytest.raises(VlabError, match="U, S"):
            plain()[wrong]


def test_it_says_what_was_seen():
    satp = plain()["U", "S"]["csrrs satp"]
    assert repr(satp).startswith("csrrs satp, U below S: privileged: changes the control state")
    assert "csrr a2, satp in S: a2 is" in repr(satp.evidence[1])
    assert "if the program lies elsewhere" in repr(satp.evidence[1])
    assert "waiting was 0x0, is 0x1" in repr(plain()["U", "S"]["wfi"].evidence[0])


def test_groups_have_every_instruction_once_and_culprits_first():
    for found in (plain(), quirky()):
        for pair in found.pairs:
            grouped = [row for _verdict, rows in pair.groups() for row in rows]
            assert sorted(row.text for row in grouped) == sorted(row.text for row in pair)
            marks = [row.culprit for row in grouped]
            assert marks == sorted(marks, reverse=True)


def test_names_are_short():
    rows = [
        plain()["U", "M"][text] for text in ("wfi", "csrrs hpmcounter3", "csrrs hpmcounter4", "csrrw satp")
    ]
    assert names(rows) == ["wfi", "csrrs hpmcounter3…4", "csrrw satp"]
    assert names(plain()["U", "M"][f"csrrw {csr}"] for csr in ("mtval", "pmpaddr0", "pmpaddr1")) == [
        "csrrw mtval, pmpaddr0…1"
    ]
    found = classify(lambda: small(extensions="H"), only=["csrrw mtval", "csrrw mtval2"])
    assert names(found["U", "M"]) == ["csrrw mtval, mtval2"]


def test_a_machine_too_small_is_refused():
    with pytest.raises(VlabError, match="too small"):
        classify(lambda: Machine(memory="64K"))


def test_whoever_watches_sees_every_instruction():
    seen = []

    def watch(these):
        for one in these:
            seen.append(one)
            yield one

    assert isinstance(classify(small, watch=watch), Classification)
    assert seen == instructions(small().hart)


def test_only_what_is_asked_for_is_tried():
    found = classify(small, only=["sret", "csrrw  satp"])
    assert [row.text for row in found["U", "S"]] == ["sret", "csrrw satp"]
    assert list(found["U", "S"]) == [plain()["U", "S"][text] for text in ("sret", "csrrw satp")]
    wrong: Any
    for wrong in ("csrrw", "hlv.d", 7):
        with pytest.raises(VlabError, match="no instruction"):
            classify(small, only=[wrong])


# --- With the hypervisor extension


def test_a_hart_with_more_instructions_has_more_to_be_tried():
    """HS mode is to U what S is; chapter "H" says of each what it needs."""
    found = classify(lambda: small(extensions="H"))
    assert found.virtualizable
    for text in (
        "hfence.vvma",
        "hfence.gvma",
        "hsv.d",
        "csrrw hgatp",
        "csrrs vsatp",
        "csrrw hstatus",
        "csrrw vstvec",
    ):
        assert found["U", "S"][text].privileged, text
    quirk = classify(lambda: small(extensions="H", quirks=QUIRK), only=[f"{form} sstatus" for form in FORMS])
    assert names(quirk.culprits) == ["csr… sstatus"]
