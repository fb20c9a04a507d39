"""What the module code_rewrite does: rewrite repositories on a branch, ask the gate, check out what was there before."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..call.context import Context, opened
from ..core.errors import COMMITTED_STAYS, READ_ONLY_STEP, STEP_CHANGED_NOTHING, MigrationError
from ..core.phase.gates import Facts, passed_gate, way_past
from ..core.rewrite.code_settings import CodeSettings, unused_waivers, unwaived
from ..core.rewrite.pending_page import Scanned, pending_page, summary_lines
from ..core.rewrite.quiet import LegacyWriters
from ..core.rewrite.reasons import LEFT, CodeFinding
from ..core.rewrite.targets import Targets
from ..core.words import escape, number
from ..ledger.events import record_event
from ..rewrite.isolated import scan_isolated
from ..rewrite.remembered import (
    BEGUN,
    DONE,
    PROVED,
    REVERTED,
    TAKEN_BACK,
    legacy_writes,
    repositories_begun,
    repository_state,
)
from ..rewrite.repository import (
    BRANCH,
    Checkout,
    Files,
    checkout_of,
    is_writable,
    run_command,
    run_git,
    tracked_files,
    write_file,
)
from ..rewrite.scan import FileResult
from ..rewrite.undo import check_out, keep_as_patch
from ..server import db
from ..server.clock import server_time
from ..sync.modes import modes_here

NO_REPOSITORIES = (
    "code_repos está vacío: fase4 se cierra sin mirar el código de ningún servicio. Quien lo tenga en otro lugar responde de que"
    " ya use las tablas españolas."
)


@dataclass(frozen=True)
class Looked:
    """One repository looked at: what its files are and would be."""

    checkout: Checkout
    settings: CodeSettings
    files: Files
    results: dict[str, FileResult]

    @property
    def changed(self) -> dict[str, bytes]:
        """The new bytes of each file that would change."""
        return {path: result.data for path, result in self.results.items() if result.data is not None}

    def scanned(self, tables: Sequence[str]) -> Scanned:
        """Return what a person is told of it."""
        findings = tuple(f for path in sorted(self.results) for f in sorted(self.results[path].findings))
        rewritten = sum(result.rewritten for result in self.results.values() if result.data is not None)
        words = [table.encode() for table in tables]
        readmes = tuple(path for path, data in sorted(self.files.documents.items()) if any(w in data for w in words))
        checkout, left_out = self.checkout, dict(self.files.left_out)
        return Scanned(checkout.name, str(checkout.path), rewritten, len(self.changed), findings, left_out, readmes)


def rewrite_code(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Rewrite each repository on a branch of its own, run its formatter and tests, commit. In check mode: show the diff.

    Raises MigrationError: code refused for a repository that is not at rest, tests where its own commands fail.
    """
    with db.explaining(left=STEP_CHANGED_NOTHING), opened(params, check) as context:
        repositories = context.settings.code_repos
        if not repositories:
            return {"lines": [NO_REPOSITORIES]}
        targets = _targets(context)
        checkouts = [_at_rest(context, path) for path in repositories]
        lines, scans, changed = [], [], False
        for checkout in checkouts:
            looked = _look(context, checkout, targets)
            scan = looked.scanned(sorted(targets.tables))
            scans.append(scan)
            left = unwaived(scan.name, scan.findings, context.settings.waived_code)
            lines += summary_lines(scan, context.settings.waived_code, left)
            if check:
                lines += _diff_lines(looked)
            elif looked.changed:
                lines += _commit(context, looked, Path(params["backup_dir"] or "."))
            elif repository_state(context.conn, str(checkout.path))[0] == BEGUN:
                _done(context, checkout)
            changed = changed or bool(looked.changed)
        if not check:
            lines += _page(params, context.run_id, pending_page(scans, context.settings.waived_code))
        return {"lines": [escape(line) for line in lines], "changed": changed}


def _targets(context: Context) -> Targets:
    columns = {relation.name: tuple(column.name for column in relation.columns) for relation in context.catalogue.relations}
    return Targets(context.mapping, columns)


