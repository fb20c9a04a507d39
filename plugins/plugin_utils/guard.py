"""The guard: everything about a command that can be judged before any host is reached."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.loader import connection_loader

from ..module_utils.core.errors import MigrationError
from ..module_utils.core.mapping.file import load_mapping
from ..module_utils.core.phase.command_line import BACKUP_TAGS, PHASE_TAGS, RUNNER, STATUS_TAGS, Invocation
from ..module_utils.core.phase.history import PHASES
from ..module_utils.core.phase.variables import VARIABLES, check_extra_vars, check_values
from ..module_utils.core.words import nearest
from .release import HOUSE, this_build
from .reporting import without_pipelining
from .site_address import address_of

PIPELINING = ("ansible_pipelining", "ansible_ssh_pipelining")
OTHER_TAGS = {"respaldo": BACKUP_TAGS}  # of the playbooks that are no phase
FROM_FILES = {"list", "verify", "restore"}  # what needs no database: it may be the one that is gone
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
    runners = invocation.runners
    if runners is None or len(runners) != 1:
        return problems + check_extra_vars(phase, extra, subphases, tables, invocation.run_tags)
    site, unreadable = _of_the_site(runners[0], task_vars)
    read = {name: value for name, value in extra.items() if name not in unreadable}
    problems += check_extra_vars(phase, read, subphases, tables, invocation.run_tags)
    problems += [
        f"{f'-e {name}: no se puede leer' if name in extra else f'{name}: no se puede leer del inventario'}: "
        "es una plantilla que no se resuelve"
        for name in unreadable
    ]
    given = {name: value for name, value in site.items() if name not in extra}
    if not (phase == "fase2" and "subfase" in given):
        given.pop("subfase", None)  # the others have no parts, so they do not look at it
    elif str(given.pop("subfase") or "").strip():
        problems.append("subfase: se da en la línea de órdenes, y no en un inventario: -e subfase=" + (subphases or ("2.1",))[0])
    problems += check_values(given, subphases, tables)
    if not (phase in OTHER_TAGS and set(invocation.run_tags) & FROM_FILES):
        problems += _addressed(runners[0], extra, task_vars)
    problems += _exposed(runners[0], task_vars)
    if not site.get("backup_dir") and "backup_dir" not in unreadable and phase.startswith(("fase", "respaldo")):
        problems.append("backup_dir no está definido: ahí van el registro y los respaldos. Por ejemplo -e backup_dir=/ruta")
    return problems


def _addressed(runner: str, extra: Mapping[str, Any], task_vars: Mapping[str, Any]) -> list[str]:
    """What is wrong with the address of the database; that it is one, the connection says."""
    address, problem = address_of(runner, extra, task_vars)
    if problem:
        return [problem]
    if not address:
        return [
            "DATABASE_URL no está definida. Antes de llamar: "
            "export DATABASE_URL='postgresql://usuario:contraseña@servidor:5432/base'"
        ]
    return [] if "database_url" in extra else check_values({"database_url": address})


def _exposed(runner: str, task_vars: Mapping[str, Any]) -> list[str]:
    """Whether a module would lie in a file on its host, its parameters with it."""
    if constants.DEFAULT_KEEP_REMOTE_FILES:
        return [without_pipelining("ANSIBLE_KEEP_REMOTE_FILES (o keep_remote_files) está puesto")]
    host = task_vars["hostvars"][runner]
    try:
        given = {name: boolean(host[name], strict=False) for name in PIPELINING if name in host}
        connection = connection_loader.get(str(host.get("ansible_connection") or "ssh"), class_only=True)
        on = constants.config.get_config_value(
            "pipelining", plugin_type="connection", plugin_name=connection._load_name, variables=given
        )
    except (AnsibleError, AttributeError, KeyError):
        return []  # its first task will say
    # one that this connection does not look at was put off all the same
    return (
        [] if on and all(given.values()) else [without_pipelining("pipelining está apagado para la máquina de migration_runner")]
    )


def _of_the_site(runner: str, task_vars: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The public variables but the address, from the inventory or from -e, which wins; and which of them cannot be read."""
    settings = task_vars["hostvars"][runner]
    found, unreadable = {}, []
    for name in VARIABLES:
        if name in settings and name != "database_url":
            try:
                found[name] = settings[name]
            except AnsibleError:
                unreadable.append(name)
    return found, unreadable


def invocation_of(phase: str, task_vars: Mapping[str, Any]) -> Invocation:
    """Read Ansible's own view of its command line."""
    groups = task_vars.get("groups") or {}
    inventories = tuple(context.CLIARGS.get("inventory") or ())
    return Invocation(
        run_tags=tuple(map(str, task_vars.get("ansible_run_tags") or ())),
        public_tags=PHASE_TAGS if phase.startswith("fase") else OTHER_TAGS.get(phase, STATUS_TAGS),
        skip_tags=tuple(map(str, task_vars.get("ansible_skip_tags") or ())),
        limit=str(task_vars.get("ansible_limit") or context.CLIARGS.get("subset") or ""),
        start_at=str(context.CLIARGS.get("start_at_task") or ""),
        inventories=inventories,
        missing_inventories=tuple(name for name in inventories if "," not in name and not Path(name).exists()),
        sites=tuple(name for inventory in inventories for name in _sites_in(Path(inventory))),
        runners=tuple(groups[RUNNER]) if RUNNER in groups else None,
    )


def _sites_in(inventory: Path) -> list[str]:
    """The sites in a folder that is none itself: Ansible would read the hosts of all, and the settings of none."""
    if not inventory.is_dir():
        return []
    below = [path for path in sorted(inventory.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    return [path.name for path in below if any((path / name).is_dir() for name in ("group_vars", "host_vars"))]


def new_run_id() -> str:
    """Sortable by its start, and not the same for two operators of one second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


def announcement(
    args: Mapping[str, Any], extra: Mapping[str, Any], task_vars: Mapping[str, Any], run_id: str, check: bool
) -> list[str]:
    """What the operator reads first, of a command to which nothing objects."""
    lines = ["Runbook: versión {version}, sha256 {sha256}, en {house}".format(**this_build(), house=HOUSE)]
    if "database_url" in extra and "@" in str(extra["database_url"]):
        lines.append(
            "Aviso: -e database_url lleva una contraseña, que queda en el historial y en la lista de procesos. "
            "Use la variable de entorno DATABASE_URL."
        )
    if not str(args["phase"]).startswith("fase"):
        return lines
    site, _ = _of_the_site(task_vars["groups"][RUNNER][0], task_vars)
    lines += unasked_notice(site)
    if check:
        lines.append(f"Ejecución {run_id}: simulación, no se escribe registro.")
    else:
        lines.append(f"Ejecución {run_id}. Registro: {site['backup_dir']}/registros/{run_id}.log")
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
