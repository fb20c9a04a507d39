"""A way back undoes what was done: under another mapping, beside others' foreign keys, after people's changes to the tables."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Begin, Database, Made
from tests.support.dump import dump
from tests.support.jobs import TINKUBOT, Jobs
from tests.support.named import statements_in
from tests.support.operator import Operator
from tests.support.rows import customer

OTHER = {
    "one more column": (
        "      ciudad: varchar(100)\n      ciudad_confirmada_at",
        "      apodo: text\n      ciudad: varchar(100)\n      ciudad_confirmada_at",
    ),
    "a pair taken out": ("\n  provider_services:\n", None),
    "a table renamed": ("servicios_proveedor", "servicios_ofrecidos"),
}


def other_mapping(folder: Path, case: str) -> Path:
    """The mapping, edited by the team after the copy."""
    text = TINKUBOT.read_text(encoding="utf-8")
    old, new = OTHER[case]
    assert old in text
    if new is None:
        begin = text.index(old)
        text = text[:begin] + text[text.index("\n  service_requests:\n") :]
    else:
        text = text.replace(old, new)
    folder.mkdir(exist_ok=True)
    (folder / "schema.json").write_text((TINKUBOT.parent / "schema.json").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "otro.yml").write_text(text, encoding="utf-8")
    return folder / "otro.yml"


def undone(database: Database, jobs: Jobs, original: str) -> None:
    """Both ways back, rehearsed first; outside migracion everything is as before."""
    kept = database.value("SELECT count(*) FROM migracion.apartada")
    jobs.take_back(check=True)
    assert jobs.take_back()["changed"]
    jobs.drop_tables(check=True)
    assert jobs.drop_tables()["changed"]
    assert dump(database) == original
    assert database.value("SELECT count(*) FROM migracion.apartada") == kept
    assert database.query("SELECT 1 FROM pg_views WHERE schemaname = 'migracion'") == []


@pytest.mark.parametrize("approved", [False, True], ids=["only edited", "approved too"])
@pytest.mark.parametrize("case", OTHER)
def test_under_another_mapping_both_ways_back_undo_what_was_done(begin: Begin, tmp_path: Path, case: str, approved: bool) -> None:
    database, jobs = begin()
    original = dump(database)
    jobs.up_to_proof()
    edited = replace(jobs, mapping=other_mapping(tmp_path / "mapeo", case))
    if approved:
        edited.approve()
    undone(database, edited, original)
    if approved:  # and the other mapping goes all its way
        edited.make_tables()
        edited.fill()


def test_with_a_pair_taken_out_the_phase_goes_on_and_its_way_back_takes_the_old_rows_too(begin: Begin, tmp_path: Path) -> None:
    database, jobs = begin()
    original = dump(database)
    jobs.up_to_proof()
    edited = replace(jobs, mapping=other_mapping(tmp_path / "mapeo", "a pair taken out"))
    edited.approve()
    database.query("UPDATE clientes SET ciudad = 'Tena' WHERE id = %s", (customer(4),))
    edited.copy()
    edited.equalise()
    assert database.value("SELECT count(*) FROM servicios_proveedor") > 0
    undone(database, edited, original)


# --- what others have built


BUILT = {
    "empty": "CREATE TABLE pagos (cliente_id uuid REFERENCES clientes ON DELETE CASCADE)",
    "with rows": "CREATE TABLE pagos (cliente_id uuid REFERENCES clientes ON DELETE CASCADE);"
    " INSERT INTO pagos SELECT id FROM clientes LIMIT 2",
    "in another schema": 'CREATE SCHEMA caja; CREATE TABLE caja."Pagos" (a uuid CONSTRAINT "la clave" REFERENCES clientes)',
}


@pytest.mark.parametrize("case", BUILT)
def test_somebody_elses_foreign_key_is_named_with_the_statement_after_which_the_way_back_goes(
    begin: Begin, tmp_path: Path, case: str
) -> None:
    database, _ = begin(up_to="fase2")
    database.query(BUILT[case])
    operator = Operator(database.url, tmp_path / "respaldos")
    back = "ansible-playbook fase2.yml -i demo --tags rollback"
    table = 'caja."Pagos"' if "caja" in BUILT[case] else "public.pagos"
    for command in (f"{back} --check", back):
        said = operator.stops(command).message
        assert f"{table} apunta a clientes por " in said
    rows = database.query(f"TABLE {table}")
    (drop,) = statements_in(said)
    assert drop.startswith(f"ALTER TABLE {table} DROP CONSTRAINT ")
    database.query(drop)
    operator.goes(back)
    assert database.query(f"TABLE {table}") == rows
    database.query(
        f"ALTER TABLE {table} ADD CONSTRAINT otra FOREIGN KEY ({'a' if 'caja' in table else 'cliente_id'})"
        " REFERENCES clientes NOT VALID"
    )
    said = operator.stops("ansible-playbook fase1.yml -i demo --tags rollback").message
    (drop,) = statements_in(said)
    database.query(drop)
    operator.goes("ansible-playbook fase1.yml -i demo --tags rollback")


def test_a_part_that_shares_a_table_deletes_nothing_of_somebody_elses(begin: Begin) -> None:
    """clientes is filled by both parts, so rows are deleted one by one."""
    database, jobs = begin(up_to="fase2", subphase="2.2")
    database.query("CREATE TABLE pagos (cliente_id uuid REFERENCES clientes ON DELETE CASCADE)")
    database.query("INSERT INTO pagos SELECT c.id FROM clientes c JOIN users u ON u.id = c.id")
    rows = database.value("SELECT count(*) FROM pagos")
    assert rows > 0
    with pytest.raises(MigrationError, match=r"public.pagos apunta a clientes por pagos_cliente_id_fkey"):
        jobs.take_back()
    assert database.value("SELECT count(*) FROM pagos") == rows


# --- what only the Spanish tables hold


@pytest.mark.parametrize(
    "change",
    [
        "estado = 'suspendido'",
        "tiene_consentimiento = NOT coalesce(tiene_consentimiento, false)",
        "apodo = 'Lucho'",
    ],
)
def test_a_value_that_no_legacy_column_gives_is_kept(begin: Begin, change: str) -> None:
    """Nothing else of the row is touched."""
    database, jobs = begin(up_to="2.1", subphase="2.1")
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("ALTER TABLE clientes ADD apodo text")
        cursor.execute(f"UPDATE clientes SET {change} WHERE id = %s", (customer(4),))
    jobs.take_back()
    assert database.query("SELECT clave FROM migracion.apartada") == [(customer(4),)]


def test_null_of_json_and_no_value_at_all_are_kept_apart(begin: Begin) -> None:
    database, jobs = begin(up_to="2.1", subphase="2.1")
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE clientes SET notas = 'null', estado = 'inactivo' WHERE id = %s", (customer(4),))
        cursor.execute("UPDATE clientes SET notas = NULL, estado = 'inactivo' WHERE id = %s", (customer(5),))
    jobs.take_back()
    kept = "SELECT clave, nulos_json, fila -> 'notas' = 'null' FROM migracion.apartada ORDER BY clave"
    assert database.query(kept) == [(customer(4), ["notas"], True), (customer(5), [], True)]


# --- nobody waits behind a rehearsal


@pytest.fixture
def reader(begin: Begin) -> Iterator[tuple[Made, psycopg2.extensions.connection]]:
    """A service's transaction that has read clientes and stays open."""
    made = begin(up_to="2.1", subphase="2.1")
    with closing(psycopg2.connect(made[0].superuser_url)) as service, service.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM clientes")
        yield made, service


def test_a_rehearsed_way_back_waits_for_no_lock_and_nobody_waits_for_it(
    reader: tuple[Made, psycopg2.extensions.connection],
) -> None:
    """Beside a reader an exclusive lock would not be had: who asks for one fails or waits, and everybody queues behind."""
    (_, jobs), _ = reader
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(jobs.take_back, check=True).result(timeout=60)["changed"]


def test_a_rerun_under_another_mapping_goes_by_it(begin: Begin, tmp_path: Path) -> None:
    """Nothing is left to copy: the repair alone has to see that a value is translated otherwise now."""
    database, jobs = begin(up_to="fase2")
    text = TINKUBOT.read_text(encoding="utf-8").replace("Cliente TinkuBot", "Persona sin nombre")
    folder = other_mapping(tmp_path / "mapeo", "one more column").parent
    (folder / "otro.yml").write_text(text, encoding="utf-8")
    edited = replace(jobs, mapping=folder / "otro.yml")
    edited.approve()
    edited.fill()
    names = "SELECT count(*) FROM clientes WHERE nombre_completo = %s"
    assert database.value(names, ("Cliente TinkuBot",)) == 0
    assert database.value(names, ("Persona sin nombre",)) > 0
