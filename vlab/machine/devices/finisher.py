"""The test finisher (SiFive's `test1`): a guest writes to it to end the run.

One 32-bit register at offset 0. Its low half, which may be stored alone, says what the guest wants:

    0x5555    power off, all is well: status 0
    0x3333    power off, something failed: the high half is the status (1 for 0: no failure looks well)
    0x7777    reset: the run ends with status 0, and `reset` is True for who wants to start it again
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from vlab.language import VlabError, _
from vlab.machine.bus import BusError, Phandle, checked

_PASS, _FAIL, _RESET = 0x5555, 0x3333, 0x7777


class Finisher:
    """Where a guest says that it has finished. The machine looks at `status` after each store to a device."""

    name = "finisher"
    size = 0x1000
    node: ClassVar[str] = "test"
    properties: ClassVar[Mapping[str, Any]] = {
        "compatible": ["sifive,test1", "sifive,test0", "syscon"],
        "phandle": Phandle.FINISHER,
    }

    def __init__(self) -> None:
        self._request = 0  # the last store that asked for something; 0 before the first

    def __repr__(self) -> str:
        if self.status is None:
            return _("Finisher: the guest has not finished")
        return _("Finisher: the guest finished with status {status}").format(status=self.status)

    @property
    def status(self) -> int | None:
        """The exit status that the guest asked for (0 to 65535); None while it runs."""
        if not self._request:
            return None
        return (self._request >> 16 or 1) if self._request & 0xFFFF == _FAIL else 0

    @property
    def reset(self) -> bool:
        """Whether the guest asked to be started again rather than switched off."""
        return self._request == _RESET

    def load(self, offset: int, size: int) -> int:
        """0, always. BusError unless it is 4 bytes at offset 0, or 2."""
        _check(offset, size)
        return 0

    def store(self, offset: int, size: int, value: int) -> None:
        """Take a request; an unknown one changes nothing. BusError unless it is 4 bytes at offset 0, or 2."""
        _check(offset, size)
        self._request = _request(value) or self._request

    def state(self) -> dict[str, Any]:
        """The request, if there was one."""
        return {"request": self._request}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as `state` says; VlabError if it can't be."""
        request = checked(self.name, state, request=1 << 32)["request"]
        if request != _request(request):
            raise VlabError(
                _("No guest can have asked for {request:#x}.").format(request=request), where=self.name
            )
        self._request = request


def _request(value: int) -> int:
    """The request in a stored word; 0 if there is none. Only a failure has a use for the high half."""
    wish = value & 0xFFFF
    if wish in (_PASS, _RESET):
        return wish
    return value & 0xFFFF_FFFF if wish == _FAIL else 0


def _check(offset: int, size: int) -> None:
    if (offset, size) not in ((0, 4), (0, 2)):
        raise BusError
