import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.hypervisor.guestmemory import GuestMemory
from vlab.language import VlabError
from vlab.machine.memory import PAGE, RAM_BASE, Memory
from vlab.riscv import Cause, Trap

FRAMES = [0x80005, 0x80002, 0x80007]  # neither in order nor in a row
END = RAM_BASE + len(FRAMES) * PAGE


@pytest.fixture
def host():
    return Memory(8 * PAGE)


@pytest.fixture
def memory(host):
    return GuestMemory(host, FRAMES)


def test_each_page_is_a_frame_of_the_host(host, memory):
    memory.store(RAM_BASE + PAGE + 8, 4, 0x12345678)
    assert host.load(0x80002 * PAGE + 8, 4) == 0x12345678
    assert memory.host_address(RAM_BASE + 2 * PAGE + 5) == 0x80007 * PAGE + 5
    assert memory.guest_address(0x80007 * PAGE + 5) == RAM_BASE + 2 * PAGE + 5
    assert memory.guest_address(0x80006 * PAGE) is None


@given(st.integers(0, 3 * PAGE - 1), st.binary(max_size=2 * PAGE))
def test_what_crosses_pages_goes_to_all_of_them(at, data):
    host = Memory(8 * PAGE)
    memory = GuestMemory(host, FRAMES)
    if at + len(data) <= memory.size:
        memory.poke(RAM_BASE + at, data)
        assert memory.peek(RAM_BASE + at, len(data)) == data
        whole = b"".join(host.peek(frame * PAGE, PAGE) for frame in FRAMES)
        assert whole[at : at + len(data)] == data
        assert whole.count(0) == len(whole) - len(data) + data.count(0)
    else:
        with pytest.raises(VlabError, match="There is no memory at"):
            memory.poke(RAM_BASE + at, data)


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_loads_cross_pages_too(memory, size):
    memory.poke(RAM_BASE + PAGE - 4, bytes(range(1, 11)))
    assert memory.load(RAM_BASE + PAGE - 3, size) == int.from_bytes(bytes(range(2, 2 + size)), "little")


@pytest.mark.parametrize("address", [0, RAM_BASE - 8, END, END - 4, 1 << 64, 0x80005 * PAGE])
def test_nothing_lies_outside(memory, address):
    assert not memory.holds(address, 8)
    with pytest.raises(Trap) as load:
        memory.load(address, 8)
    with pytest.raises(Trap) as store:
        memory.store(address, 8, 1)
    assert (load.value.cause, store.value.cause) == (Cause.LOAD_ACCESS_FAULT, Cause.STORE_ACCESS_FAULT)
    assert load.value.value == store.value.value == address
    with pytest.raises(VlabError, match="RAM lies from 0x80000000 to 0x80002fff"):
        memory.peek(address, 8)


def test_stores_to_a_watched_double_word_are_told(memory):
    seen = []
    memory.watch(RAM_BASE + 16, lambda address, value: seen.append((address, value)))
    memory.store(RAM_BASE + 8, 8, 1)
    memory.store(RAM_BASE + 20, 4, 1)
    memory.poke(RAM_BASE + 16, b"\2")
    memory.unwatch(RAM_BASE + 16)
    memory.store(RAM_BASE + 16, 8, 9)
    assert seen == [(RAM_BASE + 16, 1 << 32), (RAM_BASE + 16, 2 + (1 << 32))]
    with pytest.raises(VlabError):
        memory.watch(END, lambda address, value: None)


def test_its_pages_can_be_taken_and_put_back(host, memory):
    memory.store(RAM_BASE + 2 * PAGE, 8, 7)
    saved = memory.pages()
    assert saved.keys() == {2}
    memory.poke(RAM_BASE, b"x" * 3 * PAGE)
    host.pages()
    memory.set_pages(saved)
    assert memory.pages() == saved
    memory.set_pages(saved)
    assert host.dirty <= {2, 5, 7}


def test_a_guest_in_a_guest():
    host = Memory(8 * PAGE)
    inner = GuestMemory(GuestMemory(host, FRAMES), [0x80002, 0x80000])
    inner.store(RAM_BASE + PAGE, 8, 5)
    assert host.load(0x80005 * PAGE, 8) == 5
    inner.poke(RAM_BASE + PAGE - 2, b"abcd")
    assert host.peek(0x80007 * PAGE + PAGE - 2, 2) + host.peek(0x80005 * PAGE, 2) == b"abcd"


WAYS = ("store", "poke", "fast", "code", "watch", "pages", "set", "zero")


@given(st.lists(st.tuples(st.sampled_from(WAYS), st.integers(0, 7)), max_size=30))
def test_no_page_that_holds_something_is_taken_for_untouched(steps):
    host = Memory(8 * PAGE)
    guest = GuestMemory(GuestMemory(host, [*FRAMES, 0x80000]), [0x80003, 0x80001])
    for way, page in steps:
        address = RAM_BASE + page * PAGE
        match way:
            case "store":
                host.store(address, 8, 5)
            case "poke":
                host.poke(address, b"x" * min(2 * PAGE, (8 - page) * PAGE))
            case "fast" if host.fast(address):
                host.views[8][page * PAGE // 8 + 9] = 7
            case "code":
                host.hold_code(address)
            case "watch":
                host.watch(address, lambda address, value: None)
            case "pages":
                host.pages()
            case "set":
                host.set_pages({page: b"y" * PAGE})
            case "zero":
                host.poke(address, bytes(PAGE))
    assert host.touched() >= {page for page in range(0x80000, 0x80008) if any(host.peek(page * PAGE, PAGE))}
    held = {page: guest.peek(RAM_BASE + page * PAGE, PAGE) for page in (0, 1)}
    assert guest.pages() == {page: content for page, content in held.items() if any(content)}
    guest.set_pages({1: b"z" * PAGE, 5: b"z" * PAGE})
    assert guest.peek(RAM_BASE, 2 * PAGE) == bytes(PAGE) + b"z" * PAGE
