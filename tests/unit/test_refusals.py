"""Every place that refuses is met by a run and by its --check, or it is said here why a dry run cannot come there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.integration.phase.test_check_alike import REFUSED

UTILS = Path(__file__).parents[2] / "plugins/module_utils"
RAISED = {"MigrationError", "BlockedError"}
# Places that no dry run meets, and why.
LATER = {
    "backup/apart._ended": "what the work ended with",
    "backup/apart.ask_for": "in the middle of a backup",
    "backup/clients.fitting": "asked of a run and of its dry run in the same line",
    "backup/clients.programs_here": "asked of a run and of its dry run in the same line",
    "backup/dump._failed": "in the middle of a backup",
    "backup/dump._require_visible": "asked of a run and of its dry run in the same line",
    "backup/dump.take": "in the middle of a backup",
    "backup/recovery.programs_for": "respaldo.yml changes nothing of a phase; asked before its --check answers",
    "backup/recovery.recover": "after the work",
    "backup/recovery.require_origin": "respaldo.yml changes nothing of a phase; asked before its --check answers",
    "backup/recovery.require_target": "respaldo.yml changes nothing of a phase; asked before its --check answers",
    "backup/taking.not_verified": "respaldo.yml changes nothing of a phase; asked before its --check answers",
    "jobs/database_backup.restore_backup": "respaldo.yml changes nothing of a phase; asked before its --check answers",
    "backup/folder._held": "the folder's lock is taken when the work begins",
    "backup/folder.locked": "the folder's lock is taken when the work begins",
    "backup/restore._listed": "in the middle of a verification",
    "backup/scratch_server.no_scratch": "in the middle of a verification, whose verdict it becomes",
    "backup/taking.require_clock": "asked of a run and of its dry run in the same line",
    "backup/taking.require_stored": "respaldo.yml changes nothing of a phase; asked before its --check answers",
    "backup/verify.refuse_damage": "after the files were read",
    "jobs/database_backup._decided": "asked of a run and of its dry run in the same line",
    "jobs/database_backup._taken": "after the work",
    "jobs/database_backup.verified": "after the work",
    "backfill/deferred_indexes._blocked": "in the middle of a copy",
    "backfill/giving_way._lock_table": "in the middle of a copy",
    "backfill/giving_way._table_at_fault": "what PostgreSQL alone refuses shows in the middle of a copy",
    "backfill/giving_way.run_batch": "in the middle of a copy",
    "backfill/progress.progress_now": "in the middle of a copy",
    "backfill/slices._look_at_the_server": "between two slices of a copy",
    "backfill/watch.out_of_patience": "in the middle of a copy",
    "backfill/watch.paused": "in the middle of a run",
    "call/context._stop_if_asked": "between two modules of a run",
    "call/context.require_routes": "call/request.request_of asks the same before",
    "core/errors.skipped_guard": "asked of the call itself, dry run or not",
    "core/mapping/document.stop_if_any": "the mapping is read before anything is asked of a database: test_bad_input.py",
    "core/schema/ddl.twin_of": "call/approval asks the same before, of the pairs",
    "core/server/sqlstate.explain": "what a server's error means, whoever meets it",
    "jobs/migration_render.verify_approval": "phase/opening.open_phase asks the same before",
    "jobs/schema_state._refuse_access": "asked in the same call as the shape, before a dry run says its lines",
    "jobs/schema_state.verify_tables": "phase/opening.open_phase asks the same before",
    "jobs/table_compare._go_by_what_is_approved": "a proof's own: a repair installs it",
    "core/opinion/binding._drift": "call/approval asks the same before",
    "jobs/table_compare._disagreement_error": "after the comparison, which a dry run of a phase has nothing to compare for",
    "jobs/table_compare._require_the_others": "after a repair",
    "jobs/service_switch._looked": "asked of a run and of its dry run in the same call",
    "jobs/service_switch._opened": "asked of a run and of its dry run in the same call",
    "jobs/service_switch._verified": "a proof's own",
    "jobs/env_flag.write_flag": "of the call itself, whose value no site sets",
    "services/compose._refused": "asked of a run and of its dry run in the same call",
    "services/detached.start_apart": "in the middle of a turn",
    "services/detached.workplace_in": "what the disk of the services' host says",
    "services/env_file._refused": "asked of a run and of its dry run in the same call",
    "services/env_file.keep_env": "what the disk of the services' host says",
    "services/env_file.put_env": "what the disk of the services' host says",
    "services/turning.not_well": "in the middle of a turn",
    "sync/canary._require_whole": "before a way back is tried, which a dry run does not do",
    "sync/canary._no_way_back": "it writes, so a dry run tries nothing",
    "ledger/service_steps.require_services_on_legacy": "asked of a run and of its dry run in the same line",
    "jobs/code_rewrite._at_rest": "asked of a run and of its dry run in the same line",
    "jobs/code_rewrite._commit": "what a repository's own tests say, after the rewriting",
    "jobs/code_rewrite.require_moved": "asked of a run and of its dry run in the same line",
    "ledger/lease._lost": "after the lease was taken",
    "ledger/lease.end_backends": "while a dead run's sessions are ended",
    "ledger/lease.require_run": "after the lease was taken",
    "ledger/place.moved": "asked of a run and of its dry run in the same line",
    "phase/closing._close_dry_run": "a dry run's own",
    "phase/closing._incomplete": "after the work; a dry run says it in its summary and ends non-zero too",
    "phase/closing._without_proof": "after the work",
    "phase/stopping.stop": "estado.yml changes nothing of a phase; asked before its --check answers",
    "quarantine/unreadable.put_unreadable_aside": "what the disk says; test_unreadable.py compares the forecast and the run",
    "rewrite/isolated.scan_isolated": "a parser that ends without having begun with a file",
    "rewrite/repository._refused": "asked of a run and of its dry run in the same line",
    "rewrite/repository.run_git": "what git itself refuses",
    "rewrite/undo.check_out": "a way back: a dry run of it checks nothing out",
    "server/db.explain_error": "what a server's error means, whoever meets it",
    "server/db.with_lock_retries": "locks come and go",
    "jobs/sync_state.switched": "asked of the call itself, dry run or not",
    "contraction/archive._ask_again": "asked once more under the locks of the move",
    "contraction/archive._require_nothing_left": "after the statements of the mapping, in the transaction of the move",
    "contraction/archive.move_away": "keys come and go",
    "jobs/legacy_state._require_equal": "what writers leave; a run and its dry run ask the same proof",
    "jobs/legacy_state._still_archived_lines": "asked of a run and of its dry run in the same line",
    "jobs/legacy_state.archived": "asked of a run and of its dry run in the same line",
    "jobs/legacy_state.brought_back": "after the tables came back",
    "jobs/legacy_state.still_archived": "a proof's own",
    "sync/modes.require_on": "asked of a run and of its dry run in the same line",
    "sync/modes.wait_for_older": "after the sync was switched on",
    "server/lookout._told": "a wait in the middle of a run",
}


def refusing(node: ast.AST, where: str) -> Iterator[str]:
    """The innermost function of each place that makes one of our errors."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id in RAISED:
            yield where
        yield from refusing(child, child.name if isinstance(child, ast.FunctionDef) else where)


def places() -> set[str]:
    """As file and function."""
    return {
        f"{path.relative_to(UTILS).with_suffix('').as_posix()}.{where}"
        for path in UTILS.rglob("*.py")
        for where in refusing(ast.parse(path.read_text(encoding="utf-8")), "")
    }


def test_every_refusal_is_compared_between_a_run_and_its_dry_run() -> None:
    met = {case.place for case in REFUSED.values()}
    assert places() == met | set(LATER)
    assert not met & set(LATER)
