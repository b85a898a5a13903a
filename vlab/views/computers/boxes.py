"""Machines, hypervisors and virtual machines as nested boxes, drawn from the live objects.

A box stands inside the box of whatever gives it: machine ⊃ hypervisor ⊃ virtual machines ⊃ what runs in them.
The colours and lines are those of who acts; one lit mark says where the one real hart stands.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vlab.hypervisor import Hypervisor
from vlab.hypervisor.host import Host
from vlab.hypervisor.host.processes import state_title
from vlab.language import _
from vlab.machine.structure import Part, computer_words, software_title, structure, structure_sentence
from vlab.paging import size_text
from vlab.views.drawing.grammar import LOOKS
from vlab.views.drawing.metrics import fit, text_width
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, el, group, hatch, number, path, rect, text
from vlab.views.terms import term

MARGIN = 14
PAD = 12  # between a box and what is inside it
BAND = 7  # the hatched edge that says who acts
LINE = 17
CHIP = 20  # the height of a device
ROW = 860  # virtual machines stand beside each other up to this width
NAME = 280  # the longest line of a box that has nothing wide inside
MOST = 12  # virtual machines of one hypervisor; the rest are counted
DEEPEST = 8  # computers inside each other; what is deeper is counted
_WHO = {"machine": "machine", "VM": "machine", "software": "kernel", "hypervisor": "hypervisor"}
_WHO |= {"host": "host", "process": "process"}
_R = 5  # half a mark


@dataclass(frozen=True)
class Box:
    """A finished box, drawn from its own upper left corner."""

    width: float
    height: float
    shapes: tuple[Element, ...]

    def at(self, x: float, y: float) -> Element:
        """The box with its corner there."""
        return group(self.shapes, transform=f"translate({number(x)} {number(y)})")


def boxes_picture(thing: Any) -> Picture:
    """A machine, virtual machine or hypervisor, with all that is inside it."""
    if isinstance(thing, Hypervisor | Host):
        whole = structure(thing.computer)
        root = next(part for part in whole.walk() if part.thing is thing)
    else:
        root = whole = structure(thing)
    box = _box(root, DEEPEST)
    return Picture(
        (box.at(MARGIN, MARGIN),),
        box.width + 2 * MARGIN,
        box.height + 2 * MARGIN,
        structure_sentence(whole),
    )


def _box(part: Part, deeper: int) -> Box:
    """The box of a computer, of its system software, or of a guest's own."""
    if part.kind in ("machine", "VM"):
        return _frame(part, _computer_lines(part), _computer_rows(part, deeper), computer_mark(part))
    if part.kind == "software":
        words = _("{mode} mode, at {pc:#x}").format(**part.facts)
        return _frame(part, [words], [])
    if part.kind == "process":
        words = _("{user}, {state}").format(
            user=fit(part.facts["user"], NAME / 3), state=state_title(part.facts["state"])
        )
        return _frame(part, [words], [])
    words = _("level {level}, modes {modes}").format(
        level=part.facts["level"], modes=", ".join(part.facts["modes"])
    )
    if isinstance(part.thing, Host):
        return _frame(part, [words], _host_rows(part, deeper))
    return _frame(part, [words], _vm_rows(part, deeper))


def _computer_lines(part: Part) -> list[str]:
    facts = part.facts
    size = _("{size} of memory, time {time}").format(size=size_text(facts["memory"]), time=facts["time"])
    return [computer_words(part), size]


def _computer_rows(part: Part, deeper: int) -> list[list[Box]]:
    """A row of devices, and under it what runs on the computer."""
    devices = [_chip(one.name) for one in part.parts if one.kind == "device"]
    rest = [_box(one, deeper) for one in part.parts if one.kind != "device"]
    return [*_wrapped(devices, NAME), *([box] for box in rest)]


def _vm_rows(part: Part, deeper: int) -> list[list[Box]]:
    """The virtual machines of a hypervisor beside each other, or how many levels are left out."""
    if part.parts and deeper <= 1:
        inside = sum(one.kind == "VM" for whole in part.parts for one in whole.walk())
        return [[_ghost(_("… and {count} more inside").format(count=inside))]]
    shown = [_box(one, deeper - 1) for one in part.parts[:MOST]]
    if len(part.parts) > MOST:
        shown.append(_ghost(_("… and {count} more").format(count=len(part.parts) - MOST)))
    return _wrapped(shown, ROW)


def _host_rows(part: Part, deeper: int) -> list[list[Box]]:
    """The processes of a host beside each other, and under them its hypervisor with the virtual machines."""
    processes = [one for one in part.parts if one.kind == "process"]
    shown = [_box(one, deeper) for one in processes[:MOST]]
    if len(processes) > MOST:
        shown.append(_ghost(_("… and {count} more").format(count=len(processes) - MOST)))
    modules = [_box(one, deeper) for one in part.parts if one.kind != "process"]
    return [*_wrapped(shown, ROW), *([box] for box in modules)]


