"""networkx graphs of events, walks and other things, drawn by matplotlib in the grammar of the pictures."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from vlab.events import kind_title
from vlab.language import _
from vlab.views.drawing.grammar import colour
from vlab.views.plots.charts import Plot, new_plot, vlab_style
from vlab.views.terms import term
from vlab.views.words import event_label, vm_name

if TYPE_CHECKING:
    import networkx
    from matplotlib.axes import Axes

MOST = 150  # nodes in one drawing; of a larger graph the first ones are drawn, and the rest counted
_ROW, _COLUMN = 0.27, 0.42  # inches
_SIZE = 70

Positions = dict[Any, tuple[float, float]]


class Mark(NamedTuple):
    """How a node is drawn: matplotlib's marker, the grammar's actor, hollow or filled."""

    marker: str
    who: str
    hollow: bool = False


# The shapes are the trap ladder's.
_MARKS = {
    "Trap": Mark("^", "fault"),
    "Injection": Mark("v", "hypervisor"),
    "Return": Mark("v", "machine", hollow=True),
    "Exit": Mark("s", "hypervisor"),
    "Entry": Mark("s", "hypervisor", hollow=True),
    "Emulation": Mark("o", "hypervisor"),
    "CsrWrite": Mark("D", "hypervisor"),
    "ShadowFill": Mark("D", "hypervisor", hollow=True),
    "ShadowFlush": Mark("X", "hypervisor"),
    "TlbFill": Mark("o", "machine", hollow=True),
    "TlbFlush": Mark("X", "machine"),
    "DeviceAccess": Mark("h", "machine", hollow=True),
    "satp": Mark("o", "machine"),
    "entry": Mark("s", "kernel"),
    "page": Mark("s", "machine", hollow=True),
    "fault": Mark("X", "fault"),
    "machine": Mark("s", "machine"),
    "VM": Mark("s", "machine", hollow=True),
    "hypervisor": Mark("s", "hypervisor"),
    "software": Mark("s", "kernel"),
    "device": Mark("h", "machine", hollow=True),
    "snapshot": Mark("o", "kernel", hollow=True),
}


def draw(graph: "networkx.DiGraph[Any]", ax: "Axes | None" = None, pos: Positions | None = None) -> Plot:
    """Draw a graph of vlab's, such as `run.graph()`, `walk.graph()` or `machine.graph()`, or a part of one.

    A tree of events, snapshots or parts of a computer is drawn as an outline: a row for each, under its cause,
    its parent or its whole. Others are drawn in networkx's multipartite layout, causes to the left of their
    effects. `pos` takes positions of your own: {node: (x, y)}.
    """
    nodes = list(graph)[:MOST]
    shown = graph.subgraph(nodes)
    outline = pos is None and bool(nodes) and all(_in_outline(graph.nodes[node]) for node in nodes)
    places = pos or (_outline(shown) if outline else _layers(shown))
    columns = len({x for x, _y in places.values()})
    width = _COLUMN * columns + 5 if outline else max(6.0, 2.2 * columns)
    rows = len({y for _x, y in places.values()})
    with vlab_style():
        plot = new_plot(_sentence(graph), min(width, 11), max(1.3, _ROW * rows + 0.7), ax)
        for start, end, label in shown.edges(data="label"):
            _edge(plot.axes, places[start], places[end], label, outline)
        for node in nodes:
            _node(plot.axes, places[node], _mark(graph.nodes[node]), _label(graph, node), outline)
        _frame(plot.axes, places, outline, len(graph) - len(nodes))
    return plot


def _in_outline(attributes: dict[str, Any]) -> bool:
    """Whether a node belongs to a tree with a row for each node: an event, a snapshot, a part of a computer."""
    return "event" in attributes or "number" in attributes


def _outline(graph: "networkx.DiGraph[Any]") -> Positions:
    """Each node in a row of its own, its effects under it and one step to the right."""

    def backwards(nodes: Iterable[Any]) -> list[Any]:
        return sorted(nodes, key=lambda node: (graph.nodes[node].get("number", 0), node), reverse=True)

    places: Positions = {}
    roots = [node for node in graph if not graph.in_degree(node)]
    todo = [(node, 0) for node in backwards(roots or graph)]
    while todo:
        node, depth = todo.pop()
        if node not in places:
            places[node] = (depth, -len(places))
            todo += [(effect, depth + 1) for effect in backwards(graph.successors(node))]
    for node in graph:  # what only a circle leads to
        places.setdefault(node, (0, -len(places)))
    return places


def _layers(graph: "networkx.DiGraph[Any]") -> Positions:
    """networkx's multipartite layout, a layer for each step away from the beginning."""
    import networkx

    if not networkx.is_directed_acyclic_graph(graph):
        return {node: (float(x), float(y)) for node, (x, y) in networkx.circular_layout(graph).items()}
    layered = networkx.DiGraph()
    for number, layer in enumerate(networkx.topological_generations(graph)):
        layered.add_nodes_from(layer, layer=number)
    places = networkx.multipartite_layout(layered, subset_key="layer")
    return {node: (round(float(x), 6), round(float(y), 6)) for node, (x, y) in places.items()}


