"""What the module table_compare does: prove, and with ``repair`` make equal what the proof names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..backfill.damage import put_aside
from ..backfill.sequences import advance_sequences, drawn_sequences, lagging_sequences
from ..backfill.watch import Watch, with_lines
from ..call.approval import require_approved, routes_leant_on
from ..call.context import Context, opened
from ..core.errors import COMMITTED_STAYS, READ_ONLY_STEP, STEP_CHANGED_NOTHING, MigrationError
from ..core.proof.accounts import Account
from ..core.proof.comparison import DIFFERENT, PENDING
from ..core.proof.findings import account_lines, catching_up_lines, difference_lines, proof_detail
from ..core.proof.opinions import opinion_detail, opinion_lines
from ..core.rows.routes import Route
from ..core.sqltext import ident, qname
from ..core.survey.drift import unmapped_columns
from ..core.words import number, units
from ..ledger import bookkeeping, lease
from ..ledger.events import COPY_BEGUN, last_event, left_so_far, record_event, waived_quarantine
from ..proof import ties
from ..proof.accounting import lagging_objects, named_differences, repeated_keys
from ..proof.prove import Looker, prove
from ..proof.removals import asking
from ..proof.repair import Mender, repair
from ..proof.second_opinion import SecondOpinion
from ..quarantine import waiving
from ..quarantine.unreadable import put_unreadable_aside, reopen_readable, without_damage
from ..schema.references import foreign_to, references_to
from ..schema.routines import install_approved, routines_installed
from ..schema.shape import require_shape
from ..schema.tables import missing_tables
from ..schema.virtual import virtual_schema
from ..server import db
from ..survey.surroundings import filled_columns
from ..sync.reporting import off_lines, standing_phrases


def compare(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Prove; with ``repair`` first make equal what the proof names. Differences fail the module, quarantine does not."""
    left = COMMITTED_STAYS if params["repair"] and not check else READ_ONLY_STEP
    with db.explaining(left=left), with_lines([]), opened(params, check) as context:
        context.require_routes()
        if params["repair"] and check:
            return {"lines": _announce_waivers(context)}  # the copy's forecast has said the rest
        _require_copied(context, STEP_CHANGED_NOTHING if params["repair"] else READ_ONLY_STEP)
        others = require_approved(context)
        others += require_shape(context, left_so_far(context.conn, context.run_id) if params["repair"] else READ_ONLY_STEP)
        _go_by_what_is_approved(context, params["repair"])
        return _compare(context, params["repair"], others)


def _compare(context: Context, repairs: bool, others: list[str]) -> dict[str, Any]:
    conn, lines, based = context.conn, list[str](), ties.bases(context)
    routes = [r for r in context.all_routes if r in context.routes or r in based]
    opinion = SecondOpinion(context.mapping, context.catalogue, context.settings.second_opinion_rows)
    mending = _mender(context, asking(context, lines), opinion)

    def begin(accounts: Sequence[Account]) -> None:
        context.begin()
        for found in accounts:
            found.examples = mending.long(conn, partial(named_differences, conn, found, context.all_routes))
        caught_up = catching_up_lines(a for a in accounts if a.route in based)
        lines.extend([*caught_up, "Diferencias antes de reparar:", *difference_lines(accounts)])
        if caught_up:
            ties.record_taken_in(context, mending, caught_up)

    if repairs:
        lines += _read_again(context, routes)
        mended = partial(repair, conn, routes, context.all_routes, mending, begin)
        accounts = without_damage(mended, partial(_put_aside, context, routes, lines))
        changed = bool(lines)
        if lagging_sequences(conn, context.mapping, routes):
            context.begin()
            lines += advance_sequences(conn, context.mapping, routes, context.run_id, context.phase)
            changed = True
        lines += waiving.apply(conn, context.settings.waived_quarantine, context.routes, context.run_id, context.phase)
    else:
        proof = partial(prove, conn, routes, context.all_routes, Looker(opinion=opinion))
        accounts = without_damage(proof, partial(_unread, context, routes))
        changed, lines = False, others + off_lines(conn, routes)
    if why := mending.watch.unattended:
        lines.append(f"La comparación no se pudo vigilar desde otra sesión, así que no se habría podido parar: {why}")
    asked = partial(_unknown_to_fase0, context)
    unknown = mending.long(conn, asked) if repairs else asked()
    unsound = unknown + lagging_objects(conn, context.mapping, routes) + _sync_lacks(context)
    tables, caught_up = ties.taken_in(context) if repairs else (set[str](), list[str]())
    detail = {**proof_detail(accounts, unsound, caught_up), "segunda_opinion": opinion_detail(opinion.found)}
    if not context.check:
        record_event(conn, context.run_id, "prueba", context.phase, detail)
    lines += account_lines(accounts)
    lines += [f"  {d.unreached}" for d in drawn_sequences(conn, context.mapping, routes) if d.unreached]
    lines += [f"  objeto en mal estado: {phrase}" for phrase in unsound]
    lines += opinion_lines(opinion.found)
    if all(a.clean for a in accounts) and not unsound:
        if not opinion.agrees:
            raise _disagreement_error(context, opinion, lines)
        if repairs:
            _require_the_others(context, tables | mending.touched, routes, mending, lines)
        lines.append("Prueba: restricciones validadas, índices válidos y secuencias al día; todo lo comparado es igual.")
        return {"lines": lines, "changed": changed, "accounting": detail["tablas"]}
    raise _difference_error(context, accounts, unsound, lines, ["fase0"] if unknown else [])


