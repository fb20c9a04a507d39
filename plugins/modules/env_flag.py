#!/usr/bin/python
# Copyright: TinkuBot
# MIT License (see LICENSE)
"""Set one key of the services' .env, or put the file back as it was, and change no other byte."""

from __future__ import annotations

DOCUMENTATION = r"""
module: env_flag
short_description: Set one key's value in an .env file and change no other byte of it
version_added: "0.1.0"
description:
  - Reads the file as docker compose does. Of several assignments the last one counts and is changed, the others are named; a key
    that is missing is added at the end. Comments, quotes, line ends, encoding, mode, owner and extended attributes stay.
  - The file is replaced in one step, behind a symlink its target. One with a second name and a mount point are refused.
  - What it was before the first change is kept in C(backup_dir)/servicios, and C(restored) puts that back.
options:
  state:
    description: Whether the key is set or the file is as it was before.
    choices: [present, restored]
    default: present
    type: str
  path:
    description: The file, absolute.
    type: path
    required: true
  key:
    description: The key.
    type: str
    default: MIGRATION_MODE
  value:
    description: Its value, of letters, digits, C(_), C(.) and C(-).
    type: str
    default: "false"
extends_documentation_fragment:
  - tinkubot.migracion.database.host
attributes:
  check_mode:
    description: Says what would change.
    support: full
  diff_mode:
    description: Shows the key alone; the file holds secrets.
    support: full
author: TinkuBot (@tinkubot)
"""

EXAMPLES = r"""
- name: Poner MIGRATION_MODE=false
  tinkubot.migracion.env_flag:
    run_id: "{{ phase_guard.run_id }}"
    phase: fase3
    backup_dir: /var/backups/tinkubot
    path: /opt/tinkubot/.env
"""

RETURN = r"""
lines:
  description: What changed, in Spanish.
  returned: always
  type: list
  elements: str
"""

from ..module_utils.call.entry import HOST_OPTIONS, run_module
from ..module_utils.jobs.env_flag import restore_flag, write_flag


def main() -> None:
    """Entry point."""
    states = {"present": write_flag, "restored": restore_flag}
    spec = {
        "state": {"type": "str", "choices": list(states), "default": "present"},
        "path": {"type": "path", "required": True},
        "key": {"type": "str", "default": "MIGRATION_MODE", "no_log": False},
        "value": {"type": "str", "default": "false"},
    }
    run_module(spec, lambda params, check: states[params["state"]](params, check), HOST_OPTIONS)


if __name__ == "__main__":
    main()
