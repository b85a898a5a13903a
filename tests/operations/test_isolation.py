"""The matrix of isolation: what is true of it, and that each of its cells can turn."""

from functools import cache
from typing import Any

import pytest

from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import Stop
from vlab.operations import IsolationMatrix, Verdict, isolation, probe_isolation
from vlab.operations.isolation import ARRANGEMENTS, ATTACKS, judge

PROCESSES, CONTAINERS, MACHINES = ARRANGEMENTS
FROM_ALL = ("held", "held", "held")
FROM_NAMES = ("held", "held")  # where the kernel filters names, and where the kernel is another
TRUE = {
    "memory": FROM_ALL,
    "processor": FROM_ALL,
    "read": ("leaked", *FROM_NAMES),
    "overwrite": ("changed", *FROM_NAMES),
    "list": ("leaked", *FROM_NAMES),
    "kill": ("died", *FROM_NAMES),
    "rename": ("changed", *FROM_NAMES),
    "fill": ("denied", "denied", "held"),
    "bug": ("leaked", "leaked", "held"),
    "crash": ("died", "died", "held"),
    "kernel": ("leaked", "leaked", "held"),
}
QUIET = tuple(
    f"victim: {line}"
    for line in ("secret: swallow", "diary:  magpie", "host:   calm", "a new file: made", "done")
)


@cache
def matrix() -> IsolationMatrix:
    return probe_isolation()


def changed(*edits: tuple[str, str, str]) -> dict[str, str]:
    """The kernel's files after some edits: file, what stood there once, what stands there now."""
    files = guests.files("containers")
    for file, before, after in edits:
        name = f"containers/{file}.s"
        assert files[name].count(before) == 1, (file, before)
        files[name] = files[name].replace(before, after)
    return files


def turned(found: IsolationMatrix) -> dict[tuple[str, str], str]:
    """The cells that differ from the true ones."""
    return {
        (cell.attack, cell.arrangement): cell.verdict.value
        for cell in found
        if cell.verdict is not matrix()[cell.attack, cell.arrangement].verdict
    }


def test_what_holds_off_what():
    assert matrix().table() == {
        attack: dict(zip(ARRANGEMENTS, verdicts, strict=True)) for attack, verdicts in TRUE.items()
    }
    assert [matrix().held(arrangement) for arrangement in ARRANGEMENTS] == [2, 7, 11]
    assert len(matrix()) == len(ATTACKS) * len(ARRANGEMENTS)


def test_it_says_so_in_a_sentence():
    assert repr(matrix()) == (
        "Of 11 attacks, 2 are held off between two processes, 7 between two containers, "
        "11 between two virtual machines."
    )
    assert repr(matrix()["overwrite", PROCESSES]) == (
        "Between two processes, the attacker overwrites the victim's file: changed (victim: diary: mine now)."
    )
    assert repr(matrix()["kill", PROCESSES]).endswith("died (the victim says nothing more).")


def test_a_victim_left_alone_says_the_same_everywhere():
    assert {cell.quiet for cell in matrix()} == {QUIET}


def test_each_verdict_rests_on_lines_of_its_run():
    for cell in matrix():
        assert (cell.victim == QUIET) >= (cell.verdict is Verdict.HELD)
        assert judge(cell.quiet, cell.victim, cell.attacker) is cell.verdict
    said = {attack: [matrix()[attack, where].said for where in ARRANGEMENTS] for attack in ATTACKS}
    assert said["memory"] == ["kernel: stops attacker, scause d, stval 80002008"] * 3
    assert said["read"] == ["attacker: got: magpie", *["attacker: got: nothing"] * 2]
    assert said["list"] == ["attacker: got: victim", *["attacker: got: attacker"] * 2]
    assert said["crash"] == ["kernel: panic, scause 5, stval 0"] * 3  # the last: of its own kernel alone


def test_the_attacker_is_the_same_program_everywhere_and_carries_no_secret():
    together, apart = (guests.load("containers", NAMESPACES=number) for number in (0, 1))
    alone = guests.load("containers", VICTIM=0)
    programs = [_pages(program, "attacker") for program in (together, apart, alone)]
    assert programs[0] == programs[1] == programs[2]
    assert b"swallow" in b"".join(data for _address, data in together.segments)
    assert b"swallow" not in b"".join(data for _address, data in alone.segments)


