"""Rows that the sample always has, and what has become of them."""

from __future__ import annotations

from typing import Any

from tests.support.databases import Database


def key(kind: str, n: int) -> str:
    """The key of a row that the sample always has: c for customers, a for users, b for requests, e for messages."""
    return f"{kind}0000000-0000-4000-8000-{n:012d}"


def customer(n: int) -> str:
    """The key of a customer."""
    return key("c", n)


def quarantine(database: Database, table: str = "customers") -> dict[str, tuple[str, str]]:
    """Key to SQLSTATE and first word of the reason, of the open entries."""
    entries = database.query(
        "SELECT clave, sqlstate, split_part(motivo, ' ', 1) FROM migracion.cuarentena"
        " WHERE estado = 'abierta' AND tabla_origen = %s",
        (table,),
    )
    return {clave: (state, word) for clave, state, word in entries}


def client(database: Database, n: int, columns: str = "telefono, nombre_completo, ciudad") -> tuple[Any, ...] | None:
    """What the client of that customer's key has in those columns; None where there is none."""
    rows = database.query(f"SELECT {columns} FROM clientes WHERE id = %s", (customer(n),))
    return rows[0] if rows else None
