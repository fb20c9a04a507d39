"""Lets the server translate policies: a copy of the legacy table, the policy on it, its columns renamed, then read back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.catalogue import CarriedPolicy, Catalogue, Policy, Relation
from ..core.mapping.types import SpanishTable, TableMapping
from ..core.schema.policies import create_policy, obstacle, renames
from ..core.sqltext import ident, qname
from . import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

WORKSHOP = "migracion_taller"
_OF_THE_POLICY = ("0A", "22", "42")  # not supported, bad data, names and rights


def translated(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> Catalogue:
    """Return the catalogue with every twin's policies in Spanish words; what is made for it is rolled back."""
    carried: list[CarriedPolicy] = []
    for table in mapping.tables:
        twin = catalogue.relation(table.twin)
        if twin is None or not twin.policies:
            continue
        carried += judged_policies(conn, mapping, table, twin)
    return replace(catalogue, carried_policies=tuple(carried))


def judged_policies(conn: Connection, mapping: TableMapping, table: SpanishTable, legacy: Relation) -> list[CarriedPolicy]:
    """Return each policy of a legacy table that fills the Spanish one, in its words or with what stands against it."""
    judged = [CarriedPolicy(table.name, p, obstacle(mapping, table, legacy, p)) for p in legacy.policies]
    return [c if c.obstacle else _translate(conn, mapping, table, legacy, c) for c in judged]


def _translate(
    conn: Connection, mapping: TableMapping, table: SpanishTable, twin: Relation, carried: CarriedPolicy
) -> CarriedPolicy:
    place = db.own_schema(conn, WORKSHOP)
    copy = qname(place, twin.name)
    # all columns first get names that meet nobody: a Spanish name may be another legacy column's
    steps = list(enumerate(renames(mapping, table, twin).items()))
    try:
        with db.rolled_back(conn):
            db.run_sql(conn, f"CREATE SCHEMA {place}")
            db.run_sql(conn, f"CREATE TABLE {copy} (LIKE {qname(mapping.schema, twin.name)})")
            db.run_sql(conn, create_policy(carried.policy, copy))
            for number, (old, _) in steps:
                db.run_sql(conn, f"ALTER TABLE {copy} RENAME COLUMN {ident(old)} TO migracion_{number}")
            for number, (_, new) in steps:
                db.run_sql(conn, f"ALTER TABLE {copy} RENAME COLUMN migracion_{number} TO {ident(new)}")
            db.run_sql(conn, f"ALTER TABLE {copy} RENAME TO {ident(table.name)}")
            return replace(carried, policy=_read(conn, qname(place, table.name), carried.policy))
    except db.Error as error:
        code = error.pgcode or ""
        if code[:2] not in _OF_THE_POLICY:  # a lock, a full disk, a lost connection say nothing of it
            raise
        return replace(carried, obstacle=f"el servidor no la traduce ({error.diag.message_primary})")


def _read(conn: Connection, copy: str, policy: Policy) -> Policy:
    using, check = db.fetch_all(
        conn,
        "SELECT pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid) FROM pg_policy"
        " WHERE polrelid = to_regclass(%s) AND polname = %s",
        (copy, policy.name),
    )[0]
    return replace(policy, using=using, check=check, columns=(), tables=())
