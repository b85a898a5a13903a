"""Who may install a hypervisor in the host's kernel, and who may use it."""

from collections.abc import Iterator

from vlab.language import _
from vlab.silicon import Modules
from vlab.silicon.modules import INSTALLING, Request
from vlab.views.drawing.metrics import wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, arrow, hatch, path, rect, text
from vlab.views.silicon.lines import MARGIN, under

_WIDTH = 800
_TOP, _HIGH = 44, 112  # the kernel
_BOX, _TALL = _TOP + 34, 64  # what is in it
_NAME = (MARGIN + 14, 290)  # the computer's name: left edge and width
_MODULE = (MARGIN + 320, 434)  # the module
_LOW, _DEEP = 228, 50  # who asks
_WIDE = (_WIDTH - 2 * MARGIN - 2 * 16) / 3
_ROW = 22


def modules_picture(found: Modules, *, details: bool = False) -> Picture:
    """Who asks the host's kernel for what, and who is refused. With details: what this host answered.

    An arrow is solid where the answer was seen. It is dashed where the rule is only the manual's: without details,
    that is all but what every host answers alike.
    """
    sentences = [repr(found)] + [*found.verdicts, found.particulars, found.source] * details
    shapes = [
        text(MARGIN, 28, _("Installing and using a hypervisor on a host"), size=13, bold=True),
        *_kernel(),
        *_askers(),
        *_asked(found, details),
    ]
    key = (
        _("✓ seen, ✗ refused; dashed, with “?”: the manual's rule, not seen on this host.")
        if details
        else _("✗ seen, and refused; dashed, with “?”: the manual's rule. A host's own answers: its details.")
    )
    words, bottom = under(_LOW + _DEEP, _WIDTH, [key])
    shapes += words
    if details:
        shapes += _table(found.requests, bottom)
        bottom += _ROW * (len(found.requests) + 1) + 8
    words, height = under(bottom, _WIDTH, sentences)
    return Picture((*shapes, *words), _WIDTH, height, " ".join(sentences))


def _kernel() -> Iterator[Element]:
    """The host's kernel; in it the computer's name, and the module with its device."""
    width = _WIDTH - 2 * MARGIN
    yield rect(MARGIN, _TOP, width, _HIGH, "f-kernel", radius=4)
    yield hatch(MARGIN, _TOP, width, 6, "l-kernel thin", 1)
    yield rect(MARGIN, _TOP, width, _HIGH, "l-kernel thick d-kernel", radius=4)
    yield text(MARGIN + 14, _TOP + 25, _("the host's kernel"), ink="kernel", size=13, bold=True)
    x, wide = _NAME
    yield rect(x, _BOX, wide, _TALL, "o-kernel", radius=4)
    yield text(x + 12, _BOX + 26, _("the computer's name"), ink="kernel", bold=True, room=wide - 24)
    x, wide = _MODULE
    yield rect(x, _BOX, wide, _TALL, "f-hypervisor", radius=4)
    yield hatch(x, _BOX, wide, 6, "l-hypervisor thin", -1)
    yield rect(x, _BOX, wide, _TALL, "l-hypervisor thick", radius=4)
    yield text(x + 12, _BOX + 28, _("the hypervisor: a module"), ink="hypervisor", bold=True, room=200)
    yield text(x + 12, _BOX + 47, "kvm, vboxdrv, vmmon", ink="hypervisor", size=11, mono=True)
    device = x + wide - 200
    yield rect(device, _BOX + 18, 186, 34, "o-hypervisor", radius=4)
    yield text(device + 10, _BOX + 32, _("its device, a file"), ink="hypervisor", size=11, room=170)
    yield text(device + 10, _BOX + 46, "/dev/kvm", ink="hypervisor", size=11, mono=True)


def _askers() -> Iterator[Element]:
    """A plain user, the administrator, and a user who may use the device."""
    rows = ((_("a plain user"), "process"), (_("the administrator"), "kernel"))
    for number, (who, look) in enumerate((*rows, (_("a user in the device's group"), "process"))):
        x = MARGIN + (_WIDE + 16) * number
        yield rect(x, _LOW, _WIDE, _DEEP, f"f-{look}", radius=4)
        yield rect(x, _LOW, _WIDE, _DEEP, f"l-{look} thick d-{look}", radius=4)
        lines = wrap(who, _WIDE - 24, 12, bold=True)[:2]
        for line, words in enumerate(lines):
            yield text(x + 12, _LOW + 38 - 8 * len(lines) + 16 * line, words, ink=look, bold=True)


def _asked(found: Modules, details: bool) -> Iterator[Element]:
    """The arrows: who asked for what, and whether it was seen."""
    plain = [one for one in found.naming if not one.root]
    roots = [one for one in found.requests if one.root]
    named, installed = (
        [one for one in roots if one.call in calls] for calls in (("sethostname",), INSTALLING)
    )
    used = [one for one in found.using if not one.root]
    yield from _arrow(
        MARGIN + 110, _BOX + _TALL, "sethostname()", "process", _seen(plain) if details else "✗"
    )
    for x, call, requests in (
        (_NAME[0] + 258, "sethostname()", named),
        (_MODULE[0] + 80, "init_module()", installed),
    ):
        yield from _arrow(x, _BOX + _TALL, call, "kernel", _seen(requests) if details else "?")
    opened = "✓" if details and any(one.allowed for one in used) else "?"
    yield from _arrow(_MODULE[0] + 310, _BOX + 52, "open()", "process", opened)


def _seen(requests: list[Request]) -> str:
    """✓: it may; ✗: it may not; ?: the answers don't tell."""
    if any(one.allowed for one in requests):
        return "✓"
    return "✗" if any(one.refused for one in requests) else "?"


def _arrow(x: float, end: float, call: str, look: str, mark: str) -> Iterator[Element]:
    """One call, from who asks up to what is asked for; one that is refused ends below the kernel."""
    ink = "fault" if mark == "✗" else look
    if mark == "✗":
        stop = _TOP + _HIGH + 22
        yield path("l-fault thick", (x, _LOW), (x, stop))
        yield path("l-fault thick", (x - 7, stop - 14), (x + 7, stop))
        yield path("l-fault thick", (x + 7, stop - 14), (x - 7, stop))
    else:
        line = "dashed" if mark == "?" else "thick"
        yield arrow(f"l-{look} {line}", f"b-{look}", (x, _LOW), (x, end))
    yield text(x + 12, _LOW - 14, f"{call} {mark}", ink=ink, mono=True, size=11)


def _table(requests: tuple[Request, ...], top: float) -> Iterator[Element]:
    """What was asked on this host, and what the kernel answered."""
    columns = (MARGIN, MARGIN + 170, MARGIN + 290, MARGIN + 390)
    heads = (_("who asks"), _("call"), _("answer"), _("reason"))
    for x, head in zip(columns, heads, strict=True):
        yield text(x, top + 12, head, ink="muted", size=11)
    for number, one in enumerate(requests):
        y = top + 16 + _ROW * number
        yield path("l-rule thin", (MARGIN, y + 2), (_WIDTH - MARGIN, y + 2))
        ink = "ink" if one.allowed else "fault" if one.refused else "muted"
        yield text(columns[0], y + 17, one.who, room=162)
        yield text(columns[1], y + 17, one.call, mono=True)
        yield text(columns[2], y + 17, one.error or _("done"), mono=True, ink=ink, room=92)
        yield text(columns[3], y + 17, one.reason, size=11, room=_WIDTH - MARGIN - columns[3])
