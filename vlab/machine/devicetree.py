"""The device tree: what firmware and kernels read to know the computer (Devicetree Specification 0.4).

`device_tree` describes a computer of ours; `with_bootargs` writes a kernel's arguments into any tree.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from vlab.language import VlabError, _
from vlab.machine.bus import Device, Phandle

ISA = "rv64ima{more}_zicsr_zifencei_sstc"  # with single letters of what a computer has beyond this
TIMEBASE = 10_000_000  # how many counts of mtime software is to take for a second

# A node: its properties and, as dicts, its children. None is a property without a value.
Node = dict[str, Any]


def device_tree(
    memory_base: int,
    memory_size: int,
    bootargs: str = "",
    devices: Mapping[str, tuple[int, Device]] | None = None,
    interrupts: Mapping[str, int] | None = None,
    extensions: str = "",
) -> bytes:
    """The flattened tree of a computer with one hart, this RAM, and the devices of a bus (`bus.devices`).

    What it says of a device is in the device's class: `node` (a name) and `properties`; one without is left
    out. `interrupts` are the sources of those with a pin, by name; `extensions` what the hart has beyond RV64IMA
    ("H"). The same arguments give the same bytes.
    VlabError if `bootargs` has a character that it can't hold.
    """
    names = bytearray()
    letters, _underscore, named = extensions.lower().partition("_")
    isa = ISA.format(more=letters) + "".join(f"_{name}" for name in ("svade", "svadu") if name in named)
    tree = _computer(memory_base, memory_size, bootargs, devices or {}, interrupts or {}, isa)
    if "sv48" in named:
        tree["cpus"]["cpu@0"]["mmu-type"] = "riscv,sv48"
    nodes = _node("", tree, names) + struct.pack(">I", _END)
    return _assembled(0, bytes(16), nodes, bytes(names))


def _computer(
    base: int,
    size: int,
    bootargs: str,
    devices: Mapping[str, tuple[int, Device]],
    interrupts: Mapping[str, int],
    isa: str,
) -> Node:
    """The root node, for RAM of `size` bytes at `base`."""
    chosen: Node = {"bootargs": bootargs} if bootargs else {}
    soc: Node = {"#address-cells": 2, "#size-cells": 2, "compatible": "simple-bus", "ranges": None}
    root: Node = {
        "#address-cells": 2,
        "#size-cells": 2,
        "compatible": "vlab,computer",
        "model": "vlab computer",
        "chosen": chosen,
        f"memory@{base:x}": {"device_type": "memory", "reg": _place(base, size)},
        "cpus": _cpus(isa),
        "soc": soc,
    }
    for name, (place, device) in devices.items():
        kind = getattr(device, "node", "")
        if not kind:
            continue
        properties: Node = {"reg": _place(place, device.size), **getattr(device, "properties", {})}
        if name in interrupts:
            properties["interrupts"] = interrupts[name]
        soc[f"{kind}@{place:x}"] = properties
        if kind == "serial":
            chosen["stdout-path"] = f"/soc/{kind}@{place:x}"
        if properties.get("phandle") == Phandle.PLIC:
            soc["interrupt-parent"] = Phandle.PLIC
        if properties.get("phandle") == Phandle.FINISHER:
            root["poweroff"] = _system_control("syscon-poweroff", 0x5555)
            root["reboot"] = _system_control("syscon-reboot", 0x7777)
    return root


def _cpus(isa: str) -> Node:
    """The one hart, and its own interrupt controller: `mip` and `mie`, to which the CLINT's lines go."""
    controller = {
        "compatible": "riscv,cpu-intc",
        "interrupt-controller": None,
        "#address-cells": 0,
        "#interrupt-cells": 1,
        "phandle": Phandle.HART,
    }
    hart = {
        "device_type": "cpu",
        "reg": 0,
        "status": "okay",
        "compatible": "riscv",
        "riscv,isa": isa,
        "mmu-type": "riscv,sv39",
        "interrupt-controller": controller,
    }
    return {"#address-cells": 1, "#size-cells": 0, "timebase-frequency": TIMEBASE, "cpu@0": hart}


def _system_control(compatible: str, value: int) -> Node:
    """How to end the run: which value to store into the finisher."""
    return {"compatible": compatible, "regmap": Phandle.FINISHER, "offset": 0, "value": value}


def _place(base: int, size: int) -> list[int]:
    """A `reg` value: address and size, each as two 32-bit cells."""
    return [part for number in (base, size) for part in (number >> 32, number & 0xFFFF_FFFF)]


# Writing the tree down: Devicetree Specification, "Flattened Devicetree (DTB) Format".

_MAGIC, _VERSION = 0xD00D_FEED, 17
_HEADER = struct.Struct(">10I")
_BEGIN_NODE, _END_NODE, _PROP, _NOP, _END = 1, 2, 3, 4, 9


def _node(name: str, node: Node, names: bytearray) -> bytes:
    """The tokens of a node: its properties, then its children. Their names are collected in `names`."""
    tokens = [struct.pack(">I", _BEGIN_NODE) + _padded(_string(name))]
    tokens += [_property(key, value, names) for key, value in node.items() if not isinstance(value, dict)]
    tokens += [_node(key, child, names) for key, child in node.items() if isinstance(child, dict)]
    return b"".join(tokens) + struct.pack(">I", _END_NODE)


def _property(name: str, value: object, names: bytearray) -> bytes:
    content = _content(value)
    return struct.pack(">3I", _PROP, len(content), _offset_of(name, names)) + _padded(content)


