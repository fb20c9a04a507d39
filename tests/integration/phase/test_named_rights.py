"""What a refusal tells to ask for is given, out of its text: the statement runs, and the command named goes through."""

from __future__ import annotations

import dataclasses
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.backfill import giving_way
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.jobs import migration_render, schema_state
from plugins.module_utils.server.connect import connect
from tests.support.databases import Begin, Database, Databases
from tests.support.named import arguments_in, commands_in, statements_in
from tests.support.operator import SAME, Operator
from tests.support.phase import Phase, closed_window, refused

FASE0 = "ansible-playbook fase0.yml -i demo"
NOT_OURS = "ALTER SCHEMA public OWNER TO supabase_admin; REVOKE CREATE ON SCHEMA public FROM PUBLIC, postgres"
RIGHTS = {
    "CREATE on the schema": f"{NOT_OURS}; GRANT USAGE ON SCHEMA public TO postgres",
    "a table of another role": "ALTER TABLE customers OWNER TO supabase_admin; GRANT ALL ON customers TO postgres",
    "a publication of another role": "ALTER PUBLICATION supabase_realtime OWNER TO supabase_admin",
}


def give(database: Database, text: str) -> None:
    """Run the statements that a text names, as who may; each once."""
    statements = list(dict.fromkeys(statements_in(text)))
    assert statements, text
    database.run_alone(*statements)


@pytest.mark.names("jobs/migration_render.refused_for", "survey/rights._trials")
@pytest.mark.parametrize("case", RIGHTS)
def test_once_the_named_right_is_given_the_named_command_goes_through(begin: Begin, tmp_path: Path, case: str) -> None:
    database, _ = begin()
    database.query(RIGHTS[case])
    operator = Operator(database.url, tmp_path / "respaldos")
    refusal = operator.stops(FASE0)
    give(database, refusal.message)
    (again,) = refusal.commands()
    operator.goes(again)


