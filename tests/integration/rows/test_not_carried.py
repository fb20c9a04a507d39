"""Rows that PostgreSQL alone refuses, and what hangs on them: they stand in quarantine together, and come back together."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.accounting import take_accounting
from tests.support.damage import let_repeats_in
from tests.support.databases import Begin, Database
from tests.support.jobs import Jobs
from tests.support.operator import Operator
from tests.support.rows import key

PHASES = ("fase2", "fase3")
PHONES = ("customers_phone_number_key", "users_phone_number_key")
FIRST, SECOND = key("a", 9001), key("a", 9002)


@pytest.fixture
def begin(begin: Begin) -> Begin:
    """A small sample with hardly a message."""
    return partial(begin, rows=100, messages=7)


def provider(clave: str, phone: str) -> str:
    return (
        "INSERT INTO users (id, phone_number, name, user_type, status)"
        f" VALUES ('{clave}', '{phone}', 'Taller', 'provider', 'active')"
    )


def double_phones(database: Database) -> None:
    """Two customers with one phone, a client of users with it too, two providers with one phone and a service each."""
    customers = f"INSERT INTO customers (id, phone_number) VALUES ('{key('c', 9001)}', '593971'), ('{key('c', 9002)}', '593971')"
    client = f"INSERT INTO users (id, phone_number, user_type) VALUES ('{key('a', 9003)}', '593971', 'client')"
    let_repeats_in(database, customers, client, provider(FIRST, "593871"), provider(SECOND, "593871"), indexes=PHONES)
    for clave in (FIRST, SECOND):
        database.query("INSERT INTO provider_services (provider_id, title) VALUES (%s, 'Pintura')", (clave,))
        database.query("INSERT INTO provider_professions (provider_id, profession_id) VALUES (%s, 901)", (clave,))


def entries(database: Database, table: str, where: str = "true") -> list[tuple[str, str]]:
    """SQLSTATE and reason of the open entries."""
    found = database.query(
        "SELECT sqlstate, motivo FROM migracion.cuarentena c JOIN LATERAL jsonb_to_record(c.fila)"
        " AS f(id text, provider_id text) ON true"
        f" WHERE estado = 'abierta' AND tabla_origen = %s AND {where} ORDER BY clave",
        (table,),
    )
    return [(state, reason) for state, reason in found]


def settled(database: Database, jobs: Jobs) -> None:
    """A further run finds nothing to do, and every row stands somewhere."""
    for phase in PHASES:
        assert jobs.equalise(phase)["changed"] is False
        assert all(pair["pendientes"] == 0 for pair in jobs.prove(phase)["accounting"])


FORESEEN, REFUSED = "phone_number repite en telefono el valor de otra fila, que queda", "PostgreSQL la rechaza: duplicate key"


@pytest.mark.parametrize(
    ("installation", "stage", "why"), [("jsonb", None, FORESEEN), ("text", None, FORESEEN), ("jsonb", "fase1", REFUSED)]
)
def test_of_rows_that_a_unique_index_let_in_twice_one_goes_in_and_the_other_waits_with_its_children(
    begin: Begin, installation: str, stage: str | None, why: str
) -> None:
    """Before fase0, which counts them, or after fase1, when only PostgreSQL is left to say so."""
    database, jobs = begin(installation, up_to=stage)
    double_phones(database)
    if stage is None:
        jobs.up_to_tables()
        foreseen = {(pair["origen"], pair["destino"]): pair["cuarentena"] for pair in jobs.forecast()["forecast"]}
    jobs.fill(*PHASES)
    settled(database, jobs)
    accounts = [pair for phase in PHASES for pair in jobs.prove(phase)["accounting"]]
    if stage is None:
        assert foreseen == {
            (a["origen"], a["destino"]): a["cuarentena"] for a in accounts if (a["origen"], a["destino"]) in foreseen
        }
    [(state, reason)] = entries(database, "users", f"f.id IN ('{FIRST}', '{SECOND}')")
    assert (state, reason[: len(why)]) == ("23505", why)
    for table in ("provider_services", "provider_professions"):
        said = "provider_id apunta a una fila que no está o está en cuarentena en users"
        assert entries(database, table, f"f.provider_id IN ('{FIRST}', '{SECOND}')") == [("23503", said)]
    assert database.value("SELECT count(*) FROM clientes WHERE telefono = '593971'") == 1
    merged = database.query("SELECT clave_destino FROM migracion.fusion WHERE clave = %s", (key("a", 9003),))
    assert merged == database.query("SELECT id::text FROM clientes WHERE telefono = '593971'")
    carried = "SELECT (SELECT count(*) FROM servicios_proveedor), (SELECT count(*) FROM proveedor_profesiones)"
    [(services, professions)] = database.query(carried)
    database.query("UPDATE users SET phone_number = '593872' WHERE id = %s", (SECOND,))
    database.query("UPDATE customers SET phone_number = '593972' WHERE id = %s", (key("c", 9002),))
    for phase in PHASES:
        jobs.equalise(phase)
    settled(database, jobs)
    assert database.query(carried) == [(services + 1, professions + 1)]
    assert take_accounting(database.url).problems == []


CHAIN = """\
schema: public
subphases: {fase2: ["1"]}
tables:
  abuelos:
    twin: grandparents
    columns: {id: integer, nombre: {type: varchar(9), not_null: true}}
    primary_key: id
    unique: [nombre]
  padres:
    twin: parents
    columns: {id: integer, abuelo_id: integer, nombre: varchar(9)}
    primary_key: id
    unique: [nombre]
    foreign_keys:
      abuelo_id: {table: abuelos, column: id, on_delete: cascade}
  hijos:
    twin: children
    columns: {id: integer, padre_id: integer}
    primary_key: id
    foreign_keys:
      padre_id: {table: padres, column: id, on_delete: cascade}
