"""The copy: what the plan's statements lose, abort on or leave stale arrives, is renewed, or stands in quarantine."""

from __future__ import annotations

from functools import partial

import pytest

from tests.support.databases import Begin
from tests.support.rows import client, customer, quarantine
from tests.support.unseen import added_unseen

BOTH = pytest.mark.parametrize("installation", ["jsonb", "text"])


@pytest.fixture
def begin(begin: Begin) -> Begin:
    """The jobs of subfase 2.1 alone: professions and customers."""
    return partial(begin, subphase="2.1")


# --- what arrives

PLAIN_NOTES = """
CREATE FUNCTION pg_temp.notas(v text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF v IS NULL OR v::jsonb = 'null' THEN RETURN '{}'; END IF;
  RETURN v;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
  RETURN json_build_object('texto', v)::jsonb;
END $$;"""
ARRIVES = {
    "profesiones": """
        SELECT id, left(name, 100) AS nombre, left(specialty, 255) AS especialidad, left(category, 100) AS categoria, is_active,
               created_at AT TIME ZONE 'UTC', updated_at AT TIME ZONE 'UTC' FROM professions""",
    "clientes": """
        SELECT id, left(phone_number, 20), left(coalesce(full_name, 'Cliente TinkuBot'), 255), left(city, 100),
               city_confirmed_at AT TIME ZONE 'UTC', pg_temp.notas(notes::text), 'activo', {consent}
               created_at AT TIME ZONE 'UTC', updated_at AT TIME ZONE 'UTC' FROM customers""",
}
SOURCE = {"profesiones": "professions", "clientes": "customers"}


@BOTH
@pytest.mark.parametrize("table", ARRIVES)
def test_every_row_that_is_not_refused_arrives_as_the_tables_say(begin: Begin, installation: str, table: str) -> None:
    """With them the Spanish default of estado, notes that are no JSON, missing names."""
    database, jobs = begin(installation, batch_rows=37, up_to="fase1")
    jobs.copy()
    wanted = ARRIVES[table].format(consent="has_consent," if installation == "jsonb" else "")
    refused = list(quarantine(database, SOURCE[table]))
    with database.cursor() as cursor:
        cursor.execute(PLAIN_NOTES)
        cursor.execute(f"SELECT e::text FROM ({wanted} WHERE id::text <> ALL (%s)) e ORDER BY 1", (refused,))
        expected = cursor.fetchall()
        cursor.execute(f"SELECT t::text FROM {table} t ORDER BY 1")
        assert cursor.fetchall() == expected
    assert len(expected) > 60


REFUSED = {
    "professions": """
        SELECT id::text, id, left(name, 100) AS unica, CASE
          WHEN ltrim(substr(name, 101), ' ') <> '' THEN 'name'
          WHEN ltrim(substr(specialty, 256), ' ') <> '' THEN 'specialty'
          WHEN ltrim(substr(category, 101), ' ') <> '' THEN 'category' END AS larga FROM professions""",
    "customers": """
        SELECT id::text, id, left(phone_number, 20) AS unica, CASE
          WHEN ltrim(substr(phone_number, 21), ' ') <> '' THEN 'phone_number'
          WHEN ltrim(substr(full_name, 256), ' ') <> '' THEN 'full_name'
          WHEN ltrim(substr(city, 101), ' ') <> '' THEN 'city' END AS larga FROM customers""",
}


@BOTH
@pytest.mark.parametrize(("table", "unique"), [("professions", "name"), ("customers", "phone_number")])
def test_the_quarantine_is_what_plain_sql_counts(begin: Begin, installation: str, table: str, unique: str) -> None:
    database, jobs = begin(installation, batch_rows=50, up_to="fase1")
    jobs.copy()
    judged = f"""
        WITH o (clave, id, unica, larga) AS ({REFUSED[table]})
        SELECT clave, coalesce(larga, %s), CASE WHEN larga IS NULL THEN '23505' ELSE '22001' END FROM o
        WHERE larga IS NOT NULL OR EXISTS (SELECT 1 FROM o a WHERE a.unica = o.unica AND a.id < o.id AND a.larga IS NULL)"""
    expected = {key: (state, word) for key, word, state in database.query(judged, (unique,))}
    assert quarantine(database, table) == expected
    assert len(expected) >= 6
    kept = database.query(
        f"SELECT count(*) FROM migracion.cuarentena c JOIN public.{table} l ON l.id::text = c.clave AND to_jsonb(l) = c.fila"
    )
    assert kept == [(len(expected),)]


