"""Directives: the words with a dot. Those that decide *which* statements are read stand in `flow`."""

from collections.abc import Callable, Sequence
from typing import Protocol

from vlab.language import _
from vlab.riscv.assembler.assembly import Assembly
from vlab.riscv.assembler.expressions import Cursor, Expression, Point, parse
from vlab.riscv.assembler.layout import Org, align
from vlab.riscv.assembler.lines import Token, string
from vlab.riscv.assembler.operands import split
from vlab.riscv.assembler.problems import Mistake, suggestion

_LARGEST_ALIGNMENT = 20


class Directive(Protocol):
    """What a directive does."""

    def __call__(self, assembly: Assembly, cursor: Cursor, word: Token) -> None:
        """Read the operands from the cursor and act on the assembly; `word` is the directive itself."""


DIRECTIVES: dict[str, Directive] = {}


def _directive(*names: str) -> Callable[[Directive], Directive]:
    def register(function: Directive) -> Directive:
        DIRECTIVES.update(dict.fromkeys(names, function))
        return function

    return register


def directive(
    assembly: Assembly, word: Token, rest: Sequence[Token], end: int, others: Sequence[str]
) -> None:
    """Carry out a directive; `others` are names that may have been meant, besides the directives."""
    act = DIRECTIVES.get(word.text.lower())
    if act is None:
        what = _("There is no directive `{name}`.").format(name=word.text[:40])
        raise Mistake(what, word.column, suggestion(word.text, [*DIRECTIVES, *others]))
    cursor = Cursor(rest, end)
    act(assembly, cursor, word)
    cursor.finish()


def known(assembly: Assembly, cursor: Cursor) -> int:
    """A value that must be known at this point of the text."""
    column = cursor.column
    value = parse(cursor, assembly)
    if isinstance(value, int):
        return value
    mend = _("Numbers, constants defined above, and distances between near labels can stand here.")
    raise Mistake(_("This value is not known here yet."), column, mend)


def name(cursor: Cursor) -> Token:
    """A name."""
    token = cursor.take()
    if token.kind != "name" or token.text == ".":
        raise Mistake(_("A name is needed here, not `{text}`.").format(text=token.text[:40]), token.column)
    return token


# Symbols.


