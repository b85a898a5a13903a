"""Other processes for the small kernel, to try it: each prints "ok" if it found all well, else it crashes."""

SAYS_OK = """
    li   a0, USER_DATA
    li   a1, 3
    li   a7, WRITE
    ecall
    li   a7, EXIT
    ecall
"""


def user_chapter(a: str, b: str) -> str:
    """The kernel's last file, with these two processes."""
    data = '    .balign PAGE\n    .ascii "ok\\n"\n    .balign PAGE\n'
    return (
        f"    .text\n    .balign PAGE\nprocess_a:\n{a}    .balign PAGE\nprocess_b:\n{b}    .balign PAGE\n"
        f"    .data\n    .balign PAGE\ndata_a:\n{data}data_b:\n{data}"
    )


def checks_registers(seed: int) -> str:
    """Fills all registers and looks at them again and again, without changing one for long."""
    mine = {f"x{n}": seed * 64 + n for n in range(1, 31)}
    fill = "".join(f"    li {register}, {value}\n" for register, value in mine.items())
    look = "".join(
        f"    addi {register}, {register}, -{value}\n"
        f"    bnez {register}, 3f\n"
        f"    addi {register}, {register}, {value}\n"
        for register, value in mine.items()
    )
    again = "    addi x31, x31, -1\n    bnez x31, 2b\n"
    return f"{fill}    li x31, 1000\n2:\n{look}{again}{SAYS_OK}3:  jr zero\n"


def _refused(call: int, address: int, length: int) -> str:
    return f"""
    li   a0, {address}
    li   a1, {length}
    li   a7, {call}
    ecall
    addi a0, a0, 1
    beqz a0, 1f
    jr   zero
1:
"""


_DATA = 0x4000_1000
_WILD = [(0x8000_0000, 4), (_DATA - 1, 2), (_DATA + 4095, 2), (_DATA, 4097), (_DATA, -1), (-1, 1)]
_UNKNOWN = [5, 99, -1]

# System calls that must give -1, though two of the texts begin well.
TRIES_WHAT_IS_REFUSED = "".join(
    [_refused(0, *where) for where in _WILD] + [_refused(number, _DATA, 1) for number in _UNKNOWN] + [SAYS_OK]
)
