"""fase0: judges the live database, renders the SQL for it and keeps what was approved."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from ..backfill import disk_space
from ..backfill.watch import Watch
from ..call.approval import MAPPING_NAME, approved_texts, require_approved, sha256
from ..call.context import CATALOGUE_NAME, Context, opened
from ..core.backfill.growth import BackupDisk, ServerDisk
from ..core.errors import NOTHING_CHANGED, READ_ONLY_STEP, MigrationError
from ..core.phase.gates import Facts, closed_gate, way_past
from ..core.proof.accounts import Account, forecast_details
from ..core.proof.findings import forecast_lines
from ..core.sqltext import qname
from ..core.survey.drift import find_drift, unmapped_columns, unmapped_tables
from ..core.survey.findings import Finding, barring, finding_details, page
from ..core.survey.server_findings import bars_everything
from ..ledger import bookkeeping
from ..ledger.events import last_event, record_event
from ..proof.accounting import forecast_account
from ..schema.mould import structure_of_existing
from ..schema.routines import install_helpers
from ..schema.structure import LEGACY_SHAPE, read_facts
from ..schema.tables import missing_tables, names_taken
from ..schema.undo import made_by_us
from ..schema.virtual import virtual_schema
from ..server import db
from ..survey import surroundings
from ..survey.findings_page import Runbook, look
from ..survey.repeats import counted
from ..survey.rights import refused_rights

RESERVE = 64 * 2**20  # bytes that backup_dir must have free beyond the size of the legacy tables


def approve(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Judge everything that fase0 judges; without refusals store the approval. Returns lines, forecast and diff.

    Raises MigrationError, code refused, with all refusals at once.
    """
    with db.explaining(left=READ_ONLY_STEP if check else NOTHING_CHANGED), opened(params, check) as context:
        drift = [f"deriva: {d.message}" for d in find_drift(context.mapping, context.catalogue)]
        findings = _findings(context, params, forward=True)
        refusals = drift + _column_refusals(context) + _role_refusals(context) + barring(findings)
        lines = page(findings) + _surrounding_lines(context)
        forecast: list[Account] = []
        if not drift:
            refusals += _name_refusals(context)
        refusals += refused_rights(context.conn, context.mapping, context.catalogue)
        if not refusals:
            with _telling(lines, findings, left=READ_ONLY_STEP if check else NOTHING_CHANGED):
                context = replace(context, catalogue=counted(context.conn, context.mapping, context.catalogue))
                forecast = _forecast(context)
            lines += forecast_lines(forecast)
            line, disk = disk_space.outlook(context.conn, context.all_routes, context.settings)
            lines.append(line)
            refusals += _disk_refusals(context, disk)
        refusals += _backup_refusals(context, params["backup_dir"])
        if refusals:
            raise refused_for(params, refusals, lines, findings)
        texts = approved_texts(context)
        lines += _reference_lines(texts, params["reference"])
        _store(context, texts)
        return {
            "lines": lines,
            "findings": finding_details(findings),
            "forecast": [forecast_details(a) for a in forecast],
            "diff": _diff(texts, params["reference"]),
        }


