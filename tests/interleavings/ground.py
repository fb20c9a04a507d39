"""The database in which orders run: the real schema and the sync as the runbook installs it, its rows put back before each.

Beside it the same legacy tables alone, without the sync, in which acknowledged statements are replayed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.mapping.types import TableMapping
from plugins.module_utils.core.rows.leaf_tables import is_leaf
from plugins.module_utils.core.rows.routes import Route, routes_of
from plugins.module_utils.core.rows.row_locks import legacy_locks
from plugins.module_utils.server.connect import connect
from plugins.module_utils.server.live_catalogue import read_catalogue
from tests.support.databases import Database, Databases
from tests.support.jobs import TINKUBOT, Jobs

from .cast import BOOKS, LATER, LEGACY, NEIGHBOURS, ROWS, named

State = dict[str, list[dict[str, str | None]]]  # of each table its rows, each value as text; 'ctid' is where the row lies

PATIENCE = "1200ms"  # a session that waits longer waits for one that the order makes wait for it


@dataclass
class Ground:
    """``database`` has the sync, ``alone`` has none; ``tables``: all that is put back, and read."""

    database: Database
    alone: Database
    jobs: Jobs
    mapping: TableMapping
    installation: str
    tables: list[str]
    routes: tuple[Route, ...]
    loaded: tuple[Route, ...] = ()  # whose tables are loaded without locks
    mended: list[str] = field(default_factory=list)  # functions to put back where a mistake is planted

    def states(self) -> list[State]:
        """What the orders since the last call have left, in their sequence."""
        with self.database.cursor() as cursor:
            cursor.execute("DELETE FROM interleavings.outcome RETURNING id, state::text")
            return [json.loads(text) for _, text in sorted(cursor.fetchall())]

    def run(self, state: State) -> State:
        """Put back what an order left, end the loads and drain it as the runbook does, and return what there is then."""
        with self.database.cursor() as cursor:
            cursor.execute("SELECT interleavings.put_back(%s::jsonb)", (json.dumps(state),))
        with self.database.cursor() as cursor:
            for route in self.loaded:
                cursor.execute(batch_of(route))
            cursor.execute("UPDATE migracion.sincronizacion SET modo = 'si', carga = NULL")
        self.jobs.drain()
        with self.database.cursor() as cursor:
            cursor.execute("SELECT interleavings.keep()")
        return self.states()[-1]


def batch_of(route: Route) -> str:
    """Return the statement that runs the copy's batch of a pair."""
    return f"SELECT FROM interleavings.batch_{route.pair.source}_{route.pair.target}()"


def make_ground(databases: Databases, installation: str, work: Path, pauses: bool = False, loading: bool = False) -> Ground:
    """Build it: the runbook's own jobs copy the rows and install the sync. ``loading``: the leaves are empty and keep keys."""
    database = databases.sample(installation, 100, "open", messages=0)
    _cast(database, installation)
    alone = databases.copy(database.name)
    jobs = Jobs(database.url, work)
    jobs.up_to_proof("fase2", "fase3")
    jobs.synchronise()
    with database.cursor() as cursor:
        for statement in LATER:
            cursor.execute(named(statement, installation))
    with alone.cursor() as cursor:
        for statement in LATER:
            cursor.execute(named(statement, installation))
    mapping = load_mapping(TINKUBOT.read_text(encoding="utf-8"), str(TINKUBOT))
    tables = [f"public.{t}" for t in (*LEGACY, *NEIGHBOURS, *(t.name for t in mapping.tables))]
    tables += [f"migracion.{t}" for t in BOOKS]
    pausing = tables[: len(tables) - len(BOOKS)]
    conn = connect(database.url, "interleavings")
    with closing(conn):
        routes = tuple(routes_of(mapping, read_catalogue(conn, mapping)))
    ground = Ground(database, alone, jobs, mapping, installation, tables, routes)
    _make_copy_due(database)
    if loading:
        tables.append("migracion.sincronizacion")
        ground.loaded = tuple(r for r in routes if is_leaf(r, routes))
        _make_load_due(database, ground.loaded)
    _install(database, tables)
    _install_jobs(database, routes)
    _install(alone, tables[: len(LEGACY) + len(NEIGHBOURS)])
    if pauses:
        _install_pauses(database, pausing)
    for one in (database, alone):
        settings = {"lock_timeout": PATIENCE, "deadlock_timeout": "60ms", "lc_messages": "C", "synchronous_commit": "off"}
        settings |= {"statement_timeout": "0", "TimeZone": "UTC", "jit": "off", "idle_in_transaction_session_timeout": "0"}
        one.run_alone(*(f"ALTER DATABASE {one.name} SET {name} = '{value}'" for name, value in settings.items()))
    return ground


