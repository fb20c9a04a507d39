"""Texts are compared by their bytes: whatever collations the legacy columns have, the same rows come out as with one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.proof.comparison import classified_sql
from plugins.module_utils.core.rows.routes import routes_of
from plugins.module_utils.server.connect import connect
from plugins.module_utils.server.db import fetch_all
from plugins.module_utils.server.live_catalogue import read_catalogue
from tests.support.databases import Database, Databases
from tests.support.jobs import Jobs, of_its_own

pytestmark = pytest.mark.values

PREPARED = """
DO $$ DECLARE r record; BEGIN
  FOR r IN SELECT c.oid::regclass AS name FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'v' LOOP
    EXECUTE 'DROP VIEW IF EXISTS ' || r.name || ' CASCADE';
  END LOOP;
  FOR r IN SELECT polname, polrelid::regclass AS name FROM pg_policy LOOP
    EXECUTE format('DROP POLICY %I ON %s', r.polname, r.name);
  END LOOP;
END $$"""
TWO = """ALTER TABLE customers ALTER phone_number TYPE text COLLATE "C";
ALTER TABLE users ALTER phone_number TYPE text COLLATE "POSIX\""""
# every text column of every table another one than the column before; what cannot have that one has "C"
ALL = """
DO $$ DECLARE r record; BEGIN
  FOR r IN SELECT attrelid::regclass AS name, attname, format_type(atttypid, atttypmod) AS type, row_number() OVER () AS n
           FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
           WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attcollation <> 0 AND attnum > 0 LOOP
    BEGIN
      EXECUTE format('ALTER TABLE %s ALTER %I TYPE %s COLLATE %s', r.name, r.attname, r.type,
        (ARRAY['"C"', '{any_case}', '"POSIX"', '{spanish}'])[1 + r.n % 4]);
    EXCEPTION WHEN feature_not_supported OR unique_violation THEN
      EXECUTE format('ALTER TABLE %s ALTER %I TYPE %s COLLATE "C"', r.name, r.attname, r.type);
    END;
  END LOOP;
END $$"""
MADE = """CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION any_accent (provider = icu, locale = 'und-u-ks-level1', deterministic = false);"""


def with_collations(database: Database, statements: str) -> str:
    """The statements with collations that ignore case, or Spanish, where the server has them."""
    if not database.query("SELECT FROM pg_collation WHERE collname = 'es-x-icu'"):
        names = {"{any_case}": '"C"', "{any_accent}": '"POSIX"', "{spanish}": '"POSIX"'}
        made = ""
    else:
        names = {"{any_case}": "public.any_case", "{any_accent}": "public.any_accent", "{spanish}": '"es-x-icu"'}
        made = MADE
    for name, collation in names.items():
        statements = statements.replace(name, collation)
    return made + statements


def outcome(database: Database) -> dict[str, Any]:
    """Every Spanish row, every entry, every merge."""
    tables = "clientes proveedores profesiones proveedor_profesiones servicios_proveedor solicitudes_servicio mensajes sesiones"
    found: dict[str, Any] = {
        t: database.query(f'SELECT to_jsonb(t.*)::text COLLATE "C" FROM {t} t ORDER BY 1') for t in tables.split()
    }
    found["cuarentena"] = database.query("SELECT tabla_origen, clave, motivo, fila FROM migracion.cuarentena ORDER BY 1, 2, 3")
    found["fusion"] = database.query("SELECT tabla_origen, clave, clave_destino FROM migracion.fusion ORDER BY 1, 2, 3")
    return found


@pytest.mark.parametrize(
    ("installation", "collations"), [("jsonb", TWO), ("text", ALL), ("jsonb", ALL)], ids=["two", "text", "all"]
)
def test_the_same_rows_come_out_as_with_one_collation(
    new_database: Callable[..., Database], tmp_path: Path, installation: str, collations: str
) -> None:
    outcomes = []
    for statements in ("SELECT", collations):
        database = new_database(installation, 100, messages=30)
        with database.cursor() as cursor:
            cursor.execute(PREPARED)
            cursor.execute(with_collations(database, statements))
        jobs = Jobs(database.url, tmp_path / str(len(outcomes)), batch_rows=30)
        jobs.approve(check=True)
        jobs.up_to_proof("fase2", "fase3")
        outcomes.append(outcome(database))
    assert outcomes[0] == outcomes[1]


