"""Commands that must not run: each is refused with a sentence, ends non-zero and leaves the database as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.databases import Database
from tests.support.phase import closed_window
from tests.support.playbook import PlaybookRun, Playbooks
from tests.support.variants import brief

ROOT = Path(__file__).resolve().parents[2]
Make = Callable[..., Playbooks]


def refused(run: PlaybookRun, *said: str) -> None:
    assert run.rc != 0, run.output
    text = " ".join(run.output.split())
    for words in said:
        assert words in text, run.output


def untouched(database: Database) -> None:
    assert database.value("SELECT to_regnamespace('migracion') IS NULL")
    assert (
        database.query("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = 'clientes'") == []
    )


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("fase1", ("--tags", "all,rollback"), "--tags all,rollback: no se puede"),
        ("fase2", ("--limit", "runner"), "--limit runner"),
        ("fase2", ("-e", "subfase=2.l"), "'2.l' no existe; las que hay son 2.1, 2.2"),
        ("fase1", ("-e", '{"overrides": {"ventana": "x"}}'), "'ventana' no es una puerta"),
        ("fase1", ("-e", "overrides={{no_hay}}"), "-e overrides: no se puede leer: es una plantilla que no se resuelve"),
        *(
            pytest.param(*more, marks=pytest.mark.slow)  # without a run: test_command_line.py
            for more in (
                ("fase1", ("--tags", "rolback"), "¿quiso decir rollback?"),
                ("fase0", ("--skip-tags", "verify"), "--skip-tags verify"),
                ("fase1", ("-e", "subfase=2.1"), "solo tiene sentido en fase2"),
                ("fase2", ("-e", "bacth_rows=5"), "¿quiso decir batch_rows?"),
                ("fase2", ("-e", "batch_rows=cinco"), "número entero de 1 en adelante, no 'cinco'"),
                ("fase1", ("-e", "services_enabled=quizas"), "se espera true o false"),
                ("estado", ("--tags", "cuarentenas"), "¿quiso decir cuarentena?"),
            )
        ),
    ],
)
def test_a_command_that_would_do_something_else_is_refused(
    empty_database: Database, playbooks: Make, name: str, arguments: tuple[str, ...], said: str
) -> None:
    refused(playbooks(empty_database.url).run(name, *arguments), said, "No se cambió nada")
    untouched(empty_database)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--skip-tags", "always"),
        ("--start-at-task", "Abrir"),
        pytest.param(("--limit", "nadie"), marks=pytest.mark.slow),
        pytest.param(("--limit", "localhost"), marks=pytest.mark.slow),
    ],
)
def test_what_passes_by_the_guard_writes_nothing(empty_database: Database, playbooks: Make, arguments: tuple[str, ...]) -> None:
    run = playbooks(empty_database.url).run("fase1", *arguments)
    assert run.rc != 0, run.output
    untouched(empty_database)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        *(
            pytest.param(arguments, marks=pytest.mark.slow)
            for arguments in (("--tags", "rollback"), ("--skip-tags", "always"), ("-e", "phase_name=fase1"))
        ),
    ],
)
def test_the_shape_of_the_phases_is_no_phase(empty_database: Database, playbooks: Make, arguments: tuple[str, ...]) -> None:
    run = playbooks(empty_database.url).run("phase", *arguments)
    refused(run, "No se cambió nada")
    untouched(empty_database)


def test_inventories_that_select_nobody_are_refused(empty_database: Database, playbooks: Make, tmp_path: Path) -> None:
    maker = playbooks(empty_database.url)

    def run_with(inventory: str) -> PlaybookRun:
        return Playbooks(maker.home, maker.database_url, inventory, maker.extra).run("fase1")

    refused(run_with("porduccion"), "porduccion: ese inventario no existe")
    for name, text, said in (
        ("sin_grupo", "all: {hosts: {otra: {ansible_connection: local}}}", "no tiene el grupo migration_runner"),
        ("vacio", "all: {children: {migration_runner: {hosts: {}}}}", "migration_runner"),
        ("dos", "all: {children: {migration_runner: {hosts: {a: {}, b: {}}}}}", "tiene 2 (a, b)"),
    ):
        (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
        refused(run_with(str(tmp_path / f"{name}.yml")), said)
    untouched(empty_database)


def test_a_setting_that_nothing_asks_yet_is_told_in_the_first_lines(empty_database: Database, playbooks: Make) -> None:
    run = playbooks(empty_database.url).run("fase0", "--check", "-e", "stable_hours=7 rollback_on_failure=true")
    notice = "Aviso: stable_hours y rollback_on_failure están puestos y todavía no los consulta ninguna fase."
    assert run.stdout.index(notice) < run.stdout.index("Ejecución 2") < run.stdout.index("Base de datos: ")


def test_an_unreachable_first_host_does_not_keep_the_guard_from_its_work(
    empty_database: Database, playbooks: Make, tmp_path: Path
) -> None:
    inventory = {
        "all": {
            "hosts": {"aaa": {"ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ConnectTimeout=1"}},
            "children": {
                "migration_runner": {
                    "hosts": {
                        "runner": {
                            "ansible_connection": "local",
                            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                            "ansible_pipelining": True,
                        }
                    }
                }
            },
        }
    }
    path = tmp_path / "lejos.yml"
    path.write_text(yaml.safe_dump(inventory), encoding="utf-8")
    maker = playbooks(empty_database.url)
    site = Playbooks(maker.home, maker.database_url, str(path), maker.extra)
    refused(site.run("fase1", "--tags", "rolback"), "¿quiso decir rollback?")
    run = site.run("estado")
    assert run.rc == 0, run.output
    assert "Todavía no se ha ejecutado nada" in run.stdout


def test_settings_that_are_missing_or_wrong_are_named(empty_database: Database, playbooks: Make, tmp_path: Path) -> None:
    refused(playbooks(None).run("fase1"), "DATABASE_URL no está definida")
    maker = playbooks(empty_database.url)
    refused(Playbooks(maker.home, maker.database_url).run("fase1", backup_dir=""), "backup_dir no está definido")
    refused(maker.run("fase1", backup_dir="respaldos"), "ruta absoluta")
    site = tmp_path / "sitio"
    (site / "group_vars").mkdir(parents=True)
    (site / "hosts.yml").write_text((ROOT / "inventories/demo/hosts.yml").read_text(encoding="utf-8"), encoding="utf-8")
    (site / "group_vars/all.yml").write_text("batch_rows: muchas\nsubfase: '2.2'\nmaintenance_window:\n", encoding="utf-8")
    kept = Playbooks(maker.home, maker.database_url, str(site), maker.extra)
    part = "subfase: se da en la línea de órdenes, y no en un inventario: -e subfase=2.1"
    refused(kept.run("fase2"), "batch_rows: se espera un número", "maintenance_window: se espera", part)
    other = kept.run("fase3")
    refused(other, "batch_rows: se espera un número")
    assert "subfase" not in other.stdout  # only fase2 has parts
    untouched(empty_database)


@pytest.mark.parametrize("spelling", brief(["no", "False", "false", "0", "off"], "no"))
def test_false_in_any_spelling_is_accepted(empty_database: Database, playbooks: Make, spelling: str) -> None:
    run = playbooks(empty_database.url).run("estado", "-e", f"services_enabled={spelling}")
    assert run.rc == 0, run.output


def test_a_password_on_the_command_line_is_warned_about_and_not_repeated(empty_database: Database, playbooks: Make) -> None:
    maker = playbooks("postgresql://wrong:wrong@127.0.0.1:1/wrong")  # -e wins over the environment
    run = maker.run("estado", "-e", f"database_url={empty_database.url}")
    assert run.rc == 0, run.output
    assert "Aviso: -e database_url lleva una contraseña" in run.stdout
    assert empty_database.url not in run.output
    assert "Siguiente: ansible-playbook fase0.yml -i demo" in run.stdout


def test_a_refused_login_is_not_tried_again_by_rescue_or_summary(empty_database: Database, playbooks: Make) -> None:
    server = empty_database.server
    before = (server.home / "log").read_text(errors="replace").count("password authentication failed")
    run = playbooks(server.url(empty_database.name, empty_database.role, "wrong-secret")).run("fase1", "-vvv")
    refused(run, "rechazó la contraseña", "no se intenta otra vez")
    assert "wrong-secret" not in run.output
    assert (server.home / "log").read_text(errors="replace").count("password authentication failed") == before + 1


def test_a_command_that_is_refused_by_its_gates_names_all_and_prints_what_passes_them(
    empty_database: Database, playbooks: Make
) -> None:
    maker = playbooks(empty_database.url, maintenance_window=closed_window())
    refused(maker.run("fase1"), "[order] fase1 va después de: fase0", "[window]", '"window": "MOTIVO"', "NO EMPEZÓ")
    untouched(empty_database)


def test_the_password_is_nowhere_in_what_a_verbose_run_says_or_leaves(empty_database: Database, playbooks: Make) -> None:
    maker = playbooks(empty_database.url)
    run = maker.run("fase0", "-vvv", "--diff")
    secret = empty_database.password
    encoded = empty_database.url.split(":", 2)[2].split("@")[0]
    left = [path for path in maker.home.rglob("*") if path.is_file()]
    texts = [run.output, *(path.read_text(encoding="utf-8", errors="replace") for path in left)]
    assert not [text for text in texts if secret in text or encoded in text]
