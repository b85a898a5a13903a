"""The live stepper: its state and the frames that its page asks for. The page's side is `stepper.js`."""

from typing import Any

import anywidget
import traitlets

from vlab.language import _
from vlab.views.live.frames import STRIDE, Frames
from vlab.views.live.live import script, style

_AHEAD = 1  # chunks before and after the first one that travel with the widget itself


class StepperWidget(anywidget.AnyWidget):
    """One stepper on the page. `at` is the position; frames travel in chunks, when the page asks for them."""

    _esm = script("stepper")
    _css = style("stepper")

    at = traitlets.Int(0).tag(sync=True)
    count = traitlets.Int().tag(sync=True)
    stride = traitlets.Int(STRIDE).tag(sync=True)
    stops = traitlets.Dict().tag(sync=True)
    words = traitlets.Dict().tag(sync=True)
    size = traitlets.Unicode("normal").tag(sync=True)
    ahead: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def __init__(self, frames: Frames, at: int, size: str = "normal"):
        self._frames = frames
        here = at // STRIDE
        near = range(max(0, here - _AHEAD), min(self._chunks(), here + _AHEAD + 1))
        super().__init__(
            at=at,
            count=len(frames),
            stops=frames.stops,
            words=_words(),
            size=size,
            ahead=[self.chunk(n) for n in near],
        )
        self.on_msg(self._asked)

    @traitlets.validate("at")
    def _inside(self, proposal: Any) -> int:
        wanted: int = proposal["value"]
        return min(max(0, wanted), len(self._frames) - 1)

    def _chunks(self) -> int:
        return -(-len(self._frames) // STRIDE)

    def chunk(self, number: int) -> dict[str, Any]:
        """A stretch of frames, and the drawings that they share, as plain data."""
        first = number * STRIDE
        frames = [self._frames.frame(at) for at in range(first, min(first + STRIDE, len(self._frames)))]
        sheets = {
            str(n): self._frames.sheet(n).inline for n in dict.fromkeys(frame.sheet for frame in frames)
        }
        plain = [[frame.sheet, frame.lit, frame.sentence, frame.detail, frame.wrote] for frame in frames]
        return {"number": number, "sheets": sheets, "frames": plain}

    def _asked(self, _widget: object, message: Any, _buffers: object) -> None:
        """The page asks for a chunk: `{"chunk": number}`. Anything else is left unanswered."""
        number = message.get("chunk") if isinstance(message, dict) else None
        if isinstance(number, int) and 0 <= number < self._chunks():
            self.send(self.chunk(number))


def _words() -> dict[str, str]:
    """What the controls say."""
    return {
        "group": _("Stepper"),
        "slider": _("Position"),
        "first": _("First"),
        "back": _("Back"),
        "next": _("Next"),
        "last": _("Last"),
        "exit": _("Next exit"),
        "trap": _("Next trap"),
        "switch": _("Next context switch"),
        "difference": _("Next difference"),
        "play": _("Play"),
        "pause": _("Pause"),
        "speed": _("Speed"),
        "who": _("Who wrote"),
        "wrote": _("Go to the write"),
        "unwritten": _("{name}: not before this"),
        "written": _("{name}: position {at}"),
        "bigger": _("Lecture size"),
        "help": _("Keys"),
        "keys": _(
            "Left and right arrow: back and next. Home and End: first and last. e: next exit. t: next trap. "
            "s: next context switch. d: next difference. p: play or pause. w: choose what to ask who wrote it. "
            "l: lecture size. Every key has a button; a click in the picture chooses what stands there."
        ),
        "waiting": _("No kernel answers: run the cell again to see this position."),
    }
