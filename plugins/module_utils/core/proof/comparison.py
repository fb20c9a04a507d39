"""The comparison of a Spanish table with the forward SELECTs that fill it: both ways, every difference has a name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..backfill.carrying import may_merge
from ..bookkeeping import BOOKKEEPING
from ..mapping.column_types import JSON
from ..rows.refusals import accepted, reason_kind, unforeseen
from ..rows.retained import entry_here, explained_by, kept_by, parents_stay, retained_beside, retains, waits_here
from ..rows.routes import Route, clave_sql, spanish_clave
from ..rows.row_locks import seen_by_key
from ..rows.staying import differs_from_due, may_stay
from ..rows.unreadable import unreadable_sql
from ..rows.values import type_family
from ..sqltext import ident, idents, images_differ, literal, where_all
from .surplus import held_by, impeded_by, twin_names

EQUAL, MISSING, DIFFERENT, SURPLUS, MERGED = "igual", "falta", "difiere", "sobra", "fusionada"
QUARANTINED, REFUSED = "cuarentena", "rechazada"  # refused: no entry in migracion.cuarentena that says so yet
UNMERGED = "por fusionar"  # merged by the forward SELECT and not recorded in migracion.fusion yet
PENDING = (MISSING, DIFFERENT, REFUSED, UNMERGED)
WITH_HOLDER = "nullif(concat_ws('; ', motivo, impedida), '')"  # a named difference says what is in its way too
SETTLED = (EQUAL, QUARANTINED, MERGED)
ONE_IMAGE = ("uuid", "boolean", "smallint", "integer", "bigint", "timestamp without time zone")  # equal values, equal bytes


def classified_sql(route: Route, fill: Sequence[Route] = (), detail: bool = False, keys: str = "") -> str:
    """Return a SELECT that gives every legacy row of the pair its state, beside the Spanish row it matches.

    ``fill``: all routes of the Spanish table, as retenida hangs on them; ``keys``: rows k, where only these legacy rows are asked
    for, without them equal rows are left out. Columns: estado, motivo, anotada (an entry is open), retenida (the Spanish row is
    the last good twin of this refused one), clave, which is the row's alone, the legacy key (_k1 …), the Spanish row's match
    columns (_t1 …) where it is this one's; with ``detail`` also ``columnas``: a JSON array of [column, expected, found] for
    rows that differ, and ``impedida``: what holds another Spanish row that has to leave this one its unique value.
    """
    merge, merged = "", f"'{UNMERGED}'"
    if may_merge(route):
        merged = f"CASE WHEN m.clave_destino = f._fusion THEN '{MERGED}' ELSE '{UNMERGED}' END"
        merge = (
            f"\nLEFT JOIN {BOOKKEEPING}.fusion m ON m.tabla_origen = {literal(route.pair.source)}"
            f" AND m.tabla_destino = {literal(route.pair.target)} AND m.clave = f._clave"
        )
    entered = "c.motivo = f._rechazo[3] AND c.fila = f._fila"
    twin = f"CASE WHEN {accepted('f')} OR f._retiene THEN f.{{0}} END AS {{0}}"
    there, alone, kept, reason = _of_the_twin(route, detail)
    more = f", CASE WHEN {accepted('f')} THEN f.columnas END AS columnas, f.impedida" if detail else ""
    return f"""SELECT CASE
    WHEN f._fusion IS NOT NULL THEN {merged}
    WHEN f._rechazo IS NOT NULL THEN CASE WHEN {entered} THEN '{QUARANTINED}' ELSE '{REFUSED}' END
    {there}
    WHEN {alone} THEN '{QUARANTINED}'
    ELSE '{MISSING}' END AS estado,
  {reason} AS motivo,
  c.clave IS NOT NULL AS anotada, {kept} AS retenida, f._clave AS clave, {idents(route.key_names, "f.")},
  {", ".join(twin.format(name) for name in twin_names(route))}{more}
