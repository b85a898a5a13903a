"""From points to a mark, on any scale."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise

from vlab.language import VlabError, _

_NUMBER = r"\d{1,4}(?:\.\d{1,3})?"
_SCALE = re.compile(rf"({_NUMBER})-(?:({_NUMBER})@(\d{{1,2}}(?:\.\d)?)%?-)?({_NUMBER})")


@dataclass(frozen=True)
class Scale:
    """A scale from `lowest` (no points) to `highest` (all of them), straight, or with a bend at `bend`.

    `bend` is a pair: the share of the points (0 to 1), and the mark there. `places` are a mark's decimals.
    """

    lowest: Fraction
    highest: Fraction
    places: int = 0
    bend: tuple[Fraction, Fraction] | None = None

    def mark(self, points: int, of: int) -> str:
        """The mark for so many points, rounded half up, as it is written."""
        share = Fraction(points, of) if of else Fraction(0)
        corners = [
            (Fraction(0), self.lowest),
            *([self.bend] if self.bend else []),
            (Fraction(1), self.highest),
        ]
        (x0, y0), (x1, y1) = next(pair for pair in pairwise(corners) if share <= pair[1][0])
        exact = y0 + (y1 - y0) * (share - x0) / (x1 - x0)
        value = Decimal(exact.numerator) / Decimal(exact.denominator)
        return str(value.quantize(Decimal(1).scaleb(-self.places), ROUND_HALF_UP))


def scale(text: str) -> Scale:
    """A scale as it is written: `0-100`, `1.0-7.0` (Chile's, 4.0 at half), `1.0-4.0@60-7.0` (4.0 at 60 %).

    Raises:
        VlabError: if it isn't one.
    """
    found = _SCALE.fullmatch(text.strip())
    if found is None or (found[3] and not 0 < Fraction(found[3]) < 100):
        raise VlabError(
            _("{text!r} is not a scale of marks.").format(text=text),
            mend=_(
                "Write lowest-highest, such as 0-100 or 1.0-7.0, or with the mark at a share: 1.0-4.0@60-7.0."
            ),
        )
    places = max(len(number.partition(".")[2]) for number in (found[1], found[4]))
    bend = (Fraction(found[3]) / 100, Fraction(found[2])) if found[2] else None
    return Scale(Fraction(found[1]), Fraction(found[4]), places, bend)
