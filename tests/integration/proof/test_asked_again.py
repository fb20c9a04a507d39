"""What a proof asks anew: facts that fase0 judged once, and candidates that a second look by key does not find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.boxes import Night
from tests.support.damage import hide_from_index
from tests.support.databases import Begin, Database


@pytest.mark.parametrize("when", ["before the copy", "after it"])
def test_a_column_that_was_empty_when_fase0_looked_is_asked_again_by_the_phase_that_carries_its_table(
    begin: Begin, when: str
) -> None:
    database, jobs = begin(rows=100, messages=7)
    database.query("ALTER TABLE customers ADD apodo text; ALTER TABLE messages ADD firma text")
    jobs.up_to_tables()
    jobs.copy()
    if when == "after it":
        jobs.equalise()
        assert jobs.prove()["changed"] is False
    database.query("UPDATE customers SET apodo = 'Lucho' WHERE id IN (SELECT id FROM customers ORDER BY id LIMIT 3)")
    database.query("UPDATE messages SET firma = 'x'")  # another phase's
    for proof in (jobs.equalise, jobs.prove):
        with pytest.raises(MigrationError) as failed:
            proof()
        assert failed.value.code == "difference"
        assert "customers.apodo tiene datos (3 filas) y el mapeo ni la lleva (columns) ni la descarta" in str(failed.value)
        assert "firma" not in str(failed.value)
        assert "fase0.yml" in str(failed.value)
    database.query("UPDATE customers SET apodo = NULL")
    assert jobs.equalise()["accounting"]


def test_a_spanish_row_whose_match_holds_null_stays_a_difference(begin: Begin) -> None:
    """No = finds it again; it is counted all the same."""
    database, jobs = begin("text", rows=100, messages=7, up_to="fase2")
    database.query("INSERT INTO proveedor_profesiones (proveedor_id, profesion_id) VALUES (NULL, NULL)")
    for proof in (jobs.prove, jobs.equalise):
        with pytest.raises(MigrationError, match="1 filas en español sin origen") as failed:
            proof()
        assert "sobra en proveedor_profesiones" in str(failed.value)


def test_a_legacy_row_that_its_index_does_not_find_stays_a_difference(empty_database: Database, tmp_path: Path) -> None:
    database, night = empty_database, Night.on(empty_database, tmp_path, 40)
    night.up_to_tables()
    night.night()
    night.equalise()
    hide_from_index(database, "INSERT INTO boxes (id, label) VALUES (500, 'x'), (501, 'y')", "boxes_pkey")
    for proof in (night.prove, night.equalise):
        with pytest.raises(MigrationError, match="2 filas legacy sin su igual") as failed:
            proof()
        assert "boxes 500: falta en cajas (la fila está, y por su clave no se encuentra" in str(failed.value)
    database.query("REINDEX INDEX boxes_pkey")
    night.equalise()
    assert database.value("SELECT count(*) FROM cajas") == 42


def test_a_legacy_row_that_is_deleted_between_snapshot_and_second_look_is_no_difference(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plugins.module_utils.proof import prove

    database, night = empty_database, Night.on(empty_database, tmp_path, 40)
    night.up_to_tables()
    night.night()
    night.equalise()
    database.query("INSERT INTO boxes (id) VALUES (500), (501)")
    before = prove.look_again

    def deleted_first(*arguments: Any) -> None:
        database.query("DELETE FROM boxes WHERE id >= 500")
        before(*arguments)

    monkeypatch.setattr(prove, "look_again", deleted_first)
    [account] = night.prove()["accounting"]
    assert (account["total"], account["pendientes"]) == (40, 0)
