"""Device trees: what is in ours, that other tools read it, and that nobody else's can do harm."""

import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.machine import Machine
from vlab.machine.bus import Bus
from vlab.machine.devices import Clint, Finisher, Uart, VirtioConsole
from vlab.machine.devicetree import device_tree, with_bootargs
from vlab.riscv import assemble

RAM = 0x8000_0000
SIZE = 64 << 20


def tree(bootargs="", base=RAM, size=SIZE):
    bus = Bus()
    bus.attach(0x1000_0000, Uart())
    bus.attach(0x200_0000, Clint(lambda: 0))
    bus.attach(0x10_0000, Finisher())
    return device_tree(base, size, bootargs, bus.devices)


def read(dtb):
    """A tree as {path: {property: bytes}}, by a reader that shares nothing with the writer."""
    words = [int.from_bytes(dtb[at : at + 4], "big") for at in range(0, 40, 4)]
    assert (words[0], words[1], words[5:7]) == (0xD00D_FEED, len(dtb), [17, 16])
    at, strings = words[2], dtb[words[3] :]
    nodes: dict[str, dict[str, bytes]] = {}
    path: list[str] = []
    while (token := int.from_bytes(dtb[at : at + 4], "big")) != 9:
        at += 4
        if token == 1:
            name = dtb[at : dtb.index(0, at)].decode()
            path.append(name)
            nodes["/".join(path) or "/"] = {}
            at += len(name) // 4 * 4 + 4
        elif token == 2:
            path.pop()
        else:
            size, name_at = (int.from_bytes(dtb[at + n : at + n + 4], "big") for n in (0, 4))
            value = dtb[at + 8 : at + 8 + size]
            nodes["/".join(path) or "/"][strings[name_at : strings.index(0, name_at)].decode()] = value
            at += 8 + (size + 3) // 4 * 4
    assert at + 4 == words[2] + words[9]
    return nodes


def cells(*values):
    return b"".join(value.to_bytes(4, "big") for value in values)


def dtc(dtb, tmp_path, *options):
    path = tmp_path / "tree.dtb"
    path.write_bytes(dtb)
    return subprocess.run(
        ["dtc", "-I", "dtb", "-O", "dts", *options, str(path)], capture_output=True, text=True, timeout=20
    )


def test_it_describes_the_computer():
    nodes = read(tree())
    assert nodes["/memory@80000000"] == {"device_type": b"memory\0", "reg": cells(0, RAM, 0, SIZE)}
    assert nodes["/cpus"]["timebase-frequency"] == cells(10_000_000)
    cpu = nodes["/cpus/cpu@0"]
    assert cpu["riscv,isa"] == b"rv64ima_zicsr_zifencei_sstc\0"
    assert cpu["mmu-type"] == b"riscv,sv39\0"
    assert nodes["/soc/serial@10000000"] == {
        "reg": cells(0, 0x1000_0000, 0, 0x100),
        "compatible": b"ns16550a\0",
        "clock-frequency": cells(3_686_400),
    }
    assert nodes["/soc/clint@2000000"]["reg"] == cells(0, 0x200_0000, 0, 0x1_0000)
    assert nodes["/soc/test@100000"]["compatible"] == b"sifive,test1\0sifive,test0\0syscon\0"
    assert nodes["/chosen"] == {"stdout-path": b"/soc/serial@10000000\0"}


def test_phandles_lead_where_they_should():
    nodes = read(tree())
    assert nodes["/cpus/cpu@0/interrupt-controller"]["phandle"] == cells(1)
    assert nodes["/soc/clint@2000000"]["interrupts-extended"] == cells(1, 3, 1, 7)
    assert nodes["/soc/test@100000"]["phandle"] == cells(2)
    assert nodes["/poweroff"]["regmap"] == nodes["/reboot"]["regmap"] == cells(2)
    assert nodes["/poweroff"]["value"] == cells(0x5555)


def test_large_memory_takes_both_cells():
    assert read(tree(base=1 << 32, size=3 << 32))["/memory@100000000"]["reg"] == cells(1, 0, 3, 0)


def test_the_same_computer_has_the_same_bytes():
    first = tree("quiet")
    assert tree("quiet") == first
    assert read(first)["/chosen"]["bootargs"] == b"quiet\0"


