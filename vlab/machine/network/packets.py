"""Packets: what went over a network, in plain words.

The decoder knows Ethernet, ARP (RFC 826), IPv4 (RFC 791), ICMP (RFC 792) and UDP (RFC 768). What comes from a
guest may be anything: every field is looked for before it is read, and what is missing is said.
"""

import struct
from dataclasses import dataclass

from vlab.display import Drawn, one_line
from vlab.language import VlabError, _

HEADER = 14  # destination, source, type
LARGEST = HEADER + 1500  # bytes of a frame, without the checksum that hardware adds
BROADCAST = b"\xff" * 6
_ARP, _IPV4 = 0x0806, 0x0800
_ARP_SIZE, _IPV4_SIZE, _UDP_SIZE, _ICMP_SIZE = 28, 20, 8, 8
_ICMP, _UDP = 1, 17
_MOST_TEXT = 40  # letters of a payload that are shown


@dataclass(frozen=True)
class Packet(Drawn):
    """An Ethernet frame (`data`) that the NIC called `port` sent when its machine's time was `time`."""

    time: int
    port: str
    data: bytes

    def __repr__(self) -> str:
        return _("{time}: {port} sends {words}").format(time=self.time, port=self.port, words=self.words)

    @property
    def source(self) -> str:
        """The MAC address that it says it comes from."""
        return mac_text(self.data[6:12])

    @property
    def destination(self) -> str:
        """The MAC address that it goes to."""
        return mac_text(self.data[:6])

    @property
    def words(self) -> str:
        """What is in it, in a line."""
        return describe(self.data)


def parse_mac(mac: str | bytes) -> bytes:
    """The six bytes of a MAC address like "02:00:00:00:00:01"; VlabError unless one NIC can have it."""
    try:
        parsed = mac if isinstance(mac, bytes) else bytes.fromhex(mac.replace(":", ""))
    except (ValueError, AttributeError):
        parsed = b""
    if len(parsed) != 6 or parsed[0] & 1:  # that bit says: a group
        raise VlabError(
            _("{mac} can't be the MAC address of a NIC.").format(mac=repr(mac)[:40]),
            mend=_("Write six bytes, the first one even: 02:00:00:00:00:01."),
        )
    return parsed


def mac_text(mac: bytes) -> str:
    """A MAC address as it is written; "broadcast" for everybody's."""
    return _("broadcast") if mac == BROADCAST else ":".join(f"{byte:02x}" for byte in mac)


def describe(data: bytes) -> str:
    """A frame in one line of plain words, whatever is in it."""
    if len(data) < HEADER:
        return _("{size} bytes, too short for a frame").format(size=len(data))
    (kind,) = struct.unpack_from(">H", data, 12)
    payload = data[HEADER:]
    if kind == _ARP:
        return _arp(payload)
    if kind == _IPV4:
        return _ipv4(payload)
    return _("a frame of type {kind:#06x}, {size} bytes").format(kind=kind, size=len(payload))


def _arp(data: bytes) -> str:
    if len(data) < _ARP_SIZE:
        return _("ARP, cut short")
    link, network, sizes, deed, mac, sender, _target, target = struct.unpack_from(">HHHH6s4s6s4s", data)
    if (link, network, sizes) != (1, _IPV4, 0x0604):
        return _("ARP for other networks")
    if deed == 1:
        return _("ARP: who has {target}? tell {sender}").format(target=_ip(target), sender=_ip(sender))
    if deed == 2:
        return _("ARP: {sender} is at {mac}").format(sender=_ip(sender), mac=mac_text(mac))
    return _("ARP: operation {number}").format(number=deed)


def _ipv4(data: bytes) -> str:
    """An IPv4 packet; `size` and `header` are what it says of itself, if that can be."""
    if len(data) < _IPV4_SIZE:
        return _("IPv4, cut short")
    version, (size,) = data[0] >> 4, struct.unpack_from(">H", data, 2)
    header = (data[0] & 15) * 4
    if version != 4 or not _IPV4_SIZE <= header <= size <= len(data):
        return _("IPv4 with a header that can't be")
    ends = _ip(data[12:16]), _ip(data[16:20])
    if checksum(data[:header]):
        return _("{sender} → {receiver}: IPv4 with a wrong checksum").format(sender=ends[0], receiver=ends[1])
    payload, protocol = data[header:size], data[9]
    (fragment,) = struct.unpack_from(">H", data, 6)
    if fragment & 0x3FFF:  # more follow, or it isn't the first
        what = _("a fragment of an IPv4 packet, {size} bytes").format(size=len(payload))
    elif protocol == _ICMP:
        what = _icmp(payload)
    elif protocol == _UDP:
        return _udp(payload, ends)
    else:
        what = _("IPv4 protocol {number}, {size} bytes").format(number=protocol, size=len(payload))
    return _("{sender} → {receiver}: {what}").format(sender=ends[0], receiver=ends[1], what=what)


def _icmp(data: bytes) -> str:
    if len(data) < _ICMP_SIZE:
        return _("ICMP, cut short")
    kind, code, _sum, _id, number = struct.unpack_from(">BBHHH", data)
    if checksum(data):
        return _("ICMP with a wrong checksum")
    match kind:
        case 0:
            return _("ICMP echo reply {number}").format(number=number)
        case 8:
            return _("ICMP echo request {number}").format(number=number)
        case 3:
            return _("ICMP: unreachable (code {code})").format(code=code)
        case 11:
            return _("ICMP: its time to live is over")
    return _("ICMP type {kind}, code {code}").format(kind=kind, code=code)


def _udp(data: bytes, ends: tuple[str, str]) -> str:
    if len(data) < _UDP_SIZE:
        return _("{sender} → {receiver}: UDP, cut short").format(sender=ends[0], receiver=ends[1])
    source, target, size, _sum = struct.unpack_from(">HHHH", data)
    payload = data[_UDP_SIZE : max(_UDP_SIZE, size)]
    shown = one_line(payload[:_MOST_TEXT].decode("utf-8", "replace"))
    return _("{sender}:{from_port} → {receiver}:{to_port}: UDP, {size} bytes: {text}").format(
        sender=ends[0],
        from_port=source,
        receiver=ends[1],
        to_port=target,
        size=len(payload),
        text=shown + "…" * (len(payload) > _MOST_TEXT),
    )


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071); 0 over bytes that carry their own, right one."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _ip(address: bytes) -> str:
    return ".".join(str(byte) for byte in address)
