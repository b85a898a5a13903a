"""What the H extension leaves open: each row of the table holds."""

from tests.machine.h_extension.harts import DATA, GVA, HSTATUS, Guest, go, machine, write
from tests.machine.programs import MASK, cause, do, register
from vlab.riscv import Cause


def misa():
    built = machine()
    before = built.hart.csr["misa"]
    for value in (0, MASK):
        write(built, misa=value)
        assert built.hart.csr["misa"] == before


def lengths():
    built = machine(hgatp=MASK, hstatus=MASK, hgeie=MASK)
    assert built.hart.csr["hgatp"] >> 44 & 0x3FFF == 0
    assert built.hart.csr["hstatus"] >> 12 & 0x3F == 0
    assert built.hart.csr["hgeie"] == built.hart.csr["hgeip"] == 0


def hgatp():
    built = machine()
    for mode in range(16):
        write(built, hgatp=mode << 60 | 3)
        assert built.hart.csr["hgatp"] in (0, 8 << 60)


def wfi():
    """Also where an interrupt is pending, so that it would end at once."""
    built = machine("VS", hstatus=HSTATUS["VTW"], hie=MASK, hvip=MASK)
    assert cause(built, "wfi") == Cause.VIRTUAL_INSTRUCTION


def fences():
    for fence in ("hfence.vvma a1, a1", "hfence.gvma a1, a1"):
        built = machine("VU")
        Guest(built)
        do(built, "ld a0, (a1)", a1=GVA)
        assert any(context.entries for context in built.tlb().contexts)
        do(go(built, "HS"), fence, a1=0x7000)
        assert not any(context.entries for context in built.tlb().contexts)


def hlvx():
    """What `hlv` remembers is not what `hlvx` finds; nor does it remember anything."""
    built = machine("HS")
    guest = Guest(built)
    guest.put(1)
    built.memory.store(guest.ram.host_address(DATA + 0x1000), 8, 2)
    do(built, "hlv.wu a0, (a1)", a1=GVA)
    guest.own.map(GVA, DATA + 0x1000, "RXUAD")
    do(built, "hlv.wu a0, (a1)", a1=GVA)
    assert register(built, "a0") == 1
    do(built, "hlvx.wu a0, (a1)", a1=GVA)
    assert register(built, "a0") == 2
    do(built, "hlv.wu a0, (a1)", a1=GVA)
    assert register(built, "a0") == 1


def second():
    for medeleg, name in ((MASK, "htval"), (0, "mtval2")):
        built = machine("VU", medeleg=medeleg)
        Guest(built).host.unmap(DATA)
        trap = do(built, "ld a0, 4(a1)", a1=GVA)
        built.hart.trap(trap.cause, trap.value, raised=trap)
        assert built.hart.csr[name] == DATA + 4 >> 2


def instruction():
    """Of a page fault too; of what is none of these causes it is zero."""
    built = machine("HS", source="hlv.wu a0, (a1)\n ecall", medeleg=MASK, stvec=0x8000_0004)
    Guest(built)
    built.hart.x[11] = GVA + 0x2000
    built.run(1)
    assert built.hart.csr["htinst"] == 0x6810_4573 & ~(31 << 15)
    built.run(1)
    assert built.hart.csr["htinst"] == 0
    built.memory.store(0x8000_0000, 4, 0)  # the load is there no more
    built.hart.pc = 0x8000_0000
    built.hart.trap(Cause.LOAD_PAGE_FAULT, GVA)
    assert built.hart.csr["htinst"] == 0
    built = machine("HS", source="ld a0, 0(a1)", medeleg=MASK, htinst=1)  # no guest's memory
    built.hart.x[11] = 1 << 50
    built.run(1)
    assert (built.hart.csr["scause"], built.hart.csr["htinst"]) == (Cause.LOAD_ACCESS_FAULT, 0)


H_TESTS = {
    "misa": misa,
    "H: VMIDLEN and GEILEN": lengths,
    "H: hgatp": hgatp,
    "H: wfi in VS under VTW": wfi,
    "H: fences": fences,
    "H: hlvx": hlvx,
    "H: htval, mtval2": second,
    "H: htinst, mtinst": instruction,
}