pairs:
  grandparents: {abuelos: {subphase: "1", columns: {id: id, nombre: name}}}
  parents: {padres: {subphase: "1", columns: {id: id, abuelo_id: above, nombre: name}}}
  children: {hijos: {subphase: "1", columns: {id: id, padre_id: above}}}
"""


@pytest.fixture
def chain(empty_database: Database, tmp_path: Path) -> Jobs:
    """Grandparents, parents and children, made and approved, the Spanish tables too."""
    with empty_database.cursor(empty_database.url) as cursor:
        cursor.execute("CREATE TABLE grandparents (id integer PRIMARY KEY, name text CONSTRAINT g_name UNIQUE)")
        cursor.execute("CREATE TABLE parents (id integer PRIMARY KEY, above integer, name text CONSTRAINT p_name UNIQUE)")
        cursor.execute("CREATE TABLE children (id integer PRIMARY KEY, above integer)")
        cursor.execute("INSERT INTO grandparents VALUES (1, 'uno'), (2, 'dos')")
        cursor.execute("INSERT INTO parents VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 1, 'c')")
        cursor.execute("INSERT INTO children VALUES (1, 1), (2, 2), (3, 3)")
    (tmp_path / "cadena.yml").write_text(CHAIN, encoding="utf-8")
    jobs = Jobs(empty_database.url, tmp_path, tmp_path / "cadena.yml")
    jobs.up_to_tables()
    return jobs


def open_entries(database: Database) -> list[tuple[str, str, str]]:
    return [
        (table, clave, state)
        for table, clave, state in database.query(
            "SELECT tabla_origen, clave, sqlstate FROM migracion.cuarentena WHERE estado = 'abierta' ORDER BY 1, 2"
        )
    ]


def test_grandchildren_go_too_however_many_generations_postgresql_refuses(chain: Jobs, empty_database: Database) -> None:
    database, jobs = empty_database, chain
    let_repeats_in(
        database,
        "INSERT INTO grandparents VALUES (3, 'uno')",
        "UPDATE parents SET above = 3 WHERE id = 1",
        "INSERT INTO parents VALUES (4, 2, 'b')",
        "INSERT INTO children VALUES (4, 4), (5, 4)",
        indexes=("g_name", "p_name"),
    )
    jobs.fill()
    assert open_entries(database) == [
        ("children", "1", "23503"),
        ("children", "4", "23503"),
        ("children", "5", "23503"),
        ("grandparents", "3", "23505"),
        ("parents", "1", "23503"),
        ("parents", "4", "23505"),
    ]
    assert jobs.equalise()["changed"] is False
    # both heal, and one of the parents that comes back takes a name that yet another one holds
    database.query("UPDATE grandparents SET name = 'tres' WHERE id = 3; UPDATE parents SET name = 'd' WHERE id = 4")
    jobs.equalise()
    assert open_entries(database) == []
    assert database.value("SELECT count(*) FROM hijos") == 5


def test_a_row_whose_parent_stays_behind_holds_no_value_that_another_row_has_too(chain: Jobs, empty_database: Database) -> None:
    """The two names are one when blanks beyond nine characters go, and only the second row goes in."""
    database, jobs = empty_database, chain
    database.query("INSERT INTO parents VALUES (8, 99, 'nueve9999 '), (9, 1, 'nueve9999')")
    jobs.fill()
    assert open_entries(database) == [("parents", "8", "23503")]
    assert database.query("SELECT id FROM padres WHERE nombre = 'nueve9999'") == [(9,)]
    database.query("UPDATE parents SET above = 2 WHERE id = 8")
    jobs.equalise()
    assert open_entries(database) == [("parents", "9", "23505")]


def carried_beside(database: Database, constraint: str, statement: str) -> None:
    """Let llevar meet a constraint of somebody else's that is gone again afterwards."""
    database.query(f"ALTER TABLE abuelos ADD CONSTRAINT ajena {constraint} NOT VALID")
    with database.cursor(database.url) as cursor:
        cursor.execute(statement)
    database.query("ALTER TABLE abuelos DROP CONSTRAINT ajena")


