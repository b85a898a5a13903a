"""The native engine beside the interpreter: what a lock-step of random programs doesn't come by often enough."""

import signal

import pytest

from tests.machine.programs import mode, paged
from vlab.language import VlabError
from vlab.machine import Machine, Stop, execute
from vlab.machine.execute import chosen_engine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.riscv import ROWS, Mode, assemble

pytest.importorskip("llvmlite")

from vlab.machine.execute.native import building, codepages, engine
from vlab.machine.execute.native.handlers import native


@pytest.fixture
def steps(monkeypatch):
    """Where the instructions stand that Python did."""
    found = []
    step = engine.NativeEngine._step

    def counted(self):
        found.append(self._hart.pc)
        return step(self)

    monkeypatch.setattr(engine.NativeEngine, "_step", counted)
    return found


def both(source, memory="1M", **others):
    """One program on both engines."""
    return [
        Machine(assemble(source), memory=memory, engine=name, **others) for name in ("native", "interpreter")
    ]


def run_alike(machines, *stops):
    for stop in stops:
        assert len({machine.run(stop) for machine in machines}) == 1
        assert machines[0].snapshot() == machines[1].snapshot()
    return machines[0]


# Which engine


def test_an_engine_is_chosen_by_name_or_by_the_environment(monkeypatch):
    monkeypatch.setenv("VLAB_ENGINE", "interpreter")
    assert chosen_engine(None) == "interpreter"
    assert chosen_engine("native") == "native"
    monkeypatch.delenv("VLAB_ENGINE")
    assert chosen_engine(None) == "native"
    with pytest.raises(VlabError, match="no engine 'steam'"):
        Machine(engine="steam")


def test_without_llvmlite_there_is_no_native_engine(monkeypatch):
    monkeypatch.delenv("VLAB_ENGINE", raising=False)
    monkeypatch.setattr(execute, "find_spec", lambda name: None)
    assert chosen_engine(None) == "interpreter"
    with pytest.raises(VlabError, match="llvmlite"):
        chosen_engine("native")


def test_what_computes_has_a_handler():
    computing = [
        row.name for row in ROWS.values() if row.extension in ("I", "M", "A", "C", "Zicsr", "Zifencei")
    ]
    assert [name for name in computing if not native(ROWS[name])] == []


# What is native


def test_a_loop_is_native_all_of_it(steps):
    machine, _other = both("li a0, 100000\n la a1, there\n1: ld a2, 0(a1)\n addi a2, a2, 1\n sd a2, 0(a1)\n"
                           " addi a0, a0, -1\n bnez a0, 1b\n j .\n .balign 4096\nthere: .dword 0")  # fmt: skip
    machine.run(500_003)
    assert (
        machine.memory.load(RAM_BASE + PAGE, 8) == 99_999
        or machine.memory.load(RAM_BASE + PAGE, 8) == 100_000
    )
    assert len(steps) < 10


def test_data_beside_code_is_native_too(steps):
    machine, _other = both("li a0, 1000\n la a1, there\n1: sd a0, 0(a1)\n addi a0, a0, -1\n bnez a0, 1b\n j .\n"
                           "there: .dword 0")  # fmt: skip
    machine.run(4000)
    assert len(steps) < 12


def test_system_calls_are_native(steps):
    machines = both(
        "la t0, 2f\n csrw mtvec, t0\n la t0, 1f\n csrw mepc, t0\n li t0, -1\n csrw pmpaddr0, t0\n li t0, 0x1f\n"
        " csrw pmpcfg0, t0\n mret\n1: ecall\n j 1b\n2: csrrw sp, mscratch, sp\n csrr t1, mcause\n csrr t0, mepc\n"
        " addi t0, t0, 4\n csrw mepc, t0\n csrrw sp, mscratch, sp\n csrr t2, instret\n mret"
    )
    run_alike(machines, 1000, 5003)
    assert len(steps) < 60


# Code that changes


def test_a_store_ahead_in_its_own_line_is_seen():
    machines = both(
        "la a0, 1f\n lw a1, 2f\n sw a1, 0(a0)\n nop\n1: li a2, 1\n j .\n2: li a2, 2", memory="64K"
    )
    assert run_alike(machines, 30).hart.x[12] == 2


