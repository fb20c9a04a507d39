"""fase0's page of findings as a test sees it, and a printed statement as psql runs it."""

from __future__ import annotations

from dataclasses import dataclass

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Database
from tests.support.jobs import Jobs


@dataclass(frozen=True)
class Seen:
    """A finding as the module's result has it."""

    name: str
    value: str
    limit: str
    verdict: str
    mend: str
    who: str
    note: str


def looked(jobs: Jobs, check: bool = True) -> tuple[list[Seen], list[str], list[str]]:
    """The findings that are not all well (nor what every mapping loses), the page's lines, what fase0 refuses."""
    try:
        result = jobs.approve(check=check)
    except MigrationError as refused:
        result = refused.details
    return (
        [Seen(**f) for f in result["findings"] if f["verdict"] not in ("bien", "pierde")],
        result["lines"],
        result.get("refusals", []),
    )


def run_as_printed(database: Database, statement: str) -> None:
    """As psql runs a pasted line, as the superuser: each statement a transaction of its own."""
    database.run_alone(*(part for part in map(str.strip, statement.split(";")) if part))