def test_what_postgresql_itself_refused_is_tried_again_by_every_run_and_brings_its_children(
    chain: Jobs, empty_database: Database
) -> None:
    """Nothing in legacy changes, and nothing else differs."""
    database, jobs = empty_database, chain
    jobs.fill()
    runs = database.value("SELECT count(*) FROM migracion.fase_ejecucion")
    database.query("DELETE FROM abuelos WHERE id = 1")
    for function in ("abuelos", "padres", "hijos"):
        source = {"abuelos": "grandparents", "padres": "parents", "hijos": "children"}[function]
        keys = "{1}" if function == "abuelos" else "{1,3}"
        carried_beside(database, "CHECK (id <> 1)", f"SELECT migracion.llevar_{source}_{function}('{keys}', 'prueba')")
    assert [table for table, *_ in open_entries(database)] == ["children"] * 2 + ["grandparents"] + ["parents"] * 2
    assert all(pair["pendientes"] == 0 for pair in jobs.prove()["accounting"])
    assert jobs.equalise()["changed"] is True
    assert open_entries(database) == []
    assert database.value("SELECT count(*) FROM hijos") == 3
    assert database.value("SELECT count(*) FROM migracion.fase_ejecucion") == runs + 1
    assert jobs.equalise()["changed"] is False


def test_one_reason_for_too_many_rows_is_the_tables_fault_and_stops_the_phase(chain: Jobs, empty_database: Database) -> None:
    database, jobs = empty_database, chain
    database.query("INSERT INTO grandparents SELECT n, 'n' || n FROM generate_series(3, 2000) n")
    jobs.fill()

    def repeat(rows: int, target: str) -> None:
        let_repeats_in(
            database,
            f"INSERT INTO {target} SELECT 10000 + n, 'n' || n FROM generate_series(3, {rows} + 2) n",
            indexes=("g_name",),
        )

    repeat(20, "grandparents")  # one per cent
    jobs.equalise()
    assert len(open_entries(database)) == 20
    database.query("DELETE FROM grandparents WHERE id > 10000")
    jobs.equalise()
    repeat(21, "grandparents")
    with pytest.raises(
        MigrationError, match="rechaza 21 filas por un mismo motivo, más de 20 y del 1 %: duplicate key"
    ) as stopped:
        jobs.equalise()
    assert stopped.value.code == "table"
    assert open_entries(database) == []


