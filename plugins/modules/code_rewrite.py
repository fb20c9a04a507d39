#!/usr/bin/python
# Copyright: TinkuBot
# MIT License (see LICENSE)
"""Move the services' code from the legacy tables to the Spanish ones, on a branch of each repository."""

from __future__ import annotations

DOCUMENTATION = r"""
module: code_rewrite
short_description: Rewrite uses of legacy tables in repositories, list what it cannot prove, ask the gate, go back
version_added: "0.1.0"
description:
  - Python, JavaScript, TypeScript and SQL are read by parsers. A chain of a client that is shown to be one, with literal
    table, columns, operators and values, is rewritten by the mapping; each other use of a legacy table is listed with file,
    line and reason.
  - With C(present) each repository, which has to be clean, gets the branch C(fase4/tablas-en-espanol); its own formatter and
    tests run, and the result is committed. Where one of them fails, the repository is as before and the attempt stays as a patch.
  - With C(verified) it fails while a use is left that is neither rewritten nor waived, or while legacy tables are written to.
  - With C(absent) what was checked out before is checked out again; the branch stays.
  - A second call changes nothing.
options:
  state:
    description: What shall be.
    choices: [present, verified, absent]
    default: present
    type: str
  code_repos:
    description: Absolute paths of the repositories' checkouts. None closes the phase with a note.
    type: raw
    default: []
  code_settings:
    description: By path, names that are clients (clients), and the commands of the formatter (format) and of the tests (test).
    type: raw
    default: {}
  waived_code:
    description: From a pattern of a finding's name, C(repository:path:reason:hash), to the reason why it may stay.
    type: raw
    default: {}
  quiet_hours:
    description: Hours without a write to a legacy table.
    type: float
    default: 24
  overrides:
    description: Gates passed by name with a reason; C(quiet_hours) is the one that is asked here.
    type: dict
    default: {}
extends_documentation_fragment:
  - tinkubot.migracion.database
  - tinkubot.migracion.database.mapping
attributes:
  check_mode:
    description: Shows the whole diff and every finding, and changes no file.
    support: full
  diff_mode:
    description: The diff stands among the lines of a check.
    support: none
author: TinkuBot (@tinkubot)
"""

EXAMPLES = r"""
# In a playbook beside fase1.yml: DATABASE_URL exported, backup_dir the site's, a run opened: see migration_phase.
- name: Reescribir el código de los servicios
  tinkubot.migracion.code_rewrite:
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"
    run_id: "{{ migration_run_id }}"
    phase: fase4
    backup_dir: "{{ backup_dir }}"
    mapping: "{{ lookup('ansible.builtin.file', playbook_dir ~ '/../files/mapping/tinkubot.yml', rstrip=false) }}"
    code_repos: [/opt/tinkubot/ai-service-clientes]
"""

RETURN = r"""
lines:
  description: What was rewritten, what is left for a person and why, in Spanish.
  returned: always
  type: list
  elements: str
log_problem:
  description: Why the run's log could not be written; the last of C(lines) says it too.
  returned: when it could not
  type: str
"""

from ..module_utils.call.entry import MAPPING_OPTIONS, run_module
from ..module_utils.jobs.code_rewrite import check_out_before, require_moved, rewrite_code


def main() -> None:
    """Entry point."""
    states = {"present": rewrite_code, "verified": require_moved, "absent": check_out_before}
    spec = {
        **MAPPING_OPTIONS,
        "state": {"type": "str", "choices": list(states), "default": "present"},
        "code_repos": {"type": "raw", "default": []},
        "code_settings": {"type": "raw", "default": {}},
        "waived_code": {"type": "raw", "default": {}},
        "quiet_hours": {"type": "float", "default": 24},
        "overrides": {"type": "dict", "default": {}},
    }
    run_module(spec, lambda params, check: states[params["state"]](params, check))


if __name__ == "__main__":
    main()
