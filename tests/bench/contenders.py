"""What is measured, on one database: every statement on the same rows, the Spanish tables empty before each."""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg2

from plugins.module_utils.backfill import deferred_indexes
from plugins.module_utils.backfill.progress import analyze_target, open_progress, pending_routes, total_progress
from plugins.module_utils.backfill.slices import build_owed
from plugins.module_utils.backfill.watch import Watch
from plugins.module_utils.backfill.workers import copy_parts
from plugins.module_utils.call.context import Context, opened
from plugins.module_utils.core.phase.settings import Settings
from plugins.module_utils.core.proof import comparison
from plugins.module_utils.core.proof.dependence import filling
from plugins.module_utils.core.rows.refusals import accepted
from plugins.module_utils.core.rows.routes import Route
from plugins.module_utils.core.sqltext import idents
from plugins.module_utils.proof import prove
from plugins.module_utils.proof.accounting import MEMORY
from plugins.module_utils.proof.second_opinion import SecondOpinion
from plugins.module_utils.schema.routines import install_helpers, install_routes, uninstall_routes
from plugins.module_utils.server import db
from plugins.module_utils.sync.loading import loading_routes, log_taken_in
from plugins.module_utils.sync.switching import install
from tests.support.databases import Database
from tests.support.jobs import Jobs

PLAN = dict(
    re.findall(
        r"^-- (\w+)\n(INSERT.*?;)", Path(__file__).with_name("plan.sql").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
)
PHASES = ("fase2", "fase3")

COPIES = ("plan", "statement", "copy", "copy, 2 workers", "create table as")
PROOFS = ("scan", "proof")
WHOLE = {
    "analyze": "ANALYZE of what was copied, in no figure above",
    "second opinion": "The second opinion of all tables, which a run has beside its proof",
    "rerun": "A rerun with nothing to do",
    "empty phase": "A phase without a legacy row",
}
WAL = ", WAL"  # behind a contender's name: MB instead of seconds
Times = dict[str, dict[str, float]]  # contender → Spanish table, of a proof legacy table ('': all at once) → seconds


@dataclass
class Round:
    """One repetition on a database of its own."""

    database: Database
    folder: Path
    times: Times = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))

    @property
    def jobs(self) -> Jobs:
        """The phases' own jobs."""
        return Jobs(self.database.url, self.folder, batch_rows=Settings().batch_rows)

    def run(self) -> Times:
        """Measure everything once."""
        self.jobs.up_to_tables()
        with self._context("fase2") as context:
            self._install(context)
            self._statements(context, "plan", lambda route: PLAN.get(route.pair.target, "") if not route.earlier else "")
            self._statements(context, "statement", _careful)
            self._statements(context, "create table as", _as_table)
        self.copy("copy", 1)
        with self._context("fase2") as context:
            self._prove(context)
        with self._clock("rerun", ""):
            for phase in PHASES:
                self.jobs.copy(phase)
                self.jobs.equalise(phase)
        return {name: dict(found) for name, found in self.times.items()}

    @contextmanager
    def _context(self, phase: str) -> Iterator[Context]:
        with opened(self.jobs.params("medida", phase), True) as context:
            yield context

    @contextmanager
    def _clock(self, contender: str, table: str) -> Iterator[None]:
        written, started = self._written(), time.monotonic()
        yield
        self.times[contender][table] += time.monotonic() - started
        self.times[f"{contender}{WAL}"][table] += (self._written() - written) / 2**20

    def _written(self) -> int:
        return int(self.database.value("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"))

    def _install(self, context: Context) -> None:
        with db.transaction(context.conn):
            install_helpers(context.conn)
            install_routes(context.conn, context.all_routes)

    def _statements(self, context: Context, contender: str, statement: Callable[[Route], str]) -> None:
        conn, routes = context.conn, context.all_routes
        db.run_sql(conn, "CREATE SCHEMA medida; SET search_path = public")
        for route in routes:
            if text := statement(route):
                with self._clock(contender, route.pair.target):
                    db.run_sql(conn, text)
        db.run_sql(conn, f"TRUNCATE {', '.join(dict.fromkeys(r.target_table for r in routes))} RESTART IDENTITY")
        db.run_sql(conn, "DROP SCHEMA IF EXISTS medida CASCADE; SET search_path = pg_catalog")
        self.database.query("CHECKPOINT")

    def copy(self, contender: str, workers: int) -> None:
        """The batches of every pair with the sync on, the indexes owed, then the log, as slices do it; a clock for each table."""
        for phase in PHASES:
            with self.jobs.run(phase) as run_id, opened(self.jobs.params(run_id, phase), False) as context:
                settings = Settings(copy_workers=workers)  # production's batches
                conn, watch = context.conn, Watch(run_id, settings)
                self._install(context)
                with self._clock(f"{contender}: triggers", ""):
                    install(context, context.routes)
                for route in pending_routes(conn, context.routes):
                    with self._clock(contender, route.pair.target):
                        parts = open_progress(conn, route, run_id, workers)
                        if total_progress(parts).expected > settings.deferred_index_rows:
                            deferred_indexes.defer(conn, route, run_id)
                        copy_parts(self.database.url, conn, parts, watch, math.inf)
                    with self._clock("analyze", ""):  # no other contender does it
                        analyze_target(conn, route)
                with self._clock(contender, "indexes"):
                    build_owed(replace(context, settings=settings), watch, [], math.inf)
                with self._clock(contender, "log"):
                    log_taken_in(context, loading_routes(conn, context.routes), lambda: None, lambda: True)
            self.jobs.equalise(phase)

    def _prove(self, context: Context) -> None:
        conn, routes = context.conn, context.all_routes
        for route in {r.pair.source: r for r in routes}.values():
            with self._clock("scan", route.pair.source):
                db.fetch_all(conn, f"SELECT count(md5(l::text)) FROM {route.source_table} l")
        for route in routes:
            with db.transaction(conn, isolation="REPEATABLE READ", read_only=True), self._clock("proof", route.pair.source):
                db.fetch_all(conn, MEMORY)
                db.fetch_all(conn, comparison.rows_sql(route))
                db.fetch_all(conn, comparison.accounting_sql(route, filling(route.pair.target, routes)))
        with self._clock("proof", ""):
            accounts = prove.prove(conn, routes, routes)
        opinion = SecondOpinion(context.mapping, context.catalogue, context.settings.second_opinion_rows)
        with db.transaction(conn, isolation="REPEATABLE READ", read_only=True), self._clock("second opinion", ""):
            opinion.take(conn, accounts)
        if any(not found.clean for found in accounts) or not opinion.agrees:
            raise RuntimeError("the copy that was measured is not equal")


