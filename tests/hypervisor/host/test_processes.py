"""Processes of a host: they run, they ask, they take turns; a bad one is killed, and nothing else happens."""

from typing import Any

import pytest

from tests.hypervisor.host.settings import host_on
from tests.parts import machine_under
from vlab.hypervisor.host import programs
from vlab.hypervisor.host.processes import Process
from vlab.language import VlabError
from vlab.machine import Machine, Stop
from vlab.riscv import assemble

PANIC = "panic"


def run(host, most=300_000):
    assert machine_under(host).run(most) is not Stop.LIMIT
    return host.computer.console


def test_a_process_prints_and_ends():
    host = host_on()
    process = host.start("count", user="ana")
    assert run(host) == "".join(f"[1] {letter}\n" for letter in "ABCDE")
    assert (process.state, process.status, process.alive) == ("exited", 0, False)


def test_calls_answer_who_asks():
    host = host_on()
    text = """
    li a7, GETPID
    ecall
    mv s0, a0
    li a7, GETUID
    ecall
    slli a0, a0, 8
    add a0, a0, s0
    li a7, EXIT
    ecall
    """
    host.start("nap", user="ana")
    asks = [host.start(programs.build(text), user=user) for user in ("root", "ana", "eva")]
    run(host)
    assert [process.status for process in asks] == [2, 1000 << 8 | 3, 1001 << 8 | 4]


def test_a_sleeper_sleeps_no_shorter():
    host = host_on()
    host.start(programs.load("nap", NAPS=2, LONG=50_000))
    assert run(host) == "nap.\nnap.\n"
    assert 100_000 < host.computer.time < 101_000
    assert machine_under(host).steps < 1000


def test_who_never_gives_the_hart_back_is_interrupted():
    host = host_on()
    spins = [host.start("spin"), host.start("spin", weight=3)]
    host.start("count")
    machine_under(host).run(200_000)
    assert host.computer.console.count("[3]") == 5
    light, heavy = (process.used for process in spins)
    assert 2.8 < heavy / light < 3.2
    assert light + heavy > 180_000


def test_who_slept_has_not_saved_up_time():
    host = host_on()
    host.start("spin")
    late = host.start(programs.build("li a0, 50000\nli a7, SLEEP\necall\n1: j 1b"))
    machine_under(host).run(50_000)
    before = late.used
    machine_under(host).run(50_000)
    assert 20_000 < late.used - before < 28_000


def test_yield_lets_another_run():
    host = host_on()
    host.start(programs.build("1: li a7, YIELD\necall\nj 1b"))
    other = host.start("count")
    machine_under(host).run(20_000)
    assert not other.alive


def test_typed_lines_go_to_readers_in_turn():
    host = host_on()
    first, second = host.start("echo"), host.start("spin")
    machine_under(host).run(20_000)
    assert first.state == "reading"
    host.computer.type("hel")
    machine_under(host).run(20_000)
    assert host.computer.console == "hel"
    host.computer.type("lo\r\n")
    machine_under(host).run(20_000)
    assert host.computer.console == "hello\n\necho: hello\n"
    assert first.state == "exited"  # the second end of line is an empty line
    assert second.alive
    assert host.routed["uart", "host"] == 2


def test_a_line_is_cut_to_the_room_there_is():
    host = host_on()
    text = "la a0, x\nli a1, 3\nli a7, READ\necall\nmv a1, a0\nla a0, x\nli a7, WRITE\necall\nj .\n.bss\nx: .zero 8"
    host.start(programs.build(text))
    host.computer.type("abcdef\n")
    machine_under(host).run(20_000)
    assert host.computer.console == "abcdef\nabc"


WRONGS = {
    0: "store page fault at pc 0x1002c, address 0x0",
    1: "store page fault at pc 0x10038, address 0xffffffc080000000",
    2: "illegal instruction at pc 0x1003c, instruction 0x18001073 (csrw satp, zero)",
    3: "there is no system call 99, at pc 0x10044",
    4: "it wants to print from 0xffffffc080000000, which is not its to read, at pc 0x1005c",
    5: "instruction page fault at pc 0x0, address 0x0",
}


@pytest.mark.parametrize("wrong", WRONGS)
def test_a_bad_process_is_killed_and_nothing_else_happens(wrong):
    host = host_on()
    bad = host.start(programs.load("wild", WRONG=wrong), user="eva", name="wild")
    good = host.start("count")
    console = run(host)
    assert console.startswith(f"[1] wild killed: {WRONGS[wrong]}\n")
    assert (bad.state, bad.reason, good.state) == ("killed", WRONGS[wrong], "exited")
    assert console.count("[2]") == 5
    assert host.panicked == ""