def _pages(program, label):
    address, data = program.segments[0]
    first = program.symbols[label] - address
    return data[first : first + 2 * 4096]


def test_processes_and_containers_differ_in_one_number():
    one, other = (guests.load("containers", NAMESPACES=number) for number in (0, 1))
    differing = [
        address + at
        for (address, mine), (_address, theirs) in zip(one.segments, other.segments, strict=True)
        for at, (a, b) in enumerate(zip(mine, theirs, strict=True))
        if a != b
    ]
    assert differing == [one.symbols["first_process"] + one.symbols["P_SIZE"] + one.symbols["P_SPACE"]]


@pytest.mark.parametrize("place", [("crash", CONTAINERS), ("kernel", MACHINES)])
def test_a_run_can_be_looked_at_again(place):
    cell = matrix()[place]
    both = cell.again()
    assert both.machine.steps == 0 and not both.victim.console
    assert both.run() is not Stop.LIMIT
    console = both.attacker.console.splitlines()
    assert [line for line in console if not line.startswith("victim: ")] == list(cell.attacker)


# --- A kernel that forgets something, and one that mends it

SHARED = (PROCESSES, CONTAINERS)
SEES_ALL_PROCESSES = ("5_processes", "    bne  t2, t1, 2f             # another namespace", "# another")
SEES_ALL_FILES = ("6_names", "    bne  t3, t1, 2f             # another namespace", "# another")
OPENS_ALL_NUMBERS = ("6_names", "    bne  t0, t1, refuse\n", "")
NUMBERS_ALL = ("5_processes", "    bne  t3, t2, 2f\n", "")
ONE_HOST_NAME = ("6_names", "    slli t0, t0, 3\n    la   t1, hosts", "    li t0, 0\n    la   t1, hosts")
NO_TURNS = (
    "5_processes",
    "schedule:                       #",
    "    ld t0, current\n    la t1, process_idle\n    bne t0, t1, trap_return\nschedule: #",
)
ALL_RAM_FOR_USERS = (
    "3_vm",
    "    entry 2*8(t0), t5, V\n",
    "    entry 2*8(t0), t5, V\n    li t6, (RAM>>2)|D|A|R|U|V\n    sd t6, 3*8(t0)\n",
)
LOOKS_THERE = ("9_attacker", ".dword victim+PAGE+8", ".dword victim+PAGE+8+0x40000000")
BUG_MENDED = (
    "6_names",
    "    call host\n    ld   t1, 0(a0)",
    "    li   a1, 8\n    call check\n    call host\n    ld   t1, 0(a0)",
)
BOTH_FILE_CHECKS = [SEES_ALL_FILES, OPENS_ALL_NUMBERS]
BOTH_PROCESS_CHECKS = [SEES_ALL_PROCESSES, NUMBERS_ALL]
CASES = {
    "all names": (
        [*BOTH_FILE_CHECKS, *BOTH_PROCESS_CHECKS, ONE_HOST_NAME],
        {
            ("read", CONTAINERS): "leaked",
            ("overwrite", CONTAINERS): "changed",
            ("list", CONTAINERS): "leaked",
            ("kill", CONTAINERS): "died",
            ("rename", CONTAINERS): "changed",
        },
    ),
    # An opened file's number is looked at once more; and numbers of processes are still counted apart.
    "half of each": ([SEES_ALL_FILES, SEES_ALL_PROCESSES], {("list", CONTAINERS): "leaked"}),
    "turns and the page table": (
        [NO_TURNS, ALL_RAM_FOR_USERS, LOOKS_THERE],
        {("processor", where): "died" for where in SHARED}
        | {("memory", where): "leaked" for where in SHARED},
    ),
    "its bug, and to look at a number": (
        [BUG_MENDED, OPENS_ALL_NUMBERS],
        {("read", CONTAINERS): "leaked"}
        | {(attack, where): "held" for attack in ("bug", "crash") for where in SHARED},
    ),
}


