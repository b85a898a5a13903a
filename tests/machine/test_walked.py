"""A hart without a TLB walks anew where the tables, or PMP, say something else than before."""

import pytest

from tests.hypervisor.towers import tower
from vlab.machine.memory import RAM_BASE
from vlab.paging import Flags, make_satp
from vlab.riscv import Access, Mode, Trap

ROOT, MIDDLE, LEAF = (RAM_BASE + n * 0x1000 for n in (16, 17, 18))
PAGE, OTHER = RAM_BASE + 0x20000, RAM_BASE + 0x21000
GVA = 0x4000_5000
FULL = int(Flags.V | Flags.R | Flags.W | Flags.X | Flags.A | Flags.D)


def entry(physical, flags=FULL):
    return (physical >> 12 << 10) | flags


@pytest.fixture
def vm():
    built = tower(None, 1).vms[0]
    for table, index, raw in (
        (ROOT, GVA >> 30, entry(MIDDLE, int(Flags.V))),
        (MIDDLE, GVA >> 21 & 511, entry(LEAF, int(Flags.V))),
        (LEAF, GVA >> 12 & 511, entry(PAGE)),
    ):
        built.memory.store(table + 8 * index, 8, raw)
    hart = built.virtual_hart
    hart.csr.values |= {"satp": make_satp(ROOT), "pmpaddr0": (1 << 54) - 1, "pmpcfg0": 0x1F}
    hart.csr.rebuild_pmp()
    hart.mode = Mode.S
    hart.mmu.select()
    return built


def found(vm, access=Access.LOAD):
    return vm.virtual_hart.mmu.resolve(GVA + 8, access).physical


def test_an_edited_leaf_is_seen(vm):
    assert [found(vm), found(vm)] == [PAGE + 8] * 2
    vm.memory.store(LEAF + 8 * (GVA >> 12 & 511), 8, entry(OTHER))
    assert found(vm) == OTHER + 8
    vm.memory.store(LEAF + 8 * (GVA >> 12 & 511), 8, entry(OTHER, FULL & ~int(Flags.W)))
    assert found(vm) == OTHER + 8
    with pytest.raises(Trap):
        found(vm, Access.STORE)


def test_an_edited_pointer_is_seen(vm):
    assert found(vm) == PAGE + 8
    vm.memory.store(ROOT + 8 * (GVA >> 30), 8, 0)
    with pytest.raises(Trap):
        found(vm)


def test_pmp_is_seen(vm):
    assert found(vm) == PAGE + 8
    vm.virtual_hart.csr.values["pmpcfg0"] = 0
    vm.virtual_hart.csr.rebuild_pmp()
    with pytest.raises(Trap):
        found(vm)


def test_another_mode_and_another_table_are_seen(vm):
    assert found(vm) == PAGE + 8
    vm.virtual_hart.mode = Mode.U
    vm.virtual_hart.mmu.select()
    with pytest.raises(Trap):
        found(vm)
    vm.virtual_hart.mode = Mode.S
    vm.virtual_hart.csr.values["satp"] = make_satp(MIDDLE)
    vm.virtual_hart.mmu.select()
    with pytest.raises(Trap):
        found(vm)


def test_pmp_that_closes_the_tables_alone_is_seen(vm):
    assert found(vm) == PAGE + 8
    csr = vm.virtual_hart.csr
    csr.values |= {"pmpaddr0": ROOT >> 2, "pmpaddr1": PAGE >> 2, "pmpaddr2": (1 << 54) - 1}
    csr.values["pmpcfg0"] = 0x0F | 0x08 << 8 | 0x0F << 16  # up to ROOT all, up to PAGE nothing, behind it all
    csr.rebuild_pmp()
    with pytest.raises(Trap):
        found(vm)
