"""Whatever a legacy column holds, the evaluator and the forward SELECT make the same of it, or refuse it alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.rows.forward import forward_sql
from plugins.module_utils.core.rows.reading import helper_statements
from plugins.module_utils.core.rows.routes import routes_of
from plugins.module_utils.ledger import bookkeeping
from plugins.module_utils.opinion.neighbourhood import bound_here
from plugins.module_utils.server import db
from plugins.module_utils.server.connect import connect
from plugins.module_utils.server.live_catalogue import read_catalogue
from tests.support.agreement import Difference, compare
from tests.support.any_values import VALUES, fields, mapping_of
from tests.support.databases import Databases
from tests.support.hostile import DATES, JSONS, SOURCES, STATUSES, UUIDS

pytestmark = pytest.mark.values

FIELDS = list(fields())
ROWS = 50  # of an example


class Bench:
    """A pair of tables for each conversion and rule, and both judgements of whatever is put into the legacy ones."""

    def __init__(self, url: str) -> None:
        self.conn = connect(url, "prueba")
        bookkeeping.ensure_schema(self.conn)
        db.run_sql(self.conn, "CREATE TYPE public.letters AS ENUM ('a', 'abcde', 'abcdef', 'abcde ', 'null', 'ñandú')")
        db.run_sql(self.conn, "CREATE DOMAIN public.short_text AS varchar(10)")
        db.run_sql(self.conn, *helper_statements(self.conn.info.server_version // 10_000))
        for number, field in enumerate(FIELDS):
            kind = f"public.{field.legacy}" if field.legacy in ("letters", "short_text") else field.legacy
            db.run_sql(self.conn, f"CREATE TABLE public.l{number} (id integer PRIMARY KEY, v {kind})")
        mapping = load_mapping(mapping_of(FIELDS), "prueba.yml")
        catalogue = read_catalogue(self.conn, mapping)
        self.bound, self.routes = bound_here(self.conn, mapping, catalogue), routes_of(mapping, catalogue)
        for route in self.routes:
            db.run_sql(self.conn, f"CREATE VIEW {route.view} AS {forward_sql(route)}")

    def disagreements(self, number: int, values: list[str | None]) -> list[Difference]:
        kind = FIELDS[number].legacy
        kind = f"public.{kind}" if kind in ("letters", "short_text") else kind
        rows = f"INSERT INTO public.l{number} SELECT n, v::{kind} FROM unnest(%s::text[]) WITH ORDINALITY t (v, n)"
        with db.rolled_back(self.conn):
            db.execute(self.conn, rows, (values,))
            return compare(self.conn, self.bound, self.routes, [f"l{number}"])


@pytest.fixture(scope="module")
def bench(databases: Databases) -> Iterator[Bench]:
    database = databases.empty()
    made = Bench(database.url)
    with closing(made.conn):
        yield made
    databases.drop(database)


def of_a_field(number: int) -> st.SearchStrategy[tuple[int, list[str | None]]]:
    values = VALUES.get(FIELDS[number].legacy, VALUES["timestamp with time zone"])
    return st.tuples(st.just(number), st.lists(st.none() | values | values | values, min_size=ROWS, max_size=ROWS))


@pytest.mark.parametrize(
    "examples", [pytest.param(200, id="10,000 rows"), pytest.param(2_000, id="100,000 rows", marks=pytest.mark.slow)]
)
def test_any_value_of_any_type(bench: Bench, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # what fails is one row of many, and is named
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    @given(st.integers(0, len(FIELDS) - 1).flatmap(of_a_field))
    def judge(drawn: tuple[int, list[str | None]]) -> None:
        number, values = drawn
        found = [(FIELDS[number], values[int(clave) - 1], *rest) for _, clave, *rest in bench.disagreements(number, values)]
        assert found == []

    judge()


@pytest.mark.parametrize(
    "number", range(len(FIELDS)), ids=[f"{f.legacy} to {f.column['type']} {n}" for n, f in enumerate(FIELDS)]
)
def test_every_hostile_value(bench: Bench, number: int) -> None:
    values = hostile(FIELDS[number].legacy)
    found = [(values[int(clave) - 1], *rest) for _, clave, *rest in bench.disagreements(number, values)]
    assert found == []


def hostile(legacy: str) -> list[str | None]:
    """The edges of the type, and of what its texts may be read as."""
    longest = {"character varying(6)": 6, "character(8)": 8, "short_text": 10, "name": 14}.get(legacy, 10**9)
    kind = {"timestamptz": "timestamp with time zone"}.get(legacy, legacy)
    plain = kind in ("text", "character varying") or longest < 10**9
    pools = [SOURCES[kind], *((JSONS, UUIDS, DATES, STATUSES) if plain else ())]
    texts = [None if value is None else str(value) for pool in pools for value in pool]
    return [text for text in texts if text is None or len(text) <= longest]
