"""Policies and grants that no sample has: odd names, other schemas' tables, functions, chains of grants, global defaults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Database
from tests.support.jobs import Jobs
from tests.support.twins import allowed

NewDatabase = Callable[..., Database]


def policies(database: Database, table: str) -> dict[str, tuple[str | None, str | None]]:
    """Each policy's name with its two conditions, as the server writes them."""
    asked = "SELECT policyname, qual, with_check FROM pg_policies WHERE schemaname = 'public' AND tablename = %s"
    return {name: (using, check) for name, using, check in database.query(asked, (table,))}


def test_a_policy_that_names_another_schemas_table_of_a_migrated_name_is_carried(
    new_database: NewDatabase, tmp_path: Path
) -> None:
    database = new_database()
    database.query(
        "CREATE POLICY confirmado ON customers FOR SELECT TO authenticated"
        " USING (EXISTS (SELECT 1 FROM auth.users a WHERE a.id = customers.id))"
    )
    jobs = Jobs(database.url, tmp_path)
    jobs.up_to_tables()
    using, _ = policies(database, "clientes")["confirmado"]
    assert using is not None
    assert "FROM auth.users a" in using
    assert "a.id = clientes.id" in using
    jobs.verify_tables()


ODD = {
    'Ve "su" fila, 100%': "FOR SELECT TO authenticated, \"lector 100%\" USING (city LIKE 'Qui%' AND auth.uid() = id)",
    "por jwt": (
        "AS RESTRICTIVE TO authenticated USING (phone_number = current_setting('request.jwt.claims', true)::jsonb ->> 'phone')"
    ),
    "función": "FOR DELETE USING (public.permitido(city))",
    "alta": "FOR INSERT TO authenticated WITH CHECK (phone_number <> '' AND city IS NOT NULL)",
    "alta restringida": "AS RESTRICTIVE FOR INSERT TO authenticated WITH CHECK (public.fila_permitida(customers))",
    "fila entera": "FOR SELECT USING (NOT to_jsonb(customers) ? 'blocked')",
    "por tabla": "FOR SELECT USING (tableoid = 'customers'::regclass)",
}


def test_policies_with_odd_names_functions_and_claims_are_carried_or_closed_by_name(
    new_database: NewDatabase, tmp_path: Path
) -> None:
    database = new_database()
    database.query('DO $$ BEGIN CREATE ROLE "lector 100%"; EXCEPTION WHEN duplicate_object THEN NULL; END $$')
    database.query(
        "CREATE FUNCTION public.permitido(ciudad text) RETURNS boolean LANGUAGE sql AS"
        " 'SELECT EXISTS (SELECT 1 FROM public.users WHERE city = $1)';"
        "CREATE FUNCTION public.fila_permitida(c customers) RETURNS boolean LANGUAGE sql AS 'SELECT $1.city IS NOT NULL'"
    )
    for name, definition in ODD.items():
        database.query(f'CREATE POLICY "{name.replace(chr(34), chr(34) * 2)}" ON customers {definition}')
    jobs = Jobs(database.url, tmp_path)
    jobs.up_to_tables()
    found = policies(database, "clientes")
    assert {*ODD} - {*found} == {"fila entera", "por tabla"}
    assert "ciudad" in str(found['Ve "su" fila, 100%'][0])
    assert "telefono" in str(found["por jwt"][0])
    assert "permitido((ciudad)" in str(found["función"][0])
    assert "telefono" in str(found["alta"][1])
    assert found["alta restringida"] == (None, "false")
    left_out = [line for line in jobs.verify_tables()["lines"] if "política que no se trasladó" in line]
    for name in ("fila entera", "por tabla", "alta restringida"):
        assert any(f"«{name}»" in line and "usa la fila entera, que en clientes es otra" in line for line in left_out)
    assert jobs.make_tables()["changed"] is False


def test_a_translation_that_something_else_stops_closes_no_policy(new_database: NewDatabase, tmp_path: Path) -> None:
    database = new_database()
    jobs = Jobs(database.url, tmp_path)
    database.query(
        """CREATE FUNCTION extensions.stop() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE schema_name LIKE 'migracion_taller%') THEN
            RAISE 'today nobody makes tables';
          END IF;
        END $$; CREATE EVENT TRIGGER stop ON ddl_command_end EXECUTE FUNCTION extensions.stop()"""
    )
    with pytest.raises((MigrationError, psycopg2.Error), match="today nobody makes tables"):
        jobs.approve()
    database.query("DROP EVENT TRIGGER stop")
    jobs.up_to_tables()
    assert "El cliente ve su fila" in policies(database, "clientes")


def test_a_grant_handed_on_by_somebody_with_grant_option_is_found_and_taken_back(
    new_database: NewDatabase, tmp_path: Path
) -> None:
    database = new_database(up_to="fase1")
    jobs = Jobs(database.url, tmp_path)
    before = allowed(database, "clientes")
    database.query(
        "GRANT SELECT ON clientes TO authenticated WITH GRANT OPTION; SET ROLE authenticated;"
        "GRANT SELECT ON clientes TO tinkubot_reportes; RESET ROLE"
    )
    with pytest.raises(MigrationError, match="tinkubot_reportes puede SELECT en clientes"):
        jobs.verify_tables()
    assert jobs.make_tables()["changed"] is True
    jobs.verify_tables()
    assert allowed(database, "clientes") == before


def test_what_somebody_handed_on_in_schema_migracion_is_closed_again(new_database: NewDatabase, tmp_path: Path) -> None:
    database = new_database(up_to="fase1")
    jobs = Jobs(database.url, tmp_path)
    database.query(
        "GRANT USAGE ON SCHEMA migracion TO authenticated;"
        "GRANT SELECT ON migracion.cuarentena TO authenticated WITH GRANT OPTION; SET ROLE authenticated;"
        "GRANT SELECT ON migracion.cuarentena TO tinkubot_reportes; RESET ROLE"
    )
    with pytest.raises(MigrationError, match=r"tinkubot_reportes tiene SELECT en migracion\.cuarentena"):
        jobs.verify_tables()
    assert jobs.make_tables()["changed"] is True
    jobs.verify_tables()


def test_default_privileges_of_every_schema_open_nothing(new_database: NewDatabase, tmp_path: Path) -> None:
    database = new_database()
    for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
        database.query(
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {database.role} GRANT ALL ON {kind} TO anon, tinkubot_reportes WITH GRANT OPTION"
        )
    database.query(f"ALTER DEFAULT PRIVILEGES FOR ROLE {database.role} GRANT ALL ON SCHEMAS TO anon")
    jobs = Jobs(database.url, tmp_path)
    jobs.up_to_tables()
    jobs.verify_tables()
    assert allowed(database, "clientes") == allowed(database, "customers")
    jobs.copy()
    jobs.verify_tables()