@_directive(".equ", ".set")
def _equ(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    _assign(assembly, cursor, once=False)


@_directive(".equiv", ".eqv")
def _equiv(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    _assign(assembly, cursor, once=True)


def _assign(assembly: Assembly, cursor: Cursor, *, once: bool) -> None:
    symbol = name(cursor)
    cursor.expect(",")
    assign(assembly, symbol, cursor, once=once)


def assign(assembly: Assembly, symbol: Token, cursor: Cursor, *, once: bool = False) -> None:
    """Give a symbol the value at the cursor."""
    try:
        value = parse(cursor, assembly)
    except Mistake:
        # So that its uses are not reported as well.
        assembly.symbols.assign(symbol, 0, assembly.statement.line)
        raise
    assembly.symbols.assign(symbol, value, assembly.statement.line, once=once)


@_directive(
    *(".globl", ".global", ".local", ".weak", ".hidden", ".protected", ".internal"),
    *(".type", ".size", ".file", ".ident", ".attribute", ".loc"),
)
def _nothing(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    """Of use to a linker or a debugger only."""
    cursor.at = len(cursor.tokens)


# Sections.


@_directive(".text", ".data", ".rodata", ".bss")
def _known_section(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    assembly.enter(word.text.lower())


@_directive(".section", ".pushsection")
def _section(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    """`.section name, "flags", @type`: of the flags "x" matters here, of the types "nobits"."""
    parts = split(cursor.tokens, cursor.end)
    cursor.at = len(cursor.tokens)
    if not parts:
        raise Mistake(_("A section's name is needed here."), cursor.end)
    first, *rest = parts[0].tokens
    chosen = string(first).decode("utf-8", "replace") if first.kind == "string" else first.text
    if word.text.lower() == ".pushsection":
        assembly.pushed.append((assembly.section, assembly.previous))
    assembly.enter(chosen + "".join(token.text for token in rest))
    said = ["".join(token.text for token in part.tokens) for part in parts[1:]]
    assembly.section.holds_code |= any(text.startswith('"') and "x" in text for text in said[:1])
    assembly.section.holds_zeros |= any("nobits" in text for text in said[1:2])


@_directive(".popsection")
def _popsection(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    if not assembly.pushed:
        raise Mistake(_("There is no `.pushsection` before this."), word.column)
    assembly.section, assembly.previous = assembly.pushed.pop()


@_directive(".previous")
def _previous(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    assembly.section, assembly.previous = assembly.previous, assembly.section


# Data.

_WIDTHS = {
    **dict.fromkeys((".byte", ".1byte"), 1),
    **dict.fromkeys((".half", ".2byte", ".hword", ".short"), 2),
    **dict.fromkeys((".word", ".4byte", ".long", ".int"), 4),
    **dict.fromkeys((".dword", ".8byte", ".quad"), 8),
}


@_directive(*_WIDTHS)
def _numbers(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    width = _WIDTHS[word.text.lower()]
    assembly.record(is_code=False)
    while not cursor.done:
        column = cursor.column
        value = parse(cursor, assembly)
        if isinstance(value, int):
            assembly.write(_fitting(value, width, column))
        else:
            _number_later(assembly, value, width, column)
        if not cursor.accept(","):
            break
        if cursor.done:
            raise Mistake(_("A value is missing here."), cursor.end)


def _number_later(assembly: Assembly, value: Expression, width: int, column: int) -> None:
    assembly.write_later(width, lambda address: _fitting(assembly.value(value), width, column))


def _fitting(value: int, width: int, column: int) -> bytes:
    bits = 8 * width
    if not -(1 << bits - 1) <= value < 1 << bits:
        what = _("{value} does not fit into {bits} bits.").format(value=value, bits=bits)
        raise Mistake(what, column)
    return (value & (1 << bits) - 1).to_bytes(width, "little")


@_directive(".ascii", ".asciz", ".string")
def _text(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    assembly.record(is_code=False)
    end = b"" if word.text.lower() == ".ascii" else b"\0"
    while not cursor.done:
        token = cursor.take()
        if token.kind != "string":
            raise Mistake(_('A string in `"` is needed here.'), token.column)
        assembly.write(string(token) + end)
        if not cursor.accept(","):
            break


@_directive(".zero", ".skip", ".space")
def _skip(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    column = cursor.column
    size = known(assembly, cursor)
    fill = _fill_byte(assembly, cursor)
    if size < 0:
        raise Mistake(_("A size cannot be negative: {size}.").format(size=size), column)
    _repeat(assembly, fill, size, column)


@_directive(".fill")
def _fill(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    """`.fill repeat, size, value`: GNU uses the low four bytes of the value, whatever the size."""
    column = cursor.column
    count = known(assembly, cursor)
    width = known(assembly, cursor) if cursor.accept(",") else 1
    value = known(assembly, cursor) if cursor.accept(",") else 0
    if count < 0 or width < 0:
        raise Mistake(_("A size cannot be negative: {size}.").format(size=min(count, width)), column)
    width = min(width, 8)
    item = (value & 0xFFFF_FFFF).to_bytes(8, "little")[:width]
    _repeat(assembly, item, count, column)


def _repeat(assembly: Assembly, item: bytes, count: int, column: int) -> None:
    assembly.record(is_code=False)
    assembly.check_room(len(item) * count, column)
    assembly.write(item * count)


def _fill_byte(assembly: Assembly, cursor: Cursor) -> bytes:
    if not cursor.accept(","):
        return b"\0"
    return bytes([known(assembly, cursor) & 0xFF])


# Places.


@_directive(".align", ".p2align", ".balign")
def _align(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    column = cursor.column
    given = known(assembly, cursor)
    largest = 1 << _LARGEST_ALIGNMENT if word.text.lower() == ".balign" else _LARGEST_ALIGNMENT
    if not 0 <= given <= largest:
        what = _("The alignment {value} is out of range: 0 to {most}.").format(value=given, most=largest)
        raise Mistake(what, column)
    alignment = max(given, 1) if word.text.lower() == ".balign" else 1 << given
    if alignment & alignment - 1:
        raise Mistake(_("{value} is not a power of two.").format(value=given), column)
    stretch = align(assembly.statement, assembly.section, alignment)
    if cursor.accept(","):
        if cursor.text != "," and not cursor.done:
            stretch.fill = bytes([known(assembly, cursor) & 0xFF])
        if cursor.accept(","):
            stretch.most = known(assembly, cursor)
    assembly.section.alignment = max(assembly.section.alignment, alignment)
    assembly.record(is_code=False)
    assembly.stretch(stretch)


@_directive(".org")
def _org(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    column = cursor.column
    offset = parse(cursor, assembly)
    if not isinstance(offset, int | Point) or (
        isinstance(offset, Point) and offset.chunk.section is not assembly.section
    ):
        raise Mistake(_("`.org` takes an offset from the section's beginning, or a label in it."), column)
    fill = _fill_byte(assembly, cursor)
    assembly.record(is_code=False)
    assembly.stretch(Org(assembly.statement, offset, fill))


# Options, and what is not done here.

_HARMLESS = {"push", "pop", "norvc", "relax", "norelax", "nopic", "arch", "csr-check", "no-csr-check"}


@_directive(".option")
def _option(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    option = cursor.take()
    text = option.text
    while cursor.accept("-"):
        text += "-" + cursor.take().text
    if text in ("rvc", "pic"):
        why = {
            "rvc": _("Compressed instructions are not made here."),
            "pic": _("Global offset tables are not made here."),
        }
        raise Mistake(why[text], option.column, _("Leave this line out."))
    if text not in _HARMLESS:
        what = _("There is no option `{name}`.").format(name=text[:40])
        raise Mistake(what, option.column, suggestion(text, _HARMLESS))
    cursor.at = len(cursor.tokens)


@_directive(".include", ".incbin")
def _include(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    mend = _("Give all the files to `assemble_files`, in their order.")
    what = _("`{name}` is not done here: a text cannot read files.").format(name=word.text)
    raise Mistake(what, word.column, mend)


@_directive(".error", ".err")
def _error(assembly: Assembly, cursor: Cursor, word: Token) -> None:
    said = string(cursor.take()).decode("utf-8", "replace") if cursor.text[:1] == '"' else ""
    raise Mistake(said or _("`{name}` was reached.").format(name=word.text), word.column)
