"""The public variables: what -e and inventories may say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.phase.gates import GATE_NAMES, GATES
from plugins.module_utils.core.phase.settings import FALSE, PARSERS, SECRET, TRUE, Settings, parse_bool, settings_of
from plugins.module_utils.core.phase.variables import VARIABLES, check_extra_vars, check_values, parse_side
from plugins.plugin_utils.guard import unasked_notice
from tests.support.named import arguments_in

MODULES = sorted((Path(__file__).parents[2] / "plugins/modules").glob("*.py"))
SUBPHASES = ("2.1", "2.2")
TABLES = ("users", "customers", "users")


@pytest.mark.names("core/phase/settings.parse_overrides", "core/phase/settings.parse_texts")
@pytest.mark.parametrize(("name", "renamed"), [("overrides", "overrides"), ("code_repos", "nombre")])
def test_the_example_that_a_refusal_gives_is_accepted(name: str, renamed: str) -> None:
    (problem,) = check_values({name: "cualquiera"})
    ((_, example),) = arguments_in(problem)
    assert check_values({name: json.loads(example)[renamed]}) == []


@pytest.mark.parametrize("value", ["false", "no", "0", "off", "False", "OFF", False, 0, "n"])
def test_false_in_any_spelling_is_false(value: Any) -> None:
    assert parse_bool(value) is False
    assert check_values({"services_enabled": value}) == []


@pytest.mark.parametrize("value", ["true", "yes", "1", "on", "True", True, 1, "si", "sí"])
def test_true_in_any_spelling_is_true(value: Any) -> None:
    assert parse_bool(value) is True


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("services_enabled", "quizas", "se espera true o false"),
        ("batch_rows", "cinco", "se espera un número entero de 1 en adelante, no 'cinco'"),
        ("batch_rows", "0", "número entero de 1"),
        ("batch_rows", True, "número entero"),
        ("batch_rows", "5.5", "número entero"),
        ("deferred_index_rows", "-1", "número entero"),
        ("second_opinion_rows", "-1", "número entero de 0"),
        ("second_opinion_rows", 1_000_001, "se espera 1000000 como máximo, no 1000001"),
        ("copy_workers", 3, "se espera 2 como máximo, no 3"),
        ("copy_workers", 0, "se espera un número entero de 1 en adelante, no 0"),
        ("stabilization_days", "dos", "se espera un número"),
        ("backup_dir", "respaldos", "ruta absoluta"),
        ("services_dir", "servicios", "ruta absoluta"),
        ("services_project", "uno\ndos", "se espera un texto en una línea"),
        ("code_repos", "/opt/repo", "lista de textos"),
        ("waived_quarantine", ["customers:*", "customers"], "(con * para cualquier texto), no 'customers'"),
        ("waived_quarantine", [":5"], "no ':5'"),
        ("waived_quarantine", "customers:*", "lista de patrones tabla:clave, o patrón y motivo"),
        ("waived_quarantine", {"customers:*": ""}, "'customers:*' necesita un motivo"),
        ("waived_quarantine", ["custmers:*"], "'custmers:*' no nombra ninguna tabla de origen; ¿quiso decir customers?"),
        ("waived_quarantine", {"xx*:1": "prueba"}, "'xx*:1' no nombra ninguna tabla de origen; las que hay son customers, users"),
        ("migration_services", [{"health_url": "http://x"}], "con name"),
        ("migration_services", [{"name": "ai", "helth_url": "http://x"}], "no tiene helth_url"),
        ("maintenance_window", {"start": "02:00"}, "se espera {start"),
        ("maintenance_window", {"start": 7200, "end": "06:00", "timezone": "UTC"}, "entre comillas"),
        ("maintenance_window", {"start": "02:00", "end": "06:00", "timezone": "Quito"}, "no es una zona"),
        ("maintenance_window", {"start": "02:00", "end": "02:00", "timezone": "UTC"}, "la misma hora"),
        ("overrides", "window", "se espera puerta y motivo"),
        ("overrides", {"windows": "x"}, "¿quiso decir window?"),
        ("overrides", {"order": "x"}, "no es una puerta"),
        ("overrides", {"window": " "}, "necesita un motivo"),
        ("subfase", "2.l", "'2.l' no existe; las que hay son 2.1, 2.2"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_is_expected(name: str, value: Any, said: str) -> None:
    (problem,) = check_values({name: value}, SUBPHASES, TABLES)
    assert problem.startswith(f"{name}: ")
    assert said in problem


@pytest.mark.parametrize(
    "values",
    [
        {"maintenance_window": {}},
        {"maintenance_window": {"start": "22:00", "end": "04:00", "timezone": "America/Guayaquil"}},
        {"overrides": dict.fromkeys(GATE_NAMES, "ensayo")},
        {"subfase": 2.1},
        {"subfase": ""},
        {"copy_workers": 2, "deferred_index_rows": 0, "database_disk_gb": "0.5", "services_project": "uno\n"},
        {"batch_rows": "500", "stabilization_days": "0.5", "quiet_hours": 0},
        {"code_repos": [], "waived_quarantine": ["customers:*"], "migration_services": [{"name": "ai"}]},
        {"waived_quarantine": {"cust*:a|b:c*": "datos de prueba", "*:0": "nadie los usa"}},
        {"not_ours": object()},
    ],
)
def test_values_as_the_inventories_have_them_pass(values: dict[str, Any]) -> None:
    assert check_values(values, SUBPHASES, TABLES) == []


@pytest.mark.parametrize("name", GATE_NAMES)
def test_a_mistyped_gate_is_refused_with_the_one_that_was_meant(name: str) -> None:
    assert check_values({"overrides": {name: "acordado"}}) == []
    (problem,) = check_values({"overrides": {f"{name[:-1]}": "acordado"}})
    assert f"¿quiso decir {name}?" in problem


def test_a_module_call_has_its_settings_parsed_and_typed() -> None:
    night = {"start": "22:00", "end": "04:00", "timezone": "America/Guayaquil"}
    waived = {"customers:1": "prueba"}
    found = settings_of({"batch_rows": "50", "maintenance_window": night, "waived_quarantine": waived, "phase": "fase2"})
    assert found.batch_rows == 50
    assert str(found.maintenance_window) == "22:00–04:00 America/Guayaquil"
    assert [waiver.reason for waiver in found.waived_quarantine] == ["prueba"]


@pytest.mark.parametrize(
    ("name", "given", "parsed"),
    [
        ("copy_workers", "2", 2),
        ("deferred_index_rows", 0, 0),
        ("second_opinion_rows", "0", 0),
        ("database_disk_gb", "0.5", 0.5),
        ("stabilization_days", "0.25", 0.25),
        ("overrides", {"window": " acordado con soporte \n"}, {"window": "acordado con soporte"}),
    ],
)
def test_a_setting_holds_what_was_given(name: str, given: Any, parsed: Any) -> None:
    assert getattr(settings_of({name: given}), name) == parsed


@pytest.mark.parametrize("name", ["database_url", "vault_x", "smtp_pass", "CLIENT_SECRET", "api_token", "ssh_private_key"])
def test_a_name_says_that_its_value_is_a_secret(name: str) -> None:
    assert SECRET.search(name)


def test_other_names_hold_no_secret() -> None:
    assert not [name for name in ("telefono", "public_key", "backup_dir", "batch_rows") if SECRET.search(name)]


def test_a_module_call_with_values_that_cannot_be_used_is_refused_and_names_each_of_them() -> None:
    with pytest.raises(MigrationError) as refused:
        settings_of({"batch_rows": 0, "overrides": {"windows": "x"}})
    assert refused.value.code == "refused"
    assert "batch_rows: se espera" in str(refused.value)
    assert "overrides: 'windows' no es una puerta" in str(refused.value)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_what_a_parameter_does_when_nobody_sets_it_is_what_the_settings_say(module: Path) -> None:
    text = re.search(r'^DOCUMENTATION = r"""\n(.*?)"""', module.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert text
    defaults = {name: option.get("default") for name, option in yaml.safe_load(text[1])["options"].items()}
    assert settings_of(defaults) == Settings()


def test_an_unknown_extra_variable_is_refused_with_the_nearest_name() -> None:
    (problem,) = check_extra_vars("fase2", {"bacth_rows": "5"}, SUBPHASES)
    assert problem == "-e bacth_rows: no existe esa variable; ¿quiso decir batch_rows?"


def test_a_pattern_on_the_command_line_names_a_table_that_there_is() -> None:
    (problem,) = check_extra_vars("fase2", {"waived_quarantine": ["custmers:*"]}, SUBPHASES, TABLES)
    assert problem.startswith("-e waived_quarantine: 'custmers:*' no nombra ninguna tabla de origen")


def test_variables_of_ansible_vault_and_awx_are_not_ours_to_judge() -> None:
    extra = {"ansible_user": "x", "vault_database_url": "x", "awx_job_id": 1, "tower_user_name": "x"}
    assert check_extra_vars("fase2", extra, SUBPHASES) == []


def test_subfase_makes_sense_in_fase2_only() -> None:
    assert check_extra_vars("fase2", {"subfase": "2.1"}, SUBPHASES) == []
    (problem,) = check_extra_vars("fase1", {"subfase": "2.1"})
    assert "solo tiene sentido en fase2" in problem


@pytest.mark.parametrize("name", ["sincronizacion", "manda"])
def test_a_variable_is_refused_without_the_tag_that_reads_it(name: str) -> None:
    extra = {name: {"sincronizacion": "si", "manda": "español"}[name]}
    (problem,) = check_extra_vars("estado", extra, tags=("all",))
    assert problem == f"-e {name}: solo lo lee --tags sincronizacion, y sin esa etiqueta no haría nada"
    assert check_extra_vars("estado", extra, tags=("sincronizacion",)) == []


def test_the_spanish_side_may_be_written_with_its_tilde() -> None:
    assert {parse_side(text) for text in ("espanol", "español", "espan\u0303ol")} == {"espanol"}


@pytest.mark.parametrize("phase", ["fase0", "fase1", "fase2", "fase5", "estado"])
def test_the_documented_call_without_other_settings_is_accepted_everywhere(phase: str) -> None:
    extra = {
        "backup_dir": "/tmp/x",
        "services_enabled": "false",
        "code_repos": [],
        "overrides": dict.fromkeys(GATE_NAMES, "motivo"),
    }
    assert check_extra_vars(phase, extra, SUBPHASES) == []


def test_no_message_repeats_the_address() -> None:
    problems = check_values({"database_url": ["postgresql://u:hidden@h/d"]})
    assert problems
    assert "hidden" not in problems[0]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"stable_hours": "24"}, "Aviso: stable_hours está puesto y todavía no lo consulta ninguna fase."),
        (
            {"stable_hours": 48, "approvals_required": 2, "rollback_on_failure": "yes", "batch_rows": 7},
            "Aviso: approvals_required, stable_hours y rollback_on_failure están puestos y todavía no los consulta ninguna fase.",
        ),
        ({"approvals_required": 0, "quiet_hours": 0.0, "services_enabled": "false", "code_repos": []}, ""),
        ({"services_enabled": True, "migration_services": [], "rollback_on_failure": "no"}, ""),
        ({"batch_rows": 7, "maintenance_window": {}}, ""),
    ],
)
def test_a_setting_that_nothing_asks_yet_is_told_unless_its_value_leaves_it_out(values: dict[str, Any], said: str) -> None:
    assert unasked_notice(values) == ([said] if said else [])


EMPTY = (None, "", [], {}, "   ")
# What says something by being empty: no text, no list, no limit of time, no permission.
BACKUP_TEXTS = ("backup_name", "pg_bin", "scratch_url", "scratch_dir", "backup_system", "restore_url", "overwrite")
MAY_BE_EMPTY = {
    **dict.fromkeys(
        ("database_url", "backup_dir", "services_dir", "services_project", "subfase", "manda", *BACKUP_TEXTS), ("", "   ")
    ),
    **dict.fromkeys(("migration_services", "code_repos"), ([],)),
    **dict.fromkeys(("code_settings", "waived_code"), ({},)),
    "waived_quarantine": ([], {}),
    "sincronizacion": ("",),
    **dict.fromkeys(("maintenance_window", "overrides", "waived_changes"), ({},)),
}


@pytest.mark.parametrize("name", VARIABLES)
def test_nothing_is_no_value_for_any_setting(name: str) -> None:
    """Null least of all: a line left without a value would open a gate."""
    taken = [value for value in EMPTY if check_values({name: value}, SUBPHASES, TABLES) == []]
    assert taken == list(MAY_BE_EMPTY.get(name, ()))


@pytest.mark.parametrize("name", ["services_enabled", "rollback_on_failure"])
@pytest.mark.parametrize("value", sorted(TRUE | FALSE))
def test_a_truth_value_has_one_parser(name: str, value: str) -> None:
    assert check_values({name: value}) == []
    if name in PARSERS:
        assert settings_of({name: value}).services_enabled is (value in TRUE)


def test_no_module_reads_a_setting_with_another_parser_than_the_guard() -> None:
    """Of Ansible's own types bool knows fewer spellings, and says so in English."""
    for path in MODULES:
        spec = path.read_text(encoding="utf-8")
        assert not [name for name in PARSERS if f'"{name}": {{"type": "bool"' in spec], path.name


def test_what_lets_one_run_pass_is_what_the_gates_go_by() -> None:
    once = {name for name, known in VARIABLES.items() if known.once}
    given = {"overrides", "sincronizacion", "manda", "backup_name", "backup_system", "overwrite"}
    assert once == {*given, *(gate.setting for gate in GATES if gate.setting)} - {"database_disk_gb"}


@pytest.mark.parametrize("text", ["0.00005", "999999999.999999999", "0", "2"])
def test_a_number_is_the_same_before_and_after_ansible_made_a_float_of_it(text: str) -> None:
    assert check_values({"stabilization_days": text}) == []
    assert settings_of({"stabilization_days": float(text)}).stabilization_days == float(text)