def _content(value: object) -> bytes:
    """A property's value as bytes: 32-bit cells, strings, a list of such, or nothing."""
    match value:
        case int():
            return struct.pack(">I", value)
        case str():
            return _string(value)
        case list():
            return b"".join(_content(part) for part in value)
    return b""


def _offset_of(name: str, names: bytearray) -> int:
    """Where the block of strings has a property's name; it is added if it isn't there."""
    wanted = name.encode() + b"\0"
    at = names.find(wanted)
    if at < 0:
        at = len(names)
        names += wanted
    return at


def _string(text: str) -> bytes:
    """Text as a property's value."""
    try:
        value = text.encode()
    except UnicodeEncodeError:
        value = b"\0"
    if 0 in value:
        raise VlabError(
            _("Boot arguments can't have this character: {text!r}.").format(text=text),
            where=_("device tree"),
            mend=_("Leave it out."),
        )
    return value + b"\0"


def _padded(value: bytes) -> bytes:
    """To a multiple of four bytes."""
    return value + bytes(-len(value) % 4)


def _assembled(boot_cpu: int, reserved: bytes, nodes: bytes, names: bytes) -> bytes:
    """The blocks as one blob, in the order that the specification asks for."""
    nodes_at = _HEADER.size + len(reserved)
    names_at = nodes_at + len(nodes)
    total = names_at + len(names)
    offsets = (nodes_at, names_at, _HEADER.size)
    header = _HEADER.pack(_MAGIC, total, *offsets, _VERSION, _VERSION - 1, boot_cpu, len(names), len(nodes))
    return header + reserved + nodes + names


# Editing a tree that somebody else made. It may be damaged or hostile, and what we don't know in it must stay
# as it is. So its tokens are read once, and the one property is written among them.

_LARGEST = 2 << 20  # Linux takes no larger ones


def with_bootargs(dtb: bytes, text: str) -> bytes:
    """The flattened tree `dtb` with `text` as its boot arguments (`/chosen`, `bootargs`), in place of others.

    Without any text the tree is checked, and stays as it is.

    VlabError if `dtb` isn't a device tree, is damaged or over 2 MiB, or `text` has a character it can't hold.
    """
    if len(dtb) > _LARGEST:
        raise _bad(_("The file is larger than 2 MiB."))
    try:
        boot_cpu, reserved, nodes, names = _blocks(dtb)
        start, end, before, after = _bootargs_place(nodes, names)
    except (struct.error, ValueError):
        raise _bad(_("This isn't a device tree, or it is damaged.")) from None
    if not text:
        return dtb
    collected = bytearray(names)
    edited = nodes[:start] + before + _property("bootargs", text, collected) + after + nodes[end:]
    return _assembled(boot_cpu, reserved, edited, bytes(collected))


def _bad(what: str) -> VlabError:
    return VlabError(what, where=_("device tree"), mend=_("Give a file that dtc -O dtb made."))


def _blocks(dtb: bytes) -> tuple[int, bytes, bytes, bytes]:
    """The boot hart, and the three blocks: memory reservations, structure, strings. ValueError if damaged."""
    magic, total, nodes_at, names_at, reserved_at, version, compatible, boot_cpu, names_size, nodes_size = (
        _HEADER.unpack_from(dtb)
    )
    if magic != _MAGIC or version < _VERSION or compatible > _VERSION or total > len(dtb):
        raise ValueError
    if nodes_at + nodes_size > total or names_at + names_size > total:
        raise ValueError
    reserved_end = reserved_at
    while dtb[reserved_end : reserved_end + 16] != bytes(16):
        reserved_end += 16
        if reserved_end > total:
            raise ValueError
    reserved = dtb[reserved_at : reserved_end + 16]
    return boot_cpu, reserved, dtb[nodes_at : nodes_at + nodes_size], dtb[names_at : names_at + names_size]


def _bootargs_place(nodes: bytes, names: bytes) -> tuple[int, int, bytes, bytes]:
    """Which bytes of the structure block the property replaces, and what must stand around it there.

    ValueError if the block isn't one tree, well nested.
    """
    path: list[bytes] = []
    found: tuple[int, int, bytes, bytes] | None = None
    for start, end, token, text in _tokens(nodes, names):
        in_chosen = len(path) == 2 and path[1] == b"chosen"
        if token == _BEGIN_NODE:
            if not path and found:
                raise ValueError
            path.append(text)
            if len(path) == 2 and text == b"chosen" and found is None:
                found = end, end, b"", b""
        elif token == _PROP and text == b"bootargs" and in_chosen:
            found = start, end, b"", b""
        elif token == _END_NODE:
            if not path:
                raise ValueError
            if len(path) == 1 and found is None:
                opening = struct.pack(">I", _BEGIN_NODE) + _padded(b"chosen\0")
                found = start, start, opening, struct.pack(">I", _END_NODE)
            path.pop()
    if path or found is None:
        raise ValueError
    return found


def _tokens(nodes: bytes, names: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Each token: its first byte, the byte after it, what it is, the name of its node or property."""
    at = 0
    while True:
        (token,) = struct.unpack_from(">I", nodes, at)
        text, end = b"", at + 4
        if token == _BEGIN_NODE:
            stop = nodes.index(b"\0", end)
            text, end = nodes[end:stop], stop + 1
        elif token == _PROP:
            size, name = struct.unpack_from(">2I", nodes, end)
            # Only one name matters, and a hostile table can hold a single enormous one.
            text, end = names[name : name + 9].partition(b"\0")[0], end + 8 + size
        elif token not in (_END_NODE, _NOP, _END):
            raise ValueError
        end = (end + 3) & ~3
        yield at, end, token, text
        if token == _END:
            return
        at = end
