"""How wide a text will be, so that nothing is cut and nothing overlaps, with no font at hand.

The widths are DejaVu's, in thousandths of the font size. Verdana, which readers without DejaVu see, is as
wide; the other common fonts are narrower. So a text never needs more room than is said here.
"""

import unicodedata
from functools import lru_cache

SANS = "DejaVu Sans, Verdana, sans-serif"
MONO = "DejaVu Sans Mono, Menlo, Consolas, monospace"

_PLAIN = """
    318 401 460 838 637 951 780 275 391 391 500 838 318 361 318 337 637 637 637 637 637 637 637 637 637 637
    337 337 838 838 838 531 1000 685 687 699 771 632 576 775 752 295 295 656 558 863 749 788 604 788 695 635
    611 732 685 989 686 611 686 391 337 391 838 500 500 613 635 550 635 616 353 635 634 278 278 580 278 975
    634 612 635 635 412 521 393 634 592 818 592 592 525 637 337 637 838
"""
_BOLD = """
    349 457 521 838 696 1002 873 307 458 458 523 838 380 416 380 366 696 696 696 696 696 696 696 696 696 696
    400 400 838 838 838 581 1000 774 763 734 831 684 684 821 837 373 373 775 638 996 837 851 733 851 771 721
    683 813 774 1104 771 725 726 458 366 458 838 500 500 675 716 593 716 679 436 716 712 343 343 666 343 1042
    712 688 716 716 494 596 479 712 652 924 646 652 583 712 366 712 838
"""
_OTHERS = (
    "–:500:500 —:1000:1000 ‘:318:380 ’:318:380 “:519:658 ”:519:658 …:1000:1000 ·:318:380 •:590:640 ×:838:838 "
    "→:838:838 ←:838:838 ↑:838:838 ↓:838:838 ⇒:838:838 ≠:838:838 ≤:838:838 ≥:838:838 ✓:838:838 ✗:838:838 "
    "¿:531:581 ¡:401:457 «:612:646 »:612:646"
)
_MONO_WIDTH = 603
_UNKNOWN = 1300  # a sign that DejaVu lacks comes from another font: no common one is wider


def _table(widths: str, column: int) -> dict[str, int]:
    table = {chr(32 + i): int(width) for i, width in enumerate(widths.split())}
    return table | {part[0]: int(part.split(":")[column]) for part in _OTHERS.split()}


_SANS_WIDTHS = {False: _table(_PLAIN, 1), True: _table(_BOLD, 2)}


@lru_cache(maxsize=4096)
def text_width(words: str, size: float = 12, *, bold: bool = False, mono: bool = False) -> float:
    """The room that a text needs, in the unit of `size` (pixels)."""
    table = _SANS_WIDTHS[bold]
    thousandths = 0
    for sign in words:
        plain = sign if sign in table else unicodedata.normalize("NFD", sign)[0]
        width = table.get(plain, _UNKNOWN)
        thousandths += _MONO_WIDTH if mono and width != _UNKNOWN else width
    return thousandths * size / 1000


def fit(words: str, room: float, size: float = 12, *, bold: bool = False, mono: bool = False) -> str:
    """The text, or as much of it as the room takes with a "…" behind it."""
    if text_width(words, size, bold=bold, mono=mono) <= room:
        return words
    kept = words[:200]
    while kept and text_width(kept.rstrip() + "…", size, bold=bold, mono=mono) > room:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def wrap(words: str, room: float, size: float = 12, *, bold: bool = False) -> list[str]:
    """The text in lines no wider than the room; a word that is wider by itself is shortened."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or text_width(longer, size, bold=bold) <= room:
            lines[-1] = fit(longer, room, size, bold=bold)
        else:
            lines.append(fit(word, room, size, bold=bold))
    return lines
