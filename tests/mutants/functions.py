"""Mutants of the functions that carry rows: each copies the hostile rows and mends what is damaged then, and a proof looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg2 import Error

from plugins.module_utils.call.context import Context
from plugins.module_utils.core.backfill.batching import BATCH_BYTES, fix_end
from plugins.module_utils.core.backfill.carrying import may_merge, route_statements
from plugins.module_utils.core.bookkeeping import BOOKKEEPING
from plugins.module_utils.core.rows.routes import Route
from plugins.module_utils.core.rows.values import type_family
from plugins.module_utils.core.sqltext import ident, idents, literal
from plugins.module_utils.proof.accounting import take_account
from plugins.module_utils.proof.second_opinion import SecondOpinion
from plugins.module_utils.server import db
from tests.mutants.comparison import COMPARISON
from tests.mutants.rules import Mutant, mutants_of
from tests.mutants.verdicts import OPINION, Named, stopped_by

FIGURES = "cifras"  # what the copy says that it has done
RUN = "mutantes"
NINTH = "WHERE f._rechazo IS NULL AND f._fusion IS NULL AND hashtext(f._clave) % 9 = 0"  # of the rows that are carried
BATCH_ROWS, BATCHES = 100, 400  # more of these than the copy of any ground takes
DAMAGE = {
    "text": "left(md5(coalesce({c}, '')), 5)",
    "character varying": "left(md5(coalesce({c}, '')), 5)",
    "numeric": "coalesce({c}, 0) / 2 + 0.01",
    "integer": "7",
    "boolean": "NOT coalesce({c}, false)",
    "timestamp without time zone": "coalesce({c}, '2024-01-01') - interval '1 microsecond'",
    "jsonb": "'{{\"otra\": 1}}'",
}


@dataclass
class State:
    """What is there after copy and mending. ``figures``: the copy's; ``rows``: a digest of each table that was written."""

    figures: list[Any]
    rows: list[Any]


