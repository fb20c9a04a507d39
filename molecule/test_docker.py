"""tools/prepare_docker.sh where it can install nothing: it uses the Docker that is there, and says what is missing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.trial import ROOT

# The engine's command, its plugins and its socket.
DOCKER = [f"--volume={each}:{each}" for each in ("/usr/bin/docker", "/usr/libexec/docker", "/var/run/docker.sock")]


@pytest.fixture
def ubuntu(tmp_path: Path) -> str:
    """The option that makes a container call itself Ubuntu."""
    release = tmp_path / "os-release"
    release.write_text('ID=ubuntu\nVERSION_CODENAME=noble\nPRETTY_NAME="Ubuntu 24.04"\n', encoding="utf-8")
    return f"--volume={release}:/etc/os-release:ro"


def prepare(*options: str) -> tuple[str, int]:
    """What the script says and its exit code, in a container without network."""
    place = [f"--volume={ROOT / 'tools'}:/checkout/tools:ro", "--network=none"]
    command = ["docker", "run", "--rm", *place, *options, "debian:bookworm-slim", "bash", "/checkout/tools/prepare_docker.sh"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr, ended.returncode


def test_elsewhere_the_docker_that_answers_is_used(ubuntu: str) -> None:
    said, code = prepare(ubuntu, *DOCKER)
    assert code == 0, said
    assert said.startswith("docker: listo: Docker version ")


def test_elsewhere_a_missing_docker_is_told_and_nothing_is_installed(ubuntu: str) -> None:
    told = "docker: falta Docker con compose 2, y solo sé prepararlo en Debian 12 o 13; esto es Ubuntu 24.04\n"
    assert prepare(ubuntu) == (told, 1)


def test_without_a_way_to_packages_it_says_what_can_still_be_run() -> None:
    said, code = prepare()
    assert code == 1
    assert "Unable to locate package docker.io" in said
    assert said.endswith("sin Docker no hay pruebas en contenedores; las demás son make test-fast\n")
