"""A TCP proxy before the server that can cut all connections at once, as a network does."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tools.postgres_server import PostgresServer

RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: close() sends a reset, nothing is said goodbye to


class Proxy:
    """Hands bytes on between ``port`` and the server, until they are cut off."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.open = True
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((server.host, 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> int:
        """Reset every connection on both sides; how many there were."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for side in pair:
                with suppress(OSError):
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    side.shutdown(socket.SHUT_RD)  # wakes the thread that waits for this side
                side.close()
        return len(pairs)

    def close(self) -> None:
        """End for good."""
        self.open = False
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            if not self.open:
                raise OSError("the line is dead")
            backend = socket.create_connection((self.server.host, self.server.port))
        except OSError:
            client.close()
            return
        pair = (client, backend)
        with self._lock:
            self._pairs.add(pair)
        for source, target in (pair, pair[::-1]):
            threading.Thread(target=self._pump, args=(source, target, pair), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        # Whoever ends first ends both: PostgreSQL knows no half-closed connection.
        with self._lock:
            self._pairs.discard(pair)
        for side in pair:
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()


@contextmanager
def proxy(server: PostgresServer) -> Iterator[Proxy]:
    """A proxy for the length of a block."""
    made = Proxy(server)
    try:
        yield made
    finally:
        made.close()