def _at_rest(context: Context, path: str) -> Checkout:
    """A clean checkout, or one on our own branch that an interrupted run left; anything else is refused."""
    checkout = checkout_of(path)
    state, _ = repository_state(context.conn, path)
    if checkout.dirty and not (state == BEGUN and checkout.branch == BRANCH):
        raise MigrationError(
            f"{path} tiene cambios sin confirmar en {', '.join(checkout.dirty[:5])}",
            left=STEP_CHANGED_NOTHING,
            move="Confírmelos o guárdelos (git stash) y repita la orden.",
            code="refused",
        )
    if checkout.branch != BRANCH and _branch_head(checkout) and not _is_ancestor(checkout, checkout.head, BRANCH):
        raise MigrationError(
            f"{path} ya tiene una rama {BRANCH} que no parte de lo que está puesto ({checkout.before})",
            left=STEP_CHANGED_NOTHING,
            move=f"Póngala al día o renómbrela (git branch -m {BRANCH} otro-nombre) y repita la orden.",
            code="refused",
        )
    return checkout


def _branch_head(checkout: Checkout) -> str:
    found = run_git(checkout.path, "rev-parse", "--quiet", "--verify", f"refs/heads/{BRANCH}", check=False)
    return found.stdout.decode().strip()


def _is_ancestor(checkout: Checkout, one: str, other: str) -> bool:
    return run_git(checkout.path, "merge-base", "--is-ancestor", one, other, check=False).returncode == 0


def _look(context: Context, checkout: Checkout, targets: Targets) -> Looked:
    settings = context.settings.code_settings.get(str(checkout.path), CodeSettings())
    files = tracked_files(checkout)
    results = scan_isolated(files.data, targets, settings.clients)
    for path, result in results.items():
        if result.data is not None and not is_writable(checkout, path):
            result.data = None
            result.findings.append(CodeFinding(path, 1, "read_only", path, LEFT))
    return Looked(checkout, settings, files, results)


def _diff_lines(looked: Looked) -> list[str]:
    lines: list[str] = []
    for path, new in sorted(looked.changed.items()):
        old = looked.files.data[path].decode(errors="replace").splitlines()
        lines += difflib.unified_diff(old, new.decode(errors="replace").splitlines(), f"a/{path}", f"b/{path}", lineterm="", n=1)
    return lines


def _commit(context: Context, looked: Looked, backup_dir: Path) -> list[str]:
    """Write on the branch, format, test, commit; where one of these fails the tree is as before, and the attempt a patch."""
    checkout, path = looked.checkout, str(looked.checkout.path)
    context.begin()
    lines = []
    state, detail = repository_state(context.conn, path)
    if not state:
        detail = {"repositorio": path, "antes": checkout.before, "commit": checkout.head, "rama": BRANCH}
        record_event(context.conn, context.run_id, BEGUN, context.phase, detail)
    elif patch := keep_as_patch(checkout, backup_dir / "registros", context.run_id):
        lines.append(f"{checkout.name}: lo que dejó a medias la ejecución anterior está en {patch}")
        looked = _look(context, checkout_of(path), _targets(context))
    if checkout.branch != BRANCH:
        run_git(checkout.path, "checkout", "--quiet", *([BRANCH] if _branch_head(checkout) else ["-b", BRANCH]))
        looked = _look(context, checkout_of(path), _targets(context))
    for name, data in looked.changed.items():
        write_file(looked.checkout, name, data)
    if failure := _checked(looked):
        kept = keep_as_patch(checkout_of(path), backup_dir / "registros", context.run_id)
        run_git(checkout.path, "checkout", "--quiet", str(detail["antes"]), "--")
        record_event(context.conn, context.run_id, TAKEN_BACK, context.phase, {"repositorio": path, "motivo": failure})
        raise MigrationError(
            f"{checkout.name}: {escape(failure)}",
            left=f"{path} está como antes ({detail['antes']}); el intento está en {kept or 'la rama ' + BRANCH}.",
            move="Corríjalo y repita la orden.",
            code="tests",
        )
    _done(context, checkout_of(path))
    return [*lines, f"{checkout.name}: {number(len(looked.changed))} archivos confirmados en la rama {BRANCH}"]


def _checked(looked: Looked) -> str:
    """Run the repository's own commands and commit: '' where all went well, else what failed."""
    checkout = looked.checkout
    for what, command in (("el formato", looked.settings.format), ("las pruebas", looked.settings.test)):
        if command and (said := run_command(checkout, command)):
            return f"{what} del repositorio ({' '.join(command)}): {said}"
    run_git(checkout.path, "add", "--update")
    who: list[str] = []
    for key, value in (("user.name", "Runbook de migracion"), ("user.email", "runbook@localhost")):
        if run_git(checkout.path, "config", key, check=False).returncode:
            who += ["-c", f"{key}={value}"]
    message = "Tablas en español\n\nReescrito por fase4 del runbook de migración."
    done = run_git(checkout.path, *who, "commit", "--quiet", "-m", message, check=False)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
        return f"git commit (¿un hook?): {' / '.join(last)}"
    return ""


