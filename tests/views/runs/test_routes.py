from collections import Counter

from hypothesis import given

from tests.views.hosts import bare, hosted
from tests.views.recordings import recordings
from tests.views.structure import all_text, check
from vlab import events as ev
from vlab.events import Recording
from vlab.views.runs.routes import Route, Routes

TIMER, EXTERNAL = 1 << 63 | 5, 1 << 63 | 9
WAYS = [
    (TIMER, "timer", "host", ""),
    (TIMER, "timer", "hypervisor", "vm1"),
    (EXTERNAL, "uart", "host", ""),
    (EXTERNAL, "disk", "hypervisor", "vm2"),
    (EXTERNAL, "disk", "host", ""),
    (2, "vm1", "hypervisor", "vm1"),
    (8, "shell", "host", ""),
    (8, "shell", "host", ""),
]


def recorded(ways, level=0):
    return Recording(ev.Routing((n, 0), level, None, *way) for n, way in enumerate(ways))


def test_the_counts_are_the_hosts_own():
    run, host, _truth = hosted()
    counts: Counter[tuple[str, str]] = Counter()
    for way in Routes(run):
        counts[way.source, way.to] += way.times
    assert counts == host.routed
    assert Routes(run).count() == sum(event.kind == "Routing" for event in run)


def test_ways_are_sorted_interrupts_first():
    routes = Routes(recorded(WAYS))
    assert [way[:4] for way in routes][:3] == [
        ("disk", True, "host", ""),
        ("disk", True, "hypervisor", "vm2"),
        ("timer", True, "host", ""),
    ]
    assert routes[len(routes) - 1] == Route("vm1", False, "hypervisor", "vm1", 1)
    assert routes.count(to="host") == 5
    assert routes.count(to="host", interrupt=False) == 2
    assert repr(routes) == (
        "The host took all: of 5 interrupts it kept 3, of 3 traps 2; the others it handed to the hypervisor."
    )


def test_one_host_is_told_of_and_not_those_inside():
    assert len(Routes(recorded(WAYS, level=1))) == 0
    assert len(Routes(recorded(WAYS, level=1), level=1)) == 7
    assert len(Routes(bare().run)) == 0
    check(Routes(bare().run).picture)


def test_every_way_ends_at_who_got_it():
    picture = Routes(recorded(WAYS)).picture
    shown = all_text(picture)
    for words in (
        "the host itself",
        "for vm1",
        "for vm2",
        "2 traps",
        "1 trap",
        "timer",
        "uart",
        "disk",
        "shell",
    ):
        assert words in shown
    boxes = [
        (shown[n + 1] if n + 1 < len(shown) else "") for n, words in enumerate(shown) if words == "hypervisor"
    ]
    assert boxes == ["2", "1"]
    assert shown[shown.index("the host itself") + 1] == "5"
    assert picture.sentence == repr(Routes(recorded(WAYS)))


@given(recordings())
def test_any_routes_are_drawn_whole(run):
    check(Routes(run).picture)
    check(Routes([event for event in run if event.kind == "Routing"]).picture)


def test_very_many_ways_are_the_busiest_and_the_rest():
    ways = [(8, f"process {n}", "host", "") for n in range(40) for _time in range(n + 1)]
    ways += [(2, f"vm{n}", "hypervisor", f"vm{n}") for n in range(40)]
    routes = Routes(recorded(ways))
    assert len(routes) == 80
    check(routes.picture)
    shown = all_text(routes.picture)
    assert "process 39" in shown
    assert "process 3" not in shown
    numbers = [int(words.split()[0]) for words in shown if words.endswith((" traps", " trap"))]
    assert sum(numbers) == routes.count()
