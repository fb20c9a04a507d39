"""What puts a Spanish table right: the statement that fase1 runs by itself, or the one that is left to people. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..catalogue import Catalogue
from ..mapping.types import SpanishTable, TableMapping
from ..sqltext import ident, qname
from .ddl import column_default, constraints
from .differences import (
    CHILD,
    COLUMN,
    COMMENTED,
    CONSTRAINT,
    DEFAULT,
    FAILING,
    GENERATED,
    GRANT,
    IDENTITY,
    INDEX,
    INVALID,
    NOT_NULL,
    NOT_VALIDATED,
    OWNER,
    PARENT,
    PERSISTENCE,
    POLICY,
    RULE,
    SECURITY,
    STATISTICS,
    SWITCHED_OFF,
    TRIGGER,
    UNIDENTIFIED,
    WHOLE,
    Difference,
)
from .policies import policy_statements

SAID_AGAIN = (GRANT, SECURITY, COMMENTED)  # fase1 says them again for the whole table


def repairable(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, difference: Difference) -> bool:
    """Whether fase1 puts it right by itself, without touching a row or a column's type."""
    return difference.kind in (*SAID_AGAIN, WHOLE) or repair_statement(mapping, catalogue, table, difference) is not None


def is_half_built(difference: Difference) -> bool:
    """Whether it is an index half built, asked for or a leftover."""
    return difference.kind == INDEX and (difference.actual or "").endswith(INVALID)


def repair_statement(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, difference: Difference) -> str | None:
    """Return what fase1 runs to put it right, '' where dropping a half built index is all; None where it may not."""
    wanted = (difference.wanted or "").replace("·.", f"{ident(mapping.schema)}.")
    actual, name = difference.actual or "", ident(difference.name)
    target = qname(mapping.schema, table.name)
    if is_half_built(difference):
        return wanted
    if difference.kind == CONSTRAINT and actual == f"{difference.wanted} NOT VALID{NOT_VALIDATED}":
        return f"ALTER TABLE {target} VALIDATE CONSTRAINT {name}"
    if difference.kind == DEFAULT and difference.wanted:
        column = next(c for c in table.columns if c.name == difference.name)
        default = column_default(mapping, catalogue, table, column, mapping.schema)
        return f"ALTER TABLE {target} ALTER COLUMN {name} SET DEFAULT {default}"
    if difference.kind == COLUMN and difference.wanted == f"{actual}{NOT_NULL}":
        return f"ALTER TABLE {target} ALTER COLUMN {name} SET NOT NULL"
    if difference.kind == TRIGGER and wanted and actual[:-1] == (difference.wanted or "")[:-1]:
        return f"ALTER TABLE {target} ENABLE TRIGGER {name}"
    if difference.kind == POLICY and difference.wanted:
        made = policy_statements(catalogue, table, target)[difference.name]
        return f"DROP POLICY IF EXISTS {name} ON {target}; {made}"
    if difference.actual is not None:
        return None
    definition = constraints(mapping, catalogue, table, mapping.schema).get(difference.name)
    return {
        CONSTRAINT: f"ALTER TABLE {target} ADD CONSTRAINT {name} {definition}",
        INDEX: wanted,
        TRIGGER: wanted[:-2],  # behind the statement stands a blank and whether it is enabled
    }.get(difference.kind)


def statement_by_hand(mapping: TableMapping, table: SpanishTable, difference: Difference) -> str:
    """Return the owner's statement for what fase1 leaves alone; where something is missing then, fase1 makes it anew."""
    target, name = qname(mapping.schema, table.name), ident(difference.name)
    actual, wanted = difference.actual or "", difference.wanted or ""
    if difference.kind == COLUMN and wanted:
        return f"ALTER TABLE {target} {_column_again(name, wanted, actual)}"
    if difference.kind == CONSTRAINT and SWITCHED_OFF in actual:
        where = actual.rpartition(SWITCHED_OFF)[2].removesuffix(")")
        return "; ".join(f"ALTER TABLE {one} ENABLE TRIGGER ALL" for one in where.split(" y ")).replace(
            "·.", f"{ident(mapping.schema)}."
        )
    if difference.kind == PARENT and actual.endswith("partición"):
        return f"ALTER TABLE {difference.name} DETACH PARTITION {target}"
    if difference.kind == DEFAULT and FAILING in actual:  # without it no row could be written where NULL is not allowed
        return f"ALTER TABLE {target} ALTER COLUMN {name} DROP DEFAULT, ALTER COLUMN {name} DROP NOT NULL"
    return {
        COLUMN: f"ALTER TABLE {target} DROP COLUMN {name}",
        DEFAULT: f"ALTER TABLE {target} ALTER COLUMN {name} DROP DEFAULT",
        CONSTRAINT: f"ALTER TABLE {target} DROP CONSTRAINT {name}",
        INDEX: f"DROP INDEX {qname(mapping.schema, difference.name)}",
        TRIGGER: f"DROP TRIGGER {name} ON {target}",
        UNIDENTIFIED: difference.name,
        STATISTICS: f"DROP STATISTICS {qname(mapping.schema, difference.name)}",
        RULE: f"DROP RULE {name} ON {target}",
        POLICY: f"DROP POLICY {name} ON {target}",
        PARENT: f"ALTER TABLE {target} NO INHERIT {difference.name}",
        CHILD: f"ALTER TABLE {difference.name} NO INHERIT {target}",
        OWNER: f"ALTER TABLE {target} OWNER TO {ident(wanted)}",
        PERSISTENCE: f"ALTER TABLE {target} SET {wanted}",
    }[difference.kind]


def rename_by_hand(mapping: TableMapping, table: SpanishTable, wanted: str, names: Mapping[str, str]) -> str:
    """Return the owner's statement that gives a column its name back; ``names``: those that renamed() found."""
    target = qname(mapping.schema, table.name)
    statement = f"ALTER TABLE {target} RENAME COLUMN {ident(names[wanted])} TO {ident(wanted)}"
    return f"Si solo cambió de nombre, como su dueño: {statement}"


def _column_again(name: str, wanted: str, actual: str) -> str:
    """What makes a column again as asked, apart from NOT NULL where it is missing: fase1 puts that back."""
    type_ = wanted.removesuffix(NOT_NULL)
    if not actual:
        return f"ADD COLUMN {name} {type_}"
    if GENERATED in actual:
        return f"DROP COLUMN {name}, ADD COLUMN {name} {type_}"
    steps = ["DROP IDENTITY"] if IDENTITY in actual else []
    if actual.removesuffix(NOT_NULL) != type_ and not steps:
        steps += ["DROP DEFAULT", f"TYPE {type_} USING {name}::{type_}"]
    if NOT_NULL in actual and NOT_NULL not in wanted:
        steps.append("DROP NOT NULL")
    return ", ".join(f"ALTER COLUMN {name} {step}" for step in steps)
