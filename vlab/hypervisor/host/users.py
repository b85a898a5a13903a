"""Who uses a host: its administrator, plain users, and the group whose members may run virtual machines."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from vlab.display import one_line
from vlab.language import VlabError, _
from vlab.machine.snapshot import Checker

ROOT = "root"  # the administrator
VM_GROUP = "vm"  # its members may run virtual machines, once the hypervisor is installed
_FIRST_UID = 1000  # of plain users; the administrator has 0


class User(NamedTuple):
    """A user of the host: its name, its number, and the groups it belongs to."""

    name: str
    uid: int
    groups: tuple[str, ...] = ()

    @property
    def administrator(self) -> bool:
        """Whether it may do everything."""
        return self.uid == 0


class Users:
    """The users of one host, by name."""

    def __init__(self) -> None:
        self._users = {ROOT: User(ROOT, 0)}

    def __repr__(self) -> str:
        return _("Users: {names}").format(names=", ".join(map(one_line, self._users)))

    def __getitem__(self, name: str) -> User:
        """The user of this name; VlabError if there is none."""
        if name not in self._users:
            raise VlabError(
                _("There is no user {name!r} on this host.").format(name=name),
                mend=_("Add one: host.add_user(…). There are: {names}.").format(names=", ".join(self._users)),
            )
        return self._users[name]

    def add(self, name: object, groups: Iterable[str] = ()) -> User:
        """A new plain user; VlabError if the name is taken, or is none, or `groups` are no names."""
        if not isinstance(name, str) or not name or not name.isprintable():
            raise VlabError(_("{name!r} can't be a user's name.").format(name=name))
        given: Any = groups
        if (
            isinstance(given, str)
            or not isinstance(given, Iterable)
            or not all(isinstance(g, str) for g in given)
        ):
            raise VlabError(
                _("{groups} are no groups of users.").format(groups=repr(groups)[:40]),
                where=name,
                mend=_("Give a list of names: groups=[{group!r}].").format(group=VM_GROUP),
            )
        if name in self._users:
            raise VlabError(_("There is a user {name!r} on this host already.").format(name=name))
        user = User(name, _FIRST_UID + len(self._users) - 1, tuple(sorted(set(groups))))
        self._users[name] = user
        return user

    def expect_administrator(self, name: str, deed: str) -> None:
        """VlabError, which says what (`deed`) it may not do, unless this user is the administrator."""
        if not self[name].administrator:
            raise VlabError(
                _("{user} may not {deed}.").format(user=name, deed=deed),
                mend=_("Only the administrator may: user={root!r}.").format(root=ROOT),
            )

    def expect_member(self, name: str) -> None:
        """VlabError unless this user may run virtual machines."""
        user = self[name]
        if not user.administrator and VM_GROUP not in user.groups:
            raise VlabError(
                _("{user} may not run virtual machines.").format(user=name),
                mend=_("Only members of the group {group!r} and the administrator may.").format(
                    group=VM_GROUP
                ),
            )

    def expect_owner(self, name: str, owner: str, what: str) -> None:
        """VlabError unless what belongs to `owner` is this user's affair."""
        user = self[name]
        if not user.administrator and name != owner:
            raise VlabError(
                _("{user} may not touch {what}: it belongs to {owner}.").format(
                    user=name, what=what, owner=owner
                ),
                mend=_("Only {owner} and the administrator may.").format(owner=owner),
            )

    def state(self) -> list[dict[str, Any]]:
        """All of them, as plain data, in the order in which they came."""
        return [{"name": user.name, "groups": list(user.groups)} for user in self._users.values()]

    @staticmethod
    def restored(state: Checker) -> "Users":
        """Those that `state` tells of; VlabError if it can't be."""
        users = Users()
        for number, row in enumerate(state.rows()):
            name, groups = row.part("name").state, row.part("groups").state
            named = isinstance(name, str) and isinstance(groups, list | tuple)
            if not named or not all(isinstance(group, str) for group in groups):
                raise row.bad(_("This is no user."))
            if number == 0 and (name != ROOT or groups):
                raise row.bad(_("The first user is the administrator."))
            if number:
                try:
                    users.add(name, groups)
                except VlabError as error:
                    raise row.bad(error.what) from None
        if not state.state:
            raise state.bad(_("The first user is the administrator."))
        return users
