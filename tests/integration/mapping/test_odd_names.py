"""A fair whose schema, tables, columns, values and policies have names that break careless quoting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Database
from tests.support.dump import dump
from tests.support.jobs import Jobs
from tests.support.observation import differences
from tests.support.settings import HOSTILE, put, take_away
from tests.support.variants import brief

FAIR = Path(__file__).resolve().parents[2] / "support/fair.yml"
SCHEMA = '"Feria ""50%"" d\'Ñ"'
OWNERS = f"""{SCHEMA}."Dueños d'""ocasión"" \\ {{x}} %s\""""
VISITS = f"""{SCHEMA}."Visita's 100%\""""
LIST = f"""{SCHEMA}."Owner's ""%s"" \\ list\""""
TABLE = 'Owner\'s "%s" \\ list'
ID = "00000000-0000-4000-8000-00000000000"


@pytest.fixture(params=brief(["plain settings", *HOSTILE], "everything quoted"))
def fair(request: pytest.FixtureRequest, empty_database: Database) -> Iterator[Database]:
    """The legacy tables of fair.yml with their rows, under plain and under hostile settings."""
    with empty_database.cursor(empty_database.url) as cursor:
        cursor.execute(FAIR.with_suffix(".sql").read_text(encoding="utf-8"))
    if request.param in HOSTILE:
        put(empty_database, HOSTILE[request.param])
    yield empty_database
    take_away(empty_database)


def test_a_fair_goes_forward_and_back_twice(fair: Database, tmp_path: Path) -> None:
    jobs = Jobs(fair.url, tmp_path, FAIR, batch_rows=2)
    original = dump(fair)
    for _ in range(2):
        jobs.approve(check=True)
        jobs.approve()
        jobs.make_tables(check=True)
        assert differences(original, dump(fair)) == []
        jobs.make_tables()
        jobs.verify_tables()
        assert jobs.make_tables()["changed"] is False
        assert jobs.forecast()["forecast"]
        jobs.copy()
        result = jobs.equalise()
        accounts = {a["origen"]: (a["total"], a["iguales"], a["fusionadas"], a["cuarentena"]) for a in merged(result)}
        assert accounts == {TABLE: (5, 3, 0, 2), "people": (3, 1, 1, 1), "Visit's table": (4, 3, 0, 1)}
        carried(fair)
        jobs.prove()
        assert jobs.equalise()["changed"] is False
        jobs.take_back()
        jobs.drop_tables()
        assert differences(original, dump(fair)) == []


def merged(result: dict[str, object]) -> list[dict[str, object]]:
    accounting = result["accounting"]
    assert isinstance(accounting, list)
    return accounting


def carried(database: Database) -> None:
    with database.cursor() as cursor:
        cursor.execute("RESET ALL; SET standard_conforming_strings = on; SET DateStyle = 'ISO'; SET search_path = pg_catalog")
        cursor.execute(f'SELECT "order", "%(nombre)s", "back\\slash", "Estado d\'alta", "Touched At" FROM {OWNERS} ORDER BY 1')
        rows = {row[0]: row[1:] for row in cursor.fetchall()}
        assert rows["'1\""][:3] == ('O\'N\\e "50%"', {"a\\b": "%s"}, "sí \\ %s")
        assert str(rows["'1\""][3]) == "2024-01-01 05:30:00"
        assert rows["2%\\"][:3] == ('sin "nombre" d\'\\ %s', {'it\'s "50%" \\ %s': "it's C:\\no json {%}"}, "d'ocasión")
        assert rows["7|\\7"][0] == 'sin "nombre" d\'\\ %s'
        cursor.execute(f'SELECT "day of", "user", "group"::text, "NOTA" FROM {VISITS} ORDER BY "select"')
        assert set(cursor.fetchall()) == {
            ("d|1\\", "'1\"", f"{ID}1", 'it\'s 100% "noted" \\'),
            ("%s", "2%\\", f"{ID}2", None),
            ("'\"", "{{3}}", f"{ID}3", "{{ 7*7 }}"),
        }
        cursor.execute("SELECT tabla_origen, clave, motivo FROM migracion.cuarentena WHERE estado = 'abierta' ORDER BY 1, 2")
        reasons = {(table, key): reason for table, key, reason in cursor.fetchall()}
        assert set(reasons) == {(TABLE, f"{ID}4"), (TABLE, f"{ID}5"), ("people", f"{ID}8"), ("Visit's table", f"{ID}4|d")}
        assert reasons[TABLE, f"{ID}4"] == "State % no tiene traducción: E'it''s \"un\\\\known\" 50%'"
        assert "Phone No" in reasons[TABLE, f"{ID}5"]
        cursor.execute("SELECT tabla_origen, clave, tabla_destino, clave_destino FROM migracion.fusion")
        assert cursor.fetchall() == [("people", f"{ID}6", 'Dueños d\'"ocasión" \\ {x} %s', f"{ID}2")]
        cursor.execute("SELECT obj_description(%s::regclass), col_description(%s::regclass, 2)", (OWNERS, OWNERS))
        assert cursor.fetchall() == [
            ('Personas de la "feria" al 50% d\'aquí \\ {{ 7*7 }} $1', 'it\'s \\ "50%" %(x)s'),
        ]
        cursor.execute("SELECT polname, pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = %s::regclass", (OWNERS,))
        policies = dict(cursor.fetchall())
        assert policies["sólo d'alta \\ %s"] == "false"
        cursor.execute(
            "SELECT has_column_privilege('anon', %s, 'NOTA', 'SELECT'), has_table_privilege('anon', %s, 'SELECT')",
            (VISITS, VISITS),
        )
        assert cursor.fetchall() == [(True, False)]


def test_what_is_broken_is_named_and_repaired_under_its_own_name(fair: Database, tmp_path: Path) -> None:
    jobs = Jobs(fair.url, tmp_path, FAIR)
    jobs.up_to_proof()
    whole = dump(fair)
    damage = {
        'política it\'s "50%" \\ p': f"""DROP POLICY "it's ""50%"" \\ p" ON {OWNERS}""",
        'restricción Visita\'s 100%_Dueño \\ "id"_day of_key': (
            f"""ALTER TABLE {VISITS} DROP CONSTRAINT "Visita's 100%_Dueño \\ ""id""_day of_key\""""
        ),
        "índice idx_Visita's 100%_NOTA": f"""DROP INDEX {SCHEMA}."idx_Visita's 100%_NOTA\"""",
        "anon puede INSERT en Visita's 100%": f"GRANT INSERT ON {VISITS} TO anon",
        "comentario order": f"""COMMENT ON COLUMN {OWNERS}."order" IS 'otro'""",
        "disparador migracion_tocar_Dueños": f"ALTER TABLE {OWNERS} DISABLE TRIGGER USER",
    }
    for phrase, statement in damage.items():
        with fair.cursor() as cursor:
            cursor.execute("SET standard_conforming_strings = on; " + statement)
        with pytest.raises(MigrationError) as failed:
            jobs.verify_tables()
        assert phrase in str(failed.value)
        assert jobs.make_tables()["changed"] is True
        jobs.verify_tables()
        assert (phrase, differences(whole, dump(fair))) == (phrase, [])
