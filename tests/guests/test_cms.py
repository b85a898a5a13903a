"""CMS on a machine of its own: a prompt, files, cards."""

import pytest

from vlab import Hypervisor, Machine, VlabError, assemble, guests
from vlab.hypervisor.architectures.vm370 import files_of, minidisk
from vlab.machine import Stop
from vlab.machine.devices.cards import Cards
from vlab.machine.devices.virtio.block import VirtioBlock
from vlab.machine.disks import SECTOR, Disk

GREETING = "CMS: one user, one program at a time. This disk is of "
PROGRAM = """
    addi sp, sp, -16
    sd   ra, 0(sp)
    mv   t1, a1
    li   a0, 4711
    jalr t1
    ld   ra, 0(sp)
    addi sp, sp, 16
    ret
"""


def code(text):
    """The bytes of a program."""
    return b"".join(content for _address, content in assemble(text).segments)


class User:
    """Somebody at the terminal, of a machine or of a virtual one. `disk`: theirs, None for none."""

    def __init__(self, files=None, disk=True, *, virtual=False):
        self.below = Machine(memory="4M" if virtual else "128K")
        self.machine = Hypervisor(self.below).create_vm(memory="128K") if virtual else self.below
        self.disk = minidisk("ana", files or {}) if disk is True else disk
        if self.disk is not None:
            self.machine.attach(VirtioBlock(self.disk))
        self.cards = self.machine.attach(Cards(), 0x1000_2000)
        self.machine.load(guests.load("cms"))
        self.say("")

    def say(self, line):
        """Type a line; what is printed until the prompt comes again."""
        before = len(self.machine.console)
        if line:
            self.machine.type(line + "\n")
        self.stop = self.below.run(2_000_000)
        return self.machine.console[before:].removeprefix(line + "\n").removesuffix("Ready;\n")

    @property
    def files(self):
        return files_of(self.disk)


def test_it_greets_and_waits_asleep():
    user = User()
    assert user.machine.console == GREETING + "ana\nReady;\n"
    assert user.stop is Stop.ASLEEP


def test_files_are_listed_shown_written_and_erased():
    user = User({"letter": "dear Bob,\n", "b": b""})
    assert user.say("list") == "letter 10\nb 0\n"
    assert user.say("type letter") == "dear Bob,\n"
    assert user.say("write memo buy some milk") == ""
    assert user.say("type memo") == "buy some milk\n"
    assert user.say("erase letter") == ""
    assert user.files == {"b": b"", "memo": b"buy some milk\n"}


def test_what_was_written_is_there_after_it_is_switched_on_again():
    user = User()
    user.say("write memo x")
    assert user.say("logoff") == "good bye\n\n" or user.machine.status == 0
    user.machine.load(guests.load("cms"))
    user.machine.run(200_000)
    assert user.say("type memo") == "x\n"


def test_a_file_of_that_name_is_replaced_and_a_long_name_is_cut():
    user = User({"memo": "old\n"})
    user.say("write memo new")
    user.say("write averyveryverylongname text")
    assert user.files == {"memo": b"new\n", "averyveryverylo": b"text\n"}


def test_large_files_come_whole():
    content = bytes(range(65, 91)) * 60
    user = User({"large": content, "next": "n\n"})
    assert user.say("type large") == content.decode()
    user.say("punch large bob")
    assert user.cards.punched == [b"ID bob\nFILE large\n" + content]


def test_the_directory_can_be_full():
    user = User({f"f{number}": "x" for number in range(15)})
    assert user.say("write one more") == "the directory is full\n"
    assert len(user.files) == 15


def test_a_program_runs_and_comes_back():
    user = User({"show": code(PROGRAM)})
    assert user.say("run show") == "4711"


