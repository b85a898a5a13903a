"""The pages of a memory as a value: a mapping like any other, that shares what nobody wrote."""

from hypothesis import given
from hypothesis import strategies as st

from vlab.machine import Machine
from vlab.machine.memory import PAGE, RAM_BASE, Memory
from vlab.machine.pages import GROUP, Pages, with_pages

SIZE = 300 * PAGE
NUMBERS = st.one_of(st.integers(0, 299), st.sampled_from([0, GROUP - 1, GROUP, 2 * GROUP]))
WRITES = st.lists(st.lists(st.tuples(NUMBERS, st.integers(0, 2)), max_size=6), max_size=6)


@given(WRITES)
def test_it_is_what_a_dictionary_of_the_pages_is(writes):
    memory, plain, kept = Memory(SIZE), {}, []
    for some in writes:
        for page, byte in some:
            memory.poke(RAM_BASE + page * PAGE, bytes([byte]) * PAGE)
            plain[page] = bytes([byte]) * PAGE
        wanted = {page: content for page, content in sorted(plain.items()) if any(content)}
        kept.append((memory.pages(), wanted))
    for pages, wanted in kept:
        assert list(pages.items()) == list(wanted.items())
        assert (len(pages), pages == wanted, pages == Pages.of(wanted)) == (len(wanted), True, True)
        assert [pages.get(page) for page in range(310)] == [wanted.get(page) for page in range(310)]
        assert all(page < pages.end for page in wanted)
    for pages, wanted in kept:
        for other, theirs in kept:
            differing = set(pages.differing(other))
            assert differing >= {n for n in range(300) if wanted.get(n) != theirs.get(n)}
            memory.set_pages(pages)
            assert memory.pages() is pages
            memory.set_pages(other)
            assert bytes(memory.ram) == b"".join(theirs.get(n, bytes(PAGE)) for n in range(300))


def test_what_nobody_wrote_is_shared():
    memory = Memory(SIZE)
    for page in range(300):
        memory.store(RAM_BASE + page * PAGE, 1, 1)
    before = memory.pages()
    memory.store(RAM_BASE + 70 * PAGE, 1, 2)
    after = memory.pages()
    assert list(before.differing(after)) == [70]
    assert sum(before.groups[n] is not after.groups[n] for n in before.groups) == 1
    assert memory.pages() is after
    memory.set_pages(before)
    assert memory.pages() is before
    assert with_pages(before.groups, [(page, None) for page in range(300)]) == {}


def test_a_store_after_pages_were_set_is_seen():
    machine = Machine(memory=SIZE)
    before = machine.snapshot()
    machine.memory.store(RAM_BASE, 8, 7)
    machine.restore(before)
    machine.memory.store(RAM_BASE, 8, 9)
    assert machine.snapshot().pages[0][0] == 9
