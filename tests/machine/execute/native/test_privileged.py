"""Traps, returns, CSRs and fences on both engines, the H extension's too; and which of them native code does."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.execute.native.privileged import differ
from tests.machine.h_extension.harts import (
    DATA,
    GUEST_BASE,
    GVA,
    HSTATUS,
    MSTATUS,
    NAMED,
    STCE,
    Guest,
    go,
    write,
)
from tests.machine.programs import OPEN, paged
from vlab.events import Event, InterruptChange
from vlab.machine import Machine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.machine.mmu import Key
from vlab.riscv import ROWS, Mode, assemble, encode
from vlab.riscv.csrs import H_REGISTERS

pytest.importorskip("llvmlite")

from vlab.machine.execute.native import notes

HANDLER = RAM_BASE + 0x400
REST = "\n nop" * 8 + "\n j ."


def both(source, memory="2M", extensions="H", **others):
    code = assemble(source)
    return [
        Machine(code, memory=memory, extensions=extensions, engine=name, **others)
        for name in ("native", "interpreter")
    ]


def alike(machines, *stops):
    for stop in stops:
        assert len({machine.run(stop) for machine in machines}) == 1
        assert machines[0].snapshot() == machines[1].snapshot()
    return machines[0]


@given(st.integers(0, (1 << 32) - 1))
def test_any_machine_ends_up_the_same(seed):
    assert not differ(seed)


def test_many_machines_end_up_the_same():
    assert not list(filter(None, map(differ, range(150))))


@pytest.mark.parametrize("where", NAMED)
def test_who_may_wait(where):
    machines = both("wfi" + REST, memory="64K")
    for status, hstatus in product((0, MSTATUS["TW"]), (0, HSTATUS["VTW"])):
        for machine in machines:
            write(machine, **OPEN, mtvec=RAM_BASE + 16, mstatus=status, hstatus=hstatus)
            go(machine, where)
            machine.hart.pc = RAM_BASE
        alike(machines, 20)


@pytest.mark.parametrize(
    "name", [csr.name for csr in H_REGISTERS if not csr.name.startswith(("mhpm", "hpm", "pmp"))]
)
def test_csrs_in_every_mode(name):
    values = ((1 << 64) - 1, 2 << 11, 8 << 60 | 0x80000)
    for instruction in ("csrrw a0, {}, a1", "csrrs a0, {}, a1", "csrrc a0, {}, a1", "csrr a0, {}"):
        machines = both(instruction.format(name) + f"\n csrr a2, {name}" + REST, memory="64K")
        for value, where, on in product(values[: 1 if "csrr " in instruction else 3], NAMED, (0, 1, 2, 3, 7)):
            for machine in machines:
                write(machine, satp=0, vsatp=0, hgatp=0)
                write(machine, **OPEN, mtvec=RAM_BASE + 16, stvec=RAM_BASE + 16, menvcfg=STCE * (on >> 1 & 1))
                write(
                    machine, mcounteren=7 * (on & 1), hcounteren=7 * (on >> 1 & 1), scounteren=7 * (on >> 2)
                )
                write(machine, mie=2)
                write(machine, henvcfg=STCE * (on >> 2), mideleg=0x222, hideleg=0x444, htimedelta=1 << 40)
                write(machine, hstatus=HSTATUS["VTVM"] * (on == 2), mstatus=MSTATUS["TVM"] * (on == 0))
                go(machine, where)
                machine.hart.x[11], machine.hart.pc = value, RAM_BASE
            alike(machines, 20)


@pytest.mark.parametrize(
    "instruction", ["sret", "mret", "ecall", "ebreak", "sfence.vma", "hfence.vvma", "hfence.gvma", "wfi"]
)
def test_returns_traps_and_fences_in_every_mode(instruction):
    """Where mstatus, vsstatus and hstatus say every way back, and every way to catch them."""
    bits = ("MPRV", "MPV", "SPP", "SPIE", "MPIE")
    machines = both(instruction + REST, memory="64K")
    for machine in machines:
        machine.hart.mmu.context(Key(Mode.S, paged=True, virtual=True))
    for chosen, origin, where, caught in product(product((0, 1), repeat=5), (0, 1, 3), NAMED, (0, 1)):
        for machine in machines:
            status = sum(MSTATUS[bit] for bit, on in zip(bits, chosen, strict=True) if on) | origin << 11
            traps = [MSTATUS["TSR"] | MSTATUS["TVM"], HSTATUS["VTSR"] | HSTATUS["VTVM"]]
            more = HSTATUS["SPV"] * chosen[1] | HSTATUS["GVA"] * chosen[2] | traps[1] * caught
            write(machine, **OPEN, mtvec=RAM_BASE + 16, stvec=RAM_BASE + 20, vstvec=RAM_BASE + 24)
            write(machine, mepc=RAM_BASE + 8, sepc=RAM_BASE + 8, vsepc=RAM_BASE + 8)
            write(machine, mstatus=status | traps[0] * caught, vsstatus=status, hstatus=more)
            write(machine, medeleg=0x50F * chosen[3], hedeleg=0x108 * chosen[4])
            go(machine, where).hart.pc = RAM_BASE
        alike(machines, 20)


@pytest.mark.parametrize("paging", ["satp", "vsatp"])
def test_a_status_for_which_there_is_no_context_yet(paging):
    """Python has to make it, and does the instruction; the old value is the old one."""
    source = (
        "nop\n" * 10 + "csrw sscratch, a1\n csrrs a0, sstatus, a1\n csrrc a2, sstatus, a3\n csrr a4, sstatus"
    )
    machines = both(source + REST)
    for machine in machines:
        write(machine, **OPEN, medeleg=0)
        table = paged(machine, [(0x1000, RAM_BASE, "RXAD")])
        write(machine, satp=0)
        write(machine, **{paging: table.satp})
        go(machine, "HS" if paging == "satp" else "VS")
        machine.hart.pc, machine.hart.x[11], machine.hart.x[13] = 0x1000, 3 << 18, 1 << 18
    machine = alike(machines, 30)
    assert [machine.hart.x[at] >> 18 & 3 for at in (10, 12, 14)] == [0, 3, 2]


@pytest.mark.parametrize("origin", [0, 1, 3])
def test_data_is_a_guests_unless_it_is_m_modes(origin):
    """MPRV and MPV: what MPP says decides whether the load goes through a guest's tables."""
    machines = both("nop\n" * 10 + "csrw mstatus, a0\n ld a1, 0(a2)\n csrr a3, mstatus" + REST)
    for machine in machines:
        guest = Guest(machine, "RWXUAD" if origin == 0 else "RWXAD")
        guest.put(77)
        write(machine, **OPEN, mtvec=HANDLER)
        contexts(machine)
        go(machine, "M").hart.x[12] = GVA
        machine.hart.x[10] = MSTATUS["MPRV"] | MSTATUS["MPV"] | origin << 11
    assert (alike(machines, 30).hart.x[11] == 77) == (origin != 3)


