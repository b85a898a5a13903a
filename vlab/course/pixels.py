"""Stored pictures made small: a drawing has few colours, and a PNG that lists them takes a third of the bytes."""

from base64 import b64decode, b64encode
from importlib.util import find_spec
from io import BytesIO
from typing import Any

_COLOURS = (
    96  # the most frequent ones; the rest are shades at the edges of letters, and become their neighbours
)


def smaller(png: str) -> str:
    """A picture as a notebook stores it (PNG in base64), on white paper; as it was where that is no shorter."""
    if find_spec("PIL") is None:
        return png
    from PIL import Image

    picture = Image.open(BytesIO(b64decode(png))).convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    plain = paper.convert("RGB")
    found: Any = plain.getcolors(picture.width * picture.height)
    kept = [colour for _count, colour in sorted(found, reverse=True)[:_COLOURS]]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in kept + kept[:1] * (256 - len(kept)) for part in colour])
    file = BytesIO()
    plain.quantize(palette=palette, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    short = b64encode(file.getvalue()).decode()
    return short if len(short) < len(png) else png
