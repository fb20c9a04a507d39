"""Writers on both sides of the sync at once, over related rows, who count what the server acknowledged."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field

import psycopg2

from tests.support.databases import Database

# What a statement may end with because somebody else holds a row that belongs to it.
CONFLICTS = {"40001", "40P01", "55P03"}
LEGACY = (
    "UPDATE customers SET city = '{word}' WHERE id = '{customer}'",
    "UPDATE customers SET full_name = '{word}', notes = NULL WHERE id = '{customer}'",
    "INSERT INTO customers (phone_number, full_name) VALUES ('{phone}', '{word}')",
    "UPDATE users SET city = '{word}' WHERE id = '{user}'",
    "UPDATE users SET phone_number = '{phone}' WHERE id = '{user}'",
    "UPDATE users SET user_type = CASE user_type WHEN 'client' THEN 'provider' ELSE 'client' END WHERE id = '{user}'",
    "UPDATE users SET status = CASE status WHEN 'raro' THEN 'active' ELSE 'raro' END WHERE id = '{user}'",
    "INSERT INTO messages (user_id, content) VALUES ('{user}', '{word}')",
    "UPDATE messages SET content = '{word}' WHERE id = '{message}'",
    "UPDATE messages SET user_id = '{user}' WHERE id = '{message}'",
    "DELETE FROM messages WHERE id = '{message}'",
    "INSERT INTO provider_services (provider_id, title) VALUES ('{user}', '{word}')",
    "DELETE FROM customers WHERE id = '{customer}' AND NOT EXISTS (SELECT FROM consents c WHERE c.user_id = '{customer}')"
    " AND NOT EXISTS (SELECT FROM customer_service_requests c WHERE c.customer_id = '{customer}')",
)
SPANISH = (
    "UPDATE clientes SET ciudad = '{word}' WHERE id = '{customer}'",
    "UPDATE clientes SET estado = 'suspendido' WHERE id = '{user}'",
    "UPDATE proveedores SET direccion = '{word}' WHERE id = '{user}'",
    "UPDATE proveedores SET telefono = '{phone}' WHERE id = '{user}'",
    "INSERT INTO clientes (telefono, nombre_completo) VALUES ('{phone}', '{word}')",
    "INSERT INTO mensajes (telefono, tipo_mensaje, contenido) VALUES ('{phone}', 'texto', '{word}')",
    "UPDATE mensajes SET contenido = '{word}' WHERE id = '{message}'",
    "DELETE FROM mensajes WHERE id = '{message}'",
)


@dataclass
class Writers:
    """``acknowledged``: committed transactions by side; ``errors``: SQLSTATEs by side that are no conflict."""

    database: Database
    seed: int = 1
    acknowledged: Counter[str] = field(default_factory=Counter)
    conflicts: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def run(self, seconds: float, legacy: int = 3, spanish: int = 2) -> None:
        """Write from so many connections of each side for so long."""
        stop = threading.Event()
        keys = {
            name: [str(row[0]) for row in self.database.query(f"SELECT id FROM {table} ORDER BY id LIMIT 25")]
            for name, table in (("customer", "customers"), ("user", "users"), ("message", "messages"))
        }
        sides = [("legacy", LEGACY)] * legacy + [("espanol", SPANISH)] * spanish
        threads = [
            threading.Thread(target=self._write, args=(side, texts, keys, random.Random(self.seed * 100 + n), stop))
            for n, (side, texts) in enumerate(sides)
        ]
        for thread in threads:
            thread.start()
        stop.wait(seconds)
        stop.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()

    def _write(
        self, side: str, texts: tuple[str, ...], keys: dict[str, list[str]], rolls: random.Random, stop: threading.Event
    ) -> None:
        with closing(psycopg2.connect(self.database.superuser_url)) as connection, connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
            connection.commit()
            while not stop.is_set():
                try:
                    for _ in range(rolls.choice((1, 1, 1, 2, 3))):
                        chosen = {name: rolls.choice(known) for name, known in keys.items()}
                        word, phone = f"w{rolls.randrange(10**6)}", f"+{rolls.randrange(40)}"
                        cursor.execute(rolls.choice(texts).format(word=word, phone=phone, **chosen))
                    if rolls.random() < 0.1:
                        connection.rollback()
                        continue
                    connection.commit()
                    self.acknowledged[side] += 1
                except psycopg2.Error as error:
                    connection.rollback()
                    if error.pgcode in CONFLICTS:
                        self.conflicts[f"{side} {error.pgcode}"] += 1
                    elif error.pgcode != "23505":  # a phone that the service's own table has already
                        self.errors.append(f"{side} {error.pgcode}: {error}")
