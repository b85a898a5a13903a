"""A network: switches, their cables, and the computers that are plugged in, each inside the one that gives it.

A switch whose ports are all of one computer's guests stands inside that computer: it is a virtual one. Under or
over each cable's end is the port, with its name and address; beside the cable, how many packets went up and down.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from vlab.display import one_line
from vlab.hypervisor import VirtualMachine
from vlab.language import _
from vlab.machine import Computer
from vlab.machine.network import Port, Switch
from vlab.machine.network.packets import mac_text
from vlab.machine.network.switch import Uplink
from vlab.operations import Together
from vlab.views.drawing.grammar import LOOKS
from vlab.views.drawing.metrics import fit, text_width
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, group, hatch, number, path, rect, text
from vlab.views.terms import term

MARGIN = 16
PAD = 14
BAND = 7  # the hatched edge that says who acts
CHIP = 38  # the height of a port
BAR = 30  # the height of a switch
CABLE = 40  # the length of a cable's free end
LINE = 17
NAME = 150  # the longest name of a port
TITLE = 230  # the longest line of a computer
LEAST = 380  # how wide a picture is at least
MOST = 6  # computers beside each other, and ports of one; the rest are counted


@dataclass
class _Box:
    """A computer, drawn from its upper left corner: grounds under all cables, shapes over them; where ports are."""

    width: float = 0
    height: float = 0
    ground: list[Element] = field(default_factory=list)
    shapes: list[Element] = field(default_factory=list)
    plugs: dict[Port, tuple[float, float]] = field(default_factory=dict)

    def put(self, box: "_Box", x: float, y: float) -> dict[Port, tuple[float, float]]:
        """Take another one in at a place, and be where its ports are now."""
        move = f"translate({number(x)} {number(y)})"
        self.ground.append(group(box.ground, transform=move))
        self.shapes.append(group(box.shapes, transform=move))
        return {port: (px + x, py + y) for port, (px, py) in box.plugs.items()}


def network_picture(switch: Switch) -> Picture:
    """A switch, and all that it is connected with."""
    net = _Net(switch.machines, [switch])
    others = [other for other in net.switches if other is not switch]
    words = [
        _("{switch}; {count} packets went over it").format(switch=one, count=net.total[one])
        for one in (switch, *others)
    ]
    return _picture(net, ". ".join(words) + ".")


def together_picture(together: Together) -> Picture:
    """The machines that run together, with their networks."""
    return _picture(_Net(together.machines, []), repr(together))


class _Net:
    """Machines, the switches that they and their guests are plugged into, the machines behind those, and so on."""

    def __init__(self, machines: Iterable[Computer], switches: list[Switch]):
        self.machines, self.switches = list(machines), switches
        for machine in self.machines:  # both lists grow meanwhile
            for line in machine.history.lines:
                if isinstance(line, Switch) and line.ports and line not in self.switches:
                    self.switches.append(line)
                    self.machines += [other for other in line.machines if other not in self.machines]
        self.home = {switch: _home(switch) for switch in self.switches}
        self.of = {port: switch for switch in self.switches for port in switch.ports}
        self.sent, self.got = dict.fromkeys(self.of, 0), dict.fromkeys(self.of, 0)
        self.total: dict[Switch, int] = {}
        for switch in self.switches:
            self._count(switch)

    def _count(self, switch: Switch) -> None:
        """How many packets came in at each port, and were handed on to each."""
        ports = {port.name: port for port in switch.ports}
        capture = switch.capture
        self.total[switch] = len(capture)
        for packet in capture:
            if (sender := ports.get(packet.port)) is not None:
                self.sent[sender] += 1
                for port in switch.receivers(sender, packet.data):
                    self.got[port] += 1

    def inside(self, computer: Computer | None) -> list[Switch]:
        """The switches that stand directly in a computer; None: those between machines."""
        return [switch for switch in self.switches if self.home[switch] is computer]

    def children(self, computer: Computer) -> list[Computer]:
        """The computers directly inside that have a port, or have one inside that does."""
        lines = [[*_outwards(port.computer)] for port in self.of]
        found = {line[at - 1]: None for line in lines for at in range(1, len(line)) if line[at] is computer}
        return list(found)

    def name(self, computer: Computer) -> str:
        """What a computer is called: a machine has no name but its port's."""
        ports = (port.name for port in self.of if port.computer is computer and port.nic.mac)
        return one_line(computer.name or next(ports, "") or _("machine"))


