"""What the modules table_copy and table_compare do: copy in slices, take back, prove, repair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..backfill.batches import install
from ..backfill.sequences import advance_sequences, lagging_sequences, restore_sequences
from ..backfill.slices import lines_before, run_slice, something_to_do
from ..backfill.undo import nothing_to_take_back
from ..backfill.undo import take_back as take_back_rows
from ..backfill.watch import Watch, telling
from ..call.context import Context, as_if, opened, require_approved
from ..core.errors import MigrationError
from ..core.proof.comparison import DIFFERENT, MISSING, PENDING, REFUSED
from ..ledger import lease, runs
from ..proof.accounting import Account, forecast_details, named_differences, take_account, unsound_objects
from ..proof.findings import account_lines, difference_lines, duration, forecast_lines, number, proof_detail
from ..proof.prove import prove
from ..proof.repair import Mending, repair
from ..quarantine import waiving
from ..schema.tables import install_helpers, missing_tables
from ..server import db

ROWS_PER_SECOND = 8_000  # until this database has its own figure: the slowest pair of the benchmark, halved


def copy(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Copy for one slice; ``more`` asks to be called again. In check mode: the forecast, changing nothing."""
    with telling([]), opened(params, check) as context:
        _require_parts(context)
        if check:
            return _forecast(context, params)
        require_approved(context)
        if not something_to_do(context):
            return {"lines": [], "more": False}
        context.begin()
        with db.transaction(context.conn):
            install_helpers(context.conn)
            install(context.conn, context.every_route())
            runs.seal(context.conn)
        return run_slice(context, params)


def _require_parts(context: Context) -> None:
    if not context.routes():
        raise MigrationError(
            f"{context.phase}: el mapeo no tiene tablas para la subfase {context.subphase or '(todas)'}. No se cambió nada.",
            code="no_parts",
        )


