"""Which services the flag reaches: the compose configuration rendered with two values, and what differs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .declared import DeclaredService

Rendering = Mapping[str, Any]  # compose's config as JSON


@dataclass(frozen=True)
class FlagEffect:
    """What the flag changes in one service. ``environment``: name in the container → (old value, new value).

    ``elsewhere``: where else the two renderings differ, as paths.
    """

    environment: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True)
class Switching:
    """Who is switched, in order, who is watched only, and what stands against it, one Spanish sentence each."""

    switched: tuple[DeclaredService, ...]
    watched: tuple[DeclaredService, ...]
    effects: Mapping[str, FlagEffect]
    problems: tuple[str, ...] = ()


def services_in(rendering: Rendering) -> dict[str, Any]:
    """The services of a rendering by name."""
    return dict(rendering.get("services") or {})


def flag_effects(old: Rendering, new: Rendering) -> dict[str, FlagEffect]:
    """Return, for each service whose renderings differ, in which way."""
    before, after = services_in(old), services_in(new)
    found = {}
    for name in [*before, *(name for name in after if name not in before)]:
        paths = tuple(_differing(before.get(name), after.get(name), ()))
        if not paths:
            continue
        environment = {
            path[1]: (_text(before[name]["environment"].get(path[1])), _text(after[name]["environment"].get(path[1])))
            for path in paths
            if len(path) == 2 and path[0] == "environment"
        }
        elsewhere = tuple(".".join(path) for path in paths if not (len(path) == 2 and path[0] == "environment"))
        found[name] = FlagEffect(environment, elsewhere)
    return found


def who_switches(
    declared: Sequence[DeclaredService], old: Rendering, new: Rendering, raw: Rendering, key: str, value: str
) -> Switching:
    """Decide who is switched.

    ``old`` and ``new``: rendered with the value as it is and as it will be; ``raw``: before interpolation.
    """
    effects = flag_effects(old, new)
    known = services_in(new)
    listed = {service.name for service in declared}
    problems = [
        f"{service.name}: no está en el archivo de compose; los que hay son {', '.join(known)}"
        for service in declared
        if service.name not in known
    ]
    entries = tuple(declared) or tuple(DeclaredService(name) for name in known if name in effects)
    switched = tuple(s for s in entries if s.reads_flag and s.name in effects)
    for service in entries:
        if service.name in known and service.reads_flag and service.name not in effects:
            problems.append(_unreached(service.name, raw, key))
        if not service.reads_flag and service.name in effects:
            problems.append(f"{service.name}: declara reads_flag: false, y con {key}={value} su configuración cambia")
    if declared:
        problems += [
            f"{name}: con {key}={value} su configuración cambia, y no está en migration_services: declárelo"
            for name in effects
            if name not in listed
        ]
    elif not effects:
        problems.append(_unreached("ningún servicio", raw, key))
    for service in switched:
        if elsewhere := effects[service.name].elsewhere:
            problems.append(
                f"{service.name}: {key} cambia en él también {', '.join(elsewhere)}, y el cambio ha de ser solo de la bandera"
            )
    watched = tuple(s for s in entries if not s.reads_flag and s.name in known)
    return Switching(switched, watched, effects, tuple(problems))


def beside_hindrances(service: DeclaredService, rendering: Rendering) -> list[str]:
    """Return what keeps a second copy from running beside the first; [] where it may."""
    found = [] if not service.singleton else ["singleton"]
    said = services_in(rendering).get(service.name) or {}
    if said.get("container_name"):
        found.append(f"container_name: {said['container_name']}")
    for port in said.get("ports") or []:
        if isinstance(port, Mapping) and port.get("published") and "-" not in str(port["published"]):
            found.append(f"puerto fijo {port['published']}")
    if said.get("network_mode") == "host":
        found.append("network_mode: host")
    return found


def copies_of(service: str, rendering: Rendering) -> int:
    """How many containers compose keeps of it."""
    said = services_in(rendering).get(service) or {}
    replicas = (said.get("deploy") or {}).get("replicas")
    return int(said.get("scale") or replicas or 1)


def grace_seconds(service: str, rendering: Rendering) -> float:
    """How long its container may take to stop before it is killed; compose's own ten seconds where nothing is said."""
    text = str((services_in(rendering).get(service) or {}).get("stop_grace_period") or "10s")
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text))


def _unreached(name: str, raw: Rendering, key: str) -> str:
    said = services_in(raw).get(name) or {}
    given = said.get("environment")
    literal = None
    if isinstance(given, Mapping):
        literal = given.get(key)
    elif isinstance(given, list):
        literal = next((str(item).partition("=")[2] for item in given if str(item).startswith(f"{key}=")), None)
    if literal is not None:
        return (
            f"{name}: el archivo de compose le da {key} escrito ({literal}), y .env no lo cambia. En su environment ponga "
            f"{key}: ${{{key}}}"
        )
    return (
        f"{name}: {key} no le llega, así que cambiarlo en .env no cambiaría nada. En su environment añada {key}: ${{{key}}}, "
        "o declare reads_flag: false"
    )


def _differing(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys([*old, *new]):
            yield from _differing(old.get(name), new.get(name), (*path, str(name)))
    elif old != new:
        yield path


def _text(value: Any) -> str:
    return "" if value is None else str(value)