def _outwards(computer: Computer) -> Iterator[Computer]:
    """A computer, the one that it is in, and so on."""
    yield computer
    while isinstance(computer, VirtualMachine):
        computer = computer.host
        yield computer


def _home(switch: Switch) -> Computer | None:
    """The innermost computer in which all that is plugged in stands; None for a switch between machines.

    An uplink is a program of its computer, so it stands inside; a card's cable leaves the computer.
    """
    lines = [[*_outwards(port.computer)][0 if isinstance(port.nic, Uplink) else 1 :] for port in switch.ports]
    shared = (one for one in (lines[0] if lines else []) if all(one in line for line in lines))
    return next(shared, None)


# Boxes


def _picture(net: _Net, sentence: str) -> Picture:
    whole, boxes = _Box(), [_computer(net, machine) for machine in net.machines[:MOST]]
    bars = net.inside(None)
    top = MARGIN + _bars_height(bars)
    places, right, bottom = _beside(whole, boxes, MARGIN, top)
    width = max(right, MARGIN + LEAST, MARGIN + _bars_width(net, bars))
    cables = [*_cables(net, bars, places, MARGIN)]
    shapes = [*whole.ground, *cables, *_bars(net, bars, MARGIN, MARGIN, width), *whole.shapes]
    if len(net.machines) > MOST:
        bottom += LINE
        more = _("… and {count} more").format(count=len(net.machines) - MOST)
        shapes.append(text(MARGIN, bottom + 4, more, ink="muted"))
    shapes += _legend(bottom + 22)
    return Picture(tuple(shapes), width + MARGIN, bottom + 52 + MARGIN, sentence)


def _computer(net: _Net, computer: Computer) -> _Box:
    """A computer: its ports at the upper edge, then its switches, then its guests; its name at the bottom."""
    box, cards, bars = _Box(), _cards(net, computer), net.inside(computer)
    children = net.children(computer)
    left = float(BAND + PAD)
    x, links = left, dict[Port, float]()
    for card in cards[:MOST]:
        width = _chip_width(net, card)
        box.shapes += _chip(x, width, card.name, card.address, virtual=bool(computer.level))
        if card.port is not None:
            box.plugs[card.port] = (x + width / 2, 0)
        if card.uplink is not None:
            links[card.uplink] = x + width / 2
        x += width + PAD
    y = (CHIP + (CABLE if bars else PAD)) if cards else PAD
    inner = [_computer(net, child) for child in children[:MOST]]
    passing = any(net.of[port] not in bars for one in inner for port in one.plugs)
    start = x if passing and cards else left
    below = y + _bars_height(bars, CABLE if inner else PAD) + (24 if passing and not bars else 0)
    places, right, bottom = _beside(box, inner, start, below)
    title = _title(net, computer, len(cards), len(children))
    widest = max(text_width(line, 13, bold=not n) for n, line in enumerate(title))
    right = max(right, x - PAD, left + widest, left + _bars_width(net, bars))
    box.plugs |= {port: place for port, place in places.items() if net.of[port] not in bars}
    box.shapes[:0] = [
        *_cables(net, bars, places, y),
        *_links(net, bars, links, y),
        *_bars(net, bars, left, y, right),
    ]
    bottom = max(bottom, y) + (6 if inner or bars else 0)
    for n, line in enumerate(title):
        ink = "machine" if not n else "ink"
        box.shapes.append(text(left, bottom + 14 + LINE * n, line, size=12 + (not n), ink=ink, bold=not n))
    box.width, box.height = right + PAD, bottom + LINE * len(title) + 8
    box.ground[:0] = _border(computer, box.width, box.height)
    return box


