"""The table of instructions, compared with vlab's own assembler and with the formulas of Arm's manual."""

import pytest

from vlab import assemble
from vlab.silicon.instructions import INSTRUCTIONS, act_title, instructions_of

# op0, op1, CRn, CRm, op2 and Rt of the system instructions (Arm ARM, C4.1.66 and D19.2), read: bit 21.
SYSTEM = {
    "msr daifset, #2": (0, 3, 4, 2, 6, 31),
    "msr daifclr, #2": (0, 3, 4, 2, 7, 31),
    "mrs x0, daif": (3, 3, 4, 2, 1, 0),
    "msr ttbr0_el1, x0": (3, 0, 2, 0, 0, 0),
    "tlbi vmalle1": (1, 0, 8, 7, 0, 31),
    "msr vbar_el1, x0": (3, 0, 12, 0, 0, 0),
    "mrs x0, sctlr_el1": (3, 0, 1, 0, 0, 0),
    "mrs x0, CurrentEL": (3, 0, 4, 2, 2, 0),
    "mrs x0, midr_el1": (3, 0, 0, 0, 0, 0),
}
OTHERS = {"eret": 0xD69F03E0, "hvc #0": 0xD4000002, "smc #0": 0xD4000003}


@pytest.mark.parametrize("row", instructions_of("riscv64"), ids=lambda row: row.name)
def test_the_bytes_of_risc_v_are_those_of_our_own_assembler(row):
    ((_address, code, *_rest),) = assemble(f"{row.text}\nret").segments
    assert bytes(code[:4]) == row.code
    assert row.after[0] == 0x67  # jalr x0, 0(ra), not compressed
    assert int.from_bytes(row.after, "little") == 0x8067


@pytest.mark.parametrize("row", instructions_of("arm64"), ids=lambda row: row.name)
def test_the_bytes_of_arm64_are_those_of_the_manual(row):
    word = OTHERS.get(row.name)
    if word is None:
        op0, op1, crn, crm, op2, rt = SYSTEM[row.name]
        word = 0xD5 << 24 | row.name.startswith("mrs") << 21 | op0 << 19
        word |= op1 << 16 | crn << 12 | crm << 8 | op2 << 5 | rt
    assert int.from_bytes(row.code, "little") == word
    assert int.from_bytes(row.after, "little") == 0xD65F03C0


def test_every_act_has_words_and_every_row_says_itself():
    for row in INSTRUCTIONS:
        assert act_title(row.act) in repr(row)
        assert row.code.hex(" ") in repr(row)
