#!/usr/bin/python
# Copyright: TinkuBot
# MIT License (see LICENSE)
"""Backups that are proved by restoring them: take and verify, verify again, list, let go."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_backup
short_description: Take a backup and prove it by restoring it, verify one again, list them, let expired ones go
version_added: "0.1.0"
description:
  - With C(present) a backup is dumped from one snapshot, restored into a scratch PostgreSQL, and every row of every table
    compared with the snapshot's checksums. A phase takes one only where none that is younger than O(backup_max_hours) serves.
  - C(verified) restores and compares the backup O(backup_name) once more, else the latest verified one.
  - C(restored) puts one into the database of O(restore_url) and compares every row. It needs no other database.
  - C(listed) says which there are. C(pruned) removes what O(backup_keep) lets go.
  - The work is done by one process beside the module, that later calls ask and that ends when nobody asks any more.
options:
  state:
    description: What there shall be.
    choices: [present, verified, restored, listed, pruned]
    default: present
    type: str
  backup_name:
    description: The backup that is meant; empty means the latest verified one.
    type: str
    default: ""
  backup_max_hours:
    description: How old a verified backup may be and still serve a phase; 0 asks for none.
    type: float
    default: 24
  backup_tries:
    description: How often a dump begins anew that made way for whoever waited behind its locks.
    type: int
    default: 5
  backup_keep:
    description: C(count) good ones of each kind and all younger than C(days) stay.
    type: dict
    default: {count: 7, days: 30}
  backup_system:
    description: The system identifier of the cluster that the backup was taken of; empty asks O(database_url).
    type: str
    default: ""
  restore_url:
    description: The database to restore into.
    type: str
    default: ""
  overwrite:
    description: The name of the database whose rows may be lost.
    type: str
    default: ""
  scratch_url:
    description: A server to restore into for the comparison; empty makes one of the programs that are here.
    type: str
    default: ""
  scratch_dir:
    description: Where such a server lies; empty means C(/var/tmp).
    type: str
    default: ""
  pg_bin:
    description: The folder of PostgreSQL's programs; empty searches PATH, Debian's folders and the modules' Python.
    type: str
    default: ""
  maintenance_window:
    description: C(start), C(end) and C(timezone); a phase's backup has to fit before its end. Empty means always.
    type: dict
    default: {}
  overrides:
    description: From a gate's name to the reason why it is passed; with C(backup) none is taken.
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
    description: Says what would be taken and how long it would last, and changes nothing.
    support: full
  diff_mode:
    description: A backup has no differences to show.
    support: none
author: TinkuBot (@tinkubot)
"""

EXAMPLES = r"""
# In a playbook beside fase1.yml: DATABASE_URL exported, backup_dir the site's.
- name: Respaldar y comprobar
  tinkubot.migracion.database_backup:
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"
    run_id: "respaldo-{{ now(utc=true, fmt='%Y%m%dT%H%M%S') }}"
    phase: respaldo
    backup_dir: "{{ backup_dir }}"
    mapping: "{{ lookup('ansible.builtin.file', playbook_dir ~ '/../files/mapping/tinkubot.yml', rstrip=false) }}"
"""

RETURN = r"""
lines:
  description: What was taken, and what its verification found, in Spanish.
  returned: always
  type: list
  elements: str
backup:
  description: The name of the backup that was taken.
  returned: when one was
  type: str
more:
  description: Whether the work goes on and the module has to be called again.
  returned: while it does
  type: bool
log_problem:
  description: Why the run's log could not be written; the last of C(lines) says it too.
  returned: when it could not
  type: str
"""

from ..module_utils.call.entry import MAPPING_OPTIONS, run_module
from ..module_utils.jobs.database_backup import list_backups, pruned, restore_backup, take_backup, verified


def main() -> None:
    """Entry point."""
    states = {"present": take_backup, "verified": verified, "restored": restore_backup, "listed": list_backups, "pruned": pruned}
    spec = {
        **MAPPING_OPTIONS,
        "state": {"type": "str", "choices": list(states), "default": "present"},
        "backup_name": {"type": "str", "default": ""},
        "backup_max_hours": {"type": "float", "default": 24},
        "backup_tries": {"type": "int", "default": 5},
        "backup_keep": {"type": "dict", "default": {"count": 7, "days": 30}},
        "backup_system": {"type": "str", "default": ""},
        "restore_url": {"type": "str", "default": "", "no_log": True},
        "overwrite": {"type": "str", "default": ""},
        "scratch_url": {"type": "str", "default": "", "no_log": True},
        "scratch_dir": {"type": "str", "default": ""},
        "pg_bin": {"type": "str", "default": ""},
        "maintenance_window": {"type": "dict", "default": {}},
        "overrides": {"type": "dict", "default": {}},
        "controller": {"type": "dict", "default": {}},
    }
    run_module(spec, lambda params, check: states[params["state"]](params, check))


if __name__ == "__main__":
    main()
