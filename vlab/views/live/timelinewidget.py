"""The live timeline: the columns that travel to its page, and the details that the page asks for."""

from math import inf
from typing import Any

import anywidget
import traitlets

from vlab.events import kind_title
from vlab.language import _
from vlab.views.live.live import script, style
from vlab.views.runs.columns import Columns, Option
from vlab.views.words import event_sentence, event_table, relations_html


class TimelineWidget(anywidget.AnyWidget):
    """One timeline on the page. `at` and `root` are positions, -1: none; `cause` and `vm` are options' numbers."""

    _esm = script("timeline")
    _css = style("timeline")

    data = traitlets.Bytes().tag(sync=True)
    plan = traitlets.Dict().tag(sync=True)
    words = traitlets.Dict().tag(sync=True)
    window: traitlets.List[float] = traitlets.List([0.0, 1.0]).tag(sync=True)
    at = traitlets.Int(-1).tag(sync=True)
    root = traitlets.Int(-1).tag(sync=True)
    cause = traitlets.Int(0).tag(sync=True)
    vm = traitlets.Int(0).tag(sync=True)
    size = traitlets.Unicode("normal").tag(sync=True)

    def __init__(self, columns: Columns, causes: list[Option], vms: list[Option], size: str = "normal"):
        self._columns = columns
        self._most = {"at": len(columns), "root": len(columns), "cause": len(causes), "vm": len(vms)}
        plan = {
            "count": len(columns),
            "span": list(columns.span),
            "first": columns.first,
            "rows": [[row.who, row.name] for row in columns.rows],
            "kinds": [[kind.kind, kind.title, kind_title(kind.kind)] for kind in columns.kinds],
            "causes": [[option.title, list(option.numbers), option.group] for option in causes],
            "vms": [[option.title, list(option.numbers), option.group] for option in vms],
        }
        super().__init__(data=columns.pack(), plan=plan, words=_words(), size=size)
        self.on_msg(self._asked)

    @traitlets.validate("at", "root", "cause", "vm")
    def _inside(self, proposal: Any) -> int:
        name, wanted = proposal["trait"].name, int(proposal["value"])
        return min(max(-1 if name in ("at", "root") else 0, wanted), self._most[name] - 1)

    @traitlets.validate("window")
    def _a_window(self, proposal: Any) -> list[float]:
        wanted = proposal["value"]
        if (
            len(wanted) == 2
            and all(isinstance(time, int | float) for time in wanted)
            and wanted[0] < wanted[1] < inf
        ):
            return [float(time) for time in wanted]
        return self.window

    def details(self, number: int) -> dict[str, Any]:
        """One event in words: its sentence, its fields, its cause and its effects."""
        event = self._columns.events[number]
        html = event_table(event) + relations_html(self._columns, number)
        return {"event": number, "sentence": event_sentence(event), "html": html}

    def _asked(self, _widget: object, message: Any, _buffers: object) -> None:
        """The page asks for an event: `{"event": number}`. Anything else is left unanswered."""
        number = message.get("event") if isinstance(message, dict) else None
        if isinstance(number, int) and number in range(len(self._columns)):
            self.send(self.details(number))


def _words() -> dict[str, str]:
    """What the controls say, and the sentences that the page fills in itself."""
    return {
        "group": _(
            "Timeline: left and right choose an event, with Shift they move in time; plus and minus zoom, "
            "0 shows the whole run, Home and End the first and last event"
        ),
        "cause": _("Events"),
        "vm": _("Of"),
        "whole": _("Whole run"),
        "in": _("Zoom in"),
        "out": _("Zoom out"),
        "earlier": _("Earlier"),
        "later": _("Later"),
        "back": _("Previous event"),
        "next": _("Next event"),
        "effects": _("Only what it caused"),
        "bigger": _("Lecture size"),
        "kinds": _("Kinds"),
        "causes": _("Causes"),
        "axis": _("time (instructions)"),
        "none": _("none"),
        "sentence": _("Timeline, time {start} to {end}: {shown} of {total} events; {lanes}."),
        "brief": _("Event {number} at time {time}: {kind}, {cause} ({lane})"),
        "help": _("Drag to move, Ctrl and wheel to zoom, click an event to choose it."),
        "waiting": _("No kernel answers: run the cell again to see every field of this event."),
        "unable": _("This browser cannot unpack the timeline; a newer one can."),
    }
