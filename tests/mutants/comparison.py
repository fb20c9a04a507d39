"""Mutants of the comparison, on planted differences: each is said to the server in place of the text that the proof sends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2.extensions
import pytest

from plugins.module_utils.call.context import Context
from plugins.module_utils.core.proof import comparison, surplus
from plugins.module_utils.core.proof.accounts import Account
from plugins.module_utils.core.proof.comparison import SURPLUS
from plugins.module_utils.core.rows.routes import Route
from plugins.module_utils.core.rows.row_locks import as_rows
from plugins.module_utils.proof import prove
from plugins.module_utils.proof.second_opinion import BY_KEY, SecondOpinion
from plugins.module_utils.server import db
from tests.mutants.planted import Difference, Planted, plant
from tests.mutants.rules import Mutant, mutants_of
from tests.mutants.verdicts import OPINION, Named, stopped_by
from tests.support.databases import Database

COMPARISON = "comparación"  # it names a row that is as it should be: the phase stops
PLANTED = "diferencias plantadas"  # a planted difference is lost, or named as another one
PIECE = "columns"  # what says whether two rows differ, a part of several statements
STATES = "states"  # what becomes of each row: most of what accounting and candidates say
KEYS = "«claves»"  # where a statement names the rows that it is asked for
ALL = 1_000_000  # named differences of a kind: no planted one is too many
BROKEN = (db.Error, LookupError, ValueError, TypeError)  # the server does not take it, or nobody can read its answer


@dataclass
class Comparison:
    """Copied hostile rows with planted differences, and what the proof says of them."""

    context: Context
    planted: dict[str, Planted]
    said: dict[str, Account] = field(default_factory=dict)  # by view, what the proof says
    answers: dict[str, list[str]] = field(default_factory=dict)  # by name, what the server answers to the original

    def mutants(self) -> Iterator[Named]:
        """Every mutant of every statement by which the proof compares."""
        seen: set[str] = set()
        for route in self.context.all_routes:
            texts = statements(route, self.context.all_routes)
            for name, text in texts.items():
                first = text.find(texts[STATES]) if name != STATES else -1
                states = range(first, first + len(texts[STATES])) if first >= 0 else range(0)
                for mutant in mutants_of(text):
                    if mutant.text not in seen and mutant.at not in states:
                        seen.add(mutant.text)
                        yield f"{route.view} {name}", mutant

    def found_by(self, name: str, mutant: Mutant) -> str:
        """PostgreSQL, the comparison that names what is equal, the second opinion or the planted differences; '' for nobody."""
        try:
            if self._same(name, mutant):
                return ""
            before, account = self._before(name), self._proof(name, mutant)
            false = {d.clave for d in named(account)} - {d.clave for d in named(before)}
        except BROKEN as error:
            self._end()
            return stopped_by(error)
        if false or account.stale > before.stale or account.surplus > before.surplus:
            return COMPARISON
        opinion = SecondOpinion(self.context.mapping, self.context.catalogue, 0)
        self._proof(name, mutant, opinion)
        return PLANTED if opinion.agrees else OPINION

    def does_the_same(self, name: str, mutant: Mutant) -> bool:
        """Whether the proof says the same of every planted difference, and of all else."""
        try:
            return self._same(name, mutant)
        except BROKEN:
            self._end()
            return False

    def expected(self, route: Route) -> Planted:
        """What a proof of that pair alone has to name: what is planted there, and beside it in the same tables."""
        beside = [r for r in self.context.all_routes if r.pair.target == route.pair.target]
        found = {d for r in beside for d in self.planted[r.view].differences if r is route or d.state == SURPLUS}
        sources = [r for r in self.context.all_routes if r.pair.source == route.pair.source]
        stale = sum(self.planted[r.view].stale_entries for r in sources)
        mine = self.planted[route.view]
        return Planted(found, stale, mine.stale_merges, mine.retained)

    def account(self, route: Route, opinion: SecondOpinion | None = None) -> Account:
        """What a proof says of the pair, each difference by name."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(prove, "EXAMPLES", ALL)
            [account] = prove.prove(self.context.conn, [route], self.context.all_routes, prove.Looker(opinion=opinion))
        return account

    def _route(self, name: str) -> Route:
        return next(r for r in self.context.all_routes if r.view == name.split(" ")[0])

    def _before(self, name: str) -> Account:
        route = self._route(name)
        if route.view not in self.said:
            self.said[route.view] = self.account(route)
        return self.said[route.view]

    def _proof(self, name: str, mutant: Mutant, opinion: SecondOpinion | None = None) -> Account:
        original = self._statement(name)
        pieces = [(a, b) for a, b in zip(original.split(KEYS), mutant.text.split(KEYS), strict=True) if a != b]
        with saying(self.context.conn, *pieces[0]):
            return self.account(self._route(name), opinion)

    def _statement(self, name: str) -> str:
        return statements(self._route(name), self.context.all_routes)[name.split(" ", 1)[1]]

    def _same(self, name: str, mutant: Mutant) -> bool:
        return self._same_answer(name, mutant) or _as_said(self._proof(name, mutant)) == _as_said(self._before(name))

    def _same_answer(self, name: str, mutant: Mutant) -> bool:
        """Whether the server answers the same to the statement by itself: then nobody else can say otherwise."""
        if name.endswith(PIECE):
            return False
        if name not in self.answers:
            self.answers[name] = self._answer(name, self._statement(name))
        return self._answer(name, mutant.text) == self.answers[name]

    def _answer(self, name: str, text: str) -> list[str]:
        conn, route = self.context.conn, self._route(name)
        with db.rolled_back(conn):
            if KEYS in text:
                spanish = "surplus" in name
                side = prove.spanish_side(route) if spanish else prove.legacy_side(route)
                asked = statements(route, self.context.all_routes)["surplus" if spanish else "candidates"]
                keys = [row if spanish else row[4 : 4 + len(route.key)] for row in db.fetch_all(conn, asked)]
                db.run_sql(conn, BY_KEY)
                text = text.replace(KEYS, as_rows(side.types, keys))
            return sorted(map(str, db.fetch_all(conn, text)))

    def _end(self) -> None:
        db.run_sql(self.context.conn, "ROLLBACK; CLOSE ALL")


