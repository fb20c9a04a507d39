"""The functions of schema migracion that tables and forward SELECTs call: what a text means as JSON or as a date."""

from __future__ import annotations

from ..bookkeeping import BOOKKEEPING, TOUCH
from ..sqltext import commented, folded
from .set_aside import set_aside_statements
from .writers import writer_statements

_READING_DATES = """-- todo lo que decide qué fecha dice un texto
SET TimeZone = 'UTC' SET DateStyle = 'ISO, MDY' SET timezone_abbreviations = 'Default'"""
_CAPTIONS = {
    "es_jsonb": "Dice si jsonb acepta el texto. La llaman las vistas, donde la base guarda JSON como texto.",
    "leer_json": "Lo mismo, probando: para lo muy anidado, que agotaría la pila de la otra. La llama es_jsonb.",
    "leer_fecha": "Da el instante que dice el texto, o NULL si no dice uno que siempre sea el mismo. La llama a_instante.",
    "fila_entera": "La fila como jsonb, para guardarla; lo que es json, letra por letra. La llaman las vistas y llevar.",
    "a_instante": "Igual, sin cambiar ajustes para las fechas corrientes. La llaman las vistas, donde hay fechas como texto.",
}
_TOUCHING = (
    "Anota la hora del cambio en la columna que se le nombra. La llaman los disparadores de fase1, salvo cuando escriben la copia"
    " o la sincronización: así cada fila guarda la hora de su origen."
)
# No column is named, so that the table's owner may alter what is not read. A JSON with \u is taken apart with its backslashes
# doubled, since what json holds (the character 0, half a pair) may be no text.
_PAIR, _UNICODE = r"E'\\\\'", r"E'\\u'"
_DOUBLED = f"replace(replace(replace(fila::text, {_PAIR}, chr(1)), {_UNICODE}, {_PAIR} || 'u'), chr(1), {_PAIR} || {_PAIR})::json"
_HALVED = f"replace(replace(replace(e.value::text, {_PAIR} || {_PAIR}, chr(1)), {_PAIR} || 'u', {_UNICODE}), chr(1), {_PAIR})"
_WHOLE_ROW = f"""CREATE OR REPLACE FUNCTION {BOOKKEEPING}.fila_entera(fila json, tabla oid) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT jsonb_object_agg(v.nombre, CASE WHEN json_typeof(e.value) = 'null' THEN NULL
    WHEN v.nombre IN (SELECT a.attname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_type b ON b.oid = t.typbasetype
      WHERE a.attrelid = tabla AND coalesce(b.typname, t.typname) IN ('json', '_json')) THEN to_jsonb(v.texto)
    ELSE v.texto::jsonb END)
  FROM (SELECT strpos(fila::text, {_UNICODE}) > 0 AS doble) f
  CROSS JOIN json_each(CASE WHEN f.doble THEN {_DOUBLED} ELSE fila END) e
  CROSS JOIN LATERAL (SELECT CASE WHEN f.doble THEN replace(e.key, {_PAIR}, E'\\\\') ELSE e.key END AS nombre,
    CASE WHEN f.doble THEN {_HALVED} ELSE e.value::text END AS texto) v)"""
# A day that exists, perhaps a time, perhaps a zone in digits or Z: no setting changes what it means and reading it cannot fail.
_PLAIN_DATE = (
    "^(19|20)[0-9]{2}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
    "([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)?)?$"
)


def helper_statements(major: int) -> tuple[str, ...]:
    """Return the functions of schema migracion that are no pair's own; ``major``: the server's version, 15."""
    reading = {**_reading_json(major), **_reading_dates(major)}
    names = ", ".join(
        (*(f"{BOOKKEEPING}.{name}(text)" for name in reading), f"{BOOKKEEPING}.fila_entera(json, oid)", f"{TOUCH}()")
    )
    statements = (
        *(commented(_CAPTIONS[name]) + statement for name, statement in {**reading, "fila_entera": _WHOLE_ROW}.items()),
        touch_statement(),
        f"REVOKE ALL ON FUNCTION {names} FROM PUBLIC",
        *set_aside_statements(),
        *writer_statements(),
    )
    return tuple(map(folded, statements))


def touch_statement() -> str:
    """Return the function that fase1's triggers call."""
    return f"""{commented(_TOUCHING)}CREATE OR REPLACE FUNCTION {TOUCH}() RETURNS trigger
LANGUAGE plpgsql
-- ningún nombre se toma de otro esquema
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN jsonb_populate_record(NEW, jsonb_build_object(TG_ARGV[0], timezone('utc', now())));
END $$"""


def _reading_json(major: int) -> dict[str, str]:
    """Return by name the functions that say whether a text is one that jsonb accepts, in the order in which they are made."""
    tried = "es_jsonb" if major < 17 else "leer_json"
    # before 17 no parallel worker may open the subtransaction that a block with EXCEPTION is
    attempt = f"""CREATE OR REPLACE FUNCTION {BOOKKEEPING}.{tried}(texto text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL {"UNSAFE" if major < 17 else "SAFE"} AS $$
BEGIN
  PERFORM texto::pg_catalog.jsonb;
  RETURN true;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
  RETURN false;
END $$"""
    if major < 17:
        return {tried: attempt}
    # pg_input_is_valid raises where the parser's stack ends: what could be nested that deep is tried instead
    brackets = "octet_length(texto) - octet_length(translate(texto, '[{', ''))"
    return {
        tried: attempt,
        "es_jsonb": f"""CREATE OR REPLACE FUNCTION {BOOKKEEPING}.es_jsonb(texto text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN octet_length(texto) < 300 OR {brackets} < 300 THEN pg_input_is_valid(texto, 'pg_catalog.jsonb')
  ELSE {BOOKKEEPING}.{tried}(texto) END""",
    }


def _reading_dates(major: int) -> dict[str, str]:
    """Return by name the functions that give the instant that a text names, NULL where it names none that stays the same.

    Without a zone the services mean UTC; words such as today would give another instant every day. Setting
    timezone_abbreviations reads a file, 0.1 ms for every value: what needs no setting is read by an expression.
    """
    guard = "-- lo que cambia cada día no es un instante\n  IF texto ~* '(now|today|tomorrow|yesterday)'"
    if major >= 16:
        body = f"""LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
BEGIN
  {guard} OR NOT pg_catalog.pg_input_is_valid(texto, 'pg_catalog.timestamptz') THEN
    RETURN NULL;
  END IF;
  RETURN texto::pg_catalog.timestamptz;
END $$"""
    else:
        body = f"""LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE AS $$
BEGIN
  {guard} THEN
    RETURN NULL;
  END IF;
  RETURN texto::pg_catalog.timestamptz;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END $$"""
    return {
        "leer_fecha": f"""CREATE OR REPLACE FUNCTION {BOOKKEEPING}.leer_fecha(texto text) RETURNS timestamptz
{_READING_DATES}
{body}""",
        "a_instante": f"""CREATE OR REPLACE FUNCTION {BOOKKEEPING}.a_instante(texto text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL {"SAFE" if major >= 16 else "UNSAFE"}
RETURN CASE WHEN texto ~ '{_PLAIN_DATE}' AND octet_length(texto) < 60
  THEN (CASE WHEN substr(texto, 11) ~ '[-+]' THEN texto ELSE rtrim(texto, 'Z') || '+00' END)::timestamptz
  ELSE {BOOKKEEPING}.leer_fecha(texto) END""",
    }
