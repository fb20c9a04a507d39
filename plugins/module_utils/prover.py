"""Proves that the Spanish tables are what the legacy tables say, repairs what is not, and forecasts a copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from . import lease
from .copier import lagging_sequences, run_batch
from .core import proof
from .core.copying import match_columns
from .core.forward import BOOKKEEPING, Route
from .core.mapping import Mapping
from .core.proof import DIFFERENT, EQUAL, MISSING, PENDING, QUARANTINED, REFUSED, SURPLUS
from .core.sqltext import qname
from .db import compose, fetch_all, run_sql, transaction

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

EXAMPLES = 5
ROUNDS = 5
REPAIR_ROWS = 20_000  # keys held in memory at once


@dataclass
class Account:
    """The accounting of one pair. ``reasons``: (reason, rows, first key) of refused rows; ``examples``: named differences."""

    route: Route
    states: dict[str, int] = field(default_factory=dict)
    reasons: list[tuple[str, int, str]] = field(default_factory=list)
    examples: list[dict[str, Any]] = field(default_factory=list)
    merged: int = 0
    stale_entries: int = 0

    def count(self, *states: str) -> int:
        """Rows in those states."""
        return sum(self.states.get(s, 0) for s in states)

    @property
    def legacy_rows(self) -> int:
        """All rows of the legacy table that belong to the pair."""
        return self.count(EQUAL, QUARANTINED, *PENDING) + self.merged

    @property
    def spanish_rows(self) -> int:
        """All rows of the Spanish table."""
        return self.count(EQUAL, DIFFERENT, SURPLUS)

    @property
    def clean(self) -> bool:
        """Whether every row on both sides is explained."""
        return self.count(*PENDING, SURPLUS) == 0 and self.stale_entries == 0


def account(conn: Connection, route: Route) -> Account:
    """Compare one pair in the caller's transaction."""
    found = Account(route)
    entries = 0
    for state, reason, rows, first, entered in fetch_all(conn, proof.accounting_sql(route)):
        found.states[state] = found.states.get(state, 0) + rows
        if state in (QUARANTINED, REFUSED):
            found.reasons.append((reason, rows, first))
            entries += entered
    found.reasons.sort(key=lambda item: (-item[1], item[0]))
    found.merged = fetch_all(
        conn,
        f"SELECT count(*) FROM {BOOKKEEPING}.fusion WHERE tabla_origen = %s AND tabla_destino = %s",
        (route.pair.source, route.pair.target),
    )[0][0]
    open_entries = fetch_all(
        conn,
        f"SELECT count(*) FROM {BOOKKEEPING}.cuarentena WHERE tabla_origen = %s AND estado <> 'resuelta'",
        (route.pair.source,),
    )[0][0]
    found.stale_entries = max(0, open_entries - entries)
    return found


def prove(conn: Connection, routes: Sequence[Route]) -> list[Account]:
    """Compare every pair in one snapshot; differences come with their column and both values."""
    with transaction(conn, isolation="REPEATABLE READ", read_only=True):
        accounts = [account(conn, route) for route in routes]
        for found in accounts:
            if not found.clean:
                found.examples = named_differences(conn, found.route)
    return accounts


def named_differences(conn: Connection, route: Route) -> list[dict[str, Any]]:
    """Return the first differences of each kind: estado, clave, motivo and [column, expected, found] where values differ."""
    rows = fetch_all(conn, proof.examples_sql(route, EXAMPLES))
    return [{"estado": s, "motivo": m, "clave": k, "columnas": columns or []} for s, m, k, columns in rows]


def repair(conn: Connection, routes: Sequence[Route], run_id: str, batch_rows: int, accounts: list[Account]) -> list[Account]:
    """Repair what the proof ``accounts`` names and prove again, until it is clean or the rounds are used up."""
    for _ in range(ROUNDS):
        wrong = [a for a in accounts if not a.clean]
        if not wrong:
            break
        for found in wrong:
            for keys in _dirty_keys(conn, found.route):
                _repair_keys(conn, found.route, keys, run_id, batch_rows)
            if found.stale_entries:
                _close_stale_entries(conn, found.route, run_id)
        accounts = prove(conn, routes)
    return accounts


