"""Services that write beside a proof, each on rows of its own, and what a sync would do to the Spanish tables for each write.

``carried`` says when: in the legacy write's own transaction; ``late``: in another one, that has locked the Spanish rows before
the legacy write and makes them right after it, as a queue does; ``never``: as long as there is no sync.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg2

from tests.support.databases import Database

Carried = Literal["at once", "late", "never"]
CLASHES = ("40P01", "55P03")
TARGETS = {
    "customers_clientes": "clientes",
    "users_clientes": "clientes",
    "users_proveedores": "proveedores",
    "messages_mensajes": "mensajes",
    "sessions_sesiones": "sesiones",
    "service_requests_solicitudes_servicio": "solicitudes_servicio",
}


Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Write:
    """A legacy statement, and the keys of the pairs that hang on it.

    ``echo``: Spanish statements that say the same; where there are none the pairs' own functions carry the keys.
    ``there``: the Spanish rows exist, so they can be locked beforehand.
    """

    legacy: Statement
    follow: Mapping[str, Sequence[str]]
    echo: Sequence[Statement] = ()
    there: bool = True


@dataclass
class Person:
    """A row that a service made, and what hangs on it. ``bad``: the row is in quarantine or merged."""

    key: str
    phone: str
    messages: list[str] = field(default_factory=list)
    bad: bool = False


class Service(threading.Thread):
    """Writes about ``rate`` legacy rows a second until told to stop. ``failure``: what ended it, if not that."""

    def __init__(self, database: Database, seed: int, stop: threading.Event, carried: Sequence[Carried], rate: float) -> None:
        super().__init__()
        self.database, self.stop, self.carried, self.rate = database, stop, carried, rate
        self.rolls = random.Random(seed)
        self.seed = seed
        self.written, self.touched = 0, set[str]()
        self.failure: BaseException | None = None
        self.customers: list[Person] = []
        self.clients: list[Person] = []
        self.providers: list[Person] = []

    def run(self) -> None:
        try:
            with ExitStack() as stack:
                url = self.database.superuser_url
                legacy, spanish = (stack.enter_context(closing(psycopg2.connect(url))) for _ in range(2))
                for write in self._beginning():
                    self._do(legacy, spanish, write, "never" if self.carried == ["never"] else "at once")
                due = time.monotonic()  # of the next write: what a wait has cost is made up for
                while not self.stop.is_set():
                    before = self.written
                    write, remember = self._next()
                    how = self.rolls.choice(self.carried)
                    self._do(legacy, spanish, write, "at once" if how == "late" and not write.there else how)
                    remember()
                    due += (self.written - before) / self.rate
                    time.sleep(max(0.0, due - time.monotonic()))
        except BaseException as error:
            self.failure = error

    def _do(self, legacy: Any, spanish: Any, write: Write, how: Carried) -> None:
        """One write; a clash with the proof's locks is tried again, as services do."""
        self.touched.update(key for keys in write.follow.values() for key in keys)
        while True:
            try:
                self.written += self._try(legacy, spanish, write, how)
                return
            except psycopg2.Error as error:
                legacy.rollback()
                spanish.rollback()
                if error.pgcode not in CLASHES:
                    raise

    def _try(self, legacy: Any, spanish: Any, write: Write, how: Carried) -> int:
        if how == "late":
            with spanish.cursor() as cursor:
                for pair, keys in write.follow.items():
                    cursor.execute(f"SELECT FROM {TARGETS[pair]} WHERE id = ANY (%s::uuid[]) FOR UPDATE", (keys,))
        with legacy.cursor() as cursor:
            cursor.execute(*write.legacy)
            rows = cursor.rowcount
            if how == "at once":
                carry(cursor, write)
        legacy.commit()
        if how == "late":
            time.sleep(0.002)
            with spanish.cursor() as cursor:
                carry(cursor, write)
            spanish.commit()
        return int(rows)

    def _key(self) -> str:
        """Behind the sample's own keys."""
        return f"f{self.seed:07x}" + str(uuid.UUID(int=self.rolls.getrandbits(128)))[8:]

    def _phone(self) -> str:
        return f"5938{self.seed:02d}{self.rolls.randrange(10**9):09d}"

    def _beginning(self) -> Iterator[Write]:
        for _ in range(20):
            yield self._new_customer()
        for kind, people in (("provider", self.providers), ("client", self.clients)):
            for _ in range(4):
                person = Person(self._key(), self._phone())
                people.append(person)
                pair = "users_proveedores" if kind == "provider" else "users_clientes"
                insert = "INSERT INTO users (id, phone_number, name, user_type) VALUES (%s, %s, 'Nombre', %s)"
                yield Write((insert, (person.key, person.phone, kind)), {pair: [person.key]}, there=False)
        for provider in self.providers:
            for _ in range(3):
                yield self._new_message(provider)

    def _new_customer(self) -> Write:
        person = Person(self._key(), self._phone())
        self.customers.append(person)
        statement = "INSERT INTO customers (id, phone_number) VALUES (%s, %s)"
        return Write((statement, (person.key, person.phone)), {"customers_clientes": [person.key]}, there=False)

    def _new_message(self, provider: Person) -> Write:
        provider.messages.append(self._key())
        statement = "INSERT INTO messages (id, user_id, content) VALUES (%s, %s, 'Hola')"
        return Write(
            (statement, (provider.messages[-1], provider.key)), {"messages_mensajes": provider.messages[-1:]}, there=False
        )

    def _next(self) -> tuple[Write, Callable[[], None]]:
        """The next write, and what to remember once it is done."""
        kind = self.rolls.choices(["city", "text", "phone", "bad", "merge", "row", "gone"], [30, 30, 20, 3, 3, 3, 3])[0]
        if kind == "bad":
            return self._good_or_bad()
        if kind == "merge":
            return self._merge()
        if kind == "gone":
            return self._gone()
        makers = {"city": self._city, "text": self._text, "phone": self._phone_of_a_provider, "row": self._new_row}
        return makers[kind](), lambda: None

    def _new_row(self) -> Write:
        return self._new_customer() if len(self.customers) < 30 else self._new_message(self.rolls.choice(self.providers))

    def _city(self) -> Write:
        good = [p.key for p in self.customers if not p.bad]
        keys, city = self.rolls.sample(good, min(4, len(good))), f"ciudad {self.rolls.random()}"
        legacy = ("UPDATE customers SET city = %s WHERE id = ANY (%s::uuid[])", (city, keys))
        moment = "actualizado_at = timezone('UTC', l.updated_at)"
        echo = f"UPDATE clientes t SET ciudad = %s, {moment} FROM customers l WHERE t.id = ANY (%s::uuid[]) AND l.id = t.id"
        return Write(legacy, {"customers_clientes": keys}, [(echo, (city, keys))])

    def _text(self) -> Write:
        own = [key for provider in self.providers for key in provider.messages]
        keys, text = self.rolls.sample(own, min(4, len(own))), f"texto {self.rolls.random()}"
        legacy = ("UPDATE messages SET content = %s WHERE id = ANY (%s::uuid[])", (text, keys))
        echo = ("UPDATE mensajes SET contenido = %s WHERE id = ANY (%s::uuid[])", (text, keys))
        return Write(legacy, {"messages_mensajes": keys}, [echo])

    def _phone_of_a_provider(self) -> Write:
        """The parent's phone stands in its messages too."""
        person, phone = self.rolls.choice(self.providers), self._phone()
        follow = {"users_proveedores": [person.key], "messages_mensajes": list(person.messages)}
        echo = [
            ("UPDATE proveedores SET telefono = %s WHERE id = %s", (phone, person.key)),
            ("UPDATE mensajes SET telefono = %s WHERE id = ANY (%s::uuid[])", (phone, list(person.messages))),
        ]
        return Write(("UPDATE users SET phone_number = %s WHERE id = %s", (phone, person.key)), follow, echo)

    def _good_or_bad(self) -> tuple[Write, Callable[[], None]]:
        """A city that is too long sends the customer to quarantine, another one brings it back."""
        person = self.rolls.choice([p for p in self.customers if not self._wins(p)])
        bad, there = not person.bad, not person.bad
        city = "x" * 101 if bad else "Loja"
        legacy = ("UPDATE customers SET city = %s WHERE id = %s", (city, person.key))

        def remember() -> None:
            person.bad = bad

        return Write(legacy, {"customers_clientes": [person.key]}, there=there), remember

    def _gone(self) -> tuple[Write, Callable[[], None]]:
        provider = max(self.providers, key=lambda p: len(p.messages))
        if len(provider.messages) < 2:
            return self._new_message(provider), lambda: None
        key = self.rolls.choice(provider.messages)
        write = Write(("DELETE FROM messages WHERE id = %s", (key,)), {"messages_mensajes": [key]})
        return write, lambda: provider.messages.remove(key)

    def _merge(self) -> tuple[Write, Callable[[], None]]:
        """A client takes the phone of a customer, who wins, or one of its own again."""
        client = self.rolls.choice(self.clients)
        taken = {c.phone for c in self.clients}
        free = [c.phone for c in self.customers if c.phone not in taken and not c.bad]
        bad = not client.bad and bool(free)
        phone = self.rolls.choice(free) if bad else self._phone()
        legacy = ("UPDATE users SET phone_number = %s WHERE id = %s", (phone, client.key))
        write = Write(legacy, {"users_clientes": [client.key]}, there=not client.bad)

        def remember() -> None:
            client.phone, client.bad = phone, bad

        return write, remember

    def _wins(self, customer: Person) -> bool:
        """Whether a client is merged into it: what becomes of it would be the client's fate too."""
        return any(client.phone == customer.phone for client in self.clients)


def carry(cursor: Any, write: Write) -> None:
    """What a sync does for this write."""
    if write.echo:
        cursor.execute("SET LOCAL migracion.sync = 'prueba'")
        for statement, parameters in write.echo:
            cursor.execute(statement, parameters)
        return
    for pair, keys in write.follow.items():
        cursor.execute(f"SELECT migracion.llevar_{pair}(%s::uuid[], 'prueba')", (list(keys),))
        cursor.execute(f"SELECT migracion.quitar_{TARGETS[pair]}(%s::uuid[], 'prueba')", (list(keys),))


@contextmanager
def services(database: Database, *carried: Carried, writes: float = 300, number: int = 6) -> Iterator[list[Service]]:
    """Services that write together ``writes`` legacy rows a second; at the end none of them has failed."""
    stop = threading.Event()
    running = [Service(database, seed, stop, carried, writes / number) for seed in range(1, number + 1)]
    for service in running:
        service.start()
    try:
        yield running
    finally:  # what ended a service explains what the test has found
        stop.set()
        for service in running:
            service.join()
        for service in running:
            if service.failure is not None:
                raise service.failure
