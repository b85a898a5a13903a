"""The assembler makes what GNU `as` and `ld` make, byte for byte and symbol for symbol."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.riscv.gnu import build
from vlab import guests
from vlab.riscv import ABI_NAMES, CSRS, ROWS, AssemblyError, assemble, assemble_files, disassemble, encode

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.s"))
WIDE = [row.name for row in ROWS.values() if row.size == 4]  # those of 16 bits: see `test_compressed`
GUESTS = Path(guests.__file__).parent

pytestmark = pytest.mark.requires("binutils")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for GNU's files; hypothesis wants one that outlives an example."""
    return tmp_path_factory.mktemp("gnu")


def same(folder: Path, text: str, defined: dict[str, int] | None = None) -> None:
    """Assert that the text means the same here and there."""
    theirs, ours = build(folder, text, defined), assemble(text, symbols=defined)
    assert dict(ours.segments) == theirs.memory
    assert ours.symbols == theirs.symbols


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_corpus(path: Path, folder: Path) -> None:
    same(folder, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", guests.names())
def test_every_guest(name: str, folder: Path) -> None:
    files = [(file, (GUESTS / file).read_text(encoding="utf-8")) for file in guests.files(name)]
    ours = assemble_files(files)
    theirs = build(folder, "".join(text for _file, text in files))
    assert dict(ours.segments) == theirs.memory
    assert ours.symbols == theirs.symbols
    assert ours.entry == theirs.symbols["_start"]


def test_symbols_defined_beforehand(folder: Path) -> None:
    text = "_start: .ifndef SIZE\n .equ SIZE, 4\n .endif\n li a0, SIZE\n .word SIZE + _start\n"
    same(folder, text)
    same(folder, text, {"SIZE": 0x12345678})


def operands_of(name: str) -> st.SearchStrategy[dict[str, int]]:
    """Values for the operands that the instruction's text shows."""
    row = ROWS[name]
    ranges = {}
    for operand in row.operands:
        step, width = row.step(operand), row.width(operand)
        low = -(1 << width - 1) if operand == "imm" else 0
        values = st.integers(low // step, (low + (1 << width)) // step - 1)
        ranges[operand] = values.map(step.__mul__)
    hidden = {"fm", "source", "dest"} | ({"imm"} if name == "fence.i" else set())
    if row.syntax.endswith("target"):  # one that is no multiple of 4 is refused
        ranges["imm"] = ranges["imm"].map(lambda value: value & ~3)
    if name == "fence":  # GNU has no name for no access at all
        ranges |= {"pred": st.integers(1, 15), "succ": st.integers(1, 15)}
    return st.fixed_dictionaries({operand: ranges[operand] for operand in ranges if operand not in hidden})


@pytest.mark.parametrize("aliases", [True, False])
def test_every_row_with_any_operands_through_text(aliases: bool, folder: Path) -> None:
    """Encoded by the table, written by the disassembler, read by both assemblers: the same word."""

    @given(st.fixed_dictionaries({name: operands_of(name) for name in WIDE}))
    @settings(max_examples=10)
    def check(values: dict[str, dict[str, int]]) -> None:
        words = [encode(ROWS[name], values[name]) for name in WIDE]
        text = "".join(f"{disassemble(word, aliases=aliases)}\n" for word in words)
        code = b"".join(word.to_bytes(4, "little") for word in words)
        # A branch to no label is given room for a far target, unless it is near and the label is `.`.
        assert dict(assemble(text).segments) == {0x8000_0000: code}
        assert build(folder, text).memory == {0x8000_0000: code}

    check()


def test_every_csr_by_its_name(folder: Path) -> None:
    same(folder, "".join(f"csrr a0, {name}\n" for name in CSRS))


constants = st.one_of(
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.integers(-5000, 5000),
    st.builds(
        lambda bits, shift, off: (bits << shift) + off,
        st.integers(-9, 9),
        st.integers(0, 60),
        st.integers(-9, 9),
    ).filter(lambda value: -(1 << 63) <= value < 1 << 64),
)


def test_li_of_any_constant(folder: Path) -> None:
    @given(st.lists(constants, min_size=100, max_size=200))
    @settings(max_examples=10)
    def check(values: list[int]) -> None:
        same(folder, "".join(f"li a{place % 8}, {value}\n" for place, value in enumerate(values)))

    check()


numbers = st.one_of(
    st.integers(0, 9).map(str),
    st.integers(0, (1 << 64) - 1).map(hex),
    st.sampled_from(["ONE", "MINUS", "BIG", "'a'", "(middle - start)", "(end - start)"]),
)
operators = st.sampled_from(
    ["+", "-", "*", "/", "%", "&", "|", "^", "!", "==", "!=", "<>", "<", ">", "<=", ">=", "&&", "||"]
)
expressions = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.tuples(inner, operators, inner).map(" ".join),
        st.tuples(inner, st.sampled_from(["<<", ">>"]), st.integers(0, 63).map(str)).map(" ".join),
        st.tuples(st.sampled_from(["-", "~", "!", "+"]), inner).map("".join),
        inner.map("({})".format),
    ),
    max_leaves=8,
)
FRAME = (
    ".equ ONE, 1\n.equ MINUS, -5\n.equ BIG, 0x123456789abcdef\n.data\nstart: .word 1\nmiddle: .word 2\nend:\n"
)


def comparable(line: str) -> bool:
    """GNU warns of a division by zero and goes on; it joins `! !` to `!!`, which is its `^`."""
    if re.search("! *!", line):
        return False
    try:
        assemble(FRAME + line)
    except AssemblyError as error:
        if "This divides by zero" in str(error):
            return False
        raise
    return True


def test_any_expression(folder: Path) -> None:
    @given(st.lists(expressions, min_size=20, max_size=40))
    @settings(max_examples=20)
    def check(texts: list[str]) -> None:
        lines = [f".dword {text}\n" for text in texts]
        same(folder, FRAME + "".join(filter(comparable, lines)))

    check()


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Code full of branches in and out of reach, holes and alignments."""
    count = draw(st.integers(3, 50))
    label = st.integers(0, count - 1).map("L{}".format)
    near = st.sampled_from([4, 8, 400, 2000, 3600, 4000, 4080, 4088, 4092, 4096, 8000]).map(
        " .skip {}".format
    )
    line = st.one_of(
        st.tuples(st.sampled_from(["beq", "bne", "blt", "bgeu"]), label).map(
            lambda t: f" {t[0]} a0, a1, {t[1]}"
        ),
        label.map(" j {}".format),
        label.map(" call {}".format),
        near,
        st.sampled_from([" nop", " .balign 16", " .balign 64", " .p2align 5, , 8"]),
        st.sampled_from([" .text", ' .section .text.other, "ax"']),
    )
    lines = [f"L{place}:{draw(line)}" for place in range(count)]
    return "\n".join([*lines, " nop", " .text", " nop", ' .section .text.other, "ax"', " nop", ""])


def test_any_branches(folder: Path) -> None:
    @given(programs())
    @settings(max_examples=30)
    def check(text: str) -> None:
        same(folder, text)

    check()


def test_registers_by_both_names(folder: Path) -> None:
    same(folder, "".join(f"add x{n}, {name}, x{n}\n" for n, name in enumerate(ABI_NAMES)) + "mv fp, s0\n")
