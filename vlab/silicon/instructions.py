"""The instructions that are tried: what each asks for, and its bytes, for x86-64, arm64 and RISC-V.

An instruction stands between code that prepares it and code that takes what came out and returns. The whole is
called as a C function: its argument is the address of a page to write to, its result what the instruction gave.
The bytes are those of the manuals: Intel SDM volume 2, Arm ARM chapter C5, RISC-V Privileged ISA; a test compares
them with an assembler's.
"""

from dataclasses import dataclass
from typing import NamedTuple

from vlab.language import _, unknown
from vlab.silicon.hosts import machine_name


class Kept(NamedTuple):
    """How to see that an instruction had no effect: these bits of the result have this value."""

    mask: int
    value: int


@dataclass(frozen=True, repr=False)
class Instruction:
    """One instruction of a machine: its name in assembly, what it asks for (an act), and its bytes.

    `reads`: it changes nothing, and only tells something. `kept`: how to see that a change did not happen.
    """

    machine: str
    name: str
    text: str
    act: str
    code: bytes
    before: bytes = b""
    after: bytes = b""
    reads: bool = False
    kept: Kept | None = None

    @property
    def title(self) -> str:
        """What it asks for, in the reader's language."""
        return act_title(self.act)

    def __repr__(self) -> str:
        return _("{text} ({machine}: {code}): {title}").format(
            text=self.text, machine=self.machine, code=self.code.hex(" "), title=self.title
        )


# What every machine has an instruction for, and lets only a kernel do.
SHARED = ("interrupts off", "interrupts on", "page tables", "translations", "trap vector", "status")


def act_title(act: str) -> str:
    """What an instruction asks for, in the reader's language."""
    return {
        "interrupts off": _("switch interrupts off"),
        "interrupts on": _("switch interrupts on"),
        "flags": _("switch interrupts off with all flags"),
        "read flags": _("read the interrupt flag"),
        "page tables": _("set the page table"),
        "translations": _("forget cached translations"),
        "trap vector": _("say where traps go"),
        "read trap vector": _("read where traps go"),
        "status": _("read the kernel's status register"),
        "set status": _("write the kernel's status register"),
        "halt": _("stop the CPU until an interrupt"),
        "segments": _("set the table of segments"),
        "read segments": _("read the table of segments"),
        "mode": _("read the CPU's mode"),
        "debug": _("write a debug register"),
        "caches": _("write back and empty the caches"),
        "model register": _("use a register of this CPU's model"),
        "device": _("talk to a device"),
        "kernel entry": _("swap or leave the kernel's state"),
        "virtualize": _("enter the mode for hypervisors"),
        "firmware": _("call the firmware"),
        "hypercall": _("call the hypervisor"),
        "identity": _("read which CPU this is"),
    }[act]


_INTERRUPT_FLAG = 1 << 9  # of RFLAGS
_RET, _POP_RET = bytes.fromhex("c3"), bytes.fromhex("58c3")
_LOAD_RET = bytes.fromhex("488b4702c3")  # mov 2(%rdi), %rax; ret
_CLEAR_FLAG = bytes.fromhex("9c48812424fffdffff")  # pushf; andq $~0x200, (%rsp)
_PUSH_POP_RET = bytes.fromhex("9c58c3")


def _x86(name: str, text: str, act: str, code: str, after: bytes = _RET, **more: object) -> Instruction:
    return Instruction("x86-64", name, text, act, bytes.fromhex(code), after=after, **more)  # type: ignore[arg-type]


def _arm(name: str, act: str, code: str, reads: bool = False) -> Instruction:
    ret = bytes.fromhex("c0035fd6")
    return Instruction("arm64", name, name, act, bytes.fromhex(code), after=ret, reads=reads)


def _riscv(name: str, act: str, code: str, reads: bool = False) -> Instruction:
    ret = bytes.fromhex("67800000")
    return Instruction("riscv64", name, name, act, bytes.fromhex(code), after=ret, reads=reads)


