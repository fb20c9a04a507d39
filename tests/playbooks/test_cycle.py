"""Each phase as an operator meets it: simulated, applied, proved, repeated and undone, three rounds long."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.databases import Database
from tests.support.dump import schema
from tests.support.house import copy_of_the_house, living_in, replace
from tests.support.jobs import Jobs, Stage
from tests.support.observation import Seen, changed, differences, ended_well, everything, failed, look, runs
from tests.support.playbook import ROOT, PlaybookRun, Playbooks
from tests.support.variants import brief

NewDatabase = Callable[..., Database]
MakePlaybooks = Callable[..., Playbooks]
INSTALLATIONS = ("jsonb", "text")
PHASES = ("fase0", "fase1", "fase2", "fase3")
STEPS = ("Abrir", "Dar los pasos", "Cerrar")
ROUNDS = 3
BEFORE: dict[str, Stage | None] = dict(zip(PHASES, (None, "fase0", "fase1", "fase2"), strict=True))
# What --tags verify prints of its accounting, and the event that it leaves.
PROOF = ("Prueba: restricciones validadas", "prueba")
ACCOUNTING = {
    "fase0": ("Aprobación vigente: ", "aprobacion"),
    "fase1": ("Estructura verificada con el catálogo: 9 tablas", "verificacion_esquema"),
    "fase2": PROOF,
    "fase3": PROOF,
}
# What --tags rollback prints of its accounting, and the events that it leaves.
EMPTIED = ("guardadas en migracion.apartada", ["vaciado", "reversion"])
UNDOING = {
    "fase0": ("No había nada que deshacer de fase0", ["reversion"]),
    "fase1": ("Borrada la tabla vacía clientes", ["tablas_borradas", "reversion"]),
    "fase2": EMPTIED,
    "fase3": EMPTIED,
}


def fresh_events(before: Seen, after: Seen) -> list[str]:
    return [kind for kind, _ in after.events[len(before.events) :]]


@pytest.mark.slow  # each phase's cycle runs in the scenarios of molecule/ too, on real containers
@pytest.mark.parametrize("name", PHASES)
@pytest.mark.parametrize("installation", INSTALLATIONS)
def test_a_phase_is_simulated_applied_proved_repeated_and_undone(
    name: str, installation: str, new_database: NewDatabase, playbooks: MakePlaybooks
) -> None:
    database = new_database(installation, up_to=BEFORE[name])
    database.query("SELECT setval('professions_id_seq', 3)")  # behind the ids, as after a restore by hand
    runner = playbooks(database.url)
    before, untouched = look(database), everything(database)

    ended_well(runner.run(name, "--check"))
    assert differences(untouched, everything(database)) == []

    applied = ended_well(runner.run(name))
    after = look(database)
    assert changed(applied) == {"fase0": 0, "fase1": 1}.get(name, 2)  # the sync and the copy
    assert (after.outside == before.outside) == (name == "fase0")
    assert [run[1:] for run in after.runs[len(before.runs) :]] == [(name, "aplicar", "completada")]

    said, event = ACCOUNTING[name]
    verified = ended_well(runner.run(name, "--tags", "verify"))
    seen = look(database)
    assert said in verified.stdout
    assert fresh_events(after, seen) == [event]
    assert (seen.outside, seen.runs) == (after.outside, after.runs)
    assert changed(verified) == 0

    again = ended_well(runner.run(name))
    repeated = look(database)
    assert changed(again) == 0
    assert fresh_events(seen, repeated) == [event]
    assert (repeated.outside, repeated.runs) == (after.outside, after.runs)

    untouched = everything(database)
    ended_well(runner.run(name, "--tags", "rollback", "--check"))
    assert differences(untouched, everything(database)) == []

    said, kinds = UNDOING[name]
    undone = ended_well(runner.run(name, "--tags", "rollback"))
    back = look(database)
    assert differences(before.outside, back.outside) == []
    assert said in undone.stdout
    assert fresh_events(repeated, back) == kinds
    assert [run[1:] for run in back.runs if run[1] == name] == OUTCOMES[name]


UNDONE = [("aplicar", "revertida"), ("revertir", "completada")]
OUTCOMES = {name: [(name, action, state) for action, state in UNDONE] for name in PHASES}
OUTCOMES["fase0"] = [("fase0", "aplicar", "completada")]


@pytest.mark.parametrize("name", brief(("fase3", "fase2", "fase1"), "fase2"))
def test_a_way_back_with_nothing_to_undo_says_so_and_opens_no_run(
    name: str, new_database: NewDatabase, playbooks: MakePlaybooks
) -> None:
    database = new_database(up_to="fase0")
    before = look(database)
    run = ended_well(playbooks(database.url).run(name, "--tags", "rollback"))
    after = look(database)
    assert f"No había nada que deshacer de {name}" in run.stdout
    assert changed(run) == 0
    assert (after.outside, after.runs) == (before.outside, before.runs)
    assert fresh_events(before, after) == UNDOING[name][1]


@pytest.mark.slow  # by the jobs alone, in parts: test_schema.py and test_way_back.py go round
def test_three_rounds_forward_and_back_leave_what_was_there(new_database: NewDatabase, playbooks: MakePlaybooks) -> None:
    database = new_database("text")
    runner = playbooks(database.url)
    original = look(database).outside
    ended_well(runner.run("fase0"))
    full: list[str] = []
    for _ in range(ROUNDS):
        ended_well(runner.run("fase1"))
        empty = schema(database)
        ended_well(runner.run("fase2"))
        ended_well(runner.run("fase3"))
        full.append(look(database).outside)
        ended_well(runner.run("fase3", "--tags", "rollback"))
        ended_well(runner.run("fase2", "--tags", "rollback"))
        assert differences(empty, schema(database)) == []
        ended_well(runner.run("fase1", "--tags", "rollback"))
        assert differences(original, look(database).outside) == []
    assert [differences(full[0], other) for other in full] == [[]] * ROUNDS
    done = Counter(run[1:] for run in runs(database))
    assert done == Counter({outcome: ROUNDS for name in PHASES[1:] for outcome in OUTCOMES[name]}) + Counter(OUTCOMES["fase0"])


# --- what a simulation announces

FORECAST = re.compile(
    r"^(\w+) → (\w+): ([\d.]+) filas; (?:nada que hacer|(?=\w))(?:se copiarían ([\d.]+))?(?:(?:, )?cambiarían ([\d.]+))?"
    r"(?:(?:, )?se retirarían ([\d.]+) \(guardadas en migracion.apartada\))?(?:(?:, )?se fusionarían ([\d.]+))?"
    r"(?:(?:, )?irían a cuarentena ([\d.]+))?$",
    re.MULTILINE,
)
TABLE = re.compile(r"^(Se crearía|Creada) (\w+): (\d+) columnas, (\d+) restricciones, (\d+) índices$", re.MULTILINE)
Figures = dict[str, tuple[int, int, int]]


def announced(run: PlaybookRun) -> tuple[Figures, Figures]:
    """By legacy table: rows, to merge, to quarantine. By Spanish table: to copy, to change, to set aside."""
    legacy, spanish = {}, {}
    for source, target, *texts in FORECAST.findall(run.stdout):
        rows, copy, change, aside, merge, quarantine = (int(text.replace(".", "") or 0) for text in texts)
        legacy[source] = added(legacy.get(source), (rows, merge, quarantine))
        spanish[target] = added(spanish.get(target), (copy, change, aside))
    assert legacy, run.output
    return legacy, spanish


def added(one: tuple[int, int, int] | None, other: tuple[int, int, int]) -> tuple[int, int, int]:
    return other if one is None else (one[0] + other[0], one[1] + other[1], one[2] + other[2])


def images(database: Database, table: str) -> dict[str, str]:
    """Key → row of a Spanish table; {} while it does not exist."""
    if database.value("SELECT to_regclass(%s) IS NULL", (f"public.{table}",)):
        return {}
    return dict(database.query(f"SELECT id::text, t::text FROM public.{table} t"))


def happened(database: Database, run: Callable[[], PlaybookRun], expected: tuple[Figures, Figures]) -> tuple[Figures, Figures]:
    """The same figures for the same tables, counted by looking at the tables before and after the run."""
    legacy, spanish = expected
    before = {target: images(database, target) for target in spanish}
    ended_well(run())
    after = {target: images(database, target) for target in spanish}
    quarantined = "SELECT count(*) FROM migracion.cuarentena WHERE estado = 'abierta' AND tabla_origen = %s"
    merged = "SELECT count(*) FROM migracion.fusion WHERE tabla_origen = %s"
    return (
        {
            source: tuple(
                database.value(q, (source,) if "%s" in q else None)
                for q in (f"SELECT count(*) FROM {source}", merged, quarantined)
            )
            for source in legacy
        },
        {
            target: (
                len(after[target].keys() - old.keys()),
                sum(old[key] != after[target][key] for key in old.keys() & after[target].keys()),
                len(old.keys() - after[target].keys()),
            )
            for target, old in before.items()
        },
    )


def shape(database: Database, table: str) -> tuple[int, int, int]:
    """Columns, constraints without NOT NULL, indexes beside those of constraints: by the catalogue."""
    return database.query(
        "SELECT (SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), "
        "(SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype IN ('p', 'u', 'f', 'c')), "
        "(SELECT count(*) FROM pg_index i WHERE indrelid = c.oid "
        "AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u'))) "
        "FROM pg_class c WHERE c.oid = to_regclass(%s)",
        (f"public.{table}",),
    )[0]


MESS = """
UPDATE customers SET full_name = full_name || ' II' WHERE phone_number LIKE '5931000000%';
DELETE FROM customer_service_requests; DELETE FROM consents;
DELETE FROM customers WHERE id IN (SELECT id FROM customers ORDER BY id LIMIT 7);
INSERT INTO customers (phone_number) SELECT 'nuevo ' || n FROM generate_series(1, 5) n;
INSERT INTO customers (phone_number) VALUES ('demasiado largo para un teléfono');
UPDATE professions SET name = 'Corregida' WHERE id = 902;
UPDATE users SET user_type = 'client' WHERE id IN (SELECT id FROM users WHERE user_type = 'provider' ORDER BY id LIMIT 3);
UPDATE users SET city = 'Tena' WHERE id IN (SELECT id FROM users WHERE user_type = 'provider' ORDER BY id LIMIT 4);
"""


@pytest.mark.slow  # by the jobs alone: test_the_forecast_changes_nothing_and_is_what_the_run_then_does in test_proof.py
@pytest.mark.parametrize("installation", INSTALLATIONS)
def test_a_simulation_announces_what_the_run_then_does(
    installation: str, new_database: NewDatabase, playbooks: MakePlaybooks
) -> None:
    database = new_database(installation)
    runner = playbooks(database.url)
    untouched = everything(database)
    by_fase0 = announced(ended_well(runner.run("fase0", "--check")))
    tables = TABLE.findall(ended_well(runner.run("fase1", "--check")).stdout)
    forecasts = {name: announced(ended_well(runner.run(name, "--check"))) for name in ("fase2", "fase3")}
    assert differences(untouched, everything(database)) == []
    assert len(tables) == 9

    ended_well(runner.run("fase0"))
    created = TABLE.findall(ended_well(runner.run("fase1")).stdout)
    assert [line[1:] for line in tables] == [line[1:] for line in created]
    assert {line[1]: tuple(map(int, line[2:])) for line in tables} == {line[1]: shape(database, line[1]) for line in tables}

    for name, forecast in forecasts.items():
        assert forecast == happened(database, lambda name=name: runner.run(name), forecast)
        assert all(rows.items() <= whole.items() for rows, whole in zip(forecast, by_fase0, strict=True))

    with database.cursor() as cursor:
        cursor.execute(MESS)
    forecast = announced(ended_well(runner.run("fase2", "--check")))
    assert min(forecast[1]["clientes"]) > 0
    assert forecast == happened(database, lambda: runner.run("fase2"), forecast)


# --- the command line


def test_the_parts_of_a_phase_follow_each_other_by_the_printed_commands(
    new_database: NewDatabase, playbooks: MakePlaybooks
) -> None:
    database = new_database(up_to="fase1")
    runner = playbooks(database.url)
    early = failed(runner.run("fase2", subfase="2.2"))
    assert "La subfase 2.2 va después de 2.1" in early.stdout
    first = ended_well(runner.run("fase2", subfase="2.1"))
    assert re.search(r"^  Siguiente: ansible-playbook fase2.yml .*subfase=2.2", first.stdout, re.MULTILINE)
    assert images(database, "proveedores") == {}
    second = ended_well(runner.run("fase2", subfase="2.2"))
    assert re.search(r"^  Siguiente: ansible-playbook fase3.yml (?!.*subfase)", second.stdout, re.MULTILINE)
    held = failed(runner.run("fase2", "--tags", "rollback", subfase="2.1"))
    assert "Deshaga primero la subfase 2.2" in held.stdout


@pytest.mark.slow  # five runs of a mapping that is not finished, as ours no longer is
def test_a_part_without_tables_in_the_mapping_leaves_the_phase_incomplete_and_ends_non_zero(
    new_database: NewDatabase, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    database = new_database()
    house = copy_of_the_house(tmp_path / "casa")
    mapping = house / "files/mapping/tinkubot.yml"
    text = mapping.read_text(encoding="utf-8")
    mapping.write_text(text[: text.index("\n  users:\n    proveedores:")] + "\n", encoding="utf-8")
    Jobs(database.url, tmp_path / "previo", mapping=mapping).up_to_tables()
    runner = living_in(house, playbooks(database.url))
    said = "subfase 2.2"
    assert said in failed(runner.run("fase2", "--check")).stdout
    assert images(database, "clientes") == {}
    assert said in failed(runner.run("fase2")).stdout
    assert runs(database)[-1][1:] == ("fase2", "aplicar", "completada")
    assert len(images(database, "clientes")) > 100
    assert changed(ended_well(runner.run("fase2", subfase="2.1"))) == 0
    assert said in failed(runner.run("fase2", subfase="2.2")).stdout


@pytest.mark.parametrize(
    ("folder", "playbook", "inventory"),
    [
        pytest.param(ROOT / "playbooks", "{}.yml", "demo", marks=pytest.mark.slow),  # as all the other tests do
        pytest.param(ROOT, "playbooks/{}.yml", "inventories/demo", marks=pytest.mark.slow),
        (Path("/"), "tinkubot.migracion.{}", str(ROOT / "inventories/demo")),
    ],
    ids=["in-playbooks", "at-the-root", "by-full-name"],
)
def test_each_way_of_calling_works_and_prints_the_next_command_as_it_is_to_be_typed(
    folder: Path, playbook: str, inventory: str, new_database: NewDatabase, playbooks: MakePlaybooks
) -> None:
    database = new_database()
    runner = playbooks(database.url)

    def typed(*words: str) -> str:
        program = Path(sys.executable).with_name("ansible-playbook")
        assert words[0] == "ansible-playbook"
        environment = runner.clean_environment()
        done = subprocess.run([program, *words[1:]], cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def printed(output: str, label: str) -> list[str]:
        (line,) = re.findall(rf"^  {label}: (ansible-playbook .*)$", output, re.MULTILINE)
        return shlex.split(line, comments=False)

    extra = ["-e", f"backup_dir={runner.extra['backup_dir']}", "-e", "services_enabled=false"]
    first = typed("ansible-playbook", playbook.format("fase0"), "-i", inventory, *extra)
    assert printed(first, "Siguiente")[1] == playbook.format("fase1")
    second = typed(*printed(first, "Siguiente"))
    assert printed(second, "Siguiente")[1] == playbook.format("fase2")
    assert printed(second, "Para deshacer")[1] == playbook.format("fase1")
    assert printed(second, "Para deshacer")[-2:] == ["--tags", "rollback"]
    assert runs(database)[-1][1:] == ("fase1", "aplicar", "completada")


@pytest.mark.parametrize(
    ("name", "play", "tasks"),
    brief(
        [*((name, "(2/4) Avanzar", STEPS) for name in PHASES), ("estado", "(2/5) Estado", ("Decir el estado",))],
        ("fase2", "(2/4) Avanzar", STEPS),
    ),
)
def test_syntax_check_and_list_tasks_need_no_database(
    name: str, play: str, tasks: tuple[str, ...], playbooks: MakePlaybooks
) -> None:
    runner = playbooks(None)
    for option in ("--syntax-check", "--list-tags"):
        ended_well(runner.run(name, option))
    plays = ended_well(runner.run(name, "--list-tasks")).stdout.split("  play #")
    (listed,) = [part for part in plays if play in part]
    assert tuple(re.findall(r"^      (.+?)\tTAGS", listed, re.MULTILINE)) == tasks


def test_diff_shows_what_differs_from_the_signed_sql(new_database: NewDatabase, playbooks: MakePlaybooks) -> None:
    database = new_database("text")
    shown = ended_well(playbooks(database.url).run("fase0", "--check", "--diff")).stdout
    assert "--- files/sql/fase2/02-customers-clientes.sql" in shown
    assert "-    l.has_consent AS tiene_consentimiento," in shown
    assert "files/sql/fase2/01-professions-profesiones.sql" not in shown


# --- a proof that does not run


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        pytest.param(("--tags", "verify"), "phase_proof: [{role: data_migration, tasks: verify}]", marks=pytest.mark.slow),
        ((), "phase_forward: [{role: backup}, {role: data_migration}]"),
        pytest.param(("--tags", "rollback"), "phase_way_back: [{role: data_migration, tasks: rollback}]", marks=pytest.mark.slow),
    ],
    ids=["verify", "apply", "rollback"],
)
def test_a_run_whose_accounting_is_missing_fails(
    arguments: tuple[str, ...], steps: str, new_database: NewDatabase, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    """As when an include silently does nothing: the playbook here has lost it."""
    database = new_database(up_to="fase2" if arguments else "fase1")
    house = copy_of_the_house(tmp_path / "casa")
    replace(house / "playbooks/fase2.yml", steps, steps.partition("[")[0] + "[]")
    before = look(database)
    mute = failed(living_in(house, playbooks(database.url)).run("fase2", *arguments))
    assert "sin la línea de su prueba" in mute.stdout
    after = look(database)
    assert after.outside == before.outside
    assert [run for run in after.runs if run[3] == "completada"] == [run for run in before.runs if run[3] == "completada"]
