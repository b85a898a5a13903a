"""What the specification leaves open: each row of the table holds, and each row has its test here."""

from tests.machine.h_extension.choices import H_TESTS
from tests.machine.programs import MASK, cause, do, machine, mode, paged, register, write
from tests.machine.test_virtio import BUFFER, Driver, lie
from vlab.machine import Machine
from vlab.machine.choices import CHOICES, TLB_ENTRIES, tlb_index
from vlab.machine.devices import VirtioConsole, VirtioNet
from vlab.machine.devices.virtio.transport import VERSION_1
from vlab.machine.memory import RAM_BASE
from vlab.riscv import Cause, Mode

DATA = RAM_BASE + 0x8000
UART = 0x1000_0000


def asidlen():
    m = machine(satp=8 << 60 | 0xFFFF << 44 | 1)
    assert m.hart.csr["satp"] == 8 << 60 | 1


def a_and_d():
    m = mode(machine(), Mode.S)
    table = paged(m, [(0x1000, DATA, "RW")])
    assert cause(m, "sd a1, 0(a0)", a0=0x1000) is None
    assert {"A", "D"} <= set(str(table.find(0x1000).flags))


def paging():
    modes: dict[str, set[int]] = {"": set(), "_sv48": set()}
    for extensions in ("", "_sv48"):
        m = Machine(memory="1M", extensions=extensions)
        for value in range(16):
            m.hart.csr.write(m.hart.csr.registers.by_name["satp"], value << 60)
            modes[extensions].add(m.hart.csr["satp"] >> 60)
    assert modes == {"": {0, 8}, "_sv48": {0, 8, 9}}


def compressed():
    for extensions in ("", "C"):
        m = Machine(bytes.fromhex("0505"), memory="1M", extensions=extensions)  # c.addi a0, 1
        m.run(1)
        assert m.hart.x[10] == (1 if extensions else 0)


def mtime():
    m = machine("ecall\n nop\n j .", mtvec=RAM_BASE + 4)
    m.run(3)
    assert (m.mtime, m.time) == (3, 3)
    m.skipped = 7
    m.set_clock(10)
    assert m.mtime == 10


def tlb():
    m = mode(machine(), Mode.S)
    reach = TLB_ENTRIES**2 * 4096
    paged(m, [(0x1000, DATA, "R"), (0x1000 + reach, DATA, "R")])
    do(m, "ld a1, 0(a0)", a0=0x1000)
    assert cause(m, "ld a1, 0(a0)", a0=0x2000) == Cause.LOAD_PAGE_FAULT
    do(m, "ld a1, 0(a0)", a0=0x1000 + reach)
    assert [entry.page for entry in m.hart.mmu.data.entries.values()] == [1 + TLB_ENTRIES**2]
    assert TLB_ENTRIES == 1024


