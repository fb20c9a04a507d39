"""Mutants of the forward SELECTs: each is put in a view's place for a moment, and the second opinion judges what it says."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugins.module_utils.call.context import Context, opened
from plugins.module_utils.core.bookkeeping import BOOKKEEPING
from plugins.module_utils.core.opinion.fates import Fate, LegacyRow
from plugins.module_utils.core.proof.opinions import disagreements
from plugins.module_utils.core.rows.forward import forward_sql
from plugins.module_utils.core.rows.routes import Route
from plugins.module_utils.core.sqltext import ident
from plugins.module_utils.opinion.neighbourhood import bound_here, opinions, read_rows
from plugins.module_utils.proof.second_opinion import select_says
from plugins.module_utils.server import db
from tests.mutants.rules import Mutant, mutants_of
from tests.support.databases import Database
from tests.support.hostile_rows import hostile_rows, put
from tests.support.jobs import Jobs

PHASES = ("fase2", "fase3")
CHOOSING = {"another order", "only the first of several", "row filter widened"}
SERVER, OPINION = "PostgreSQL", "segunda opinión"


@dataclass
class Ground:
    """Copied hostile rows of a mapping and what the second opinion says of each: judged once, for all mutants."""

    context: Context
    rows: dict[str, list[LegacyRow]]
    fates: dict[tuple[str, str], dict[str, Fate]]

    @property
    def conn(self) -> Any:
        """The connection."""
        return self.context.conn

    def found_by(self, route: Route, mutant: Mutant) -> str:
        """Who sees the mutant: PostgreSQL, as it does not run, the second opinion, or '' for nobody."""
        rows, fates = self.rows[route.pair.source], self.fates[route.pair.source, route.pair.target]
        try:
            with in_its_place(self.conn, route, mutant.text):
                said = dict(select_says(self.conn, route, rows))
        except db.Error:
            return SERVER
        for row in rows:
            words = said.get(row.place, ("", None))[1]
            if any(disagreements(row.table, "", fates.get(row.place), words)):
                return OPINION
        return ""

    def says_the_same(self, route: Route, mutant: Mutant) -> bool:
        """Whether it gives every row the same fate and the same values; which of several true reasons it names is no fate."""
        values = ", ".join(f"f.{ident(name)}::text" for name in route.columns)
        carried = f"CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN ARRAY[{values}] END"
        rows = f"SELECT f._lugar::text, f._clave, f._rechazo IS NULL, f._fusion, {carried} FROM {route.view} f"
        with in_its_place(self.conn, route, mutant.text):
            db.run_sql(self.conn, f"CREATE TEMPORARY TABLE mutante ON COMMIT DROP AS {rows}")
            db.run_sql(self.conn, f"DROP VIEW {route.view} CASCADE", f"CREATE VIEW {route.view} AS {forward_sql(route)}")
            both = f"(({rows}) EXCEPT ALL TABLE mutante) UNION ALL (TABLE mutante EXCEPT ALL ({rows})) LIMIT 1"
            return db.fetch_all(self.conn, both) == []


@contextmanager
def in_its_place(conn: Any, route: Route, text: str) -> Iterator[None]:
    """The view says ``text`` until the end, when all is rolled back; views that build on it are gone meanwhile."""
    with db.rolled_back(conn):
        db.run_sql(conn, f"DROP VIEW {route.view} CASCADE", f"CREATE VIEW {route.view} AS {text}")
        yield


@contextmanager
def ground(jobs: Jobs) -> Iterator[Ground]:
    """Copy what there is, and judge it."""
    jobs.fill(*PHASES)
    with opened(jobs.params("mutantes", "fase3"), True) as context:
        bound = bound_here(context.conn, context.mapping, context.catalogue)
        rows: dict[str, list[LegacyRow]] = {}
        fates: dict[tuple[str, str], dict[str, Fate]] = {}
        with db.transaction(context.conn, isolation="REPEATABLE READ", read_only=True):
            for source in dict.fromkeys(r.pair.source for r in context.all_routes):
                rows[source] = list(read_rows(context.conn, bound, source))
                for row, fate in zip(rows[source], opinions(context.conn, bound, rows[source]), strict=True):
                    fates.setdefault((source, bound.pair_of(row).pair.target), {})[row.place] = fate
        yield Ground(context, rows, fates)


@contextmanager
def hostile_ground(database: Database, installation: str, seed: int, size: int) -> Iterator[Ground]:
    """The nine tables with hostile rows; a sample's own stay."""
    for table, rows in hostile_rows(installation, seed, size).items():
        for first in range(0, len(rows), 500):  # each row is a savepoint, of which a transaction holds so many
            with database.cursor() as cursor:
                put(cursor, {table: rows[first : first + 500]})
    with tempfile.TemporaryDirectory() as folder, ground(Jobs(database.url, Path(folder), batch_rows=2000)) as found:
        yield found


def all_mutants(routes: Sequence[Route]) -> Iterator[tuple[Route, Mutant]]:
    """Every mutant of every pair's SELECT.

    Left out: what keeps the legacy row for quarantine, and in the list of rivals all but how these are chosen and ordered:
    the renderer writes their values and refusals as it writes the row's own.
    """
    for route in routes:
        sql = forward_sql(route)
        rivals = range(sql.find("SELECT d.clave FROM ("), sql.find(") d WHERE d.puesto"))
        for mutant in mutants_of(sql):
            aside = f"{BOOKKEEPING}.cuarentena" in mutant.where or "fila_entera" in mutant.where
            if not aside and (mutant.at not in rivals or mutant.rule in CHOOSING):
                yield route, mutant
