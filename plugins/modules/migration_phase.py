#!/usr/bin/python
# Copyright: TinkuBot
# MIT License (see LICENSE)
"""Guard, open, close and fail a phase; say where the migration stands."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_phase
short_description: Guard, open, close and fail a phase of the migration
version_added: "0.1.0"
description:
  - C(guard) judges the command line and the settings on the controller and makes the run's id; no host is reached. It reads the
    database's address itself, so it needs none as a parameter.
  - C(open) says which database this is, asks the gates, takes the lease and begins the row in the ledger.
  - C(close) writes that everything asked for holds, gives the lease back and prints the summary.
  - C(fail) writes that the run failed, gives the lease back, says how to undo and to go on, and fails.
  - C(status), C(quarantine) and C(set_aside) only read.
  - C(stop) asks the run that is under way to stop between two batches; it needs no run of its own.
options:
  operation:
    description: What to do.
    choices: [guard, open, close, fail, status, quarantine, set_aside, stop]
    required: true
    type: str
  direction:
    description: Which way the run goes.
    choices: [aplicar, revertir, verificar]
    default: aplicar
    type: str
  services_enabled:
    description: Whether service steps take part, as a truth value in any spelling that the guard knows; the summary says it.
    default: true
    type: raw
  maintenance_window:
    description: C(start), C(end) and C(timezone); empty means always.
    type: dict
    default: {}
  stabilization_days:
    description: Days between the end of a phase and the start of the next one.
    type: float
    default: 2
  overrides:
    description: From a gate's name to the reason why it is passed.
    type: dict
    default: {}
  failure:
    description: For C(fail), what failed, with C(msg) and C(code).
    type: dict
    default: {}
  controller:
    description: Who calls and how; the action plugin of the same name fills it in.
    type: dict
    default: {}
extends_documentation_fragment:
  - tinkubot.migracion.database
  - tinkubot.migracion.database.mapping
attributes:
  check_mode:
    description: All gates are asked, nothing is written; C(close) fails unless only time or an earlier phase is missing.
    support: full
  diff_mode:
    description: Bookkeeping has no differences to show.
    support: none
author: TinkuBot (@tinkubot)
"""

EXAMPLES = r"""
# In a playbook beside fase1.yml: DATABASE_URL exported, backup_dir the site's. The guard makes the run's id.
- name: Verificar las tablas de fase1 como ejecución propia
  module_defaults:
    group/tinkubot.migracion.migration:
      database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"
      run_id: "{{ phase_guard.run_id | default('') }}"
      phase: fase1
      backup_dir: "{{ backup_dir }}"
      mapping: "{{ lookup('ansible.builtin.file', playbook_dir ~ '/../files/mapping/tinkubot.yml', rstrip=false) }}"
  block:
    - name: Comprobar la orden
      tinkubot.migracion.migration_phase:
        operation: guard
      register: phase_guard
    - name: Abrir
      tinkubot.migracion.migration_phase:
        operation: open
        direction: verificar
    - name: Verificar las tablas en español
      tinkubot.migracion.schema_state:
        state: verified
    - name: Cerrar
      tinkubot.migracion.migration_phase:
        operation: close
        direction: verificar
"""

RETURN = r"""
lines:
  description: What there is to say, in Spanish.
  returned: always
  type: list
  elements: str
run_id:
  description: The id of the new run. Registered, it reaches the later plays; a fact would not everywhere, and would outlive them.
  returned: when operation is guard
  type: str
url_by_extra:
  description: Whether -e gave the address, which then wins over the environment.
  returned: when operation is guard
  type: bool
code:
  description: The kind of failure; C(login) and C(connection) mean that nobody connects again in this run.
  returned: on failure
  type: str
log_problem:
  description: Why the run's log could not be written; the last of C(lines) says it too.
  returned: when it could not
  type: str
"""

from ..module_utils.call.entry import MAPPING_OPTIONS, run_module
from ..module_utils.jobs.migration_phase import run


def main() -> None:
    """Entry point."""
    operations = ["guard", "open", "close", "fail", "status", "quarantine", "set_aside", "stop"]
    spec = {
        **MAPPING_OPTIONS,
        "operation": {"type": "str", "choices": operations, "required": True},
        "direction": {"type": "str", "choices": ["aplicar", "revertir", "verificar"], "default": "aplicar"},
        "services_enabled": {"type": "raw", "default": True},
        "maintenance_window": {"type": "dict", "default": {}},
        "stabilization_days": {"type": "float", "default": 2},
        "overrides": {"type": "dict", "default": {}},
        "failure": {"type": "dict", "default": {}},
        "controller": {"type": "dict", "default": {}},
    }
    run_module(spec, run)


if __name__ == "__main__":
    main()