@pytest.mark.parametrize("where", ["U", "VU", "VS", "HS"])
def test_a_quirk_is_the_same_on_both(where):
    machines = both("1: csrr a0, sstatus\n csrw sstatus, a1\n nop\n j 1b" + REST, quirks="silent-sstatus")
    for machine in machines:
        write(machine, **OPEN, mtvec=HANDLER, stvec=HANDLER, vstvec=HANDLER, vsstatus=0x100)
        go(machine, where).hart.x[11] = 3 << 18
    assert alike(machines, 40).hart.unretired == 0


# What is native


def test_page_faults_are_native(steps):
    """A page that isn't there, one that may not be written, one that is no code, and an atomic that isn't aligned."""
    source = (
        "1: ld a1, 0(a0)\n sd a1, 0(a2)\n amoadd.w a1, a2, (a3)\n lr.w a1, (a3)\n jalr a4\n addi a5, a5, 1\n j 1b\n"
        " .balign 1024\n csrr t0, sepc\n csrr t1, scause\n addi t0, t0, 4\n li t2, 12\n bne t1, t2, 2f\n mv t0, ra\n"
        "2: csrw sepc, t0\n add s1, s1, t1\n csrr t1, stval\n xor s2, s2, t1\n sret"
    )
    machines = both(source, extensions="")
    for machine in machines:
        hart = machine.hart
        write(machine, **OPEN, medeleg=0xFFFF)
        go(machine, "HS")
        paged(machine, [(0x1000, RAM_BASE, "RXAD"), (0x2000, RAM_BASE + 0x3000, "RAD")])
        hart.csr.values["stvec"], hart.pc = 0x1400, 0x1000
        hart.x[10], hart.x[12], hart.x[13], hart.x[14] = 0x5000, 0x2008, 0x2002, 0x7000
    machine = alike(machines, 1000, 333, 20_001)
    assert machine.hart.unretired > 1500
    assert len(steps) < 100


