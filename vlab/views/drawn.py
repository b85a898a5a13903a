"""Which of vlab's objects have a picture, and how each draws itself on a cell's last line."""

from collections.abc import Callable
from typing import Any

from vlab.display import Bundle, renders
from vlab.events import Event, Recording
from vlab.hypervisor.chain import Chain
from vlab.language import VlabError, _
from vlab.paging import Walk
from vlab.views.chain import chain_picture, walk_picture
from vlab.views.ladder import ladder_picture
from vlab.views.picture import Picture
from vlab.views.words import event_html

_DRAWN: dict[type, Callable[[Any], Picture]] = {
    Walk: walk_picture,
    Chain: chain_picture,
    Recording: ladder_picture,
}


def picture_of(thing: Any) -> Picture:
    """The picture of a Walk, a Chain, a Recording, or a Picture itself. Raises VlabError for others."""
    if isinstance(thing, Picture):
        return thing
    for kind in type(thing).__mro__:
        if kind in _DRAWN:
            return _DRAWN[kind](thing)
    raise VlabError(_("{kind} has no picture.").format(kind=type(thing).__name__))


def _bundle(thing: Any) -> Bundle:
    return picture_of(thing)._repr_mimebundle_()


for _kind in _DRAWN:
    renders(_kind)(_bundle)


@renders(Event)
def _event_bundle(event: Event) -> Bundle:
    return {"text/html": event_html(event)}, {}
