"""A Spanish row that gets another key: its legacy row follows, or the entry names it where it is now."""

from __future__ import annotations

import pytest

from plugins.module_utils.core.errors import MigrationError

from .conftest import Synced

NEW, LATER = "00000000-0000-0000-0000-00000000abcd", "00000000-0000-0000-0000-00000000abce"
HELD = """
SELECT c.id FROM customers c JOIN clientes USING (id) JOIN consents s ON s.user_id = c.id
WHERE NOT EXISTS (SELECT FROM migracion.fusion f WHERE f.clave_destino = c.id::text)
  AND NOT EXISTS (SELECT FROM solicitudes_servicio s WHERE s.cliente_id = c.id) ORDER BY 1 LIMIT 1"""
ENTRY = (
    "SELECT clave, estado, columnas, sobrescrita_at IS NOT NULL FROM migracion.cuarentena WHERE id > {} AND clave IN ('{}', '{}')"
)


@pytest.fixture
def moved(synced: Synced) -> str:
    """A client whose new key a neighbour's foreign key forbids in legacy; his old one."""
    key = str(synced.value(HELD))
    synced.write(f"UPDATE clientes SET id = '{NEW}' WHERE id = '{key}'")
    return key


def entry(synced: Synced, key: str) -> list[tuple[object, ...]]:
    return synced.database.query(ENTRY.format(synced.last, key, NEW))


def here(synced: Synced, key: str) -> list[tuple[object, ...]]:
    return synced.database.query(f"SELECT id::text, ciudad FROM clientes WHERE id IN ('{key}', '{NEW}', '{LATER}') ORDER BY 1")


def test_a_key_that_legacy_does_not_take_leaves_the_row_where_it_is(synced: Synced, moved: str) -> None:
    assert entry(synced, moved) == [(NEW, "abierta", ["id"], False)]
    synced.jobs.equalise("fase2")
    assert [row[0] for row in here(synced, moved)] == [NEW]
    assert synced.value("SELECT count(*) FROM migracion.apartada") == 0
    synced.settled()


def test_what_is_written_under_the_new_key_reaches_the_row_that_legacy_has(synced: Synced, moved: str) -> None:
    synced.write(f"UPDATE clientes SET ciudad = 'Ibarra' WHERE id = '{NEW}'")
    assert synced.database.query(f"SELECT id::text, city FROM customers WHERE id IN ('{moved}', '{NEW}')") == [(moved, "Ibarra")]
    assert entry(synced, moved) == [(NEW, "abierta", ["id"], False)]
    synced.settled()
    synced.write(f"DELETE FROM consents WHERE user_id = '{moved}'", f"UPDATE clientes SET id = '{LATER}' WHERE id = '{NEW}'")
    assert synced.database.query(f"SELECT id::text FROM customers WHERE id IN ('{moved}', '{LATER}')") == [(LATER,)]
    assert synced.open_entries() == set()
    synced.settled()


def test_the_entry_closes_when_the_old_key_comes_back(synced: Synced, moved: str) -> None:
    synced.write(f"UPDATE clientes SET id = '{moved}' WHERE id = '{NEW}'")
    assert synced.open_entries() == set()
    synced.settled()


def test_it_closes_with_the_row(synced: Synced, moved: str) -> None:
    synced.write(f"DELETE FROM consents WHERE user_id = '{moved}'", f"DELETE FROM clientes WHERE id = '{NEW}'")
    assert synced.value(f"SELECT count(*) FROM customers WHERE id = '{moved}'") == 0
    assert synced.open_entries() == set()
    synced.settled()


def test_a_legacy_write_takes_the_key_back_and_the_entry_says_so(synced: Synced, moved: str) -> None:
    synced.write(f"UPDATE clientes SET estado = 'suspendido' WHERE id = '{NEW}'")
    synced.write(f"UPDATE customers SET city = 'Loja' WHERE id = '{moved}'")
    assert here(synced, moved) == [(moved, "Loja")]
    assert synced.value(f"SELECT estado FROM clientes WHERE id = '{moved}'") == "suspendido"
    assert entry(synced, moved) == [(moved, "abierta", ["id"], True)]
    synced.settled()


def test_what_waits_is_taken_in_under_the_new_key(synced: Synced, moved: str) -> None:
    synced.jobs.switch("no")
    synced.write(f"UPDATE clientes SET ciudad = 'Ibarra' WHERE id = '{NEW}'")
    synced.jobs.switch("si")
    assert [row[0] for row in here(synced, moved)] == [NEW]
    assert synced.open_entries() != set()
    try:
        synced.jobs.prove("fase2")
    except MigrationError as error:
        raise AssertionError(str(error)) from None
