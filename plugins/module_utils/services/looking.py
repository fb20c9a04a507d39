"""Before the first turn: who is switched, and what stands against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.services.containers import Container, foreign_changes, on_side
from ..core.services.declared import DeclaredService
from ..core.services.env_text import with_value
from ..core.services.renderings import Switching, beside_hindrances, copies_of, services_in, who_switches
from .compose import Project, before_interpolation, config_hashes, containers_here, image_of, rendered_with
from .detached import Workplace
from .env_file import env_target, kept_env, read_env
from .turning import unfinished_turn


@dataclass(frozen=True)
class Sight:
    """What was seen. ``waiting``: the services that still run with the other value; ``notices``: what is said beside.

    ``work``: whether anything is to be done: one of them waits, or .env has another value.
    """

    switching: Switching
    waiting: tuple[str, ...]
    problems: tuple[str, ...]
    notices: tuple[str, ...]
    work: bool


def look_at_services(
    project: Project,
    place: Workplace,
    declared: Sequence[DeclaredService],
    value: str,
    waived: Mapping[str, str],
    backup_dir: str,
) -> Sight:
    """Look at the project as it will be with that value of the flag. Changes nothing.

    Raises MigrationError, code refused, where docker, compose, its file or .env cannot be read.
    """
    env = env_target(str(project.folder / ".env"))
    now = read_env(env)
    kept = kept_env(backup_dir, env)
    before = kept.original if kept else now
    after = with_value(now, project.key, value).data
    raw = before_interpolation(project)
    old, new, then, here_now = rendered_with(project, raw, _other(before, project.key, value), after, before, now)
    switching = who_switches(declared, old, new, raw, project.key, value)
    problems, notices = list(switching.problems), []
    here = containers_here(project)
    hashes = [config_hashes(project, rendering) for rendering in (then, new, here_now)]
    waiting = []
    for service in switching.switched:
        name = service.name
        own = [c for c in here if c.service == name]
        wanted = {flag: values[1] for flag, values in switching.effects[name].environment.items()}
        begun = unfinished_turn(project, place, name)
        if begun or not own or not all(c.running and on_side(c, wanted) for c in own):
            waiting.append(name)
        if copies_of(name, new) != 1:
            problems.append(f"{name}: tiene {copies_of(name, new)} copias, y el cambio lleva una por servicio")
        if not any(c.running for c in own) and not begun:
            problems.append(f"{name}: no está en marcha. Arránquelo antes, o quítelo de migration_services")
        known = [found[name] for found in hashes if name in found]
        tag = str(services_in(new)[name].get("image") or f"{project.name}-{name}")
        changes = _foreign(project, own, services_in(new)[name], known, tag, tuple(wanted))
        if changes and name in waived:
            notices.append(
                f"{name}: con el cambio va también {'; '.join(changes)} ({waived[name]}). La vuelta atrás devuelve la bandera, "
                "no eso"
            )
        elif changes:
            problems.append(f"{name}: al reemplazarlo cambiaría también {'; '.join(changes)}. Aplíquelo antes, o waived_changes")
        if not service.singleton and (hindrances := beside_hindrances(service, new)):
            notices.append(f"{name}: no cabe junto al de antes ({', '.join(hindrances)}): se para y arranca en su lugar")
    notices += _seeing_the_file(here, str(env), [s.name for s in switching.switched])
    return Sight(switching, tuple(waiting), tuple(problems), tuple(notices), bool(waiting) or after != now)


def _other(data: bytes, key: str, value: str) -> bytes:
    """The file with the opposite value: what differs from it hangs on the flag, whatever stands there now."""
    return with_value(data, key, "true" if value == "false" else "false").data


def _foreign(
    project: Project,
    own: Sequence[Container],
    said: Mapping[str, object],
    hashes: Sequence[str],
    tag: str,
    flags: Sequence[str],
) -> list[str]:
    image = image_of(project, tag) if own else ""
    found = [change for c in own if not c.half_made for change in foreign_changes(c, said, hashes, image, flags)]
    return list(dict.fromkeys(found))


def _seeing_the_file(here: Sequence[Container], env: str, switched: Sequence[str]) -> list[str]:
    names = sorted({c.service for c in here if env in c.mounts and c.service not in switched})
    return [f"{name}: tiene .env montado, y ve el de antes hasta que se reemplace su contenedor" for name in names]
