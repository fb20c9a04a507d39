"""A database whose fase2 and fase3 are done, with the sync on, and what both sides say of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Database, Databases
from tests.support.jobs import Jobs
from tests.support.variants import brief


@dataclass
class Synced:
    """``write`` runs statements as one transaction of a service; what has to hold afterwards is asked by ``settled``."""

    database: Database
    jobs: Jobs

    def write(self, *statements: str) -> None:
        """One transaction, committed."""
        with self.database.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def value(self, statement: str) -> Any:
        """The only value."""
        return self.database.value(statement)

    def settled(self) -> None:
        """Both proofs hold, the second opinion agrees, and no key waits."""
        assert self.database.query("SELECT tabla_origen, clave, motivo, sqlstate FROM migracion.pendiente") == []
        for phase in ("fase2", "fase3"):
            try:
                self.jobs.prove(phase)
            except MigrationError as error:
                raise AssertionError(str(error)) from None

    def open_entries(self) -> set[tuple[str, str]]:
        """Table and reason of every open entry that the sample did not bring along."""
        query = "SELECT tabla_origen, motivo FROM migracion.cuarentena WHERE estado = 'abierta' AND id > %s"
        return set(self.database.query(query, (self.last,)))

    def __post_init__(self) -> None:
        self.last = self.database.value("SELECT coalesce(max(id), 0) FROM migracion.cuarentena")


@pytest.fixture(params=brief(["jsonb", "text"], "jsonb"))
def synced(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> Iterator[Synced]:
    """A sample of 200 people of either installation, copied, proved, and kept in step from here on."""
    database = databases.sample(request.param, 200, "open", up_to="fase3")
    jobs = Jobs(database.url, tmp_path / "respaldos")
    jobs.synchronise()
    yield Synced(database, jobs)
    databases.drop(database)
