"""A backup is proved by restoring it; what is not what it was is named."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.backup import dump
from plugins.module_utils.backup.folder import damage_of, locked, stored, sweep_unfinished
from plugins.module_utils.core.backup.manifest import BAD, EXCEPT, MANIFEST, VERDICT, VERIFIED
from plugins.module_utils.core.errors import MigrationError
from tests.support.backups import Backup, backed_up
from tests.support.databases import Database
from tests.support.named import statements_in
from tests.support.phase import refused


def rows_of(database: Database) -> dict[tuple[str, str], int]:
    names = database.query("SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^pg_|^information_schema$'")
    return {(s, t): database.value(f'SELECT count(*) FROM "{s}"."{t}"') for s, t in names}


def test_a_backup_holds_every_table_and_is_verified_row_by_row(source: Database, kept: Backup) -> None:
    assert kept.verification.verdict == VERIFIED
    assert {(t.schema, t.name): t.rows for t in kept.manifest.tables} == rows_of(source)
    modes = {path.stat().st_mode & 0o777 for path in kept.path.rglob("*") if path.is_file()}
    assert modes == {0o600}


def altered(data: bytes) -> bytes:
    place = random.Random(len(data)).randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("damage", [altered, lambda data: data[:-1]], ids=["flipped", "truncated"])
def test_every_damaged_file_is_named(kept: Backup, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = kept.copied(tmp_path)
    for file in kept.manifest.files:
        place = path / file.path
        whole = place.read_bytes()
        if whole:
            place.write_bytes(damage(whole))
            (said,) = damage_of(path, kept.manifest)
            assert said.startswith(f"{file.path}: ")
            place.write_bytes(whole)
        place.unlink()
        assert damage_of(path, kept.manifest) == [f"{file.path}: falta"]
        place.write_bytes(whole)
    assert damage_of(path, kept.manifest) == []


@pytest.mark.parametrize("name", [MANIFEST, VERDICT])
@pytest.mark.parametrize("damage", [altered, lambda data: data[:-1], None], ids=["flipped", "truncated", "removed"])
def test_what_describes_a_backup_is_sealed(kept: Backup, tmp_path: Path, name: str, damage: Any) -> None:
    place = kept.copied(tmp_path) / name
    data = place.read_bytes()
    place.unlink()
    if damage is not None:
        place.write_bytes(damage(data))
    found = stored(place.parent)
    assert name in found.problem
    assert not found.holds


def test_the_files_of_another_backup_are_none_of_this_one(source: Database, kept: Backup, tmp_path: Path) -> None:
    other = backed_up(source.url, tmp_path)
    path = kept.copied(tmp_path / "copia")
    for name in (MANIFEST, VERDICT):
        mine = (path / name).read_bytes()
        (path / name).write_bytes((other.path / name).read_bytes())
        assert name in stored(path).problem
        (path / name).write_bytes(mine)
    assert stored(path).holds


def planting(statement: str) -> Callable[[str], None]:
    def plant(url: str) -> None:
        with closing(psycopg2.connect(url)) as conn, conn, conn.cursor() as cursor:
            cursor.execute(statement)

    return plant


def test_one_byte_of_one_row_is_named_by_table_and_key(source: Database, kept: Backup) -> None:
    key = source.value("SELECT min(id::text) FROM customers")
    plant = planting(f"UPDATE customers SET full_name = coalesce(full_name, '') || 'x' WHERE id::text = '{key}'")
    found = kept.checked(changed=plant)
    assert found.verdict == BAD
    assert found.problems == (f"public.customers: 1 filas no son las del respaldo: cambiadas {key}",)


def test_rows_that_are_missing_or_too_many_are_named(source: Database, kept: Backup) -> None:
    key = source.value("SELECT min(id::text) FROM messages")
    plant = planting(
        f"DELETE FROM messages WHERE id = '{key}'; INSERT INTO customers (phone_number) VALUES ('0999');"
        "ALTER TABLE consents DROP CONSTRAINT consents_pkey"
    )
    found = kept.checked(changed=plant)
    assert f"public.messages: 1 filas no son las del respaldo: faltan {key}" in found.problems
    assert any(re.fullmatch("public.customers: 1 filas .*: sobran [0-9a-f-]{36}", said) for said in found.problems)
    assert "public.consents: no está, o no vale, la restricción consents_pkey" in found.problems


@pytest.mark.parametrize(("table", "verdict"), [("public.consents", BAD), ("auth.users", EXCEPT)])
def test_a_table_that_did_not_come_decides_by_whose_it_is(kept: Backup, table: str, verdict: str) -> None:
    found = kept.checked(changed=planting(f"DROP TABLE {table} CASCADE"))
    assert found.verdict == verdict
    assert any(table in said for said in (*found.problems, *found.excepted))


def test_a_check_that_cannot_be_made_says_nothing_against_the_backup(kept: Backup, tmp_path: Path) -> None:
    found = kept.checked(scratch_dir=str(tmp_path / "no-hay"))
    assert "la comprobación falló" in found.verdict
    assert not found.holds


def test_who_waits_behind_a_lock_of_the_dump_waits_no_longer_than_half_a_second(
    source: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    original = dump.stream

    def alter() -> None:
        began = time.monotonic()
        source.run_alone("ALTER TABLE consents ADD COLUMN nueva int", "ALTER TABLE consents DROP COLUMN nueva")
        waited.append(time.monotonic() - began)

    def stream(*given: Any) -> tuple[int, str]:
        if not waited:
            altering = threading.Thread(target=alter)
            altering.start()
            altering.join(20)
        return original(*given)

    monkeypatch.setattr(dump, "stream", stream)
    said: list[str] = []
    manifest = dump.take(dump.Order(source.url, "cede", "completo"), tmp_path / "r", said.append)
    assert waited
    assert waited[0] < 1.5  # two statements, on a machine that does other things
    assert len(said) == 1
    assert "consents" in said[0]
    assert sum(table.rows for table in manifest.tables) == sum(rows_of(source).values())


@pytest.mark.names("backup/dump._require_visible")
def test_a_role_that_does_not_see_every_row_takes_no_backup(source: Database, tmp_path: Path) -> None:
    source.run_alone(
        "DROP ROLE IF EXISTS corto", "CREATE ROLE corto LOGIN PASSWORD 'corto'", "GRANT pg_read_all_data TO corto",
        "ALTER TABLE consents ENABLE ROW LEVEL SECURITY",
    )  # fmt: skip
    order = dump.Order(source.server.url(source.name, "corto", "corto"), "corto", "completo")
    error = refused(lambda: dump.take(order, tmp_path / "r", print))
    assert 'El rol "corto" no ve todas las filas de public.consents' in str(error)
    source.run_alone(*statements_in(str(error)))
    assert dump.take(order, tmp_path / "r", print).tables
    source.run_alone("ALTER TABLE consents DISABLE ROW LEVEL SECURITY", "REVOKE pg_read_all_data FROM corto", "DROP ROLE corto")


def test_a_second_one_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    with locked(str(tmp_path), {"run_id": "uno", "operator": "ana"}):
        other = locked(str(tmp_path), {"run_id": "dos"})
        with pytest.raises(MigrationError, match="uno, ana"):
            other.__enter__()


def test_what_a_killed_run_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    for name in (".en-curso-muerta", ".en-curso-propia"):
        (tmp_path / name / "respaldo").mkdir(parents=True)
    assert sweep_unfinished(str(tmp_path), tmp_path / ".en-curso-propia") == [".en-curso-muerta"]
    assert [path.name for path in tmp_path.iterdir()] == [".en-curso-propia"]
