"""The guest that counts its boots is right by another's judgement too: QEMU's virtio disk."""

from pathlib import Path

import pytest

from tests.guests.gnu import boot, build
from vlab import Machine, guests
from vlab.machine.devices import VirtioBlock
from vlab.machine.disks import Disk


@pytest.mark.requires("binutils", "qemu")
def test_qemu_and_the_machine_count_on_the_same_disk(tmp_path: Path) -> None:
    elf, image = build(tmp_path, "disk"), tmp_path / "disk.img"
    image.write_bytes(b"both of ours".ljust(1 << 16, b"\0"))
    drive = ["-drive", f"file={image},if=none,format=raw,id=d", "-device"]
    drive += ["virtio-blk-device,drive=d,bus=virtio-mmio-bus.0", "-global", "virtio-mmio.force-legacy=false"]
    for count in (1, 3):
        assert boot(elf, *drive) == (0, f"disk: both of ours\nboot {count}\n")
        disk = Disk.open(image)
        machine = Machine(guests.load("disk"), memory="1M", devices=[VirtioBlock(disk)])
        machine.run(10_000)
        assert machine.console == f"disk: both of ours\nboot {count + 1}\n"
        disk.commit()


@pytest.mark.requires("binutils", "qemu")
def test_qemu_without_a_disk(tmp_path: Path) -> None:
    assert boot(build(tmp_path, "disk")) == (1, "There is no disk.\n")


def test_the_chapters() -> None:
    for number, text in enumerate(guests.files("disk").values(), 1):
        assert text.startswith(f"# Boot counter, {number} of 4: ")
