"""How a verifier looks: by testinfra into the containers, by psql into the database. Nothing of the runbook is imported."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest


@dataclass(frozen=True)
class Database:
    """The database of a scenario, and what its road left beside it."""

    host: Any

    @property
    def road(self) -> list[str]:
        """All phases that ran, in order."""
        return [station["phase"] for station in self.host.ansible.get_variables()["road"]]

    @property
    def cycles(self) -> list[str]:
        """The phases that went through their whole cycle."""
        return [station["phase"] for station in self.host.ansible.get_variables()["road"] if station.get("cycle")]

    @cache  # noqa: B019  lives as long as its module
    def dump(self, phase: str, step: str) -> str:
        """What pg_dump gave after that step."""
        return str(self.host.file(f"/var/lib/cycle/{phase}-{step}.sql").content_string)

    @cache  # noqa: B019  likewise
    def said(self, phase: str, step: str) -> dict[str, Any]:
        """How the step ended: rc, stdout and stderr."""
        return dict(json.loads(self.host.file(f"/var/lib/cycle/{phase}-{step}.json").content_string))

    def rows(self, query: str) -> list[str]:
        """The rows of a query, each as one line."""
        text = self.host.check_output("psql -U supabase_admin -d tinkubot -AtX -v ON_ERROR_STOP=1 -c %s", query)
        return str(text).splitlines()


@pytest.fixture(scope="module")
def database(host: Any) -> Database:
    """The scenario's database."""
    return Database(host)
