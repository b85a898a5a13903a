import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.hosts import hosted
from tests.views.structure import all_text, check
from vlab.hypervisor.chain import Chain
from vlab.language import set_language
from vlab.paging import SV32, SV39, SV48, PageTable, walk
from vlab.riscv import Access, Cause, Trap
from vlab.views.addresses.chain import chain_picture, walk_picture

GVA, GPA, HPA = 0x1_0ABC, 0x8000_3ABC, 0x8010_3ABC


@pytest.fixture
def guest():
    table = PageTable()
    table.map(GVA & ~0xFFF, GPA & ~0xFFF, "RWU")
    return table


@pytest.fixture
def shadow():
    table = PageTable()
    table.map(GVA & ~0xFFF, HPA & ~0xFFF, "RU")
    return table


def chain(guest, shadow, access="load", **changes):
    walked = guest.walk(GVA, access, mode="U")
    facts = {"guest": walked, "gpa": walked.physical, "place": "memory", "hpa": HPA}
    facts |= {"shadow": shadow.walk(GVA, access, mode="U")} | changes
    return Chain(gva=GVA, access=Access(access), mode="U", **facts)


@st.composite
def walks(draw):
    """Any walk: entries at random, most of them valid, some leading further down, some not readable."""
    scheme = draw(st.sampled_from((SV32, SV39, SV48)))
    flags = st.sampled_from((0x01, 0x01, 0x0F, 0xDF, 0x1F)) | st.integers(0, 0xFF)
    frame = st.integers(0, scheme.ppn_mask) | st.integers(0, 9).map(lambda n: n << 18)
    entries = draw(st.lists(st.tuples(frame, flags, st.sampled_from((0, 0, 0, 1))), min_size=4, max_size=4))

    def load(_address, size):
        ppn, low, broken = entries.pop()
        if broken:
            raise Trap(Cause.LOAD_ACCESS_FAULT, 0)
        return (ppn << 10 | low) & (1 << 8 * size) - 1

    address = draw(st.integers(0, (1 << scheme.xlen) - 1) | st.integers(0, (1 << scheme.va_bits) - 1))
    root = draw(st.integers(0, scheme.ppn_mask)) << 12
    return walk(
        load, root, address, draw(st.sampled_from(Access)), mode=draw(st.sampled_from("US")), scheme=scheme
    )


@given(walks(), st.integers(0, 5))
def test_any_walk_is_drawn_whole(walked, at):
    check(walk_picture(walked))
    picture = walk_picture(walked, at)
    check(picture)
    assert picture.sentence == repr(walked)
    assert ('class="lit"' in picture.svg) == (at <= len(walked.steps))


places = st.sampled_from(("memory", "uart", "nothing"))


@given(st.none() | walks(), st.none() | walks(), places, st.integers(0, (1 << 56) - 1))
def test_any_chain_is_drawn_whole(guest, shadow, place, hpa):
    gpa = guest.physical if guest else GVA
    found = hpa if gpa is not None and place == "memory" else None
    drawn = chain_picture(Chain(GVA, Access.LOAD, "S", guest, gpa, place, found, shadow))
    check(drawn)


def test_a_walk_shows_every_reference(guest):
    walked = guest.walk(GVA, "store", mode="U")
    said = all_text(walk_picture(walked))
    for step in walked.steps:
        assert f"@ {step.address:#x}" in said
        assert f"{step.raw:#x}" in said
        assert str(step.flags) in said
    tables = [step.address & ~0xFFF for step in walked.steps[1:]]
    assert [words for words in said if words.startswith("→")] == [
        f"→ {at:#x}" for at in (*tables, GPA & ~0xFFF)
    ]
    assert f"{GPA:#x}" in said
    assert "Page table: the entry allows the access. The hardware sets A, D in it." in said


def test_a_fault_stands_where_it_happened(guest):
    said = all_text(walk_picture(guest.walk(GVA, "fetch", mode="U")))
    assert "✗ not-executable" in said
    assert "✗ instruction page" in said
    assert "Page table: the page is not executable." in said
    assert all_text(walk_picture(guest.walk(1 << 38, "load", mode="U"))).count("not reached") == 3


def test_a_large_page_keeps_the_lower_fields_in_its_offset():
    table = PageTable()
    table.map(0x20_0000, 0x8020_0000, "RWX", level=1)
    said = all_text(walk_picture(table.walk(0x21_2345, "load", mode="S")))
    assert "offset, 21 bits" in said
    assert "0x12345" in said
    assert "VPN[0]" not in said


