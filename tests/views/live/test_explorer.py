import json
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.towers import tower
from tests.views.structure import all_text, check
from vlab import guests
from vlab.language import VlabError, set_language
from vlab.machine import Machine
from vlab.machine.mmu import Key
from vlab.paging import SCHEMES, Flags, GuestRam, PageTable
from vlab.riscv import Access, Mode
from vlab.views.live.explorer import Explorer

KERNEL = guests.load("kernel", TICK=300, LETTERS=2, PRIMES=100)
CODE, DATA = 0x4000_0000, 0x4000_1000


def explore(*subject: Any, **status: Any) -> Any:
    """An explorer; of which kind its answers are is for each test to know."""
    return Explorer(*subject, **status)


@pytest.fixture
def table():
    table = PageTable()
    table.map(0x4000_0000, 0x8000_0000, "RXU")
    table.map(0x4000_1000, 0x8000_5000, "RWU", 0x3000)
    table.map(0x8000_0000, 0x8000_0000, "X")
    return table


@pytest.fixture
def vm():
    """The kernel in a VM, stopped while one of its processes runs."""
    built = tower(KERNEL, 1)
    built.machine.run(until=lambda: built.guest.mode == Mode.U and built.vms[0].exits["timer"] > 2)
    built.machine.run(100)
    return built.vms[0]


def test_it_answers_what_the_table_answers(table):
    explorer = explore(table, 0x4000_1008, "store")
    assert explorer.answer == explorer.walk == table.walk(0x4000_1008, "store", "U")
    assert explorer.chain is None
    assert explorer.goto(0x4000_0010).rule == "not-writable"
    explorer.access = "load"
    assert explorer.walk == table.walk(0x4000_0010, "load", "U")
    explorer.mode = "S"
    assert explorer.walk.rule == "user-page-in-S"
    explorer.sum = True
    assert explorer.walk.physical == 0x8000_0010
    explorer.goto(0x8000_0000)
    assert explorer.walk.rule == "not-readable"
    explorer.mxr = True
    assert explorer.walk.physical == 0x8000_0000
    assert explorer.access is Access.LOAD
    assert (explorer.mode, explorer.sum, explorer.mxr) == (Mode.S, True, True)


def test_settings_matter_only_where_they_do(table):
    explorer = explore(table)
    assert explorer.matters == (False, True)
    explorer.mode, explorer.access = "S", "store"
    assert explorer.matters == (True, False)
    assert explore(PageTable(scheme="x86-64"), mode="S").matters == (False, False)


def test_next_and_back_stop_at_the_ends_of_what_is_mapped_and_behind_them(table):
    explorer = explore(table)
    stops = [0x4000_0000, 0x4000_1000, 0x4000_3000, 0x4000_4000, 0x8000_0000, 0x8000_1000]
    assert list(explorer.stops) == stops
    assert explorer.address == stops[0]
    assert [explorer.next().address for _stop in stops] == [*stops[1:], stops[-1]]
    assert [explorer.back().address for _stop in stops] == [*stops[-2::-1], stops[0]]
    explorer.goto(0x4000_2ABC)
    assert explorer.next().address == 0x4000_3000
    assert explore(PageTable()).next().address == 0


@pytest.mark.parametrize(
    ("words", "address"),
    [
        ("0x40001000", 0x4000_1000),
        (" 0x4000_1000 ", 0x4000_1000),
        ("4096", 4096),
        ("1_000", 1000),
        ("0XFF+1", 0x100),
        ("0x40001000 - 0x1000", 0x4000_0000),
        ("007", 7),
    ],
)
def test_an_address_can_be_typed(table, words, address):
    assert explore(table).goto(words).address == address


def test_a_computers_registers_and_labels_are_addresses_too():
    machine = Machine(KERNEL, memory="1M")
    machine.run(3000)
    explorer = explore(machine)
    assert explorer.address == machine.hart.pc
    assert explorer.goto("pc").address == machine.hart.pc
    assert explorer.goto("sp - 8").address == machine.look()["sp"] - 8
    assert explorer.goto("tables_1").address == KERNEL.symbols["tables_1"]
    assert explorer.goto("satp").address == machine.look()["satp"]


BAD = ["", " ", "0x", "0x_", "_", "x y", "-1", "0x40001000 +", "sp+1+1", "4000abc", "٣", "9" * 5000, "nobody"]


@pytest.mark.parametrize("words", [*BAD, -1, 1 << 64, "0xffffffffffffffff + 1", "0 - 1", None, 2.5, b"1"])
def test_a_bad_address_is_said_and_nothing_is_lost(table, words):
    explorer = explore(table, 0x4000_1000)
    with pytest.raises(VlabError, match="no address"):
        explorer.goto(words)
    assert explorer.address == 0x4000_1000
    assert explorer.walk.physical == 0x8000_5000


def test_an_address_is_as_wide_as_the_scheme(table):
    with pytest.raises(VlabError, match="0x100000000 is no address of 32 bits"):
        explore(PageTable(scheme="Sv32")).goto(1 << 32)


