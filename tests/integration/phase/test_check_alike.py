"""What a run refuses before its first change its --check refuses in the same words, and nothing else.

``REFUSED`` names for each case the place in the code that refuses; tests/unit/test_refusals.py asks for one for every place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from plugins.module_utils.ledger import bookkeeping, lease
from plugins.module_utils.server import db
from plugins.module_utils.server.connect import connect
from tests.support.damage import damage_toast
from tests.support.databases import Begin, Database
from tests.support.jobs import TINKUBOT, Stage
from tests.support.operator import Operator

Break = Callable[[Database, Operator], None]


class Case(NamedTuple):
    """From a stage, once ``spoil`` was done, ``command`` is refused at ``place`` and says ``said``."""

    place: str
    stage: Stage | None
    command: str
    said: str
    spoil: str | Break = ""


def site(**settings: Any) -> Break:
    """Settings of the inventory."""

    def give(_: Database, operator: Operator) -> None:
        operator.site.update(settings)

    return give


def mapping(old: str, new: str) -> Break:
    """Another mapping in the checkout."""

    def write(_: Database, operator: Operator) -> None:
        text = TINKUBOT.read_text(encoding="utf-8")
        assert old in text
        operator.backup_dir.mkdir(exist_ok=True)
        operator.mapping = operator.backup_dir / "otro.yml"
        operator.mapping.write_text(text.replace(old, new), encoding="utf-8")

    return write


def another_run(database: Database, operator: Operator) -> None:
    """Somebody else who runs now."""
    with closing(connect(database.url, "otra")) as conn, db.transaction(conn):
        bookkeeping.ensure_schema(conn)
        lease.acquire(conn, lease.Claim("otra", "fase2", "aplicar", "otra-maquina", 1, "luis"))


def unreadable(database: Database, operator: Operator) -> None:
    """Messages on a page that the disk has lost."""
    database.query("ALTER TABLE messages ALTER content SET STORAGE EXTERNAL")
    database.query("UPDATE messages SET content = repeat(md5(id::text), 90)")
    damage_toast(database, "messages")


def read_only(database: Database, operator: Operator) -> None:
    database.query(f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on')


def elsewhere(database: Database, operator: Operator) -> None:
    operator.url = operator.url.replace(database.name, "no_existe")


CODE_MOVED = "INSERT INTO migracion.fase_ejecucion (run_id, fase, accion, estado, operador, terminada_at)" + (
    " VALUES ('prueba-fase4', 'fase4', 'aplicar', 'completada', 'ana', now());"
)
REFUSED: dict[str, Case] = {
    "what hangs on the legacy tables": Case(
        "jobs/legacy_state._require_nothing_in_the_way", "fase3", "fase5.yml", "no se pueden retirar todavía", CODE_MOVED
    ),
    "an archive that others reach": Case(
        "contraction/belongings.require_archive",
        "fase3",
        "fase5.yml",
        "el esquema legado ya existe",
        CODE_MOVED + "CREATE SCHEMA legado; GRANT USAGE ON SCHEMA legado TO anon",
    ),
    "drift after fase1": Case(
        "call/approval._drift", "fase1", "fase2.yml", "cambia el SQL de", "GRANT DELETE ON professions TO tinkubot_reportes"
    ),
    "drift before fase1": Case(
        "call/approval._drift", "fase0", "fase1.yml", "cambia el SQL de", "GRANT DELETE ON professions TO tinkubot_reportes"
    ),
    "drift, for a proof": Case(
        "call/approval._drift",
        "fase2",
        "fase2.yml --tags verify",
        "cambia el SQL de",
        "GRANT DELETE ON users TO tinkubot_reportes",
    ),
    "another mapping": Case(
        "call/approval._drift",
        "fase1",
        "fase2.yml",
        "no es el que fase0 aprobó",
        mapping("indexes: [nombre, categoria", "indexes: [nombre"),
    ),
    "no approval": Case(
        "call/approval.require_approved", "fase1", "fase2.yml", "no hay SQL aprobado", "DELETE FROM migracion.sql_aprobado"
    ),
    "a legacy table without key": Case(
        "core/rows/routes._route",
        "fase1",
        "fase2.yml",
        "clave primaria",
        "ALTER TABLE task_queue DROP CONSTRAINT task_queue_pkey",
    ),
    "a legacy type that nothing carries": Case(
        "core/rows/refusals.conversion_of",
        "fase1",
        "fase2.yml",
        "ninguna regla lo lleva a",
        "ALTER TABLE task_queue ALTER priority DROP DEFAULT, ALTER priority TYPE bytea USING NULL",
    ),
    "a legacy table that is gone": Case(
        "core/rows/routes._route",
        "fase1",
        "fase2.yml",
        "no existe o no tiene clave primaria",
        "ALTER TABLE sessions RENAME TO sessions_2",
    ),
    "the ledger of another database": Case(
        "ledger/bookkeeping.check_identity",
        "fase1",
        "fase2.yml",
        "es de otra base",
        "UPDATE migracion.identidad SET base = 'otra'",
    ),
    "the same, for a way back": Case(
        "ledger/bookkeeping.check_identity",
        "fase2",
        "fase2.yml --tags rollback",
        "es de otra base",
        "UPDATE migracion.identidad SET base = 'otra'",
    ),
    "a schema of that name": Case(
        "ledger/bookkeeping.require_a_place",
        None,
        "fase0.yml",
        "que no es de este runbook",
        "CREATE SCHEMA migracion; CREATE TABLE migracion.ajena ()",
    ),
    "a value beyond an integer": Case(
        "core/phase/settings.settings_of", "fase1", "fase2.yml", "batch_rows", site(batch_rows=3_000_000_000)
    ),
    "a gate without name": Case(
        "core/phase/settings.settings_of", "fase1", "fase2.yml", "no es una puerta", site(overrides={"ventana": "x"})
    ),
    "a part without tables": Case(
        "call/request.request_of",
        "fase1",
        "fase2.yml -e subfase=2.3",
        "todavía no tiene tablas",
        mapping('fase2: ["2.1", "2.2"]', 'fase2: ["2.1", "2.2", "2.3"]'),
    ),
    "the disk": Case("backfill/slices.lines_before", "fase1", "fase2.yml", "disk: ", site(database_disk_gb=0.001)),
    "a phase before that failed": Case(
        "phase/opening.refusal_of",
        "fase1",
        "fase2.yml",
        r"\[order\] fase2 va después de: fase1",
        "UPDATE migracion.fase_ejecucion SET estado = 'fallida' WHERE fase = 'fase1'",
    ),
    "the way back of a later phase": Case(
        "phase/opening.refusal_of", "fase3", "fase2.yml --tags rollback", r"\[order\] fase2 no se deshace mientras fase3"
    ),
    "another run": Case("ledger/lease.refusal", "fase1", "fase2.yml", "Otra ejecución está en marcha: luis", another_run),
    "another run, for a way back": Case(
        "ledger/lease.refusal", "fase2", "fase2.yml --tags rollback", "Otra ejecución está en marcha: luis", another_run
    ),
    "read-only mode": Case("server/identity.require_writable", "fase1", "fase2.yml", "modo de solo lectura", read_only),
    "no such database": Case("core/server/address.refused", "fase1", "fase2.yml", "no_existe", elsewhere),
    "a proof of nothing": Case("phase/opening.open_phase", None, "fase2.yml --tags verify", "todavía no hay nada que verificar"),
    "a proof before the copy": Case(
        "jobs/table_compare._require_copied", "fase1", "fase2.yml --tags verify", "aún no se ha copiado nada"
    ),
    "a proof that fails": Case(
        "jobs/table_compare._difference_error",
        "fase2",
        "fase2.yml --tags verify",
        "la prueba encuentra 1 filas",
        "UPDATE customers SET city = 'Otra' WHERE id = (SELECT id FROM clientes ORDER BY id LIMIT 1)",
    ),
    "drift that fase0 names": Case(
        "jobs/migration_render.refused_for", None, "fase0.yml", "deriva: ", "ALTER TABLE professions RENAME COLUMN name TO nombre"
    ),
    "a name that is taken": Case(
        "jobs/schema_state.present", "fase0", "fase1.yml", "ya existe y es", "CREATE VIEW clientes AS SELECT 1 AS id"
    ),
    "a table of another shape": Case(
        "schema/shape.refuse_shape",
        "fase1",
        "fase1.yml",
        "no tiene la forma que pide el mapeo",
        "ALTER TABLE mensajes ALTER tipo_media TYPE text",
    ),
    "the same, before its rows": Case(
        "schema/shape.refuse_shape",
        "fase1",
        "fase2.yml",
        "clientes no tiene la forma que pide el mapeo",
        "ALTER TABLE clientes ADD referido text NOT NULL",
    ),
    "a proof of rows that nobody can read": Case(
        "jobs/table_compare._unread", "fase3", "fase3.yml --tags verify", "la prueba no puede leer lo que hay", unreadable
    ),
    "rows that fase1's way back would drop": Case(
        "schema/undo.require_droppable",
        "fase1",
        "fase1.yml --tags rollback",
        "ya tiene filas",
        "INSERT INTO profesiones (nombre) VALUES ('x')",
    ),
    "what others have built on a table": Case(
        "schema/undo._in_the_way",
        "fase1",
        "fase1.yml --tags rollback",
        "hay objetos que usan estas tablas",
        "CREATE VIEW ajena AS SELECT * FROM clientes",
    ),
    "many removals": Case(
        "proof/removals.require_few_removals",
        "fase2",
        "fase2.yml",
        "removal: ",
        "SET session_replication_role = replica; DELETE FROM customers",
    ),
    "a reference of somebody else's": Case(
        "schema/references.refused_references",
        "fase2",
        "fase2.yml --tags rollback",
        "que no es de esta migración",
        "CREATE TABLE pagos (id int PRIMARY KEY, cliente_id uuid REFERENCES clientes);"
        " INSERT INTO pagos SELECT 1, id FROM clientes LIMIT 1",
    ),
    "rows of a later phase": Case(
        "backfill/undo._require_empty_others",
        "fase2",
        "fase2.yml --tags rollback",
        "tiene filas que dependen de",
        "INSERT INTO solicitudes_servicio (cliente_id, telefono) SELECT id, '1' FROM clientes LIMIT 1",
    ),
}


def spoiled(begin: Begin, tmp_path: Path, case: Case) -> tuple[Operator, str]:
    """The operator at the case's stage, once it was spoiled, and the case's whole command."""
    database, _ = begin(up_to=case.stage)
    operator = Operator(database.url, tmp_path / "respaldos")
    if callable(case.spoil):
        case.spoil(database, operator)
    elif case.spoil:
        database.query(case.spoil)
    playbook, *options = case.command.split(" ")
    return operator, " ".join(["ansible-playbook", playbook, "-i demo", *options])


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_of_the_run_is_one_of_its_dry_run(begin: Begin, tmp_path: Path, name: str) -> None:
    case = REFUSED[name]
    operator, command = spoiled(begin, tmp_path, case)
    checked, ran = (operator.stops(given) for given in (f"{command} --check", command))
    for said in (checked, ran):
        assert re.search(case.said, said.text), said.text


def refused_copy(database: Database, operator: Operator) -> None:
    """A run that ended between making its views and its first row: they stay."""
    operator.site["database_disk_gb"] = 0.001
    operator.stops("ansible-playbook fase2.yml -i demo")
    del operator.site["database_disk_gb"]
    assert database.value("SELECT count(*) FROM pg_views WHERE schemaname = 'migracion'") > 0


GOES: dict[str, Case] = {
    "fase1's way back past our own views": Case("", "fase1", "fase1.yml --tags rollback", "Borrada la tabla", refused_copy),
    "a way back whatever was approved": Case(
        "", "fase2", "fase2.yml --tags rollback", "retiradas", "GRANT DELETE ON professions TO tinkubot_reportes"
    ),
    "a completed phase, its disk full": Case("", "fase2", "fase2.yml", "COMPLETADA", site(database_disk_gb=0.001)),
    "the first phase": Case("", None, "fase0.yml", "COMPLETADA"),
}


@pytest.mark.parametrize("name", GOES)
def test_what_the_run_goes_through_with_its_dry_run_does_not_refuse(begin: Begin, tmp_path: Path, name: str) -> None:
    case = GOES[name]
    operator, command = spoiled(begin, tmp_path, case)
    operator.goes(f"{command} --check")
    assert re.search(case.said, operator.goes(command).text)
