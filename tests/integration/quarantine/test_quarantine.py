"""The quarantine as work: what is printed for each reason runs, touches exactly its rows, and heals them."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.quarantine import listing
from tests.support.databases import Database
from tests.support.hostile_rows import hostile_rows, put
from tests.support.jobs import Jobs
from tests.support.named import statements_in
from tests.support.phase import Phase

INSTALLATIONS = ["jsonb", "text"]
BLANK = "<valor corregido>"
HEAD = re.compile(r"^([\d.]+) × (\w+): (.*?)(?: \[(\w{5})\])?$")
Block = tuple[re.Match[str], list[str], list[str]]


def shown(database: Database) -> list[str]:
    return Phase(database.url).call("quarantine", "estado", "ver")


def blocks(lines: list[str]) -> list[Block]:
    """By reason: its head, what is said below, and the statements, each in one line."""
    found: list[Block] = []
    for line in lines:
        if head := HEAD.match(line):
            found.append((head, [], []))
        elif line.startswith("  UPDATE "):
            found[-1][2].append(line.strip())
        elif found and line.startswith("    WHERE "):
            found[-1][2][-1] += " " + line.strip()
        elif found and line.startswith("  "):
            found[-1][1].append(line.strip())
    assert found
    return found


def block(database: Database, reason: str) -> Block:
    (found,) = (b for b in blocks(shown(database)) if reason in f"{b[0][2]}: {b[0][3]}")
    return found


def filled(statement: str, value: str = "") -> str:
    """The blanks filled with a value, or with what stands there already."""
    statement = statement.replace(f"to_jsonb({BLANK}::text)", f"to_jsonb({value or 'user_id'}::text)")
    return re.sub(rf"(\S+) = {BLANK}", lambda blank: f"{blank[1]} = {value or blank[1]}", statement)


def touched(database: Database, statements: list[str]) -> list[int]:
    """How many rows each statement changes, all rolled back."""
    counts = []
    for statement in statements:
        assert BLANK in statement
        with closing(psycopg2.connect(database.url)) as connection, connection.cursor() as cursor:
            cursor.execute(filled(statement))
            counts.append(cursor.rowcount)
    return counts


@pytest.fixture
def migrated(new_database: Callable[..., Database], tmp_path: Path) -> Callable[..., tuple[Database, Jobs]]:
    """``migrated(installation, *statements)``: the sample, made worse, and all its tables copied."""

    def make(installation: str = "jsonb", *statements: str, hostile: int = 0) -> tuple[Database, Jobs]:
        worse = hostile or statements
        database = new_database(installation, up_to="fase1" if worse else "fase3")
        jobs = Jobs(database.url, tmp_path / "respaldos")
        if worse:
            with database.cursor() as cursor:
                put(cursor, hostile_rows(installation, 7, hostile))
                for statement in statements:
                    cursor.execute(statement)
            jobs.fill("fase2", "fase3")
        return database, jobs

    return make


@pytest.mark.names("core/quarantine/corrections._through_lookup", "core/quarantine/corrections.update")
@pytest.mark.parametrize("installation", INSTALLATIONS)
def test_every_statement_runs_once_filled_and_touches_exactly_the_rows_of_its_reason(
    installation: str, migrated: Callable[..., tuple[Database, Jobs]]
) -> None:
    far = "INSERT INTO sessions (user_id, session_id) VALUES ('a0000000-0000-4000-8000-000000000018', 's')"  # a long phone
    database, _ = migrated(installation, far, hostile=8)
    found = blocks(shown(database))
    assert len(found) > 40
    rows = {"otras": 0, "propias": 0}
    for head, _, statements in found:
        count = int(head[1].replace(".", ""))
        for statement, changed in zip(statements, touched(database, statements), strict=True):
            own = statement.startswith(f"UPDATE public.{head[2]} ")
            rows["propias" if own else "otras"] += changed
            assert changed <= count
            if own and head[4] != "23503":
                assert changed == count, statement
    assert min(rows.values()) > 0


@pytest.mark.names("quarantine/listing.quarantine")
def test_reasons_that_are_not_shown_are_found_by_the_named_statement(
    migrated: Callable[..., tuple[Database, Jobs]], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, _ = migrated()
    reasons = len(blocks(shown(database)))
    monkeypatch.setattr(listing, "REASONS_SHOWN", 1)
    (search,) = statements_in("\n".join(shown(database)))
    assert len(database.query(re.sub(r"\*", "DISTINCT tabla_origen, motivo", search))) == reasons > 1
    assert database.query(search)


def test_an_unfilled_statement_changes_nothing(migrated: Callable[..., tuple[Database, Jobs]]) -> None:
    database, _ = migrated()
    for _, _, statements in blocks(shown(database)):
        for statement in statements:
            with pytest.raises(psycopg2.errors.SyntaxError), database.cursor() as cursor:
                cursor.execute(statement)


def test_filled_and_run_the_next_phase_takes_the_rows_in(migrated: Callable[..., tuple[Database, Jobs]]) -> None:
    database, jobs = migrated()
    values = {"users: status no tiene": "'active'", "city pasa": "left(city, 100)", "falta name": "'Sin nombre'"}
    for reason, value in values.items():
        _, _, statements = block(database, reason)
        database.query(filled(statements[-1], value))
    jobs.equalise()
    said = "\n".join(shown(database))
    assert "users: status no tiene" not in said
    assert "city pasa" not in said
    assert "provider_id apunta" not in said  # its parents were two of the rows that came in


def test_a_child_waits_for_its_parent_and_has_no_statement_of_its_own(migrated: Callable[..., tuple[Database, Jobs]]) -> None:
    database, _ = migrated()
    head, said, statements = block(database, "provider_id apunta")
    assert head[4] == "23503"
    assert statements == []
    assert [line for line in said if line.startswith("Corrija antes")] == [
        "Corrija antes la fila a0000000-0000-4000-8000-000000000011 de users (falta name, y nombre es obligatorio). "
        "Filas que la esperan: 1.",
        "Corrija antes la fila a0000000-0000-4000-8000-000000000012 de users (status no tiene traducción: 'banned'). "
        "Filas que la esperan: 1.",
    ]


def test_a_child_whose_parent_no_correction_brings_gets_a_statement_for_itself(
    migrated: Callable[..., tuple[Database, Jobs]],
) -> None:
    client = "(SELECT id FROM users WHERE user_type = 'client' ORDER BY id LIMIT 1)"
    database, _ = migrated("text", f"UPDATE provider_professions SET provider_id = {client} WHERE id = 20")
    _, said, statements = block(database, "provider_id apunta")
    assert len([line for line in said if line.startswith("Corrija antes")]) == 2
    assert any("no la da ninguna fila de users. Filas así: 1." in line for line in said)
    assert touched(database, statements) == [1]


def test_a_value_without_translation_comes_with_those_that_have_one(migrated: Callable[..., tuple[Database, Jobs]]) -> None:
    database, _ = migrated()
    _, said, _ = block(database, "intent no tiene")
    assert "intent admite: 'service_request'; o ya en español 'servicio', 'consulta', 'queja', 'sugerencia'" in said
    _, said, _ = block(database, "users: status no tiene")
    assert [line[: line.index(":")] for line in said if " admite" in line] == [
        "status admite, hacia proveedores",
        "status admite, hacia clientes",
    ]
    _, said, _ = block(database, "user_type no es provider ni client: 'admin'")
    assert "user_type admite: 'provider', 'client'" in said


def test_of_two_rows_that_meet_the_one_that_stays_is_named(migrated: Callable[..., tuple[Database, Jobs]]) -> None:
    database, _ = migrated()
    _, said, _ = block(database, "name repite en nombre")
    assert said[0].endswith("; queda la fila 904 de profesiones")
    _, said, statements = block(database, "customers tiene otra fila con el mismo id")
    assert said[0].endswith("; queda la fila c0000000-0000-4000-8000-000000000025 de clientes")
    assert said[1] == "Con el mismo phone_number que la fila que queda, se fusiona con ella."
    assert len(statements) == 1


def test_a_refusal_of_postgresql_itself_names_no_column(migrated: Callable[..., tuple[Database, Jobs]]) -> None:
    database, _ = migrated()
    database.query(
        "UPDATE migracion.cuarentena SET motivo = 'PostgreSQL la rechaza: algo', columna = NULL WHERE motivo LIKE 'intent%'"
    )
    _, said, statements = block(database, "PostgreSQL la rechaza")
    assert statements == []
    assert said[-1].startswith("PostgreSQL no dice qué columna es")
    assert '"intent": "spam"' in said[0]


def test_hostile_text_is_quoted_and_moves_no_cursor(migrated: Callable[..., tuple[Database, Jobs]]) -> None:
    nasty = "E'\\x1b[2J''; DROP TABLE users; -- \\\\ {{ 7*7 }} 100%s \\u202e'"
    database, _ = migrated("jsonb", *[f"INSERT INTO task_queue (task_type, payload) VALUES ({nasty}, '{{}}')"] * 8)
    lines = shown(database)
    assert not any(ord(char) < 32 or char in "\x9b\u202e" for line in lines for char in line)
    (statements,) = (found for head, _, found in blocks(lines) if "DROP TABLE" in head[3])
    assert touched(database, statements) == [8]


def test_a_column_with_the_name_of_a_secret_is_not_shown(new_database: Callable[..., Database], tmp_path: Path) -> None:
    database = new_database()
    jobs = Jobs(database.url, tmp_path / "respaldos")
    database.query("ALTER TABLE users ADD pass text; UPDATE users SET pass = 'XYZ' || 'ZY' WHERE user_type = 'admin'")
    mapping = tmp_path / "mapeo.yml"
    text = jobs.mapping.read_text(encoding="utf-8")
    said = "        user_type: lo dice la tabla española\n"
    mapping.write_text(text.replace(said, said + "        pass: nadie lo usa\n"), encoding="utf-8")
    jobs = Jobs(database.url, tmp_path / "respaldos", mapping=mapping)
    jobs.up_to_proof()
    database.query("UPDATE migracion.cuarentena SET columna = NULL WHERE motivo LIKE 'user_type%admin%'")
    lines = Phase(database.url).call("quarantine", "estado", "ver", mapping=text, mapping_path="x")
    assert any('a0000000-0000-4000-8000-000000000007: {"id": ' in line for line in lines)
    assert "XYZZY" not in "\n".join(lines)


def test_where_the_database_is_no_longer_what_the_mapping_says_the_entries_are_shown_without_statements(
    migrated: Callable[..., tuple[Database, Jobs]],
) -> None:
    database, _ = migrated()
    database.query("ALTER TABLE sessions RENAME TO sesiones_viejas")
    lines = shown(database)
    assert any(line.startswith("Sin correcciones propuestas: sessions: no existe") for line in lines)
    assert not any("UPDATE" in line for line in lines)
    assert any("banned" in line for line in lines)


def test_what_is_waived_is_listed_apart(migrated: Callable[..., tuple[Database, Jobs]]) -> None:
    database, jobs = migrated()
    jobs.equalise(waived_quarantine={"users:*": "cuentas de prueba"})
    lines = shown(database)
    assert not any(" × users: " in line and "por users:*" not in line for line in lines)
    assert any(re.fullmatch(r"    \d+ × users por users:\*: cuentas de prueba", line) for line in lines)
    status: Any = Phase(database.url).call("status", "estado", "ver")
    assert any(line.startswith("  Cuarentena dispensada: ") for line in status)