def index():
    pages = [RAM_BASE, UART, 0x200_0000, 0x10_0000, 0xC00_0000]  # RAM and devices of the usual machine
    assert len({tlb_index(page // 4096) for page in pages}) == len(pages)
    assert {tlb_index(page) for page in range(5 << 20, (5 << 20) + TLB_ENTRIES)} == set(range(TLB_ENTRIES))


def xtval():
    m = machine()
    assert do(m, "ld a1, 0(a0)", a0=5).value == 5
    assert do(m, 0xFFFF_FFFF).value == 0xFFFF_FFFF
    assert do(m, "ebreak").value == m.hart.pc
    assert do(m, "ecall").value == 0


def pmp():
    m = machine(pmpaddr15=1)
    assert m.hart.csr["pmpaddr15"] == 1
    assert cause(m, "csrr a0, 0x3c0") == Cause.ILLEGAL_INSTRUCTION  # pmpaddr16
    write(m, pmpaddr0=0, pmpcfg0=3 << 3)
    write(m, pmpcfg0=0, pmpaddr0=1)
    assert m.hart.csr["pmpaddr0"] == 1  # bit 0 is kept: the grain is 4 bytes


def misaligned():
    m = machine()
    assert cause(m, "sd a1, 1(a0)", a0=DATA, a1=MASK) is None
    assert (cause(m, "ld a1, 1(a0)"), register(m, "a1")) == (None, MASK)
    assert cause(m, "lw a1, 1(a0)", a0=UART) == Cause.LOAD_ACCESS_FAULT


def misaligned_atomics():
    assert cause(machine(), "amoadd.w a1, a1, (a0)", a0=DATA + 2) == Cause.STORE_MISALIGNED
    m = mode(machine(), Mode.S)
    paged(m, [])
    assert cause(m, "lr.w a1, (a0)", a0=2) == Cause.LOAD_MISALIGNED  # before any page fault


def atomics_on_devices():
    assert cause(machine(), "amoadd.w a1, a1, (a0)", a0=UART) == Cause.STORE_ACCESS_FAULT


def reservation():
    m = machine()
    do(m, "lr.d a1, (a0)", a0=DATA)
    assert m.reservation == (DATA, 8)
    do(m, "sd a1, 0(a0)")
    m.hart.trap(Cause.BREAKPOINT)
    assert m.reservation == (DATA, 8)
    do(m, "sc.w a1, a1, (a0)")
    assert (register(m, "a1"), m.reservation) == (1, None)


def failing_sc():
    m = mode(machine(), Mode.S)
    table = paged(m, [(0x1000, DATA, "RW"), (0x2000, DATA, "R")])
    assert (cause(m, "sc.d a1, a1, (a0)", a0=0x1000), register(m, "a1")) == (None, 1)
    assert "D" in str(table.find(0x1000).flags)
    assert cause(m, "sc.d a1, a1, (a0)", a0=0x2000) == Cause.STORE_PAGE_FAULT


def wfi_in_u():
    assert cause(mode(machine(), Mode.U), "wfi") == Cause.ILLEGAL_INSTRUCTION


def wfi_elsewhere():
    m = machine("wfi\n j .", mie=1 << 7)
    m.clint.store(0x4000, 8, 500)
    m.run(2)
    assert (m.steps, m.time, m.skipped) == (2, 501, 499)


def stores_to_code():
    li_s0_2 = 0x0020_0413
    m = machine(f"li s1, {li_s0_2}\n la a0, 1f\n sw s1, 0(a0)\n1: li s0, 1\n j .")
    m.run(20)
    assert m.hart.x[8] == 2


def satp_mode():
    m = machine(satp=8 << 60 | 5)
    write(m, satp=9 << 60 | 6)
    assert m.hart.csr["satp"] == 8 << 60 | 5


def vectored():
    m = machine(mtvec=0x8000_0003)
    assert m.hart.csr["mtvec"] == 0x8000_0000
    write(m, mtvec=0x8000_0001)
    assert m.hart.csr["mtvec"] == 0x8000_0001


def plic():
    m = machine("j .")
    m.uart.store(1, 1, 1)
    m.board.plic.store(40, 4, 0xFF)
    m.board.plic.store(0x2000, 4, 1 << 10)
    assert m.board.plic.load(40, 4) == 7
    m.type("x")
    assert m.board.plic.pending == 1 << 10
    assert m.board.plic.load(0x20_0004, 4) == 10
    assert m.board.plic.pending == 0
    m.board.plic.store(0x20_0004, 4, 10)
    m.uart.load(0, 1)
    assert m.board.plic.pending == 0  # its pin is down


def virtio():
    driver = Driver(start=False)
    assert driver.get(0x34) == 256
    assert driver.console.offered == VERSION_1
    assert lie("indirect").broken


def virtio_versions():
    driver = Driver(start=False)
    driver.start(features=0)
    driver.print(b"served")
    assert driver.console.text == "served"
    card = Machine().attach(VirtioNet())
    for status in (1, 3, 11):
        card.store(0x70, 4, status)
    assert card.load(0x70, 4) == 3
    card.store(0x24, 4, 1)
    card.store(0x20, 4, 1)
    card.store(0x70, 4, 11)
    assert card.load(0x70, 4) == 11


def virtio_requests():
    driver = Driver()
    driver.print(b"at once")
    assert driver.console.text == "at once"
    driver.describe(1, 0, 0x8000_0000, 1 << 20, 1, 1)
    for number in range(1, 5):
        driver.describe(1, number, 0x8000_0000, 1 << 20, 1 if number < 4 else 0, number + 1)
    driver.offer(1)
    assert driver.broken


def virtio_rules():
    assert lie("loop").broken
    m = machine()
    m.attach(VirtioConsole())
    assert cause(m, "lbu a1, 0(a0)", a0=0x1000_1000) == Cause.LOAD_ACCESS_FAULT


def inhibit():
    m = machine(mcountinhibit=MASK)
    assert m.hart.csr["mcountinhibit"] == 0
    before = m.hart.csr["mcycle"], m.hart.csr["minstret"]
    m.run(3)
    assert (m.hart.csr["mcycle"], m.hart.csr["minstret"]) == (before[0] + 3, before[1] + 3)


def dma_and_lr():
    driver = Driver()
    driver.machine.reservation = (BUFFER, 8)
    driver.describe(0, 0, BUFFER + 7, 1, 2)
    driver.offer(0)
    driver.machine.give("virtio-console", b"x")
    assert driver.machine.reservation is None


TESTS = {
    "ASIDLEN": asidlen,
    "A and D bits": a_and_d,
    "paging": paging,
    "mtime": mtime,
    "TLB": tlb,
    "TLB index": index,
    "xtval": xtval,
    "PMP": pmp,
    "misaligned loads and stores": misaligned,
    "misaligned atomics": misaligned_atomics,
    "atomics on devices": atomics_on_devices,
    "reservation": reservation,
    "a failing sc": failing_sc,
    "wfi in U": wfi_in_u,
    "wfi elsewhere": wfi_elsewhere,
    "stores to code": stores_to_code,
    "a satp write with an unsupported mode": satp_mode,
    "PLIC": plic,
    "virtio": virtio,
    "virtio requests": virtio_requests,
    "what a virtio driver must not do": virtio_rules,
    "virtio drivers without VERSION_1": virtio_versions,
    "DMA and lr": dma_and_lr,
    "mcountinhibit": inhibit,
    "vectored traps": vectored,
    "compressed instructions": compressed,
    **H_TESTS,
}


def test_every_row_has_a_test():
    assert [choice.what for choice in CHOICES] == list(TESTS)


def pytest_generate_tests(metafunc):
    if "choice" in metafunc.fixturenames:
        metafunc.parametrize("choice", TESTS)


def test_choice(choice):
    TESTS[choice]()
