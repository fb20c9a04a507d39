"""The sync's triggers are taken away from outside: it is told, and put back with one side's word for what was written since."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Begin
from tests.support.jobs import ROOT
from tests.support.operator import Operator

from .conftest import Synced

EMERGENCY = ROOT / "files/sql/emergencia"


def psql(synced: Synced, file: str) -> None:
    """As a DBA, without the runbook."""
    synced.write((EMERGENCY / file).read_text(encoding="utf-8"))


def two(synced: Synced) -> tuple[str, str]:
    """Two customers that are clientes."""
    rows = synced.database.query("SELECT c.id::text FROM customers c JOIN clientes USING (id) ORDER BY 1 LIMIT 2")
    return rows[0][0], rows[1][0]


def apart(synced: Synced) -> tuple[str, str]:
    """The sync is gone; both sides write: a row differs, one is only here, one only there. Returns the two customers."""
    first, second = two(synced)
    psql(synced, "quitar.sql")
    synced.write(
        f"UPDATE customers SET city = 'Legacy' WHERE id = '{first}'",
        f"UPDATE clientes SET ciudad = 'Español' WHERE id = '{first}'",
        f"DELETE FROM clientes WHERE id = '{second}'",
        "INSERT INTO profesiones (nombre) VALUES ('solo en español')",
        "INSERT INTO professions (name) VALUES ('solo en legacy')",
    )
    return first, second


def test_the_emergency_file_switches_off_without_a_lock_on_a_table(synced: Synced) -> None:
    first, _ = two(synced)
    with synced.database.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE customers, clientes, professions IN ACCESS EXCLUSIVE MODE")
        psql(synced, "apagar.sql")
        cursor.execute("COMMIT")
    synced.write(f"UPDATE customers SET city = 'espera' WHERE id = '{first}'")
    assert synced.value(f"SELECT ciudad FROM clientes WHERE id = '{first}'") != "espera"
    synced.jobs.switch("si")
    assert synced.value(f"SELECT ciudad FROM clientes WHERE id = '{first}'") == "espera"
    synced.settled()


def test_the_proof_names_what_is_gone_though_all_rows_are_equal(synced: Synced) -> None:
    synced.write("ALTER TABLE customers DISABLE TRIGGER sinc_customers_clientes_u")
    with pytest.raises(MigrationError, match=r"sinc_customers_clientes_u en public\.customers") as failed:
        synced.jobs.prove()
    assert "los servicios no pueden volver a legacy" in str(failed.value)
    synced.jobs.switch("si")
    synced.settled()


def test_switching_off_does_not_promise_what_a_missing_trigger_does_not_keep(synced: Synced) -> None:
    psql(synced, "quitar.sql")
    (line,) = synced.jobs.switch("no")["lines"]
    assert "pero professions → profesiones: faltan" in line
    assert "espera en migracion.pendiente" not in line


def test_one_sides_word_is_taken_only_where_triggers_were_missing(synced: Synced) -> None:
    assert synced.jobs.switch("si", check=True) == {
        "lines": ["Sincronización: ya está encendida; esperan 0 claves"],
        "changed": False,
    }
    synced.jobs.switch("no")
    assert not synced.jobs.switch("no", check=True)["changed"]
    assert synced.jobs.switch("si", check=True)["changed"]
    assert "manda no se aplica" in synced.jobs.switch("si", prevails="legacy")["lines"][0]
    synced.settled()


def test_the_way_back_says_what_it_could_not_know(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase1", rows=100)
    operator = Operator(database.url, tmp_path / "respaldos")
    operator.goes("ansible-playbook fase2.yml -i demo")
    database.query((EMERGENCY / "quitar.sql").read_text(encoding="utf-8"))
    said = operator.goes("ansible-playbook fase2.yml -i demo --tags rollback").text
    assert "Lo escrito desde entonces solo en las tablas en español no está en legacy" in said


def test_legacy_is_right_unless_something_else_is_said(synced: Synced) -> None:
    first, second = apart(synced)
    foreseen = "\n".join(synced.jobs.switch("si", check=True)["lines"])
    assert "customers → clientes: 1 distintas, 1 que solo legacy tiene" in foreseen
    assert "professions → profesiones: 1 que solo legacy tiene, 1 que solo está en español" in foreseen
    assert synced.value("SELECT count(*) FROM pg_trigger WHERE tgname ~ '^sinc_'") == 0
    said = "\n".join(synced.jobs.switch("si")["lines"])
    assert "vale lo legacy" in said
    assert "queda distinto" not in said
    assert synced.value(f"SELECT ciudad FROM clientes WHERE id = '{first}'") == "Legacy"
    assert synced.value(f"SELECT count(*) FROM clientes WHERE id = '{second}'") == 1
    assert synced.value("SELECT array_agg(nombre) FROM profesiones WHERE nombre ~ '^solo'") == ["solo en legacy"]
    kept = synced.database.query(
        "SELECT tabla, coalesce(fila ->> 'ciudad', fila ->> 'nombre') FROM migracion.apartada ORDER BY 1"
    )
    assert kept == [("clientes", "Español"), ("profesiones", "solo en español")]
    synced.write(f"UPDATE clientes SET ciudad = 'Ibarra' WHERE id = '{first}'")
    assert synced.value(f"SELECT city FROM customers WHERE id = '{first}'") == "Ibarra"
    synced.settled()


def test_the_spanish_side_is_right_where_it_is_said(synced: Synced) -> None:
    first, second = apart(synced)
    said = "\n".join(synced.jobs.switch("si", prevails="espanol")["lines"])
    assert "vale lo español" in said
    assert "queda distinto" not in said
    assert synced.value(f"SELECT city FROM customers WHERE id = '{first}'") == "Español"
    assert synced.value(f"SELECT count(*) FROM clientes WHERE id = '{second}'") == 1  # in legacy nothing is deleted
    names = ["solo en español", "solo en legacy"]
    assert synced.value("SELECT array_agg(name ORDER BY name) FROM professions WHERE name ~ '^solo'") == names
    assert synced.value("SELECT array_agg(nombre ORDER BY nombre) FROM profesiones WHERE nombre ~ '^solo'") == names
    kept = synced.database.query("SELECT tabla, fila ->> 'city' FROM migracion.apartada")
    assert kept == [("customers", "Legacy")]
    synced.settled()


def test_a_phase_that_puts_it_back_keeps_what_it_overwrites(synced: Synced, tmp_path: Path) -> None:
    first, _ = apart(synced)
    synced.jobs.synchronise()
    synced.jobs.equalise("fase2")
    assert synced.value(f"SELECT fila ->> 'ciudad' FROM migracion.apartada WHERE clave = '{first}'") == "Español"
    synced.settled()


@pytest.mark.names(
    "sync/modes", "sync/reporting", "sync/reporting.sync_lines", "core/render._off_head", "core/render._gone_head",
)  # fmt: skip
def test_the_commands_that_are_named_put_it_back(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase1", rows=100)
    operator = Operator(database.url, tmp_path / "respaldos")
    operator.goes("ansible-playbook fase2.yml -i demo")
    off, gone = ((EMERGENCY / name).read_text(encoding="utf-8") for name in ("apagar.sql", "quitar.sql"))
    assert "estado --tags sincronizacion -e sincronizacion=si" in off.replace("\n--  ", "")
    assert "estado --tags sincronizacion -e sincronizacion=si -e manda=legacy" in gone.replace("\n--  ", "")
    database.query(off + gone)
    database.query("UPDATE customers SET city = 'sin nadie'")
    (back,) = operator.goes("ansible-playbook estado.yml -i demo").after("Se repone con:")
    verified = operator.stops("ansible-playbook fase2.yml -i demo --tags verify")
    assert sorted(back) in map(sorted, verified.commands())
    database.query("DROP VIEW migracion.v_messages_mensajes")
    assert "repuesta" in operator.goes(back).text
    assert (
        database.value("SELECT count(*) FROM clientes JOIN customers USING (id) WHERE ciudad IS DISTINCT FROM 'sin nadie'") == 0
    )
    operator.goes("ansible-playbook fase2.yml -i demo")
    database.query(gone)
    database.query("UPDATE customers SET city = 'de nuevo'")
    assert "repuesta" in operator.goes([*back, "-e", "manda=legacy"]).text
    assert database.value("SELECT count(*) FROM clientes JOIN customers USING (id) WHERE ciudad IS DISTINCT FROM 'de nuevo'") == 0
    operator.goes("ansible-playbook fase2.yml -i demo --tags verify")
