"""Names that end a quotation, a comment or a format, or that are a variable's of the rendered functions: they stay names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plugins.module_utils.core.opinion import choice
from plugins.module_utils.core.sqltext import commented, dollar_quoted, ident, literal, relocated
from tests.support.databases import Database
from tests.support.dump import dump
from tests.support.jobs import of_its_own
from tests.support.observation import differences

ENDING = "$lote$;END;END LOOP;END$funcion$;GRANT a TO b;select $funcion$"
NAMES = {
    "ends both bodies": ENDING,
    "ends the numbered ones": "$lote1$ $funcion1$ $lote$ $funcion$",
    "ends one that begins": "x$funcion",
    "ends a comment": "x\n;GRANT a TO b; --",
    "ends a comment by a return": "x\r;GRANT a TO b; --",
    "is a format": "%s %(x)s {0} {x} %% $1 :x",
    "is a quotation": "E'\\'' \"x\" $$ /* ",
    **{name: name for name in ("v_desde", "p_lugar", "v_estado", "p_run", "copiadas", "l", "t", "f")},
}


def mapping(name: str) -> str:
    """Tables and columns of that name on both sides: parents, children that look them up by it, and one of partitions."""
    unique = {"clave": "integer", name: {"type": "text", "not_null": True}, "valor": "text"}
    child = {"clave": "integer", name: "integer", "otro": "text"}
    found = {"lookup": {"table": f"t{name}", "column": name, "by": f"2{name}", "take": name}}
    spanish = {
        f"T{name}": {"twin": f"t{name}", "columns": unique, "primary_key": "clave", "unique": [name, "valor"]},
        f"H{name}": {
            "twin": f"h{name}",
            "columns": child,
            "primary_key": "clave",
            "foreign_keys": {name: {"table": f"T{name}", "column": "clave"}},
        },
        f"P{name}": {"twin": f"p{name}", "columns": unique, "primary_key": "clave"},
    }
    own = {"clave": f"k{name}", name: name, "valor": f"v{name}"}
    rules = {"t": own, "h": {"clave": f"k{name}", name: f"r{name}", "otro": found}, "p": own}
    pairs = {f"{n}{name}": {f"{n.upper()}{name}": {"subphase": "2.1", "columns": rule}} for n, rule in rules.items()}
    return json.dumps({"schema": "public", "subphases": {"fase2": ["2.1"]}, "tables": spanish, "pairs": pairs})


def tables(name: str) -> str:
    """Parents: three go in, one is refused by PostgreSQL alone (too long for its index); a child of each."""
    parent, child, parts, own, key, value, ref, by = (ident(x + name) for x in ("t", "h", "p", "", "k", "v", "r", "2"))
    long = "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 900) n)"
    return f"""
    CREATE TABLE {parent} ({key} integer PRIMARY KEY, {own} text NOT NULL UNIQUE, {value} text, u text);
    CREATE TABLE {child} ({key} integer PRIMARY KEY, {ref} integer REFERENCES {parent}, {by} text);
    CREATE TABLE {parts} ({key} integer PRIMARY KEY, {own} text NOT NULL, {value} text) PARTITION BY RANGE ({key});
    CREATE TABLE parte PARTITION OF {parts} DEFAULT;
    INSERT INTO {parent} VALUES (1, 'a', 'x'), (2, 'b', 'y'), (3, 'c', 'z'), (4, 'd', {long});
    INSERT INTO {child} VALUES (1, 1, 'a'), (2, 2, 'b'), (3, NULL, 'c');
    INSERT INTO {parts} SELECT {key}, {own}, left({value}, 9) FROM {parent}"""


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_hostile_name_goes_forward_is_mended_and_taken_back(empty_database: Database, tmp_path: Path, name: str) -> None:
    empty_database.query("DROP ROLE IF EXISTS a; DROP ROLE IF EXISTS b; CREATE ROLE a; CREATE ROLE b")
    jobs = of_its_own(empty_database, tmp_path, mapping(name), tables(name), batch_rows=2)
    original = dump(empty_database)
    jobs.up_to_proof()
    own, big, small = ident(name), ident(f"T{name}"), ident(f"t{name}")
    carried = f"SELECT clave, {own} FROM {big} ORDER BY 1"
    assert empty_database.query(carried) == [(1, "a"), (2, "b"), (3, "c")]
    assert empty_database.query(f"SELECT {own}, otro FROM {ident(f'H{name}')} ORDER BY 1") == [(1, "a"), (2, "b"), (None, "c")]
    assert empty_database.value(f"SELECT count(*) FROM {ident(f'P{name}')}") == 4
    [(kept,)] = empty_database.query("SELECT fila FROM migracion.cuarentena WHERE sqlstate = '54000'")
    assert kept[name] == "d"
    # two that swapped, one that is none of ours: placeholders, removals
    swap = f"""UPDATE {small} SET {own} = {own} || '~';
      UPDATE {small} SET {own} = CASE {own} WHEN 'a~' THEN 'b' WHEN 'b~' THEN 'a' ELSE rtrim({own}, '~') END;"""
    empty_database.query(f"{swap} UPDATE {small} SET {own} = 'c+' WHERE {own} = 'c'; INSERT INTO {big} VALUES (9, 'i', 'i')")
    jobs.equalise()
    assert empty_database.query(carried) == [(1, "b"), (2, "a"), (3, "c+")]
    assert [fila[name] for (fila,) in empty_database.query("SELECT fila FROM migracion.apartada WHERE clave = '9'")] == ["i"]
    jobs.take_back()
    jobs.drop_tables()
    empty_database.query(f"{swap} UPDATE {small} SET {own} = rtrim({own}, '+')")
    assert differences(original, dump(empty_database)) == []
    members = "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE rolname = 'b'"
    assert empty_database.value(members) == 0


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_rows_of_a_large_table_of_a_hostile_name_are_chosen_and_judged(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(choice, "ALL_UP_TO", 1)
    jobs = of_its_own(empty_database, tmp_path, mapping(name), tables(name))
    said = [line for line in jobs.up_to_proof()["lines"] if line.startswith("Segunda opinión")]
    assert len(said) == 3
    assert all("; 0 desacuerdos" in line and line.isprintable() for line in said), said


@pytest.mark.parametrize("body", ["", "a", "$a$", "$a", "$a$ $a1$", "x$a$a1", "$a1", "$", "$$ $a2$ $a$ $a1"])
def test_a_dollar_quote_ends_where_its_text_ends(empty_database: Database, body: str) -> None:
    assert empty_database.value(f"SELECT {dollar_quoted(body, 'a')}") == body


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_in_a_comment_stays_in_it(empty_database: Database, name: str) -> None:
    assert empty_database.query(f"{commented(name)}SELECT 1") == [(1,)]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_said_elsewhere_in_a_literal_too(name: str) -> None:
    place = f"{ident(name)}.{ident(f'{name}_seq')}"
    said = relocated(f"SELECT nextval({literal(place)}::regclass) FROM {place}", {place: "pg_temp.x"})
    assert said.replace(" 'pg", "'pg") == "SELECT nextval('pg_temp.x'::regclass) FROM pg_temp.x"
