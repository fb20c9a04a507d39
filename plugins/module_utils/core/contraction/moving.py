"""The statements that take the legacy tables to the schema ``legado``, and those that bring them back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..sqltext import derived_name, ident, literal, qname
from .neighbours import NeighbourKey

ARCHIVE = "legado"
_PURPOSE = "Tablas legacy retiradas por la migración de TinkuBot: la vuelta de fase5 las devuelve. No exponer en la API."
MOVED_AWAY, RETURNED, UNDONE = "legado_movido", "legado_devuelto", "legado_deshecho"


@dataclass(frozen=True)
class DrawnSequence:
    """A legacy table's sequence from which a Spanish serial draws. ``identity``: it cannot change its owner, so the Spanish
    column gets one of its own; ``shape``: its type, increment, bounds and cycle as CREATE SEQUENCE says them; ``users``: roles
    with USAGE, quoted."""

    sequence: str
    table: str
    column: str
    legacy_table: str
    legacy_column: str
    identity: bool
    shape: str
    users: Sequence[str] = ()

    def own_name(self, schema: str) -> str:
        """The name of the Spanish column's own sequence."""
        return qname(schema, derived_name(self.table, self.column, "seq"))

    def leaving(self, schema: str) -> list[str]:
        """Return what lets the Spanish table keep drawing once the legacy one is gone, before it goes."""
        place = qname(schema, self.table)
        if not self.identity:
            return [f"ALTER SEQUENCE {self.sequence} OWNED BY {place}.{ident(self.column)}"]
        own = self.own_name(schema)
        return [
            f"CREATE SEQUENCE {own} {self.shape}",
            f"SELECT setval({literal(own)}, s.last_value, s.is_called) FROM {self.sequence} s",
            f"ALTER SEQUENCE {own} OWNED BY {place}.{ident(self.column)}",
            *(f"GRANT USAGE ON SEQUENCE {own} TO {', '.join(self.users)}" for _ in self.users[:1]),
            f"ALTER TABLE {place} ALTER COLUMN {ident(self.column)} SET DEFAULT nextval({literal(own)}::regclass)",
        ]

    def coming_back(self, schema: str) -> list[str]:
        """Return what gives the legacy table its sequence back, past whatever was drawn since, once it is back."""
        place = qname(schema, self.table)
        if not self.identity:
            return [f"ALTER SEQUENCE {self.sequence} OWNED BY {qname(schema, self.legacy_table)}.{ident(self.legacy_column)}"]
        own = self.own_name(schema)
        return [
            f"SELECT setval({literal(self.sequence)}, o.last_value, o.is_called) FROM {own} o, {self.sequence} s"
            " WHERE (o.last_value, o.is_called) <> (s.last_value, s.is_called)",
            f"ALTER TABLE {place} ALTER COLUMN {ident(self.column)} SET DEFAULT nextval({literal(self.sequence)}::regclass)",
            f"DROP SEQUENCE {own}",
        ]


@dataclass(frozen=True)
class Publication:
    """A table that a publication names: ``columns`` and ``filter`` as they stand behind it, '' where it has none."""

    name: str
    table: str
    columns: str = ""
    filter: str = ""

    def identity(self, schema: str) -> str:
        """As the mapping names it."""
        return f"publication relation {qname(schema, self.table)} in publication {ident(self.name)}"

    @property
    def chosen(self) -> bool:
        """Whether only some columns or rows are published: what that is on the Spanish side only the mapping can say."""
        return bool(self.columns or self.filter)

    def add(self, place: str) -> str:
        """Return what publishes a table so."""
        return f"ALTER PUBLICATION {ident(self.name)} ADD TABLE {place}{self.columns}{self.filter}"

    def drop(self, place: str) -> str:
        """Return what publishes it no more."""
        return f"ALTER PUBLICATION {ident(self.name)} DROP TABLE {place}"


def archive_statements(made: bool) -> list[str]:
    """Return what makes the archive, open to nobody but its owner; nothing where it is there."""
    if not made:
        return []
    return [f"CREATE SCHEMA {ARCHIVE}", f"COMMENT ON SCHEMA {ARCHIVE} IS {literal(_PURPOSE)}"]


def set_schema(tables: Sequence[str], here: str, there: str) -> list[str]:
    """Return what takes the tables from one schema to another, with their indexes, own sequences, grants and triggers."""
    return [f"ALTER TABLE {qname(here, table)} SET SCHEMA {ident(there)}" for table in tables]


def spanish_publications(published: Sequence[Publication], names: dict[str, str]) -> list[tuple[Publication, str]]:
    """Return for each legacy table published whole the Spanish one that joins in its place, each only once in a publication."""
    pairs = {(p.name, names[p.table]): p for p in published if p.table in names and not p.chosen}
    return [(publication, target) for (_, target), publication in pairs.items()]


def record_of(
    tables: Sequence[str],
    sequences: Sequence[DrawnSequence],
    published: Sequence[Publication],
    joined: Sequence[tuple[str, str]],
    keys: Sequence[NeighbourKey],
    back: Sequence[str],
    made: bool,
) -> dict[str, Any]:
    """Return what the way back has to know, as the ledger keeps it: read by archived_of()."""
    return {
        "tablas": list(tables),
        "secuencias": [vars(s) for s in sequences],
        "publicadas": [vars(p) for p in published],
        "publicadas_en_espanol": [list(pair) for pair in joined],
        "claves": [vars(k) for k in keys],
        "deshacer": list(back),
        "esquema_nuevo": made,
    }


@dataclass(frozen=True)
class Archived:
    """What a move did: see record_of(). ``joined``: publication and Spanish table."""

    tables: tuple[str, ...]
    sequences: tuple[DrawnSequence, ...]
    published: tuple[Publication, ...]
    joined: tuple[tuple[str, str], ...]
    keys: tuple[NeighbourKey, ...]
    back: tuple[str, ...]
    made: bool


def archived_of(detail: Any) -> Archived:
    """Read what record_of() wrote."""
    return Archived(
        tuple(detail["tablas"]),
        tuple(DrawnSequence(**s) for s in detail["secuencias"]),
        tuple(Publication(**p) for p in detail["publicadas"]),
        tuple((name, table) for name, table in detail["publicadas_en_espanol"]),
        tuple(_key(k) for k in detail["claves"]),
        tuple(detail["deshacer"]),
        bool(detail["esquema_nuevo"]),
    )


def _key(detail: Any) -> NeighbourKey:
    return NeighbourKey(**{**detail, "columns": tuple(detail["columns"]), "references": tuple(detail["references"])})
