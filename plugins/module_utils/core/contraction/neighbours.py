"""What hangs on the legacy tables, and which of it the mapping re-points. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..mapping.types import DeclaredDependent, TableMapping
from ..sqltext import derived_name, ident, literal, qname
from .sql_words import renamed_tables

# Of these kinds the definition that the server writes puts back what was there, with its owner and grants.
RESTORABLE = ("view ", "function ", "procedure ", "policy ", "default value ")


@dataclass(frozen=True)
class Dependent:
    """An object of somebody else's that hangs on a legacy table, or on a sequence or type of it.

    ``name``: kind and identity as pg_identify_object() gives them; ``on``: the legacy tables; ``definition``: the statement
    that made it, as far as the server writes it, which is the draft of the one that re-points it.
    """

    name: str
    on: tuple[str, ...]
    definition: str = ""


@dataclass(frozen=True)
class NeighbourKey:
    """A foreign key of a table that stays: ``columns`` of ``table`` at ``references`` of the legacy table ``on``; ``definition``
    as pg_get_constraintdef() has it, ``rest`` what stands in it behind the referenced columns."""

    schema: str
    table: str
    name: str
    on: str
    columns: tuple[str, ...]
    references: tuple[str, ...]
    definition: str
    rest: str

    @property
    def identity(self) -> str:
        """As the mapping names it."""
        return f"table constraint {ident(self.name)} on {qname(self.schema, self.table)}"

    @property
    def place(self) -> str:
        """The table, qualified."""
        return qname(self.schema, self.table)

    @property
    def spanish_name(self) -> str:
        """What the key to the Spanish table is called while both are there."""
        return derived_name(self.name, "espanol")

    @property
    def legacy_name(self) -> str:
        """What the key to the legacy table is called while both are there on the way back."""
        return derived_name(self.name, "legado")

    def pointing(self, schema: str, table: str, column: str) -> str:
        """Return its definition with another table in place of the legacy one."""
        own = ", ".join(map(ident, self.columns))
        return f"FOREIGN KEY ({own}) REFERENCES {qname(schema, table)}({ident(column)}){self.rest}"


def unsettled(found: Iterable[Dependent], keys: Iterable[NeighbourKey], mapping: TableMapping) -> list[Dependent]:
    """Return those of which the mapping does not say how they go on; of a foreign key that is what it references."""
    said = {d.name for d in mapping.dependents if d.references is None and _has_way_back(d.name, d)}
    pointed = {d.name for d in mapping.dependents if d.references is not None}
    names = spanish_names(mapping)
    loose = [
        Dependent(k.identity, (k.on,), f"ALTER TABLE {k.place} ADD {k.pointing(mapping.schema, names[k.on], k.references[0])}")
        for k in keys
        if k.identity not in pointed or len(k.columns) > 1
    ]
    return [*(dependent for dependent in found if dependent.name not in said), *loose]


def target_of(key: NeighbourKey, mapping: TableMapping) -> tuple[str, str]:
    """Return the Spanish table and column that the mapping gives the key. Raises LookupError where it gives none."""
    return next(d.references for d in mapping.dependents if d.name == key.identity and d.references is not None)


def declared_here(found: Iterable[Dependent], mapping: TableMapping) -> list[DeclaredDependent]:
    """Return what the mapping says of objects that are there, in the mapping's order, each with its way back.

    Those that may stay are none of it.
    """
    there = {dependent.name: dependent.definition for dependent in found}
    return [replace(d, back=d.back or there[d.name]) for d in mapping.dependents if d.name in there and d.statement]


def _has_way_back(name: str, declared: DeclaredDependent) -> bool:
    return bool(declared.waived or declared.back) or name.startswith(RESTORABLE)


def spanish_names(mapping: TableMapping) -> dict[str, str]:
    """Return for each legacy table the Spanish one that its first pair fills."""
    names: dict[str, str] = {}
    for pair in mapping.pairs:
        names.setdefault(pair.source, pair.target)
    return names


def draft_of(dependent: Dependent, mapping: TableMapping) -> str:
    """Return the statement that would re-point it, its columns as they are; '' where the server writes none."""
    return renamed_tables(" ".join(dependent.definition.split()), mapping.schema, spanish_names(mapping))


def dependent_lines(found: Sequence[Dependent], mapping: TableMapping) -> list[str]:
    """Return a line for each object, with the tables that it hangs on, and one for its statement."""
    lines = []
    for dependent in found:
        lines.append(f"  {dependent.name}: cuelga de {', '.join(dependent.on)}")
        if draft := draft_of(dependent, mapping):
            lines.append(f"      borrador (revise sus columnas): {draft}")
    return lines


def add_key_statement(key: NeighbourKey, name: str, definition: str) -> str:
    """Return the statement that adds a key beside the one that is there, without looking at the rows."""
    return f"ALTER TABLE {key.place} ADD CONSTRAINT {ident(name)} {definition} NOT VALID"


def swap_key_statements(key: NeighbourKey, name: str) -> tuple[str, str]:
    """Return what takes the old key away and gives its name to the other one."""
    own = ident(key.name)
    drop = f"ALTER TABLE {key.place} DROP CONSTRAINT {own}"
    return drop, f"ALTER TABLE {key.place} RENAME CONSTRAINT {ident(name)} TO {own}"


def orphans_sql(key: NeighbourKey, schema: str, table: str, column: str, shown: int) -> str:
    """Return a SELECT of the first values of the key, as text, that the other table does not have, and how many there are."""
    own = f"h.{ident(key.columns[0])}"
    there = f"EXISTS (SELECT FROM {qname(schema, table)} t WHERE t.{ident(column)} = {own})"
    rows = f"SELECT DISTINCT {own}::text AS valor FROM {key.place} h WHERE {own} IS NOT NULL AND NOT {there}"
    return f"SELECT count(*), (array_agg(o.valor ORDER BY o.valor))[1:{shown}] FROM ({rows}) o"


def orphan_line(key: NeighbourKey, table: str, count: int, examples: Sequence[str]) -> str:
    """Return the sentence of rows that the Spanish table leaves without their parent, with what finds them."""
    values = ", ".join(map(literal, examples))
    return (
        f"  {key.place}: {count} valores de {key.columns[0]} no están en {table} ({', '.join(examples)}); sus filas:"
        f" {key.columns[0]} IN ({values})"
    )
