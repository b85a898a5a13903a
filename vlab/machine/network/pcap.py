"""Packets as a file that every network tool reads: pcap, with times in nanoseconds.

    24 bytes    magic 0xa1b23c4d, version 2.4, 0, 0, longest packet kept, link type 1 (Ethernet)
    each packet:  seconds, nanoseconds, bytes kept, bytes there were, the bytes

All numbers are little-endian. A machine's time, which counts from its power-on, becomes the seconds since 1970.
"""

import struct
from collections.abc import Iterable

from vlab.machine.devicetree import TIMEBASE
from vlab.machine.network.packets import LARGEST, Packet

_MAGIC = 0xA1B2_3C4D
_ETHERNET = 1
_SECOND = 1_000_000_000  # nanoseconds


def pcap(packets: Iterable[Packet]) -> bytes:
    """The whole file."""
    parts = [struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, LARGEST, _ETHERNET)]
    for packet in packets:
        seconds, rest = divmod(packet.time * (_SECOND // TIMEBASE), _SECOND)
        size = len(packet.data)
        parts += [struct.pack("<IIII", seconds & 0xFFFF_FFFF, rest, size, size), packet.data]
    return b"".join(parts)