def statements(route: Route, routes: Sequence[Route]) -> dict[str, str]:
    """What the proof sends for one pair, and what several of these statements have in common."""
    filling = [r for r in routes if r.pair.target == route.pair.target]
    same_source = [r for r in routes if r.pair.source == route.pair.source]
    return {
        STATES: comparison.classified_sql(route, filling),
        PIECE: comparison._differ(route),
        "accounting": comparison.accounting_sql(route, filling),
        "rows": comparison.rows_sql(route),
        "candidates": comparison.candidates_sql(route, filling),
        "second look": comparison.second_look_sql(route, filling, KEYS, ALL),
        "surplus": surplus.surplus_candidates_sql(filling),
        "surplus rows": surplus.surplus_lock_sql(filling, KEYS),
        "surplus judged": surplus.surplus_judged_sql(filling, KEYS, ALL),
        "stale entries": comparison.stale_entries_sql(same_source),
        "stale merges": comparison.stale_merges_sql(route),
    }


@contextmanager
def saying(conn: Any, original: str, mutated: str) -> Iterator[None]:
    """Until the end every statement of this connection says the second text wherever it would say the first."""

    class Cursor(psycopg2.extensions.cursor):
        def execute(self, query: Any, vars: Any = None) -> None:
            text = query if isinstance(query, str) else query.as_string(self)
            super().execute(text.replace(original, mutated), vars)

    usual, conn.cursor_factory = conn.cursor_factory, Cursor
    try:
        yield
    finally:
        conn.cursor_factory = usual


def named(account: Account) -> set[Difference]:
    """The differences that a proof names."""
    return {Difference(e["estado"], e["clave"], tuple(str(column) for column, *_ in e["columnas"])) for e in account.examples}


def _as_said(account: Account) -> tuple[Any, ...]:
    examples = sorted(str(e) for e in account.examples)
    return account.groups, examples, account.surplus, account.retained, account.stale_entries, account.stale_merges


def planted_comparison(context: Context, database: Database) -> Comparison:
    """Plant differences of every kind."""
    with database.cursor() as cursor:
        planted = plant(cursor, context.all_routes)
    db.run_sql(context.conn, "SET statement_timeout = '30s'")
    return Comparison(context, planted)