def test_what_is_illegal_in_its_mode_is_native(steps):
    source = (
        "1: csrr a0, mstatus\n csrw satp, a0\n sret\n mret\n sfence.vma\n rdtime a1\n j 1b\n"
        " .balign 1024\n csrr t0, mepc\n csrr t1, mtval\n add s1, s1, t1\n addi t0, t0, 4\n csrw mepc, t0\n mret"
    )
    machines = both(source, extensions="")
    for machine in machines:
        write(machine, **OPEN, mtvec=HANDLER)
        go(machine, "U")
    alike(machines, 1000, 20_001)
    assert len(steps) < 70


def contexts(machine):
    """Have all contexts of V = 1, so that native code finds whichever it looks for."""
    for mode, settings in product((Mode.U, Mode.S), product((False, True), repeat=5)):
        paging, sum_, mxr, nested, host_mxr = settings
        machine.hart.mmu.context(Key(mode, paging, sum_, mxr, True, nested, host_mxr))


@pytest.mark.parametrize("own", [0, MSTATUS["MXR"], MSTATUS["SUM"]])
@pytest.mark.parametrize("hosts", [0, MSTATUS["MXR"], MSTATUS["SUM"]])
@pytest.mark.parametrize("marks", ["AD", ""])
def test_a_guests_own_traps_are_native(steps, own, hosts, marks):
    """System calls, breakpoints and page faults of a guest under two stages, its handler in VS mode."""
    source = (
        "1: ecall\n ebreak\n ld a1, 0(a2)\n j 1b\n"
        " .balign 1024\n csrrw sp, sscratch, sp\n csrr t0, sepc\n csrr t1, scause\n add s1, s1, t1\n"
        " addi t0, t0, 4\n csrw sepc, t0\n csrrw sp, sscratch, sp\n csrr t2, sstatus\n sfence.vma\n sret"
    )
    machines = both(source, memory="2M")
    for machine in machines:
        write(machine, **OPEN, medeleg=0xFFFF, hedeleg=0xB1FF)
        guest = Guest(machine, f"RWXU{marks}")
        code = machine.memory.peek(RAM_BASE, PAGE)
        machine.memory.poke(guest.data, code)
        guest.own.map(GVA + PAGE, DATA, "RXAD")
        machine.hart.pc, machine.hart.x[12] = GVA, 0x9000
        write(machine, vstvec=GVA + PAGE + 0x400, mstatus=hosts, vsstatus=own)
        contexts(machine)
        go(machine, "VU")
    machine = alike(machines, 1000, 333, 20_001)
    assert machine.hart.unretired > 1500
    assert len(steps) < 100


@pytest.mark.parametrize(("where", "to"), [("M", "m"), ("U", "m"), ("U", "s"), ("VU", "s"), ("VU", "vs")])
def test_an_exception_goes_to_the_base_of_vectored_handlers(where, to):
    before = 100
    machines = both("nop\n" * before + "ecall")
    for machine in machines:
        write(machine, **OPEN, medeleg=-(to != "m"), hedeleg=-(to == "vs"), **{f"{to}tvec": HANDLER | 1})
        contexts(machine)
        go(go(machine, "HS"), where)
    assert alike(machines, before + 1).hart.pc == HANDLER


@pytest.mark.parametrize("before", [0, HSTATUS["SPVP"]])
@pytest.mark.parametrize(("where", "after"), [("VU", 0), ("VS", HSTATUS["SPVP"]), ("U", None)])
def test_a_guests_mode_is_told_in_spvp_and_what_was_told_stays_for_others(where, after, before):
    count = 100
    machines = both("nop\n" * count + "ecall")
    for machine in machines:
        write(machine, **OPEN, medeleg=-1, stvec=HANDLER, hstatus=before)
        go(go(machine, "HS"), where)
    hart = alike(machines, count + 1).hart
    assert hart.pc == HANDLER
    assert hart.csr["hstatus"] & HSTATUS["SPVP"] == (before if after is None else after)