def _sync_lacks(context: Context) -> list[str]:
    return standing_phrases(context.conn, context.routes, context.all_routes, context.mapping.tables)


def _mender(context: Context, allow: Callable[[Sequence[Account]], None], opinion: SecondOpinion) -> Mender:
    watch = Watch(context.run_id, context.settings)
    return Mender(watch, context.database_url, context.settings.batch_rows, allow, opinion=opinion)


def _read_again(context: Context, routes: Sequence[Route]) -> list[str]:
    """Try again what could not be read: where that changes, the entries close, and the run has begun."""
    with db.rolled_back(context.conn):
        if not reopen_readable(context.conn, routes):
            return []
    context.begin()
    with db.transaction(context.conn):
        lease.fence(context.conn, context.run_id)
        closed = reopen_readable(context.conn, routes)
    return [f"Filas que ya se pueden leer, o no están: {number(closed)}; sus entradas en cuarentena se cierran"]


def _put_aside(context: Context, routes: Sequence[Route], lines: list[str]) -> list[str]:
    context.begin()
    return put_aside(context.conn, context.run_id, routes, lines.append)


def _unread(context: Context, routes: Sequence[Route]) -> list[str]:
    """A proof that cannot read rows names them. Raises MigrationError, code difference; returns where there are none."""
    with db.rolled_back(context.conn):
        phrases = put_unreadable_aside(context.conn, routes, rehearsed=True)
    if phrases:
        raise MigrationError(
            f"la prueba no puede leer lo que hay en las tablas legacy: {'; '.join(phrases)}",
            left=READ_ONLY_STEP,
            move=f"Para ponerlas en cuarentena sin ese valor y seguir con las demás: ansible-playbook {context.phase}.yml con el "
            "mismo -i.",
            code="difference",
        )
    return phrases


def _unknown_to_fase0(context: Context) -> list[str]:
    """What fase0 judged once and services write for days: asked again of the phase's own legacy tables."""
    sources = {r.pair.source for r in context.routes}
    loose = [column for column in unmapped_columns(context.mapping, context.catalogue) if column.table in sources]
    filled = filled_columns(context.conn, context.mapping.schema, loose)
    return filled + repeated_keys(context.conn, context.routes)


def _require_the_others(context: Context, tables: set[str], proved: Sequence[Route], mending: Mender, lines: list[str]) -> None:
    """Completed pairs that hang on what this run changed hold no less than before, or the run says which do not."""
    if last_event(context.conn, (COPY_BEGUN,), context.run_id) is not None:
        tables = tables | {route.pair.target for route in context.routes}
    lost = ties.prove_again(context, tables, proved, mending)
    if not lost:
        return
    parts = dict(context.mapping.subphases)
    commands = dict.fromkeys(
        f"ansible-playbook {pair.phase}.yml" + (f" -e subfase={pair.subphase}" if len(parts[pair.phase]) > 1 else "")
        for pair in (account.route.pair for account in lost)
    )
    said = ", ".join(
        f"{a.route.pair.source} → {a.route.pair.target} ({units(a.count(*PENDING) + a.surplus + a.stale, 'fila')})" for a in lost
    )
    raise MigrationError(
        f"lo que se pidió está probado, pero con lo que ha cambiado ya no vale la prueba de {said}",
        left=COMMITTED_STAYS,
        move=f"Para igualarlo: {' y después '.join(commands)} con el mismo -i.\n" + "\n".join(difference_lines(lost)),
        code="difference",
        details={"lines": lines},
    )


def _announce_waivers(context: Context) -> list[str]:
    """What the run would waive and open again, found by doing it on the virtual schema."""
    given = context.settings.waived_quarantine
    if not given and not waived_quarantine(context.conn):
        return []
    with virtual_schema(context, entries=True):
        return waiving.rehearse(context.conn, given, context.routes, context.all_routes)


