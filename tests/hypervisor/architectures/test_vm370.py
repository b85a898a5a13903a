"""VM/370: a virtual machine a user, a spool between them, and VM/370 in VM/370."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlab import Hypervisor, Machine, VlabError, assemble, guests
from vlab.hypervisor.architectures import VM370
from vlab.hypervisor.architectures.vm370 import files_of, minidisk
from vlab.machine.disks import SECTOR, Disk

STEPS = 3_000_000


def system(depth=1, **users):
    """VM/370 so deep, with these users and their files."""
    machine = Machine(memory="9M")
    computer = machine
    for level in range(depth - 1):
        computer = VM370(computer).create_vm(memory=f"{6 - 3 * level}M", name="system")
    cp = VM370(computer)
    for user, files in users.items():
        cp.log_on(user, files)
    machine.run(STEPS)
    return machine, cp


def say(cp, user, line):
    """What a user sees after a line, until all sleep."""
    vm = cp.user(user)
    before = len(vm.console)
    vm.type(line + "\n")
    vm.history.machine.run(STEPS)
    return vm.console[before:]


def disk_of(vm):
    return vm.bus.devices["disk"][1].disk


@pytest.mark.parametrize("depth", [1, 2])
def test_each_user_has_a_computer_of_their_own(depth):
    _machine, cp = system(depth, ana={"memo": "a"}, bob={})
    assert say(cp, "ana", "list") == "list\nmemo 1\nReady;\n"
    assert say(cp, "bob", "list") == "list\nReady;\n"
    say(cp, "bob", "write memo other")
    assert files_of(disk_of(cp.user("ana"))) == {"memo": b"a"}


@pytest.mark.parametrize("depth", [1, 2])
def test_files_and_messages_go_from_user_to_user(depth):
    _machine, cp = system(depth, ana={"memo": "milk\n"}, bob={})
    say(cp, "ana", "msg bob lunch?")
    say(cp, "ana", "punch memo bob")
    assert cp.user("bob").console.endswith("\n* MSG FROM ana: lunch?\n\n* RDR FILE FROM ana\n")
    assert say(cp, "bob", "receive") == "receive\nFROM ana: memo\nReady;\n"
    assert files_of(disk_of(cp.user("bob"))) == {"memo": b"milk\n"}


def test_who_is_not_there_gets_nothing_and_the_sender_hears_of_it():
    _machine, cp = system(ana={"memo": "x"}, bob={})
    assert "* eve is not logged on" in say(cp, "ana", "msg eve hello")
    say(cp, "bob", "logoff")
    assert "* bob is not logged on" in say(cp, "ana", "punch memo bob")


@given(deck=st.binary(max_size=60))
@settings(max_examples=50)
def test_no_deck_harms_the_control_program(deck):
    machine = Machine(memory="3M")
    cp = VM370(machine)
    vm = cp.log_on("ana")
    cp._spool(vm, deck)
    machine.run(STEPS)
    assert vm.console.replace("\n", "").isprintable()


def test_a_user_who_loops_does_not_stop_the_others():
    loop = assemble("1: j 1b").segments[0][1]
    _machine, cp = system(ana={"loop": loop}, bob={})
    cp.user("ana").type("run loop\n")
    assert say(cp, "bob", "list") == "list\nReady;\n"


def test_a_system_of_the_users_choice_runs_beside_cms():
    machine = Machine(memory="6M")
    cp = VM370(machine)
    cp.log_on("ana")
    other = cp.log_on("bob", image=guests.load("hello"))
    machine.run(STEPS)
    assert other.status == 0
    bare = Machine(guests.load("hello"), memory="128K")
    bare.run(STEPS)
    assert other.console == bare.console


def test_the_same_console_at_any_depth():
    consoles = []
    for depth in (1, 2, 3):
        _machine, cp = system(depth, ana={"memo": "milk\n"})
        say(cp, "ana", "type memo")
        consoles.append((cp.user("ana").console, cp.user("ana").time))
    assert consoles[0] == consoles[1] == consoles[2]


def test_minidisks_are_pieces_of_one_disk():
    real = Disk("64K")
    machine = Machine(memory="6M")
    cp = VM370(machine)
    pieces = [real.extent(0, 32), real.extent(32, 32)]
    cp.log_on("ana", {"memo": "a"}, disk=pieces[0])
    cp.log_on("bob", {}, disk=pieces[1])
    machine.run(STEPS)
    say(cp, "bob", "write memo b")
    assert files_of(pieces[0]) == {"memo": b"a"}
    assert files_of(pieces[1]) == {"memo": b"b\n"}
    assert b"memo" in real.read(0, 1)
    assert b"memo" in real.read(32, 1)
    say(cp, "bob", "logoff")
    cp.log_off("bob")
    again = cp.log_on("bob", disk=pieces[1])
    machine.run(STEPS)
    assert files_of(disk_of(again)) == {"memo": b"b\n"}


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("steps", range(500, 6000, 1100))
def test_a_snapshot_anywhere_goes_on_with_its_spool(depth, steps):
    machine, cp = system(depth, ana={"memo": "milk\n"}, bob={})
    cp.user("ana").type("punch memo bob\n")
    cp.user("bob").type("receive\ntype memo\n")
    machine.run(steps)
    saved = machine.snapshot()
    machine.run(STEPS)
    consoles = [cp.user(name).console for name in ("ana", "bob")]
    machine.restore(saved)
    machine.run(STEPS)
    inner = machine.residents[next(iter(machine.residents))]
    while inner.vms[0].residents:
        inner = inner.vms[0].residents[next(iter(inner.vms[0].residents))]
    assert [inner.user(name).console for name in ("ana", "bob")] == consoles


def test_who_is_on_cannot_log_on_again_and_who_is_not_cannot_be_asked_for():
    _machine, cp = system(ana={})
    with pytest.raises(VlabError, match="ana is logged on already"):
        cp.log_on("ana")
    with pytest.raises(VlabError, match="bob is not logged on"):
        cp.user("bob")
    assert repr(cp) == "VM/370 at level 0; logged on: ana"
    assert repr(VM370(Machine(memory="2M"))) == "VM/370 at level 0; logged on: nobody"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({f"f{number}": "" for number in range(16)}, "room for 15 files"),
        ({"large": bytes(64 * SECTOR)}, "take 65 sectors"),
        ({"no spaces": ""}, "can be no name"),
        ({"far2long4a4name5x": ""}, "can be no name"),
        ({"": ""}, "can be no name"),
        ({7: ""}, "can be no name"),
    ],
)
def test_files_that_do_not_fit_are_refused(files, reason):
    with pytest.raises(VlabError, match=reason):
        minidisk("ana", files)
    cp = VM370(Machine(memory="3M"))
    with pytest.raises(VlabError, match=reason):
        cp.log_on("ana", files)
    assert not cp.vms


def test_another_hypervisor_is_not_taken_for_it():
    machine = Machine(memory="4M")
    Hypervisor(machine)
    saved = machine.snapshot()
    VM370(machine)
    machine.restore(saved)
    assert {resident.kind for resident in machine.residents.values()} == {"hypervisor"}


@pytest.mark.parametrize(
    "how", [{"image": "no such file"}, {"disk": "disk.img"}, {"files": ["memo"]}, {"files": {"memo": 5}}]
)
def test_who_could_not_log_on_is_not_there(how: dict[str, Any]) -> None:
    cp = VM370(Machine(memory="3M"))
    free = cp.free
    with pytest.raises(VlabError):
        cp.log_on("ana", **how)
    assert not cp.vms
    assert cp.free == free
    cp.log_on("ana")
