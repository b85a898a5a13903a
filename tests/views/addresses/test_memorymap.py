from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.towers import tower
from tests.views.hosts import hosted
from tests.views.structure import all_text, check
from vlab.hypervisor.memorymap import Link, MemoryMap, Region, Space
from vlab.language import set_language
from vlab.machine.memory import PAGE
from vlab.views import picture_of
from vlab.views.addresses.memorymap import MOST_LINKS, MOST_REGIONS, memory_map_picture

BASE = 0x8000_0000
uses = st.sampled_from(("own", "host", "process", "memory", "tables", "pool", "free", "program"))
states = st.sampled_from(("private", "shared", "copy-on-write"))
names = st.sampled_from(("vm1", "vm2", "a rather long name for a virtual machine of a student"))


@st.composite
def spaces(draw, name, level):
    regions, at = [], BASE
    sizes = st.integers(1, 9) | st.integers(1, 1 << 18)
    for size, use, state, owners in draw(
        st.lists(st.tuples(sizes, uses, states, st.lists(names, max_size=3)), min_size=1, max_size=20)
    ):
        regions.append(Region(at, size * PAGE, tuple(owners), use, state))
        at += size * PAGE
    return Space(name, level, BASE, at - BASE, tuple(regions))


@st.composite
def maps(draw):
    depth = draw(st.integers(0, 3))
    found = [
        draw(spaces(draw(names), level))
        for level in range(depth, 0, -1)
        for _ in range(draw(st.integers(1, 2)))
    ]
    found.append(draw(spaces("machine", 0)))
    links = []
    for number, space in enumerate(found[:-1]):
        host = next(n for n, other in enumerate(found) if other.level == space.level - 1)
        for _ in range(draw(st.integers(1, 4))):
            size = draw(st.integers(1, min(space.size, found[host].size) // PAGE)) * PAGE
            gpa, hpa = (
                BASE + draw(st.integers(0, (s.size - size) // PAGE)) * PAGE for s in (space, found[host])
            )
            links.append(Link(number, gpa, host, hpa, size))
    return MemoryMap(tuple(found), tuple(links))


@given(maps())
@settings(deadline=None)
def test_any_map_is_drawn_whole(memory):
    picture = memory_map_picture(memory)
    check(picture)
    assert picture.sentence == repr(memory)


def test_whose_memory_it_is_stands_in_its_bar():
    built = tower(depth=2)
    said = all_text(picture_of(built.vms[0].memory_map()))
    assert {"GPA", "GPA = HPA", "HPA", "machine, level 0", "vm1, level 2"} <= set(said)
    assert said.count("memory of vm1") == 2
    assert said.count("hypervisor's own") == 2


def test_shared_and_copied_pages_are_marked():
    regions = tuple(
        Region(BASE + n * PAGE, PAGE, ("vm1", "vm2"), "memory", state)
        for n, state in enumerate(("shared", "copy-on-write"))
    )
    picture = memory_map_picture(MemoryMap((Space("machine", 0, BASE, 2 * PAGE, regions),), ()))
    assert {"shared: vm1, vm2", "copy-on-write: vm1, vm2"} <= set(all_text(picture))
    assert picture.svg.count("l-kernel thin dashed") == 2
    assert picture.svg.count('"l-kernel thin"') == 2


def test_what_is_too_much_is_counted():
    regions = tuple(Region(BASE + n * PAGE, PAGE, (), "free") for n in range(30))
    host = Space("machine", 0, BASE, 60 * PAGE, (Region(BASE, 60 * PAGE, (), "free"),))
    links = tuple(Link(0, BASE + n % 30 * PAGE, 1, BASE + n * PAGE, PAGE) for n in range(60))
    picture = memory_map_picture(MemoryMap((Space("vm1", 1, BASE, 30 * PAGE, regions), host), links))
    check(picture)
    said = all_text(picture)
    assert f"{30 - MOST_REGIONS} more regions" in said
    assert said[-1] == f"not to scale · {60 - MOST_LINKS} more runs of frames are not drawn"


def test_pictures_speak_the_readers_language():
    set_language("es")
    check(memory_map_picture(tower(depth=2).vms[0].memory_map()))


def test_on_a_host_its_own_memory_and_its_processes_are_seen():
    memory = hosted().host.memory_map()
    picture = memory_map_picture(memory)
    check(picture)
    shown = all_text(picture)
    assert {"host's own", "process vm1", "process vm2", "memory of vm1", "free"} <= set(shown)
    assert "hypervisor's own" not in shown
    assert "f-host" in picture.svg


def test_one_region_too_many_is_shown_all_the_same():
    def shown(count):
        regions = tuple(Region(BASE + n * PAGE, PAGE, (), "free" if n % 2 else "own") for n in range(count))
        return all_text(
            memory_map_picture(MemoryMap((Space("machine", 0, BASE, count * PAGE, regions),), ()))
        )

    assert not [words for words in shown(MOST_REGIONS + 1) if "more" in words]
    assert "2 more regions" in shown(MOST_REGIONS + 2)