def _dirty_keys(conn: Connection, route: Route) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of repair_sql in portions; each is read whole before it is repaired."""
    with transaction(conn, read_only=True):
        run_sql(conn, f"DECLARE migracion_reparar NO SCROLL CURSOR WITH HOLD FOR {proof.repair_sql(route)}")
    try:
        while rows := fetch_all(conn, f"FETCH {REPAIR_ROWS} FROM migracion_reparar"):
            yield rows
    finally:
        if not conn.closed:
            run_sql(conn, "CLOSE migracion_reparar")


def _repair_keys(conn: Connection, route: Route, rows: list[tuple[Any, ...]], run_id: str, batch_rows: int) -> None:
    width = len(route.key_names)
    carried = [row[1 : 1 + width] for row in rows if row[0] in PENDING]
    surplus = [row[1 + width :] for row in rows if row[0] == SURPLUS]
    types = [c.type for c in route.key]
    match_types = [c.type for c in match_columns(route)]
    for verb, keys, casts in (("quitar", surplus, match_types), ("llevar", carried, types)):
        function = compose("{f}", f=(BOOKKEEPING, route.function_name(verb)))
        arguments = ", ".join(f"%s::{cast}[]" for cast in casts)
        query = f"SELECT * FROM {function}({arguments}, %s)"
        done, size = 0, batch_rows
        while done < len(keys):
            work = partial(_call, conn, query, keys[done:], run_id)
            used, size = run_batch(conn, route, run_id, (size, batch_rows), work)
            done += used


def _call(conn: Connection, query: str, keys: Sequence[tuple[Any, ...]], run_id: str, rows: int) -> None:
    columns = [[str(value) for value in column] for column in zip(*keys[:rows], strict=True)]
    fetch_all(conn, query, (*columns, run_id))


def _close_stale_entries(conn: Connection, route: Route, run_id: str) -> None:
    with transaction(conn):
        lease.fence(conn, run_id)
        run_sql(
            conn,
            f"UPDATE {BOOKKEEPING}.cuarentena c SET estado = 'resuelta', resolucion = 'corregida',"
            f" resuelta_at = now() FROM ({proof.stale_entries_sql(route)}) s"
            f" WHERE c.tabla_origen = s.tabla_origen AND c.clave = s.clave AND c.estado <> 'resuelta'",
        )


def unsound_objects(conn: Connection, mapping: Mapping, routes: Sequence[Route]) -> list[str]:
    """Return a phrase for every constraint not validated, index not valid and sequence behind its column."""
    names = [qname(mapping.schema, r.pair.target) for r in routes]
    phrases = [
        f"{table}: la restricción {name} no está validada"
        for table, name in fetch_all(
            conn,
            "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE NOT convalidated"
            " AND conrelid = ANY (SELECT to_regclass(n) FROM unnest(%s::text[]) n)",
            (names,),
        )
    ]
    phrases += [
        f"{table}: el índice {name} no es válido"
        for table, name in fetch_all(
            conn,
            "SELECT indrelid::regclass::text, indexrelid::regclass::text FROM pg_index WHERE NOT (indisvalid AND indisready)"
            " AND indrelid = ANY (SELECT to_regclass(n) FROM unnest(%s::text[]) n)",
            (names,),
        )
    ]
    return phrases + [
        f"la secuencia {lag.sequence} va por {lag.last} y los ids de {lag.table}.{lag.column} llegan a {lag.highest}"
        for lag in lagging_sequences(conn, mapping, routes)
    ]


def forecast_details(found: Account) -> dict[str, Any]:
    """Return what a run would do to this pair, in numbers; a run reports the same names."""
    return {
        "origen": found.route.pair.source,
        "destino": found.route.pair.target,
        "copiar": found.count(MISSING),
        "cambiar": found.count(DIFFERENT),
        "quitar": found.count(SURPLUS),
        "fusionar": found.merged,
        "cuarentena": found.count(REFUSED, QUARANTINED),
    }
