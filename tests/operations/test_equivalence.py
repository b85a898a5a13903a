"""The table of techniques: every row runs as it should, at every depth, and what is wrong is seen in it."""

from typing import Any

import pytest

from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.techniques import BROKEN, TECHNIQUES, TrapAndEmulate
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.operations import EquivalenceTable, Likeness, compare_all
from vlab.operations.equivalence import SMALL, WAYS, _counting

TRAPPED, TRANSLATED, KNOWING, ASSISTED = WAYS
HIDDEN = {
    "shadow fill",
    "G-stage fill",
    "first write",
    "translation",
    "timer",
}  # no instruction of the guest's


def holds(table: EquivalenceTable) -> None:
    """No row differs; what is refused is just what a paravirtual computer can't be; and levels don't know others."""
    assert table.holds
    for row in table:
        if row.guest == "tiny" and row.techniques[-1] == KNOWING and KNOWING not in row.techniques[:-1]:
            assert row.likeness is Likeness.REFUSED and "does not have `csrw" in row.why
        elif KNOWING in row.techniques[:-1]:
            assert row.likeness is Likeness.REFUSED and "A hypervisor as it is" in row.why
        else:
            wanted = Likeness.SAME_OUTPUT if row.techniques[-1] == KNOWING else Likeness.SAME
            assert (row.likeness, row.why) == (wanted, "")
            assert len(row.levels) == row.depth
            if row.depth > 1:
                assert row.levels[1:] == table[row.guest, row.techniques[1:]].levels


@pytest.fixture(scope="module")
def table():
    """What stays quick: each guest under each technique, and two deep."""
    return compare_all()


def test_every_guest_under_every_technique_on_every_other(table):
    holds(table)
    carried = [row for row in table if row.levels]
    assert len(carried) == 3 + 3 * 3 + 4 + 3 * 4
    assert [row.likeness for row in table].count(Likeness.REFUSED) == 1 + 4


def test_what_each_technique_is_there_for(table):
    """Each has fewer exits than to trap and emulate; and under hardware the guest's own hypervisor hardly exits."""
    alone = {name: table["kernel", name].levels[0] for name in WAYS}
    assert all(2 * alone[name].total < alone[TRAPPED].total for name in (TRANSLATED, KNOWING, ASSISTED))
    assert alone[ASSISTED].direct > alone[TRAPPED].direct > 0
    assert "system call" not in alone[ASSISTED].exits
    assert table["kernel", (TRAPPED, TRAPPED)].multiplied > 5
    assert table["kernel", (ASSISTED, TRAPPED)].multiplied < 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "deepest"), [("tiny", 4), ("kernel", 3)])
def test_the_whole_table(name, deepest):
    holds(compare_all([name], depths=range(1, deepest + 1)))


class Watching(TrapAndEmulate):
    """Put before a technique, it counts what that interprets beside what an exit is for."""

    ahead = 0

    def _do(self, word):
        self.ahead += 1
        return super()._do(word)  # type: ignore[misc]


@pytest.mark.parametrize("name", TECHNIQUES)
def test_instructions_are_counted_as_exits_tell_them(name):
    """Each exit that is not hidden took one instruction of the guest's; translation goes on by itself behind some."""
    watched = type("Watched", (Watching, TECHNIQUES[name]), {})
    known = {"PARAVIRTUAL": 1} if name == "paravirtual" else {}
    machine = Machine(memory="8M", extensions="H")
    vm: Any = Hypervisor(machine).create_vm(memory="1M", technique=_counting(watched))
    vm.load(guests.load("kernel", **SMALL["kernel"], **known))
    machine.run()
    assert vm.status == 0
    exits = sum(count for reason, count in vm.exits.items() if reason not in HIDDEN)
    assert vm.time - vm.skipped - vm.technique.ran_directly == exits + vm.technique.ahead
    assert bool(vm.technique.ahead) == name.startswith(("binary", "call"))


def test_a_bug_is_seen_and_named():
    (row,) = compare_all(["kernel"], [BROKEN["stale-satp"]], [1])
    assert row.likeness is Likeness.DIFFERENT and not row.holds
    assert row.why.startswith("it differs in devices.uart.output, hart.csr.scause, ")
    assert row.why.endswith(", …")


def test_on_the_quirky_machine_only_trapping_goes_wrong():
    table = compare_all(["kernel"], depths=[1], quirks="silent-sstatus")
    assert {row.techniques[0]: row.likeness for row in table} == {
        TRAPPED: Likeness.DIFFERENT,
        TRANSLATED: Likeness.SAME,
        KNOWING: Likeness.SAME_OUTPUT,
        ASSISTED: Likeness.SAME,
    }
    assert not table.holds
    assert "differs" in table["kernel", TRAPPED].why or "end" in table["kernel", TRAPPED].why


def test_without_the_extension_hardware_refuses_and_is_not_tried_deeper():
    table = compare_all(["tiny"], [TRAPPED, ASSISTED], (1, 2), extensions="")
    assert [row.techniques for row in table] == [(TRAPPED,), (ASSISTED,), (TRAPPED, TRAPPED)]
    assert "no H extension" in table["tiny", ASSISTED].why


def test_a_readers_own_technique_is_compared_too():
    class Mine(TrapAndEmulate):
        name = "mine"

    (row,) = compare_all(["tiny"], [Mine], [1])
    assert row.likeness is Likeness.SAME and row.techniques == ("mine",)


def test_what_rows_say(table):
    row = table["kernel", (ASSISTED, TRAPPED)]
    inner = row.levels[-1]
    assert f"{inner.direct} of its instructions direct, {inner.emulated} emulated" in repr(row)
    assert repr(row).endswith(f"exits by level {row.levels[0].total} / {inner.total}.")
    assert "kernel" not in repr(compare_all(["tiny"], [TRAPPED], [1]))
    assert "Runs of tiny, kernel, up to 2 deep: 28. " in repr(table)


def test_wrong_questions(table):
    with pytest.raises(VlabError, match="no row for kernel under magic"):
        table["kernel", "magic"]
    with pytest.raises(VlabError, match="does not end"):
        compare_all(["trap_forever"], [TRAPPED], [1], most=10_000)
    with pytest.raises(VlabError, match="no technique 'magic'"):
        compare_all(["tiny"], ["magic"], [1])
    with pytest.raises(VlabError, match="no guest 'tinny'"):
        compare_all(["tinny"])
