"""How a value of the reader's own computer is shown: what every host shows alike, and on a live page the particulars.

A notebook stores the picture that is the same on every host, and nbval compares it. Where a kernel runs, a widget
(which no notebook stores) shows what was seen here.
"""

from collections.abc import Callable
from typing import Any

from vlab.display import Bundle
from vlab.silicon import Attempt, Attempts, ExitTimes, KvmRun, Modules, SignalRun
from vlab.views.drawing.grammar import live_sheet
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import escape
from vlab.views.live.live import live_bundle
from vlab.views.silicon.attempts import attempt_picture, attempts_picture
from vlab.views.silicon.exittimes import exit_times_picture
from vlab.views.silicon.kvm import kvm_picture
from vlab.views.silicon.modules import modules_picture
from vlab.views.silicon.signals import signals_picture

SHOWN: dict[type, Callable[..., Picture]] = {
    Attempt: attempt_picture,
    Attempts: attempts_picture,
    SignalRun: signals_picture,
    Modules: modules_picture,
    KvmRun: kvm_picture,
    ExitTimes: exit_times_picture,
}


_FITS = ".vlab-shown svg{max-width:100%;height:auto}"  # as the stored picture, which it stands for


def silicon_bundle(thing: Any) -> Bundle:
    """What a notebook gets: of recorded data that was asked for, all of it; else what every host shows."""
    asked_for = not thing.live and not thing.why
    still = SHOWN[type(thing)](thing, details=asked_for)._repr_mimebundle_()
    return still if asked_for else live_bundle(still, lambda: _page(thing.details))


def _page(picture: Picture) -> Any:
    """A picture on a live page, in the page's theme."""
    from ipywidgets import HTML

    label = escape(picture.sentence)
    image = f'<div class="vlab-shown" role="img" aria-label="{label}">{picture.inline}</div>'
    return HTML(f"<style>{live_sheet()}{_FITS}</style>{image}")
