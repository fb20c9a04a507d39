"""The forward SELECT of a pair, put together: the one text that copy, proof and dry run read.

Its columns: ``_k1`` … the legacy primary key, ``_lugar`` where the row lies (and ``_tabla`` in which table, where several rows
may have one key), ``_clave`` the key as one text, the carried
Spanish columns; where the row cannot go in ``_rechazo``, an array of SQLSTATE, the legacy column to correct and the reason,
which is ``_motivo`` too; ``_fusion`` (a Spanish key) where it is merged into another; ``_fila``, the legacy row as JSON, costs
only who asks for it.
A row with neither ``_rechazo`` nor ``_fusion`` is carried.
"""

from __future__ import annotations

from ..sqltext import ident, where_all
from .refusals import base_sql, case_of, double_refusals, duplicates_join, late_joins, merge_join, parent_refusals
from .repeated_keys import keys_repeat, row_clave
from .routes import Route, row_image
from .unreadable import readable


def forward_sql(route: Route) -> str:
    """Return the forward SELECT's text."""
    keys = ",\n       ".join(f"l.{ident(c.name)} AS {k}" for c, k in zip(route.key, route.key_names, strict=True))
    columns = ",\n       ".join(route.value_of(c) for c in route.carried)
    late = case_of([*parent_refusals(route), *double_refusals(route)])
    merge, duplicates = merge_join(route), duplicates_join(route)
    merged = [alias for alias, join in (("m.fusion", merge), ("d.fusion", duplicates)) if join]
    fusion = f"coalesce({', '.join(merged)})" if len(merged) > 1 else (merged or ["NULL::text"])[0]
    if merged and keys_repeat(route):
        fusion = f"CASE WHEN z.lugar IS NULL THEN {fusion} END"
    if merged and route.pair.otherwise:  # what belongs to no pair is refused by name, whatever row it would fit into
        fusion = f"CASE WHEN {route.claimed('l')} THEN {fusion} END"
    table = "\n       l.tableoid AS _tabla," if keys_repeat(route) else ""
    reason = f"CASE WHEN {fusion} IS NULL THEN coalesce(r.rechazo, {late}) END" if merged else f"coalesce(r.rechazo, {late})"
    return (
        f"SELECT {keys},\n       l.ctid AS _lugar,{table}\n       {row_clave(route, 'l')} AS _clave,\n       {columns},\n"
        f"       f.rechazo AS _rechazo,\n       f.rechazo[3] AS _motivo,\n"
        f"       {fusion} AS _fusion,\n       {_kept(route)} AS _fila\n"
        f"{base_sql(route, 'l')}{late_joins(route)}{merge}{duplicates}"
        f"\nCROSS JOIN LATERAL (SELECT {reason} AS rechazo) f"
        f"{where_all(route.where('l'), readable(route, 'l'))}"
    )


def _kept(route: Route) -> str:
    """Return the legacy row as JSON, read once more in its place: the row at hand would be built whole for every row."""
    same = "x.ctid = l.ctid"
    if not route.in_one_file:
        keys = " AND ".join(f"x.{ident(c.name)} = l.{ident(c.name)}" for c in route.key)
        same = f"{keys} AND {same} AND x.tableoid = l.tableoid"
    return f"(SELECT {row_image(route, 'x')} FROM {route.source_table} x WHERE {same})"
