"""A peer to measure against: fetch, decode and execute as a textbook writes them, in one honest loop.

Nothing is remembered from one instruction to the next, and nothing is done slowly on purpose. It knows the
part of RV64I that ordinary programs use, and `mul`; no traps, no devices, no paging. It stops at `ecall`.
"""

BASE = 0x8000_0000
MASK = (1 << 64) - 1
_LOADS = {0: (1, True), 1: (2, True), 2: (4, True), 3: (8, True), 4: (1, False), 5: (2, False), 6: (4, False)}


def run(memory: bytearray, x: list[int], pc: int) -> int:
    """Run from `pc` until `ecall`, in registers `x` and memory at BASE; how many instructions that were."""
    count = 0
    while True:
        count += 1
        at = pc - BASE
        word = int.from_bytes(memory[at : at + 4], "little")
        opcode = word & 0x7F
        rd = word >> 7 & 31
        funct3 = word >> 12 & 7
        a = x[word >> 15 & 31]
        b = x[word >> 20 & 31]
        after = pc + 4
        if opcode == 0x13:  # addi and its like
            other = word >> 30 & 1 if funct3 == 5 else 0
            result = _calculate(funct3, other, a, _signed(word >> 20, 12) & MASK)
        elif opcode == 0x33:
            result = a * b & MASK if word >> 25 == 1 else _calculate(funct3, word >> 30 & 1, a, b)
        elif opcode == 0x63:
            if _branches(funct3, a, b):
                after = pc + _branch_offset(word)
            result, rd = 0, 0
        elif opcode == 0x03:
            size, signed = _LOADS[funct3]
            at = (a + _signed(word >> 20, 12) & MASK) - BASE
            result = int.from_bytes(memory[at : at + size], "little", signed=signed) & MASK
        elif opcode == 0x23:
            size = 1 << funct3
            at = (a + _signed((word >> 25) << 5 | word >> 7 & 31, 12) & MASK) - BASE
            memory[at : at + size] = (b & (1 << 8 * size) - 1).to_bytes(size, "little")
            result, rd = 0, 0
        elif opcode == 0x6F:
            result = after
            after = pc + _jump_offset(word)
        elif opcode == 0x67:
            result = after
            after = a + _signed(word >> 20, 12) & MASK & ~1
        elif opcode == 0x37:
            result = _signed(word & 0xFFFF_F000, 32) & MASK
        elif opcode == 0x17:
            result = pc + _signed(word & 0xFFFF_F000, 32) & MASK
        elif word == 0x73:
            return count
        else:
            raise ValueError(f"{word:#010x} at {pc:#x} is no instruction known here")
        if rd:
            x[rd] = result
        pc = after


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 & 1 else value


def _branch_offset(word: int) -> int:
    scattered = (word >> 31) << 12 | (word >> 7 & 1) << 11 | (word >> 25 & 0x3F) << 5 | (word >> 8 & 0xF) << 1
    return _signed(scattered, 13)


def _jump_offset(word: int) -> int:
    scattered = (word >> 31) << 20 | (word & 0xFF000) | (word >> 20 & 1) << 11 | (word >> 21 & 0x3FF) << 1
    return _signed(scattered, 21)


def _calculate(funct3: int, other: int, a: int, b: int) -> int:
    """`other` tells `sub` from `add`, and `sra` from `srl`."""
    if funct3 == 0:
        return a - b & MASK if other else a + b & MASK
    if funct3 == 1:
        return a << (b & 63) & MASK
    if funct3 == 2:
        return int(_signed(a, 64) < _signed(b, 64))
    if funct3 == 3:
        return int(a < b)
    if funct3 == 4:
        return a ^ b
    if funct3 == 5:
        return (_signed(a, 64) if other else a) >> (b & 63) & MASK
    return a | b if funct3 == 6 else a & b


def _branches(funct3: int, a: int, b: int) -> bool:
    if funct3 >> 1 == 0:
        taken = a == b
    elif funct3 >> 1 == 2:
        taken = _signed(a, 64) < _signed(b, 64)
    else:
        taken = a < b
    return taken != bool(funct3 & 1)
