"""Runs the jobs behind the modules as an open run would, without ansible-playbook around them: seconds instead of minutes."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.jobs import migration_render, schema_state, sync_state, table_compare, table_copy
from plugins.module_utils.ledger import bookkeeping, lease, runs
from plugins.module_utils.server import db
from plugins.module_utils.server.connect import connect

if TYPE_CHECKING:
    from tests.support.databases import Database

ROOT = Path(__file__).resolve().parents[2]
TINKUBOT = ROOT / "files/mapping/tinkubot.yml"
SHOP = ROOT / "tests/support/shop.yml"
# fase0 is done, fase1 too, subphase 2.1 is copied and proved, all of fase2, fase3.
Stage = Literal["fase0", "fase1", "2.1", "fase2", "fase3"]
_numbers = itertools.count(1)


@dataclass
class Jobs:
    """One database and one mapping; each method is one module call with its run opened and closed around it."""

    url: str
    backup_dir: Path
    mapping: Path = TINKUBOT
    batch_rows: int = 500
    copy_workers: int = 1
    subphase: str = ""
    overrides: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)  # parameters of every module

    def params(self, run_id: str, phase: str, **more: Any) -> dict[str, Any]:
        """The parameters that a module would get."""
        return {
            "database_url": self.url,
            "run_id": run_id,
            "phase": phase,
            "backup_dir": str(self.backup_dir),
            "mapping": self.mapping.read_text(encoding="utf-8"),
            "mapping_path": str(self.mapping),
            "subphase": self.subphase,
            "reference": {},
            "overrides": self.overrides,
            "batch_rows": self.batch_rows,
            "copy_workers": self.copy_workers,
            "repair": False,
            **self.more,
            **more,
        }

    def parts(self, phase: str) -> list[str]:
        """The subphases that a run of that phase covers."""
        all_parts = dict(load_mapping(self.mapping.read_text(encoding="utf-8"), str(self.mapping)).subphases).get(phase, ())
        return [part for part in all_parts if self.subphase in ("", part)]

    @contextmanager
    def run(self, phase: str, action: str = "aplicar") -> Iterator[str]:
        """An open run; completed at the end, failed when something is raised."""
        run_id = f"prueba-{next(_numbers)}"
        conn = connect(self.url, run_id)
        try:
            bookkeeping.ensure_schema(conn)
            with db.transaction(conn):
                claim = lease.Claim(run_id, phase, action, "host", 1, "tester", detail={"subfases": self.parts(phase)})
                lease.acquire(conn, claim)
            try:
                yield run_id
            except BaseException:
                runs.set_state(conn, run_id, "fallida")
                raise
            else:
                runs.set_state(conn, run_id, "completada")
            finally:
                lease.release(conn, run_id)
        finally:
            conn.close()

    def approve(self, check: bool = False) -> dict[str, Any]:
        """fase0."""
        return self._call("fase0", migration_render.approve, check)

    def make_tables(self, check: bool = False) -> dict[str, Any]:
        """fase1."""
        return self._call("fase1", schema_state.present, check)

    def verify_approval(self) -> dict[str, Any]:
        """fase0 --tags verify."""
        return migration_render.verify_approval(self.params("prueba-check", "fase0"), True)

    def verify_tables(self) -> dict[str, Any]:
        """fase1 --tags verify."""
        return self._call("fase1", schema_state.verify_tables, False)

    def drop_tables(self, check: bool = False) -> dict[str, Any]:
        """fase1 --tags rollback."""
        return self._call("fase1", schema_state.absent, check, action="revertir")

    def forecast(self) -> dict[str, Any]:
        """fase2 --check."""
        return table_copy.copy(self.params("prueba-check", "fase2"), True)

    def copy(self, phase: str = "fase2") -> dict[str, Any]:
        """fase2 or fase3: the copy alone, all its slices."""
        with self.run(phase) as run_id:
            while (result := table_copy.copy(self.params(run_id, phase), False))["more"]:
                pass
            return result

    def synchronise(self, *phases: str) -> None:
        """The sync of fase2 and fase3, or of the phases named: installed and on."""
        for phase in phases or ("fase2", "fase3"):
            self._call(phase, sync_state.install_sync, False)

    def remove_sync(self, phase: str) -> None:
        """fase2 or fase3 --tags rollback: its first step."""
        self._call(phase, sync_state.remove_sync, False, action="revertir")

    def drain(self) -> dict[str, Any]:
        """estado --tags drenar."""
        return sync_state.drained(self.params(f"prueba-{next(_numbers)}", "estado"), False)

    def switch(self, value: str, prevails: str = "", check: bool = False) -> dict[str, Any]:
        """estado --tags sincronizacion."""
        params = self.params(f"prueba-{next(_numbers)}", "estado", switch=value, prevails=prevails)
        return sync_state.switched(params, check)

    def equalise(self, phase: str = "fase2", **more: Any) -> dict[str, Any]:
        """fase2 or fase3: repair and proof."""
        return self._call(phase, table_compare.compare, False, repair=True, **more)

    def announce(self, **more: Any) -> dict[str, Any]:
        """fase2 --check: what its repair and proof say beside the forecast."""
        return self._call("fase2", table_compare.compare, True, repair=True, **more)

    def prove(self, phase: str = "fase2") -> dict[str, Any]:
        """fase2 or fase3 --tags verify."""
        return self._call(phase, table_compare.compare, False)

    def differences(self, phase: str = "fase2") -> list[str]:
        """What a proof that fails names."""
        with pytest.raises(MigrationError) as failed:
            self.prove(phase)
        assert failed.value.code == "difference"
        return [line.strip() for line in str(failed.value).splitlines()[1:]]

    def take_back(self, phase: str = "fase2", check: bool = False) -> dict[str, Any]:
        """fase2 or fase3 --tags rollback."""
        return self._call(phase, table_copy.take_back, check, action="revertir")

    def up_to_tables(self) -> None:
        """fase0 and fase1."""
        self.approve()
        self.make_tables()

    def up_to_proof(self, *phases: str) -> dict[str, Any]:
        """fase0, fase1 and the phases that copy: fase2 unless said otherwise."""
        self.up_to_tables()
        return self.fill(*phases)

    def fill(self, *phases: str) -> dict[str, Any]:
        """The phases that copy, each with its proof: fase2 unless said otherwise."""
        result: dict[str, Any] = {}
        for phase in phases or ("fase2",):
            self.copy(phase)
            result = self.equalise(phase)
        return result

    def _call(
        self, phase: str, job: Callable[[dict[str, Any], bool], dict[str, Any]], check: bool, action: str = "aplicar", **more: Any
    ) -> dict[str, Any]:
        if check:
            return job(self.params("prueba-check", phase, **more), True)
        with self.run(phase, action) as run_id:
            return job(self.params(run_id, phase, **more), False)


def bring(url: str, stage: Stage) -> None:
    """Take a database on which nothing has run to that stage."""
    jobs = Jobs(url, Path(tempfile.gettempdir()), subphase="2.1" if stage == "2.1" else "")
    if stage == "fase0":
        jobs.approve()
    elif stage == "fase1":
        jobs.up_to_tables()
    else:
        jobs.up_to_proof("fase2", *(["fase3"] if stage == "fase3" else []))


def of_its_own(database: Database, folder: Path, mapping: str, statements: str, **options: Any) -> Jobs:
    """The jobs of a mapping that a test brings along, on legacy tables that ``statements`` make as the owner."""
    path = folder / "mapeo.yml"
    path.write_text(mapping, encoding="utf-8")
    with database.cursor(database.url) as cursor:
        cursor.execute(statements)
    return Jobs(database.url, folder, path, **options)