def _forecast(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    with as_if(context):
        before = lines_before(context, params)
        accounts = take_account(context.conn, context.routes(), context.every_route())
        for found in accounts:
            if found.count(DIFFERENT) or found.surplus:
                found.examples = named_differences(context.conn, found, context.every_route())
    rows = sum(a.count(MISSING, DIFFERENT, REFUSED) for a in accounts)
    seconds = rows / _rate(context)
    lines = before + forecast_lines(accounts)
    lines += [line for a in accounts for line in difference_lines([a]) if ": difiere" in line or ": sobra" in line]
    lines.append(f"Tiempo estimado de la copia: {duration(seconds)} ({number(rows)} filas a {number(_rate(context))} filas/s)")
    return {
        "lines": lines,
        "more": False,
        "changed": any(not a.clean for a in accounts),
        "forecast": [forecast_details(a) for a in accounts],
        "estimated_seconds": seconds,
    }


def _rate(context: Context) -> float:
    """Return rows per second as earlier copies of this database ran, or the benchmark's cautious figure."""
    row = None
    if runs.exists(context.conn):
        row = db.fetch_one(
            context.conn,
            "SELECT sum(filas) / sum(segundos) FROM ("
            "SELECT sum(filas_leidas) AS filas, max(filas_leidas / ritmo) AS segundos FROM migracion.progreso_copia"
            " WHERE terminada_at IS NOT NULL AND filas_leidas > 10000 AND ritmo > 0 GROUP BY tabla_origen, tabla_destino) t",
        )
    return float(row[0]) if row and row[0] else float(ROWS_PER_SECOND)


def take_back(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Empty the Spanish tables of the phase, in one transaction; what only they held goes to migracion.apartada."""
    with opened(params, check) as context:
        conn, routes = context.conn, context.routes()
        if not runs.exists(conn) or nothing_to_take_back(conn, routes, context.every_route()):
            if not check:
                restore_sequences(conn, context.mapping, routes)
                runs.event(conn, context.run_id, "vaciado", context.phase)
            return {"lines": [f"{context.phase}: no se ha copiado nada, así que no hay filas que retirar."]}
        if check:
            with as_if(context):
                outcome = take_back_rows(conn, context.mapping, routes, context.every_route(), context.run_id)
        else:
            context.begin()

            def act(connection: Any) -> dict[str, int]:
                lease.fence(connection, context.run_id)
                install_helpers(connection)
                install(connection, context.every_route())
                figures = take_back_rows(connection, context.mapping, routes, context.every_route(), context.run_id)
                runs.event(connection, context.run_id, "vaciado", context.phase, figures)
                return figures

            outcome = db.with_lock_retries(conn, act, lock_timeout_ms=500, tries=20)
            restore_sequences(conn, context.mapping, routes)
        verb = "se retirarían" if check else "retiradas"
        lines = [
            f"{target}: {number(outcome[f'{target}: retiradas'])} filas {verb}, "
            f"{number(outcome[f'{target}: apartadas'])} guardadas en migracion.apartada; las tablas legacy no se tocan"
            for target in dict.fromkeys(r.pair.target for r in routes)
        ]
        return {"lines": lines, "changed": any(outcome.values())}


def compare(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Prove; with ``repair`` first make equal what the proof names. Differences fail the module, quarantine does not."""
    with telling([]), opened(params, check) as context:
        _require_parts(context)
        if params["repair"] and check:
            return {"lines": _announce_waivers(context, params)}  # the copy's forecast has said the rest
        _require_copied(context)
        if not check:
            require_approved(context)
        return _compare(context, params)


def _compare(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    conn, routes = context.conn, context.routes()
    lines: list[str] = []

    def begin(accounts: Sequence[Account]) -> None:
        context.begin()
        for found in accounts:
            found.examples = named_differences(conn, found, context.every_route())
        lines.extend(["Diferencias antes de reparar:", *difference_lines(accounts)])

    if params["repair"]:
        mending = Mending(Watch.of(params, context.run_id), params["batch_rows"])
        accounts = repair(conn, routes, context.every_route(), mending, begin)
        changed = bool(lines)
        if lagging_sequences(conn, context.mapping, routes):
            context.begin()
            lines += advance_sequences(conn, context.mapping, routes, context.run_id, context.phase)
            changed = True
        lines += waiving.apply(conn, waiving.given(params), routes, context.run_id, context.phase)
    else:
        accounts, changed = prove(conn, routes, context.every_route()), False
    unsound = unsound_objects(conn, context.mapping, routes)
    detail = proof_detail(accounts, unsound)
    if not context.check:
        runs.event(conn, context.run_id, "prueba", context.phase, detail)
    lines += account_lines(accounts)
    lines += [f"  objeto en mal estado: {phrase}" for phrase in unsound]
    if all(a.clean for a in accounts) and not unsound:
        lines.append("Prueba: restricciones validadas, índices válidos y secuencias al día; todo lo comparado es igual.")
        return {"lines": lines, "changed": changed, "accounting": detail["tablas"]}
    raise _difference_error(context, accounts, unsound, lines)


def _announce_waivers(context: Context, params: dict[str, Any]) -> list[str]:
    """What the run would waive and open again, found by doing it on the virtual schema."""
    given = waiving.given(params)
    if not given and not runs.waived_quarantine(context.conn):
        return []
    with as_if(context):
        return waiving.rehearse(context.conn, given, context.routes(), context.every_route())


def _require_copied(context: Context) -> None:
    missing = missing_tables(context.conn, context.mapping)
    if missing:
        raise MigrationError(
            f"{context.phase}: no se puede probar, porque falta {', '.join(t.name for t in missing)}. Ejecute antes fase1.yml "
            f"y {context.phase}.yml con el mismo -i.",
            code="difference",
        )
    if not runs.exists(context.conn) or any(
        db.fetch_one(context.conn, "SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (r.view,)) is None for r in context.routes()
    ):
        raise MigrationError(
            f"{context.phase}: aún no se ha copiado nada que probar. Ejecute antes {context.phase}.yml con el mismo -i.",
            code="difference",
        )


def _difference_error(context: Context, accounts: Sequence[Account], unsound: Sequence[str], lines: list[str]) -> MigrationError:
    pending = sum(a.count(*PENDING) + a.stale for a in accounts)
    surplus = sum(a.surplus for a in accounts)
    named = "\n".join(difference_lines(accounts) + [f"  {phrase}" for phrase in unsound])
    return MigrationError(
        f"{context.phase}: la prueba encuentra {number(pending)} filas legacy sin su igual, {number(surplus)} filas en español "
        f"sin origen y {len(unsound)} objetos en mal estado. Nada se perdió: las tablas legacy no se tocan. "
        f"Para igualar solo eso: ansible-playbook {context.phase}.yml con el mismo -i.\n{named}",
        code="difference",
        details={"lines": lines},
    )
