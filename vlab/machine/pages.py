"""The pages of a memory at an instant. Those that nobody wrote since are shared with the instants before and after."""

from collections.abc import Iterable, Iterator, Mapping

GROUP = 64  # pages that are shared together, as one tuple
_NONE: tuple[bytes | None, ...] = (None,) * GROUP

Groups = dict[int, tuple[bytes | None, ...]]


class Pages(Mapping[int, bytes]):
    """Page number → content, of the pages that are not all zeros, by rising number. It never changes.

    Two of them differ only in the groups that are not the same tuple: so to compare them, or to keep both, costs
    about what was written between.
    """

    __slots__ = ("_count", "groups")

    def __init__(self, groups: Groups):
        self.groups = groups
        self._count = -1

    @staticmethod
    def of(pages: Mapping[int, bytes]) -> "Pages":
        """These pages; itself, if it is one already."""
        if isinstance(pages, Pages):
            return pages
        held = (
            (page, content if content.count(0) < len(content) else None) for page, content in pages.items()
        )
        return Pages(with_pages({}, held))

    def __getitem__(self, page: int) -> bytes:
        found = self.groups.get(page // GROUP, _NONE)[page % GROUP]
        if found is None:
            raise KeyError(page)
        return found

    def get(self, page: int, default: bytes | None = None) -> bytes | None:  # type: ignore[override]
        """The page's content; the default where it is all zeros."""
        found = self.groups.get(page // GROUP, _NONE)[page % GROUP]
        return default if found is None else found

    def __iter__(self) -> Iterator[int]:
        for number in sorted(self.groups):
            first = number * GROUP
            for at, content in enumerate(self.groups[number]):
                if content is not None:
                    yield first + at

    def __len__(self) -> int:
        if self._count < 0:
            self._count = sum(GROUP - group.count(None) for group in self.groups.values())
        return self._count

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Pages):
            return self.groups == other.groups
        return isinstance(other, Mapping) and dict(self) == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(dict(self))

    @property
    def end(self) -> int:
        """No page from here on is in it; a bound, not the last one."""
        return (max(self.groups) + 1) * GROUP if self.groups else 0

    def differing(self, other: "Pages") -> Iterator[int]:
        """The pages that are not the same object in both, by rising number."""
        mine, theirs = self.groups, other.groups
        for number in sorted(mine.keys() | theirs.keys()):
            one, another = mine.get(number, _NONE), theirs.get(number, _NONE)
            if one is not another:
                for at in range(GROUP):
                    if one[at] is not another[at]:
                        yield number * GROUP + at


def with_pages(groups: Groups, pages: Iterable[tuple[int, bytes | None]]) -> Groups:
    """Other groups: those, with these pages changed, None for one of zeros. No group is empty."""
    found: dict[int, list[bytes | None]] = {}
    for page, content in pages:
        number = page // GROUP
        if number not in found:
            found[number] = list(groups.get(number, _NONE))
        found[number][page % GROUP] = content
    changed = {number: tuple(group) for number, group in found.items()}
    return {number: group for number, group in (groups | changed).items() if group != _NONE}
