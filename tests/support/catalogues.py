"""Catalogues that no server was asked for: what a database would hold that a mapping fits."""

from __future__ import annotations

from plugins.module_utils.core.catalogue import Catalogue, LegacyColumn, Relation
from plugins.module_utils.core.mapping.types import TableMapping


def fitting(mapping: TableMapping, server_major: int = 15) -> Catalogue:
    """Every legacy table with the columns that the mapping reads, each of the type that it is carried into."""
    tables = {table.name: table for table in mapping.tables}
    types: dict[str, dict[str, str]] = {table.twin: {} for table in mapping.tables}
    keys: dict[str, tuple[str, ...]] = {}
    for pair in mapping.pairs:
        spanish = {column.name: column.type.split("(")[0] for column in tables[pair.target].columns}
        found = types.setdefault(pair.source, {})
        for rule in pair.columns:
            for name in rule.sources:
                found.setdefault(name, "text" if rule.values or rule.json_keys else spanish[rule.target])
            if rule.lookup is not None and rule.lookup.table not in tables:
                found.setdefault(rule.lookup.by, "text")
                types.setdefault(rule.lookup.table, {}).setdefault(rule.lookup.take, spanish[rule.target])
                types[rule.lookup.table].setdefault(rule.lookup.column, "text")
        found |= dict.fromkeys((name for name, _ in pair.where if name not in found), "text")
        carried = {rule.target: rule.sources[0] for rule in pair.columns if rule.sources}
        keys[pair.source] = tuple(carried[name] for name in pair.match)
    relations = [
        Relation(
            name,
            "r",
            "postgres",
            columns=tuple(LegacyColumn(column, kind, kind) for column, kind in columns.items()),
            primary_key=keys.get(name, ()),
        )
        for name, columns in types.items()
    ]
    return Catalogue("postgres", server_major, tuple(relations))