def _cast(database: Database, installation: str) -> None:
    with database.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join((*LEGACY, *NEIGHBOURS))} CASCADE")
        for statement in ROWS:
            cursor.execute(named(statement, installation))
        cursor.execute("SELECT setval('professions_id_seq', 1000)")


def _install(database: Database, tables: list[str]) -> None:
    """What puts rows back and what keeps them; the base is what there is now."""
    with database.cursor() as cursor:
        columns = {table: _columns(cursor, table) for table in tables}
        cursor.execute("CREATE SCHEMA interleavings")
        cursor.execute("CREATE TABLE interleavings.outcome (id bigint GENERATED ALWAYS AS IDENTITY, state jsonb)")
        reset, load = "", ""
        for table in tables:
            base = f"interleavings.base_{table.split('.')[1]}"
            cursor.execute(f"CREATE TABLE {base} AS TABLE {table}")
            reset += f"DELETE FROM {table} t WHERE t::text NOT IN (SELECT b::text FROM {base} b);\n"
            reset += f"INSERT INTO {table} SELECT * FROM {base} b WHERE b::text NOT IN (SELECT t::text FROM {table} t);\n"
            values = ", ".join(f"(x ->> '{name}')::{kind}" for name, kind in columns[table])
            names = ", ".join(f'"{name}"' for name, _ in columns[table])
            rows = f"jsonb_array_elements(p -> '{table}') x"
            load += f"DELETE FROM {table};\nINSERT INTO {table} ({names}) SELECT {values} FROM {rows};\n"
        head = "LANGUAGE plpgsql SET session_replication_role = replica AS $$ BEGIN\n"
        cursor.execute(f"CREATE FUNCTION interleavings.reset() RETURNS void {head}{reset}END $$")
        cursor.execute(f"CREATE FUNCTION interleavings.put_back(p jsonb) RETURNS void {head}{load}END $$")
        cursor.execute(f"CREATE FUNCTION interleavings.state() RETURNS jsonb LANGUAGE sql AS $$ {state_sql(columns)} $$")
        cursor.execute(
            "CREATE FUNCTION interleavings.keep() RETURNS void LANGUAGE sql AS"
            " $$ INSERT INTO interleavings.outcome (state) SELECT interleavings.state() $$"
        )


def _make_copy_due(database: Database) -> None:
    """As if no row had been copied yet: the batch of a pair starts with its first row, by key."""
    last = "CASE WHEN a.atttypid = 'uuid'::regtype THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff' ELSE '2000000000' END"
    key = f"""SELECT jsonb_agg({last} ORDER BY k.n) FROM pg_index i, unnest(i.indkey::smallint[]) WITH ORDINALITY k(column_, n)
        JOIN pg_attribute a ON a.attrelid = to_regclass('public.' || p.tabla_origen) AND a.attnum = k.column_
        WHERE i.indrelid = a.attrelid AND i.indisprimary"""
    with database.cursor() as cursor:
        cursor.execute(f"UPDATE migracion.progreso_copia p SET posicion = NULL, terminada_at = NULL, fin = ({key})")


def _make_load_due(database: Database, routes: Sequence[Route]) -> None:
    """As if the triggers of these pairs stood and no row had been loaded."""
    with database.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for route in routes:
            cursor.execute(f"TRUNCATE {route.target_table}")
            cursor.execute("DELETE FROM migracion.cuarentena WHERE tabla_origen = %s", (route.pair.source,))
            keeps = "UPDATE migracion.sincronizacion SET modo = 'claves', carga = 'filas' WHERE tabla_destino = %s"
            cursor.execute(keeps, (route.pair.target,))


