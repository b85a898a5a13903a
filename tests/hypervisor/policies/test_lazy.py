from tests.hypervisor.policies.setting import ran
from vlab.events import ShadowFill, ShadowFlush


def test_each_page_is_filled_when_it_is_needed_and_once():
    _built, run = ran("ld s4, (t0)\nld s5, 8(t0)\nld s6, 16(t0)", "lazy")
    assert [fill.access for fill in run.only(ShadowFill) if fill.gva >> 12 == 0x40200] == ["load"]


def test_a_fence_of_all_drops_the_roots_that_are_not_loaded_too():
    body = "ld s4, (t0)\ncsrr s5, satp\ncsrw satp, x0\nsfence.vma\ncsrw satp, s5\nld s6, (t0)"
    _built, run = ran(body, "lazy")
    assert len([fill for fill in run.only(ShadowFill) if fill.gva >> 12 == 0x40200]) == 2
    assert "satp written" not in [flush.reason for flush in run.only(ShadowFlush)]


def test_a_table_write_is_nothing_special():
    built, _run = ran("ld s4, (t0)\nsd t1, 8(t3)\nsd t1, 16(t3)\nsfence.vma", "lazy")
    assert built.vms[-1].exits["page-table write"] == 0
