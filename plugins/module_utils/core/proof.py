"""The comparison of a pair's forward SELECT with its Spanish table: one scan, both ways, every difference has a name."""

from __future__ import annotations

from .copying import UNFORESEEN, match_columns, row_image, spanish_clave
from .forward import BOOKKEEPING, Route
from .sqltext import ident, idents, images_differ, literal, qname

EQUAL, MISSING, DIFFERENT, SURPLUS = "igual", "falta", "difiere", "sobra"
QUARANTINED, REFUSED = "cuarentena", "rechazada"  # refused: no entry in migracion.cuarentena that says so yet
PENDING = (MISSING, DIFFERENT, REFUSED)


def classified_sql(route: Route, detail: bool = False) -> str:
    """Return a SELECT that gives every legacy row and every Spanish row its state.

    Columns: estado, motivo, anotada (an entry is open), clave, the legacy key (_k1 …), the Spanish row's match columns
    (_t1 …); with ``detail`` also ``columnas``: a text array of column, expected and found value, three by three, for rows
    that differ.
    Images are compared (``*<>``), not values: jsonb 1.0 and 1.00, equal to ``=``, are different bytes.
    """
    match = [c.name for c in match_columns(route)]
    joinable = ", ".join(f"CASE WHEN f._motivo IS NULL THEN f.{ident(m)} END AS _m{n}" for n, m in enumerate(match, 1))
    on = " AND ".join(f"t.{ident(m)} = f._m{n}" for n, m in enumerate(match, 1))
    found = ", ".join(f"t.{ident(m)} AS _t{n}" for n, m in enumerate(match, 1))
    columns = route.columns
    extra = f",\n  {_differences(route)} AS columnas" if detail else ""
    return f"""SELECT CASE
    WHEN f._clave IS NULL THEN '{SURPLUS}'
    WHEN f._motivo IS NOT NULL THEN
      CASE WHEN c.motivo = f._motivo AND {_unchanged(route)} THEN '{QUARANTINED}' ELSE '{REFUSED}' END
    WHEN t.{ident(match[0])} IS NULL THEN CASE WHEN {_still_refused(route)} THEN '{QUARANTINED}' ELSE '{MISSING}' END
    WHEN {images_differ(columns, "f.", "t.")} THEN '{DIFFERENT}'
    ELSE '{EQUAL}' END AS estado,
  CASE WHEN t.{ident(match[0])} IS NULL THEN coalesce(f._motivo, c.motivo) END AS motivo, c.clave IS NOT NULL AS anotada,
  coalesce(f._clave, {spanish_clave(route, "t")}) AS clave,
  {idents(route.key_names, "f.")}, {found}{extra}
FROM (SELECT f.*, {joinable} FROM {route.view} f) f
FULL JOIN {qname(route.schema, route.pair.target)} t ON {on}
LEFT JOIN {BOOKKEEPING}.cuarentena c
  ON c.tabla_origen = {literal(route.pair.source)} AND c.clave = f._clave AND c.estado <> 'resuelta'"""


def _still_refused(route: Route) -> str:
    """Return whether PostgreSQL itself refused the row (no expression foresaw it) and the row has not changed since."""
    return f"c.clave IS NOT NULL AND starts_with(c.motivo, {literal(UNFORESEEN)}) AND {_unchanged(route)}"


def _unchanged(route: Route) -> str:
    """Return whether the row's entry in quarantine holds the row as it is now."""
    key = " AND ".join(f"l.{ident(c.name)} = f.{k}" for c, k in zip(route.key, route.key_names, strict=True))
    source = qname(route.schema, route.pair.source)
    return f"(SELECT {row_image(route, 'l')} FROM {source} l WHERE {key}) = c.fila"


def _differences(route: Route) -> str:
    parts = ",\n    ".join(
        f"CASE WHEN {images_differ((c,), 'f.', 't.')}"
        f" THEN jsonb_build_array({literal(c)}, f.{ident(c)}::text, t.{ident(c)}::text) END"
        for c in route.columns
    )
    return f"(SELECT jsonb_agg(x) FROM unnest(ARRAY[\n    {parts}]) x WHERE x IS NOT NULL)"


def accounting_sql(route: Route) -> str:
    """Return a SELECT of estado, motivo, n, the first key of each group and how many of its rows have an open entry."""
    return (
        f'SELECT estado, motivo, count(*) AS n, min(clave COLLATE "C") AS primera, count(*) FILTER (WHERE anotada) AS anotadas\n'
        f"FROM ({classified_sql(route)}) d GROUP BY estado, motivo"
    )


def examples_sql(route: Route, limit: int) -> str:
    """Return a SELECT of the first ``limit`` differences of each kind: estado, motivo, clave, columnas."""
    return f"""SELECT estado, motivo, clave, columnas FROM (
  SELECT d.*, row_number() OVER (PARTITION BY estado ORDER BY clave COLLATE "C") AS puesto
  FROM ({classified_sql(route, detail=True)}) d WHERE estado NOT IN ('{EQUAL}', '{QUARANTINED}')
) e WHERE puesto <= {limit} ORDER BY estado, puesto"""


def repair_sql(route: Route) -> str:
    """Return a SELECT of estado and the keys of every row that a repair has to look at."""
    match = ", ".join(f"_t{n}" for n in range(1, len(route.pair.match) + 1))
    return (
        f"SELECT estado, {idents(route.key_names)}, {match}\n"
        f"FROM ({classified_sql(route)}) d WHERE estado NOT IN ('{EQUAL}', '{QUARANTINED}')"
    )


def stale_entries_sql(route: Route) -> str:
    """Return a SELECT of tabla_origen and clave whose open quarantine entry no refused legacy row explains any more."""
    return f"""SELECT c.tabla_origen, c.clave FROM {BOOKKEEPING}.cuarentena c
WHERE c.tabla_origen = {literal(route.pair.source)} AND c.estado <> 'resuelta'
  AND NOT EXISTS (SELECT 1 FROM {route.view} f WHERE f._clave = c.clave AND f._motivo IS NOT NULL)"""


def unexplained_sql(route: Route) -> str:
    """Return a SELECT of clave and fila: Spanish rows that no legacy row gives as they are, or that hold more than defaults."""
    target = qname(route.schema, route.pair.target)
    same = " AND ".join(f"f.{ident(m)} = t.{ident(m)}" for m in route.pair.match)
    own = [
        f"ROW(t.{ident(c.name)})::record *<> ROW(({c.default or 'NULL'})::{c.type})::record"
        for c in route.table.columns
        if c.name not in route.columns and not c.serial and not c.optional and "(" not in (c.default or "")
    ]
    more = "".join(f" OR {condition}" for condition in own)
    return f"""SELECT {spanish_clave(route, "t")} AS clave, to_jsonb(t) AS fila FROM {target} t
WHERE NOT EXISTS (SELECT 1 FROM {route.view} f WHERE {same} AND f._motivo IS NULL
  AND NOT {images_differ(route.columns, "f.", "t.")}){more}"""


def not_compared(route: Route) -> tuple[str, ...]:
    """Return the Spanish columns that no legacy column gives: the proof names them, because it says nothing of them."""
    return tuple(c.name for c in route.table.columns if c.name not in route.columns and not c.optional)
