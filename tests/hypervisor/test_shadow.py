from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlab.hypervisor.frames import FramePool
from vlab.hypervisor.guestmemory import GuestMemory
from vlab.hypervisor.policies import Lazy
from vlab.hypervisor.shadow import View
from vlab.language import VlabError
from vlab.machine.memory import PAGE, RAM_BASE, Memory
from vlab.machine.mmu import Found, Key
from vlab.machine.pmp import R, W, X
from vlab.machine.snapshot import Checker
from vlab.paging import PageTable, parse_satp
from vlab.riscv import Access, Mode

GUEST_FRAMES = [0x80000 + n for n in (3, 9, 4, 11)]
POOL = [0x80000 + n for n in range(16, 28)]
USER, KERNEL = View(Key(Mode.U, paged=True), 8 << 60 | 1), View(Key(Mode.S, paged=True), 8 << 60 | 1)
UNPAGED = View(Key(Mode.M), 0)
LARGE = 2 << 20


class Setting:
    """Shadow tables, and lists of what was entered and what was dropped."""

    def __init__(self, pool=POOL):
        self.host = Memory(32 * PAGE)
        self.memory = GuestMemory(self.host, GUEST_FRAMES)
        self.frames = FramePool(self.host, pool)
        self.told: list[Any] = []
        self.shadows = Lazy(self.host, self.memory, self.frames, self)

    def look(self, gva, access):
        raise AssertionError("a lazy shadow does not look ahead")

    def entered(self, gva, found, flags, access, *, before):
        self.before = before

    def dropped(self, *what):
        self.told.append(what)

    def fill(self, view, gva, page, rights=R | W | X, span=PAGE):
        found = Found(RAM_BASE + page * PAGE + gva % PAGE, rights, True, span)
        return self.shadows.fill(view, gva, found, "load"), self.before

    def reached(self, view, gva, access=Access.LOAD):
        walk = self.shadows.walk(view, gva, access)
        return None if walk is None else walk.physical


@pytest.fixture
def setting():
    return Setting()


def test_an_entry_leads_straight_to_the_hosts_frame(setting):
    assert setting.reached(USER, 0x1234) is None
    flags, before = setting.fill(USER, 0x1234, 2)
    assert (str(flags), before) == ("DA-UXWRV", False)
    assert setting.reached(USER, 0x1FFF) == 0x80004 * PAGE + 0xFFF
    assert setting.reached(KERNEL, 0x1FFF) is None
    assert setting.fill(USER, 0x1FF8, 2) == (flags, True)


@pytest.mark.parametrize(
    ("rights", "flags"), [(R, "DA-U--RV"), (R | W, "DA-U-WRV"), (X, "DA-UX--V"), (R | X, "DA-UX-RV")]
)
def test_the_entry_has_the_rights_that_were_found(setting, rights, flags):
    assert str(setting.fill(USER, 0, 0, rights)[0]) == flags


