"""The forward SELECT and a plain INSERT agree on every value: refused or not, with which SQLSTATE, and stored as what.

The INSERT is PostgreSQL's own judgement, row by row, of the legacy column put into the Spanish one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.mapping.types import TableMapping
from plugins.module_utils.core.rows.forward import forward_sql
from plugins.module_utils.core.rows.reading import helper_statements
from plugins.module_utils.core.rows.routes import routes_of
from plugins.module_utils.core.survey.drift import find_drift
from plugins.module_utils.ledger import bookkeeping
from plugins.module_utils.server import db
from plugins.module_utils.server.connect import connect
from plugins.module_utils.server.live_catalogue import read_catalogue
from tests.support.databases import Database, Databases
from tests.support.hostile import DATES, JSONS, PLAIN_DATES, PLAIN_NOTES, SOURCES, STATUSES, TEXTS, UUIDS

pytestmark = pytest.mark.values

TEXT_LIKE = ("text", "character varying", "character varying(6)", "character(8)", "letters", "citext", "name", "short_text")
INTEGERS = ("smallint", "integer", "bigint")
NUMBERS = (*INTEGERS, "numeric", "numeric(12,4)", "real", "double precision")
MOMENTS = ("timestamp with time zone", "timestamp without time zone")
# Which legacy type may go into which Spanish type; every other combination is drift, which fase0 refuses.
CONVERSIONS = {
    "text": (*TEXT_LIKE, "uuid", *INTEGERS),
    "varchar": (*TEXT_LIKE, "uuid", *INTEGERS),
    "varchar(5)": (*TEXT_LIKE, "uuid", *INTEGERS),
    "jsonb": (*TEXT_LIKE, "json", "jsonb"),
    "json": ("json",),
    "uuid": (*TEXT_LIKE, "uuid"),
    "smallint": NUMBERS,
    "integer": NUMBERS,
    "bigint": NUMBERS,
    "numeric": NUMBERS,
    "numeric(5,2)": NUMBERS,
    "real": ("real",),
    "double precision": ("double precision",),
    "boolean": ("boolean",),
    "date": ("date",),
    "timestamp": (*MOMENTS, *TEXT_LIKE),
    "timestamptz": ("timestamp with time zone",),
}
PAIRS = [(source, target) for target, sources in CONVERSIONS.items() for source in sources]
bounded = settings(
    max_examples=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class Field:
    """One legacy column, the Spanish one, the rule between them, and what INSERT is given in terms of v."""

    legacy: str
    type: str
    column: dict[str, Any]
    rule: dict[str, Any]
    constraints: str = ""
    inserted: str = "v"


class Bench:
    """A legacy table of one column and the judgement of both sides on whatever is put into it."""

    def __init__(self, database: Database) -> None:
        self.conn = connect(database.url, "prueba")
        bookkeeping.ensure_schema(self.conn)  # the forward SELECT asks the quarantine what cannot be read
        self.run("CREATE TYPE public.letters AS ENUM ('a', 'abcde', 'abcdef', 'abcde ', 'null', 'ñandú')")
        self.run("CREATE DOMAIN public.short_text AS varchar(10)")
        for statement in helper_statements(self.conn.info.server_version // 10_000):
            self.run(statement)

    def run(self, statement: str) -> None:
        db.run_sql(self.conn, statement)

    def require(self, source: str) -> None:
        if source == "citext" and db.fetch_all(self.conn, "SELECT to_regtype('public.citext')") == [(None,)]:
            pytest.skip("this server has no citext")

    def prepare(self, field: Field) -> TableMapping:
        """Make the two tables; the Spanish one and its refusals are filled by plain INSERTs alone."""
        self.run("DROP TABLE IF EXISTS public.origen, public.destino, public.rechazo")
        self.run("SET search_path = public")  # the types of the test live there
        self.run(f"CREATE TABLE origen (id integer PRIMARY KEY, v {field.legacy})")
        self.run(f"CREATE TABLE destino (id integer PRIMARY KEY, valor {field.type} {field.constraints})")
        self.run("CREATE TABLE rechazo (id integer PRIMARY KEY, estado text)")
        self.run("SET search_path = pg_catalog")
        columns = {"id": "integer", "valor": {"type": field.type, **field.column}}
        rules = {"id": "id", "valor": {"from": "v", **field.rule}}
        document = {
            "schema": "public",
            "subphases": {"fase2": ["2.1"]},
            "tables": {"destino": {"twin": "origen", "columns": columns, "primary_key": "id"}},
            "pairs": {"origen": {"destino": {"subphase": "2.1", "columns": rules}}},
        }
        return load_mapping(json.dumps(document), "prueba.yml")

    def is_drift(self, field: Field) -> bool:
        mapping = self.prepare(field)
        return bool(find_drift(mapping, read_catalogue(self.conn, mapping)))

    def disagreements(self, field: Field, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Return (value, SQLSTATE here, SQLSTATE of INSERT, value here, value of INSERT) wherever the two part."""
        mapping = self.prepare(field)
        [route] = routes_of(mapping, read_catalogue(self.conn, mapping))
        texts = [None if value is None else str(value) for value in values]
        rows = f"SELECT n, v::{field.legacy} FROM unnest(%s::text[]) WITH ORDINALITY AS t (v, n)"
        self.run("SET search_path = public")
        db.execute(self.conn, f"INSERT INTO origen {rows}", (texts,))
        self.run("SET search_path = pg_catalog")
        # one SQLSTATE for each kind of refusal: jsonb has four for a text, a numeric NaN is "not supported" as integer
        known = {"jsonb": "22P02", "timestamp": "22007"}.get(field.type, "22003")
        others = "= '0A000'" if known == "22003" else "<> '23502'"
        kind = f"CASE WHEN SQLSTATE {others} THEN '{known}' ELSE SQLSTATE END"
        self.run(
            f"""DO $$ DECLARE r record; BEGIN
            FOR r IN SELECT * FROM public.origen LOOP
              BEGIN
                INSERT INTO public.destino SELECT id, {field.inserted} FROM public.origen WHERE id = r.id;
              EXCEPTION WHEN OTHERS THEN
                INSERT INTO public.rechazo VALUES (r.id, {kind});
              END;
            END LOOP; END $$"""
        )
        self.run("SET TimeZone = 'America/Guayaquil'")  # the forward SELECT must not care
        found = db.fetch_all(
            self.conn,
            f"""SELECT left(o.v::text, 80), f._rechazo[1], x.estado, left(f.valor::text, 80), left(d.valor::text, 80)
            FROM public.origen o JOIN ({forward_sql(route)}) f ON f._k1 = o.id
            LEFT JOIN public.destino d ON d.id = o.id LEFT JOIN public.rechazo x ON x.id = o.id
            WHERE f._rechazo[1] IS DISTINCT FROM x.estado
               OR x.estado IS NULL AND ROW(f.valor)::record *<> ROW(d.valor)::record
               OR (f._rechazo IS NULL) <> (f._motivo IS NULL) ORDER BY o.id""",
        )
        self.run("SET TimeZone = 'UTC'")
        return found


