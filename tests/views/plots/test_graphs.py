import networkx
import numpy
import pytest
from matplotlib.figure import Figure

from tests.views.recordings import Script, nested
from vlab.events import Injection
from vlab.paging import PageTable
from vlab.views import draw
from vlab.views.plots.graphs import MOST


def labels(plot):
    return [note.get_text() for note in plot.axes.texts if note.get_text()]


def test_effects_stand_in_rows_of_their_own_under_their_cause_and_right_of_it():
    graph = nested(2).graph()
    plot = draw(graph)
    places = [tuple(numpy.asarray(mark.get_offsets())[0]) for mark in plot.axes.collections]
    assert sorted(row for _column, row in places) == [-n for n in reversed(range(len(graph)))]
    at = dict(zip(graph, places, strict=True))
    assert all(
        at[cause][0] + 1 == at[effect][0] and at[cause][1] > at[effect][1] for cause, effect in graph.edges
    )


def test_an_event_graph_says_time_and_event():
    run = Script(1).record(1)
    assert labels(draw(run.exits.graph()))[:3] == [
        "107  exit: ecall",
        "107  inject: ecall from U",
        "115  exit: illegal",
    ]
    assert "108  exit: illegal (the VM at depth 2)" in labels(draw(nested(1).graph()))


def test_a_query_can_be_drawn():
    graph = Script(1).record(2).graph()
    call = next(node for node, kind in graph.nodes(data="kind") if kind == "Injection")
    caused = graph.subgraph(networkx.descendants(graph, call) | {call})
    plot = draw(caused)
    assert len(plot.axes.collections) == len(caused)
    assert str(len(caused)) in plot.sentence


def test_a_walk_is_drawn_with_its_own_sentence():
    table = PageTable()
    table.map(0x1000, 0x8000_3000, "R")
    walked = table.walk(0x1234, "load", mode="S")
    plot = draw(walked.graph())
    assert plot.sentence == repr(walked)
    assert {"vpn[0] = 1", "+ 0x234", "0x80003234"} <= set(labels(plot))


@pytest.mark.parametrize(
    "graph",
    [
        networkx.DiGraph(),
        networkx.DiGraph([(0, 1), (1, 0)]),
        networkx.DiGraph([("a", "b"), ("a", "c"), ("c", "b")]),
        Script(1).record(1).only(Injection).graph(),
    ],
)
def test_any_graph_can_be_drawn(graph):
    plot = draw(graph)
    assert plot.sentence.startswith("Graph of ")
    assert plot._repr_mimebundle_()[0]["image/png"]


def test_a_large_graph_shows_its_beginning_and_counts_the_rest():
    graph = Script(1).record(20).graph()
    plot = draw(graph)
    assert len(plot.axes.collections) == MOST
    assert plot.axes.get_title(loc="left") == f"… and {len(graph) - MOST} more"


def test_positions_and_axes_may_be_the_readers_own():
    axes, graph = Figure().add_subplot(), nested(1).graph()
    plot = draw(graph, ax=axes, pos=networkx.circular_layout(graph))
    assert plot.axes is axes
    assert not plot.owned
