"""A proxy that reads what goes to the server: it counts statements, and before or after one of them the line goes dead.

psycopg2 speaks the simple protocol: one message Q for each execute(), answered until the server is ready for the next one.
https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, NamedTuple

from tests.chaos.proxy import Proxy
from tools.postgres_server import PostgresServer

ENCRYPTION = (80877103, 80877104)  # SSLRequest and GSSENCRequest: answered with one byte, then comes another packet
PASSWORDS = (3, 5, 10, 11)  # kinds of Authentication that wait for an answer: clear text, MD5, the steps of SASL


class Cut(NamedTuple):
    """At which statement, counted from 1 over all connections, and whether the server still got it and did it."""

    statement: int
    after: bool

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} statement {self.statement}"


class CountingProxy(Proxy):
    """``seen``: the statements so far, as text; at ``cut`` all connections end, and no other begins."""

    def __init__(self, server: PostgresServer, cut: Cut | None = None) -> None:
        self.seen: list[str] = []
        self.at = cut
        self._counting = threading.Lock()
        super().__init__(server)

    def _serve(self, client: socket.socket) -> None:
        if not self.open:
            client.close()
            return
        backend = socket.create_connection((self.server.host, self.server.port))
        pair = (client, backend)
        for side in pair:
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._pairs.add(pair)
        with suppress(OSError, EOFError, ValueError), client.makefile("rb") as asked, backend.makefile("rb") as answered:
            if self._greeted(asked, answered, pair):
                self._talk(asked, answered, pair)
        with self._lock:
            self._pairs.discard(pair)
        for side in pair:
            side.close()

    def _greeted(self, asked: BinaryIO, answered: BinaryIO, pair: tuple[socket.socket, socket.socket]) -> bool:
        """Hand on all that comes before the first statement; False where it was only a request to cancel one."""
        client, backend = pair
        while True:
            packet = _packet(asked)
            backend.sendall(packet)
            (code,) = struct.unpack("!I", packet[4:8])
            if code not in ENCRYPTION:
                break
            client.sendall(_exactly(answered, 1))
        if code == 80877102:
            return False
        while (message := _message(answered))[:1] != b"Z":
            client.sendall(message)
            if message[:1] == b"R" and struct.unpack("!I", message[5:9])[0] in PASSWORDS:
                backend.sendall(_message(asked))
        client.sendall(message)
        return True

    def _talk(self, asked: BinaryIO, answered: BinaryIO, pair: tuple[socket.socket, socket.socket]) -> None:
        client, backend = pair
        while self.open:
            message = _message(asked)
            last = message[:1] == b"Q" and self._is_the_one(message[5:-1].decode("utf-8", "replace"))
            if last and self.at is not None and not self.at.after:
                return self._end()
            backend.sendall(message)
            if message[:1] != b"Q":
                continue
            while (answer := _message(answered))[:1] != b"Z":
                if not last:
                    client.sendall(answer)
            if last:
                return self._end()
            client.sendall(answer)
        return None

    def _is_the_one(self, text: str) -> bool:
        with self._counting:
            self.seen.append(text)
            return self.at is not None and len(self.seen) == self.at.statement

    def _end(self) -> None:
        self.open = False
        self.cut()


def _message(source: BinaryIO) -> bytes:
    return _exactly(source, 1) + _packet(source)


def _packet(source: BinaryIO) -> bytes:
    length = _exactly(source, 4)
    return length + _exactly(source, struct.unpack("!I", length)[0] - 4)


def _exactly(source: BinaryIO, count: int) -> bytes:
    """That many bytes; EOFError where the other side has ended before."""
    found = source.read(count)
    if len(found) < count:
        raise EOFError
    return found


@contextmanager
def counted(server: PostgresServer, cut: Cut | None = None) -> Iterator[CountingProxy]:
    """A counting proxy for the length of a block."""
    made = CountingProxy(server, cut)
    try:
        yield made
    finally:
        made.close()