def test_notes_that_are_no_json_are_kept_as_text(begin: Begin) -> None:
    database, jobs = begin("text", up_to="fase1")
    jobs.copy()
    notes = dict(database.query("SELECT right(id::text, 3), notas::text FROM clientes WHERE id::text LIKE 'c0000000%1__'"))
    assert notes["101"] == notes["102"] == "{}"
    assert notes["105"] == '{"texto": ""}'
    assert notes["104"] == '[1, "dos"]'
    assert notes["109"] == '{"texto": "{\\"a\\": 1"}'
    assert notes["111"] == '{"texto": "{\\"nul\\": \\"\\\\u0000\\"}"}'
    assert notes["114"] == '{"texto": "NaN"}'


def test_notes_nested_deeper_than_the_parsers_stack_harm_neither_copy_nor_proof(begin: Begin) -> None:
    database, jobs = begin("text")
    database.query("UPDATE customers SET notes = repeat('[', 200000) WHERE id = %s", (customer(1),))
    assert jobs.up_to_proof()["accounting"][1]["pendientes"] == 0
    assert client(database, 1, "length(notas->>'texto')") == (200000,)


def test_two_rows_of_one_phone_are_one_row_and_one_entry_until_one_leaves(begin: Begin) -> None:
    """Their phones differ only in blanks that varchar(20) cuts off."""
    database, jobs = begin(batch_rows=1, up_to="fase1")
    jobs.fill()
    assert quarantine(database)[customer(13)] == ("23505", "phone_number")
    assert client(database, 12, "telefono") == ("593100000012" + " " * 8,)
    database.query("DELETE FROM customers WHERE id = %s", (customer(12),))
    jobs.equalise()
    assert client(database, 13, "telefono") == ("593100000012" + " " * 8,)
    assert customer(13) not in quarantine(database)


def test_a_value_that_legacy_repeats_is_quarantined_in_every_row_but_the_first(begin: Begin) -> None:
    database, jobs = begin(batch_rows=1)
    database.query(
        "ALTER TABLE professions DROP CONSTRAINT professions_name_key; UPDATE professions SET name = 'x' WHERE id IN (1, 3, 908)"
    )
    jobs.up_to_proof()
    entries = quarantine(database, "professions")
    assert entries["3"] == entries["908"] == ("23505", "name")
    assert database.query("SELECT id FROM profesiones WHERE nombre = 'x'") == [(1,)]
    database.query("UPDATE professions SET name = 'y' WHERE id = 1")
    jobs.equalise()
    assert database.query("SELECT id FROM profesiones WHERE nombre IN ('x', 'y') ORDER BY 1") == [(1,), (3,)]
    assert quarantine(database, "professions")["908"] == ("23505", "name")
    assert "3" not in quarantine(database, "professions")


def test_a_missing_phone_is_quarantined_and_a_missing_name_is_not(begin: Begin) -> None:
    database, jobs = begin()
    database.query("ALTER TABLE customers ALTER phone_number DROP NOT NULL")
    database.query("UPDATE customers SET phone_number = NULL WHERE id IN (%s, %s)", (customer(1), customer(5)))
    jobs.up_to_proof()
    assert quarantine(database)[customer(1)] == quarantine(database)[customer(5)] == ("23502", "falta")
    assert client(database, 4, "nombre_completo") == ("Cliente TinkuBot",)


def test_moments_hold_utc_whatever_the_databases_time_zone(begin: Begin) -> None:
    database, jobs = begin("text")
    database.query(f"ALTER DATABASE {database.name} SET timezone TO 'America/Guayaquil'")
    jobs.up_to_proof()
    moments = "SELECT count(*) FROM clientes c JOIN customers l USING (id) WHERE c.creado_at = l.created_at AT TIME ZONE 'UTC'"
    assert database.value("SHOW timezone") == "America/Guayaquil"
    assert database.value(moments) == database.value("SELECT count(*) FROM clientes")
    made = "INSERT INTO clientes (telefono, nombre_completo) VALUES ('1', 'n') RETURNING creado_at - timezone('utc', now())"
    assert database.value(made).total_seconds() == 0
    touched = "UPDATE clientes SET ciudad = 'x' WHERE id = %s RETURNING actualizado_at - timezone('utc', now())"
    assert database.value(touched, (customer(1),)).total_seconds() == 0