def _wrapped(boxes: list[Box], room: float) -> list[list[Box]]:
    """Boxes in rows no wider than the room; one that is wider by itself has a row of its own."""
    rows: list[list[Box]] = []
    width = room + 1
    for box in boxes:
        width += PAD + box.width
        if width > room:
            rows.append([])
            width = box.width
        rows[-1].append(box)
    return rows


def _frame(part: Part, lines: list[str], rows: list[list[Box]], mark: tuple[Element, ...] = ()) -> Box:
    """A box with its title, its lines, and rows of boxes inside."""
    who = "host" if isinstance(part.thing, Host) else _WHO.get(part.kind, "hypervisor")
    title = fit(_title(part), NAME, 13, bold=True)
    lines = [fit(line, NAME) for line in lines]
    here = bool(part.facts.get("hart"))
    flag = _flag() if here else None
    head = text_width(title, 13, bold=True) + (PAD + flag.width if flag else 0)
    inner = max(
        [head, *(text_width(line) + 18 * (not n and bool(mark)) for n, line in enumerate(lines))]
        + [sum(box.width for box in row) + PAD * (len(row) - 1) for row in rows]
    )
    left = BAND + PAD
    shapes = [text(left, 24, title, size=13, ink=who, bold=True)]
    if flag:
        shapes.append(flag.at(left + text_width(title, 13, bold=True) + PAD, 9))
    for n, line in enumerate(lines):
        shift = 18 if not n and mark else 0
        shapes.append(text(left + shift, 24 + LINE * (n + 1), line))
    if mark:
        shapes.append(group(mark, transform=f"translate({left + _R + 1} {24 + LINE - 4})"))
    y = 24 + LINE * len(lines) + 8.0
    for row in rows:
        x, y = float(left), y + 4
        for box in row:
            shapes.append(box.at(x, y))
            x += box.width + PAD
        y += max(box.height for box in row) + PAD - 4
    width, height = left + inner + PAD, y + (2 if not rows else 0)
    return Box(width, height, (*_border(part, who, width, height), *shapes))


def _border(part: Part, who: str, width: float, height: float) -> Iterator[Element]:
    """The ground, edge and line of a box: a virtual computer is a machine on white paper."""
    slope = LOOKS[who].slope
    yield rect(0, 0, width, height, "f-paper" if part.kind == "VM" else f"f-{who}", radius=5)
    yield hatch(0, 2, BAND, height - 4, f"l-{who} thin", -1 if slope is None else slope, gap=5)
    dashes = " dashed" if part.facts.get("state") == "empty" else f" d-{who}"
    yield rect(0, 0, width, height, f"l-{who} thick{dashes}", radius=5)


def _title(part: Part) -> str:
    if part.kind == "VM":
        return _("{name}: virtual machine, level {level}").format(
            name=fit(part.name, NAME / 3.5, 13, bold=True), level=part.facts["level"]
        )
    if part.kind == "process":
        return _("{pid}: {name}").format(pid=part.facts["pid"], name=part.name)
    named = getattr(part.thing, "title", "")  # a system that has a name
    return software_title(part) if part.kind == "software" else named or term(part.kind)


def computer_mark(part: Part) -> tuple[Element, ...]:
    """What a computer does, as a shape around the origin: its own form for each state."""
    r = _R
    triangle = [(-r + 1, -r), (r, 0), (-r + 1, r)]
    match part.facts["state"]:
        case "on" | "running":
            return (path("b-machine", *triangle, closed=True),)
        case "exited" | "ready":
            return (path("o-machine", *triangle, closed=True),)
        case "waiting":
            return (el("circle", class_="o-machine", cx=0, cy=0, r=r - 0.5),)
        case "off":
            return (
                path("l-machine thick", (-r + 1, -r + 1), (r - 1, r - 1)),
                path("l-machine thick", (-r + 1, r - 1), (r - 1, -r + 1)),
            )
    return (path("l-machine thick", (-r, 0), (r, 0)),)


def _flag() -> Box:
    """The lit mark of the place where the one real hart stands."""
    words = _("the hart is here")
    width = text_width(words, 11, bold=True) + 14
    ground = rect(0, 0, width, 20, "f-lit", radius=10)
    edge = rect(0, 0, width, 20, "l-ink", radius=10)
    return Box(width, 20, (ground, edge, text(7, 14, words, size=11, bold=True)))


def _chip(words: str) -> Box:
    """A device."""
    words = fit(words, NAME / 2, 11)
    width = text_width(words, 11) + 12
    shapes = (
        rect(0, 0, width, CHIP, "f-paper", radius=3),
        rect(0, 0, width, CHIP, "l-machine thin", radius=3),
        text(6, 14, words, size=11, ink="machine"),
    )
    return Box(width, CHIP, shapes)


def _ghost(words: str) -> Box:
    """The place of what is not drawn."""
    width = text_width(words, 12) + 24
    return Box(
        width, 44, (rect(0, 0, width, 44, "l-rule dashed", radius=5), text(12, 27, words, ink="muted"))
    )
