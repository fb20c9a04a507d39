"""What a container's inspection says, and what becomes of one that was just started. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# compose makes the successor under a name of its own, and renames it once the old one is gone.
HALF_MADE = re.compile(r"[0-9a-f]{12}_")
LOOPING = 2  # restarts of one container within its turn
STAYS_UP = 3.0  # seconds that a service which nobody can ask has to stay up


@dataclass(frozen=True)
class Container:
    """One container of a compose project."""

    id: str
    name: str
    service: str
    image: str
    status: str
    health: str
    restarts: int
    exit_code: int
    pid: int
    started: str
    environment: Mapping[str, str] = field(repr=False)
    config_hash: str = ""
    compose_image: str = ""
    mounts: tuple[str, ...] = ()
    oneoff: bool = False
    addresses: tuple[str, ...] = ()
    killed: bool = False

    @property
    def half_made(self) -> bool:
        """Whether compose was killed before it had its place."""
        return bool(HALF_MADE.match(self.name))

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.status == "running"

    @property
    def short(self) -> str:
        """The id as people write it."""
        return self.id[:12]


@dataclass(frozen=True)
class Condition:
    """How a container is: ``state`` is well, wait or failed; ``said``: in words."""

    state: str
    said: str


def container_of(inspected: Mapping[str, Any]) -> Container:
    """Read one entry of docker inspect."""
    config, state = inspected.get("Config") or {}, inspected.get("State") or {}
    labels = config.get("Labels") or {}
    networks = (inspected.get("NetworkSettings") or {}).get("Networks") or {}
    environment = dict(pair.partition("=")[::2] for pair in config.get("Env") or [])
    return Container(
        id=str(inspected.get("Id", "")),
        name=str(inspected.get("Name", "")).lstrip("/"),
        service=str(labels.get("com.docker.compose.service", "")),
        image=str(inspected.get("Image", "")),
        status=str(state.get("Status", "")),
        health=str((state.get("Health") or {}).get("Status", "")),
        restarts=int(inspected.get("RestartCount") or 0),
        exit_code=int(state.get("ExitCode") or 0),
        pid=int(state.get("Pid") or 0),
        started=str(state.get("StartedAt", "")),
        environment=environment,
        config_hash=str(labels.get("com.docker.compose.config-hash", "")),
        compose_image=str(labels.get("com.docker.compose.image", "")),
        mounts=tuple(str(mount.get("Source", "")) for mount in inspected.get("Mounts") or []),
        oneoff=str(labels.get("com.docker.compose.oneoff", "")).lower() == "true",
        addresses=tuple(str(net.get("IPAddress")) for net in networks.values() if (net or {}).get("IPAddress")),
        killed=int(state.get("ExitCode") or 0) == 137,
    )


def condition(container: Container, answers: bool | None, up_for: float) -> Condition:
    """Judge a container of this turn.

    ``answers``: whether its health_url answered, None where it has none; ``up_for``: seconds since it is seen running.
    """
    if container.restarts >= LOOPING or container.status == "restarting":
        return Condition("failed", f"se reinicia una y otra vez (van {container.restarts}, código {container.exit_code})")
    if container.status in ("exited", "dead", "removing"):
        return Condition("failed", f"terminó con código {container.exit_code}")
    if container.status == "paused":
        return Condition("failed", "está en pausa")
    if not container.running:
        return Condition("wait", f"aún no arranca ({container.status or 'sin estado'})")
    if container.health == "unhealthy":
        return Condition("failed", "su comprobación de salud dice unhealthy")
    if container.health == "starting":
        return Condition("wait", "arranca: su comprobación de salud aún no responde")
    if answers is False:
        return Condition("wait", "está en marcha, y su health_url no responde")
    if not container.health and answers is None:
        if up_for < STAYS_UP:
            return Condition("wait", "está en marcha, sin comprobación de salud")
        return Condition("well", "en marcha; sin comprobación de salud ni health_url, no se sabe más")
    return Condition("well", "responde bien")


def fallen(now: Sequence[Container], identity: str, restarts: int) -> str:
    """Return what happened to the container that was well at its turn, '' where it still is."""
    found = next((container for container in now if container.id == identity), None)
    if found is None:
        return "su contenedor ya no está"
    if not found.running:
        return f"su contenedor terminó con código {found.exit_code}"
    if found.restarts > restarts:
        return f"su contenedor se reinició {found.restarts - restarts} veces"
    return "su comprobación de salud dice unhealthy" if found.health == "unhealthy" else ""


def foreign_changes(
    container: Container, rendered: Mapping[str, Any], hashes: Sequence[str], image_now: str, flags: Sequence[str]
) -> list[str]:
    """Return what a replacement would change beside the flag, in words.

    ``hashes``: of its configuration with either value of the flag; ``image_now``: what its tag names now, '' for unknown;
    ``flags``: the environment's names that the flag changes.
    """
    found = []
    if image_now and image_now != container.image:
        found.append("la imagen: su etiqueta nombra ahora otra")
    given = (rendered.get("environment") or {}).items()
    wanted = {str(k): str(v).replace("$$", "$") for k, v in given if v is not None}
    names = sorted(k for k, v in wanted.items() if k not in flags and container.environment.get(k) != v)
    if names:
        found.append(f"su environment: {', '.join(names)}")
    elif container.config_hash and hashes and container.config_hash not in hashes:
        found.append("su configuración: el archivo de compose o .env se editó desde que arrancó")
    return found


def on_side(container: Container, flags: Mapping[str, str]) -> bool:
    """Whether the container was started with these values of the flag."""
    return all(container.environment.get(name, "") == value for name, value in flags.items())
