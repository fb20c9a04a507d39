#!/usr/bin/python
# Copyright: TinkuBot
# MIT License (see LICENSE)
"""Keep both sides of each pair equal while services write: install, switch, drain, take away."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sync_state
short_description: Install the two-way sync of a phase's tables, switch it off and on, carry what waits, take it away
version_added: "0.1.0"
description:
  - With C(present) every write of a service to one side reaches the other in its own transaction, from before the first batch on.
    Functions come first, then triggers, each under a short lock that is asked for again and again; the same call completes what
    was interrupted.
  - C(absent) takes away the triggers that carry legacy writes. The emptying that follows takes the rest.
  - C(switched) needs no table's lock and no run; while the sync is off its triggers leave the keys that services write.
  - C(drained) carries the keys that wait.
  - C(tried) writes, changes and deletes marked rows on both sides in one transaction that it rolls back.
options:
  state:
    description: What the sync shall be.
    choices: [present, absent, switched, drained, tried]
    default: present
    type: str
  switch:
    description: For C(switched), on or off, as a truth value in any spelling that the guard knows.
    type: raw
    default: ""
  prevails:
    description: For C(switched) where triggers were gone, the side whose rows count, legacy or espanol; empty means legacy.
    type: str
    default: ""
  propagation_rows:
    description: Rows that a change of another row takes along in the service's own transaction; more are left for the drain.
    type: int
    default: 1000
extends_documentation_fragment:
  - tinkubot.migracion.database
  - tinkubot.migracion.database.mapping
attributes:
  check_mode:
    description: Says what would be installed, switched or carried, and changes nothing.
    support: full
  diff_mode:
    description: Triggers are shown by files/sql, not as a diff.
    support: none
author: TinkuBot (@tinkubot)
"""

EXAMPLES = r"""
# In a playbook beside fase1.yml: DATABASE_URL exported, backup_dir the site's, a run opened: see migration_phase.
- name: Instalar la sincronización de la subfase 2.1
  tinkubot.migracion.sync_state:
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"
    run_id: "{{ migration_run_id }}"
    phase: fase2
    subphase: "2.1"
    backup_dir: "{{ backup_dir }}"
    mapping: "{{ lookup('ansible.builtin.file', playbook_dir ~ '/../files/mapping/tinkubot.yml', rstrip=false) }}"
"""

RETURN = r"""
lines:
  description: What was installed, switched or carried, in Spanish.
  returned: always
  type: list
  elements: str
log_problem:
  description: Why the run's log could not be written; the last of C(lines) says it too.
  returned: when it could not
  type: str
"""

from ..module_utils.call.entry import MAPPING_OPTIONS, run_module
from ..module_utils.jobs.sync_state import drained, install_sync, remove_sync, switched, tried


def main() -> None:
    """Entry point."""
    states = {"present": install_sync, "absent": remove_sync, "switched": switched, "drained": drained, "tried": tried}
    spec = {
        **MAPPING_OPTIONS,
        "state": {"type": "str", "choices": list(states), "default": "present"},
        "switch": {"type": "raw", "default": ""},
        "prevails": {"type": "str", "default": ""},
        "propagation_rows": {"type": "int", "default": 1000},
    }
    run_module(spec, lambda params, check: states[params["state"]](params, check))


if __name__ == "__main__":
    main()
