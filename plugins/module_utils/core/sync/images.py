"""A pair's keys as the sync's functions pass them: the legacy key of each row beside the Spanish key of its twin.

Both stand in arrays of one length, ``p_k1`` … and ``p_m1`` …: the twin of a row that is gone is found by what the row was.
"""

from __future__ import annotations

import re

from ..bookkeeping import BOOKKEEPING, FLAG
from ..rows.refusals import conversion_of
from ..rows.routes import Route, clave_sql, joined_key
from ..sqltext import ident, literal, where_all
from .conflicts import conflict_counted

# SQLSTATE classes that no row of ours causes, or that somebody else's lock does: they are the service's to see.
PASSED_ON = ("53", "55", "57")
MODES = f"{BOOKKEEPING}.sincronizacion"
DRAINING = "migracion.drenaje"  # the setting of the drain's own transactions: what waits is carried by them
ALL_ROWS = "*"  # the key that stands for every row of its table
RUN = "'sincronizacion'"  # what stands for a run where the sync sets a row aside
SYNC_HEAD = """-- ningún nombre se toma de otro esquema
SET search_path = pg_catalog, pg_temp
-- cada fila se busca por su clave, también por un plan que se hizo con la tabla vacía
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
-- compilar tardaría más que la sentencia
SET jit = off
"""


def match_names(route: Route) -> tuple[str, ...]:
    """Return the names of the twin's key columns: _m1, _m2 …"""
    return tuple(f"_m{n}" for n, _ in enumerate(route.match, 1))


def both_names(route: Route) -> tuple[str, ...]:
    """Return the names of both keys' columns, the legacy ones first."""
    return (*route.key_names, *match_names(route))


def both_types(route: Route) -> tuple[str, ...]:
    """Return their types."""
    return (*(c.type for c in route.key), *(c.type for c in route.match))


def both_columns(route: Route) -> list[tuple[str, str]]:
    """Return names and types of both keys' columns."""
    return list(zip(both_names(route), both_types(route), strict=True))


def arguments(route: Route) -> str:
    """Return the array parameters of a function that takes keys."""
    return ", ".join(f"p{n} {t}[]" for n, t in zip(both_names(route), both_types(route), strict=True))


def passed_keys(route: Route, prefix: str = "p") -> str:
    """Return the arrays as they are passed on."""
    return ", ".join(prefix + n for n in both_names(route))


def asked(route: Route, prefix: str = "p") -> str:
    """Return the keys as rows k."""
    return f"unnest({passed_keys(route, prefix)}) AS k({', '.join(both_names(route))})"


def gathered(route: Route, prefix: str = "p", alias: str = "k") -> str:
    """Return what makes arrays of rows, and the variables they go into."""
    listed = ", ".join(f"array_agg({alias}.{n})" for n in both_names(route))
    return f"SELECT {listed} INTO {passed_keys(route, prefix)}"


def declared(route: Route, prefix: str) -> str:
    """Return the declarations of variables for keys."""
    return " ".join(f"{prefix}{n} {t}[];" for n, t in zip(both_names(route), both_types(route), strict=True))


def image(route: Route, alias: str) -> str:
    """Return both keys of the legacy row ``alias`` as columns."""
    keys = [f"{alias}.{ident(c.name)} AS {n}" for c, n in zip(route.key, route.key_names, strict=True)]
    for column, name in zip(route.match, match_names(route), strict=True):
        carried = route.carried_as(column.name)
        if carried is None:
            raise LookupError(column.name)
        keys.append(f"{conversion_of(route, carried, alias).value} AS {name}")
    return ", ".join(keys)


def twin_image(route: Route) -> str:
    """Return a SELECT of both keys of every Spanish row; the legacy key is the row's own."""
    carried = [route.carried_as(c.name) for c in route.match]
    by_source = {c.source.name: c for c in route.carried if not c.rule.lookup}
    keys = [
        f"t.{ident(by_source[c.name].target.name)}::{c.type} AS {n}" if c.name in by_source else f"NULL::{c.type} AS {n}"
        for c, n in zip(route.key, route.key_names, strict=True)
    ]
    match = [f"t.{ident(c.target.name)} AS {n}" for c, n in zip(carried, match_names(route), strict=True) if c is not None]
    return f"SELECT {', '.join(keys + match)} FROM {route.target_table} t"


def every_row(route: Route) -> str:
    """Return rows k of both keys of every row of the pair, on whichever side it is."""
    known = " AND ".join(f"k.{n} IS NOT NULL" for n in route.key_names)
    legacy = f"SELECT {image(route, 'l')} FROM {route.source_table} l{where_all(route.where('l'), before=' ')}"
    return f"({legacy} UNION {twin_image(route)}) k WHERE {known}"


def legacy_row(route: Route, alias: str, key: str = "k") -> str:
    """Return the condition that makes ``alias`` the legacy row of the key in ``key``."""
    columns = zip(route.key, route.key_names, strict=True)
    return " AND ".join(f"{alias}.{ident(c.name)} = {key}.{n}" for c, n in columns)


def seen_row(route: Route, alias: str = "f", key: str = "k") -> str:
    """Return the condition that makes ``alias`` the view's row of the key in ``key``."""
    return " AND ".join(f"{alias}.{n} = {key}.{n}" for n in route.key_names)