def test_what_is_not_there_is_not_described():
    nodes = read(device_tree(RAM, SIZE))
    assert set(nodes) == {"/", "/chosen", "/memory@80000000", "/cpus", "/cpus/cpu@0", "/soc"} | {
        "/cpus/cpu@0/interrupt-controller"
    }


def test_a_device_without_a_name_for_kernels_is_left_out():
    class Lamp(Uart):
        name, node = "lamp", ""

    assert b"lamp" not in device_tree(RAM, SIZE, "", {"lamp": (0x1001_0000, Lamp())})


@pytest.mark.requires("dtc")
@pytest.mark.parametrize("bootargs", ["", "console=ttyS0 root=/dev/vda"])
def test_dtc_finds_nothing_wrong(bootargs, tmp_path):
    result = dtc(tree(bootargs), tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert 'stdout-path = "/soc/serial@10000000";' in result.stdout
    assert (f'bootargs = "{bootargs}";' in result.stdout) == bool(bootargs)


def whole():
    """The tree of a whole computer, with a console in the second slot and a device of a reader's own."""

    class Lamp(Uart):
        name, node, properties = "lamp", "lamp", {"compatible": "example,lamp"}

    machine = Machine(memory="16M", devices=[Lamp(), VirtioConsole()])
    machine.load(assemble("j ."))
    place = machine.hart.x[11]
    size = int.from_bytes(machine.memory.peek(place + 4, 4), "big")
    return machine.memory.peek(place, size)


def test_interrupts_lead_to_the_controller_and_from_it_to_the_hart():
    nodes = read(whole())
    plic = nodes["/soc/interrupt-controller@c000000"]
    assert plic["interrupts-extended"] == cells(1, 11, 1, 9)
    assert plic["riscv,ndev"] == cells(31)
    assert nodes["/soc"]["interrupt-parent"] == plic["phandle"] == cells(3)
    assert nodes["/soc/serial@10000000"]["interrupts"] == cells(10)
    assert nodes["/soc/virtio@10002000"] == {
        "reg": cells(0, 0x1000_2000, 0, 0x1000),
        "compatible": b"virtio,mmio\0",
        "dma-coherent": b"",
        "interrupts": cells(2),
    }
    assert nodes["/soc/lamp@10001000"]["compatible"] == b"example,lamp\0"
    assert nodes["/chosen"]["stdout-path"] == b"/soc/serial@10000000\0"


@pytest.mark.requires("dtc")
def test_dtc_finds_nothing_wrong_with_a_whole_computer(tmp_path):
    result = dtc(whole(), tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert "virtio@10002000" in result.stdout


@pytest.mark.requires("dtc")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/ { };", "/ { chosen { NEW; }; };"),
        ("/ { a = <1>; b { }; };", "/ { a = <1>; b { }; chosen { NEW; }; };"),
        ("/ { chosen { z = [010203]; deeper { }; }; };", "/ { chosen { z = [010203]; NEW; deeper { }; }; };"),
        ('/ { chosen { bootargs = "old"; linux,x; }; };', "/ { chosen { NEW; linux,x; }; };"),
        ("/ { xbootargs; chosen { }; };", "/ { xbootargs; chosen { NEW; }; };"),
        (
            '/memreserve/ 0x80000000 0x1000; / { a { chosen { bootargs = "other"; }; }; };',
            '/memreserve/ 0x80000000 0x1000; / { a { chosen { bootargs = "other"; }; }; chosen { NEW; }; };',
        ),
    ],
)
def test_arguments_are_written_into_any_tree_and_nothing_else_changes(before, after, tmp_path):
    def compiled(source):
        path = tmp_path / "tree.dts"
        path.write_text("/dts-v1/; " + source.replace("NEW", r'bootargs = "ro \"quoted\""'))
        return subprocess.run(
            ["dtc", "-O", "dtb", str(path)], capture_output=True, check=True, timeout=20
        ).stdout

    edited = dtc(with_bootargs(compiled(before), 'ro "quoted"'), tmp_path, "-s")
    assert edited.returncode == 0
    assert edited.stdout == dtc(compiled(after), tmp_path, "-s").stdout


