"""What a DBA reads and signs has one form: a head that says what it asks for, captions, reasons, lines that fit a page."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils.core.backfill.batching import BATCH_BYTES, BATCH_ROWS
from plugins.module_utils.core.catalogue import catalogue_from_json, catalogue_json
from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.render import render
from plugins.module_utils.core.rows.reading import helper_statements
from plugins.module_utils.core.sqltext import WIDTH, derived_name, folded, ident, literal, where_all
from plugins.module_utils.core.waits import DDL, ROWS, SESSION
from tests.support.cars import GARAGE, GOOD
from tests.support.catalogues import fitting
from tests.support.sql_files import comments, head, without_literals

ROOT = Path(__file__).parents[2]
SYNC = ".sincronizacion.sql"
LABELS = ["Meta", "Necesita", "Bloqueo", "Deshacer", "Repetir"]
MAPPINGS = {
    "shop": (ROOT / "tests/support/shop.yml").read_text(encoding="utf-8"),
    "fair": (ROOT / "tests/support/fair.yml").read_text(encoding="utf-8"),
    "cars": GOOD,
    "garage": GARAGE,
}
# Words that no Spanish sentence has, and that hardly an English one does without.
ENGLISH = {"the", "of", "and", "is", "are", "that", "this", "what", "which", "with", "when", "until", "its", "by", "for", "from"}
REASON = "-- CASE ... THEN true ELSE false END: "


def rendered() -> dict[str, tuple[str, str, str]]:
    """Every file as (mapping, name, text): those that are shipped, and those of the tests' own mappings."""
    files = [("tinkubot", str(p.relative_to(ROOT / "files/sql")), p.read_text()) for p in sorted(ROOT.glob("files/sql/*/*.sql"))]
    for name, text in MAPPINGS.items():
        mapping = load_mapping(text, name)
        files += [(name, file, sql) for file, sql in render(mapping, fitting(mapping)).items()]
    return {f"{mapping}: {name}": (mapping, name, text) for mapping, name, text in files}


FILES = rendered()
TINKUBOT = load_mapping((ROOT / "files/mapping/tinkubot.yml").read_text(encoding="utf-8"), "tinkubot.yml")
REFERENCE = catalogue_from_json((ROOT / "files/mapping/catalogo.json").read_text(encoding="utf-8"))
SHIPPED = render(TINKUBOT, REFERENCE)  # as files/sql has them: make lint compares
EMERGENCY = {file: found for file, found in FILES.items() if found[1].startswith("emergencia/")}
every_file = pytest.mark.parametrize("file", FILES)


@every_file
def test_a_head_says_what_for_what_it_needs_what_it_locks_and_how_it_is_undone(file: str) -> None:
    _, name, text = FILES[file]
    found = head(text)
    assert list(found)[: len(LABELS)] == LABELS
    assert all(sentence.endswith(".") for label, sentence in found.items() if label in LABELS)
    phase = name.split("/")[0]
    if file in EMERGENCY:
        return
    assert re.findall(r"fase\d(?= --tags rollback)", text) == [phase]
    assert f"{phase} --tags rollback" in found["Deshacer"]


@every_file
def test_a_database_in_latin1_can_hold_it(file: str) -> None:
    assert FILES[file][2].encode("latin-1")


@every_file
def test_whoever_meets_a_view_or_a_function_has_read_what_it_is_for(file: str) -> None:
    text = FILES[file][2]
    captions = re.findall(r"((?:--[^\n]*\n)+)CREATE OR REPLACE (?:VIEW|FUNCTION) ", text)
    assert len(captions) == text.count("\nCREATE OR REPLACE ")
    assert all(re.search(r"\bLas? (llaman?|leen) ", caption.replace("\n--  ", "")) for caption in captions)


@every_file
def test_the_planner_is_told_what_with_a_reason(file: str) -> None:
    settings = re.findall(r"^(.*)\n((?:SET \w+ = .*\n)+)", FILES[file][2], re.MULTILINE)
    assert all(before.startswith("-- ") for before, _ in settings)


@every_file
def test_a_condition_that_holds_always_is_written_only_for_the_planner_and_says_so(file: str) -> None:
    text = without_literals(FILES[file][2])
    assert not re.findall(r"\bWHERE true\b|\btrue AND\b|\bAND true\b", text)
    for statement in re.split(r";\n\n", text):
        assert ("THEN true ELSE false" in re.sub(r"\s+", " ", without_literals(statement, comments=False))) == (
            REASON in statement
        )


