"""The table of pseudo-instructions: each row becomes the instructions that it names."""

import pytest

from vlab.riscv import ROWS, assemble, decode, disassemble
from vlab.riscv.instructions import length
from vlab.riscv.pseudo import ALIASES, FORMS, SHORTHANDS, Form, fence_set, named_operands, slots

EXAMPLES = {
    "rd": "a0",
    "rs1": "a1",
    "rs2": "a2",
    "rt": "t0",
    "imm": "-7",
    "imm(rs1)": "8(a1)",
    "(rs1)": "(a1)",
    "csr": "sscratch",
    "zimm": "5",
    "shamt": "3",
    "target": "there",
    "symbol": "there",
    "place": "there",
    "pred": "rw",
    "succ": "w",
}


def code_of(text: str) -> list[int]:
    data = dict(assemble(f"{text}\nthere: nop\n").segments)[0x8000_0000]
    words, at = [], 0
    while at < len(data) - 4:
        size = length(data[at])
        words.append(int.from_bytes(data[at : at + size], "little"))
        at += size
    return words


def written(form: Form) -> str:
    return f"{form.name} {', '.join(EXAMPLES[slot] for slot in form.slots)}"


@pytest.mark.parametrize(
    "form", [*ALIASES, *SHORTHANDS], ids=lambda form: f"{form.name} {', '.join(form.slots)}"
)
def test_every_row_becomes_the_instructions_it_names(form: Form) -> None:
    decoded = [decode(word) for word in code_of(written(form))]
    assert [instruction.name if instruction else None for instruction in decoded] == [
        step.row.name for step in form.steps
    ]


@pytest.mark.parametrize(
    "form", [*ALIASES, *SHORTHANDS], ids=lambda form: f"{form.name} {', '.join(form.slots)}"
)
def test_every_operand_of_a_row_is_used(form: Form) -> None:
    sources = " ".join(str(source) for step in form.steps for source in step.operands.values())
    assert all(operand in sources for slot in form.slots for operand in named_operands(slot))
    for step in form.steps:
        shown = set(named_operands(step.row.syntax))
        assert shown <= set(step.operands), "every operand of the instruction is given"


@pytest.mark.parametrize("form", ALIASES, ids=lambda form: f"{form.name} {', '.join(form.slots)}")
def test_every_alias_is_what_the_disassembler_writes(form: Form) -> None:
    (word,) = code_of(written(form))
    assert disassemble(word).partition(" ")[0] == form.name


@pytest.mark.parametrize("name", [name for name in ROWS if "aq" in ROWS[name].operands])
def test_orderings(name: str) -> None:
    operands = ", ".join(EXAMPLES[slot] for slot in slots(ROWS[name].syntax))
    orderings = {"": (0, 0), ".rl": (0, 1), ".aq": (1, 0), ".aqrl": (1, 1)}
    for suffix, bits in orderings.items():
        (word,) = code_of(f"{name}{suffix} {operands}")
        instruction = decode(word)
        assert instruction is not None
        assert (instruction.name, instruction["aq"], instruction["rl"]) == (name, *bits)


def test_no_two_ways_of_writing_are_alike() -> None:
    for name, forms in FORMS.items():
        written_so = [form.slots for form in forms]
        assert len(set(written_so)) == len(written_so), name


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        *(("iorw", 15), ("rw", 3), ("w", 1), ("i", 8), ("io", 12), ("0", 0)),
        *(("wr", None), ("rr", None), ("x", None), ("1", None)),
    ],
)
def test_fence_sets(text: str, bits: int | None) -> None:
    assert fence_set(text) == bits