@dataclass
class Functions:
    """Copied hostile rows, of which one pair after the other is copied again by a function with a mistake; nothing stays."""

    context: Context
    states: dict[str, State] = field(default_factory=dict)  # by view, what the functions as they are come to

    @property
    def conn(self) -> Any:
        """The connection."""
        return self.context.conn

    def mutants(self) -> Iterator[Named]:
        """Every mutant of what each function does: how it is planned is none of it."""
        for route in self.context.all_routes:
            for statement in route_statements(route, self.context.all_routes):
                if found := re.search(rf"CREATE OR REPLACE FUNCTION {BOOKKEEPING}\.(\w+)\(", statement):
                    body = statement.index("#variable_conflict")
                    yield from ((f"{route.view} {found[1]}", mutant) for mutant in mutants_of(statement) if mutant.at > body)

    def found_by(self, name: str, mutant: Mutant) -> str:
        """PostgreSQL, the proof's comparison, the second opinion, the copy's own figures; '' for nobody."""
        route = self._route(name)
        try:
            with self.carried(route, mutant.text) as state:
                return "" if state == self.states[route.view] else self.seen_by(route, state)
        except (db.Error, RuntimeError) as error:
            return stopped_by(error)

    def does_the_same(self, name: str, mutant: Mutant) -> bool:
        """Whether it leaves the same rows, entries, merges, removed rows and figures."""
        route = self._route(name)
        try:
            with self.carried(route, mutant.text) as state:
                return state == self.states[route.view]
        except (db.Error, RuntimeError):
            return False

    @contextmanager
    def carried(self, route: Route, text: str = "") -> Iterator[State]:
        """Copy the pair's rows from the beginning, by page and by key, damage them and mend that, in a transaction."""
        with db.rolled_back(self.conn):
            db.run_sql(self.conn, "SET LOCAL statement_timeout = '60s'", *([text] if text else []))
            self._empty(route)
            figures: list[Any] = [self._copied(route)]
            self._gone(route, 3)
            self._set_progress(route, "fin = jsonb_set(fin, '{archivo}', '0')")
            figures.append(self._copied(route))
            self._damage(route)
            figures.append(self._mend(route))
            yield State(figures, self._digest(route))

    def seen_by(self, route: Route, state: State) -> str:
        """Who sees in the open transaction that something is wrong, '' for nobody."""
        accounts = take_account(self.conn, [route], self.context.all_routes)
        if not accounts[0].clean:
            return COMPARISON
        opinion = SecondOpinion(self.context.mapping, self.context.catalogue, 0)
        opinion.take(self.conn, accounts)
        if not opinion.agrees:
            return OPINION
        return FIGURES if state.figures != self.states.get(route.view, state).figures else ""

    def _route(self, name: str) -> Route:
        return next(r for r in self.context.all_routes if r.view == name.split(" ")[0])

    def _empty(self, route: Route) -> None:
        source, target = literal(route.pair.source), literal(route.pair.target)
        db.run_sql(
            self.conn,
            f"TRUNCATE {route.target_table} CASCADE",
            f"DELETE FROM {BOOKKEEPING}.cuarentena WHERE tabla_origen = {source}",
            f"DELETE FROM {BOOKKEEPING}.fusion WHERE tabla_origen = {source} AND tabla_destino = {target}",
            f"DELETE FROM {BOOKKEEPING}.progreso_copia WHERE tabla_origen = {source} AND tabla_destino = {target}",
            fix_end(route),
        )

    def _copied(self, route: Route) -> tuple[Any, ...]:
        copy = f"SELECT terminada FROM {route.function('copiar')}('', {BATCH_ROWS}, {BATCH_BYTES}, '{RUN}')"
        for _ in range(BATCHES):
            if db.fetch_all(self.conn, copy) == [(True,)]:
                break
        else:
            raise RuntimeError("the copy comes to no end")
        mine = f"tabla_origen = {literal(route.pair.source)} AND tabla_destino = {literal(route.pair.target)}"
        query = "SELECT filas_previstas, filas_leidas, filas_copiadas, filas_cuarentena, terminada_at IS NOT NULL, ultima_clave"
        return db.fetch_all(self.conn, f"{query} FROM {BOOKKEEPING}.progreso_copia WHERE {mine}")[0]

    def _set_progress(self, route: Route, change: str) -> None:
        mine = f"tabla_origen = {literal(route.pair.source)} AND tabla_destino = {literal(route.pair.target)}"
        db.run_sql(self.conn, f"UPDATE {BOOKKEEPING}.progreso_copia SET {change}, terminada_at = NULL WHERE {mine}")

    def _gone(self, route: Route, one_in: int) -> None:
        db.run_sql(self.conn, f"DELETE FROM {route.target_table} t WHERE {_one_in(route, one_in)}")

    def _damage(self, route: Route) -> None:
        """Other values in every column, rows that are gone or surplus, unique values at other rows, other entries and merges."""
        unique = {c for columns in route.table.unique for c in columns} | set(route.pair.match)
        free = [c for c in route.carried if c.target.name not in unique and type_family(c.target.type)[0] in DAMAGE]
        table = route.target_table
        for number, column in enumerate(free):
            name = ident(column.target.name)
            value = DAMAGE[type_family(column.target.type)[0]].format(c=name)
            self._if_it_may(f"UPDATE {table} t SET {name} = {value} WHERE {_one_in(route, len(free), number)}")
        self._if_it_may(f"CREATE TEMPORARY TABLE antes ON COMMIT DROP AS SELECT * FROM {table}")
        self._gone(route, 7)
        for name in map(ident, sorted(unique - set(route.pair.match))):
            self._exchange(route, name)
        self._surplus(route)
        if may_merge(route):
            self._other_merges(route)
        else:  # where a merge was noted of a row that is refused, the proof's repair forgets it, no function does
            self._refuse_some(route)
        self._other_entries(route)

    def _exchange(self, route: Route, name: str) -> None:
        """Some rows hold each other's value of a unique column."""
        key = " || ' ' || ".join(f"t.{ident(m)}::text" for m in route.pair.match)
        numbered = f"SELECT {key} AS k, t.{name} AS v, row_number() OVER (ORDER BY {key}) AS n FROM {route.target_table} t"
        swapped = "SELECT a.k, b.v FROM a JOIN a b ON b.n = a.n + CASE WHEN a.n % 2 = 0 THEN 1 ELSE -1 END WHERE a.n % 10 < 2"
        self._if_it_may(
            f"CREATE TEMPORARY TABLE cambio ON COMMIT DROP AS WITH a AS ({numbered}) {swapped}; "
            f"UPDATE {route.target_table} t SET {name} = left(md5(x.k), 15) FROM cambio x WHERE {key} = x.k; "
            f"UPDATE {route.target_table} t SET {name} = x.v FROM cambio x WHERE {key} = x.k; DROP TABLE cambio"
        )

    def _refuse_some(self, route: Route) -> None:
        """A constraint of which no mapping knows: some ten rows are PostgreSQL's alone to refuse."""
        [(rows,)] = db.fetch_all(self.conn, f"SELECT count(*) FROM {route.target_table}")
        many, constraint = 5 + rows // 10, f"CHECK ({_hash(route, '')} % {5 + rows // 10} <> 0)"
        self._gone(route, many)
        db.run_sql(self.conn, f"ALTER TABLE {route.target_table} ADD CONSTRAINT imprevista {constraint}")

    def _surplus(self, route: Route) -> None:
        """Spanish rows of nobody that hold the values, unique ones too, of rows that are gone."""
        new = {"uuid": "md5('sobra' || t.{c}::text)::uuid", "integer": "t.{c} + 1000000", "bigint": "t.{c} + 1000000"}
        values = [
            new[type_family(c.target.type)[0]].format(c=ident(c.target.name))
            if c.target.name in route.pair.match[:1]
            else f"t.{ident(c.target.name)}"
            for c in route.carried
        ]
        same = " AND ".join(f"x.{ident(m)} = t.{ident(m)}" for m in route.pair.match)
        self._if_it_may(
            f"INSERT INTO {route.target_table} ({idents(route.columns)}) SELECT {', '.join(values)} FROM antes t"
            f" WHERE NOT EXISTS (SELECT FROM {route.target_table} x WHERE {same})"
        )

    def _other_entries(self, route: Route) -> None:
        source, entries = literal(route.pair.source), f"{BOOKKEEPING}.cuarentena"
        db.run_sql(
            self.conn,
            f"DELETE FROM {entries} WHERE tabla_origen = {source} AND hashtext(clave) % 4 = 0",
            f"UPDATE {entries} SET motivo = 'otro', sqlstate = '00000' WHERE tabla_origen = {source} AND hashtext(clave) % 4 = 1",
            f"UPDATE {entries} SET fila = '{{}}', columna = 'otra' WHERE tabla_origen = {source} AND hashtext(clave) % 4 = 2",
            f"INSERT INTO {entries} (tabla_origen, clave, fila, motivo, origen)"
            f" SELECT {source}, f._clave, '{{}}', 'otro', 'copia' FROM {route.view} f {NINTH}",
        )

    def _other_merges(self, route: Route) -> None:
        source, target, merges = literal(route.pair.source), literal(route.pair.target), f"{BOOKKEEPING}.fusion"
        mine = f"tabla_origen = {source} AND tabla_destino = {target}"
        db.run_sql(
            self.conn,
            f"DELETE FROM {merges} WHERE {mine} AND hashtext(clave) % 3 = 0",
            f"UPDATE {merges} SET clave_destino = 'otra' WHERE {mine} AND hashtext(clave) % 3 = 1",
            f"INSERT INTO {merges} (tabla_origen, clave, tabla_destino, clave_destino, motivo)"
            f" SELECT {source}, f._clave, {target}, 'otra', 'otro' FROM {route.view} f {NINTH}",
        )

    def _mend(self, route: Route) -> list[Any]:
        """Carry every row, then take away what nobody explains; what came of both."""
        spanish = ", ".join(f"array_agg(t.{ident(m)})" for m in route.pair.match)
        keys = ", ".join(f"array_agg(l.{ident(c.name)})" for c in route.key)
        where = f" WHERE {condition}" if (condition := route.where("l")) else ""
        calls = (
            (route.function("llevar"), f"SELECT {keys} FROM {route.source_table} l{where}", len(route.key)),
            (route.removal, f"SELECT {spanish} FROM {route.target_table} t", len(route.match)),
        )
        said = []
        for function, given, count in calls:
            columns = [f"c{n}" for n in range(count)]
            query = f"SELECT r.* FROM ({given}) k({', '.join(columns)}), {function}({idents(columns, 'k.')}, '{RUN}') r"
            said.append(db.fetch_all(self.conn, query))
        return said

    def _digest(self, route: Route) -> list[Any]:
        source = literal(route.pair.source)
        rows = [
            f"SELECT {idents(route.columns)} FROM {route.target_table}",
            "SELECT clave, fila, sqlstate, columna, motivo, estado, resolucion"
            f" FROM {BOOKKEEPING}.cuarentena WHERE tabla_origen = {source}",
            f"SELECT clave, tabla_destino, clave_destino, motivo FROM {BOOKKEEPING}.fusion WHERE tabla_origen = {source}",
            f"SELECT tabla, run_id, fila - 'id' - 'creado_at' - 'actualizado_at' FROM {BOOKKEEPING}.apartada",
        ]
        digest = "SELECT count(*), md5(string_agg(x::text, '' ORDER BY x::text COLLATE \"C\")) FROM ({}) x"
        return [db.fetch_all(self.conn, digest.format(one)) for one in rows]

    def _if_it_may(self, statement: str) -> None:
        """Run it where the table takes it: what some column or constraint refuses is no damage."""
        try:
            db.run_sql(self.conn, "SAVEPOINT danio", statement, "RELEASE SAVEPOINT danio")
        except Error:
            db.run_sql(self.conn, "ROLLBACK TO SAVEPOINT danio", "RELEASE SAVEPOINT danio")


def _one_in(route: Route, many: int, number: int = 0) -> str:
    return f"{_hash(route, 't.')} % {many} = {number}"


def _hash(route: Route, alias: str) -> str:
    return f"abs(hashtext({' || '.join(f'{alias}{ident(m)}::text' for m in route.pair.match)}))"


def tried_functions(context: Context) -> Functions:
    """Let the functions as they are carry the rows once."""
    ground = Functions(context)
    for route in context.all_routes:
        with ground.carried(route) as state:
            ground.states[route.view] = state
    return ground
