"""What pg_restore says of what it could not restore, and what that means for the verdict. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..words import number
from .manifest import Manifest, TableRows

# Schemas that the provider makes and owns: what they lack on a plain server says nothing against the backup of ours.
OF_THE_PROVIDER = frozenset(
    [
        "auth",
        "storage",
        "vault",
        "cron",
        "net",
        "realtime",
        "_realtime",
        "extensions",
        "graphql",
        "graphql_public",
        "pgbouncer",
        "pgsodium",
        "pgsodium_masks",
        "pgtle",
        "supabase_functions",
        "supabase_migrations",
        "_analytics",
    ]
)
# What failed is named without its schema: the list of the dump's entries, which begin with the same number, has it.
_ENTRY = re.compile(r"from TOC entry (?P<number>\d+); \d+ \d+ (?P<entry>.+)$")
_LISTED = re.compile(r"^(?P<number>\d+); \d+ \d+ (?P<entry>.+)$")
_ERROR = re.compile(r"pg_restore: error: (?P<said>.+)$")
_IGNORED = re.compile(r"errors ignored on restore: (?P<count>\d+)")
# What a TOC entry is, longest first; then schema ('-' for none), the object's name and its owner.
_KINDS = [
    "FOREIGN DATA WRAPPER",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
    "MATERIALIZED VIEW DATA",
    "PUBLICATION TABLES IN SCHEMA",
    "PUBLICATION TABLE",
    "SEQUENCE OWNED BY",
    "EVENT TRIGGER",
    "OPERATOR FAMILY",
    "OPERATOR CLASS",
    "MATERIALIZED VIEW",
    "PROCEDURAL LANGUAGE",
    "CHECK CONSTRAINT",
    "FK CONSTRAINT",
    "INDEX ATTACH",
    "TABLE ATTACH",
    "SEQUENCE SET",
    "FOREIGN TABLE",
    "FOREIGN SERVER",
    "USER MAPPING",
    "STATISTICS DATA",
    "SECURITY LABEL",
    "ROW_ALIAS SECURITY",
    "DEFAULT ACL",
    "TABLE DATA",
    "SHELL TYPE",
    "ACCESS METHOD",
    "LARGE OBJECT",
    "BLOB METADATA",
    "BLOB COMMENTS",
    "BLOBS",
    "BLOB",
    "CONSTRAINT",
    "AGGREGATE",
    "COLLATION",
    "CONVERSION",
    "EXTENSION",
    "PROCEDURE",
    "FUNCTION",
    "OPERATOR",
    "SEQUENCE",
    "TRIGGER",
    "PUBLICATION",
    "SUBSCRIPTION",
    "STATISTICS",
    "TRANSFORM",
    "DOMAIN",
    "DEFAULT",
    "COMMENT",
    "POLICY",
    "SCHEMA",
    "TABLE",
    "INDEX",
    "RULE",
    "VIEW",
    "TYPE",
    "CAST",
    "ACL",
]


@dataclass(frozen=True)
class LeftOut:
    """One entry of the dump that could not be restored, and what the server said. ``schema``: '' where it lies in none."""

    kind: str
    schema: str
    name: str
    reason: str

    def __str__(self) -> str:
        """As the verdict lists it."""
        place = f"{self.schema}." if self.schema else ""
        return f"{self.kind} {place}{self.name}: {self.reason}"


@dataclass(frozen=True)
class RestoreOutput:
    """``left_out``: every entry that failed. ``broken``: why the restore as a whole cannot be believed, '' where it can."""

    left_out: tuple[LeftOut, ...]
    broken: str


def read_output(code: int, stderr: str, listed: Iterable[str]) -> RestoreOutput:
    """Account for every error that pg_restore counted: an exit code that its own words do not explain is no restore.

    ``listed``: the lines of its --list.
    """
    entries = {match["number"]: match["entry"] for line in listed if (match := _LISTED.match(line))}
    found: list[LeftOut] = []
    entry, told, counted = "", "", 0
    for line in stderr.splitlines():
        if match := _ENTRY.search(line):
            entry = entries.get(match["number"], f"? - {match['entry']}")
        elif match := _ERROR.search(line):
            told = match["said"]
            if entry:  # several may follow one entry
                found.append(_left_out(entry, told))
        elif match := _IGNORED.search(line):
            counted = int(match["count"])
    if code == 0:
        return RestoreOutput(tuple(found), "")
    if code == 1 and counted and counted == len(found):
        return RestoreOutput(tuple(found), "")
    return RestoreOutput(tuple(found), told or f"pg_restore terminó con código {code}: {stderr.strip()[-300:]}")


def _left_out(entry: str, said: str) -> LeftOut:
    kind = next((kind for kind in _KINDS if entry.startswith(f"{kind} ")), "")
    schema, _, rest = entry[len(kind) :].strip().partition(" ")
    name = rest.rpartition(" ")[0] or rest
    return LeftOut(
        kind or "?", "" if schema == "-" else schema, name, said.removeprefix("could not execute query: ERROR:").strip()
    )


def excepted(left_out: Iterable[LeftOut], manifest: Manifest) -> tuple[list[str], list[LeftOut]]:
    """Split what was left out: what the provider's schemas lack, by kind; and what is ours, which makes the backup bad."""
    lacking = {extension.schema for extension in manifest.extensions} - {"public", "pg_catalog"}
    names = {extension.name for extension in manifest.extensions}
    listed: dict[str, list[str]] = {}
    ours = []
    for entry in left_out:
        # an extension's comment and its own entry lie in no schema
        of_extension = entry.kind in ("EXTENSION", "COMMENT") and not entry.schema and _named(entry.name) in names
        if of_extension or entry.schema in OF_THE_PROVIDER | lacking or entry.kind == "EVENT TRIGGER":
            place = f"{entry.schema}." if entry.schema else ""
            if (said := f"{place}{entry.name}") not in listed.setdefault(entry.kind, []):
                listed[entry.kind].append(said)
        else:
            ours.append(entry)
    return [f"{number(len(names))} {kind}: {', '.join(names)}" for kind, names in sorted(listed.items())], ours


def _named(comment: str) -> str:
    return comment.removeprefix("EXTENSION ").strip('"')


def of_provider(table: TableRows) -> bool:
    """Whether the table is the provider's: its absence on a plain server is listed, and not held against the backup."""
    return table.schema in OF_THE_PROVIDER


def difference_of(table: TableRows, missing: Sequence[str], altered: Sequence[str], extra: Sequence[str], count: int) -> str:
    """Say of a restored table which rows differ, by key; ``count``: how many in all, of which the first are named."""
    parts = [
        f"{word} {', '.join(keys)}" for word, keys in (("faltan", missing), ("cambiadas", altered), ("sobran", extra)) if keys
    ]
    return f"{table.schema}.{table.name}: {number(count)} filas no son las del respaldo: {'; '.join(parts)}"
