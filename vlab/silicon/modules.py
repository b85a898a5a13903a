"""Who may install a hypervisor in the kernel of the reader's own computer, and who may use one that is there.

A hosted hypervisor is a module of the host's kernel: to install it takes the administrator (the capability
CAP_SYS_MODULE); to use it takes only the right to open its device, which the administrator gives to a group. Nothing
is ever loaded: the kernel is asked with an image that is none, and its error tells whether it looked at it.

Many kernels, those of containers and small virtual machines above all, take no modules, and then their answer is the
same for all who ask: it tells nothing. So something else is asked that is the administrator's alone, and that every
kernel has: to set the computer's name, to the one that it has already.
"""

from dataclasses import dataclass
from typing import Any

from vlab.display import view
from vlab.language import _
from vlab.silicon.asking import Recorded, Sourced, Unavailable, ask_child, live_or_recorded
from vlab.silicon.fields import Fields
from vlab.silicon.hosts import Host

INSTALLING = ("init_module", "finit_module")
CALLS = ("sethostname", *INSTALLING, "open")


@dataclass(frozen=True, repr=False)
class Request:
    """One thing that was asked of the host's kernel, by an administrator (`root`) or a plain user, and its error.

    `call` is "sethostname" (to the name that the computer has), "init_module", "finit_module" or "open" (of
    /dev/kvm); `error` is errno's name ("": done), and `capable` says whether the asker had the capability for it.
    """

    root: bool
    capable: bool
    call: str
    error: str

    @property
    def allowed(self) -> bool:
        """Whether the asker may: it was done; or the kernel looked at the image, and found it is none."""
        if self.call in INSTALLING:
            return self.error in ("ENOEXEC", "EBADF", "EFAULT", "EINVAL")
        return self.error == ""

    @property
    def refused(self) -> bool:
        """Whether the asker may not. Neither this nor `allowed`: the answer doesn't tell."""
        return self.error in ("EPERM", "EACCES")

    @property
    def who(self) -> str:
        """Who asked, in the reader's language."""
        return _("administrator (root)") if self.root else _("plain user")

    @property
    def reason(self) -> str:
        """What the error means."""
        if self.call == "open":
            return {
                "": _("the device's rights allow it"),
                "EACCES": _("the device's rights forbid it"),
                "EPERM": _("the host forbids it"),
                "ENOENT": _("there is no such device"),
            }.get(self.error, _("the device can't be used"))
        if self.allowed:
            if self.call == "sethostname":
                return _("the computer has the name that it had")
            return _("the kernel looked at the image, and it is no module")
        if self.error == "ENOSYS":
            if self.call == "sethostname":
                return _("this kernel has no such call: it can't tell")
            return _("this kernel takes no modules, from nobody: it can't tell")
        if self.error == "EPERM" and not self.capable:
            right = "CAP_SYS_ADMIN" if self.call == "sethostname" else "CAP_SYS_MODULE"
            if self.root:
                return _("root of a container: it was not given {right}").format(right=right)
            return _("only who has {right} may").format(right=right)
        return _("this host forbids it to everybody")

    def __repr__(self) -> str:
        return _("{who}, {call}: {error}, {reason}").format(
            who=self.who, call=self.call, error=self.error or _("done"), reason=self.reason
        )

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"root": self.root, "capable": self.capable, "call": self.call, "error": self.error}


@dataclass(frozen=True)
class Device:
    """A device's file: its path, owner, group and rights ("crw-rw----")."""

    path: str
    owner: str
    group: str
    rights: str

    def __str__(self) -> str:
        return f"{self.path}: {self.rights} {self.owner} {self.group}"

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"path": self.path, "owner": self.owner, "group": self.group, "rights": self.rights}


