"""A tiny GDB: packets to a stub, over a socket or by hand, and what comes back."""

import socket
import threading
from typing import Any

from vlab.machine import Computer
from vlab.operations.debugging import serve


def packet(payload: bytes) -> bytes:
    """A packet, made without the code under test."""
    return b"$" + payload + b"#" + f"{sum(payload) % 256:02x}".encode()


class Client:
    """Connects to a stub that serves in another thread."""

    def __init__(self, computer: Computer):
        self.computer = computer
        self.left: list[str] = []
        self.told = ""  # on the console
        self._port = 0
        bound = threading.Event()

        def ready(port: int) -> None:
            self._port = port
            bound.set()

        def work() -> None:
            self.left.append(serve(computer, ready=ready))

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        assert bound.wait(20)
        self.socket = socket.create_connection(("127.0.0.1", self._port), timeout=20)
        self._bytes = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_error: Any) -> None:
        self.socket.close()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def send(self, data: bytes) -> None:
        """These very bytes."""
        self.socket.sendall(data)

    def receive(self) -> bytes:
        """The payload of the next packet, whose checksum must be right."""
        while b"#" not in self._bytes or len(self._bytes) < self._bytes.index(b"#") + 3:
            data = self.socket.recv(4096)
            assert data, "the stub has gone"
            self._bytes += data
        start, end = self._bytes.index(b"$") + 1, self._bytes.index(b"#")
        payload = self._bytes[start:end]
        assert int(self._bytes[end + 1 : end + 3], 16) == sum(payload) % 256
        self._bytes = self._bytes[end + 3 :]
        return payload

    def ask(self, text: str | bytes) -> str:
        """The answer to a packet."""
        self.send(packet(text.encode() if isinstance(text, str) else text))
        while (answer := self.receive().decode("latin-1")).startswith("O") and answer != "OK":
            self.told += bytes.fromhex(answer[1:]).decode()
        return answer

    def number(self, register: int) -> int:
        """A register's value."""
        return int.from_bytes(bytes.fromhex(self.ask(f"p{register:x}")), "little")

    def monitor(self, command: str) -> str:
        """What a monitor command says."""
        return bytes.fromhex(self.ask("qRcmd," + command.encode().hex())).decode()
