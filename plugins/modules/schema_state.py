#!/usr/bin/python
# Copyright: TinkuBot
# MIT License (see LICENSE)
"""The Spanish tables: present, verified or absent."""

from __future__ import annotations

DOCUMENTATION = r"""
module: schema_state
short_description: Make, verify or drop the Spanish tables
version_added: "0.1.0"
description:
  - Makes the tables that are missing in one transaction, closed first and then opened like their legacy twins.
  - Verifies each against the mapping through PostgreSQL's own catalogue, fact by fact.
  - Drops only tables that it made itself, only while they are empty, never with CASCADE.
options:
  state:
    description: What the tables shall be.
    choices: [present, verified, absent]
    default: present
    type: str
extends_documentation_fragment:
  - tinkubot.migracion.database
  - tinkubot.migracion.database.mapping
attributes:
  check_mode:
    description: Says what would be made or dropped; tries it in a transaction that is rolled back.
    support: full
  diff_mode:
    description: The statements are those of files/sql, approved in fase0.
    support: none
author: TinkuBot (@tinkubot)
"""

EXAMPLES = r"""
# In a playbook beside fase1.yml: DATABASE_URL exported, backup_dir the site's, a run opened: see migration_phase.
- name: Crear las tablas en español
  tinkubot.migracion.schema_state:
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"
    run_id: "{{ migration_run_id }}"
    phase: fase1
    backup_dir: "{{ backup_dir }}"
    mapping: "{{ lookup('ansible.builtin.file', playbook_dir ~ '/../files/mapping/tinkubot.yml', rstrip=false) }}"
"""

RETURN = r"""
lines:
  description: What was made, verified or dropped, in Spanish.
  returned: always
  type: list
  elements: str
log_problem:
  description: Why the run's log could not be written; the last of C(lines) says it too.
  returned: when it could not
  type: str
"""

from ..module_utils.call.entry import MAPPING_OPTIONS, run_module
from ..module_utils.jobs.schema_state import absent, present, verify_tables


def main() -> None:
    """Entry point."""
    states = {"present": present, "verified": verify_tables, "absent": absent}
    spec = {**MAPPING_OPTIONS, "state": {"type": "str", "choices": list(states), "default": "present"}}
    run_module(spec, lambda params, check: states[params["state"]](params, check))


if __name__ == "__main__":
    main()