def verify_approval(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Compare the approval with what the live database gives now, and look at what the night depends on.

    Raises MigrationError where there is no approval, and, code refused, for a finding that would keep fase0 from it.
    """
    with db.explaining(left=READ_ONLY_STEP), opened(params, check) as context:
        if bookkeeping.exists(context.conn):
            require_approved(context)
        else:
            raise MigrationError("no hay nada aprobado todavía", left=READ_ONLY_STEP, move="Ejecute fase0.yml con el mismo -i.")
        findings = _findings(context, params, forward=False)
        if impediments := barring(findings):
            raise refused_for(params, impediments, page(findings), findings, READ_ONLY_STEP)
        line = f"Aprobación vigente: {len(approved_texts(context))} textos, mapeo y catálogo sin cambios."
        if not check:
            record_event(context.conn, context.run_id, "aprobacion", context.phase, {"vigente": True})
        return {"lines": [*page(findings), line], "findings": finding_details(findings)}


def refused_for(
    params: dict[str, Any], refusals: list[str], lines: list[str], findings: list[Finding], left: str = NOTHING_CHANGED
) -> MigrationError:
    """Return the error that names every refusal at once, and the mapping's file where one speaks of it."""
    place = f" (el mapeo está en {params['mapping_path']})" if "mapeo" in " ".join(refusals) else ""
    listed = "\n".join(f"  {n}. {text}" for n, text in enumerate(refusals, 1))
    return MigrationError(
        f"{len(refusals)} {'impedimento' if len(refusals) == 1 else 'impedimentos'}",
        left=left,
        move=f"Corrija{place} y repita fase0.yml con el mismo -i:\n{listed}",
        code="refused",
        details={"lines": lines, "refusals": refusals, "findings": finding_details(findings)},
    )


def _findings(context: Context, params: dict[str, Any], *, forward: bool) -> list[Finding]:
    """Raises MigrationError, code refused, where nothing else of this database can be asked."""
    drifted = find_drift(context.mapping, context.catalogue)  # no SQL comes of what is not there
    texts = partial(dict, {MAPPING_NAME: context.mapping_text}) if drifted else partial(approved_texts, context)
    runbook = Runbook(context.run_id, **params.get("runbook", {}))
    findings = look(context.conn, context.mapping, context.catalogue, texts, runbook, forward=forward)
    if bars_everything(findings):
        left = NOTHING_CHANGED if forward else READ_ONLY_STEP
        raise refused_for(params, barring(findings), page(findings), findings, left)
    return findings


@contextmanager
def _telling(lines: list[str], findings: list[Finding], *, left: str) -> Iterator[None]:
    """Let an error of the server carry what was found before it: it may well be its cause."""
    try:
        yield
    except db.Error as error:
        failed = db.explain_error(error, "contar las filas", left=left)
        failed.details |= {"lines": lines, "findings": finding_details(findings)}
        raise failed from error


def _column_refusals(context: Context) -> list[str]:
    loose = unmapped_columns(context.mapping, context.catalogue)
    found = surroundings.filled_columns(context.conn, context.mapping.schema, loose)
    return [f"deriva: {phrase}." for phrase in found]


def _role_refusals(context: Context) -> list[str]:
    forced = [qname(context.mapping.schema, r.name) for r in context.catalogue.relations if r.force_row_security]
    row = db.fetch_all(context.conn, "SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = current_user")
    if not forced or row[0][0]:
        return []
    remedy = " ".join(f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY;" for name in forced)
    return [
        f'{", ".join(forced)} tiene FORCE ROW LEVEL SECURITY y el rol "{context.catalogue.role}" no tiene BYPASSRLS: vería '
        f"las tablas vacías. Use un rol con BYPASSRLS o pida: {remedy}"
    ]


def _name_refusals(context: Context) -> list[str]:
    conn, mapping, catalogue = context.conn, context.mapping, context.catalogue
    found = [f"nombre ocupado: {phrase}." for phrase in names_taken(conn, mapping, catalogue)]
    missing = {t.name for t in missing_tables(conn, mapping)}
    existing = {t.name for t in mapping.tables} - missing - set(made_by_us(conn, mapping))
    if existing and not found:
        found += [
            f"nombre ocupado: {mapping.schema}.{name} ya existe con otra forma: {'; '.join(d.phrase for d in differing[:5])}."
            for name, differing in structure_of_existing(conn, mapping, catalogue).items()
            if name in existing
        ]
    return found


def _forecast(context: Context) -> list[Account]:
    conn, routes = context.conn, context.all_routes
    with virtual_schema(context):
        if context.check:  # holds no lease: nobody can ask it to stop, and the window's end is none of its affair
            return forecast_account(conn, routes, routes)
        watch = Watch(context.run_id, context.settings)
        return watch.long(conn, context.database_url, lambda: forecast_account(conn, routes, routes))


def _surrounding_lines(context: Context) -> list[str]:
    around = context.conn, context.mapping, context.catalogue
    said = [*surroundings.warnings(context.conn), *surroundings.unqualified_triggers(*around)]
    lines = [f"Aviso: {text}" for text in said]
    grouped: dict[str, list[str]] = {}
    for kind, name in surroundings.dependents(*around):
        grouped.setdefault(kind, []).append(name)
    if grouped:
        lines.append("Depende de las tablas legacy y no se traslada solo; téngalo a la vista:")
        lines += [f"  {kind}: {'; '.join(names)}" for kind, names in grouped.items()]
    missing = unmapped_tables(context.mapping)
    if missing:
        lines.append(f"Sin mapeo todavía, así que su subfase no se puede ejecutar: {', '.join(missing)}")
    return lines


def _backup_refusals(context: Context, backup_dir: str) -> list[str]:
    if not backup_dir:
        return ["backup_dir está vacío: diga dónde guardar registros y respaldos (-e backup_dir=/ruta)."]
    place = os.path.abspath(backup_dir)
    while not os.path.exists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place) or not os.access(place, os.W_OK | os.X_OK):
        return [f"backup_dir: no se puede escribir en {place}. Cree {backup_dir} con permiso para este usuario."]
    needed = surroundings.legacy_disk_bytes(context.conn, context.mapping, context.catalogue) + RESERVE
    return _disk_refusals(context, BackupDisk(backup_dir, shutil.disk_usage(place).free, needed))


def _disk_refusals(context: Context, disk: ServerDisk | BackupDisk) -> list[str]:
    full = closed_gate("disk", Facts(context.settings, disk=disk))
    return [f"{full.gate}: {full.message} {way_past(full.gate, context.settings.overrides)}"] if full else []


def _keep_shape(context: Context) -> None:
    """Write down what the legacy tables are, so that estado can name what people change later."""
    names = [r.name for r in context.catalogue.relations]
    facts = read_facts(context.conn, context.mapping.schema, names)
    shape = {"tablas": {name: sorted([*fact, said] for fact, said in found.items()) for name, found in facts.items()}}
    last = last_event(context.conn, (LEGACY_SHAPE,))
    if last is None or last.detail != shape:
        record_event(context.conn, context.run_id, LEGACY_SHAPE, context.phase, shape)


def _reference_lines(texts: Mapping[str, str], reference: Mapping[str, str]) -> list[str]:
    changed = _changed(texts, reference)
    if not changed:
        return ["El SQL para esta base es el de files/sql, letra por letra."]
    return [f"El SQL para esta base difiere de files/sql (véalo con --diff): {', '.join(changed)}"]


def _changed(texts: Mapping[str, str], reference: Mapping[str, str]) -> list[str]:
    names = {n for n in (*texts, *reference) if n not in (MAPPING_NAME, CATALOGUE_NAME)}
    return sorted(n for n in names if texts.get(n) != reference.get(n))


def _diff(texts: Mapping[str, str], reference: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {
            "before": reference.get(name, ""),
            "after": texts.get(name, ""),
            "before_header": f"files/sql/{name}",
            "after_header": f"{name} para esta base",
        }
        for name in _changed(texts, reference)
    ]


def _store(context: Context, texts: Mapping[str, str]) -> None:
    """Keep the approval and the helper functions that everything later calls; an unchanged approval is left alone."""
    if context.check:
        return
    conn = context.conn
    with db.transaction(conn):
        rows = db.fetch_all(conn, "SELECT nombre, sha256 FROM migracion.sql_aprobado")
        stored: dict[str, str] = {row[0]: row[1] for row in rows}
        wanted = {name: sha256(text) for name, text in texts.items()}
        if stored != wanted:
            context.begin()
            db.execute(conn, "DELETE FROM migracion.sql_aprobado WHERE nombre <> ALL (%s)", (list(wanted),))
            for name, text in texts.items():
                db.execute(
                    conn,
                    "INSERT INTO migracion.sql_aprobado AS a (nombre, sha256, texto, run_id) VALUES (%s, %s, %s, %s)"
                    " ON CONFLICT (nombre) DO UPDATE SET sha256 = excluded.sha256, texto = excluded.texto,"
                    " run_id = excluded.run_id, momento = now() WHERE a.sha256 <> excluded.sha256",
                    (name, wanted[name], text, context.run_id),
                )
        install_helpers(conn)
        bookkeeping.seal(conn)
        _keep_shape(context)
        record_event(conn, context.run_id, "aprobacion", context.phase, {"textos": len(wanted), "cambio": stored != wanted})
