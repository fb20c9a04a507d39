"""docker and docker compose as this machine has them: what the project is, what runs of it, and one command at a time.

Compose is called without the flag and without COMPOSE_* in its environment: either would win over .env.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import READ_ONLY_STEP, MigrationError
from ..core.services.containers import Container, container_of
from ..core.services.renderings import Rendering, services_in
from ..core.words import escape

LONGEST = 60  # seconds that a question to docker may take
PROJECT = "com.docker.compose.project"


@dataclass(frozen=True)
class Project:
    """A compose project: ``folder`` with its compose file and .env, ``name`` as docker knows it, ``key`` the flag."""

    folder: Path
    name: str
    key: str

    @property
    def env(self) -> Path:
        """Its .env, behind a symlink."""
        return (self.folder / ".env").resolve()


def find_project(folder: str, name: str, key: str) -> Project:
    """Return the project of that folder. Raises MigrationError, code refused: docker, compose or the file is not as needed."""
    place = Path(folder)
    if not place.is_dir():
        raise _refused(f"services_dir: no existe la carpeta {folder}")
    version = docker(["compose", "version", "--short"], key=key).strip()
    if not version.lstrip("v").split(".")[0].isdigit() or int(version.lstrip("v").split(".")[0]) < 2:
        raise _refused(f"docker compose es la versión {version}, y hace falta la 2")
    project = Project(place, name or str(_config(Project(place, "", key), []).get("name") or ""), key)
    elsewhere = sorted(_projects_of(place, key) - {project.name}) if not _ids(project) else []
    if elsewhere:
        raise _refused(
            f"el proyecto {project.name} no tiene contenedores, y los de esta carpeta son de {', '.join(elsewhere)}",
            f"Ponga services_project: {elsewhere[0]} y repita la orden.",
        )
    return project


def rendered(project: Project) -> Rendering:
    """Return the configuration with the .env of now. Raises MigrationError, code refused, where compose does not accept it."""
    return _config(project, [])


def rendered_with(project: Project, raw: Rendering, *envs: bytes) -> list[Rendering]:
    """Return the configuration as it would be with each of those bytes for .env; ``raw``: as it is before interpolation.

    Raises MigrationError, code refused, where compose does not accept it.
    """
    found: list[Rendering] = []
    for env in envs:
        with _as_if(project, raw, env) as options:
            found.append(_config(project, options))
    return found


def config_hashes(project: Project, rendering: Rendering) -> dict[str, str]:
    """Service to the hash of that configuration, by which compose decides whether to recreate a container.

    Asked of the rendering and not of the files: of those `config --hash` leaves out what an env_file says, `up` does not.
    """
    with _in_memory(json.dumps(rendering).encode()) as composed:
        options = ["-f", composed, "--project-directory", str(project.folder)]
        said = _compose(project, [*options, "--profile", "*", "config", "--hash", "*"])
    return {line.split()[0]: line.split()[1] for line in said.splitlines() if len(line.split()) >= 2}


def before_interpolation(project: Project) -> Rendering:
    """The configuration as it is written."""
    return _config(project, [], ["--no-interpolate"])


def containers_here(project: Project) -> tuple[Container, ...]:
    """The project's containers, running or not, without those of `compose run`."""
    ids = _ids(project)
    if not ids:
        return ()
    found = [container_of(said) for said in json.loads(docker(["inspect", *ids], key=project.key, missing_ok=True) or "[]")]
    return tuple(container for container in found if not container.oneoff)


def image_of(project: Project, tag: str) -> str:
    """The id of the image that a tag names now, '' where there is none."""
    return docker(["image", "inspect", "--format", "{{.Id}}", tag], key=project.key, missing_ok=True).strip() if tag else ""


def value_inside(project: Project, container: Container, name: str) -> str | None:
    """The value of a variable in the container's main process, None where it has none.

    From /proc of this machine or of the container; where neither can be read, as docker was told to start it.
    """
    for read in (_proc_here, _proc_inside):
        found = read(project, container)
        if found:
            pairs = dict(pair.partition("=")[::2] for pair in found.split("\0") if pair)
            return pairs.get(name)
    return container.environment.get(name)


def docker(words: Sequence[str], key: str, folder: Path | None = None, missing_ok: bool = False) -> str:
    """Run docker, in that folder, and return what it printed. Raises MigrationError, code refused, with docker's reason."""
    try:
        done = subprocess.run(
            ["docker", *words],
            env=clean_environment(key),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=LONGEST,
            cwd=folder,
            check=False,
        )
    except FileNotFoundError:
        raise _refused("en esta máquina no está el programa docker", "Instálelo (con compose 2) y repita la orden.") from None
    except subprocess.TimeoutExpired:
        raise _refused(f"docker {words[0]} no respondió en {LONGEST} s") from None
    if done.returncode and not (missing_ok and "no such" in done.stderr.lower()):
        raise why_docker_refused(words, done.stderr)
    return done.stdout


