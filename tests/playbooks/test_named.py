"""What is named before anything is reached, and by a real run: the commands are typed as they were printed."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable

import pytest

from tests.support.databases import Database
from tests.support.named import arguments_in, commands_in
from tests.support.phase import closed_window
from tests.support.playbook import Playbooks

Make = Callable[..., Playbooks]


def typed(operator: Playbooks, command: str) -> subprocess.CompletedProcess[str]:
    """What a shell does with it, beside the playbooks."""
    return subprocess.run(
        ["sh", "-c", command],
        cwd=operator.directory,
        env=operator.clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.names("core/server/address.unreadable", "plugin_utils/guard.objections", "plugin_utils/guard._addressed")
def test_what_the_guard_misses_is_given_as_it_names_it(new_database: Callable[..., Database], playbooks: Make) -> None:
    database = new_database()
    operator = playbooks(None)
    missing = typed(operator, "ansible-playbook phase.yml -i demo")
    (named,) = commands_in(missing.stdout, ("-i", "demo"))
    missing = typed(operator, shlex.join(named) + " -e backup_dir=")
    said = " ".join(missing.stdout.split())
    (export,) = set(re.findall(r"export DATABASE_URL='[^']*'", said))
    ((flag, folder),) = [words for words in arguments_in(said) if "/ruta" in words[1]]
    given = folder.replace("/ruta", str(operator.home / "respaldos"))
    address = shlex.quote(database.url)
    run = typed(operator, f"{export.partition('=')[0]}={address}; {shlex.join(named)} {flag} {given}")
    assert run.returncode == 0, run.stdout


@pytest.mark.names("call/approval._drift", "phase/opening.refusal_of")
def test_a_changed_database_goes_on_by_the_commands_that_a_real_run_prints(
    new_database: Callable[..., Database], playbooks: Make
) -> None:
    database = new_database(up_to="fase0")
    database.query("GRANT DELETE ON professions TO tinkubot_reportes")
    operator = playbooks(database.url, maintenance_window=closed_window())
    held = operator.run("fase1")
    assert held.rc != 0, held.output
    passing = next(words for words in commands_in(held.stdout) if "MOTIVO" in shlex.join(words))
    drifted = typed(operator, shlex.join(passing))
    assert "cambia el SQL de" in drifted.stdout
    # the last: the summary's, on one line; the callback breaks its own
    *_, approve = (words for words in commands_in(drifted.stdout) if "--diff" in words)
    approved = typed(operator, shlex.join(approve))
    assert approved.returncode == 0, approved.stdout
    done = typed(operator, shlex.join(passing))
    assert done.returncode == 0, done.stdout


def test_findings_that_the_page_leaves_out_are_all_given_by_the_order_that_it_names(
    new_database: Callable[..., Database], playbooks: Callable[..., Playbooks]
) -> None:
    database = new_database()
    database.query("CREATE PUBLICATION avisos FOR ALL TABLES WITH (publish = 'delete')")
    tables = [t for (t,) in database.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]
    for table in tables:
        database.query(f"ALTER TABLE public.{table} REPLICA IDENTITY NOTHING")
    run = playbooks(database.url).run("fase0", "--check", "-v")
    assert "más de identidad de réplica: la misma orden con -v los da todos" in run.stdout
    given = set(re.findall(r"value: ['\"]?(\w+): cannot (?:delete|update)", run.stdout))
    assert given >= {"customers", "messages", "professions", "provider_professions", "service_requests", "sessions", "users"}
    left_out = re.search(r"… y (\d+) más de identidad", run.stdout)
    assert left_out is not None
    assert int(left_out[1]) == len(given) - 8 > 0
