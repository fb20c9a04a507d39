"""Where the services stand by the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.services.steps import SPANISH_SIDE, STEP, last_steps
from ..server import db
from . import bookkeeping

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def service_steps(conn: Connection, run_id: str = "") -> list[Mapping[str, Any]]:
    """The details of the steps of one run or of all, oldest first."""
    if not bookkeeping.exists(conn):
        return []
    query = "SELECT detalle FROM migracion.evento WHERE tipo = %s AND (%s = '' OR run_id = %s) ORDER BY id"
    return [row[0] for row in db.fetch_all(conn, query, (STEP, run_id, run_id))]


def services_on_spanish(conn: Connection) -> list[str]:
    """The services, each with its machine, that were moved to the Spanish tables, or half-way, and not back."""
    last = last_steps(service_steps(conn))
    return [f"{service} ({machine})" for (machine, service), step in last.items() if step.get("estado") in SPANISH_SIDE]


def require_services_on_legacy(conn: Connection) -> None:
    """Raise MigrationError, code refused, while a service may still use the Spanish tables: they are not to be emptied."""
    if moved := services_on_spanish(conn):
        raise MigrationError(
            f"hay servicios en las tablas en español: {', '.join(moved)}",
            left=NOTHING_CHANGED,
            move="Devuélvalos con la misma orden y services_enabled: true.",
            code="refused",
        )
