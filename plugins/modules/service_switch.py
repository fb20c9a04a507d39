#!/usr/bin/python
# Copyright: TinkuBot
# MIT License (see LICENSE)
"""Replace the containers of a compose project one by one, so that they run with the .env of now."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_switch
short_description: Move the services of a compose project to what .env says, one by one, each well before the next
version_added: "0.1.0"
description:
  - C(look), and C(list) without a word, renders the configuration with both values of the flag and says whom it reaches.
    It refuses where a declared reader is not reached, where more than the flag would change, and where docker or compose are not
    as needed.
  - C(turn) replaces one service's container by one with the .env of now and waits until it is well; called again it goes on.
  - C(watch) looks until C(watch_seconds) have passed since the last turn whether the services are still well.
  - C(back) lists what a way back replaces, in its order. C(forget) ends the switch or the way back.
options:
  operation:
    description: What to do.
    choices: [look, list, verify, turn, watch, back, forget]
    required: true
    type: str
  services_dir:
    description: The folder of the compose file and of .env.
    type: path
    required: true
  services_project:
    description: The project's name where it is not compose's own.
    type: str
    default: ""
  migration_services:
    description: The services as the site declares them; with C([]) those that the flag reaches.
    type: raw
    default: []
  waived_changes:
    description: From a service's name to the reason why other changes of its configuration come along.
    type: dict
    default: {}
  service:
    description: For C(turn), whose turn it is.
    type: str
    default: ""
  key:
    description: The flag.
    type: str
    default: MIGRATION_MODE
  value:
    description: The flag's value on the new side.
    type: str
    default: "false"
  watch_seconds:
    description: How long the services are watched after the last turn.
    type: int
    default: 30
extends_documentation_fragment:
  - tinkubot.migracion.database.host
attributes:
  check_mode:
    description: Says who would be switched and every refusal.
    support: full
  diff_mode:
    description: Containers have no differences to show.
    support: none
author: TinkuBot (@tinkubot)
"""

EXAMPLES = r"""
- name: Ver qué servicios cambian
  tinkubot.migracion.service_switch:
    operation: look
    run_id: "{{ phase_guard.run_id }}"
    phase: fase3
    backup_dir: /var/backups/tinkubot
    services_dir: /opt/tinkubot
"""

RETURN = r"""
lines:
  description: What was seen or done, in Spanish.
  returned: always
  type: list
  elements: str
services:
  description: The services that the flag reaches, in the order of their turns.
  returned: when operation is look, list, back or forget
  type: list
  elements: str
work:
  description: Whether there is anything to do.
  returned: when operation is look, list or back
  type: bool
"""

from ..module_utils.call.entry import HOST_OPTIONS, run_module
from ..module_utils.jobs.service_switch import OPERATIONS


def main() -> None:
    """Entry point."""
    spec = {
        "operation": {"type": "str", "choices": list(OPERATIONS), "required": True},
        "services_dir": {"type": "path", "required": True},
        "services_project": {"type": "str", "default": ""},
        "migration_services": {"type": "raw", "default": []},
        "waived_changes": {"type": "dict", "default": {}},
        "service": {"type": "str", "default": ""},
        "key": {"type": "str", "default": "MIGRATION_MODE", "no_log": False},
        "value": {"type": "str", "default": "false"},
        "watch_seconds": {"type": "int", "default": 30},
    }
    run_module(spec, lambda params, check: OPERATIONS[params["operation"]](params, check), HOST_OPTIONS)


if __name__ == "__main__":
    main()