def test_a_line_shortened_by_a_store_keeps_the_count():
    """A jump written into the middle of a line that has run: what comes before it is counted anew."""
    source = (
        "la a0, place\n lw a1, jump\n lw a2, place\n li a3, 40\n"
        "1: addi a4, a4, 1\n addi a4, a4, 2\nplace: addi a4, a4, 3\n addi a4, a4, 4\n addi a4, a4, 5\n"
        "2: addi a3, a3, -1\n andi a5, a3, 1\n mv a6, a1\n bnez a5, 3f\n mv a6, a2\n3: sw a6, 0(a0)\n"
        " bnez a3, 1b\n j .\njump: j 2b - 20"
    )
    machines = both(source.replace("jump: j 2b - 20", "jump: .word 0x00c0006f"))
    run_alike(machines, 7, 50, 51, 52, 100, 200)


def test_an_instruction_before_a_page_that_is_written_stays_whole():
    machines = both("la a0, 1f\n li a1, 0x13\n li a2, 30\n2: sw a1, 0(a0)\n addi a2, a2, -1\n bnez a2, 2b\n j 1f\n"
                    " .balign 4096\n1: li a3, 7\n j .")  # fmt: skip
    assert run_alike(machines, 20, 200).hart.x[13] == 0


def test_pages_without_instructions_are_given_back(monkeypatch):
    """A hundred pages in turn hold code, where there is room for four."""
    monkeypatch.setattr(codepages, "MOST_PAGES", 4)
    source = (
        "la a0, code\n lw a1, 0(a0)\n lw a2, 4(a0)\n li a3, 0x80010000\n li a4, 100\n li s1, 4096\n"
        "1: sw a1, 0(a3)\n sw a2, 4(a3)\n jalr a3\n add a3, a3, s1\n addi a4, a4, -1\n bnez a4, 1b\n j .\n"
        "code: addi a5, a5, 1\n ret"
    )
    machine = run_alike(both(source), 500, 2000)
    assert machine.hart.x[15] == 100


def test_a_reservation_holds_for_one_sc_of_the_same_bytes():
    machines = both(
        "1: lr.d a1, (a0)\n sc.d a2, a3, (a0)\n sc.d a4, a3, (a0)\n lr.w a1, (a0)\n sc.d a5, a3, (a0)\n"
        " lr.d a1, (a0)\n sc.d a6, a3, (a7)\n addi a3, a3, 1\n lr.w a1, (a0)\n"
        " add s1, s1, a4\n add s2, s2, a5\n add s3, s3, a6\n j 1b"
    )
    for machine in machines:
        machine.hart.x[10], machine.hart.x[17] = RAM_BASE + 2 * PAGE, RAM_BASE + 2 * PAGE + 8
    machine = run_alike(machines, *[9] * 12, 50, 13 * 100)
    assert (machine.hart.x[12], machine.hart.x[14:17]) == (0, [1, 1, 1])


# Translation


def test_a_page_of_data_in_the_place_of_the_code_in_the_tlb():
    """Both fight for one set: each access evicts the page being executed, each fetch that of the data."""
    machines = both("1: ld a1, 8(a0)\n sd a1, 16(a0)\n addi a2, a2, 1\n j 1b", memory="8M")
    for machine in machines:
        machine.hart.x[10] = RAM_BASE + 0x40_1000
    machine = run_alike(machines, 100, 101, 1000)
    assert machine.hart.x[12] == 300


@pytest.mark.parametrize("flags", [0x47, 0x07, 0x87, 0xC7])
def test_a_clean_page_becomes_dirty_at_its_first_store(flags):
    """A was set by the load before, or was not: D is set by the store, in the entry and in the TLB."""
    machines = both("1: ld a1, 0(a0)\n addi a2, a2, 1\n ld a3, 8(a0)\n bltz a4, 2f\n addi a4, a4, -1\n j 1b\n"
                    "2: sd a2, 0(a0)\n j 1b")  # fmt: skip
    for machine in machines:
        mode(machine, Mode.S)
        table = paged(machine, [(0x1000, RAM_BASE, "RXAD"), (0x2000, RAM_BASE + 0x3000, "RW")])
        (entry,) = [step.address for step in table.walk(0x2000, "load", mode="S").steps[-1:]]
        machine.memory.poke(entry, (RAM_BASE + 0x3000 >> 2 | flags).to_bytes(8, "little"))
        machine.hart.pc, machine.hart.x[10] = 0x1000, 0x2000
    run_alike(machines, 9, 9, 20, 50)


def test_accesses_across_pages_and_unaligned_ones():
    machines = both(
        "1: sd a1, 0(a0)\n ld a2, 3(a0)\n sh a2, 5(a0)\n lw a3, 7(a0)\n addi a0, a0, 5\n addi a1, a1, 77\n j 1b"
    )
    for machine in machines:
        machine.hart.x[10] = RAM_BASE + PAGE + 4
    run_alike(machines, 50, 7000)


