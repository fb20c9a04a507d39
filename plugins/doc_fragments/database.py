"""The options that every module of the collection shares."""

from __future__ import annotations


class ModuleDocFragment:
    """Connection and run once; the mapping as C(tinkubot.migracion.database.mapping)."""

    DOCUMENTATION = r"""
options:
  database_url:
    description: Address of the database, postgresql://user:password@host:5432/name. A direct connection or a session mode pooler.
    type: str
    required: true
  run_id:
    description: The run, as the guard made it. A module that changes something refuses without an open run of that id.
    type: str
    default: ""
  phase:
    description: The phase that calls, as C(fase2).
    type: str
    required: true
  backup_dir:
    description: Where the log of the run is written, as C(registros/<run_id>.log) with mode 0600. Empty means no log.
    type: str
    default: ""
"""

    MAPPING = r"""
options:
  mapping:
    description: The text of the mapping file.
    type: str
    required: true
  mapping_path:
    description: The path of the mapping file, for messages.
    type: str
    default: files/mapping/tinkubot.yml
  subphase:
    description: A part of the phase, as C(2.1); empty for all its parts.
    type: str
    default: ""
"""

    HOST = r"""
options:
  run_id:
    description: The run, as the guard made it. A module that changes something refuses without one.
    type: str
    default: ""
  phase:
    description: The phase that calls, as C(fase3).
    type: str
    required: true
  backup_dir:
    description: Where this host keeps the copy of .env, what is under way, and its lines of the run's log.
    type: str
    default: ""
"""