@pytest.mark.parametrize(("name", "value"), [("mode", "M"), ("mode", "X"), ("mode", 3), ("access", "look")])
def test_what_is_no_access_and_no_mode_is_said(table, name, value):
    explorer = explore(table)
    with pytest.raises(VlabError):
        setattr(explorer, name, value)
    assert (explorer.access, explorer.mode) == (Access.LOAD, Mode.U)


@pytest.mark.parametrize("subject", [None, 3, "Sv39"])
def test_what_cannot_be_explored_is_said(subject):
    with pytest.raises(VlabError, match="can't be explored"):
        explore(subject)
    with pytest.raises(VlabError, match="can't be explored"):
        explore(Machine(KERNEL, memory="1M"), host=PageTable())


def test_two_stages_show_both_tables_at_their_addresses():
    host = PageTable(scheme="Sv39x4")
    guest = PageTable(GuestRam(host))
    guest.map(0x4000_1000, 0x8000_3000, "RWU", 0x3000)
    explorer = explore(guest, 0x4000_1008, host=host)
    assert explorer.walk == guest.walk(0x4000_1008, host=host)
    assert [pane.title for pane in explorer.panes] == ["Walk", "Guest's table", "Host's table"]
    explorer.goto(0x5000_0000)
    assert explorer.walk.fault is not None
    check(explorer.picture)


def test_a_machine_shows_its_walk_its_table_and_what_the_tlb_has():
    machine = Machine(KERNEL, memory="1M")
    machine.run(3000)
    assert machine.mode == Mode.U
    explorer = explore(machine)
    walk, table, tlb = explorer.panes
    assert explorer.walk == machine.hart.mmu.walk(explorer.address, Access.FETCH, Key(Mode.U, paged=True))
    assert walk.sentence == explorer.sentence == repr(explorer.walk)
    assert table.title == "Page table"
    assert tlb.sentence == "set 0x100 of context U has the page: 0x80001000, R-X"
    check(explorer.picture)


def test_the_tlb_pane_tells_the_three_cases_apart():
    machine = Machine(KERNEL, memory="1M")
    machine.run(3000)
    assert machine.mode == Mode.U
    explorer = explore(machine)
    said = {}
    for address in (CODE, CODE + (5 << 12), CODE ^ (1 << 22 | 1 << 12)):
        explorer.goto(address)
        said[address] = explorer.panes[-1].sentence
    assert list(said.values()) == [
        "set 0x100 of context U has the page: 0x80001000, R-X",
        "set 0x105 of context U is empty: an access misses",
        "set 0x100 of context U holds page 0x40000000: an access misses",
    ]


def test_without_paging_nothing_is_translated():
    machine = Machine(KERNEL, memory="1M")
    explorer = explore(machine)
    assert (explorer.mode, explorer.answer, explorer.walk) == (Mode.M, None, None)
    assert explorer.sentence.endswith("without paging: the physical address, in memory")
    explorer.goto(0x1000_0000)
    assert explorer.sentence.endswith("without paging: the physical address, of the uart")
    explorer.goto(0x9000_0000)
    assert explorer.sentence.endswith("where nothing is")
    assert {0x8000_0000, 0x8010_0000, 0x1000_0000} <= set(explorer.stops)
    assert explorer.panes[0].picture is None
    check(explorer.picture)


def test_a_vm_shows_the_chain_the_tables_the_map_and_the_tlb(vm):
    explorer = explore(vm, DATA, "load")
    assert explorer.chain == vm.chain(DATA)
    assert explorer.walk == vm.chain(DATA).guest
    assert [pane.title for pane in explorer.panes] == [
        *("GVA → GPA → HPA", "Tables side by side", "Memory map", "TLB"),
    ]
    chain = explorer.chain
    assert explorer.panes[2].sentence.startswith(
        f"GPA {chain.gpa:#x} of vm1 lies at HPA {chain.hpa:#x} of the machine"
    )
    assert f"{chain.hpa:#x}" in explorer.panes[3].sentence
    explorer.mode = "S"
    assert explorer.chain == vm.chain(DATA, "load", Key(Mode.S, paged=True))
    assert explorer.chain.guest.rule == "user-page-in-S"
    assert [pane.title for pane in explorer.panes][-1] == "Memory map"
    explorer.sum = True
    assert explorer.chain.hpa == chain.hpa
    assert explorer.chain.mode == "S+SUM"
    explorer.mode = "M"
    assert (explorer.walk, explorer.chain.gpa) == (None, DATA)
    check(explorer.picture)


def test_looking_changes_nothing(vm):
    machine = vm.host
    before = machine.snapshot()
    explorer = explore(vm)
    for mode in explorer.modes:
        explorer.mode = mode
        for access in Access:
            explorer.access = access
            for _stop in explorer.stops:
                explorer.next()
                assert explorer.panes
            explorer.goto(0)
    assert machine.snapshot() == before


