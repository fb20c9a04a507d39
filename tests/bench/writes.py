"""What a service's write costs: bare, beside the sync on and off, beside a trigger that copies NEW, and sent twice by hand."""

from __future__ import annotations

import re
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psycopg2

from tests.support.databases import Database, Databases
from tests.support.jobs import Jobs

_FILE = Path(__file__).with_name("writes.sql").read_text(encoding="utf-8")
WRITES = {name: text.strip() for name, text in re.findall(r"^-- ([a-z ]+)\n(.*?;)$", _FILE, re.DOTALL | re.MULTILINE)}
TWINS = {"messages": "mensajes", "customers": "clientes", "users": "proveedores"}
OTHER = {**TWINS, **{spanish: legacy for legacy, spanish in TWINS.items()}}
EVENTS = ("insert", "update", "delete")
ARMS = ("bare", "by hand", "on", "off", "copied")
COMMITS = {"disk": "on", "memory": "off"}
WARMING = 5  # rows before those that are measured: a session compiles its functions once
Seconds = dict[str, dict[str, float]]  # what is written → arm → median of its seconds


@dataclass
class Writers:
    """One database for each arm, all with the same rows; ``taken`` is what each write took, by what it was and by arm."""

    databases: Databases
    folder: Path
    rows: int
    made: dict[str, Database] = field(default_factory=dict)
    provider: dict[str, str] = field(default_factory=dict)
    taken: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def prepare(self) -> None:
        """fase2 and fase3 are done in each, and what an arm is named for stands."""
        for arm in ARMS:
            database = self.databases.sample(rows=self.rows, up_to="fase3")
            jobs = Jobs(database.url, self.folder)
            if arm in ("on", "off"):
                jobs.synchronise()
            if arm == "off":
                jobs.switch("no")
            if arm == "copied":
                for source, target in TWINS.items():
                    database.query(_copying(source, target))
            database.run_alone("VACUUM ANALYZE")
            self.made[arm] = database
        query = "SELECT u.id::text, p.telefono FROM users u JOIN proveedores p ON p.id = u.id ORDER BY u.id LIMIT 1"
        ((key, phone),) = self.made["bare"].query(query)
        self.provider = {"other": key, "its_phone": phone}

    def single(self, rounds: int, times: int) -> None:
        """``times`` rows are written, changed and deleted one by one, in every arm in turn, ``rounds`` times."""
        for commit in COMMITS:
            with self._sessions(commit) as cursors:
                for number, table, event in ((n, t, e) for n in range(rounds) for t in OTHER for e in EVENTS):
                    for arm in _turned(number):
                        statements = _statements(f"{table} {event}", arm)
                        for n in range(WARMING + times):
                            values = {**self.provider, "id": _key(number, n), "phone": f"5937{number:03}{n:05}"}
                            taken = _timed(cursors[arm], statements, values)
                            if n >= WARMING:
                                self.taken[f"{table} {event}, {commit}"][arm].append(taken)

    def bulk(self, rounds: int, rows: int) -> None:
        """So many rows in one statement, in every arm in turn."""
        with self._sessions("memory") as cursors:
            for number, table, event in ((n, t, e) for n in range(rounds) for t in TWINS for e in EVENTS):
                for arm in _turned(number, but="by hand"):
                    taken = _timed(cursors[arm], [WRITES[f"{table} bulk {event}"]], {**self.provider, "rows": rows})
                    self.taken[f"{table} {event}, {rows:,} rows"][arm].append(taken)

    def fan_out(self, rounds: int, messages: int) -> None:
        """A provider's phone changes, and so many messages are his."""
        with self._sessions("memory") as cursors:
            for arm in ARMS:
                cursors[arm].execute(WRITES["messages bulk insert"], {**self.provider, "rows": messages})
            for number in range(rounds):
                for arm in _turned(number, but="copied"):
                    values = {**self.provider, "phone": f"59366{number:05}"}
                    taken = _timed(cursors[arm], _statements("users phone", arm), values)
                    self.taken[f"users phone, {messages:,} messages follow"][arm].append(taken)

    def medians(self) -> Seconds:
        """What was written → arm → median."""
        return {what: {arm: median(arms[arm]) for arm in ARMS if arm in arms} for what, arms in self.taken.items()}

    def left_over(self) -> str:
        """What the sync still owes, in words; '' where it carried everything at once."""
        rows = self.made["on"].query("SELECT tabla_origen, motivo, count(*) FROM migracion.pendiente GROUP BY 1, 2")
        return ", ".join(f"{table}: {reason} ({count})" for table, reason, count in rows)

    @contextmanager
    def _sessions(self, commit: str) -> Iterator[dict[str, Any]]:
        with ExitStack() as stack:
            cursors = {}
            for arm, database in self.made.items():
                connection = stack.enter_context(closing(psycopg2.connect(database.superuser_url)))
                connection.autocommit = True
                cursors[arm] = connection.cursor()
                cursors[arm].execute(f"SET synchronous_commit = {COMMITS[commit]}")
            yield cursors


def _timed(cursor: Any, statements: list[str], values: dict[str, Any]) -> float:
    started = time.perf_counter()
    for statement in statements:
        cursor.execute(statement, values)
    return time.perf_counter() - started


def _statements(name: str, arm: str) -> list[str]:
    if arm != "by hand":
        return [WRITES[name]]
    table, what = name.split(" ", 1)
    return ["BEGIN", WRITES[name], WRITES[f"{OTHER[table]} {what}"], "COMMIT"]


def _turned(number: int, but: str = "") -> list[str]:
    """Return the arms, every second time the other way round: none is always measured before another."""
    return [arm for arm in ARMS[:: 1 if number % 2 == 0 else -1] if arm != but]


def _key(number: int, n: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number} {n}"))


def _copying(source: str, target: str) -> str:
    return f"""CREATE FUNCTION copia_{source}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF TG_OP = 'DELETE' THEN DELETE FROM {target} WHERE id = OLD.id; RETURN NULL; END IF;
{WRITES[f"{source} copied"]}
RETURN NULL; END $$;
CREATE TRIGGER copia AFTER INSERT OR UPDATE OR DELETE ON {source} FOR EACH ROW EXECUTE FUNCTION copia_{source}()"""
