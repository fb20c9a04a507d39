"""What fase0's page says of the database as a whole, and of what somebody may do in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plugins.module_utils.jobs import migration_render
from tests.sample.supabase import DEFAULT_OWNER
from tests.support.databases import Begin, Database, Databases
from tests.support.jobs import SHOP, Jobs
from tests.support.seen import looked, run_as_printed

ORDERS = """CREATE TABLE public."Order's ""50%"" lines" ("Lot|No" text, "select" text, "user" text UNIQUE, "PRICE %s" numeric,
"State" text, "Sold At" timestamptz, "back\\slash" text, PRIMARY KEY ("Lot|No", "select"))"""


@pytest.fixture
def encoded(databases: Databases, empty_database: Database) -> Iterator[Callable[[str], Database]]:
    """``encoded(name)``: a database of that encoding with the shop's table, empty."""
    made = []

    def make(encoding: str) -> Database:
        name = f"codificada_{encoding.lower()}"
        create = (
            f"CREATE DATABASE {name} OWNER {DEFAULT_OWNER} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        run_as_printed(empty_database, create)
        made.append(Database(empty_database.server, name))
        with made[-1].cursor(made[-1].url) as cursor:
            cursor.execute(ORDERS)
        return made[-1]

    yield make
    for database in made:
        databases.drop(database)


def test_a_database_that_does_not_say_what_its_bytes_are_is_refused(encoded: Callable[[str], Database], tmp_path: Path) -> None:
    database = encoded("SQL_ASCII")
    database.query("""SET client_encoding = SQL_ASCII; INSERT INTO "Order's ""50%"" lines" VALUES (E'caf\\xe9', 'a')""")
    [seen], _, [refusal] = looked(Jobs(database.url, tmp_path, SHOP))
    assert (seen.name, seen.verdict, seen.mend) == ("codificación de la base", "impide", "")
    assert "SQL_ASCII" in refusal
    assert "ENCODING 'UTF8'" in refusal


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252"])
def test_another_encoding_than_utf8_is_named(encoded: Callable[[str], Database], tmp_path: Path, encoding: str) -> None:
    [seen], _, refusals = looked(Jobs(encoded(encoding).url, tmp_path, SHOP), check=False)
    assert (seen.name, seen.value, seen.verdict, refusals) == ("codificación de la base", encoding, "aviso", [])


def test_an_encoding_without_letters_of_ours_is_refused(encoded: Callable[[str], Database], tmp_path: Path) -> None:
    jobs = Jobs(encoded("LATIN1").url, tmp_path, tmp_path / "tienda.yml")
    text = SHOP.read_text(encoding="utf-8")
    jobs.mapping.write_text(text.replace("rebajas", "€ → $"), encoding="utf-8")
    [seen], _, [refusal] = looked(jobs)
    assert (seen.name, seen.verdict, seen.mend) == ("codificación de la base", "impide", "")
    assert "LATIN1: no tiene letras de fase1/" in refusal
    [seen], _, _ = looked(Jobs(encoded("WIN1251").url, tmp_path, SHOP))
    assert "WIN1251: no tiene letras de fase0/" in seen.value


def test_a_library_that_sorts_otherwise_than_when_the_indexes_were_built_is_named(begin: Begin) -> None:
    database, jobs = begin()
    if database.value("SHOW server_version_num") < "150000":  # a database has no such version
        assert looked(jobs)[0] == []
        return
    database.query("UPDATE pg_database SET datcollversion = '1.2' WHERE datname = current_database()")
    [seen], _, refusals = looked(jobs)
    assert (seen.name, seen.verdict, seen.mend, refusals) == ("orden de los textos", "aviso", "", [])
    assert seen.value.startswith("la base: índices de 1.2, ahora ")


def test_another_build_than_the_one_that_ran_before_is_named(begin: Begin) -> None:
    database, jobs = begin(up_to="fase0")
    database.query(
        """UPDATE migracion.fase_ejecucion SET detalle = detalle || '{"runbook": {"version": "1", "sha256": "aaaa"}}'"""
    )
    build = {"version": "1", "sha256": "bbbb"}
    seen = migration_render.approve(jobs.params("otra", "fase0", runbook=build), True)["findings"]
    [named] = [f for f in seen if f["name"] == "versión del runbook"]
    assert (named["verdict"], named["value"]) == ("aviso", "1, sha256 bbbb; antes, aaaa")
    seen = migration_render.approve(jobs.params("otra", "fase0", runbook={**build, "sha256": "aaaa"}), True)["findings"]
    assert {f["verdict"] for f in seen} == {"bien", "pierde"}
    assert [f["verdict"] for f in seen if f["name"] == "versión del runbook"] == ["bien"]
    database.query(  # what the run itself has noted is not before
        "INSERT INTO migracion.fase_ejecucion (run_id, fase, accion, estado, operador, detalle) VALUES"
        """ ('otra', 'fase0', 'aplicar', 'en_curso', 'ana', '{"runbook": {"version": "1", "sha256": "bbbb"}}')"""
    )
    seen = migration_render.approve(jobs.params("otra", "fase0", runbook=build), True)["findings"]
    assert named in seen


def test_rights_of_nobody_are_found_wherever_they_stand(begin: Begin) -> None:
    database, jobs = begin()
    database.query(
        """CREATE ROLE de_antes; GRANT USAGE ON SEQUENCE professions_id_seq TO de_antes; GRANT USAGE ON SCHEMA public TO de_antes;
        ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT SELECT ON TABLES TO de_antes;
        CREATE POLICY vieja ON customers FOR SELECT TO de_antes USING (true)"""
    )
    oid = database.value("SELECT oid FROM pg_roles WHERE rolname = 'de_antes'")
    assert looked(jobs)[0] == []
    database.query("SET allow_system_table_mods = on; DELETE FROM pg_authid WHERE rolname = 'de_antes'")
    found = [seen for seen in looked(jobs)[0] if seen.name == "permisos de nadie"]
    places = (
        "esquema public: USAGE",
        "privilegios por omisión de postgres: SELECT",
        "public.customers, política vieja: la política",
    )
    expected = [f"{place} de un rol que ya no existe (OID {oid})" for place in (*places, "public.professions_id_seq: USAGE")]
    assert [seen.value for seen in found] == expected
    assert {seen.mend for seen in found} == {""}


@pytest.mark.parametrize("rights", ["SELECT, UPDATE", "UPDATE"])
def test_a_sequence_that_the_role_may_not_read_or_move_is_named_with_the_grant(begin: Begin, rights: str) -> None:
    database, jobs = begin()
    database.query(
        f"""CREATE SEQUENCE de_otros AS integer; SELECT setval('de_otros', 5000);
        GRANT USAGE, SELECT, UPDATE ON SEQUENCE de_otros TO postgres; ALTER SEQUENCE de_otros OWNER TO supabase_admin;
        ALTER TABLE professions ALTER id SET DEFAULT nextval('de_otros');
        REVOKE {rights} ON SEQUENCE de_otros FROM postgres, anon, authenticated, service_role"""
    )
    found = [seen for seen in looked(jobs)[0] if seen.name == "secuencias"]
    if database.value("SELECT pg_has_role('postgres', 'pg_read_all_data', 'USAGE')") or rights == "UPDATE":
        assert [seen.limit for seen in found] == ["movible por este rol"]
    else:
        assert [seen.limit for seen in found] == ["legible por este rol"]
    run_as_printed(database, found[0].mend)
    assert looked(jobs)[0] == []