@dataclass(frozen=True, repr=False)
class Modules(Sourced):
    """Installing against using: what was asked, the device, and the hypervisors' modules that the kernel has."""

    requests: tuple[Request, ...]
    device: Device | None
    modules: tuple[str, ...]
    host: Host
    live: bool = False
    why: str = ""

    @property
    def installing(self) -> tuple[Request, ...]:
        """The requests to install a module."""
        return tuple(one for one in self.requests if one.call in INSTALLING)

    @property
    def naming(self) -> tuple[Request, ...]:
        """The requests to set the computer's name."""
        return tuple(one for one in self.requests if one.call == "sethostname")

    @property
    def using(self) -> tuple[Request, ...]:
        """The requests to use the hypervisor that is there."""
        return tuple(one for one in self.requests if one.call == "open")

    def __repr__(self) -> str:
        return _(
            "A plain user asked the kernel of a real host to set the computer's name, and was refused: that is the "
            "administrator's. By its manual, Linux has the same rule for installing a module; to use one takes only "
            "the right to open its device."
        )

    @property
    def verdicts(self) -> tuple[str, str]:
        """What the answers say of setting the computer's name, and of installing a module."""
        return _said(_("The computer's name"), self.naming), _said(_("Modules"), self.installing)

    @property
    def particulars(self) -> str:
        """The device and the modules, in a sentence."""
        names = ", ".join(self.modules) or _("none")
        device = self.device or _("no /dev/kvm")
        return _("{device}; modules of hypervisors in the kernel: {names}.").format(
            device=device, names=names
        )

    @property
    def details(self) -> Any:
        """The picture with every request, its error and the reason."""
        return view("modules_picture")(self, details=True)

    def to_json(self) -> dict[str, Any]:
        """As plain data, without the host."""
        return {
            "tries": [one.to_json() for one in self.requests],
            "modules": [*self.modules],
            "device": None if self.device is None else self.device.to_json(),
        }


def _said(what: str, requests: tuple[Request, ...]) -> str:
    """What these answers say of who may: no more than what was seen."""
    plain = [one for one in requests if not one.root]
    roots = [one for one in requests if one.root]
    if not any(one.allowed or one.refused for one in plain):
        words = _("{what}: this host can't tell who may.")
    elif any(one.allowed for one in plain):
        words = _("{what}: the plain user may.")
    elif any(one.allowed for one in roots):
        words = _("{what}: the administrator may, and the plain user may not.")
    elif not roots:
        words = _("{what}: the plain user may not; nobody could ask as the administrator.")
    else:
        words = _(
            "{what}: the plain user may not; and this administrator may not either, as the reason says."
        )
    return words.format(what=what)


def try_modules(*, live: bool = True) -> Modules:
    """Ask the host's kernel who may install a module (none is ever loaded), and who may use a hypervisor that is there.

    It is also asked to set the computer's name, to the one that it has, as a kernel without modules can tell nothing
    else. A child process asks as this user; where this is root, also as a plain user. With live=False, or where this
    host can't tell, the recorded answers are given.
    """

    def try_it(host: Host) -> Modules:
        found = modules_from(ask_child("install", {}).part("answer"), host, live=True)
        plain = [one for one in found.naming if not one.root]
        if not plain:
            raise Unavailable(_("there is no plain user to ask as"))
        if not all(one.refused for one in plain):
            raise Unavailable(_("the answer to a plain user tells nothing"))
        return found

    def take(data: Recorded, why: str) -> Modules:
        return modules_from(data.fields.part("modules"), data.host, why=why)

    return live_or_recorded(live, try_it, take)


def modules_from(fields: Fields, host: Host, *, live: bool = False, why: str = "") -> Modules:
    """Answers from plain data. Raises VlabError where they are none."""
    requests = tuple(
        Request(
            row.yes_or_no("root"),
            row.yes_or_no("capable"),
            row.word("call", choices=CALLS),
            row.word("error"),
        )
        for row in fields.rows("tries")
    )
    device = None
    if fields.has("device"):
        part = fields.part("device")
        device = Device(part.word("path"), part.word("owner"), part.word("group"), part.word("rights"))
    return Modules(requests, device, fields.words("modules"), host, live, why)
