"""The guard: everything about a command that can be judged before any host is reached."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible import context

from ..module_utils.core.errors import MigrationError
from ..module_utils.core.mapping.file import load_mapping
from ..module_utils.core.phase.command_line import PHASE_TAGS, RUNNER, STATUS_TAGS, Invocation
from ..module_utils.core.phase.history import PHASES
from ..module_utils.core.phase.variables import VARIABLES, check_extra_vars, check_values
from ..module_utils.core.words import nearest

SHAPE = "phase.yml"  # the playbook that only the phases import: they alone say a name


def objections(args: Mapping[str, Any], extra: Mapping[str, Any], task_vars: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with this command, one Spanish sentence each."""
    phase = str(args["phase"])
    if not phase or any(Path(name).name in (SHAPE, "tinkubot.migracion.phase") for name in context.CLIARGS.get("args") or ()):
        return [f"{SHAPE} es la forma que comparten las fases, no una de ellas. Con el mismo -i: ansible-playbook fase0.yml"]
    invocation = invocation_of(phase, task_vars)
    problems = invocation.problems()
    if phase.startswith("fase") and phase not in PHASES:
        problems.append(f"{phase} no es una fase de este runbook{nearest(phase, PHASES)}. Las fases son: {', '.join(PHASES)}")
    subphases: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    try:
        mapping = load_mapping(str(args.get("mapping") or ""), str(args.get("mapping_path") or ""))
        subphases = dict(mapping.subphases).get(phase, ())
        tables = tuple(pair.source for pair in mapping.pairs)
    except MigrationError as error:
        problems.append(str(error))
    problems += check_extra_vars(phase, extra, subphases, tables)
    runners = invocation.runners
    if runners is None or len(runners) != 1:
        return problems
    given = {name: value for name, value in _of_the_site(runners[0], task_vars).items() if name not in extra}
    if phase != "fase2":
        given.pop("subfase", None)  # a site may keep it for fase2
    problems += check_values(given, subphases, tables)
    if not args.get("database_url"):
        problems.append(
            "DATABASE_URL no está definida. Antes de llamar: "
            "export DATABASE_URL='postgresql://usuario:contraseña@servidor:5432/base'"
        )
    if not args.get("backup_dir") and phase.startswith("fase"):
        problems.append("backup_dir no está definido: ahí van el registro y los respaldos. Por ejemplo -e backup_dir=/ruta")
    return problems


def _of_the_site(runner: str, task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """The public variables as the runner has them: from the inventory, or from -e, which wins."""
    settings = task_vars["hostvars"][runner]
    return {name: settings[name] for name in VARIABLES if name in settings}


def invocation_of(phase: str, task_vars: Mapping[str, Any]) -> Invocation:
    """Read Ansible's own view of its command line."""
    groups = task_vars.get("groups") or {}
    inventories = tuple(context.CLIARGS.get("inventory") or ())
    return Invocation(
        run_tags=tuple(map(str, task_vars.get("ansible_run_tags") or ())),
        public_tags=PHASE_TAGS if phase.startswith("fase") else STATUS_TAGS,
        skip_tags=tuple(map(str, task_vars.get("ansible_skip_tags") or ())),
        limit=str(task_vars.get("ansible_limit") or context.CLIARGS.get("subset") or ""),
        start_at=str(context.CLIARGS.get("start_at_task") or ""),
        inventories=inventories,
        missing_inventories=tuple(name for name in inventories if "," not in name and not Path(name).exists()),
        runners=tuple(groups[RUNNER]) if RUNNER in groups else None,
    )


def new_run_id() -> str:
    """Sortable by its start, and not the same for two operators of one second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


def announcement(
    args: Mapping[str, Any], extra: Mapping[str, Any], task_vars: Mapping[str, Any], run_id: str, check: bool
) -> list[str]:
    """What the operator reads first, of a command to which nothing objects."""
    lines = []
    if "database_url" in extra and "@" in str(extra["database_url"]):
        lines.append(
            "Aviso: -e database_url lleva una contraseña, que queda en el historial y en la lista de procesos. "
            "Use la variable de entorno DATABASE_URL."
        )
    if not str(args["phase"]).startswith("fase"):
        return lines
    lines += unasked_notice(_of_the_site(task_vars["groups"][RUNNER][0], task_vars))
    if check:
        lines.append(f"Ejecución {run_id}: simulación, no se escribe registro.")
    else:
        lines.append(f"Ejecución {run_id}. Registro: {args['backup_dir']}/registros/{run_id}.log")
    return lines


def unasked_notice(values: Mapping[str, Any]) -> list[str]:
    """Say of usable ``values`` which ask for something that nothing does yet; the values are not repeated."""
    told = [name for name, known in VARIABLES.items() if known.unasked and name in values]
    told = [name for name in told if VARIABLES[name].parse(values[name]) not in VARIABLES[name].unasked]
    if not told:
        return []
    if len(told) == 1:
        return [f"Aviso: {told[0]} está puesto y todavía no lo consulta ninguna fase."]
    return [f"Aviso: {', '.join(told[:-1])} y {told[-1]} están puestos y todavía no los consulta ninguna fase."]