@pytest.mark.parametrize("level", ["s", "m"])
def test_guest_page_faults_are_native(steps, level):
    """Of each instruction that accesses memory, of the walker, and of a fetch; the handler goes by `htinst`."""
    known = {"epc": f"{level}epc", "cause": f"{level}cause", "ret": f"{level}ret"}
    known |= dict(
        zip(("second", "told"), ("htval", "htinst") if level == "s" else ("mtval2", "mtinst"), strict=True)
    )
    source = (
        "j .\n .balign 1024\n csrr t0, {epc}\n csrr t1, {told}\n csrr t2, {second}\n slli t3, s1, 1\n xor s1, t3, t1\n"
        " slli t3, s2, 1\n xor s2, t3, t2\n csrr t2, {cause}\n li t3, 20\n bne t2, t3, 1f\n mv t0, ra\n j 2f\n"
        "1: addi t0, t0, 2\n andi t2, t1, 3\n li t3, 1\n beq t2, t3, 2f\n addi t0, t0, 2\n"  # compressed
        "2: csrw {epc}, t0\n addi s3, s3, 1\n {ret}"
    )
    rows = [row for row in ROWS.values() if row.extension != "H" and accesses_memory(row)]
    values = {"rs1": 10, "rs2": 15, "rd": 11, "imm": 16, "aq": 1}
    words = [(encode(row, values), row.size) for row in rows]
    words += [(encode(ROWS[name], values | {"rs1": 13}), 4) for name in ("ld", "sd", "amoadd.w", "lr.d")]
    words += [(encode(ROWS["sd"], values | {"rs1": 16}), 4)]  # which may only be read
    words += [(encode(ROWS["jalr"], {"rs1": 14, "rd": 1}), 4)]
    words += [(encode(ROWS["jal"], {"imm": -sum(size for _word, size in words)}), 4)]
    machines = both(source.format(**known), memory="2M", extensions="CH")
    refused, refused_table, nowhere = GVA + 0x5000, 5 << 30, GUEST_BASE + 0x20_0000
    for machine in machines:
        write(machine, **OPEN, stvec=HANDLER, mtvec=HANDLER, medeleg=0xF0_FFFF * (level == "s"))
        guest = Guest(machine, "RXUAD")
        guest.own.map(refused, nowhere, "RWXUAD")
        guest.own.map(GVA + 0x6000, DATA + PAGE, "RWXUAD")
        guest.host_flags(DATA + PAGE, "RUAD")
        guest.ram.store(guest.own.root + 5 * 8, 8, nowhere >> 2 | 1)
        machine.memory.poke(guest.data, b"".join(word.to_bytes(size, "little") for word, size in words))
        hart = go(machine, "VU").hart
        hart.pc, hart.x[2], hart.x[10], hart.x[13], hart.x[14] = GVA, refused, refused, refused_table, refused
        hart.x[16] = GVA + 0x6000
        contexts(machine)
    machine = alike(machines, 1000, 333, 20_001)
    assert machine.hart.x[19] > 800
    assert len(steps) < 16


def accesses_memory(row):
    return any(name in row.meaning for name in ("load(", "store(", "load_reserved(", "store_conditional("))


@pytest.mark.parametrize("pending", [0, 0x22])
@pytest.mark.parametrize("where", ["M", "HS", "VS"])
def test_enables_change_natively_unless_that_lets_an_interrupt_in(steps, where, pending):
    """In M mode none is let in; in S mode each time, if one is pending; in VS mode at once."""
    source = (
        "1: csrs sie, a0\n csrr a1, sie\n csrc sie, a0\n csrc sie, a2\n csrsi sie, 8\n j 1b\n .balign 1024\n"
        " addi a3, a3, 1\n csrr a4, scause\n csrc sie, a0\n sret"
    )
    machines = both(source)
    for machine in machines:
        write(machine, **OPEN, mideleg=0x222, mie=0x200, mip=pending, hideleg=0x444, hvip=pending << 1)
        write(machine, sstatus=2 * (where == "HS"), vsstatus=2, mtvec=HANDLER, stvec=HANDLER, vstvec=HANDLER)
        go(machine, where)
        machine.hart.x[10], machine.hart.x[12] = 0x22, 0x2
    machine = alike(machines, 500, 777)
    done, heard = len(steps), []
    for one in machines:
        with one.events.record() as recording:
            one.run(100)
        heard.append(list(recording))
    assert heard[0] == heard[1]
    assert (machine.hart.x[13] > 20) == (pending > 0 and where != "M")
    assert (done < 40) == (pending == 0 or where == "M")