INSTRUCTIONS: tuple[Instruction, ...] = (
    _x86("cli", "cli", "interrupts off", "fa"),
    _x86("sti", "sti", "interrupts on", "fb"),
    _x86(
        "popf",
        "popfq",
        "flags",
        "9d",
        _PUSH_POP_RET,
        before=_CLEAR_FLAG,
        kept=Kept(_INTERRUPT_FLAG, _INTERRUPT_FLAG),
    ),
    _x86("pushf", "pushfq", "read flags", "9c", _POP_RET, reads=True),
    _x86("hlt", "hlt", "halt", "f4"),
    _x86("mov-cr3", "mov %rax, %cr3", "page tables", "0f22d8"),
    _x86("invlpg", "invlpg (%rdi)", "translations", "0f013f"),
    _x86("lidt", "lidt (%rdi)", "trap vector", "0f011f"),
    _x86("sidt", "sidt (%rdi)", "read trap vector", "0f010f", _LOAD_RET, reads=True),
    _x86("mov-from-cr0", "mov %cr0, %rax", "status", "0f20c0", reads=True),
    _x86("smsw", "smsw %eax", "status", "0f01e0", reads=True),
    _x86("lmsw", "lmsw %di", "set status", "0f01f7"),
    _x86("clts", "clts", "set status", "0f06"),
    _x86("lgdt", "lgdt (%rdi)", "segments", "0f0117"),
    _x86("lldt", "lldt %di", "segments", "0f00d7"),
    _x86("ltr", "ltr %di", "segments", "0f00df"),
    _x86("sgdt", "sgdt (%rdi)", "read segments", "0f0107", _LOAD_RET, reads=True),
    _x86("mov-from-cs", "mov %cs, %eax", "mode", "8cc8", reads=True),
    _x86("mov-dr7", "mov %rax, %dr7", "debug", "0f23f8"),
    _x86("wbinvd", "wbinvd", "caches", "0f09"),
    _x86("rdmsr", "rdmsr", "model register", "0f32", reads=True),
    _x86("wrmsr", "wrmsr", "model register", "0f30"),
    _x86("in", "in %dx, %al", "device", "ec", reads=True),
    _x86("out", "out %al, %dx", "device", "ee"),
    _x86("swapgs", "swapgs", "kernel entry", "0f01f8"),
    _x86("sysret", "sysretq", "kernel entry", "480f07"),
    _x86("vmxon", "vmxon (%rdi)", "virtualize", "f30fc737"),
    _arm("msr daifset, #2", "interrupts off", "df4203d5"),
    _arm("msr daifclr, #2", "interrupts on", "ff4203d5"),
    _arm("mrs x0, daif", "read flags", "20423bd5", reads=True),
    _arm("msr ttbr0_el1, x0", "page tables", "002018d5"),
    _arm("tlbi vmalle1", "translations", "1f8708d5"),
    _arm("msr vbar_el1, x0", "trap vector", "00c018d5"),
    _arm("mrs x0, sctlr_el1", "status", "001038d5", reads=True),
    _arm("mrs x0, CurrentEL", "mode", "404238d5", reads=True),
    _arm("mrs x0, midr_el1", "identity", "000038d5", reads=True),
    _arm("eret", "kernel entry", "e0039fd6"),
    _arm("hvc #0", "hypercall", "020000d4"),
    _arm("smc #0", "firmware", "030000d4"),
    _riscv("csrci sstatus, 2", "interrupts off", "73700110"),
    _riscv("csrsi sstatus, 2", "interrupts on", "73600110"),
    _riscv("csrw satp, a0", "page tables", "73100518"),
    _riscv("sfence.vma", "translations", "73000012"),
    _riscv("csrw stvec, a0", "trap vector", "73105510"),
    _riscv("csrr a0, sstatus", "status", "73250010", reads=True),
    _riscv("sret", "kernel entry", "73002010"),
)


def instructions_of(machine: str) -> tuple[Instruction, ...]:
    """The instructions of a kind of machine; none for one that has no table here."""
    return tuple(row for row in INSTRUCTIONS if row.machine == machine)


def find(asked: str, machine: str) -> Instruction | None:
    """The instruction by its name or by what it asks for, of this machine, or (by its name) of another.

    None: an act that this machine has no instruction for. Raises VlabError for what no machine knows.
    """
    own = instructions_of(machine)
    found = next((row for row in (*own, *INSTRUCTIONS) if asked in (row.name, row.text)), None)
    found = found or next((row for row in own if row.act == asked), None)
    if found is None and not any(row.act == asked for row in INSTRUCTIONS):
        names = [row.name for row in instructions_of(machine_name()) or INSTRUCTIONS]
        what = _("There is no instruction {asked!r} to try.").format(asked=str(asked)[:40])
        raise unknown(what, asked, (*SHARED, *names))
    return found
