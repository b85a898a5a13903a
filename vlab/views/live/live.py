"""What all live views share: what a notebook gets of one, and the page's side of its widget from files here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vlab.display import Bundle
from vlab.language import _, unknown
from vlab.views.drawing.grammar import live_sheet

_HERE = Path(__file__).parent
SIZES = ("normal", "lecture")


def size_of(size: str) -> str:
    """The size in which a live view begins. Raises VlabError for one that there isn't."""
    if size not in SIZES:
        raise unknown(_("There is no size {size!r}.").format(size=size), size, SIZES)
    return size


def live_bundle(still: Bundle, widget: Callable[[], Any]) -> Bundle:
    """The MIME bundle of a live view: its widget, where one can be made, and `still`, which a notebook stores."""
    shown, metadata = still
    try:
        view = widget()._repr_mimebundle_()
    except ImportError:
        view = None
    live = view[0] if isinstance(view, tuple) else view
    return (live or {}) | shown, metadata


def script(name: str) -> str:
    """The page's side of a widget, one module: what all of them share, and what stands in `name`.js."""
    return "".join((_HERE / f"{part}.js").read_text("utf-8") for part in ("page", name))


def style(*names: str) -> str:
    """The style of a widget: that of pictures, and what stands in these files of `names`.css."""
    return live_sheet() + "".join((_HERE / f"{name}.css").read_text("utf-8") for name in names)
