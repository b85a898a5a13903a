import re
from base64 import b64decode

import matplotlib
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from tests.views.recordings import Script
from vlab.views import chart_exits, style
from vlab.views.drawing.grammar import COLOURS
from vlab.views.plots import charts
from vlab.views.plots.charts import vlab_style


def test_exits_are_counted_by_reason_the_most_frequent_first():
    plot = chart_exits(Script(1).record(2))
    assert plot.sentence == "Exits by cause, 12 in all: illegal 6, ecall 2, hidden-fault 2, interrupt 2."
    names = [tick.get_text() for tick in plot.axes.get_yticklabels()]
    assert names == ["illegal", "ecall", "hidden-fault", "interrupt"]
    assert [bar.get_window_extent().width > 0 for bar in plot.axes.patches] == [True] * 4
    assert [note.get_text() for note in plot.axes.texts] == ["6", "2", "2", "2"]
    assert all(bar.get_hatch() for bar in plot.axes.patches)


def test_counts_may_be_given():
    assert chart_exits({"b": 1, "a": 1, "c": 5}).sentence == "Exits by cause, 7 in all: c 5, a 1, b 1."
    assert chart_exits({}).sentence == "Exits by cause, 0 in all: none."


def test_a_plot_shows_itself_once_with_its_sentence():
    plot = chart_exits({"csr": 3})
    shown, metadata = plot._repr_mimebundle_()
    assert set(shown) == {"text/plain", "image/png"}
    assert shown["text/plain"] == repr(plot) == plot.sentence
    assert b64decode(shown["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == plot.sentence
    assert pyplot.get_fignums() == []


def test_on_the_readers_own_axes_it_leaves_the_showing_to_the_reader():
    axes = Figure().add_subplot()
    plot = chart_exits({"csr": 3}, ax=axes)
    assert plot.axes is axes
    assert plot._repr_mimebundle_() == ({"text/plain": plot.sentence}, {})


def test_the_style_is_the_grammars():
    with vlab_style():
        cycle = list(matplotlib.rcParams["axes.prop_cycle"])
    assert {entry["color"] for entry in cycle} == {
        COLOURS[f"{name}-strong"][0] for name in ("kernel", "hypervisor", "process", "fault", "machine")
    }
    assert len({str(entry["linestyle"]) for entry in cycle}) == len(cycle)


def test_every_colour_of_the_style_sheet_is_the_grammars():
    text = charts._STYLE.read_text()
    used = {f"#{colour}" for colour in re.findall(r"\b[0-9a-f]{6}\b", text)}
    assert len(used) > 5
    assert used <= {light for light, _dark in COLOURS.values()}


def test_style_is_for_all_charts_from_here_on():
    with matplotlib.rc_context():
        style()
        assert matplotlib.rcParams["axes.spines.top"] is False


@pytest.mark.parametrize("counts", [{"<b>&": 2}, {"$x_{$": 2}, {"x" * 300: 1}])
def test_any_name_can_be_drawn(counts):
    assert chart_exits(counts)._repr_mimebundle_()[0]["image/png"]
