"""What the module service_switch does: look, give each service its turn, watch, take back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..core.errors import NOTHING_CHANGED, READ_ONLY_STEP, STEP_CHANGED_NOTHING, MigrationError, skipped_guard
from ..core.services.declared import DeclaredService, parse_declared
from ..core.services.env_text import with_value
from ..core.services.renderings import beside_hindrances, flag_effects
from ..services.compose import Project, before_interpolation, find_project, rendered, rendered_with
from ..services.detached import Workplace, ended_within, note_turn, noted_turn, workplace_in
from ..services.env_file import env_before, env_target, kept_env, read_env
from ..services.looking import look_at_services
from ..services.turning import SLICE, forget_turns, is_there, still_well, take_turn

WATCH = "vigilancia"
LOOK_AGAIN = 3.0  # seconds between two looks while watching


def _looked(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Who is switched. Raises MigrationError, code refused, naming all that stands against it."""
    project, place, declared = _opened(params)
    waived = {str(name): str(reason) for name, reason in params["waived_changes"].items()}
    sight = look_at_services(project, place, declared, params["value"], waived, params["backup_dir"])
    lines = list(sight.notices)
    if sight.problems:
        said = "".join(f"\n  - {problem}" for problem in sight.problems)
        details = {"lines": lines}
        what = f"los servicios de {project.folder} no se pueden cambiar:{said}"
        raise MigrationError(what, left=NOTHING_CHANGED, move="Corríjalo y repita la orden.", code="refused", details=details)
    rendering = rendered(project)
    named = [_how(service, rendering) for service in sight.switching.switched if service.name in sight.waiting]
    if named:
        lines.insert(
            0, f"{project.folder}: {'cambiarían' if check else 'cambian'} a {params['key']}={params['value']}: {', '.join(named)}"
        )
    else:
        lines.insert(0, f"{project.folder}: todos los servicios están ya con {params['key']}={params['value']}")
    return {
        "lines": lines,
        "services": [service.name for service in sight.switching.switched],
        "work": sight.work,
        "changed": bool(check and sight.work),
    }


def _listed(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """The same without a word: it was said when all machines were looked at."""
    return {**_looked(params, check), "lines": []}


def _verified(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Where each service is. Raises MigrationError, code difference, where one is not with the new value."""
    found = _looked(params, check=False)
    if found["work"]:
        what = f"en {params['services_dir']} no todos los servicios están con {params['key']}={params['value']}"
        details = {"lines": found["lines"]}
        raise MigrationError(what, left=READ_ONLY_STEP, move="Repita fase3.", code="difference", details=details)
    return {"lines": found["lines"]}


def _turned(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """One service's turn, for a slice."""
    if check:
        return {"lines": []}
    project, place, declared = _opened(params)
    effects = _effects(project, params)
    services = {service.name: service for service in _all(declared, effects)}
    service = services.pop(params["service"], DeclaredService(params["service"]))
    still_well(project, place, list(services.values()))
    turn = take_turn(project, place, service, tuple(effects.get(service.name, {})), params["run_id"])
    return {"lines": [turn.said], "changed": turn.changed, "more": not turn.done}


def _watched(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Look again at all of them, for a slice, until so long after this run's watch began."""
    if check:
        return {"lines": []}
    project, place, declared = _opened(params)
    every = _all(declared, _effects(project, params))
    began = noted_turn(place, WATCH)
    if began.get("run_id") != params["run_id"]:
        began = {"run_id": params["run_id"], "since": time.monotonic()}
        note_turn(place, WATCH, began)
    ends, until = float(began["since"]) + params["watch_seconds"], time.monotonic() + SLICE
    while True:
        still_well(project, place, every)
        left = ends - time.monotonic()
        if left <= 0:
            forget_turns(project, place, every)
            return {"lines": [f"{project.folder}: {', '.join(s.name for s in every)} siguen bien"]}
        if time.monotonic() >= until:
            return {"lines": [f"{project.folder}: se vigilan los servicios, {left:.0f} s más"], "more": True}
        time.sleep(min(LOOK_AGAIN, max(0.1, left)))


def _listed_back(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Whose turn a way back is: all that the flag reaches, the last one first. Those that are there already stay."""
    project, place, declared = _opened(params)
    if not ended_within(place, SLICE):
        return {"lines": ["El reemplazo que está en marcha termina antes"], "more": True}
    env = env_target(str(project.folder / ".env"))
    now = read_env(env)
    after = env_before(now, kept_env(params["backup_dir"], env), params["key"], params["value"])
    effects = _effects(project, params)
    (rendering,) = rendered_with(project, before_interpolation(project), after)
    every = _all(declared, effects)
    astray = [s.name for s in every if not is_there(project, place, s.name, rendering, tuple(effects[s.name]))]
    work = bool(astray) or after != now
    lines = [f"{project.folder}: {'volverían' if check else 'vuelven'} {', '.join(astray) or 'ninguno'}"] if work else []
    return {"lines": lines, "services": [s.name for s in every][::-1], "work": work, "changed": check and work}


def _forgotten(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """The end of a switch or of a way back."""
    project, place, declared = _opened(params)
    every = _all(declared, _effects(project, params))
    if not check:
        forget_turns(project, place, every)
    return {"lines": [], "services": [service.name for service in every]}


OPERATIONS: Mapping[str, Callable[[dict[str, Any], bool], dict[str, Any]]] = {
    "look": _looked,
    "list": _listed,
    "verify": _verified,
    "turn": _turned,
    "watch": _watched,
    "back": _listed_back,
    "forget": _forgotten,
}


def _opened(params: dict[str, Any]) -> tuple[Project, Workplace, tuple[DeclaredService, ...]]:
    if not params["run_id"]:
        raise skipped_guard()
    try:
        declared = parse_declared(params["migration_services"])
    except ValueError as error:
        move = "Corríjalo y repita la orden."
        what = f"migration_services: {error}"
        raise MigrationError(what, left=STEP_CHANGED_NOTHING, move=move, code="refused") from None
    project = find_project(params["services_dir"], params["services_project"], params["key"])
    return project, workplace_in(params["backup_dir"]), declared


def _all(declared: Sequence[DeclaredService], reached: Mapping[str, object]) -> list[DeclaredService]:
    """The services that the flag reaches, as they are declared or in compose's order."""
    return [s for s in declared if s.name in reached] if declared else [DeclaredService(name) for name in reached]


def _effects(project: Project, params: dict[str, Any]) -> dict[str, Mapping[str, tuple[str, str]]]:
    """Service to what the flag changes in its environment, whatever .env says now."""
    now = read_env(env_target(str(project.folder / ".env")))
    values = [with_value(now, params["key"], value).data for value in ("true", "false")]
    old, new = rendered_with(project, before_interpolation(project), *values)
    return {name: effect.environment for name, effect in flag_effects(old, new).items()}


def _how(service: DeclaredService, rendering: Mapping[str, Any]) -> str:
    return f"{service.name} ({'en su lugar' if beside_hindrances(service, rendering) else 'junto al de antes'})"
