#!/usr/bin/python
# Copyright: TinkuBot
# MIT License (see LICENSE)
"""Copy rows from the legacy tables to the Spanish ones, a slice per call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: table_copy
short_description: Copy the rows of a phase in small transactions, or take them back
version_added: "0.1.0"
description:
  - Each batch and its checkpoint are one transaction; a kill at any instant loses at most the batch in flight.
  - One call works for about 15 seconds and says C(more) when there is more; the action plugin calls it again.
  - Rows that cannot go in are kept in C(migracion.cuarentena) with a reason, and the rest goes on.
  - Between two batches it looks whether somebody asked to stop, whether the window closes, and whether standbys, slots or
    other transactions suffer; the batch's rows and bytes are bounded, so that it can stop and give way at any moment.
options:
  state:
    description: C(copied) copies; C(absent) empties the Spanish tables, keeping what only they hold in C(migracion.apartada).
    choices: [copied, absent]
    default: copied
    type: str
  batch_rows:
    description: Rows of a batch at most; its bytes are bounded too, so that a row of megabytes goes alone.
    type: int
    default: 5000
  copy_workers:
    description: Sessions that copy a large table at once, each its half of the key; C(2) at most.
    type: int
    default: 1
    choices: [1, 2]
  deferred_index_rows:
    description: An empty Spanish table that gets more rows than this is loaded first and indexed afterwards.
    type: int
    default: 100000
  maintenance_window:
    description: C(start), C(end) and C(timezone); the copy pauses before its end. Empty means always.
    type: dict
    default: {}
  overrides:
    description: From a gate's name to the reason why it is passed; C(window), C(disk) and C(replication_lag) concern the copy.
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
    description: Forecasts what would be copied, changed and quarantined, with the expressions of the copy itself.
    support: full
  diff_mode:
    description: Rows are not shown as a diff.
    support: none
author: TinkuBot (@tinkubot)
"""

EXAMPLES = r"""
# In a playbook beside fase1.yml: DATABASE_URL exported, backup_dir the site's, a run opened: see migration_phase.
- name: Copiar la subfase 2.1
  tinkubot.migracion.table_copy:
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"
    run_id: "{{ migration_run_id }}"
    phase: fase2
    subphase: "2.1"
    backup_dir: "{{ backup_dir }}"
    mapping: "{{ lookup('ansible.builtin.file', playbook_dir ~ '/../files/mapping/tinkubot.yml', rstrip=false) }}"
"""

RETURN = r"""
lines:
  description: The live line of each table, or the forecast, in Spanish.
  returned: always
  type: list
  elements: str
more:
  description: Whether the copy wants to be called again.
  returned: when state is copied
  type: bool
forecast:
  description: For each pair of tables, the rows that a copy would carry, change, set aside and quarantine.
  returned: in check mode, when state is copied
  type: list
  elements: dict
log_problem:
  description: Why the run's log could not be written; the last of C(lines) says it too.
  returned: when it could not
  type: str
"""

from ..module_utils.call.entry import MAPPING_OPTIONS, run_module
from ..module_utils.jobs.table_copy import copy, take_back


def main() -> None:
    """Entry point."""
    states = {"copied": copy, "absent": take_back}
    spec = {
        **MAPPING_OPTIONS,
        "state": {"type": "str", "choices": list(states), "default": "copied"},
        "batch_rows": {"type": "int", "default": 5000},
        "copy_workers": {"type": "int", "choices": [1, 2], "default": 1},
        "deferred_index_rows": {"type": "int", "default": 100000},
        "maintenance_window": {"type": "dict", "default": {}},
        "overrides": {"type": "dict", "default": {}},
        "database_disk_gb": {"type": "float", "default": 0},
    }
    run_module(spec, lambda params, check: states[params["state"]](params, check))


if __name__ == "__main__":
    main()