@pytest.mark.parametrize("forgets", CASES)
def test_what_a_kernel_forgets_turns_the_cells_that_rest_on_it(forgets):
    edits, expected = CASES[forgets]
    assert turned(probe_isolation(changed(*edits))) == expected


def test_a_hypervisor_that_gives_a_frame_twice_is_found_out(monkeypatch):
    class Careless(Hypervisor):
        def create_vm(self, image=None, **options):
            vm = super().create_vm(image, **options)
            if vm.name == "attacker":
                secret = (guests.load("containers").symbols["victim"] - vm.memory.base) // 4096 + 1
                vm.memory.frames[-8] = frame = self.vms[0].memory.frames[secret]
                vm.memory._page_of[frame] = len(vm.memory.frames) - 8
            return vm

    monkeypatch.setattr(isolation, "Hypervisor", Careless)
    assert turned(probe_isolation()) == {("kernel", MACHINES): "leaked"}


# --- What a reader can get wrong


def test_a_kernel_whose_victim_fails_by_itself_is_told():
    with pytest.raises(VlabError, match="nobody attacks it") as told:
        probe_isolation(changed(("8_victim", "2:  say  done_line, 8\n", "2:\n")))
    assert "two processes" in told.value.where
    assert "victim: a new file: made" in told.value.mend


def test_a_kernel_that_says_no_end_of_things_ends(monkeypatch):
    monkeypatch.setattr(isolation, "MOST", 20_000)
    with pytest.raises(VlabError, match="nobody attacks it"):
        probe_isolation(changed(("2_boot", "    call map_kernel\n", "    j kernel\n")))


def test_a_kernel_that_cannot_be_assembled_is_told():
    with pytest.raises(VlabError):
        probe_isolation(changed(("2_boot", "    call map_kernel\n", "    cal map_kernel\n")))


def test_an_attacker_of_another_make_is_told():
    with pytest.raises(VlabError, match="no word 'attack'"):
        probe_isolation(
            changed(("9_attacker", "\nattack:\n", "\n"), ("9_attacker", "ld   t0, attack\n", "li t0, 0\n"))
        )


def test_wrong_places_are_told():
    with pytest.raises(VlabError, match="There is no attack 'reed'") as told:
        matrix()["reed", CONTAINERS]
    assert told.value.mend == "Did you mean 'read'?"
    wrong: Any = ("read", 3)
    with pytest.raises(VlabError, match="There is no arrangement 3"):
        matrix()[wrong]


# --- The judge

KERNEL = ("kernel: stops victim, scause 2, stval 0",)


@pytest.mark.parametrize(
    ("victim", "attacker", "verdict"),
    [
        (QUIET, (), Verdict.HELD),
        (QUIET, KERNEL, Verdict.HELD),  # the kernel may name the victim
        (QUIET, ("attacker: got:    calm",), Verdict.HELD),  # no secret
        (QUIET, ("attacker: got:    swallow",), Verdict.LEAKED),
        (QUIET, ("attacker: got:    victim",), Verdict.LEAKED),
        (QUIET[:-1], ("attacker: got:    swallow",), Verdict.DIED),
        ((), (), Verdict.DIED),
        ((*QUIET[:1], "victim: diary:  other", *QUIET[2:]), (), Verdict.CHANGED),
        ((*QUIET[:3], "victim: a new file: refused", *QUIET[4:]), (), Verdict.DENIED),
    ],
)
def test_the_judge(victim, attacker, verdict):
    assert judge(QUIET, victim, attacker) is verdict


def test_a_victim_that_says_less_is_told_from_what_it_says():
    verdict = judge(QUIET, (*QUIET[:2], QUIET[-1]), ())
    cell = isolation.Cell("fill", PROCESSES, verdict, (*QUIET[:2], QUIET[-1]), (), QUIET)
    assert (verdict, cell.said) == (Verdict.CHANGED, QUIET[-1])


@pytest.mark.parametrize("kernel", ["containers", 5, ["1.s"], {"1.s": 5}, {5: "nop"}])
def test_a_kernel_is_files_by_name(kernel: Any) -> None:
    with pytest.raises(VlabError, match="no files of a kernel"):
        isolation.probe_isolation(kernel)
