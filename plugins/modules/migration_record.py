#!/usr/bin/python
# Copyright: TinkuBot
# MIT License (see LICENSE)
"""Write into the ledger what is done on the services' hosts, which reach no database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_record
short_description: Write a step of a service into the ledger
version_added: "0.1.0"
description:
  - A step is written before and after what it names, so the ledger shows what a run that was cut off had begun.
  - It refuses without an open run of that id, and after a stop request it pauses.
options:
  maquina:
    description: The services' host.
    type: str
    default: ""
  servicio:
    description: The service; empty for the host's C(.env).
    type: str
    default: ""
  estado:
    description: Where it stands.
    choices: [cambia, espanol, vuelve, legacy]
    required: true
    type: str
  valor:
    description: The flag's value.
    type: str
    default: ""
  detalle:
    description: What else there is to keep.
    type: dict
    default: {}
  needs_sync:
    description: Whether the step is refused while the sync is off.
    type: bool
    default: false
extends_documentation_fragment:
  - tinkubot.migracion.database
  - tinkubot.migracion.database.mapping
attributes:
  check_mode:
    description: Asks the same and writes nothing.
    support: full
  diff_mode:
    description: The ledger has no differences to show.
    support: none
author: TinkuBot (@tinkubot)
"""

EXAMPLES = r"""
# In a playbook beside fase3.yml, a run opened: see migration_phase.
- name: Anotar que el servicio cambia
  tinkubot.migracion.migration_record:
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"
    run_id: "{{ migration_run_id }}"
    phase: fase3
    mapping: "{{ lookup('ansible.builtin.file', playbook_dir ~ '/../files/mapping/tinkubot.yml', rstrip=false) }}"
    maquina: servidor
    servicio: ai-service-clientes
    estado: cambia
"""

RETURN = r"""
lines:
  description: Nothing, or why the log could not be written.
  returned: always
  type: list
  elements: str
"""

from ..module_utils.call.entry import MAPPING_OPTIONS, run_module
from ..module_utils.jobs.migration_record import record_step


def main() -> None:
    """Entry point."""
    spec = {
        **MAPPING_OPTIONS,
        "maquina": {"type": "str", "default": ""},
        "servicio": {"type": "str", "default": ""},
        "estado": {"type": "str", "choices": ["cambia", "espanol", "vuelve", "legacy"], "required": True},
        "valor": {"type": "str", "default": ""},
        "detalle": {"type": "dict", "default": {}},
        "needs_sync": {"type": "bool", "default": False},
    }
    run_module(spec, record_step)


if __name__ == "__main__":
    main()
