"""The walk as a graph that a reader can query and draw. networkx is imported when first asked."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx

    from vlab.paging.walk import Walk


def walk_graph(walk: "Walk") -> "networkx.DiGraph[Any]":
    """A path from "satp" over the references 1, 2, … to "page", or to "fault".

    Nodes have `kind` ("satp", "entry", "page", "fault") and `label`. satp and page have `address`; an entry
    has the fields of its Step; page has `size` and `physical`; fault has `cause`, `rule` and `why`.
    Edges have `label`; to an entry also `index`, `level` and `stage`, to page `offset`. The graph has `sentence`.

    Of two stages the path goes through both tables in the order of the references: `stage` tells which one
    an entry is of, `gpa` (G-stage) and `hpa` (VS-stage) tell what is translated and where the guest's entry is
    read. satp has `host`, the other root; page has `gpa`; fault has `fault_gpa` and `implicit`.
    """
    import networkx

    graph: networkx.DiGraph[Any] = networkx.DiGraph(sentence=repr(walk))
    graph.add_node("satp", kind="satp", label=f"{walk.schemes} {walk.root:#x}", address=walk.root)
    if walk.host is not None:
        graph.nodes["satp"]["host"] = walk.host.root
    last: int | str = "satp"
    for number, step in enumerate(walk.steps, 1):
        value = "?" if step.raw is None else f"{step.raw:#x} {step.flags}"
        graph.add_node(number, kind="entry", label=value, **step._asdict())
        label = f"{walk.scheme.format.index_name(step.level).lower()} = {step.index}"
        graph.add_edge(last, number, label=label, index=step.index, level=step.level, stage=step.stage)
        last = number
    if walk.physical is not None and walk.page_size is not None:
        offset = walk.physical % walk.page_size
        page: dict[str, Any] = {
            "address": walk.physical - offset,
            "size": walk.page_size,
            "physical": walk.physical,
        }
        if walk.host is not None:
            page["gpa"] = walk.gpa
        graph.add_node("page", kind="page", label=f"{walk.physical:#x}", **page)
        graph.add_edge(last, "page", label=f"+ {offset:#x}", offset=offset)
    elif walk.fault is not None:
        fault = {"cause": walk.fault, "rule": walk.rule, "why": walk.why}
        if walk.fault_gpa is not None:
            fault |= {"fault_gpa": walk.fault_gpa, "implicit": walk.implicit}
        graph.add_node("fault", kind="fault", label=walk.fault.title, **fault)
        graph.add_edge(last, "fault", label=walk.rule)
    return graph
