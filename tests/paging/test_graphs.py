import networkx as nx

from vlab.paging import GuestRam, PageTable
from vlab.riscv.privilege import Cause


def test_the_graph_is_the_path_from_satp_to_the_page():
    table = PageTable()
    table.map(0x20_3000, 0x8000_5000, "RU")
    walk = table.walk(0x20_3456)
    graph = walk.graph()
    assert nx.shortest_path(graph, "satp", "page") == ["satp", 1, 2, 3, "page"]
    assert graph.graph["sentence"] == repr(walk)
    assert graph.nodes["satp"]["address"] == table.root
    assert [graph.nodes[number]["raw"] for number in (1, 2, 3)] == [step.raw for step in walk.steps]
    assert graph.nodes[3]["verdict"] == "leaf"
    assert graph.nodes["page"] == {
        "kind": "page",
        "label": "0x80005456",
        "address": 0x8000_5000,
        "size": 4096,
        "physical": 0x8000_5456,
    }
    assert [graph.edges[edge]["label"] for edge in graph.edges] == [
        "vpn[2] = 0",
        "vpn[1] = 1",
        "vpn[0] = 3",
        "+ 0x456",
    ]


def test_the_offset_in_a_superpage_is_larger():
    table = PageTable()
    table.map(0x20_0000, 0x8060_0000, "RU", level=1)
    graph = table.walk(0x20_3456).graph()
    assert graph.edges[2, "page"]["offset"] == 0x3456
    assert graph.nodes["page"]["size"] == 2 << 20


def test_a_fault_is_a_node():
    table = PageTable()
    graph = table.walk(0x1000, "store").graph()
    assert list(graph.nodes) == ["satp", 1, "fault"]
    assert graph.nodes["fault"]["cause"] is Cause.STORE_PAGE_FAULT
    assert graph.edges[1, "fault"]["label"] == graph.nodes["fault"]["rule"] == "not-valid"


def test_an_address_that_is_not_canonical_reaches_no_entry():
    assert list(PageTable().walk(1 << 50).graph().edges) == [("satp", "fault")]


def test_an_entry_that_memory_refused():
    table = PageTable()
    table.set(0, 0x1 | 0x10 << 10, level=2)
    graph = table.walk(0).graph()
    assert graph.nodes[2]["label"] == "?"
    assert graph.nodes["fault"]["cause"] is Cause.LOAD_ACCESS_FAULT


def test_tables_that_point_at_themselves_are_still_a_path():
    table = PageTable()
    table.set(0, 0x1 | table.root >> 12 << 10, level=2)
    assert list(table.walk(0).graph()) == ["satp", 1, 2, 3, "fault"]


def test_two_stages_are_one_path_through_both_tables():
    host = PageTable(scheme="Sv39x4")
    guest = PageTable(GuestRam(host))
    guest.map(0x1000, 0x8000_3000, "RU")
    walk = guest.walk(0x1234, host=host)
    graph = walk.graph()
    assert nx.shortest_path(graph, "satp", "page") == ["satp", *range(1, 16), "page"]
    assert [graph.nodes[n]["stage"] for n in range(1, 16)] == [step.stage for step in walk.steps]
    assert graph.edges[3, 4] == {"label": "vpn[2] = 0", "index": 0, "level": 2, "stage": "VS-stage"}
    assert graph.nodes[4]["hpa"] == walk.steps[3].hpa
    assert graph.nodes[1]["gpa"] == guest.root == graph.nodes["satp"]["address"]
    assert graph.nodes["satp"]["host"] == host.root
    assert graph.nodes["page"]["gpa"] == 0x8000_3234
    host.unmap(0x8000_3000)
    refused = guest.walk(0x1234, host=host).graph().nodes["fault"]
    assert (refused["fault_gpa"], refused["implicit"]) == (0x8000_3234, False)
    assert refused["cause"] is Cause.LOAD_GUEST_PAGE_FAULT
