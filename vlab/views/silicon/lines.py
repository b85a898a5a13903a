"""The words under a picture of the reader's own computer."""

from collections.abc import Iterable

from vlab.views.drawing.metrics import wrap
from vlab.views.drawing.svg import Element, text

MARGIN = 16
LINE = 17


def under(top: float, width: float, sentences: Iterable[str]) -> tuple[list[Element], float]:
    """Sentences, each from a line of its own; and where they end. The second and further ones are particulars."""
    shapes: list[Element] = []
    for number, sentence in enumerate(sentences):
        for line in wrap(sentence, width - 2 * MARGIN):
            top += LINE
            shapes.append(text(MARGIN, top, line, ink="muted" if number else "ink"))
        top += 4
    return shapes, top + MARGIN - 4
