import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.guests.networks import WORDS, machines
from tests.views.structure import all_text, check
from vlab.machine.network import Capture, Packet
from vlab.machine.network.packets import BROADCAST
from vlab.views import picture_of
from vlab.views.computers.sequence import MOST, MOST_PORTS

A, B, C = (bytes((2, 0, 0, 0, 0, number)) for number in (1, 2, 3))
PORTS = (("a", A), ("b", B), ("c", C))
NAMES = st.text(max_size=8) | st.sampled_from(("a", "b", "</text>", "W" * 200, "a\nb"))


def arrows(picture):
    """The heads of a picture's arrows, and its dashed lines."""
    return picture.svg.count('class="b-machine"'), picture.svg.count("l-ink dashed")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(NAMES, st.sampled_from((A, B, C, b""))), max_size=10, unique_by=lambda port: port[0]),
    st.lists(st.tuples(st.integers(0, (1 << 64) - 1), NAMES, st.binary(max_size=80)), max_size=50),
)
def test_any_capture_fits(ports, packets):
    capture = Capture(tuple(Packet(*packet) for packet in packets), tuple(ports))
    picture = picture_of(capture)
    check(picture)
    names = list(dict.fromkeys([name for name, _mac in ports] + [port for _time, port, _data in packets]))
    left_out = len(packets) - min(MOST, sum(port in names[:MOST_PORTS] for _time, port, _data in packets))
    assert (f"… and {left_out} more" in all_text(picture)) == (left_out > 0)


def test_every_packet_is_an_arrow_with_its_time_and_its_words():
    switch, together, _machines = machines()
    together.run()
    picture = picture_of(switch.capture)
    check(picture)
    texts = all_text(picture)
    assert texts[:4] == ["a", "02:00:00:00:00:01", "b", "02:00:00:00:00:02"]
    assert texts[5::2] == WORDS
    assert texts[4::2] == [str(packet.time) for packet in switch.capture]
    assert arrows(picture) == (len(WORDS), 0)
    assert picture.sentence == (f"A capture of 9 packets. The first: {WORDS[0]}; the last: {WORDS[-1]}.")


def test_a_packet_for_all_has_a_head_at_each_and_one_for_somebody_one():
    to_all, to_c = (Packet(5, "b", to + B + struct.pack(">H", 0x88B5) + bytes(50)) for to in (BROADCAST, C))
    assert arrows(picture_of(Capture((to_all,), PORTS))) == (2, 1)
    assert arrows(picture_of(Capture((to_c,), PORTS))) == (1, 0)
    assert Capture((to_all, to_c), PORTS).receivers(to_c) == ["c"]
    unknown = Packet(5, "b", bytes((2, 9, 9, 9, 9, 9)) + B + bytes(50))
    assert Capture((unknown,), PORTS).receivers(unknown) == ["a", "c"]


def test_what_is_too_much_is_counted():
    packets = [Packet(at, "a", bytes(20)) for at in range(MOST + 5)]
    picture = picture_of(Capture(tuple(packets), PORTS[:2]))
    assert arrows(picture) == (MOST, 0)
    assert "… and 5 more" in all_text(picture)


def test_a_capture_shows_its_picture_and_under_it_the_table():
    capture = Capture((Packet(7, "<a>", b"\xff" * 12 + b"\x08\x06"),))
    shown, metadata = capture._repr_mimebundle_()
    assert shown["text/plain"] == "A capture of 1 packets."
    assert shown["text/html"].startswith(
        picture_of(capture).html() + "<details><summary>all packets</summary>"
    )
    assert metadata["image/png"]["alt"] == picture_of(capture).sentence
    check(picture_of(Capture(())))
    assert "no packet yet" in all_text(picture_of(Capture(())))
