"""Rows that exchanged a unique value while it waited: the debt takes them in together, on whichever side it was written."""

from __future__ import annotations

import pytest

from .conftest import Synced
from .test_gone import psql

MERGED = "SELECT clave_destino, clave FROM migracion.fusion WHERE tabla_destino = 'clientes' ORDER BY 1 LIMIT 2"
CUSTOMERS = "SELECT c.id::text, c.phone_number FROM customers c JOIN clientes USING (id) ORDER BY 1 LIMIT 3"
PHONES = "SELECT telefono FROM clientes WHERE id = '{}'"


def exchange(table: str, column: str, first: tuple[str, str], second: tuple[str, str]) -> tuple[str, ...]:
    """The phones of two rows change places."""
    return (
        f"UPDATE {table} SET {column} = '+0' WHERE id = '{first[0]}'",
        f"UPDATE {table} SET {column} = '{first[1]}' WHERE id = '{second[0]}'",
        f"UPDATE {table} SET {column} = '{second[1]}' WHERE id = '{first[0]}'",
    )


def customers(synced: Synced) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in synced.database.query(CUSTOMERS)]


def phones(synced: Synced, *keys: str) -> list[tuple[str, str]]:
    """Of each customer what legacy says and what the Spanish side says."""
    asked = "SELECT c.phone_number, k.telefono FROM customers c JOIN clientes k USING (id) WHERE id = '{}'"
    return [row for key in keys for row in synced.database.query(asked.format(key))]


def test_phones_that_two_spanish_rows_exchanged_are_exchanged_in_legacy(synced: Synced) -> None:
    first, second, third = customers(synced)
    synced.jobs.switch("no")
    synced.write(*exchange("clientes", "telefono", first, second))
    # beside them one who takes what is free by then, and one born with what he had
    synced.write(f"UPDATE clientes SET telefono = '+0' WHERE id = '{third[0]}'")
    synced.write(f"INSERT INTO clientes (telefono, nombre_completo) VALUES ('{third[1]}', 'Nace')")
    synced.jobs.switch("si")
    assert phones(synced, first[0], second[0], third[0]) == [(second[1],) * 2, (first[1],) * 2, ("+0",) * 2]
    assert synced.open_entries() == set()
    synced.settled()


def test_whoever_is_merged_into_them_goes_along(synced: Synced) -> None:
    merged = synced.database.query(MERGED)
    rows = [(winner, synced.value(PHONES.format(winner))) for winner, _ in merged]
    synced.jobs.switch("no")
    synced.write(*exchange("clientes", "telefono", *rows))
    synced.jobs.switch("si")
    asked = "SELECT phone_number FROM users WHERE id = '{}'"
    assert [synced.value(asked.format(loser)) for _, loser in merged] == [rows[1][1], rows[0][1]]
    assert synced.database.query(MERGED) == merged
    assert synced.open_entries() == set()
    synced.settled()


def test_a_value_that_legacy_keeps_is_refused_and_the_others_go_in(synced: Synced) -> None:
    first, second, _ = customers(synced)
    synced.write("INSERT INTO users (phone_number, user_type) VALUES ('+61', 'admin')")
    synced.last = synced.value("SELECT max(id) FROM migracion.cuarentena")
    provider = synced.value("SELECT min(p.id::text) FROM proveedores p JOIN users u USING (id)")
    synced.jobs.switch("no")
    synced.write(f"UPDATE proveedores SET telefono = '+61' WHERE id = '{provider}'")
    synced.write(*exchange("clientes", "telefono", first, second))
    synced.jobs.switch("si")
    assert phones(synced, first[0], second[0]) == [(second[1],) * 2, (first[1],) * 2]
    assert {table for table, _ in synced.open_entries()} == {"proveedores"}
    assert synced.value(f"SELECT count(*) FROM users WHERE id = '{provider}' AND phone_number ~ '^~'") == 0
    synced.settled()


def test_phones_that_two_legacy_rows_exchanged_are_exchanged_here(synced: Synced) -> None:
    first, second, _ = customers(synced)
    synced.jobs.switch("no")
    synced.write(*exchange("customers", "phone_number", first, second))
    synced.jobs.switch("si")
    assert phones(synced, first[0], second[0]) == [(second[1],) * 2, (first[1],) * 2]
    synced.settled()


@pytest.mark.parametrize("since", [True, False])
def test_the_spanish_word_counts_for_all_that_was_missed(synced: Synced, since: bool) -> None:
    first, second, third = customers(synced)
    psql(synced, "quitar.sql")
    synced.write(*exchange("clientes", "telefono", first, second))
    synced.write(f"UPDATE clientes SET ciudad = 'Perdida' WHERE id = '{third[0]}'")
    synced.write("INSERT INTO clientes (id, telefono, nombre_completo) VALUES (gen_random_uuid(), '+71', 'Perdida')")
    if since:  # as if a service wrote between the new triggers and the comparison: its key is older than what was missed
        synced.write(
            "INSERT INTO migracion.pendiente (tabla_origen, clave, operacion, fila, motivo)"
            f" SELECT 'clientes', id::text, 'UPDATE', to_jsonb(k), 'apagada' FROM clientes k"
            f" WHERE id = '{third[0]}' OR telefono = '+71'",
            f"UPDATE clientes SET nombre_completo = 'Después' WHERE id = '{third[0]}' OR telefono = '+71'",
        )
    synced.jobs.switch("si", prevails="espanol")
    assert phones(synced, first[0], second[0]) == [(second[1],) * 2, (first[1],) * 2]
    assert synced.value(f"SELECT city FROM customers WHERE id = '{third[0]}'") == "Perdida"
    assert synced.value("SELECT full_name FROM customers WHERE phone_number = '+71'") == ("Después" if since else "Perdida")
    assert synced.open_entries() == set()
    synced.settled()


def test_what_is_overridden_is_kept_where_the_two_keys_are_not_one_text(synced: Synced) -> None:
    row = synced.database.query("SELECT proveedor_id, profesion_id FROM proveedor_profesiones ORDER BY 1, 2 LIMIT 1")[0]
    synced.jobs.switch("no")
    legacy, spanish = (f"{a} = '{row[0]}' AND {b} = {row[1]}" for a, b in
                       (("provider_id", "profession_id"), ("proveedor_id", "profesion_id")))  # fmt: skip
    synced.write(
        f"UPDATE provider_professions SET specialty = 'Legacy' WHERE {legacy}",
        f"UPDATE proveedor_profesiones SET especialidad = 'Español' WHERE {spanish}",
    )
    synced.jobs.switch("si")
    assert synced.value(f"SELECT specialty FROM provider_professions WHERE {legacy} ORDER BY 1 LIMIT 1") == "Español"
    assert "Legacy" in [row[0] for row in synced.database.query(
        "SELECT fila ->> 'specialty' FROM migracion.apartada WHERE tabla = 'provider_professions'")]  # fmt: skip
    synced.settled()