def test_the_answer_is_of_now(vm):
    explorer = explore(vm, DATA, "load")
    told: list[str] = []
    explorer.widget.observe(lambda change: told.append(change.name), ["asked", "panes"])
    sentence = explorer.panes[-1].sentence
    vm.host.run(until=lambda: vm.mode == Mode.S)
    explorer.refresh()
    assert told
    assert [pane.sentence for pane in explorer.panes][-1] != sentence


def test_the_row_that_is_asked_about_has_a_frame(table, vm):
    drawn = explore(table, 0x4000_2000).panes[1].picture
    assert sum("l-ink dashed" in str(shape) for shape in drawn.shapes) == 1
    assert explore(vm, DATA).panes[1].picture.inline.count('class="l-ink dashed"') == 1


def test_the_repr_is_one_sentence_in_the_readers_language(table):
    explorer = explore(table, 0x4000_1000)
    assert repr(explorer) == (
        f"Explorer of {table!r}: Sv39: load of 0x40001000 in U → 0x80005000 (3 references)"
    )
    english = repr(explorer)
    set_language("es")
    assert repr(explorer) not in ("", english)


@settings(max_examples=30)
@given(
    st.sampled_from(sorted(SCHEMES)), st.integers(0, (1 << 32) - 1), st.sampled_from(list(Access)), st.data()
)
def test_any_table_is_explored_at_any_address(scheme, address, access, data):
    table = PageTable(scheme=scheme)
    flags = 1 if "x86" in scheme else Flags.R | Flags.X
    for page in data.draw(st.lists(st.integers(0, 1 << 19), max_size=5)):
        table.map(page << 12, page << 12, flags)
    explorer = explore(table, address, access, data.draw(st.sampled_from(["U", "S"])))
    for verb in (explorer.next, explorer.back):
        verb()
        check(explorer.picture)


def test_a_table_that_points_back_at_itself_is_explored():
    table = PageTable()
    for index in range(512):
        table.memory.store(table.root + 8 * index, 8, table.root >> 2 | 1)
    explorer = explore(table)
    assert explorer.stops == (0,)
    assert explorer.panes


# The page's side


@pytest.fixture
def sent(table, monkeypatch):
    explorer, messages = explore(table, 0x4000_1000), []
    monkeypatch.setattr(type(explorer.widget), "send", lambda _self, content: messages.append(content))
    return explorer, messages


@pytest.mark.parametrize(
    ("message", "address"),
    [({"goto": "0x40000000"}, 0x4000_0000), ({"next": 1}, 0x4000_3000), ({"back": 1}, 0x4000_0000)],
)
def test_the_page_moves_it(sent, message, address):
    explorer, messages = sent
    explorer.widget._handle_custom_msg(message, [])
    assert (explorer.address, messages) == (address, [{"wrong": ""}])
    assert explorer.widget.asked["address"] == f"{address:#x}"
    assert explorer.widget.panes[0]["sentence"] == explorer.sentence
    json.dumps([explorer.widget.asked, explorer.widget.panes, explorer.widget.words])


def test_the_page_sets_access_mode_and_settings(sent):
    explorer, _messages = sent
    for name, value in (("access", "store"), ("mode", "S"), ("sum", True), ("mxr", True)):
        explorer.widget._handle_custom_msg({name: value}, [])
    assert (str(explorer.access), explorer.mode.name, explorer.sum, explorer.mxr) == (
        "store",
        "S",
        True,
        True,
    )
    assert explorer.widget.asked["matters"] == {"sum": True, "mxr": False}


@pytest.mark.parametrize(
    "message", [{"goto": "nowhere"}, {"goto": None}, {"access": 5}, {"mode": []}, {"goto": "9" * 9999}]
)
def test_the_page_is_told_what_is_wrong_and_keeps_its_pictures(sent, message):
    explorer, messages = sent
    before = explorer.widget.panes
    explorer.widget._handle_custom_msg(message, [])
    assert messages[0]["wrong"]
    assert explorer.widget.panes == before


@pytest.mark.parametrize("message", [{}, [], None, "goto", {"look": 1}, {"goto": "0", "next": 1}, {1: 2}])
def test_anything_else_is_left_unanswered(sent, message):
    explorer, messages = sent
    explorer.widget._handle_custom_msg(message, [])
    assert messages == []
    assert explorer.address == 0x4000_1000


def test_it_shows_a_widget_and_what_is_stored_of_it(table):
    shown, _metadata = explore(table)._repr_mimebundle_()
    assert set(shown) == {"text/plain", "text/html", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert shown["text/plain"] == repr(explore(table))
    assert "level 2" in all_text(explore(table).picture)


def test_without_anywidget_the_pictures_are_left(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "vlab.views.live.explorerwidget", None)
    shown, _metadata = explore(table)._repr_mimebundle_()
    assert set(shown) == {"text/plain", "text/html", "image/png"}
