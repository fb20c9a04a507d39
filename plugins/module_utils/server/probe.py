"""From the name to the open port and TLS, step by step, so that a failure says which step it was. No login here."""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass

from ..core.server.address import Address, refused

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
SESSION_POOLER = (
    "En Supabase tome la dirección del pooler en modo sesión, que tiene IPv4 "
    "(aws-<zona>.pooler.supabase.com:5432, usuario postgres.<ref-del-proyecto>)."
)


@dataclass(frozen=True)
class Reached:
    """A server that answers: the numeric address taken and whether it offers TLS."""

    hostaddr: str
    offers_tls: bool


def reach(address: Address, timeout: float = 10) -> Reached:
    """Resolve, connect, ask for TLS. Raises MigrationError, code connection, with the sentence of the step that failed."""
    if address.is_socket:
        path = os.path.join(address.host, f".s.PGSQL.{address.port}")
        if not os.path.exists(path):
            raise refused(f"No hay ningún servidor en el socket {path}", "Revise DATABASE_URL y que el servidor esté en marcha.")
        return Reached("", False)
    numeric = dict(address.extra).get("hostaddr", address.host)
    found = _resolve(numeric, address.port)
    plug, hostaddr = _connect(address, found, timeout)
    with plug:
        return Reached(hostaddr, _offers_tls(address, plug))


def _resolve(name: str, port: int) -> list[tuple[int, str]]:
    try:
        infos = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise refused(
            f'Nombre: "{name}" no se resuelve en esta máquina',
            "Revise el servidor que nombra DATABASE_URL, y el DNS. (Un proyecto de Supabase en pausa también pierde su nombre.)",
        ) from None
    return list(dict.fromkeys((int(family), str(where[0])) for family, _, _, _, where in infos))


def _connect(address: Address, found: list[tuple[int, str]], timeout: float) -> tuple[socket.socket, str]:
    problems: list[OSError] = []
    for _, numeric in found[:4]:
        try:
            return socket.create_connection((numeric, address.port), timeout if len(found) == 1 else timeout / 2), numeric
        except OSError as problem:
            problems.append(problem)
    where = f"{address.host}:{address.port}"
    if all(family == socket.AF_INET6 for family, _ in found) and not any(
        problem.errno == errno.ECONNREFUSED for problem in problems
    ):
        raise refused(f'Ruta: "{address.host}" solo tiene dirección IPv6 y esta máquina no llega a ella', SESSION_POOLER)
    if any(problem.errno == errno.ECONNREFUSED for problem in problems):
        raise refused(
            f"Puerto: {where} rechaza la conexión: en ese puerto no escucha ningún PostgreSQL",
            "Revise el puerto y que el servidor esté en marcha.",
        )
    if any(isinstance(problem, TimeoutError) or problem.errno == errno.ETIMEDOUT for problem in problems):
        raise refused(
            f"Puerto: {where} no contesta en {timeout:.0f} s: lo impide un cortafuegos o una lista de direcciones "
            "permitidas, o el servidor está apagado",
            "Pida que dejen pasar a esta máquina, o encienda el servidor, y repita.",
        )
    why = problems[-1].strerror or "sin ruta"
    raise refused(f"Ruta: no hay camino desde esta máquina hasta {where} ({why})", "Revise la red de esta máquina y repita.")


def _offers_tls(address: Address, plug: socket.socket) -> bool:
    """Ask once, before any login: libpq's own fallback (sslmode=prefer) would try a wrong password twice."""
    where = f"{address.host}:{address.port}"
    try:
        plug.sendall(SSL_REQUEST)
        answer = plug.recv(1)
    except OSError:
        answer = b""
    if answer not in (b"S", b"N"):
        raise refused(f"TLS: {where} no contesta como un PostgreSQL", "Revise el puerto de DATABASE_URL.")
    if answer == b"N" and address.tls in ("require", "verify-ca", "verify-full"):
        raise refused(
            f"TLS: DATABASE_URL pide sslmode={address.tls} y {where} no ofrece TLS",
            "Revise el servidor y el puerto, o pida que ofrezca TLS.",
        )
    return answer == b"S"
