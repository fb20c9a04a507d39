"""Put a backup back into a database that the operator names: what it is, whether it may be, and the proof that it came."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.backup.manifest import Manifest
from ..core.backup.restoring import excepted
from ..core.backup.snapshot import EVERY_TABLE
from ..core.errors import COMMITTED_STAYS, NOTHING_CHANGED, MigrationError
from ..core.sqltext import qname
from ..core.words import duration, number
from ..ledger import bookkeeping
from ..ledger.events import record_event
from ..server import db
from ..server.connect import connect
from ..server.identity import describe_database, system_identifier
from .clients import Programs, programs_here
from .folder import damage_of, locked
from .restore import restore_dump
from .scratch_server import missing_roles
from .taking import Place, require_stored
from .verify import compared, refuse_damage

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

RECOVERED = "restauracion"  # the event in the ledger of the restored database


@dataclass(frozen=True)
class Destination:
    """The database that would be written. ``filled``: a table of it that holds rows, '' for none."""

    url: str = field(repr=False)
    shown: str
    database: str
    major: int
    now: datetime
    tables: int
    filled: str


def destination_of(url: str) -> Destination:
    """Look at the database. Raises MigrationError where it cannot be reached."""
    with closing(connect(url, "respaldo-destino")) as conn:
        info = describe_database(conn)
        names = [qname(row[0], row[1]) for row in db.fetch_all(conn, EVERY_TABLE) if row[6]]
        filled = next((name for name in names if db.fetch_one(conn, f"SELECT FROM {name} LIMIT 1") is not None), "")
        now = db.fetch_all(conn, "SELECT statement_timestamp()")[0][0]
        shown = f"{info.database} en {info.host}:{info.port} (sistema {info.system or '?'}, PostgreSQL {info.version})"
        return Destination(url, shown, info.database, conn.info.server_version // 10000, now, len(names), filled)


def require_target(target: Destination, overwrite: str) -> None:
    """Rows that are there are lost: only who writes the database's name wants that. Raises code refused."""
    if target.filled and overwrite != target.database:
        other = f", y overwrite dice {overwrite!r}" if overwrite else ""
        raise MigrationError(
            f"La base {target.shown} tiene filas, por ejemplo en {target.filled}{other}: restaurar las borraría",
            left=NOTHING_CHANGED,
            move=f"Dé en restore_url una base vacía; o si esas filas sobran, repita con overwrite={target.database}",
            code="refused",
        )


def require_origin(name: str, manifest: Manifest, expected: str) -> None:
    """A backup of another cluster is another database's story. ``expected``: '' where nobody knows. Raises code refused."""
    if manifest.system == expected and expected:
        return
    said = f"se esperaba el sistema {expected}" if expected else "a la base de DATABASE_URL no se llega para comparar"
    raise MigrationError(
        f"El respaldo {name} es de la base {manifest.database} del sistema {manifest.system or '?'}, y {said}",
        left=NOTHING_CHANGED,
        move=f"Si es ese el que quiere, repita con backup_system={manifest.system}; si no, diga otro en backup_name.",
        code="refused",
    )


def expected_system(database_url: str, backup_system: str) -> str:
    """The system that the backup has to be of: as the operator says, else the migrated database's; '' where it is gone."""
    if backup_system or not database_url:
        return backup_system
    try:
        with closing(connect(database_url, "respaldo-origen")) as conn:
            return system_identifier(conn)
    except MigrationError:
        return ""


def programs_for(manifest: Manifest, major: int, pg_bin: str) -> Programs:
    """The newest clients that the target understands and that read the dump. Raises code refused where there are none."""
    client = int(manifest.client.split(".")[0])
    usable = [programs for programs in programs_here(pg_bin) if client <= programs.major <= major]
    if not usable or major < manifest.server_major:
        raise MigrationError(
            f"El respaldo es de PostgreSQL {manifest.server_major}, hecho con pg_dump {manifest.client}, y el destino es "
            f"PostgreSQL {major}: aquí no hay programas que lean el uno y entiendan el otro",
            left=NOTHING_CHANGED,
            move=f"Restaure en un servidor {max(client, manifest.server_major)}, o instale sus programas y dígalos en pg_bin.",
            code="refused",
        )
    return usable[-1]


def plan_line(target: Destination, name: str, manifest: Manifest) -> str:
    """What will be written, from which backup, how old it is."""
    age = (target.now - datetime.fromisoformat(manifest.created).replace(tzinfo=UTC)).total_seconds()
    rows = sum(table.rows for table in manifest.tables)
    lost = f", y se borra lo que hay ({number(target.tables)} tablas)" if target.tables else ""
    return f"Se escribe en {target.shown} el respaldo {name}, de hace {duration(age)}: {number(rows)} filas{lost}"


def recover(
    name: str, target: Destination, place: Place, who: Mapping[str, Any], run_id: str, stage: Callable[[str, float], None]
) -> dict[str, Any]:
    """Restore the whole backup, compare every row, and make the ledger the new database's. Returns what came of it.

    Raises MigrationError: code damaged before anything is written, code difference for what did not come.
    """
    with locked(place.backup_dir, {**who, "what": "restauración"}):
        chosen = require_stored(place.backup_dir, name)
        assert chosen.manifest is not None
        manifest = chosen.manifest
        if damaged := damage_of(chosen.path, manifest):
            raise refuse_damage(name, damaged)
        programs = programs_for(manifest, target.major, place.pg_bin)
        stage("restaurando", 0)
        with closing(connect(target.url, "respaldo-roles")) as conn:
            made = missing_roles(conn, manifest.roles)
        with tempfile.TemporaryDirectory(prefix="tinkubot-respaldo-") as work:
            output = restore_dump(target.url, chosen.path, manifest, programs, Path(work), stub=False, clean=bool(target.tables))
        stage("comparando", 0)
        listed, ours = excepted(output.left_out, manifest)
        missing, problems = compared(target.url, chosen.path, manifest)
        problems = [*([output.broken] if output.broken else []), *(f"no se pudo restaurar: {entry}" for entry in ours), *problems]
        listed = [*listed, *(f"tabla sin restaurar: {table}" for table in missing)]
        if problems:
            raise MigrationError(
                f"Lo restaurado en {target.shown} no es el respaldo {name}",
                left=COMMITTED_STAYS,
                move="Corrija la causa y repita la orden:\n" + "\n".join(f"  {problem}" for problem in problems),
                code="difference",
            )
        with closing(connect(target.url, "respaldo-sello")) as conn:
            _seal_here(conn, run_id, name)
    return {"nombre": name, "salvo": listed, "roles": made, "filas": sum(table.rows for table in manifest.tables)}


def _seal_here(conn: Connection, run_id: str, name: str) -> None:
    """The ledger came from another cluster: here it goes on, and says so."""
    if not bookkeeping.exists(conn):
        return
    with db.transaction(conn):
        db.execute(
            conn,
            "UPDATE migracion.identidad SET sistema = %s, base = current_database(), esquema_oid = 'migracion'::regnamespace"
            " WHERE id = 1",
            (system_identifier(conn),),
        )
        record_event(conn, run_id, RECOVERED, "respaldo", {"nombre": name})