def test_a_missing_fence_is_seen_alike():
    """The TLB is state: what was remembered before the table changed, goes on counting."""
    machines = both("1: ld a1, 0(a0)\n sd a1, 8(a0)\n ld a2, 0(a3)\n j 1b")
    for machine in machines:
        mode(machine, Mode.S)
        table = paged(machine, [(0x1000, RAM_BASE, "RX"), (0x2000, RAM_BASE + 0x3000, "RW")])
        machine.hart.pc, machine.hart.x[10], machine.hart.x[13] = 0x1000, 0x2000, 0x2000
        machine.memory.poke(RAM_BASE + 0x3000, b"abcdefgh")
        machine.run(40)
        table.unmap(0x2000)
    machine = run_alike(machines, 40, 3)
    assert machine.mode is Mode.S
    for machine in machines:
        machine.hart.mmu.flush("test")
    run_alike(machines, 40)


# Stopping


def test_ctrl_c_stops_a_loop_without_end():
    machine, _other = both("j .")

    def press(*_signal):
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGALRM, press)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            machine.run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_timer_interrupts_at_its_time():
    source = (
        "la t0, 2f\n csrw mtvec, t0\n li t0, 128\n csrw mie, t0\n li t0, 8\n csrs mstatus, t0\n li t1, 0x2004000\n"
        " li t2, 1000\n sd t2, 0(t1)\n1: addi a0, a0, 1\n j 1b\n2: addi a1, a1, 1\n ld t2, 0(t1)\n addi t2, t2, 777\n"
        " sd t2, 0(t1)\n wfi\n csrr a2, time\n mret"
    )
    machine = run_alike(both(source), 900, 200, 5000, 7)
    assert machine.hart.x[11] > 3


def test_a_machine_that_is_listened_to_tells_the_same_events():
    heard = []
    machines = both("la t0, 1f\n csrw mtvec, t0\n1: csrr a0, mcause\n ld a1, 0(sp)\n ecall")
    for machine in machines:
        machine.hart.x[2] = RAM_BASE + 0x8000
        with machine.events.record() as recording:
            machine.run(200)
        heard.append(list(recording))
    assert heard[0] == heard[1] and len(heard[0]) > 50


def test_rewinding_leads_to_the_same_past():
    machines = both("1: addi a0, a0, 1\n sd a0, 0(sp)\n j 1b")
    for machine in machines:
        machine.hart.x[2] = RAM_BASE + 0x8000
        machine.run(100_000)
        machine.goto(54_321)
        machine.back(17)
    assert machines[0].snapshot() == machines[1].snapshot()


def test_it_stops_before_what_somebody_waits_for(steps):
    """In code that is decoded already, too. The rest of the page stays native."""
    source = "li a0, 5000\n1: addi a0, a0, -1\nnop\nhere: xor a1, a1, a0\nbnez a0, 1b\nj ."
    machines = both(source)
    run_alike(machines, 100)
    here = assemble(source).symbols["here"]
    for wanted, stops in (
        ({here}, True),
        ({here + PAGE, 0}, False),
        ({here + 4, here - 4}, True),
        ((), False),
    ):
        for machine in machines:
            machine.stop_at(wanted)
        for _time in range(2):
            run_alike(machines, 1000)
            assert (machines[0].hart.pc in wanted) == stops
    assert max(steps.count(pc) for pc in {*steps} - {here}) < 20 < 400 < steps.count(here)


def test_it_stops_where_a_limit_says():
    machines = both("1: addi a0, a0, 1\n addi a0, a0, 1\n addi a0, a0, 1\n j 1b")
    for limit in range(1, 40):
        assert machines[0].run(limit) is machines[1].run(limit) is Stop.LIMIT
        assert (machines[0].steps, machines[0].hart.pc) == (machines[1].steps, machines[1].hart.pc)


@pytest.mark.parametrize("last", ["sfence.vma", "j there"])
def test_what_is_not_attempted_is_not_fetched(last):
    """Neither the page behind a fence nor the one that a jump leads to: the TLB is not asked for it yet."""
    nops = " nop\n" * 20
    machines = both(f"1:{nops} {last}\n j 1b\n .balign 4096\nthere: j 1b")
    run_alike(machines, 21, 22, 21)


# Building


def test_a_damaged_file_in_the_cache_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert building._cached("key", lambda: b"code") == b"code"
    assert building._cached("key", lambda: b"other") == b"code"
    (path,) = (tmp_path / "vlab").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    assert building._cached("key", lambda: b"again") == b"again"
    path.unlink()
    path.mkdir()
    assert building._cached("key", lambda: b"nowhere") == b"nowhere"
