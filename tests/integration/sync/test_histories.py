"""Generated histories: statements of three sessions on related rows of both sides, in turn, end with both sides equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.both_sides import CONFLICTS, LEGACY, SPANISH
from tests.support.databases import Database, Databases
from tests.support.jobs import Jobs

from .conftest import Synced

pytestmark = pytest.mark.concurrent
# What a service's own tables answer, with the sync or without it.
ITS_OWN = {"23505", "23503", "22P02", "23502"}
MORE = (
    "UPDATE messages SET user_id = NULL WHERE user_id = '{user}'",
    "UPDATE customers SET phone_number = '{phone}' WHERE id = '{customer}'",
    "DELETE FROM users WHERE id = '{user}'",
    "UPDATE provider_services SET title = NULL WHERE provider_id = '{user}'",
    "UPDATE clientes SET telefono = '{phone}' WHERE id = '{customer}'",
    "DELETE FROM clientes WHERE id = '{customer}'",
    "UPDATE solicitudes_servicio SET estado = CASE estado WHEN 'resuelta' THEN 'pendiente' ELSE 'resuelta' END"
    " WHERE telefono = '{phone}'",
)
STATEMENTS = (*LEGACY, *SPANISH, *MORE)
LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
Step = tuple[int, str, int, int, int, int]  # session, what, which statement or level, customer, user and message, phone
steps = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["write"] * 8 + ["commit"] * 3 + ["rollback", "savepoint", "back", "level", "off", "on", "drain"]),
        st.integers(0, len(STATEMENTS) - 1),
        st.integers(0, 3),
        st.integers(0, 3),
        st.integers(0, 7),
    ),
    min_size=4,
    max_size=25,
)


@dataclass
class History:
    """Three sessions of services on one database; ``errors``: what a service got that its own tables do not explain."""

    database: Database
    jobs: Jobs
    sessions: list[Any]
    keys: dict[str, list[str]]
    phones: list[str]
    errors: list[str] = field(default_factory=list)

    def play(self, history: Sequence[Step]) -> None:
        """Every step; at the end every session commits, the sync is on, and what waited is carried."""
        for step in history:
            self._step(*step)
        self._all_commit()
        self.jobs.switch("si")
        self.jobs.drain()

    def _step(self, session: int, what: str, which: int, first: int, second: int, phone: int) -> None:
        connection = self.sessions[session]
        match what:
            case "write":
                keys = {"customer": self.keys["customer"][first], "user": self.keys["user"][second]}
                text = STATEMENTS[which].format(
                    word=f"w{which}", phone=self.phones[phone], message=self.keys["message"][first], **keys
                )
                self._run(connection, text)
            case "commit":
                self._run(connection, "COMMIT")
            case "rollback":
                connection.rollback()
            case "savepoint":
                self._run(connection, "SAVEPOINT a")
            case "back":
                self._run(connection, "ROLLBACK TO a", also="3B001")
            case "level":
                self._run(connection, "COMMIT")
                self._run(connection, f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {LEVELS[which % 3]}; COMMIT")
            case "off":
                self.jobs.switch("no")
            case "on":
                self._all_commit()  # it waits for whoever saw it off
                self.jobs.switch("si")
            case "drain":
                self._all_commit()
                self.jobs.switch("si")
                self.jobs.drain()

    def _all_commit(self) -> None:
        for connection in self.sessions:
            self._run(connection, "COMMIT")

    def _run(self, connection: Any, text: str, also: str = "") -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute(text)
        except psycopg2.Error as error:
            connection.rollback()
            if error.pgcode not in (*CONFLICTS, *ITS_OWN, also):
                self.errors.append(f"{error.pgcode} {error} after {text}")
        if text.endswith("COMMIT"):
            connection.commit()


@pytest.fixture(scope="module")
def prepared(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Copied, proved, with the sync on; each history has a copy of it."""
    database = databases.sample("jsonb", 100, "open", messages=60, up_to="fase3")
    Jobs(database.url, tmp_path_factory.mktemp("respaldos")).synchronise()
    yield database
    databases.drop(database)


def ends_equal(history: Sequence[Step], prepared: Database, databases: Databases, folder: Path) -> None:
    """Play it on a copy; both proofs hold and no service got an error that is not its own."""
    database = databases.copy_with_ledger(prepared.name)
    try:
        jobs = Jobs(database.url, folder)
        tables = {"customer": "customers", "user": "users", "message": "messages"}
        keys = {n: [str(r[0]) for r in database.query(f"SELECT id FROM {t} ORDER BY id LIMIT 4")] for n, t in tables.items()}
        phones = [r[0] for r in database.query("SELECT phone_number FROM users ORDER BY id LIMIT 3")]
        phones += [r[0] for r in database.query("SELECT phone_number FROM customers ORDER BY id LIMIT 3")] + ["+1", "+2"]
        with ExitStack() as stack:
            sessions = [stack.enter_context(closing(psycopg2.connect(database.superuser_url))) for _ in range(3)]
            for connection in sessions:
                with connection.cursor() as cursor:
                    cursor.execute("SET lock_timeout = '150ms'; SET deadlock_timeout = '100ms'; COMMIT")
                connection.commit()
            played = History(database, jobs, sessions, keys, phones)
            played.play(history)
        assert played.errors == []
        Synced(database, jobs).settled()
    finally:
        databases.drop(database)


QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@given(history=steps)
@settings(max_examples=40, derandomize=True, **QUIET)
def test_any_history_ends_with_both_sides_equal(
    history: list[Step], prepared: Database, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ends_equal(history, prepared, databases, tmp_path_factory.mktemp("historia"))


@pytest.mark.slow
@given(history=steps)
@settings(max_examples=1_000, **QUIET)
def test_a_thousand_histories_end_with_both_sides_equal(
    history: list[Step], prepared: Database, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ends_equal(history, prepared, databases, tmp_path_factory.mktemp("historia"))
