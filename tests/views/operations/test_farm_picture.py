from hypothesis import given
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab.operations import Inventory, Server
from vlab.views.operations.farm import MOST_HOSTS, MOST_SERVERS, inventory_picture

NAMES = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=30)
STATES = st.sampled_from(["running", "asleep", "paused", "off", "failed"])


@st.composite
def inventories(draw):
    hosts = draw(st.lists(NAMES, unique=True, min_size=1, max_size=MOST_HOSTS + 2))
    free = tuple((host, draw(st.integers(0, 1 << 34)) & -4096) for host in hosts)
    rows = draw(
        st.lists(st.tuples(NAMES, st.sampled_from(hosts), STATES, st.integers(1, 1 << 20)), max_size=20)
    )
    return Inventory(free, tuple(Server(n, h, s, pages * 4096, 0, 0, 1) for n, h, s, pages in rows))


@given(inventory=inventories())
def test_any_farm_is_drawn_with_nothing_cut_or_overlapping(inventory):
    check(inventory_picture(inventory))


def test_it_says_who_is_where_and_how():
    free = (("north", 1 << 20), ("south", 1 << 22))
    inventory = Inventory(free, (Server("mail", "north", "paused", 1 << 20, 7, 8, 1),))
    picture = inventory_picture(inventory)
    assert {"north", "1 MiB free", "mail", "paused, 1 MiB", "south", "empty"} <= set(all_text(picture))
    assert picture.sentence == "A farm of 2 hosts with 1 servers. north: mail; south: empty."


def test_what_is_too_much_to_draw_is_counted():
    free = tuple((f"h{number}", 4096) for number in range(MOST_HOSTS + 3))
    servers = tuple(Server(f"s{n}", "h0", "off", 4096, 0, 0, 1) for n in range(MOST_SERVERS + 2))
    words = all_text(inventory_picture(Inventory(free, servers)))
    assert "and 3 more hosts" in words
    assert "and 2 more servers" in words
