"""Where Ansible finds a collection: beside the playbooks, since only they know which one they came with."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from ansible.plugins.lookup import LookupBase

DOCUMENTATION = r"""
name: collection_path
short_description: The folder from which Ansible takes a collection's roles and plugins
version_added: "0.1.0"
description:
  - The first folder that collections_path, or the Python that runs Ansible, has for it; links are resolved.
options:
  _terms:
    description: Names of collections.
    type: list
    elements: str
    required: true
author: TinkuBot (@tinkubot)
"""

EXAMPLES = r"""
- name: Decir de dónde sale
  ansible.builtin.debug:
    msg: "{{ lookup('collection_path', 'tinkubot.migracion') }}"
"""

RETURN = r"""
_list:
  description: One folder for each name.
  type: list
  elements: path
"""


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible has no types
    """See DOCUMENTATION."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **_: Any) -> list[str]:
        """Ask Ansible's own importer, which its roles and plugins go through too."""
        found = [importlib.import_module(f"ansible_collections.{name}") for name in terms]
        return [str(Path(module.__path__[0]).resolve()) for module in found]
