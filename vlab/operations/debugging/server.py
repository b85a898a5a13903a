"""The stub behind a socket, on this host alone: who may connect may do all that the reader may."""

import select
import socket
from collections.abc import Callable, Iterator

from vlab.language import VlabError, _
from vlab.machine import Computer
from vlab.operations.debugging.debugger import Debugger
from vlab.operations.debugging.packets import INTERRUPT, Packets, packet
from vlab.operations.debugging.stub import Stub

_HOST = "127.0.0.1"
_PIECE = 1 << 16
_MOST_AHEAD = 1024  # packets that wait while the computer runs


def serve(computer: Computer, port: int = 0, ready: Callable[[int], object] = lambda port: None) -> str:
    """Let one GDB debug the computer, from when it connects until it leaves: "detached", "killed" or "gone".

    `ready` is told the port, a free one if `port` is 0, as soon as GDB may connect: `target remote localhost:PORT`.
    Nothing outside this host can. Raises VlabError where the port can't be had.
    """
    try:
        if not 0 <= port < 1 << 16:
            raise OSError(_("ports are 0, a free one, to 65535"))
        listener = socket.create_server((_HOST, port))
    except OSError as error:
        raise VlabError(
            _("No debugger can connect to port {port}: {why}.").format(port=port, why=error),
            mend=_("Choose another one, or 0 for any that is free."),
        ) from None
    with listener:
        ready(listener.getsockname()[1])
        connection, _address = listener.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            return _Session(computer, connection).run()
        except OSError:
            return "gone"


class _Session:
    """One GDB's connection."""

    def __init__(self, computer: Computer, connection: socket.socket):
        self._connection, self._packets = connection, Packets()
        self._stub = Stub(Debugger(computer, self._interrupted), self._tell)
        self._waiting: list[bytes | None] = []  # what came while the computer ran
        self._last = b""
        # A `monitor` command is at work; nobody waits for its answer.
        self._commanded = self._given_up = False

    def run(self) -> str:
        """Answer until it leaves."""
        for payload in self._taken():
            if payload is None:
                if self._stub.acknowledging:
                    self._connection.sendall(b"-")
            elif payload == b"-":
                if self._stub.acknowledging:  # else GDB says so too when it is tired of waiting
                    self._connection.sendall(self._last)
            elif payload != INTERRUPT:  # it stands still already
                self._answer(payload)
                if self._stub.over:
                    return self._stub.over
        return "gone"

    def _answer(self, payload: bytes) -> None:
        acknowledgement = b"+" if self._stub.acknowledging else b""
        if acknowledgement:
            self._connection.sendall(acknowledgement)
        self._commanded, self._given_up = payload.startswith(b"qRcmd,"), False
        answer = self._stub.answer(payload)
        if not self._given_up:
            self._last = packet(answer)
            self._connection.sendall(self._last)

    def _tell(self, text: str) -> None:
        self._connection.sendall(packet(b"O" + text.encode("utf-8", "replace").hex().encode()))

    def _taken(self) -> Iterator[bytes | None]:
        while True:
            while self._waiting:
                yield self._waiting.pop(0)
            data = self._connection.recv(_PIECE)
            if not data:
                return
            self._waiting += self._packets.take(data)

    def _interrupted(self) -> bool:
        """Whether Ctrl-C came while the computer runs, or whoever debugs it has gone."""
        while select.select([self._connection], [], [], 0)[0]:
            data = self._connection.recv(_PIECE)
            if not data:
                raise ConnectionResetError
            self._waiting += self._packets.take(data)
            if len(self._waiting) > _MOST_AHEAD:
                raise ConnectionResetError
        if INTERRUPT in self._waiting:
            self._waiting.remove(INTERRUPT)
            return True
        if not self._commanded:
            return False
        # GDB sends nothing before it has its answer, unless it waits for that no more: Ctrl-C does it.
        self._given_up = any(payload not in (None, b"-") for payload in self._waiting)
        return self._given_up
