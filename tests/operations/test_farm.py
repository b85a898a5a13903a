"""A server farm: inventory, start and stop, snapshots, moves, consolidation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlab import Hypervisor, Machine, VlabError, guests
from vlab.machine import Stop
from vlab.operations.farm import Farm

KERNEL = guests.load("kernel", TICK=500, WORK=400, LETTERS=3, PRIMES=100)
HELLO = guests.load("hello")


def farm(**memory):
    return Farm(**{name: Hypervisor(Machine(memory=size)) for name, size in memory.items()})


@pytest.fixture
def three():
    """Three hosts with a server or two each."""
    there = farm(north="6M", south="6M", west="6M")
    there.start("mail", KERNEL, on="north", memory="1M")
    there.start("web", KERNEL, on="south", memory="1M")
    there.start("files", KERNEL, on="south", memory="512K")
    there.start("test", KERNEL, on="west", memory="256K")
    return there


def test_the_inventory_tells_where_what_is_and_how_it_is(three):
    three.run(2000)
    three.pause("web")
    rows = {server.name: (server.host, server.state, server.memory) for server in three.inventory()}
    assert rows == {
        "mail": ("north", "running", 1 << 20),
        "web": ("south", "paused", 1 << 20),
        "files": ("south", "running", 1 << 19),
        "test": ("west", "running", 1 << 18),
    }
    assert repr(three.inventory()).startswith(
        "A farm of 3 hosts with 4 servers. north: mail; south: web, files;"
    )
    assert "web on south: paused, 1 MiB" in repr(next(row for row in three.inventory() if row.name == "web"))


def test_all_hosts_run_and_each_server_as_if_it_were_alone(three):
    assert three.run() is Stop.ASLEEP
    alone = Machine(KERNEL, memory="1M")
    alone.run()
    assert {three[name].console for name in ("mail", "web", "files", "test")} == {alone.console}
    assert {server.state for server in three.inventory()} == {"off"}


def test_a_new_server_goes_where_most_memory_is_free(three):
    three.start("new", HELLO, memory="64K")
    assert three.host_of("new") == "west"


def test_one_that_is_stopped_is_gone_and_its_room_is_free(three):
    free = dict(three.inventory().free)["south"]
    three.stop("web")
    assert dict(three.inventory().free)["south"] == free + Hypervisor.room_for(1 << 20)
    with pytest.raises(VlabError, match="no server 'web'"):
        three["web"]
    three.start("web", HELLO, memory="64K")


def test_a_move_keeps_its_snapshots(three):
    three.run(3000)
    three.snapshot("mail", "before")
    before = three["mail"].snapshot()
    migration = three.move("mail", "west")
    assert three.host_of("mail") == "west"
    assert migration.moved is three["mail"]
    three.run(3000)
    three.restore("mail", "before")
    assert three["mail"].snapshot() == before
    assert three["mail"].host is three.hosts["west"].computer


def test_consolidation_frees_as_many_hosts_as_it_can(three):
    three.run(3000)
    plan = three.plan()
    assert (plan[0].name, plan[0].source) == ("test", "west")
    assert len({move.source for move in plan}) == 2
    done = three.consolidate()
    assert all(migration.moved is not None for migration in done)
    assert sorted(len(hypervisor.vms) for hypervisor in three.hosts.values()) == [0, 0, 4]
    three.run()
    alone = Machine(KERNEL, memory="1M")
    alone.run()
    assert {three[server.name].console for server in three.inventory()} == {alone.console}


def test_a_host_is_emptied_for_its_maintenance(three):
    three.run(1000)
    three.consolidate(empty="south")
    assert not three.hosts["south"].vms
    assert len(three.migrations) == 2


def test_what_does_not_fit_is_left_where_it_is():
    there = farm(a="3M", b="3M")
    there.start("one", HELLO, on="a", memory="1M")
    there.start("two", HELLO, on="b", memory="1M")
    assert there.plan() == ()
    assert there.plan(empty="a") == ()


@given(
    sizes=st.lists(st.tuples(st.integers(0, 3), st.sampled_from([64, 128, 512, 1024])), max_size=9),
    memory=st.lists(st.integers(3, 8), min_size=4, max_size=4),
)
@settings(max_examples=40, deadline=None)
def test_a_plan_fits_and_frees_whole_hosts(sizes, memory):
    there = farm(**{f"h{number}": f"{size}M" for number, size in enumerate(memory)})
    for number, (host, size) in enumerate(sizes):
        try:
            there.start(f"s{number}", None, on=f"h{host}", memory=f"{size}K")
        except VlabError:
            continue  # full
    before = there.inventory()
    used = {server.host for server in before}
    plan = there.plan()
    free = dict(before.free)
    where = {server.name: server for server in before}
    for move in plan:
        need = Hypervisor.room_for(where[move.name].memory)
        free[move.source] += need
        free[move.target] -= need
        assert free[move.target] >= 0
        assert move.target in used
    sources = {move.source for move in plan}
    assert not sources & {move.target for move in plan}
    for host in sources:
        assert {move.name for move in plan if move.source == host} == {s.name for s in before.on(host)}


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda farm: farm["nobody"], "no server 'nobody'"),
        (lambda farm: farm.move("mail", "east"), "no host 'east'"),
        (lambda farm: farm.start("x", HELLO, on="east"), "no host 'east'"),
        (lambda farm: farm.start("mail", HELLO), "server 'mail' already"),
        (lambda farm: farm.move("mail", "north"), "on this computer already"),
        (lambda farm: farm.start("large", HELLO, memory="64M"), "KiB are needed"),
        (lambda farm: farm.plan(empty="east"), "no host 'east'"),
        (lambda farm: farm.restore("mail", "never"), "no snapshot 'never'"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(three, act, reason):
    before = three.inventory()
    with pytest.raises(VlabError, match=reason):
        act(three)
    assert three.inventory() == before


def test_hosts_that_are_no_farm():
    machine = Machine(memory="2M")
    with pytest.raises(VlabError, match="no farm"):
        Farm()
    with pytest.raises(VlabError, match="no farm"):
        Farm(a=Hypervisor(machine), b=Hypervisor(machine))
