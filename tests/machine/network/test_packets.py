import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.guests.networks import machines
from vlab.language import VlabError
from vlab.machine.network import Packet
from vlab.machine.network.packets import checksum, describe, parse_mac
from vlab.machine.network.pcap import pcap


@given(
    st.binary(max_size=80), st.sampled_from([b"", b"\x08\x00\x45", b"\x08\x06", b"\x08\x00\x45\x00\x00\x1c"])
)
def test_any_bytes_are_described_in_one_line(data, kind):
    words = describe(bytes(12) + kind + data)
    assert words.isprintable()
    assert 0 < len(words) < 200
    assert describe(data)


def test_the_checksum_is_the_one_of_rfc_1071():
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2 ^ 0xFFFF
    assert checksum(b"\x01") == 0xFEFF


def test_a_wrong_checksum_is_told():
    switch, together, _both = machines()
    together.run(25_000)
    echo = switch.capture[2].data
    assert describe(echo[:24] + b"\0\0" + echo[26:]) == "10.0.0.1 → 10.0.0.2: IPv4 with a wrong checksum"
    assert describe(echo[:-1] + b"?").endswith("ICMP with a wrong checksum")


@pytest.mark.parametrize("mac", ["", "02:00:00:00:00", "03:00:00:00:00:01", "x", 7, b"\xff" * 6])
def test_what_is_no_address_of_a_card(mac):
    with pytest.raises(VlabError, match="can't be the MAC address"):
        parse_mac(mac)


def test_a_packet_tells_from_whom_to_whom():
    packet = Packet(5, "a", bytes.fromhex("020000000001 020000000002 0000"))
    assert (packet.destination, packet.source) == ("02:00:00:00:00:01", "02:00:00:00:00:02")


def test_a_capture_is_standard_pcap_in_nanoseconds(tmp_path):
    packets = [Packet(5, "a", bytes(14)), Packet(20_000_003, "b", bytes(60))]
    data = pcap(packets)
    assert struct.unpack_from("<IHHiIII", data) == (0xA1B23C4D, 2, 4, 0, 0, 1514, 1)
    assert struct.unpack_from("<IIII", data, 24) == (0, 500, 14, 14)
    assert struct.unpack_from("<IIII", data, 24 + 16 + 14) == (2, 300, 60, 60)
    switch, together, _both = machines()
    together.run(25_000)
    assert switch.capture.save(tmp_path / "x.pcap").read_bytes() == pcap(switch.capture)
    with pytest.raises(VlabError, match="can't be saved"):
        switch.capture.save(tmp_path / "none" / "x.pcap")