def test_arguments_replace_the_old_ones():
    once = with_bootargs(tree("first and longer"), "second")
    assert read(once)["/chosen"]["bootargs"] == b"second\0"
    assert once == with_bootargs(tree("x"), "second")
    assert len(once) < len(tree("first and longer"))
    assert with_bootargs(once, "") == once


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_arguments_that_no_kernel_can_get_are_refused(text):
    with pytest.raises(VlabError, match="device tree"):
        with_bootargs(tree(), text)


@pytest.mark.parametrize("text", ["", "quiet"])
@pytest.mark.parametrize("dtb", [b"", b"\x7fELF", bytes(100), b"\xd0\x0d\xfe\xed", bytes(3 << 20)])
def test_what_is_no_tree_is_refused(dtb, text):
    with pytest.raises(VlabError, match="device tree"):
        with_bootargs(dtb, text)


def test_a_tree_cut_off_anywhere_is_refused():
    whole = tree("quiet")
    for length in range(len(whole)):
        with pytest.raises(VlabError):
            with_bootargs(whole[:length], "new")


@given(
    st.lists(st.tuples(st.integers(0, len(tree("quiet")) - 1), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_a_damaged_tree_is_refused_or_edited(flips):
    damaged = bytearray(tree("quiet"))
    for place, byte in flips:
        damaged[place] = byte
    try:
        edited = with_bootargs(bytes(damaged), "new")
    except VlabError:
        return
    assert len(edited) < len(damaged) + 100
    assert b"new\0" in edited


def assembled(structure, strings):
    """A tree whose header is right, with whatever else."""
    at = 56  # after the header and an empty list of reserved memory
    total = at + len(structure) + len(strings)
    fields = (total, at, at + len(structure), 40, 17, 16, 0, len(strings), len(structure))
    return struct.pack(">10I", 0xD00D_FEED, *fields) + bytes(16) + structure + strings


TOKEN = st.sampled_from([1, 2, 3, 4, 9]).map(lambda token: token.to_bytes(4, "big"))
NAME = st.sampled_from([b"\0\0\0\0", b"chosen\0\0", b"\0\0\0\4\0\0\0\0old\0"])


@given(st.lists(TOKEN | NAME | st.binary(max_size=9)), st.binary(max_size=40) | st.just(b"bootargs\0"))
def test_no_structure_does_harm(parts, strings):
    try:
        edited = with_bootargs(assembled(b"".join(parts), strings), "new")
    except VlabError:
        return
    assert with_bootargs(edited, "new") == edited


BEGIN, END_NODE, PROP, END = (cells(token) for token in (1, 2, 3, 9))
ROOT, CHOSEN = BEGIN + bytes(4), BEGIN + b"chosen\0\0"


@pytest.mark.parametrize(
    "structure",
    [
        b"",
        END,
        ROOT + END,
        ROOT + CHOSEN + END,
        ROOT + CHOSEN + END_NODE + END,
        ROOT + END_NODE,
        ROOT + END_NODE + END_NODE + END,
        ROOT + END_NODE + ROOT + END_NODE + END,
        ROOT + cells(5) + END_NODE + END,
        ROOT + PROP + cells(100, 0) + END_NODE + END,
        ROOT + BEGIN + b"endless",
    ],
)
def test_what_is_not_one_well_nested_tree_is_refused(structure):
    read(with_bootargs(assembled(ROOT + CHOSEN + END_NODE * 2 + END, b""), "new"))
    with pytest.raises(VlabError):
        with_bootargs(assembled(structure, b"bootargs\0"), "new")


def test_an_endless_list_of_reserved_memory_is_refused():
    whole = bytearray(assembled(ROOT + END_NODE + END, b"x" * 1000))
    whole[16:20] = cells(len(whole) - 500)
    with pytest.raises(VlabError):
        with_bootargs(bytes(whole), "new")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("token", [b"\0\0\0\1a\0\0\0", b"\0\0\0\4", b"\0\0\0\3\0\0\0\0\0\0\0\0"])
def test_the_largest_hostile_trees_take_no_time(token):
    """Nested as deep as can be, nothing but padding, and properties that all have one enormous name."""
    structure = token * ((1 << 20) // len(token))
    with pytest.raises(VlabError):
        with_bootargs(assembled(structure, b"x" * (1 << 19)), "new")
