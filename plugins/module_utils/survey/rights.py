"""Tries each kind of command that the phases need, each in a transaction of its own that is always rolled back.

What a superuser may do is refused to a hosted project's owner in ways that no privilege function tells; so it is tried.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING, TOUCH
from ..core.catalogue import Catalogue
from ..core.mapping.types import TableMapping
from ..core.rows.reading import helper_statements
from ..core.server.blockers import Blocker, in_the_way
from ..core.sqltext import ident, qname
from ..core.waits import CLASHES, TRIAL
from ..server import db
from ..server.beside import watched

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

PLACE = "migracion_ensayo"
_DISK_FAULT = ("XX", "58")  # classes of SQLSTATE: the disk's fault, and no right that anybody could give
NOBODY = "42704"  # among them a role that is gone and that default privileges still name


@dataclass(frozen=True)
class Trial:
    """``what`` completes «el rol … no puede …»; ``statements`` run in order; ``advice`` is the owner's remedy.

    ``after``: what it builds on; where that was refused already, this says nothing more.
    """

    what: str
    statements: tuple[str, ...]
    advice: str
    after: tuple[str, ...] = ()


def refused_rights(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> list[str]:
    """Return one sentence for every command that this role may not run here, or that could not be tried."""
    sentences: list[str] = []
    refused: set[str] = set()
    for trial in _trials(conn, mapping, catalogue):
        problem = None if refused & {*trial.after} else _attempt(conn, trial)
        if problem:
            refused.add(trial.what)
            sentences.append(problem.format(role=catalogue.role, what=trial.what, advice=trial.advice).rstrip())
    return sentences


def _attempt(conn: Connection, trial: Trial) -> str | None:
    seen = list[Blocker]()
    with ExitStack() as beside:
        for attempt in range(TRIAL.tries):
            if attempt == 1:
                seen = beside.enter_context(watched(conn))
            try:
                with db.rolled_back(conn, wait=TRIAL):
                    db.run_sql(conn, *trial.statements)
                return None
            except db.Error as error:
                if error.pgcode in CLASHES:
                    time.sleep(0.1)
                    continue
                if str(error.pgcode or "").startswith(_DISK_FAULT):
                    told = db.explain_error(error, left="")
                    return f"no probado: {{what}}; {_literally(f'{told.what}. {told.move}')}"
                reason = _literally(error.diag.message_primary or "")
                advice = "" if error.pgcode == NOBODY else " {advice}"  # no right is missing, so none would help
                return f'el rol "{{role}}" no puede {{what}} ({reason}).{advice}'
    who = _literally(in_the_way(seen) or "Quien la bloqueaba no se dejó ver.")
    return f"no probado: {{what}}; la tabla estuvo bloqueada en {TRIAL}. {who} Cuando haya terminado, repita."


def _literally(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _trials(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> Iterator[Trial]:
    schema, role = mapping.schema, ident(catalogue.role)
    place = db.own_schema(conn, PLACE)  # so that nobody who tries the same, or runs, waits for this
    helpers = helper_statements(catalogue.server_major)
    bookkeeping = (f"CREATE SCHEMA {place}", *(s.replace(f"{BOOKKEEPING}.", f"{place}.") for s in helpers))
    in_schema = f"Pida al dueño: GRANT CREATE ON SCHEMA {ident(schema)} TO {role};"
    database = ident(str(db.fetch_all(conn, "SELECT current_database()")[0][0]))
    trial = qname(schema, place)
    made = f"CREATE TABLE {trial} (id integer PRIMARY KEY, actualizado_at timestamp)"
    own_schema, own_table = "crear el esquema migracion", f"crear tablas en el esquema {schema}"
    yield Trial(own_schema, bookkeeping, f"Pida al dueño: GRANT CREATE ON DATABASE {database} TO {role};")
    yield Trial(own_table, (made,), in_schema)
    temporary = f"Pida al dueño: GRANT TEMPORARY ON DATABASE {database} TO {role};"
    yield Trial("crear tablas temporales", (f"CREATE TEMPORARY TABLE {PLACE} ()",), temporary)
    events = "Revise los event triggers del proyecto, que fase0 lista."
    new_table: dict[str, str] = {
        "borrar una tabla nueva": f"DROP TABLE {trial}",
        "crear políticas en una tabla nueva": f"CREATE POLICY p ON {trial} USING (true)",
        "crear disparadores en una tabla nueva": _trigger(trial, place),
    }
    for what, statement in new_table.items():
        yield Trial(what, (*bookkeeping, made, statement), events, (own_schema, own_table))
    published = _publications(conn, schema)
    for publication in sorted({p for p, _ in published}):
        yield Trial(
            f"publicar una tabla nueva en {publication}",
            (made, f"ALTER PUBLICATION {ident(publication)} ADD TABLE {trial}"),
            f"Pida al dueño: ALTER PUBLICATION {ident(publication)} OWNER TO {role};",
            (own_table,),
        )
    for relation in catalogue.relations:
        if relation.kind in ("r", "p"):
            owner = (
                ""
                if relation.owner == catalogue.role
                else f"La tabla es de {relation.owner}; pida: ALTER TABLE {qname(schema, relation.name)} OWNER TO {role};"
            )
            for what, statements in _table_trials(qname(schema, relation.name), place, bookkeeping).items():
                yield Trial(f"{what} {relation.name}", statements, owner, (own_schema,) if len(statements) > 1 else ())
    for publication, name in published:
        if catalogue.relation(name) is not None:
            yield Trial(
                f"retirar {name} de la publicación {publication}",
                (
                    f"ALTER PUBLICATION {ident(publication)} DROP TABLE ONLY {qname(schema, name)}",
                ),  # its heirs, if any, may not be published
                f"Pida al dueño: ALTER PUBLICATION {ident(publication)} OWNER TO {role};",
            )


def _table_trials(table: str, place: str, bookkeeping: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {
        "leer y bloquear filas de": (f"SELECT FROM {table} LIMIT 1 FOR SHARE",),
        "crear un disparador en": (*bookkeeping, _trigger(table, place)),
        "mover de esquema": (f"CREATE SCHEMA {place}", f"ALTER TABLE {table} SET SCHEMA {place}"),
    }


def _trigger(table: str, place: str) -> str:
    touch = TOUCH.replace(f"{BOOKKEEPING}.", f"{place}.")
    return f"CREATE TRIGGER {PLACE} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {touch}('actualizado_at')"


def _publications(conn: Connection, schema: str) -> list[tuple[str, str]]:
    """Return (publication, table) of tables that are published by name; the Spanish twins will join these."""
    return [
        (row[0], row[1])
        for row in db.fetch_all(
            conn,
            "SELECT p.pubname, c.relname FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid"
            " JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s ORDER BY 1, 2",
            (schema,),
        )
    ]
