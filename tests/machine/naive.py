"""A naive interpreter for RV64IMA in M mode with flat memory: written from the manual, in other words than the table.

Only what unprivileged programs do. A trap is entered as M mode does it, and everything else of the machine is
left out.
"""

from dataclasses import dataclass, field

ONES = (1 << 64) - 1


class Trapped(Exception):
    def __init__(self, cause, value):
        self.cause, self.value = cause, value


def signed(value, bits=64):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def divided(a, b, bits):
    """The four results of the M extension, div divu rem remu, for operands of so many bits."""
    low = (1 << bits) - 1
    a, b = a & low, b & low
    sa, sb = signed(a, bits), signed(b, bits)
    if b == 0:
        return low, low, a, a
    if sa == -(1 << bits - 1) and sb == -1:
        return a, a // b, 0, a % b
    quotient = abs(sa) // abs(sb) * (1 if (sa < 0) == (sb < 0) else -1)
    return quotient & low, a // b, sa - quotient * sb & low, a % b


@dataclass
class Naive:
    base: int
    memory: bytearray
    pc: int
    tvec: int = 0
    x: list[int] = field(default_factory=lambda: [0] * 32)
    epc: int = 0
    cause: int = 0
    tval: int = 0
    reserved: tuple[int, int] | None = None

    def run(self, attempts):
        for _attempt in range(attempts):
            try:
                self.step()
            except Trapped as trap:
                self.epc, self.cause, self.tval = self.pc, trap.cause, trap.value
                self.pc = self.tvec
            self.x[0] = 0

    def load(self, address, size, cause=5):
        at = address - self.base
        if not 0 <= at <= len(self.memory) - size:
            # The page of the address decides where it can be blamed: beyond RAM's end or before its start.
            raise Trapped(cause, self.blamed(address, size))
        return int.from_bytes(self.memory[at : at + size], "little")

    def store(self, address, size, value):
        self.load(address, size, 7)
        at = address - self.base
        self.memory[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")

    def blamed(self, address, size):
        """The first page of an access that isn't memory: at its first byte there."""
        for byte in range(address, address + size):
            at = (byte & ONES) - self.base
            if not 0 <= at < len(self.memory) and (byte == address or byte % 4096 == 0):
                return byte & ONES
        return address

    def step(self):
        if not 0 <= self.pc - self.base <= len(self.memory) - 4:
            raise Trapped(1, self.pc)
        word = self.load(self.pc, 4)
        opcode, rd, funct3 = word & 127, word >> 7 & 31, word >> 12 & 7
        rs1, rs2, funct7 = word >> 15 & 31, word >> 20 & 31, word >> 25
        a, b = self.x[rs1], self.x[rs2]
        i_imm = signed(word >> 20, 12)
        illegal = Trapped(2, word)
        after = self.pc + 4 & ONES
        result = None
        if opcode == 0x37:
            result = signed(word & 0xFFFFF000, 32)
        elif opcode == 0x17:
            result = self.pc + signed(word & 0xFFFFF000, 32)
        elif opcode == 0x6F:
            bits = (word >> 31 << 20) | (word >> 12 & 0xFF) << 12 | (word >> 20 & 1) << 11
            bits |= (word >> 21 & 0x3FF) << 1
            result, after = after, self.jump(self.pc + signed(bits, 21))
        elif opcode == 0x67 and funct3 == 0:
            result, after = after, self.jump(a + i_imm & ~1)
        elif opcode == 0x63 and funct3 not in (2, 3):
            bits = (word >> 31 << 12) | (word >> 7 & 1) << 11 | (funct7 & 0x3F) << 5 | (rd >> 1) << 1
            pairs = {0: a == b, 1: a != b, 4: signed(a) < signed(b), 5: signed(a) >= signed(b), 6: a < b}
            if pairs.get(funct3, a >= b):
                after = self.jump(self.pc + signed(bits, 13))
        elif opcode == 0x03 and funct3 != 7:
            size = 1 << (funct3 & 3)
            result = self.load(a + i_imm & ONES, size)
            if funct3 < 4:
                result = signed(result, 8 * size)
        elif opcode == 0x23 and funct3 < 4:
            self.store(a + signed(funct7 << 5 | rd, 12) & ONES, 1 << funct3, b)
        elif opcode == 0x13:
            result = self.arithmetic(funct3, a, i_imm & ONES, word >> 26, 64, word >> 20 & 63, illegal, True)
        elif opcode == 0x1B:
            if funct3 not in (0, 1, 5) or (funct3 and funct7 & 1):
                raise illegal
            result = self.arithmetic(funct3, a, i_imm & ONES, word >> 26, 32, word >> 20 & 31, illegal, True)
        elif opcode == 0x33 and funct7 == 1:
            result = self.multiplied(funct3, a, b)
        elif opcode == 0x33:
            result = self.arithmetic(funct3, a, b, funct7 >> 1, 64, b & 63, illegal, False, funct7 & 1)
        elif opcode == 0x3B and funct7 == 1 and funct3 not in (1, 2, 3):
            result = a * b if funct3 == 0 else divided(a, b, 32)[funct3 - 4]
            result = signed(result, 32)
        elif opcode == 0x3B and funct3 in (0, 1, 5):
            result = self.arithmetic(funct3, a, b, funct7 >> 1, 32, b & 31, illegal, False, funct7 & 1)
        elif opcode == 0x2F and funct3 in (2, 3):
            result = self.atomic(funct7 >> 2, 1 << funct3, a, b, rs2, illegal)
        elif opcode == 0x0F and funct3 in (0, 1):
            pass
        elif word == 0x73:
            raise Trapped(11, 0)
        elif word == 0x0010_0073:
            raise Trapped(3, self.pc)
        else:
            raise illegal
        if result is not None:
            self.x[rd] = result & ONES
        self.pc = after

    def jump(self, target):
        target &= ONES
        if target % 4:
            raise Trapped(0, target)
        return target

    def arithmetic(self, funct3, a, b, kind, bits, amount, illegal, immediate, odd=0):
        alternative = kind == 16
        shifts = funct3 in (1, 5)
        if odd or ((shifts or not immediate) and kind not in (0, 16)):
            raise illegal
        if alternative and not (funct3 == 5 or (funct3 == 0 and not immediate)) and (shifts or not immediate):
            raise illegal
        low = a & (1 << bits) - 1
        match funct3:
            case 0:
                value = a - b if alternative and not immediate else a + b
            case 1:
                value = a << amount
            case 2:
                return int(signed(a) < signed(b))
            case 3:
                return int(a < b)
            case 4:
                value = a ^ b
            case 5:
                value = signed(low, bits) >> amount if alternative else low >> amount
            case 6:
                value = a | b
            case _:
                value = a & b
        return signed(value, bits)

    def multiplied(self, funct3, a, b):
        if funct3 >= 4:
            return divided(a, b, 64)[funct3 - 4]
        left = signed(a) if funct3 in (1, 2) else a
        right = signed(b) if funct3 == 1 else b
        return a * b if funct3 == 0 else left * right >> 64

    def atomic(self, funct5, size, address, b, rs2, illegal):
        if funct5 not in (0, 1, 2, 3, 4, 8, 12, 16, 20, 24, 28) or (funct5 == 2 and rs2):
            raise illegal
        if address % size:
            raise Trapped(4 if funct5 == 2 else 6, address)
        bits = 8 * size
        old = self.load(address, size, 5 if funct5 == 2 else 7)
        if funct5 == 2:
            self.reserved = address, size
            return signed(old, bits)
        if funct5 == 3:
            held, self.reserved = self.reserved == (address, size), None
            if held:
                self.store(address, size, b)
            return int(not held)
        low = b & (1 << bits) - 1
        pick = {16: min, 20: max, 24: min, 28: max}
        simple = {0: old + low, 1: low, 4: old ^ low, 8: old | low, 12: old & low}
        if funct5 in simple:
            new = simple[funct5]
        elif funct5 < 24:
            new = pick[funct5](signed(old, bits), signed(low, bits))
        else:
            new = pick[funct5](old, low)
        self.store(address, size, new)
        return signed(old, bits)