@pytest.mark.names("survey/rights._trials")
def test_the_right_to_make_the_schema_is_given_by_the_named_statement(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin()
    database.query(f"ALTER DATABASE {database.name} OWNER TO supabase_admin")
    operator = Operator(database.url, tmp_path / "respaldos")
    give(database, operator.job(migration_render.approve, "fase0", check=True).message)
    operator.goes(FASE0)


@pytest.mark.names("jobs/migration_render._role_refusals")
def test_row_security_that_blinds_the_role_is_lifted_by_the_named_statement(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin()
    database.query("ALTER TABLE customers FORCE ROW LEVEL SECURITY; ALTER TABLE users FORCE ROW LEVEL SECURITY")
    operator = Operator(database.url, tmp_path / "respaldos")
    database.query(f"ALTER ROLE {database.role} NOBYPASSRLS")
    try:
        give(database, operator.stops(FASE0).message)
        operator.goes(FASE0)
    finally:
        database.query(f"ALTER ROLE {database.role} BYPASSRLS")


@pytest.mark.names("ledger/bookkeeping.require_a_place")
@pytest.mark.parametrize("prepared", [False, True], ids=["a database", "a schema"])
def test_a_role_without_a_place_for_the_ledger_gets_it_by_the_named_statement(
    empty_database: Database, phase: Phase, prepared: bool
) -> None:
    empty_database.query(f"ALTER DATABASE {empty_database.name} OWNER TO supabase_admin")
    if prepared:
        empty_database.query("CREATE SCHEMA migracion AUTHORIZATION supabase_admin")
    give(empty_database, str(refused(lambda: phase.open("fase0"))))
    if prepared:  # its own schema it would have been given to
        empty_database.query("GRANT USAGE ON SCHEMA migracion TO postgres")
    phase.open("fase0")


@pytest.mark.names("ledger/bookkeeping.check_identity")
@pytest.mark.parametrize("same", [False, True], ids=["a copy for tests", "the same under another name"])
def test_a_ledger_of_another_database_goes_by_the_named_statement(
    databases: Databases, empty_database: Database, fase0: Phase, conn: Any, same: bool
) -> None:
    conn.close()
    copy = databases.copy(empty_database.name)
    operator = Phase(copy.url)
    drop, forget = statements_in(str(refused(lambda: operator.open("fase1"))))
    copy.query(forget if same else drop)
    operator.open("fase1" if same else "fase0")
    known = copy.value("SELECT count(*) FROM migracion.fase_ejecucion WHERE fase = 'fase0' AND estado = 'completada'")
    databases.drop(copy)
    assert known == same


@pytest.mark.names("core/server/address")
@pytest.mark.parametrize("broken", ["ALTER ROLE entra NOLOGIN", "REVOKE CONNECT ON DATABASE {} FROM PUBLIC"])
def test_a_role_that_may_not_connect_may_after_the_named_statement(empty_database: Database, broken: str) -> None:
    database = empty_database
    database.query("CREATE ROLE entra LOGIN PASSWORD 'una'")
    try:
        database.query(broken.format(database.name))
        url = database.server.url(database.name, "entra", "una")
        with pytest.raises(MigrationError) as shut:
            connect(url, "prueba")
        give(database, str(shut.value))
        connect(url, "prueba").close()
    finally:
        database.query("DROP OWNED BY entra; DROP ROLE entra")


# --- gates


def past(operator: Operator, command: str, words: list[str]) -> None:
    """The command with the -e that was printed, which passes one gate and says so."""
    assert words[1].startswith('{"overrides": ')
    operator.goes([*command.split(" "), *words])


@pytest.mark.names("core/phase/gates.override_argument", "phase/opening.refusal_of")
def test_a_closed_window_is_passed_by_the_named_command(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase0")
    operator = Operator(database.url, tmp_path / "respaldos", site={"maintenance_window": closed_window()})
    (passing,) = operator.stops("ansible-playbook fase1.yml -i demo").commands()
    operator.goes(passing)


@pytest.mark.names("core/phase/gates.override_argument")
@pytest.mark.parametrize("where", ["fase0", "fase2"])
def test_a_disk_that_would_be_full_is_passed_by_the_named_argument(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    database, _ = begin(up_to=None if where == "fase0" else "fase1")
    site: dict[str, object] = {}
    if where == "fase0":
        monkeypatch.setattr(migration_render, "RESERVE", 2**62)
    else:
        site["database_disk_gb"] = 0.001
    operator = Operator(database.url, tmp_path / "respaldos", site=site)
    command = f"ansible-playbook {where}.yml -i demo" + (" -e subfase=2.1" if where == "fase2" else "")
    (words,) = arguments_in(operator.stops(command).message)
    past(operator, command, words)


@pytest.mark.names("jobs/migration_render._backup_refusals")
def test_a_folder_for_copies_is_given_by_the_named_argument(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin()
    operator = Operator(database.url, tmp_path, site={"backup_dir": ""})
    (words,) = arguments_in(operator.job(migration_render.approve, "fase0", check=True).message)
    given = [word.replace("/ruta", str(tmp_path / "respaldos")) for word in words]
    operator.goes([*FASE0.split(" "), *given])


# --- who else runs


@pytest.mark.names("ledger/lease._lost")
def test_a_run_that_lost_its_lease_names_what_shows_who_has_it(begin: Begin, tmp_path: Path) -> None:
    database, jobs = begin(up_to="fase0")
    operator = Operator(database.url, tmp_path / "respaldos")
    with jobs.run("fase1") as run_id:
        database.query("UPDATE migracion.arriendo SET run_id = 'otra'")
        lost = operator.job(schema_state.present, "fase1", run_id=run_id)
    (look,) = lost.commands()
    assert "En marcha: fase1 aplicar, otra," in operator.goes(look).text
    database.query("DELETE FROM migracion.arriendo")
    operator.goes("ansible-playbook fase1.yml -i demo")


@pytest.mark.names("phase/stopping.stop")
@pytest.mark.parametrize("action", ["aplicar", "revertir"])
def test_who_asks_a_run_to_stop_sees_it_by_the_named_command(begin: Begin, tmp_path: Path, action: str) -> None:
    database, jobs = begin(up_to="fase1")
    operator = Operator(database.url, tmp_path / "respaldos")
    with jobs.run("fase2", action):
        asked = operator.run("ansible-playbook estado.yml -i demo --tags parar")
        (look,) = commands_in(asked.text, SAME)
        seen = operator.goes(look).text
    assert f"En marcha: fase2 {action}" in seen
    assert ("se le pidió parar" in seen) == (action == "aplicar")


@pytest.mark.names("backfill/giving_way._lock_table")
def test_who_holds_what_the_copy_waits_for_is_found_by_what_it_names(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, _ = begin(up_to="fase1")
    monkeypatch.setattr(giving_way, "ROWS", dataclasses.replace(giving_way.ROWS, tries=2))
    operator = Operator(database.url, tmp_path / "respaldos")
    copy = "ansible-playbook fase2.yml -i demo -e subfase=2.1"
    with closing(psycopg2.connect(database.superuser_url)) as other:
        other.cursor().execute("SELECT pg_advisory_xact_lock(hashtextextended('migracion:customers:clientes', 0))")
        (look,) = (words for words in operator.stops(copy).commands() if words[1] == "estado.yml")
        operator.goes(look)
        other.rollback()
        other.cursor().execute("SELECT FROM customers FOR UPDATE")
        (statement,) = re.findall(r"SELECT pg_terminate_backend\(\d+\)", operator.stops(copy).message)
        assert statement == f"SELECT pg_terminate_backend({other.info.backend_pid})"
        database.query(statement)
    operator.goes(copy)