def clean_environment(key: str) -> dict[str, str]:
    """What compose is called with: .env alone decides the flag, and the folder the project."""
    return {name: value for name, value in os.environ.items() if name != key and not name.startswith("COMPOSE_")}


def compose_words(project: Project, words: Sequence[str]) -> list[str]:
    """The command line of compose for this project, to be run in its folder."""
    return ["docker", "compose", "--project-name", project.name, *words]


def why_docker_refused(words: Sequence[str], said: str) -> MigrationError:
    """Docker's reason in our words."""
    low = said.lower()
    if "permission denied" in low and ("docker.sock" in low or "daemon" in low):
        who = os.environ.get("USER") or str(os.geteuid())
        return _refused(f"el usuario {who} no puede hablar con docker", "Dele permiso (grupo docker) y repita la orden.")
    if "cannot connect to the docker daemon" in low or "is the docker daemon running" in low:
        return _refused("docker no está en marcha en esta máquina", "Arránquelo y repita la orden.")
    if "compose" in words and ("is not a docker command" in low or "unknown shorthand flag" in low):
        return _refused("este docker no tiene compose 2 (docker-compose 1 no sirve)", "Instálelo y repita la orden.")
    lines = [line for line in said.strip().splitlines() if line.strip()]
    tail = escape(lines[-1][:300]) if lines else "no dijo por qué"
    return _refused(f"docker {' '.join(word for word in words if word in ('compose', 'config', 'up', 'inspect'))}: {tail}")


def _compose(project: Project, words: Sequence[str]) -> str:
    named = ["--project-name", project.name] if project.name else []
    return docker(["compose", *named, *words], key=project.key, folder=project.folder)


def _config(project: Project, before: Sequence[str], words: Sequence[str] = ()) -> dict[str, Any]:
    said = _compose(project, [*before, "--profile", "*", "config", "--format", "json", *words])
    found: dict[str, Any] = json.loads(said)
    return found


@contextmanager
def _as_if(project: Project, raw: Rendering, env: bytes) -> Iterator[list[str]]:
    """Yield the options with which compose renders as if .env held those bytes.

    They lie in memory: a killed call leaves no copy of the services' secrets. Compose's --env-file does not reach the
    env_file of a service, so those that name .env are told the other path.
    """
    with _in_memory(env) as changed:
        services = {
            name: {**said, "env_file": [_elsewhere(item, project, changed) for item in said.get("env_file") or []]}
            for name, said in services_in(raw).items()
        }
        with _in_memory(json.dumps({**raw, "services": services}).encode()) as composed:
            yield ["-f", composed, "--project-directory", str(project.folder), "--env-file", changed]


def _elsewhere(item: Any, project: Project, changed: str) -> Any:
    path = str(item.get("path", "") if isinstance(item, dict) else item)
    if Path(project.folder, path).resolve() != project.env:
        return item
    return {**item, "path": changed} if isinstance(item, dict) else changed


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    handle = os.memfd_create("tinkubot")
    try:
        with os.fdopen(os.dup(handle), "wb") as file:
            file.write(data)
        yield f"/proc/{os.getpid()}/fd/{handle}"
    finally:
        os.close(handle)


def _ids(project: Project) -> list[str]:
    words = ["ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={PROJECT}={project.name}"]
    return docker(words, key=project.key).split()


def _projects_of(folder: Path, key: str) -> set[str]:
    words = ["ps", "--all", "--filter", f"label={PROJECT}.working_dir={folder}", "--format", f'{{{{.Label "{PROJECT}"}}}}']
    return set(docker(words, key=key).split())


def _proc_here(_: Project, container: Container) -> str:
    """Empty where docker runs elsewhere, or only root may read it."""
    with suppress(OSError):
        if container.id in Path(f"/proc/{container.pid}/cgroup").read_text(encoding="utf-8"):
            return Path(f"/proc/{container.pid}/environ").read_text(encoding="utf-8", errors="replace")
    return ""


def _proc_inside(project: Project, container: Container) -> str:
    with suppress(MigrationError):
        return docker(["exec", container.id, "cat", "/proc/1/environ"], key=project.key)
    return ""


def _refused(what: str, move: str = "Corríjalo y repita la orden.") -> MigrationError:
    return MigrationError(what, left=READ_ONLY_STEP, move=move, code="refused")