@pytest.mark.parametrize(("text", "cause"), [("ebreak", 3), ("ld t0, 0(zero)", 5), (".word 0", 2)])
def test_a_program_that_traps_is_a_program_check_and_the_prompt_comes_again(text, cause):
    user = User({"bad": code(text)})
    assert user.say("run bad").startswith(f"\nprogram check {cause} at 8000")
    assert user.say("list") == "bad 4\n"


def test_a_program_without_an_end_keeps_the_whole_computer():
    user = User({"loop": code("1: j 1b")})
    user.say("run loop")
    assert user.stop is Stop.LIMIT  # there is nobody who could take the hart from it


def test_a_file_too_large_to_run_is_a_program_check():
    user = User({"huge": bytes(0x2001)})
    assert "program check 3" in user.say("type huge")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("nonsense", "unknown command: nonsense\n"),
        ("type nothing", "file not found\n"),
        ("type", "file not found\n"),
        ("erase nothing", "file not found\n"),
        ("run nothing", "file not found\n"),
        ("write", "file not found\n"),
        ("punch nothing bob", "file not found\n"),
        ("punch a", "to whom?\n"),
        ("msg", "to whom?\n"),
        ("receive", "the reader is empty\n"),
        ("   ", ""),
    ],
)
def test_what_it_does_not_understand_it_says(line, answer):
    assert User({"a": "x"}).say(line) == answer


def test_a_line_that_is_too_long_is_cut_and_backspace_takes_back():
    user = User()
    user.machine.type("write memox\b " + "y" * 300 + "\n")
    user.machine.run(2_000_000)
    assert user.files == {"memo": b"y" * 109 + b"\n"}
    user.machine.type("\b\b\blist\n")
    user.machine.run(200_000)
    assert user.machine.console.endswith("memo 110\nReady;\n")


def test_messages_and_files_leave_as_decks():
    user = User({"memo": "milk\n"})
    user.say("msg bob come at noon")
    user.say("punch memo bob")
    assert user.cards.punched == [b"MSG bob\ncome at noon\n", b"ID bob\nFILE memo\nmilk\n"]


def test_a_deck_becomes_a_file():
    user = User()
    user.machine.give("cards", b"FROM bob\nFILE memo\nmilk\nand bread\n")
    assert user.say("receive") == "FROM bob: memo\n"
    assert user.say("type memo") == "milk\nand bread\n"
    assert user.say("receive") == "the reader is empty\n"


@pytest.mark.parametrize("deck", [b"x", b"\n", b"\n\n\n", b"FROM a\nFILE\n", b"\xff" * 4000, b"\0\0\n\0\n"])
def test_a_strange_deck_is_thrown_away(deck):
    user = User()
    user.machine.give("cards", deck)
    user.say("receive")
    assert user.say("receive") == "the reader is empty\n"
    assert "program check" not in user.machine.console


def test_a_deck_longer_than_its_memory_is_cut():
    user = User()
    user.machine.give("cards", b"FROM a\nFILE long\n" + b"z" * 20_000)
    user.say("receive")
    assert user.files == {"long": b"z" * 0x2000}


def test_without_a_disk_it_still_has_a_prompt():
    user = User(disk=None)
    assert "program check 5" in user.machine.console
    assert user.say("help").startswith("help, list")
    assert user.say("write memo x") == "there is no disk\n"
    assert user.say("list") == ""


def test_a_device_that_is_no_disk_is_none():
    user = User(disk=None)
    user.machine.attach(VirtioBlock())  # a drive, and nothing in it
    user.machine.load(guests.load("cms"))
    user.machine.run(200_000)
    assert "program check 3" in user.machine.console
    assert user.say("write memo x") == "there is no disk\n"
    assert user.say("list") == ""


# A disk that does not take it


