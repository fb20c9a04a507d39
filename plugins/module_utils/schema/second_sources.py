"""What comes into a Spanish table from another legacy one than its twin follows the twin's rules, and that is said.

A table has one set of privileges and policies, the twin's. Nothing is decided here; somebody has to hear it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.catalogue import Catalogue, Policy, Relation
from ..core.mapping.types import Lookup, SpanishTable, TableMapping
from ..core.schema.policies import policy_here, renames, rules_from
from ..core.sqltext import qname
from ..server.db import fetch_all
from ..server.policy_translation import judged_policies
from .access import ROLES

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# (role, privilege, columns) wherever source and twin differ; a column privilege that differs on every column has none
_RIGHTS = f"""
WITH asked AS (
  SELECT r.rolname, p.privilege, c.spanish, c.n,
         has_column_privilege(r.rolname, to_regclass(%(old)s), c.source, p.privilege) AS there,
         has_column_privilege(r.rolname, to_regclass(%(new)s), c.twin, p.privilege) AS here
  FROM ({ROLES}) r CROSS JOIN unnest(ARRAY['SELECT', 'UPDATE']) p(privilege)
  CROSS JOIN unnest(%(sources)s::text[], %(twins)s::text[], %(spanish)s::text[]) WITH ORDINALITY c(source, twin, spanish, n)
  UNION ALL
  SELECT r.rolname, 'DELETE', NULL, 1, has_table_privilege(r.rolname, to_regclass(%(old)s), 'DELETE'),
         has_table_privilege(r.rolname, to_regclass(%(new)s), 'DELETE')
  FROM ({ROLES}) r
)
SELECT here, rolname || CASE WHEN here THEN ' puede ' ELSE ' no puede ' END || privilege
       || CASE WHEN count(*) < max(total) THEN ' (' || string_agg(spanish, ', ' ORDER BY n) || ')' ELSE '' END
FROM (SELECT *, count(*) OVER (PARTITION BY rolname, privilege) AS total FROM asked) counted
WHERE here <> there GROUP BY here, rolname, privilege ORDER BY rolname, privilege
"""
# who may read the twin: whether that one may read the column where it comes from, whether policies do not hold for him
_READERS = f"""
SELECT r.rolname, has_column_privilege(r.rolname, to_regclass(%(old)s), %(column)s, 'SELECT'), coalesce(known.rolbypassrls, false)
FROM ({ROLES}) r LEFT JOIN pg_roles known ON known.rolname = r.rolname
WHERE has_table_privilege(r.rolname, to_regclass(%(new)s), 'SELECT') ORDER BY 1
"""


def merged_notices(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> list[str]:
    """Return a sentence for each second source whose rows become more open, or more closed, than they were there.

    And for each looked-up column that more people may read. Compared with the twin, so it can be said before the tables
    exist. Outside any transaction.
    """
    notices = []
    for table in mapping.tables:
        for source in dict.fromkeys(p.source for p in mapping.pairs if p.target == table.name and p.source != table.twin):
            notices.append(_notice(conn, mapping, catalogue, table, source))
        for rule in rules_from(mapping, table, table.twin):
            if rule.lookup is not None:
                notices.append(_looked_up(conn, mapping, catalogue, table, rule.target, rule.lookup))
    return [notice for notice in notices if notice]


def _notice(conn: Connection, mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, source: str) -> str:
    twin, legacy = catalogue.relation(table.twin), catalogue.relation(source)
    if twin is None or legacy is None:
        return ""
    opened, closed = _rights(conn, mapping, table, twin, legacy)
    more, less = _row_security(conn, mapping, catalogue, table, twin, legacy)
    said = [
        f"{kind} que en {source}: {'; '.join(found)}."
        for kind, found in (("Más abierto", opened + more), ("Más cerrado", closed + less))
        if found
    ]
    start = f"{table.name}: las filas que vienen de {source} siguen las reglas de {twin.name}."
    return " ".join([start, *said]) if said else ""


def _looked_up(
    conn: Connection, mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, column: str, lookup: Lookup
) -> str:
    """A column of another legacy table is now read with the rights to this one."""
    twin, origin = catalogue.relation(table.twin), catalogue.relation(lookup.table)
    if twin is None or origin is None:
        return ""
    names = {
        "old": qname(mapping.schema, origin.name),
        "new": qname(mapping.schema, twin.name),
        "sequence": None,
        "column": lookup.take,
    }
    shown = not twin.row_security or any(p.permissive and p.command in ("ALL", "SELECT") for p in _here(catalogue, table))
    readers = [reader for reader in fetch_all(conn, _READERS, names) if shown or reader[2]]
    said = [f"{role} no puede leerla en {origin.name}" for role, may, _ in readers if not may]
    if origin.row_security and any(not bypasses for _, _, bypasses in readers):
        said.append(f"la seguridad por fila de {origin.name} no rige aquí")
    start = f"{table.name}.{column} sale de {origin.name}.{lookup.take} y la lee quien lee la fila."
    return f"{start} Más abierto que en {origin.name}: {'; '.join(said)}." if said else ""


def _rights(
    conn: Connection, mapping: TableMapping, table: SpanishTable, twin: Relation, legacy: Relation
) -> tuple[list[str], list[str]]:
    """What roles may do here and not there, and what they may there and not here."""
    theirs = {spanish: old for old, spanish in renames(mapping, table, legacy).items()}
    ours = {spanish: old for old, spanish in renames(mapping, table, twin).items()}
    shared = [name for name in theirs if name in ours]
    names = {
        "old": qname(mapping.schema, legacy.name),
        "new": qname(mapping.schema, twin.name),
        "sequence": None,
        "sources": [theirs[name] for name in shared],
        "twins": [ours[name] for name in shared],
        "spanish": shared,
    }
    found = fetch_all(conn, _RIGHTS, names)
    return [said for here, said in found if here], [said for here, said in found if not here]


def _row_security(
    conn: Connection, mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, twin: Relation, legacy: Relation
) -> tuple[list[str], list[str]]:
    """What opens the rows here and what closes them, by name; policies are the same when the server writes them alike."""
    if twin.row_security != legacy.row_security:
        filtering = twin if twin.row_security else legacy
        said = [f"la seguridad por fila está activa solo en {filtering.name}"]
        return ([], said) if twin.row_security else (said, [])
    if not twin.row_security:
        return [], []
    here = _here(catalogue, table)
    there = [c.policy for c in judged_policies(conn, mapping, table, legacy)]
    added, lost = _without(here, there), _without(there, here)
    opening = [_named(p, twin) for p in added if p.permissive] + [_named(p, legacy, gone=True) for p in lost if not p.permissive]
    closing = [_named(p, twin) for p in added if not p.permissive] + [_named(p, legacy, gone=True) for p in lost if p.permissive]
    return opening, closing


def _here(catalogue: Catalogue, table: SpanishTable) -> list[Policy]:
    return [p for c in catalogue.carried_policies if c.table == table.name and (p := policy_here(c)) is not None]


def _without(some: Sequence[Policy], others: Sequence[Policy]) -> list[Policy]:
    known = {replace(p, name="", columns=(), tables=()) for p in others}
    return [p for p in some if replace(p, name="", columns=(), tables=()) not in known]


def _named(policy: Policy, relation: Relation, gone: bool = False) -> str:
    return f"{'falta' if gone else 'rige'} «{policy.name}» ({policy.command}) de {relation.name}"