@every_file
def test_a_line_fits_a_page_unless_nothing_in_it_can_be_broken(file: str) -> None:
    text = FILES[file][2]
    for line, shape in zip(text.split("\n"), without_literals(text, comments=False).split("\n"), strict=True):
        room = shape[len(shape) - len(shape.lstrip()) + 25 : WIDTH]
        assert len(line) <= WIDTH or not re.search(r", (?!·)| (?:AND|OR|FROM|WHERE|THEN|WHEN) ", room), line


@pytest.mark.parametrize("file", [f for f in FILES if not f.startswith(("shop", "fair"))])  # whose tables have English names
def test_a_dba_reads_spanish(file: str) -> None:
    said = comments(FILES[file][2])
    assert said
    assert not [line for line in said if ENGLISH & set(re.findall(r"[a-záéíóúñ]+", line))]


def test_the_emergency_files_take_away_every_trigger_that_the_sync_puts_in_and_switch_off_every_pair() -> None:
    assert {file.rpartition("/")[2] for file in EMERGENCY} == {"apagar.sql", "quitar.sql"}
    made, dropped = (
        {
            (mapping, *found)
            for mapping, name, text in FILES.values()
            if name.endswith(end)
            for found in re.findall(pattern, re.sub(r"\s+", " ", text))
        }
        for end, pattern in (
            (SYNC, r"CREATE TRIGGER (\S+) AFTER [\w ]+ ON (\S+)(?= |;)"),
            ("quitar.sql", r"DROP TRIGGER IF EXISTS (\S+) ON ([^ ;]+);"),
        )
    )
    assert len(dropped) > 100
    assert made == dropped
    assert all("LOCK" not in text and "TRIGGER" not in text for _, name, text in FILES.values() if name.endswith("apagar.sql"))


def test_what_a_file_needs_stands_in_files_before_it() -> None:
    for file, (mapping, name, text) in FILES.items():
        for needed in re.findall(r"fase\d/\d\d", head(text)["Necesita"]):
            found = [n for m, n, _ in FILES.values() if m == mapping and n.startswith(needed) and not n.endswith(SYNC)]
            assert len(found) == 1, file
            assert found[0] < name


def test_a_batch_is_announced_with_the_bounds_that_it_has() -> None:
    defaults = yaml.safe_load((ROOT / "roles/data_migration/defaults/main.yml").read_text(encoding="utf-8"))
    assert defaults["data_migration_batch_rows"] == BATCH_ROWS
    bounds = (
        f"{BATCH_ROWS:,} filas".replace(",", "."),
        f"{BATCH_BYTES >> 20} MB",
        f"{ROWS.timeout_ms} ms",
        f"{ROWS.tries} intentos",
    )
    routes = [text for _, name, text in FILES.values() if name > "fase2" and not name.endswith(SYNC)]
    assert routes
    assert all(bound in head(text)["Bloqueo"] for text in routes for bound in bounds)


@pytest.mark.parametrize(
    ("name", "label", "fact"),
    [
        ("fase0/01-contabilidad", "Necesita", "CREATE en la base; o un esquema migracion vacío con CREATE en él"),
        ("fase0/01-contabilidad", "Bloqueo", f"cada espera dura {SESSION} como mucho"),
        ("fase0/02-funciones", "Necesita", "CREATE en migracion"),
        ("fase1/01-profesiones", "Necesita", "fase0 (migracion.tocar_actualizado)"),
        ("fase1/01-profesiones", "Necesita", "CREATE en public"),
        ("fase1/01-profesiones", "Necesita", "USAGE sobre la secuencia public.professions_id_seq, que comparte"),
        ("fase1/01-profesiones", "Seguridad por fila", "activa como en professions"),
        ("fase1/04-proveedor_profesiones", "Necesita", "ser dueño de proveedores y profesiones"),
        ("fase1/04-proveedor_profesiones", "Bloqueo", "ninguno sobre tablas en uso"),
        ("fase1/04-proveedor_profesiones", "Bloqueo", "SHARE ROW EXCLUSIVE en proveedores y profesiones (claves foráneas)"),
        ("fase1/04-proveedor_profesiones", "Bloqueo", f"{DDL.timeout_ms} ms como mucho; {DDL.tries} intentos"),
        ("fase2/01-professions-profesiones", "Necesita", "ser dueño de migracion y USAGE en public"),
        ("fase2/01-professions-profesiones", "Necesita", "BYPASSRLS, o ser su dueño, donde haya seguridad por fila"),
        ("fase2/05-provider_professions-proveedor_profesiones", "Necesita", "y USAGE sobre su secuencia"),
        ("fase2/01-professions-profesiones", "Deshacer", f"ACCESS EXCLUSIVE en ella y en las que apuntan a ella ({DDL})"),
    ],
)
def test_a_dba_reads_the_rights_and_the_locks_that_a_file_takes(name: str, label: str, fact: str) -> None:
    assert fact in head(SHIPPED[f"{name}.sql"])[label]


