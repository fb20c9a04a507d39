#!/usr/bin/python
# Copyright: TinkuBot
# MIT License (see LICENSE)
"""Take the legacy tables out of reach, verify that they are, bring them back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: legacy_state
short_description: Move the legacy tables to the schema legado, and bring them back with all that changed since
version_added: "0.1.0"
description:
  - With C(archived) a last proof is taken, then the legacy tables move to the schema C(legado) in one transaction that gives way
    to whoever holds them, with grants, policies, triggers and sequences; the sync goes in the same transaction. What hangs on
    them is re-pointed as the mapping's C(dependents) say; anything else stops it, listed with a draft of what would re-point it.
  - With C(restored) the tables and the sync come back in one transaction, what was inserted, changed and deleted on the Spanish
    side meanwhile is carried to them, and the neighbours' foreign keys follow.
options:
  state:
    description: Where the legacy tables shall be; C(verified) only looks.
    choices: [archived, verified, restored]
    default: archived
    type: str
  carry_publication:
    description: Whether the Spanish tables join the publications that the legacy ones leave, as a truth value in any spelling.
    type: raw
    default: false
  propagation_rows:
    description: Rows that a change of another row takes along in the service's own transaction, once the sync is back.
    type: int
    default: 1000
extends_documentation_fragment:
  - tinkubot.migracion.database
  - tinkubot.migracion.database.mapping
attributes:
  check_mode:
    description: Says what would be moved and re-pointed and refuses as the run would; changes nothing.
    support: full
  diff_mode:
    description: A move has no text to compare.
    support: none
author: TinkuBot (@tinkubot)
"""

EXAMPLES = r"""
# In a playbook beside fase1.yml: DATABASE_URL exported, backup_dir the site's, a run opened: see migration_phase.
- name: Retirar las tablas legacy
  tinkubot.migracion.legacy_state:
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"
    run_id: "{{ migration_run_id }}"
    phase: fase5
    backup_dir: "{{ backup_dir }}"
    mapping: "{{ lookup('ansible.builtin.file', playbook_dir ~ '/../files/mapping/tinkubot.yml', rstrip=false) }}"
    state: archived
"""

RETURN = r"""
lines:
  description: What was moved, re-pointed and carried, in Spanish.
  returned: always
  type: list
  elements: str
log_problem:
  description: Why the run's log could not be written; the last of C(lines) says it too.
  returned: when it could not
  type: str
"""

from ..module_utils.call.entry import MAPPING_OPTIONS, run_module
from ..module_utils.jobs.legacy_state import archived, brought_back, still_archived


def main() -> None:
    """Entry point."""
    states = {"archived": archived, "verified": still_archived, "restored": brought_back}
    spec = {
        **MAPPING_OPTIONS,
        "state": {"type": "str", "choices": list(states), "default": "archived"},
        "carry_publication": {"type": "raw", "default": False},
        "propagation_rows": {"type": "int", "default": 1000},
    }
    run_module(spec, lambda params, check: states[params["state"]](params, check))


if __name__ == "__main__":
    main()
