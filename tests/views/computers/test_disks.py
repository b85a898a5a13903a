from hypothesis import given, settings
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab.machine.disks import BLOCK, SECTOR, Disk
from vlab.views import picture_of
from vlab.views.computers.disks import MOST, MOST_CELLS


def hatched(picture):
    """How many cells are filled, the legend's not counted."""
    return sum(picture.svg.count(f'class="f-{who}"') for who in ("kernel", "machine")) - 1


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 2000),
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 1 << 20), st.integers(0, 1 << 20), st.text()), max_size=12
    ),
)
def test_any_chain_fits(sectors, moves):
    disk = Disk(sectors * SECTOR)
    for piece, first, length, name in moves:
        if piece:
            first = first % disk.sectors // 8 * 8
            disk = disk.extent(first, min(8 + length // 8 * 8, disk.sectors - first), name=name, overlap=True)
        else:
            disk = disk.overlay(name)
            disk.write(first % disk.sectors, b"x" * SECTOR)
    picture = picture_of(disk)
    check(picture)
    assert picture.sentence == repr(disk)
    rest = len(moves) + 1 - MOST
    assert (f"… and {rest} more below" in all_text(picture)) == (rest > 0)


def test_a_chain_shows_the_blocks_that_each_has_itself():
    base = Disk("64K")
    base.write(0, b"x" * 2 * BLOCK)
    overlay = base.overlay("mine")
    overlay.write(0, b"y" * SECTOR)
    picture = picture_of(overlay)
    assert hatched(picture) == 3
    texts = all_text(picture)
    assert texts.index("mine") < texts.index("a version of disk") < texts.index("disk")
    assert "64 KiB, blocks that differ: 1" in texts


def test_an_extent_is_framed_in_its_base():
    picture = picture_of(Disk("64K").extent(32, 32, name="ana"))
    assert "sectors 32 to 63 of disk" in all_text(picture)
    assert picture.svg.count("l-kernel thick") == 1
    assert "l-kernel thick" not in picture_of(Disk("64K").overlay()).svg


def test_a_file_stands_under_its_disk(tmp_path):
    path = tmp_path / "system.img"
    path.write_bytes(b"x" * BLOCK)
    picture = picture_of(Disk.open(path))
    check(picture)
    assert "the file system.img" in all_text(picture)


def test_cells_of_a_large_disk_are_several_blocks():
    disk = Disk("16M")
    disk.write(0, b"x" * 100 * BLOCK)
    picture = picture_of(disk)
    assert hatched(picture) == 2 == -(-100 * MOST_CELLS // 4096)
    assert "one cell: 256 KiB" in all_text(picture)
