"""The one visual grammar: what each colour, line and hatch means, in every picture, stepper and chart.

Who acts: a process, the guest's kernel, a hypervisor, the host's kernel, the machine. An address wears the colour
of whoever takes it for real: GVA the process's, GPA the guest kernel's, HVA (in the VM's process) the host's, HPA
the machine's; a shadow table is its hypervisor's. No meaning hangs on colour alone: lines differ by their dashes,
areas by their hatch, marks by their shape. The hues are Okabe and Ito's, made darker (or, on dark paper, lighter)
until they stand out 3:1, and text 4.5:1 (WCAG AA).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from vlab.language import _
from vlab.views.drawing.metrics import MONO, SANS


class Look(NamedTuple):
    """An actor's look: dashes of its lines, slope of its hatch (None: plain; 2: upright), its hatch in matplotlib."""

    dashes: str
    slope: int | None
    hatch: str


LOOKS = {
    "process": Look("2 3", None, ""),
    "kernel": Look("7 3", 1, "//"),
    "hypervisor": Look("", -1, "\\\\"),
    "host": Look("12 3 2 3 2 3", 2, "||"),
    "machine": Look("9 3 2 3", 0, "--"),
}

ADDRESSES = {
    "GVA": "process",
    "GPA": "kernel",
    "HVA": "host",
    "HPA": "machine",
    "VA": "process",
    "PA": "machine",
}

# Each colour on light and on dark paper. "strong" is for lines and bars, "fill" for areas, "ink" for text.
COLOURS = {
    "paper": ("#ffffff", "#161616"),
    "ink": ("#1a1a1a", "#ededed"),
    "muted": ("#595959", "#b0b0b0"),
    "rule": ("#c8c8c8", "#4a4a4a"),
    "lit": ("#fff3a3", "#6e6516"),
    "process-strong": ("#008a64", "#2fc79a"),
    "process-fill": ("#e0f4ee", "#0f3a2e"),
    "process-ink": ("#00664a", "#7fe3c4"),
    "kernel-strong": ("#0072b2", "#4aa8e0"),
    "kernel-fill": ("#e1eff8", "#0e3350"),
    "kernel-ink": ("#00568a", "#9ccff0"),
    "hypervisor-strong": ("#b97a00", "#e69f00"),
    "hypervisor-fill": ("#fdf1d8", "#4a3500"),
    "hypervisor-ink": ("#7a5200", "#ffd27a"),
    "host-strong": ("#a1407c", "#d987b8"),
    "host-fill": ("#f8e7f1", "#45203a"),
    "host-ink": ("#7d2e60", "#f0b8d9"),
    "machine-strong": ("#5c5c5c", "#a8a8a8"),
    "machine-fill": ("#eeeeee", "#363636"),
    "machine-ink": ("#3d3d3d", "#d8d8d8"),
    "fault-strong": ("#d55e00", "#ff7a2e"),
    "fault-fill": ("#fde8dc", "#55240a"),
    "fault-ink": ("#a03f00", "#ffb48a"),
}

LIGHT, DARK = 0, 1

# Where notebook front ends say that they are dark: JupyterLab and Notebook, VS Code, Colab.
_DARK_PAGES = ':is([data-jp-theme-light="false"],.vscode-dark,html[theme="dark"])'


def who_name(who: str) -> str:
    """An actor's name in the reader's language."""
    return {
        "process": _("guest process"),
        "kernel": _("guest kernel"),
        "hypervisor": _("hypervisor"),
        "host": _("host"),
        "machine": _("machine"),
    }[who]


def colour(name: str, theme: int = LIGHT) -> str:
    """A colour of the grammar as #rrggbb."""
    return COLOURS[name][theme]


def sheet(classes: Iterable[str]) -> str:
    """The style of a picture that stands alone, on light paper: the rules for these classes only."""
    used = set(classes)
    rules = (f".vlab {name}{{{style}}}" for name, style in _rules(colour) if _named(name) <= used)
    return "".join(rules)


def live_sheet() -> str:
    """The style of pictures that stand in a page, following its theme."""
    names = [(name, f"--vlab-{name}") for name in COLOURS]
    light = ";".join(f"{variable}:{COLOURS[name][LIGHT]}" for name, variable in names)
    dark = ";".join(f"{variable}:{COLOURS[name][DARK]}" for name, variable in names)
    rules = "\n".join(
        f".vlab {name}{{{style}}}" for name, style in _rules(lambda name: f"var(--vlab-{name})")
    )
    return f".vlab{{{light}}}\n{_DARK_PAGES} .vlab{{{dark}}}\n{rules}\n"


def _named(selector: str) -> set[str]:
    """The classes that a selector asks for."""
    return {part[1:] for part in selector.split() if part.startswith(".")}


def _rules(paint: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Selector and style, for every class that a drawing may use."""
    yield "text", f"font-family:{SANS}"
    yield ".mono", f"font-family:{MONO}"
    yield ".bold", "font-weight:bold"
    for name in ("paper", "lit", "rule"):
        yield f".f-{name}", f"fill:{paint(name)}"
    for name in ("ink", "muted", "rule"):
        yield f".t-{name}", f"fill:{paint(name)}"
        yield f".l-{name}", f"fill:none;stroke:{paint(name)};stroke-width:1.5"
    for name in (*LOOKS, "fault"):
        strong = paint(f"{name}-strong")
        yield f".t-{name}", f"fill:{paint(f'{name}-ink')}"
        yield f".f-{name}", f"fill:{paint(f'{name}-fill')}"
        yield f".b-{name}", f"fill:{strong}"
        yield f".l-{name}", f"fill:none;stroke:{strong};stroke-width:1.5"
        yield f".o-{name}", f"fill:{paint('paper')};stroke:{strong};stroke-width:1.8"
    yield ".o-ink", f"fill:{paint('paper')};stroke:{paint('ink')};stroke-width:1.8"
    for name, look in LOOKS.items():
        if look.dashes:
            yield f".d-{name}", f"stroke-dasharray:{look.dashes}"
    yield ".thick", "stroke-width:2.4"
    yield ".thin", "stroke-width:.8"
    yield ".dashed", "stroke-dasharray:5 4"
    yield ".hollow", "fill:none"
    # What changes as a stepper moves: the chosen event, what it follows from, and what follows from it.
    yield ".halo", "opacity:0"
    yield ".ring", f"stroke:{paint('ink')};stroke-width:0"
    yield ".lit .halo", "opacity:1"
    yield ".lit .ring", "stroke-width:3"
    yield ".lit .name", "font-weight:bold"
    yield ".cause .ring", "stroke-width:1.6;stroke-dasharray:3 2"
    yield ".effect .ring", "stroke-width:1.6"
