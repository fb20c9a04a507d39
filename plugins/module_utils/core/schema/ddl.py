"""The Spanish tables as SQL: structure, then who may reach it."""

from __future__ import annotations

from collections.abc import Iterable

from ..bookkeeping import TOUCH
from ..catalogue import Catalogue, Grant, LegacyColumn, Relation
from ..errors import STEP_CHANGED_NOTHING, MigrationError
from ..mapping.types import ForeignKey, SpanishColumn, SpanishTable, TableMapping
from ..rows.routes import source_of, spanish_columns
from ..sqltext import derived_name, folded, ident, idents, literal, qname
from .policies import policy_statements, rules_from


def table_statements(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, schema: str) -> tuple[str, ...]:
    """Return the statements that make one Spanish table in ``schema``, closed first and then opened like its twin."""
    name = qname(schema, table.name)
    columns = spanish_columns(mapping, catalogue, table)
    statements = [_create_table(mapping, catalogue, table, columns, schema)]
    statements += [_create_index(table, column, schema) for column in table.indexes]
    if table.touched:
        statements.append(_touch_trigger(table, table.touched, schema))
    statements += access_statements(mapping, catalogue, table, schema)
    return tuple(map(folded, (*statements, *policy_statements(catalogue, table, name).values())))


def access_statements(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, schema: str) -> list[str]:
    """Return what may be said again at any time: comments, row security on or off as on the twin, privileges."""
    name, twin = qname(schema, table.name), twin_of(catalogue, table)
    comments = [
        f"COMMENT ON COLUMN {name}.{ident(c.name)} IS {literal(c.comment)}"
        for c in spanish_columns(mapping, catalogue, table)
        if c.comment
    ]
    return [
        f"COMMENT ON TABLE {name} IS {literal(table.comment)}",
        *comments,
        *_row_security(name, twin),
        *_privileges(mapping, catalogue, table, twin, schema),
    ]


def twin_of(catalogue: Catalogue, table: SpanishTable) -> Relation:
    """Return the legacy table whose privileges and row security the Spanish one takes over. Raises MigrationError without it."""
    twin = catalogue.relation(table.twin)
    if twin is None:
        raise MigrationError(
            f"{table.name}: falta la tabla legacy {table.twin}, de la que toma sus permisos",
            left=STEP_CHANGED_NOTHING,
            move="Ejecute fase0.yml con el mismo -i, que lo explica.",
        )
    return twin


def own_sequence(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable) -> str | None:
    """Return the name of the sequence that the table brings along: only where no legacy sequence feeds its serial."""
    for column in table.columns:
        if column.serial and legacy_sequence(mapping, catalogue, table, column) is None:
            return derived_name(table.name, column.name, "seq")
    return None


def legacy_sequence(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, column: SpanishColumn) -> str | None:
    """Return the qualified legacy sequence that a serial draws from, so that both sides never meet in an id."""
    source = _drawn_from(mapping, catalogue, table, column)
    return source.sequence if source is not None else None


def drawing_grant(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable) -> tuple[str, tuple[str, ...]]:
    """Return an identity column's sequence that the table draws from, and who may insert: ('', ()) where there is none.

    Into the legacy table they insert without a right to it; nextval() as a default asks for USAGE.
    """
    for column in table.columns:
        source = _drawn_from(mapping, catalogue, table, column) if column.serial else None
        if source is not None and source.identity and source.sequence:
            grants = carried_grants(mapping, catalogue, table, twin_of(catalogue, table))
            return source.sequence, tuple(sorted({g.grantee for g in grants if g.privilege == "INSERT"}))
    return "", ()


def grant_drawing(sequence: str, grantees: Iterable[str]) -> str:
    """Return the statement that lets them draw ids."""
    return f"GRANT USAGE ON SEQUENCE {sequence} TO {', '.join(map(role_sql, grantees))}"


def _drawn_from(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, column: SpanishColumn) -> LegacyColumn | None:
    for pair in mapping.pairs:
        legacy = catalogue.relation(pair.source)
        if pair.target != table.name or legacy is None:
            continue
        for rule in pair.columns:
            source = source_of(rule, legacy) if rule.target == column.name else None
            if source is not None and source.sequence:
                return source
    return None


def _create_table(
    mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, columns: Iterable[SpanishColumn], schema: str
) -> str:
    lines = [_column(mapping, catalogue, table, column, schema) for column in columns]
    lines += [
        f"CONSTRAINT {ident(name)} {definition}" for name, definition in constraints(mapping, catalogue, table, schema).items()
    ]
    sequence = own_sequence(mapping, catalogue, table)
    before = f"CREATE SEQUENCE {qname(schema, sequence)} AS integer;\n" if sequence else ""
    serial = next((c.name for c in table.columns if c.serial), "")
    after = (
        f";\nALTER SEQUENCE {qname(schema, sequence)} OWNED BY {qname(schema, table.name)}.{ident(serial)}" if sequence else ""
    )
    return f"{before}CREATE TABLE {qname(schema, table.name)} (\n  " + ",\n  ".join(lines) + f"\n){after}"


def constraints(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, schema: str) -> dict[str, str]:
    """Return the definition of each of the table's constraints by its name."""
    found = {derived_name(table.name, "pkey"): f"PRIMARY KEY ({idents(table.primary_key)})"}
    for unique in table.unique:
        found[derived_name(table.name, *unique, "key")] = f"UNIQUE ({idents(unique)})"
    for column in spanish_columns(mapping, catalogue, table):
        check = _check(column)
        if check:
            found[derived_name(table.name, column.name, "check")] = f"CHECK ({check})"
    for key in table.foreign_keys:
        found[derived_name(table.name, key.column, "fkey")] = _foreign_key(key, schema)
    return found