FROM ({_matched(route, fill, detail, keys)}
) f
LEFT JOIN {_open_entries(route, " ON c.clave = f._clave AND")}{merge}"""


def _of_the_twin(route: Route, detail: bool) -> tuple[str, str, str, str]:
    """How a row that the view takes is judged beside its Spanish row: cases of its state, whether PostgreSQL alone refuses it,
    whether it retains that row, and the reason.

    Where no twin is kept a Spanish row that is still there is a difference; with ``detail`` the reason says what holds it.
    """
    alone = f"{unforeseen('c.motivo')} AND c.fila = f._fila"
    different = (
        f"WHEN f._alla IS NOT NULL AND (f._t1 IS NULL OR f.distinta) THEN '{QUARANTINED}'\n"
        f"    WHEN f._t1 IS NOT NULL THEN CASE WHEN f.distinta THEN '{DIFFERENT}' ELSE '{EQUAL}' END"
    )
    reason = (
        "CASE WHEN f._fusion IS NULL AND (f._rechazo IS NOT NULL OR {}) THEN coalesce(f._rechazo[3], c.motivo, f._alla){}"
        " WHEN f._fusion IS NULL THEN f._alla END"
    )
    if not retains(route):
        stays = f"concat_ws('; ', c.motivo, {held_by('f._tabla_t', 'f._sitio')})"
        held = f"\n    WHEN f.distinta AND {alone} THEN {stays}" if detail else ""
        return different, alone, "false", reason.format("f._t1 IS NULL", held)
    kept = f"f._t1 IS NOT NULL AND f.distinta AND {alone}"
    return (
        f"WHEN {kept} THEN '{QUARANTINED}'\n    {different}",
        alone,
        f"coalesce(f._retiene OR f._rechazo IS NULL AND {kept}, false)",
        reason.format(f"f._t1 IS NULL OR {kept}", ""),
    )


def _open_entries(route: Route, condition: str = " WHERE") -> str:
    return f"{BOOKKEEPING}.cuarentena c{condition} c.tabla_origen = {literal(route.pair.source)} AND c.estado <> 'resuelta'"


def _matched(route: Route, fill: Sequence[Route], detail: bool, keys: str) -> str:
    """Return the rows of the forward SELECT beside the Spanish row with the same match.

    An equal row is done with. Whether a row is carried is asked beside the comparison: as part of the join it would be
    evaluated twice. Behind OFFSET 0 each expression is evaluated once. The row as JSON, the dearest of all, is there to be
    compared with entries.
    """
    rows = f"{keys} JOIN {route.view} f ON {seen_by_key(route)}" if keys else f"{route.view} f"
    entered = f"EXISTS (SELECT FROM {_open_entries(route)})"
    twin = ", ".join(f"t.{ident(m)} AS {name}" for m, name in zip(route.pair.match, twin_names(route), strict=True))
    missing = f"t.{ident(route.pair.match[0])} IS NULL"
    unequal = "" if keys else f"\n  WHERE {missing} OR NOT {accepted('f')} OR {_differ(route)}"
    differing = f"CASE WHEN NOT {missing} THEN {_differences(route)} END AS columnas"
    extra = (
        f",\n    {differing}, t.tableoid AS _tabla_t, t.ctid AS _sitio, {impeded_by(route, fill)} AS impedida" if detail else ""
    )
    retained = f"CASE WHEN {missing} THEN false ELSE coalesce({retained_beside(route, fill, 'f')}, false) END AS _retiene"
    return f"""
  SELECT {idents(route.key_names, "f.")}, {twin}, f._clave, f._rechazo, f._fusion,
    CASE WHEN f._fusion IS NULL AND {entered} THEN f._fila END AS _fila,
    {_differ(route)} AS distinta, {entry_here(route, "f")} AS _alla, {retained if retains(route) else "false AS _retiene"}{extra}
  FROM {rows}
  LEFT JOIN {route.target_table} t ON {" AND ".join(f"t.{ident(m)} = f.{ident(m)}" for m in route.pair.match)}{unequal}
  OFFSET 0"""


def _differ(route: Route) -> str:
    """Return whether the row t is not what f wants of it in any byte of a carried column that they were not matched by.

    By value where equal values of the type have one image, by image elsewhere. COLLATE "C": two columns may have different
    collations, and it is the quickest.
    """
    parts, images = [], []
    for carried in route.carried:
        if carried.target.name in route.pair.match:
            continue
        if may_stay(carried):
            parts.append(differs_from_due(route, (carried.target.name,), "t", "f"))
            continue
        name, (family, size) = ident(carried.target.name), type_family(carried.target.type)
        if family in ("text", "character varying"):
            parts.append(f'f.{name} IS DISTINCT FROM t.{name} COLLATE "C"')
        elif family in ONE_IMAGE or (family == "numeric" and size):
            parts.append(f"f.{name} IS DISTINCT FROM t.{name}")
        else:
            images.append(carried.target.name)
    return " OR ".join([*parts, *([images_differ(images, "f.", "t.")] if images else [])]) or "false"


def _differences(route: Route) -> str:
    parts = ",\n    ".join(
        f"CASE WHEN {differs_from_due(route, (c,), 't', 'f')}"
        f" THEN jsonb_build_array({literal(c)}, f.{ident(c)}::text, t.{ident(c)}::text) END"
        for c in route.columns
    )
    return f"(SELECT jsonb_agg(x) FROM unnest(ARRAY[\n    {parts}]) x WHERE x IS NOT NULL)"


def entered_here_sql(fill: Sequence[Route]) -> str:
    """Return a SELECT of how many Spanish rows are in quarantine on their own side and as no legacy row says, and how many wait
    to go back that are due to none. ``fill``: all routes of the table."""
    equal = " OR ".join(
        f"EXISTS (SELECT 1 FROM {r.view} f WHERE {' AND '.join(f'f.{ident(m)} = t.{ident(m)}' for m in r.pair.match)}"
        f" AND {accepted('f')} AND NOT ({_differ(r)}))"
        for r in fill
    )
    kept = f"({kept_by(fill, 't')}){parents_stay(fill[0], 't')}"
    entered, waits = f"{entry_here(fill[0], 't')} IS NOT NULL", waits_here(fill[0], "t")
    return (
        f"SELECT count(*) FILTER (WHERE t.dentro AND NOT t.igual), count(*) FILTER (WHERE NOT t.dentro AND NOT t.dada)"
        f" FROM (SELECT {entered} AS dentro, ({equal}) OR ({kept}) AS igual, {explained_by(fill, 't')} AS dada"
        f" FROM {fill[0].target_table} t WHERE {entered} OR {waits} OFFSET 0) t"
    )


def rows_sql(route: Route) -> str:
    """Return a SELECT of the number of the pair's legacy rows."""
    return f"SELECT count(*) FROM {route.source_table} l{where_all(route.where('l'))}"


