"""Services that write all nine tables from both sides while the runbook goes there and back under them, and keep account of
every write that the server acknowledged."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from tests.support.databases import Database

# What a statement may end with because somebody else holds a row that belongs to it.
CONFLICTS = ("40001", "40P01", "55P03")
NO_TABLE = "42P01"  # of the Spanish side, before fase1 and after its way back


@dataclass(frozen=True)
class Place:
    """A column that both sides have, and the key by which its rows are found; ``number``: it holds a number from 0 to 10."""

    legacy: str
    column: str
    spanish: str
    carried: str
    keys: tuple[str, ...] = ("id",)
    spanish_keys: tuple[str, ...] = ("id",)
    number: bool = False


PLACES = (
    Place("professions", "specialty", "profesiones", "especialidad"),
    Place("customers", "city", "clientes", "ciudad"),
    Place("users", "city", "proveedores", "ciudad"),
    Place("users", "city", "clientes", "ciudad"),
    Place(
        "provider_professions",
        "specialty",
        "proveedor_profesiones",
        "especialidad",
        ("provider_id", "profession_id"),
        ("proveedor_id", "profesion_id"),
    ),
    Place("provider_services", "title", "servicios_proveedor", "titulo"),
    Place("service_requests", "location_city", "solicitudes_servicio", "ciudad"),
    Place("messages", "content", "mensajes", "contenido"),
    Place("sessions", "session_id", "sesiones", "id_sesion"),
    Place("task_queue", "priority", "tareas_programadas", "prioridad", number=True),
)
Row = tuple[Place, tuple[str, ...]]


def carried_rows(database: Database, of_each: int) -> list[Row]:
    """Rows that are on both sides, of a database where everything is copied; a row of clientes is named by where it lives."""
    found: list[Row] = []
    for place in PLACES:
        same = " AND ".join(f"l.{a} = t.{b}" for a, b in zip(place.keys, place.spanish_keys, strict=True))
        names = ", ".join(f"l.{a}::text" for a in place.keys)
        lives = " AND NOT EXISTS (SELECT FROM customers c WHERE c.id = l.id)" if place.spanish == "clientes" else ""
        lives = lives if place.legacy == "users" else ""
        rows = database.query(
            f"SELECT {names} FROM {place.legacy} l JOIN {place.spanish} t ON {same}"
            f" WHERE l.{place.column}::text = t.{place.carried}::text{lives} ORDER BY 1 LIMIT {of_each}"
        )
        found += [(place, tuple(row)) for row in rows]
    return found


@dataclass
class Ledger:
    """``last``: by row what its last acknowledged write left; ``unsure``: what one may have left whose COMMIT nobody heard."""

    last: dict[Row, str] = field(default_factory=dict)
    unsure: dict[Row, set[str]] = field(default_factory=dict)

    def acknowledged(self, written: dict[Row, str]) -> None:
        """The server said that these are committed."""
        for row, value in written.items():
            self.last[row] = value
            self.unsure.pop(row, None)

    def unheard(self, written: dict[Row, str]) -> None:
        """The line broke while these were on their way."""
        for row, value in written.items():
            self.unsure.setdefault(row, set()).add(value)

    def problems(self, database: Database) -> Iterator[str]:
        """Each row that does not hold, on both sides, what its last write left."""
        for row, value in self.last.items():
            place, key = row
            due = {value, *self.unsure.get(row, ())}
            for table, column, keys in (
                (place.legacy, place.column, place.keys),
                (place.spanish, place.carried, place.spanish_keys),
            ):
                there = database.query(f"SELECT {column}::text FROM {table} WHERE {_is(keys, key)}")
                if not there or any(found not in due for (found,) in there):
                    yield f"{table} {'|'.join(key)}: {column} is {there}, and not {sorted(due)}"


def _is(keys: Sequence[str], values: Sequence[str]) -> str:
    return " AND ".join(f"{name} = '{value}'" for name, value in zip(keys, values, strict=True))


class Service(threading.Thread):
    """One connection of one side, on rows that nobody else writes. ``stalls``: the longest statements with their table."""

    def __init__(self, url: str, side: str, number: int, rows: Sequence[Row], stop: threading.Event) -> None:
        super().__init__(name=f"{side}{number}")
        self.url, self.side, self.number, self.rows, self.stop = url, side, number, rows, stop
        self.dice = random.Random(f"{side} {number}")
        self.ledger, self.counts = Ledger(), Counter[str]()
        self.errors: list[str] = []
        self.stalls: list[tuple[float, str]] = []
        self.words = 0

    def run(self) -> None:
        """Write until told to stop; a line that breaks is made anew."""
        while not self.stop.is_set():
            with suppress(psycopg2.OperationalError, psycopg2.InterfaceError):
                connection = psycopg2.connect(self.url)
                try:
                    self._finish_prepared(connection)
                    while not self.stop.is_set():
                        self._transaction(connection)
                        time.sleep(self.dice.uniform(0, 0.04))
                finally:
                    connection.close()
            self.stop.wait(0.1)

    def _finish_prepared(self, connection: Any) -> None:
        """What was prepared when the line broke holds its rows until somebody commits it."""
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT gid FROM pg_prepared_xacts WHERE gid LIKE %s", (f"{self.name}-%",))
            for (name,) in cursor.fetchall():
                cursor.execute(f"COMMIT PREPARED '{name}'")
        connection.autocommit = False

    def _transaction(self, connection: Any) -> None:
        written: dict[Row, str] = {}
        committing = False
        try:
            with connection.cursor() as cursor:
                kind = self.dice.choice(("plain", "plain", "savepoint", "constraints", "prepared", "snapshot"))
                if kind == "snapshot":
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                cursor.execute("SET LOCAL lock_timeout = '20s'")
                for row in self.dice.sample(list(self.rows), self.dice.choice((1, 1, 2, 3))):
                    self._write(cursor, row, kind, written)
                if kind == "constraints":
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                committing = True
                if kind == "prepared" and written:
                    name = f"{self.name}-{self.words}"
                    cursor.execute(f"PREPARE TRANSACTION '{name}'")
                    connection.commit()
                    connection.autocommit = True
                    try:
                        cursor.execute(f"COMMIT PREPARED '{name}'")
                    finally:
                        connection.autocommit = False
                else:
                    connection.commit()
            self.ledger.acknowledged(written)
            self.counts["written"] += bool(written)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            if not connection.closed and (error.pgcode or "") in CONFLICTS:
                self._conflict(connection, error)
                return
            if committing:
                self.ledger.unheard(written)
            self.counts["broken"] += 1
            raise
        except psycopg2.Error as error:
            self._conflict(connection, error)

    def _conflict(self, connection: Any, error: psycopg2.Error) -> None:
        connection.rollback()
        code = error.pgcode or ""
        if code in CONFLICTS:
            self.counts[code] += 1
        elif code == NO_TABLE and self.side == "espanol":
            self.counts["no table"] += 1
            self.stop.wait(0.2)
        else:
            self.errors.append(f"{self.name} {code}: {error}")

    def _write(self, cursor: Any, row: Row, kind: str, written: dict[Row, str]) -> None:
        place, key = row
        self.words += 1
        value = str(self.words % 11) if place.number else f"{self.name}-{self.words}"
        mine = (place.legacy, place.column, place.keys)
        table, column, keys = mine if self.side == "legacy" else (place.spanish, place.carried, place.spanish_keys)
        statement = f"UPDATE {table} SET {column} = %s WHERE {_is(keys, key)}"
        if kind == "savepoint":
            cursor.execute("SAVEPOINT s")
            cursor.execute(statement, ("0" if place.number else f"nunca-{self.words}",))
            cursor.execute("ROLLBACK TO s")
        before = time.monotonic()
        cursor.execute(statement, (value,))
        self.stalls = sorted([*self.stalls, (time.monotonic() - before, table)], reverse=True)[:3]
        if cursor.rowcount:  # a Spanish row may not be there
            written[row] = value