def _done(context: Context, checkout: Checkout) -> None:
    _, detail = repository_state(context.conn, str(checkout.path))
    record_event(context.conn, context.run_id, DONE, context.phase, {**detail, "confirmado": checkout.head})


def _page(params: dict[str, Any], run_id: str, text: str) -> list[str]:
    """Write pendientes.md beside the run's log, for its owner only."""
    if not params["backup_dir"]:
        return []
    where = Path(params["backup_dir"]) / "registros" / f"{run_id}.pendientes.md"
    try:
        where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(where, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        return [f"No se pudo escribir {where}: {error.strerror}"]
    return [f"Lista de pendientes: {where}"]


def require_moved(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Ask the gate: no use of a legacy table left or waived, and no write to one for the hours that the site asks for.

    Raises MigrationError, code paused, with what is missing and until when.
    """
    with db.explaining(left=READ_ONLY_STEP), opened(params, check) as context:
        targets, missing, counts = _targets(context), list[str](), dict[str, int]()
        names: list[str] = []
        for path in context.settings.code_repos:
            looked = _look(context, checkout_of(path), targets)
            scan = looked.scanned(())
            left = unwaived(scan.name, scan.findings, context.settings.waived_code)
            names += [finding.name(scan.name) for finding in scan.findings]
            counts[scan.name] = len(left)
            if left or (looked.changed and not check):
                unwritten = f", {number(scan.rewritten)} sin reescribir" if looked.changed else ""
                missing.append(f"{scan.name}: {number(len(left))} usos por reescribir a mano o dispensar{unwritten}")
        lines = [f"Dispensa que ya no nombra nada: {pattern}" for pattern in unused_waivers(names, context.settings.waived_code)]
        lines += _live(context, sorted(targets.tables), missing)
        if missing:
            raise MigrationError(
                "El código todavía no está del todo en las tablas españolas",
                left=READ_ONLY_STEP if check else COMMITTED_STAYS,
                move="La misma orden vuelve a preguntar. Falta:\n" + "\n".join(f"  {line}" for line in missing),
                code="paused",
                details={"lines": lines},
            )
        if not check:
            detail = {"repositorios": counts, "dispensas": dict(context.settings.waived_code)}
            record_event(context.conn, context.run_id, PROVED, context.phase, detail)
        return {"lines": [*lines, "Puerta de fase4: ningún uso pendiente, ninguna escritura en tablas inglesas"]}


def _live(context: Context, tables: Sequence[str], missing: list[str]) -> list[str]:
    now = server_time(context.conn)
    counted = {source for source, _target in modes_here(context.conn)}
    uncounted = tuple(table for table in tables if table not in counted)
    writers = LegacyWriters(legacy_writes(context.conn, tables), context.settings.quiet_hours, now, uncounted)
    closed, reason = passed_gate("quiet_hours", Facts(context.settings, now, writers=writers))
    if closed is None:
        return []
    if reason:
        if not context.check:
            detail = {"puerta": closed.gate, "motivo": reason, "decia": closed.message}
            record_event(context.conn, context.run_id, "puerta_saltada", context.phase, detail)
        return [f"Puerta {closed.gate} saltada: {escape(reason)}. Decía: {closed.message}"]
    if context.check:
        return [f"se negaría {closed}"]
    missing.append(f"{closed} {way_past(closed.gate, context.settings.overrides)}")
    return []


def check_out_before(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Check out in each repository what was there before; our branch stays, with whatever people have added to it.

    Raises MigrationError, code refused, for changes that nobody has committed.
    """
    with db.explaining(left=STEP_CHANGED_NOTHING), opened(params, check) as context:
        lines, changed = [], False
        for path in repositories_begun(context.conn):
            _, detail = repository_state(context.conn, path)
            checkout, before = checkout_of(path), str(detail["antes"])
            if checkout.branch == BRANCH:
                lines.append(f"{checkout.name}: de la rama {BRANCH}, que queda, a {before}")
                changed = True
                if not check:
                    context.begin()
                    check_out(checkout, before)
            else:
                lines.append(f"{checkout.name}: ya está en {checkout.before}; la rama {BRANCH} queda")
            if not check:
                record_event(context.conn, context.run_id, TAKEN_BACK, context.phase, {"repositorio": path})
        if not check:
            record_event(context.conn, context.run_id, REVERTED, context.phase, {"repositorios": len(lines)})
        return {"lines": [escape(line) for line in lines or ["Código: no había nada que devolver"]], "changed": changed}
