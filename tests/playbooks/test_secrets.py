"""The password is found nowhere, and what stands in the database is never more than text."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.sample.supabase import NASTY_PASSWORD
from tests.support.databases import Database
from tests.support.observation import ended_well, everything, failed
from tests.support.playbook import PlaybookRun, Playbooks
from tests.support.processes import descendants, modules, waited_for
from tests.support.variants import brief

NewDatabase = Callable[..., Database]
MakePlaybooks = Callable[..., Playbooks]
ENCODED = quote(NASTY_PASSWORD, safe="")
# Its beginning and its end, plain, percent-encoded, and as a template would render it: a piece of a password is a leak.
PIECES = (NASTY_PASSWORD[:5], ENCODED[:15], ENCODED[:15].lower(), "50%25 {{", "50%25 49", ENCODED[-24:], ENCODED[-24:].lower())
LOUD = ("-vvv", "--diff")
ESC = "\x1b"


def leaks(text: str) -> list[str]:
    """What stands around each piece of the password."""
    return [text[max(0, at - 60) : at + 40] for piece in PIECES if (at := text.find(piece)) >= 0]


def leaking_files(folder: Path) -> list[str]:
    found = []
    for where, _, names in os.walk(folder):
        for path in (Path(where, name) for name in names):
            with suppress(OSError):  # gone meanwhile
                found += [f"{path}: {leak}" for leak in leaks(path.read_bytes().decode(errors="replace"))]
    return found


@contextmanager
def watched(folder: Path) -> Iterator[list[str]]:
    """Look at the command lines below this process and at the files of ``folder`` all the time; collects what leaks."""
    found: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            found.extend(leak for one in descendants(os.getpid()) for leak in leaks(" ".join(one.words)))
            found.extend(leaking_files(folder))
            over.wait(0.1)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()


@pytest.fixture
def quiet(playbooks: MakePlaybooks, tmp_path: Path) -> Callable[[str], Playbooks]:
    """Runs whose temporary files lie below tmp_path too: the modules' would be in the home that the passwd file names."""
    (tmp_path / "tmp").mkdir()
    environment = {"TMPDIR": str(tmp_path / "tmp"), "ANSIBLE_REMOTE_TMP": str(tmp_path / "remoto")}

    def make(url: str) -> Playbooks:
        return dataclasses.replace(playbooks(url), environment=environment)

    return make


@pytest.mark.parametrize(
    "leak",
    [
        f"x {NASTY_PASSWORD}",
        json.dumps({"p": NASTY_PASSWORD}),
        repr(NASTY_PASSWORD),
        f"postgresql://u:{ENCODED}@h/d",
        ENCODED.lower(),
    ],
)
def test_the_search_finds_the_password_in_every_dress(leak: str, tmp_path: Path) -> None:
    assert leaks(leak)
    (tmp_path / "fichero").write_text(leak, encoding="utf-8")
    assert leaking_files(tmp_path)


COMMANDS: list[tuple[str, tuple[str, ...], dict[str, str]]] = [
    ("fase1", (), {}),
    ("fase2", (), {"subfase": "2.1"}),
    ("estado", ("--tags", "cuarentena"), {}),
    ("fase2", ("--tags", "rollback"), {"subfase": "2.1"}),
]
DATA = [command for command in COMMANDS if command[0] == "fase2"]


@pytest.mark.parametrize("commands", brief([DATA, COMMANDS], DATA), ids=["data", "all"])
def test_the_password_is_found_nowhere(
    commands: list[Any], new_database: NewDatabase, quiet: Callable[[str], Playbooks], tmp_path: Path
) -> None:
    database = new_database(up_to="fase1" if commands == DATA else "fase0")
    assert leaks(database.url)
    runner = quiet(database.url)
    with watched(tmp_path) as found:
        outputs = [ended_well(runner.run(name, *LOUD, *arguments, **extra)).output for name, arguments, extra in commands]
        outputs.append(failed(runner.run("fase2", *LOUD, "--tags", "verify")).output)
    assert all("module_args" in output for output in outputs)
    assert [leak for output in outputs for leak in leaks(output)] == []
    assert list((tmp_path / "respaldos" / "registros").glob("*.log"))
    assert found == []
    assert leaking_files(tmp_path) == []
    assert leaks(everything(database)) == []


def test_a_killed_run_leaves_no_password_behind(
    new_database: NewDatabase, quiet: Callable[[str], Playbooks], tmp_path: Path
) -> None:
    database = new_database(rows=2_000, messages=100, up_to="fase1")
    with watched(tmp_path) as found:
        running = quiet(database.url).start("fase2", *LOUD, subfase="2.1", batch_rows=1)
        busy = "SELECT coalesce(sum(filas_leidas), 0) > 100 FROM migracion.progreso_copia"
        assert waited_for(lambda: bool(database.value(busy)), 60)
        family = descendants(running.process.pid)
        assert modules(running.process.pid)
        for one in family:
            os.kill(one.pid, 9)
        output = running.wait().output
    assert leaks(output) == []
    assert found == []
    assert leaking_files(tmp_path) == []
    assert leaks(everything(database)) == []


