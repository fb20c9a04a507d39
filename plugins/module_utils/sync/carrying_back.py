"""One Spanish key of the debt, or several at once that exchanged a unique value: what the row was, beside what it is now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.rows.routes import Route, clave_sql, spanish_clave
from ..core.sqltext import ident, idents, literal
from ..core.sync.back import back_name
from ..core.sync.exchanged import room_left_sql, room_made_sql
from ..core.sync.images import DRAINING, flag_of, image, left, pair_is, split_clave, twin_text
from ..core.sync.inverse import legacy_clave, legacy_place
from ..core.sync.pending_rows import MISSED, MOVED
from ..server.db import execute, fetch_all, fetch_one

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


class ClashError(Exception):
    """Legacy has a unique value of these Spanish keys in another row, which may give it up yet; nothing of them is carried."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(", ".join(keys))
        self.keys = tuple(keys)


@dataclass(frozen=True)
class Debt:
    """What of one Spanish table is carried: ``homes``: the pairs that fill it; keys up to ``last``; overridden rows are kept
    under ``run_id``."""

    homes: tuple[Route, ...]
    last: int
    run_id: str

    @property
    def route(self) -> Route:
        """The pair in which rows are born."""
        return self.homes[0]

    def back(self, conn: Connection, clave: str, overridden: list[str], last_try: bool = False) -> None:
        """Take one key back in the open transaction; legacy rows of which a Spanish one replaces the version are added to
        ``overridden``.

        Raises ClashError where another legacy row has a unique value; with ``last_try`` that has an entry instead.
        """
        route, keyed, place = self.route, split_clave(clave), self._place()
        fetch_one(conn, f"SELECT set_config({literal(DRAINING)}, 'si', true)")
        locked = f"SELECT 1 FROM {route.target_table} t WHERE {place} AND {spanish_clave(route, 't')} = %s FOR NO KEY UPDATE"
        fetch_one(conn, locked, (*keyed, clave))
        waited, before = self._before(conn, clave)
        # gone before the row is carried: what carries it forward again must not wait for this very key
        gone = f"DELETE FROM {BOOKKEEPING}.pendiente WHERE tabla_origen = %s AND clave = %s AND id <= %s"
        execute(conn, gone, (route.pair.target, clave, self.last))
        now = fetch_one(conn, f"SELECT to_jsonb(t.*)::text FROM {route.target_table} t WHERE {place}", tuple(keyed))
        orders = {(True, True): "UPDATE", (True, False): "DELETE", (False, True): "INSERT"}
        order = orders.get((before is not None, now is not None))
        if not waited or order is None:
            return
        self._keep_overridden(conn, before or (now[0] if now else ""), overridden)
        row = f"(SELECT t FROM {route.target_table} t WHERE {place})"
        none = f"NULL::{route.target_table}"
        old = f"CASE WHEN %s::text IS NULL THEN {none} ELSE jsonb_populate_record({none}, %s::jsonb) END"
        fetch_one(conn, f"SELECT {back_name(route)}(%s, {old}, {row})", (order, before, before, *keyed))
        if not last_try and fetch_one(conn, _CLASHED, (route.pair.target, clave)):
            raise ClashError([clave])
        if before is not None and [str(json.loads(before)[n]) for n in route.table.primary_key] != keyed:
            self._again(conn, clave, before)

    def back_together(self, conn: Connection, claves: Sequence[str], overridden: list[str]) -> None:
        """Take keys back whose rows have values of one another: in legacy each makes room before the first one is written.

        Raises ClashError, naming those that found no room all the same: then nothing of any of them is carried.
        """
        fetch_one(conn, f"SELECT set_config({literal(DRAINING)}, 'si', true)")
        befores = {clave: before for clave in claves if (before := self._before(conn, clave)[1]) is not None}
        execute(conn, "SELECT set_config('migracion.sync', %s, true)", (flag_of(self.route),))
        for clave, before in befores.items():
            for home in self.homes:
                for statement in room_made_sql(home, self.homes):
                    execute(conn, statement, (before, clave))
        execute(conn, "SELECT set_config('migracion.sync', '', true)")
        clashed = []
        for clave in claves:
            try:
                self.back(conn, clave, overridden)
            except ClashError:
                clashed.append(clave)
        still = [s for home in self.homes for s in room_left_sql(home)]
        clashed += [clave for clave, before in befores.items() if any(fetch_one(conn, s, (before,)) for s in still)]
        if clashed:
            raise ClashError(clashed)

    def _place(self) -> str:
        types = {c.name: c.type for c in self.route.table.columns}
        found = ", ".join(f"%s::{types[n]}" for n in self.route.table.primary_key)
        return f"({idents(self.route.table.primary_key, 't.')}) = ({found})"

    def _before(self, conn: Connection, clave: str) -> tuple[bool, str | None]:
        """Return whether a row waits under the key, and what it was before the oldest write: what was missed comes first."""
        mine = f"tabla_origen = %s AND clave = %s AND id <= %s AND operacion IS DISTINCT FROM {literal(MOVED)}"
        first = f"SELECT fila::text FROM {BOOKKEEPING}.pendiente WHERE {mine} ORDER BY motivo <> {literal(MISSED)}, id LIMIT 1"
        row = fetch_one(conn, first, (self.route.pair.target, clave, self.last))
        return row is not None, row[0] if row else None

    def _again(self, conn: Connection, clave: str, before: str) -> None:
        """Of a Spanish key that was another: what legacy wrote meanwhile under either waits, and finds the row that it is now."""
        for home in self.homes:
            if (text := twin_text(home)) is None:
                continue
            row = f"(SELECT * FROM (SELECT {image(home, 'l')} FROM {home.source_table} l) k WHERE {text} = %s) k"
            execute(conn, left(home, row, literal("otra clave")), (clave,))
            # who was deleted in legacy is gone here, under whatever key
            twin = ", ".join(f"t.{ident(c.name)}" for c in home.match)
            there = f"SELECT FROM {home.source_table} l WHERE {legacy_place(home, 't')}"
            execute(
                conn,
                f"UPDATE {BOOKKEEPING}.pendiente p SET fila = jsonb_build_array({twin}) FROM {home.target_table} t,"
                f" (SELECT (jsonb_populate_record(NULL::{home.target_table}, %s::jsonb)).*) v"
                f" WHERE {pair_is(home, 'p')} AND p.clave = {legacy_clave(home, 'v')} AND {self._place()}"
                f" AND NOT EXISTS ({there})",
                (before, *split_clave(clave)),
            )

    def _keep_overridden(self, conn: Connection, row: str, overridden: list[str]) -> None:
        """Keep the legacy row of the Spanish one where both were written while keys waited: what both changed is said in
        Spanish from now on."""
        for home in self.homes:
            here, clave = f"(SELECT (jsonb_populate_record(NULL::{home.target_table}, %s::jsonb)).*) v", clave_sql(home.key, "l")
            kept = fetch_all(
                conn,
                f"INSERT INTO {BOOKKEEPING}.apartada (run_id, tabla, clave, fila) SELECT %s, %s, {clave}, to_jsonb(l.*)"
                f" FROM {home.source_table} l, {here} WHERE {legacy_place(home, 'v')} AND EXISTS"
                f" (SELECT FROM {BOOKKEEPING}.pendiente p WHERE p.tabla_origen = %s AND p.clave = {clave}"
                " AND p.motivo <> 'aislamiento') RETURNING clave",
                (self.run_id, home.pair.source, row, home.pair.source),
            )
            overridden += [f"{home.pair.source} {name}" for (name,) in kept]


_CLASHED = f"""SELECT 1 FROM {BOOKKEEPING}.cuarentena c WHERE c.tabla_origen = %s AND c.clave = %s AND c.estado <> 'resuelta'
  AND c.sqlstate = '23505' AND c.xmin::text = pg_current_xact_id()::xid::text"""