MAPPING = """
schema: public
subphases: {fase2: ["2.1"]}
tables:
  lugares:
    twin: places
    columns: {id: text, codigo: {type: varchar(5), not_null: true}, nombre: text}
    primary_key: id
    unique: [codigo]
  visitas:
    twin: visits
    columns: {id: integer, lugar: text, nombre: text, otro: varchar(5)}
    primary_key: id
    foreign_keys: {lugar: {table: lugares, column: id}}
pairs:
  places:
    lugares:
      subphase: "2.1"
      where: {kind: open}
      otherwise: true
      columns: {id: id, codigo: code, nombre: {from: name, values: {home: casa}}}
  more:
    lugares: {subphase: "2.1", merge_by: codigo, columns: {id: id, codigo: code}}
  visits:
    visitas:
      subphase: "2.1"
      columns:
        id: id
        lugar: place
        nombre: {lookup: {table: places, column: id, by: place, take: name}}
        otro: {lookup: {table: lugares, column: id, by: lugar, take: codigo}}
      waived: {code: nadie la lee}
"""
TABLES = """
CREATE TABLE places (id {0} PRIMARY KEY, code {0} NOT NULL UNIQUE, name {1}, kind {1});
CREATE TABLE more (id {1} PRIMARY KEY, code {1} NOT NULL UNIQUE);
CREATE TABLE visits (id integer PRIMARY KEY, place {1}, code {1});
INSERT INTO places VALUES ('a', 'x', 'home', 'open'), ('b', 'y', 'HOME', 'open'), ('c', 'z', 'n', 'OPEN'),
  ('d|\\', 'w   ', NULL, 'open');
INSERT INTO more VALUES ('e', 'x'), ('f', 'X'), ('g', 'v');
INSERT INTO visits VALUES (1, 'a', 'x'), (2, 'B', 'Y'), (3, 'd|\\', 'w'), (4, 'b', 'y'), (5, NULL, NULL)
"""
TYPES = {
    "one": ("text", "text"),
    "two": ('text COLLATE "C"', 'text COLLATE "POSIX"'),
    "icu": ("varchar(9) COLLATE {spanish}", "text"),
    "any case": ("text COLLATE {any_case}", 'text COLLATE "C"'),
    "any case beside another": ("text COLLATE {any_case}", "text COLLATE {any_accent}"),
    "domain": ("dominio", 'text COLLATE "POSIX"'),
    "citext": ("citext", "text"),
}
DOMAIN = 'CREATE DOMAIN dominio AS text COLLATE "C";'


def made_of(database: Database, folder: Path, types: tuple[str, str]) -> Jobs:
    """The jobs of these two tables of places, their texts of those types."""
    folder.mkdir()
    statements = with_collations(database, DOMAIN + TABLES.format(*types))
    return of_its_own(database, folder, MAPPING, statements, batch_rows=2)


AGAIN = """UPDATE places SET code = code || '~'; UPDATE places SET code = translate(code, 'xy~', 'yx');
UPDATE migracion.progreso_copia SET posicion = NULL, terminada_at = NULL, fin = '["zz"]'
WHERE tabla_origen IN ('places', 'more')"""
SEEN = (
    'SELECT id, codigo, nombre FROM lugares ORDER BY id COLLATE "C"',
    "SELECT * FROM visitas ORDER BY id",
    "SELECT tabla_origen, clave, motivo, sqlstate FROM migracion.cuarentena WHERE estado <> 'resuelta' ORDER BY 1, 2",
    "SELECT clave, clave_destino FROM migracion.fusion ORDER BY 1, 2",
)


def test_keys_parents_lookups_merges_and_conditions_are_judged_by_bytes(databases: Databases, tmp_path: Path) -> None:
    found = {}
    for name, types in TYPES.items():
        database = databases.empty()
        if name == "citext":
            if not database.query("SELECT FROM pg_available_extensions WHERE name = 'citext'"):
                continue
            database.query("CREATE EXTENSION citext SCHEMA public")
        jobs = made_of(database, tmp_path / name, types)
        jobs.up_to_proof()
        database.query(AGAIN)  # two codes swapped; and all of it once more, by key
        jobs.copy()
        jobs.equalise()
        jobs.prove()
        found[name] = [database.query(query) for query in SEEN]
        databases.drop(database)
    assert {name: rows for name, rows in found.items() if rows != found["one"]} == {}
    assert found["one"][0][:2] == [("a", "y", "casa"), ("b", "x", "HOME")]


@pytest.mark.parametrize("types", ["one", "two", "any case", "domain"])
def test_text_keys_are_found_by_their_index(empty_database: Database, tmp_path: Path, types: str) -> None:
    made_of(empty_database, tmp_path / "claves", TYPES[types]).up_to_proof()
    plans = {
        "SELECT f.id FROM unnest(ARRAY['a']) AS k(_k1) JOIN migracion.v_places_lugares f ON f._k1 = k._k1": "places_pkey",
        "SELECT f.nombre FROM migracion.v_visits_visitas f WHERE f._k1 = 1 AND f._rechazo IS NULL": "visits_pkey places_pkey",
        "SELECT l.id FROM places l WHERE l.id > 'a' AND l.id <= 'c' ORDER BY l.id LIMIT 5": "places_pkey",
    }
    with closing(connect(empty_database.url, "prueba")) as conn, conn.cursor() as cursor:
        cursor.execute(
            "SET search_path = public; SET enable_seqscan = off; SET enable_mergejoin = off; SET enable_hashjoin = off"
        )
        for statement, indexes in plans.items():
            cursor.execute(f"EXPLAIN {statement}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            for index in indexes.split():
                assert f"using {index}" in plan or f"on {index}" in plan, plan


def test_a_difference_that_a_columns_collation_ignores_is_one(empty_database: Database, tmp_path: Path) -> None:
    made_of(empty_database, tmp_path / "prueba", TYPES["one"]).up_to_proof()
    empty_database.query(
        with_collations(empty_database, "ALTER TABLE lugares ALTER nombre TYPE text COLLATE {any_case}").replace(MADE, "")
    )
    empty_database.query("UPDATE lugares SET nombre = upper(nombre) WHERE id = 'a'")
    mapping = load_mapping(MAPPING, "mapeo.yml")
    with closing(connect(empty_database.url, "prueba")) as conn:
        route = routes_of(mapping, read_catalogue(conn, mapping))[0]
        states = fetch_all(conn, f"SELECT estado FROM ({classified_sql(route)}) d WHERE _k1 = 'a'")
    assert states == [("difiere",)]
    assert classified_sql(route).count('COLLATE "C"') == classified_sql(route).count("IS DISTINCT FROM t.") > 0
