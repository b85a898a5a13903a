"""What a guest has printed on a device. It may print for ever, so only the end of it is kept.

What is kept follows from what was printed alone: so it is the same in each engine, and after going back.
"""

from vlab.language import VlabError, _, grouped

MOST = 1 << 20  # bytes that are kept: where there would be more, all but about half of them go
_LINE = 1 << 12  # bytes in which a line may end, so that what is left begins with a whole one
COUNT = 1 << 64


class Printed:
    """The bytes that were printed: `kept` is the end of them, and `dropped` counts those before it.

    Up to `MOST` bytes all are kept; then always the last `MOST // 2` at least, but for a part of a line.
    """

    def __init__(self) -> None:
        self.kept = bytearray()
        self.dropped = 0
        self._text: str | None = ""  # what is kept, as text, for who asks again and again; None: not known

    @property
    def count(self) -> int:
        """How many bytes were printed."""
        return self.dropped + len(self.kept)

    def add(self, data: bytes, more: int = 0) -> None:
        """These were printed, after so many `more` that nobody needs to see: there were `MOST` behind them."""
        if more:
            self.dropped += more + len(self.kept)
            self.kept.clear()
        self.kept += data
        self._text = None
        if more or len(self.kept) > MOST:
            self._drop()

    def _drop(self) -> None:
        """Drop about half: up to the end of a line, or where there are no lines, of a letter."""
        kept = self.kept
        end = len(kept) - MOST // 2
        line = kept.find(b"\n", end, end + min(_LINE, MOST // 4)) + 1
        letter = next((at for at in range(end, end + 4) if kept[at] & 0xC0 != 0x80), end)
        self.dropped += line or letter
        del kept[: line or letter]

    def since(self, count: int) -> bytes:
        """What was printed after the first `count` bytes, as far as it is kept."""
        return bytes(self.kept[max(0, count - self.dropped) :])

    @property
    def text(self) -> str:
        """What was printed; where the beginning of it is no longer kept, the first line says so."""
        if self._text is None:
            self._text = self.kept.decode("utf-8", "replace")
        if not self.dropped:
            return self._text
        said = _("[{count} bytes that were printed before are no longer kept]").format(
            count=grouped(self.dropped)
        )
        return f"{said}\n{self._text}"

    def clear(self) -> None:
        """Nothing was printed."""
        self.put(b"", 0)

    def put(self, kept: bytes, dropped: int) -> None:
        """Be what was saved; `expect_printed` has looked at it."""
        self.kept[:] = kept
        self.dropped, self._text = dropped, None


def expect_printed(kept: bytes, where: str) -> None:
    """VlabError if more was saved than is ever kept."""
    if len(kept) > MOST:
        raise VlabError(_("The saved text is longer than what a device keeps of it."), where=where)
