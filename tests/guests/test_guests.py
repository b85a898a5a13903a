"""The guests as the package hands them out."""

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
    "arm bank careless cms containers crash device_noise disk forkwait hello jump_nowhere kernel pages "
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
