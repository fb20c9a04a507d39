"""A dump of all that the runbook may not change by accident, in a form that can be compared as text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tools.postgres_server import SUPERUSER, run_tool

from .databases import Database

_POLICY_ROLES = re.compile(r"^(CREATE POLICY .*? TO )(\w+(?:, \w+)+)", re.MULTILINE)
_COPY = re.compile(r'^(COPY (?:[^"\n]|"[^"]*")*? FROM stdin;\n)(.*?)(^\\\.\n)', re.MULTILINE | re.DOTALL)


def dump(database: Database, *, without: tuple[str, ...] = ("migracion",), options: Sequence[str] = ()) -> str:
    """Schema and data as the superuser sees them, except some schemas; rows sorted, for their order means nothing."""
    return _COPY.sub(_sorted_rows, _pg_dump(database, without, *options))


def schema(database: Database, *, without: tuple[str, ...] = ("migracion",)) -> str:
    """The schema alone."""
    return _pg_dump(database, without, "--schema-only")


def _pg_dump(database: Database, without: tuple[str, ...], *options: str) -> str:
    """Run the server's own pg_dump: one of another minor version writes what the server keeps for itself (pg_attver)."""
    excluded = [f"--exclude-schema={name}" for name in without]
    server = database.server
    environment = {"PGPASSWORD": server.password, "PGCLIENTENCODING": "UTF8"}
    place = ["-h", server.host, "-p", str(server.port), "-U", SUPERUSER, "-d", database.name]
    text = run_tool(server.bin_dir / "pg_dump", *place, *excluded, *options, home=server.home, environment=environment)
    # their order is that of pg_authid's pages, which changes with any ALTER ROLE
    text = _POLICY_ROLES.sub(lambda found: found[1] + ", ".join(sorted(found[2].split(", "))), text)
    return "\n".join(line for line in text.split("\n") if not line.startswith(("\\restrict ", "\\unrestrict ")))


def _sorted_rows(found: re.Match[str]) -> str:
    head, rows, end = found.groups()
    return head + "".join(f"{row}\n" for row in sorted(rows.split("\n")) if row) + end
