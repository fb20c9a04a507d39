"""Rows of one key: of a legacy table with heirs, or whose own index let a key in twice. One is carried, the others are refused.

No index spans a table and those that inherit from it. The table's own row goes in, then the first heir's, then the first in its
file; the others are known by a clave of their own: the key's, tableoid, and ctid where tableoid has it already.
"""

from __future__ import annotations

from ..sqltext import ident, literal, qname
from .routes import Route, clave_sql
from .values import Refusal

REPEATED_KEY = "repite la clave de otra fila, que queda"  # the reason ends so


def keys_repeat(route: Route) -> bool:
    """Return whether several legacy rows of the route may have one key."""
    return route.legacy.inherited or route.legacy.primary_key in route.legacy.repeated


def index_deceives(route: Route) -> bool:
    """Return whether rows of one key lie in one file: the planner believes its index, and looks for one row a key."""
    return route.in_one_file and route.legacy.primary_key in route.legacy.repeated


def repeated_join(route: Route, alias: str) -> str:
    """Return the join with z, the legacy row ``alias`` where it is not the first of its key; nothing where each has its own.

    It asks only heirs' rows where the table's own are known to differ.
    """
    if not keys_repeat(route):
        return ""
    # as texts: of the columns themselves the planner would believe what their index says, and join no row with another
    same = f"{clave_sql(route.key, 'x')} = {clave_sql(route.key, 'y')}"
    earlier, later = (f"({_rank(row, route.schema, route.pair.source)})" for row in "yx")
    own = _table_oid(route.schema, route.pair.source)
    asked = "" if route.legacy.primary_key in route.legacy.repeated else f"\n  WHERE x.tableoid <> {own}"
    return (
        "\nLEFT JOIN (\n  SELECT x.tableoid AS tabla, x.ctid AS lugar, bool_or(y.tableoid = x.tableoid) AS propia"
        f"\n  FROM {route.source_table} x JOIN {route.source_table} y ON {same}\n    AND {earlier} < {later}{asked}"
        f"\n  GROUP BY x.tableoid, x.ctid) z ON z.tabla = {alias}.tableoid AND z.lugar = {alias}.ctid"
    )


def first_of_key(schema: str, table: str, condition: str) -> str:
    """Return a SELECT of the first row of a legacy table with heirs x for which the condition holds."""
    return f"SELECT * FROM {qname(schema, table)} x WHERE {condition} ORDER BY {_rank('x', schema, table)} LIMIT 1"


def _rank(row: str, schema: str, table: str) -> str:
    return f"{row}.tableoid <> {_table_oid(schema, table)}, {row}.tableoid, {row}.ctid"


def _table_oid(schema: str, table: str) -> str:
    return (
        "(SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE n.nspname = {literal(schema)} AND c.relname = {literal(table)})"
    )


def repeated_refusals(route: Route) -> list[Refusal]:
    """Return what refuses every row of a key but its first."""
    if not keys_repeat(route):
        return []
    names = ", ".join(c.name for c in route.key)
    return [Refusal("z.lugar IS NOT NULL", "'23505'", names, literal(repeated_reason(route)))]


def repeated_reason(route: Route) -> str:
    """Return why a further row of one key is refused."""
    return f"{' y '.join(c.name for c in route.key)} {REPEATED_KEY}"


def row_clave(route: Route, alias: str) -> str:
    """Return the clave that is this row's alone (``alias`` of base_sql)."""
    clave = clave_sql(route.key, alias)
    if not keys_repeat(route):
        return clave
    more = f"CASE WHEN z.propia THEN '|' || {alias}.ctid::text ELSE '' END"
    return f"{clave} || CASE WHEN z.lugar IS NULL THEN '' ELSE '|' || {alias}.tableoid::text || {more} END"


def same_row(route: Route, alias: str, other: str) -> str:
    """Return the condition, behind AND, that the legacy row ``alias`` lies where the view's row ``other`` does."""
    return f" AND {alias}.tableoid = {other}._tabla AND {alias}.ctid = {other}._lugar" if keys_repeat(route) else ""


def among_repeated(route: Route, claves: str) -> str:
    """Return the condition that finds refused rows of the legacy table in a list of claves (a SELECT)."""
    table = ident(route.pair.source)
    clave = clave_sql(route.key, table)
    own = f"{clave} || '|' || {table}.tableoid::text"
    return f"ARRAY[{own}, {own} || '|' || {table}.ctid::text] && ARRAY({claves})"


def place_columns(route: Route) -> tuple[str, ...]:
    """Return the view's columns that tell rows of one key from each other."""
    return ("_lugar", "_tabla") if keys_repeat(route) else ()


def unrepeated(route: Route) -> list[tuple[str, ...]]:
    """Return the keys of the legacy table in which no two of the rows that are left meet: its unique indexes, if they hold."""
    promised = () if route.legacy.inherited else (*route.legacy.unique,)
    return [route.legacy.primary_key, *(key for key in promised if key not in route.legacy.repeated)]
