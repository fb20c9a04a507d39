"""What must hold after a round, whatever happened in it: both sides accounted for, a legal ledger, and nothing left behind."""

from __future__ import annotations

import difflib
import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from tests.support.accounting import PARTS, Accounting, take_accounting
from tests.support.databases import Database
from tests.support.dump import dump, schema
from tests.support.processes import PROC, everybody

from .steps import Step

SPANISH = (
    "profesiones",
    "clientes",
    "proveedores",
    "proveedor_profesiones",
    "servicios_proveedor",
    "solicitudes_servicio",
    "mensajes",
    "sesiones",
    "tareas_programadas",
)
# Pairs of each part, as the ledger's table of progress names them.
PAIRS = {
    "2.1": {("professions", "profesiones"), ("customers", "clientes")},
    "2.2": {
        ("users", "proveedores"),
        ("users", "clientes"),
        ("provider_professions", "proveedor_profesiones"),
        ("provider_services", "servicios_proveedor"),
    },
    "3": {
        ("service_requests", "solicitudes_servicio"),
        ("messages", "mensajes"),
        ("sessions", "sesiones"),
        ("task_queue", "tareas_programadas"),
    },
}
PROOFS = ("prueba", "verificacion_esquema", "aprobacion")
MARKS = ("tinkubot.json", "tinkubot.lock")  # what our first line of code puts into the folder that Ansible made for it
ANSIBLES_OWN = re.compile(r"ansible-local-|ansible_.*_payload_")
PATIENCE = 90.0  # seconds in which an orphan must have noticed that it is one


def legacy_dump(database: Database) -> str:
    """Everything but the Spanish tables and the bookkeeping, data included."""
    options = [f"--exclude-table=public.{name}{end}" for name in SPANISH for end in ("", "_id_seq")]
    return _sorted_entries(dump(database, options=options))


def schema_dump(database: Database) -> str:
    """All of the schema but the bookkeeping's."""
    return _sorted_entries(schema(database))


def _sorted_entries(text: str) -> str:
    """Objects in an order that does not hang on their numbers, as pg_dump's does."""
    return "\n--\n-- ".join(sorted(entry.strip() for entry in text.split("\n--\n-- ")))


def differences(what: str, before: str, after: str) -> list[str]:
    """One problem with the first lines that differ, or none."""
    if before == after:
        return []
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="", n=0)
    return [f"{what} is not what it was:\n" + "\n".join(f"      {line[:200]}" for line in itertools.islice(lines, 2, 20))]


def rows_accounted(database: Database, step: Step) -> Accounting:
    """The independent accounting of what must stand after the step."""
    found = take_accounting(database.superuser_url, step.parts)
    if "fase1" not in step.leaves:
        left = [name for name in SPANISH if database.value("SELECT to_regclass(%s) IS NOT NULL", (f"public.{name}",))]
        found.problems += [f"{name} still exists" for name in left]
    return found


def ledger_problems(database: Database, step: Step) -> Iterator[str]:
    """Rows that may not be there once a command has ended with 0."""
    stands: set[str] = set()
    runs = database.query(
        "SELECT run_id, fase, accion, estado, terminada_at >= iniciada_at, detalle -> 'subfases', detalle ->> 'motivo'"
        " FROM migracion.fase_ejecucion ORDER BY iniciada_at, id"
    )
    for run_id, phase, action, state, ended, subphases, reason in runs:
        who = f"{run_id} ({phase} {action} {state})"
        names = set(subphases or [phase])
        if state not in ("completada", "fallida", "revertida") or not ended:
            yield f"{who} has not ended"
        if state == "fallida" and not reason:
            yield f"{who} does not say why"
        if state == "completada":
            stands = stands | names if action == "aplicar" else stands - names
            if action == "aplicar" and not _proved(database, run_id):
                yield f"{who} has no proof"
    if stands != step.leaves:
        yield f"the ledger says that {sorted(stands)} stand, and not {sorted(step.leaves)}"
    if held := database.query("SELECT run_id, fase, accion FROM migracion.arriendo"):
        yield f"the lease is still taken: {held}"
    if aside := database.query("SELECT tabla, clave FROM migracion.apartada LIMIT 3"):
        yield f"rows were set aside although nobody wrote any on the Spanish side: {aside}"
    yield from _progress_problems(database, step)


def _proved(database: Database, run_id: str) -> bool:
    query = "SELECT EXISTS (SELECT FROM migracion.evento WHERE run_id = %s AND tipo = ANY (%s))"
    return bool(database.value(query, (run_id, list(PROOFS))))


def _progress_problems(database: Database, step: Step) -> Iterator[str]:
    wanted = {pair for part in PARTS if part in step.parts for pair in PAIRS[part]}
    found = database.query("SELECT tabla_origen, tabla_destino, terminada_at IS NOT NULL FROM migracion.progreso_copia")
    if {(source, target) for source, target, _ in found} != wanted:
        yield f"the progress speaks of {sorted(found)}, and not of {sorted(wanted)}"
    yield from (f"the copy of {source} into {target} never ended" for source, target, ended in found if not ended)


def leftovers(database: Database, home: Path) -> list[str]:
    """What is still there after a bounded wait: processes, sessions, locks, prepared transactions, temporary files."""
    return list(_settled(lambda: [*processes_of(home), *_sessions(database)], PATIENCE)) + list(_files(home))


def _settled(look: Callable[[], list[str]], seconds: float) -> Iterable[str]:
    deadline = time.monotonic() + seconds
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def processes_of(home: Path) -> list[str]:
    """Who was started with that HOME and still runs, whoever its parent is by now."""
    mark, found = f"HOME={home}".encode(), []
    for process in everybody():
        with suppress(OSError):
            if mark in (PROC / str(process.pid) / "environ").read_bytes().split(b"\0"):
                found.append(f"process {process.pid} still runs: {' '.join(process.words)[:200]}")
    return found


def _sessions(database: Database) -> list[str]:
    found = database.query(
        "SELECT pid, application_name, state, left(query, 100) FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    locks = database.query(
        "SELECT DISTINCT pid, locktype, mode FROM pg_locks JOIN pg_database d ON d.oid = database"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND locktype IN ('relation', 'advisory', 'tuple')"
        " AND pid NOT IN (SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum worker')"
    )
    prepared = database.query("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
    return [f"session {row}" for row in found] + [f"lock {row}" for row in locks] + [f"prepared {row}" for row in prepared]


def _files(home: Path) -> Iterator[str]:
    """Temporary files of the runs; their logs may stay. What is killed before any code of ours ran leaves Ansible's folder."""
    for folder in (home / ".ansible" / "tmp", home / "tmp"):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if not ANSIBLES_OWN.match(path.name) or any((path / mark).exists() for mark in MARKS):
                yield f"temporary file {path.relative_to(home)}"
    for path in sorted((home / "respaldos").rglob("*")):
        if path.is_file() and not (path.parent.name == "registros" and path.suffix == ".log"):
            yield f"file in backup_dir: {path.relative_to(home)}"
