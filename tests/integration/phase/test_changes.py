"""People change tables between two phases: estado names each change, what it means, and the command to go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import Begin, Database
from tests.support.named import commands_in, statements_in
from tests.support.operator import Operator

ESTADO = "ansible-playbook estado.yml -i demo"
HEAD = "Cambios de otros en las tablas"
# What somebody does to a legacy table of fase2, and what is said of it.
LEGACY = {
    "ALTER TABLE customers ADD apodo text": "hay columna apodo (text), que no estaba: el mapeo no la nombra",
    "ALTER TABLE users RENAME COLUMN city TO ciudad_nueva": "users.city parece llamarse ahora ciudad_nueva: el mapeo la lee para",
    "ALTER TABLE customers ADD CONSTRAINT suya CHECK (length(city) < 9000)": "también tiene que cumplirlo, o queda en cuarentena",
    "CREATE INDEX suyo ON messages (id, user_id)": "hay índice suyo",
    "ALTER TABLE users ADD CONSTRAINT suya UNIQUE (id, name)": "por sus claves se reconocen",
    "ALTER TABLE users ALTER name SET DEFAULT 'nadie'": "valor por defecto name",
    "CREATE TRIGGER suyo BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()": (
        "suppress_redundant_updates_trigger()), que no estaba: se dispara también con lo que la sincronización escribe"
    ),
    "GRANT TRUNCATE ON customers TO pg_monitor": "hay permiso pg_monitor TRUNCATE, que no estaba: la tabla en español sigue",
    "CREATE POLICY suya ON customers USING (true)": "hay política suya",
    "ALTER TABLE customers FORCE ROW LEVEL SECURITY": "seguridad por fila tabla era",
    "ALTER TABLE customers OWNER TO pg_database_owner": "dueño tabla era",
}


def ready(begin: Begin, tmp_path: Path) -> tuple[Database, Operator]:
    """fase2 done; the operator of its site."""
    database, _ = begin(up_to="fase2", rows=100)
    return database, Operator(database.url, tmp_path / "respaldos")


def said_of(operator: Operator) -> list[str]:
    """The lines of estado from the changes on."""
    lines = list(operator.goes(ESTADO).lines)
    return lines[next(n for n, line in enumerate(lines) if line.startswith(HEAD)) :]


def test_each_change_of_a_legacy_table_is_named_with_what_it_means(begin: Begin, tmp_path: Path) -> None:
    database, operator = ready(begin, tmp_path)
    assert said_of(operator)[0] == f"{HEAD}: ninguno desde que fase0 las aprobó"
    with database.cursor() as cursor:
        for statement in LEGACY:
            cursor.execute(statement)
    lines = said_of(operator)
    assert [expected for expected in LEGACY.values() if expected not in "\n".join(lines)] == []
    assert not any("sinc_" in line or "vuelta_" in line for line in lines)
    assert "  Ninguna fase sigue hasta que se apruebe de nuevo:" in lines
    assert "    customers.apodo es nueva (text)" in lines


@pytest.mark.names("phase/changes.change_lines")
def test_what_changed_nothing_that_matters_is_over_once_fase0_has_seen_it(begin: Begin, tmp_path: Path) -> None:
    database, operator = ready(begin, tmp_path)
    database.query("ALTER TABLE customers ADD apodo text")
    state = operator.goes(ESTADO)
    following = state.after("Siguiente:")
    assert following == state.after("Para seguir:")
    assert len(following) == 2
    for command in following:
        operator.goes(command)
    assert said_of(operator) == [f"{HEAD}: ninguno desde que fase0 las aprobó", *said_of(operator)[1:]]
    database.query("CREATE INDEX suyo ON customers (apodo)")
    state = operator.goes(ESTADO)
    assert state.after("Siguiente:") == [["ansible-playbook", "fase3.yml", "-i", "demo"]]
    for command in state.after("Para darlos por vistos:"):
        operator.goes(command)
    assert said_of(operator)[0] == f"{HEAD}: ninguno desde que fase0 las aprobó"


@pytest.mark.names("phase/changes._mend")
def test_what_a_spanish_table_lacks_is_put_right_by_what_is_named(begin: Begin, tmp_path: Path) -> None:
    database, operator = ready(begin, tmp_path)
    database.query(
        "ALTER TABLE clientes RENAME COLUMN ciudad TO localidad; ALTER TABLE proveedores ADD extra integer;"
        " DROP INDEX idx_clientes_estado; ALTER TABLE clientes DROP CONSTRAINT clientes_telefono_key"
    )
    lines = said_of(operator)
    assert "  proveedores: sobra columna extra: integer: no estorba" in lines
    assert not any("idx_clientes_ciudad" in line for line in lines)
    refused = operator.stops("ansible-playbook fase2.yml -i demo --tags verify").message
    (rename,) = {statement for text in (*lines, refused) for statement in statements_in(text) if "RENAME" in statement}
    database.query(rename)
    (command,) = {tuple(words) for line in lines if "Lo repone:" in line for words in commands_in(line)}
    operator.goes(list(command))
    lines = said_of(operator)
    assert lines[1] == "  proveedores: sobra columna extra: integer: no estorba"
    operator.goes("ansible-playbook fase2.yml -i demo --tags verify")


def test_the_sync_comes_before_the_next_phase(begin: Begin, tmp_path: Path) -> None:
    database, operator = ready(begin, tmp_path)
    operator.goes("ansible-playbook fase2.yml -i demo")
    operator.goes(f"{ESTADO} --tags sincronizacion -e sincronizacion=no")
    assert "la sincronización está apagada" in operator.goes("ansible-playbook fase2.yml -i demo --tags verify").text
    (command,) = operator.goes(ESTADO).after("Siguiente:")
    operator.goes(command)
    database.query("ALTER TABLE customers DISABLE TRIGGER sinc_customers_clientes_u")
    (command,) = operator.goes(ESTADO).after("Siguiente:")
    operator.goes(command)
    assert operator.goes(ESTADO).after("Siguiente:") == [["ansible-playbook", "fase3.yml", "-i", "demo"]]
