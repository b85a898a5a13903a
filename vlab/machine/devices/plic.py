"""The platform-level interrupt controller (RISC-V PLIC 1.0.0): which device's interrupt goes to which mode.

    offset                   register, 4 bytes each
    4 * source               priority of the source, 0 to 7; 0: never
    0x001000                 pending, a bit for each source; for reading
    0x002000 + 0x80 * c      enabled for context c, a bit for each source
    0x200000 + 0x1000 * c    threshold of context c: only higher priorities interrupt
    0x200004 + 0x1000 * c    load: claim the most urgent source; store: that source is dealt with

Context 0 is the hart's M mode (MEIP), context 1 its S mode (SEIP).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from vlab.language import VlabError, _
from vlab.machine.bus import BusError, Interrupting, Phandle, checked
from vlab.riscv import Interrupt

SOURCES = 31
_CONTEXTS = (Interrupt.MEI, Interrupt.SEI)
_HIGHEST = 7  # priority
_ALL = (1 << SOURCES + 1) - 2  # source 0 means "none"
_PENDING, _ENABLE, _CONTEXT = 0x1000, 0x2000, 0x20_0000
_ENABLE_STRIDE, _CONTEXT_STRIDE = 0x80, 0x1000


class Plic:
    """The PLIC of a computer with one hart. Sources are levels, the pins of devices.

    A source is pending while its pin is up, unless it has been claimed and is not completed yet.
    """

    name = "plic"
    size = 0x400_0000
    node: ClassVar[str] = "interrupt-controller"
    properties: ClassVar[Mapping[str, Any]] = {
        "compatible": ["sifive,plic-1.0.0", "riscv,plic0"],
        "interrupt-controller": None,
        "#address-cells": 0,
        "#interrupt-cells": 1,
        "interrupts-extended": [Phandle.HART, int(Interrupt.MEI), Phandle.HART, int(Interrupt.SEI)],
        "riscv,ndev": SOURCES,
        "phandle": Phandle.PLIC,
    }

    def __init__(self) -> None:
        self.pins: dict[int, Interrupting] = {}  # source → whose pin it is
        self._priority = [0] * (SOURCES + 1)
        self._enabled = [0] * len(_CONTEXTS)
        self._threshold = [0] * len(_CONTEXTS)
        self._claimed = 0  # sources that somebody deals with
        self._anybody = 0  # sources that are enabled for some context

    def __repr__(self) -> str:
        up = ", ".join(
            f"{source} ({device.name})" for source, device in self.pins.items() if device.interrupting
        )
        return _("PLIC: {count} sources wired, pins up: {up}").format(count=len(self.pins), up=up or "–")

    def wire(self, source: int, device: Interrupting) -> None:
        """Lead the pin of a device to a source; VlabError if that isn't one, or is another device's."""
        self.check(source, device)
        self.pins[source] = device

    def check(self, source: int, device: Interrupting) -> None:
        """VlabError unless this device can be wired so."""
        if source not in range(1, SOURCES + 1):
            raise VlabError(
                _("There is no interrupt source {source}.").format(source=source),
                where=device.name,
                mend=_("Choose one from 1 to {last}.").format(last=SOURCES),
            )
        if source in self.pins:
            raise VlabError(
                _("Interrupt source {source} belongs to {other}.").format(
                    source=source, other=self.pins[source].name
                ),
                where=device.name,
                mend=_("Choose another one."),
            )

    @property
    def pending(self) -> int:
        """The sources that ask for attention, a bit each."""
        up = 0
        for source, device in self.pins.items():
            if device.interrupting:
                up |= 1 << source
        return up & ~self._claimed

    def lines(self, time: int) -> int:
        """The bits of `mip` asserted: MEIP and SEIP."""
        if not self._anybody:
            return 0  # nobody has set it up: the usual case, and it is asked at every trap
        pending = self.pending & self._anybody
        if not pending:
            return 0
        asserted = 0
        for context, interrupt in enumerate(_CONTEXTS):
            if self._urgent(pending & self._enabled[context], self._threshold[context]):
                asserted |= 1 << interrupt
        return asserted

    def _urgent(self, sources: int, threshold: int) -> int:
        """The source of highest priority above a threshold; of equals the first; 0 for none."""
        best, found = threshold, 0
        for source in range(1, SOURCES + 1):
            if sources >> source & 1 and self._priority[source] > best:
                best, found = self._priority[source], source
        return found

    def load(self, offset: int, size: int) -> int:
        """Read a register. BusError unless it is 4 bytes; places without a register hold 0."""
        if size != 4:
            raise BusError
        if offset < _PENDING:
            return self._priority[offset // 4] if offset // 4 <= SOURCES else 0
        if offset == _PENDING:
            return self.pending
        if offset < _CONTEXT:
            context, rest = divmod(offset - _ENABLE, _ENABLE_STRIDE)
            return self._enabled[context] if context in range(len(_CONTEXTS)) and not rest else 0
        context, rest = divmod(offset - _CONTEXT, _CONTEXT_STRIDE)
        if context >= len(_CONTEXTS) or rest > 4:
            return 0
        return self._claim(context) if rest else self._threshold[context]

    def store(self, offset: int, size: int, value: int) -> None:
        """Write a register. BusError unless it is 4 bytes; what can't be written stays."""
        if size != 4:
            raise BusError
        if offset < _PENDING:
            if 1 <= offset // 4 <= SOURCES:
                self._priority[offset // 4] = value & _HIGHEST
        elif offset < _CONTEXT:
            context, rest = divmod(offset - _ENABLE, _ENABLE_STRIDE)
            if context in range(len(_CONTEXTS)) and not rest:
                self._enabled[context] = value & _ALL
                self._sum_up()
        else:
            context, rest = divmod(offset - _CONTEXT, _CONTEXT_STRIDE)
            if context >= len(_CONTEXTS):
                return
            if rest == 0:
                self._threshold[context] = value & _HIGHEST
            elif rest == 4:
                self._complete(context, value)

    def _claim(self, context: int) -> int:
        """The most urgent source, whatever the threshold; until it is completed it isn't pending."""
        source = self._urgent(self.pending & self._enabled[context], 0)
        if source:
            self._claimed |= 1 << source
        return source

    def _complete(self, context: int, source: int) -> None:
        """A source has been dealt with; ignored for one that isn't enabled here."""
        if source <= SOURCES:
            self._claimed &= ~(1 << source & self._enabled[context])

    def _sum_up(self) -> None:
        self._anybody = self._enabled[0] | self._enabled[1]

    def state(self) -> dict[str, Any]:
        """Its registers, and what is claimed."""
        return {
            "priority": list(self._priority),
            "enabled": list(self._enabled),
            "threshold": list(self._threshold),
            "claimed": self._claimed,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as `state` says; VlabError if it can't be."""
        values = checked(self.name, state, priority=list, enabled=list, threshold=list, claimed=_ALL + 1)
        for name, count, bound in (
            ("priority", SOURCES + 1, _HIGHEST + 1),
            ("enabled", len(_CONTEXTS), _ALL + 1),
            ("threshold", len(_CONTEXTS), _HIGHEST + 1),
        ):
            row = values[name]
            if len(row) != count or any(type(one) is not int or not 0 <= one < bound for one in row):
                raise VlabError(
                    _("The saved field {name} isn't a controller's.").format(name=name), where=self.name
                )
        self._priority = list(values["priority"])
        self._enabled, self._threshold = list(values["enabled"]), list(values["threshold"])
        self._claimed = values["claimed"]
        self._sum_up()
