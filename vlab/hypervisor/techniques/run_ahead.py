"""Running ahead: behind a call-out another one is expected; so the guest is interpreted as far as that."""

from typing import Any

from vlab.hypervisor.techniques.translation_cache import CodePage, Site, TranslationCache
from vlab.machine.snapshot import Checker

_AHEAD = 16  # instructions that are interpreted behind such a call-out
_IN_VAIN = 8  # where no other one came, so often one after the other, none are


class Expectation:
    """Whether another call-out is expected behind the last one, and for how many instructions yet."""

    def __init__(self, cache: TranslationCache):
        self._cache = cache
        self.drop()

    def drop(self) -> None:
        """Expect none, and learn nothing."""
        self.left = 0
        self._behind: Site | None = None

    def called_out(self, page: CodePage, pc: int) -> None:
        """Here is a call-out for a load or store: such stand in loops, one behind the other."""
        self._learn(came=True)
        place = self._cache.place(pc)
        self._behind = page.number, page.mode, place
        self.left = _AHEAD if page.in_vain[place] < _IN_VAIN else 0

    def passes(self) -> bool:
        """Here is none. Whether it is still expected."""
        self.left -= 1
        if self.left < 0:
            self._learn(came=False)
        return self.left >= 0

    def _learn(self, *, came: bool) -> None:
        if self._behind is not None:
            number, mode, place = self._behind
            page = self._cache.pages.get((number, mode))
            if page is not None:
                page.in_vain[place] = 0 if came else min(page.in_vain[place] + 1, _IN_VAIN)
            self._behind = None

    # Saving

    def state(self) -> dict[str, Any]:
        """All of it, as plain data."""
        return {"left": self.left, "behind": list(map(int, self._behind or ()))}

    def restore(self, state: Checker) -> None:
        """Be as `state` says, with a cache that is restored already."""
        self.left = state.number("left", _AHEAD + 1)
        self._behind = self._cache.site(state.part("behind"))