def _install_jobs(database: Database, routes: Sequence[Route]) -> None:
    """The copy's batch and the repair of each pair, as one call each: the same locks and functions as the runbook's own."""
    with database.cursor() as cursor:
        for route in routes:
            name = f"{route.pair.source}_{route.pair.target}"
            progress = "(SELECT p.tramo FROM migracion.progreso_copia p WHERE p.tabla_origen = '{}' AND p.tabla_destino = '{}')"
            stretch = progress.format(route.pair.source, route.pair.target)
            batch = f"PERFORM FROM {route.function('copiar')}({stretch}, 5000, 8000000, 'batch');"
            keys = ", ".join(f"l.{c.name} AS {k}" for c, k in zip(route.key, route.key_names, strict=True))
            rows = f"(SELECT {keys} FROM {route.source_table} l) k"
            arrays = ", ".join(f"coalesce(array_agg(k.{k}), '{{}}')" for k in route.key_names)
            match = ", ".join(f"coalesce(array_agg(t.{c.name}), '{{}}')" for c in route.match)
            repair = "".join(f"PERFORM {lock};\n" for lock in legacy_locks(route, rows))
            columns = [f"m{n}" for n, _ in enumerate(route.match)]
            repair += f"PERFORM FROM (SELECT {match} FROM {route.target_table} t) x({', '.join(columns)}), LATERAL"
            repair += f" {route.removal}({', '.join(f'x.{c}' for c in columns)}, 'repair');\n"
            repair += f"PERFORM FROM (SELECT {arrays} FROM {rows}) x({', '.join(route.key_names)}), LATERAL"
            repair += f" {route.function('llevar')}({', '.join(f'x.{k}' for k in route.key_names)}, 'repair');\n"
            for what, body in (("batch", batch), ("repair", repair)):
                head = f"CREATE FUNCTION interleavings.{what}_{name}() RETURNS void LANGUAGE plpgsql AS"
                cursor.execute(f"{head} $$ BEGIN\n{body} END $$")


def _columns(cursor: Any, table: str) -> list[tuple[str, str]]:
    cursor.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND NOT attisdropped ORDER BY attnum",
        (table,),
    )
    return list(cursor.fetchall())


def state_sql(columns: dict[str, list[tuple[str, str]]]) -> str:
    """Return the SELECT of all rows of the tables, as one JSON value."""
    parts = []
    for table, named_columns in columns.items():
        values = ", ".join(f"'{name}', t.\"{name}\"::text" for name, _ in named_columns)
        where = " WHERE t.estado <> 'resuelta'" if table == "migracion.cuarentena" else ""
        row = f"jsonb_build_object('ctid', t.ctid::text, {values})"
        parts.append(f"'{table}', (SELECT coalesce(jsonb_agg({row}), '[]') FROM {table} t{where})")
    return f"SELECT jsonb_build_object({', '.join(parts)})"


def _install_pauses(database: Database, tables: list[str]) -> None:
    """Triggers in which a statement waits for the session that holds the gate, where its transaction asks for it."""
    with database.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION interleavings.pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF current_setting('interleavings.pause', true) ="
            " (CASE WHEN TG_WHEN = 'BEFORE' THEN 'before' WHEN pg_trigger_depth() = 1 THEN 'own' ELSE 'after' END)"
            " AND (TG_WHEN = 'AFTER' OR pg_trigger_depth() > 1) THEN"
            " PERFORM set_config('interleavings.pause', '', true);"
            " PERFORM pg_advisory_xact_lock_shared(7); END IF; RETURN coalesce(NEW, OLD); END $$"
        )
        for table in tables:
            for when in ("BEFORE", "AFTER"):
                cursor.execute(
                    f"CREATE TRIGGER a_pause_{when.lower()} {when} INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW"
                    " EXECUTE FUNCTION interleavings.pause()"
                )


def connected(database: Database) -> Any:
    """A connection of the superuser's that closes itself."""
    return closing(psycopg2.connect(database.superuser_url))
