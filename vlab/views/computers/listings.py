"""Tables in HTML: a program's listing, the CSRs of a hart with their fields decoded, a host's processes."""

from collections.abc import Iterable, Sequence

from vlab.hypervisor.host import Processes
from vlab.hypervisor.host.processes import kind_title, state_title
from vlab.language import _, grouped
from vlab.machine.csrfile import CsrFile
from vlab.machine.network import Capture
from vlab.paging import Walks, rule_text
from vlab.riscv import CSRS, Csr, Program
from vlab.riscv.csrs import BY_NUMBER
from vlab.riscv.program import data_text
from vlab.views.drawing.svg import escape

MOST = 200  # rows of one table; the rest are counted
_SELDOM = ("hpm", "mhpm", "pmp")  # registers that are shown only where they hold something


def program_html(program: Program) -> str:
    """Address, bytes, instruction, line and source of everything in a program."""
    rows = [
        (f"{row.address:#x}", data_text(row.data), row.text, str(row.line), row.source.rstrip())
        for row in program.rows()
    ]
    heads = (_("address"), _("word"), _("instruction"), _("line"), _("source"))
    return _paragraph(repr(program)) + _table(heads, rows)


def csrs_html(csrs: CsrFile) -> str:
    """Every CSR of a hart: number, value, fields."""
    shown = [
        csr for csr in CSRS.values() if csr.fields and (csrs.read(csr) or not csr.name.startswith(_SELDOM))
    ]
    rows = [
        (csr.name, f"{csr.number:#x}", f"{csrs.read(csr):#x}", _fields(csr, csrs.read(csr))) for csr in shown
    ]
    return _paragraph(repr(csrs)) + _table((_("name"), _("number"), _("value"), _("fields")), rows)


def csr_html(csr: Csr) -> str:
    """One row of the table of CSRs: its fields, their bits, and what may be written."""
    rows = [(part.name, part.bits, part.rule) for part in BY_NUMBER[csr.number].fields]
    return _paragraph(repr(csr)) + _table((_("field"), _("bits"), _("what may be written")), rows)


def processes_html(processes: Processes) -> str:
    """What runs on a host: a row for each process."""
    rows = [
        (
            str(row.pid),
            row.name,
            row.user,
            kind_title(row.kind),
            state_title(row.state),
            str(row.used),
            row.reason,
        )
        for row in processes
    ]
    heads = (_("pid"), _("name"), _("user"), _("kind"), _("state"), _("time used"), _("why it was killed"))
    return _paragraph(repr(processes)) + _table(heads, rows)


def capture_html(capture: Capture) -> str:
    """The packets that went over a switch: when, who sent each, how long it is, and what is in it."""
    rows = [(str(packet.time), packet.port, str(len(packet.data)), packet.words) for packet in capture]
    return _paragraph(repr(capture)) + _table((_("time"), _("sent by"), _("bytes"), _("packet")), rows)


def walks_html(walks: Walks) -> str:
    """Many walks: a row for each rule that decided some of them, with the first address of which it did."""
    rule, addresses = walks.rule.ravel(), walks.address.ravel()
    rows = [
        (rule_text(name, walks.scheme), grouped(count), f"{int(addresses[(rule == name).argmax()]):#x}")
        for name, count in walks.rules.items()
    ]
    return _paragraph(repr(walks)) + _table((_("rule"), _("walks"), _("first address")), rows)


def _fields(csr: Csr, value: int) -> str:
    """The fields that aren't zero: "SIE 1, SPP 1". Empty for a register that is one number."""
    if len(csr.fields) < 2:
        return ""
    held = ((part.name, part.get(value)) for part in csr.fields)
    return ", ".join(f"{name} {number if number < 10 else hex(number)}" for name, number in held if number)


def _paragraph(words: str) -> str:
    return f"<p>{escape(words)}</p>"


def _table(heads: Iterable[str], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in a fixed-width face, its text to the left."""
    head = "".join(f"<th scope=col style='text-align:left'>{escape(words)}</th>" for words in heads)
    body = "".join(
        "<tr>"
        + "".join(f"<td style='text-align:left;white-space:pre'>{escape(words)}</td>" for words in row)
        + "</tr>"
        for row in rows[:MOST]
    )
    more = _paragraph(_("… and {count} more").format(count=len(rows) - MOST)) if len(rows) > MOST else ""
    return f"<table style='font-family:monospace'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
