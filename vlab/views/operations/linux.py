"""A boot of Linux: its console; and on a live page, where that comes from."""

from typing import Any

from vlab.display import Bundle
from vlab.operations.linux import LinuxBoot
from vlab.views.drawing.svg import escape
from vlab.views.live.live import live_bundle
from vlab.views.words import marked

_FRAME = "border:1px solid #767676;border-radius:4px;padding:.5em .8em;max-height:20em;overflow:auto"
# It opens at its end, as a terminal's does: of what is laid out from the bottom, the bottom is shown first.
_AT_END = "display:flex;flex-direction:column-reverse;white-space:pre-wrap"


def linux_html(boot: LinuxBoot, *, details: bool) -> str:
    """What it printed, between what it is and, with `details`, whether it ran just now or was recorded."""
    sentences = [repr(boot)] + [boot.source] * details
    first, *others = (f"<p>{marked(sentence)}</p>" for sentence in sentences)
    # The return would become a sign: XML forbids it.
    printed = boot.console.replace("\r\n", "\n").rstrip("\n")
    # Who has no mouse scrolls with the keyboard, and for that must be able to go there.
    console = f'<pre tabindex="0" style="{_FRAME};{_AT_END}">{escape(printed)}</pre>'
    return "".join((first, console, *others))


def linux_bundle(boot: LinuxBoot) -> Bundle:
    """What a notebook gets: the same whether it ran or was recorded; a widget, which none stores, tells which."""
    asked_for = not boot.live and not boot.why
    still: Bundle = {"text/html": linux_html(boot, details=asked_for)}, {}
    return still if asked_for else live_bundle(still, lambda: _page(boot))


def _page(boot: LinuxBoot) -> Any:
    from ipywidgets import HTML

    return HTML(linux_html(boot, details=True))
