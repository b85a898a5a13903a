"""The guests as the package hands them out."""

import re

import pytest

from vlab import guests
from vlab.language import VlabError

# The kernel's chapters, and the parts that lessons name.
CHAPTERS = {
    "1_layout": [],
    "2_boot": ["boot", "kernel", "idle", "shutdown", "power_off"],
    "3_vm": ["map_kernel", "build_page_table", "kernel_table", "tables_1"],
    "4_trap": ["trap_entry", "trap_return", "panic", "interrupts_off", "interrupts_on"],
    "5_sched": ["timer_tick", "schedule", "context_switch", "set_timer", "current", "process_table"],
    "6_calls": ["system_call", "write", "getpid", "yield", "sleep", "exit", "console_write", "console_put"],
    "7_user": ["process_a", "process_b", "data_a", "data_b"],
}
PARTS = [(chapter, label) for chapter, labels in CHAPTERS.items() for label in labels]


NAMES = tuple(
    "arm bank careless cms containers crash device_noise disk driverdomain forkwait frontend hello "
    "jump_nowhere kernel pages paravirtual "
    "ping sbi_hello tiny trap_forever virtio_console virus visor".split()
)
ALL = f"There are: {', '.join(NAMES)}."


def test_names() -> None:
    assert guests.names() == NAMES


def test_a_guest_in_one_file() -> None:
    assert list(guests.files("hello")) == ["hello.s"]
    assert guests.source("hello") == guests.files("hello")["hello.s"]


def test_the_kernel_is_read_in_the_order_of_its_chapters() -> None:
    assert list(guests.files("kernel")) == [f"kernel/{chapter}.s" for chapter in CHAPTERS]
    for number, text in enumerate(guests.files("kernel").values(), 1):
        assert text.startswith(f"# The small kernel, {number} of 7: ")
    assert guests.source("kernel").index("boot:") < guests.source("kernel").index("trap_entry:")


@pytest.mark.parametrize(("chapter", "label"), PARTS)
def test_the_parts_that_lessons_name(chapter: str, label: str) -> None:
    part = guests.part("kernel", label)
    assert part.startswith(f"{label}:")
    assert part.endswith("\n")
    assert "\n\n" not in part
    assert part in guests.files("kernel")[f"kernel/{chapter}.s"]
    assert label in guests.load("kernel").symbols


def test_a_part_ends_where_the_next_empty_line_is() -> None:
    assert [line.split("#")[0].split() for line in guests.part("kernel", "interrupts_on").splitlines()] == [
        ["interrupts_on:"],
        ["csrsi", "sstatus,", "SIE"],
        ["ret"],
    ]


def test_a_program_knows_file_and_line_of_each_instruction() -> None:
    program = guests.load("kernel")
    file, line = program.lines[program.symbols["context_switch"]]
    text = guests.files("kernel")[file].splitlines()
    assert file == "kernel/5_sched.s"
    assert text[line - 2].startswith("context_switch:")


def test_the_kernel_fits_in_64_kib() -> None:
    address, data = guests.load("kernel").segments[-1]
    assert address + len(data) <= 0x8001_0000


def test_constants() -> None:
    assert guests.constants("kernel") == {"TICK": 1500, "WORK": 1000, "LETTERS": 6, "PRIMES": 600}
    assert guests.constants("hello") == {}
    assert guests.load("kernel", TICK=300).symbols["TICK"] == 300
    assert guests.load("kernel").symbols["TICK"] == 1500


SENSITIVE = re.compile(r"\b(csr\w+|[ms]ret|wfi|sfence\.vma|rdtime)\b")


def test_a_switch_builds_another_guest_from_the_same_source() -> None:
    assert guests.switches("kernel") == ("PARAVIRTUAL",)
    assert guests.switches("tiny") == ()
    plain, switched = guests.files("kernel"), guests.files("kernel", PARAVIRTUAL=1)
    assert list(switched) == ["paravirtual/1_hypercalls.s", *plain]
    assert guests.files("kernel", PARAVIRTUAL=0) == plain
    assert guests.load("kernel", PARAVIRTUAL=0).segments == guests.load("kernel").segments
    assert guests.load("kernel", PARAVIRTUAL=1, TICK=300).symbols["TICK"] == 300
    for text in (*plain.values(), *switched.values()):
        assert "ARAVIRTUAL" not in text


def test_the_switched_kernel_has_no_sensitive_instruction() -> None:
    def sensitive(**switched: int) -> list[str]:
        lines = guests.source("kernel", **switched).splitlines()
        return [line for line in lines if SENSITIVE.search(line.split("#")[0])]

    assert len(sensitive()) > 25
    assert sensitive(PARAVIRTUAL=1) == []


def test_the_difference_that_a_switch_makes() -> None:
    text = guests.difference("kernel", PARAVIRTUAL=1)
    assert "-    csrw satp, t1               # another page table: the kernel stays where it is,\n" in text
    assert "+    switch_table t1\n" in text
    assert text.count("+++ kernel/") == 4
    changed = [line for line in text.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert len(changed) < 150
    assert guests.difference("kernel") == guests.difference("kernel", PARAVIRTUAL=0) == ""
    assert guests.difference("hello") == ""


def test_conditions_on_other_things_stay() -> None:
    inner = ".ifdef S\nc\n.if Y\nd\n.else\ne\n.endif\n.else\nf\n.endif\n"
    text = f"a\n.if X\nb\n{inner}.else\n.ifndef S\ng\n.endif\n.endif\nh\n"
    on = "a\n.if X\nb\nc\n.if Y\nd\n.else\ne\n.endif\n.else\n.endif\nh\n"
    off = "a\n.if X\nb\nf\n.else\ng\n.endif\nh\n"
    assert (guests._resolved(text, {"S": True}), guests._resolved(text, {"S": False})) == (on, off)


@pytest.mark.parametrize(
    ("mistake", "what", "mend"),
    [
        (lambda: guests.load("kernal"), "There is no guest 'kernal'.", "Did you mean 'kernel'?"),
        (lambda: guests.source("../x"), "There is no guest '../x'.", ALL),
        (lambda: guests.files(""), "There is no guest ''.", ALL),
        (
            lambda: guests.load("kernel", TIK=3),
            "The guest kernel has no constant 'TIK'.",
            "Did you mean 'TICK'?",
        ),
        (
            lambda: guests.files("kernel", PARAVIRTAL=1),
            "The guest kernel has no switch 'PARAVIRTAL'.",
            "Did you mean 'PARAVIRTUAL'?",
        ),
        (lambda: guests.load("hello", TICK=3), "The guest hello has no constant 'TICK'.", "There are: none."),
        (
            lambda: guests.part("kernel", "idel"),
            "The guest kernel has no part 'idel'.",
            "Did you mean 'idle'?",
        ),
    ],
)
def test_mistakes_are_told(mistake, what: str, mend: str) -> None:
    with pytest.raises(VlabError) as told:
        mistake()
    assert told.value.what == what
    assert told.value.mend == mend