def accounting_sql(route: Route, fill: Sequence[Route]) -> str:
    """Return a SELECT of the rows that are not equal: estado, the reason's kind, how many, with an open entry, with a retained
    twin, the first one.

    ``fill``: all routes of the Spanish table. ``primera`` is its key and, where it has one, its reason. There are as many
    rows as kinds, whatever the rows hold.
    """
    first = 'min(CASE WHEN motivo IS NOT NULL THEN ARRAY[clave, motivo] END COLLATE "C")'
    return f"""SELECT estado, {reason_kind("motivo")} AS clase, count(*) AS n, count(*) FILTER (WHERE anotada) AS anotadas,
  count(*) FILTER (WHERE retenida) AS retenidas,
  coalesce({first}, ARRAY[min(clave COLLATE "C"), '']) AS primera
FROM (
  SELECT estado, motivo, anotada, retenida, clave FROM ({classified_sql(route, fill)}) d
  UNION ALL SELECT '{QUARANTINED}', u.motivo, true, false, u.clave FROM ({unreadable_sql(route)}) u
) d GROUP BY estado, clase"""


def _open_states() -> str:
    return ", ".join(literal(s) for s in SETTLED)


def examples_sql(route: Route, fill: Sequence[Route], limit: int) -> str:
    """Return a SELECT of the first ``limit`` differences of each kind: estado, motivo, clave, columnas."""
    return f"""SELECT estado, {WITH_HOLDER} AS motivo, clave, columnas FROM (
  SELECT d.*, row_number() OVER (PARTITION BY estado ORDER BY clave COLLATE "C") AS puesto
  FROM ({classified_sql(route, fill, detail=True)}) d WHERE estado NOT IN ({_open_states()})
) e WHERE puesto <= {limit} ORDER BY estado, puesto"""


