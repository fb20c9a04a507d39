"""The legacy tables leave and come back: what is there before is there after, with all that was written meanwhile."""

from __future__ import annotations

import pytest

from plugins.module_utils.call.context import Context
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.proof.accounts import Account
from plugins.module_utils.jobs import legacy_state
from tests.support.dump import dump

from .conftest import Contracting


def clients(contracting: Contracting, count: int) -> list[str]:
    """Clients that have their customer and nothing that hangs on it."""
    rows = contracting.database.query(
        "SELECT k.id::text FROM clientes k WHERE NOT EXISTS (SELECT FROM consents c WHERE c.user_id = k.id)"
        " AND NOT EXISTS (SELECT FROM customer_service_requests r WHERE r.customer_id = k.id)"
        " AND NOT EXISTS (SELECT FROM solicitudes_servicio s WHERE s.cliente_id = k.id)"
        " AND NOT EXISTS (SELECT FROM migracion.fusion f WHERE f.clave_destino = k.id::text) ORDER BY 1 LIMIT %s",
        (count,),
    )
    return [row[0] for row in rows]


def test_three_rounds_without_writes_change_nothing(contracting: Contracting) -> None:
    """Rows, grants, policies, sequences, comments, owners, statistics targets, replica identity, storage parameters."""
    contracting.write(
        "ALTER TABLE messages ALTER content SET STATISTICS 7, SET (fillfactor = 80)",
        "CREATE STATISTICS s_mensajes ON user_id, message_type FROM messages",
    )
    before = dump(contracting.database)
    for _ in range(3):
        assert contracting.move()["changed"]
        contracting.verify()
        assert not contracting.move()["changed"]
        contracting.back()
        assert dump(contracting.database) == before
    contracting.settled()


@pytest.mark.slow
def test_the_archive_is_out_of_reach_and_keeps_what_the_tables_had(contracting: Contracting) -> None:
    grants = "SELECT relacl::text FROM pg_class WHERE relname = 'customers' AND relkind = 'r'"
    before = contracting.value(grants)
    contracting.move()
    assert contracting.value(grants) == before
    reach = (
        "SELECT bool_or(has_schema_privilege(r, 'legado', 'USAGE')) FROM unnest('{anon,authenticated,service_role}'::text[]) r"
    )
    assert contracting.value(reach) is False
    assert contracting.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'legado'::regnamespace AND relkind = 'r'") == 9
    assert contracting.value("SELECT count(*) FROM pg_trigger WHERE tgname ~ '^(sinc|sigue|vuelta)_'") == 0


def test_what_was_written_without_the_legacy_tables_comes_back_with_them(contracting: Contracting) -> None:
    changed, deleted, busy = clients(contracting, 3)
    contracting.move()
    contracting.write(
        f"UPDATE clientes SET ciudad = 'Loja' WHERE id = '{changed}'",
        f"DELETE FROM clientes WHERE id = '{deleted}'",
        "INSERT INTO clientes (telefono, nombre_completo) VALUES ('+593000001', 'Nacida sin legacy')",
        "INSERT INTO profesiones (nombre) VALUES ('soldadora')",
        f"INSERT INTO consents (user_id, user_type, response) VALUES ('{busy}', 'customer', 'si')",
        "DELETE FROM proveedor_profesiones WHERE id = (SELECT min(id) FROM proveedor_profesiones)",
    )
    pairs = contracting.value("SELECT count(*) FROM proveedor_profesiones")
    contracting.back()
    contracting.settled()
    assert contracting.value(f"SELECT city FROM customers WHERE id = '{changed}'") == "Loja"
    assert contracting.value(f"SELECT count(*) FROM customers WHERE id = '{deleted}'") == 0
    assert contracting.value("SELECT full_name FROM customers WHERE phone_number = '+593000001'") == "Nacida sin legacy"
    assert contracting.value("SELECT count(*) FROM professions WHERE name = 'soldadora'") == 1
    assert contracting.value("SELECT count(*) FROM proveedor_profesiones") == pairs
    contracting.write(f"UPDATE customers SET city = 'Quito' WHERE id = '{changed}'")
    assert contracting.value(f"SELECT ciudad FROM clientes WHERE id = '{changed}'") == "Quito"


@pytest.mark.slow
def test_what_was_written_between_the_return_and_its_accounting_hides_nothing(
    contracting: Contracting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row changed while legacy was away and again just after it came back: both changes are carried, not only the last."""
    changed, _, _ = clients(contracting, 3)
    contracting.move()
    born = "INSERT INTO clientes (telefono, nombre_completo) VALUES ('+593000002', 'Nacida') RETURNING id::text"
    contracting.write(f"UPDATE clientes SET ciudad = 'Loja' WHERE id = '{changed}'")
    (new,) = contracting.database.query(born)[0]
    carry = legacy_state.carry_what_changed

    def write_first(context: Context) -> list[Account]:
        contracting.write(f"UPDATE clientes SET nombre_completo = 'Otra' WHERE id IN ('{changed}', '{new}')")
        return carry(context)

    monkeypatch.setattr(legacy_state, "carry_what_changed", write_first)
    contracting.back()
    contracting.settled()
    assert contracting.database.query(f"SELECT city, full_name FROM customers WHERE id = '{changed}'") == [("Loja", "Otra")]
    assert contracting.value(f"SELECT full_name FROM customers WHERE id = '{new}'") == "Otra"


def test_a_way_back_that_died_after_the_return_is_completed_by_the_same_command(
    contracting: Contracting, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contracting.schema()
    contracting.move()
    contracting.write("INSERT INTO profesiones (nombre) VALUES ('soldadora')")

    def die(context: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(legacy_state, "carry_what_changed", die)
        with pytest.raises(KeyboardInterrupt):
            contracting.back()
    with pytest.raises(MigrationError, match="quedó a medias"):
        contracting.move()
    contracting.write("INSERT INTO profesiones (nombre) VALUES ('herrera')")
    contracting.back()
    contracting.settled()
    assert contracting.schema() == before
    assert contracting.value("SELECT count(*) FROM professions WHERE name IN ('soldadora', 'herrera')") == 2


@pytest.mark.slow
def test_a_move_that_died_before_it_is_taken_back_without_a_trace(
    contracting: Contracting, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contracting.schema()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(legacy_state, "move_away", die)
        with pytest.raises(KeyboardInterrupt):
            contracting.move()
    assert contracting.schema() != before
    contracting.back()
    assert contracting.schema() == before
    contracting.settled()


@pytest.mark.slow
def test_the_dry_run_says_what_would_move_and_changes_nothing(contracting: Contracting) -> None:
    before = contracting.schema()
    said = "\n".join(contracting.move(check=True)["lines"])
    assert "Se moverían al esquema legado: professions, users" in said
    assert contracting.schema() == before
    contracting.move()
    assert "Volverían de legado" in contracting.back(check=True)["lines"][0]
    contracting.verify()
