from vlab import Machine, assemble
from vlab.machine.network import Capture, Packet
from vlab.paging import PageTable
from vlab.riscv import CSRS
from vlab.views.computers import listings
from vlab.views.computers.listings import csr_html, csrs_html, program_html, walks_html


def test_a_program_is_listed_with_its_instructions():
    html = program_html(assemble('li a0, 5\n.word 0x13\nx: .asciz "<b>"\n'))
    assert "0x80000000" in html
    assert html.count("<tr>") == 4
    assert ">li a0, 5</td>" in html
    assert "<b>" not in html
    assert ">nop<" not in html  # a datum isn't read as an instruction


def test_a_long_program_is_cut_and_the_rest_counted(monkeypatch):
    monkeypatch.setattr(listings, "MOST", 2)
    html = program_html(assemble("nop\n" * 5))
    assert html.count("<tr>") == 3
    assert "… and 3 more" in html


def test_csrs_are_decoded_and_the_empty_ones_of_a_bank_left_out():
    machine = Machine(assemble("csrw mscratch, a1\nli t0, 0x1800\ncsrs mstatus, t0\nj ."), memory="1M")
    html = csrs_html(machine.hart.csr)
    assert "pmpaddr7" not in html
    assert "mhpmcounter3" not in html
    machine.run(10)
    assert "MPP 3" in csrs_html(machine.hart.csr)
    assert machine.hart.csr._repr_mimebundle_()[0]["text/html"] == csrs_html(machine.hart.csr)


def test_a_csrs_fields_say_what_may_be_written():
    html = csr_html(CSRS["satp"])
    assert "only 0, 8" in html
    assert "nothing: always 0" in html
    assert "43:0" in html
    assert "hardware writes it" in csr_html(CSRS["sip"])


def test_a_capture_is_a_table_of_its_packets():
    capture = Capture((Packet(7, "<a>", b"\xff" * 12 + b"\x08\x06"),))
    shown, _metadata = capture._repr_mimebundle_()
    assert shown["text/plain"] == "A capture of 1 packets."
    cells = [part.split(">", 1)[1].split("<")[0] for part in shown["text/html"].split("<td")[1:]]
    assert cells == ["7", "&lt;a&gt;", "14", "ARP, cut short"]


def test_many_walks_are_a_row_for_each_rule():
    table = PageTable()
    table.map(0x1000, 0x8000_0000, "RU", 0x3000)
    walks = table.walk_many([[0x9000, 0x1000], [0x2000, 0x3000]])
    html = walks_html(walks)
    assert html.startswith(
        "<p>Sv39: 4 walks, load in U, 12 references: 3 × the entry allows the access; 1 × "
    )
    row = "<td style='text-align:left;white-space:pre'>"
    assert f"{row}the entry allows the access</td>{row}3</td>{row}0x1000</td>" in html
    assert f"{row}the entry is not valid</td>{row}1</td>{row}0x9000</td>" in html
    assert walks._repr_mimebundle_()[0]["text/html"] == html