def _column(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, column: SpanishColumn, schema: str) -> str:
    default = column_default(mapping, catalogue, table, column, schema)
    return (
        f"{ident(column.name)} {column.type}"
        + (" NOT NULL" if column.not_null or column.serial else "")
        + (f" DEFAULT {default}" if default else "")
    )


def column_default(
    mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, column: SpanishColumn, schema: str
) -> str | None:
    """Return the column's default as SQL; a serial draws from the legacy sequence where there is one."""
    if not column.serial:
        return column.default
    own = qname(schema, derived_name(table.name, column.name, "seq"))
    return f"nextval({literal(legacy_sequence(mapping, catalogue, table, column) or own)}::regclass)"


def _check(column: SpanishColumn) -> str | None:
    name = ident(column.name)
    if column.allowed:
        return f"{name} IN ({', '.join(literal(v) for v in column.allowed)})"
    if column.minimum is not None and column.maximum is not None:
        return f"{name} BETWEEN {column.minimum} AND {column.maximum}"
    if column.minimum is not None:
        return f"{name} >= {column.minimum}"
    return f"{name} <= {column.maximum}" if column.maximum is not None else None


def _foreign_key(key: ForeignKey, schema: str) -> str:
    return (
        f"FOREIGN KEY ({ident(key.column)}) REFERENCES {qname(schema, key.table)} ({ident(key.references)})"
        f" ON DELETE {key.on_delete}"
    )


def index_name(table: SpanishTable, column: str) -> str:
    """Return the name of the index on one column."""
    return derived_name("idx", table.name, column)


def _create_index(table: SpanishTable, column: str, schema: str) -> str:
    return f"CREATE INDEX {ident(index_name(table, column))} ON {qname(schema, table.name)} ({ident(column)})"


def _touch_trigger(table: SpanishTable, column: str, schema: str) -> str:
    return (
        f"CREATE TRIGGER {ident(derived_name('migracion', 'tocar', table.name))} BEFORE UPDATE"
        f" ON {qname(schema, table.name)}\n  FOR EACH ROW"
        " WHEN (coalesce(current_setting('migracion.sync', true), '') = '')\n"
        f"  EXECUTE FUNCTION {TOUCH}({literal(column)})"
    )


def _row_security(name: str, twin: Relation) -> list[str]:
    # said in both directions: a project's event trigger may switch it on for every new table
    state = "ENABLE" if twin.row_security else "DISABLE"
    force = "FORCE" if twin.force_row_security else "NO FORCE"
    return [f"ALTER TABLE {name} {state} ROW LEVEL SECURITY", f"ALTER TABLE {name} {force} ROW LEVEL SECURITY"]


def role_sql(name: str) -> str:
    """Return who holds a grant as SQL, PUBLIC for everybody."""
    return "PUBLIC" if name == "PUBLIC" else ident(name)


def _privileges(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, twin: Relation, schema: str) -> list[str]:
    grants = carried_grants(mapping, catalogue, table, twin)
    closed = sorted({*catalogue.default_grantees, *(g.grantee for g in grants)} - {catalogue.role, "PUBLIC"})
    roles = ", ".join(["PUBLIC", *(ident(r) for r in closed)])
    name = qname(schema, table.name)
    statements = [f"REVOKE ALL ON TABLE {name} FROM {roles}"]
    statements += _grant_statements(grants, name)
    sequence = own_sequence(mapping, catalogue, table)
    if sequence:
        statements.append(f"REVOKE ALL ON SEQUENCE {qname(schema, sequence)} FROM {roles}")
        writers = sorted({role_sql(g.grantee) for g in grants if g.privilege == "INSERT"})
        if writers:
            statements.append(f"GRANT USAGE, SELECT ON SEQUENCE {qname(schema, sequence)} TO {', '.join(writers)}")
    return statements


def _grant_statements(grants: Iterable[Grant], name: str) -> list[str]:
    grouped: dict[tuple[str, bool, str | None], list[str]] = {}
    for grant in grants:
        grouped.setdefault((grant.grantee, grant.grantable, grant.column), []).append(grant.privilege)
    statements = []
    for (grantee, grantable, column), privileges in sorted(grouped.items(), key=lambda item: str(item[0])):
        on_column = f" ({ident(column)})" if column else ""
        listed = ", ".join(p + on_column for p in sorted(privileges))
        option = " WITH GRANT OPTION" if grantable else ""
        statements.append(f"GRANT {listed} ON TABLE {name} TO {role_sql(grantee)}{option}")
    return statements


def carried_grants(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, twin: Relation) -> tuple[Grant, ...]:
    """Return the twin's grants to other roles, column grants under the Spanish names of the columns."""
    names: dict[str, set[str]] = {}
    for rule in rules_from(mapping, table, twin.name):
        source = source_of(rule, twin)
        if source is not None:
            names.setdefault(source.name, set()).add(rule.target)
    carried = []
    for grant in twin.grants:
        if grant.grantee == catalogue.role:
            continue
        if grant.column is None:
            carried.append(grant)
        else:
            carried += [
                Grant(grant.grantee, grant.privilege, grant.grantable, spanish) for spanish in sorted(names.get(grant.column, ()))
            ]
    return tuple(carried)
