"""However rows meet, hang on each other and go into each other, the evaluator and the forward SELECT say the same of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from plugins.module_utils.call.context import Context, opened
from plugins.module_utils.core.opinion.binding import Bound
from plugins.module_utils.opinion.neighbourhood import bound_here
from plugins.module_utils.schema.routines import install_routes
from plugins.module_utils.server import db
from tests.support.agreement import Difference, compare
from tests.support.databases import Databases
from tests.support.jobs import of_its_own

pytestmark = pytest.mark.values

# Every way in which rows meet, none of it TinkuBot's: guests are merged into members, or are members of their own; two stays
# of one person on one day are one; a code is one key's alone, and whoever has it may hang on a house that stays behind.
MAPPING = """\
schema: public
subphases: {fase2: ["1"]}
tables:
  casas:
    twin: houses
    columns: {id: integer, nombre: {type: varchar(2), not_null: true}, lema: varchar(2)}
    primary_key: id
    unique: [nombre]
  gente:
    twin: members
    columns: {id: integer, casa_id: integer, tel: {type: varchar(2), not_null: true}, ficha: {type: varchar(2), allowed: [a, b]}}
    primary_key: id
    unique: [tel]
    foreign_keys:
      casa_id: {table: casas, column: id, on_delete: set null}
  estancias:
    twin: stays
    columns:
      id: integer
      persona_id: integer
      dia: varchar(2)
      tel: {type: varchar(2), not_null: true}
      lema: varchar(2)
      casa_id: integer
    primary_key: id
    unique: [[persona_id, dia]]
    foreign_keys:
      persona_id: {table: gente, column: id, on_delete: cascade}
  llaves:
    twin: keys
    columns: {id: integer, casa_id: integer, codigo: varchar(2)}
    primary_key: id
    unique: [codigo]
    foreign_keys:
      casa_id: {table: casas, column: id, on_delete: cascade}
pairs:
  houses: {casas: {subphase: "1", columns: {id: id, nombre: name, lema: motto}}}
  members: {gente: {subphase: "1", columns: {id: id, casa_id: house, tel: phone, ficha: badge}}}
  guests:
    gente:
      subphase: "1"
      where: {kind: guest}
      merge_by: tel
      otherwise: true
      columns: {id: id, casa_id: house, tel: phone, ficha: {from: badge, values: {aa: b}}}
  stays:
    estancias:
      subphase: "1"
      match: [persona_id, dia]
      duplicates: true
      columns:
        id: id
        persona_id: person
        dia: day
        tel: {lookup: {table: guests, column: id, by: person, take: phone}, from: data, json_keys: [t], default: z}
        lema: {lookup: {table: houses, column: id, by: house, take: motto}}
        casa_id: {lookup: {table: casas, column: nombre, by: lema, take: id}}
  keys: {llaves: {subphase: "1", columns: {id: id, casa_id: house, codigo: {from: code, values: {ab: b}, default: "0"}}}}
"""
TABLES = """
CREATE TABLE houses (id integer PRIMARY KEY, name text, motto text);
CREATE TABLE members (id integer PRIMARY KEY, house integer, phone text UNIQUE, badge text);
CREATE TABLE guests (id integer PRIMARY KEY, house integer, phone text, badge text, kind text);
CREATE TABLE stays (id integer PRIMARY KEY, person integer NOT NULL, day text NOT NULL, data jsonb, house integer);
CREATE TABLE keys (id integer PRIMARY KEY, house integer, code text);
"""
_text = st.sampled_from(["a", "b", "aa", "a ", "aa ", "aa  ", "ab", "aaa", "", None])
_number = st.sampled_from(["1", "2", "3", "4", "5", None])
_there = st.sampled_from(["1", "2", "3", "4", "5"])
COLUMNS = {
    "houses": (_text, _text),
    "members": (_number, _text, _text),
    "guests": (_number, _text, _text, st.sampled_from(["guest", "guest", "guest", "staff", None])),
    "stays": (_there, st.sampled_from(["a", "aa", "aa ", "b"]), st.sampled_from([None, '{"t": "a"}', '{"t": "aaa"}']), _number),
    "keys": (_number, _text),
}
ROWS = 9  # of each table at most


Rows = dict[str, list[tuple[str | None, ...]]]


@dataclass(frozen=True)
class Bench:
    """The tables, and both judgements of whatever is put into the legacy ones and into casas."""

    context: Context
    bound: Bound
    names: dict[str, list[str]]

    def disagreements(self, rows: Rows) -> list[Difference]:
        conn = self.context.conn
        with db.rolled_back(conn):
            for table, found in rows.items():
                names = self.names[table]
                listed = [dict(zip(names, (str(number), *row), strict=True)) for number, row in enumerate(found, 1)]
                rows_of = f"SELECT * FROM json_populate_recordset(NULL::public.{table}, %s)"
                db.execute(conn, f"INSERT INTO public.{table} {rows_of} ON CONFLICT DO NOTHING", (json.dumps(listed),))
            return compare(conn, self.bound, self.context.all_routes, COLUMNS)


@pytest.fixture(scope="module")
def bench(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    database = databases.empty()
    jobs = of_its_own(database, tmp_path_factory.mktemp("encuentros"), MAPPING, TABLES)
    jobs.up_to_tables()
    with opened(jobs.params("prueba", "fase2"), False) as context:
        with db.transaction(context.conn):
            install_routes(context.conn, context.all_routes)
        names = {r.name: [c.name for c in r.columns] for r in context.catalogue.relations}
        yield Bench(context, bound_here(context.conn, context.mapping, context.catalogue), names)
    databases.drop(database)


def any_rows(table: str) -> st.SearchStrategy[list[tuple[str | None, ...]]]:
    return st.lists(st.tuples(*COLUMNS[table]), max_size=ROWS)


@pytest.mark.parametrize("examples", [pytest.param(40, id="some"), pytest.param(2_000, id="many", marks=pytest.mark.slow)])
def test_any_meeting(bench: Bench, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.fixed_dictionaries({table: any_rows(table) for table in COLUMNS}))
    def judge(rows: Rows) -> None:
        assert bench.disagreements(rows) == []

    judge()


def test_a_row_of_no_pair_goes_into_none(bench: Bench) -> None:
    """It is refused by name, though a member has its phone."""
    rows: Rows = {"members": [(None, "a", "a")], "guests": [(None, "a", "a", "staff"), (None, "a", "a", None)]}
    assert bench.disagreements(rows) == []
