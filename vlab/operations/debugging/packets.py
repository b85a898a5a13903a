"""Packets of GDB's remote serial protocol: `$payload#checksum`, taken apart and put together.

Whoever is at the other end may send anything: what is no packet is dropped, and no packet grows without bound.
"""

import string
from collections.abc import Iterator

LONGEST = 1 << 14  # bytes of a payload
INTERRUPT = b"\x03"
_ESCAPE, _FLIP = 0x7D, 0x20
_MUST_ESCAPE = b"$#}*"
_HEX = set(string.hexdigits.encode())


class Packets:
    """Bytes as they come, and the packets in them.

    `take` gives each payload; INTERRUPT for a Ctrl-C between packets; b"-" where the other end wants the last packet
    again; None for one that is broken, or too long.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()

    def take(self, data: bytes) -> Iterator[bytes | None]:
        """What is whole now that these bytes came too."""
        self._bytes += data
        while self._bytes:
            if self._bytes[0] != ord("$"):
                single = bytes(self._bytes[:1])
                del self._bytes[0]
                if single in (INTERRUPT, b"-"):
                    yield single
                continue
            end = self._bytes.find(b"#")
            if end < 0 or len(self._bytes) < end + 3:
                if len(self._bytes) <= LONGEST + 4:
                    return
                self._bytes.clear()  # it would be too long: what is left of it is no packet either
                yield None
                return
            payload, checksum = bytes(self._bytes[1:end]), bytes(self._bytes[end + 1 : end + 3])
            del self._bytes[: end + 3]
            right = set(checksum) <= _HEX and int(checksum, 16) == sum(payload) & 0xFF
            yield unescaped(payload) if right and len(payload) <= LONGEST else None


def packet(payload: bytes) -> bytes:
    """A packet with this payload."""
    body = b"".join(
        bytes([_ESCAPE, byte ^ _FLIP]) if byte in _MUST_ESCAPE else bytes([byte]) for byte in payload
    )
    return b"$%s#%02x" % (body, sum(body) & 0xFF)


def unescaped(payload: bytes) -> bytes:
    """What a payload means, once its escaped bytes are themselves."""
    found, flip = bytearray(), 0
    for byte in payload:
        if byte == _ESCAPE and not flip:
            flip = _FLIP
        else:
            found.append(byte ^ flip)
            flip = 0
    return bytes(found)