def test_the_reference_catalogue_is_written_as_it_is_kept() -> None:
    kept = (ROOT / "files/mapping/catalogo.json").read_text(encoding="utf-8")
    assert catalogue_json(catalogue_from_json(kept)) == kept
    with pytest.raises(ValueError, match="not a catalogue as it is written now: KeyError\\('role'\\)"):
        catalogue_from_json("{}")


def test_a_table_whose_rows_everyone_sees_says_nothing_of_row_security() -> None:
    assert "Seguridad por fila" not in head(SHIPPED["fase1/06-solicitudes_servicio.sql"])


def test_another_server_version_changes_the_helper_functions_alone() -> None:
    here, there = SHIPPED, render(TINKUBOT, replace(REFERENCE, server_major=18))
    assert {name for name in {*here, *there} if here.get(name) != there.get(name)} == {"fase0/02-funciones.sql"}
    assert all(statement in there["fase0/02-funciones.sql"] for statement in helper_statements(18))
    assert "PostgreSQL 18" in head(there["fase0/02-funciones.sql"])["Meta"]


# --- one helper breaks the lines

words = st.text(st.sampled_from("abcñ'\"\\,;()[] -%$AND"), min_size=1, max_size=40)
items = st.one_of(
    words.map(lambda t: literal(t).strip()), words.map(ident), st.sampled_from(["f(a, b)", "x AND y", "a - b", "t.id"])
)


@given(st.lists(items, min_size=1, max_size=40), st.integers(0, 12))
def test_a_broken_line_is_the_same_sql(parts: list[str], indent: int) -> None:
    line = " " * indent + "SELECT " + ", ".join(parts)
    broken = folded(line)
    assert broken.replace("\n" + " " * (indent + 2), " ") == line
    shapes = without_literals(broken).split("\n")
    assert all(len(shape) <= WIDTH or "·" * 10 in shape or ", " not in shape[indent + 30 : WIDTH] for shape in shapes)


def test_a_line_without_a_place_that_fits_breaks_at_the_first_one() -> None:
    long = "x" * WIDTH
    assert folded(f"SELECT {long}, y, z") == f"SELECT {long},\n  y, z"


def test_a_comment_is_no_place_to_break() -> None:
    comment = "  -- no es 'una lista, ni " + "larga, " * 30
    assert folded(f"{comment}\nSELECT 'uno'") == f"{comment}\nSELECT 'uno'"


def test_a_literal_of_several_lines_stays_whole() -> None:
    text = "SELECT 'uno, \n" + "dos, " * 40 + "', tres"
    assert folded(text) in (text, text.replace("', tres", "',\n  tres"))


def test_a_name_is_quoted_where_sql_would_read_another() -> None:
    assert [ident(name) for name in ("users", "Users", 'a"b', "order")] == ["users", '"Users"', '"a""b"', '"order"']


def test_a_name_that_is_too_long_ends_in_a_hash_and_breaks_no_letter() -> None:
    assert derived_name("clientes", "telefono", "key") == "clientes_telefono_key"
    long = [derived_name("a" + "ñ" * 40, end) for end in ("a", "b")]
    assert len(set(long)) == 2
    assert all(name.startswith("a" + "ñ" * 26 + "_") and len(name.encode()) == 62 for name in long)


def test_conditions_that_hold_always_are_not_written() -> None:
    assert where_all("true", "") == ""
    assert where_all("true", "a = 1", "b", before=" ") == " WHERE a = 1 AND b"
