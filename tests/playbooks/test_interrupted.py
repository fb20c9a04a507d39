"""Ctrl-C, a kill, a lost terminal in the middle of a copy: everything ends in seconds, nothing runs after it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from tests.support.cores import CORES, NEWEST, OLDEST, program_of
from tests.support.databases import Database, Databases
from tests.support.gate import close_gate, sessions, wait_at_gate
from tests.support.jobs import Jobs
from tests.support.playbook import Playbooks, RunningPlaybook
from tests.support.processes import descendants
from tests.support.sshd import sshd

pytestmark = [pytest.mark.slow, pytest.mark.concurrent]

SECONDS = 8.0  # from the signal to the end of everything, on a busy machine; a slice alone is 15


@dataclass(frozen=True)
class Site:
    """A database whose copy never gets past its fifth batch: the module waits inside a statement."""

    database: Database
    operator: Playbooks

    def start(self) -> RunningPlaybook:
        """The copy, once it waits."""
        running = self.operator.start("fase2", subfase="2.1", batch_rows=20)
        try:
            wait_at_gate(self.database, running)
        except BaseException:
            running.__exit__()
            raise
        return running

    def processes(self) -> list[str]:
        """Command lines of what was started with this home, except SSH's own connection that stays for the next call."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"HOME={self.operator.home}\0" in (folder / "environ").read_text(errors="replace"):
                    found.append((folder / "cmdline").read_text(errors="replace").replace("\0", " ")[:100])
            except OSError:
                continue
        return [line for line in found if line and "[mux]" not in line]

    def ends_after(self, interrupt: Callable[[], None], running: RunningPlaybook, also: Callable[[], object] = list) -> None:
        """Interrupt; no session, no process and no file of it is left soon after, and no task has followed."""
        interrupt()
        started = time.monotonic()
        while left := (self.processes(), sessions(self.database), also()):
            if not any(left):
                break
            assert time.monotonic() - started < SECONDS, left
            time.sleep(0.05)
        run = running.wait()
        assert run.rc != 0
        assert "Anotar el fallo" not in run.output
        assert "Probar fila" not in run.output
        # nobody wrote an end and nobody went back: the next command takes it over
        assert self.database.value("SELECT estado FROM migracion.fase_ejecucion ORDER BY id DESC LIMIT 1") == "en_curso"
        assert not list((self.operator.home / "tmp").iterdir())


@pytest.fixture(scope="module")
def site(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database, home = databases.sample("text", 200), tmp_path_factory.mktemp("interrumpida")
    Jobs(database.url, home / "respaldos").up_to_tables()
    close_gate(database)
    (home / "tmp").mkdir()
    extra = {"backup_dir": str(home / "respaldos")}
    yield Site(database, Playbooks(home, database.url, extra=extra, environment={"TMPDIR": str(home / "tmp")}))
    databases.drop(database)


WAYS: dict[str, Callable[[RunningPlaybook], None]] = {
    "Ctrl-C": lambda running: running.kill_group(signal.SIGINT),
    "kill -INT": lambda running: running.kill(signal.SIGINT),
    "kill": lambda running: running.kill(signal.SIGTERM),
    "lost terminal": lambda running: running.kill_group(signal.SIGHUP),
    "kill -HUP": lambda running: running.kill(signal.SIGHUP),
    "kill -9": lambda running: running.kill(signal.SIGKILL),
}


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("way", WAYS)
def test_a_signal_in_the_copy_ends_everything_and_nothing_runs_after_it(site: Site, way: str, core: str) -> None:
    here = replace(site, operator=replace(site.operator, program=program_of(core)))
    with here.start() as running:
        here.ends_after(lambda: WAYS[way](running), running)


@pytest.mark.parametrize(("way", "core"), [("Ctrl-C", NEWEST), ("kill -HUP", NEWEST), ("kill -INT", OLDEST), ("kill", OLDEST)])
def test_over_ssh_the_other_end_ends_too(site: Site, tmp_path: Path, way: str, core: str) -> None:
    with sshd(tmp_path) as server:
        inventory = tmp_path / "lejos.yml"
        groups = {"migration_runner": {"hosts": {"runner": server.host()}}, "services": {"hosts": {}}}
        inventory.write_text(yaml.safe_dump({"all": {"children": groups}}), encoding="utf-8")
        extra = {**site.operator.extra, "maintenance_window": {}, "stabilization_days": 0}
        far = replace(site, operator=replace(site.operator, inventory=str(inventory), program=program_of(core), extra=extra))
        with far.start() as running:
            modules = [one for one in descendants(server.pid) if one.is_module]
            assert modules
            far.ends_after(lambda: WAYS[way](running), running, lambda: [one for one in modules if one.alive])
        assert not list((tmp_path / "tmp").iterdir())
