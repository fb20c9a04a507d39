"""Triggers that services have on the tables of either side: what they make of a write is on both sides, or named."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Synced

pytestmark = pytest.mark.values

CUSTOMER = "(SELECT min(c.id::text)::uuid FROM customers c JOIN clientes USING (id))"
TWO = (
    f"UPDATE customers SET city = ' Loja ' WHERE id = {CUSTOMER}",
    f"UPDATE clientes SET ciudad = ' Manta ' WHERE id = {CUSTOMER}",
)
BORN = "INSERT INTO clientes (telefono, nombre_completo, ciudad) VALUES ('+51', 'a', ' puyo ')"
CITIES = f"SELECT city, ciudad FROM customers JOIN clientes USING (id) WHERE id = {CUSTOMER} OR phone_number = '+51' ORDER BY 1"
TASKS = (
    "SELECT payload FROM task_queue q JOIN tareas_programadas t USING (id, payload) WHERE task_type = 'feedback'"
    " AND payload::text LIKE '\" %' ORDER BY 1"
)
Case = tuple[str, str, str, tuple[str, ...], str, list[tuple[Any, ...]]]

# The table, when and what its trigger does, what is written, a question about both sides, the answer.
CASES: dict[str, Case] = {
    "legacy, before, another value": (
        "customers",
        "BEFORE INSERT OR UPDATE",
        "NEW.city := upper(btrim(NEW.city)); RETURN NEW;",
        (*TWO, BORN),
        CITIES,
        [("MANTA", "MANTA"), ("PUYO", "PUYO")],
    ),
    "Spanish, before, another value": (
        "clientes",
        "BEFORE INSERT OR UPDATE",
        "NEW.ciudad := upper(btrim(NEW.ciudad)); RETURN NEW;",
        (TWO[0], "INSERT INTO customers (phone_number, city) VALUES ('+51', ' puyo ')"),
        CITIES,
        [("LOJA", "LOJA"), ("PUYO", "PUYO")],
    ),
    "Spanish, before, another value in many rows": (
        "clientes",
        "BEFORE INSERT OR UPDATE",
        "NEW.ciudad := upper(btrim(NEW.ciudad)); RETURN NEW;",
        ("UPDATE customers SET city = ' loja '",),
        "SELECT DISTINCT city, ciudad FROM customers JOIN clientes USING (id)",
        [("LOJA", "LOJA")],
    ),
    "legacy, after, another table": (
        "customers",
        "AFTER UPDATE",
        "INSERT INTO public.task_queue (task_type, payload) VALUES ('feedback', to_jsonb(NEW.city)); RETURN NULL;",
        TWO,
        TASKS,
        [(" Loja ",), (" Manta ",)],
    ),
    "Spanish, after, another table": (
        "clientes",
        "AFTER UPDATE",
        "INSERT INTO public.tareas_programadas (tipo_tarea, payload, programada_at)"
        " VALUES ('feedback', to_jsonb(NEW.ciudad::text), now()); RETURN NULL;",
        TWO,
        TASKS,
        [(" Loja ",), (" Manta ",)],
    ),
    "legacy, after, the row again": (
        "customers",
        "AFTER INSERT OR UPDATE OF city",
        "UPDATE public.customers SET full_name = coalesce(full_name, '') || '*' WHERE id = NEW.id; RETURN NULL;",
        (BORN,),
        "SELECT full_name, nombre_completo FROM customers JOIN clientes USING (id) WHERE phone_number = '+51'",
        [("a*", "a*")],
    ),
    "legacy, before, no delete but a mark": (
        "task_queue",
        "BEFORE DELETE",
        "UPDATE public.task_queue SET status = 'cancelled' WHERE id = OLD.id; RETURN NULL;",
        ("DELETE FROM tareas_programadas",),
        "SELECT DISTINCT status, estado FROM task_queue JOIN tareas_programadas USING (id)",
        [("cancelled", "cancelada")],
    ),
}


def made(synced: Synced, table: str, when: str, body: str) -> None:
    """A trigger of a service."""
    synced.write(
        f"CREATE FUNCTION public.de_servicio() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$",
        f"CREATE TRIGGER de_servicio {when} ON public.{table} FOR EACH ROW EXECUTE FUNCTION public.de_servicio()",
    )


def settled_without(synced: Synced, table: str) -> None:
    """The proof refuses triggers of others on a Spanish table: what holds is asked when it is gone."""
    synced.write(f"DROP TRIGGER de_servicio ON {table}", "DROP FUNCTION public.de_servicio")
    synced.settled()


@pytest.mark.parametrize("case", CASES)
def test_what_a_trigger_makes_of_it_is_on_both_sides(synced: Synced, case: str) -> None:
    table, when, body, statements, asked, expected = CASES[case]
    made(synced, table, when, body)
    synced.write(*statements)
    assert synced.database.query(asked) == expected
    assert synced.open_entries() == set()
    settled_without(synced, table)


STOPPED = {
    "update": ("customers", "BEFORE UPDATE", TWO[1], "clientes"),
    "birth": ("customers", "BEFORE INSERT", BORN, "clientes"),
    "delete": ("task_queue", "BEFORE DELETE", "DELETE FROM tareas_programadas", "tareas_programadas"),
}


@pytest.mark.parametrize("case", STOPPED)
def test_what_a_legacy_trigger_does_not_let_through_is_quarantined(synced: Synced, case: str) -> None:
    table, when, statement, target = STOPPED[case]
    made(synced, table, when, "RETURN NULL;")
    synced.write(statement)
    assert synced.open_entries() == {(target, f"legacy la rechaza: un disparador de {table} no la deja pasar")}
    settled_without(synced, table)


def test_a_legacy_key_that_a_trigger_chooses_is_none_of_the_rows(synced: Synced) -> None:
    made(synced, "professions", "BEFORE INSERT", "NEW.id := NEW.id + 1000; RETURN NEW;")
    synced.write("INSERT INTO profesiones (nombre) VALUES ('otra')")
    assert synced.value("SELECT count(*) FROM professions WHERE name = 'otra'") == 0
    assert synced.open_entries() == {("profesiones", "legacy la rechaza: un disparador de professions no la deja pasar")}
    settled_without(synced, "professions")


@pytest.mark.parametrize("rows", [f"WHERE id = {CUSTOMER}", ""], ids=["one", "many"])
def test_what_a_spanish_trigger_does_not_let_through_waits(synced: Synced, rows: str) -> None:
    made(synced, "clientes", "BEFORE UPDATE", "RETURN NULL;")
    synced.write(f"UPDATE customers SET city = 'Nada' {rows}")
    assert synced.database.query("SELECT DISTINCT motivo FROM migracion.pendiente") == [
        ("un disparador de clientes no la deja pasar",)
    ]
    synced.write("DROP TRIGGER de_servicio ON clientes")
    synced.jobs.drain()
    synced.settled()


def test_triggers_of_both_sides_that_disagree_end_with_an_entry(synced: Synced) -> None:
    made(synced, "clientes", "BEFORE INSERT OR UPDATE", "NEW.ciudad := upper(NEW.ciudad); RETURN NEW;")
    synced.write(
        "CREATE FUNCTION bajar() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.city := lower(NEW.city); RETURN NEW; END $$",
        "CREATE TRIGGER bajar BEFORE INSERT OR UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION bajar()",
    )
    synced.write(f"UPDATE customers SET city = 'quito' WHERE id = {CUSTOMER}")
    synced.write(f"UPDATE clientes SET ciudad = 'loja' WHERE id = {CUSTOMER}")
    assert synced.database.query(CITIES) == [("quito", "LOJA")]
    assert synced.open_entries() == {("clientes", "legacy la rechaza: los disparadores de las dos tablas no se ponen de acuerdo")}
    settled_without(synced, "clientes")


def test_an_error_of_a_spanish_trigger_keeps_no_service_from_writing(synced: Synced) -> None:
    made(synced, "clientes", "AFTER UPDATE", "RAISE EXCEPTION 'no';")
    synced.write(TWO[0])
    assert synced.database.query(CITIES) == [(" Loja ", None)]
    assert synced.open_entries() == {("customers", "PostgreSQL la rechaza: no")}
    settled_without(synced, "clientes")


def test_a_webhook_is_told_of_every_write_once(synced: Synced) -> None:
    """One on the legacy tables hears of both sides; it is not told of our echo."""
    synced.write(
        "CREATE TABLE public.avisos (tabla text, orden text, ciudad text)", "ALTER TABLE public.avisos OWNER TO postgres"
    )
    for table, city in (("customers", "NEW.city"), ("users", "NEW.city"), ("messages", "NEW.content")):
        synced.write(
            f"CREATE FUNCTION public.avisar_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" INSERT INTO public.avisos VALUES (TG_TABLE_NAME, TG_OP, {city}); RETURN NULL; END $$",
            f"CREATE TRIGGER aviso AFTER INSERT OR UPDATE ON public.{table} FOR EACH ROW"
            f" EXECUTE FUNCTION public.avisar_{table}()",
        )
    phone = synced.value("SELECT min(telefono) FROM mensajes JOIN messages USING (id) WHERE user_id IS NOT NULL")
    synced.write(*TWO, BORN, "UPDATE proveedores SET ciudad = 'Puyo' WHERE id = (SELECT min(id::text)::uuid FROM proveedores)")
    synced.write(f"UPDATE users SET phone_number = '+52', city = 'Tena' WHERE phone_number = '{phone}'")
    assert sorted(synced.database.query("SELECT * FROM public.avisos")) == [
        ("customers", "INSERT", " puyo "),
        ("customers", "UPDATE", " Loja "),
        ("customers", "UPDATE", " Manta "),
        ("users", "UPDATE", "Puyo"),
        ("users", "UPDATE", "Tena"),
    ]
    synced.settled()


AUDIT = (
    "CREATE TABLE public.auditoria (que text)",
    "GRANT ALL ON auditoria TO PUBLIC",
    "CREATE FUNCTION public.auditar() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN INSERT INTO auditoria VALUES (TG_OP); RETURN NULL; END $$",
    "CREATE TRIGGER auditar AFTER UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION auditar()",
)


@pytest.mark.names("survey/surroundings.unqualified_triggers")
def test_a_service_trigger_that_finds_names_by_its_callers_path_is_listed_with_the_statement_that_mends_it(
    synced: Synced,
) -> None:
    synced.write(*AUDIT)
    key = synced.value("SELECT c.id FROM customers c JOIN clientes USING (id) ORDER BY 1 LIMIT 1")
    synced.write(f"UPDATE clientes SET ciudad = 'Baños' WHERE id = '{key}'")
    assert synced.database.query("SELECT sqlstate FROM migracion.pendiente") == [("42P01",)]
    (warning,) = (line for line in synced.jobs.approve(check=True)["lines"] if "search_path" in line)
    assert "la función public.auditar() (public.customers.auditar) parece nombrar auditoria sin su esquema" in warning
    synced.write(warning.partition("Su dueño lo arregla con: ")[2])
    synced.jobs.drain()
    assert synced.value(f"SELECT city FROM customers WHERE id = '{key}'") == "Baños"
    assert synced.value("SELECT count(*) FROM auditoria") == 1
    assert not [line for line in synced.jobs.approve(check=True)["lines"] if "search_path" in line]
    synced.settled()


FIRED = {
    "update": ("UPDATE public.solicitudes_servicio SET ciudad = NEW.ciudad WHERE cliente_id = NEW.id;", "location_city"),
    "insert": ("INSERT INTO public.solicitudes_servicio (telefono, ciudad) VALUES (NEW.telefono, NEW.ciudad);", "location_city"),
}


@pytest.mark.parametrize("what", FIRED)
def test_what_a_trigger_on_a_parent_that_we_write_makes_of_its_children_goes_back(synced: Synced, what: str) -> None:
    body, column = FIRED[what]
    client = synced.value("SELECT min(cliente_id::text) FROM solicitudes_servicio JOIN customers c ON c.id = cliente_id")
    made(synced, "clientes", "AFTER UPDATE", f"{body} RETURN NULL;")
    synced.write(f"UPDATE customers SET city = 'Fuego' WHERE id = '{client}'")
    assert synced.value(f"SELECT count(*) FROM service_requests WHERE {column} = 'Fuego'") > 0
    settled_without(synced, "clientes")


def test_children_that_such_a_trigger_deletes_are_deleted_in_legacy(synced: Synced) -> None:
    provider = synced.value("SELECT min(proveedor_id::text) FROM servicios_proveedor")
    made(
        synced, "proveedores", "AFTER UPDATE", "DELETE FROM public.servicios_proveedor WHERE proveedor_id = NEW.id; RETURN NULL;"
    )
    synced.write(f"UPDATE users SET city = 'Fuego' WHERE id = '{provider}'")
    assert synced.value(f"SELECT count(*) FROM provider_services WHERE provider_id = '{provider}'") == 0
    settled_without(synced, "proveedores")
