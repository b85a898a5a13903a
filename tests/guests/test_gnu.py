"""The guests are right by others' judgement: GNU `as` takes them, and they run on QEMU."""

import re
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.guests.gnu import HERE, boot, build, build_files, compile_c, paths
from tests.guests.processes import SAYS_OK, TRIES_WHAT_IS_REFUSED, checks_registers, user_chapter
from vlab import guests

PAGE = 4096
PROGRAM_SAYS = """\
primes below 2000: 303
a machine inside a machine
20!: 2432902008176640000
gcd(20!, 2^40 * 3): 786432
-15! / 1000003, quotient, sign changed: 1307670
-15! / 1000003, remainder, sign changed: 444990
high half of 20! * 20!: 320870293301556211
"""


@pytest.mark.requires("binutils")
@pytest.mark.parametrize("name", guests.names())
def test_gnu_as_takes_each_guest_and_code_shares_no_page_with_data(name: str, tmp_path: Path) -> None:
    pages: dict[bool, set[int]] = {True: set(), False: set()}
    with build(tmp_path, name).open("rb") as file:
        for section in ELFFile(file).iter_sections():
            flags, first, size = section["sh_flags"], section["sh_addr"], section["sh_size"]
            if flags & 2 and size:
                pages[bool(flags & 4)].update(range(first // PAGE, (first + size - 1) // PAGE + 1))
    assert min(pages[True]) == 0x8000_0000 // PAGE
    assert not pages[True] & pages[False]


@pytest.mark.requires("binutils")
@pytest.mark.parametrize(
    ("name", "constants"),
    [
        *((name, {}) for name in guests.names()),
        ("kernel", {"TICK": 300, "WORK": 2}),
        ("kernel", {"PARAVIRTUAL": 1, "TICK": 300}),
        ("paravirtual", {"FIRST": 1, "OTHER": 5}),
    ],
)
def test_gnu_makes_the_same_bytes(name: str, constants: dict[str, int], tmp_path: Path) -> None:
    program = guests.load(name, **constants)
    with build(tmp_path, name, **constants).open("rb") as file:
        elf = ELFFile(file)
        sections = [
            section for section in elf.iter_sections() if section["sh_flags"] & 2 and section["sh_size"]
        ]
        theirs = [(section["sh_addr"], section.data()) for section in sections]
        assert (theirs, elf["e_entry"]) == (list(program.segments), program.entry)


@pytest.mark.requires("binutils", "qemu")
@pytest.mark.parametrize(("name", "says"), [("hello", "Hello from a computer.\n"), ("tiny", "?!\n")])
def test_small_guests_say_their_line_and_power_off(name: str, says: str, tmp_path: Path) -> None:
    assert boot(build(tmp_path, name)) == (0, says)


@pytest.mark.requires("binutils", "qemu")
@pytest.mark.parametrize(
    "constants", [{}, {"TICK": 400}, {"TICK": 700, "WORK": 50, "LETTERS": 26, "PRIMES": 900}]
)
def test_kernel_runs_both_processes_to_their_end(constants: dict[str, int], tmp_path: Path) -> None:
    status, console = boot(build(tmp_path, "kernel", **constants))
    made = guests.constants("kernel") | constants
    primes = [n for n in range(2, made["PRIMES"]) if all(n % d for d in range(2, n))]
    assert status == 0
    assert _lines_of(1, console) == [chr(ord("a") + n) for n in range(made["LETTERS"])]
    assert [tuple(map(int, re.findall(r"\d+", line))) for line in _lines_of(2, console)] == [
        (sum(n < below for n in primes), below) for below in range(100, made["PRIMES"] + 1, 100)
    ]
    summary = re.search(r"exited after (\d+) ticks, (\d+) switches, (\d+) system calls\n$", console)
    assert summary
    lines = made["LETTERS"] + made["PRIMES"] // 100
    assert int(summary[3]) == 2 * lines + 4  # a write and a rest for each line; two getpid, two exit
    assert min(map(int, summary.groups())) >= 4


@pytest.mark.requires("binutils", "qemu")
def test_kernel_panics_when_a_process_leaves_its_pages(tmp_path: Path) -> None:
    status, console = boot(build(tmp_path, "kernel", PRIMES=650))  # no hundred: process B never stops
    assert status == 1
    assert re.search(r"\npanic: scause d, sepc 400000\w\w, stval 40002000\n$", console)


@pytest.mark.requires("binutils", "qemu")
def test_kernel_keeps_every_register_of_every_process(tmp_path: Path) -> None:
    status, console = boot(_with_processes(tmp_path, checks_registers(11), checks_registers(13), TICK=400))
    ticks = re.search(r"after (\d+) ticks", console)
    assert (status, console.count("ok\n")) == (0, 2)
    assert ticks
    assert int(ticks[1]) > 100


@pytest.mark.requires("binutils", "qemu")
def test_kernel_believes_no_process(tmp_path: Path) -> None:
    status, console = boot(_with_processes(tmp_path, TRIES_WHAT_IS_REFUSED, SAYS_OK))
    assert (status, console.count("ok\n")) == (0, 2)


@pytest.mark.requires("gcc", "qemu")
@pytest.mark.parametrize("level", ["-O0", "-O2", "-Os"])
def test_c_program(level: str, tmp_path: Path) -> None:
    assert boot(compile_c(tmp_path, HERE / "program.c", level)) == (0, PROGRAM_SAYS)


def _lines_of(process: int, console: str) -> list[str]:
    return re.findall(rf"^\[{process}\] (.*)$", console, re.MULTILINE)


def _with_processes(folder: Path, a: str, b: str, **constants: int) -> Path:
    user = folder / "user.s"
    user.write_text(user_chapter(a, b))
    return build_files(folder, [*paths("kernel")[:-1], user], **constants)
