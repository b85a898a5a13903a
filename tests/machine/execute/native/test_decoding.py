"""What native code decodes, beside `vlab.riscv.decode`: every compressed instruction, and many wide ones."""

import random
import struct

import pytest

from vlab.machine import Machine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.riscv import CSRS, ROWS, Mode, Program, decode, encode
from vlab.riscv.instructions import length

pytest.importorskip("llvmlite")

from vlab.machine.execute.native import building
from vlab.machine.execute.native.csrs import csr_rows
from vlab.machine.execute.native.kinds import NEAR, QUIET, jumps_near, native

SINK = 32
RESTING = b"\x6f\0\0\0" * (PAGE // 4)
SLOT_SIZE = 16


def decoded(content, extensions):
    """The slots of a page with this content, each having been decoded: {offset: (handler's name, operands)}."""
    machine = Machine(
        Program(((RAM_BASE, RESTING + content),), RAM_BASE), memory=4 * PAGE, engine="native", extensions=extensions
    )  # fmt: skip
    hart, names = machine.hart, {address: name for name, address in building.native().handlers.items()}
    hart.csr.write(CSRS["pmpaddr0"], (1 << 54) - 1)
    hart.csr.write(CSRS["pmpcfg0"], 0x9D)  # nobody stores anything: the page stays as it is
    assert machine._native is not None
    code = machine._native.code
    code.hold(1)
    slots = code._slots[: PAGE // 2 * SLOT_SIZE // 8]
    for offset in range(0, PAGE, 2 if "C" in extensions else 4):
        if names[slots[offset]] == "undecoded":
            hart.x[:] = [0] * 33
            hart.pc = RAM_BASE + PAGE + offset
            hart.mode, hart.waiting = Mode.M, False
            hart.csr.values |= {"mtvec": RAM_BASE, "mie": 0, "mstatus": 0}
            hart.mmu.select()
            machine.run(8)
    return {offset: (names[slots[offset]], slots[offset + 1]) for offset in range(0, PAGE, 2)}


def expected(word, offset, extensions, csrs):
    """The same for one instruction, `left` left out; "last" handlers without that."""
    found = decode(word)
    leaving, illegal = ("leave", 0), ("illegal", 0)
    if found is None or (found.row.extension in ("C", "H") and found.row.extension not in extensions):
        return illegal
    row = ROWS[found.row.base]
    imm, name = found["imm"] or found["shamt"], row.name + (".2" if found.row.size == 2 else "")
    if not native(row):
        return leaving
    if "csr" in row.operands:
        if found["csr"] not in csrs:
            return illegal
        imm = csrs[found["csr"]]
    if jumps_near(row) and imm:
        if imm % (2 if "C" in extensions else 4):
            return leaving
        if 0 <= offset + imm < PAGE:
            kinds = NEAR if found["rd"] or "rd" not in row.operands else QUIET
            name, imm = f"{name}.{kinds[imm < 0]}", imm * 8
    low = struct.pack("<i", imm) if "rs2" not in row.operands else struct.pack("<BBh", found["rs2"], 0, imm)
    packed = low + bytes([found["rd"] or SINK, found["rs1"] or found["zimm"], 0, 0])
    return name, int.from_bytes(packed, "little")


def check(words, extensions):
    """Lay words out over pages, and look at each of their slots."""
    csrs = csr_rows(
        Machine(memory=PAGE, extensions=extensions, engine="native").hart.csr.registers, frozenset()
    )[0]
    content, seen = b"", 0
    page: dict[int, int] = {}
    for word in [*words, None]:
        size = 4 if word is None or "C" not in extensions else length(word)
        if word is None or len(content) + size > PAGE:
            slots = decoded(content.ljust(PAGE, b"\0"), extensions)
            for offset, one in page.items():
                handler, operands = slots[offset]
                got = handler.partition("+")[0].removesuffix(".last"), operands & (1 << 48) - 1
                assert got == expected(one, offset, extensions, csrs), (hex(one), offset, decode(one))
                assert 0 < operands >> 48 <= 32
            content, page, seen = b"", {}, seen + len(page)
        if word is not None:
            page[len(content)] = word
            content += word.to_bytes(size, "little")
    assert seen == len(words)


@pytest.mark.parametrize("quadrant", range(3))
def test_every_compressed_instruction(quadrant):
    check([word for word in range(1 << 16) if word & 3 == quadrant], "C")


@pytest.mark.parametrize("extensions", ["", "C", "H", "CH"])
def test_wide_instructions(extensions):
    luck = random.Random(6)
    words = [luck.getrandbits(32) | 3 for _word in range(1000)]
    wide = [row for row in ROWS.values() if row.size == 4] * 12
    words += [encode(row, {name: luck.getrandbits(32) for name in row.operands}) for row in wide]
    for csr in CSRS.values():
        words.append(encode(ROWS["csrrw"], {"rd": 1, "rs1": 2, "csr": csr.number}))
        words.append(encode(ROWS["csrrsi"], {"rd": 0, "zimm": 31, "csr": csr.number}))
    luck.shuffle(words)
    check(words, extensions)


def test_without_compressed_instructions_there_are_no_short_ones():
    luck = random.Random(7)
    check([luck.getrandbits(32) & ~luck.choice([1, 2, 3]) for _word in range(2000)], "")
