"""Programs that change what they stand on.

A program is a row of *deeds*, a few instructions each: it writes what it is about to execute, edits its tables with
a fence or without, moves PMP, takes sets of the TLB from its own page, lets a disk write into its code, and changes
modes. Its firmware does what a lower mode may not, and goes on behind whatever trapped. See `changing`.
"""

import random
from collections.abc import Callable

from vlab.machine.memory import PAGE, RAM_BASE
from vlab.paging import make_satp
from vlab.riscv import CSRS, ROWS, encode

PAGES = 40
ONES = (1 << 64) - 1
DESCRIPTORS, AVAILABLE, USED, HEADER = (RAM_BASE + 14 * PAGE + 0x100 * part for part in (1, 4, 6, 8))
ROOT, MIDDLE, LOW, HOST_ROOT, HOST_MIDDLE, HOST_LOW, FIRMWARE, KERNEL = (
    RAM_BASE + page * PAGE for page in (16, 17, 18, 24, 28, 29, 30, 31)
)
DISK = 0x1000_1000
# Where the tables map 16 pages: twice near, once beside RAM, so that two neighbours share a set of the TLB; and far.
WINDOWS = (0, 0x4000_0000, 0x7FFF_9000, 0x10_0040_0000)
FLAGS = [0xCF] * 3 + [0xDF] * 3 + [0x0F, 0x1F, 0x4F, 0xC3, 0xD3, 0xC9, 0xD9, 0xCB, 1, 0, 0xC7]
REGISTERS = "a2", "a3", "a4", "a5"
SIZES = {"b": 1, "h": 2, "w": 4, "d": 8}

# As another mode sees it, across pages too.
_OTHERWISE = """csrr a5, mepc
    li t1, 0x20800
    csrs mstatus, t1
    ld a4, 0(a6)
    sd a4, -3(a6)
    li t1, 0x20000
    csrc mstatus, t1
    csrw mepc, a5"""
# A request to the disk, which writes there.
_REQUEST = f"""li t1, {DESCRIPTORS + 16}
    sd a6, 0(t1)
    sw a5, 8(t1)
    li t1, {AVAILABLE}
    lhu a5, 2(t1)
    addi a5, a5, 1
    sh a5, 2(t1)
    li t1, {DISK}
    sw zero, 0x50(t1)"""
# What the firmware does for the deeds below, by the number in a7; its arguments are a5 and a6.
SERVICES = (
    "csrw satp, a6", "csrw pmpcfg0, a6", "csrw pmpaddr0, a6", "sd a5, 0(a6)", "csrw medeleg, a6",
    "li t1, 0x7e0000\n and t1, t1, a6\n csrs mstatus, t1", "csrw stimecmp, a6", "csrw mie, a6", "sfence.vma",
    "li t1, 0x1800\n csrc mstatus, t1\n and t1, t1, a6\n csrs mstatus, t1", _OTHERWISE, _REQUEST,
)  # fmt: skip
SERVICES_OF_H = (
    "csrw hgatp, a6", "csrw vsatp, a6", "csrw hvip, a6", "csrw htimedelta, a6", "csrw vsstatus, a6",
    "li t1, 1 << 39\n csrc mstatus, t1\n and t1, t1, a6\n csrs mstatus, t1",
)  # fmt: skip
NAMES = "satp pmpcfg pmpaddr store medeleg status alarm mie fence mode mprv disk".split()
NAMES += "hgatp vsatp hvip delta vsstatus virtual".split()


def firmware(extended: bool, begin: int) -> str:
    """The handler in M mode: each sixteenth trap ends all paging and protection, and begins anew."""
    served = "".join(
        f"li t1, {number}\n bne a7, t1, 1f\n {text}\n j done\n1:\n"
        for number, text in enumerate(SERVICES + SERVICES_OF_H * extended)
    )
    return f"""
        csrw mscratch, t1
        addi s10, s10, 1
        andi t1, s10, 15
        beqz t1, rescue
        csrr t1, mcause
        bltz t1, interrupt
        addi t1, t1, -8
        sltiu t1, t1, 4
        beqz t1, skip
        {served}
done:   csrr t1, mepc
        addi t1, t1, 4
        csrw mepc, t1
        j    out
skip:   csrw mepc, s11
out:    csrr t1, mscratch
        mret
interrupt:
        csrw mip, zero
        li   t1, -1
        csrw stimecmp, t1
        {"csrw hvip, zero" * extended}
        j    out
rescue: csrw satp, zero
        csrw pmpcfg0, zero
        li   t1, -1
        csrw pmpaddr0, t1
        li   t1, 0x1f
        csrw pmpcfg0, t1
        li   t1, {begin}
        csrw mepc, t1
        j    out
    """