@pytest.fixture(scope="module")
def bench(databases: Databases) -> Iterator[Bench]:
    database = databases.empty()
    if database.query("SELECT 1 FROM pg_available_extensions WHERE name = 'citext'"):
        database.query("CREATE EXTENSION citext SCHEMA public")
    made = Bench(database)
    with closing(made.conn):
        yield made
    databases.drop(database)


def inserted(source: str, target: str) -> str:
    """What INSERT is given: the column itself where PostgreSQL assigns it, else its text, which is parsed."""
    if target == "timestamp" and source in TEXT_LIKE:
        return "public.fecha(v::text)"
    parsed = target in ("jsonb", "uuid") and source not in ("jsonb", "uuid")
    return f"v::text::{target}" if parsed else "v"


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=[f"{s} to {t}" for s, t in PAIRS])
def test_every_conversion_judges_as_insert_does(bench: Bench, source: str, target: str) -> None:
    bench.require(source)
    values, parsed = SOURCES[source], {"jsonb": JSONS, "uuid": UUIDS, "timestamp": DATES}
    if source in TEXT_LIKE and target in parsed and source != "letters":
        longest = {"character varying(6)": 6, "character(8)": 8, "short_text": 10, "name": 20}.get(source, 10**9)
        values = [v for v in parsed[target] if v is None or len(v) <= longest]
    bench.run(PLAIN_DATES)
    field = Field(source, target, {}, {}, inserted=inserted(source, target))
    assert bench.disagreements(field, values) == []


ZONES = ("UTC", "America/Guayaquil", "America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati")
LOCAL_TIMES = [
    *(None, "infinity", "-infinity", "2026-11-20 21:30", "1890-01-01", "0001-12-31 23:59:59 BC"),
    *("4714-11-25 BC", "4713-01-01 BC", "294276-12-30 23:59:59.999999"),  # a day from the ends of what PostgreSQL can say
    # an hour that comes twice, one that never comes
    *("2026-11-01 01:30", "2026-03-08 02:30", "2026-04-05 01:45", "2026-10-04 02:15"),
]