BAD = [
    "li a7, READ\nli a0, 8\nli a1, 8\necall",
    "li t0, 1<<62\njr t0",  # where the host's own vector leads
    "csrr a0, time",
    "wfi",
    "sret",
    "ebreak",
    "li a7, -1\necall",
    "lr.d a0, (a7)\nli a0, 1\nsc.d a1, a0, (a0)",
    "li a0, 0x3ffffffff8\nli a1, -1\nli a7, WRITE\necall",
]


@pytest.mark.parametrize("text", BAD)
def test_nothing_that_a_process_does_hurts_the_host(text):
    host = host_on()
    bad = host.start(programs.build(text), name="bad")
    machine_under(host).run(500)
    host.computer.type("x\n")
    machine_under(host).run(5000)
    assert bad.state == "killed"
    assert host.panicked == ""
    assert host.computer.status is None


def test_a_process_sees_its_own_memory_only():
    host = host_on()
    one, other = (host.start("spin") for _ in range(2))
    machine_under(host).run(100)
    places = [process.walk(programs.BASE, "fetch").physical for process in (one, other)]
    assert None not in places
    assert places[0] != places[1]
    assert one.walk(0xFFFF_FFC0_8000_0000).fault is not None


def test_who_is_over_leaves_zeroed_frames():
    host = host_on()
    before = host.frames.free
    process = host.start("count")
    place = process.walk(programs.BASE).physical
    assert place is not None
    run(host)
    assert host.frames.free == before
    assert host.computer.memory.peek(place, 64) == bytes(64)
    with pytest.raises(VlabError, match="over"):
        process.walk(0x10000)


def test_a_process_is_stopped_at_once():
    host = host_on()
    process, other = host.start("spin", user="eva"), host.start("spin")
    machine_under(host).run(1000)
    assert host.inside is process
    host.pause(process, user="eva")
    used = process.used
    machine_under(host).run(10_000)
    assert (process.used, process.state) == (used, "paused")
    host.resume(process)
    machine_under(host).run(10_000)
    assert process.used > used
    host.stop(process, user="eva")
    machine_under(host).run(1000)
    assert (process.state, other.state) == ("exited", "running")


def test_what_does_not_fit_is_not_started():
    host = host_on(Machine(memory="2M"))
    before = host.frames.free
    wrong = [
        assemble("nop", base=1 << 38),
        assemble("nop\n.bss\n.zero 0x200000", base=0x10000),
        assemble("nop", base=0xFFFF_FFC0_8000_0000),
    ]
    for program in wrong:
        with pytest.raises(VlabError):
            host.start(program)
    with pytest.raises(VlabError):
        host.start("cuont")
    with pytest.raises(VlabError):
        host.start("count", weight=0)
    assert host.frames.free == before
    assert host.processes == []


def test_names_and_calls_of_programs():
    assert programs.names() == ("count", "echo", "monitor", "nap", "spin", "wild")
    assert programs.calls()["READ"] == 6
    for name in programs.names():
        assert programs.source(name).startswith("# ")


def test_the_table_of_processes():
    host = host_on()
    host.start("count", user="ana")
    host.start("nap", user="eva")
    machine_under(host).run(100)
    table = host.ps()
    assert [(row.pid, row.name, row.user, row.state) for row in table] == [
        (1, "count", "ana", "running"),
        (2, "nap", "eva", "ready"),
    ]
    assert repr(table) == "Processes: 2, alive: 2, virtual machines among these: 0; of ana, eva"
    assert "<td" in table._repr_mimebundle_()[0]["text/html"]
    assert table[2].name == "nap"


def test_a_process_whose_program_is_a_text_of_the_readers():
    host = host_on()
    host.start(
        programs.build('la a0, x\nli a1, 3\nli a7, WRITE\necall\nli a7, EXIT\necall\nx: .ascii "hi\\n"')
    )
    assert run(host) == "hi\n"


def test_what_is_no_program_is_not_started() -> None:
    host = host_on()
    wrong: list[Any] = [None, 5, b"code", Process]
    for what in wrong:
        with pytest.raises(VlabError, match="is no program"):
            host.start(what)
    assert host.processes == []
