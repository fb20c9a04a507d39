"""Who is switched, and what is refused before anything changes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.compose import IMAGE, NAMED, STAY, Compose

pytestmark = [pytest.mark.once, pytest.mark.containers]
PLAIN: dict[str, Any] = {"image": IMAGE, "command": STAY}


def refused(project: Compose, **more: Any) -> str:
    """What a look says that is refused; nothing was changed by it."""
    before, text = project.ids(), project.env.read_bytes()
    with pytest.raises(MigrationError) as raised:
        project.call("look", **more)
    assert raised.value.code == "refused"
    assert project.ids() == before
    assert project.env.read_bytes() == text
    return str(raised.value)


def test_a_declared_reader_that_is_not_reached_is_refused_with_the_line_to_add(project: Compose) -> None:
    project.write({"ai": NAMED, "panel": PLAIN, "fijo": {**PLAIN, "environment": {"MIGRATION_MODE": "true"}}})
    declared = [{"name": "ai"}, {"name": "panel"}, {"name": "fijo"}, {"name": "no-esta"}]
    said = refused(project, migration_services=declared)
    assert "panel: MIGRATION_MODE no le llega" in said
    assert "añada MIGRATION_MODE: ${MIGRATION_MODE}" in said
    assert "fijo: el archivo de compose le da MIGRATION_MODE escrito (true)" in said
    assert "no-esta: no está en el archivo de compose" in said
    assert "ai: no está en marcha" in said


def test_none_that_reads_the_flag_is_refused(project: Compose) -> None:
    project.write({"panel": PLAIN})
    assert "ningún servicio: MIGRATION_MODE no le llega" in refused(project)


def test_the_last_env_file_decides_whether_the_flag_arrives(project: Compose) -> None:
    (project.folder / "otro.env").write_text("MIGRATION_MODE=true\n")
    first, last = {**PLAIN, "env_file": [".env", "otro.env"]}, {**PLAIN, "env_file": ["otro.env", ".env"]}
    project.write({"tapado": first, "alcanzado": last})
    project.up()
    assert "tapado: MIGRATION_MODE no le llega" in refused(project, migration_services=[{"name": "tapado"}])
    entry = {"migration_services": [{"name": "alcanzado"}]}
    assert project.call("look", **entry)["services"] == ["alcanzado"]
    project.switch(**entry)
    assert project.modes() == {"tapado": "true", "alcanzado": "false"}


@pytest.mark.slow
def test_the_flag_in_the_operators_environment_decides_nothing(project: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write({"ai": NAMED})
    project.up()
    monkeypatch.setenv("MIGRATION_MODE", "true")
    monkeypatch.setenv("COMPOSE_FILE", "/no/existe.yml")
    project.switch()
    monkeypatch.undo()
    assert project.modes() == {"ai": "false"}


def test_a_flag_that_changes_more_than_the_environment_is_refused(project: Compose) -> None:
    project.write({"ai": {**NAMED, "hostname": "h-${MIGRATION_MODE}"}})
    project.up()
    assert "ai: MIGRATION_MODE cambia en él también hostname" in refused(project)


@pytest.mark.slow
def test_other_pending_changes_are_refused_unless_they_are_waived(project: Compose) -> None:
    project.write({"ai": {**NAMED, "labels": {"version": "1"}}})
    project.up()
    project.write({"ai": {**NAMED, "labels": {"version": "2"}}})
    assert "ai: al reemplazarlo cambiaría también su configuración" in refused(project)
    said = project.call("look", waived_changes={"ai": "acordado"})["lines"]
    assert any("con el cambio va también su configuración" in line and "acordado" in line for line in said)


@pytest.mark.slow
def test_an_image_whose_tag_moved_is_refused(project: Compose) -> None:
    tag = f"{project.name}:prueba"
    subprocess.run(["docker", "tag", IMAGE, tag], check=True)
    try:
        project.write({"ai": {**NAMED, "image": tag}})
        project.up()
        subprocess.run(
            ["docker", "build", "-q", "-t", tag, "-"],
            input=f"FROM {IMAGE}\nLABEL x=1\n".encode(),
            check=True,
            env={**os.environ, "DOCKER_BUILDKIT": "0"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert "ai: al reemplazarlo cambiaría también la imagen" in refused(project)
    finally:
        project.compose("down", "--timeout", "0")
        subprocess.run(["docker", "rmi", "-f", tag], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_an_edited_env_is_a_pending_change_too(project: Compose) -> None:
    ai = {**NAMED, "environment": {"MIGRATION_MODE": "${MIGRATION_MODE}", "OTRA": "${OTRA}"}}
    project.write({"ai": ai}, "MIGRATION_MODE=true\nOTRA=1\n")
    project.up()
    project.env.write_text("MIGRATION_MODE=true\nOTRA=2\n")
    assert "ai: al reemplazarlo cambiaría también su environment: OTRA" in refused(project)


def test_a_project_that_was_started_under_another_name_is_named(project: Compose) -> None:
    project.write({"ai": NAMED})
    project.up()
    assert f"los de esta carpeta son de {project.name}" in refused(project, services_project="otro")


@pytest.mark.slow
def test_a_container_that_has_env_mounted_is_named(project: Compose) -> None:
    mount = {"type": "bind", "source": "./.env", "target": "/env", "read_only": True}
    project.write({"ai": NAMED, "panel": {**PLAIN, "volumes": [mount]}})
    project.up()
    assert any("panel: tiene .env montado" in line for line in project.call("look")["lines"])


def test_docker_that_is_not_there_or_not_allowed_is_said(
    project: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write({"ai": NAMED})
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(tmp_path))
        with pytest.raises(MigrationError, match="no está el programa docker"):
            project.call("look")
    with monkeypatch.context() as patched:
        patched.setenv("DOCKER_HOST", f"unix://{tmp_path}/nada.sock")
        with pytest.raises(MigrationError, match="docker no está en marcha"):
            project.call("look")
    old = tmp_path / "docker"
    old.write_text("#!/bin/sh\necho \"docker: 'compose' is not a docker command.\" >&2\nexit 1\n")
    old.chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        with pytest.raises(MigrationError, match="docker-compose 1 no sirve"):
            project.call("look")


def test_a_compose_file_with_an_error_is_refused_with_it(project: Compose) -> None:
    project.write({"ai": {**NAMED, "imagen": "x"}})
    with pytest.raises(MigrationError, match="Additional property imagen is not allowed"):
        project.call("look")
