"""What can't be meant is said in words: never an error of Python's own, and nothing has changed."""

import pytest

from vlab import guests
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.machine.board import SLOT_BASE
from vlab.machine.devices import VirtioBlock, VirtioNet
from vlab.machine.disks import Disk
from vlab.machine.network import Switch


def machine(*devices):
    return Machine(guests.load("hello"), memory="1M", devices=devices)


def drive(base):
    return lambda: machine().attach(VirtioBlock(Disk("64K")), base=base)


def plugged():
    found, switch = machine(VirtioNet()), Switch()
    switch.plug(found)
    return found


WRONG = {
    "in memory": (drive(0x8000_0000), "It would lie in the computer's memory, which begins at 0x80000000."),
    "its last registers in memory": (drive(0x7FFF_FF00), "It would lie in the computer's memory"),
    "at the end of memory": (drive(0x800F_F000), "It would lie in the computer's memory"),
    "at an odd base": (drive(SLOT_BASE + 4), "0x10001004 can't be a device's base: it is no multiple of 8."),
    "a text as a computer": (lambda: Switch().plug("a"), "'a' is no computer"),  # type: ignore[arg-type]
    "unplugging a text": (lambda: Switch().unplug("a"), "'a' is no computer"),  # type: ignore[arg-type]
    "a second cable": (lambda: Switch().plug(plugged()), "There is a cable in it already.\nPull that first"),
    "no card at all": (lambda: Switch().plug(machine()), "It has no network card"),
    "a text of steps": (lambda: machine().run("x"), "'x' is no whole number"),
    "a broken number": (lambda: machine().run(1e6), "1000000.0 is no whole number"),
    "a text of time": (lambda: machine().run(time="x"), "'x' is no whole number"),
    "until a number": (lambda: machine().run(until=5), "5 can't be asked"),
    "step": (lambda: machine().step("x"), "'x' is no whole number"),
    "goto": (lambda: machine().goto("x"), "'x' is no whole number"),
    "back": (lambda: machine().back("x"), "'x' is no whole number"),
    "steps below 0": (lambda: machine().run(-1), "-1 is below 0"),
    "step below 0": (lambda: machine().step(-1), "-1 is below 0"),
    "goto nowhere": (lambda: machine().goto(None), "None is no whole number"),
    "back nowhere": (lambda: machine().back(None), "None is no whole number"),
    "back below 0": (lambda: machine().back(-1), "-1 is below 0"),
    "who wrote a text": (lambda: machine().who_wrote("x"), "'x' is not an address"),
    "who wrote nothing": (lambda: machine().who_wrote(None), "None is not an address"),
    "a name for a snapshot": (lambda: machine().restore("monday"), "'monday' is no snapshot"),
    "a guest's constant": (lambda: guests.load("kernel", TICK="a"), "The constant TICK can't be 'a'"),  # type: ignore[arg-type]
    "another computer's snapshot": (
        lambda: machine().restore(Machine(memory="2M").snapshot()),
        "2097152 bytes of memory, and this one has 1048576.\nRestore it into a computer like the one",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_it_is_said_in_words(what):
    do, words = WRONG[what]
    with pytest.raises(VlabError) as error:
        do()
    assert words in str(error.value)


def test_right_beside_memory_there_is_room():
    drive(0x7FFF_F000)()
    drive(0x8010_0000)()


def test_a_device_in_memory_leaves_nothing_behind():
    found = machine()
    before = found.snapshot()
    with pytest.raises(VlabError):
        found.attach(VirtioBlock(Disk("64K")), base=0x8000_0000)
    assert found.snapshot() == before