def _title(net: _Net, computer: Computer, cards: int, children: int) -> list[str]:
    """A computer's name, what it is, and how much of it is left out."""
    kinds = dict.fromkeys(term(one.kind) for one in computer.residents.values())
    name = net.name(computer)
    what = (
        _("virtual machine, level {level}").format(level=computer.level) if computer.level else _("machine")
    )
    lines = [name, ", ".join((*([what] if name != what else []), *kinds))]
    more = max(0, cards - MOST) + max(0, children - MOST)
    if more:
        lines.append(_("… and {count} more").format(count=more))
    return [fit(line, TITLE, 13, bold=not n) for n, line in enumerate(lines)]


def _border(computer: Computer, width: float, height: float) -> Iterator[Element]:
    """The ground and edge of a box; as everywhere, a virtual computer is a machine on white paper."""
    yield rect(0, 0, width, height, "f-paper" if computer.level else "f-machine", radius=5)
    yield hatch(0, 2, BAND, height - 4, "l-machine thin", LOOKS["machine"].slope or 0, gap=5)
    yield rect(0, 0, width, height, "l-machine thick d-machine", radius=5)


def _beside(
    whole: _Box, boxes: list[_Box], x: float, y: float
) -> tuple[dict[Port, tuple[float, float]], float, float]:
    """Boxes beside each other, put into another one: where their ports are, and how far right and down it goes."""
    places: dict[Port, tuple[float, float]] = {}
    right, bottom = x, y
    for box in boxes:
        places |= whole.put(box, x, y)
        right, bottom = x + box.width, max(bottom, y + box.height)
        x = right + PAD
    return places, right, bottom


# Ports


@dataclass
class _Card:
    """What stands at a computer's edge: the port of a switch outside, the uplink of one inside that leads on here."""

    name: str
    address: str
    port: Port | None = None
    uplink: Port | None = None


def _cards(net: _Net, computer: Computer) -> list[_Card]:
    """The cards of a computer that have a cable, those that lead its guests on, and uplinks without a card."""
    own = [port for port in net.of if port.computer is computer]
    cards = [_Card(one_line(port.name), mac_text(port.nic.mac), port) for port in own if port.nic.mac]
    bridges = _bridges(computer)
    for port in (port for port in own if not port.nic.mac):
        nic: Any = computer.bus.devices.get(bridges.get(port, ""), (0, None))[1]
        if nic is None:
            cards.append(_Card(one_line(port.name), _("leads on"), uplink=port))
            continue
        for card in cards:
            if card.port is not None and card.port.nic is nic:
                card.uplink = port
                break
        else:
            cards.append(_Card(one_line(nic.name), mac_text(nic.mac), uplink=port))
    return cards


def _bridges(computer: Computer) -> dict[Port, str]:
    """The uplinks of a host's bridges, and over which of its cards each leads on."""
    bridges = (getattr(one, "bridges", {}) for one in dict.fromkeys(computer.residents.values()))
    return {bridge.port: bridge.name for some in bridges for bridge in some.values() if bridge.port}


def _chip_width(net: _Net, card: _Card) -> float:
    """How wide a port is: for what is in it, and for what stands at the right of the cable in its middle."""
    beside = [_counts(net, card.port, up=True)] if card.port else []
    beside += [_link_words(net, card.uplink)] if card.uplink else []
    inside = text_width(fit(card.name, NAME, bold=True), bold=True), text_width(card.address, 11, mono=True)
    return 16 + max(*inside, *(2 * text_width(words, 11) for words in beside))