def _require_copied(context: Context, left: str) -> None:
    missing = missing_tables(context.conn, context.mapping)
    if missing:
        raise MigrationError(
            f"no se puede probar, porque falta {', '.join(t.name for t in missing)}",
            left=left,
            move=f"Ejecute antes fase1.yml y {context.phase}.yml con el mismo -i.",
            code="difference",
        )
    if not bookkeeping.exists(context.conn) or any(
        db.fetch_one(context.conn, "SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (r.view,)) is None for r in context.routes
    ):
        raise MigrationError(
            "aún no se ha copiado nada que probar",
            left=left,
            move=f"Ejecute antes {context.phase}.yml con el mismo -i.",
            code="difference",
        )


def _go_by_what_is_approved(context: Context, repairs: bool) -> None:
    """A repair installs it, as the copy before it does; a proof changes nothing, and judges by nothing else."""
    if routines_installed(context.conn, routes_leant_on(context), context.all_routes):
        return
    if repairs:
        install_approved(context)
        return
    lacking = _sync_lacks(context)
    again = f"Para instalarlo, e igualar lo que entonces difiera: ansible-playbook {context.phase}.yml con el mismo -i."
    raise MigrationError(
        "no se puede probar, porque las vistas y funciones de migracion no son lo que fase0 aprobó: "
        + ("; ".join(lacking) or "son de antes, o alguien las cambió"),
        left=READ_ONLY_STEP,
        move="" if lacking else again,
        code="difference",
    )


def _freeing(context: Context, accounts: Sequence[Account]) -> str:
    """What lets the rows go, or change, that something holds which this run does not carry; '' where nothing does."""
    mapping, carried = context.mapping, {r.pair.target for r in context.routes}
    examples = [(a.route.pair.target, e) for a in accounts for e in a.examples]
    reasons = " ".join(str(e["motivo"]) for _, e in examples)
    changed = {(target, column) for target, e in examples if e["estado"] == DIFFERENT for column, *_ in e["columnas"]}
    ours = [t.name for t in mapping.tables]
    said = []
    for found in foreign_to(references_to(context.conn, mapping.schema, ours), mapping.schema, list(carried)):
        holds = f"por {ident(found.name)}" in reasons or any((found.target, column) in changed for column in found.columns)
        if holds and found.schema == mapping.schema and found.table in ours:
            said.append(f"{found.phrase}; la lleva ansible-playbook {mapping.last_phase([found.table])}.yml con el mismo -i")
        elif holds:
            rows = f"quite de {qname(found.schema, found.table)} las filas que las retienen"
            said.append(f"{found.phrase}; antes de repetir, {rows}, o: {found.removal}")
    return "".join(f"\n  {phrase}." for phrase in dict.fromkeys(said))


def _disagreement_error(context: Context, opinion: SecondOpinion, lines: list[str]) -> MigrationError:
    named = "\n".join(d.line for one in opinion.found for d in one.examples)
    return MigrationError(
        f"la segunda opinión no está de acuerdo con el SELECT en {number(sum(one.count for one in opinion.found))} casos: uno de "
        "los dos lee mal el mapeo, y hasta saber cuál la fase no está probada",
        left="Nada se perdió: las tablas legacy no se tocan.",
        move="Repetir no lo arregla: pase estas líneas a quien mantiene el runbook (docs/prueba.md dice qué mirar). Para "
        f"deshacer mientras tanto: ansible-playbook {context.phase}.yml --tags rollback con el mismo -i.\n{named}",
        code="difference",
        details={"lines": lines},
    )


def _difference_error(
    context: Context, accounts: Sequence[Account], unsound: Sequence[str], lines: list[str], before: list[str]
) -> MigrationError:
    pending = sum(a.count(*PENDING) + a.stale for a in accounts)
    surplus = sum(a.surplus for a in accounts)
    named = "\n".join(difference_lines(accounts) + [f"  {phrase}" for phrase in unsound])
    commands = " y después ".join(f"ansible-playbook {name}.yml" for name in [*before, context.phase])
    return MigrationError(
        f"la prueba encuentra {number(pending)} filas legacy sin su igual, {number(surplus)} filas en español "
        f"sin origen y {len(unsound)} objetos en mal estado",
        left="Nada se perdió: las tablas legacy no se tocan.",
        move=f"Para igualar solo eso: {commands} con el mismo -i.{_freeing(context, accounts)}\n{named}",
        code="difference",
        details={"lines": lines},
    )
