"""The end of an assembly: everything gets its address, what waited for that is written: a program."""

from vlab.language import _
from vlab.riscv.assembler.assembly import Assembly
from vlab.riscv.assembler.expressions import signed
from vlab.riscv.assembler.layout import LARGEST, Branch, Chunk, Section, align, place
from vlab.riscv.assembler.lines import Statement
from vlab.riscv.assembler.problems import Mistake
from vlab.riscv.assembler.values import branch_distance
from vlab.riscv.instructions import Row
from vlab.riscv.program import Program


def finish(assembly: Assembly, base: int, sources: dict[str, str]) -> Program:
    """The program; raises AssemblyError with all that is wrong with it."""
    for section in assembly.sections.values():
        if section.holds_code:  # as GNU does: code ends as it is aligned
            section.stretch(align(assembly.statement, section, section.alignment))
    for _chunk, branch in assembly.branches:
        branch.place = assembly.symbols.point(branch.target.value)
    families = place(assembly.sections.values(), base)
    _write_what_waited(assembly)
    for chunk, branch in assembly.branches:
        _write_branch(assembly, chunk, branch)
    segments = _segments(assembly, families)
    lines = _lines(assembly)
    _refuse_crooked(assembly)
    table, constants = _symbols(assembly)
    if assembly.problems:
        raise assembly.problems.error()
    extensions = "C" if assembly.parcel == 2 else ""
    return Program(segments, table.get("_start", base), table, lines, constants, sources, extensions)


def _write_what_waited(assembly: Assembly) -> None:
    for point, given in assembly.high_parts:
        assembly.high_at[signed(point.chunk.address + point.offset)] = given
    for chunk, offset, make, statement in assembly.waiting:
        try:
            data = make(signed(chunk.address + offset))
            chunk.data[offset : offset + len(data)] = data
        except Mistake as mistake:
            assembly.report(statement, mistake)


def _write_branch(assembly: Assembly, chunk: Chunk, branch: Branch) -> None:
    address = chunk.address + len(chunk.data)

    def distance(row: Row, offset: int) -> int:
        value = assembly.value(branch.target.value)
        return branch_distance(row, branch.target, signed(value - address - offset), assembly.parcel)

    try:
        branch.write(chunk.stretched, distance)
    except Mistake as mistake:
        assembly.report(branch.statement, mistake)


def _segments(assembly: Assembly, families: list[list[Section]]) -> tuple[tuple[int, bytes], ...]:
    """The bytes of each family, in one piece."""
    if _too_large(assembly, families):
        return ()
    segments = []
    for family in families:
        start, content = family[0].chunks[0].address, bytearray()
        for section in family:
            for chunk in section.chunks:
                content += bytes(chunk.address - start - len(content)) + chunk.data
                if chunk.stretch:
                    content += _stretched(assembly, chunk)
        if content:
            segments.append((start, bytes(content)))
    return tuple(segments)


def _stretched(assembly: Assembly, chunk: Chunk) -> bytes:
    assert chunk.stretch
    try:
        return chunk.stretch.content(chunk.start + len(chunk.data), chunk.stretched)
    except Mistake as mistake:
        assembly.report(chunk.stretch.statement, mistake)
        return bytes(chunk.stretched)


def _too_large(assembly: Assembly, families: list[list[Section]]) -> bool:
    """Whether what the alignments came to is more than a program may have."""
    chunks = [chunk for family in families for section in family for chunk in section.chunks if chunk.stretch]
    if sum(chunk.stretched for chunk in chunks) <= LARGEST:
        return False
    largest = max(chunks, key=lambda chunk: chunk.stretched)
    assert largest.stretch
    what = _("{size} bytes are too many: a program may have {most} MiB.")
    shown = what.format(size=largest.stretched, most=LARGEST >> 20)
    assembly.report(largest.stretch.statement, Mistake(shown))
    return True


def _lines(assembly: Assembly) -> dict[int, tuple[str, int]]:
    """Which line each address stems from."""
    lines: dict[int, tuple[str, int]] = {}
    for chunk, offset, line, _is_code in assembly.records:
        lines[chunk.address + offset] = line.file, line.number
    for chunk, _branch in assembly.branches:
        if chunk.stretched == 8:
            address = chunk.address + len(chunk.data)
            lines[address + 4] = lines[address]
    return dict(sorted(lines.items()))


def _refuse_crooked(assembly: Assembly) -> None:
    """No instruction may lie across. Of each section only the first that does is reported."""
    told: set[str] = set()
    for chunk, offset, line, is_code in assembly.records:
        address = chunk.address + offset
        if is_code and address % assembly.parcel and chunk.section.name not in told:
            told.add(chunk.section.name)
            what = _("This instruction would lie at {address}, which is no multiple of {step}.")
            shown = what.format(address=hex(address), step=assembly.parcel)
            start = len(line.text) - len(line.text.lstrip())
            mistake = Mistake(shown, None, _("Put `.balign 4` before it."))
            assembly.report(Statement(line, start, line.text), mistake)


def _symbols(assembly: Assembly) -> tuple[dict[str, int], frozenset[str]]:
    try:
        return assembly.symbols.table()
    except Mistake as mistake:
        assembly.report(assembly.statement, mistake)
        return {}, frozenset()
