"""One service's turn: its container replaced so that it runs with the .env of now, and well, before the turn ends.

What is done next follows from the containers alone, so that a call goes on wherever the one before it was cut off, and the
same code takes the way back once .env is as it was.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import COMMITTED_STAYS, MigrationError
from ..core.services.containers import Container, condition, fallen, on_side
from ..core.services.declared import DeclaredService
from ..core.services.renderings import Rendering, beside_hindrances, grace_seconds, services_in
from .compose import Project, clean_environment, compose_words, containers_here, docker, rendered, value_inside
from .detached import ENDED_EVERY, Workplace, ended_within, note_turn, noted_turn, outcome, start_apart
from .health import ask_url

SLICE = 12.0  # seconds of one module call
TURN_TRIES = 2  # commands of one turn: a second one where the first was killed


@dataclass(frozen=True)
class Turn:
    """How far a turn has come. ``identity``: the container's id once it is well."""

    done: bool
    changed: bool
    said: str
    identity: str = ""


def take_turn(project: Project, place: Workplace, service: DeclaredService, flags: Sequence[str], run_id: str) -> Turn:
    """Go on with the service's turn for at most a slice; ``flags``: the environment's names that the flag decides.

    Raises MigrationError, code service, where it is not well: it keeps its container then, for the way back to replace.
    """
    until = time.monotonic() + SLICE
    rendering = rendered(project)
    wanted = _wanted(rendering, service.name, flags)
    turn = noted_turn(place, _name(project, service))
    if turn.get("run_id") != run_id or turn.get("wanted") != wanted or "id" in turn:
        turn = {"run_id": run_id, "wanted": wanted, "since": time.monotonic(), "tries": 0, "changed": False, "running": None}
    while True:
        if not ended_within(place, max(0.0, until - time.monotonic())):
            return Turn(False, bool(turn["changed"]), f"{service.name}: su contenedor se reemplaza")
        said = _step(project, place, service, rendering, wanted, turn)
        if said is None:
            return _finished(project, place, service, turn)
        limit = float(turn["since"]) + service.deadline + grace_seconds(service.name, rendering)
        if time.monotonic() > limit:
            raise not_well(service.name, f"{said}, y pasó su plazo (deadline: {service.deadline:.0f} s)")
        if time.monotonic() >= until:
            return Turn(False, bool(turn["changed"]), f"{service.name}: {said}")
        time.sleep(ENDED_EVERY)


def still_well(project: Project, place: Workplace, services: Sequence[DeclaredService]) -> None:
    """Look again at services whose turn has ended. Raises MigrationError, code service, naming the first that fell."""
    here = containers_here(project)
    for service in services:
        turn = noted_turn(place, _name(project, service))
        if "id" not in turn:
            continue
        reason = fallen(here, str(turn["id"]), int(turn["restarts"]))
        if not reason and service.health_url and not ask_url(service.health_url).well and not ask_url(service.health_url).well:
            reason = "su health_url ya no responde"
        if reason:
            raise not_well(service.name, f"estaba bien tras su turno, y {reason}")


def forget_turns(project: Project, place: Workplace, services: Sequence[DeclaredService]) -> None:
    """What was noted of their turns goes: the phase is over, or the way back is."""
    for service in services:
        note_turn(place, _name(project, service), None)


def is_there(project: Project, place: Workplace, service: str, rendering: Rendering, flags: Sequence[str]) -> bool:
    """Whether it runs, alone, as that rendering has it, and no turn of it was left half-way."""
    own = [c for c in containers_here(project) if c.service == service]
    wanted = _wanted(rendering, service, flags)
    begun = unfinished_turn(project, place, service)
    return not begun and len(own) == 1 and own[0].running and not own[0].half_made and on_side(own[0], wanted)


def unfinished_turn(project: Project, place: Workplace, service: str) -> bool:
    """Whether a turn of it was begun and not ended."""
    turn = noted_turn(place, f"{project.name}-{service}")
    return bool(turn) and "id" not in turn


def not_well(name: str, said: str) -> MigrationError:
    """What is said of a service that did not stand its turn."""
    return MigrationError(f"{name}: {said}", left=COMMITTED_STAYS, move=f"Mire docker logs de {name}.", code="service")


def _name(project: Project, service: DeclaredService) -> str:
    return f"{project.name}-{service.name}"


def _wanted(rendering: Rendering, name: str, flags: Sequence[str]) -> dict[str, str]:
    environment: Mapping[str, Any] = (services_in(rendering).get(name) or {}).get("environment") or {}
    return {flag: "" if environment.get(flag) is None else str(environment[flag]) for flag in flags}


