"""One machine on two engines: after any random program, at any stop, all of the state is the same, TLB included."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.execute.test_lockstep import EDGES
from vlab.machine import Machine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.paging import SV39, SV48, make_satp
from vlab.riscv import CSRS, ROWS, Program, assemble, encode

pytest.importorskip("llvmlite")

FRAMES = 24  # of memory, in pages
SIZE = 36 * PAGE
ONES = (1 << 64) - 1
ROOT, MIDDLE, LOW, HANDLER = (RAM_BASE + number * PAGE for number in (20, 21, 22, 23))
HOST_MIDDLE, HOST_LOW, HOST_ROOT = (RAM_BASE + number * PAGE for number in (24, 25, 32))
S_HANDLER = HANDLER + 0x100
# Handlers that go on behind what trapped: so a program does not end at its first fault.
SKIP = {
    letter: assemble(f"csrr a1, {letter}epc\n addi a1, a1, 4\n csrw {letter}epc, a1\n {letter}ret").segments[
        0
    ][1]
    for letter in "ms"
}
FLAGS_BELOW = st.sampled_from([0xDF] * 9 + [0x5F, 0x1F, 0xDB, 0xD7, 0xCF, 0xD9, 0xD9, 0xD9]) | st.integers(
    0, 255
)
ROWS_HERE = [row for row in ROWS.values() if row.extension != "H"]
WIDE_ROWS = [row for row in ROWS_HERE if row.size == 4]
TOLD = [
    "mstatus",
    "sstatus",
    "sscratch",
    "mscratch",
    "sepc",
    "mepc",
    "scause",
    "stval",
    "satp",
    "mcause",
    "sie",
]
NUMBERS = [CSRS[name].number for name in TOLD]
MPP_SPP = (0, 1 << 11, 3 << 11, 1 << 8)
SUM, MXR, MPRV, SIE, MIE = 1 << 18, 1 << 19, 1 << 17, 2, 8

# Where programs run, load and store: the same pages, physical ones (identity) and virtual ones.
PAGES_HERE = [RAM_BASE + number * PAGE for number in range(6)] + [number * PAGE for number in range(8)]
PAGES_HERE += [PAGE * 1024, PAGE * 1025 + (1 << 32), ONES + 1 - PAGE]
PLACES = st.builds(
    lambda page, offset: page + offset & ONES,
    st.sampled_from(PAGES_HERE),
    st.sampled_from([0, 4, 8, 16, 64, 100, 2040, 4088, 4092]) | st.integers(0, 4095),
)
VALUES = PLACES | PLACES | PLACES | st.sampled_from(EDGES) | st.integers(0, ONES)


@st.composite
def words(draw, rows):
    """The bytes of an instruction: any row with any operands, or any bits at all."""
    if draw(st.integers(0, 29)) == 0:
        return draw(st.integers(0, (1 << 32) - 1)).to_bytes(4, "little")
    row = draw(st.sampled_from(rows))
    values = {operand: draw(st.integers(0, (1 << row.width(operand)) - 1)) for operand in row.operands}
    if "csr" in values:
        values["csr"] = draw(st.sampled_from(NUMBERS))
    if row.name.startswith("b") or row.name in ("jal", "jalr"):
        values["imm"] = draw(st.integers(-8, 8)) * draw(st.sampled_from([2, 4, 4, 4, 4]))
    elif "imm" in values and row.step("imm") == 1:
        values["imm"] = draw(st.integers(-32, 31) | st.integers(-2048, 2047))
    for operand in ("rs1", "rs2", "rd"):
        if operand in values:  # few registers, so that what one writes another one uses
            values[operand] = draw(st.integers(0, 7))
    return encode(row, values).to_bytes(row.size, "little")


@st.composite
def tables(draw):
    """Three tables of a page each: mostly right, and what they map is mostly where programs go."""
    entries = {
        ROOT: MIDDLE >> 2 | 1,
        ROOT + 16: RAM_BASE >> 2 | draw(st.sampled_from([0xCF, 0xCF, 0xCF, 0xDF, 0xEF, 0])),
    }
    entries |= {ROOT + 8 * 511: MIDDLE >> 2 | 1, MIDDLE: LOW >> 2 | 1, MIDDLE + 8 * 511: LOW >> 2 | 1}
    entries |= {MIDDLE + 16: LOW >> 2 | 1}
    for index in [*range(8), 511]:
        frame = RAM_BASE // PAGE + draw(st.integers(0, FRAMES - 1))
        flags = draw(
            st.sampled_from([0xCF, 0xCF, 0xDF, 0xDF, 0x0F, 0x1F, 0x4F, 0x43, 0x4B, 0x59])
            | st.integers(0, 255)
        )
        entries[LOW + 8 * index] = frame << 10 | flags
    if draw(st.booleans()):
        odd = st.sampled_from([ROOT, ROOT + 16, MIDDLE, LOW, LOW + 8])
        entries[draw(odd)] = draw(st.integers(0, ONES))
    return entries


@st.composite
def guests(draw):
    """A function that puts a machine with H into VS or VU mode, under a second table that is mostly right."""
    frames = range(RAM_BASE // PAGE, RAM_BASE // PAGE + FRAMES)
    leaves = [
        (draw(st.sampled_from(frames[:6])) if draw(st.integers(0, 9)) == 0 else frame, draw(FLAGS_BELOW))
        for frame in frames
    ]
    mode = draw(st.sampled_from([0, 1]))
    seen, host_seen = (draw(st.sampled_from([0, SUM, MXR, SUM | MXR])) for _which in range(2))
    paged, nested = draw(st.booleans()), draw(st.sampled_from([True, True, True, False]))
    delegated = draw(st.sampled_from([0, 0xB1FF]))

    def enter(built):
        entries = {HOST_ROOT + 16: HOST_MIDDLE >> 2 | 1, HOST_MIDDLE: HOST_LOW >> 2 | 1}
        entries |= {HOST_LOW + 8 * at: frame << 10 | flags for at, (frame, flags) in enumerate(leaves)}
        for at, entry in entries.items():
            built.memory.poke(at, entry.to_bytes(8, "little"))
        hart = built.hart
        status = hart.csr.values["mstatus"] | host_seen
        for name, value in {
            "hgatp": make_satp(HOST_ROOT) if nested else 0, "vsatp": make_satp(ROOT) if paged else 0,
            "vsstatus": seen, "vstvec": S_HANDLER, "vsepc": hart.pc, "hedeleg": delegated, "mstatus": status,
        }.items():  # fmt: skip
            hart.csr.write(hart.csr.registers.by_name[name], value)
        hart.mode, hart.virtual = type(hart.mode)(mode), True

    return enter


@st.composite
def machines(draw, inside=None):
    """A function that builds the same machine again and again, for an engine each."""
    compressed = draw(st.booleans())
    code = b"".join(draw(st.lists(words(ROWS_HERE if compressed else WIDE_ROWS), min_size=1, max_size=20)))
    copies = draw(st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True))
    offset = draw(st.sampled_from([0, 0, 64, 4096 - len(code), 4096 - 4, 4096 - 2 * compressed]))
    entries = draw(tables())
    mode = draw(st.sampled_from([0, 1, 3]))
    paged = draw(st.booleans())
    registers = draw(st.lists(VALUES, min_size=31, max_size=31))
    status = draw(st.sampled_from(MPP_SPP)) | draw(st.sampled_from([0, SUM, MXR, SUM | MXR, MPRV, SIE | MIE]))
    delegated = draw(st.sampled_from([0, 0xFFFF, 0xB1FF]))
    pmp = draw(st.sampled_from([0x1F, 0x1F, 0x1F, 0x1B, 0x0F0F, 0]))
    named = draw(st.sampled_from(["", "", "_sv48", "_svade", "_svadu", "_svade_svadu"]))
    scheme = draw(st.sampled_from([SV39, SV48])) if named == "_sv48" else SV39
    regions = draw(st.none() | st.tuples(*[st.integers(0, FRAMES * 2)] * 3))
    alarm = draw(st.none() | st.integers(0, 60))
    start = RAM_BASE + copies[0] * PAGE + offset
    if paged and mode < 3 and draw(st.booleans()):
        start = draw(st.sampled_from(PAGES_HERE[6:])) + offset
    slots = [1 + draw(st.integers(0, 5)) for _copy in copies]
    enter = draw(inside) if inside is not None else None

    def build(engine):
        built = Machine(
            Program(((RAM_BASE, b"\0"),), RAM_BASE),
            memory=SIZE,
            extensions="C" * compressed + "H" * (enter is not None) + named,
            engine=engine,
        )
        memory = built.memory
        memory.poke(RAM_BASE, bytes(range(256)) * (6 * 16))
        for copy, slot in zip(copies, slots, strict=True):
            place = copy * PAGE + offset
            memory.poke(RAM_BASE + place, code[: 6 * PAGE - place])
            entries[LOW + 8 * slot] = RAM_BASE + copy * PAGE >> 2 | (entries[LOW + 8 * slot] & 0x3FF | 9)
        for at, entry in entries.items():
            memory.poke(at, entry.to_bytes(8, "little"))
        memory.poke(HANDLER, SKIP["m"])
        memory.poke(S_HANDLER, SKIP["s"])
        hart = built.hart
        for name, value in {
            "mtvec": HANDLER, "stvec": S_HANDLER, "mepc": start, "sepc": start, "mstatus": status,
            "medeleg": delegated, "mideleg": 0x222, "pmpaddr0": ONES, "pmpcfg0": pmp,
            "satp": make_satp(ROOT, scheme=scheme) if paged else 0,
        }.items():  # fmt: skip
            hart.csr.write(hart.csr.registers.by_name[name], value)
        if regions is not None:  # edges on pages and inside them
            for entry, edge in enumerate(sorted(regions)):
                hart.csr.write(CSRS[f"pmpaddr{entry}"], RAM_BASE + edge * PAGE // 2 >> 2)
            hart.csr.write(CSRS["pmpaddr3"], ONES)
            hart.csr.write(CSRS["pmpcfg0"], 0x1F << 24 | 0x0F << 16 | (pmp & 0x87) << 8 | 0x08 << 8)
        if alarm is not None:
            hart.csr.write(CSRS["mie"], 0xA0)
            built.bus.store(0x0200_4000, 8, alarm)
        hart.mode, hart.pc = type(hart.mode)(mode), start & ONES - (1 if compressed else 3)
        hart.x[1:32] = registers
        if enter is not None:
            enter(built)
        hart.mmu.flush("test")
        hart.mmu.select()
        return built

    return build


def state(machine):
    return machine.snapshot().state


@given(machines(), st.lists(st.integers(1, 200), min_size=1, max_size=4))
def test_both_engines_leave_the_same_state_at_every_stop(build, stops):
    native, reference = build("native"), build("interpreter")
    assert state(native) == state(reference)
    for stop in stops:
        assert native.run(stop) is reference.run(stop)
        assert state(native) == state(reference)


@given(machines(guests()), st.lists(st.integers(1, 200), min_size=1, max_size=4))
def test_so_they_do_inside_a_guest_under_two_stages(build, stops):
    native, reference = build("native"), build("interpreter")
    for stop in stops:
        assert native.run(stop) is reference.run(stop)
        assert state(native) == state(reference)


@given(st.sampled_from([row for row in WIDE_ROWS if row.extension in ("I", "M", "A")]), st.data())
def test_each_instruction_with_any_operands(row, data):
    operands = {operand: data.draw(st.integers(0, (1 << row.width(operand)) - 1)) for operand in row.operands}
    registers = data.draw(st.lists(VALUES, min_size=31, max_size=31))
    code = encode(row, operands).to_bytes(4, "little") + b"\x13\0\0\0" * 16 + b"\x6f\0\0\0"
    found = []
    for engine in ("native", "interpreter"):
        built = Machine(Program(((RAM_BASE, code),), RAM_BASE), memory=SIZE, engine=engine)
        built.hart.x[1:32] = registers
        built.hart.csr.values["mtvec"] = RAM_BASE + 4
        built.run(10)
        found.append(state(built))
    assert found[0] == found[1]


def test_random_bytes_as_code_leave_the_same_state_and_no_crash(repository):
    script = repository / "tests/machine/execute/native/hostile.py"
    done = subprocess.run(
        [sys.executable, str(script), "1000", "12"],
        env=os.environ | {"PYTHONPATH": str(repository)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "12 machines alike\n"), done.stderr