def twin_row(route: Route, alias: str = "t", key: str = "k") -> str:
    """Return the condition that makes ``alias`` the Spanish row of the key in ``key``."""
    columns = zip(route.match, match_names(route), strict=True)
    return " AND ".join(f"{alias}.{ident(c.name)} = {key}.{n}" for c, n in columns)


def legacy_text(route: Route, key: str = "k") -> str:
    """Return the legacy key as one text."""
    return joined_key([(f"{key}.{n}", c.base) for c, n in zip(route.key, route.key_names, strict=True)])


def twin_text(route: Route, key: str = "k") -> str | None:
    """Return the Spanish key as one text; None where the twin is known by other columns than its primary key."""
    if {c.name for c in route.match} != set(route.table.primary_key):
        return None
    by_name = {c.name: (f"{key}.{n}", c.type.split("(")[0]) for c, n in zip(route.match, match_names(route), strict=True)}
    return joined_key([by_name[name] for name in route.table.primary_key])


def legacy_row_named(route: Route, alias: str, clave: str) -> str:
    """Return the condition that makes ``alias`` the legacy row whose key as one text is ``clave``."""
    if len(route.key) == 1:
        return f"{alias}.{ident(route.key[0].name)} = {clave}::{route.key[0].type}"
    return f"{clave_sql(route.key, alias)} = {clave}"


def pair_is(route: Route, alias: str) -> str:
    """Return the condition that makes a bookkeeping row ``alias`` the pair's."""
    return f"{alias}.tabla_origen = {literal(route.pair.source)} AND {alias}.tabla_destino = {literal(route.pair.target)}"


def flagged(route: Route) -> str:
    """Return the flag, as SQL, under which the functions of this Spanish table write at the depth they run at."""
    return f"{literal(route.pair.target + ':')} || pg_trigger_depth()"


def flag_of(route: Route) -> str:
    """Return that flag as a statement of the drain sets it, which no trigger runs."""
    return f"{route.pair.target}:0"


def set_flag(value: str) -> str:
    """Return the statement that sets the flag for the rest of the transaction, or until it is set again.

    Its variable v_marca is read by nobody: an assignment costs a tenth of a query.
    """
    return f"v_marca := set_config({literal(FLAG)}, {value}, true);"


def current_flag() -> str:
    """Return the flag as it stands, '' where there is none."""
    return f"coalesce(current_setting({literal(FLAG)}, true), '')"


def left(route: Route, rows: str, reason: str, state: str = "NULL") -> str:
    """Return the statement that leaves legacy keys for the drain. ``rows``: FROM with both keys in k; the rest as SQL."""
    match = ", ".join(f"k.{n}" for n in match_names(route))
    return (
        f"INSERT INTO {BOOKKEEPING}.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)\n"
        f"    SELECT {literal(route.pair.source)}, {literal(route.pair.target)}, {legacy_text(route)},"
        f" jsonb_build_array({match}), {reason}, {state} FROM {rows};"
    )


def left_whole(route: Route, reason: str = "v_mensaje", state: str = "v_estado") -> str:
    """Return the statement that leaves the whole legacy table for the drain: which rows it was cannot be said any more.

    ``reason`` and ``state``: as SQL.
    """
    pair = f"{literal(route.pair.source)}, {literal(route.pair.target)}"
    return (
        f"INSERT INTO {BOOKKEEPING}.pendiente (tabla_origen, tabla_destino, clave, motivo, sqlstate)\n"
        f"    VALUES ({pair}, {literal(ALL_ROWS)}, {reason}, {state});"
    )


def split_clave(clave: str) -> list[str]:
    r"""Return the values of a key that was written as one text: joined by '|', a '|' or '\' inside a value behind a '\'."""
    return [re.sub(r"\\(.)", r"\1", part) for part in re.findall(r"((?:[^|\\]|\\.)*)(?:\||$)", clave)][: clave_width(clave)]


def clave_width(clave: str) -> int:
    """Return how many values a key has."""
    return len(re.sub(r"\\.", "", clave).split("|"))


def passed_on(margin: str) -> str:
    """Return whether an error is the service's to see, on two lines."""
    mine = f"left(v_estado, 2) IN ({', '.join(map(literal, PASSED_ON))})"
    return f"{mine}\n{margin}  OR left(v_estado, 2) = '40' AND (v_firme OR v_estado <> '40001' OR v_detalle <> '')"


def caught(leave: str, margin: str, counted: str = "") -> str:
    """Return the handler of a trigger's work: what it could not do is left by ``leave``, and the service's write stands.

    Passed on, and counted for the writers of the table ``counted``, is what somebody else's lock or a lack of resources causes,
    and what SERIALIZABLE decides (it has a detail). Needs the variables v_estado, v_mensaje, v_detalle and v_firme.
    """
    lines = (
        f"EXCEPTION WHEN OTHERS{' OR query_canceled' if counted else ''} THEN",
        "  GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;",
        "  -- lo que retiene otro, o falta de recursos, es de quien escribe; también lo que decide SERIALIZABLE (lleva detalle)",
        f"  IF {passed_on('  ' + margin)} THEN",
        *([f"    {conflict_counted(counted)}"] if counted else []),
        "    RAISE;",
        "  END IF;",
        f"  {leave}",
    )
    return "".join(f"{margin}{line}\n" for line in lines)
