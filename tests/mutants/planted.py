"""Differences planted in copied tables, and how a proof has to name each: every column of every pair, rows, entries, merges.

Each stands in a row of its own, so that what is lost says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from psycopg2 import Error

from plugins.module_utils.core.bookkeeping import BOOKKEEPING
from plugins.module_utils.core.proof.comparison import DIFFERENT, MISSING, REFUSED, SURPLUS, UNMERGED
from plugins.module_utils.core.rows.refusals import UNFORESEEN, accepted
from plugins.module_utils.core.rows.retained import keeps_twin
from plugins.module_utils.core.rows.routes import Route, spanish_clave
from plugins.module_utils.core.rows.values import type_family
from plugins.module_utils.core.sqltext import ident, idents, literal

TRIES = 40  # rows of which one takes the change
EACH = 3  # rows that are missing, surplus, without their entry …
# By family of a Spanish type, what a value c of the table t is changed to; what changes nothing in any row is not planted.
CHANGES: dict[str, Sequence[str]] = {
    "text": (
        "upper({c})", "lower({c})", "{c} || ' '", "' ' || {c}", "left({c}, -1)", "translate({c}, 'áéíóúñ', 'aeioun')", "NULL",
        "coalesce({c}, '')",
        "(SELECT CASE WHEN {c} = min({name}) THEN max({name}) ELSE min({name}) END FROM {table})",
    ),
    "numeric": ("{c} + 0.00000001", "{c} + 0.01", "-{c}", "NULL", "coalesce({c}, 0)"),
    "integer": ("CASE WHEN {c} < 1000 THEN {c} + 1 ELSE {c} END", "NULL", "coalesce({c}, 0)"),
    "boolean": ("NOT {c}", "NULL", "coalesce({c}, false)"),
    "timestamp without time zone": (
        "CASE WHEN {c} BETWEEN '1900-01-01' AND '2100-01-01' THEN {c} + interval '1 microsecond' ELSE {c} END",
        "CASE WHEN {c} BETWEEN '1900-01-01' AND '2100-01-01' THEN {c} - interval '5 hours' ELSE {c} END",
        "NULL", "coalesce({c}, '2024-01-01')",
    ),
    "jsonb": (
        r"regexp_replace({c}::text, '(\d\.\d+)', '\10')::jsonb", "{c} || '{{\"otra\": 1}}'", "'null'", "NULL",
        "coalesce({c}, '{{}}')",
    ),
    "uuid": ("md5({c}::text)::uuid", "NULL"),
}  # fmt: skip
CHANGES["character varying"] = CHANGES["text"]
CHANGES["bigint"] = CHANGES["smallint"] = CHANGES["integer"]


class Difference(NamedTuple):
    """As a proof names it; ``columns``: those in which the rows differ."""

    state: str
    clave: str
    columns: tuple[str, ...] = ()


@dataclass
class Planted:
    """What is planted in one pair's rows. ``stale_entries``, ``stale_merges``: entries and merges that no row explains.

    ``retained``: Spanish rows of refused ones, which keep them.
    """

    differences: set[Difference] = field(default_factory=set)
    stale_entries: int = 0
    stale_merges: int = 0
    retained: int = 0


def plant(cursor: Any, routes: Sequence[Route]) -> dict[str, Planted]:
    """Plant differences in every pair, as a superuser; by view, what there is to be named."""
    cursor.execute("SET session_replication_role = replica")
    leant_on = {r.view for route in routes for r in (*route.earlier, *(p for _, parents in route.parents for p in parents))}
    planted: dict[str, Planted] = {}
    for route in routes:
        gardener = _Gardener(cursor, route, _not_looked_up(route, routes))
        gardener.remove_rows()
        gardener.add_rows()
        gardener.disturb_entries(alone=route.view not in leant_on)
        gardener.disturb_merges()
        gardener.change_columns()
        planted[route.view] = gardener.planted
    return planted


def _not_looked_up(route: Route, routes: Sequence[Route]) -> str:
    return "".join(
        f" AND t.{ident(c.lookup.take)} NOT IN"
        f" (SELECT x.{ident(c.target.name)} FROM {r.target_table} x WHERE x.{ident(c.target.name)} IS NOT NULL)"
        for r in routes
        for c in r.carried
        if c.spanish and c.lookup.table == route.pair.target
    )


@dataclass
class _Gardener:
    """Plants in the rows of one pair."""

    cursor: Any
    route: Route
    looked_up: str  # of its rows those that others look up: what is planted there would be a difference of those too
    planted: Planted = field(default_factory=Planted)
    used: list[str] = field(default_factory=list)

    @property
    def twins(self) -> str:
        """The carried legacy rows beside their Spanish rows."""
        same = " AND ".join(f"t.{ident(m)} = f.{ident(m)}" for m in self.route.pair.match)
        return f"{self.route.view} f JOIN {self.route.target_table} t ON {same} AND {accepted('f')}"

    def change_columns(self) -> None:
        """Each column in each way that its type allows."""
        table = self.route.target_table
        for carried in self.route.carried:
            name, column = carried.target.name, f"t.{ident(carried.target.name)}"
            changes = () if name in self.route.pair.match else CHANGES[type_family(carried.target.type)[0]]
            for change in changes:
                changed = change.format(c=column, name=ident(name), table=table)
                update = f"UPDATE {table} t SET {ident(name)} = ({changed})::{carried.target.type}"
                for clave, place, before in self._free(f"({changed})::text IS DISTINCT FROM {column}::text", f"{column}::text"):
                    after = self._done(f"{update} WHERE t.ctid = '{place}' RETURNING ARRAY[{column}::text]")
                    if after is not None and after != [before]:
                        self._plant(DIFFERENT, clave, (name,))
                        break

    def remove_rows(self) -> None:
        """Some Spanish rows."""
        for clave, place, _ in self._free()[:EACH]:
            self._run(f"DELETE FROM {self.route.target_table} WHERE ctid = '{place}'")
            self._plant(MISSING, clave)

    def add_rows(self) -> None:
        """Spanish rows that no legacy row gives, those of merged and of refused ones; most refused ones keep theirs."""
        unique = {c for columns in self.route.table.unique for c in columns}
        new = {"uuid": "md5('sobra' || {c}::text)::uuid", "integer": "{c} + 1000000000", "bigint": "{c} + 1000000000"}
        other = {"text": "left(md5({c}), 15)", "character varying": "left(md5({c}), 15)"}

        def value(name: str, key: str = "") -> str:
            column = next(c.target for c in self.route.carried if c.target.name == name)
            family = type_family(column.type)[0]
            if name in self.route.pair.match:
                return key or new[family].format(c=f"t.{ident(name)}")
            return other.get(family, "{c}").format(c=f"t.{ident(name)}") if name in unique else f"t.{ident(name)}"

        into = f"INSERT INTO {self.route.target_table} AS t ({idents(self.route.columns)})"
        told = f"RETURNING {spanish_clave(self.route, 't')}"
        for _, place, _ in self._free()[:EACH]:
            values = ", ".join(value(name) for name in self.route.columns)
            self._surplus(f"{into} SELECT {values} FROM {self.route.target_table} t WHERE t.ctid = '{place}' {told}")
        kept = keeps_twin(self.route, "f")
        fates = [f"f._rechazo IS NOT NULL AND NOT ({kept})", "f._fusion IS NOT NULL"]
        for fate in fates if self.route.parents else [kept, *fates]:  # with a parent it hangs on whether that one's stays
            same = " AND ".join(f"x.{ident(m)} = f.{ident(m)}" for m in self.route.pair.match)
            values = ", ".join(value(name, f"f.{ident(name)}") for name in self.route.columns)
            rows = f"(SELECT * FROM {self.route.view} f WHERE {fate} AND f.{ident(self.route.pair.match[0])} IS NOT NULL"
            rows += f" AND NOT EXISTS (SELECT FROM {self.route.target_table} x WHERE {same}) ORDER BY f._clave LIMIT 1) f"
            some = f"(SELECT * FROM {self.route.target_table} t ORDER BY ctid DESC LIMIT 1) t"
            insert = f"{into} SELECT {values} FROM {rows}, {some} {told}"
            if fate != kept:
                self._surplus(insert)
            elif self._done(insert):
                self.planted.retained += 1

    def disturb_entries(self, alone: bool) -> None:
        """Entries that are gone, or say something else, and of rows that are not refused.

        ``alone``: no other pair's rows hang on these, so that PostgreSQL may have refused some.
        """
        mine = f"FROM {self.route.view} f WHERE f._rechazo IS NOT NULL AND c.clave = f._clave"
        mine = f"c.tabla_origen = {literal(self.route.pair.source)} AND EXISTS (SELECT {mine})"
        refused = self._rows(
            f"SELECT c.id, c.clave FROM {BOOKKEEPING}.cuarentena c WHERE {mine} ORDER BY c.clave LIMIT {3 * EACH}"
        )
        for number, (entry, clave) in enumerate(refused):
            act = ("DELETE FROM {}", "UPDATE {} SET fila = fila || '{{\"otra\": 1}}'", "UPDATE {} SET motivo = motivo || '.'")[
                number % 3
            ]
            self._run(f"{act.format(f'{BOOKKEEPING}.cuarentena')} WHERE id = {entry}")
            self._plant(REFUSED, clave)
        (explained, *_), (refused_alone, *_), (changed_since, *_) = self._free()[:3]
        self._enter(explained, "otra cosa", "f._fila")
        self.planted.stale_entries += 1
        self.used += [explained]
        if alone:
            self._enter(refused_alone, f"{UNFORESEEN}porque sí", "f._fila")
            self._enter(changed_since, f"{UNFORESEEN}porque sí", "f._fila || '{\"otra\": 1}'")
            gone = f"SELECT t.ctid FROM {self.twins} AND f._clave IN ({literal(refused_alone)}, {literal(changed_since)})"
            self._run(f"DELETE FROM {self.route.target_table} WHERE ctid IN ({gone})")
            self._plant(MISSING, changed_since)
            self.used += [refused_alone]

    def disturb_merges(self) -> None:
        """Merges that are not noted, noted otherwise, or noted of rows that are not merged."""
        pair = self.route.pair
        mine = f"m.tabla_origen = {literal(pair.source)} AND m.tabla_destino = {literal(pair.target)}"
        merges = f"{BOOKKEEPING}.fusion m"
        merged = self._rows(f"SELECT m.clave FROM {merges} WHERE {mine} ORDER BY m.clave LIMIT {2 * EACH}")
        for number, (clave,) in enumerate(merged):
            act = f"DELETE FROM {merges}" if number % 2 else f"UPDATE {merges} SET clave_destino = 'otra'"
            self._run(f"{act} WHERE {mine} AND m.clave = {literal(clave)}")
            self._plant(UNMERGED, clave)
        if merged:
            clave = self._free()[0][0]
            self._run(
                f"INSERT INTO {BOOKKEEPING}.fusion (tabla_origen, clave, tabla_destino, clave_destino, motivo)"
                f" VALUES ({literal(pair.source)}, {literal(clave)}, {literal(pair.target)}, 'otra', 'otra')"
            )
            self.used.append(clave)
            self.planted.stale_merges += 1

    def _enter(self, clave: str, reason: str, row: str) -> None:
        self._run(
            f"INSERT INTO {BOOKKEEPING}.cuarentena (tabla_origen, clave, fila, sqlstate, motivo, origen)"
            f" SELECT {literal(self.route.pair.source)}, f._clave, {row}, '23505', {literal(reason)}, 'copia'"
            f" FROM {self.route.view} f WHERE f._clave = {literal(clave)}"
        )

    def _free(self, condition: str = "true", value: str = "NULL") -> list[tuple[str, str, Any]]:
        """Carried rows that nothing is planted in yet and for which the condition holds: clave, place and that value."""
        used = ", ".join(map(literal, ["", *self.used]))
        free = f"({condition}) AND f._clave NOT IN ({used}){self.looked_up}"
        return self._rows(f"SELECT f._clave, t.ctid::text, {value} FROM {self.twins} WHERE {free} LIMIT {TRIES}")

    def _rows(self, query: str) -> list[Any]:
        self._run(query)
        return list(self.cursor.fetchall())

    def _surplus(self, insert: str) -> None:
        if clave := self._done(insert):
            self.planted.differences.add(Difference(SURPLUS, clave))

    def _done(self, statement: str) -> Any:
        """What the statement returns, None where the table refuses it or there is no row."""
        self._run("SAVEPOINT uno")
        try:
            self._run(statement)
            found = self.cursor.fetchone()
        except Error:
            self._run("ROLLBACK TO SAVEPOINT uno")
            found = None
        self._run("RELEASE SAVEPOINT uno")
        return found and found[0]

    def _plant(self, state: str, clave: str, columns: tuple[str, ...] = ()) -> None:
        self.used.append(clave)
        self.planted.differences.add(Difference(state, clave, columns))

    def _run(self, statement: str) -> None:
        self.cursor.execute(statement)
