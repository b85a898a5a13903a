"""Every public object says in one sentence what it is, and none shows a memory address."""

import re
from importlib import import_module

import pytest

import vlab
from tests.views.recordings import one_of_each
from vlab import Hypervisor, Machine, PageTable, Snapshots, Stepper, guests, walk
from vlab.display import bundle
from vlab.machine import CHOICES
from vlab.paging import SCHEMES, Flags, Memory
from vlab.paging import entry as make_entry
from vlab.riscv import CSRS, ROWS, Access, Cause, Interrupt, Mode, Trap, decode
from vlab.views import chart_exits, draw, picture_of

FLOORS = ("vlab", *(f"vlab.{name}" for name in (
    *("riscv", "paging", "machine", "hypervisor", "operations", "views", "guests", "events", "course"),
)))  # fmt: skip


def things():
    """One object, or some, of every public class, and what a reader reaches from them."""
    machine = Machine(memory="12M")
    hypervisor = Hypervisor(machine)
    vm = hypervisor.create_vm(guests.load("kernel"), memory="1M")
    with machine.events.record() as run:
        machine.run(3000)
    table = PageTable()
    table.map(0x1000, 0x8000_3000, "R")
    walked = table.walk(0x1234, "load", mode="S")
    tree = Snapshots(vm)
    saved = tree.take("a")
    yield from (
        machine,
        hypervisor,
        vm,
        run,
        run.exits,
        table,
        walked,
        *walked.steps,
        tree,
        saved,
        saved.snapshot,
    )
    yield from (
        vm.chain(0x8000_0000, "fetch"),
        vm.technique,
        vm.technique.shadow,
        vm.memory,
        guests.load("hello"),
    )
    for computer in (machine, vm):
        yield from (
            computer.hart,
            computer.hart.csr,
            computer.hart.mmu,
            computer.memory,
            computer.bus,
            computer.uart,
        )
        yield from (computer.clint, computer.finisher, computer.htif, computer.history, computer.events)
    yield from one_of_each()
    yield from (
        *Access,
        *Cause,
        *Interrupt,
        *Mode,
        *vlab.machine.Stop,
        *CSRS.values(),
        *ROWS.values(),
        *CHOICES,
    )
    yield from (
        decode(0x13),
        Trap(Cause.BREAKPOINT),
        *SCHEMES.values(),
        make_entry(0x8000_0000, Flags.V | Flags.R),
        Memory(4096),
    )
    yield from (Stepper(run), picture_of(run), chart_exits(run), draw(walked.graph()))


THINGS = list(things())


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: type(thing).__name__)
def test_it_is_one_honest_sentence(thing):
    words = repr(thing)
    assert words.strip()
    assert "\n" not in words
    assert not re.search(r"\bat 0x[0-9a-f]{6,}>|object at", words)
    shown, _metadata = thing._repr_mimebundle_() if hasattr(thing, "_repr_mimebundle_") else bundle(thing)
    assert shown["text/plain"] == words


def public_classes():
    for floor in FLOORS:
        module = import_module(floor)
        for name in getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]:
            found = getattr(module, name)
            if isinstance(found, type) and found.__module__.startswith("vlab"):
                yield found


# Named in signatures only: a reader meets what keeps the contract.
_ABSTRACT = ("Resident", "Frames", "Store", "Memory", "Drawn", "Event", "Computer", "Kind", "Load")


@pytest.mark.parametrize("kind", sorted(set(public_classes()), key=str), ids=lambda k: k.__name__)
def test_every_public_class_has_its_own_words(kind):
    if kind.__name__ in _ABSTRACT or issubclass(kind, Exception):
        return
    assert kind.__repr__ is not object.__repr__


def test_what_a_guest_wrote_cannot_break_the_line():
    event = vlab.events.DeviceAccess((1, 0), 0, None, "a\nb\x1b[2J\u202e", 0, 1, 2, True)
    assert repr(event).isprintable()


def test_an_events_sentence_is_the_one_that_its_picture_says():
    from vlab.views import event_sentence

    for event in one_of_each():
        assert repr(event) == event_sentence(event)


def test_walk_is_a_function():
    assert callable(walk)
