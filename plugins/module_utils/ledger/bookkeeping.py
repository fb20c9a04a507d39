"""The schema ``migracion`` itself: made, completed, closed to everybody else, and known to be this database's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.bookkeeping import COMMENT, CREATE, CREATE_SCHEMA, LOCK, PURPOSE, SEAL, VERSION
from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.sqltext import ident
from ..server import db
from ..server.identity import system_identifier

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def exists(conn: Connection) -> bool:
    """Whether the bookkeeping is there."""
    # to_regclass() would go by what the session has cached
    row = db.fetch_one(
        conn,
        "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'migracion' AND c.relname = 'fase_ejecucion'",
    )
    return row is not None


def lock(conn: Connection) -> None:
    """Until the end of the transaction, nobody else decides about lease and runs. Works before the schema exists."""
    db.fetch_one(conn, "SELECT pg_advisory_xact_lock(%s)", (LOCK,))


def ensure_schema(conn: Connection) -> None:
    """Create or complete the schema, closed to every role but its owner, and check that it belongs to this database."""
    if is_current(conn):  # the usual case needs no lock: a long dry run must not hold it
        return
    with db.joined(conn):
        lock(conn)
        if is_current(conn):
            return
        if not exists(conn) and not require_a_place(conn):
            db.run_sql(conn, CREATE_SCHEMA)
        db.run_sql(conn, CREATE)
        db.execute(
            conn,
            "INSERT INTO migracion.identidad (sistema, base, esquema_oid, version) "
            "SELECT %s, current_database(), 'migracion'::regnamespace, %s ON CONFLICT (id) DO UPDATE SET version = %s",
            (system_identifier(conn), VERSION, VERSION),
        )
        seal(conn)


def is_current(conn: Connection) -> bool:
    """Whether the bookkeeping is there, of this database and of this version."""
    if not exists(conn):
        return False
    check_identity(conn)
    return db.fetch_one(conn, "SELECT version FROM migracion.identidad") == (VERSION,)


def require_a_place(conn: Connection) -> bool:
    """Whether an empty schema was prepared for the bookkeeping. Raises MigrationError where it can have none."""
    row = db.fetch_one(
        conn,
        "SELECT current_user, current_database(), has_database_privilege(current_database(), 'CREATE'), "
        "n.oid IS NOT NULL, coalesce(has_schema_privilege(n.oid, 'CREATE'), false), "
        "EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid) "
        "FROM (SELECT) one LEFT JOIN pg_namespace n ON n.nspname = 'migracion'",
    )
    assert row is not None
    role, database, may_create, present, may_use, filled = row
    if filled:
        raise MigrationError(
            'Ya existe un esquema "migracion" que no es de este runbook', left=NOTHING_CHANGED, move="Renómbrelo y repita."
        )
    if not (may_use if present else may_create):
        object_name = "el esquema migracion" if present else f'la base "{database}"'
        grant = "SCHEMA migracion" if present else f"DATABASE {ident(database)}"
        raise MigrationError(
            f'El rol "{role}" no puede crear nada en {object_name} (falta CREATE)',
            left=NOTHING_CHANGED,
            move=f"Pida al dueño: GRANT CREATE ON {grant} TO {ident(role)}; y repita.",
        )
    return bool(present)


def check_identity(conn: Connection) -> None:
    """Refuse a ledger that came here with a dump, code identity: it tells the story of another database."""
    if db.fetch_one(conn, "SELECT to_regclass('migracion.identidad')") == (None,):
        return
    row = db.fetch_one(
        conn,
        "SELECT sistema, base, esquema_oid, current_database(), 'migracion'::regnamespace::oid, creada_at "
        "FROM migracion.identidad",
    )
    if row is None:
        return
    system, database, oid, here, oid_here, since = row
    system_here = system_identifier(conn)
    same_system = system == system_here or not (system and system_here)
    if same_system and database == here and (oid == oid_here or (system and system_here)):
        return
    raise MigrationError(
        f'La contabilidad (esquema migracion) es de otra base: nació el {since:%Y-%m-%d} en "{database}" '
        f'(sistema {system or "?"}), y esta es "{here}" (sistema {system_here or "?"}). Lo que dice no vale aquí',
        left=NOTHING_CHANGED,
        move="Si es una copia de pruebas: DROP SCHEMA migracion CASCADE (y las tablas en español). Si es la misma base tras "
        "una actualización o un cambio de nombre: DELETE FROM migracion.identidad; y repita.",
        code="identity",
    )


def seal(conn: Connection) -> None:
    """Close all that is in ``migracion`` to everybody but its owner. Call after any DDL in it."""
    with db.joined(conn):
        db.run_sql(conn, SEAL)
        unsaid = db.fetch_one(
            conn,
            "SELECT pg_has_role(nspowner, 'USAGE') AND obj_description(oid, 'pg_namespace') IS DISTINCT FROM %s"
            " FROM pg_namespace WHERE nspname = 'migracion'",
            (PURPOSE,),
        )
        if unsaid and unsaid[0]:
            db.run_sql(conn, COMMENT)
