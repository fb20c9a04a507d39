"""docs/emergencia.md, literally: its commands, with nothing but PostgreSQL's clients."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from plugins.module_utils.server.connect import connect
from tests.support.backups import Backup, backed_up
from tests.support.databases import Database, Databases
from tests.support.dump import dump
from tools.postgres_server import SUPERUSER

PAGE = Path(__file__).parents[3] / "docs/emergencia.md"
STEPS = re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def run(step: str, backup: Path, target: Database) -> subprocess.CompletedProcess[str]:
    server = target.server
    passfile = backup.parent / "clave"
    passfile.write_text(f"{server.host}:{server.port}:*:{SUPERUSER}:{server.password}\n", encoding="utf-8")
    passfile.chmod(0o600)
    environment = {
        "PATH": os.pathsep.join((str(server.bin_dir), "/usr/bin", "/bin")),
        "LC_ALL": "C.UTF-8",
        "PGPASSFILE": str(passfile),
        "RESPALDO": str(backup),
        "DESTINO": f"host={server.host} port={server.port} dbname={target.name} user={SUPERUSER}",
    }
    return subprocess.run(["bash", "-c", step], env=environment, capture_output=True, text=True, check=False)


def test_the_page_brings_a_database_back_and_proves_it(databases: Databases, empty_database: Database, tmp_path: Path) -> None:
    source = databases.sample("jsonb", 100, up_to="fase1")
    kept = backed_up(source.url, tmp_path / "r")
    assert len(STEPS) == 5
    said = [run(step, kept.path, empty_database) for step in STEPS]
    assert [done.returncode for done in said] == [0] * 5, [done.stderr for done in said]
    assert dump(empty_database, options=["--data-only"]) == dump(source, options=["--data-only"])
    (customers,) = [table for table in kept.manifest.tables if table.name == "customers"]
    assert said[3].stdout.strip() == customers.sha256
    connect(empty_database.url, "despues").close()
    assert empty_database.value("SELECT base = current_database() FROM migracion.identidad")
    databases.drop(source)


def test_its_first_step_finds_what_is_damaged(kept: Backup, tmp_path: Path, source: Database) -> None:
    path = kept.copied(tmp_path)
    assert run(STEPS[0], path, source).returncode == 0
    file = path / kept.manifest.files[-1].path
    file.write_bytes(file.read_bytes()[:-1])
    assert run(STEPS[0], path, source).returncode == 1
    (path / "manifiesto.json").write_text("{}", encoding="utf-8")
    assert "ALTERADO" in run(STEPS[0], path, source).stderr
