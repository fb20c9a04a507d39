#!/usr/bin/python
# Copyright: TinkuBot
# MIT License (see LICENSE)
"""Prove that the Spanish tables are what the legacy tables say."""

from __future__ import annotations

DOCUMENTATION = r"""
module: table_compare
short_description: Prove the copied tables row by row, both ways
version_added: "0.1.0"
description:
  - Accounts for every legacy row (equal, merged, quarantined, pending) and for every Spanish row.
  - Names each difference with row, column and both values, and writes the accounting as an event.
  - Checks that constraints are validated, indexes valid and sequences past their columns.
options:
  repair:
    description: Whether rows that the proof names are made equal first; without it nothing is changed.
    type: bool
    default: false
  batch_rows:
    description: Rows of a repair's transaction.
    type: int
    default: 5000
  second_opinion_rows:
    description:
      - Rows of each table with more than 10,000 that a second evaluator of the mapping judges, at random.
      - Those at the edges, the merged and the refused ones are judged beside them; of a smaller table all rows are.
    type: int
    default: 10000
  maintenance_window:
    description: C(start), C(end) and C(timezone); a repair pauses before its end. Empty means always.
    type: dict
    default: {}
  overrides:
    description: From a gate's name to the reason why it is passed; C(window) and C(replication_lag) concern a repair.
    type: dict
    default: {}
  waived_quarantine:
    description:
      - Quarantined rows that may stay behind, as a list of patterns C(table:key), or pattern and reason; C(*) is any text.
      - With O(repair=true) the entries that match become C(dispensada), the others C(abierta) again.
    type: raw
    default: []
extends_documentation_fragment:
  - tinkubot.migracion.database
  - tinkubot.migracion.database.mapping
attributes:
  check_mode:
    description: Compares and writes no event; with O(repair=true) says what would be waived, the copy's forecast the rest.
    support: full
  diff_mode:
    description: Differences are always named.
    support: none
author: TinkuBot (@tinkubot)
"""

EXAMPLES = r"""
# In a playbook beside fase1.yml: DATABASE_URL exported, backup_dir the site's, a run opened: see migration_phase.
- name: Probar la subfase 2.1
  tinkubot.migracion.table_compare:
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"
    run_id: "{{ migration_run_id }}"
    phase: fase2
    subphase: "2.1"
    backup_dir: "{{ backup_dir }}"
    mapping: "{{ lookup('ansible.builtin.file', playbook_dir ~ '/../files/mapping/tinkubot.yml', rstrip=false) }}"
"""

RETURN = r"""
lines:
  description: The accounting and the differences, in Spanish.
  returned: always
  type: list
  elements: str
accounting:
  description: For each pair of tables the rows by state.
  returned: when everything compared is equal
  type: list
  elements: dict
log_problem:
  description: Why the run's log could not be written; the last of C(lines) says it too.
  returned: when it could not
  type: str
"""

from ..module_utils.call.entry import MAPPING_OPTIONS, run_module
from ..module_utils.jobs.table_compare import compare


def main() -> None:
    """Entry point."""
    spec = {
        **MAPPING_OPTIONS,
        "repair": {"type": "bool", "default": False},
        "batch_rows": {"type": "int", "default": 5000},
        "second_opinion_rows": {"type": "int", "default": 10000},
        "maintenance_window": {"type": "dict", "default": {}},
        "overrides": {"type": "dict", "default": {}},
        "waived_quarantine": {"type": "raw", "default": []},
    }
    run_module(spec, compare)


if __name__ == "__main__":
    main()
