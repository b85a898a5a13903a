"""Who may install a hypervisor in the kernel of the reader's own computer, and who may use one that is there.

A hosted hypervisor is a module of the host's kernel: to install it takes the administrator (the capability
CAP_SYS_MODULE); to use it takes only the right to open its device, which the administrator gives to a group. Nothing
is ever loaded: the kernel is asked with an image that is none, and its error tells whether it looked at it.
"""

from dataclasses import dataclass
from typing import Any

from vlab.display import Drawn, view
from vlab.language import _
from vlab.silicon.asking import Recorded, Unavailable, ask_child, label, live_or_recorded
from vlab.silicon.fields import Fields
from vlab.silicon.hosts import Host

CALLS = ("init_module", "finit_module", "open")


@dataclass(frozen=True, repr=False)
class Request:
    """One thing that was asked of the host's kernel, by an administrator (`root`) or a plain user, and its error.

    `call` is "init_module", "finit_module" or "open" (of /dev/kvm); `error` is errno's name ("": done), and
    `capable` says whether the asker had CAP_SYS_MODULE.
    """

    root: bool
    capable: bool
    call: str
    error: str

    @property
    def allowed(self) -> bool:
        """Whether the asker may: the device was opened; or the kernel looked at the image, and found it is none."""
        return self.error in (("",) if self.call == "open" else ("ENOEXEC", "EBADF", "EFAULT", "EINVAL"))

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
            return _("the kernel looked at the image, and it is no module")
        if self.error == "ENOSYS":
            return _("this kernel takes no modules at all, from nobody")
        if self.error == "EPERM" and not self.capable:
            if self.root:
                return _("root of a container: it was not given CAP_SYS_MODULE")
            return _("only who has CAP_SYS_MODULE may")
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
class Modules(Drawn):
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
        return tuple(one for one in self.requests if one.call != "open")

    @property
    def using(self) -> tuple[Request, ...]:
        """The requests to use the hypervisor that is there."""
        return tuple(one for one in self.requests if one.call == "open")

    def __repr__(self) -> str:
        return _(
            "A plain user asked the kernel of a real host to install a module, and was refused. To install is the "
            "administrator's; to use what is installed takes only the right to open its device."
        )

    @property
    def particulars(self) -> str:
        """The device and the modules, in a sentence."""
        names = ", ".join(self.modules) or _("none")
        device = self.device or _("no /dev/kvm")
        return _("{device}; modules of hypervisors in the kernel: {names}.").format(
            device=device, names=names
        )

    @property
    def source(self) -> str:
        """Where this comes from: live or recorded, and on which host."""
        return label(self.host, self.live, self.why)

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


def try_modules(*, live: bool = True) -> Modules:
    """Ask the host's kernel to install a module (none is ever loaded), and to use the hypervisor that is there.

    A child process asks as this user; where this is root, also as a plain user. With live=False, or where this host
    can't tell, the recorded answers are given.
    """

    def try_it(host: Host) -> Modules:
        found = modules_from(ask_child("install", {}).part("answer"), host, live=True)
        if not any(not one.root and not one.allowed for one in found.installing):
            raise Unavailable(_("there is no plain user to ask as"))
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