@pytest.mark.parametrize("where", ["M", "HS", "VS"])
def test_a_status_that_lets_an_interrupt_in_does_so_at_once(where):
    """Set by a write at first; then by the handler's return, to where its bit is set and to where it isn't."""
    source = (
        "1: csrci {0}status, {1}\n csrw {0}ie, a0\n csrsi {0}status, {1}\n addi a2, a2, 1\n j 1b\n .balign 1024\n"
        " addi a3, a3, 1\n andi a5, a3, 3\n bnez a5, 2f\n csrw {0}ie, a4\n2: {0}ret"
    )
    machines = both(source.format("m", 8) if where == "M" else source.format("s", 2))
    for machine in machines:
        write(
            machine,
            **OPEN,
            mideleg=0x222 * (where != "M"),
            mie=2 << (where == "VS"),
            mip=2,
            hideleg=4,
            hvip=4,
        )
        write(machine, mtvec=HANDLER, stvec=HANDLER, vstvec=HANDLER)
        go(machine, where)
        machine.hart.x[10] = 2
    machine = alike(machines, 100, 777)
    assert machine.hart.x[13] > 5


def test_what_is_not_attempted_is_not_looked_up():
    """A jump to another page as the last instruction: the TLB doesn't miss that page yet."""
    source = (
        "1: nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n la a0, 2f\n jr a0\n .balign 4096\n2: j ."
    )
    for limit in range(10, 16):
        alike(both(source), limit)


def test_someone_waits_where_nothing_can_be_fetched():
    """A breakpoint at an address that faults: the machine stops before the fetch is attempted."""
    source = "nop\n" * 20 + "li a0, 0x5000\n jr a0"
    machines = both(source)
    for machine in machines:
        write(machine, **OPEN, mtvec=HANDLER)
        go(machine, "HS")
        paged(machine, [(RAM_BASE, RAM_BASE, "RXAD")])
        machine.stop_at([0x5000])
    alike(machines, 100)
    assert machines[0].hart.pc == 0x5000 and machines[0].mode is Mode.S


# Somebody asks


@pytest.fixture
def asked():
    """A program of traps, returns and CSR writes on both engines, and where its hart was when it was asked."""
    source = (
        "la t0, 3f\n csrw mtvec, t0\n la t0, 1f\n csrw mepc, t0\n mret\n1: csrr a0, mstatus\n ecall\n rdtime a1\n"
        " j 1b\n3: csrw mscratch, a0\n csrw scounteren, a0\n csrw mie, a0\n csrs mstatus, 8\n csrr a0, mepc\n"
        " addi a0, a0, 4\n csrw mepc, a0\n mret"
    )
    found = []
    for machine in both(source, extensions=""):
        write(machine, **OPEN, mcounteren=7)
        heard: list[tuple[int, int]] = []
        machine.run(400, each=False, until=lambda m=machine, heard=heard: heard.append((m.steps, m.hart.pc)))
        found.append((machine, heard))
    return found


def test_it_asks_after_each_change_and_nowhere_else(steps, asked):
    (native, heard), (reference, more) = asked
    assert native.snapshot() == reference.snapshot()
    assert set(heard) <= set(more)
    changes = {native.hart.csr["mtvec"] + 4 * at for at in (0, 2, 3, 4)}
    assert changes <= {pc for _steps, pc in heard}
    quiet = {native.hart.csr["mtvec"] + 4 * at for at in (1, 5, 6, 7)}
    assert not quiet & {pc for _steps, pc in heard}
    handler, traps = native.hart.csr["mtvec"], native.hart.unretired
    assert traps > 20
    assert [pc for _steps, pc in heard].count(handler) == traps
    assert sum(handler - 12 <= pc < handler for _steps, pc in heard) in (traps - 1, traps)  # its returns
    assert len(steps) < 40


