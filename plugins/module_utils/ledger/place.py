"""Where the runs went: a physical copy of the cluster brings the whole ledger along, and its own identity too."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.words import escape
from ..server import db
from ..server.beside import ask, login_of, second_session
from . import runs

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

RUN_PLACE = "servidor"  # in a run's detail
# Of a server that waits for promotion there is none.
TIMELINE = "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"
# The same start is the same server, by whatever name it was reached; the same ledger is a copy of this cluster.
WHO = """
SELECT pg_postmaster_start_time(), pg_is_in_recovery(), (SELECT (i.sistema, i.base, i.esquema_oid, i.creada_at)::text
FROM migracion.identidad i)
"""


def place_now(conn: Connection) -> dict[str, Any]:
    """Address and timeline of this server, for the run's detail. Not for a standby."""
    row = db.fetch_one(conn, TIMELINE)
    return {"host": conn.info.host, "port": conn.info.port, "linea": row[0] if row else 0}


def moved(conn: Connection, *, forward: bool) -> list[str]:
    """What there is to say where the last run went to another address or timeline.

    Raises MigrationError, code identity, where a run ``forward`` would leave behind a server that still answers there.
    """
    last = next((run for run in reversed(runs.recorded_runs(conn)) if RUN_PLACE in run.detail), None)
    here = place_now(conn)
    if last is None or last.detail[RUN_PLACE] == here:
        return []
    before = last.detail[RUN_PLACE]
    where = f"{before['host']}:{before['port']} (línea de tiempo {before['linea']})"
    what = escape(
        f"La última ejecución ({last.run_id}) fue en {where}, y esta es en {here['host']}:{here['port']} "
        f"(línea de tiempo {here['linea']})"
    )
    if forward and (before["host"], before["port"]) != (here["host"], here["port"]) and _answers_as_another(conn, before):
        raise MigrationError(
            f"{what}. Allí contesta todavía otro servidor con esta misma contabilidad: uno de los dos es una copia del otro",
            left=NOTHING_CHANGED,
            move="Ponga en DATABASE_URL la base que está en servicio. Si es esta, apague la otra, o quítele el acceso a este "
            "rol, y repita la orden.",
            code="identity",
        )
    return [f"Aviso: {what}. Compruebe que es la base que está en servicio."]


def _answers_as_another(conn: Connection, before: dict[str, Any]) -> bool:
    """Whether a server with this ledger that is not this one, and no standby, lets this role in there."""
    mine = db.fetch_all(conn, WHO)[0]
    login = {**login_of(conn), "host": before["host"], "port": str(before["port"]), "hostaddr": ""}
    try:
        with closing(second_session(login)) as there:
            start, standby, ledger = ask(there, WHO)[0]
    except db.Error:
        return False  # nobody, or none of ours
    return bool(start != mine[0] and not standby and ledger == mine[2])
