"""The way back: the legacy tables return with the sync in the same transaction, then what changed without them is carried."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..call.context import Context
from ..core.contraction.moving import ARCHIVE, RETURNED, Archived, set_schema
from ..core.proof.accounts import Account
from ..core.sqltext import ident, qname
from ..core.waits import MOVE
from ..ledger import lease
from ..ledger.events import record_event
from ..proof.prevailing import spanish_prevails
from ..proof.prove import prove
from ..schema.tables import announce_schema
from ..server.db import run_sql, with_lock_retries
from ..sync.modes import OFF, modes_here, passed_by, switch_on
from ..sync.pending import drain
from ..sync.switching import install_within
from .belongings import spanish_places

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def bring_back(context: Context, archived: Archived) -> None:
    """Return the tables, their sequences, publications and neighbours' objects, and put the sync on them, leaving keys."""
    with_lock_retries(context.conn, partial(_bring_back, context=context, archived=archived), MOVE, "las tablas")


def _bring_back(conn: Connection, context: Context, archived: Archived) -> None:
    lease.fence(conn, context.run_id)
    schema = context.mapping.schema
    places = [*spanish_places(context.mapping), *(qname(ARCHIVE, table) for table in archived.tables)]
    run_sql(conn, f"LOCK TABLE {', '.join(places)} IN ACCESS EXCLUSIVE MODE")
    run_sql(conn, *set_schema(archived.tables, ARCHIVE, schema))
    for sequence in archived.sequences:
        run_sql(conn, *sequence.coming_back(schema))
    run_sql(conn, *archived.back)
    by_name = {p.name: p for p in archived.published}
    run_sql(conn, *(by_name[name].drop(qname(schema, table)) for name, table in archived.joined))
    run_sql(conn, *(p.add(qname(schema, p.table)) for p in archived.published))
    install_within(context, context.all_routes, OFF)
    if archived.made:
        run_sql(conn, f"DROP SCHEMA {ident(ARCHIVE)}")
    record_event(conn, context.run_id, RETURNED, context.phase, {"tablas": list(archived.tables)})
    announce_schema(conn)


def carry_what_changed(context: Context) -> list[Account]:
    """Carry to legacy what changed on the Spanish side while it was alone, and switch the sync on; returns the last proof.

    The legacy rows stood still meanwhile: what differs was written on the Spanish side, what is missing there was deleted there.
    """
    conn, every = context.conn, context.all_routes
    if passed_by(conn):
        spanish_prevails(conn, every, every, context.run_id, deleted=True)
    drain(conn, every, context.run_id)
    switch_on(conn)
    drain(conn, every, context.run_id)
    return prove(conn, every, every)


def is_unsettled(conn: Connection) -> bool:
    """Whether what changed without the legacy tables is still to be carried, or the sync to be switched on."""
    return bool(passed_by(conn)) or OFF in modes_here(conn).values()
