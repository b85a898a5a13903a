"""The 16550A: registers and reset values, interrupts and their order, loopback, and both ends of the line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.machine.bus import BusError
from vlab.machine.devices import Uart
from vlab.machine.devices.printed import MOST

DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR = range(8)
FCR = IIR
DLAB, LOOP = 0x80, 0x10
RECEIVED, EMPTIED, LINE, MODEM = 1, 2, 4, 8
NONE, BY_LINE, BY_RECEIVED, BY_TIMEOUT, BY_EMPTIED, BY_MODEM = 1, 6, 4, 12, 2, 0


class Port:
    """A UART with its registers as items."""

    def __init__(self):
        self.uart = Uart()

    def __getitem__(self, offset):
        return self.uart.load(offset, 1)

    def __setitem__(self, offset, value):
        self.uart.store(offset, 1, value)


@pytest.fixture
def port():
    return Port()


def test_registers_after_reset(port):
    assert [port[offset] for offset in (DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR)] == [
        0,
        0,
        NONE,
        0,
        0,
        0x60,
        0xB0,
        0,
    ]
    assert not port.uart.interrupting


def test_sent_bytes_are_kept_and_told():
    told: list[bytes] = []
    uart = Uart(told.append)
    for byte in b"hi\xff\x00":
        assert uart.load(LSR, 1) & 0x20
        uart.store(DATA, 1, byte)
    assert uart.output == b"hi\xff\x00"
    assert told == [b"h", b"i", b"\xff", b"\x00"]


def test_typed_bytes_are_read_in_order(port):
    port.uart.receive("ñ".encode())
    port.uart.receive(b"x")
    read = []
    while port[LSR] & 1:
        read.append(port[DATA])
    assert bytes(read) == "ñx".encode()
    assert port[DATA] == 0


def test_what_is_typed_waits_through_the_set_up_of_a_driver(port):
    """`--input` is typed before the guest has even started."""
    port.uart.receive(b"x" * 100)
    port[FCR] = 0x07
    port[FCR] = 0x01
    assert port.uart.waiting == 100
    assert port[DATA] == ord("x")
    assert port.uart.waiting == 99


def test_the_divisor_hides_data_and_enables_and_nothing_else(port):
    port[IER] = 5
    port[LCR] = DLAB | 3
    assert (port[DATA], port[IER]) == (12, 0)
    port[DATA], port[IER], port[SCR] = 0x34, 0x12, 0x77
    assert (port[DATA], port[IER], port[LCR], port[SCR]) == (0x34, 0x12, DLAB | 3, 0x77)
    assert port.uart.output == b""
    port[LCR] = 3
    assert port[IER] == 5
    port[DATA] = ord("A")
    assert port.uart.output == b"A"


@pytest.mark.parametrize(("offset", "kept"), [(IER, 0x0F), (LCR, 0x7F), (MCR, 0x1F), (SCR, 0xFF)])
def test_bits_that_do_not_exist_read_as_zero(port, offset, kept):
    port[offset] = 0xFF & ~DLAB if offset == LCR else 0xFF
    assert port[offset] == kept


def test_status_registers_cannot_be_written(port):
    port[LSR] = port[MSR] = 0xFF
    assert (port[LSR], port[MSR]) == (0x60, 0xB0)


def test_iir_tells_whether_there_are_fifos(port):
    port[FCR] = 0x01
    assert port[IIR] == 0xC0 | NONE
    port[FCR] = 0x00
    assert port[IIR] == NONE


def test_a_byte_interrupts_only_if_enabled(port):
    port.uart.receive(b"a")
    assert not port.uart.interrupting
    port[IER] = RECEIVED
    assert port.uart.interrupting
    assert port[IIR] == BY_RECEIVED
    assert port[DATA] == ord("a")
    assert not port.uart.interrupting


@pytest.mark.parametrize(("setting", "level"), [(0x01, 1), (0x41, 4), (0x81, 8), (0xC1, 14)])
def test_below_the_trigger_level_it_is_a_timeout(port, setting, level):
    port[FCR] = setting
    port[IER] = RECEIVED
    port.uart.receive(b"x" * (level - 1))
    assert port[IIR] == 0xC0 | (BY_TIMEOUT if level > 1 else NONE)
    port.uart.receive(b"x")
    assert port[IIR] == 0xC0 | BY_RECEIVED


def test_an_empty_transmitter_interrupts_once_it_is_enabled(port):
    port[IER] = EMPTIED
    assert port.uart.interrupting
    assert port[IIR] == BY_EMPTIED
    assert port[IIR] == NONE  # the first look was the acknowledgement
    port[DATA] = 1
    assert port[IIR] == BY_EMPTIED
    port[IER] = EMPTIED  # not newly enabled
    assert port[IIR] == NONE


def test_looking_at_another_reason_acknowledges_nothing(port):
    port[IER] = EMPTIED | RECEIVED
    port.uart.receive(b"a")
    assert port[IIR] == BY_RECEIVED
    assert port[DATA] == ord("a")
    assert port[IIR] == BY_EMPTIED


def test_the_reasons_have_an_order(port):
    port[MCR] = LOOP  # the modem lines change
    port[IER] = RECEIVED | EMPTIED | LINE | MODEM
    port[DATA] = 1
    port[DATA] = 2  # nobody read the first: overrun
    assert port[IIR] == BY_LINE
    assert port[LSR] & 2
    assert port[IIR] == BY_RECEIVED
    assert port[DATA] == 2
    assert port[IIR] == BY_EMPTIED
    assert port[IIR] == BY_MODEM
    assert port[MSR] & 0x0F
    assert port[IIR] == NONE


def test_loopback_sends_to_itself_and_not_out(port):
    port.uart.receive(b"typed")
    port[MCR] = LOOP
    assert not port[LSR] & 1
    assert port[DATA] == 0
    port[DATA] = 0xA5
    assert port[LSR] & 1
    assert port[DATA] == 0xA5
    assert port.uart.output == b""
    port[MCR] = 0
    assert port[DATA] == ord("t")


def test_a_full_fifo_keeps_its_bytes_and_says_so_once(port):
    port[FCR] = 0x01
    port[MCR] = LOOP
    for byte in range(20):
        port[DATA] = byte
    assert port[LSR] & 2
    assert not port[LSR] & 2
    assert [port[DATA] for _ in range(17)] == [*range(16), 0]


def test_without_fifos_the_newest_byte_stays(port):
    port[MCR] = LOOP
    port[DATA] = 1
    port[DATA] = 2
    assert (port[DATA], port[LSR] & 3) == (2, 2)


@pytest.mark.parametrize("control", [0x00, 0x03])
def test_clearing_the_receiver_drops_what_it_received(port, control):
    port[FCR] = 0x01
    port[MCR] = LOOP
    port[DATA] = 1
    port[FCR] = 0x01
    assert port[LSR] & 1
    port[FCR] = control
    assert not port[LSR] & 1


def test_fifo_control_without_its_enable_bit_sets_nothing(port):
    port[FCR] = 0xC0
    assert port[IIR] == NONE
    port[FCR] = 0x41
    port[FCR] = 0xC0
    port[FCR] = 0x01
    port[IER] = RECEIVED
    port.uart.receive(b"a")
    assert port[IIR] == 0xC0 | BY_RECEIVED


@pytest.mark.parametrize(("control", "status"), [(1, 0x20), (2, 0x10), (4, 0x40), (8, 0x80), (0x0A, 0x90)])
def test_in_loopback_the_modem_lines_are_its_own_outputs(port, control, status):
    """Among them the pair by which Linux recognizes the chip: 0x1A in, 0x90 out."""
    port[MCR] = LOOP | control
    assert port[MSR] & 0xF0 == status


def test_changes_of_the_modem_lines_are_reported_once(port):
    port[MCR] = LOOP
    assert port[MSR] == 0x0B  # clear-to-send, data-set-ready and carrier fell
    assert port[MSR] == 0x00
    port[MCR] = LOOP | 4
    assert port[MSR] == 0x40  # the ring's start isn't reported
    port[MCR] = LOOP
    assert port[MSR] == 0x04  # its end is


@pytest.mark.parametrize(("offset", "size"), [(0, 2), (0, 4), (0, 8), (8, 1), (0xFF, 1), (-1, 1), (5, 4)])
def test_it_takes_single_bytes_at_its_eight_registers_only(port, offset, size):
    port[SCR] = 9
    before = port.uart.state()
    with pytest.raises(BusError):
        port.uart.load(offset, size)
    with pytest.raises(BusError):
        port.uart.store(offset, size, 0x55)
    assert port.uart.state() == before


ACTION = st.tuples(st.integers(0, 7), st.none() | st.integers(0, 0xFF)) | st.binary(max_size=4)


def seen(uart, actions):
    """What a guest and the reader see when these happen."""
    result = []
    for action in actions:
        if isinstance(action, bytes):
            uart.receive(action)
        elif action[1] is None:
            result.append(uart.load(action[0], 1))
        else:
            uart.store(action[0], 1, action[1])
        result.append((uart.interrupting, uart.waiting, bytes(uart.output)))
    return result


@given(st.lists(ACTION, max_size=60), st.lists(ACTION, max_size=60))
def test_a_restored_one_goes_on_as_the_first(before, after):
    uart = Uart()
    seen(uart, before)
    saved = uart.state()
    expected = seen(uart, after)
    other = Uart()
    other.receive(b"gone")
    other.restore(saved)
    assert seen(other, after) == expected
    assert other.state() == uart.state()


@given(st.lists(st.tuples(st.integers(-2, 0x102), st.sampled_from([1, 2, 4, 8]), st.none() | st.integers())))
def test_no_guest_gets_more_than_a_bus_error_out_of_it(traffic):
    uart = Uart()
    for offset, size, value in traffic:
        try:
            if value is None:
                assert 0 <= uart.load(offset, size) < 0x100
            else:
                uart.store(offset, size, value)
        except BusError:
            assert size != 1 or not 0 <= offset < 8


def test_a_guest_cannot_make_the_receiver_grow(port):
    port[MCR] = LOOP
    port[FCR] = 1
    for _ in range(1000):
        port[DATA] = 0
    assert len(port.uart.state()["looped"]) == 16


@pytest.mark.parametrize(
    "change",
    [
        {"ier": 0x10},
        {"mcr": 0x20},
        {"lcr": 0x100},
        {"scr": -1},
        {"dll": None},
        {"overrun": 2},
        {"deltas": 16},
        {"fcr": 0x02},
        {"output": "text"},
        {"output": bytes(MOST + 1)},
        {"dropped": -1},
        {"wire": [1]},
        {"looped": b"ab"},
        {"fcr": 1, "looped": bytes(17)},
        {"more": 0},
    ],
)
def test_a_bad_state_is_refused_and_changes_nothing(port, change):
    port.uart.receive(b"typed")
    port[SCR] = 5
    before = port.uart.state()
    other = Uart().state()
    with pytest.raises(VlabError, match="uart"):
        port.uart.restore(other | change)
    assert port.uart.state() == before
    port.uart.restore(other)
    assert port.uart.state() == other


def test_it_says_in_a_sentence_what_it_is(port):
    port.uart.receive(b"ab")
    port[DATA] = 1
    assert repr(port.uart) == "UART: 1 bytes sent, 2 typed and not read yet"
