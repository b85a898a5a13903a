"""The same bare program on QEMU's `virt` and on our machine: what each prints on its console."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from vlab.machine import Machine, Stop
from vlab.machine.memory import RAM_BASE
from vlab.riscv import assemble

# As ours: RV64IMA with the privileged architecture, no compressed instructions, so jumps must be to multiples of 4.
_CPU = "rv64,c=false,f=false,d=false"
_SECONDS = 60

# Before the program: a stack, memory open to S and U. After it: printing, and the end.
_PROLOGUE = """
        .equ UART, 0x10000000
_start: la sp, stack
        li t0, -1
        csrw pmpaddr0, t0
        li t0, 0x1f
        csrw pmpcfg0, t0
        la t0, trap
        csrw mtvec, t0
        j main
        .balign 4
"""
_EPILOGUE = """
end:    li t0, 0x100000
        li t1, 0x5555
        sw t1, 0(t0)
1:      j 1b

put:                            # a0: a character; t5 and t6 are spoilt, as by all of these
        li t6, UART
1:      lbu t5, 5(t6)
        andi t5, t5, 0x20
        beqz t5, 1b
        sb a0, 0(t6)
        ret

digit:                          # a0: print its low four bits
        andi a0, a0, 15
        addi a0, a0, '0'
        li t6, '9'
        ble a0, t6, put
        addi a0, a0, 'a' - '0' - 10
        j put

number:                         # a0: print it in hexadecimal, and a space
        addi sp, sp, -32
        sd ra, 0(sp)
        sd s0, 8(sp)
        sd s1, 16(sp)
        mv s0, a0
        li s1, 60
1:      srl a0, s0, s1
        call digit
        addi s1, s1, -4
        bgez s1, 1b
        li a0, ' '
        call put
        ld ra, 0(sp)
        ld s0, 8(sp)
        ld s1, 16(sp)
        addi sp, sp, 32
        ret

line:   li a0, '\\n'
        j put

        .bss
        .balign 16
        .zero 1024
stack:
"""


def program(text):
    """A program that begins at `main`, has its M-mode handler at `trap`, and jumps to `end`."""
    return assemble(_PROLOGUE + text + _EPILOGUE)


def on_qemu(built, more=""):
    """What a program prints on QEMU, whose hart has this more, or less: ",sstc=false"."""
    (first, _content), *_rest = built.segments
    assert first == built.entry == RAM_BASE
    image = bytearray()
    for address, content in built.segments:
        image = image.ljust(address - RAM_BASE, b"\0") + content
    with tempfile.TemporaryDirectory() as folder:
        firmware = Path(folder) / "program.bin"
        firmware.write_bytes(image)
        done = subprocess.run(
            [*_qemu(_CPU + more), "-bios", str(firmware)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def _qemu(cpu):
    command = shutil.which("qemu-system-riscv64") or "qemu-system-riscv64"
    console = ["-display", "none", "-serial", "stdio", "-monitor", "none"]
    return [command, "-machine", "virt", "-cpu", cpu, "-m", "16M", *console]


def on_ours(built):
    """What it prints on our machine."""
    machine = Machine(built, memory="16M")
    stop = machine.run(50_000_000)
    assert stop is Stop.OFF, machine
    return machine.console


def alike(text, more=""):
    """The console, if it is the same on both; `more` is QEMU's."""
    built = program(text)
    ours, theirs = on_ours(built).splitlines(), on_qemu(built, more).splitlines()
    for i, (our, their) in enumerate(zip(ours, theirs, strict=False)):
        assert our == their, f"line {i}\nours  {our}\nQEMU  {their}"
    assert len(ours) == len(theirs)
    return ours