def _chip(x: float, width: float, name: str, address: str, *, virtual: bool) -> Iterator[Element]:
    """A port: its name over its address."""
    look = "hypervisor" if virtual else "machine"
    yield rect(x, 0, width, CHIP, "f-paper", radius=3)
    yield rect(x, 0, width, CHIP, f"l-{look}", radius=3)
    yield text(x + width / 2, 15, name, room=NAME, bold=True, anchor="middle")
    yield text(x + width / 2, 30, address, size=11, mono=True, anchor="middle")


# Switches and cables


def _bars_height(bars: list[Switch], under: float = CABLE) -> float:
    return len(bars) * (BAR + 8) - 8 + under if bars else 0


def _bars_width(net: _Net, bars: list[Switch]) -> float:
    return max((text_width(_bar_words(net, switch), bold=True) + 26 for switch in bars), default=0)


def _bar_words(net: _Net, switch: Switch) -> str:
    return _("{kind} {name}, packets: {count}").format(
        kind=_("switch") if net.home[switch] is None else _("virtual switch"),
        name=fit(one_line(switch.name), NAME, bold=True),
        count=net.total[switch],
    )


def _bars(net: _Net, bars: list[Switch], left: float, top: float, right: float) -> Iterator[Element]:
    """Switches over each other, each as wide as all that is plugged in. They hide cables that lead past them."""
    for n, switch in enumerate(bars):
        y = top + n * (BAR + 8)
        who = "machine" if net.home[switch] is None else "hypervisor"
        yield rect(left, y, right - left, BAR, f"f-{who}", radius=4)
        yield rect(left, y, right - left, BAR, f"l-{who} thick", radius=4)
        yield text(left + 12, y + 20, _bar_words(net, switch), ink=who, bold=True)


def _counts(net: _Net, port: Port, *, up: bool) -> str:
    """How many packets went up and down a cable; `up`: what the port sends goes up."""
    sent, got = net.sent[port], net.got[port]
    return f"↑{sent if up else got} ↓{got if up else sent}"


def _cables(
    net: _Net, bars: list[Switch], places: dict[Port, tuple[float, float]], top: float
) -> Iterator[Element]:
    """From each switch down to the ports of what is plugged in."""
    for n, switch in enumerate(bars):
        y = top + n * (BAR + 8) + BAR
        for port in (port for port in switch.ports if port in places):
            x, end = places[port]
            yield path(_wire(net, switch), (x, y), (x, end))
            yield text(x + 6, end - 8, _counts(net, port, up=True), size=11)


def _links(net: _Net, bars: list[Switch], links: dict[Port, float], top: float) -> Iterator[Element]:
    """From each switch inside a computer up to the card over which it leads on."""
    for n, switch in enumerate(bars):
        for port in (port for port in switch.ports if port in links):
            x, y = links[port], top + n * (BAR + 8)
            yield path(_wire(net, switch), (x, CHIP), (x, y))
            yield text(x + 6, top - 8, _link_words(net, port), size=11)


def _link_words(net: _Net, port: Port) -> str:
    return fit(f"{_counts(net, port, up=False)} {one_line(port.name)}", NAME, 11)


def _wire(net: _Net, switch: Switch) -> str:
    return "l-machine thick d-machine" if net.home[switch] is None else "l-hypervisor thick"


def _legend(y: float) -> Iterator[Element]:
    """The two kinds of cable, and what stands beside them."""
    yield path("l-machine thick d-machine", (MARGIN, y + 6), (MARGIN + 30, y + 6))
    yield text(MARGIN + 38, y + 10, _("a cable"), room=110, size=11)
    yield path("l-hypervisor thick", (MARGIN + 160, y + 6), (MARGIN + 190, y + 6))
    yield text(MARGIN + 198, y + 10, _("a virtual one"), room=170, size=11)
    yield text(MARGIN, y + 28, _("↑ ↓ packets that went up and down it"), room=368, size=11, ink="muted")
