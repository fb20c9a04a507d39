#!/usr/bin/python
# Copyright: TinkuBot
# MIT License (see LICENSE)
"""Judge a live database for the migration, render its SQL and keep the approval."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_render
short_description: Judge the live database, render the SQL for it and store the approval
version_added: "0.1.0"
description:
  - Compares the mapping with the live catalogue (drift, names already taken, rights, what depends on the legacy tables).
  - Looks at what the night depends on and prints it as a page of findings.
  - Counts the rows that would go to quarantine and why, with the expressions that the copy uses.
  - Renders the SQL for this database, shows its difference to files/sql and stores it in C(migracion.sql_aprobado).
options:
  state:
    description: C(approved) judges and stores; C(verified) compares what is stored with what the database gives now.
    choices: [approved, verified]
    default: approved
    type: str
  reference:
    description: The texts of files/sql by name; the action plugin of the same name fills it in.
    type: dict
    default: {}
  maintenance_window:
    description: When the phase may run; the judgement ends before it closes. Empty means always.
    type: dict
    default: {}
  runbook:
    description: C(version) and C(sha256) of the runbook's files; the action plugin of the same name fills it in.
    type: dict
    default: {}
  overrides:
    description: Gates that are passed by name, with a reason.
    type: dict
    default: {}
  database_disk_gb:
    description: Size of the database server's disk; C(0) where nobody knows, and then no forecast can refuse.
    type: float
    default: 0
extends_documentation_fragment:
  - tinkubot.migracion.database
  - tinkubot.migracion.database.mapping
attributes:
  check_mode:
    description: Everything is judged, nothing is stored.
    support: full
  diff_mode:
    description: Shows where the SQL for this database differs from files/sql.
    support: full
author: TinkuBot (@tinkubot)
"""

EXAMPLES = r"""
# In a playbook beside fase1.yml: DATABASE_URL exported, backup_dir the site's, a run opened: see migration_phase.
- name: Aprobar el SQL para esta base
  tinkubot.migracion.migration_render:
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"
    run_id: "{{ migration_run_id }}"
    phase: fase0
    backup_dir: "{{ backup_dir }}"
    mapping: "{{ lookup('ansible.builtin.file', playbook_dir ~ '/../files/mapping/tinkubot.yml', rstrip=false) }}"
"""

RETURN = r"""
lines:
  description: What was found, in Spanish.
  returned: always
  type: list
  elements: str
findings:
  description: What the night depends on, each with C(name), C(value), C(limit), C(verdict) (bien, aviso, impide), the SQL
    that mends it as C(mend) with C(who) may run it, and C(note); also when a finding, or something else, refuses.
  returned: when the database could be looked at
  type: list
  elements: dict
forecast:
  description: For each pair of tables, the rows that a copy would carry, change and quarantine.
  returned: when state is approved and nothing refuses
  type: list
  elements: dict
log_problem:
  description: Why the run's log could not be written; the last of C(lines) says it too.
  returned: when it could not
  type: str
"""

from ..module_utils.call.entry import MAPPING_OPTIONS, run_module
from ..module_utils.jobs.migration_render import approve, verify_approval


def main() -> None:
    """Entry point."""
    spec = {
        **MAPPING_OPTIONS,
        "state": {"type": "str", "choices": ["approved", "verified"], "default": "approved"},
        "reference": {"type": "dict", "default": {}},
        "maintenance_window": {"type": "dict", "default": {}},
        "runbook": {"type": "dict", "default": {}},
        "overrides": {"type": "dict", "default": {}},
        "database_disk_gb": {"type": "float", "default": 0},
    }
    jobs = {"approved": approve, "verified": verify_approval}
    run_module(spec, lambda params, check: jobs[params["state"]](params, check))


if __name__ == "__main__":
    main()
