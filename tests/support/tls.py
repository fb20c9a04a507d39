"""TLS in front of a test server, whose binaries have none: ends the encryption and hands everything on."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tools.postgres_server import PostgresServer

SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


@contextmanager
def tls_proxy(server: PostgresServer, folder: Path) -> Iterator[int]:
    """Offer TLS with a certificate that nobody vouches for; plain connections pass too. Gives the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder / "proxy.pem"))
    with socket.create_server((server.host, 0)) as listener:
        threading.Thread(target=_accept, args=(listener, server, context), daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, server: PostgresServer, context: ssl.SSLContext) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, server, context), daemon=True).start()


def _serve(client: socket.socket, server: PostgresServer, context: ssl.SSLContext) -> None:
    with suppress(OSError), client:
        first = client.recv(8)
        if first == SSL_REQUEST:
            client.sendall(b"S")
            client, first = context.wrap_socket(client, server_side=True), b""
        with client, socket.create_connection((server.host, server.port)) as backend:
            backend.sendall(first)
            back = threading.Thread(target=_pump, args=(backend, client), daemon=True)
            back.start()
            _pump(client, backend)
            back.join(5)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _certificate(file: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "prueba")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(
        key.private_bytes(pem, form, serialization.NoEncryption()) + builder.sign(key, hashes.SHA256()).public_bytes(pem)
    )
    return file
