"""A database that is ready for the contraction: nothing in quarantine, the sync on, a mapping that says what hangs on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.jobs import legacy_state
from tests.support.databases import Database, Databases
from tests.support.dump import schema
from tests.support.jobs import Jobs

# What people of the project do before: rows that stay behind for good are waived, rows without a parent go, code is rewritten.
READY = (
    "UPDATE migracion.cuarentena SET estado = 'dispensada' WHERE estado = 'abierta'",
    "DELETE FROM consents c WHERE NOT EXISTS (SELECT FROM clientes k WHERE k.id = c.user_id)",
    "DELETE FROM profession_synonyms s WHERE NOT EXISTS (SELECT FROM profesiones k WHERE k.id = s.profession_id)",
    "DELETE FROM customer_service_requests r WHERE NOT EXISTS (SELECT FROM clientes k WHERE k.id = r.customer_id)"
    " OR NOT EXISTS (SELECT FROM profesiones k WHERE k.id = r.profession_id)"
    " OR NOT EXISTS (SELECT FROM proveedores k WHERE k.id = r.provider_id)",
    "CREATE OR REPLACE FUNCTION handle_new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$"
    " BEGIN INSERT INTO public.proveedores (id, telefono, nombre) VALUES (NEW.id, left(NEW.id::text, 13), '-');"
    " RETURN NEW; END $$",
)


@dataclass
class Contracting:
    """``write`` runs statements as one transaction of a service; the phase's three ways are ``move``, ``verify`` and ``back``."""

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

    def move(self, check: bool = False, **more: Any) -> dict[str, Any]:
        """fase5."""
        return self.jobs._call("fase5", legacy_state.archived, check, **{"carry_publication": True, **more})

    def verify(self) -> dict[str, Any]:
        """fase5 --tags verify."""
        return self.jobs._call("fase5", legacy_state.still_archived, False)

    def back(self, check: bool = False) -> dict[str, Any]:
        """fase5 --tags rollback."""
        return self.jobs._call("fase5", legacy_state.brought_back, check, action="revertir")

    def schema(self) -> str:
        """All of it outside the bookkeeping."""
        return schema(self.database)

    def settled(self) -> None:
        """Both proofs hold and no key waits."""
        assert self.database.query("SELECT tabla_origen, clave, motivo, sqlstate FROM migracion.pendiente") == []
        for phase in ("fase2", "fase3"):
            self.jobs.prove(phase)


@pytest.fixture
def contracting(databases: Databases, tmp_path: Path) -> Iterator[Contracting]:
    """A sample of 200 people, copied and proved, its services on the Spanish side."""
    database = databases.sample("jsonb", 200, "open", up_to="fase3")
    jobs = Jobs(database.url, tmp_path / "respaldos")
    jobs.synchronise()
    with database.cursor() as cursor:
        for statement in READY:
            cursor.execute(statement)
    yield Contracting(database, jobs)
    databases.drop(database)