@pytest.mark.parametrize("form", brief(["json", "plain", "file"], "plain"))
def test_the_address_given_by_e_is_warned_about_and_not_repeated(
    form: str, new_database: NewDatabase, quiet: Callable[[str], Playbooks], tmp_path: Path
) -> None:
    database = new_database()
    runner = quiet("postgresql://nadie:nada@127.0.0.1:1/ninguna")  # -e wins over the environment
    given = {
        "json": json.dumps({"database_url": database.url, "batch_rows": 7}),
        "plain": f"database_url={database.url} batch_rows=7",
        "file": f"@{tmp_path / 'sitio.json'}",
    }[form]
    (tmp_path / "sitio.json").write_text(json.dumps({"database_url": database.url}), encoding="utf-8")
    run = ended_well(runner.run("fase0", *LOUD, "-e", given))
    assert "Aviso: -e database_url lleva una contraseña" in run.stdout
    assert "más sus otros -e" in run.stdout
    if form != "file":
        (following,) = [line for line in run.stdout.splitlines() if line.startswith("  Siguiente: ansible-playbook fase1.yml")]
        assert "batch_rows" in following
    (tmp_path / "sitio.json").unlink()
    assert leaks(run.output) == []
    assert leaking_files(tmp_path) == []
    assert leaks(everything(database)) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://postgres:{password}@127.0.0.1:1/x", "DATABASE_URL no"),  # not encoded: libpq quotes pieces of it
        ("postgresql://postgres:{encoded}@no-such-host.invalid/x", "no se resuelve"),
        pytest.param("postgresql://postgres:{encoded}@127.0.0.1:1/x", "rechaza la conexión", marks=pytest.mark.slow),
        pytest.param(
            "postgresql://postgres:{encoded}@127.0.0.1:1/x?pgbouncer=true",
            "DATABASE_URL no se puede leer",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["not-encoded", "no-host", "no-port", "wrong-parameter"],
)
def test_an_address_that_does_not_work_is_not_quoted(
    url: str, said: str, quiet: Callable[[str], Playbooks], tmp_path: Path
) -> None:
    run = failed(quiet(url.format(password=NASTY_PASSWORD, encoded=ENCODED)).run("fase0", *LOUD))
    assert said in run.stdout
    assert leaks(run.output) == []
    assert leaking_files(tmp_path) == []


# --- text from the database


def no_control_characters(text: str) -> None:
    assert ESC not in text
    assert not [char for char in text if ord(char) < 32 and char != "\n"]


def log_of(run: PlaybookRun, backup_dir: Path) -> str:
    (name,) = {line.rpartition("/")[2] for line in run.stdout.splitlines() if line.startswith("  Registro: ")}
    return (backup_dir / "registros" / name).read_text(encoding="utf-8")


def test_text_from_the_database_appears_literally(new_database: NewDatabase, playbooks: MakePlaybooks, tmp_path: Path) -> None:
    """A template, a tag and a terminal command, as a name on both sides of a difference and in quarantine."""
    database = new_database(up_to="2.1")
    runner = playbooks(database.url)
    database.query(
        "UPDATE clientes SET nombre_completo = '{{ 7*8 }}<b>' || chr(27) || '[2J' WHERE telefono = '593100000015' RETURNING 1"
    )

    verified = failed(runner.run("fase2", "--tags", "verify", subfase="2.1"))
    expected = "nombre_completo: se esperaba '{{ 7*7 }}<script>alert(1)</script>\\x1b[31m', hay '{{ 7*8 }}<b>\\x1b[2J'"
    summary = verified.stdout[verified.stdout.index("fase2 2.1 · verificar · FALLIDA") :]
    for text in (verified.stdout, summary, log_of(verified, tmp_path / "respaldos")):
        assert f"clientes c0000000-0000-4000-8000-000000000015: difiere: {expected}" in text
        assert "49<script>" not in text
        assert "56<b>" not in text
        no_control_characters(text)

    repaired = ended_well(runner.run("fase2", subfase="2.1"))
    assert expected in repaired.stdout
    listed = ended_well(runner.run("estado", "--tags", "cuarentena"))
    assert "c0000000-0000-4000-8000-000000000016" in listed.stdout
    assert "{{ 7*7 }}<b>\\u001b[1A" in listed.stdout
    for run in (repaired, listed):
        no_control_characters(run.output)
        assert "49<" not in run.output
