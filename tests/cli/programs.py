"""Programs for `vlab run` to try it with, in assembly; each is whole by itself."""

UART, FINISHER = 0x1000_0000, 0x10_0000


def says(text: str) -> str:
    """Prints a text of printable characters, and spoils t0 and t1."""
    return f"    li t0, {UART}\n" + "".join(f"    li t1, {ord(c)}\n    sb t1, 0(t0)\n" for c in text)


def ends(code: int) -> str:
    """Switches the computer off with a status."""
    return f"    li t0, {FINISHER}\n    li t1, {code << 16 | 0x3333 if code else 0x5555}\n    sw t1, 0(t0)\n"


START = "    .globl _start\n_start:\n"
RUNS_ON = START + says("ready\n") + "again:\n    addi t2, t2, 1\n    j again\n"
STAYS = START + "stay:\n    j stay\n"
SLEEPS = START + "    csrw mie, zero\nsleep:\n    wfi\n    j sleep\n"
CHATTERS = START + f"    li t0, {UART}\n    li t1, '.'\nagain:\n    sb t1, 0(t0)\n    j again\n"

# Prints what is typed, up to a full stop.
ECHO = f"""{START}
    li   s0, {UART}
    li   s1, '.'
again:
    lbu  t0, 5(s0)
    andi t0, t0, 1
    beqz t0, again
    lbu  t1, 0(s0)
    sb   t1, 0(s0)
    bne  t1, s1, again
{ends(0)}"""

# Prints its device tree, whose size stands big-endian at its fifth byte.
SHOWS_TREE = f"""{START}
    lbu  t0, 6(a1)
    slli t0, t0, 8
    lbu  t1, 7(a1)
    or   t0, t0, t1
    add  t0, t0, a1
    li   t2, {UART}
again:
    lbu  t1, 0(a1)
    sb   t1, 0(t2)
    addi a1, a1, 1
    bne  a1, t0, again
{ends(0)}"""

_TO_S_MODE = f"""
    la   t0, caught
    csrw mtvec, t0
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    li   t0, 1<<11
    csrw mstatus, t0
    mret
    .balign 4
caught:                     # the next stage did what only M mode may do
{ends(42)}"""

# Firmware of OpenSBI's fw_dynamic kind: it is told where to go. Status 1: it is told wrongly.
FW_DYNAMIC = f"""{START}
    ld   t0, 0(a2)
    li   t1, 0x4942534f
    bne  t0, t1, wrong
    ld   t0, 8(a2)
    li   t1, 2
    bne  t0, t1, wrong
    ld   t0, 16(a2)
    csrw mepc, t0
    ld   t0, 24(a2)
    li   t1, 1
    bne  t0, t1, wrong
{says("fw ")}{_TO_S_MODE}
wrong:
{ends(1)}"""

# Firmware of the fw_jump kind: it goes to a place that it knows.
FW_JUMP = f"""{START}
    li   t0, 0x80200000
    csrw mepc, t0
{says("fw ")}{_TO_S_MODE}"""

# A next stage: shows that it has the device tree's magic, then tries what only M mode may do.
NEXT = f"""{START}
    csrr t0, sstatus
    lw   s0, 0(a1)
    li   s1, 0xffffffffedfe0dd0
    bne  s0, s1, quiet
{says("next")}quiet:
    csrr t0, mstatus
"""

# A test program of RISC-V's kind: words between two symbols, a line on the host's console, a status.
_HTIF = """
    .data
    .balign 64
    .globl tohost, fromhost, begin_signature, end_signature
tohost:
    .dword 0
fromhost:
    .dword 0
begin_signature:
    .word 0xdeadbeef, 0
    .dword 0x0123456789abcdef
end_signature:
"""


def htif(code: int) -> str:
    """Writes a signature, prints "ok" by way of `tohost`, and ends with a status there."""
    return f"""{START}
    la   t0, begin_signature
    li   t1, 7
    sw   t1, 4(t0)
    la   s0, tohost
    li   a0, 'o'
    call put
    li   a0, 'k'
    call put
    li   t0, {code << 1 | 1}
    sd   t0, 0(s0)
1:  j    1b
put:
    ld   t0, 0(s0)
    bnez t0, put            # until the host has taken the one before
    li   t0, 0x0101
    slli t0, t0, 48
    or   t0, t0, a0
    sd   t0, 0(s0)
    ret
{_HTIF}"""


def listens(alarm: int = 0) -> str:
    """Sleeps until a key is pressed, which interrupts it, and prints it; a full stop ends that.

    With an alarm, one rings every so many ticks, and a `*` is printed.
    """
    return f"""{START}
    la   t0, interrupted
    csrw mtvec, t0
    li   s0, {UART}
    li   s1, 0x0c200000         # the PLIC's threshold and claim of M mode
    li   s2, 0x02004000         # mtimecmp
    li   t0, 0x0c000028         # the priority of the UART's source, 10
    li   t1, 1
    sw   t1, 0(t0)
    li   t0, 0x0c002000         # its enable
    li   t1, 1<<10
    sw   t1, 0(t0)
    sw   zero, 0(s1)
    li   t1, 1
    sb   t1, 1(s0)              # a byte received interrupts
    li   t0, 1<<11 | {int(alarm > 0) << 7}
    csrw mie, t0
{says("ready ")}
    li   s3, {alarm}
    sd   s3, 0(s2)
    csrsi mstatus, 1<<3
sleep:
    wfi
    j    sleep
    .balign 4
interrupted:
    csrr t0, mcause
    andi t0, t0, 15
    li   t1, 7
    bne  t0, t1, key
{says("*")}
    ld   t0, 0(s2)
    add  t0, t0, s3
    sd   t0, 0(s2)
    mret
key:
    lw   t2, 4(s1)
    lbu  t0, 0(s0)
    sb   t0, 0(s0)
    sw   t2, 4(s1)
    li   t1, '.'
    beq  t0, t1, over
    mret
over:
{ends(6)}"""
