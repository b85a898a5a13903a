"""Who may install a hypervisor in the host's kernel, and who may use it."""

from collections.abc import Iterator

from vlab.language import _
from vlab.silicon import Modules
from vlab.silicon.modules import Request
from vlab.views.drawing.metrics import wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, arrow, hatch, path, rect, text
from vlab.views.silicon.lines import MARGIN, under

_WIDTH = 800
_TOP, _HIGH = 44, 92  # the kernel
_LOW, _DEEP = 200, 66  # who asks
_ROW = 22


def modules_picture(found: Modules, *, details: bool = False) -> Picture:
    """Three who ask: one to install, one to use, and one who may neither. With details: what this host answered."""
    sentences = [repr(found)] + [found.particulars, found.source] * details
    shapes = [
        text(MARGIN, 28, _("Installing and using a hypervisor on a host"), size=13, bold=True),
        *_kernel(),
        *_askers(),
    ]
    bottom = float(_LOW + _DEEP + 14)
    if details:
        shapes += _table(found.requests, bottom)
        bottom += _ROW * (len(found.requests) + 1) + 8
    words, height = under(bottom, _WIDTH, sentences)
    return Picture((*shapes, *words), _WIDTH, height, " ".join(sentences))


def _kernel() -> Iterator[Element]:
    width = _WIDTH - 2 * MARGIN
    yield rect(MARGIN, _TOP, width, _HIGH, "f-kernel", radius=4)
    yield hatch(MARGIN, _TOP, width, 6, "l-kernel thin", 1)
    yield rect(MARGIN, _TOP, width, _HIGH, "l-kernel thick d-kernel", radius=4)
    yield text(
        _WIDTH - MARGIN - 14,
        _TOP + 27,
        _("the host's kernel"),
        ink="kernel",
        size=13,
        bold=True,
        anchor="end",
    )
    x, wide = MARGIN + 16, 470
    yield rect(x, _TOP + 18, wide, _HIGH - 32, "f-hypervisor", radius=4)
    yield hatch(x, _TOP + 18, wide, 6, "l-hypervisor thin", -1)
    yield rect(x, _TOP + 18, wide, _HIGH - 32, "l-hypervisor thick", radius=4)
    yield text(x + 12, _TOP + 44, _("the hypervisor: a module"), ink="hypervisor", bold=True, room=230)
    yield text(x + 12, _TOP + 63, "kvm, vboxdrv, vmmon", ink="hypervisor", size=11, mono=True)
    device = x + wide - 200
    yield rect(device, _TOP + 34, 186, 34, "o-hypervisor", radius=4)
    yield text(device + 10, _TOP + 48, _("its device, a file"), ink="hypervisor", size=11, room=170)
    yield text(device + 10, _TOP + 62, "/dev/kvm", ink="hypervisor", size=11, mono=True)


def _askers() -> Iterator[Element]:
    wide = (_WIDTH - 2 * MARGIN - 2 * 16) / 3
    rows = (
        (_("the administrator"), _("may install it"), "init_module()", "kernel"),
        (_("a user in the device's group"), _("may use it"), "open()", "process"),
        (_("any other user"), _("✗ refused"), "init_module()", "fault"),
    )
    for number, (who, may, call, ink) in enumerate(rows):
        x = MARGIN + (wide + 16) * number
        look = "process" if ink == "fault" else ink
        yield rect(x, _LOW, wide, _DEEP, f"f-{look}", radius=4)
        yield rect(x, _LOW, wide, _DEEP, f"l-{look} thick d-{look}", radius=4)
        for line, words in enumerate(wrap(who, wide - 24, 12, bold=True)[:2]):
            yield text(x + 12, _LOW + 22 + 16 * line, words, ink=look, bold=True)
        yield text(x + 12, _LOW + 56, may, ink=ink, bold=ink == "fault", room=wide - 24)
        at = x + wide / 2
        if ink == "fault":
            yield path("l-fault thick dashed", (at, _LOW), (at, _TOP + _HIGH + 22))
            yield path("l-fault thick", (at - 7, _TOP + _HIGH + 8), (at + 7, _TOP + _HIGH + 22))
            yield path("l-fault thick", (at + 7, _TOP + _HIGH + 8), (at - 7, _TOP + _HIGH + 22))
        else:
            end = _TOP + _HIGH - 14 if number == 0 else _TOP + 68
            yield arrow(f"l-{ink} thick", f"b-{ink}", (at, _LOW), (at, end))
        yield text(at + 12, _TOP + _HIGH + 34, call, ink=ink, mono=True, size=11)


def _table(requests: tuple[Request, ...], top: float) -> Iterator[Element]:
    """What was asked on this host, and what the kernel answered."""
    columns = (MARGIN, MARGIN + 170, MARGIN + 290, MARGIN + 390)
    heads = (_("who asks"), _("call"), _("answer"), _("reason"))
    for x, head in zip(columns, heads, strict=True):
        yield text(x, top + 12, head, ink="muted", size=11)
    for number, one in enumerate(requests):
        y = top + 16 + _ROW * number
        yield path("l-rule thin", (MARGIN, y + 2), (_WIDTH - MARGIN, y + 2))
        ink = "ink" if one.allowed else "fault"
        yield text(columns[0], y + 17, one.who, room=162)
        yield text(columns[1], y + 17, one.call, mono=True)
        yield text(columns[2], y + 17, one.error or _("done"), mono=True, ink=ink, room=92)
        yield text(columns[3], y + 17, one.reason, size=11, room=_WIDTH - MARGIN - columns[3])