KERNEL_SOURCE = """
        csrw sscratch, t1
        addi s10, s10, 1
        csrr t1, scause
        bltz t1, interrupt
        addi t1, t1, -8
        sltiu t1, t1, 3
        bnez t1, call
        csrw sepc, s11
out:    csrr t1, sscratch
        sret
call:   csrr t1, sepc
        addi t1, t1, 4
        csrw sepc, t1
        j    out
interrupt:
        csrw sip, zero
        li   t1, -1
        csrw stimecmp, t1
        j    out
"""


def some_word(luck: random.Random) -> int:
    """An instruction that may stand where another one stood."""
    names = "addi add ld sd lb sb beq jal lui auipc mul ecall csrrs fence.i sfence.vma ebreak amoadd.d lr.d sc.d slliw"
    row = ROWS[luck.choice(names.split())]
    values: dict[str, int] = {operand: luck.getrandbits(row.width(operand)) for operand in row.operands}
    values |= {
        "rd": luck.choice([0, 12, 13, 14]),
        "rs1": luck.choice([8, 9, 12]),
        "rs2": luck.choice([9, 13]),
    }
    if row.name in ("beq", "jal"):
        values["imm"] = luck.choice([4, 8, 12, 6, -4])
    elif "imm" in row.operands and row.extension == "I" and row.name not in ("lui", "auipc"):
        values["imm"] = luck.choice([0, 8, 1, -1, 2040])
    if row.name == "csrrs":
        values |= {
            "csr": CSRS[luck.choice(["sscratch", "time", "instret", "mip", "sstatus"])].number,
            "rs1": 0,
        }
    return encode(row, {name: value for name, value in values.items() if name in row.operands})


