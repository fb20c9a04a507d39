"""Sample databases for tests: each kind, and each stage of its migration, is built once per server and then copied in a
fraction of a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import sql

from tests.sample.build import build
from tests.sample.supabase import DEFAULT_OWNER, NASTY_PASSWORD, ensure_roles
from tests.support.jobs import Jobs, Stage, bring
from tools.postgres_server import PostgresServer


@dataclass(frozen=True)
class Database:
    """A database of the test server and how to reach it as its owner (``url``) or as the superuser."""

    server: PostgresServer
    name: str
    role: str = DEFAULT_OWNER
    password: str = NASTY_PASSWORD

    @property
    def url(self) -> str:
        """The owner's address, as the operator would give it in DATABASE_URL."""
        return self.server.url(self.name, self.role, self.password)

    @property
    def superuser_url(self) -> str:
        """For looking and breaking, never for the runbook."""
        return self.server.url(self.name)

    def query(self, statement: str, parameters: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        """Rows of one statement, run and committed as the superuser; none if it returns none."""
        with self.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, parameters: tuple[Any, ...] | None = None) -> Any:
        """The only value of the only row."""
        ((value,),) = self.query(statement, parameters)
        return value

    def run_alone(self, *statements: str) -> None:
        """Statements of the superuser, each a transaction of its own, as those want that can stand in no other."""
        with closing(psycopg2.connect(self.superuser_url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            for statement in statements:
                cursor.execute(statement)

    @contextmanager
    def cursor(self, url: str | None = None) -> Iterator[Any]:
        """A cursor of a connection of its own, committed at the end; as the superuser unless a url is given."""
        with closing(psycopg2.connect(url or self.superuser_url)) as connection, connection, connection.cursor() as cursor:
            yield cursor


# A database and the jobs on it; what makes such a pair.
Made = tuple[Database, Jobs]
Begin = Callable[..., Made]


class Databases:
    """Makes databases on one server, and drops them."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self._templates: dict[tuple[object, ...], str] = {}
        self._made = 0
        self._there: dict[str, Database] = {}

    def sample(
        self,
        installation: str = "jsonb",
        rows: int = 200,
        privileges: str = "open",
        *,
        messages: int | None = None,
        seed: int = 1,
        up_to: Stage | None = None,
    ) -> Database:
        """A database of its own with the sample's rows. ``up_to``: what the runbook's own jobs have done with it already."""
        kind = (installation, rows, privileges, messages, seed)
        template = self._template(*kind)
        if up_to is None:
            return self.copy(template)
        if (*kind, up_to) not in self._templates:
            made = self.copy(template)
            bring(made.url, up_to)
            self._templates[*kind, up_to] = made.name
        return self.copy_with_ledger(self._templates[*kind, up_to])

    def empty(self) -> Database:
        """A database of the owner's without anything in it, for tests that bring their own tables."""
        with self._cursor() as cursor:
            ensure_roles(cursor, DEFAULT_OWNER, NASTY_PASSWORD)
        return self.copy("template0")

    def copy(self, template: str) -> Database:
        """A new database from one that nobody is connected to."""
        self._made += 1
        name = f"prueba_{self._made}"
        names = map(sql.Identifier, (name, DEFAULT_OWNER, template))
        with self._cursor() as cursor:
            quick = " STRATEGY FILE_COPY" if cursor.connection.server_version >= 150000 else ""  # the only one before
            cursor.execute(sql.SQL(f"CREATE DATABASE {{}} OWNER {{}} TEMPLATE {{}}{quick}").format(*names))
        self._there[name] = Database(self.server, name)
        return self._there[name]

    def there(self) -> list[Database]:
        """What has been made and not dropped, templates aside."""
        return [database for name, database in self._there.items() if name not in self._templates.values()]

    def copy_with_ledger(self, template: str) -> Database:
        """The same from one with bookkeeping, which is refused in another database than its own until it is told so."""
        database = self.copy(template)
        database.query("UPDATE migracion.identidad SET base = current_database()")
        return database

    def drop(self, database: Database) -> None:
        """Remove it, whoever is still connected."""
        self._there.pop(database.name, None)
        with self._cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database.name)))

    def _template(self, installation: str, rows: int, privileges: str, messages: int | None, seed: int) -> str:
        kind = (installation, rows, privileges, messages, seed)
        if kind not in self._templates:
            name = f"muestra_{len(self._templates)}"
            build(
                self.server.url(),
                name,
                installation=installation,
                rows=rows,
                messages=messages,
                privileges=privileges,
                seed=seed,
            )
            self._templates[kind] = name
        return self._templates[kind]

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        """As the superuser, outside any transaction: CREATE DATABASE wants that."""
        with closing(psycopg2.connect(self.server.url())) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            yield cursor
