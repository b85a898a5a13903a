"""The virtio console (Virtio 1.2, 5.3): one port, whose other end is a terminal.

Queue 0 has buffers for what is typed, queue 1 has what the driver prints.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

from vlab.language import _
from vlab.machine.bus import checked
from vlab.machine.devices import printed
from vlab.machine.devices.printed import COUNT, Printed, expect_printed
from vlab.machine.devices.virtio.queue import QueueError
from vlab.machine.devices.virtio.transport import VirtioDevice

_RECEIVE, _TRANSMIT = 0, 1


class VirtioConsole(VirtioDevice):
    """A console. `printed` is what was printed, as far as it is kept.

    Typed bytes wait until the driver has a buffer for them.
    """

    kind: ClassVar[str] = "virtio-console"
    device_id: ClassVar[int] = 3
    queues: ClassVar[int] = 2

    def __init__(self, name: str = "virtio-console"):
        super().__init__(name)
        self.printed = Printed()
        self._wire: deque[int] = deque()  # typed, not yet received

    def __repr__(self) -> str:
        return _("{name}: {sent} bytes printed, {waiting} typed and not read yet").format(
            name=self.name, sent=self.printed.count, waiting=len(self._wire)
        )

    @property
    def text(self) -> str:
        """What was printed; where the beginning of it is no longer kept, the first line says so."""
        return self.printed.text

    @property
    def output(self) -> bytearray:
        """The bytes printed, as far as they are kept."""
        return self.printed.kept

    def config(self) -> bytes:
        """Empty but for zeros: columns, rows and the number of ports belong to features that aren't offered."""
        return bytes(12)

    def receive(self, data: bytes) -> None:
        """Take bytes that come from the terminal."""
        self._wire.extend(data)
        self.serve(self._deliver)

    def notified(self, number: int) -> None:
        """There are new buffers for typed text, or text to print."""
        if number == _RECEIVE:
            self._deliver()
            return
        while (chain := self.queue[_TRANSMIT].pop()) is not None:
            # One chain may be a thousand times what is kept.
            more = max(0, chain.readable - printed.MOST)
            self.printed.add(chain.read(start=more), more)
            self.queue[_TRANSMIT].push(chain)

    def _deliver(self) -> None:
        """Put what was typed into the driver's buffers."""
        while self._wire and (chain := self.queue[_RECEIVE].pop()) is not None:
            if not chain.writable:
                raise QueueError("no room in it")
            count = min(chain.writable, len(self._wire))
            chain.write(bytes(self._wire.popleft() for _byte in range(count)))
            self.queue[_RECEIVE].push(chain)

    def reset(self) -> None:
        """Be as at power-on: nothing printed, nothing typed."""
        super().reset()
        self.printed.clear()
        self._wire.clear()

    def own_state(self) -> dict[str, Any]:
        """What was printed, what waits."""
        return {"output": bytes(self.output), "dropped": self.printed.dropped, "wire": bytes(self._wire)}

    def restore_own(self, state: Mapping[str, Any]) -> None:
        """See `VirtioDevice.restore_own`."""
        values = checked(self.name, state, output=bytes, dropped=COUNT, wire=bytes)
        expect_printed(values["output"], self.name)
        self.printed.put(values["output"], values["dropped"])
        self._wire = deque(values["wire"])