def test_the_shadow_leads_to_the_same_address_at_once(guest, shadow):
    said = all_text(chain_picture(chain(guest, shadow)))
    assert said.count(f"{HPA:#x}") == 1
    assert "short-cut: GVA → HPA" in said
    assert {"VPN[2]", "GVA", "GPA", "HPA", "memory"} <= set(said)


def test_a_shadow_that_is_not_filled_traps(guest):
    said = all_text(chain_picture(chain(guest, PageTable())))
    assert "✗ load page fault" in said
    assert "the hart traps to the hypervisor" in " ".join(said)
    assert "short-cut: GVA → HPA" not in said


def test_a_stale_shadow_is_called_stale(guest, shadow):
    said = all_text(chain_picture(chain(guest, shadow, hpa=HPA + 0x1000)))
    assert f"The shadow is stale: it leads to {HPA:#x}." in said


def test_a_device_has_no_host_physical_address(guest):
    said = " ".join(all_text(chain_picture(chain(guest, PageTable(), hpa=None, place="uart"))))
    assert "no memory: the hypervisor emulates the device" in said
    nothing = " ".join(all_text(chain_picture(chain(guest, PageTable(), hpa=None, place="nothing"))))
    assert "nothing is there: an access fault for the guest" in nothing


def test_an_unpaged_guest_says_so(shadow):
    drawn = chain_picture(Chain(GVA, Access.LOAD, "S", None, GVA, "memory", HPA, None))
    assert "the guest runs without paging: GPA = GVA" in all_text(drawn)
    assert "no shadow table is loaded" in all_text(drawn)


def test_pictures_speak_the_readers_language(guest):
    set_language("es")
    check(walk_picture(guest.walk(GVA, "load", mode="U")))


def test_the_labels_of_both_tables_are_whole_in_spanish(guest, shadow):
    set_language("es")
    picture = chain_picture(chain(guest, shadow))
    check(picture)
    words = " ".join(all_text(picture))
    assert "tabla de páginas del invitado" in words and "tabla de páginas sombra" in words
    assert "satp del invitado" in words and "raíz de la tabla sombra" in words
    assert "memoria" in words and "…" not in words


def test_a_stale_shadow_ends_in_a_box_of_its_own(guest, shadow):
    stale = chain(guest, shadow, hpa=HPA + 0x1000)
    assert stale.stale and not chain(guest, shadow).stale
    assert repr(stale).endswith(f"the shadow leads elsewhere, to HPA {HPA:#x}")
    drawn = chain_picture(stale)
    check(drawn)
    boxes = [words for words in all_text(drawn) if words in ("HPA", f"{HPA:#x}", f"{HPA + 0x1000:#x}")]
    assert sorted(boxes) == sorted(["HPA", "HPA", f"{HPA:#x}", f"{HPA + 0x1000:#x}"])


@given(
    st.integers(0, (1 << 64) - 1),
    st.integers(0, (1 << 56) - 1),
    st.sampled_from(("memory", "uart", "nothing")),
)
def test_where_the_vm_is_a_process_its_address_there_stands_between(hva, hpa, place):
    guest, shadow = PageTable(), PageTable()
    guest.map(GVA & ~0xFFF, GPA & ~0xFFF, "RWU")
    shadow.map(GVA & ~0xFFF, HPA & ~0xFFF, "RU")
    plain = chain_picture(chain(guest, shadow, hpa=hpa, place=place))
    picture = chain_picture(chain(guest, shadow, hpa=hpa, place=place, hva=hva))
    check(picture)
    assert picture.width > plain.width
    shown = all_text(picture)
    assert [words for words in shown if words in ("GVA", "GPA", "HVA")] == ["GVA", "GPA", "HVA"]
    assert f"{hva:#x}" in shown
    assert "HVA" not in all_text(plain)


def test_on_a_host_the_chain_goes_through_the_vms_process():
    host = hosted().host
    vm = host.vms[0]
    drawn = chain_picture(vm.chain(0x4000_0000, "fetch"))
    check(drawn)
    shown = all_text(drawn)
    gpa, hva, hpa = (int(shown[shown.index(kind) + 1], 16) for kind in ("GPA", "HVA", "HPA"))
    assert host.process_of(vm).address_of(gpa) == hva
    assert host.process_of(vm).walk(hva).physical == hpa
    assert f"+ {hva - gpa:#x}" in shown