def test_each_view_has_a_table_of_its_own(setting):
    satps = {setting.shadows.satp(view) for view in (USER, KERNEL, UNPAGED, USER)}
    assert len(satps) == 3
    assert {parse_satp(satp).root // PAGE for satp in satps} <= set(POOL)


def test_a_page_is_dropped_from_every_view_and_its_neighbours_stay(setting):
    for view in (USER, KERNEL, UNPAGED):
        setting.fill(view, 0x5000, 0)
        setting.fill(view, 0x6000, 1)
    setting.shadows.drop_page("why", 0x5FFF)
    assert setting.told == [("why", 2, 0x5000)]
    assert [setting.reached(view, 0x5000) for view in (USER, KERNEL)] == [None, None]
    assert None not in [setting.reached(view, 0x6000) for view in (USER, KERNEL)]
    assert setting.reached(UNPAGED, 0x5000) is not None  # a fence is about page tables


def test_a_large_page_is_dropped_with_all_its_parts(setting):
    setting.fill(USER, 0x201000, 0, span=LARGE)
    setting.fill(USER, 0x3FF000, 1, span=LARGE)
    setting.fill(USER, 0x400000, 2, span=LARGE)
    setting.fill(USER, 0x1FF000, 3)
    setting.shadows.drop_page("why", 0x300000)
    assert setting.told == [("why", 2, None)]
    assert [setting.reached(USER, gva) is None for gva in (0x201000, 0x3FF000, 0x400000, 0x1FF000)] == [
        True,
        True,
        False,
        False,
    ]


def test_a_frame_is_dropped_wherever_it_is_shown_and_others_are_not_asked(setting, monkeypatch):
    for page in range(5, 25):
        setting.fill(USER, page * PAGE, page % 2)
    setting.fill(KERNEL, 0x5000, 3)
    setting.fill(UNPAGED, 0x7000, 3)
    setting.fill(KERNEL, 0x6000, 3)
    setting.shadows.drop_page("before", 0x6000)
    find, asked = PageTable.find, set()

    def seen(table, at):
        asked.add(at)
        return find(table, at)

    monkeypatch.setattr(PageTable, "find", seen)
    setting.shadows.drop_frame("why", GUEST_FRAMES[3])
    assert setting.told[1:] == [("why", 2, None)]
    assert asked == {0x5000, 0x7000}
    assert [setting.reached(view, 0x5000) is None for view in (KERNEL, USER)] == [True, False]


def test_a_page_that_leads_elsewhere_now_stays(setting):
    """As part of a larger page of the guest's: it hasn't fenced the small one."""
    setting.fill(USER, 0x201000, 0)
    setting.fill(USER, 0x201000, 1, span=LARGE)
    setting.shadows.drop_frame("why", GUEST_FRAMES[0])
    assert setting.reached(USER, 0x201000) == GUEST_FRAMES[1] * PAGE


def test_dropping_what_is_not_there_tells_nobody(setting):
    setting.shadows.drop_page("why", 0x5000)
    setting.shadows.drop_all("why")
    setting.fill(USER, 0x5000, 0)
    setting.shadows.drop_page("why", 0x6000)
    assert setting.told == []


def test_dropping_all_gives_all_frames_back_zeroed(setting):
    for view in (USER, KERNEL):
        for page in range(4):
            setting.fill(view, page << 21, page)
    setting.shadows.drop_all("why")
    assert setting.told == [("why", 8, None)]
    assert sorted(setting.frames.free) == POOL
    assert {setting.host.peek(frame * PAGE, PAGE) for frame in POOL} == {bytes(PAGE)}


def test_when_the_frames_are_used_up_all_is_dropped_and_filled_anew(setting):
    for gva in range(0, 40 << 30, 1 << 30):
        setting.fill(USER, gva, 0)
        assert setting.reached(USER, gva) == 0x80003 * PAGE
    assert {reason for reason, _entries, _address in setting.told} == {"no frame left"}
    for root in range(40):
        setting.shadows.satp(View(Key(Mode.U, paged=True), root))


def test_tables_in_ruins_are_dropped_and_built_anew(setting):
    setting.fill(USER, 0x5000, 0)
    for ruin in (0, 1 | 0xFFFFFF << 10, 0x12345 << 10 | 0xF, (1 << 64) - 1, 0x80010 << 10 | 1):
        for frame in set(POOL) - set(setting.frames.free):
            setting.host.poke(frame * PAGE, ruin.to_bytes(8, "little") * (PAGE // 8))
        setting.shadows.drop_page("why", 0x5000)
        setting.shadows.walk(USER, 0x5000, Access.LOAD)
        setting.fill(USER, 0x5000, 1)
        setting.fill(USER, 0x5000, 2)
        assert setting.reached(USER, 0x5000) == 0x80004 * PAGE or ruin == 0x80010 << 10 | 1


def test_an_entry_that_leads_elsewhere_is_never_written(setting):
    setting.memory.frames[1] = 0x80010  # somebody meddles with the frames
    with pytest.raises(AssertionError, match="the guest's own memory"):
        setting.fill(USER, 0x5000, 1)


fills = st.tuples(st.sampled_from((USER, KERNEL, UNPAGED)), st.integers(0, 20), st.integers(0, 3))


@given(st.lists(fills | st.integers(0, 20) | st.sampled_from(GUEST_FRAMES), max_size=30))
@settings(max_examples=60)
def test_it_never_has_more_than_was_filled_and_not_dropped(story):
    frames = [0x80000 + n for n in range(12, 32)]
    setting = Setting(frames)
    model: dict[Any, tuple[int, int, int]] = {}
    for act in story:
        if act in GUEST_FRAMES:
            setting.shadows.restore(Checker(setting.shadows.state()), frames)  # the same ones, found again
            setting.shadows.drop_frame("", act)
            model = {key: value for key, value in model.items() if value[0] != act * PAGE}
        elif isinstance(act, int):
            gva = act << 18
            setting.shadows.drop_page("", gva)
            model = {
                (view, page): value
                for (view, page), value in model.items()
                if not (view.key.paged and value[1] & -value[2] == gva & -value[2])
            }
        else:
            view, place, frame = act
            gva, span = place << 18, LARGE if place > 7 else PAGE
            setting.fill(view, gva, frame, span=span)
            model[view, gva] = (GUEST_FRAMES[frame] * PAGE, gva, span)
        for view in (USER, KERNEL, UNPAGED):
            for place in range(21):
                known = model.get((view, place << 18))
                assert setting.reached(view, place << 18) == (known and known[0])
        used = sum(1 + len(shadow.table.tables) for shadow in setting.shadows.shadows.values())
        assert len(setting.frames.free) + used == 20


def test_it_is_saved_and_restored(setting):
    for gva in (0x5000, 0x201000, 0x7FFFFFF000):
        setting.fill(USER, gva & 0x3FFFFFFFFF, 1)
        setting.fill(KERNEL, gva & 0x3FFFFFFFFF, 2, R, LARGE)
    state = setting.shadows.state()
    other = Setting()
    other.host.set_pages(setting.host.pages())
    other.shadows.restore(Checker(state), POOL)
    assert other.shadows.state() == state
    for one in (setting, other):
        one.shadows.drop_page("why", 0x5000)
        one.fill(USER, 0x9000, 3)
    assert other.shadows.state() == setting.shadows.state()
    assert other.host.pages() == setting.host.pages()


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state["free"].append(0x80000),
        lambda state: state["free"].pop(),
        lambda state: state["shadows"][0]["tables"].append(POOL[0] * PAGE),
        lambda state: state["shadows"][0]["tables"].__setitem__(0, state["shadows"][0]["tables"][0] + 8),
        lambda state: state["shadows"][0]["tables"].clear(),
        lambda state: state["shadows"][0].update(mode=2),
        lambda state: state["shadows"][0].update(paged=1),
        lambda state: state["shadows"][0].pop("root"),
        lambda state: state["shadows"][0]["filled"].append([1, 2]),
        lambda state: state["shadows"][0]["filled"].append([1, 2, 3]),
        lambda state: state["shadows"][0]["filled"].append(7),
        lambda state: state.update(shadows=3),
    ],
)
def test_a_damaged_state_is_refused(setting, damage):
    setting.fill(USER, 0x5000, 1)
    before = setting.shadows.state()
    damaged = setting.shadows.state()
    damage(damaged)
    with pytest.raises(VlabError):
        setting.shadows.restore(Checker(damaged), POOL)
    assert setting.shadows.state() == before