def _step(
    project: Project,
    place: Workplace,
    service: DeclaredService,
    rendering: Rendering,
    wanted: Mapping[str, str],
    turn: dict[str, Any],
) -> str | None:
    """Do the next thing; None where the service is well and alone, else what is waited for."""
    here = [c for c in containers_here(project) if c.service == service.name]
    if _tidied(project, here):
        return "se quita lo que dejó un reemplazo a medias"
    right = [c for c in here if on_side(c, wanted)]
    others = [c for c in here if not on_side(c, wanted)]
    if not right or (not right[0].running and right[0].status in ("exited", "created") and not turn["tries"]):
        _begin(project, place, service, turn, _replacing(service, rendering, right, others))
        return "su contenedor se reemplaza"
    if len([c for c in right if c.running]) > 1 or (others and beside_hindrances(service, rendering) and others[0].running):
        raise not_well(service.name, f"hay {len(here)} contenedores suyos a la vez ({', '.join(c.name for c in here)})")
    return _judged(project, place, service, right[0], others, turn)


def _replacing(
    service: DeclaredService, rendering: Rendering, right: Sequence[Container], others: Sequence[Container]
) -> list[str]:
    """The compose command: beside the old one where both may run, otherwise the old one is stopped first."""
    words = ["up", "--detach", "--no-deps", "--no-build", "--pull", "never", "--quiet-pull"]
    if any(c.running for c in others) and not beside_hindrances(service, rendering):
        return [*words, "--no-recreate", "--scale", f"{service.name}={len(others) + 1}", service.name]
    return [*words, *(() if right else ("--force-recreate",)), service.name]


def _begin(project: Project, place: Workplace, service: DeclaredService, turn: dict[str, Any], words: list[str]) -> None:
    code, said = outcome(place)
    if turn["tries"] and code:
        raise not_well(service.name, f"docker compose no pudo reemplazar su contenedor: {said}")
    if turn["tries"] >= TURN_TRIES:
        raise not_well(service.name, "el reemplazo de su contenedor se cortó dos veces")
    turn |= {"tries": turn["tries"] + 1, "changed": True, "running": None}
    note_turn(place, _name(project, service), turn)
    start_apart(place, compose_words(project, words), project.folder, clean_environment(project.key))


def _judged(
    project: Project,
    place: Workplace,
    service: DeclaredService,
    right: Container,
    others: Sequence[Container],
    turn: dict[str, Any],
) -> str | None:
    if right.running and turn["running"] != right.id:
        turn |= {"running": right.id, "up": time.monotonic()}
    up_for = time.monotonic() - turn["up"] if right.running else 0.0
    answers = ask_url(service.health_url).well if service.health_url and right.running else None
    found = condition(right, answers, up_for)
    if found.state == "failed":
        if others:  # it ran beside the old one, which is left as it was
            docker(["rm", "--force", right.id], key=project.key, missing_ok=True)
        raise not_well(service.name, found.said)
    if found.state == "wait":
        return found.said
    for flag, value in dict(turn["wanted"]).items():
        inside = value_inside(project, right, flag) or ""
        if inside != value:
            raise not_well(service.name, f"su proceso tiene {flag}={inside or 'nada'}, y ha de tener {value or 'nada'}")
    if others:
        gone = ["stop" if any(c.running for c in others) else "rm", *(c.id for c in others)]
        turn["changed"] = True
        start_apart(place, ["docker", *gone], project.folder, clean_environment(project.key))
        return "el contenedor de antes se retira"
    turn |= {"id": right.id, "restarts": right.restarts, "said": found.said}
    return None


def _tidied(project: Project, here: Sequence[Container]) -> bool:
    """Take away what a killed compose left, or give it its name where nothing else is left of the service."""
    half = [c for c in here if c.half_made]
    for container in half:
        if len(here) > len(half):
            docker(["rm", "--force", container.id], key=project.key, missing_ok=True)
        else:
            docker(["rename", container.id, container.name.partition("_")[2]], key=project.key)
    return bool(half)


def _finished(project: Project, place: Workplace, service: DeclaredService, turn: dict[str, Any]) -> Turn:
    note_turn(place, _name(project, service), turn)
    took = f" en {time.monotonic() - float(turn['since']):.0f} s" if turn["changed"] else ""
    did = f"contenedor nuevo{took}; " if turn["changed"] else "ya estaba; "
    return Turn(True, bool(turn["changed"]), f"{service.name}: {did}{turn['said']}", str(turn["id"]))
