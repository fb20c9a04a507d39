"""The functions of schema migracion that tables and forward SELECTs call: what a text means as JSON or as a date."""

from __future__ import annotations

from ..bookkeeping import BOOKKEEPING

TOUCH = f"{BOOKKEEPING}.tocar_actualizado"


# all that decides what a date means which is written as text
_READING_DATES = "SET TimeZone = 'UTC' SET DateStyle = 'ISO, MDY' SET timezone_abbreviations = 'Default'"
# A day that exists, perhaps a time, perhaps a zone in digits or Z: no setting changes what it means and reading it cannot fail.
_PLAIN_DATE = (
    "^(19|20)[0-9]{2}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
    "([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)?)?$"
)


def helper_statements(version: int) -> tuple[str, ...]:
    """Return the functions of schema migracion that tables and forward SELECTs call; ``version``: server_version_num."""
    reading = {**_reading_json(version), **_reading_dates(version)}
    names = ", ".join((*(f"{BOOKKEEPING}.{name}(text)" for name in reading), f"{TOUCH}()"))
    return (
        *reading.values(),
        # stands aside when the copy or the sync writes, so that a twin keeps the time of its origin
        f"""CREATE OR REPLACE FUNCTION {TOUCH}() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN jsonb_populate_record(NEW, jsonb_build_object(TG_ARGV[0], timezone('utc', now())));
END $$""",
        f"REVOKE ALL ON FUNCTION {names} FROM PUBLIC",
    )


def _reading_json(version: int) -> dict[str, str]:
    """Return by name the functions that say whether a text is one that jsonb accepts, in the order in which they are made."""
    tried = "es_jsonb" if version < 170000 else "leer_json"
    # before 17 no parallel worker may open the subtransaction that a block with EXCEPTION is
    attempt = f"""CREATE OR REPLACE FUNCTION {BOOKKEEPING}.{tried}(texto text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL {"UNSAFE" if version < 170000 else "SAFE"} AS $$
BEGIN
  PERFORM texto::pg_catalog.jsonb;
  RETURN true;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
  RETURN false;
END $$"""
    if version < 170000:
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


def _reading_dates(version: int) -> dict[str, str]:
    """Return by name the functions that give the instant that a text names, NULL where it names none that stays the same.

    Without a zone the services mean UTC; words such as today would give another instant every day. Setting
    timezone_abbreviations reads a file, 0.1 ms for every value: what needs no setting is read by an expression.
    """
    words = "texto ~* '(now|today|tomorrow|yesterday)'"
    if version >= 160000:
        body = f"""LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
BEGIN
  IF {words} OR NOT pg_catalog.pg_input_is_valid(texto, 'pg_catalog.timestamptz') THEN
    RETURN NULL;
  END IF;
  RETURN texto::pg_catalog.timestamptz;
END $$"""
    else:
        body = f"""LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE AS $$
BEGIN
  IF {words} THEN
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
LANGUAGE sql STABLE PARALLEL {"SAFE" if version >= 160000 else "UNSAFE"}
RETURN CASE WHEN texto ~ '{_PLAIN_DATE}' AND octet_length(texto) < 60
  THEN (CASE WHEN substr(texto, 11) ~ '[-+]' THEN texto ELSE rtrim(texto, 'Z') || '+00' END)::timestamptz
  ELSE {BOOKKEEPING}.leer_fecha(texto) END""",
    }