def test_one_reason_that_names_each_rows_value_is_one_reason(begin: Begin) -> None:
    """Some messages of PostgreSQL hold the value: here how many bytes a row has too many."""
    database, jobs = begin(up_to="fase1", subphase="2.1")
    database.query("CREATE INDEX mio ON clientes (notas)")
    noise = "(SELECT string_agg(md5(n::text || i), '') FROM generate_series(1, 100 + n) i)"
    database.query(
        "INSERT INTO customers (id, phone_number, notes)"
        f" SELECT gen_random_uuid(), '59397100' || n, to_jsonb({noise}) FROM generate_series(1, 25) n"
    )
    assert any("sobra índice mio" in line for line in jobs.forecast()["lines"])
    with pytest.raises(MigrationError, match="rechaza 21 filas por un mismo motivo, más de 20 y del 1 %: index row") as stopped:
        jobs.copy()
    assert stopped.value.code == "table"
    assert len(open_entries(database)) < 21


def test_twenty_rows_of_a_small_table_do_not_stop_the_phase(chain: Jobs, empty_database: Database) -> None:
    database, jobs = empty_database, chain
    let_repeats_in(database, "INSERT INTO grandparents SELECT 100 + n, 'uno' FROM generate_series(1, 20) n", indexes=("g_name",))
    jobs.fill()
    assert len(open_entries(database)) == 20


@pytest.mark.names("backfill/giving_way._table_at_fault")
def test_what_the_stop_names_takes_the_phase_to_its_end(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase1")
    many = "INSERT INTO customers (id, phone_number) SELECT gen_random_uuid(), '593971' FROM generate_series(1, 40)"
    let_repeats_in(database, many, indexes=PHONES)
    operator = Operator(database.url, tmp_path / "respaldos")
    night = "ansible-playbook fase2.yml -i demo -e subfase=2.1"
    for command in operator.stops(night).commands()[:2]:
        operator.goes(command)
    operator.goes(night)
    assert database.value("SELECT count(*) FROM clientes WHERE telefono = '593971'") == 1


def test_a_row_that_made_way_and_cannot_be_carried_again_is_quarantined_whole(chain: Jobs, empty_database: Database) -> None:
    """Two parents swap their names; meanwhile the grandparent of one of them left the Spanish table."""
    database, jobs = empty_database, chain
    jobs.fill()
    database.query("UPDATE parents SET name = 'x' WHERE id = 1; UPDATE parents SET name = 'a', above = 2 WHERE id = 3")
    database.query("UPDATE parents SET name = 'c', above = 9 WHERE id = 1; INSERT INTO grandparents VALUES (9, 'nueve')")
    with database.cursor(database.url) as cursor:
        cursor.execute("""SELECT set_config('migracion.lleva', '[["public","padres"],["public","hijos"]]', true)""")
        cursor.execute("SELECT migracion.llevar_parents_padres('{3}', 'prueba')")
    assert open_entries(database) == [("parents", "1", "23503")]
    assert database.query("SELECT id, nombre FROM padres ORDER BY id") == [(2, "b"), (3, "a")]
    jobs.equalise()
    assert open_entries(database) == []
    assert database.query("SELECT id, nombre, abuelo_id FROM padres ORDER BY id") == [(1, "c", 9), (2, "b", 2), (3, "a", 2)]


def test_a_batch_closes_the_entry_of_a_row_that_healed(chain: Jobs, empty_database: Database) -> None:
    """Before any repair looks for entries that nothing explains."""
    database, jobs = empty_database, chain
    database.query("INSERT INTO grandparents VALUES (7, repeat('x', 10))")
    jobs.copy()
    assert open_entries(database) == [("grandparents", "7", "22001")]
    database.query("UPDATE grandparents SET name = 'siete' WHERE id = 7; DELETE FROM migracion.progreso_copia")
    jobs.copy()
    assert open_entries(database) == []
    closed = "SELECT estado, resolucion, resuelta_at IS NOT NULL FROM migracion.cuarentena WHERE clave = '7'"
    assert database.query(closed) == [("resuelta", "corregida", True)]
