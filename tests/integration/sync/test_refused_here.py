"""What legacy refuses of a Spanish write is kept in an entry until legacy takes a later one, or nobody has the row any more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.operator import Operator

from .conftest import Synced

pytestmark = pytest.mark.values

ENTRY = "SELECT estado, columnas, fila ->> 'telefono', sobrescrita_at IS NOT NULL FROM migracion.cuarentena"


@pytest.fixture
def refused(synced: Synced) -> tuple[str, str]:
    """A provider to whom a service gave the phone of a customer's users row that nobody carries, and that phone."""
    key = synced.value("SELECT min(p.id::text) FROM proveedores p JOIN users u USING (id)")
    synced.write("INSERT INTO users (phone_number, user_type) VALUES ('+61', 'admin')")
    synced.last = synced.value("SELECT max(id) FROM migracion.cuarentena")
    synced.write(f"UPDATE proveedores SET telefono = '+61' WHERE id = '{key}'")
    assert entry(synced, key) == [("abierta", ["telefono"], "+61", False)]
    synced.settled()
    return key, "+61"


def entry(synced: Synced, key: str) -> list[tuple[object, ...]]:
    return synced.database.query(f"{ENTRY} WHERE tabla_origen = 'proveedores' AND clave = '{key}' ORDER BY id DESC LIMIT 1")


def test_a_legacy_write_overwrites_it_and_the_entry_says_so_and_stays(synced: Synced, refused: tuple[str, str]) -> None:
    key, phone = refused
    synced.write(f"UPDATE users SET city = 'Loja' WHERE id = '{key}'")
    assert synced.value(f"SELECT telefono FROM proveedores WHERE id = '{key}'") != phone
    assert entry(synced, key) == [("abierta", ["telefono"], phone, True)]
    synced.settled()
    synced.write("SET LOCAL session_replication_role = replica", f"UPDATE proveedores SET ciudad = 'Otra' WHERE id = '{key}'")
    with pytest.raises(AssertionError, match="ciudad"):
        synced.settled()
    synced.jobs.equalise("fase2")
    synced.write(f"UPDATE proveedores SET ciudad = 'Ibarra' WHERE id = '{key}'")
    assert entry(synced, key) == [("abierta", ["telefono"], phone, True)]
    synced.write(f"UPDATE proveedores SET telefono = '+62' WHERE id = '{key}'")
    assert entry(synced, key)[0][0] == "resuelta"
    assert synced.value(f"SELECT phone_number FROM users WHERE id = '{key}'") == "+62"
    synced.settled()


def test_a_later_write_that_legacy_takes_closes_it(synced: Synced, refused: tuple[str, str]) -> None:
    key, _ = refused
    synced.write(f"UPDATE proveedores SET ciudad = 'Ibarra' WHERE id = '{key}'")
    assert entry(synced, key)[0][0] == "abierta"
    synced.write(f"UPDATE proveedores SET telefono = '+62' WHERE id = '{key}'")
    assert entry(synced, key)[0][0] == "resuelta"
    synced.settled()


def test_it_closes_with_the_row(synced: Synced, refused: tuple[str, str]) -> None:
    key, _ = refused
    synced.write(f"DELETE FROM customer_service_requests WHERE provider_id = '{key}'", f"DELETE FROM users WHERE id = '{key}'")
    assert entry(synced, key)[0][0] == "resuelta"
    synced.settled()


def test_a_birth_that_was_refused_is_tried_again_with_the_next_write(synced: Synced) -> None:
    synced.write("INSERT INTO sesiones (telefono, id_sesion) VALUES ('+63', 'sola')")
    assert synced.value("SELECT count(*) FROM sessions WHERE session_id = 'sola'") == 0
    synced.write("INSERT INTO users (phone_number, name, user_type) VALUES ('+63', 'Eva', 'client')")
    synced.write("UPDATE sesiones SET codigo_qr = 'x' WHERE id_sesion = 'sola'")
    assert synced.value("SELECT qr_code FROM sessions WHERE session_id = 'sola'") == "x"
    assert synced.open_entries() == set()
    synced.settled()


def test_the_list_of_entries_says_when_it_was_overwritten(synced: Synced, refused: tuple[str, str], tmp_path: Path) -> None:
    key, _ = refused
    synced.write(f"UPDATE users SET city = 'Loja' WHERE id = '{key}'")
    said = Operator(synced.database.url, tmp_path).goes("ansible-playbook estado.yml -i demo --tags cuarentena").text
    [line] = [line for line in said.splitlines() if f"{key}: " in line]
    assert "(legacy la sobrescribió el 2" in line


@pytest.mark.names("quarantine/spanish_entries.spanish_entry_lines")
def test_the_listing_says_what_to_fill_in_and_shows_no_secret(synced: Synced, refused: tuple[str, str], tmp_path: Path) -> None:
    key, phone = refused
    operator = Operator(synced.database.url, tmp_path / "respaldos")
    session = synced.value("SELECT min(s.id::text) FROM sesiones s JOIN sessions USING (id)")
    synced.write(
        "ALTER TABLE sessions ADD CONSTRAINT corto CHECK (qr_code <> 'secreto')",
        f"UPDATE sesiones SET codigo_qr = 'secreto' WHERE id = '{session}'",
    )
    said = operator.goes("ansible-playbook estado.yml -i demo --tags cuarentena").text
    assert f"    {key}: telefono = '{phone}'" in said
    assert f"    {session}: codigo_qr = (oculto)" in said
    assert "secreto" not in said.replace("«secreto»", "")
    (statement,) = re.findall(r"UPDATE public.proveedores SET telefono = <valor corregido>\n    WHERE id IN \('[^']*'\);", said)
    synced.write(statement.replace("<valor corregido>", "'+63'"))
    assert entry(synced, key)[0][0] == "resuelta"
    assert synced.value(f"SELECT phone_number FROM users WHERE id = '{key}'") == "+63"
    gone = synced.value(
        "SELECT min(user_id::text) FROM consents c JOIN clientes t ON t.id = c.user_id WHERE NOT EXISTS"
        " (SELECT FROM solicitudes_servicio s WHERE s.cliente_id = t.id)"
    )
    synced.write(f"DELETE FROM clientes WHERE id = '{gone}'")
    assert "En legacy sigue como estaba" in operator.goes("ansible-playbook estado.yml -i demo --tags cuarentena").text