@pytest.mark.parametrize("zone", ZONES)
def test_a_time_without_a_zone_is_read_by_the_clock_that_the_mapping_names(bench: Bench, zone: str) -> None:
    read = f"v AT TIME ZONE '{zone}' AT TIME ZONE 'UTC'"
    field = Field("timestamp without time zone", "timestamp", {}, {"zona": zone}, inserted=read)
    assert bench.disagreements(field, LOCAL_TIMES) == []
    moved = "SELECT (SELECT valor FROM public.destino WHERE id = 4) - '2026-11-20 21:30'::timestamp"
    hours = {"UTC": 0, "America/Guayaquil": 5, "America/New_York": 5, "Australia/Lord_Howe": -11, "Pacific/Kiritimati": -14}
    assert db.fetch_all(bench.conn, moved)[0][0].total_seconds() / 3600 == hours[zone]


def test_a_zone_moves_no_time_that_has_its_own_and_none_that_is_text(bench: Bench) -> None:
    for source, values in (("timestamp with time zone", SOURCES["timestamp with time zone"]), ("text", DATES)):
        bench.run(PLAIN_DATES)
        field = Field(source, "timestamp", {}, {"zona": "America/Guayaquil"}, inserted=inserted(source, "timestamp"))
        assert bench.disagreements(field, values) == []


@pytest.mark.parametrize(
    ("zone", "last"), [("America/Guayaquil", "294276-12-31 23:59:59"), ("Asia/Tokyo", "4714-11-24 00:00 BC")]
)
def test_a_time_that_another_clock_cannot_say_is_refused_and_raises_nothing(bench: Bench, zone: str, last: str) -> None:
    field = Field("timestamp without time zone", "timestamp", {}, {"zona": zone, "default": "2020-01-01"})
    [row] = bench.disagreements(field, ["infinity", last, "2020-01-01 00:00"])[:1]
    assert row[1] == "22008"


@pytest.mark.parametrize("source", SOURCES)
def test_whatever_has_no_conversion_is_drift(bench: Bench, source: str) -> None:
    bench.require(source)
    accepted = {target for target in CONVERSIONS if not bench.is_drift(Field(source, target, {}, {}))}
    assert accepted == {target for target, sources in CONVERSIONS.items() if source in sources}


RULED = {
    "a name that may not be missing": Field("text", "varchar(5)", {"not_null": True}, {}, "NOT NULL"),
    "a name with the services' own default": Field(
        "text", "varchar(5)", {"not_null": True}, {"default": "anon"}, "NOT NULL", "coalesce(v, 'anon')"
    ),
    "a content that is empty where there was none": Field(
        "text", "text", {"not_null": True}, {"default": ""}, "NOT NULL", "coalesce(v, '')"
    ),
    "a status in two languages": Field(
        "text",
        "varchar(8)",
        {"allowed": ["activo", "inactivo", "d'oca\\s"]},
        {"values": {"active": "activo", "inactive": "inactivo", "50%'s": "d'oca\\s", "": "activo"}},
        "CHECK (valor IN ('activo', 'inactivo', 'd''oca\\s'))",
        "CASE v WHEN 'active' THEN 'activo' WHEN 'inactive' THEN 'inactivo' WHEN '50%''s' THEN 'd''oca\\s' WHEN '' THEN 'activo'"
        " ELSE v END",
    ),
    "an obligatory kind with a default": Field(
        "text",
        "varchar(50)",
        {"allowed": ["texto", "imagen"], "not_null": True},
        {"values": {"text": "texto"}, "default": "texto"},
        "NOT NULL CHECK (valor IN ('texto', 'imagen'))",
        "coalesce(CASE v WHEN 'text' THEN 'texto' ELSE v END, 'texto')",
    ),
    "years between 0 and 70": Field(
        "integer", "integer", {"minimum": 0, "maximum": 70}, {"default": 0}, "CHECK (valor BETWEEN 0 AND 70)", "coalesce(v, 0)"
    ),
    "years as a float": Field(
        "double precision",
        "integer",
        {"minimum": 0, "maximum": 70, "not_null": True},
        {},
        "NOT NULL CHECK (valor BETWEEN 0 AND 70)",
    ),
    "a rating": Field("numeric", "numeric(3,2)", {"minimum": 0, "maximum": 5}, {}, "CHECK (valor BETWEEN 0 AND 5)"),
    "more attempts than none": Field("bigint", "integer", {"minimum": 1}, {"default": 3}, "CHECK (valor >= 1)", "coalesce(v, 3)"),
    "a moment that may not be missing": Field("timestamptz", "timestamp", {"not_null": True}, {}, "NOT NULL"),
    "whether a request is resolved": Field(
        "varchar(30)",
        "varchar(20)",
        {"default": "pendiente", "allowed": ["pendiente", "resuelta"]},
        {"present": "resuelta", "absent": "pendiente"},
        "CHECK (valor IN ('pendiente', 'resuelta'))",
        "CASE WHEN v IS NULL OR v = '' THEN 'pendiente' ELSE 'resuelta' END",
    ),
    "a payload that may not be missing": Field("text", "jsonb", {"not_null": True}, {}, "NOT NULL", "v::jsonb"),
    "certificates, an empty list where there were none": Field(
        "text", "jsonb", {}, {"default": []}, "", "coalesce(v::jsonb, '[]')"
    ),
    "metadata, an empty object where there was none": Field("jsonb", "jsonb", {}, {"default": {}}, "", "coalesce(v, '{}')"),
    "notes of the newer installation": Field(
        "jsonb", "jsonb", {}, {"default": {}, "text_key": "texto"}, "", "CASE WHEN v <> 'null' THEN v ELSE '{}' END"
    ),
    "notes of the older installation": Field("text", "jsonb", {}, {"default": {}, "text_key": "texto"}, "", "public.notas(v)"),
    "notes in a column of type json": Field(
        "json", "jsonb", {}, {"default": {}, "text_key": "texto"}, "", "public.notas(v::text)"
    ),
}