def empty_phase(database: Database, folder: Path) -> float:
    """Seconds that fase2 takes where there is no legacy row."""
    database.query(f"TRUNCATE {', '.join(LEGACY)} CASCADE")
    jobs = Jobs(database.url, folder, batch_rows=Settings().batch_rows)
    jobs.up_to_tables()
    started = time.monotonic()
    jobs.copy()
    jobs.equalise()
    return time.monotonic() - started


LEGACY = ("customers", "users", "professions", "service_requests", "messages", "task_queue")


def remove_what_stops_the_plan(database: Database, folder: Path) -> None:
    """Take the rows away that are refused or merged: the plan's statements stop at the first of them."""
    jobs = Jobs(database.url, folder)
    jobs.up_to_tables()
    with opened(jobs.params("medida", "fase2"), True) as context, db.transaction(context.conn):
        install_routes(context.conn, context.all_routes)
        db.run_sql(context.conn, "TRUNCATE public.consents, public.profession_synonyms, public.customer_service_requests")
        for route in context.all_routes:  # parents first: their children go with them
            keys = " AND ".join(f"l.{c.name} = f.{k}" for c, k in zip(route.key, route.key_names, strict=True))
            refused = f"FROM {route.view} f WHERE {keys} AND NOT ({accepted('f')})"
            db.run_sql(context.conn, f"DELETE FROM {route.source_table} l WHERE EXISTS (SELECT {refused})")
        uninstall_routes(context.conn)
    jobs.drop_tables()
    database.query("DROP SCHEMA migracion CASCADE")  # the bookkeeping of a copy would be another database's
    with closing(psycopg2.connect(database.superuser_url)) as connection:
        connection.autocommit = True
        connection.cursor().execute("VACUUM (FREEZE, ANALYZE)")


def _careful(route: Route) -> str:
    columns = route.columns
    return (
        f"INSERT INTO {route.target_table} ({idents(columns)}) SELECT {idents(columns, 'f.')} FROM {route.view} f"
        f" WHERE {accepted('f')} ON CONFLICT DO NOTHING"
    )


def _as_table(route: Route) -> str:
    return (
        f"CREATE TABLE medida.{route.pair.source}_{route.pair.target} AS"
        f" SELECT {idents(route.columns, 'f.')} FROM {route.view} f WHERE {accepted('f')}"
    )