@pytest.mark.parametrize("lag", [False, True], ids=["in step", "behind its own table"])
def test_the_next_row_without_an_id_goes_in_on_both_sides(begin: Begin, lag: bool) -> None:
    database, jobs = begin()
    if lag:  # the highest row is one that is refused, so only the legacy table has its id, next to the last one carried
        database.query("UPDATE professions SET id = (SELECT max(id) + 1 FROM professions) WHERE id = 910")
        database.query("SELECT setval('professions_id_seq', 3)")
    jobs.up_to_proof()
    highest = database.value("SELECT max(id) FROM professions")
    new = [
        database.value("SET ROLE service_role; INSERT INTO professions (name) VALUES ('Nueva') RETURNING id"),
        database.value("SET ROLE service_role; INSERT INTO profesiones (nombre) VALUES ('Nueva') RETURNING id"),
        database.value("SET ROLE service_role; INSERT INTO professions (name) VALUES ('Otra') RETURNING id"),
    ]
    assert new == [highest + 1, highest + 2, highest + 3]


def test_a_row_that_only_postgresql_refuses_is_quarantined_alone(begin: Begin) -> None:
    """The net below the expressions: here a constraint that came after the tables had been compared."""
    database, jobs = begin(up_to="fase1")
    with added_unseen(database, "clientes", "CHECK (ciudad <> 'Manta')"):
        jobs.copy()
    refused = database.query(
        "SELECT clave, sqlstate FROM migracion.cuarentena WHERE motivo LIKE 'PostgreSQL la rechaza: %ajena%'"
    )
    manta = database.query("SELECT id::text, '23514' FROM customers WHERE city = 'Manta' AND length(phone_number) <= 20")
    assert sorted(refused) == sorted(manta)
    assert len(manta) > 4
    [_, account] = jobs.prove()["accounting"]
    assert account["total"] == account["iguales"] + account["cuarentena"] == 200


def test_a_row_that_only_postgresql_refuses_stays_as_it_was_and_comes_back_like_any_other(begin: Begin) -> None:
    database, jobs = begin(up_to="2.1")
    database.query("INSERT INTO customers (id, phone_number, city) VALUES (%s, '1', 'Tena')", (customer(999),))
    before = client(database, 1)
    database.query("UPDATE customers SET city = 'Tena' WHERE id IN (%s, %s)", (customer(1), customer(4)))
    with added_unseen(database, "clientes", "CHECK (ciudad <> 'Tena')"):
        assert jobs.equalise()["accounting"][1]["pendientes"] == 0
    assert {customer(n) for n in (1, 4, 999)} <= quarantine(database).keys()
    assert (client(database, 1), client(database, 999)) == (before, None)
    database.query("DELETE FROM customers WHERE id = %s", (customer(999),))
    database.query("UPDATE customers SET city = 'Quito' WHERE id = %s", (customer(1),))
    jobs.equalise()
    assert client(database, 1, "ciudad") == ("Quito",)
    assert client(database, 4, "ciudad") == ("Tena",)
    assert not {customer(n) for n in (1, 4, 999)} & quarantine(database).keys()


# --- the run after the run


@BOTH
def test_a_rerun_makes_equal_whatever_has_changed_in_legacy(begin: Begin, installation: str) -> None:
    database, jobs = begin(installation, up_to="2.1")
    with database.cursor() as cursor:
        cursor.execute("UPDATE customers SET city = 'Tena' WHERE id = %s", (customer(1),))
        cursor.execute("DELETE FROM customers WHERE id = %s", (customer(19),))
        cursor.execute("INSERT INTO customers (id, phone_number) VALUES ('ffffffff-0000-4000-8000-000000000001', '593700000001')")
        cursor.execute("INSERT INTO customers (id, phone_number) VALUES ('00000000-0000-4000-8000-000000000001', '593700000002')")
        # two rows swap their phones; a new row takes over the phone of one that got another
        swap = "UPDATE customers SET phone_number = %s WHERE id = %s"
        for phone, n in (("-", 4), ("593100000004", 5), ("593100000005", 4), ("593700000003", 7)):
            cursor.execute(swap, (phone, customer(n)))
        cursor.execute("INSERT INTO customers (id, phone_number) VALUES ('00000000-0000-4000-8000-000000000002', '593100000007')")
        # one heals, one breaks
        cursor.execute("UPDATE customers SET city = 'Loja' WHERE id = %s", (customer(10),))
        cursor.execute("UPDATE customers SET city = repeat('x', 101) WHERE id = %s", (customer(11),))
    jobs.equalise()
    assert client(database, 1, "ciudad") == ("Tena",)
    assert client(database, 19) is None
    phones = dict(database.query("SELECT telefono, right(id::text, 2) FROM clientes"))
    assert [phones[f"59310000000{n}"] for n in (4, 5, 7)] == ["05", "04", "02"]
    assert phones["593700000003"] == "07"
    assert {"593700000001", "593700000002"} <= phones.keys()
    assert client(database, 10, "ciudad") == ("Loja",)
    assert client(database, 11, "length(ciudad)") != (101,)  # its last good twin
    entries = quarantine(database)
    assert customer(10) not in entries
    assert entries[customer(11)] == ("22001", "city")
    aside = dict(database.query("SELECT clave, fila->>'telefono' FROM migracion.apartada"))
    assert aside == {customer(19): "593100000019"}
    assert not database.query("SELECT 1 FROM clientes WHERE telefono LIKE '~%%'")