def some_entry(luck: random.Random) -> int:
    """An entry of a table: mostly of a page that is there, with all kinds of flags."""
    frame: int = luck.choice([*range(PAGES), PAGES - 1, PAGES, -1, 16, 18])
    flags: int = luck.choice([*FLAGS, luck.getrandbits(10)])
    return (RAM_BASE // PAGE + frame) << 10 | flags


class Writer:
    """Writes a program for a page of code; every trap goes on at the deed behind the one that trapped."""

    def __init__(self, luck: random.Random, page: int, extensions: str):
        self.luck, self.page, self.extended = luck, page, "H" in extensions
        self.labels = 0
        self.deeds: list[Callable[[], str]] = [
            self.memory, self.pointers, self.compute, self.loop, self.rewrite, self.rewrite_in_a_loop,
            self.rewrite_elsewhere, self.edit_table, self.switch_table, self.protect, self.jump, self.evict,
            self.device, self.disk, self.time, self.serve, self.fence, self.csr, self.fall_asleep,
        ]  # fmt: skip

    def program(self) -> str:
        """Deeds, again and again."""
        deeds = [self.luck.choice(self.deeds)() for _deed in range(self.luck.randrange(4, 25))]
        text = "".join(f"D{number}: la s11, D{number + 1}\n{deed}\n" for number, deed in enumerate(deeds))
        return f"{text}D{len(deeds)}: j D0\n"

    def label(self) -> str:
        self.labels += 1
        return f"L{self.labels}"

    def service(self, name: str, a6: int = 0, a5: int = 0) -> str:
        return f"{number('a6', a6)} {number('a5', a5)} li a7, {NAMES.index(name)}\n ecall\n"

    def place(self) -> int:
        """An address: in memory, at its ends, in a window, in a table, of a device, or nowhere."""
        luck, end = self.luck, RAM_BASE + PAGES * PAGE
        offset = luck.choice([0, 8, 2040, 4088, 4092, 4095, luck.randrange(PAGE)])
        virtual = luck.choice(WINDOWS) + luck.randrange(16) * PAGE + offset
        physical = RAM_BASE + luck.randrange(PAGES) * PAGE + offset
        odd = [
            end - 1,
            end - 4,
            end - 8,
            end,
            RAM_BASE - 4,
            0,
            ONES - 7,
            1 << 63,
            1 << 38,
            1 << 56,
            0x7FFF_FFFC,
        ]
        table = luck.choice([ROOT, MIDDLE, LOW, HOST_LOW]) + 8 * luck.randrange(64)
        own = RAM_BASE + self.page * PAGE + offset
        return luck.choice([virtual, virtual, physical, physical, own, table, luck.choice(odd)]) & ONES

    # Deeds

    def memory(self) -> str:
        luck, lines = self.luck, []
        for _line in range(luck.randrange(1, 6)):
            base, register = luck.choice(["s0", "s0", "s1"]), luck.choice(REGISTERS)
            letter, offset = luck.choice(list(SIZES)), luck.choice([0, 0, 8, 1, 2047, -3, -8])
            atomic = (
                luck.choice(["amoadd", "amoswap", "amominu"])
                + f".{luck.choice('wd')} {register}, a2, ({base})"
            )
            held = f"lr.d {register}, ({base})\n {luck.choice(['nop', 'ecall', 'sd a3, 0(s1)'])}\n sc.d a4, a2, (s0)"
            plain = [f"{luck.choice('ls')}{letter} {register}, {offset}({base})"] * 5
            lines.append(luck.choice([*plain, atomic, held]))
        return "\n".join(lines)

    def pointers(self) -> str:
        return number("s0", self.place()) + number("s1", self.place()) + self.memory()

    def compute(self) -> str:
        names = "add sub xor sll sra sltu mul mulh div remu addw sllw divw".split()
        choose = self.luck.choice
        lines = (
            f"{choose(names)} {choose(REGISTERS)}, {choose(REGISTERS)}, {choose(REGISTERS)}"
            for _line in range(choose([2, 31, 33, 70]))
        )
        return "\n".join(lines)

    def loop(self) -> str:
        again, step = self.label(), self.luck.choice([0, 8, 512, 2047])
        body = f"{again}: {self.memory()}\n addi s0, s0, {step}\n addi t0, t0, -1\n bnez t0, {again}"
        return f"li t0, {self.luck.choice([3, 40, 200])}\n {body}"

    def rewrite(self) -> str:
        """What comes next, or half of it, or what was just executed."""
        luck, there = self.luck, self.label()
        words = number("a4", some_word(luck) << 32 | some_word(luck))
        store = f"s{luck.choice('wwdhb')} a4, {luck.choice([0, 0, 2, 4, -2, -4, 1])}(t2)"
        return f"""la t2, {there}
            {words}
            {store}
            {luck.choice(["", "nop", "fence.i"])}
            {there}: nop
            nop
            nop"""

    def rewrite_in_a_loop(self) -> str:
        luck, again, there = self.luck, self.label(), self.label()
        words = number("a4", some_word(luck)) + number("a5", some_word(luck))
        return f"""li t0, {luck.choice([3, 9, 40])}
            la t2, {there}
            {again}: xori a3, a3, 1
            {words}
            beqz a3, 1f
            mv a4, a5
            1: s{luck.choice("wwhb")} a4, {luck.choice([0, 0, 2, -2])}(t2)
            {there}: nop
            addi t0, t0, -1
            bnez t0, {again}"""

    def rewrite_elsewhere(self) -> str:
        """The same through another address of the page."""
        page = self.luck.choice([RAM_BASE + self.page * PAGE, self.place() & -PAGE])
        there = self.label()
        return f"""la t2, {there}
            slli t2, t2, 52
            srli t2, t2, 52
            {number("t1", page)} or t2, t2, t1
            {number("a4", some_word(self.luck))} sw a4, 0(t2)
            {there}: nop
            nop"""

    def edit_table(self) -> str:
        place = self.luck.choice([LOW, LOW, HOST_LOW]) + 8 * self.luck.randrange(20)
        fence = self.luck.choice(["", "sfence.vma", "sfence.vma s0", self.service("fence")])
        return f"{self.service('store', place, some_entry(self.luck))} {fence}\n {self.memory()}"

    def switch_table(self) -> str:
        table = self.luck.choice([make_satp(ROOT), make_satp(ROOT), 0, 9 << 60 | ROOT // PAGE])
        fence = self.luck.choice(["", "sfence.vma"])
        return (
            self.luck.choice([self.service("satp", table), f"{number('t1', table)} csrw satp, t1\n"]) + fence
        )

    def protect(self) -> str:
        first = RAM_BASE + self.luck.randrange(PAGES) * PAGE + self.luck.choice([0, 0, 64])
        places = [ONES >> 10, first >> 2, first >> 2 | 0x1FF, first >> 2 | 7]
        configs = [0x1F, 0x1F1F, 0x1F1B, 0x1F08, 0x0F0F, 0x1F13, 0x1F9B, 0x98]
        name, values = self.luck.choice([("pmpaddr", places), ("pmpcfg", configs)])
        return self.service(name, self.luck.choice(values)) + self.memory()

    def jump(self) -> str:
        there = self.label()
        near = f"la t1, {there} + {self.luck.choice([0, 1, 2])}\n jalr ra, 0(t1)\n nop\n{there}: nop\n nop"
        return self.luck.choice([near, f"{number('t1', self.place())} jalr ra, 0(t1)"])

    def evict(self) -> str:
        """Let something else take the set of the TLB in which the page of this instruction is."""
        other = self.luck.choice([1 << 22 | 1 << 12, 3 << 22 | 3 << 12, 1 << 32, 0x1FF << 22 | 0x1FF << 12])
        act = self.luck.choice(["ld a3, 0(t2)", "sd a3, 0(t2)", "lr.d a3, (t2)"])
        return f"la t2, .\n srli t2, t2, 12\n slli t2, t2, 12\n {number('t1', other)} xor t2, t2, t1\n {act}\n nop"

    def device(self) -> str:
        place = self.luck.choice(
            [0x1000_0000, 0x1000_0001, 0x1000_0005, 0x0200_4000, 0x0200_BFF8, 0x0C00_0004, DISK]
        )
        size = self.luck.choice("bbwd")
        return f"{number('t1', place)} {self.luck.choice('ls')}{size} a3, 0(t1)\n l{size} a4, 0(t1)"

    def disk(self) -> str:
        own = RAM_BASE + self.page * PAGE + self.luck.randrange(PAGE)
        place = self.luck.choice([own, own, self.place(), LOW, HOST_LOW, RAM_BASE + PAGES * PAGE - 512])
        held = f"{number('s0', place & -8)} lr.d a3, (s0)\n" * self.luck.randrange(2)
        return (
            held + self.service("disk", place, self.luck.choice([512, 512, 64, 8, 1])) + "sc.d a4, a3, (s0)"
        )

    def time(self) -> str:
        alarm = f"rdtime t1\n addi t1, t1, {self.luck.randrange(-50, 200)}\n csrw stimecmp, t1"
        return self.luck.choice(
            [alarm, "csrsi sstatus, 2", "csrci sstatus, 2", "rdtime a3\n rdinstret a4\n rdcycle a5"]
        )

    def fall_asleep(self) -> str:
        alarm = f"rdtime t1\n addi t1, t1, {self.luck.randrange(50)}\n csrw stimecmp, t1"
        return f"{alarm}\n li t1, 0x20\n csrs sie, t1\n wfi"

    def serve(self) -> str:
        luck, names = self.luck, NAMES if self.extended else NAMES[: len(SERVICES)]
        table = luck.choice([make_satp(ROOT), make_satp(HOST_ROOT), 0])
        odd = [ONES, 0x222, 0x444, 0xA1FD, 1 << 17, 3 << 18, 1 << 11, 1 << 39, 3 << 11, luck.getrandbits(64)]
        name = luck.choice(names)
        return self.service(name, table if name.endswith("atp") else luck.choice([self.place(), *odd]))

    def fence(self) -> str:
        own = ["hfence.gvma", "hfence.vvma s0, a2", "hlv.d a3, (s0)", "hsv.w a3, (s1)", "hlvx.wu a3, (s0)"]
        return self.luck.choice(["fence.i", "fence", "sfence.vma zero, a2", *own * self.extended])

    def csr(self) -> str:
        names = "sstatus sscratch scause stval sie sip mstatus mip mie pmpaddr1 time instret satp".split()
        names += "hstatus hvip hip vsstatus vsie htimedelta hideleg".split() * self.extended
        operation = self.luck.choice(
            ["csrrs a3, {}, zero", "csrrs a3, {}, a2", "csrrc a3, {}, a2", "csrrwi a3, {}, 9"]
        )
        return operation.format(self.luck.choice(names))


def number(register: str, value: int) -> str:
    """Load a number of 64 bits."""
    return f"li {register}, {value - (1 << 64) if value >> 63 else value}\n"
