"""The live explorer: what its page shows, and what the page asks for. The page's side is `explorer.js`."""

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from vlab.language import VlabError, _
from vlab.riscv import Access
from vlab.views.live.live import script, style

if TYPE_CHECKING:
    from vlab.views.live.explorer import Explorer


class ExplorerWidget(anywidget.AnyWidget):
    """One explorer on the page. `asked` is what stands in its fields, `panes` are the pictures under them."""

    _esm = script("explorer")
    _css = style("stepper", "explorer")

    asked = traitlets.Dict().tag(sync=True)
    panes: traitlets.List[Any] = traitlets.List().tag(sync=True)
    words = traitlets.Dict().tag(sync=True)

    def __init__(self, explorer: "Explorer"):
        self._explorer = explorer
        super().__init__(words=_words(), asked=self._question(), panes=self._pictures())
        self.on_msg(self._answer)

    def show(self) -> None:
        """Put the explorer's question and answer on the page, both at once."""
        with self.hold_sync():
            self.asked, self.panes = self._question(), self._pictures()

    def _question(self) -> dict[str, Any]:
        explorer = self._explorer
        stops, (sum_matters, mxr_matters) = explorer.stops, explorer.matters
        return {
            "address": f"{explorer.address:#x}",
            "access": str(explorer.access),
            "accesses": [[str(access), access.title] for access in Access],
            "mode": explorer.mode.name,
            "modes": [mode.name for mode in explorer.modes],
            "sum": explorer.sum,
            "mxr": explorer.mxr,
            "matters": {"sum": sum_matters, "mxr": mxr_matters},
            "stops": [f"{stop:#x}" for stop in stops],
            "at": max(0, bisect_right(stops, explorer.address) - 1),  # the last stop that isn't behind it
        }

    def _pictures(self) -> list[dict[str, str]]:
        return [
            {
                "title": pane.title,
                "sentence": pane.sentence,
                "svg": "" if pane.picture is None else pane.picture.inline,
            }
            for pane in self._explorer.panes
        ]

    def _answer(self, _widget: object, message: Any, _buffers: object) -> None:
        """The page asks: {"goto": text}, {"next": 1}, {"back": 1}, {"access": word}, {"mode": name}, {"sum": on}…

        Always answered, so that the page knows when it may ask again: with what was wrong, or with nothing.
        Anything else is left unanswered.
        """
        if not isinstance(message, dict) or len(message) != 1:
            return
        ((verb, value),) = message.items()
        wrong = ""
        try:
            match verb:
                case "goto":
                    self._explorer.goto(str(value))
                case "next":
                    self._explorer.next()
                case "back":
                    self._explorer.back()
                case "access" | "mode" | "sum" | "mxr":
                    setattr(self._explorer, verb, value)
                case _:
                    return
        except VlabError as error:
            wrong = str(error)
        self.send({"wrong": wrong})


def _words() -> dict[str, str]:
    """What the controls say."""
    return {
        "group": _("Explorer"),
        "address": _("Address"),
        "go": _("Go there"),
        "stops": _("Places worth a look"),
        "back": _("Place before"),
        "next": _("Next place"),
        "access": _("Access"),
        "mode": _("Mode"),
        "sum": "SUM",
        "mxr": "MXR",
        "bigger": _("Lecture size"),
        "waiting": _("No kernel answers: run the cell again to explore."),
    }
