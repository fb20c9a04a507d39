"""Mutants of the forward SELECTs: each is put in a view's place for a moment, and the second opinion judges what it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from plugins.module_utils.call.context import Context
from plugins.module_utils.core.bookkeeping import BOOKKEEPING
from plugins.module_utils.core.opinion.fates import Fate, LegacyRow
from plugins.module_utils.core.proof.opinions import disagreements
from plugins.module_utils.core.rows.forward import forward_sql
from plugins.module_utils.core.rows.routes import Route
from plugins.module_utils.core.sqltext import ident
from plugins.module_utils.opinion.neighbourhood import Neighbourhood, bound_here
from plugins.module_utils.proof.second_opinion import select_says
from plugins.module_utils.server import db
from tests.mutants.rules import Mutant, mutants_of
from tests.mutants.verdicts import OPINION, Named, stopped_by

CHOOSING = {"another order", "only the first of several", "row filter widened"}


@dataclass
class Views:
    """Copied hostile rows and what the second opinion says of each: judged once, for all mutants of the forward SELECTs."""

    context: Context
    rows: dict[str, list[LegacyRow]]
    fates: dict[tuple[str, str], dict[str, Fate]]
    originals: dict[str, str] = field(default_factory=dict)  # by view, the temporary table of what it says

    @property
    def conn(self) -> Any:
        """The connection."""
        return self.context.conn

    def route(self, view: str) -> Route:
        """The pair of that view."""
        return next(r for r in self.context.all_routes if r.view == view)

    def mutants(self) -> Iterator[Named]:
        """Every mutant of every pair's SELECT.

        Left out: what keeps the legacy row for quarantine, and in the list of rivals all but how these are chosen and ordered:
        the renderer writes their values and refusals as it writes the row's own.
        """
        for route in self.context.all_routes:
            sql = forward_sql(route)
            rivals = range(sql.find("SELECT d.clave FROM ("), sql.find(") d WHERE d.puesto"))
            for mutant in mutants_of(sql):
                aside = f"{BOOKKEEPING}.cuarentena" in mutant.where or "fila_entera" in mutant.where
                if not aside and (mutant.at not in rivals or mutant.rule in CHOOSING):
                    yield route.view, mutant

    def found_by(self, name: str, mutant: Mutant) -> str:
        """PostgreSQL, as it does not run, the second opinion, or '' for nobody."""
        route = self.route(name)
        rows, fates = self.rows[route.pair.source], self.fates[route.pair.source, route.pair.target]
        try:
            with in_its_place(self.conn, route, mutant.text):
                said = dict(select_says(self.conn, route, rows))
        except db.Error as error:
            return stopped_by(error)
        for row in rows:
            words = said.get(row.place, ("", None))[1]
            if any(disagreements(row.table, "", fates.get(row.place), words)):
                return OPINION
        return ""

    def does_the_same(self, name: str, mutant: Mutant) -> bool:
        """Whether it gives every row the same fate and the same values; which of several true reasons it names is no fate."""
        route = self.route(name)
        if name not in self.originals:
            self.originals[name] = f"original_{len(self.originals)}"
            db.run_sql(self.conn, f"CREATE TEMPORARY TABLE {self.originals[name]} AS {_fates_sql(route)}")
        original = f"TABLE {self.originals[name]}"
        both = f"({original} EXCEPT ALL TABLE mutante) UNION ALL (TABLE mutante EXCEPT ALL {original}) LIMIT 1"
        try:
            with in_its_place(self.conn, route, mutant.text):
                db.run_sql(self.conn, f"CREATE TEMPORARY TABLE mutante ON COMMIT DROP AS {_fates_sql(route)}")
                return db.fetch_all(self.conn, both) == []
        except db.Error:
            return False


def _fates_sql(route: Route) -> str:
    values = ", ".join(f"f.{ident(name)}::text" for name in route.columns)
    carried = f"CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN md5(ROW({values})::text) END"
    return f"SELECT f._lugar::text, f._clave, f._rechazo IS NULL AS entra, f._fusion, {carried} AS valores FROM {route.view} f"


@contextmanager
def in_its_place(conn: Any, route: Route, text: str) -> Iterator[None]:
    """The view says ``text`` until the end, when all is rolled back; views that build on it are gone meanwhile.

    By another clock than the runbook's own: what a view says hangs on no session's.
    """
    with db.rolled_back(conn):
        db.run_sql(conn, "SET LOCAL TimeZone = 'America/Guayaquil'")
        db.run_sql(conn, f"DROP VIEW {route.view} CASCADE", f"CREATE VIEW {route.view} AS {text}")
        yield


def judged_views(context: Context) -> Views:
    """Let the second opinion judge all legacy rows."""
    bound = bound_here(context.conn, context.mapping, context.catalogue)
    rows: dict[str, list[LegacyRow]] = {}
    fates: dict[tuple[str, str], dict[str, Fate]] = {}
    with db.transaction(context.conn, isolation="REPEATABLE READ", read_only=True):
        here = Neighbourhood(context.conn, bound)
        for source in dict.fromkeys(r.pair.source for r in context.all_routes):
            rows[source] = list(here.read(source))
            owned = [(bound.pair_of(row), row) for row in rows[source]]
            for (pair, row), fate in zip(owned, here.opinions(owned), strict=True):
                fates.setdefault((source, pair.pair.target), {})[row.place] = fate
    return Views(context, rows, fates)