def refused_sql(route: Route) -> str:
    """Return a SELECT of clave and motivo of every refused row whose entry does not say so yet."""
    return f"SELECT clave, motivo FROM ({classified_sql(route)}) d WHERE estado = '{REFUSED}'"


def candidates_sql(route: Route, fill: Sequence[Route]) -> str:
    """Return a SELECT of every row to look at again, or to try again.

    Its columns: estado, the reason's kind, clave, retenida, as texts the legacy key and the match columns of the Spanish row,
    NULL where there is none.
    """
    again = f"(estado = '{QUARANTINED}' AND {unforeseen('motivo')})"
    keys = ", ".join(f"{k}::text" for k in (*route.key_names, *twin_names(route)))
    columns = f"estado, {reason_kind('motivo')} AS clase, clave, retenida, {keys}"
    return f"SELECT {columns}\nFROM ({classified_sql(route, fill)}) d WHERE estado NOT IN ({_open_states()}) OR {again}"


def refused_by_server_sql(route: Route) -> str:
    """Return a SELECT of the legacy keys, as texts, of the rows that only PostgreSQL refused."""
    keys = ", ".join(f"c.fila ->> {literal(c.name)}" for c in route.key)
    return f"SELECT {keys} FROM {_open_entries(route)} AND {unforeseen('c.motivo')}"


def second_look_sql(route: Route, fill: Sequence[Route], keys: str, limit: int) -> str:
    """Return a SELECT of estado, the reason's kind, motivo, clave, retenida and columnas of those legacy rows.

    ``columnas``, and what holds another row in the way, for ``limit`` of each state.
    """
    first = f'row_number() OVER (PARTITION BY estado ORDER BY clave COLLATE "C") <= {limit}'
    return (
        f"SELECT estado, {reason_kind('motivo')} AS clase, CASE WHEN {first} THEN {WITH_HOLDER} ELSE motivo END AS motivo, clave,"
        f" retenida, CASE WHEN {first} THEN columnas END AS columnas\n"
        f"FROM ({classified_sql(route, fill, detail=True, keys=keys)}) d"
    )


def repeated_keys_sql(route: Route, limit: int) -> str:
    """Return a SELECT of clave and number of the first ``limit`` keys that several legacy rows have."""
    keys = idents((c.name for c in route.key), "l.")
    return (
        f"SELECT {clave_sql(route.key, 'l')} AS clave, count(*) FROM {route.source_table} l GROUP BY {keys} HAVING count(*) > 1"
        f" ORDER BY {keys} LIMIT {limit}"
    )


def still_there_sql(table: str, columns: Sequence[str], keys: str) -> str:
    """Return a SELECT of the keys in k, as texts, that rows of the table have: compared as texts, so that NULL is found too."""
    names = [f"k._k{n}" for n, _ in enumerate(columns, 1)]
    mine, theirs = (", ".join(f"{name}::text" for name in side) for side in ([f"t.{ident(c)}" for c in columns], names))
    return f"SELECT DISTINCT {theirs} FROM {keys} JOIN {table} t ON jsonb_build_array({mine}) = jsonb_build_array({theirs})"