# Somebody listens


LISTENED = (
    "la t0, 3f\n csrw mtvec, t0\n la t0, 1f\n csrw mepc, t0\n mret\n1: ecall\n ld a1, 0(a2)\n sd a1, 8(a3)\n"
    " csrw satp, a0\n addi a2, a2, 8\n xor a3, a3, a4\n j 1b\n3: csrrw sp, mscratch, sp\n csrr a0, mepc\n"
    " addi a0, a0, 4\n csrw mepc, a0\n csrw misa, a0\n csrs mie, a5\n sfence.vma\n csrrw sp, mscratch, sp\n mret"
)


@pytest.mark.parametrize("room", [3, 4096])
@pytest.mark.parametrize("patient", [True, False])
def test_events_are_noted_natively_where_that_will_do(steps, monkeypatch, room, patient):
    monkeypatch.setattr(notes, "NOTES", room)
    machines = both(LISTENED)
    heard: tuple[list[Event], list[Event]] = ([], [])
    for machine, events in zip(machines, heard, strict=True):
        write(machine, **OPEN, mstatus=MSTATUS["MPRV"])
        hart = machine.hart
        hart.x[2], hart.x[12], hart.x[13], hart.x[14], hart.x[15] = 7, RAM_BASE, RAM_BASE + PAGE, PAGE, 0x20
        machine.events.listen(events.append, patient=patient)
    steps.clear()
    alike(machines, 1000, 3333)
    assert heard[0] == heard[1] and len(heard[0]) > 2000
    kinds = {event.kind for event in heard[0]}
    assert kinds == {"Trap", "Return", "CsrWrite", "TlbFill", "TlbFlush"}
    assert (len(steps) < 60) == (patient and room > 3)


def test_what_becomes_of_an_interrupt_is_told_when_it_does():
    """It is pending, its bits are off: every change of them is looked at."""
    source = "1: csrw mie, a0\n csrw mie, a1\n csrsi mstatus, 2\n csrci mstatus, 2\n nop\n j 1b"
    machines = both(source)
    heard: tuple[list[Event], list[Event]] = ([], [])
    for machine, events in zip(machines, heard, strict=True):
        write(machine, mip=2, mideleg=2)
        machine.hart.x[10], machine.hart.x[11] = 2, 0x20
        machine.events.listen(events.append, patient=True)
    alike(machines, 50, 333)
    assert heard[0] == heard[1]
    assert {event.held_by for event in heard[0] if isinstance(event, InterruptChange)} == {"sie", "mode"}


def test_a_recording_hears_of_both_engines_alike():
    found = []
    for machine in both(LISTENED):
        write(machine, **OPEN)
        with machine.events.record() as recording:
            machine.run(500)
            assert not machine.events.hasty
            machine.events.listen(print)
            assert machine.events.hasty
            machine.events.unlisten(print)
        found.append(list(recording))
    assert found[0] == found[1]


def test_polls_of_a_device_are_told_and_asked_after():
    machines = both("li a0, 0x10000000\n1: lbu a1, 5(a0)\n addi a2, a2, 1\n j 1b")
    heard: tuple[list[Event], list[Event]] = ([], [])
    asked: list[int] = []
    for machine, events in zip(machines, heard, strict=True):
        machine.events.listen(events.append, patient=True)
        machine.run(100)
        machine.events.unlisten(events.append)
        asked.append(0)
        machine.run(100, each=False, until=lambda: asked.append(asked.pop() + 1))
    assert heard[0] == heard[1]
    assert sum(event.kind == "DeviceAccess" for event in heard[0]) == 33
    assert min(asked) > 30


def test_what_a_listener_raises_leaves_the_machine_whole():
    """It is where it was when native code was left, and goes on."""
    machine, reference = both(LISTENED)
    for one in (machine, reference):
        write(one, **OPEN)

    def full(event):
        if event.time > 20:
            raise ValueError("no room")

    machine.events.listen(full, patient=True)
    with pytest.raises(ValueError, match="no room"):
        machine.run(300)
    machine.events.unlisten(full)
    reference.run(machine.steps)
    assert machine.steps > 20
    alike((machine, reference), 100)