class Failing(Disk):
    """A disk that takes nothing at the sectors of `bad`, and gives nothing at those of `lost`."""

    bad = lost = ()

    def read(self, sector, count=1):
        if sector in self.lost:
            raise VlabError("It is worn out.", where=self.name)
        return super().read(sector, count)

    def write(self, sector, data):
        if set(range(sector, sector + len(data) // SECTOR)) & set(self.bad):
            raise VlabError("It is worn out.", where=self.name)
        super().write(sector, data)


@pytest.fixture(params=[False, True], ids=["bare", "in a VM"])
def virtual(request):
    return request.param


def small(files, sectors=4):
    return minidisk("ana", files, Failing(sectors * SECTOR))


def test_a_full_disk_says_so_and_nothing_is_entered(virtual):
    user = User(disk=small({"a": "x" * 2 * SECTOR}), virtual=virtual)
    assert user.say("write memo fits") == ""
    assert user.files == {"a": b"x" * 2 * SECTOR, "memo": b"fits\n"}
    assert user.say("write more does not") == "the disk is full\n"
    assert user.say("list") == "a 1024\nmemo 5\n"
    assert user.say("erase memo") == ""
    assert user.say("list") == "a 1024\n"
    assert user.say("write more does now") == ""
    assert user.say("type more") == "does now\n"


def test_a_file_that_has_no_room_leaves_the_old_one_as_it_was(virtual):
    user = User(disk=small({"memo": "old\n", "a": "x" * 2 * SECTOR}), virtual=virtual)
    assert user.say("write memo new") == "the disk is full\n"
    assert user.say("list") == "memo 4\na 1024\n"
    assert user.say("type memo") == "old\n"


def test_a_deck_that_has_no_room_leaves_no_file(virtual):
    user = User(disk=small({}), virtual=virtual)
    user.machine.give("cards", b"FROM bob\nFILE long\n" + b"z" * (3 * SECTOR + 1))
    user.machine.give("cards", b"FROM bob\nFILE fits\n" + b"z" * (3 * SECTOR))
    assert user.say("receive") == "FROM bob: long\nthe disk is full\n"
    assert user.say("list") == ""
    assert user.say("receive") == "FROM bob: fits\n"
    assert user.say("list") == "fits 1536\n"


def test_a_read_only_disk_says_so(virtual):
    disk = minidisk("ana", {"memo": "milk\n"})
    disk.read_only = True
    user = User(disk=disk, virtual=virtual)
    for line in ("write more x", "write memo x", "erase memo"):
        assert user.say(line) == "the disk is read-only\n"
    user.machine.give("cards", b"FROM bob\nFILE b\nx\n")
    assert user.say("receive") == "FROM bob: b\nthe disk is read-only\n"
    assert user.say("list") == "memo 5\n"
    assert user.say("type memo") == "milk\n"


@pytest.mark.parametrize("bad", [0, 2, 3])
def test_a_write_that_fails_is_undone(virtual, bad):
    disk = small({"memo": "milk\n"}, 8)
    user = User(disk=disk, virtual=virtual)
    disk.bad = (bad,)
    user.machine.give("cards", b"FROM bob\nFILE long\n" + b"z" * 2 * SECTOR)
    assert user.say("receive") == "FROM bob: long\nthe disk failed\n"
    assert user.say("list") == "memo 5\n"
    disk.bad = ()
    assert user.say("write more x") == ""
    assert user.files == {"memo": b"milk\n", "more": b"x\n"}


def test_an_erasure_that_fails_is_undone(virtual):
    disk = small({"memo": "milk\n"})
    user = User(disk=disk, virtual=virtual)
    disk.bad = (0,)
    assert user.say("erase memo") == "the disk failed\n"
    assert user.say("list") == "memo 5\n"


def test_a_disk_whose_directory_was_not_read_is_left_alone(virtual):
    disk = small({"memo": "milk\n"})
    disk.lost = (0,)
    user = User(disk=disk, virtual=virtual)
    assert "program check 3" in user.machine.console
    assert user.say("write memo x") == "there is no disk\n"
    disk.lost = ()
    assert user.files == {"memo": b"milk\n"}
