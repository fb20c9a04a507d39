"""Who points at the Spanish tables, by whoever's foreign keys: asked of the catalogue each time, since anybody may build one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.sqltext import ident, qname
from ..server.db import fetch_all

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


@dataclass(frozen=True)
class Reference:
    """A foreign key: ``name`` of ``table`` in ``schema`` points at ``columns`` of the Spanish table ``target``."""

    schema: str
    table: str
    name: str
    target: str
    columns: tuple[str, ...]

    @property
    def phrase(self) -> str:
        """As people read it."""
        return f"{qname(self.schema, self.table)} apunta a {self.target} por {ident(self.name)}"

    @property
    def removal(self) -> str:
        """The statement that takes it away."""
        return f"ALTER TABLE {qname(self.schema, self.table)} DROP CONSTRAINT {ident(self.name)}"


def references_to(conn: Connection, schema: str, tables: Iterable[str]) -> list[Reference]:
    """Return every foreign key that points at one of these tables of ``schema``; a partitioned table's once."""
    rows = fetch_all(
        conn,
        "SELECT hn.nspname, h.relname, c.conname, p.relname, ARRAY(SELECT a.attname::text FROM unnest(c.confkey) k"
        " JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k)"
        " FROM pg_constraint c JOIN pg_class h ON h.oid = c.conrelid JOIN pg_namespace hn ON hn.oid = h.relnamespace"
        " JOIN pg_class p ON p.oid = c.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace"
        " WHERE c.contype = 'f' AND c.conparentid = 0 AND pn.nspname = %s AND p.relname = ANY (%s) ORDER BY 1, 2, 3",
        (schema, list(tables)),
    )
    return [Reference(place, table, name, target, tuple(columns)) for place, table, name, target, columns in rows]


def foreign_to(references: Iterable[Reference], schema: str, ours: Sequence[str]) -> list[Reference]:
    """Return those that stand in none of these tables of ``schema``."""
    return [r for r in references if r.schema != schema or r.table not in ours]


def refused_references(found: Sequence[Reference], what: str) -> None:
    """Raise MigrationError, code unsafe, naming each table and constraint of somebody else's and the statement that helps."""
    if found:
        raise MigrationError(
            f"{what}: {'; '.join(r.phrase for r in found)}, que no es de esta migración",
            left=NOTHING_CHANGED,
            move=f"Guarde su definición, quítela y repita la orden: {'; '.join(r.removal for r in found)}.",
            code="unsafe",
        )
