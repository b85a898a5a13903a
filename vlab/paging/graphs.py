"""The walk as a graph that a reader can query and draw. networkx is imported when first asked."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx

    from vlab.paging.walk import Walk


def walk_graph(walk: "Walk") -> "networkx.DiGraph[Any]":
    """A path from "satp" over the references 1, 2, … to "page", or to "fault".

    Nodes have `kind` ("satp", "entry", "page", "fault") and `label`. satp and page have `address`; an entry
    has the fields of its Step; page has `size` and `physical`; fault has `cause`, `rule` and `why`.
    Edges have `label`; to an entry also `index` and `level`, to page `offset`. The graph has `sentence`.
    """
    import networkx

    graph: networkx.DiGraph[Any] = networkx.DiGraph(sentence=repr(walk))
    graph.add_node("satp", kind="satp", label=f"{walk.scheme.name} {walk.root:#x}", address=walk.root)
    last: int | str = "satp"
    for number, step in enumerate(walk.steps, 1):
        value = "?" if step.raw is None else f"{step.raw:#x} {step.flags}"
        graph.add_node(number, kind="entry", label=value, **step._asdict())
        label = f"vpn[{step.level}] = {step.index}"
        graph.add_edge(last, number, label=label, index=step.index, level=step.level)
        last = number
    if walk.physical is not None and walk.page_size is not None:
        offset = walk.physical % walk.page_size
        page = {"address": walk.physical - offset, "size": walk.page_size, "physical": walk.physical}
        graph.add_node("page", kind="page", label=f"{walk.physical - offset:#x}", **page)
        graph.add_edge(last, "page", label=f"+ {offset:#x}", offset=offset)
    elif walk.fault is not None:
        fault = {"cause": walk.fault, "rule": walk.rule, "why": walk.why}
        graph.add_node("fault", kind="fault", label=walk.fault.title, **fault)
        graph.add_edge(last, "fault", label=walk.rule)
    return graph