def test_phones_that_move_around_a_ring_find_their_rows_again(begin: Begin) -> None:
    database, jobs = begin(batch_rows=2, up_to="fase1")
    jobs.fill()
    before = database.query("SELECT id, phone_number FROM customers WHERE length(phone_number) < 20 ORDER BY id")
    with database.cursor() as cursor:
        cursor.execute("UPDATE customers SET phone_number = 'x' || id WHERE length(phone_number) < 20")
        for (key, _), (_, phone) in zip(before, before[1:] + before[:1], strict=True):
            cursor.execute("UPDATE customers SET phone_number = %s WHERE id = %s", (phone, key))
    jobs.equalise()
    assert len(before) > 100
    astray = (
        "SELECT array_agg(l.id::text) FROM customers l LEFT JOIN clientes c ON c.id = l.id AND telefono = left(phone_number, 20)"
    )
    assert set(database.value(f"{astray} WHERE c.id IS NULL")) == quarantine(database).keys()


def test_a_second_run_writes_nothing(begin: Begin) -> None:
    database, jobs = begin(up_to="2.1")
    versions = "SELECT array_agg(xmin::text || ctid::text ORDER BY id) FROM clientes"
    before = database.value(versions), database.value("SELECT count(*) FROM migracion.cuarentena")
    jobs.copy()
    assert jobs.equalise()["changed"] is False
    assert (database.value(versions), database.value("SELECT count(*) FROM migracion.cuarentena")) == before


def test_a_copy_that_begins_again_writes_only_the_row_that_differs(begin: Begin) -> None:
    database, jobs = begin(up_to="2.1")
    versions = "SELECT id::text, xmin::text FROM clientes"
    before = dict(database.query(versions))
    database.query("DELETE FROM migracion.progreso_copia; UPDATE clientes SET ciudad = 'otra' WHERE id = %s", (customer(1),))
    touched = dict(database.query(versions))
    jobs.copy()
    after = dict(database.query(versions))
    assert client(database, 1, "ciudad") != ("otra",)
    assert {key for key in after if after[key] != touched[key]} == {customer(1)} == {k for k in before if before[k] != after[k]}


def test_a_copy_closes_the_entry_of_a_row_that_it_carries_and_no_other(begin: Begin) -> None:
    """By itself: a repair may be days away, and the listing asks people to correct what is right."""
    database, jobs = begin(up_to="2.1")
    before = quarantine(database)
    database.query("DELETE FROM migracion.progreso_copia")
    database.query("UPDATE customers SET full_name = 'Corto' WHERE id = %s", (customer(6),))
    jobs.copy()
    assert client(database, 6, "nombre_completo") == ("Corto",)
    assert before.keys() - quarantine(database).keys() == {customer(6)}


def test_an_entry_follows_its_row_while_that_stays_refused(begin: Begin) -> None:
    database, jobs = begin(up_to="2.1")
    database.query("UPDATE customers SET city = 'Loja', full_name = repeat('n', 256) WHERE id = %s", (customer(10),))
    database.query("UPDATE customers SET notes = '{\"nota\": 2}' WHERE id = %s", (customer(6),))
    jobs.equalise()
    assert quarantine(database)[customer(10)] == ("22001", "full_name")
    kept = "SELECT fila->'notes' FROM migracion.cuarentena WHERE clave = %s AND estado = 'abierta'"
    assert database.value(kept, (customer(6),)) == {"nota": 2}
