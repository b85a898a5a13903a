"""VM/370: a control program that gives each user a virtual machine with a small system of their own.

The control program, CP, is a hypervisor; what a user sees is CMS, the guest `cms`: a prompt, files on a
minidisk, a card punch and a card reader. A minidisk is a piece of the computer's disk. The punches and readers
are virtual, and CP is what joins them: it spools a deck that one user punches to another's reader, and shows
messages at terminals. (R. J. Creasy, "The Origin of the VM/370 Time-Sharing System", 1981.)

Of CP's own commands there are none: its operator writes Python.
"""

import struct
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from vlab import guests
from vlab.hypervisor.hypervisor import Hypervisor
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import RESIDENTS
from vlab.machine.devices.cards import Cards
from vlab.machine.devices.virtio.block import VirtioBlock
from vlab.machine.disks import SECTOR, Disk

MEMORY = "128K"
SECTORS = 64  # of a minidisk
_ENTRY = struct.Struct("<16sII8x")
_FILES = SECTOR // _ENTRY.size - 1
_LONGEST_NAME = 15


class VM370(Hypervisor):
    """CP on a computer. `log_on` gives a user a virtual machine that runs CMS."""

    kind: ClassVar[str] = "vm370"
    title: ClassVar[str] = "VM/370"

    def __repr__(self) -> str:
        users = ", ".join(vm.name for vm in self.vms) or _("nobody")
        return _("VM/370 at level {level}; logged on: {users}").format(level=self.computer.level, users=users)

    def log_on(
        self,
        user: str,
        files: Mapping[str, bytes | str] | None = None,
        *,
        disk: Disk | None = None,
        image: Any = None,
        memory: str | int = MEMORY,
    ) -> VirtualMachine:
        """A virtual machine for a user, with their minidisk, which starts CMS, or the system `image`.

        `disk` is their minidisk, as it is; or, with `files`, made anew with these. Without one, they get a disk of
        their own.

        Raises:
            VlabError: if the user is logged on, the name is none, the files don't fit, or there is no room.
        """
        _expect_name(user)
        before = self._logged_on(user)
        if before is not None and before.status is None:
            raise VlabError(_("{user} is logged on already.").format(user=user), where="VM/370")
        mini = disk if disk is not None and files is None else minidisk(user, files or {}, disk)
        devices = VirtioBlock(mini), Cards()
        vm = self.create_vm(image or guests.load("cms"), memory=memory, devices=devices, name=user)
        self._connect(vm)
        return vm

    def log_off(self, user: str) -> None:
        """Switch a user's virtual machine off, and take it away. VlabError if they aren't logged on."""
        self.remove(self.user(user))

    def user(self, name: str) -> VirtualMachine:
        """The virtual machine of a user; VlabError if they aren't logged on."""
        found = self._logged_on(name)
        if found is None:
            raise VlabError(
                _("{user} is not logged on.").format(user=name),
                where="VM/370",
                mend=_("There are: {known}.").format(
                    known=", ".join(vm.name for vm in self.vms) or _("none")
                ),
            )
        return found

    def _logged_on(self, name: str) -> VirtualMachine | None:
        return next((vm for vm in reversed(self.vms) if vm.name == name), None)

    # The spool

    def _connect(self, vm: VirtualMachine) -> None:
        """What is punched in this virtual machine comes to CP."""
        _base, cards = vm.bus.devices.get(Cards.name, (0, None))
        if isinstance(cards, Cards):
            cards.taker = partial(self._spool, vm)

    def _spool(self, sender: VirtualMachine, deck: bytes) -> None:
        """Read the first card of a deck: it says for whom the rest is, and what to do with it."""
        first, _end, rest = deck.partition(b"\n")
        order, _space, name = first.decode("ascii", "replace").partition(" ")
        to = self._logged_on(name)
        if to is None or to.status is not None:
            self._tell(sender, f"{name[:_LONGEST_NAME]} is not logged on")
        elif order == "MSG":
            text = rest.decode("ascii", "replace").split("\n")[0]
            self._tell(to, f"MSG FROM {sender.name}: {text}")
        elif order == "ID":
            to.deliver(Cards.name, f"FROM {sender.name}\n".encode() + rest)
            self._tell(to, f"RDR FILE FROM {sender.name}")
        else:
            self._tell(sender, "nobody can read the first card of this deck")

    @staticmethod
    def _tell(vm: VirtualMachine, text: str) -> None:
        """CP speaks at a user's terminal; their system knows nothing of it."""
        for byte in f"\n* {''.join(letter for letter in text if letter.isprintable())}\n".encode():
            vm.uart.show(byte)

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Hypervisor.restore`."""
        super().restore(state)
        for vm in self.vms:
            self._connect(vm)


# Minidisks, as the guest `cms` knows them: guests/cms/4_files.s.


def minidisk(owner: str, files: Mapping[str, bytes | str], disk: Disk | None = None) -> Disk:
    """A disk with these files, by name, labelled with its owner's: a new one, or `disk`, a piece of another.

    VlabError if they don't fit.
    """
    _expect_name(owner)
    disk = Disk(SECTORS * SECTOR) if disk is None else disk
    these: Any = files
    contents = list(these.values()) if isinstance(these, Mapping) else [these]
    if not all(isinstance(content, bytes | str) for content in contents):
        raise VlabError(
            _("These are no files: {files}.").format(files=repr(files)[:40]),
            where=owner,
            mend=_("Give a dictionary: texts or bytes, by name."),
        )
    if len(files) > _FILES:
        raise VlabError(_("A minidisk has room for {most} files.").format(most=_FILES), where=owner)
    entries, content, at = [_ENTRY.pack(owner.encode(), 0, 0)], b"", 1
    for name, given in files.items():
        _expect_name(name)
        data = given.encode() if isinstance(given, str) else given
        entries.append(_ENTRY.pack(name.encode(), at, len(data)))
        content += data + bytes(-len(data) % SECTOR)
        at = 1 + len(content) // SECTOR
    if at > disk.sectors:
        raise VlabError(
            _("The files take {wanted} sectors, and the minidisk has {there}.").format(
                wanted=at, there=disk.sectors
            ),
            where=owner,
        )
    disk.write(0, b"".join(entries).ljust(SECTOR, b"\0") + content)
    return disk


def files_of(disk: Disk) -> dict[str, bytes]:
    """The files on a minidisk, by name. VlabError if it isn't one."""
    found = {}
    for at in range(_ENTRY.size, SECTOR, _ENTRY.size):
        name, first, size = _ENTRY.unpack_from(disk.read(0, 1), at)
        if name[0]:
            data = disk.read(first, -(-size // SECTOR)) if size else b""
            found[name.split(b"\0")[0].decode("ascii", "replace")] = data[:size]
    return found


def _expect_name(name: object) -> None:
    if isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isascii() and name.isalnum():
        return
    raise VlabError(
        _("{name!r} can be no name of a user or a file.").format(name=str(name)[:40]),
        mend=_("Take 1 to {most} letters and digits.").format(most=_LONGEST_NAME),
    )


RESIDENTS[VM370.kind] = partial(VM370, power_on=False)
