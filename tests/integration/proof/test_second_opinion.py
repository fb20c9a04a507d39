"""A mistake that copy, comparison and forecast share is seen by the second opinion, and is named with both sides."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.opinion.judging import judge
from plugins.module_utils.core.server import session
from plugins.module_utils.opinion import neighbourhood
from plugins.module_utils.opinion.neighbourhood import Neighbourhood
from tests.support.boxes import Night
from tests.support.databases import Begin, Database
from tests.support.edges import BOXES, EDGES, judged, keys_at_edges, with_edges
from tests.support.lies import lying_view, unnamed_otherwise
from tests.support.operator import Operator
from tests.support.rows import key
from tests.support.unseen import added_unseen

MANY = 12_000  # more than are judged without a choice


@pytest.mark.names("jobs/table_compare._disagreement_error")
def test_a_disagreement_fails_the_phase_and_names_row_column_and_both_sides(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase2")
    unnamed_otherwise(database)
    rows = database.value("SELECT count(*) FROM customers WHERE full_name IS NULL AND id IN (SELECT id FROM clientes)")
    operator = Operator(database.url, tmp_path / "respaldos")
    for command in ("fase2.yml -i demo --tags verify", "fase2.yml -i demo"):
        said = operator.stops(f"ansible-playbook {command}")
        assert f"no está de acuerdo con el SELECT en {rows} casos" in said.message
        assert "nombre_completo: el SELECT dice 'Otro', la segunda opinión 'Cliente TinkuBot'" in said.message
    [detail] = database.query("SELECT detalle FROM migracion.evento WHERE tipo = 'prueba' ORDER BY id DESC LIMIT 1")
    [customers] = [one for one in detail[0]["segunda_opinion"] if one["tabla"] == "customers"]
    assert (customers["desacuerdos"], customers["juzgadas"]) == (rows, customers["filas"])
    (back,) = said.commands()
    operator.goes(back)
    assert database.value("SELECT count(*) FROM clientes") == 0


@pytest.mark.parametrize(
    ("lie", "named"),
    [
        (("(l.city)::character varying(100)", "(l.full_name)::character varying(100)"), "ciudad"),
        (("l.created_at AT TIME ZONE 'UTC'::text", "l.created_at AT TIME ZONE 'America/Guayaquil'::text"), "creado_at"),
        (("v.telefono IS NULL", "v.telefono IS NOT NULL"), "la fila"),
        (("'23502'", "'23503'"), "motivo del rechazo"),
    ],
    ids=["another column", "another zone", "refused for nothing", "another reason"],
)
def test_each_kind_of_mistake_is_named_as_what_it_is(begin: Begin, lie: tuple[str, str], named: str) -> None:
    database, jobs = begin(up_to="fase2")
    database.query(
        "UPDATE customers SET phone_number = rpad('59310', 21, '1') WHERE id = %s;"
        " ALTER TABLE customers ALTER phone_number DROP NOT NULL; UPDATE customers SET phone_number = NULL WHERE id = %s",
        (key("c", 1), key("c", 2)),
    )
    assert judged(jobs, "customers", 0).count == 0
    database.query("UPDATE customers SET phone_number = rpad('59310', 20, '1') WHERE id = %s", (key("c", 1),))
    lying_view(database, "v_customers_clientes", *lie)
    found = judged(jobs, "customers", 0)
    assert found.whole
    assert named in {d.place for d in found.examples}


def test_a_row_that_the_select_leaves_out_or_merges_elsewhere_is_named(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    other = database.value("SELECT max(id::text) FROM customers")
    lying_view(database, "v_users_clientes", "(p1.id)::text", f"'{other}'::text")
    merged = [d for d in judged(jobs, "users", 0).examples if d.place == "se fusiona"]
    assert merged
    assert {d.select for d in merged} == {f"en {other}"}
    lying_view(database, "v_users_proveedores", "l.user_type = 'provider'", "l.user_type = 'proveedor'")
    found = judged(jobs, "users", 0)
    assert ("que se rechaza (P0001 user_type)", "que pasa") in {(d.select, d.opinion) for d in found.examples}


def test_a_spanish_row_that_no_legacy_row_gives_is_named_where_the_comparison_counts_none(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    assert judged(jobs, "professions", 0).count == 0
    database.query(
        "INSERT INTO profesiones (id, nombre) VALUES (999999, 'De nadie');"
        " INSERT INTO clientes (telefono, nombre_completo) VALUES ('593000', 'De users, quizá')"
    )
    found = judged(jobs, "professions", 0)
    assert [(d.table, d.clave, d.opinion) for d in found.examples] == [("profesiones", "999999", "que sobra")]
    assert judged(jobs, "customers", 0).count == 0  # who comes from users was not judged with them


def test_a_spanish_row_that_the_comparison_takes_for_equal_is_held_against_the_opinion(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE clientes SET ciudad = 'Otra' WHERE id = %s", (key("c", 1),))
        cursor.execute("DELETE FROM clientes WHERE id = %s", (key("c", 2),))
    said = {d.clave: d for d in judged(jobs, "customers", 0).examples}
    assert said.keys() == {key("c", 1), key("c", 2)}
    assert said[key("c", 1)].place == "ciudad guardado"
    assert said[key("c", 1)].select == "igual a 'Otra'"
    assert said[key("c", 2)].opinion == "que falta"
    with pytest.raises(MigrationError) as failed:  # and what the comparison names itself is named once
        jobs.prove()
    assert "segunda opinión" not in str(failed.value)


def test_what_postgresql_alone_refuses_is_counted_apart(begin: Begin) -> None:
    database, jobs = begin(up_to="fase1")
    with added_unseen(database, "clientes", "CHECK (ciudad <> 'Manta')"):
        jobs.copy()
    apart = database.value("SELECT count(*) FROM migracion.cuarentena WHERE motivo LIKE 'PostgreSQL la rechaza%%'")
    assert apart > 4
    [line] = [line for line in jobs.prove()["lines"] if line.startswith("Segunda opinión, customers")]
    assert line.endswith(f"las 200 filas, una por una; 0 desacuerdos; {apart} que solo PostgreSQL rechaza, aparte")


@pytest.fixture
def many(empty_database: Database, tmp_path: Path) -> Night:
    return with_edges(empty_database, tmp_path, MANY)


@pytest.mark.parametrize("key", keys_at_edges(MANY), ids=EDGES)
def test_a_mistake_in_one_row_at_an_edge_is_found_without_chance(many: Night, key: int) -> None:
    assert many.database is not None
    lying_view(many.database, BOXES, "l.weight AS peso", f"l.weight + (l.id = {key})::int AS peso")
    found = judged(many, "boxes", 0)
    assert {d.clave for d in found.examples} == {str(key)}
    assert found.at_random == 0
    assert found.judged < 60


def test_a_mistake_in_one_row_of_a_thousand_is_found_by_chance_and_the_summary_says_how_likely(many: Night) -> None:
    assert many.database is not None
    lying_view(many.database, BOXES, "l.weight AS peso", "l.weight + (l.id % 1000 = 777)::int AS peso")
    found = judged(many, "boxes", 9_000)
    assert found.count >= 4
    assert not found.whole
    assert 0 < found.escape < 1e-6


def test_quarantined_rows_of_a_large_table_are_looked_at_whatever_chance_names(many: Night) -> None:
    database = many.database
    assert database is not None
    database.query("UPDATE boxes SET label = repeat('x', 51) WHERE id IN (701, 702)")
    many.equalise()
    lying_view(database, BOXES, "'22001'", "'23514'")
    assert {d.clave for d in judged(many, "boxes", 10).examples} == {"701", "702"}


def test_the_summary_says_what_was_looked_at(many: Night) -> None:
    many.more["second_opinion_rows"] = 3_000
    [line] = [line for line in many.prove()["lines"] if line.startswith("Segunda opinión")]
    assert line.startswith("Segunda opinión, boxes: 3.000 filas al azar y ")
    assert line.endswith(f"escogidas de {12_000:,}".replace(",", ".") + "; 0 desacuerdos; un fallo en una fila de cada mil se "
                         "escaparía una vez de cada 32")  # fmt: skip


@pytest.mark.parametrize("kind", ["an archive", "partitions"])
def test_tables_of_several_files_are_judged_too(empty_database: Database, tmp_path: Path, kind: str) -> None:
    more: dict[str, Any] = {"partitions": "PARTITION BY HASH (id)"} if kind == "partitions" else {}
    night = Night.on(empty_database, tmp_path, 0, **more)
    if kind == "partitions":
        with empty_database.cursor(empty_database.url) as cursor:
            for n in range(2):
                cursor.execute(f"CREATE TABLE boxes_{n} PARTITION OF boxes FOR VALUES WITH (MODULUS 2, REMAINDER {n})")
    night.fill(1, MANY)
    if kind == "an archive":
        with empty_database.cursor(empty_database.url) as cursor:
            cursor.execute("CREATE TABLE boxes_archivo () INHERITS (boxes)")
    night.up_to_tables()
    if kind == "an archive":  # rows with a key that the table has too
        empty_database.query("INSERT INTO boxes_archivo SELECT * FROM boxes WHERE id BETWEEN 1 AND 5")
    night.night()
    night.equalise()
    found = judged(night, "boxes", 500)
    assert (found.count, found.at_random) == (0, 500)
    lying_view(empty_database, BOXES, "l.weight AS peso", f"l.weight + (l.id = {MANY})::int AS peso")
    assert {d.clave for d in judged(night, "boxes", 0).examples} == {str(MANY)}


def test_rows_are_held_in_portions_of_few_bytes(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = Night.on(empty_database, tmp_path, 30)
    empty_database.query("UPDATE boxes SET content = repeat(md5(id::text), 150000) WHERE id <= 9")
    night.up_to_tables()
    night.night()
    read: list[int] = []
    whole = Neighbourhood.opinions
    monkeypatch.setattr(Neighbourhood, "opinions", lambda here, rows: read.append(len(rows)) or whole(here, rows))
    assert night.equalise()["accounting"][0]["iguales"] == 30
    assert len(read) >= 3
    assert sum(read) == 30


def test_the_server_ends_no_session_whose_rows_take_long_to_judge(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = Night.on(empty_database, tmp_path, 60)
    night.up_to_tables()
    night.night()

    def slowly(*given: Any) -> Any:
        time.sleep(0.1)
        return judge(*given)

    monkeypatch.setattr(neighbourhood, "judge", slowly)
    monkeypatch.setitem(session.SETTINGS, "idle_in_transaction_session_timeout", "3s")
    monkeypatch.setattr(neighbourhood, "_SIGN_EVERY", 0.2)
    begun = time.monotonic()
    [line] = [line for line in night.equalise()["lines"] if line.startswith("Segunda opinión")]
    assert line == "Segunda opinión, boxes: las 60 filas, una por una; 0 desacuerdos"
    assert time.monotonic() - begun > 3
