"""The ledger: who may run, what stands, what is left when something dies."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.call.runlog import RunLog
from plugins.module_utils.core.phase.history import standing_parts
from plugins.module_utils.ledger import bookkeeping, lease, runs
from plugins.module_utils.ledger.events import jsonb_text, last_event, record_event
from plugins.module_utils.server import db
from plugins.module_utils.server.connect import connect
from tests.sample.supabase import API_ROLES
from tests.support.databases import Database, Databases
from tests.support.jobs import SHOP
from tests.support.phase import Phase, closed_window, finish, refused, states

# --- the schema


@pytest.mark.parametrize("everywhere", [False, True])
def test_no_role_but_the_owner_reaches_the_bookkeeping_even_under_open_default_privileges(
    empty_database: Database, everywhere: bool
) -> None:
    if everywhere:
        for kind in ("TABLES", "SEQUENCES", "FUNCTIONS", "SCHEMAS"):
            roles = ", ".join(API_ROLES)
            empty_database.query(
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {empty_database.role} GRANT ALL ON {kind} TO PUBLIC, {roles}"
            )
    with closing(connect(empty_database.url, "r1")) as conn:
        bookkeeping.ensure_schema(conn)
        db.run_sql(conn, "CREATE FUNCTION migracion.ayuda() RETURNS int LANGUAGE sql RETURN 1")
        bookkeeping.seal(conn)
    open_objects = empty_database.query(
        """
        SELECT r.rolname, o.name FROM pg_roles r, LATERAL (
            SELECT 'schema' AS name FROM pg_namespace n WHERE nspname = 'migracion'
                AND (has_schema_privilege(r.oid, n.oid, 'USAGE') OR has_schema_privilege(r.oid, n.oid, 'CREATE'))
            UNION ALL SELECT c.relname FROM pg_class c WHERE relnamespace = 'migracion'::regnamespace AND relkind = 'r'
                AND has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
            UNION ALL SELECT c.relname FROM pg_class c WHERE relnamespace = 'migracion'::regnamespace
                AND CASE WHEN relkind = 'S' THEN has_sequence_privilege(r.oid, c.oid, 'USAGE, SELECT, UPDATE') END
            UNION ALL SELECT p.proname FROM pg_proc p WHERE pronamespace = 'migracion'::regnamespace
                AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
        ) o WHERE r.rolname IN ('anon', 'authenticated', 'service_role', 'authenticator', 'tinkubot_reportes')
        """
    )
    assert open_objects == []


def test_every_table_has_a_primary_key(empty_database: Database, conn: Any) -> None:
    """A published table without one refuses UPDATE and DELETE."""
    bookkeeping.ensure_schema(conn)
    without = empty_database.query(
        "SELECT relname FROM pg_class c WHERE relnamespace = 'migracion'::regnamespace AND relkind = 'r' "
        "AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary)"
    )
    assert without == []


@pytest.mark.concurrent
def test_it_is_made_by_one_session_at_a_time(empty_database: Database, conn: Any) -> None:
    waiting = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE datname = current_database()"

    def make() -> None:
        with closing(connect(empty_database.url, "otra")) as own:
            bookkeeping.ensure_schema(own)

    with ThreadPoolExecutor(1) as pool:
        with db.transaction(conn):
            bookkeeping.lock(conn)
            made = pool.submit(make)
            deadline = time.monotonic() + 5
            while not empty_database.value(f"{waiting} AND locktype = 'advisory' AND NOT granted"):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        made.result(10)
    assert bookkeeping.is_current(conn)


@pytest.mark.concurrent
def test_two_sessions_that_make_it_at_once_wait_for_each_other_and_both_succeed(empty_database: Database, conn: Any) -> None:
    waiting = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE datname = current_database()"

    def make(name: str) -> None:
        with closing(connect(empty_database.url, name)) as own:
            bookkeeping.ensure_schema(own)

    with ThreadPoolExecutor(2) as pool:
        with db.transaction(conn):
            bookkeeping.lock(conn)
            both = [pool.submit(make, name) for name in ("r1", "r2")]
            deadline = time.monotonic() + 5
            while empty_database.value(f"{waiting} AND locktype = 'advisory' AND NOT granted") < 2:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        assert [made.exception(10) for made in both] == [None, None]
    assert bookkeeping.is_current(conn)


def test_making_it_again_changes_nothing(conn: Any) -> None:
    bookkeeping.ensure_schema(conn)
    record_event(conn, "r1", "nota", "fase0", {"texto": "a\x00b"})
    db.run_sql(conn, "UPDATE migracion.identidad SET version = 0")
    bookkeeping.ensure_schema(conn)
    found = last_event(conn, ["nota"])
    assert found is not None
    assert found.detail == {"texto": "a\\u0000b"}


def test_somebody_elses_schema_of_that_name_is_left_alone(empty_database: Database, phase: Phase) -> None:
    empty_database.query("CREATE SCHEMA migracion CREATE TABLE notas (id int)")
    assert "no es de este runbook" in str(refused(lambda: phase.open("fase0")))


def test_a_role_that_may_not_create_a_schema_is_told_the_grant(empty_database: Database, phase: Phase) -> None:
    name = empty_database.name
    empty_database.query(f"ALTER DATABASE {name} OWNER TO supabase_admin")
    said = str(refused(lambda: phase.open("fase0")))
    assert f"GRANT CREATE ON DATABASE {name} TO postgres;" in said
    empty_database.query(f"CREATE SCHEMA migracion AUTHORIZATION {empty_database.role}")
    phase.open("fase0")


def test_a_ledger_that_came_with_a_copy_of_the_database_is_refused(
    empty_database: Database, databases: Databases, fase0: Phase, conn: Any
) -> None:
    conn.close()
    copy = databases.copy(empty_database.name)
    said = str(refused(lambda: Phase(copy.url).open("fase1")))
    databases.drop(copy)
    assert "es de otra base" in said
    assert empty_database.name in said


@pytest.mark.parametrize("operation", ["status", "stop"])
def test_neither_status_nor_stop_goes_by_the_ledger_of_another_database(fase0: Phase, conn: Any, operation: str) -> None:
    fase0.open("fase1")
    db.run_sql(conn, "UPDATE migracion.identidad SET base = 'otra'")
    error = refused(lambda: fase0.call(operation, "estado", "ver"))
    assert error.code == "identity"
    assert db.fetch_one(conn, "SELECT parar_solicitado_at FROM migracion.arriendo") == (None,)


def test_a_dump_restored_where_the_system_identifier_is_secret_is_refused_too(empty_database: Database, conn: Any) -> None:
    empty_database.query("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    bookkeeping.ensure_schema(conn)
    bookkeeping.check_identity(conn)
    empty_database.query("UPDATE migracion.identidad SET esquema_oid = 1")  # a restored schema has another oid
    assert refused(lambda: bookkeeping.check_identity(conn)).code == "identity"


# --- runs


def test_a_refused_phase_leaves_nothing_behind(phase: Phase, conn: Any) -> None:
    error = refused(lambda: phase.open("fase1", maintenance_window=closed_window(), overrides={"disk": "ampliado"}))
    assert error.code == "refused"
    assert "[order] fase1 va después de: fase0" in str(error)
    assert not bookkeeping.exists(conn)


def test_a_refusal_names_the_commands_of_other_phases_without_the_subphase(phase: Phase, conn: Any) -> None:
    finish(phase, conn, "fase0")
    finish(phase, conn, "fase1")
    given = {"playbook": "fase3.yml", "options": ["-i", "prod"], "extra": ["subfase=2.1 batch_rows=9"]}
    said = str(refused(lambda: phase.open("fase3", controller={"command": given})))
    commands = [line.strip() for line in said.splitlines() if line.strip().startswith("ansible-playbook fase2.yml")]
    assert commands
    assert all("subfase=2.1 " not in line and "batch_rows=9" in line for line in commands)


def test_a_completed_phase_again_gets_no_row_until_something_changes(fase0: Phase, conn: Any) -> None:
    lines = finish(fase0, conn, "fase0")
    assert any("no había nada que cambiar" in line for line in lines)
    assert states(conn) == [("fase0", "aplicar", "completada")]
    run_id = fase0.open("fase0")
    lease.require_run(conn, run_id, "fase0")
    assert states(conn)[-1] == ("fase0", "aplicar", "en_curso")


def test_a_phase_without_its_proof_is_not_closed(phase: Phase, conn: Any) -> None:
    run_id = phase.open("fase0")
    assert refused(lambda: phase.call("close", "fase0", run_id)).code == "no_proof"
    assert states(conn) == [("fase0", "aplicar", "en_curso")]


def test_a_failed_run_gives_the_lease_back_and_says_how_to_undo(fase0: Phase, conn: Any, tmp_path: Path) -> None:
    fase0.backup_dir = str(tmp_path)
    run_id = fase0.open("fase1")
    error = refused(lambda: fase0.call("fail", "fase1", run_id, failure={"msg": "se acabó el disco", "code": "sql"}))
    said = "\n".join(error.details["lines"])
    assert "fase1 · aplicar · FALLIDA" in said
    assert "ansible-playbook fase1.yml -i prod --tags rollback" in said
    assert states(conn)[-1] == ("fase1", "aplicar", "fallida")
    assert lease.holder(conn) is None
    log = tmp_path / "registros" / f"{run_id}.log"
    assert "se acabó el disco" in log.read_text(encoding="utf-8")
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("code", ["incomplete", "dry_run"])
def test_what_the_end_of_a_phase_has_told_is_not_told_again(fase0: Phase, conn: Any, tmp_path: Path, code: str) -> None:
    fase0.backup_dir = str(tmp_path)
    run_id = fase0.open("fase1")
    written = RunLog(str(tmp_path), run_id)
    written.write(["lo ya dicho"])  # as the module's own call does
    before = written.path.read_text(encoding="utf-8"), states(conn)
    error = refused(lambda: fase0.call("fail", "fase1", run_id, failure={"msg": "falta la 2.2", "code": code}))
    assert (str(error), error.code, "lines" in error.details) == ("falta la 2.2", code, False)
    assert (written.path.read_text(encoding="utf-8"), states(conn)) == before


def test_a_completed_phase_that_fails_again_before_it_changes_something_says_so(fase0: Phase, conn: Any) -> None:
    lost = {"msg": "se cortó la red", "code": "connection"}
    for changes in (False, True):
        run_id = fase0.open("fase0")
        if changes:
            lease.require_run(conn, run_id, "fase0")
        error = refused(lambda run_id=run_id: fase0.call("fail", "fase0", run_id, failure=lost))
        said = any("No llegó a cambiar nada." in line for line in error.details["lines"])
        assert said is not changes
    assert states(conn) == [("fase0", "aplicar", "completada"), ("fase0", "aplicar", "fallida")]


def test_a_paused_run_goes_on_in_its_own_row(fase0: Phase, conn: Any) -> None:
    run_id = fase0.open("fase1")
    refused(lambda: fase0.call("fail", "fase1", run_id, failure={"msg": "parada pedida", "code": "paused"}))
    assert states(conn)[-1] == ("fase1", "aplicar", "pausada")
    finish(fase0, conn, "fase1")
    assert states(conn) == [("fase0", "aplicar", "completada"), ("fase1", "aplicar", "completada")]
    assert runs.recorded_runs(conn)[-1].detail["continua"] == [run_id]


def test_a_rollback_marks_what_it_undid(fase0: Phase, conn: Any) -> None:
    finish(fase0, conn, "fase1")
    back = fase0.open("fase1", direction="revertir")
    lease.require_run(conn, back, "fase1")
    record_event(conn, back, "tablas_borradas", "fase1", {"tablas": []})
    lines = fase0.call("close", "fase1", back, direction="revertir")
    assert any("DESHECHA" in line for line in lines)
    assert states(conn)[1:] == [("fase1", "aplicar", "revertida"), ("fase1", "revertir", "completada")]
    assert last_event(conn, ["reversion"], back) is not None


def test_the_rollback_of_a_phase_is_refused_while_a_later_one_stands(fase0: Phase, conn: Any) -> None:
    finish(fase0, conn, "fase1")
    finish(fase0, conn, "fase2", subphase="2.1")
    assert "deshaga primero fase2" in str(refused(lambda: fase0.open("fase1", direction="revertir")))


def test_fase0_has_nothing_to_undo_and_says_so_with_an_event(fase0: Phase, conn: Any) -> None:
    back = fase0.open("fase0", direction="revertir")
    lines = fase0.call("close", "fase0", back, direction="revertir")
    assert any("No había nada que deshacer de fase0" in line for line in lines)
    assert states(conn) == [("fase0", "aplicar", "completada")]
    assert last_event(conn, ["reversion"], back) is not None


def test_fase2_without_a_subphase_does_what_is_there_and_ends_incomplete(fase0: Phase, conn: Any) -> None:
    # the shop's mapping names a subphase 2.2 and has no tables for it
    fase0.options.update(mapping=SHOP.read_text(encoding="utf-8"), mapping_path=str(SHOP))
    finish(fase0, conn, "fase1")
    error = refused(lambda: finish(fase0, conn, "fase2"))
    assert error.code == "incomplete"
    assert "La subfase 2.2 todavía no tiene tablas" in str(error)
    assert states(conn)[-1] == ("fase2", "aplicar", "completada")
    assert runs.recorded_runs(conn)[-1].parts == ("2.1",)
    assert "2.2 todavía no tiene tablas" in str(refused(lambda: fase0.open("fase2", subphase="2.2")))


def test_only_legal_transitions_happen(fase0: Phase, conn: Any) -> None:
    (run,) = runs.recorded_runs(conn)
    for state in ("en_curso", "pausada", "fallida", "completada"):
        assert not runs.set_state(conn, run.run_id, state)
    assert states(conn) == [("fase0", "aplicar", "completada")]


def test_passing_a_gate_leaves_its_reason(phase: Phase, conn: Any) -> None:
    phase.open("fase0", run_id="noche", maintenance_window=closed_window(), overrides={"window": "acordado con soporte"})
    found = last_event(conn, ["puerta_saltada"], "noche")
    assert found is not None
    assert (found.detail["puerta"], found.detail["motivo"]) == ("window", "acordado con soporte")


def test_a_failure_that_cannot_be_written_down_is_still_told(fase0: Phase, empty_database: Database) -> None:
    run_id = fase0.open("fase1")
    empty_database.query(f"ALTER DATABASE {empty_database.name} CONNECTION LIMIT 0")
    said = str(refused(lambda: fase0.call("fail", "fase1", run_id, failure={"msg": "se cortó la luz", "code": "lost"})))
    assert said.startswith("se cortó la luz")
    assert "lo anotará la próxima ejecución" in said


@pytest.mark.parametrize("check", [False, True])
def test_nothing_starts_on_a_database_in_read_only_mode(empty_database: Database, phase: Phase, check: bool) -> None:
    empty_database.query(f"ALTER DATABASE {empty_database.name} SET default_transaction_read_only = on")
    assert refused(lambda: phase.open("fase0", check=check)).code == "read_only"


# --- dry runs and reports


def test_a_dry_run_asks_every_gate_and_writes_nothing(phase: Phase, conn: Any) -> None:
    lines = phase.call("open", "fase1", "ensayo", check=True, maintenance_window=closed_window())
    assert any("se negaría [order]" in line for line in lines)
    assert any("se negaría [window]" in line for line in lines)
    phase.call("close", "fase1", "ensayo", check=True, maintenance_window=closed_window())
    assert not bookkeeping.exists(conn)


def test_a_dry_run_beside_a_running_phase_ends_refused(fase0: Phase) -> None:
    fase0.open("fase1")
    fase0.call("open", "fase1", "ensayo", check=True)
    assert refused(lambda: fase0.call("close", "fase1", "ensayo", check=True)).code == "dry_run"


def test_a_dry_run_after_a_killed_run_foresees_that_it_would_be_taken_over(fase0: Phase) -> None:
    dead = {"dead_run": fase0.open("fase1")}
    lines = fase0.call("open", "fase1", "ensayo", check=True, controller=dead)
    assert any("Se tomaría el relevo" in line for line in lines)
    fase0.call("close", "fase1", "ensayo", check=True, controller=dead)


def test_the_status_says_what_stands_who_runs_and_what_comes_next(phase: Phase, conn: Any) -> None:
    assert any("Todavía no se ha ejecutado nada" in line for line in phase.call("status", "estado", "ver"))
    finish(phase, conn, "fase0")
    phase.open("fase1", run_id="ahora")
    lines = phase.call("status", "estado", "ver")
    assert any(line.startswith("  fase0: completada el 20") for line in lines)
    assert any("En marcha: fase1 aplicar, ahora, ana en portatil" in line for line in lines)
    fase0 = "ansible-playbook fase0.yml -i prod"  # nothing was approved here
    assert lines[-1] == f"Siguiente: {fase0} --check --diff, y después {fase0}"


def test_a_completed_phase_stands_although_the_last_way_back_failed(fase0: Phase, conn: Any) -> None:
    finish(fase0, conn, "fase1")
    back = fase0.open("fase1", direction="revertir")
    refused(lambda: fase0.call("fail", "fase1", back, direction="revertir", failure={"msg": "hay filas", "code": "refused"}))
    (line,) = (line for line in fase0.call("status", "estado", "ver") if line.startswith("  fase1: "))
    assert line.startswith("  fase1: completada el 20")
    assert "después, revertir: fallida (20" in line
    assert f"ana, {back}): lo completado sigue en pie" in line


def test_the_last_proof_is_dated(fase0: Phase, conn: Any) -> None:
    finish(fase0, conn, "fase1")
    finish(fase0, conn, "fase2", subphase="2.1")
    (line,) = (line for line in fase0.call("status", "estado", "ver") if line.startswith("Última prueba"))
    assert re.fullmatch(r"Última prueba, el \d{4}-\d\d-\d\d \d\d:\d\d UTC:", line)


def test_after_fase0_there_is_nothing_to_undo(phase: Phase, conn: Any) -> None:
    lines = finish(phase, conn, "fase0")
    assert "  Para deshacer: nada: fase0 solo mira y anota" in lines
    assert "  Para deshacer: ansible-playbook fase1.yml -i prod --tags rollback" in finish(phase, conn, "fase1")


def test_quarantined_text_is_shown_literally_and_moves_no_cursor(fase0: Phase, conn: Any) -> None:
    row = {"full_name": "{{ 7*7 }}<script>\x1b[2J"}
    db.execute(
        conn,
        "INSERT INTO migracion.cuarentena (tabla_origen, clave, fila, motivo, origen) VALUES (%s, %s, %s, %s, 'copia')",
        ("customers", "a|b", jsonb_text(conn, row), "sin teléfono"),
    )
    said = "\n".join(fase0.call("quarantine", "estado", "ver"))
    assert "1 × customers: sin teléfono" in said
    assert "{{ 7*7 }}<script>" in said
    assert "\x1b" not in said


def test_what_was_undone_while_a_run_was_paused_and_done_again_by_it_stands(conn: Any) -> None:
    """The run goes on in its own row, so it began before the way back and ended after it."""
    bookkeeping.ensure_schema(conn)
    row = "INSERT INTO migracion.fase_ejecucion (run_id, fase, accion, estado, operador, iniciada_at, terminada_at, detalle)"
    part = '{"subfases": ["2.2"]}'
    for run_id, action, began, ended in (("r1", "aplicar", 1, 4), ("r2", "revertir", 2, 3)):
        times = f"'2026-01-01 0{began}:00', '2026-01-01 0{ended}:00'"
        db.run_sql(conn, f"{row} VALUES ('{run_id}', 'fase2', '{action}', 'completada', 'ana', {times}, '{part}')")
    assert standing_parts(runs.recorded_runs(conn), "fase2") == {"2.2"}
