"""Nothing that a program, a thread, another process or another user does can lead native code astray."""

import copy
import os
import pickle
import subprocess
import sys

import pytest

from tests.machine.programs import MASK as ALL
from tests.machine.programs import mode, write
from vlab.language import VlabError
from vlab.machine import GATE, Machine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.machine.sequence import RETURN, Sequence
from vlab.riscv import Mode, assemble

pytest.importorskip("llvmlite")

from vlab.machine.execute.native import blocks

LEFT, BACK = Sequence("csrr a0, sepc"), Sequence("csrw sepc, a0", RETURN)
LOOP = "la a0, d\n1: ld a1, 0(a0)\n sd a1, 8(a0)\n addi a2, a2, 1\n j 1b\n .balign 4096\nd: .dword 0"
# In the first, all threads want the native code at once, and one set of the TLB is fought for after that.
THREADS = """
import gc, threading
from vlab.machine import Machine
from vlab.machine.memory import RAM_BASE
from vlab.paging import make_satp
from vlab.riscv import Mode, Program, assemble
code = assemble("1: ld a1, 0(s0)\\n ld a2, 0(s1)\\n ld a3, 0(s2)\\n sd a1, 8(s0)\\n sd a1, 8(s1)\\n j 1b")
machines, lock = [], threading.Lock()
def build():
    machine = Machine(code, memory="64K", engine="native")
    page, hart = RAM_BASE + 0x8000, machine.hart
    for table, index, entry in (
        *((0, index, 1) for index in (0, 192, 64)), *((1, index, 2) for index in (0, 2, 4)),
        (2, 1, -8), (2, 2, -6), (2, 0, -7), (2, 3, -5),
    ):
        word = page + 4096 * entry >> 2 | (1 if entry > 0 else 0xCF)
        machine.memory.poke(page + 4096 * table + 8 * index, word.to_bytes(8, "little"))
    for name, value in {"pmpaddr0": -1, "pmpcfg0": 0x1F, "satp": make_satp(page)}.items():
        hart.csr.write(hart.csr.registers.by_name[name], value)
    hart.mode, hart.pc = Mode.S, 0x1000
    hart.x[8], hart.x[9], hart.x[18] = 0x2000, 0x30_0040_2000, 0x10_0080_2000
    hart.mmu.flush("")
    hart.mmu.select()
    machines.append(machine)
def run(machine):
    for _time in range(10):
        machine.run(200_003)
def all_at_once(work):
    threads = [threading.Thread(target=work) for _thread in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
all_at_once(build)
gc.collect()
all_at_once(lambda: run(machines[0]))
print([machine.run(100_000).name for machine in machines], {machine.hart.unretired for machine in machines})
"""


def both(source=LOOP):
    return [Machine(assemble(source), engine=engine) for engine in ("native", "interpreter")]


def test_threads(tmp_path, repository):
    done = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(repository), "XDG_CACHE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "['LIMIT', 'LIMIT', 'LIMIT', 'LIMIT'] {0}\n"), done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_a_machine_of_its_own():
    machines = both()
    for machine in machines:
        machine.run(1000)
    child = os.fork()
    if not child:
        machines[0].memory.poke(RAM_BASE + 8, assemble("addi a2, a2, 7").segments[0][1])
        machines[0].run(4000)
        os._exit(0)
    os.waitpid(child, 0)
    for machine in machines:
        machine.run(4000)
    assert machines[0].snapshot() == machines[1].snapshot()


def test_copies_are_refused():
    """A copy of what leads to host memory would outlive that memory."""
    machine, _other = both()
    machine.run(100)
    engine = machine._native
    for part in (machine, machine.hart, machine.hart.mmu, machine.memory, engine, engine.code):
        with pytest.raises(TypeError, match="cannot pickle"):
            copy.deepcopy(part)
        with pytest.raises((TypeError, AttributeError), match="pickle"):
            pickle.dumps(part)


def test_a_host_without_memory_says_so(monkeypatch):
    def none_left(*_arguments, **_named):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(blocks, "mmap", none_left)
    with pytest.raises(VlabError, match="so much memory"):
        Machine(engine="native")


@pytest.mark.parametrize("wanted", ["", "steam", "x" * 1000, 3, 0, False, b"native", ["native"], {}])
def test_what_is_no_engine(wanted):
    with pytest.raises(VlabError, match="There is no engine"):
        Machine(engine=wanted)


def test_an_engine_of_the_environment_that_is_none(monkeypatch):
    monkeypatch.setenv("VLAB_ENGINE", "steam")
    with pytest.raises(VlabError, match="There is no engine 'steam'"):
        Machine()


class Failing:
    """A resident of S mode that skips what trapped, until its fiftieth turn."""

    kind, running = "failing", None

    def __init__(self, computer):
        self.computer, self.calls = computer, 0

    def handle(self):
        self.calls += 1
        (place,) = self.computer.issue_all(LEFT)
        if self.calls == 50:
            raise RuntimeError("a resident's own mistake")
        self.computer.issue_all(BACK, place + 4)

    def state(self):
        return {}


@pytest.mark.parametrize(
    ("source", "start"),
    [
        ("1: addi a1, a1, 1\n" + " addi a2, a2, 2\n" * 20 + " ecall\n j 1b", Mode.U),
        # In its own mode, where fetches are Python's: the resident's turn is when a trap has led to it.
        ("la a0, 1f\n jr a0\n .balign 4096\n1: addi a1, a1, 1\n addi a2, a2, 2\n ebreak\n j 1b", Mode.S),
    ],
)
def test_a_resident_that_fails_leaves_the_hart_as_it_was_then(source, start):
    found = []
    for machine in both(source):
        machine.residents = {Mode.S: Failing(machine)}
        write(machine, stvec=GATE, medeleg=0xFFFF, mcounteren=7, menvcfg=ALL, stimecmp=ALL)
        mode(machine, start)
        write(machine, pmpaddr0=RAM_BASE + PAGE + 2048 >> 2, pmpaddr1=ALL, pmpcfg0=0x1F0F)  # cut in two
        with pytest.raises(RuntimeError, match="own mistake"):
            machine.run(5000)
        hart = machine.hart
        found.append((machine.time, hart.x[:32], hart.pc, hart.mode, hart.csr.values))
    assert found[0] == found[1]