def _sentence(graph: "networkx.DiGraph[Any]") -> str:
    if sentence := graph.graph.get("sentence"):
        return str(sentence)
    kinds: dict[str, int] = {}
    for _node, kind in graph.nodes(data="kind"):
        kinds[str(kind)] = kinds.get(str(kind), 0) + 1
    listed = ", ".join(f"{term(kind_title(kind))} {count}" for kind, count in sorted(kinds.items()))
    return _("Graph of {nodes} nodes and {edges} edges, from cause to effect: {kinds}.").format(
        nodes=len(graph), edges=graph.number_of_edges(), kinds=listed or _("none")
    )


def _mark(attributes: dict[str, Any]) -> Mark:
    mark = _MARKS.get(attributes.get("kind", ""), Mark("o", "machine"))
    if attributes.get("verdict") == "fault":
        return mark._replace(who="fault")
    if mark.who == "hypervisor" and "event" in attributes and attributes["level"] == 0:
        return mark._replace(who="machine")
    return mark


def _label(graph: "networkx.DiGraph[Any]", node: Any) -> str:
    attributes = graph.nodes[node]
    if "event" in attributes:
        event = attributes["event"]
        whose = f" ({vm_name(event.level)})" if event.level > 1 else ""
        return f"{event.time}  {event_label(event)}{whose}"
    if attributes.get("kind") == "snapshot":
        return _("{label}: time {time}, pages changed: {changed}").format(**attributes)
    return str(attributes.get("label", node))


def _edge(
    axes: "Axes", start: tuple[float, float], end: tuple[float, float], label: str | None, outline: bool
) -> None:
    """A line from cause to effect: in an outline down and then right, else an arrow with its label."""
    (x0, y0), (x1, y1) = start, end
    if outline:
        axes.plot([x0, x0, x1], [y0, y1, y1], color=colour("muted"), linewidth=1.2, linestyle="-", zorder=1)
        return
    look = {"arrowstyle": "-|>", "color": colour("muted"), "shrinkA": 7, "shrinkB": 7, "linewidth": 1.4}
    axes.annotate("", (x1, y1), (x0, y0), arrowprops=look)
    if label:
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        axes.annotate(label, middle, (0, 6), textcoords="offset points", ha="center", fontsize=9)


def _node(axes: "Axes", place: tuple[float, float], mark: Mark, label: str, outline: bool) -> None:
    strong = colour(f"{mark.who}-strong")
    face = colour("paper") if mark.hollow else strong
    axes.scatter(
        [place[0]],
        [place[1]],
        s=_SIZE,
        marker=mark.marker,
        c=face,
        edgecolors=strong,
        linewidths=1.6,
        zorder=2,
    )
    offset, align = ((9, 0), ("left", "center")) if outline else ((0, -10), ("center", "top"))
    axes.annotate(
        label,
        place,
        offset,
        textcoords="offset points",
        ha=align[0],
        va=align[1],
        parse_math=False,
        fontsize=10,
        color=colour(f"{mark.who}-ink"),
        zorder=3,
    )


def _frame(axes: "Axes", places: Positions, outline: bool, missing: int) -> None:
    """Room around the nodes, and no axes: positions have no unit here."""
    axes.set_axis_off()
    xs, ys = [x for x, _y in places.values()] or [0.0], [y for _x, y in places.values()] or [0.0]
    if outline:
        axes.set_xlim(min(xs) - 0.5, max(xs) + 5 / _COLUMN)
        axes.set_ylim(min(ys) - 0.7, max(ys) + 0.7)
    else:
        axes.margins(0.12, 0.3)
    if missing > 0:
        axes.set_title(_("… and {count} more").format(count=missing), loc="left", fontsize=10)