def stale_entries_sql(routes: Sequence[Route]) -> str:
    """Return a SELECT of tabla_origen and clave whose open quarantine entry no refused row explains any more.

    ``routes``: all routes from one legacy table. A row that only PostgreSQL itself refused explains its entry while it is
    there and its Spanish row is not as it should be.
    """
    refused = "\n  UNION ALL ".join(
        f"SELECT f._clave, f._motivo IS NULL AS imprevista FROM {r.view} f LEFT JOIN {r.target_table} t"
        f" ON {' AND '.join(f't.{ident(m)} = f.{ident(m)}' for m in r.pair.match)}"
        f" WHERE f._fusion IS NULL AND (f._motivo IS NOT NULL OR t.{ident(r.pair.match[0])} IS NULL OR {_differ(r)})"
        for r in routes
    )
    unread = "\n  UNION ALL ".join(f"SELECT u.clave FROM ({unreadable_sql(r)}) u" for r in routes)
    return f"""SELECT c.tabla_origen, c.clave FROM {BOOKKEEPING}.cuarentena c
WHERE c.tabla_origen = {literal(routes[0].pair.source)} AND c.estado <> 'resuelta'
  AND NOT (c.lugar IS NOT NULL AND c.clave IN ({unread}))
  AND NOT EXISTS (SELECT 1 FROM ({refused}) r
    WHERE r._clave = c.clave AND (NOT r.imprevista OR {unforeseen("c.motivo")}))"""


def stale_merges_sql(route: Route) -> str:
    """Return a SELECT of tabla_origen, tabla_destino and clave of recorded merges that the forward SELECT makes no more."""
    return f"""SELECT m.tabla_origen, m.tabla_destino, m.clave FROM {BOOKKEEPING}.fusion m
WHERE m.tabla_origen = {literal(route.pair.source)} AND m.tabla_destino = {literal(route.pair.target)}
  AND NOT EXISTS (SELECT 1 FROM {route.view} f WHERE f._clave = m.clave AND f._fusion IS NOT NULL)"""


class OwnColumn(NamedTuple):
    """A column that a Spanish table has now: its type and its default as the catalogue writes them."""

    name: str
    type: str
    default: str | None


def unexplained_sql(routes: Sequence[Route], staying: Sequence[Route], columns: Sequence[OwnColumn]) -> str:
    """Return a SELECT of clave, fila and nulos: rows that no route gives byte for byte, or that hold more than defaults.

    ``staying``: routes whose rows, and last good twins, do not leave the table. ``columns``: all that the table has; ``nulos``:
    those that hold the null of JSON, which in fila looks like NULL.
    """
    present = {c.name for c in columns}
    carried = {r.view: [c for c in r.columns if c in present] for r in routes}
    nulls = ", ".join(f"CASE WHEN t.{ident(c.name)}::text = 'null' THEN {literal(c.name)} END" for c in columns if c.type in JSON)
    given = " OR ".join(
        f"EXISTS (SELECT 1 FROM {r.view} f WHERE {' AND '.join(f'f.{ident(m)} = t.{ident(m)}' for m in r.pair.match)}"
        f" AND {accepted('f')} AND NOT {images_differ(carried[r.view], 'f.', 't.')}{_own_defaults(r, columns)})"
        for r in routes
    )
    stays = f" AND NOT ({explained_by(staying, 't')})" if staying else ""
    return (
        f"SELECT {spanish_clave(routes[0], 't')} AS clave, to_jsonb(t.*) AS fila,"
        f" array_remove(ARRAY[{nulls}]::text[], NULL) AS nulos FROM {routes[0].target_table} t\n"
        f"WHERE NOT ({given}){stays}"
    )


def _own_defaults(route: Route, columns: Sequence[OwnColumn]) -> str:
    """Return whether the columns that the route does not carry still hold their constant defaults."""
    return "".join(
        f" AND NOT ROW(t.{ident(c.name)})::record *<> ROW(({c.default or 'NULL'})::{c.type})::record"
        for c in columns
        if c.name not in route.columns and "(" not in (c.default or "")
    )
