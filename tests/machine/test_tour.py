"""The tour of the privileged architecture: bare, in VMs of each technique, two deep, and on QEMU, the same answers."""

from itertools import product

import pytest

from tests.guests.gnu import boot, build_files
from tests.hypervisor.towers import difference, end, tower
from tests.machine import tour
from vlab.machine import Machine

TECHNIQUES = ("trap-and-emulate", "binary-translation", "hardware-assisted")
KINDS = ("", "_svade", "C_sv48", "H", "H_svadu")


def ran(extensions, engine=None):
    machine = Machine(tour.program(extensions), memory="1M", extensions=extensions, engine=engine)
    machine.run(1_000_000)
    return machine


def wrong(computer, extensions):
    """What it answered wrong; that it came to its end too."""
    log = computer.memory.peek(tour.LOG, tour.ROW * len(tour.probes(extensions)))
    return [*tour.answers(log, extensions), *["it doesn't end"] * (computer.status != 0)]


@pytest.mark.parametrize("engine", ["interpreter", None])
@pytest.mark.parametrize("extensions", KINDS)
def test_on_the_bare_machine(extensions, engine):
    assert wrong(ran(extensions, engine), extensions) == []


@pytest.mark.parametrize(
    ("extensions", "technique"),
    [each for each in product(KINDS, TECHNIQUES) if "H" in each[0] or each[1] != "hardware-assisted"],
)
def test_in_a_virtual_machine(extensions, technique):
    vm = tower(tour.program(extensions), technique=technique, extensions=extensions).run().guest
    assert wrong(vm, extensions) == []
    assert difference(end(ran(extensions)), end(vm)) == []


PAIRS = [*product(TECHNIQUES, repeat=2)]
QUICK = [("trap-and-emulate",) * 2, ("hardware-assisted", "binary-translation")]


@pytest.mark.parametrize(
    "techniques",
    [*QUICK, *(pytest.param(pair, marks=pytest.mark.slow) for pair in PAIRS if pair not in QUICK)],
)
def test_two_deep(techniques):
    vm = tower(tour.program("H"), 2, technique=techniques, extensions="H").run().guest
    assert wrong(vm, "H") == []


@pytest.mark.requires("binutils", "qemu")
def test_on_qemu(tmp_path):
    """What is open is left out, and what QEMU does otherwise than the specification says."""
    lines = [tour.text()]
    for at, content in tour.tables():
        lines += [f"    .org {at - tour.RAM}", f"    .byte {', '.join(map(str, content))}"]
    source = tmp_path / "tour.s"
    source.write_text("\n".join([*lines, ""]))
    status, console = boot(build_files(tmp_path, [source], DUMP=1))
    words = ("".join(f"{ord(digit) - ord('a'):x}" for digit in line) for line in console.split())
    log = b"".join(int(word, 16).to_bytes(8, "little") for word in words)
    here = {probe.name for probe in tour.probes() if not probe.elsewhere}
    assert [line for line in tour.answers(log) if line.partition(":")[0] not in here] == []
    assert (status, len(log)) == (0, tour.ROW * len(tour.probes()))