@pytest.mark.parametrize("name", RULED)
def test_defaults_translations_and_checks_judge_as_insert_does(bench: Bench, name: str) -> None:
    field = RULED[name]
    bench.run(PLAIN_NOTES)
    by_type = {
        "text": JSONS if field.type == "jsonb" else [*TEXTS, *STATUSES],
        "varchar(30)": STATUSES[:10] + DATES[:5],
        "timestamptz": SOURCES["timestamp with time zone"],
    }
    assert bench.disagreements(field, by_type.get(field.legacy) or SOURCES[field.legacy]) == []


any_text = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=9)
padded = st.builds("".join, st.tuples(any_text, st.sampled_from(["", " ", "     ", "  \t", "\n", "\u00a0"])))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner) | st.dictionaries(any_text, inner),
)
nearly_json = st.builds(
    lambda value, cut, tail: json.dumps(value)[cut:] + tail,
    json_values,
    st.integers(0, 2),
    st.sampled_from(["", "", " ", "}", "\x0c"]),
)
nearly_dates = st.builds(
    "{}-{:02}-{:02}{}{}".format,
    st.sampled_from(["2024", "2023", "1900", "0000", "9999", "02024"]),
    st.integers(0, 13),
    st.integers(0, 32),
    st.sampled_from(["", "T00:00", " 23:59:59", "T24:00", " 12:30:60", "t10:00", "T10:00:00.", " 10:00:00.123456789"]),
    st.sampled_from(["", "Z", "z", "+00", "-05", "+05:30", "-0500", "+15:59", "+16", "-00:60", " UTC", " EST", " BC", "\n"]),
)
digits = st.decimals(allow_nan=True, allow_infinity=True).map(str)


@bounded
@given(st.lists(st.none() | padded | any_text, max_size=40))
def test_any_text_goes_into_a_varchar_as_insert_puts_it(bench: Bench, values: list[str | None]) -> None:
    assert bench.disagreements(RULED["a name that may not be missing"], values) == []


@bounded
@given(st.lists(st.none() | any_text | nearly_json, max_size=40))
def test_any_note_is_json_or_kept_as_text(bench: Bench, values: list[str | None]) -> None:
    bench.run(PLAIN_NOTES)
    assert bench.disagreements(RULED["notes of the older installation"], values) == []


@bounded
@given(st.sampled_from(("numeric(5,2)", "numeric", *INTEGERS)), st.lists(st.floats() | st.integers(-(2**63), 2**63), max_size=40))
def test_any_float_is_rounded_and_refused_as_insert_does(bench: Bench, target: str, values: list[float]) -> None:
    assert bench.disagreements(Field("double precision", target, {}, {}), [repr(v) for v in values]) == []


@bounded
@given(st.sampled_from(("numeric(5,2)", *INTEGERS)), st.lists(digits, max_size=40))
def test_any_decimal_is_rounded_and_refused_as_insert_does(bench: Bench, target: str, values: list[str]) -> None:
    assert bench.disagreements(Field("numeric", target, {}, {}), [v for v in values if "E" not in v and v[-3:] != "NaN"]) == []


@bounded
@given(st.lists(nearly_dates | any_text, max_size=200))
def test_a_date_that_needs_no_setting_is_read_as_with_the_settings(bench: Bench, values: list[str]) -> None:
    foreign = {"TimeZone": "America/Guayaquil", "DateStyle": "SQL, DMY", "timezone_abbreviations": "India"}
    judged = "SELECT t FROM unnest(%s::text[]) t WHERE migracion.a_instante(t) IS DISTINCT FROM migracion.leer_fecha(t)"
    with db.rolled_back(bench.conn):
        db.execute(bench.conn, "SELECT set_config(k, v, true) FROM json_each_text(%s) x(k, v)", (json.dumps(foreign),))
        assert db.fetch_all(bench.conn, judged, (values,)) == []
